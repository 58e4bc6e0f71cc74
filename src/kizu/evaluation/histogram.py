"""Ranking figures from score histograms: constant memory over any number of pixels.

One bin is one half-precision number of 0..1. Score maps are stored in half precision, so for predictions read from
disk the figures are exact; scores held in memory are rounded to 11 significant bits first, and so give the same.
"""

from __future__ import annotations

import numpy as np

from kizu.core.errors import DataError
from kizu.core.jit import jit

BINS = 0x3C00 + 1  # half-precision numbers from 0 to 1, both included; their bit patterns ascend with their values
HALF = 0x3800  # the bin of 0.5


def to_bins(scores: np.ndarray, where: str) -> np.ndarray:
    """Bin of each score, uint16 of the same shape.

    Args:
        scores: numbers in 0..1.
        where: what the scores belong to, for the message.

    Raises:
        DataError: a score is not a number or outside of 0..1.
    """
    bins = np.ascontiguousarray(scores).astype(np.float16).view(np.uint16)
    if bins.size and bins.max() >= BINS:
        bins[bins == 0x8000] = 0  # minus zero
        if bins.max() >= BINS:
            raise DataError(f"{where}: scores are numbers from 0 to 1, and there are others; scale them first")
    return bins


def bin_values() -> np.ndarray:
    """Score of each bin, float64 (BINS,)."""
    return np.arange(BINS, dtype=np.uint16).view(np.float16).astype(np.float64)


@jit
def _tally(bins: np.ndarray, truth: np.ndarray, ignored: np.ndarray, positive: np.ndarray, negative: np.ndarray):
    for i in range(bins.size):
        if ignored.size and ignored[i]:
            continue
        if truth.size and truth[i]:
            positive[bins[i]] += 1
        else:
            negative[bins[i]] += 1


_NONE = np.zeros(0, bool)


def tally(
    bins: np.ndarray, truth: np.ndarray | None, ignored: np.ndarray | None, positive: np.ndarray, negative: np.ndarray
) -> None:
    """Add the pixels of one image to the histograms ``positive`` and ``negative``, int64 (BINS,), in place.

    Args:
        bins: uint16 (H, W).
        truth, ignored: bool (H, W), or None where no pixel is.
    """
    flat = [_NONE if mask is None else np.ascontiguousarray(mask).ravel() for mask in (truth, ignored)]
    _tally(bins.ravel(), *flat, positive, negative)


def average_precision(positive: np.ndarray, negative: np.ndarray) -> float | None:
    """Sum over thresholds of (rise of recall) x precision, as scikit-learn's; None without positives."""
    hits = np.cumsum(positive[::-1], dtype=np.float64)
    total = hits[-1]
    if total == 0:
        return None
    called = hits + np.cumsum(negative[::-1], dtype=np.float64)
    return float(np.sum(positive[::-1] * np.divide(hits, called, out=np.zeros_like(hits), where=called > 0)) / total)


def auroc(positive: np.ndarray, negative: np.ndarray) -> float | None:
    """Area under the ROC curve, ties counting half; None unless there are positives and negatives."""
    hits = np.cumsum(positive[::-1], dtype=np.float64)
    false = negative[::-1].astype(np.float64)
    if hits[-1] == 0 or false.sum() == 0:
        return None
    return float(np.sum(false * (hits - positive[::-1] / 2)) / hits[-1] / false.sum())


def aupro(overlap: np.ndarray, regions: int, negative: np.ndarray, limit: float = 0.3) -> float | None:
    """Area under the per-region-overlap curve up to a false-positive rate, scaled to 0..1 (Bergmann et al. 2020).

    Args:
        overlap: float64 (BINS,); each region adds the histogram of its pixels' scores divided by its area.
        regions: number of regions.
        negative: histogram of the pixels of no region.

    Returns:
        None without regions or without negatives.
    """
    total = negative.sum()
    if regions == 0 or total == 0:
        return None
    rate = np.concatenate([[0.0], np.cumsum(negative[::-1]) / total])
    covered = np.concatenate([[0.0], np.cumsum(overlap[::-1]) / regions])
    inside = rate <= limit
    x = np.append(rate[inside], limit)
    y = np.append(covered[inside], np.interp(limit, rate, covered))
    return float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2) / limit)


def precision_recall(positive: np.ndarray, negative: np.ndarray, points: int = 200) -> dict[str, list[float]]:
    """The precision-recall curve by falling score, thinned to ``points`` evenly spread over recall; 0.5 stays in.

    Returns:
        ``recall``, ``precision``, ``score`` (pixels at or above it are called defective); empty without positives.
    """
    hits = np.cumsum(positive[::-1], dtype=np.float64)
    called = hits + np.cumsum(negative[::-1], dtype=np.float64)
    kept = np.nonzero(np.diff(called, prepend=0.0) > 0)[0]
    if hits[-1] == 0:
        return {"recall": [], "precision": [], "score": []}
    recall = hits[kept] / hits[-1]
    if len(kept) > points:
        chosen = np.searchsorted(recall, np.linspace(0, 1, points - 3)).clip(0, len(kept) - 1)
        half = np.searchsorted(-bin_values()[::-1][kept], -0.5, side="right") - 1
        chosen = np.unique(np.concatenate([[0, max(half, 0), len(kept) - 1], chosen]))
        kept, recall = kept[chosen], recall[chosen]
    return {
        "recall": [round(float(v), 6) for v in recall],
        "precision": [round(float(v), 6) for v in hits[kept] / called[kept]],
        "score": [round(float(v), 6) for v in bin_values()[::-1][kept]],
    }
