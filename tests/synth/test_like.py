"""Fitting a preset: the lists that a data set asks for, and that the rounds make up for what a painter distorts."""

import numpy as np
import pytest
from synth_sets import NAMES, dataset, picture

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError
from kizu.core.instances import Instances
from kizu.core.run import Skips
from kizu.core.sample import Sample
from kizu.synth.appearance import appearance
from kizu.synth.formula import chance
from kizu.synth.formula.presets import Preset
from kizu.synth.knobs import Knobs
from kizu.synth.like import fit, steps
from kizu.synth.statistics import measure

MATCH = ("sizes", "counts", "aspects", "contrasts", "brightness", "noise", "colour", "texture")


def preset(**match):
    values = {"scene": {"clean": 0.5, "colour": 0.5}, "label": {"parts": True}, "match": {knob: [] for knob in MATCH}}
    values["match"] |= match
    return Preset("toy", "a toy", "none", values)


def toy(given, count, size, seed):
    """A painter that does what the preset asks for, but with a fault in each: too small, too dark, too noisy ..."""
    match, scene = given.values["match"], given.values["scene"]

    def take(knob, plain, rng):
        return chance.quantile(match[knob], rng) if match[knob] else plain

    samples = []
    for k in range(count):
        rng = np.random.default_rng([seed, k])
        weights = match["counts"] or [0, 1]
        clean = rng.uniform() < scene["clean"]
        many = 0 if clean else int(rng.choice(np.arange(1, len(weights)), p=np.array(weights[1:]) / sum(weights[1:])))
        sizes = [0.7 * take("sizes", 8.0, rng) for _ in range(many)]
        level, noise = 0.8 * take("brightness", 60.0, rng), 1.5 * take("noise", 1.0, rng)
        tint = np.ones(3)
        if match["colour"]:
            colours = match["colour"][int(rng.integers(len(match["colour"])))]
            tint = np.array(colours) / np.mean(colours) * [1.1, 1.0, 0.9]
        image, found = picture(rng, size, level, noise, sizes, 0.6 * noise * take("contrasts", 4.0, rng), tint)
        samples.append(Sample(f"{k}", image, found))
    return Dataset(samples, NAMES)


def users(count=60, **options):
    """A user's pictures, each a little different."""
    samples = []
    for k in range(count):
        rng = np.random.default_rng([9, k])
        own = {"level": rng.uniform(90, 150), "noise": rng.uniform(2, 4), "step": rng.uniform(12, 30)} | options
        sizes = rng.uniform(6, 26, rng.integers(0, 4))
        samples.append(Sample(f"{k}", *picture(rng, (96, 128), sizes=sizes, **own)))
    return Dataset(samples, NAMES)


def test_what_is_asked_for_first():
    data = users(80)
    found = measure(data)
    knobs = Knobs.of(found, preset())
    areas = np.concatenate([s.instances.masks.area for s in data])
    shares = np.linspace(0, 1, 21)
    inner = slice(2, 19)
    np.testing.assert_allclose(knobs.lists["sizes"][inner], np.quantile(np.sqrt(areas), shares)[inner], rtol=0.12)
    light = [appearance(s.image) for s in data]
    for knob, name in (("brightness", "brightness"), ("noise", "noise"), ("texture", "texture_fine")):
        true = np.quantile([look[name] for look in light], shares)
        np.testing.assert_allclose(knobs.lists[knob][inner], true[inner], rtol=0.12, atol=0.1)
    counts = np.bincount([len(s.instances) for s in data]) / len(data)
    assert knobs.counts == pytest.approx(counts.tolist())
    assert knobs.clean == pytest.approx(counts[0])
    assert knobs.colour == [] and set(knobs.names) == set(MATCH) - {"colour"}
    changes = knobs.overrides(preset(), scale=2.0)
    assert changes["match.sizes"] == pytest.approx([2 * v for v in knobs.lists["sizes"]], abs=1e-3)
    assert changes["match.noise"] == pytest.approx(knobs.lists["noise"], abs=1e-4)
    assert changes["scene.colour"] == 0 and changes["label.parts"] is False


def test_few_different_counts_are_no_range():
    one = Knobs.of(measure(dataset(6, sizes=(9,))), preset())
    assert one.counts == pytest.approx([1 / 3, 2 / 3, 0])
    assert preset().override(one.overrides(preset())).values["match"]["counts"] == pytest.approx(one.counts, abs=1e-4)


def test_rounds_bring_made_pictures_nearer():
    data = users()
    fitted, report = fit(data, preset(), count=60, rounds=3, draw=toy)
    assert len(report.rounds) == 4 and min(report.rounds) < 0.6 * report.rounds[0]
    for knob in ("sizes", "brightness", "noise", "contrasts"):
        before, after = report.distances[knob]
        assert after < 0.5 * before, knob
    assert report.size == (96, 128)
    assert fitted.values["match"]["sizes"] == report.overrides["match.sizes"]
    assert np.median(fitted.values["match"]["brightness"]) == pytest.approx(120 / 0.8, rel=0.08)
    assert np.median(fitted.values["match"]["noise"]) == pytest.approx(3 / 1.5, rel=0.15)
    again = measure(toy(fitted, 60, report.size, 5))
    assert again.mean("brightness") == pytest.approx(report.target.mean("brightness"), rel=0.08)
    assert again.clean / again.images == pytest.approx(report.target.clean / report.target.images, abs=0.15)
    record = report.record()
    assert record["distances"]["noise"] == dict(zip(("before", "after"), report.distances["noise"], strict=True))


def test_colours():
    data = users(30, tint=(1.15, 1.0, 0.7))
    fitted, report = fit(data, preset(), count=30, rounds=2, draw=toy)
    assert fitted.values["scene"]["colour"] == 1
    made = toy(fitted, 20, (96, 128), 3)
    for sets in (made, data):
        mean = np.mean([s.image.reshape(-1, 3).mean(0) for s in sets], 0)
        assert mean / mean.mean() == pytest.approx(np.array([1.15, 1.0, 0.7]) / 0.95, rel=0.06)
    assert report.distances["colour"][1] < report.distances["colour"][0]


@pytest.mark.parametrize("labelled", [True, False])
def test_clean_pictures_give_surface_and_light_only(labelled):
    data = dataset(9, sizes=(), labelled=labelled)
    fitted, report = fit(data, preset(), count=20, rounds=1, draw=toy)
    assert set(report.knobs) == {"brightness", "noise", "texture"}
    assert fitted.values["match"]["sizes"] == [] and fitted.values["scene"]["clean"] == 0.5
    assert fitted.values["label"]["parts"] is True
    assert any("no labelled instances" in note for note in report.notes)


def test_a_knob_that_does_harm_is_left_alone():
    def contrary(given, count, size, seed):
        """Where noise is asked for, it is worse than without."""
        asked = given.values["match"]["noise"]
        return toy(given.override({"match.noise": [40.0] * 21 if asked else [2.0] * 21}), count, size, seed)

    fitted, report = fit(users(), preset(), count=40, rounds=2, draw=contrary)
    assert fitted.values["match"]["noise"] == []
    assert report.distances["noise"][1] < 3


def test_large_pictures_are_tried_small():
    rng = np.random.default_rng(0)
    large = [Sample(f"{k}", *picture(rng, (640, 700), 120, 3, (60, 60))) for k in range(4)]
    sizes = []

    def small(given, count, size, seed):
        sizes.append((size, given.values["match"]["sizes"]))
        return toy(given, count, size, seed)

    fitted, report = fit(Dataset(large, NAMES), preset(), count=5, rounds=0, draw=small)
    assert report.size == (640, 700) and sizes[1][0] == (320, 350)
    assert np.median(sizes[1][1]) == pytest.approx(30, rel=0.2)
    assert np.median(fitted.values["match"]["sizes"]) == pytest.approx(60, rel=0.2)


def test_steps_and_what_cannot_be_read():
    data = users(12)
    broken = Dataset([*data, Sample("x", b"junk", Instances.empty((96, 128)), size=(96, 128))], NAMES)
    seen, skips = [], Skips()
    fit(broken, preset(), count=4, rounds=1, skips=skips, step=lambda: seen.append(1), draw=toy)
    assert len(seen) == steps(broken, count=4, rounds=1) and len(skips.items) == 1
    with pytest.raises(DataError):
        fit(broken, preset(), count=4, rounds=1, draw=toy)


@pytest.mark.parametrize(
    "data, given, message",
    [
        (Dataset([], NAMES), preset(), "no picture"),
        (Dataset([Sample("x", b"junk")], NAMES), preset(), "no picture"),
        (dataset(2), Preset("flat", "", "none", {"scene": {}}), "industrial"),
    ],
)
def test_errors(data, given, message):
    with pytest.raises(KizuError, match=message):
        fit(data, given, draw=toy)
