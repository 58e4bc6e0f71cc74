"""Tiles part the cell map of any picture, and each has room for what filters see around it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizu.inspection import tiling
from kizu.inspection.tiling import MARGIN, SIZE, plan

STRIDES = [2, 4, 8]
length = st.one_of(st.integers(1, 5000), st.sampled_from([SIZE - 1, SIZE, SIZE + 1, 832, 1664, 1665, 2496, 4160, 4992]))


@given(length, length, st.sampled_from(STRIDES))
def test_tiles_part_the_cell_map(height, width, stride):
    cells = np.zeros((-(-height // stride), -(-width // stride)), np.uint8)
    for tile in plan((height, width), stride):
        cells[tile.cells] += 1
        rows, columns = (s.stop - s.start for s in tile.cells)
        assert rows > 0 and columns > 0
        # The tile's own cell map, as a filter bank makes it from its pixels.
        own = [-(-(s.stop - s.start) // stride) for s in tile.pixels]
        for inner, cell, pixels, side in zip(tile.inner, tile.cells, tile.pixels, own, strict=True):
            assert inner.stop - inner.start == cell.stop - cell.start
            assert inner.start >= 0 and inner.stop <= side
            assert (pixels.start // stride) + inner.start == cell.start
            assert pixels.stop - pixels.start <= SIZE
        assert tile.pixels[0].start >= 0 and tile.pixels[0].stop <= height
        assert tile.pixels[1].start >= 0 and tile.pixels[1].stop <= width
    assert (cells == 1).all()


@given(length, st.sampled_from(STRIDES))
def test_every_tile_sees_its_surroundings(side, stride):
    for tile in plan((side, 10), stride):
        pixels, cells = tile.pixels[0], tile.cells[0]
        assert pixels.start == 0 or cells.start * stride - pixels.start >= MARGIN
        assert pixels.stop == side or pixels.stop - cells.stop * stride >= MARGIN
        assert pixels.start % 32 == 0  # where the coarsest octave begins a cell


@pytest.mark.parametrize(
    ("shape", "count"), [((1, 1), 1), ((SIZE, SIZE), 1), ((SIZE + 1, 10), 2), ((2300, 1500), 12), ((5000, 5000), 64)]
)
def test_number_of_tiles(shape, count):
    assert len(plan(shape, 2)) == count


def test_core_takes_the_cells_of_the_tile():
    values = np.arange(1200 * 10 * 2).reshape(1200, 10, 2)
    whole = np.zeros_like(values)
    for tile in plan((2400, 20), 2):
        own = values[tile.pixels[0].start // 2 : -(-tile.pixels[0].stop // 2)]
        whole[tile.cells] = tile.core(own)
    assert np.array_equal(whole, values)
    assert tiling.SIZE % 32 == MARGIN % 32 == 0
