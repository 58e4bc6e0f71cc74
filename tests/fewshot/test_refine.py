"""Refined outlines: scores stay, maps agree with instances, and nothing is done where nothing fires."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kizu.core.errors import KizuError
from kizu.core.masks import Masks
from kizu.fewshot.refine import Refiner, refiner_from, refiner_of
from kizu.fewshot.regions.edges import Edges
from kizu.fewshot.regions.source import Source
from kizu.inspection.regions import Rule, decide

SIZE = (48, 64)
RULE = Rule(pixel=0.0, region=2.0, area=6, core=6)


class Given(Source):
    """Regions that are given, the same for each class."""

    name = "given"
    about = "what is given"

    def __init__(self, *layers):
        self.layers, self.asked = layers, 0

    def masks(self, image, margins, found):
        self.asked += 1
        assert margins.shape == found.shape == (len(margins), *image.shape[:2])
        assert ((margins >= 0) | ~found).all(), "what was found is above its threshold"
        return [Masks.from_dense(list(self.layers), image.shape[:2])] * len(margins)


def box(top, left, bottom, right):
    out = np.zeros(SIZE, bool)
    out[top:bottom, left:right] = True
    return out


def odds_of(*things, classes=1):
    """Log odds (classes, H, W): -9, and ``value`` in each box of (class, top, left, bottom, right, value)."""
    odds = np.full((classes, *SIZE), -9, np.float32)
    for k, top, left, bottom, right, value in things:
        odds[k, top:bottom, left:right] = value
    return odds


def refined(odds, source, classes=1, min_score=0.05, image=None):
    """What the refiner makes of a picture; what holds for any is checked on the way."""
    image = np.zeros((*SIZE, 3), np.uint8) if image is None else image
    rules = [RULE] * classes
    before, _ = decide(odds, rules, min_score)
    found, maps = Refiner(source)(image, odds, rules, *decide(odds, rules, min_score))
    assert maps.dtype == np.float32 and maps.shape == odds.shape and maps.min() >= 0 and maps.max() <= 1
    assert (found.masks.area > 0).all()
    assert (np.diff(found.scores) <= 0).all()
    assert found.masks.area.sum() == found.masks.union().sum(), "instances never overlap"
    firing = found[found.scores >= 0.5]
    for k in range(classes):
        mine, old = firing[firing.labels == k], before[(before.labels == k) & (before.scores >= 0.5)]
        assert np.array_equal(maps[k] >= 0.5, mine.masks.union()), "the map reaches 0.5 exactly where one fires"
        for i in range(len(mine)):
            assert maps[k][mine.masks.dense(i)].max() == pytest.approx(mine.scores[i], abs=1e-4)
        assert set(mine.scores.tolist()) <= set(old.scores.tolist()), "an instance keeps its score"
        assert max(mine.scores, default=0) == max(old.scores, default=0), "the strongest stays the strongest"
    return found, maps


def test_nothing_fires_and_nothing_is_asked():
    source, odds = Given(box(0, 0, 20, 20)), odds_of((0, 5, 5, 15, 15, 1.0))
    before, maps = decide(odds, [RULE], 0.05)
    assert len(before) == 1, "a candidate"
    found, same = Refiner(source)(np.zeros((*SIZE, 3), np.uint8), odds, [RULE], before, maps)
    assert found is before and same is maps and source.asked == 0


def test_an_outline_moves_onto_its_region():
    found, maps = refined(odds_of((0, 10, 10, 30, 30, 4.0)), Given(box(12, 12, 32, 32)))
    assert np.array_equal(found.masks.dense(0), box(12, 12, 32, 32))
    assert maps[0, 31, 31] == 0.5 and maps[0, 10, 10] < 0.5


def test_joined_instances_have_the_score_of_the_strongest():
    odds = odds_of((0, 10, 10, 20, 18, 3.0), (0, 10, 22, 20, 30, 5.0))
    assert len(decide(odds, [RULE])[0]) == 2
    found, _ = refined(odds, Given(box(10, 10, 20, 30)))
    assert len(found) == 1 and np.array_equal(found.masks.dense(0), box(10, 10, 20, 30))


def test_a_stronger_halo_is_not_lost():
    odds = odds_of((0, 10, 10, 24, 24, 3.0), (0, 12, 26, 16, 29, 6.0))
    found, _ = refined(odds, Given(box(10, 10, 24, 24)))
    assert len(found) == 1, "the small one lies in the ring about the region"
    assert np.array_equal(found.masks.dense(0), box(10, 10, 24, 24))


def test_classes_keep_their_pixels():
    odds = odds_of((0, 10, 10, 20, 20, 4.0), (1, 10, 21, 20, 31, 5.0), classes=2)
    found, _ = refined(odds, Given(box(10, 10, 20, 31)), classes=2)
    assert found.labels.tolist() == [1, 0]
    assert np.array_equal(found.masks.dense(0), box(10, 20, 20, 31)), "free pixels go to the stronger class"
    assert np.array_equal(found.masks.dense(1), box(10, 10, 20, 20))


def test_a_candidate_gives_way():
    odds = odds_of((0, 10, 10, 20, 20, 4.0), (0, 10, 22, 20, 32, 1.0))
    found, _ = refined(odds, Given(box(10, 10, 20, 26)))
    assert [found.masks.area[i] for i in range(2)] == [160, 60]
    assert found.scores[1] < 0.5


@st.composite
def pictures(draw):
    things = []
    for _ in range(draw(st.integers(0, 6))):
        y, x = draw(st.integers(0, 44)), draw(st.integers(0, 60))
        height, width = draw(st.integers(1, 16)), draw(st.integers(1, 16))
        things.append((draw(st.integers(0, 1)), y, x, y + height, x + width, draw(st.floats(-1, 6))))
    layers = []
    for _ in range(draw(st.integers(0, 6))):
        y, x = draw(st.integers(0, 44)), draw(st.integers(0, 60))
        layers.append(box(y, x, y + draw(st.integers(1, 20)), x + draw(st.integers(1, 20))))
    return odds_of(*things, classes=2), layers


@settings(max_examples=100, deadline=None)
@given(pictures())
def test_maps_and_instances_agree(picture):
    odds, layers = picture
    every, maps = refined(odds, Given(*layers), classes=2)
    some, again = refined(odds, Given(*layers), classes=2, min_score=0.5)
    firing = every[every.scores >= 0.5]
    assert firing.masks == some.masks and firing.labels.tolist() == some.labels.tolist()
    assert np.array_equal(maps, again)


# --- edges ---


def test_edges_move_a_shifted_outline_onto_the_disc():
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    disc = (rows - 24) ** 2 + (columns - 30) ** 2 <= 144
    grey = np.where(disc, 70, 150) + np.random.default_rng(0).normal(0, 4, SIZE)
    image = np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, 2)
    odds = (14 - np.hypot(rows - 24, columns - 33)).astype(np.float32)[None] * 0.5  # too large, and off by three
    found, _ = refined(odds, Edges(), image=image)
    before = decide(odds, [RULE])[0].masks.union()

    def overlap(mask):
        return (mask & disc).sum() / (mask | disc).sum()

    assert overlap(before) < 0.72
    assert overlap(found.masks.union()) > 0.93
    assert len(found) == 1


@pytest.mark.parametrize("place", [(0, 0, 4, 4), (20, 20, 21, 30), (0, 0, 48, 64)])
def test_edges_on_a_flat_picture_find_some_outline(place):
    found, _ = refined(odds_of((0, *place, 5.0)), Edges())
    assert (found.masks.union() & box(*place)).any()


def test_edges_do_not_flow_into_each_other():
    random = np.random.default_rng(1)
    image = random.integers(0, 255, (*SIZE, 3), np.uint8)
    odds = odds_of((0, 10, 10, 20, 18, 3.0), (0, 10, 20, 20, 30, 5.0))
    found, _ = refined(odds, Edges(), image=image)
    assert len(found) == 2


# --- names and files ---


@pytest.mark.parametrize(
    "name, path, message",
    [
        ("none", "a.safetensors", "says with what to refine, but not how"),
        ("edges", "a.safetensors", "needs no weights"),
        ("segmenter", None, "needs the weights.safetensors of a run of kizu pretrain masks"),
        ("sam", None, "needs a folder of SAM"),
        ("more", None, "no source of regions is called 'more'"),
    ],
)
def test_what_does_not_go_together(name, path, message):
    with pytest.raises(KizuError, match=message):
        refiner_from(name, path)


def test_a_refiner_comes_back_from_its_state():
    assert refiner_from("none", None) is None
    assert refiner_of({"weight": np.ones(1)}, None)[0] is None
    arrays, settings_ = refiner_from("edges", None).state()
    assert arrays == {} and settings_ == {"source": "edges"}
    refiner, rest = refiner_of({"weight": np.ones(1)}, settings_)
    assert isinstance(refiner.source, Edges) and list(rest) == ["weight"]
