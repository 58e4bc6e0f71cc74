"""From log odds to instances, on maps whose answer is known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.measure import label

from kizu.inspection.regions import Rule, components, decide, evidence, sigmoid

SIZE = (40, 50)
LOW = -9.0
RULE = Rule(pixel=0.0, region=2.0, area=6, core=6)


def odds_of(*things, size=SIZE, classes=1):
    """Log odds (classes, H, W): LOW, and ``value`` in each box of (class, top, left, bottom, right, value)."""
    odds = np.full((classes, *size), LOW, np.float32)
    for k, top, left, bottom, right, value in things:
        odds[k, top:bottom, left:right] = value
    return odds


def agree(odds, rules):
    """``decide``, with all that holds for any map checked on the way."""
    everything, maps = decide(odds, rules, 0.01)
    found, again = decide(odds, rules)
    assert np.array_equal(maps, again)
    assert maps.dtype == np.float32 and maps.shape == odds.shape
    assert (maps >= 0).all() and (maps <= 1).all()
    for instances in (found, everything):
        assert instances.masks.size == odds.shape[1:]
        assert (np.diff(instances.scores) <= 0).all()
        assert (instances.masks.area > 0).all()
        assert instances.masks.area.sum() == instances.masks.union().sum(), "instances never overlap"
    assert (found.scores >= 0.5).all()
    firing = everything[everything.scores >= 0.5]
    assert firing.masks == found.masks and firing.labels.tolist() == found.labels.tolist()
    for k in range(len(rules)):
        mine = found[found.labels == k]
        assert np.array_equal(maps[k] >= 0.5, mine.masks.union()), "the map reaches 0.5 exactly where an instance fires"
        for i in range(len(mine)):
            assert maps[k][mine.masks.dense(i)].max() == pytest.approx(mine.scores[i], abs=1e-4)
    return found, everything, maps


def test_nothing_here():
    found, everything, maps = agree(odds_of(), [RULE])
    assert len(found) == len(everything) == 0
    assert found.scores is not None
    assert maps.max() < 0.5


@pytest.mark.parametrize("value, fires", [(5.0, True), (2.1, True), (2.0, True), (1.9, False), (0.1, False)])
def test_one_pixel_of_one_picture(value, fires):
    found, _, _ = agree(np.full((1, 1, 1), value, np.float32), [Rule(0.0, 2.0, 1, 1)])
    assert len(found) == fires
    if fires:
        assert found.scores[0] == pytest.approx(1 / (1 + math.exp(2 - value)), abs=1e-6)


def test_the_outline_is_that_of_the_pixel_threshold():
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    distance = np.hypot(y - 20, x - 25)
    disc = distance <= 9
    odds = (4 * (1 - distance / 9)).astype(np.float32)[None]  # zero on the rim, 4 in the middle
    found, _, maps = agree(odds, [Rule(0.0, 2.0, 6, 12)])
    mask = found.masks.dense(0)
    assert (mask & disc).sum() / (mask | disc).sum() > 0.99
    assert found.boxes.tolist() == [[16, 11, 35, 30]]
    order = np.argsort(odds[0][disc])
    assert (np.diff(maps[0][disc][order]) >= -1e-6).all(), "the map keeps the order of the log odds"


@pytest.mark.parametrize(
    "peak, count", [(5.0, 1), (1.5, 0)], ids=["a strong core carries the weak rim", "a weak region is dropped whole"]
)
def test_hysteresis(peak, count):
    odds = odds_of((0, 5, 5, 15, 25, 0.5), (0, 8, 8, 11, 12, peak), (0, 25, 5, 35, 25, 0.5))
    found, everything, maps = agree(odds, [RULE])
    assert len(found) == count
    if count:
        assert found.masks.area.tolist() == [200]
    # The weak region stays as a candidate below the threshold.
    assert len(everything) == 2
    assert everything.scores[-1] == pytest.approx(sigmoid(0.5 - 2), abs=1e-6)
    assert maps[0, 30, 10] == pytest.approx(sigmoid(0.5 - 2), abs=1e-6)


@pytest.mark.parametrize("pixels, fires", [(5, False), (6, True), (7, True)])
def test_smallest_area(pixels, fires):
    found, everything, maps = agree(odds_of((0, 3, 3, 4, 3 + pixels, 9.0)), [RULE])
    assert len(found) == len(everything) == fires
    if not fires:
        assert 0 < maps.max() < 0.5


def test_regions_touching_at_a_corner_are_one():
    odds = odds_of((0, 5, 5, 10, 10, 4.0), (0, 10, 10, 15, 15, 4.0), (0, 17, 17, 20, 20, 4.0))
    found, _, _ = agree(odds, [RULE])
    assert sorted(found.masks.area.tolist()) == [9, 50]


def test_strongest_first():
    odds = odds_of((0, 2, 2, 6, 6, 3.0), (1, 2, 20, 6, 24, 7.0), (0, 20, 2, 24, 6, 5.0), classes=2)
    found, _, _ = agree(odds, [RULE, Rule(0.0, 4.5, 6, 6)])
    assert found.labels.tolist() == [0, 1, 0]
    assert found.scores == pytest.approx([float(sigmoid(v)) for v in (3.0, 2.5, 1.0)], abs=1e-6)


def test_overlapping_classes_share_no_pixel():
    odds = odds_of((0, 5, 5, 20, 20, 3.0), (1, 5, 15, 20, 30, 4.0), classes=2)
    found, _, maps = agree(odds, [RULE, RULE])
    area = dict(zip(found.labels.tolist(), found.masks.area.tolist(), strict=True))
    assert area == {0: 15 * 10, 1: 15 * 15}
    assert maps[0, 10, 17] < 0.5 <= maps[1, 10, 17]


def test_the_winner_is_the_class_farthest_above_its_own_threshold():
    odds = odds_of((0, 5, 5, 20, 20, 3.0), (1, 5, 5, 20, 20, 4.0), classes=2)
    found, _, _ = agree(odds, [Rule(-1.0, 2.0, 6, 6), Rule(2.0, 3.0, 6, 6)])
    assert found.labels.tolist() == [0]


def test_candidates():
    # One fires; one is above the pixel but not the region threshold; one is below both; the last is too faint.
    odds = odds_of((0, 2, 2, 8, 8, 5.0), (0, 2, 20, 8, 26, 1.0), (0, 20, 2, 26, 8, -0.5), (0, 20, 20, 26, 26, -4.0))
    for least, count in ((0.5, 1), (0.3, 1), (0.2, 2), (0.05, 3), (0.001, 4)):
        found, _ = decide(odds, [RULE], least)
        assert len(found) == count, least
        assert (found.scores >= least).all()
    agree(odds, [RULE])


def test_the_soft_edge_of_a_find_is_no_candidate():
    odds = odds_of((0, 5, 5, 20, 20, -0.5), (0, 8, 8, 16, 16, 5.0))
    _, everything, _ = agree(odds, [RULE])
    assert everything.masks.area.tolist() == [64]


@given(st.integers(0, 10_000), st.integers(1, 3))
def test_any_map(seed, classes):
    random = np.random.default_rng(seed)
    size = tuple(random.integers(1, 24, 2))
    odds = random.normal(0, 3, (classes, *size)).astype(np.float32)
    if seed % 3 == 0:
        odds = np.round(odds)  # ties, and values on the thresholds
    rules = [
        Rule(
            float(np.round(random.normal())),
            float(np.round(random.normal() + 1)),
            *(int(v) for v in random.integers(1, 6, 2)),
        )
        for _ in range(classes)
    ]
    agree(odds, rules)


@pytest.mark.parametrize("distance", [0.0, 1e-9, -1e-9, 1e-7, -1e-7, 1e-6, -1e-6])
def test_regions_within_a_rounding_error_of_the_threshold(distance):
    agree(odds_of((0, 5, 5, 20, 20, 0.125)), [Rule(0.0, 0.125 + distance, 6, 6)])
    agree(odds_of((0, 5, 5, 20, 20, 7.5)), [Rule(0.0, 7.5 + distance, 6, 6)])


@pytest.mark.parametrize("core, expected", [(1, 9.0), (2, 8.5), (4, 7.5), (10, 4.5), (99, 4.5)])
def test_evidence_is_the_mean_of_the_strongest(core, expected):
    assert evidence(np.random.default_rng(0).permutation(10).astype(np.float32), core) == expected


def test_sigmoid():
    values = np.array([-1e9, -3.0, 0.0, 3.0, 1e9])
    assert sigmoid(values) == pytest.approx([0, 1 / (1 + math.exp(3)), 0.5, 1 / (1 + math.exp(-3)), 1], abs=1e-9)


@pytest.mark.parametrize("area", [1, 4, 30])
def test_components_are_those_of_scikit_image(area):
    above = np.random.default_rng(2).random((60, 70)) < 0.35
    found = components(above, area)
    raster, count = label(above, connectivity=2, return_num=True)
    expected = [raster == k for k in range(1, count + 1) if (raster == k).sum() >= area]
    assert len(found) == len(expected) > 0
    whole = []
    for window, mask in found:
        full = np.zeros(above.shape, bool)
        full[window] = mask
        whole.append(full)
    assert {mask.tobytes() for mask in whole} == {mask.tobytes() for mask in expected}
    assert components(np.zeros((5, 5), bool), 1) == []
