"""The scorer's arrays decide as scikit-learn's own models do, whatever classes are there."""

import numpy as np
import pytest
import sklearn.ensemble
import sklearn.linear_model

from kizu.core.errors import KizuError
from kizu.core.seeds import Stream, generator
from kizu.fewshot import scorer as module
from kizu.fewshot.linear import LIMIT
from kizu.fewshot.scorer import Scorer, _flatten, _vote


def rows_of(labels, width=12, seed=0):
    """Rows whose means differ by class, overlapping enough that shares lie between 0 and 1."""
    random = np.random.default_rng(seed)
    middle = random.normal(size=(labels.max() + 1, width))
    return (middle[labels] + random.normal(size=(len(labels), width))).astype(np.float32)


def labels_of(values, count=600, seed=1):
    return np.random.default_rng(seed).choice(values, count)


def trees_of(forest):
    """The trees of a forest of scikit-learn, which knows the classes and gives each tree their places."""
    for tree in forest.estimators_:
        tree.classes_ = forest.classes_
    return forest.estimators_


PRESENT = {"one class": (0, 1), "two": (0, 1, 2), "four": (0, 1, 2, 3, 4), "one absent": (0, 2), "no ground": (1, 2)}


@pytest.mark.parametrize(("values", "first"), [(v, f) for v in PRESENT.values() for f in (0, 5)], ids=str)
def test_forest_arrays_vote_as_scikit_learn(values, first):
    labels = labels_of(values)
    rows = rows_of(labels, 17)
    forest = sklearn.ensemble.ExtraTreesClassifier(7, min_samples_leaf=3, random_state=0)
    forest.fit(rows[:, first:], labels, np.random.default_rng(2).uniform(0.2, 3, len(labels)))
    arrays = _flatten(trees_of(forest), 5, first)
    new = rows_of(labels_of(values, 1100, 5), 17, 4)
    out = np.zeros((len(new), 5), np.float32)
    _vote(new, *(arrays[name] for name in ("feature", "threshold", "left", "right", "value", "root")), out)
    expected = np.zeros((len(new), 5))
    expected[:, forest.classes_] = forest.predict_proba(new[:, first:])
    assert np.abs(out - expected).max() < 1e-6


def test_values_on_the_threshold_take_the_same_branch():
    labels = np.repeat([0, 1], 50)
    rows = np.repeat([[0.1], [0.3]], 50, axis=0).astype(np.float32)
    forest = sklearn.ensemble.ExtraTreesClassifier(30, random_state=0).fit(rows, labels)
    arrays = _flatten(trees_of(forest), 2, 0)
    near = arrays["threshold"][arrays["left"] >= 0]
    new = np.concatenate([near, np.nextafter(near, np.float32(1)), np.nextafter(near, np.float32(0))])[:, None]
    out = np.zeros((len(new), 2), np.float32)
    _vote(new, *(arrays[name] for name in ("feature", "threshold", "left", "right", "value", "root")), out)
    assert np.abs(out - forest.predict_proba(new)).max() < 1e-6


@pytest.fixture
def linear_models(monkeypatch):
    """The logistic regressions of scikit-learn that the scorer fits, in order."""
    made = []

    class Linear(sklearn.linear_model.LogisticRegression):
        def fit(self, *arguments):
            made.append(self)
            return super().fit(*arguments)

    monkeypatch.setattr(sklearn.linear_model, "LogisticRegression", Linear)
    return made


def log_odds(model, rows, classes, low):
    share = np.zeros((len(rows), classes + 1))
    share[:, model.classes_] = model.predict_proba(rows)
    share = np.clip(share, low, 1 - low)
    return np.log(share / (1 - share))[:, 1:]


@pytest.mark.parametrize(
    ("values", "classes"), [((0, 1), 1), ((0, 1, 2), 2), ((0, 1, 2, 3), 3), ((0, 1, 2, 3, 4), 4), ((0, 2), 2)], ids=str
)
def test_members_are_those_of_scikit_learn(values, classes, linear_models):
    labels = labels_of(values)
    rows = rows_of(labels)
    weights = np.random.default_rng(3).uniform(0.5, 1.5, len(labels))
    fitted = Scorer.fit(rows, labels, weights / weights.mean(), classes, 6, 0)
    drawn = labels_of(values, 40_000, 9)
    new = rows_of(drawn, seed=8) * 2  # several chunks; some beyond what was seen
    odds = fitted.score(new)
    assert odds.shape == (len(new), 3, classes)
    assert odds.dtype == np.float32
    assert np.isfinite(odds).all()
    (linear,), draws = linear_models, generator(0, Stream.SCORER, 1).integers(2**31, size=2)
    full, own = (
        sklearn.ensemble.ExtraTreesClassifier(6, min_samples_leaf=5, random_state=int(seed)).fit(
            rows[:, first:], labels, weights / weights.mean()
        )
        for seed, first in zip(draws, (0, 6), strict=True)
    )
    mean, scale = (fitted.arrays[name].astype(np.float64) for name in ("mean", "scale"))
    standard = np.clip((new - mean) / scale, -module._CLIP, module._CLIP)
    limit = LIMIT
    expected = np.clip(log_odds(linear, standard, classes, 1e-6), -limit, limit)
    present = [value - 1 for value in values if value]
    assert np.abs(odds[:, 0] - expected)[:, present].max() < 0.02
    assert np.abs(odds[:, 1] - log_odds(full, new, classes, module._FOREST_FLOOR)).max() < 1e-4
    assert np.abs(odds[:, 2] - log_odds(own, new[:, 6:], classes, module._FOREST_FLOOR)).max() < 1e-4


def test_standardisation_is_weighted():
    labels = labels_of((0, 1), 400)
    rows = rows_of(labels)
    weights = np.where(labels == 1, 3.0, 0.5)
    arrays = Scorer.fit(rows, labels, weights / weights.mean(), 1, 2, 0).arrays
    again = np.repeat(rows, np.where(labels == 1, 6, 1), axis=0)
    assert np.allclose(arrays["mean"], again.mean(0), atol=1e-4)
    assert np.allclose(arrays["scale"], again.std(0), atol=1e-4)


def test_an_absent_class_never_fires():
    labels = labels_of((0, 2))
    rows = rows_of(labels)
    odds = Scorer.fit(rows, labels, np.ones(len(labels)), 3, 4, 0).score(rows)
    assert odds[:, :, [0, 2]].max() < -4
    assert odds[labels == 2, :, 1].mean() > 1


@pytest.mark.parametrize("value", [0, 1, 2])
def test_one_label_alone(value):
    """A fold may lose all of a class, or all of the ground."""
    labels = np.full(60, value)
    rows = rows_of(labels)
    odds = Scorer.fit(rows, labels, np.ones(60), 2, 3, 0).score(rows)
    assert np.isfinite(odds).all()
    for k in range(2):
        assert (odds[:, :, k] > 3).all() if k + 1 == value else (odds[:, :, k] < -3).all()


def test_the_same_seed_gives_the_same_arrays():
    labels = labels_of((0, 1, 2))
    rows = rows_of(labels)
    first, again, other = (Scorer.fit(rows, labels, np.ones(len(rows)), 2, 5, seed).arrays for seed in (4, 4, 5))
    assert first.keys() == again.keys()
    for name, values in first.items():
        assert np.array_equal(values, again[name]), name
    assert not np.array_equal(first["all.threshold"], other["all.threshold"])
    assert not np.array_equal(first["all.threshold"][:20], first["own.threshold"][:20])


def test_scores_do_not_depend_on_the_company_of_a_row():
    labels = labels_of((0, 1, 2))
    rows = rows_of(labels)
    fitted = Scorer.fit(rows, labels, np.ones(len(rows)), 2, 5, 0)
    alone = fitted.score(rows)
    assert np.array_equal(fitted.score(np.tile(rows, (60, 1)))[-600:], alone)
    assert np.array_equal(fitted.score(rows[5:6])[0], alone[5])


def node(name, place, value):
    def damage(arrays):
        arrays[name] = arrays[name].copy()
        arrays[name][place] = value

    return damage


BROKEN = {
    "a child beyond the end": node("all.left", 0, 10**6),
    "a walk in circles": node("own.right", 0, 0),
    "a feature that is not there": node("all.feature", 0, 12),
    "a negative feature": node("all.feature", 0, -1),
    "a root beyond the end": node("own.root", 0, 10**6),
    "a threshold that is no number": node("own.threshold", 0, np.nan),
    "an endless weight": node("weight", 0, np.inf),
}


@pytest.mark.parametrize("damage", BROKEN.values(), ids=list(BROKEN))
def test_damaged_arrays_are_refused(damage):
    labels = labels_of((0, 1))
    arrays = dict(Scorer.fit(rows_of(labels), labels, np.ones(len(labels)), 1, 2, 0).arrays)
    Scorer(dict(arrays))
    damage(arrays)
    with pytest.raises(KizuError, match="contradict each other"):
        Scorer(arrays)
