"""Cutting large images into tiles whose results fit together without seams."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SIZE = 1024  # images up to this height and width are one tile
MARGIN = 160  # wider than any filter of Kizu looks (coarse contrast and coherence reach about 128 px)
_ALIGN = 32  # tiles begin where the coarsest octave of a pyramid begins a cell


@dataclass(frozen=True)
class Tile:
    """One tile of an image.

    Attributes:
        pixels: (rows, columns) slices of the image, margins included.
        cells: (rows, columns) slices of the whole image's cell map that this tile answers for.
        inner: the same cells as slices of the tile's own cell map.
    """

    pixels: tuple[slice, slice]
    cells: tuple[slice, slice]
    inner: tuple[slice, slice]

    def core(self, values: np.ndarray) -> np.ndarray:
        """The part of a tile's cell map (h, w, ...) that the tile answers for."""
        return values[self.inner]


def _spans(length: int, stride: int) -> list[tuple[slice, slice, slice]]:
    if length <= SIZE:
        count = -(-length // stride)
        return [(slice(0, length), slice(0, count), slice(0, count))]
    core = SIZE - 2 * MARGIN
    core -= core % _ALIGN
    out = []
    for start in range(0, length, core):
        end = min(start + core, length)
        first = max(start - MARGIN, 0)
        last = min(end + MARGIN, length)
        cells = slice(start // stride, -(-end // stride))
        offset = first // stride
        out.append((slice(first, last), cells, slice(cells.start - offset, cells.stop - offset)))
    return out


def plan(shape: tuple[int, int], stride: int) -> list[Tile]:
    """Tiles that cover an image.

    Args:
        shape: (height, width) in pixels.
        stride: pixels a cell, a divisor of 32.

    Returns:
        Tiles whose ``cells`` part the cell map (ceil(H / stride), ceil(W / stride)) without gap or overlap.
    """
    rows, columns = _spans(shape[0], stride), _spans(shape[1], stride)
    return [Tile((r[0], c[0]), (r[1], c[1]), (r[2], c[2])) for r in rows for c in columns]
