"""``Outline``: closed rings of float vertices, holes included. All geometry is drawn from these.

Coordinates are continuous, x to the right and y down, in pixels; pixel (x, y) is the square [x, x + 1) x [y, y + 1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from kizu.core.errors import DataError


class Outline:
    """A shape bounded by closed rings: what the rings wind around is inside (non-zero rule).

    Outer rings run one way and holes the other, so that a hole winds to zero. A ring needs no repeated last vertex.
    """

    __slots__ = ("points", "starts")

    def __init__(self, points: np.ndarray, starts: np.ndarray | None = None):
        """
        Args:
            points: float (P, 2), the vertices of all rings, one ring after the other.
            starts: int (R + 1), ring r owns ``points[starts[r]:starts[r + 1]]``; by default one ring.

        Raises:
            DataError: vertices that are not finite or not (P, 2).
        """
        self.points = np.ascontiguousarray(points, np.float64)
        if self.points.ndim != 2 or self.points.shape[1] != 2 or not np.isfinite(self.points).all():
            raise DataError(f"an outline is of finite vertices (P, 2), not {self.points.shape}")
        self.starts = np.array([0, len(self.points)], np.int64) if starts is None else np.asarray(starts, np.int64)

    @classmethod
    def of(cls, rings: Sequence[np.ndarray]) -> Outline:
        """From one array (P, 2) a ring; the first is the outside, and the others are turned to be holes in it."""
        turned = [rings[0], *(ring if _signed(ring) * _signed(rings[0]) < 0 else ring[::-1] for ring in rings[1:])]
        return cls(np.concatenate(turned), np.cumsum([0, *(len(ring) for ring in turned)]))

    def __len__(self) -> int:
        return len(self.starts) - 1

    def ring(self, r: int) -> np.ndarray:
        """Vertices (P, 2) of ring r."""
        return self.points[self.starts[r] : self.starts[r + 1]]

    @property
    def area(self) -> float:
        """Shoelace area of all rings together, in square pixels; exact where no ring crosses itself or another."""
        return abs(sum(_signed(self.ring(r)) for r in range(len(self))))

    @property
    def bounds(self) -> np.ndarray:
        """float64 (4,): XYXY of the vertices."""
        return np.concatenate([self.points.min(0), self.points.max(0)])

    def map(self, function: Callable[[np.ndarray], np.ndarray]) -> Outline:
        """The outline with its vertices (P, 2) sent through a function."""
        return Outline(function(self.points), self.starts)

    def affine(self, matrix: np.ndarray, shift: Sequence[float] = (0.0, 0.0)) -> Outline:
        """``matrix @ vertex + shift`` for each vertex; ``matrix`` (2, 2)."""
        return Outline(self.points @ np.asarray(matrix, np.float64).T + np.asarray(shift, np.float64), self.starts)


def _signed(ring: np.ndarray) -> float:
    x, y = ring[:, 0], ring[:, 1]
    return 0.5 * float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))
