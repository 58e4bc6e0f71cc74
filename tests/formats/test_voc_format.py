"""Pascal VOC: pixels counted from 1, object rasters, splits, and XML that must not be trusted."""

import numpy as np
import pytest
from format_samples import texture
from PIL import Image

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError
from kizu.core.images import encode_image

THING = "<object><name>{name}</name><difficult>1</difficult><bndbox>{box}</bndbox></object>"
SIDES = "<xmin>1</xmin><ymin>2</ymin><xmax>40</xmax><ymax>2</ymax>"


def make(root, xml: str, name="a", **files):
    (root / "Annotations").mkdir(parents=True, exist_ok=True)
    (root / "JPEGImages").mkdir(exist_ok=True)
    (root / "Annotations" / f"{name}.xml").write_text(xml, "utf-8")
    (root / "JPEGImages" / f"{name}.png").write_bytes(encode_image(texture(0, 32, 40)))
    for file, text in files.items():
        path = root / file.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".txt").write_text(text)
    return root


def test_boxes_count_from_one_and_include_their_ends(tmp_path):
    xml = f"<annotation>{THING.format(name='b', box=SIDES)}{THING.format(name='a', box=SIDES)}</annotation>"
    data = Dataset.open(make(tmp_path, xml))
    assert data.names == ("a", "b")
    found = data[0].instances
    assert found.boxes.tolist() == [[0, 1, 40, 2]] * 2  # one row of pixels
    assert found.labels.tolist() == [1, 0]
    assert found.attributes["difficult"].tolist() == [1, 1]


def test_written_sides(small, tmp_path):
    small.write(tmp_path / "out", "voc")
    text = (tmp_path / "out" / "Annotations" / "boxes ü傷.xml").read_text("utf-8")
    assert (
        "<xmin>2</xmin>" in text
        and "<ymin>3</ymin>" in text
        and "<xmax>11</xmax>" in text
        and "<ymax>12</ymax>" in text
    )
    raster = np.asarray(Image.open(tmp_path / "out" / "SegmentationObject" / "a b" / "first 01.png"))
    np.testing.assert_array_equal(raster == 2, small[0].instances.masks.dense(1))
    classes = Image.open(tmp_path / "out" / "SegmentationClass" / "a b" / "first 01.png")
    assert classes.mode == "P" and classes.getpalette()[:9] == [0, 0, 0, 128, 0, 0, 0, 128, 0]  # the colours of VOC
    assert set(np.unique(np.asarray(classes))) == {0, 1, 2, 3}


def test_splits_of_lists(tmp_path):
    for name in "abc":
        make(
            tmp_path,
            "<annotation/>",
            name,
            ImageSets__Main__train="a\n",
            ImageSets__Main__val="b\n",
            ImageSets__Main__trainval="a\nb\n",
            ImageSets__Main__cat_train="c 1\n",
            ImageSets__Main__test="c  1\n",
        )
    assert [(s.id, s.split) for s in Dataset.open(tmp_path)] == [
        ("a.png", "train"),
        ("b.png", "val"),
        ("c.png", "test"),
    ]


@pytest.mark.parametrize(
    "xml, word",
    [
        ('<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><annotation>&b;</annotation>', "document type"),
        ('<?xml version="1.0"?><!DOCTYPE x SYSTEM "file:///etc/passwd"><annotation/>', "document type"),
        ("<annotation>", "XML"),
        ("", "XML"),
        ("\x00\x01", "XML"),
        ("<annotation>&nbsp;</annotation>", "XML"),
        (f"<annotation>{THING.format(name='', box=SIDES)}</annotation>", "field 'name'"),
        (f"<annotation>{THING.format(name='a', box='')}</annotation>", "field 'bndbox'"),
        (f"<annotation>{THING.format(name='a', box=SIDES.replace('40', 'x'))}</annotation>", "field 'bndbox'"),
        (f"<annotation>{THING.format(name='a', box=SIDES.replace('40', 'nan'))}</annotation>", "not finite"),
        (f"<annotation>{THING.format(name='a', box=SIDES.replace('40', '-9'))}</annotation>", "ends before"),
        ("<annotation><size><width>32</width><height>40</height></size></annotation>", "image is"),
    ],
)
def test_xml_that_cannot_be_used(tmp_path, xml, word):
    make(tmp_path, "<annotation/>", "good")
    data = Dataset.open(make(tmp_path, xml, "bad"))
    with pytest.raises(DataError, match=word) as error:
        _ = data[0].instances
    assert "bad.xml" in str(error.value)
    assert len(data[1].instances) == 0


def test_a_raster_with_more_objects_than_the_xml(small, tmp_path):
    small.write(tmp_path / "out", "voc")
    path = tmp_path / "out" / "SegmentationObject" / "last.png"
    Image.fromarray(np.full((32, 40), 9, np.uint8)).save(path)
    last = next(s for s in Dataset.open(tmp_path / "out") if s.id == "last.jpg")
    with pytest.raises(DataError, match=r"last\.png: holds the value 9, but the XML has 1 objects"):
        _ = last.instances
