"""``Sample``: where its pixels, its size and its instances come from, and when."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from kizu.core.errors import DataError
from kizu.core.images import encode_image
from kizu.core.instances import Instances
from kizu.core.sample import Sample

PICTURE = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)


def test_image_in_memory():
    sample = Sample("a", PICTURE)
    assert sample.image is PICTURE
    assert sample.size == (6, 9)
    assert sample.suffix() == ".png"
    assert np.array_equal(Sample("b", sample.image_bytes()).image, PICTURE)
    assert len(sample.instances) == 0
    assert sample.instances.masks.size == (6, 9)
    assert sample.score_map is None


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [("PNG", ".png"), ("JPEG", ".jpg"), ("BMP", ".bmp"), ("WEBP", ".webp"), ("TIFF", ".tif"), ("PPM", ".ppm")],
)
def test_image_bytes_are_handed_on_as_they_are(kind, suffix):
    buffer = io.BytesIO()
    Image.fromarray(PICTURE).save(buffer, kind)
    sample = Sample("a", buffer.getvalue())
    assert sample.suffix() == suffix
    assert sample.size == (6, 9)
    assert sample.image.shape == (6, 9, 3)
    assert sample.image_bytes() == buffer.getvalue()


def test_image_file(tmp_path):
    path = tmp_path / "Part 7.PNG"
    path.write_bytes(encode_image(PICTURE))
    sample = Sample("a", path=str(path))
    assert np.array_equal(sample.image, PICTURE)
    assert sample.size == (6, 9)
    assert sample.suffix() == ".png"
    assert sample.image_bytes() == path.read_bytes()


def test_nothing_is_read_before_it_is_asked_for(tmp_path):
    sample = Sample("a", path=tmp_path / "gone.png", size=(4, 5), instances=lambda: pytest.fail("asked too early"))
    assert sample.size == (4, 5)
    for look in (lambda: sample.image, sample.image_bytes):
        with pytest.raises(DataError, match=r"gone\.png"):
            look()


def test_instances_are_made_once():
    made = []

    def make():
        made.append(1)
        return Instances([0], [[0, 0, 1, 1]])

    sample = Sample("a", PICTURE, make)
    assert sample.instances is sample.instances
    assert made == [1]


@pytest.mark.parametrize("look", ["image", "size", "instances", "image_bytes"])
def test_a_sample_without_an_image_says_so(look):
    with pytest.raises(DataError, match=r"^folder/a\.png: no image file"):
        value = getattr(Sample("folder/a.png"), look)
        value()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encode_image(PICTURE))
    path.chmod(0)
    with pytest.raises(DataError, match=r"a\.png"):
        Sample("a", path=path).image_bytes()


@pytest.mark.parametrize("image", [PICTURE[:, :, 0], PICTURE.astype(float), np.zeros((3, 4, 4), np.uint8)])
def test_an_array_that_is_no_image_is_refused(image):
    with pytest.raises(DataError, match=r"^a: an image is uint8"):
        Sample("a", image)


def test_score_map_gets_its_class_axis():
    scores = np.zeros((6, 9), np.float32)
    assert Sample("a", PICTURE, score_map=scores).score_map.shape == (1, 6, 9)
    assert Sample("a", PICTURE, score_map=lambda: scores[None]).score_map.shape == (1, 6, 9)


def test_replace():
    sample = Sample("a", PICTURE, split="train", group="g", source="s", meta={"k": 1}, score_map=np.ones((6, 9)))
    other = sample.replace(id="b", split="test")
    assert (other.id, other.split, other.group, other.source, other.meta) == ("b", "test", "g", "s", {"k": 1})
    assert other.image is PICTURE
    assert other.score_map.shape == (1, 6, 9)
    assert sample.replace(image=encode_image(PICTURE[:3])).size == (3, 9)
    assert repr(other) == "Sample('b')"
