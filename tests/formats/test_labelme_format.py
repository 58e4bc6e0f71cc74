"""labelme: every shape, groups, images inside the JSON, and shapes that cannot be used."""

import base64
import json

import numpy as np
import pytest
from format_samples import texture
from skimage.draw import disk

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError
from kizu.core.images import encode_image

IMAGE = encode_image(texture(0, 32, 40))


def shape(kind="polygon", points=((2, 2), (12, 2), (12, 9), (2, 9)), label="b", **fields):
    return {
        "label": label,
        "points": [list(p) for p in points],
        "group_id": None,
        "shape_type": kind,
        "flags": {},
    } | fields


def make(root, shapes, name="x", image=True, **fields):
    root.mkdir(parents=True, exist_ok=True)
    record = {"version": "5.4.1", "flags": {}, "shapes": shapes, "imagePath": f"{name}.png", "imageData": None}
    record |= {"imageHeight": 32, "imageWidth": 40}
    (root / f"{name}.json").write_text(json.dumps(record | fields))
    if image:
        (root / f"{name}.png").write_bytes(IMAGE)
    return root


def test_polygon_and_rectangle(tmp_path):
    data = Dataset.open(make(tmp_path, [shape(), shape("rectangle", ((30, 20), (22, 10)), "a")]))
    found = data[0].instances
    assert data.names == ("a", "b") and found.labels.tolist() == [1, 0]
    assert found.masks.area.tolist() == [70, 0]
    assert found.attributes["has_mask"].tolist() == [True, False]
    assert found.boxes.tolist() == [[2, 2, 12, 9], [22, 10, 30, 20]]  # corners in any order


def test_circle_is_a_disc(tmp_path):
    found = Dataset.open(make(tmp_path, [shape("circle", ((20, 16), (20, 26)))]))[0].instances
    expected = np.zeros((32, 40), bool)
    expected[disk((15.5, 19.5), 10.0001, shape=(32, 40))] = True  # scikit-image counts pixel centres
    np.testing.assert_array_equal(found.masks.dense(0), expected)


@pytest.mark.parametrize(
    "kind, points, box",
    [
        ("line", ((5, 16), (35, 16)), [0, 11, 40, 21]),
        ("linestrip", ((5, 16), (20, 16), (35, 16)), [0, 11, 40, 21]),
        ("point", ((20, 16),), [15, 11, 25, 21]),
    ],
)
def test_lines_and_points_have_a_width(tmp_path, kind, points, box):
    found = Dataset.open(make(tmp_path, [shape(kind, points)]))[0].instances
    assert np.abs(found.boxes[0] - box).max() <= 1
    assert found.masks.area[0] > 70


def test_mask_shape_lies_on_its_inclusive_box(tmp_path):
    crop = np.zeros((3, 4), bool)
    crop[0, 1:] = crop[2, 0] = True
    data = base64.b64encode(encode_image(crop.astype(np.uint8) * 255)).decode()
    found = Dataset.open(make(tmp_path, [shape("mask", ((10, 20), (13, 22)), mask=data)]))[0].instances
    np.testing.assert_array_equal(found.masks.dense(0)[20:23, 10:14], crop)
    assert found.masks.area[0] == crop.sum()


def test_shapes_of_a_group_are_one_instance(tmp_path):
    other = ((20, 20), (24, 20), (24, 24), (20, 24))
    shapes = [
        shape(group_id=1),
        shape(points=other, group_id=1),
        shape(points=other, group_id=1, label="a"),
        shape(points=other),
    ]
    found = Dataset.open(make(tmp_path, shapes))[0].instances
    assert sorted(found.masks.area.tolist()) == [16, 16, 86]


def test_flags_and_description_are_attributes(tmp_path):
    found = Dataset.open(make(tmp_path, [shape(flags={"difficult": True}, description="deep"), shape()]))[0].instances
    assert found.attributes["difficult"].tolist() == [True, None]
    assert found.attributes["description"].tolist() == ["deep", None]


def test_image_data_serves_where_the_file_is_gone(tmp_path):
    make(tmp_path, [shape()], image=False, imageData=base64.b64encode(IMAGE).decode())
    data = Dataset.open(tmp_path, "labelme")
    np.testing.assert_array_equal(data[0].image, texture(0, 32, 40))
    assert len(data[0].instances) == 1


def test_image_path_of_another_name_and_folder(tmp_path):
    make(tmp_path / "json", [shape()], image=False, imagePath="..\\pictures\\ü 1.png")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "ü 1.png").write_bytes(IMAGE)
    data = Dataset.open(tmp_path / "json")
    assert data[0].image.shape == (32, 40, 3)


def test_folders_of_splits_and_clean_images(tmp_path):
    make(tmp_path / "train", [shape()])
    make(tmp_path / "test", [])
    (tmp_path / "test" / "good.png").write_bytes(IMAGE)
    data = Dataset.open(tmp_path)
    assert [(s.id, s.split, len(s.instances)) for s in data] == [
        ("good.png", "test", 0),
        ("test/x.png", "test", 0),
        ("train/x.png", "train", 1),
    ]
    assert data.notes == ["1 of 3 images have no JSON; they are neither good ones nor truth"]


BROKEN = {
    "no record": (5, "shapes"),
    "no label": (shape(label=None), "label"),
    "two points": (shape(points=((1, 2), (3, 4))), "points"),
    "points as text": (shape(points=("ab", "cd", "ef")), "points"),
    "points as numbers": (shape() | {"points": [1, 2, 3]}, "points"),
    "points that are none": (shape() | {"points": None}, "points"),
    "points far away": (shape(points=((1e6, 1), (2, 2), (3, 3))), "points"),
    "nan": (shape(points=((float("nan"), 1), (2, 2), (3, 3))), "points"),
    "unknown shape": (shape("cuboid"), "shape_type"),
    "a shape that is a list": (shape([1]), "shape_type"),
    "mask that is no PNG": (shape("mask", ((1, 1), (2, 2)), mask="AAAA"), "mask"),
    "mask that is a number": (shape("mask", ((1, 1), (2, 2)), mask=5), "mask"),
    "mask of another size": (shape("mask", ((1, 1), (2, 2)), mask=base64.b64encode(IMAGE).decode()), "mask"),
}


@pytest.mark.parametrize("record, field", BROKEN.values(), ids=BROKEN)
def test_shapes_that_cannot_be_used(tmp_path, record, field):
    make(tmp_path, [shape(), record])
    make(tmp_path, [shape()], "y")
    data = Dataset.open(tmp_path)
    with pytest.raises(DataError, match=rf"x\.json: image x\.png, shape 2, field '{field}'"):
        _ = data[0].instances
    assert len(data[1].instances) == 1


@pytest.mark.parametrize(
    "text", ["", "{", "5", "[]", '{"shapes": 5}', '{"shapes": null, "imagePath": 7}', "[" * 50_000]
)
def test_files_that_are_not_labelme(tmp_path, text):
    make(tmp_path, [shape()], "y")
    (tmp_path / "x.json").write_text(text)
    (tmp_path / "x.png").write_bytes(IMAGE)
    data = Dataset.open(tmp_path, "labelme")
    with pytest.raises(DataError, match=r"x\.json"):
        _ = data[0].instances
    assert len(data[1].instances) == 1


def test_an_image_of_another_size(tmp_path):
    data = Dataset.open(make(tmp_path, [shape()], imageHeight=40, imageWidth=32))
    with pytest.raises(DataError, match=r"\[40, 32\], but the image is \[32, 40\]"):
        _ = data[0].instances


def test_polygon_where_it_is_exact_else_a_mask(small, tmp_path):
    small.write(tmp_path / "out", "labelme")
    record = json.loads((tmp_path / "out" / "a b" / "first 01.json").read_text("utf-8"))
    kinds = [s["shape_type"] for s in record["shapes"]]
    assert kinds == ["polygon", "mask", "mask", "polygon", "polygon", "polygon"]
    assert record["imagePath"] == "first 01.png" and (record["imageHeight"], record["imageWidth"]) == (32, 40)
    assert record["shapes"][3]["points"] == [[31, 30], [31, 31], [30, 31], [30, 30]]
