"""``kizu evaluate`` from files to files."""

import json

import numpy as np
import pytest

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.sample import Sample
from kizu.verbs.evaluate import evaluate


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Six images, the last three of the split test; the predictions find every defect but one and cry wolf once."""
    folder = tmp_path_factory.mktemp("evaluate")
    truth, found = [], []
    for i in range(6):
        mask = np.zeros((1, 16, 16), bool)
        mask[0, 2:8, 2:8] = True
        bad = i % 2 == 0
        image = np.full((16, 16, 3), i, np.uint8)
        right = Instances([0], masks=Masks.from_dense(mask)) if bad else Instances.empty((16, 16))
        truth.append(Sample(f"{i}.png", image, right, split="test" if i > 2 else "train"))
        alarm = i in (0, 2, 5)
        masks = Masks.from_dense(mask if alarm else mask[:0], (16, 16))
        found.append(Sample(f"{i}.png", image, Instances([0] * alarm, masks=masks, scores=[0.9] * alarm)))
    Dataset(truth, ["pit"]).write(folder / "truth", "shards")
    Dataset(found, ["pit"]).write(folder / "found", "shards")
    return folder


def test_table_files_and_closing_line(folders, capsys):
    done = evaluate(folders / "found", folders / "truth", resamples=50)
    assert str(done).startswith("evaluated 6 images: mIoU 50.0 %, false alarms 33.3 %, escapes 33 %, box AP ")
    assert str(done).endswith(f"written to {folders / 'found' / 'evaluation.json'}")
    assert "pit" in capsys.readouterr().out
    record = json.loads((folders / "found" / "evaluation.json").read_text("utf-8"))
    assert record["counts"]["images"] == 6 and len(record["images"]) == 6
    assert (folders / "found" / "figures.csv").is_file()
    assert len(Dataset.open(folders / "found")) == 6  # the files do not disturb the data set
    assert done.evaluation.figure("segmentation", "mIoU").value == pytest.approx(0.5)


def test_split_and_out(folders, tmp_path):
    done = evaluate(folders / "found", folders / "truth", split="test", out=tmp_path / "x", resamples=0)
    assert done.path == tmp_path / "x" and (tmp_path / "x" / "evaluation.json").is_file()
    assert done.evaluation.counts["images"] == 3 and done.evaluation.counts["surplus"] == 3
    assert done.evaluation.figure("image", "escape rate").value == 1


def test_broken_images_are_listed(folders, tmp_path):
    truth = [*Dataset.open(folders / "truth")]
    truth[4] = truth[4].replace(image=np.zeros((8, 16, 3), np.uint8), instances=None)
    Dataset(truth, ["pit"]).write(tmp_path / "truth", "shards")
    done = evaluate(folders / "found", tmp_path / "truth", out=tmp_path, resamples=0)
    assert [item["item"] for item in done.skipped] == ["4.png"] and "16 x 16" in done.skipped[0]["reason"]
    assert str(done).startswith("evaluated 5 images: ") and "1 item(s) skipped, the first: 4.png" in str(done)
    listed = tmp_path / "evaluation-skipped.jsonl"
    assert [json.loads(line) for line in listed.read_text("utf-8").splitlines()] == done.skipped
    with pytest.raises(DataError, match=r"4\.png: the prediction is of a 16 x 16 image, the truth of 8 x 16"):
        evaluate(folders / "found", tmp_path / "truth", out=tmp_path, resamples=0, strict=True)
    assert not evaluate(folders / "found", folders / "truth", out=tmp_path, resamples=0).skipped
    assert not listed.exists()


def test_one_image(folders, tmp_path):
    Dataset.open(folders / "truth")[:1].write(tmp_path / "truth", "shards")
    done = evaluate(folders / "found", tmp_path / "truth", out=tmp_path, resamples=0)
    assert str(done).startswith("evaluated 1 image: ")


@pytest.mark.parametrize(
    ("predictions", "truth", "options", "message"),
    [
        ("nowhere", "truth", {}, "no such file"),
        ("found", "truth", {"split": "val"}, "no image belongs to the split 'val'"),
    ],
)
def test_errors(folders, predictions, truth, options, message):
    with pytest.raises(KizuError, match=message):
        evaluate(folders / predictions, folders / truth, **options)
