"""``kizu convert``: what is printed, skipped, refused, and what a stop leaves behind."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError
from kizu.core.images import encode_image
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.sample import Sample
from kizu.verbs.convert import convert


def texture(seed):
    return np.random.default_rng(seed).integers(0, 256, (32, 40, 3), np.uint8)


@pytest.fixture
def source(tmp_path):
    """A COCO folder of four images: two good, one cut short, one whose annotation is broken."""
    mask = np.zeros((1, 32, 40), bool)
    mask[0, 2:9, 3:12] = True
    samples = [
        Sample(
            f"{k}.png",
            encode_image(texture(k)),
            Instances([0], masks=Masks.from_dense(mask)),
            split=split,
            group=f"g{k}",
        )
        for k, split in enumerate(["train", "train", "test", "test"])
    ]
    Dataset(samples, ["scratch"]).write(tmp_path / "src", "coco")
    path = tmp_path / "src" / "images" / "1.png"
    path.write_bytes(path.read_bytes()[:1000])
    table = json.loads((tmp_path / "src" / "instances.json").read_text())
    table["annotations"][3]["bbox"] = "x"
    (tmp_path / "src" / "instances.json").write_text(json.dumps(table))
    return tmp_path / "src"


@pytest.mark.parametrize("to", ["coco", "yolo", "voc", "masks", "mvtec", "labelme", "shards"])
def test_what_cannot_be_used_is_skipped_and_listed(source, tmp_path, to, capsys):
    done = convert(source, tmp_path / "out", to=to)
    assert [item["item"] for item in done.skipped] == ["1.png", "3.png"]
    assert "1.png" in done.skipped[0]["reason"] and "bbox" in done.skipped[1]["reason"]
    listed = [json.loads(line) for line in (tmp_path / "out" / "skipped.jsonl").read_text().splitlines()]
    assert listed == done.skipped
    again = Dataset.open(tmp_path / "out")
    assert len(again) == 2 and sum(len(sample.instances) for sample in again) == 2
    printed = capsys.readouterr().out.splitlines()
    assert printed[len(printed) - len(done.losses) :] == done.losses
    assert bool(done.losses) == (to in ("yolo", "voc", "mvtec"))
    assert str(done).startswith("2 images were written as") and "2 item(s) skipped" in str(done)
    assert ("nothing was lost" in str(done)) != bool(done.losses)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "src"]


@pytest.mark.parametrize("to", ["coco", "masks", "shards"])
def test_strict_stops_and_leaves_nothing(source, tmp_path, to):
    with pytest.raises(KizuError, match=r"1\.png"):
        convert(source, tmp_path / "out", to=to, strict=True)
    assert [p.name for p in tmp_path.iterdir()] == ["src"]


def test_one_split(source, tmp_path):
    done = convert(source, tmp_path / "out", to="yolo", split="test")
    assert Dataset.open(tmp_path / "out").splits == {"test": 1} and len(done.skipped) == 1


def test_an_image_of_another_size_than_its_labels(source, tmp_path):
    (source / "images" / "0.png").write_bytes(encode_image(texture(0)[:16]))
    done = convert(source, tmp_path / "out", to="coco")
    assert "[32, 40], but the image is [16, 40]" in done.skipped[0]["reason"]


@pytest.mark.parametrize(
    "change, word",
    [
        ({"to": "pictures"}, "known are .*coco"),
        ({"to": "images"}, "known are"),
        ({"split": "val"}, r"train \(2\), test \(2\)"),
        ({"source": "yolo"}, "no images of YOLO"),
        ({"dst": "src/inside"}, "inside"),
        ({"dst": "src"}, "inside"),
        ({"dst": "full"}, "empty"),
        ({"dst": "full/mine.txt"}, "empty"),
        ({"src": "none"}, "no such file"),
        ({"dst": "full/mine.txt/below"}, "cannot write"),
    ],
)
def test_what_is_refused(source, tmp_path, change, word):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    options = {"src": "src", "dst": "out", "to": "coco"} | change
    with pytest.raises(KizuError, match=word):
        convert(tmp_path / options.pop("src"), tmp_path / options.pop("dst"), **options)
    assert (tmp_path / "full" / "mine.txt").read_text() == "mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["full", "src"]


def test_nothing_left_to_convert(source, tmp_path):
    shutil.rmtree(source / "images")
    with pytest.raises(KizuError, match=r"no image can be converted; the first reason: .*no such image file"):
        convert(source, tmp_path / "out", to="coco")


@pytest.mark.parametrize("to", ["coco", "voc"])
def test_a_kill_leaves_nothing_under_the_name_and_the_next_run_goes_through(source, tmp_path, to):
    code = f"""
import os, signal
from pathlib import Path
from kizu.formats.common import output
from kizu.verbs.convert import convert
save = output.save
def killed(path, data):
    save(path, data)
    if path.suffix == ".png":
        os.kill(os.getpid(), 9)
output.save = killed
convert(Path({str(source)!r}), Path({str(tmp_path / "out")!r}), to={to!r})
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert not (tmp_path / "out").exists()
    assert any(p.name.endswith(".partial") for p in tmp_path.iterdir())
    convert(source, tmp_path / "out", to=to)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "src"]
    assert len(Dataset.open(tmp_path / "out")) == 2


def test_shards_go_on_where_they_were_stopped(source, tmp_path):
    convert(source, tmp_path / "out", to="shards")
    first = (tmp_path / "out" / "shard-00000.parquet").read_bytes()
    (tmp_path / "out" / "shard-00000.parquet").unlink()
    convert(source, tmp_path / "out", to="shards")
    assert (tmp_path / "out" / "shard-00000.parquet").read_bytes() == first


def test_the_command_line(source, tmp_path, capsys):
    from kizu.cli import main

    with pytest.raises(SystemExit) as stop:
        main(["convert", str(source), str(tmp_path / "out"), "--to", "voc"])
    assert stop.value.code == 1  # two were skipped
    out = capsys.readouterr().out
    assert "groups of 2 images were left out" in out and "skipped.jsonl" in out
