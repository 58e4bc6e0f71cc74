"""YOLO: class lists in all their spellings, layouts, lines, and polygons that give the mask back."""

import numpy as np
import pytest
from format_samples import shapes, texture

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError
from kizu.core.images import encode_image
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.sample import Sample
from kizu.formats.common.yaml import TopLevel

IMAGE = encode_image(texture(0, 32, 40))


def make(root, files: dict):
    """Write texts; a value of None is an image."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(IMAGE if text is None else text.encode())
    return root


NAMES = {
    "inline": ("names: [a b, 'c, d', \"e # f\"]", ["a b", "c, d", "e # f"]),
    "inline over lines": ("names: [\n  one,\n  two]  # and a comment\nnc: 2", ["one", "two"]),
    "inline over lines at the margin": ("names: [\none,\ntwo\n]", ["one", "two"]),
    "block": ("names:\n- it's\n- 'don''t'\n- \"q\\\"\"", ["it's", "don't", 'q"']),
    "indented block": ("names:   # classes\n  - a\n\n  # between\n  - b\ntrain: x", ["a", "b"]),
    "dictionary": ("names:\n  0: a\n  1: 'b: c'\n", ["a", "b: c"]),
    "inline dictionary": ('names: {0: a, 1: "b, c"}', ["a", "b, c"]),
    "dictionary with a gap": ("names:\n  2: c\n  0: a", ["a", "class 1", "c"]),
    "one": ("names: [defect]", ["defect"]),
    "unicode and quotes": ('names:\n  0: "Kratzer ü傷"\n  1: "a\\u00e9"', ["Kratzer ü傷", "aé"]),
    "foreign keys": ("download: |\n  import os\n  print('x: y')\nroboflow:\n  a: {b: c}\nnames: [a]", ["a"]),
    "windows lines": ("train: images\r\nnames:\r\n- a\r\n- b\r\n", ["a", "b"]),
}


@pytest.mark.parametrize("text, names", NAMES.values(), ids=NAMES)
def test_names(tmp_path, text, names):
    make(tmp_path, {"data.yaml": f"path: .\nval: images\n{text}\n", "images/a.png": None, "labels/a.txt": ""})
    assert list(Dataset.open(tmp_path).names) == names


@pytest.mark.parametrize(
    "text, word",
    [
        ("names: [a, [b]]", "names"),
        ("names: [a, b", "names"),
        ("names:\n  0: a\n  x: b", "whole numbers"),
        ("names:\n  0:\n    a: b", "names"),
        ("names: [a, a]", "twice"),
        ("just words", "line 3"),
        ("names:\n  -1: a", "names"),
        ("names: {999999999: a}", "count from 0"),
    ],
)
def test_names_that_are_not_understood(tmp_path, text, word):
    make(tmp_path, {"data.yaml": f"path: .\nval: images\n{text}\n", "images/a.png": None, "labels/a.txt": ""})
    with pytest.raises(KizuError, match=word):
        Dataset.open(tmp_path, "yolo")


def test_yaml_quotes_come_back():
    from kizu.formats.common.yaml import quote

    names = ["a", "it's", 'say "x"', "# no comment", "a: b", "ü傷", "back\\slash", "tab\there", "- x", "[x]", "{x}", ""]
    table = TopLevel("names:\n" + "".join(f"  {k}: {quote(name)}\n" for k, name in enumerate(names)), "t")
    assert [value for _, value in table.items("names")] == names


BOX = "0 0.5 0.5 0.25 0.5\n"
LAYOUTS = {
    "images and labels": ({"classes.txt": "a\nb", "images/x.png": None, "labels/x.txt": BOX}, {"": ["x.png"]}),
    "with splits": (
        {
            "data.yaml": "train: images/train\nval: images/val\nnames: [a]",
            "images/train/x.png": None,
            "images/val/y.png": None,
            "labels/train/x.txt": BOX,
            "labels/val/y.txt": BOX,
        },
        {"train": ["x.png"], "val": ["y.png"]},
    ),
    "without data.yaml": (
        {
            "classes.txt": "a",
            "images/train/x.png": None,
            "images/test/x.png": None,
            "labels/train/x.txt": BOX,
            "labels/test/x.txt": BOX,
        },
        {"train": ["train/x.png"], "test": ["test/x.png"]},
    ),
    "roboflow": (
        {
            "data.yaml": "train: ../train/images\nval: ../valid/images\nnames: [a]\nroboflow:\n  url: x",
            "train/images/x.png": None,
            "valid/images/y.png": None,
            "train/labels/x.txt": BOX,
            "valid/labels/y.txt": BOX,
        },
        {"train": ["x.png"], "val": ["y.png"]},
    ),
    "lists": (
        {
            "data.yaml": "train: train.txt\nnames: [a]",
            "train.txt": "./images/x.png\n",
            "images/x.png": None,
            "labels/x.txt": BOX,
        },
        {"train": ["x.png"]},
    ),
    "train and val in one folder": (
        {"data.yaml": "train: images\nval: images\nnames: [a]", "images/x.png": None, "labels/x.txt": BOX},
        {"": ["x.png"]},
    ),
    "beside the images": ({"classes.txt": "a", "x.png": None, "x.txt": BOX}, {"": ["x.png"]}),
    "sub-folders and spaces": (
        {"classes.txt": "a", "images/p q/ü x.png": None, "labels/p q/ü x.txt": BOX},
        {"": ["p q/ü x.png"]},
    ),
    "no class list": ({"images/x.png": None, "labels/x.txt": BOX}, {"": ["x.png"]}),
}


@pytest.mark.parametrize("files, ids", LAYOUTS.values(), ids=LAYOUTS)
def test_layouts(tmp_path, files, ids):
    data = Dataset.open(make(tmp_path, files))
    assert {split: [s.id for s in data.split(split)] for split in data.splits} == ids
    for sample in data:
        assert sample.instances.boxes.tolist() == [[15, 8, 25, 24]]
        assert sample.image.shape == (32, 40, 3)


LINES = {
    "box": ("1 0.5 0.5 0.25 0.5", [15, 8, 25, 24], None),
    "box and score": ("1 0.5 0.5 0.25 0.5 0.75", [15, 8, 25, 24], None),
    "polygon": ("1 0.1 0.125 0.3 0.125 0.3 0.25 0.1 0.25", [4, 4, 12, 8], 32),
    "spaces": ("  1\t0.5  0.5 0.25 0.5  ", [15, 8, 25, 24], None),
}


@pytest.mark.parametrize("line, box, area", LINES.values(), ids=LINES)
def test_lines(tmp_path, line, box, area):
    data = Dataset.open(
        make(tmp_path, {"classes.txt": "a\nb", "images/x.png": None, "labels/x.txt": "\n" + line + "\n\n"})
    )
    found = data[0].instances
    assert found.labels.tolist() == [1] and found.boxes.tolist() == [box]
    assert (found.masks is None) if area is None else (found.masks.area.tolist() == [area])
    assert (found.scores is not None) == (len(line.split()) == 6)


def test_boxes_and_polygons_in_one_text(tmp_path):
    text = LINES["box"][0] + "\n" + LINES["polygon"][0]
    found = Dataset.open(make(tmp_path, {"classes.txt": "a\nb", "images/x.png": None, "labels/x.txt": text}))[
        0
    ].instances
    assert found.attributes["has_mask"].tolist() == [False, True]
    assert found.boxes.tolist() == [LINES["box"][1], LINES["polygon"][1]]


@pytest.mark.parametrize(
    "line",
    [
        "x 0.5 0.5 0.1 0.1",
        "2 0.5 0.5 0.1 0.1",
        "-1 0.5 0.5 0.1 0.1",
        "0.5 0.5 0.5 0.1 0.1",
        "0 0.5 0.5",
        "0",
        "0 nan 0.5 0.1 0.1",
        "0 inf 0.5 0.1 0.1",
        "0 0.5 0.5 -0.1 0.1",
        "0 100 200 30 40",
        "0 0.5 0.5 0.1 0.1 7",
        "0 0.1 0.1 0.2 0.2 0.3 0.3 0.4",
        "0 10 10 20 20 30 10",
        "1e400 0 0 0 0",
        "9" * 400 + " 0 0 0 0",
    ],
)
def test_lines_that_cannot_be_used(tmp_path, line):
    text = f"0 0.5 0.5 0.25 0.5\n{line}\n"
    data = Dataset.open(make(tmp_path, {"classes.txt": "a\nb", "images/x.png": None, "labels/x.txt": text}))
    with pytest.raises(DataError, match=r"x\.txt: image x\.png, line 2"):
        _ = data[0].instances


def test_images_without_a_text_are_clean_and_noted(tmp_path):
    files = {"classes.txt": "a", "images/x.png": None, "images/y.png": None, "labels/x.txt": BOX}
    data = Dataset.open(make(tmp_path, files))
    assert [len(s.instances) for s in data] == [1, 0]
    assert data.notes == ["1 of 2 images have no label file; they count as clean"]


def test_segments_false_writes_boxes_and_says_so(small, tmp_path):
    losses = small.write(tmp_path / "out", "yolo", segments=False)
    assert any(text.startswith("7 masks were left out") for text in losses)
    again = {s.id: s for s in Dataset.open(tmp_path / "out")}
    for sample in small:
        assert again[sample.id].instances.masks is None
        np.testing.assert_array_equal(again[sample.id].instances.boxes, sample.instances.boxes)


@pytest.mark.parametrize("size", [(32, 40), (1080, 1920), (3001, 4099)])
def test_masks_come_back_exactly_at_any_size(tmp_path, size):
    dense = np.zeros((6, *size), bool)
    dense[:, -32:, -40:] = shapes(32, 40)
    masks = Masks.from_dense(dense)
    sample = Sample("x.png", encode_image(np.zeros((*size, 3), np.uint8)), Instances([0] * 6, masks=masks))
    losses = Dataset([sample], ["a"]).write(tmp_path / "out", "yolo")
    assert not any("IoU" in text for text in losses)
    assert Dataset.open(tmp_path / "out")[0].instances.masks == masks


def test_no_split_points_at_the_test_images(small, tmp_path):
    small[[0, 3]].write(tmp_path / "out", "yolo")
    text = (tmp_path / "out" / "data.yaml").read_text("utf-8")
    assert "val:" not in text and "# there are no val images" in text


def test_images_without_a_split_among_others(small, tmp_path):
    data = Dataset([small[0], small[1].replace(split=""), small[3].replace(split="hold out")], small.names)
    data.write(tmp_path / "out", "yolo")
    assert Dataset.open(tmp_path / "out").splits == {"train": 1, "": 1, "hold out": 1}
