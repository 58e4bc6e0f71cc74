"""``kizu models``: what is listed, what it says of size and speed, and that it needs no torch."""

import json
import subprocess
import sys

import pytest

import kizu
from kizu.models import registry, speed, store
from kizu.models.store import arrays_of, save_weights

BASE = """
import importlib.abc, json, sys
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "torchvision", "timm", "transformers"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
import kizu
listed = kizu.list_models()
print(listed)
print(json.dumps(listed.models))
"""


def test_python_and_the_command_line_have_one_verb(run):
    assert kizu.list_models.__module__ == "kizu.verbs.list_models"
    code, out, _ = run("models", "--help")
    assert code == 0
    assert "List backbones and detectors" in " ".join(out.split())


def test_parameters_are_counted(run):
    torch = pytest.importorskip("torch")
    pytest.importorskip("timm")
    from torchvision.models import squeezenet1_1

    listed = kizu.list_models(["squeezenet1_1", "timm:regnetx_002", "fcos"])
    counts = {record["name"]: record["parameters"] for record in listed.models}
    assert counts["squeezenet1-1"] == sum(p.numel() for p in squeezenet1_1(weights=None).features.parameters())
    backbone = sum(p.numel() for p in registry.build_backbone("kizu-s").parameters())
    assert counts["fcos"] > backbone
    assert [record["milliseconds"] for record in listed.models] == [None] * 3
    assert torch.is_grad_enabled()


def test_a_table_of_some(run):
    pytest.importorskip("torch")
    pytest.importorskip("timm")
    code, out, _ = run("models", "kizu-s", "timm:regnetx_002", "--speed", "--size", 64)
    assert code == 0
    assert "ms at 64 px" in " ".join(out.split())
    assert out.splitlines()[-1].startswith("2 models.")
    listed = kizu.list_models(["kizu-s", "timm:regnetx_002"], speed=True, size=64)
    assert all(record["milliseconds"] > 0 for record in listed.models)


@pytest.mark.parametrize("kind", ["backbone", "detector"])
def test_one_kind(kind, monkeypatch):
    monkeypatch.setattr(speed, "parameters", lambda name: None)
    assert [record["name"] for record in kizu.list_models(kind=kind).models] == registry.names(kind)


def test_wrong_names_and_sizes(refused):
    assert "no model is called 'kizu-z'; nearest: kizu-s" in refused("models", "kizu-z")
    assert "a picture of at least 32 pixels" in refused("models", "kizu-s", "--speed", "--size", 8)


def test_the_base_install_lists_them_all():
    done = subprocess.run([sys.executable, "-c", BASE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "needs torch" in done.stdout
    line, records = done.stdout.splitlines()[-2:]
    assert line.endswith("pip install 'kizu[train,vfm]'.")
    records = {record["name"]: record for record in json.loads(records)}
    assert list(records) == registry.names()
    shipped = {name for name in records if name in store.shipped()}
    assert {name for name, record in records.items() if record["parameters"]} == shipped
    assert not any(record["installed"] for record in records.values())


def test_the_count_of_a_file_is_that_of_the_network(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    from kizu.core.card import Card

    net = registry.build_backbone("kizu-s")
    save_weights(tmp_path / "kizu-s.safetensors", arrays_of(net, "backbone"), "kizu-s", Card("weights"))
    monkeypatch.setattr(store, "SHIPPED", tmp_path)
    counted = speed.parameters("kizu-s")
    monkeypatch.setattr(registry, "_installed", lambda library: False)
    assert speed.parameters("kizu-s") == counted == sum(p.numel() for p in net.parameters())
    assert speed.parameters("resnet18") is None
