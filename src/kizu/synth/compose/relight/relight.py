"""``relight``: a composed picture in the light that a generator sees in it, if it passes all gates."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from kizu.core.errors import DataError, KizuError
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.synth.compose.relight import gates
from kizu.synth.compose.relight.area import reach, share
from kizu.synth.compose.relight.ratio import brighten, light_ratio, mix_lightness

RULES = ("ratio", "lightness")


class Model(Protocol):
    """What relights: ``Relighter`` of ``kizu.synth.compose.relight.pipeline``, or anything with this method."""

    def relit(
        self, image: np.ndarray, inside: np.ndarray, seed: int, background: np.ndarray | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """float32 (H, W, 3) in 0..1, and a JSON-able record of how it was made."""


@dataclass(frozen=True)
class Options:
    """How a relit picture is used.

    Attributes:
        rule: ``ratio``: only the slow change of light; ``lightness``: the lightness as it is (the rule of SOS, to
            compare).
        sigma: of the slow change, in widths of the frame; the spec asks for 0.02 to 0.04.
        keep_background: pixels that are not near an object stay as they are; else they are relit too, wholly.
        margin: pixels around an object over which its light goes over to that of the background.
    """

    rule: str = "ratio"
    sigma: float = 0.03
    keep_background: bool = True
    margin: int = 4

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise KizuError(f"rule {self.rule!r} of relighting: one of {', '.join(RULES)}")
        if not 0 < self.sigma <= 0.25:
            raise KizuError(f"sigma {self.sigma} of relighting: a share of the width, above 0 and at most 0.25")
        if self.margin < 0:
            raise KizuError(f"margin {self.margin} of relighting: pixels, at least 0")


@dataclass
class Relit:
    """A picture after relighting.

    Attributes:
        image: uint8 (H, W, 3); the array that was given, itself, where the new light was not used.
        log: JSON-able. ``relight`` (iclight), ``used``, ``gates`` (name -> value, limit, passed; of the finished
            picture), ``reason`` ("" where used), ``drift`` (colour, gradients and edges of the generator's own picture,
            which decide nothing), ``model`` (prompt, steps, ...) and ``options``.
    """

    image: np.ndarray
    log: dict[str, Any]


def relight(
    image: np.ndarray,
    instances: Instances,
    model: Model | None,
    seed: int,
    options: Options | None = None,
    background: np.ndarray | None = None,
) -> Relit:
    """Give the objects of a picture the light that ``model`` sees on them. Instances are read and never changed.

    Where there is no model, no object, or a gate does not pass, the picture stays as it is: the analytic light of the
    composition is in it already, and the log tells why.

    Args:
        image: uint8 (H, W, 3).
        instances: of that picture, with (visible) masks.
        model: what relights.
        seed: of the picture.
        options: by default ``Options()``.
        background: uint8 (H, W, 3), the picture before objects were put in, for the model; None where it is not known.

    Raises:
        DataError: another kind of picture, or instances without masks or of another frame.
        KizuError: the model cannot be loaded.
    """
    options = options or Options()
    _check(image, instances, background)
    log: dict[str, Any] = {"relight": "iclight", "used": False, "gates": {}, "reason": "", "options": asdict(options)}
    inside = instances.masks.union()
    if model is None or not inside.any():
        return Relit(image, log | {"reason": "no model" if model is None else "no object"})
    made, log["model"] = model.relit(image, inside, seed, background)
    log["gates"] = gates.judge({"finite": gates.finite(made)})
    log["reason"] = gates.reason(log["gates"])
    if not log["reason"]:
        log["gates"] |= gates.judge({"brightness": gates.brightness(made)})
        log["reason"] = gates.reason(log["gates"])
    if log["reason"]:
        return Relit(image, log)
    relit = np.rint(255 * np.clip(made, 0, 1)).astype(np.uint8)
    log["drift"] = {name: round(value, 4) for name, value in _likeness(image, relit, instances.masks, inside).items()}
    after = _applied(image, relit, instances, inside, options)
    values = _likeness(image, after, instances.masks, inside)
    if options.keep_background:
        values["background"] = gates.background(image, after, ~reach(inside, options.margin))
    log["gates"] |= gates.judge(values)
    log["reason"] = gates.reason(log["gates"])
    log["used"] = not log["reason"]
    return Relit(after if log["used"] else image, log)


def _likeness(before: np.ndarray, after: np.ndarray, masks: Masks, inside: np.ndarray) -> dict[str, float]:
    return {
        "colour": gates.colour(before, after, masks),
        "gradients": gates.gradients(before, after, inside),
        "edges": gates.edges(before, after, inside),
    }


def _applied(
    image: np.ndarray, relit: np.ndarray, instances: Instances, inside: np.ndarray, options: Options
) -> np.ndarray:
    part = share(instances.masks, options.margin, 0.0 if options.keep_background else 1.0)
    if options.rule == "lightness":
        return mix_lightness(image, relit, part)
    ratio = light_ratio(image, relit, inside, options.sigma)
    if not options.keep_background and not inside.all():
        # The light behind an object is not the one on it: each is measured on its own pixels.
        ratio = np.where(inside, ratio, light_ratio(image, relit, ~inside, options.sigma))
    return brighten(image, ratio, part)


def _check(image: np.ndarray, instances: Instances, background: np.ndarray | None) -> None:
    for name, picture in (("picture", image), ("background", background)):
        if picture is not None and (picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3):
            raise DataError(f"relighting takes a {name} of uint8 (H, W, 3), not {picture.dtype} {picture.shape}")
    if instances.masks is None:
        raise DataError("relighting needs masks, and there are only boxes; label the objects with masks")
    sizes = {instances.masks.size, image.shape[:2], image.shape[:2] if background is None else background.shape[:2]}
    if len(sizes) > 1:
        raise DataError(f"picture, background and masks of relighting have frames of {sorted(sizes)}; use one size")
