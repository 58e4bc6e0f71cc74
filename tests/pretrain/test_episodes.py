"""Episodes: what they are made of, that a step is a function of seed and number, and that they can be learned."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from kizu.core.dataset import Dataset  # noqa: E402
from kizu.core.errors import KizuError  # noqa: E402
from kizu.models.nets.backbone import Backbone, Normalise  # noqa: E402
from kizu.pretrain.material import from_dataset, from_preset  # noqa: E402
from kizu.pretrain.nets.episodes import QUERIES, SUPPORT, Episodes  # noqa: E402
from kizu.pretrain.recipe import recipe  # noqa: E402
from kizu.synth.formula import presets  # noqa: E402

PRESET = {"scene.kinds": {"surface": 1}, "scene.clean": 0.1, "defects.kinds": [1, 1], "defects.strength": [2, 3]}


class Tiny(Backbone):
    """Four small maps, the finest of which sees a few pixels around each cell."""

    def __init__(self):
        super().__init__((8, 8, 8, 8), Normalise("picture"))
        self.first = torch.nn.Conv2d(3, 8, 8, 4, 2)
        self.rest = torch.nn.ModuleList(torch.nn.Conv2d(8, 8, 3, 2, 1) for _ in range(3))

    def maps(self, x):
        out = [torch.relu(self.first(x))]
        for layer in self.rest:
            out.append(torch.relu(layer(out[-1])))
        return out


def episodes(batch=14, seed=0, **changes):
    preset = presets.load("lines").override(PRESET | changes)
    torch.manual_seed(0)
    return Episodes(from_preset(preset, 96, seed, 14), Tiny(), recipe("t").changed(batch=batch, side=64), seed)


def test_what_a_batch_is():
    task = episodes()
    batch = task.batch(0)
    pictures = SUPPORT + QUERIES
    assert batch["images"].shape == (2, pictures, 3, 64, 64)
    assert batch["images"].dtype == torch.uint8
    assert batch["wanted"].shape == batch["other"].shape == (2, pictures, 16, 16)
    assert batch["classes"].shape == (2, pictures, len(task.material.names), 16, 16)
    assert (batch["ground"] >= 0).all()
    for e in range(2):
        # The class is one of the defects, and it is on the support and on the queries, unless a view missed it.
        there = (batch["classes"][e] == batch["wanted"][e][:, None]).flatten(2).all(2).all(0)
        assert any(bool(there[k]) for k in task.material.defects)
    assert batch["wanted"][:, :SUPPORT].max() > 0


def test_a_step_is_a_function_of_seed_and_number():
    first, second, other = (episodes(seed=seed).batch(3) for seed in (5, 5, 6))
    assert all(torch.equal(first[name], second[name]) for name in ("images", "wanted", "other", "classes", "ground"))
    assert not torch.equal(first["images"], other["images"])


def test_two_processes_see_different_products():
    one, two = episodes(), episodes()
    two.rank, one.world, two.world = 1, 2, 2
    alone = episodes()
    assert not torch.equal(one.batch(0)["images"], two.batch(0)["images"])
    assert torch.equal(two.batch(0)["images"], alone.batch(1)["images"])


def test_it_learns_and_answers():
    task = episodes()
    batch = task.batch(0)
    optimiser = torch.optim.Adam(task.model.parameters(), 1e-2)
    losses = []
    for _ in range(25):
        torch.manual_seed(0)
        terms = task.loss(task.model, batch)
        assert set(terms) == {"episode", "kinds", "ground", "contrast"}
        optimiser.zero_grad()
        sum(terms.values()).backward()
        optimiser.step()
        losses.append(float(terms["episode"].detach()))
    assert losses[-1] < 0.8 * losses[0]
    with torch.no_grad():
        figures = task.validate(task.model.eval())
        page = task.picture(task.model)
    assert 0 < figures["score"] <= 1
    assert page.dtype == np.uint8
    assert page.shape[2] == 3


def test_from_shards_the_products_are_those_of_the_pictures(tmp_path):
    from kizu.synth.engine import write
    from kizu.synth.formula.source import Formula

    preset = presets.load("lines").override(PRESET)
    source = Formula(preset, 48, (96, 96), 1)
    write(source, tmp_path / "lines", workers=1, info=source.dataset().info)
    material = from_dataset(tmp_path / "lines", 0, 8)
    data = Dataset.open(tmp_path / "lines")
    assert {data.names[k] for k in material.defects} >= {"scratch", "crack"}
    assert not {data.names[k] for k in material.defects} & {"dust", "gear"}
    for place in range(6):
        numbers = material.product(material.train, place, np.random.default_rng(0))
        assert len({material.train[i].meta["product"] for i in numbers}) == 1
        assert len(numbers) >= 6  # of eight, but for those that are held out
    task = Episodes(material, Tiny(), recipe("t").changed(batch=7, side=64), 0)
    assert task.batch(0)["images"].shape[0] == 1


def test_pictures_of_as_many_products_are_told():
    preset = presets.load("industrial")
    task = Episodes(from_preset(preset, 96, 0, 8), Tiny(), recipe("t").changed(batch=7, side=64), 0)
    with pytest.raises(KizuError, match="each picture shows another product; take --preset lines"):
        task.batch(0)


def test_products_without_defects_are_told():
    with pytest.raises(KizuError, match="20 products in a row make no episode"):
        episodes(**{"scene.clean": 1.0}).batch(0)
