"""``kizu compose``: the same pictures whatever happens on the way, and clear words where something is missing."""

import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import cv2
import numpy as np
import pytest

import kizu
from kizu.cli import main
from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.sample import Sample
from kizu.core.shards import HEADER, read_manifest, verify
from kizu.synth import engine

SIZE = (96, 120)


def pictures(count=16, split="train"):
    """Grey plates with noise; every other one has a dark or a bright blot with a mask."""
    out = []
    for k in range(count):
        random = np.random.default_rng(k)
        image = np.clip(random.normal(130 + 3 * (k % 5), 4, SIZE), 0, 255)
        masks, labels = [], []
        if k % 2 == 0:
            rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
            y, x, r = random.integers(20, 70), random.integers(20, 100), random.integers(4, 9)
            mask = (rows - y) ** 2 + (columns - x) ** 2 <= r * r
            image[mask] += -60 if k % 4 else 70
            masks, labels = [mask], [int(k % 4 == 0)]
        image = np.clip(image, 0, 255).astype(np.uint8)[:, :, None].repeat(3, 2)
        found = Instances(labels, masks=Masks.from_dense(masks, SIZE))
        out.append(Sample(f"{split}-{k:02}.png", image, found, split=split, group=f"{split}{k}"))
    return out


@pytest.fixture(scope="module")
def plates(tmp_path_factory):
    """A labelled data set on disk, with the splits train and test. Not to be changed by a test."""
    folder = tmp_path_factory.mktemp("plates") / "data"
    Dataset([*pictures(), *pictures(4, "test")], ("pit", "spot")).write(folder, "coco")
    return folder


def compose(out, plates, **options):
    return kizu.compose(out, **({"segments": plates, "count": 8, "workers": 1, "sheet": False} | options))


def files(folder):
    return {line["file"]: line["sha256"] for line in read_manifest(folder)}


@pytest.fixture(scope="module")
def eight(plates, tmp_path_factory):
    """Eight composed pictures. Not to be changed by a test."""
    folder = tmp_path_factory.mktemp("eight") / "out"
    done = compose(folder, plates, sheet=True, expressions=True)
    assert "8 pictures composed of 8 segments on 8 backgrounds were written" in done.line
    return folder


def test_what_is_made(eight):
    assert {path.name for path in eight.iterdir()} == {
        HEADER, "manifest.jsonl", "shard-00000.parquet", "sheet.png", "card.md", "card.json",
    }  # fmt: skip
    assert verify(eight) == []
    data = Dataset.open(eight)
    assert data.names == ("pit", "spot")
    assert data.splits == {"train": 8}
    found = [sample for sample in data if len(sample.instances)]
    assert len(found) >= 5
    for sample in data:
        assert all(group.startswith("train") for group in sample.meta["lineage"]), "nothing of the split test"
        assert len(sample.meta["expressions"]) >= 1
    assert kizu.check(eight).problems == 0
    assert "given pictures" in (eight / "card.md").read_text("utf-8")


def test_again_with_other_workers_formats_and_a_larger_count(eight, plates, tmp_path):
    again = compose(eight, plates, sheet=True, expressions=True)
    assert "nothing to do" in again.line
    many = tmp_path / "many"
    compose(many, plates, expressions=True, workers=4, count=600)
    few = tmp_path / "few"
    compose(few, plates, expressions=True, workers=1, count=300)
    assert files(few)["shard-00000.parquet"] == files(many)["shard-00000.parquet"]
    compose(few, plates, expressions=True, workers=2, count=600)
    assert files(few) == files(many)
    for to in ("odvg", "refcoco", "coco"):
        kizu.compose(tmp_path / to, segments=plates, count=3, to=to, expressions=True, workers=1, sheet=False)
        assert len(Dataset.open(tmp_path / to)) == 3


SCRIPT = """
import sys, kizu
kizu.compose(sys.argv[1], segments=sys.argv[2], count=600, workers=2, sheet=False, seed=3)
"""


def test_killed_and_gone_on_with(plates, tmp_path):
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    compose(whole, plates, count=600, workers=2, seed=3)
    child = subprocess.Popen([sys.executable, "-c", SCRIPT, str(torn), str(plates)], start_new_session=True)
    try:
        while child.poll() is None and not (torn / HEADER).exists():
            time.sleep(0.01)
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    compose(torn, plates, count=600, workers=2, seed=3)
    assert files(torn) == files(whole)
    assert verify(torn) == []


def test_scenes_are_drawn_again(eight, plates, tmp_path):
    compose(tmp_path / "planned", plates, scenes=eight, label="planned")
    before, after = Dataset.open(eight), Dataset.open(tmp_path / "planned")
    assert len(before) == len(after)
    for a, b in zip(before, after, strict=True):
        assert a.image_bytes() == b.image_bytes()
        assert len(a.instances) == len(b.instances)
    with pytest.raises(KizuError, match="keep no scenes"):
        compose(tmp_path / "no", plates, scenes=plates)


@pytest.mark.parametrize("kind", ["grey", "16 bit", "small", "colour"])
def test_backgrounds_of_other_kinds(kind, plates, tmp_path):
    folder = tmp_path / "good"
    folder.mkdir()
    random = np.random.default_rng(0)
    for k in range(3):
        image = random.normal(120, 5, (40, 44) if kind == "small" else (90, 110)).clip(0, 255)
        pixels = {"16 bit": (image * 257).astype(np.uint16), "colour": np.stack([image] * 3, 2).astype(np.uint8)}
        cv2.imwrite(str(folder / f"{k}.png"), pixels.get(kind, image.astype(np.uint8)))
    done = compose(tmp_path / "out", plates, backgrounds=str(folder), empty=0.0, likeness=1.0)
    assert not done.skipped
    data = Dataset.open(tmp_path / "out")
    assert sum(len(sample.instances) for sample in data) >= (1 if kind == "small" else 4)
    large = compose(tmp_path / "large", plates, backgrounds=str(folder), size="128x160")
    assert Dataset.open(large.path)[0].size == (128, 160)


def test_unreadable_pictures_are_listed(plates, tmp_path):
    torn = tmp_path / "torn"
    shutil.copytree(plates, torn)
    for name in ("train-00.png", "train-03.png"):
        path = next(torn.rglob(name))
        path.write_bytes(path.read_bytes()[:60])
    done = compose(tmp_path / "out", torn)
    assert any("train-00" in item["reason"] or "train-00" in item["item"] for item in done.skipped)
    assert len(Dataset.open(tmp_path / "out")) >= 6
    with pytest.raises(KizuError):
        compose(tmp_path / "strict", torn, strict=True)


def test_defects_are_made_without_any_label(plates, tmp_path):
    done = kizu.compose(
        tmp_path / "out", backgrounds=str(plates / "images"), count=8, workers=1, sheet=False, empty=0.0,
        types=["pit", "scratch"],
    )  # fmt: skip
    data = Dataset.open(done.path)
    assert set(data.names) == {"pit", "scratch", "defect"}
    assert sum(len(sample.instances) for sample in data) >= 6


OWN = """
name = "tool_kiss"
family = "surface"
sentences = ["A tool kiss is a short bright line."]
attributes = { tone = ["bright"], shape = ["line"], extent = ["short"] }
recipe = { draw = "scratch", length = [20, 30], count = [1, 1] }
"""


def test_a_type_of_ones_own(plates, tmp_path):
    own = tmp_path / "own.toml"
    own.write_text(OWN)
    how = {"backgrounds": str(plates / "images"), "workers": 1, "sheet": False, "empty": 0.0, "flaws": ["drawn"]}
    done = kizu.compose(tmp_path / "out", count=8, types=[str(own), "tool_kiss"], **how)
    data = Dataset.open(done.path)
    assert data.names == ("tool_kiss",)
    assert sum(len(sample.instances) for sample in data) >= 6
    again = kizu.compose(tmp_path / "again", scenes=done.path, types=[str(own), "tool_kiss"], **how)
    for a, b in zip(data, Dataset.open(again.path), strict=True):
        assert a.image_bytes() == b.image_bytes()
    beside = kizu.compose(tmp_path / "beside", count=2, types=[own], **how)
    assert {"tool_kiss", "scratch", "dent"} < set(Dataset.open(beside.path).names)
    own.write_text(OWN.replace('"scratch", length = [20, 30], count = [1, 1]', '"burr"'))
    with pytest.raises(KizuError, match="type 'tool_kiss' cannot be drawn on pictures: burr needs the outline"):
        kizu.compose(tmp_path / "no", count=2, types=[own], **how)


def test_mirrored_and_blurred_pictures(plates, tmp_path):
    def scenes(name, *more):
        words = ["compose", str(tmp_path / name), "--segments", str(plates), "--count", "8", "--workers", "1"]
        with pytest.raises(SystemExit) as end:
            main([*words, "--no-sheet", *more])
        assert end.value.code == 0
        return [sample.meta["scene"] for sample in Dataset.open(tmp_path / name)]

    plain, changed = scenes("plain"), scenes("changed", "--flip", "--blur", "0.4", "1.2")
    assert {tuple(scene["flips"]) for scene in plain} == {(False, False)}
    assert len({tuple(scene["flips"]) for scene in changed}) >= 3
    assert {scene["camera"].get("blur", 0.0) for scene in plain} == {0.0}
    blurs = [scene["camera"]["blur"] for scene in changed if scene["layers"]]
    assert 0.4 <= min(blurs) < max(blurs) <= 1.2
    one = [scene["camera"]["blur"] for scene in scenes("one", "--blur", "0.7") if scene["layers"]]
    assert set(one) == {0.7}


def test_a_bank_and_made_surfaces(plates, tmp_path):
    kizu.compose_bank(plates, tmp_path / "bank", split="train", workers=1, sheet=False)
    done = kizu.compose(
        tmp_path / "out", segments=tmp_path / "bank", backgrounds="made", size=64, count=4, workers=1, sheet=False,
        empty=0.0, likeness=1.0,
    )  # fmt: skip
    assert Dataset.open(done.path)[0].size == (64, 64)
    with pytest.raises(KizuError, match="a bank holds no pictures"):
        kizu.compose(tmp_path / "no", segments=tmp_path / "bank")


@pytest.mark.parametrize(
    "options, message",
    [
        ({"split": "test"}, "the split test is to judge by"),
        ({"split": "night"}, "no image belongs to the split 'night'"),
        ({"layout": "spiral"}, "unknown layout 'spiral'"),
        ({"set": ["mots=3"]}, "has no option 'mots'"),
        ({"classes": ["dent"]}, "unknown class 'dent'"),
        ({"flaws": ["rust"]}, "unknown flaw 'rust'"),
        ({"types": ["dint"]}, "there is no type 'dint'"),
        ({"types": ["burr"]}, "type 'burr' cannot be drawn on pictures"),
        ({"types": ["own.toml"]}, "cannot read own.toml"),
        ({"blur": [1.0, 0.2]}, "blur from 1.0 to 0.2"),
        ({"blur": [0.0, 0.5, 1.0]}, "--blur 0.0 0.5 1.0: it is a number, or the ends of a range"),
        ({"flaws": ["real=much"]}, "write it as name or name=weight"),
        ({"blends": ["glue"]}, "unknown blend 'glue'"),
        ({"relight": "candle"}, "light 'candle'"),
        ({"relight": "iclight"}, "needs --model"),
        ({"model": "sd"}, "belong to --relight iclight"),
        ({"to": "tape"}, "cannot write format 'tape'"),
        ({"engine": "steam"}, "engine 'steam'"),
        ({"backgrounds": "nowhere"}, "nowhere: no such file or folder"),
        ({"segments": "nowhere"}, "nowhere: no such file or folder"),
        ({"segments": None}, "--backgrounds clean: no segments are named"),
        ({"size": "wide"}, "--size wide"),
        ({"count": 0}, "count 0"),
        ({"paraphrase": "http://127.0.0.1:9", "writer": None}, "--writer"),
    ],
)
def test_what_cannot_be_done_is_said(options, message, plates, tmp_path):
    with pytest.raises(KizuError, match=message):
        compose(tmp_path / "out", plates, **options)
    assert not (tmp_path / "out").exists()


def test_no_clean_picture(tmp_path):
    folder = tmp_path / "all"
    Dataset(pictures()[::2], ("pit", "spot")).write(folder, "coco")
    with pytest.raises(KizuError, match="take --backgrounds all"):
        compose(tmp_path / "out", folder)
    compose(tmp_path / "out", folder, backgrounds="all", empty=0.0)
    assert all(len(sample.instances) for sample in Dataset.open(tmp_path / "out"))


def test_boxes_cannot_be_composed_of(tmp_path):
    folder = tmp_path / "boxes"
    found = Instances([0], np.array([[4, 4, 20, 20]]))
    Dataset([Sample("a.png", np.zeros((*SIZE, 3), np.uint8), found)], ("pit",)).write(folder, "coco")
    with pytest.raises(KizuError, match="no segment is left"):
        compose(tmp_path / "out", folder)


def test_a_full_disk_is_told_before_it_is_full(plates, tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "RESERVE", 10**18)
    with pytest.raises(KizuError, match="free some space"):
        compose(tmp_path / "out", plates)


def test_the_sheet_and_the_card_describe_it(eight):
    record = json.loads((eight / "card.json").read_text("utf-8"))
    assert record["asked"]["options"]["layout"] == "inplace"
    assert record["images"] == 8


class Echo(http.server.BaseHTTPRequestHandler):
    """A language model that says "find" before each phrase, which Kizu's grammar does not know."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        order, lines = (message["content"] for message in body["messages"])
        lines = json.loads(lines)
        again = [line.removeprefix("find ") for line in lines] if "fixed language" in order else [
            f"find {line}" for line in lines
        ]  # fmt: skip
        answer = json.dumps({"choices": [{"message": {"content": json.dumps(again)}}]}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *what):
        pass


def test_expressions_in_other_words(plates, tmp_path):
    with http.server.HTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/v1"
        done = compose(tmp_path / "out", plates, count=3, paraphrase=url, writer="echo")
        server.shutdown()
    assert "are said in other words" in done.line
    for sample in Dataset.open(tmp_path / "out"):
        texts = [item["text"] for item in sample.meta["expressions"]]
        assert sorted(f"find {text}" for text in texts if not text.startswith("find ")) == sorted(
            text for text in texts if text.startswith("find ")
        )
    assert (tmp_path / "out-paraphrases.jsonl").exists()
