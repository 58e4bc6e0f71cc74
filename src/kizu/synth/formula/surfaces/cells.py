"""Cellular noise: grains, pebbles, bubbles about random points (Worley, "A cellular texture basis function", 1996)."""

from __future__ import annotations

import numpy as np

from kizu.core.jit import jit
from kizu.synth.formula.noise import add_smooth, white


def cells(
    size: tuple[int, int], cell: float, random: np.random.Generator, jitter: float = 0.85
) -> tuple[np.ndarray, np.ndarray]:
    """Distances float32 (H, W) to the nearest and the second nearest of random points, in units of ``cell``."""
    first, second = np.full(size, 9, np.float32), np.full(size, 9, np.float32)
    x, y = _points(size, cell, random, jitter)
    _distances(first, second, x, y, 1 / cell)
    return np.sqrt(first, out=first), np.sqrt(second, out=second)


def grains(size: tuple[int, int], cell: float, random: np.random.Generator, values: np.ndarray) -> np.ndarray:
    """A value float32 (H, W) for each grain: one of ``values`` (256 at most), by the nearest random point."""
    x, y = _points(size, cell, random, 0.95)
    table = (np.abs(white(x.shape, random)) * 1e5).astype(np.int32) % np.int32(len(values))
    # Bent borders: the place of each pixel is shifted a little, by the same noise along x and y.
    shift = np.zeros(size, np.float32)
    add_smooth(shift, max(0.35 * cell, 1.5), 0.12, random)
    out = np.empty(size, np.float32)
    _grains(out, shift, x, y, table, 1 / cell, values.astype(np.float32))
    return out


def _points(size: tuple[int, int], cell: float, random: np.random.Generator, jitter: float) -> list[np.ndarray]:
    """Places of the points (x, y) in their cells, float32 (rows, columns) each; one more cell on all sides."""
    shape = (int(size[0] / cell) + 5, int(size[1] / cell) + 5)
    # The sum of four uniforms is bent back to nearly even values.
    return [np.float32(0.5) + np.float32(0.5 * jitter) * np.clip(white(shape, random) / 1.7, -1, 1) for _ in range(2)]


# The points of three rows of cells are spread to the columns of pixels once a row of cells, so that the loops over
# pixels run through plain arrays.


@jit
def _spread(row, x, y, unit, across, down):
    for j in range(across.shape[1]):
        px = np.float32(j) * unit + np.float32(1.5)
        k = np.int32(px) - 1
        for n in range(3):
            across[n, j] = np.float32(k + n) + x[row, k + n] - px
            down[n, j] = np.float32(row) + y[row, k + n]


@jit
def _distances(first, second, x, y, per):
    unit = np.float32(per)
    rows, columns = first.shape
    across, down = np.empty((3, 3, columns), np.float32), np.empty((3, 3, columns), np.float32)
    done = -1
    for i in range(rows):
        py = np.float32(i) * unit + np.float32(1.5)
        k = int(py)
        while done < k + 1:
            done = max(done + 1, k - 1)
            _spread(done, x, y, unit, across[done % 3], down[done % 3])
        a, b = first[i], second[i]
        for m in range(3):
            for n in range(3):
                dx, dy = across[m, n], down[m, n]
                for j in range(columns):
                    e = dy[j] - py
                    d = dx[j] * dx[j] + e * e
                    top = a[j] if a[j] > d else d
                    b[j] = top if top < b[j] else b[j]
                    a[j] = d if d < a[j] else a[j]


@jit
def _grains(out, shift, x, y, table, per, values):
    unit, fine = np.float32(per), np.float32(1 << 18)
    rows, columns = out.shape
    across, down = np.empty((3, 3, columns), np.float32), np.empty((3, 3, columns), np.float32)
    value = np.empty((3, 3, columns), np.int32)
    # Distance in the upper bits, index of the value in the lowest eight: the smallest number is the nearest grain's.
    nearest = np.empty(columns, np.int32)
    done = -1
    for i in range(rows):
        py = np.float32(i) * unit + np.float32(1.5)
        k = int(py)
        while done < k + 1:
            done = max(done + 1, k - 1)
            _spread(done, x, y, unit, across[done % 3], down[done % 3])
            for j in range(columns):
                first = np.int32(np.float32(j) * unit + np.float32(1.5)) - 1
                for n in range(3):
                    value[done % 3, n, j] = table[done, first + n]
        nearest[:] = np.int32(2**31 - 1)
        bend, result = shift[i], out[i]
        for m in range(3):
            for n in range(3):
                dx, dy, own = across[m, n], down[m, n], value[m, n]
                for j in range(columns):
                    f, e = dx[j] + bend[j], dy[j] - py - bend[j]
                    d = f * f + e * e
                    d = d if d < np.float32(30.0) else np.float32(30.0)
                    key = np.int32((np.int32(d * fine) << np.int32(8)) | own[j])
                    nearest[j] = key if key < nearest[j] else nearest[j]
        for j in range(columns):
            result[j] = values[nearest[j] & 255]
