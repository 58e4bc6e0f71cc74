"""What is of no class but unlike all that is good: found, silent on good pictures, and never where a class fires."""

import cv2
import numpy as np
import pytest
from fewshot_scenes import supported, surface
from hypothesis import given, settings
from hypothesis import strategies as st

import kizu
from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError
from kizu.core.inspector import Inspector
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.evaluation.evaluate import evaluate
from kizu.fewshot.correct import Corrections
from kizu.fewshot.fit import fit_fewshot
from kizu.fewshot.matching import unlike
from kizu.fewshot.mix import Mix
from kizu.fewshot.unknown import RIM, Unknown, Usual
from kizu.inspection.regions import Rule


def scratched(seed, spots=(), label=1, name=None):
    """A surface with discs, and a bright scratch across its lower half."""
    sample = surface(seed, spots, name=name)
    canvas = np.zeros(sample.size, np.uint8)
    cv2.line(canvas, (12 + seed % 5, 48), (66, 54), 1, 3)
    image = sample.image.copy()
    image[canvas > 0] = 235
    found = Instances.concat([sample.instances, Instances([label], masks=Masks.from_dense(canvas[None] > 0))])
    return sample.replace(image=image, instances=found)


GOOD = [surface(i) for i in range(100, 110)]
DISCS = [surface(i, [(14, 14 + 22 * i)]) for i in range(3)]
SCRATCHES = [scratched(i) for i in range(20, 22)]


@pytest.fixture(scope="module")
def discs():
    """(inspector, expected) that knows discs alone."""
    return fit_fewshot(supported(Dataset(DISCS + GOOD, ["disc"])), 0.2, unknown=True)


@pytest.fixture(scope="module")
def both():
    """(inspector, expected) that knows discs and scratches."""
    return fit_fewshot(supported(Dataset(DISCS + SCRATCHES + GOOD, ["disc", "scratch"])), 0.3, unknown=True)


def test_what_was_never_labelled_is_found_as_unknown(discs):
    inspector, _ = discs
    assert inspector.names == ("disc", "unknown")
    for seed in (30, 31):
        sample = scratched(seed, [(16, 40)])
        found, maps = inspector.inspect(sample.image)
        assert maps.shape == (2, 64, 80)
        disc, scratch = (sample.instances[sample.instances.labels == k].masks.union() for k in (0, 1))
        assert (found[found.labels == 0].masks.union() & disc).sum() > 0.6 * disc.sum()
        assert (found[found.labels == 1].masks.union() & scratch).sum() > 0.6 * scratch.sum()
        near = (
            cv2.dilate(sample.instances.masks.union().view(np.uint8), np.ones((21, 21), np.uint8)) > 0
        )  # outlines of what is unknown are rough
        assert not (found.masks.union() & ~near).any()
        for k in (0, 1):
            assert np.array_equal(maps[k] >= 0.5, found[found.labels == k].masks.union())


def test_good_pictures_stay_silent(discs):
    fired = [len(discs[0].inspect(surface(seed).image)[0]) > 0 for seed in range(200, 220)]
    assert sum(fired) <= 6  # 0.2 of 20 and two standard deviations
    assert discs[1][-1].promised and discs[1][-1].clean == 10 and discs[1][-1].false_alarms <= 0.2


def test_classes_are_found_as_without_it(discs):
    """The classes' members and mixtures are the same; their share of false alarms is smaller."""
    plain, _ = fit_fewshot(supported(Dataset(DISCS + GOOD, ["disc"])), 0.2)
    inspector, _ = discs
    assert inspector.mixes == plain.mixes
    arrays, settings = plain.state()
    assert all(np.array_equal(arrays[key], value) for key, value in inspector.state()[0].items())
    assert "unknown" not in settings and "unknown" not in plain.card.to_json()
    assert inspector.rules[0].pixel == plain.rules[0].pixel
    assert inspector.rules[0].region >= plain.rules[0].region


def test_what_is_expected(discs, both):
    """Two classes play unknown for each other; one class has nobody to play for."""
    (alone, first), (pair, second) = discs, both
    assert (first[-1].iou, first[-1].escapes) == (None, None)
    assert any("unknown cannot be told: that takes a second class" in note for note in alone.card.notes)
    assert second[-1].escapes <= 0.5 and second[-1].iou > 0.1
    (note,) = [note for note in pair.card.notes if note.startswith("Fitted without each class")]
    assert "disc on " in note and " of 3" in note and " of 2 pictures" in note
    for inspector, expected in (discs, both):
        card = inspector.card
        assert card.classes[-1] == "unknown" == list(card.thresholds)[-1]
        assert card.figures["unknown"]["clean"] == expected[-1].clean == 10
        assert "unknown" in card.threshold_method and "unknown" in card.architecture


def test_saved_and_loaded(both, tmp_path):
    inspector, _ = both
    inspector.save(tmp_path / "m.kizu")
    loaded = Inspector.load(tmp_path / "m.kizu")
    assert (loaded.unknown, loaded.card) == (inspector.unknown, inspector.card)
    image = scratched(40, [(20, 30)]).image
    (a, first), (b, second) = inspector.inspect(image, 0.1), loaded.inspect(image, 0.1)
    assert np.array_equal(first, second) and a.masks == b.masks and np.array_equal(a.labels, b.labels)
    loaded.save(tmp_path / "again.kizu")
    assert (tmp_path / "again.kizu").read_bytes() == (tmp_path / "m.kizu").read_bytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda s: s["mix"].update(weights=[1.0]),
        lambda s: s["usual"]["mean"].pop(),
        lambda s: s["usual"].pop("spread"),
        lambda s: s["rule"].pop("core"),
    ],
    ids=["weights", "parts", "spread", "rule"],
)
def test_damaged_settings(both, damage):
    inspector, _ = both
    arrays, state = inspector.state()
    lists = {key: [list(row) for row in rows] for key, rows in state["unknown"]["usual"].items()}
    parts = {"usual": lists, "mix": dict(state["unknown"]["mix"]), "rule": dict(state["unknown"]["rule"])}
    damage(parts)
    with pytest.raises((KizuError, LookupError, TypeError)):
        type(inspector).from_state(arrays, state | {"unknown": parts}, inspector.card)


def test_without_good_pictures():
    inspector, expected = fit_fewshot(supported(Dataset(DISCS + SCRATCHES, ["disc", "scratch"])), 0.3, unknown=True)
    assert (expected[-1].false_alarms, expected[-1].clean, expected[-1].promised) == (None, 0, False)
    assert any("the ground of the labelled pictures set the alarm" in note for note in inspector.card.notes)
    assert any("Uncalibrated" in note for note in inspector.card.notes)
    fired = [len(inspector.inspect(surface(seed).image)[0]) > 0 for seed in range(200, 210)]
    assert sum(fired) <= 5
    with pytest.raises(KizuError, match=r"--unknown needs ground .* --clean, or label a picture more"):
        fit_fewshot(supported(Dataset(DISCS[:1], ["disc"])), unknown=True)


def test_a_class_of_that_name():
    support = supported(Dataset([DISCS[0].replace(), *GOOD], ["unknown"]))
    with pytest.raises(KizuError, match="a class of yours has that name; rename it"):
        fit_fewshot(support, unknown=True)


def test_updates_and_corrections(tmp_path):
    small = [surface(i, [(12, 12 + 6 * i)], (32, 40)) for i in range(3)]
    Dataset([*small[:2], surface(100, (), (32, 40)), surface(101, (), (32, 40))], ["disc"]).write(
        tmp_path / "line", "coco"
    )
    Dataset(small[2:], ["disc"]).write(tmp_path / "more", "coco")
    done = kizu.fit(tmp_path / "line", unknown=True, out=tmp_path / "m.kizu")
    assert str(done).startswith("fitted disc, unknown from 2 labelled")
    updated = kizu.fit(tmp_path / "more", update=tmp_path / "m.kizu", out=tmp_path / "m.kizu").inspector
    assert updated.unknown is not None and updated.memory.options["unknown"] is True
    plain = kizu.fit(update=tmp_path / "m.kizu", unknown=False, out=tmp_path / "m.kizu").inspector
    assert (plain.unknown, plain.names) == (None, ("disc",))
    assert "unknown" not in plain.memory.options

    corrections = Corrections(updated, [scratched(50, name="new.png")])
    assert corrections.odds("new.png").shape == (1, 64, 80)
    assert set(corrections.inspect("new.png")[0].labels.tolist()) <= {0}
    with pytest.raises(KizuError, match="unknown class 'unknown'; there are: disc"):
        corrections.stroke("new.png", [(20, 50)], "unknown")
    corrections.stroke("new.png", [(20, 20)], None)
    assert corrections.commit().unknown is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"matcher": "gfds"}, "--unknown belongs to --matcher kizu"),
        ({"matcher": "sam2"}, "--unknown belongs to --matcher kizu"),
        ({"mode": "detector"}, "--unknown belongs to --mode fewshot"),
    ],
    ids=str,
)
def test_who_does_not_know_of_it(options, message, tmp_path):
    with pytest.raises(KizuError, match=message):
        kizu.fit(tmp_path, unknown=True, out=tmp_path / "m.kizu", **options)


def test_evaluated_as_what_the_model_does_not_know(discs):
    inspector, _ = discs
    truth = Dataset([scratched(60, [(16, 30)]), surface(61, [(16, 50)]), surface(62)], ["disc", "scratch"])
    card = {"card": {"data": []}}
    found = [s.replace(instances=inspector.inspect(s.image)[0], labelled=True) for s in truth]
    result = evaluate(Dataset(found, inspector.names, card), truth, resamples=0)
    assert result.figure("segmentation", "IoU", "unknown").value > 0.15
    assert result.figure("image", "escape rate", "unknown").value == 0
    assert "classes that the predictions do not have count as unknown: scratch" in result.notes


# --- the parts ---


def test_unlike_is_the_distance_of_mahalanobis(random):
    cells = [random.normal(size=(4, 5, 3)).astype(np.float32), random.normal(size=(4, 5, 12)).astype(np.float32)]
    wanted = np.stack([np.sqrt((part.astype(np.float64) ** 2).mean(-1)) for part in cells], axis=-1)
    assert unlike(*cells) == pytest.approx(wanted, abs=1e-5)


def spreads(beyond):
    """The inverse of 4 ln(1 + s), with its sign."""
    return np.sign(beyond) * np.expm1(np.abs(beyond) / 4)


def test_what_is_usual_at_the_rim(random):
    """Beyond what is usual is a standard score, at each distance from the rim by itself."""
    shape = (2 * RIM + 9, 2 * RIM + 12)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    away = np.minimum.reduce([rows, columns, shape[0] - 1 - rows, shape[1] - 1 - columns]).clip(0, RIM)
    maps = [
        np.stack([3 - away / 20 + random.normal(size=shape) * (1 + away / 9), random.normal(7, 0.1, shape)])
        for _ in range(6)
    ]
    defect = np.zeros(shape, bool)
    defect[20:30, 20:30] = True
    maps[0][:, defect] = 100
    usual = Usual.of([(own, ~defect if k == 0 else np.ones(shape, bool)) for k, own in enumerate(maps)])
    for own in maps[1:]:
        beyond = spreads(usual.beyond(own.astype(np.float32)))
        for d in (0, 5, RIM):
            assert np.abs(beyond[:, away == d].mean(1)).max() < 0.4
            assert beyond[:, away == d].std(1) == pytest.approx(1, abs=0.3)
    small = Usual.of([(np.ones((2, 3, 3)), np.ones((3, 3), bool))])  # it is too small to say what is further inside
    assert spreads(small.beyond(np.full((2, 70, 70), 2, np.float32))) == pytest.approx(100, rel=1e-3)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.05, 0.5, 0.9]), st.booleans())
def test_a_class_that_fires_is_never_unknown(seed, min_score, fires):
    random = np.random.default_rng(seed)
    cells = cv2.resize(random.normal(0, 2, (2, 3, 4)).astype(np.float32).transpose(1, 2, 0), (40, 30))
    usual = Usual(((0.0,) * (RIM + 1),) * 2, ((1.0,) * (RIM + 1),) * 2)
    unknown = Unknown(usual, Mix((0.5, 0.5), 0.0), Rule(0.5, 1.0, 5, 5))
    mask = np.zeros((1, 60, 80), bool)
    mask[0, 10:30, 20:50] = True
    found = Instances([0], masks=Masks.from_dense(mask), scores=np.array([0.8 if fires else 0.3], np.float32))
    layer = np.where(mask, found.scores[0], np.float32(0.1))
    out, maps = unknown.beside(found, layer, cells.transpose(2, 0, 1), min_score)
    assert maps.shape == (2, 60, 80) and np.array_equal(maps[:1], layer)
    assert (out.scores >= min_score).all() and (np.diff(out.scores) <= 0).all()
    assert out.masks.area.sum() == (out.masks.union().sum() if len(out) else 0), "no pixel is of two"
    firing = out[(out.labels == 1) & (out.scores >= 0.5)]
    if min_score == 0.5:
        assert np.array_equal(maps[1] >= 0.5, firing.masks.union() if len(firing) else np.zeros((60, 80), bool))
    if fires and len(firing):
        apart = cv2.distanceTransform((~mask[0]).astype(np.uint8), cv2.DIST_C, 3)
        assert apart[firing.masks.union()].min() > 16
    if not fires and min_score == 0.05:
        alone, _ = unknown.beside(found[:0], layer, cells.transpose(2, 0, 1), min_score)
        assert out[out.scores >= 0.5].masks == alone[alone.scores >= 0.5].masks, "a candidate gives way"
