"""Training with composed pictures: what a step sees, and when it cannot be."""

import pytest
from detector_scenes import chosen, dataset, product

pytest.importorskip("torch")
pytest.importorskip("torchvision")

import torch

import kizu
from kizu.core.card import Card
from kizu.core.errors import KizuError
from kizu.detector.nets.task import DetectorTask
from kizu.detector.settings import settings_for
from kizu.models.registry import build_backbone, build_detector

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def task(share, seed=0, epochs=20):
    pictures = chosen(dataset(product(16, "train"), product(8, "val", 100)))
    settings = settings_for(
        pictures.train, model="kizu-dense", backbone="kizu-s", weights="none", size=64, epochs=epochs, minutes=None,
        turns=True, seed=seed, composed=share,
    )  # fmt: skip
    torch.manual_seed(0)
    module = build_detector("kizu-dense", 2, build_backbone("kizu-s"), 64)
    return DetectorTask(module, pictures, settings, Card("detector", classes=["disc", "bar"]))


def test_a_step_is_a_function_of_its_number():
    one, other = task(0.5), task(0.5)
    other.batch(4)
    for step in (0, 3):
        a, b = one.batch(step), other.batch(step)
        assert torch.equal(a["images"], b["images"])
        assert all(torch.equal(a["targets"][name], b["targets"][name]) for name in a["targets"])


class Counted:
    """A composition that notes which of its pictures are asked for."""

    def __init__(self, inner):
        self.inner, self.asked = inner, []

    def __getitem__(self, i):
        self.asked.append(i)
        return self.inner[i]


def test_about_the_share_that_was_asked_for_is_composed():
    assert task(0.0)._composed is None
    for share, least, most in ((0.5, 0.25, 0.75), (1.0, 1.0, 1.0)):
        made = task(share)
        made._composed = Counted(made._composed)
        for step in range(4):
            made.batch(step)
        count = 4 * made.settings.batch
        assert least * count <= len(made._composed.asked) <= most * count


def test_the_last_part_of_the_training_is_real():
    made = task(1.0, epochs=5)
    made._composed = Counted(made._composed)
    until = made.settings.composed_until
    assert until == 0.6 * 5 * 16
    for step in range(made.settings.steps(16)):
        made.batch(step)
    assert sorted(made._composed.asked) == list(range(until))


def test_labels_are_those_of_the_classes_to_find():
    made = task(1.0)
    names = made._composed.names
    assert names[:2] == ("disc", "bar")
    for place in range(12):
        sample = made._composed[place]
        assert all(label < 2 for label in sample.instances.labels)
        assert sample.split == "train"
        assert all(group.endswith(".png") and int(group[:-4]) < 16 for group in sample.meta["lineage"]), "none of val"


def test_boxes_cannot_be_composed_of(tmp_path):
    dataset(product(12, "train", masks=False), product(8, "val", 100, masks=False)).write(tmp_path / "data", "coco")
    with pytest.raises(KizuError, match="some labels are boxes without masks"):
        kizu.fit(
            tmp_path / "data", mode="detector", model="fcos", augment="compose", epochs=1, size=64,
            out=tmp_path / "m.kizu",
        )  # fmt: skip
