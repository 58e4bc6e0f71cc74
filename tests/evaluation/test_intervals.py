"""Intervals against closed forms, scikit-learn and coverage in simulation."""

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from kizu.evaluation.anomaly import image_auroc
from kizu.evaluation.intervals import Bootstrap, wilson


@pytest.mark.parametrize(("found", "count"), [(0, 10), (10, 10), (3, 17), (1, 200), (5, 5)])
def test_wilson_like_scipy(found, count):
    reference = binomtest(found, count).proportion_ci(method="wilson")
    assert wilson(found, count) == pytest.approx((reference.low, reference.high), abs=1e-9)
    low, high = wilson(found, count)
    assert (low == 0.0) == (found == 0) and (high == 1.0) == (found == count)  # not 1e-15


def mean(sums):
    return sums[:, 0:1] / sums[:, 1:2]


def pairs(values):
    return np.stack([values, np.ones_like(values)], axis=1)


def test_mean_like_the_normal_interval():
    values = np.random.default_rng(0).normal(5, 2, 400)
    low, high = Bootstrap([""] * 400, 4000).of_sums(pairs(values), mean)[0]
    error = values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - 1.96 * error, values.mean() + 1.96 * error), abs=0.1 * error)


def test_groups_widen_and_seed_repeats():
    random = np.random.default_rng(1)
    values = np.repeat(random.normal(0, 1, 40), 10)
    groups = [str(i // 10) for i in range(400)]
    alone, grouped = Bootstrap([""] * 400), Bootstrap(groups)
    width = [np.diff(item.of_sums(pairs(values), mean)[0])[0] for item in (alone, grouped)]
    assert grouped.groups == 40 and width[1] == pytest.approx(width[0] * np.sqrt(10), rel=0.15)
    assert Bootstrap(groups).of_sums(pairs(values), mean) == grouped.of_sums(pairs(values), mean)
    assert Bootstrap(groups, seed=1).of_sums(pairs(values), mean) != grouped.of_sums(pairs(values), mean)


def test_auroc_weights_repeat_images():
    random = np.random.default_rng(2)
    positive = random.random(60) < 0.4
    scores = np.round(positive * 0.3 + random.random(60), 1)
    used = random.random(60) < 0.9
    assert image_auroc(scores, positive) == pytest.approx(roc_auc_score(positive, scores))
    bootstrap = Bootstrap([""] * 60, 300)
    draws = []
    for weights in bootstrap.weights():
        for row in weights:
            chosen = np.repeat(np.arange(60), row.astype(int))
            chosen = chosen[used[chosen]]
            draws.append(roc_auc_score(positive[chosen], scores[chosen]))
    assert bootstrap.auroc(scores, positive, used) == pytest.approx(tuple(np.percentile(draws, [2.5, 97.5])))


@pytest.mark.parametrize(
    ("groups", "resamples"), [([""], 100), (["a", "a", "a"], 100), (["", "", ""], 0)], ids=["one", "one group", "none"]
)
def test_no_interval(groups, resamples):
    sums = pairs(np.arange(float(len(groups))))
    assert Bootstrap(groups, resamples).of_sums(sums, mean) == [(None, None)]


def test_rate_of_none_counts_groups_not_images():
    hits, used = np.zeros(40, bool), np.ones(40, bool)
    assert Bootstrap([""] * 40).rate(hits, used) == pytest.approx(wilson(0, 40))
    assert Bootstrap([str(i // 4) for i in range(40)]).rate(hits, used) == pytest.approx(wilson(0, 10))


def test_rate_covers_under_clustering():
    """Groups of five equal images with a rate of 0.3: the 95 % interval holds it in about 95 % of the experiments."""
    random = np.random.default_rng(3)
    groups = [str(i // 5) for i in range(300)]
    inside = 0
    for _ in range(300):
        low, high = Bootstrap(groups).rate(np.repeat(random.random(60) < 0.3, 5), np.ones(300, bool))
        inside += low <= 0.3 <= high
    assert 0.91 <= inside / 300 <= 0.99
