"""COCO panoptic: written and read back, against the colours' definition, and records that cannot be used."""

import json

import numpy as np
import pytest
from format_samples import NAMES, assert_same, shapes, texture
from PIL import Image

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError
from kizu.core.images import encode_image
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.sample import Sample
from kizu.formats.panoptic import colour_id, to_colours, to_ids


@pytest.fixture
def masked(small):
    """What ``small`` holds, without the picture of boxes alone; one picture that nobody has labelled."""
    later = Sample("later.png", encode_image(texture(9, 32, 40)), labelled=False, group="g", source="mill")
    return Dataset([small[0], small[1], small[3], later], small.names, {"title": "t"})


def changed(folder, change):
    """Let ``change`` alter the JSON of a folder."""
    table = json.loads((folder / "panoptic.json").read_text("utf-8"))
    change(table)
    (folder / "panoptic.json").write_text(json.dumps(table), "utf-8")
    return Dataset.open(folder)


def test_written_and_read(masked, tmp_path):
    assert masked.write(tmp_path / "out", "panoptic") == []
    again = Dataset.open(tmp_path / "out")
    assert_same(masked, again)
    assert again.names == masked.names and again.splits == masked.splits and again.info["title"] == "t"
    assert [sample.labelled for sample in again] == [True, True, True, False]
    assert (again[3].group, again[3].source) == ("g", "mill")
    assert_same(again, Dataset.open(tmp_path / "out" / "panoptic.json"))


def test_the_files_are_cocos(masked, tmp_path):
    masked.write(tmp_path / "out", "panoptic")
    table = json.loads((tmp_path / "out" / "panoptic.json").read_text("utf-8"))
    assert [item["file_name"] for item in table["images"]][1:] == ["clean.png", "last.jpg", "later.png"]
    assert [item["image_id"] for item in table["annotations"]] == [1, 2, 3]
    assert all(record["isthing"] == 1 for record in table["categories"])
    dense = shapes(32, 40)
    for item, members in zip(table["annotations"], [range(6), [], [2]], strict=True):
        image = Image.open(tmp_path / "out" / "panoptic" / item["file_name"])
        assert image.mode == "RGB"
        red, green, blue = np.moveaxis(np.asarray(image).astype(int), 2, 0)
        raster = red + 256 * green + 65536 * blue
        assert len(item["segments_info"]) == len(members)
        assert set(np.unique(raster)) - {0} == {segment["id"] for segment in item["segments_info"]}
        for segment, k in zip(item["segments_info"], members, strict=True):
            np.testing.assert_array_equal(raster == segment["id"], dense[k])
            rows, columns = np.nonzero(dense[k])
            x, y, width, height = segment["bbox"]
            assert (x, y) == (columns.min(), rows.min())
            assert (x + width - 1, y + height - 1) == (columns.max(), rows.max())
            assert segment["area"] == dense[k].sum() and segment["iscrowd"] == 0
            assert segment["category_id"] == k % 3 + 1


def test_colours_are_ids_and_none_is_black():
    ids = np.array([colour_id(k) for k in range(5000)])
    assert len(set(ids.tolist())) == 5000 and ids.min() > 0 and ids.max() < 1 << 24
    np.testing.assert_array_equal(to_ids(to_colours(ids[None])), ids[None])
    assert to_colours(np.array([[1 + 256 * 2 + 65536 * 3]])).tolist() == [[[1, 2, 3]]]


def test_a_later_mask_owns_what_it_covers(tmp_path):
    dense = np.zeros((3, 32, 40), bool)
    dense[0, 2:10, 2:10] = dense[1, 4:12, 4:12] = dense[2, 3, 3] = dense[2, 20, 20] = True
    dense[0, 30:, 30:] = True
    found = Instances([0, 1, 2], masks=Masks.from_dense(dense), attributes={"iscrowd": [0, 1, 0]})
    losses = Dataset([Sample("a.png", texture(1, 32, 40), found)], NAMES).write(tmp_path / "out", "panoptic")
    assert len(losses) == 1 and losses[0].startswith("1 masks lie under others")
    again = Dataset.open(tmp_path / "out")[0].instances
    np.testing.assert_array_equal(again.masks.dense(0), dense[0] & ~dense[1] & ~dense[2])
    np.testing.assert_array_equal(again.masks.dense(1), dense[1])
    assert again.attributes["iscrowd"].tolist() == [0, 1, 0]


def test_cocos_own_folders(masked, tmp_path):
    masked[:2].write(tmp_path / "out", "panoptic")
    coco = tmp_path / "coco"
    (coco / "annotations").mkdir(parents=True)
    (tmp_path / "out" / "panoptic.json").rename(coco / "annotations" / "panoptic_val2017.json")
    (tmp_path / "out" / "panoptic").rename(coco / "annotations" / "panoptic_val2017")
    (tmp_path / "out" / "images").rename(coco / "val2017")
    again = Dataset.open(coco)
    assert_same(masked[:2], again)
    masked[:2].write(coco / "annotations" / "instances_val2017.json", "coco")
    assert len(Dataset.open(coco)[0].instances) == 6 and Dataset.open(coco)[0].instances.attributes["coco_id"].any()


def first(table):
    return table["annotations"][0]["segments_info"][0]


@pytest.mark.parametrize(
    "change, word",
    [
        (lambda t: first(t).update(category_id=77), "category 77"),
        (lambda t: first(t).update(id=5), "no pixel of segment 5"),
        (lambda t: first(t).update(id=0), "24 bits"),
        (lambda t: first(t).update(id="x"), "24 bits"),
        (lambda t: t["annotations"][0]["segments_info"].pop(), "does not list"),
        (lambda t: t["annotations"][0].update(segments_info=None), "segments_info"),
        (lambda t: t["annotations"][0].update(file_name="gone.png"), "gone"),
        (lambda t: t["annotations"][0].update(file_name="../../images/clean.png"), r"panoptic.clean\.png.* no pixel"),
    ],
)
def test_what_cannot_be_used_is_told(masked, tmp_path, change, word):
    masked.write(tmp_path / "out", "panoptic")
    again = changed(tmp_path / "out", change)
    with pytest.raises(DataError, match=word):
        _ = again[0].instances
    assert len(again[1].instances) == 0


def test_a_raster_of_another_size_is_told(masked, tmp_path):
    masked.write(tmp_path / "out", "panoptic")
    (tmp_path / "out" / "panoptic" / "clean.png").write_bytes(encode_image(np.zeros((8, 9, 3), np.uint8)))
    with pytest.raises(DataError, match=r"\[8, 9\] high and wide"):
        _ = Dataset.open(tmp_path / "out")[1].instances


@pytest.mark.parametrize("content", ["[]", "{}", '{"images": [1], "annotations": [], "categories": []}'])
def test_what_is_no_panoptic_file(tmp_path, content):
    (tmp_path / "panoptic.json").write_text(content)
    with pytest.raises(KizuError, match="not COCO panoptic"):
        Dataset.open(tmp_path)


def test_two_images_of_one_raster_are_refused(tmp_path):
    images = {"a.png": texture(1, 8, 8), "a.jpg": encode_image(texture(2, 8, 8), ".jpg")}
    data = Dataset([Sample(name, image) for name, image in images.items()], NAMES)
    with pytest.raises(KizuError, match="share a raster"):
        data.write(tmp_path / "out", "panoptic")
    assert list(tmp_path.iterdir()) == []
