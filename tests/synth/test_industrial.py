"""The industrial preset: exact labels, what the keys promise, and the same picture whoever asks."""

import numpy as np
import pytest

from kizu.core.errors import KizuError
from kizu.synth.formula.parts import PARTS
from kizu.synth.formula.placing import elongation
from kizu.synth.formula.presets import load
from kizu.synth.formula.raster import Cover
from kizu.synth.formula.source import Formula

SIZE = (160, 192)


def pictures(count, seed=0, size=SIZE, **values):
    preset = load("industrial").override({k.replace("__", "."): v for k, v in values.items()})
    source = Formula(preset, count, size, seed)
    return source, [source[i] for i in range(count)]


@pytest.fixture(scope="module")
def many():
    return pictures(60)


def test_every_kind_of_scene_comes(many):
    _, samples = many
    assert {sample.meta["scene"] for sample in samples} == {"surface", "parts", "assembly"}
    shapes = {sample.image.shape for sample in samples}
    assert shapes == {(*SIZE, 3)}
    grey = [np.ptp(sample.image, axis=2).max() == 0 for sample in samples]
    assert 0.2 < np.mean(grey) < 0.8
    assert len({sample.meta["ground"] for sample in samples}) > 10


def test_labels_are_exact(many):
    _, samples = many
    for sample in samples:
        found = sample.instances
        if not len(found):
            continue
        dense = np.stack([found.masks.dense(k) for k in range(len(found))])
        whole = np.stack([found.amodal.dense(k) for k in range(len(found))])
        assert dense.sum(0).max() == 1, "visible masks are disjoint"
        assert not (dense & ~whole).any(), "what is seen is part of the whole"
        assert (dense.sum((1, 2)) >= 14).all(), "nothing is too small"
        assert np.allclose(found.attributes["visible_ratio"], dense.sum((1, 2)) / whole.sum((1, 2)), atol=1e-4)
        for k, parent in enumerate(found.parents):
            if parent >= 0:
                assert not (whole[k] & ~whole[parent]).any(), "a child lies within its parent"
        for k, above in enumerate(found.attributes["occluders"]):
            for other in above:
                assert (whole[k] & whole[other]).any()
        np.testing.assert_array_equal(found.boxes, found.masks.boxes)


def test_the_same_picture_whoever_asks(many):
    source, samples = many
    again = Formula(source.preset, 8, SIZE, 0, start=20)
    for i in (7, 0, 3):
        assert again[i].image_bytes() == samples[20 + i].image_bytes()
        assert again[i].instances.masks == samples[20 + i].instances.masks
        assert again[i].id == samples[20 + i].id
        assert again[i].meta == samples[20 + i].meta


def test_defects_are_seen_and_good_pictures_have_none(many):
    source, samples = many
    defects = set(source.preset.values["defects"]["types"])
    cut = {"chip", "burr", "missing_part", "fray"}  # seen against what lies beneath
    clean = 0
    for sample in samples:
        names = [source.names[label] for label in sample.instances.labels]
        own = [name for name in names if name in defects]
        assert sample.meta["clean"] == (not own)
        clean += not own
        contrast = sample.instances.attributes.get("contrast", [])
        for name, value in zip(names, contrast, strict=True):
            if name in defects - cut:
                assert value > 0.1
    assert 0.15 < clean / len(samples) < 0.6


@pytest.mark.parametrize(("values", "holds"), [
    ({"scene__clean": 1}, lambda s, n: s.meta["clean"] and {n[k] for k in s.instances.labels} <= {*PARTS, "fitting"}),
    ({"scene__kinds": "{surface = 1}"}, lambda s, n: s.meta["scene"] == "surface" and (s.instances.parents < 0).all()),
    ({"scene__colour": 0}, lambda s, n: np.ptp(s.image, axis=2).max() == 0),
    ({"label__parts": False}, lambda s, n: not set(n) & set(PARTS)),
    ({"distractors__use": False}, lambda s, n: "distractors" not in s.meta),
    ({"scene__least": 200}, lambda s, n: (s.instances.masks.area >= 200).all()),
    ({"materials": "{brushed = 1}", "scene__kinds": "{surface = 1}"}, lambda s, n: s.meta["ground"] == "brushed"),
    ({"defects__types": "{scratch = 1}", "label__parts": False}, lambda s, n: n == ("scratch",)),
])  # fmt: skip
def test_a_key_does_what_it_says(values, holds):
    source, samples = pictures(10, 3, **values)
    assert all(holds(sample, source.names) for sample in samples)


def test_a_part_does_not_grow_for_a_burr_that_is_not_there():
    values = {"scene__kinds": "{parts = 1}", "scene__clean": 0, "defects__count": 4, "label__contrast": 0}
    values |= {"parts__count": 1, "scene__least": 4000, "distractors__use": False}  # no burr is as large as that
    _, none = pictures(8, 2, defects__types="{burr = 1}", **values)
    _, other = pictures(8, 2, defects__types="{thread_break = 1}", **values | {"defects__count": 0})
    for a, b in zip(none, other, strict=True):
        assert a.instances.amodal == b.instances.amodal


@pytest.mark.parametrize("name", ["burr", "missing_part"])
def test_what_a_surface_cannot_have_is_no_trouble_of_it(name):
    # Weights so that nearly each product would suffer from it alone.
    types = f"{{{name} = 1000, stain = 1}}"
    source, samples = pictures(
        8, 3, defects__types=types, defects__kinds=1, scene__kinds="{surface = 1}", scene__clean=0, label__contrast=0
    )
    seen = [source.names[label] for sample in samples for label in sample.instances.labels]
    assert set(seen) == {"stain"}
    assert sum(not sample.meta["clean"] for sample in samples) >= 6


def test_only_seats_are_missing_parts():
    _, samples = pictures(
        8, 3, defects__types="{missing_part = 1}", scene__kinds="{parts = 1}", label__parts=False, parts__missing=0,
        scene__clean=0, label__contrast=0,
    )  # fmt: skip
    assert not any(len(sample.instances) for sample in samples)


def test_distractors_are_labelled_on_demand():
    source, samples = pictures(
        12, 4, label__distractors=True, label__parts=False, scene__clean=1, distractors__count=3, label__contrast=0
    )
    seen = {source.names[label] for sample in samples for label in sample.instances.labels}
    assert seen & set(source.preset.values["distractors"]["types"])


def test_one_product_stays_the_same_in_all_pictures():
    _, one = pictures(10, 5, scene__products=1, scene__test=0.3)
    assert len({(s.meta["scene"], s.meta["ground"], s.meta["light"], s.meta["product"]) for s in one}) == 1
    assert len({s.image_bytes() for s in one}) == 10
    assert {s.split for s in one} == {"train", "test"}
    _, three = pictures(9, 5, scene__products=3)
    assert [s.meta["product"] for s in three] == [0, 1, 2] * 3


def test_the_share_of_a_split_is_met_for_any_number():
    preset = load("industrial").override({"scene.test": 0.33, "scene.kinds": "{surface = 1}", "scene.clean": 1})
    source = Formula(preset, 90, (32, 32), 0)
    splits = [source[i].split for i in range(90)]
    for count in (12, 30, 90):
        assert abs(splits[:count].count("test") / count - 0.33) < 0.08


@pytest.mark.parametrize(("key", "wanted", "measure"), [
    ("match__brightness", [150, 160, 170], lambda s: s.image.mean()),
    ("match__brightness", [40, 50, 60], lambda s: s.image.mean()),
])  # fmt: skip
def test_brightness_is_matched(key, wanted, measure):
    fixed = {
        "camera__vignetting": 0,
        "camera__exposure": 1,
        "camera__black": 0,
        "camera__linear": 1,
        "label__contrast": 0,
    }
    _, samples = pictures(12, 6, **{key: wanted}, **fixed)
    assert abs(np.median([measure(s) for s in samples]) - wanted[1]) < 25


def test_sizes_and_counts_are_matched():
    values = {"scene__kinds": "{surface = 1}", "scene__clean": 0, "label__parts": False, "label__contrast": 0}
    _, samples = pictures(
        16, 7, match__sizes=[20, 20, 20], defects__types="{stain = 1}", match__counts=[0, 0, 1], **values
    )
    side = np.sqrt(np.concatenate([s.instances.amodal.area[~s.instances.attributes["truncated"]] for s in samples]))
    assert 12 < np.median(side) < 30
    assert 1.3 < np.mean([len(s.instances) for s in samples]) <= 2.5


@pytest.mark.parametrize(("height", "width"), [(10, 10), (4, 40), (60, 5)])
def test_elongation_of_rectangles(height, width):
    cover = Cover(0, 0, np.ones((height, width), np.float32))
    assert elongation(cover) == pytest.approx(max(height, width) / min(height, width), rel=1e-6)


@pytest.mark.parametrize("arguments", [
    {"size": (16, 64)}, {"size": (64, 9000)}, {"count": 0}, {"seed": -1}, {"start": -1},
])  # fmt: skip
def test_what_makes_no_sense_is_told(arguments):
    with pytest.raises(KizuError, match=r"take from|count is"):
        Formula(load("industrial"), **{"count": 1, "size": (64, 64)} | arguments)
