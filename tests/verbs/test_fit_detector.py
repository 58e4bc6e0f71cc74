"""``kizu fit --mode detector`` from the command line: a tiny training, what it leaves, and what it refuses."""

import csv
import json
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file

import kizu
from kizu.core.card import Card
from kizu.core.dataset import Dataset
from kizu.core.inspector import Inspector
from kizu.models.store import save_weights

for library in ("torch", "torchvision", "timm", "accelerate", "onnx", "onnxscript"):
    pytest.importorskip(library)

pytestmark = pytest.mark.usefixtures("one_torch_thread")
# The smallest network and the fewest steps that find a dark disc.
BACKBONE = "timm:mobilenetv3_small_050"
TINY = ("--mode", "detector", "--backbone", BACKBONE, "--size", 64)


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture(scope="module")
def detector(disc_line, tmp_path_factory):
    """(model file, exit code, standard output, standard error) of a fit to the discs."""
    from contextlib import redirect_stderr, redirect_stdout
    from io import StringIO

    from kizu.cli import main

    model, out, err, code = tmp_path_factory.mktemp("detector") / "m.kizu", StringIO(), StringIO(), 0
    patch = pytest.MonkeyPatch()
    patch.setenv("COLUMNS", "200")
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main([str(word) for word in ("fit", disc_line, *TINY, "--epochs", 60, "--out", model)])
        except SystemExit as end:
            code = end.code or 0
    patch.undo()
    return model, code, out.getvalue(), err.getvalue()


def test_line_table_and_notes(detector):
    model, code, out, err = detector
    assert code == 0
    assert re.fullmatch(
        rf"fitted disc from 16 pictures in \d+ steps in [\d.]+ s; written to {re.escape(str(model))}\. "
        rf"Next: kizu predict {re.escape(str(model))} PICTURES RESULTS\n",
        out,
    )
    assert (
        f"training kizu-dense on {BACKBONE}, from scratch (no weights); 16 pictures to train on, 4 to validate" in err
    )
    row = re.search(r"disc\W+8\W+2\W+([\d.]+)%\W+([\d.]+)%\W+([\d.]+)%\W+[\d.]+% of 2", err)
    assert float(row[2]) > 50
    text = " ".join(err.split())
    assert "expect a little worse" in text
    assert "2 good validation pictures are too few to promise 5.0% false alarms (19 would do)" in text
    assert "No split val: 4 of 20 pictures are held out" in text


def test_the_run_folder(detector):
    folder = detector[0].with_name("m.kizu.run")
    names = {"config.json", "log.csv", "validation.csv", "loss.png", "samples.png", "checkpoint.pt", "figures.json"}
    assert {path.name for path in folder.iterdir()} == names | {"weights.safetensors"}
    assert json.loads((folder / "figures.json").read_text())["disc"]["iou"] > 0.5
    assert json.loads((folder / "config.json").read_text())["settings"]["weights"] == "none"


def test_it_finds_discs_it_has_not_seen(run, detector, disc_line, tmp_path):
    code, _, _ = run("predict", detector[0], disc_line, tmp_path / "found", "--split", "test")
    assert code == 0
    found = Dataset.open(tmp_path / "found")
    truth = {sample.id: sample.instances.masks for sample in Dataset.open(disc_line).split("test")}
    overlaps = []
    for sample in found:
        fired = sample.instances[sample.instances.scores >= 0.5]
        assert (sample.score_map.max() >= 0.5) == (len(fired) > 0)
        if len(truth[sample.id]):
            overlaps.append(fired.masks.iou(truth[sample.id]).max() if len(fired) else 0)
    assert np.mean(overlaps) > 0.5


def test_the_card_says_where_it_comes_from(detector):
    card = Inspector.load(detector[0]).card
    assert (card.kind, card.classes) == ("detector", ["disc"])
    assert card.preprocessing["start"] == {"weights": "none"}
    assert [(record["name"], record["images"]) for record in card.data] == [
        ("training pictures", 16), ("validation pictures", 4),
    ]  # fmt: skip
    assert not {record for part in card.data for record in part["ids"]} & {f"{i:03d}.png" for i in range(20, 32)}
    assert set(card.figures) == {"disc", "all classes", "training"}
    assert "4 validation pictures" in card.threshold_method


def test_the_model_runs_without_torch(detector, disc_line):
    code = """
import sys
for name in ("torch", "torchvision", "timm", "onnx"):
    sys.modules[name] = None
from kizu.core.dataset import Dataset
from kizu.core.inspector import Inspector
inspector = Inspector.load(sys.argv[1])
print([len(inspector.inspect(sample.image)[0]) for sample in list(Dataset.open(sys.argv[2]).split("test"))[:4]])
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(detector[0]), str(disc_line)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    inspector = Inspector.load(detector[0])
    here = [len(inspector.inspect(s.image)[0]) for s in list(Dataset.open(disc_line).split("test"))[:4]]
    assert done.stdout.strip() == str(here)


def test_an_odd_picture_and_a_large_one(detector):
    inspector = Inspector.load(detector[0])
    random = np.random.default_rng(0)
    for height, width in ((33, 71), (1100, 1300)):
        instances, maps = inspector.inspect(random.normal(150, 5, (height, width, 3)).astype(np.uint8))
        assert maps.shape == (1, height, width)
        assert instances.masks.size == (height, width)


def test_a_damaged_network(detector, tmp_path, refused, disc_line):
    inspector = Inspector.load(detector[0])
    arrays, settings = inspector.state()
    broken = arrays["network"].copy()
    broken[: len(broken) // 2] = 7
    inspector.state = lambda: ({"network": broken}, settings)
    inspector.save(tmp_path / "m.kizu")
    line = refused("predict", tmp_path / "m.kizu", disc_line, tmp_path / "out")
    assert "its parts do not fit together" in line and "damaged" in line


def losses(folder):
    with open(folder / "log.csv") as file:
        return [(row["step"], row["loss"]) for row in csv.DictReader(file)]


# Stops the process as a power cut would, in the middle of the training.
KILLED = """
import os, signal, sys
from kizu.detector.nets.task import DetectorTask
made = DetectorTask.batch
def batch(self, step):
    if step == 15:
        os.kill(os.getpid(), signal.SIGKILL)
    return made(self, step)
DetectorTask.batch = batch
from kizu.cli import main
main(sys.argv[1:])
"""


def test_a_kill_and_resume_give_the_same_model(run, disc_line, tmp_path, monkeypatch):
    # Of the same thread count, so that sums are of the same order.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    tiny = [*TINY, "--model", "fcos"]  # whatever the model; this one is not exported, which takes longest
    words = ["fit", disc_line, *tiny, "--epochs", 22]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *map(str, words), "--out", str(tmp_path / "a.kizu")], env=os.environ | {}
    )
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "a.kizu").exists()
    assert run(*words, "--out", tmp_path / "a.kizu")[0] == 2  # the run is not thrown away without --resume
    code, _, err = run("fit", disc_line, *tiny, "--epochs", 23, "--resume", "--out", tmp_path / "a.kizu")
    assert code == 2 and "epochs 22 (now 23)" in err
    assert run(*words, "--resume", "--out", tmp_path / "a.kizu")[0] == 0
    assert run(*words, "--out", tmp_path / "b.kizu")[0] == 0
    assert losses(tmp_path / "a.kizu.run") == losses(tmp_path / "b.kizu.run")
    ours, theirs = (load_file(tmp_path / f"{name}.kizu.run" / "weights.safetensors") for name in "ab")
    assert all((ours[name] == theirs[name]).all() for name in theirs)
    ours, theirs = (Inspector.load(tmp_path / f"{name}.kizu") for name in "ab")
    assert ours.levels == theirs.levels


REFUSED = [
    (["--shots", 3], "--shots belongs to --mode fewshot"),
    (["--distil", "kizu-s"], "--distil belongs to --mode fewshot"),
    (["--refine", "edges"], "--refine belongs to --mode fewshot"),
    (["--refine-with", "a"], "--refine-with belongs to --mode fewshot"),
    (["--split", "test"], "the split test is for kizu evaluate alone"),
    (["--model", "yolo"], "no model is called 'yolo'"),
    (["--model", "kizu-s"], "kizu-s is a backbone, not a detector"),
    (["--backbone", "kizu-dense"], "kizu-dense is a detector, not a backbone"),
    (["--backbone", "resnet18", "--weights", "shipped"], "no weights of resnet18 come with Kizu"),
    (["--weights", "nowhere.safetensors"], "nowhere.safetensors: no such weight file"),
    (["--size", 100], "a multiple of 32"),
    (["--epochs", 0], "--epochs 0"),
    (["--minutes", 0], "--minutes 0"),
    (["--val", "night"], "--val night: neither a split"),
    (["--classes", "dent"], "unknown class 'dent'"),
    (["--false-alarms", 2], "not a share between 0 and 1"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED, ids=str)
def test_what_is_refused(refused, disc_line, tmp_path, arguments, message):
    assert message in refused("fit", disc_line, "--mode", "detector", *arguments, "--out", tmp_path / "m.kizu")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("option", ["--model=fcos", "--minutes=1", "--val=val", "--no-turns", "--resume"])
def test_options_of_the_other_mode(refused, disc_line, tmp_path, option):
    line = refused("fit", disc_line, option, "--out", tmp_path / "m.kizu")
    assert "belongs to --mode detector" in line


def test_weights_of_another_architecture_and_damaged_ones(refused, disc_line, tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(path, {"backbone.a": np.zeros((2, 2), np.float32)}, "resnet18", Card("weights"))
    words = ("fit", disc_line, "--mode", "detector", "--weights", path, "--out", tmp_path / "m.kizu")
    assert "these are weights of resnet18, and the backbone is kizu-s" in refused(*words)
    path.write_bytes(path.read_bytes()[:-8])
    assert "cannot be read as weights" in refused(*words)


def boxes_only(folder):
    record = json.loads((folder / "instances.json").read_text())
    for annotation in record["annotations"]:
        del annotation["segmentation"]
    (folder / "instances.json").write_text(json.dumps(record))


def test_boxes_where_masks_are_needed(refused, own_line, tmp_path):
    boxes_only(own_line)
    line = refused("fit", own_line, "--mode", "detector", "--out", tmp_path / "m.kizu")
    assert "boxes without masks, and kizu-dense learns from masks" in line and "--model faster-rcnn" in line


def test_a_detector_of_boxes(own_line, tmp_path):
    boxes_only(own_line)
    done = kizu.fit(
        own_line, mode="detector", model="fcos", backbone=BACKBONE, size=64, epochs=2, out=tmp_path / "m.kizu"
    )
    assert "box AP" in done.expected["disc"]
    inspector = Inspector.load(tmp_path / "m.kizu")
    image = Dataset.open(own_line)[0].image
    ours, maps = inspector.inspect(image, 0.01)
    assert maps is None and ours.masks is None
    theirs, _ = done.inspector.inspect(image, 0.01)
    # The strongest find may lie on the threshold itself, where the last bit decides between 0.499 and 0.5.
    assert np.allclose(ours.boxes, theirs.boxes, atol=1e-3) and np.allclose(ours.scores, theirs.scores, atol=2e-3)


def test_without_torch_a_detector_of_a_library_names_the_extra(own_line, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(kizu.core.errors.KizuError, match=r"kizu\[train\]"):
        kizu.fit(own_line, mode="detector", out=tmp_path / "m.kizu")
