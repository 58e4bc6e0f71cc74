"""Compositions: exact labels, the same picture from the same scene, and nothing changed where nothing was put."""

import pickle
from collections import Counter

import cv2
import numpy as np
import pytest
from compose_lines import composition, line, stock

from kizu.core.errors import DataError, KizuError
from kizu.core.masks import Masks
from kizu.core.seeds import Stream
from kizu.synth.compose.backgrounds import frame_of
from kizu.synth.compose.linear import from_linear
from kizu.synth.compose.spec import Scene

KINDS = {
    "inplace": {},
    "measured": {"layout": "measured"},
    "objects": {"layout": "sos", "laid": {"least": 3, "most": 6}},
    "made": {"segments": False, "flaws": {"perlin": 1, "patch": 1, "cutpaste": 1, "scar": 1, "shuffle": 1, "drawn": 2}},
    "mixed": {"flaws": {"real": 1, "drawn": 1, "perlin": 1}},
    "everywhere": {"everywhere": True},
    "square": {"size": (96, 96)},
    "enlarged": {"size": (200, 300)},
    "blurred": {"blur": (0.6, 0.9)},
}
each_kind = pytest.mark.parametrize("kind", KINDS)


def same(a, b):
    return (
        a.image_bytes() == b.image_bytes() and a.instances.masks == b.instances.masks
        and a.instances.amodal == b.instances.amodal and a.meta == b.meta
    )  # fmt: skip


@each_kind
def test_labels_are_exact(kind):
    source = composition(16, seed=2, **KINDS[kind])
    seen = Counter()
    for sample in source.dataset():
        found = sample.instances
        image = sample.image
        assert image.shape[:2] == sample.size == (found.masks.size if found.masks is not None else sample.size)
        if not len(found):
            continue
        owner = np.zeros(sample.size, int)
        for k in range(len(found)):
            visible, amodal = found.masks.dense(k), found.amodal.dense(k)
            assert not (visible & ~amodal).any()
            owner += visible
            rows, columns = np.flatnonzero(visible.any(1)), np.flatnonzero(visible.any(0))
            assert found.boxes[k].tolist() == [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
            assert found.attributes["visible_ratio"][k] == pytest.approx(visible.sum() / amodal.sum(), abs=1e-4)
            seen[source.names[found.labels[k]]] += 1
        assert owner.max() == 1
        assert owner.sum() == found.masks.area.sum()
    assert sum(seen.values()) >= 12, seen


@each_kind
def test_a_picture_is_a_function_of_its_number_and_of_its_scene(kind):
    source = composition(6, seed=5, **KINDS[kind])
    later = [composition(9, seed=5, **KINDS[kind])[i] for i in (5, 0, 3)]
    there = pickle.loads(pickle.dumps(source))
    for sample, i in zip(later, (5, 0, 3), strict=True):
        assert same(sample, source[i])
        assert same(sample, there[i])
        again = source.sample(Scene.from_json(sample.meta["scene"]), i)
        assert same(sample, again)
    other = composition(6, seed=6, **KINDS[kind])
    assert any(not same(other[i], source[i]) for i in range(3))


def test_what_is_not_labelled_is_as_it_was():
    source = composition(12, seed=1, label="planned")
    for sample in source.dataset():
        scene = Scene.from_json(sample.meta["scene"])
        behind = source.backgrounds[source.backgrounds.number(scene.background)]
        before = from_linear(frame_of(behind, scene.window, scene.size, scene.flips).light)
        touched = (before != sample.image).any(2)
        near = sample.instances.masks.union() if len(sample.instances) else np.zeros(sample.size, bool)
        near = cv2.dilate(near.astype(np.uint8), np.ones((25, 25), np.uint8)) > 0
        assert not (touched & ~near).any()
        assert len(sample.instances) == 0 or touched.any()


def test_light_and_blends_leave_planned_masks_alone():
    lit = composition(8, seed=4, label="planned")
    plain = composition(8, seed=4, label="planned", light="none", blends={"hard": 1.0})
    same_pixels = 0
    for a, b in zip(lit.dataset(), plain.dataset(), strict=True):
        if a.meta["scene"]["dropped"] == b.meta["scene"]["dropped"]:
            assert a.instances.masks == b.instances.masks
            same_pixels += np.array_equal(a.image, b.image)
    assert same_pixels < 4


def test_scenes_are_drawn_again_with_other_labels():
    first = composition(6, seed=8)
    planned = composition(6, seed=8, label="planned", blends={"feather": 1.0})
    planned.scenes = first.dataset()
    for a, b in zip(first.dataset(), planned.dataset(), strict=True):
        assert [layer["segment"] for layer in a.meta["scene"]["layers"]] == [
            layer["segment"] for layer in b.meta["scene"]["layers"]
        ]
        assert all(layer["blend"]["name"] == "feather" for layer in b.meta["scene"]["layers"])
        assert len(a.instances) == len(b.instances)
    planned.scenes = line()
    with pytest.raises(DataError, match="keeps no scene"):
        planned[0]


def test_lineage_names_every_group_and_no_other():
    source = composition(10, seed=0)
    groups = dict(zip(stock().column("id").tolist(), stock().column("group").tolist(), strict=True))
    ground = {sample.id: sample.group for sample in line()}
    for sample in source.dataset():
        scene = sample.meta["scene"]
        expected = {ground[scene["background"]]} | {groups[layer["segment"]] for layer in scene["layers"]}
        assert sample.meta["lineage"] == sorted(expected)
        assert sample.split == "train"


def test_shares_of_pictures_and_makers():
    source = composition(60, seed=0, empty=0.4, flaws={"real": 1, "perlin": 1})
    scenes = [source._planner.scene(i) for i in range(60)]
    assert 14 <= sum(not scene.layers for scene in scenes) <= 36
    made = [layer.make for scene in scenes for layer in scene.layers]
    assert 0.25 < np.mean([make == "perlin" for make in made]) < 0.75


def test_what_was_on_the_background_stays_labelled():
    source = composition(12, seed=0, everywhere=True)
    kept = 0
    for sample in source.dataset():
        scene = Scene.from_json(sample.meta["scene"])
        behind = source.backgrounds[source.backgrounds.number(scene.background)]
        own = [k for k, name in enumerate(sample.instances.attributes.get("segment", ())) if not name]
        names = [source.names[sample.instances.labels[k]] for k in own]
        assert names == list(behind.labels)
        kept += len(own)
    assert kept > 0


def test_planned_and_changed_masks_are_kept():
    changed, meant = composition(10, seed=3), composition(10, seed=3, label="planned")
    for sample, other in zip(changed.dataset(), meant.dataset(), strict=True):
        codes = [text.encode() for text in sample.instances.attributes.get("planned", ())]
        if len(codes) == len(other.instances) > 0 and other.instances.attributes["visible_ratio"].min() == 1:
            assert Masks.from_codes(codes, sample.size) == other.instances.masks
        for k in range(len(sample.instances)):
            assert sample.instances.attributes["contrast_to_noise"][k] >= 2
            assert 0 < sample.instances.attributes["share"][k] <= 1


def test_expressions_come_with_the_picture():
    source = composition(3, seed=3, expressions=9, laid={"least": 3, "most": 4})
    for sample in source.dataset():
        assert len(sample.meta["expressions"]) >= 9
        count = len(sample.instances)
        assert all(0 <= t < count for said in sample.meta["expressions"] for t in said["targets"])


@pytest.mark.parametrize(
    "change, message",
    [
        ({"layout": "spiral"}, "unknown layout 'spiral'; known are"),
        ({"laid": {"mots": 3}}, "layout inplace has no option 'mots'"),
        ({"flaws": {"rust": 1}}, "unknown flaw 'rust'"),
        ({"flaws": {"real": 0}}, "no flaw has a weight above 0"),
        ({"blends": {"glue": 1}}, "unknown blend 'glue'"),
        ({"segments": False}, "real defects need segments"),
        ({"count": 0}, "count 0"),
        ({"label": "guess"}, "label 'guess': it is change or planned"),
        ({"light": "candle"}, "light 'candle'"),
        ({"empty": 1.0}, "it is 0 or more and less than 1"),
        ({"size": (8, 8)}, "8 x 8 pixels: take from 32"),
        ({"strength": (2.0, 1.0)}, "strength from 2.0 to 1.0"),
    ],
)
def test_what_makes_no_sense(change, message):
    with pytest.raises(KizuError, match=message):
        composition(**change)


def test_streams_of_composition_have_numbers_of_their_own():
    assert len({int(item) for item in Stream}) == len(Stream)
