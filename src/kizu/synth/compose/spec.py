"""The scene spec: everything that a composed picture depends on, as JSON. It is the only thing that chance makes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from kizu.core.errors import DataError

VERSION = 2  # of the renderer: raise it when the same spec gives another picture


@dataclass(frozen=True)
class Layer:
    """One thing that is put into the picture; those that come later lie on top.

    Attributes:
        label: name of its class.
        segment: id of a segment of the bank; "" where ``make`` names a generator of defects.
        affine: (a, b, c, d, e, f): the pixel centre (x, y) of the segment lies at (a x + b y + c, d x + e y + f) of the
            frame.
        make: name of a generator of defects, "" for a segment.
        at: (x, y) of the middle of a made defect.
        area: pixels that a made defect is to have.
        other: id of another picture that a made defect takes a patch of; "" = none.
        blend: how its edge is joined, see ``kizu.synth.compose.blend``.
        light: how its light is matched, see ``kizu.synth.compose.shading``.
        depth: distance, for defocus and shadows; 0 = on the ground.
        seed: of all that is drawn while it is rendered.
    """

    label: str
    segment: str = ""
    affine: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    make: str = ""
    at: tuple[float, float] = (0.0, 0.0)
    area: float = 0.0
    other: str = ""
    blend: dict[str, Any] = field(default_factory=dict)
    light: dict[str, Any] = field(default_factory=dict)
    depth: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Scene:
    """A composed picture before it is drawn.

    Attributes:
        size: (H, W).
        background: id of the picture behind it.
        window: (x, y, w, h) of that picture that fills the frame.
        flips: (left-right, upside-down).
        layers: in painting order.
        light: of the whole: direction, ambient share.
        camera: of the whole: blur, noise, zoom.
        dropped: what was planned and taken out again, with the reason.
        version: of the renderer.
    """

    size: tuple[int, int]
    background: str
    window: tuple[int, int, int, int]
    flips: tuple[bool, bool] = (False, False)
    layers: tuple[Layer, ...] = ()
    light: dict[str, Any] = field(default_factory=dict)
    camera: dict[str, Any] = field(default_factory=dict)
    dropped: tuple[dict[str, Any], ...] = ()
    version: int = VERSION

    def to_json(self) -> dict[str, Any]:
        """As plain lists and tables."""
        return json.loads(json.dumps(vars(self) | {"layers": [vars(layer) for layer in self.layers]}))

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Scene:
        """The inverse of :meth:`to_json`. Raises DataError for a record that is none, or of another version."""
        try:
            version = record["version"]
            if version != VERSION:
                raise DataError(f"a scene of version {version}, and this Kizu draws version {VERSION}; compose it anew")
            layers = tuple(
                Layer(**item | {"affine": tuple(item["affine"]), "at": tuple(item["at"])}) for item in record["layers"]
            )
            shapes = {name: tuple(record[name]) for name in ("size", "window", "flips", "dropped")}
            return cls(**record | shapes | {"layers": layers})
        except (KeyError, TypeError) as error:
            raise DataError(f"not a scene of kizu compose ({error}); compose it anew") from error
