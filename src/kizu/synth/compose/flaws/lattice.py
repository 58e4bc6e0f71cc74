"""Perlin's noise on lattices that are finer one way than the other, and the masks that it makes at a threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kizu.core.jit import jit

THRESHOLD = 0.5
_ORDERS = 6  # cells: 2^0 to 2^5 a side


@dataclass
class Lattice:
    """A field of lattice-gradient noise on the unit square, turned about its middle; 0 outside (DRAEM).

    Attributes:
        gradients: float64 (rows + 1, columns + 1, 2), unit vectors (x, y).
        turn: radians.
    """

    gradients: np.ndarray
    turn: float

    @classmethod
    def draw(cls, random: np.random.Generator) -> Lattice:
        """2^i x 2^j cells with i, j from 0 to 5, turned by up to 90 degrees either way."""
        rows, columns = (1 << int(k) for k in random.integers(0, _ORDERS, 2))
        angles = random.uniform(0, 2 * np.pi, (rows + 1, columns + 1))
        return cls(np.stack([np.cos(angles), np.sin(angles)], 2), float(random.uniform(-np.pi / 2, np.pi / 2)))

    def sample(self, shape: tuple[int, int], corner: tuple[float, float] = (0.0, 0.0), step: float = 0.0) -> np.ndarray:
        """float32 (h, w): the field at pixel centres.

        Args:
            corner: (x, y) of the unit square that the box begins at.
            step: of a pixel, in units of the square's side; 0: the box fills the square.
        """
        dx, dy = (step, step) if step else (1 / shape[1], 1 / shape[0])
        out = np.empty(shape, np.float32)
        c, s = np.cos(self.turn), np.sin(self.turn)
        _sample(self.gradients, corner[0], corner[1], dx, dy, c, s, out)
        return out


@dataclass
class Field:
    """One lattice, or two of which the larger or the smaller value counts (GLASS: union and intersection of masks).

    Attributes:
        lattices: one or two.
        union: of two, the larger value.
    """

    lattices: tuple[Lattice, ...]
    union: bool = True

    @classmethod
    def draw(cls, random: np.random.Generator) -> Field:
        """A single one, a union or an intersection, a third each."""
        kind = int(random.integers(3))
        return cls(tuple(Lattice.draw(random) for _ in range(1 if kind == 0 else 2)), kind == 1)

    def sample(self, shape: tuple[int, int], corner: tuple[float, float] = (0.0, 0.0), step: float = 0.0) -> np.ndarray:
        """As :meth:`Lattice.sample`."""
        fields = [lattice.sample(shape, corner, step) for lattice in self.lattices]
        return fields[0] if len(fields) == 1 else (np.maximum if self.union else np.minimum)(*fields)


@jit
def _sample(gradients, x0, y0, dx, dy, cos, sin, out):
    rows, columns = gradients.shape[0] - 1, gradients.shape[1] - 1
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            px, py = x0 + (j + 0.5) * dx - 0.5, y0 + (i + 0.5) * dy - 0.5
            u, v = 0.5 + px * cos + py * sin, 0.5 + py * cos - px * sin
            if u < 0 or v < 0 or u >= 1 or v >= 1:
                out[i, j] = 0
                continue
            u *= columns
            v *= rows
            a, b = int(u), int(v)
            u -= a
            v -= b
            fade_u, fade_v = u * u * u * (u * (u * 6 - 15) + 10), v * v * v * (v * (v * 6 - 15) + 10)
            top = gradients[b, a, 0] * u + gradients[b, a, 1] * v
            top += fade_u * (gradients[b, a + 1, 0] * (u - 1) + gradients[b, a + 1, 1] * v - top)
            low = gradients[b + 1, a, 0] * u + gradients[b + 1, a, 1] * (v - 1)
            low += fade_u * (gradients[b + 1, a + 1, 0] * (u - 1) + gradients[b + 1, a + 1, 1] * (v - 1) - low)
            out[i, j] = np.sqrt(2.0) * (top + fade_v * (low - top))
