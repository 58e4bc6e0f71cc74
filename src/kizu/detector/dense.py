"""The dense detector as an engine: maps of class, boundary and centre, from ONNX Runtime or torch, to candidates."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from kizu.core.errors import KizuError
from kizu.core.instances import Instances
from kizu.detector.engine import LOWEST, Candidates, Engine, log_odds
from kizu.inspection.tiling import plan
from kizu.models.dense_decode import DenseMaps, decode
from kizu.models.dense_targets import STRIDE
from kizu.models.session import DenseSession

_WEAK = 1 / 3  # of the probability that outlines a class


class DenseEngine(Engine):
    """Candidates of the dense detector.

    A candidate is outlined at the probability that fits its class best. What stays below that everywhere is a weak
    candidate, outlined at a third of it: it scores lower than all others, and lets thresholds be moved.

    Attributes:
        session: runs the network.
        outlines: for each class the probability that outlines it.
        areas: for each class the smallest instance in pixels.
    """

    def __init__(self, session: DenseSession, outlines: tuple[float, ...], areas: tuple[int, ...]):
        if not len(outlines) == len(areas) == session.classes:
            raise KizuError(f"{session.classes} classes, {len(outlines)} outlines and {len(areas)} areas")
        self.session, self.outlines, self.areas = session, tuple(outlines), tuple(areas)
        self.feet = self.outlines

    def maps(self, image: np.ndarray) -> DenseMaps:
        """What the network says of a uint8 (H, W, 3) picture of any size."""
        return self.session.whole(image, plan(image.shape[:2], STRIDE))

    def candidates(self, image: np.ndarray, maps: bool = True) -> Candidates:
        """See :class:`Engine`."""
        said, size = self.maps(image), image.shape[:2]
        odds = None
        if maps:
            odds = np.stack([pixels(log_odds(layer).astype(np.float32), size) for layer in said.classes])
        return Candidates(self.found(said, size), odds)

    def found(self, said: DenseMaps, size: tuple[int, int]) -> Instances:
        """Candidates of a picture of (height, width) from its maps."""
        found = decode(said, size, self.outlines, self.areas).instances()
        weak = decode(said, size, [_WEAK * level for level in self.outlines], self.areas).instances()
        touching = (weak.masks.intersection(found.masks) > 0) & (weak.labels[:, None] == found.labels[None, :])
        found = Instances.concat([found, weak[~touching.any(1)]])
        return found[found.scores >= LOWEST]

    def outlined(self, outlines: tuple[float, ...], areas: tuple[int, ...]) -> DenseEngine:
        """The same network with other outlines."""
        return DenseEngine(self.session, outlines, areas)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """See :class:`Engine`."""
        return self.session.state(), {"outlines": self.outlines, "areas": self.areas}

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], settings: dict[str, Any]) -> DenseEngine:
        """The inverse of :meth:`state`. Raises KizuError where the parts are damaged or do not fit together."""
        session = DenseSession(arrays["network"].tobytes())
        return cls(session, tuple(map(float, settings["outlines"])), tuple(map(int, settings["areas"])))


def pixels(cells: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A map float32 (h, w) on cells, bilinear between their centres, on pixels (height, width)."""
    whole = (cells.shape[1] * STRIDE, cells.shape[0] * STRIDE)
    return cv2.resize(cells, whole, interpolation=cv2.INTER_LINEAR)[: size[0], : size[1]]
