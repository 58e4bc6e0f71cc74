"""Mask folders: where masks lie, what their values mean, every bit depth, and the folder that Kizu writes."""

import json

import numpy as np
import pytest
from format_samples import shapes, texture
from PIL import Image

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError
from kizu.core.images import encode_image
from kizu.core.masks import Masks
from kizu.formats.common.maskset import layers_of

SQUARE = np.zeros((32, 40), np.uint8)
SQUARE[4:10, 5:12] = 255
TWO = SQUARE.copy()
TWO[20:24, 20:30] = 255
CLASSES = np.zeros((32, 40), np.uint8)
CLASSES[2:6, 2:6] = 1
CLASSES[10:14, 10:20] = 2
CLASSES[20:24, 10:20] = 2


def save(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = values if isinstance(values, Image.Image) else Image.fromarray(values)
    image.save(path)


def make(root, masks: dict, images=("x.jpg",), classes=None):
    for k, name in enumerate(images):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(encode_image(texture(k, 32, 40), "." + name.rsplit(".", 1)[1]))
    for name, values in masks.items():
        save(root / name, values)
    if classes is not None:
        (root / "classes.txt").write_text("\n".join(classes), "utf-8")
    return root


PLACES = {
    "beside, same name": (["x.jpg"], "x.png"),
    "beside, with a tail": (["x.png"], "x_mask.png"),
    "masks/": (["images/x.jpg"], "masks/x.png"),
    "masks/ with a tail": (["images/x.jpg"], "masks/x_mask.png"),
    "labels/": (["images/x.jpg"], "labels/x.png"),
    "ground_truth/": (["images/x.jpg"], "ground_truth/x.png"),
    "images in the folder itself": (["x.jpg"], "masks/x.png"),
    "full name": (["images/x.jpg"], "masks/x.jpg.png"),
    "sub-folders, spaces, unicode": (["images/a b/ü 傷.jpg"], "masks/a b/ü 傷.png"),
    "splits inside": (["images/train/x.jpg"], "masks/train/x.png"),
    "splits outside": (["train/images/x.jpg"], "train/masks/x.png"),
}


@pytest.mark.parametrize("images, mask", PLACES.values(), ids=PLACES)
def test_places(tmp_path, images, mask):
    data = Dataset.open(make(tmp_path, {mask: TWO}, images))
    assert len(data) == 1 and data.names == ("defect",)
    assert data[0].id == images[0].removeprefix("images/").removeprefix("train/").removeprefix("images/")
    assert data[0].split == ("train" if "train" in mask else "")
    assert data[0].instances.boxes.tolist() == [[5, 4, 12, 10], [20, 20, 30, 24]]


def as_palette(values):
    image = Image.fromarray(values)
    image.putpalette([0, 0, 0, 9, 9, 9, 250, 0, 0])
    return image


KINDS = {
    "0 and 255": (TWO, ["defect"], [0, 0]),
    "0 and 1": (TWO // 255, ["defect"], [0, 0]),
    "one bit": (Image.fromarray(TWO > 0), ["defect"], [0, 0]),
    "grey in RGB": (np.repeat(TWO[:, :, None], 3, 2), ["defect"], [0, 0]),
    "16 bits, two values": (TWO.astype(np.uint16) * 257, ["defect"], [0, 0]),
    "classes": (CLASSES, ["1", "2"], [0, 1, 1]),
    "classes in a palette": (as_palette(CLASSES), ["1", "2"], [0, 1, 1]),
    "classes in 16 bits": (CLASSES.astype(np.uint16) * 1000, ["1000", "2000"], [0, 1, 1]),
    "classes and void": (
        np.where(shapes(32, 40)[1], 255, CLASSES * (1 - shapes(32, 40)[1])).astype(np.uint8),
        ["1", "2"],
        None,
    ),
}


@pytest.mark.parametrize("values, names, labels", KINDS.values(), ids=KINDS)
def test_values_without_a_class_list(tmp_path, values, names, labels):
    data = Dataset.open(make(tmp_path, {"masks/x.png": values}, ["images/x.jpg"]))
    assert list(data.names) == names
    assert labels is None or data[0].instances.labels.tolist() == labels


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_soft_masks_are_cut_at_half(tmp_path, suffix):
    ramp = np.clip(np.arange(40) * 10 - 50, 0, 255).astype(np.uint8)[None].repeat(32, 0)
    data = Dataset.open(make(tmp_path, {f"masks/x{suffix}": ramp}, ["images/x.png"]))
    first = int(np.argmax(ramp[0] > 127))
    assert abs(data[0].instances.boxes[0, 0] - first) <= (0 if suffix == ".png" else 1)
    assert any("half of their maximum" in note for note in data.notes)


@pytest.mark.parametrize(
    "classes, values, expected",
    [
        (["a", "b"], CLASSES, ["a", "b", "b"]),
        (["background", "a", "b"], CLASSES, ["a", "b", "b"]),
        (["a", "b", "c"], CLASSES, ["a", "b", "b"]),
        (["a"], TWO, ["a", "a"]),
        (["a"], CLASSES, ["a", "a"]),  # values are instances: 2 is one instance of two parts
        (["a", "b"], np.where(CLASSES == 1, 255, CLASSES).astype(np.uint8), ["b", "b"]),
    ],
)
def test_values_with_a_class_list(tmp_path, classes, values, expected):
    data = Dataset.open(make(tmp_path, {"masks/x.png": values}, ["images/x.jpg"], classes))
    assert [data.names[k] for k in data[0].instances.labels] == expected


def test_instance_numbers_of_16_bits(tmp_path):
    values = np.zeros((32, 40), np.uint16)
    values[:30, :30] = np.arange(1, 101).repeat(9).reshape(10, 10, 3, 3).transpose(0, 2, 1, 3).reshape(30, 30)
    data = Dataset.open(make(tmp_path, {"masks/x.png": values}, ["images/x.jpg"], ["grain"]))
    assert data[0].instances.masks.area.tolist() == [9] * 100


NAMED = {
    "a folder a class": {"masks/pit/x.png": TWO, "masks/crack/x.png": SQUARE},
    "a tail a class": {"masks/x_pit.png": TWO, "masks/x_crack.png": SQUARE},
}


@pytest.mark.parametrize("masks", NAMED.values(), ids=NAMED)
def test_a_mask_a_class(tmp_path, masks):
    data = Dataset.open(make(tmp_path, masks, ["images/x.jpg", "images/y.jpg"]))
    assert data.names == ("crack", "pit")
    assert sorted(data[0].instances.labels.tolist()) == [0, 1, 1]
    assert data.notes == ["1 of 2 images have no mask; they are neither good ones nor truth"]


def test_a_mask_an_instance(tmp_path):
    data = Dataset.open(make(tmp_path, {"masks/x_0.png": TWO, "masks/x_1.png": SQUARE}, ["images/x.jpg"]))
    assert sorted(data[0].instances.masks.area.tolist()) == [42, 82]


@pytest.mark.parametrize(
    "masks, classes, word",
    [
        ({"masks/x.png": CLASSES * 3}, ["a", "b"], "holds the value 3"),
        ({"masks/x.png": TWO[:16]}, None, r"\[16, 40\] high and wide, its image \[32, 40\]"),
        ({"masks/x.png": texture(1, 32, 40)}, None, "in colours"),
    ],
)
def test_masks_that_cannot_be_used(tmp_path, masks, classes, word):
    data = Dataset.open(make(tmp_path, masks | {"masks/y.png": SQUARE}, ["images/x.jpg", "images/y.jpg"], classes))
    with pytest.raises(DataError, match=word):
        _ = data[0].instances


def test_class_list_without_a_class_of_the_masks(tmp_path):
    with pytest.raises(KizuError, match="crack"):
        Dataset.open(make(tmp_path, NAMED["a folder a class"], ["images/x.jpg"], ["pit"]))


# --- the folder that Kizu writes ----------------------------------------------------------------------------------


def test_written_rasters_are_what_other_tools_expect(small, tmp_path):
    small.write(tmp_path / "out", "masks")
    classes = np.asarray(Image.open(tmp_path / "out/masks/a b/first 01.png"))
    numbers = np.asarray(Image.open(tmp_path / "out/instances/a b/first 01.png"))
    assert numbers.dtype == np.uint16
    for i, label in enumerate(small[0].instances.labels):
        np.testing.assert_array_equal(numbers == i + 1, small[0].instances.masks.dense(i))
        assert set(classes[numbers == i + 1]) == {label + 1}
    assert (tmp_path / "out/classes.txt").read_text("utf-8").splitlines() == list(small.names)
    (tmp_path / "out/samples.jsonl").unlink()  # the rasters alone are a mask folder, too
    again = {s.id: s for s in Dataset.open(tmp_path / "out")}
    assert again["last.jpg"].instances.labels.tolist() == [2, 2]  # its two parts are two components


def test_layers_hold_what_overlaps():
    dense = np.zeros((5, 8, 8), bool)
    dense[0, :4], dense[1, 3:6], dense[2, 5:], dense[3, :, 4] = True, True, True, True
    layers = layers_of(Masks.from_dense(dense))
    assert layers == [[0, 2], [1], [3]]  # the empty mask needs no layer


def test_overlapping_instances_come_back(rich, tmp_path):
    rich.write(tmp_path / "out", "masks")
    assert (tmp_path / "out/instances/x/1.2.png").is_file()
    assert Dataset.open(tmp_path / "out")[0].instances.masks == rich[0].instances.masks


def test_more_than_255_classes_take_16_bits(small, tmp_path):
    data = Dataset([small[3]], [*small.names, *(f"c{k}" for k in range(300))])
    data.write(tmp_path / "out", "masks")
    assert np.asarray(Image.open(tmp_path / "out/masks/last.png")).dtype == np.uint16
    assert Dataset.open(tmp_path / "out")[0].instances.masks == small[3].instances.masks


@pytest.mark.parametrize(
    "change, word",
    [
        ({"labels": [0, 0]}, "holds instance 6, but samples.jsonl lists 2"),
        ({"labels": "x"}, "line 2"),
        ({"labels": None}, "line 2"),
        ({"layers": "x"}, "line 2"),
        ({"boxes": [1]}, "line 2"),
        ({"attributes": 5}, "line 2"),
        ({"parents": [9] * 6}, "line 2"),
        ({"image": 5}, "line 2"),
        ({"layers": 3}, r"first 01\.2\.png"),
        ({"mask": "../../x"}, "x.png"),
    ],
)
def test_a_broken_line_spoils_its_image_alone(small, tmp_path, change, word):
    small.write(tmp_path / "out", "masks")
    path = tmp_path / "out/samples.jsonl"
    lines = path.read_text("utf-8").splitlines()
    lines[1] = json.dumps(json.loads(lines[1]) | change)
    path.write_text("\n".join(lines), "utf-8")
    data = Dataset.open(tmp_path / "out")
    with pytest.raises(DataError, match=word):
        _ = data[0].instances
    assert len(data[3].instances) == 1


@pytest.mark.parametrize("text", ["", "{}", "[]", "x", '{"format": "kizu-masks/1", "names": 5}'])
def test_a_header_that_cannot_be_used(small, tmp_path, text):
    small.write(tmp_path / "out", "masks")
    (tmp_path / "out/samples.jsonl").write_text(text)
    with pytest.raises(KizuError, match="delete it to read the masks alone"):
        Dataset.open(tmp_path / "out")
