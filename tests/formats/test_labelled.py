"""A picture without any label file is neither a good one nor truth: every reader says so, and what follows heeds it."""

import json

import numpy as np
import pytest

from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError
from kizu.core.images import encode_image
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.run import Skips
from kizu.core.sample import Sample
from kizu.evaluation.evaluate import evaluate
from kizu.fewshot.support import choose_support

GREY = np.full((24, 32, 3), 128, np.uint8)


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_image(GREY, path.suffix))


def mask(path, value=255):
    path.parent.mkdir(parents=True, exist_ok=True)
    raster = np.zeros((24, 32), np.uint8)
    raster[4:10, 5:15] = value
    path.write_bytes(encode_image(raster))


def labelme(root):
    for name in ("a", "b"):
        picture(root / f"{name}.png")
    shape = {"label": "dent", "points": [[2, 2], [9, 2], [9, 9]], "shape_type": "polygon"}
    record = {"version": "5.0.0", "imagePath": "a.png", "imageHeight": 24, "imageWidth": 32, "shapes": [shape]}
    (root / "a.json").write_text(json.dumps(record))


def mask_folder(root):
    for name in ("a", "b"):
        picture(root / "images" / f"{name}.png")
    mask(root / "masks" / "a.png")


def mvtec(root):
    picture(root / "train" / "good" / "g.png")
    for name in ("a", "b"):
        picture(root / "test" / "dent" / f"{name}.png")
    mask(root / "ground_truth" / "dent" / "a_mask.png")


def coco(root):
    picture(root / "images" / "a.png")
    images = [{"id": 1, "file_name": "a.png", "height": 24, "width": 32}]
    (root / "instances.json").write_text(json.dumps({"images": images, "annotations": [], "categories": []}))


def bare(root):
    picture(root / "a.png")


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (labelme, {"a.png": True, "b.png": False}),
        (mask_folder, {"a.png": True, "b.png": False}),
        (mvtec, {"train/good/g.png": True, "test/dent/a.png": True, "test/dent/b.png": False}),
        (coco, {"a.png": True}),  # COCO lists the images that were looked at
        (bare, {"a.png": False}),
    ],
)
def test_readers_tell_labelled_from_unlabelled(tmp_path, make, expected):
    make(tmp_path)
    assert {sample.id: sample.labelled for sample in Dataset.open(tmp_path)} == expected


@pytest.mark.parametrize("format", ["coco", "shards"])
def test_the_mark_survives(tmp_path, format):
    samples = [Sample(f"{i}.png", GREY, Instances.empty((24, 32)), labelled=bool(i)) for i in range(2)]
    Dataset(samples, ["dent"]).write(tmp_path / "out", format)
    assert [sample.labelled for sample in Dataset.open(tmp_path / "out")] == [False, True]


def one_dent():
    raster = np.zeros((24, 32), np.int32)
    raster[4:10, 5:15] = 1
    return Instances([0], masks=Masks.from_label_map(raster))


def test_unlabelled_pictures_are_not_taken_as_good_ones():
    samples = [
        Sample("dent", GREY, one_dent()),
        Sample("good", GREY, Instances.empty((24, 32))),
        Sample("unknown", GREY, Instances.empty((24, 32)), labelled=False),
    ]
    support = choose_support(Dataset(samples, ["dent"]), None, None, None, 0, Skips())
    assert [sample.id for sample in support.clean] == ["good"]


def test_a_folder_of_good_pictures_is_taken_as_it_is_but_for_those_with_a_defect():
    data = Dataset([Sample("dent", GREY, one_dent())], ["dent"])
    clean = Dataset(
        [Sample("x", GREY, Instances.empty((24, 32)), labelled=False), Sample("y", GREY, one_dent())], ["dent"]
    )
    support = choose_support(data, None, None, clean, 0, Skips())
    assert [sample.id for sample in support.clean] == ["x"]


def test_unlabelled_pictures_are_no_truth():
    found = Dataset([Sample(i, GREY, one_dent().replace(scores=[0.9])) for i in "ab"], ["dent"])
    truth = [Sample("a", GREY, one_dent()), Sample("b", GREY, Instances.empty((24, 32)), labelled=False)]
    result = evaluate(found, Dataset(truth, ["dent"]), resamples=0)
    assert result.counts["images"] == 1
    assert result.counts["unlabelled"] == 1
    assert result.figure("segmentation", "IoU", "dent").value == 1
    assert any("no label file" in note for note in result.notes)
    with pytest.raises(KizuError, match="labelled"):
        evaluate(found, Dataset(truth[1:], ["dent"]), resamples=0, partial=True)
