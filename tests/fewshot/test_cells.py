"""From masks to labelled cells: what a cell counts as, what is left out, and what each weighs."""

import numpy as np
import pytest

from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.fewshot.cells import balanced, coverage, gather, to_cells, to_pixels
from kizu.fewshot.features import STRIDE, channels
from kizu.fewshot.network import Network, shipped
from kizu.inspection.tiling import plan
from kizu.models.session import STRIDES

SIZE = (40, 60)


def things(*boxes, size=SIZE):
    """Instances of (label, top, left, bottom, right)."""
    dense = np.zeros((len(boxes), *size), bool)
    for mask, (_, top, left, bottom, right) in zip(dense, boxes, strict=True):
        mask[top:bottom, left:right] = True
    return Instances([box[0] for box in boxes], masks=Masks.from_dense(dense, size))


@pytest.fixture
def places(monkeypatch):
    """Features are the cells' own rows and columns, so that a gathered row says which cell it is.

    The network's maps are the middles of their cells in pixels, which bilinear interpolation gives back.
    """

    def where(image):
        for tile in plan(image.shape[:2], STRIDE):
            rows, columns = np.mgrid[tile.cells]
            full = np.zeros((tile.inner[0].stop, tile.inner[1].stop, 2), np.float32)
            full[tile.inner] = np.stack([rows, columns], -1)
            yield tile, full

    def sight(tile):
        maps = []
        for stride in STRIDES:
            y, x = (np.arange(-(-(p.stop - p.start) // stride)) * stride + p.start for p in tile.pixels)
            maps.append(np.stack(np.meshgrid(y, x, indexing="ij")).astype(np.float32) + (stride - 1) / 2)
        return maps

    monkeypatch.setattr("kizu.fewshot.views.describe", where)
    monkeypatch.setattr(Network, "looker", lambda network, image: sight)

    def picked(instances, classes, size=SIZE, seed=0):
        image = np.zeros((*size, 3), np.uint8)
        rows, seen, labels, weights = gather(image, instances, classes, np.random.default_rng(seed))
        assert len(rows) == len(seen) == len(labels) == len(weights)
        # The middle of cell k lies at pixel 2 k + 0.5; maps stay constant beyond the middle of their last cell.
        for k, stride in enumerate(STRIDES):
            inside = ((rows * 2 >= stride) & (rows * 2 < np.array(size) - stride)).all(1)
            assert np.allclose(seen[inside, 2 * k : 2 * k + 2], 2 * rows[inside] + 0.5)
        return [tuple(row) for row in rows.astype(int).tolist()], labels, weights

    return picked


@pytest.mark.parametrize("place", [(0, 0), (17, 31), (39, 59)])
def test_one_pixel_is_a_quarter_of_its_cell(place):
    y, x = place
    covered = coverage(things((1, y, x, y + 1, x + 1)), 2, SIZE)
    assert covered.shape == (3, 20, 30)
    assert covered.dtype == np.float32
    assert covered[1, y // 2, x // 2] == pytest.approx(0.25)
    assert covered.sum() == pytest.approx(0.25)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (31, 47)])
def test_one_pixel_of_an_odd_picture(size):
    covered = coverage(things((0, size[0] - 1, size[1] - 1, *size), size=size), 1, size)
    assert covered.shape == (2, -(-size[0] // 2), -(-size[1] // 2))
    assert covered[0].max() > 0
    assert covered[1].max() == 0


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 5), (31, 48), (40, 61)])
def test_cells_are_two_pixels_wide_whatever_the_size(size):
    mask = np.random.default_rng(0).random(size) < 0.5
    share = to_cells(mask)
    whole = mask[: size[0] // 2 * 2, : size[1] // 2 * 2].astype(float)
    expected = whole.reshape(size[0] // 2, 2, size[1] // 2, 2).mean((1, 3))
    assert share.shape == (-(-size[0] // 2), -(-size[1] // 2))
    assert np.allclose(share[: expected.shape[0], : expected.shape[1]], expected)
    assert share.min() >= 0 and share.max() <= 1
    assert to_cells(np.ones(size, bool)).min() == 1


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (31, 48), (40, 61)])
def test_a_map_on_cells_is_brought_back_to_its_pixels(size):
    rows, columns = np.mgrid[: -(-size[0] // 2), : -(-size[1] // 2)].astype(np.float32)
    # The middle of cell k lies at pixel 2 k + 0.5; a ramp stays a ramp, but for the rim.
    for ramp, axis in ((rows, 0), (columns, 1)):
        pixels = to_pixels(ramp, size)
        assert pixels.shape == size
        middle = (np.arange(size[axis]) - 0.5) / 2
        expected = np.clip(middle, 0, max(ramp.shape[axis] - 1, 0))
        assert np.allclose(np.moveaxis(pixels, axis, 0), expected.reshape(-1, 1), atol=1e-3)


def test_other_classes_share_the_last_layer():
    found = things((0, 0, 0, 4, 4), (2, 10, 10, 14, 14), (3, 20, 20, 24, 24))
    covered = coverage(found, 2, SIZE)
    assert covered[0].sum() == 4
    assert covered[1].sum() == 0
    assert covered[2].sum() == 8
    assert coverage(Instances.empty(SIZE), 2, SIZE).sum() == 0


def test_overlapping_masks_of_a_class_count_once():
    assert coverage(things((0, 0, 0, 4, 4), (0, 0, 0, 4, 4)), 1, SIZE).max() == 1


def test_which_cells_are_taken(places):
    # Class 0 covers 3 cells and 1 pixel of a fourth; class 1 one pixel; class 2 is not asked for.
    found = things((0, 10, 10, 12, 17), (1, 30, 30, 31, 31), (2, 20, 40, 24, 44))
    picked, labels, weights = places(found, 2)
    of = {value: {place for place, label in zip(picked, labels, strict=True) if label == value} for value in (0, 1, 2)}
    # The fourth cell is half covered (2 of 4 pixels), so it counts.
    assert of[1] == {(5, 5), (5, 6), (5, 7), (5, 8)}
    assert of[2] == {(15, 15)}
    others = {(y, x) for y in (10, 11) for x in (20, 21, 22)} - {(10, 22), (11, 22)}
    assert not of[0] & (of[1] | of[2] | others)
    assert len(of[0]) == 20 * 30 - 4 - 1 - 4
    for value in (0, 1, 2):
        assert weights[labels == value].sum() == pytest.approx(1)
        assert len(set(weights[labels == value])) == 1


def test_cells_covered_in_part_are_left_out(places):
    # 5 x 5 pixels from an odd corner: rings of cells a quarter and a half covered.
    picked, labels, _ = places(things((0, 11, 11, 16, 16)), 1)
    quarter = (5, 5)
    assert quarter not in picked
    assert {place for place, label in zip(picked, labels, strict=True) if label == 1} == {
        (y, x) for y in (5, 6, 7) for x in (5, 6, 7)
    } - {quarter}


def test_a_good_picture_is_all_ground(places):
    picked, labels, weights = places(Instances.empty(SIZE), 3)
    assert not labels.any()
    assert weights.sum() == pytest.approx(1)
    assert len(set(picked)) == len(picked)


def test_a_picture_that_is_one_defect(places):
    _, labels, weights = places(things((0, 0, 0, *SIZE)), 1)
    assert set(labels) == {1}
    assert weights.sum() == pytest.approx(1)


def test_large_pictures_give_a_limited_number_of_different_cells(places):
    size = (1400, 1300)
    found = things((0, 100, 100, 700, 700), size=size)
    picked, labels, weights = places(found, 1, size)
    assert len(picked) < 10_000
    assert len(set(picked)) == len(picked)
    for (y, x), label in zip(picked, labels, strict=True):
        assert (50 <= y < 350 and 50 <= x < 350) == bool(label)
    assert weights[labels == 0].sum() == pytest.approx(1)
    assert weights[labels == 1].sum() == pytest.approx(1)
    again, _, _ = places(found, 1, size)
    other, _, _ = places(found, 1, size, seed=1)
    assert picked == again
    assert picked != other


def test_real_features_come_in_the_same_order():
    image = np.zeros((*SIZE, 3), np.uint8)
    image[10:20, 10:20] = 200
    rows, seen, labels, _ = gather(image, things((0, 10, 10, 20, 20)), 1, np.random.default_rng(0))
    assert rows.shape == (len(labels), 2 * len(channels()))
    assert seen.shape == (len(labels), shipped().width)
    values = rows[:, channels().index("grey")]
    assert values[labels == 1].min() > 0.3
    assert np.median(values[labels == 0]) < 0.01


@pytest.mark.parametrize(
    ("labels", "shares"),
    [
        ([0, 0, 1], {0: 0.5, 1: 0.5}),
        ([0, 1, 1, 1, 2], {0: 0.5, 1: 0.25, 2: 0.25}),
        ([0, 0, 2, 4, 4, 4, 4, 3], {0: 0.5, 2: 1 / 6, 3: 1 / 6, 4: 1 / 6}),
    ],
)
def test_balanced(labels, shares):
    labels = np.array(labels)
    given = np.random.default_rng(0).uniform(0.1, 5, len(labels))
    kept = given.copy()
    out = balanced(labels, given)
    assert np.array_equal(given, kept)
    assert out.mean() == pytest.approx(1)
    for value, share in shares.items():
        mine = labels == value
        assert out[mine].sum() / out.sum() == pytest.approx(share)
        assert np.allclose(out[mine] / out[mine].sum(), given[mine] / given[mine].sum())
