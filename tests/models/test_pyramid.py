"""The pyramid: levels of the maps' sizes, and coarse cells that lie over the fine ones that they cover."""

import pytest

torch = pytest.importorskip("torch")

from kizu.models.nets.pyramid import Pyramid  # noqa: E402

CHANNELS = (4, 6, 8, 10)


def maps(height, width, batch=2):
    """Random maps of an image of this size."""
    torch.manual_seed(0)
    return [
        torch.rand(batch, c, -(-height // s), -(-width // s)) for c, s in zip(CHANNELS, (4, 8, 16, 32), strict=True)
    ]


@pytest.mark.parametrize("size", [(64, 96), (97, 130), (33, 31), (5, 7)])
def test_levels_have_the_sizes_of_the_maps(size):
    given = maps(*size)
    levels = Pyramid(CHANNELS, 12)(given)
    assert [level.shape for level in levels] == [(2, 12, *m.shape[-2:]) for m in given]


def test_all_of_it_is_trained():
    pyramid = Pyramid(CHANNELS, 8)
    sum(level.square().sum() for level in pyramid(maps(64, 64))).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in pyramid.parameters())


@pytest.mark.parametrize("size", [(128, 128), (100, 76)])
@pytest.mark.parametrize(("level", "row", "column"), [(1, 3, 4), (2, 1, 2), (2, 0, 0)])
def test_a_coarse_cell_reaches_the_fine_cells_below_it(size, level, row, column):
    pyramid = Pyramid(CHANNELS, 8).eval()
    given = maps(*size, batch=1)
    changed = [m.clone() for m in given]
    changed[level][0, :, row, column] += 5
    with torch.no_grad():
        difference = (pyramid(changed)[0] - pyramid(given)[0]).abs().sum((0, 1))
    rows, columns = difference.gt(1e-6).nonzero().unbind(1)
    step = 2**level
    # The cell covers step x step fine cells, and smoothing looks one further.
    assert rows.min() >= row * step - 1
    assert rows.max() <= (row + 1) * step
    assert columns.min() >= column * step - 1
    assert columns.max() <= (column + 1) * step
    assert difference[row * step, column * step] > 0


def test_fine_maps_do_not_change_coarse_levels():
    pyramid = Pyramid(CHANNELS, 8).eval()
    given = maps(64, 64)
    with torch.no_grad():
        before = pyramid(given)
        given[0] = given[0] + 1
        after = pyramid(given)
    assert not torch.equal(before[0], after[0])
    assert all(torch.equal(a, b) for a, b in zip(before[1:], after[1:], strict=True))
