"""The audit of labels with hidden parts: each contradiction made on purpose, in a good scene that has none."""

import numpy as np
import pytest
from format_samples import texture

from kizu.core.dataset import Dataset
from kizu.core.images import encode_image
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.sample import Sample
from kizu.formats.check import problems
from kizu.formats.check.labels import label_problems

ITEMS = ["plate", "pit", "ring", "lid"]


def good():
    """A plate with a pit, and a ring that a lid hides in part; everything agrees."""
    amodal = np.zeros((4, 40, 50), bool)
    amodal[0, 2:20, 2:30] = True
    amodal[1, 5:10, 5:10] = True
    amodal[2, 22:38, 4:20] = True
    amodal[2, 26:34, 8:16] = False
    amodal[3, 20:30, 12:40] = True
    visible = amodal.copy()
    visible[0] &= ~amodal[1]
    visible[2] &= ~amodal[3]
    occluders = np.empty(4, object)
    occluders[:] = [[], [], [3], []]
    return visible, amodal, [-1, 0, -1, -1], occluders


def instances(visible, amodal, parents, occluders, boxes=None, ratio=None):
    seen, whole = Masks.from_dense(visible), Masks.from_dense(amodal)
    ratio = np.round(seen.area / np.maximum(whole.area, 1), 4) if ratio is None else ratio
    attributes = {"visible_ratio": ratio, "occluders": occluders}
    return Instances([0, 1, 2, 2], boxes, seen, amodal=whole, parents=parents, attributes=attributes)


def told(found, items=ITEMS):
    return [(p.kind, p.id.removeprefix("x, ")) for p in label_problems(found, items, "file", "x")]


def test_a_good_scene_has_no_problem():
    assert told(instances(*good())) == []


def lists(*values):
    out = np.empty(len(values), object)
    out[:] = values
    return out


def change(visible=None, amodal=None, parents=None, occluders=None, **more):
    """The good scene with pixels set or cleared, (index, rows, columns, value), or other fields."""
    seen, whole, up, over = good()
    for dense, changes in ((seen, visible), (whole, amodal)):
        for k, rows, columns, value in changes or ():
            dense[k][rows, columns] = value
    return instances(seen, whole, parents or up, over if occluders is None else occluders, **more)


RATIO = np.array([0.9504, 1, 0.75, 1])  # 479 of 504, 144 of 192 pixels
CASES = {
    "two on one pixel": (
        {"visible": [(0, slice(5, 6), slice(5, 8), True)]},
        {("visible masks overlap", "pit"), ("wrong occluders", "pit")},
    ),
    "more seen than there is": (
        {"amodal": [(3, slice(25, 27), slice(30, 32), False)]},
        {("visible outside amodal", "lid")},
    ),
    "child beyond its parent": (
        {"visible": [(1, slice(0, 2), slice(5, 7), True)], "amodal": [(1, slice(0, 2), slice(5, 7), True)]},
        {("outside its parent", "pit")},
    ),
    "box of the amodal mask": (
        {"boxes": Masks.from_dense(good()[1]).boxes, "visible": [(2, slice(22, 38), slice(16, 20), False)]},
        {("box not tight", "ring")},
    ),
    "box of one pixel more": ({"boxes": Masks.from_dense(good()[0]).boxes + np.array([-1, 0, 1, 0])}, set()),
    "loose box": (
        {"boxes": Masks.from_dense(good()[0]).boxes + np.array([[0, 0, 0, 0]] * 3 + [[0, 0, 3, 0]])},
        {("box not tight", "lid")},
    ),
    "false ratio": ({"ratio": RATIO + np.array([0, -0.2, 0, 0])}, {("wrong visible ratio", "pit")}),
    "ratio that is no number": ({"ratio": ["0.95", 1.0, 0.75, float("nan")]}, None),
    "occluder left out": ({"occluders": lists([], [], [], [])}, {("wrong occluders", "ring")}),
    "occluder that is far": ({"occluders": lists([], [3], [3], [])}, {("wrong occluders", "pit")}),
    "occluder that is not there": ({"occluders": lists([], [], [4], [])}, {("wrong occluders", "ring")}),
    "its own occluder": ({"occluders": lists([], [], [3], [3])}, {("wrong occluders", "lid")}),
    "occluders that are no list": ({"occluders": lists([], "x", [3], 7)}, None),
    "occluders as text": ({"occluders": np.array(["[]", "[]", "[3]", "[]"])}, set()),
    "parents in a circle": ({"parents": [1, 0, -1, -1]}, None),
}


@pytest.mark.parametrize("fields, expected", CASES.values(), ids=CASES)
def test_each_contradiction_and_no_other(fields, expected):
    if expected is None:
        expected = {
            "ratio": {("wrong visible ratio", "plate"), ("wrong visible ratio", "lid")},
            "occluders": {("wrong occluders", "pit"), ("wrong occluders", "lid")},
            "parents": {("parents in a circle", "plate"), ("parents in a circle", "pit")},
        }[next(iter(fields))]
    found = change(**fields)
    assert set(told(found)) == expected
    for p in label_problems(found, ITEMS, "file", "x"):
        assert p.message and p.remedy and p.field and p.file == "file"
        assert p.severity == ("warning" if p.kind == "box not tight" else "error")


def test_nothing_is_asked_of_ordinary_labels():
    _, whole, up, over = good()
    overlapping = Instances([0, 1, 2, 2], masks=Masks.from_dense(whole), parents=up, attributes={"occluders": over})
    assert told(overlapping) == []
    assert told(Instances([0], np.array([[1, 2, 3, 4]], np.float32))) == []
    assert told(Instances.empty((4, 4))) == []


@pytest.mark.parametrize("form", ["shards", "coco"])
def test_kizu_check_audits_a_data_set(tmp_path, form):
    picture = encode_image(texture(1, 40, 50))
    sets = {"good": instances(*good()), "bad": change(ratio=RATIO - 0.5, visible=[(0, slice(5, 6), slice(5, 8), True)])}
    kinds = {}
    for name, found in sets.items():
        Dataset([Sample("a.png", picture, found)], ["plate", "pit", "piece"]).write(tmp_path / name, form)
        kinds[name] = {p.kind for p in problems(tmp_path / name) if p.severity == "error"}
    assert kinds == {"good": set(), "bad": {"visible masks overlap", "wrong visible ratio", "wrong occluders"}}
