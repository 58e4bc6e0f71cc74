"""Lens distortion of geometry: vertices are distorted before they are drawn, so image and mask stay one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kizu.synth.formula import chance
from kizu.synth.formula.outline import Outline
from kizu.synth.formula.warp import warped


@dataclass(frozen=True)
class Lens:
    """Radial distortion, ``r' = r (1 + k1 r^2 + k2 r^4)`` (Brown, "Decentering distortion of lenses", 1966).

    Attributes:
        k1, k2: coefficients; k1 < 0 a barrel, k1 > 0 a pincushion.
        centre: of the picture in pixels, (x, y).
        unit: pixels that are r = 1; half the diagonal of the frame, so that corners move by about k1 + k2.
    """

    k1: float
    k2: float
    centre: tuple[float, float]
    unit: float

    @classmethod
    def of(cls, size: tuple[int, int], k1: float, k2: float = 0.0) -> Lens:
        """For a frame of (H, W)."""
        height, width = size
        return cls(k1, k2, (width / 2, height / 2), 0.5 * float(np.hypot(width, height)))

    def bend(self, points: np.ndarray) -> np.ndarray:
        """From where points (P, 2) lie without distortion to where the lens shows them; float64 (P, 2), pixels."""
        away = (np.asarray(points, np.float64) - self.centre) / self.unit
        square = (away**2).sum(-1, keepdims=True)
        return away * (1 + square * (self.k1 + self.k2 * square)) * self.unit + self.centre

    def outline(self, outline: Outline, step: float = 12.0) -> Outline:
        """A distorted outline. Edges longer than ``step`` pixels are divided first: straight ones become curves."""
        if not self.k1 and not self.k2:
            return outline
        return warped(outline, self.bend, step)

    def to_dict(self) -> dict[str, float]:
        """JSON-able record."""
        return {"k1": round(self.k1, 5), "k2": round(self.k2, 5)}


def draw(values: Mapping[str, Any], size: tuple[int, int], random: np.random.Generator) -> Lens:
    """A random lens.

    Args:
        values: the table ``[camera]`` of a preset; ``distortion`` is the share of lenses that have some.
        size: (H, W) of the frame.
    """
    k1, k2 = chance.uniform(values["k1"], random), chance.uniform(values["k2"], random)
    some = chance.either(values["distortion"], random)
    return Lens.of(size, k1 if some else 0.0, k2 if some else 0.0)
