"""A picture without any label file is neither a good one nor truth: every reader says so, and what follows heeds it."""

import json

import numpy as np
import pytest

from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError
from kizu.core.images import encode_image, read_image
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.run import Skips
from kizu.core.sample import Sample
from kizu.evaluation.evaluate import evaluate
from kizu.fewshot.support import choose_support
from kizu.formats.check.run import problems

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


@pytest.mark.parametrize("format", ["coco", "shards", "voc", "labelme", "masks"])
@pytest.mark.parametrize("marks", [(False, True), (False, False)])
def test_the_mark_survives(tmp_path, format, marks):
    samples = [Sample(f"{i}.png", GREY, Instances.empty((24, 32)), labelled=mark) for i, mark in enumerate(marks)]
    assert Dataset(samples, ["dent"]).write(tmp_path / "out", format) == []
    again = Dataset.open(tmp_path / "out")
    assert [sample.labelled for sample in again] == list(marks)
    assert [sample.id for sample in again] == ["0.png", "1.png"]
    assert again.names == ("dent",)


def test_rasters_alone_tell_a_good_picture_from_an_unlabelled_one(tmp_path):
    samples = [Sample(f"{i}.png", GREY, Instances.empty((24, 32)), labelled=bool(i)) for i in range(2)]
    Dataset(samples, ["dent"]).write(tmp_path / "out", "masks")
    assert [path.name for path in (tmp_path / "out" / "masks").iterdir()] == ["1.png"]
    assert not read_image(tmp_path / "out" / "masks" / "1.png").any()
    (tmp_path / "out" / "samples.jsonl").unlink()
    assert [sample.labelled for sample in Dataset.open(tmp_path / "out")] == [False, True]


@pytest.mark.parametrize(
    ("format", "marks"),
    [("coco", [False]), ("masks", [False]), ("labelme", [False]), ("voc", [True]), ("yolo", [True]), ("mvtec", [True])],
)
def test_labels_of_a_picture_that_is_marked_as_unlabelled_stay(tmp_path, format, marks):
    losses = Dataset([Sample("a.png", GREY, one_dent(), split="test", labelled=False)], ["dent"]).write(
        tmp_path / "out", format
    )
    again = Dataset.open(tmp_path / "out")
    assert [sample.labelled for sample in again] == marks
    assert len(again[0].instances) == 1
    assert any("count as labelled" in text for text in losses) == marks[0]


def test_what_the_image_alone_cannot_hold_is_told(tmp_path):
    unlabelled = Sample("a.png", GREY, split="val", group="g", source="s", labelled=False, meta={"lot": 3})
    losses = Dataset([unlabelled], ["dent"]).write(tmp_path / "out", "labelme")
    for word in ("splits of 1", "groups of 1", "sources", "Fields of 1"):
        assert any(word in text for text in losses), losses


def test_yolo_says_that_it_cannot_tell_them_apart(tmp_path):
    samples = [Sample(f"{i}.png", GREY, Instances.empty((24, 32)), labelled=bool(i)) for i in range(2)]
    losses = Dataset(samples, ["dent"]).write(tmp_path / "out", "yolo")
    assert [text for text in losses if text.startswith("1 images that nobody has labelled")]
    assert [path.name for path in (tmp_path / "out" / "labels").iterdir()] == ["1.txt"]


def test_mvtec_takes_no_unlabelled_picture_for_a_good_one(tmp_path):
    empty = Instances.empty((24, 32))
    samples = [
        Sample("good.png", GREY, empty, split="train"),
        Sample("unknown.png", GREY, empty, split="train", labelled=False),
        Sample("dent.png", GREY, empty, split="test", labelled=False, meta={"image_label": "dent"}),
    ]
    losses = Dataset(samples, ["dent"]).write(tmp_path / "out", "mvtec")
    assert any(text.startswith("1 images that nobody has labelled yet were left out") for text in losses)
    found = {sample.id: sample.labelled for sample in Dataset.open(tmp_path / "out")}
    assert found == {"train/good/good.png": True, "test/dent/dent.png": False}
    with pytest.raises(KizuError, match="no image is labelled"):
        Dataset(samples[1:2], ["dent"]).write(tmp_path / "none", "mvtec")


@pytest.mark.parametrize("name", ["OK", "Good", "Normal", "good"])
def test_good_folders_in_capitals(tmp_path, name):
    picture(tmp_path / "train" / name / "g.png")
    picture(tmp_path / "test" / name / "t.png")
    data = Dataset.open(tmp_path)
    assert data.names == ()
    assert [sample.labelled for sample in data] == [True, True]
    assert not any("no mask" in note for note in data.notes)


@pytest.mark.parametrize("make", [labelme, mask_folder])
def test_notes_and_check_call_them_neither_good_nor_truth(tmp_path, make):
    make(tmp_path)
    assert any("neither good ones nor truth" in note for note in Dataset.open(tmp_path).notes)
    said = [problem.message for problem in problems(tmp_path) if problem.kind == "image without label"]
    assert len(said) == 1
    assert "neither a good one nor truth" in said[0]


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
    assert any("label file" in note for note in result.notes)
    with pytest.raises(KizuError, match="labelled"):
        evaluate(found, Dataset(truth[1:], ["dent"]), resamples=0, partial=True)
