"""Every expression against an evaluator that knows the scene's truth, on random scenes and on hard ones."""

import json
from collections import Counter

import numpy as np
import pytest
from compose_refer_scenes import NAMES, Scene
from hypothesis import given
from hypothesis import strategies as st

from kizu.core.errors import DataError
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.synth.compose.refer.express import express
from kizu.synth.compose.refer.expression import Expression
from kizu.synth.compose.refer.grammar import content_of
from kizu.synth.compose.refer.graph import scene_graph
from kizu.synth.compose.refer.logic import evaluate
from kizu.synth.compose.refer.reading import parse


def said(scene, seed=0, least=9):
    return express(scene.instances, scene.names, scene.image, np.random.default_rng(seed), least)


def assert_true(scene, out):
    plain = scene.plain()
    graph = scene_graph(scene.instances, scene.names, scene.image)
    for item in out:
        assert plain.targets(item.form) == set(item.targets), item
        assert evaluate(item.form, graph) == set(item.targets), item
        assert parse(item.text, scene.names) == item.form, item
        assert item.content == content_of(item.form)
        assert item.number == {0: "none", 1: "single"}.get(len(item.targets), "several")
        assert item.text.startswith("the ") and "  " not in item.text
        if item.targets:
            assert (item.form[0] == "one") == (len(item.targets) == 1), item
        assert Expression.from_json(json.loads(json.dumps(item.to_json()))) == item
    assert len({item.text for item in out}) == len(out)


@given(
    st.integers(0, 2**31), st.integers(0, 14), st.booleans(), st.booleans(), st.booleans(), st.integers(0, 20)
)  # fmt: skip
def test_every_expression_is_true_of_its_scene(seed, count, grey, alike, parents, least):
    scene = Scene(seed, count, grey, NAMES[:1] if alike else NAMES, parents=parents)
    out = said(scene, seed + 1, least)
    assert_true(scene, out)
    shares = scene.visible.sum((1, 2)) / np.maximum(scene.whole.sum((1, 2)), 1)
    if count >= 3 and (shares >= 0.2).all():
        assert len(out) >= min(least, 9)


def test_all_kinds_are_dealt_out_alike():
    cells = Counter()
    scenes = [Scene(seed, 10, seed % 3 == 0) for seed in range(24)]
    for scene in scenes:
        out = said(scene)
        cells.update((item.content, item.number) for item in out)
        numbers = Counter(item.number for item in out)
        assert len(out) >= 9 and numbers["none"] <= 6
    assert len(cells) == 9
    assert min(cells.values()) >= 0.6 * len(scenes), cells


def test_the_same_chance_gives_the_same_words():
    scene = Scene(5, 9)
    assert said(scene, 3) == said(scene, 3)
    assert said(scene, 3) != said(scene, 4)


def test_one_class_is_told_apart_by_looks_and_place():
    scene = Scene(8, 8, classes=NAMES[:1])
    out = said(scene)
    assert_true(scene, out)
    assert {item.content for item in out if item.number == "single"} == {"attribute", "spatial", "mixed"}
    assert len({item.targets for item in out if item.number == "single"}) >= 3


@pytest.mark.parametrize("names", [(), ("bolt",), ("1", "2"), ("a", "A")])
def test_nothing_on_the_picture(names):
    image = np.zeros((64, 64, 3), np.uint8)
    out = express(Instances.empty((64, 64)), names, image, np.random.default_rng(0))
    assert len(out) == 9
    assert {(item.number, item.targets) for item in out} == {("none", ())}
    assert all(parse(item.text, names) == item.form for item in out)


@pytest.mark.parametrize("count", [1, 2, 300])
def test_few_and_many(count):
    scene = Scene(2, count, size=(600, 800) if count > 2 else (300, 400))
    out = said(scene)
    assert_true(scene, out)
    assert len(out) >= 9
    assert any(item.number == "single" for item in out) or count == 300


def disc(size, x, y, radius):
    rows, columns = np.mgrid[: size[0], : size[1]]
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


def row_of(places, colours, labels=None, size=(100, 200), radius=8, **fields):
    masks = np.array([disc(size, x, y, radius) for x, y in places])
    image = np.full((*size, 3), 128, np.uint8)
    for mask, colour in zip(masks, colours, strict=True):
        image[mask] = colour
    labels = labels or [0] * len(places)
    return Instances(labels, masks=Masks.from_dense(masks), attributes=fields), image


RED, DARK_RED, BLUE = (200, 25, 35), (170, 30, 45), (40, 70, 200)
BLUE_ONE, RED_ONE, GREEN_ONE = (["one", "bolt", [["colour", name]], []] for name in ("blue", "red", "green"))
LEFT_OF_BLUE, NEAR_BLUE = [[["left of", BLUE_ONE]], []], [[], ["nearest", BLUE_ONE]]
THREE = [(20, 50), (60, 50), (150, 50)]
CASES = [  # places, colours, form, targets or None where the margins leave it open
    ("apart", [(20, 50), (100, 50)], [RED, BLUE], [[["colour", "red"]], []], {0}),
    ("reds alike", [(20, 50), (100, 50)], [RED, DARK_RED], [[["colour", "red"]], []], {0, 1}),
    ("left by 10 %", [(20, 50), (40, 50)], [RED, BLUE], LEFT_OF_BLUE, {0}),
    ("left by 5 %", [(20, 50), (31, 50)], [RED, BLUE], LEFT_OF_BLUE, None),
    ("above, not left", [(98, 20), (100, 80)], [RED, BLUE], LEFT_OF_BLUE, set()),
    ("no such landmark", [(20, 50), (100, 50)], [RED, BLUE], [[["left of", GREEN_ONE]], []], set()),
    ("two landmarks", [(20, 50), (100, 50)], [RED, RED], [[["left of", RED_ONE]], []], None),
    ("leftmost by far", THREE, [RED] * 3, [[], ["leftmost"]], {0}),
    ("leftmost, hardly", [(20, 20), (28, 80), (150, 50)], [RED] * 3, [[], ["leftmost"]], None),
    ("second", THREE, [RED] * 3, [[], ["order", 2, "left"]], {1}),
    ("third from the right", THREE, [RED] * 3, [[], ["order", 3, "right"]], {0}),
    ("third of a pair", [(20, 50), (60, 50), (150, 20), (152, 80)], [RED] * 4, [[], ["order", 3, "left"]], None),
    ("fourth of three", THREE, [RED] * 3, [[], ["order", 4, "left"]], set()),
    ("nearest", THREE, [RED, RED, BLUE], NEAR_BLUE, {1}),
    ("nearest, hardly", [(60, 50), (142, 50), (100, 50)], [RED, RED, BLUE], NEAR_BLUE, None),
    ("corner", [(20, 15), (150, 50)], [RED, RED], [[["zone", "top left"]], []], {0}),
    ("at the border of a zone", [(66, 15), (150, 50)], [RED, RED], [[["zone", "top left"]], []], None),
    ("alike in size", [(20, 50), (150, 50)], [RED, RED], [[], ["largest"]], None),
    ("none is large", [(20, 50), (150, 50)], [RED, RED], [[["size", "large"]], []], None),
    ("one has no size", [(20, 50)], [RED], [[["size", "large"]], []], None),
    ("round", [(20, 50), (150, 50)], [RED, RED], [[["direction", "horizontal"]], []], set()),
]  # fmt: skip


@pytest.mark.parametrize("places, colours, form, targets", [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_margins(places, colours, form, targets):
    found, image = row_of(places, colours)
    assert evaluate(["one", "bolt", *form], scene_graph(found, ["bolt"], image)) == targets


def test_between_two():
    found, image = row_of([(20, 50), (100, 52), (180, 50), (100, 90)], [RED, RED, BLUE, RED], [0, 1, 2, 1])
    graph = scene_graph(found, ["bolt", "nut", "washer"], image)
    ends = ["one", "bolt", [], []], ["one", "washer", [], []]
    assert evaluate(["one", "nut", [["between", *ends]], []], graph) is None  # the other is not far enough aside
    far = found[[0, 1, 2]]
    assert evaluate(["one", "nut", [["between", *ends]], []], scene_graph(far, ["bolt", "nut", "washer"], image)) == {1}


def test_what_is_hardly_seen_is_never_named():
    found, image = row_of([(20, 50), (100, 50), (180, 50)], [RED, BLUE, RED], visible_ratio=[1.0, 1.0, 0.1])
    graph = scene_graph(found, ["bolt"], image)
    assert evaluate(["one", "bolt", [["colour", "red"]], []], graph) is None
    assert evaluate(["one", "bolt", [["colour", "blue"]], []], graph) is None  # it may be blue where it is hidden
    out = express(found, ["bolt", "nut"], image, np.random.default_rng(1))
    assert all(2 not in item.targets for item in out)


def test_written_attributes_speak_and_must_agree_with_what_is_seen():
    places = [(20, 50), (100, 50), (180, 50)]
    given = {"shape": ["round", "line", ["line", "curve"]], "direction": ["horizontal", None, []]}
    found, image = row_of(places, [RED] * 3, **given)
    graph = scene_graph(found, ["pit"], image)
    assert evaluate(["one", "pit", [["shape", "round"]], []], graph) == {0}
    assert evaluate(["one", "pit", [["shape", "line"]], []], graph) is None  # the third may be one
    assert evaluate(["one", "pit", [["direction", "horizontal"]], []], graph) is None  # written, and not to be seen


def test_occluders_tell_where_there_are_no_amodal_masks():
    found, image = row_of(
        [(90, 50), (110, 50)], [RED, BLUE], [0, 1], radius=12, occluders=[[1], []], visible_ratio=[0.7, 1.0]
    )
    graph = scene_graph(found, ["bolt", "nut"], image)
    nut, bolt = ["one", "nut", [], []], ["one", "bolt", [], []]
    assert evaluate(["one", "bolt", [["behind", nut]], []], graph) == {0}
    assert evaluate(["one", "nut", [["in front of", bolt]], []], graph) == {1}
    assert evaluate(["one", "bolt", [["in front of", nut]], []], graph) == set()
    assert evaluate(["one", "bolt", [["hidden", "partly"]], []], graph) == {0}


@pytest.mark.parametrize("apart, expected", [(0, {2}), (12, None)])
def test_what_covers_a_piece_of_which_nothing_is_seen_is_not_known_to_cover(apart, expected):
    """A ring in two pieces: a plate lies on one of them, and on the other (apart = 0) or away from it."""
    whole = np.zeros((3, 100, 200), bool)
    whole[0, 20:80, 20:40] = whole[0, 20:80, 90:110] = True
    whole[1, 85:95, 20:30] = True
    whole[2, 10:90, 30 + apart : 120] = True
    visible = whole.copy()
    visible[0] &= ~whole[2]
    image = np.full((100, 200, 3), 128, np.uint8)
    for mask, colour in zip(visible, (RED, BLUE, BLUE), strict=True):
        image[mask] = colour
    found = Instances([0, 1, 1], masks=Masks.from_dense(visible), amodal=Masks.from_dense(whole))
    graph = scene_graph(found, ["ring", "plate"], image)
    ring = ["one", "ring", [], []]
    for relation in ("in front of", "overlapping"):
        assert evaluate(["one", "plate", [[relation, ring]], []], graph) == expected
    assert evaluate(["one", "ring", [["behind", ["one", "plate", [], ["largest"]]]], []], graph) == (expected and {0})


def test_boxes_alone_have_places_and_no_looks():
    found = Instances([0, 0, 1], np.array([[5, 5, 25, 20], [70, 60, 90, 80], [150, 10, 180, 30]], np.float32))
    image = np.zeros((100, 200, 3), np.uint8)
    out = express(found, ["bolt", "nut"], image, np.random.default_rng(0))
    assert len(out) >= 9
    looks = {part[0] for item in out if item.targets for part in item.form[2]}
    assert not looks & {"colour", "tone", "elongation", "direction"}


@pytest.mark.parametrize(
    "change", [{"text": 3}, {"targets": [-1]}, {"targets": [True]}, {"number": "none"}, {"content": "x"}, {"form": "x"}]
)
def test_a_broken_record_is_told(change):
    record = {
        "text": "the bolt",
        "targets": [1],
        "content": "attribute",
        "number": "single",
        "form": ["one", "bolt", [], []],
    }
    assert Expression.from_json(record).targets == (1,)
    with pytest.raises(DataError, match="not a referring expression"):
        Expression.from_json(record | change)
    with pytest.raises(DataError, match="not a referring expression"):
        Expression.from_json({})


NO_FORMS = [
    [], ["one"], ["one", "bolt", [["size"]], []], ["one", "bolt", [["no", "x"]], []],
    ["one", "bolt", [["colour", "mauve"]], []], ["one", "bolt", [], ["first"]],
]  # fmt: skip


@pytest.mark.parametrize("form", NO_FORMS, ids=str)
def test_what_is_no_form_is_refused(form):
    found, image = row_of([(20, 50)], [RED])
    with pytest.raises(ValueError, match="not a form"):
        evaluate(form, scene_graph(found, ["bolt"], image))
