"""Figures from histograms against scikit-learn and a brute-force reference."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from kizu.core.errors import DataError
from kizu.evaluation import histogram


def half(values):
    return np.asarray(values, np.float16).astype(np.float32)


CASES = {
    "spread": lambda random: half(random.random(3000)),
    "near zero": lambda random: half(random.random(3000) ** 12),
    "near one": lambda random: half(1 - random.random(3000) ** 12),
    "ties": lambda random: half(random.integers(0, 5, 3000) / 4),
    "constant": lambda random: half(np.full(3000, 0.5)),
}


@pytest.mark.parametrize("case", CASES)
def test_like_scikit_learn(case):
    random = np.random.default_rng(3)
    scores = CASES[case](random)
    truth = random.random(3000) < np.clip(scores, 0.05, 0.8)
    positive, negative = np.zeros((2, histogram.BINS), np.int64)
    for part in np.array_split(np.arange(3000), 7):  # image by image
        bins = histogram.to_bins(scores[part].reshape(1, -1), "x")
        histogram.tally(bins, truth[part].reshape(1, -1), None, positive, negative)
    assert histogram.average_precision(positive, negative) == pytest.approx(average_precision_score(truth, scores))
    assert histogram.auroc(positive, negative) == pytest.approx(roc_auc_score(truth, scores))


def test_single_precision_to_binning():
    random = np.random.default_rng(4)
    scores = random.random(50_000).astype(np.float32)
    truth = random.random(50_000) < scores
    positive, negative = np.zeros((2, histogram.BINS), np.int64)
    histogram.tally(histogram.to_bins(scores, "x"), truth, None, positive, negative)
    assert histogram.average_precision(positive, negative) == pytest.approx(
        average_precision_score(truth, scores), abs=1e-3
    )


def test_ignored_pixels_count_nowhere():
    positive, negative = np.zeros((2, histogram.BINS), np.int64)
    bins = histogram.to_bins(np.full((2, 2), 0.5), "x")
    histogram.tally(bins, np.eye(2, dtype=bool), np.array([[True, False], [True, False]]), positive, negative)
    assert (positive.sum(), negative.sum(), positive[histogram.HALF]) == (1, 1, 1)


@pytest.mark.parametrize(
    ("scores", "fine"),
    [
        ([0.0, 1.0], True),
        ([-0.0], True),
        ([1.01], False),
        ([-0.01], False),
        ([np.nan], False),
        ([np.inf], False),
    ],
)
def test_range_of_scores(scores, fine):
    if fine:
        assert histogram.bin_values()[histogram.to_bins(np.array(scores), "x")].tolist() == scores
    else:
        with pytest.raises(DataError, match=r"part7\.png"):
            histogram.to_bins(np.array(scores), "the score map of part7.png")


def brute_aupro(maps, regions, limit):
    """Bergmann et al.: over all thresholds, mean overlap of the regions against the false-positive rate."""
    clean = [
        ~np.logical_or.reduce([r for i, r in regions if i == k] or [np.zeros_like(m, bool)]) for k, m in enumerate(maps)
    ]
    x, y = [0.0], [0.0]
    for threshold in sorted({float(v) for m in maps for v in m.ravel()}, reverse=True):
        x.append(sum((m >= threshold)[c].sum() for m, c in zip(maps, clean, strict=True)) / sum(c.sum() for c in clean))
        y.append(np.mean([(maps[i] >= threshold)[r].mean() for i, r in regions]))
    fine = np.linspace(0, limit, 200_001)
    x = np.array(x) + 1e-12 * np.arange(len(x))  # vertical pieces stay in the curve
    return np.mean(np.interp(fine, x, y))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_aupro_like_brute_force(seed):
    random = np.random.default_rng(seed)
    maps = [half(random.integers(0, 60, (16, 20)) / 60) for _ in range(3)]
    regions = []
    for k, (y, x) in [(0, (1, 2)), (0, (9, 10)), (1, (4, 4))]:
        mask = np.zeros((16, 20), bool)
        mask[y : y + 3 + k, x : x + 4] = True
        maps[k][mask] = half((maps[k][mask] + 0.7 * random.random(mask.sum())).clip(0, 1))
        regions.append((k, mask))
    negative, overlap = np.zeros(histogram.BINS, np.int64), np.zeros(histogram.BINS)
    for k, scores in enumerate(maps):
        bins = histogram.to_bins(scores, "x")
        inside = np.logical_or.reduce([r for i, r in regions if i == k] or [np.zeros_like(scores, bool)])
        histogram.tally(bins, inside, None, np.zeros(histogram.BINS, np.int64), negative)
        for i, region in regions:
            if i == k:
                overlap += np.bincount(bins[region], minlength=histogram.BINS) / region.sum()
    assert histogram.aupro(overlap, 3, negative) == pytest.approx(brute_aupro(maps, regions, 0.3), abs=1e-4)


def test_perfect_and_missing():
    ones, zeros = np.zeros((2, histogram.BINS), np.int64)
    ones[-1] = zeros[0] = 10
    nothing = np.zeros_like(ones)
    assert histogram.aupro(ones / 10, 1, zeros) == 1.0
    assert (histogram.average_precision(ones, zeros), histogram.auroc(ones, zeros)) == (1.0, 1.0)
    assert histogram.average_precision(nothing, zeros) is None
    assert histogram.auroc(ones, nothing) is None and histogram.auroc(nothing, zeros) is None
    assert histogram.aupro(nothing, 0, zeros) is None
    assert histogram.precision_recall(nothing, zeros)["recall"] == []


def test_curve_is_short_and_holds_the_threshold():
    random = np.random.default_rng(5)
    scores = half(random.random(20_000))
    scores[0] = 0.5
    truth = random.random(20_000) < scores
    positive, negative = np.zeros((2, histogram.BINS), np.int64)
    histogram.tally(histogram.to_bins(scores, "x"), truth, None, positive, negative)
    curve = histogram.precision_recall(positive, negative)
    assert len(curve["score"]) <= 200 and 0.5 in curve["score"]
    assert curve["recall"] == sorted(curve["recall"]) and curve["recall"][-1] == 1
    assert curve["score"] == sorted(curve["score"], reverse=True)
    at = curve["score"].index(0.5)
    assert curve["precision"][at] == pytest.approx(truth[scores >= 0.5].mean(), abs=1e-6)
    assert curve["recall"][at] == pytest.approx((truth & (scores >= 0.5)).sum() / truth.sum(), abs=1e-6)
