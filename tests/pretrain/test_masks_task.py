"""The task "masks" and what it is made of: material, recipe, objectives."""

import itertools

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError
from kizu.core.instances import Instances
from kizu.core.masks import Masks as Shapes
from kizu.core.sample import Sample
from kizu.models.nets.backbone import Backbone, Normalise
from kizu.models.store import load_weights
from kizu.pretrain.material import Material, from_dataset, from_preset
from kizu.pretrain.nets import objectives
from kizu.pretrain.nets.masks import Masks
from kizu.pretrain.nets.mixed import Mixed
from kizu.pretrain.order import Order
from kizu.pretrain.recipe import RECIPES, recipe
from kizu.synth.formula.presets import load

SMALL = recipe("t").changed(side=64, batch=2)


class Tiny(Backbone):
    """Four convolutions: a backbone that tests can afford."""

    def __init__(self):
        super().__init__((8, 8, 8, 8), Normalise("picture"))
        self.architecture = "tiny"
        self.first = torch.nn.Conv2d(3, 8, 4, 4)
        self.next = torch.nn.ModuleList(torch.nn.Conv2d(8, 8, 2, 2) for _ in range(3))

    def maps(self, normalised):
        out = [self.first(normalised)]
        for step in self.next:
            out.append(step(out[-1].relu()))
        return out


def disc_sample(number, labelled=True, boxes=False):
    random = np.random.default_rng(number)
    image = random.normal(100, 10, (80, 90, 1)).repeat(3, 2)
    y, x = random.integers(20, 60, 2)
    rows, columns = np.mgrid[:80, :90]
    mask = (rows - y) ** 2 + (columns - x) ** 2 <= 150
    image[mask] += 70
    found = Instances([0], boxes=[[1, 1, 5, 5]]) if boxes else Instances([0], masks=Shapes.from_dense(mask[None]))
    return Sample(f"{number}.png", image.clip(0, 255).astype(np.uint8), found, labelled=labelled)


def discs(count=12, bad=()):
    """A material of pictures with a disc each; those of ``bad`` are not labelled, or have boxes alone."""
    samples = [disc_sample(i, labelled=i not in bad or i % 2, boxes=i in bad and i % 2 == 1) for i in range(count)]
    held = [disc_sample(1000 + i) for i in range(4)]
    return Material(("disc",), samples, Order(count, 0), held, {}, {"name": "discs", "licence": "Apache-2.0"})


def test_a_batch_is_a_function_of_seed_step_and_place():
    first, again = (Masks(discs(), Tiny(), SMALL, 5) for _ in range(2))
    again.batch(7)
    for step in (0, 3):
        one, two = first.batch(step), again.batch(step)
        assert all(torch.equal(one[name], two[name]) for name in one)
    assert one["images"].shape == (2, 3, 64, 64) and one["images"].dtype == torch.uint8
    assert one["classes"].shape == (2, 1, 16, 16)
    again.rank, again.world = 1, 2
    assert not torch.equal(again.batch(3)["images"], one["images"])
    other = Masks(discs(), Tiny(), SMALL, 6)
    assert not torch.equal(other.batch(3)["images"], one["images"])


def test_what_cannot_be_used_is_replaced_and_told():
    task = Masks(discs(bad=(3, 4)), Tiny(), SMALL, 0)
    told = [item for step in range(6) for item in task.batch(step).get("skipped", ())]
    assert {item["item"] for item in told} == {"sample 3", "sample 4"}
    assert any("not labelled" in item["reason"] for item in told)
    assert any("boxes only" in item["reason"] for item in told)
    with pytest.raises(KizuError, match=r"20 samples in a row cannot be used, the first: .*0\.png: not labelled"):
        Masks(discs(count=1, bad=(0,)), Tiny(), SMALL, 0).batch(0)


def test_it_learns_and_its_figures_say_so():
    torch.manual_seed(0)
    torch.set_num_threads(1)
    task = Masks(discs(), Tiny(), SMALL.changed(batch=6), 0)
    with torch.no_grad():
        before = task.validate(task.model.eval())
    optimiser = torch.optim.Adam(task.model.train().parameters(), 5e-3)
    for step in range(40):
        optimiser.zero_grad()
        sum(task.loss(task.model, task.batch(step)).values()).backward()
        optimiser.step()
    with torch.no_grad():
        after = task.validate(task.model.eval())
        picture = task.picture(task.model)
    assert after["score"] > max(0.8, before["score"])
    assert after["any"] == pytest.approx(after["score"]), "there is one class alone"
    assert after["miou"] > 0.5
    assert picture.dtype == np.uint8 and picture.shape[2] == 3


def test_perfect_and_hopeless_figures():
    task = Masks(discs(), Tiny(), SMALL, 0)

    class Oracle(torch.nn.Module):
        def __init__(self, right):
            super().__init__()
            self.right, self.weight = right, torch.nn.Parameter(torch.zeros(1))

        def maps(self, images):
            truth = np.stack([item.maps["classes"] >= 128 for item in task.held])
            odds = torch.from_numpy(truth if self.right else ~truth).float()
            return odds, odds, torch.zeros(len(odds), 2, *odds.shape[2:])

    good, bad = task.validate(Oracle(True)), task.validate(Oracle(False))
    assert good == {"score": 1.0, "miou": 1.0, "any": 1.0}
    assert bad["miou"] == 0.0
    positive = np.mean([item.maps["classes"] >= 128 for item in task.held])
    assert bad["score"] == pytest.approx(positive, abs=1e-6)  # all cells are called before the right ones come


def test_pictures_of_the_generator_are_held_out():
    material = from_preset(load("rcdb"), 64, 3, 5)
    assert len(material.held) == 5 and material.order[12] == 12
    train = {material.train[i].image.tobytes() for i in range(5)}
    assert not train & {material.held[i].image.tobytes() for i in range(5)}
    assert material.data["licence"] == "Apache-2.0"


@pytest.mark.parametrize(
    ("splits", "train", "held"),
    [
        (["train"] * 6 + ["val"] * 2 + ["test"] * 4, 6, 2),
        (["train"] * 8 + ["test"] * 4, 7, 1),
        ([""] * 12, 11, 1),
    ],
)
def test_splits_of_a_data_set(tmp_path, splits, train, held):
    samples = [disc_sample(i) for i in range(12)]
    for sample, split in zip(samples, splits, strict=True):
        sample.split = split
    Dataset(samples, ["disc"]).write(tmp_path / "set", "shards")
    material = from_dataset(tmp_path / "set", 0, 100)
    assert (len(material.train), len(material.held)) == (train, held)
    ids = [[part[i].id for i in range(len(part))] for part in (material.train, material.held)]
    assert not set(ids[0]) & set(ids[1])
    assert not any(splits[int(name.removesuffix(".png"))] == "test" for part in ids for name in part)


@pytest.mark.parametrize(
    ("names", "samples", "told"),
    [
        ([], [Sample("a", np.zeros((40, 40, 3), np.uint8))] * 1, "it has no classes"),
        (["disc"], [disc_sample(i, boxes=True) for i in range(3)], "boxes only, and masks are learned from"),
        (["disc"], [disc_sample(0)], "at least 2 are needed"),
        (["disc"], [Sample(f"{i}", np.zeros((40, 40, 3), np.uint8)) for i in range(3)], "no instance on any picture"),
    ],
)
def test_data_that_nothing_can_be_learned_from(tmp_path, names, samples, told):
    Dataset(samples, names).write(tmp_path / "set", "shards")
    with pytest.raises(KizuError, match=told):
        from_dataset(tmp_path / "set", 0, 10)


def test_the_dial():
    sizes = list(RECIPES.values())
    for small, large in itertools.pairwise(sizes):
        assert (small.side, small.samples) < (large.side, large.samples)
    base = recipe("s")
    assert base.changed() == base
    assert base.changed(batch=4 * base.batch).lr == pytest.approx(2 * base.lr)
    assert base.changed(batch=4 * base.batch, lr=0.5).lr == 0.5
    assert base.changed(side=96).drawn == 128


@pytest.mark.parametrize(
    ("change", "told"), [({"side": 50}, "multiple of 32"), ({"batch": 0}, "above 0"), ({"lr": 0.0}, "above 0")]
)
def test_a_dial_turned_too_far(change, told):
    with pytest.raises(KizuError, match=told):
        recipe("s").changed(**change)


def test_several_objectives_share_a_backbone(tmp_path, monkeypatch):
    def second(*arguments):
        task = Masks(*arguments)
        task.name = "again"
        return task

    monkeypatch.setitem(objectives.OBJECTIVES, "again", second)
    task = objectives.task_of("masks,again=0.5", discs(), Tiny(), SMALL, 0)
    assert isinstance(task, Mixed) and task.name == "masks + again"
    assert task.model["masks"].backbone is task.model["again"].backbone
    batch = task.batch(0)
    terms = task.loss(task.model, batch)
    alone = objectives.OBJECTIVES["masks"](discs(), Tiny(), SMALL, 0).loss(task.model["again"], batch["again"])
    for name, value in alone.items():
        assert terms[f"again {name}"].item() == pytest.approx(0.5 * value.item(), rel=1e-4)
    with torch.no_grad():
        figures = task.validate(task.model.eval())
        page = task.picture(task.model)
    assert figures["score"] == pytest.approx((figures["masks score"] + 0.5 * figures["again score"]) / 1.5)
    assert page.shape[0] > page.shape[1]
    task.save(task.model, tmp_path / "w.safetensors", task.card())
    weights = load_weights(tmp_path / "w.safetensors")
    assert {name.partition(".")[0] for name in weights.arrays} == {"backbone", "pyramid", "head", "readout"}
    assert weights.architecture == "tiny"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("mask", "no objective 'mask'; there are masks"),
        ("masks,masks", "stands twice"),
        ("masks=0", "above 0"),
        ("masks=a", "above 0"),
        ("", "no objective"),
    ],
)
def test_objectives_that_are_none(text, told):
    with pytest.raises(KizuError, match=told):
        objectives.parse(text)
