"""Weight files: what goes in comes out, the same weights are the same bytes, and a wrong file says what it is."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from kizu.core.card import Card
from kizu.core.errors import KizuError
from kizu.models import store
from kizu.models.store import Weights, arrays_of, load_weights, save_weights, shipped, weights_path

CARD = Card("weights", architecture="tiny", data=[{"name": "formula", "licence": "Apache-2.0"}])
ARRAYS = {
    "backbone.conv.weight": np.arange(24, dtype=np.float16).reshape(2, 3, 2, 2),
    "backbone.norm.running_var": np.array([1e5, 1e-6], np.float32),
    "head.bias": np.zeros(3, np.float32),
}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(path, ARRAYS, "tiny", CARD)
    return path


def test_round_trip(path):
    weights = load_weights(path)
    assert (weights.architecture, weights.card, weights.source) == ("tiny", CARD, str(path))
    assert weights.arrays.keys() == ARRAYS.keys()
    for name, value in ARRAYS.items():
        assert weights.arrays[name].dtype == value.dtype
        np.testing.assert_array_equal(weights.arrays[name], value)
    assert set(weights.part("backbone")) == {"conv.weight", "norm.running_var"}
    assert weights.part("pyramid") == {}


def test_the_same_weights_are_the_same_bytes(path, tmp_path):
    again = tmp_path / "again.safetensors"
    save_weights(again, dict(reversed(ARRAYS.items())), "tiny", CARD)
    assert again.read_bytes() == path.read_bytes()
    assert [file.name for file in tmp_path.iterdir() if file.suffix != ".safetensors"] == []


def cut(path):
    path.write_bytes(path.read_bytes()[:-7])


def head_only(path):
    path.write_bytes(path.read_bytes()[:20])


def foreign(path):
    save_file({"a": np.zeros(2)}, path)


def inspector(path):
    meta = {"kizu": json.dumps({"kind": "fewshot", "format": 1}), "card": CARD.to_json(), "settings": "{}"}
    save_file({"a": np.zeros(2)}, path, meta)


def later(path):
    meta = {"kizu": json.dumps({"kind": "weights", "format": 2, "architecture": "tiny"}), "card": CARD.to_json()}
    save_file({"a": np.zeros(2)}, path, meta)


def no_card(path):
    meta = {"kizu": json.dumps({"kind": "weights", "format": 1, "architecture": "tiny"}), "card": "[1"}
    save_file({"a": np.zeros(2)}, path, meta)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (cut, "cannot be read as weights"),
        (head_only, "cannot be read as weights"),
        (foreign, "a safetensors file, but not weights made by Kizu"),
        (no_card, "a safetensors file, but not weights made by Kizu"),
        (inspector, "a fitted model (fewshot), not a weight file"),
        (later, "format 2, made by a later Kizu; update Kizu"),
        (lambda path: path.unlink(), "no such weight file; name a file, or weights that come with Kizu"),
    ],
    ids=["cut", "head only", "foreign", "no card", "inspector", "later", "missing"],
)
def test_files_that_are_no_weights(path, damage, said):
    damage(path)
    with pytest.raises(KizuError) as error:
        load_weights(path)
    assert str(error.value).startswith(f"{path}: ")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_weights_that_come_with_kizu_go_by_name(path, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "SHIPPED", tmp_path)
    (tmp_path / "kizu-x.safetensors").write_bytes(path.read_bytes())
    assert shipped() == ["kizu-x", "w"]
    assert weights_path("kizu_x") == weights_path("kizu-x") == tmp_path / "kizu-x.safetensors"
    assert load_weights("kizu-x").architecture == "tiny"
    with pytest.raises(KizuError, match="weights that come with Kizu: kizu-x, w"):
        load_weights("kizu-y")
    with pytest.raises(KizuError, match="no such weight file"):
        load_weights("../" + tmp_path.name + "/w")


@pytest.mark.parametrize("name", shipped())
def test_shipped_weights_are_whole(name):
    weights = load_weights(name)
    assert weights.architecture == name
    assert weights.part("backbone")
    assert weights.card.data
    assert (store.SHIPPED / f"{name}.md").is_file()


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_weights_that_are_not_finite_are_not_written(tmp_path, value):
    path = tmp_path / "w.safetensors"
    with pytest.raises(KizuError, match=r"backbone\.a is not finite"):
        save_weights(path, {"backbone.a": np.array([1, value], np.float32)}, "tiny", CARD)
    assert not path.exists()


# --- into a module of torch ---


@pytest.fixture
def net():
    torch = pytest.importorskip("torch")
    torch.manual_seed(1)
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    module[1].running_var.fill_(3e5)
    module.architecture = "tiny"
    return module


@pytest.mark.parametrize("half", [True, False])
def test_a_module_through_a_file(net, tmp_path, half):
    import torch

    arrays = arrays_of(net, "backbone", half)
    assert arrays["backbone.0.weight"].dtype == (np.float16 if half else np.float32)
    assert arrays["backbone.1.running_var"].dtype == np.float32  # beyond the range of float16
    assert not [name for name in arrays if "num_batches" in name]
    save_weights(tmp_path / "w.safetensors", arrays, "tiny", CARD)

    other = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    load_weights(tmp_path / "w.safetensors").into(other)
    for name, value in net.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], value, rtol=1e-3 if half else 0, atol=1e-4 if half else 0)
    assert other[0].weight.dtype == torch.float32


@pytest.mark.parametrize(
    ("arrays", "architecture", "part", "said"),
    [
        (lambda a: a, "squeezenet1-1", "head", "no part 'head', only backbone; take another file"),
        (lambda a: a | {"backbone.2.bias": np.zeros(4)}, "squeezenet1-1", "backbone",
         "these are weights of squeezenet1-1, and the model is tiny; take a file of tiny"),
        (lambda a: {k: v for k, v in a.items() if "bias" not in k}, "tiny", "backbone",
         "backbone.0.bias is nothing here and (4,) in the model tiny; the file is of another version of it"),
        (lambda a: a | {"backbone.0.bias": np.zeros(5)}, "tiny", "backbone",
         "backbone.0.bias is (5,) here and (4,) in the model tiny"),
    ],
    ids=["no such part", "another architecture", "a name is missing", "another shape"],
)  # fmt: skip
def test_weights_that_do_not_fit(net, arrays, architecture, part, said):
    before = {name: value.clone() for name, value in net.state_dict().items()}
    weights = Weights(architecture, arrays(arrays_of(net, "backbone")), CARD, "w.safetensors")
    with pytest.raises(KizuError) as error:
        weights.into(net, part)
    assert str(error.value).startswith("w.safetensors: ")
    assert said in str(error.value)
    for name, value in net.state_dict().items():
        assert (value == before[name]).all()
