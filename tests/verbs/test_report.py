"""The verb: files in, one file out."""

import json

import numpy as np
import pytest
from PIL import Image

from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.sample import Sample
from kizu.verbs.report import report, size_text


@pytest.fixture
def folders(tmp_path):
    """A COCO data set of six pictures in two splits, and predictions of them as shards."""
    root = tmp_path / "line3"
    (root / "images").mkdir(parents=True)
    images, annotations, found = [], [], []
    for i in range(6):
        name, size = f"{i}.png", (50, 70)
        pixels = np.random.default_rng(i).integers(0, 255, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "images" / name)
        images.append({"id": i, "file_name": name, "height": 50, "width": 70, "split": "test" if i % 2 else "train"})
        mask = np.zeros((1, *size), bool)
        mask[:, 10:20, 10:30] = True
        holds = i in (1, 2, 3)
        if holds:
            code = Masks.from_dense(mask).to_coco()[0]
            box = {"bbox": [10, 10, 20, 10], "area": 200, "iscrowd": 0, "segmentation": code}
            annotations.append({"id": i, "image_id": i, "category_id": 1} | box)
        fires = i in (1, 2, 5)
        masks = Masks.from_dense(mask[: int(fires)], size)
        instances = Instances([0] * fires, masks=masks, scores=[0.8] * fires)
        found.append(Sample(name, pixels, instances, score_map=np.full((1, *size), 0.3, np.float32)))
    record = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "scratch"}]}
    (root / "instances.json").write_text(json.dumps(record))
    card = {"kind": "fewshot", "data": [{"name": "line3", "role": "support", "ids": ["2.png"]}]}
    Dataset(found, ["scratch"], {"card": card}).write(tmp_path / "results", "shards")
    return root, tmp_path / "results"


def text(path):
    return path.read_text("utf-8")


def test_predictions_with_truth(folders):
    root, results = folders
    done = report(results, truth=root)
    assert done.path == results / "report.html"
    assert str(done).startswith(f"report of 5 images written to {done.path} (")
    assert str(done).endswith("; open it in any browser.")
    assert "Inspection report: results" in text(done.path)
    assert "Of 3 good pictures, 1 raised a false alarm" in text(done.path)
    assert "Of 2 pictures with a defect, 1 escaped" in text(done.path)


@pytest.mark.parametrize(
    "options, count",
    [
        ({"keep_support": True}, 6),
        ({"split": "test"}, 3),
        ({"split": "train"}, 2),
        ({"images": 2}, "5 images (2 shown)"),
    ],
)
def test_options(folders, tmp_path, options, count):
    root, results = folders
    done = report(results, truth=root, out=tmp_path / "a" / "r.html", title="T <b>", **options)
    assert (f"report of {count} images" if isinstance(count, int) else f"report of {count}") in str(done)
    assert "<h1>T &lt;b&gt;</h1>" in text(done.path)


def test_partial(folders, tmp_path):
    root, results = folders
    Dataset.open(results)[np.arange(4)].write(tmp_path / "some", "shards")
    with pytest.raises(KizuError, match="have no prediction"):
        report(tmp_path / "some", truth=root)
    assert "report of 3 images" in str(report(tmp_path / "some", truth=root, partial=True))


def test_broken_images_are_told_and_the_rest_goes_on(folders):
    root, results = folders
    record = json.loads((root / "instances.json").read_text())
    record["images"][1]["height"] = 40
    del record["annotations"][0]
    (root / "instances.json").write_text(json.dumps(record))
    done = report(results, truth=root)
    assert [item["item"] for item in done.skipped] == ["1.png"]
    assert str(done).startswith("report of 4 images") and "1 item(s) skipped, the first: 1.png" in str(done)
    assert "left out: 1 image that cannot be used" in text(done.path)


def test_predictions_alone_and_labels_alone(folders):
    root, results = folders
    assert "report of 6 images" in str(report(results))
    assert "Something was found on 3 of 6 pictures" in text(results / "report.html")
    done = report(root, split="test")
    assert done.path == root / "report.html"
    assert "3 pictures with 2 labelled instances of 1 class, on 2 of them" in text(done.path)
    assert "report of 6 images" in str(report(root / "instances.json"))  # the report beside the labels is no image


def test_unreadable_images_are_told(folders):
    root, _ = folders
    (root / "images" / "3.png").write_bytes(b"nothing")
    done = report(root)
    assert [item["item"] for item in done.skipped] == ["3.png"]
    assert "1 item(s) skipped" in str(done)
    assert "This picture could not be read." in text(done.path)


@pytest.mark.parametrize(
    "options, message",
    [({"out": "FOLDER"}, "is a folder; name the file"), ({"split": "night"}, "no image belongs to the split")],
)
def test_errors_say_what_to_do(folders, options, message):
    root, _ = folders
    options = {key: root if value == "FOLDER" else value for key, value in options.items()}
    with pytest.raises(KizuError, match=message):
        report(root, **options)


@pytest.mark.parametrize(
    "count, expected", [(10, "0.1 kB"), (214_300, "214 kB"), (999_999, "1.0 MB"), (2_140_000, "2.1 MB")]
)
def test_size_text(count, expected):
    assert size_text(count) == expected
