"""``kizu compose bank``: what it writes, says and refuses."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "synth" / "compose"))

from compose_bank_sets import NAMES, disc_sample, many

import kizu
from kizu import cli
from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError
from kizu.core.images import read_image
from kizu.synth.compose import invent
from kizu.synth.compose.bank import Bank


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Four pictures of three discs each."""
    folder = tmp_path_factory.mktemp("data") / "discs"
    many(4).write(folder, "coco")
    return folder


def test_a_bank_and_its_closing_line(data, tmp_path):
    out = tmp_path / "bank"
    done = kizu.compose_bank(data, out, workers=1)
    assert done.line == f"12 segments of 2 classes were cut to {out} (bolt 8, scratch 4)."
    assert (done.classes, done.flags["truncated"], done.problems) == ({"bolt": 8, "scratch": 4}, 0, 0)
    assert read_image(out / "sheet.png").shape[1] > 500
    assert len(Bank.open(out)) == 12
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    kizu.compose_bank(data, out, workers=1)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_as_it_is_typed(data, tmp_path, capsys):
    out = tmp_path / "bank"
    typed = ["compose", "bank", str(data), str(out), "--split", "val", "--classes", "bolt", "--kinds", "bolt=defect"]
    with pytest.raises(SystemExit) as end:
        cli.main([*typed, "--refuse", "truncated", "hidden", "--workers", "1"])
    assert end.value.code == 0
    assert "4 segments of 1 class were cut" in capsys.readouterr().out
    table = Bank.open(out).table
    assert set(table["kind"]) == {"defect"} and set(table["split"]) == {"val"}


def test_what_was_refused_and_passed_over_is_told(tmp_path):
    sample = disc_sample(((60.0, 50.0, 20.0), (0.0, 20.0, 9.0), (100.0, 20.0, 9.0)))
    found = sample.instances.replace(attributes={"iscrowd": [0, 0, 1]})
    Dataset([sample.replace(instances=found)], NAMES).write(tmp_path / "data", "coco")
    done = kizu.compose_bank(tmp_path / "data", tmp_path / "bank", refuse=["truncated"], workers=1, sheet=False)
    assert "1 segment was cut" in done.line and "Refused: 1 truncated." in done.line
    assert len(done.skipped) == 1 and "it is a crowd" in done.skipped[0]["reason"]
    assert not (tmp_path / "bank" / "sheet.png").exists()
    with pytest.raises(KizuError, match="it is a crowd"):
        kizu.compose_bank(tmp_path / "data", tmp_path / "strict", workers=1, strict=True)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"kind": "thing"}, "kind 'thing'"),
        ({"kinds": ["bolt"]}, "write CLASS=object or CLASS=defect"),
        ({"kinds": ["nut=object"]}, r"a kind is given for \['nut'\]"),
        ({"classes": ["nut"]}, "unknown class 'nut'"),
        ({"refuse": ["ugly"]}, "unknown flag 'ugly'"),
        ({"split": "test"}, "no image belongs to the split 'test'"),
        ({"erode": 2.0}, "--erode 2.0: it is 0 to 1 pixels"),
        ({"invent": Path("no such folder")}, "no such folder: no model_index.json"),
        ({"invent": Path("no such folder"), "prompts": ["scratch"]}, "'scratch' is a defect"),
    ],
)
def test_what_makes_no_sense(data, tmp_path, asked, message):
    with pytest.raises(KizuError, match=message):
        kizu.compose_bank(data, tmp_path / "bank", workers=1, **asked)
    assert not (tmp_path / "bank").exists()


def test_a_bank_inside_its_data_set(data):
    with pytest.raises(KizuError, match="lies inside"):
        kizu.compose_bank(data, data / "bank")


def test_invented_objects_join_the_bank(data, tmp_path, monkeypatch):
    class Discs:
        def __init__(self, folder):
            self.folder = folder

        def __call__(self, prompt, seed):
            x, y = np.random.default_rng(seed).uniform(30, 60, 2)
            return disc_sample(((x, y, 18.0),), ground=(252, 252, 252)).image

    monkeypatch.setattr(invent, "Painter", Discs)
    out = tmp_path / "bank"
    asked = {"invent": tmp_path / "model", "prompts": ["nut", "bolt"], "count": 3, "workers": 1}
    done = kizu.compose_bank(data, out, **asked)
    assert done.classes == {"bolt": 9, "scratch": 4, "nut": 2}
    assert len(Dataset.open(tmp_path / "bank-invented")) == 3
    bank = Bank.open(out)
    assert bank.table["picture"][-1] == "invented/000002.png" and bank.table["split"][-1] == "train"
    assert kizu.compose_bank(data, out, **asked).classes == done.classes
