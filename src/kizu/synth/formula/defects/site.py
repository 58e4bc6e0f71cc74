"""``Site``: where a defect is to be drawn, and on what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kizu.synth.formula.curves import resample
from kizu.synth.formula.outline import Outline
from kizu.synth.formula.raster import Cover, fill
from kizu.synth.formula.surfaces.surface import Surface

_TRIES = 32  # places on an outline, of which the first inside the frame is taken


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

    @property
    def part(self) -> Cover:
        """What is covered by the part: the site's cover, else its outline, else the whole frame."""
        if self.cover is not None:
            return self.cover
        if self.outline is not None:
            return fill(self.outline, self.size)
        return Cover(0, 0, np.ones(self.size, np.float32))

    def edge(self, random: np.random.Generator, inner: bool = False) -> tuple[np.ndarray, np.ndarray] | None:
        """A random place on the outline and the unit normal there, which points out of the part.

        Args:
            inner: on a hole too, not on the outside ring alone.

        Returns:
            None where there is no outline, or none of the tries lies inside the frame.
        """
        found = self._spot(random, inner)
        return None if found is None else found[:2]

    def corner(self, random: np.random.Generator, least: float = 0.7) -> tuple[np.ndarray, np.ndarray] | None:
        """A random corner of the outside ring, inside the frame, and the unit normal there; None: there is none.

        Args:
            least: radians by which the outline turns within a few pixels there.
        """
        if self.outline is None:
            return None
        points = _even(self.outline.ring(0), max(2.0 * self.scale, 1.0))
        before, after = points - np.roll(points, 2, 0), np.roll(points, -2, 0) - points
        sign = _sign(self.outline)
        cross = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
        turn = sign * np.arctan2(cross, (before * after).sum(1))
        seen = (points >= 0).all(1) & (points[:, 0] < self.size[1]) & (points[:, 1] < self.size[0])
        places = np.flatnonzero(seen & (turn > least))
        if not len(places):
            return None
        k = int(places[random.integers(len(places))])
        run = before[k] / max(np.hypot(*before[k]), 1e-9) + after[k] / max(np.hypot(*after[k]), 1e-9)
        run /= max(np.hypot(*run), 1e-9)
        return points[k], sign * np.array([run[1], -run[0]])

    def run(
        self, random: np.random.Generator, length: float, step: float, inner: bool = True
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """A piece of the outline around a random place of it inside the frame.

        Args:
            length: pixels; at most a ring.
            step: pixels from point to point, about.

        Returns:
            Points (P, 2) and unit normals (P, 2) that point out of the part; None as for ``edge``.
        """
        found = self._spot(random, inner)
        if found is None:
            return None
        points = _even(found[2], step)
        count = min(max(round(length / step), 4), len(points))
        middle = int(np.argmin(((points - found[0]) ** 2).sum(1)))
        chosen = np.arange(middle - count // 2, middle - count // 2 + count) % len(points)
        tangents = np.roll(points, -1, 0)[chosen] - np.roll(points, 1, 0)[chosen]
        tangents /= np.maximum(np.hypot(tangents[:, 0], tangents[:, 1]), 1e-9)[:, None]
        return points[chosen], _sign(self.outline) * np.stack([tangents[:, 1], -tangents[:, 0]], 1)

    def _spot(self, random: np.random.Generator, inner: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """A place on the outline inside the frame, the normal there, and its ring."""
        if self.outline is None:
            return None
        ring = self.outline.ring(int(random.integers(len(self.outline))) if inner else 0)
        steps = np.roll(ring, -1, 0) - ring
        lengths = np.hypot(steps[:, 0], steps[:, 1])
        ends = np.cumsum(lengths)
        places = np.minimum(np.searchsorted(ends, random.uniform(0, ends[-1], _TRIES)), len(ring) - 1)
        points = ring[places] + random.uniform(0, 1, (_TRIES, 1)) * steps[places]
        seen = (points >= 0).all(1) & (points < self.size[::-1]).all(1) & (lengths[places] > 0)
        if not seen.any():
            return None
        first = int(np.argmax(seen))
        k = places[first]
        return points[first], _sign(self.outline) * np.array([steps[k, 1], -steps[k, 0]]) / lengths[k], ring


def _sign(outline: Outline) -> float:
    """Holes run the other way than the outside, so one sign turns all normals out of the part."""
    outer = outline.ring(0)
    return float(np.sign(np.dot(outer[:, 0], np.roll(outer[:, 1], -1)) - np.dot(outer[:, 1], np.roll(outer[:, 0], -1))))


def _even(ring: np.ndarray, step: float) -> np.ndarray:
    """A closed ring (P, 2) with vertices evenly apart."""
    return resample(np.concatenate([ring, ring[:1]]), step)[:-1]
