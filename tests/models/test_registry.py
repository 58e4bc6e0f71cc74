"""Models by name: what is there, what is like it, and what a wrong name or a missing library says."""

import subprocess
import sys

import pytest

from kizu.core.errors import KizuError
from kizu.models import registry
from kizu.models.registry import build_backbone, build_detector, entry, names, register

BACKBONES = {"kizu-s", "squeezenet1-1", "resnet18", "resnet50"}
DETECTORS = {
    "kizu-dense", "mask-rcnn", "faster-rcnn", "fcos", "retinanet", "d-fine", "rt-detrv2", "mask2former",
}  # fmt: skip


def test_kinds_and_names():
    assert set(names("backbone")) >= BACKBONES
    assert set(names("detector")) == DETECTORS
    assert names() == names("backbone") + names("detector")
    assert names("backbone")[0] == "kizu-s"


@pytest.mark.parametrize("name", names())
def test_every_entry_is_whole(name):
    item = entry(name)
    assert item.name == name == name.lower().replace("_", "-")
    assert item.kind in ("backbone", "detector")
    assert item.title and item.licence and item.origin
    assert item.extra in ("train", "vfm")
    assert not any(word in item.licence for word in ("GPL", "NC", "non-commercial"))
    assert item.build.__name__.replace("_", "-") == name


@pytest.mark.parametrize("name", ["kizu_s", "kizu-s", "squeezenet1_1", "mask_rcnn", "mobilenetv3-large-100"])
def test_hyphens_and_underscores_are_alike(name):
    assert entry(name).name == name.replace("_", "-")


def test_masks_are_told():
    assert {name for name in names("detector") if entry(name).masks} == {"kizu-dense", "mask-rcnn", "mask2former"}


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: entry("kizus"), "no model is called 'kizus'; nearest: kizu-s"),
        (lambda: entry("retina-net"), "nearest: retinanet"),
        (lambda: entry("%"), "all of them: kizu models"),
        (lambda: build_backbone("fcos"), "fcos is a detector, not a backbone; backbones: kizu-s"),
        (lambda: build_detector("kizu-s", 2), "kizu-s is a backbone, not a detector; detectors: kizu-dense"),
    ],
    ids=["near", "another spelling", "nothing near", "detector as backbone", "backbone as detector"],
)
def test_wrong_names(call, said):
    with pytest.raises(KizuError) as error:
        call()
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_two_models_of_one_name():
    def kizu_s():
        pass

    before = names()
    with pytest.raises(ValueError, match="two models are called kizu-s"):
        register(kind="backbone", title="t", licence="l", origin="o")(kizu_s)
    assert names() == before


def test_no_class_is_no_detector():
    pytest.importorskip("torch")
    with pytest.raises(KizuError, match="at least one class"):
        build_detector("fcos", 0)


MISSING = """
import importlib.abc, sys
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {libraries!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
from kizu.core.errors import KizuError
from kizu.models import registry
print([registry.entry(name).installed for name in ("kizu-s", "d-fine")])
try:
    registry.{call}
except KizuError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("libraries", "call", "installed", "said"),
    [
        (("torch",), "build_backbone('kizu-s')", [False, False], "pip install 'kizu[train]'"),
        (("torch", "timm"), "build_backbone('timm:resnet18')", [False, False], "pip install 'kizu[train]'"),
        (("torch",), "build_detector('d-fine', 2)", [False, False], "pip install 'kizu[vfm]'"),
        (("transformers",), "build_detector('d-fine', 2)", [True, False], "'transformers' is not installed"),
    ],
    ids=["no torch", "no timm", "detector without torch", "no transformers"],
)
def test_what_is_missing_is_named(libraries, call, installed, said):
    if installed[0]:
        pytest.importorskip("torch")
        pytest.importorskip("timm")
    code = MISSING.format(libraries=libraries, call=call)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    there, error = done.stdout.splitlines()
    assert there == str(installed)
    assert said in error


def test_a_name_of_timm_is_an_entry():
    item = entry("timm:regnetx_002")
    assert (item.name, item.kind, item.extra) == ("timm:regnetx_002", "backbone", "train")
    assert "timm:regnetx_002" not in names()


def test_the_module_knows_its_name():
    pytest.importorskip("torch")
    assert build_backbone("squeezenet1_1").architecture == "squeezenet1-1"
    assert registry.build_backbone("timm:resnet10t").architecture == "timm:resnet10t"
