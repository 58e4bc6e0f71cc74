"""Hidden parts in COCO annotations: three ways, each written and read back, and files as others write them."""

import json

import numpy as np
import pytest
from format_samples import NAMES, texture
from pycocotools import mask as coco

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.sample import Sample
from kizu.formats.common.coco_amodal import STYLES


def dense():
    """Whole and visible masks, bool (3, 32, 40): a plate under a plate, one alone."""
    whole = np.zeros((3, 32, 40), bool)
    whole[0, 2:12, 2:12] = whole[1, 8:20, 6:20] = whole[2, 22:30, 22:39] = True
    visible = whole.copy()
    visible[0] &= ~whole[1]
    return whole, visible


@pytest.fixture
def hiding():
    whole, visible = (Masks.from_dense(values) for values in dense())
    found = Instances([0, 1, 2], masks=visible, amodal=whole, attributes={"order": np.arange(3), "who": list("abc")})
    none = Instances([1], masks=visible[[2]])  # a picture without amodal masks
    samples = [Sample("a.png", texture(1, 32, 40), found), Sample("b.png", texture(2, 32, 40), none)]
    return Dataset(samples, NAMES)


def records(folder):
    return json.loads((folder / "instances.json").read_text("utf-8"))["annotations"]


def pixels(code):
    return coco.decode({"size": code["size"], "counts": code["counts"].encode()}).astype(bool)


@pytest.mark.parametrize("style", STYLES)
def test_there_and_back(hiding, tmp_path, style):
    assert hiding.write(tmp_path / "out", "coco", amodal=style) == []
    again = Dataset.open(tmp_path / "out")
    one, two = hiding[0].instances, again[0].instances
    assert two.masks == one.masks and two.amodal == one.amodal
    np.testing.assert_array_equal(two.boxes, one.boxes)
    np.testing.assert_array_equal(two.labels, one.labels)
    assert {k: two.attributes[k].tolist() for k in ("order", "who")} == {"order": [0, 1, 2], "who": ["a", "b", "c"]}
    assert set(two.attributes) == {"order", "who", "coco_id", "iscrowd"}
    assert again[1].instances.amodal is None and again[1].instances.masks == hiding[1].instances.masks


def test_fields_of_kins(hiding, tmp_path):
    hiding.write(tmp_path / "out", "coco", amodal="kins")
    whole, visible = dense()
    for record, all_of_it, seen in zip(records(tmp_path / "out"), whole, visible, strict=False):
        np.testing.assert_array_equal(pixels(record["a_segm"]), all_of_it)
        np.testing.assert_array_equal(pixels(record["i_segm"]), seen)
        assert record["segmentation"] == record["i_segm"] and record["bbox"] == record["i_bbox"]
        assert record["a_area"] == all_of_it.sum() and record["i_area"] == record["area"] == seen.sum()
    assert records(tmp_path / "out")[0]["a_bbox"] == [2, 2, 10, 10]
    assert "a_segm" not in records(tmp_path / "out")[3]


def test_fields_of_cocoa(hiding, tmp_path):
    hiding.write(tmp_path / "out", "coco", amodal="cocoa")
    whole, visible = dense()
    for record, all_of_it, seen in zip(records(tmp_path / "out"), whole, visible, strict=False):
        np.testing.assert_array_equal(pixels(record["segmentation"]), all_of_it)
        np.testing.assert_array_equal(pixels(record["visible_mask"]), seen)
        assert ("invisible_mask" in record) == (seen != all_of_it).any()
        assert record["occlude_rate"] == pytest.approx(1 - seen.sum() / all_of_it.sum())
        assert record["area"] == all_of_it.sum()
    first = records(tmp_path / "out")[0]
    np.testing.assert_array_equal(pixels(first["invisible_mask"]), whole[0] & ~visible[0])
    assert first["bbox"] == [2, 2, 10, 10]
    assert [record["order"] for record in records(tmp_path / "out")[:3]] == [3, 2, 1]  # the front is the first


def test_what_cocoa_cannot_hold_is_told(hiding, tmp_path):
    found = hiding[0].instances
    boxes = found.boxes + np.array([[0, 0, 0.5, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    found = found.replace(boxes=boxes, attributes={"has_mask": [True, True, False], "area": [1.0, 2.0, 3.0]})
    losses = Dataset([hiding[0].replace(instances=found)], NAMES).write(tmp_path / "out", "coco", amodal="cocoa")
    assert [text.split()[:3] for text in losses] == [
        ["1", "boxes", "that"],
        ["1", "amodal", "masks"],
        ["3", "areas", "that"],
    ]


@pytest.mark.parametrize("style", ["kins", "cocoa"])
def test_files_of_others(hiding, tmp_path, style):
    """Polygons, and none of the fields that Kizu adds; COCOA leaves visible_mask out where all is visible."""
    hiding.write(tmp_path / "out", "coco")
    path = tmp_path / "out" / "instances.json"
    table = json.loads(path.read_text("utf-8"))
    square = [[2, 2, 12, 2, 12, 12, 2, 12]]
    seen = table["annotations"][0]["segmentation"]
    common = {"id": 1, "image_id": 1, "category_id": 1}
    if style == "kins":
        table["annotations"] = [
            common | {"a_segm": square, "a_bbox": [2, 2, 10, 10], "i_segm": seen, "i_bbox": [2, 2, 10, 10]}
        ]
    else:
        alone = common | {"id": 2, "segmentation": [[22, 22, 30, 22, 30, 30, 22, 30]], "occlude_rate": 0.0, "area": 64}
        table["annotations"] = [common | {"segmentation": square, "visible_mask": seen, "occlude_rate": 0.2}, alone]
    path.write_text(json.dumps(table))
    found = Dataset.open(tmp_path / "out")[0].instances
    whole, visible = dense()
    np.testing.assert_array_equal(found.amodal.dense(0), whole[0])
    np.testing.assert_array_equal(found.masks.dense(0), visible[0])
    if style == "cocoa":
        assert found.masks.area.tolist() == [visible[0].sum(), 64] and found.amodal.area[1] == 64
    assert not set(found.attributes) - {"coco_id", "iscrowd"}


@pytest.mark.parametrize("field, value", [("a_segm", 3), ("a_segm", {"size": [1, 1], "counts": "x"}), ("i_segm", 7)])
def test_broken_fields_are_one_fault(hiding, tmp_path, field, value):
    hiding.write(tmp_path / "out", "coco", amodal="kins")
    path = tmp_path / "out" / "instances.json"
    table = json.loads(path.read_text("utf-8"))
    table["annotations"][0][field] = value
    path.write_text(json.dumps(table))
    again = Dataset.open(tmp_path / "out")
    with pytest.raises(DataError, match=r"instances\.json"):
        _ = again[0].instances
    assert len(again[1].instances) == 1


def test_an_unknown_way_is_told(hiding, tmp_path):
    with pytest.raises(KizuError, match="kizu, kins, cocoa"):
        hiding.write(tmp_path / "out", "coco", amodal="kinz")
    assert list(tmp_path.iterdir()) == []
