"""``kizu pretrain masks``: from nothing to weights, and what is refused with one clear line."""

import json

import numpy as np
import pytest

pytest.importorskip("torch")


import kizu
from kizu.core.dataset import Dataset
from kizu.models.registry import build_backbone
from kizu.models.store import load_weights
from kizu.pretrain.log import read_log

pytestmark = pytest.mark.usefixtures("one_torch_thread")
TINY = ("--size", "t", "--side", "32", "--batch", "4", "--workers", "1", "--precision", "float32", "--preset", "rcdb")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pretrain") / "run"
    options = {"size": "t", "side": 32, "batch": 4, "workers": 1, "precision": "float32"}
    done = kizu.pretrain_masks(out=folder, preset="rcdb", samples=8, **options)
    return folder, done


def test_weights_from_the_generator(trained):
    folder, done = trained
    assert "learned from 8 pictures" in done.line and str(folder / "weights.safetensors") in done.line
    weights = load_weights(folder / "weights.safetensors")
    assert weights.architecture == "timm:regnetx_002"
    weights.into(build_backbone("timm:regnetx_002"))
    assert weights.card.data[0]["licence"] == "Apache-2.0" and "rcdb" in weights.card.data[0]["name"]
    assert weights.card.figures["samples"] == 8
    assert read_log(folder / "log.csv")[-1]["samples"] == 8
    config = json.loads((folder / "config.json").read_text())
    assert (config["recipe"]["side"], config["objective"]) == (32, {"masks": 1.0})


def test_resume(run, refused, trained):
    folder, _ = trained
    before = (folder / "weights.safetensors").read_bytes()
    assert "holds a run; give --resume" in refused("pretrain", "masks", *TINY, "--samples", 8, "--out", folder)
    line = refused("pretrain", "masks", *TINY, "--samples", 8, "--out", folder, "--resume", "--seed", 1)
    assert "the run there has seed 0 (now 1)" in line
    code, out, _ = run("pretrain", "masks", *TINY, "--samples", 8, "--out", folder, "--resume")
    assert code == 0 and "learned from 8 pictures" in out
    assert (folder / "weights.safetensors").read_bytes() == before


def test_weights_to_begin_with(run, refused, trained, tmp_path):
    weights = trained[0] / "weights.safetensors"
    end = ("--samples", 4, "--out", tmp_path / "run", "--weights", weights)
    line = refused("pretrain", "masks", *TINY, *end, "--model", "kizu-s")
    assert "these are weights of timm:regnetx_002, and the model is kizu-s" in line
    code, _, _ = run("pretrain", "masks", *TINY, *end, "--lr", "1e-9")
    assert code == 0
    first, second = (
        load_weights(path).part("backbone") for path in (weights, tmp_path / "run" / "weights.safetensors")
    )
    kernels = [name for name in first if first[name].ndim == 4]
    assert all(np.allclose(first[name], second[name], atol=1e-3) for name in kernels)


def test_a_network_without_norms_is_saved_without_norms(run, tmp_path):
    words = ("pretrain", "masks", *TINY, "--model", "squeezenet1-1", "--samples", 8, "--out", tmp_path / "run")
    code, out, _ = run(*words)
    assert code == 0, out
    load_weights(tmp_path / "run" / "weights.safetensors").into(build_backbone("squeezenet1-1"))
    code, out, _ = run(*words, "--resume")
    assert code == 0 and "learned from 8 pictures" in out


def test_a_data_set(run, disc_line, tmp_path):
    Dataset.open(disc_line).split("train").write(tmp_path / "set", "shards")
    code, out, _ = run("pretrain", "masks", tmp_path / "set", *TINY, "--samples", 8, "--out", tmp_path / "run")
    assert code == 0, out
    assert load_weights(tmp_path / "run" / "weights.safetensors").card.classes == ["disc"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--size", "xl"], "--size xl: it is one of t, s, m, l"),
        (["--preset", "wood"], "unknown preset 'wood'"),
        (["--set", "scene.claen=1"], "unknown key 'scene.claen'"),
        (["--side", "50"], "multiple of 32"),
        (["--minutes", "0"], "more than 0 minutes"),
        (["--objective", "boxes"], "no objective 'boxes'"),
        (["--model", "kizu-x"], "no model is called 'kizu-x'"),
        (["--model", "kizu-dense"], "is a detector, not a backbone"),
        (["--weights", "nothing"], "nothing: no such weight file"),
        (["nowhere"], "nowhere: no such file or folder"),
    ],
)
def test_what_is_refused(refused, tmp_path, words, told):
    assert told in refused("pretrain", "masks", *words, "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()
