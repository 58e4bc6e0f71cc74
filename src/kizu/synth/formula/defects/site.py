"""``Site``: where a defect is to be drawn, and on what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kizu.synth.formula.outline import Outline
from kizu.synth.formula.raster import Cover
from kizu.synth.formula.surfaces.surface import Surface


@dataclass
class Site:
    """A surface that takes a defect.

    Attributes:
        size: (H, W) of the frame.
        surface: what it is made of.
        cover: where it is seen; None: the whole frame.
        outline: of the part, for defects of its edge (chip, burr); None where the surface goes beyond the frame.
        scale: pixels in place of each pixel that a recipe speaks of; recipes are written for frames of 512 pixels.
        target: square root of the area in pixels that the defect is to have, about; None: as its recipe says.
    """

    size: tuple[int, int]
    surface: Surface
    cover: Cover | None = None
    outline: Outline | None = None
    scale: float = 1.0
    target: float | None = None

    def point(self, random: np.random.Generator) -> np.ndarray:
        """A random place on the surface, float64 (2,): x, y."""
        if self.cover is None:
            return random.uniform((0, 0), (self.size[1], self.size[0]))
        inside = np.flatnonzero(self.cover.mask)
        if not len(inside):
            return np.array([self.cover.x, self.cover.y], np.float64)
        row, column = divmod(int(inside[random.integers(len(inside))]), self.cover.alpha.shape[1])
        return np.array([self.cover.x + column, self.cover.y + row]) + random.uniform(0, 1, 2)

    def edge(self, random: np.random.Generator, inner: bool = False) -> tuple[np.ndarray, np.ndarray] | None:
        """A random place on the outline and the unit normal there, which points out of the part.

        Args:
            inner: on a hole too, not on the outside ring alone.

        Returns:
            None where there is no outline, or none of the tries lies inside the frame.
        """
        if self.outline is None:
            return None
        outer = self.outline.ring(0)
        # Holes run the other way than the outside, so one sign turns all normals out of the part.
        sign = np.sign(np.dot(outer[:, 0], np.roll(outer[:, 1], -1)) - np.dot(outer[:, 1], np.roll(outer[:, 0], -1)))
        for _ in range(8):
            ring = self.outline.ring(int(random.integers(len(self.outline))) if inner else 0)
            steps = np.roll(ring, -1, 0) - ring
            lengths = np.hypot(steps[:, 0], steps[:, 1])
            k = min(int(np.searchsorted(np.cumsum(lengths), random.uniform(0, lengths.sum()))), len(ring) - 1)
            point = ring[k] + random.uniform() * steps[k]
            if 0 <= point[0] < self.size[1] and 0 <= point[1] < self.size[0] and lengths[k] > 0:
                return point, sign * np.array([steps[k, 1], -steps[k, 0]]) / lengths[k]
        return None
