"""One image's truth, prediction and scores as rasters, a layer a class and a last one for any defect."""

from __future__ import annotations

import numpy as np

from kizu.core.instances import Instances
from kizu.evaluation.boundary import COUNTS, outline_counts
from kizu.evaluation.histogram import to_bins
from kizu.evaluation.pairs import Pair

Layers = list[np.ndarray | None]  # one (H, W) array a class and a last one for any; None = nothing there


class Pixels:
    """Rasters of one image, made once for all pixel figures.

    Attributes:
        truth: bool layers, ignored regions excluded.
        ignored: bool layers, pixels of crowd regions of the class.
        predicted: bool layers of the instances at or above the threshold, ignored regions excluded; None where the
            prediction has boxes alone.
        size: pixels of the image.
    """

    def __init__(self, pair: Pair, classes: int):
        self.size = pair.size[0] * pair.size[1]
        self.ignored = _layers(pair.truth, pair.crowd, classes)
        self.truth = [
            _without(*both) for both in zip(_layers(pair.truth, ~pair.crowd, classes), self.ignored, strict=True)
        ]
        self.predicted = None
        if pair.predicted.masks is not None or not len(pair.predicted):
            layers = _layers(pair.predicted, pair.fired, classes)
            self.predicted = [_without(*both) for both in zip(layers, self.ignored, strict=True)]

    def confusion(self) -> np.ndarray:
        """Pixels of each layer, int64 (classes + 1, 4): true positive, false positive, false negative, the rest."""
        out = np.zeros((len(self.truth), 4), np.int64)
        for k, (truth, predicted) in enumerate(zip(self.truth, self.predicted, strict=True)):
            right = _count(truth), _count(predicted)
            hit = 0 if truth is None or predicted is None else _count(truth & predicted)
            out[k] = hit, right[1] - hit, right[0] - hit, 0
            out[k, 3] = self.size - _count(self.ignored[k]) - out[k].sum()
        return out

    def outlines(self) -> np.ndarray:
        """Pixels of the outlines of each layer, int64 (classes + 1, 4); see :func:`outline_counts`."""
        out = np.zeros((len(self.truth), COUNTS), np.int64)
        layers = list(zip(self.predicted, self.truth, self.ignored, strict=True))
        for k, layer in enumerate(layers):
            # Where one class is all there is, its layers are those of any defect, too.
            same = [j for j in range(k) if all(a is b for a, b in zip(layers[j], layer, strict=True))]
            out[k] = out[same[0]] if same else outline_counts(*layer)
        return out


def scores(pair: Pair, classes: int) -> tuple[Layers, bool]:
    """Score bins (see :mod:`kizu.evaluation.histogram`), uint16, of each class and of any defect; None = all zero.

    Returns:
        the layers, and whether they come from a score map; else the instances' scores are painted into their masks.
        The layers of the classes are missing (an empty list but for the last) where one map serves several classes.
    """
    if pair.score_map is not None:
        bins = to_bins(pair.score_map, f"the score map of {pair.id}")
        if len(bins) == classes:
            return [*bins, bins.max(axis=0) if classes > 1 else bins[0]], True
        return [bins[0]], True
    layers: Layers = [None] * (classes + 1)
    found = pair.predicted
    values = to_bins(found.scores, f"the instances of {pair.id}")
    for i in np.argsort(values, kind="stable"):
        crop, (x, y) = found.masks.crop(i)
        for k in (int(found.labels[i]), classes):
            if layers[k] is None:
                layers[k] = np.zeros(pair.size, np.uint16)
            layers[k][y : y + crop.shape[0], x : x + crop.shape[1]][crop] = values[i]
    return layers, False


def _layers(instances: Instances, chosen: np.ndarray, classes: int) -> Layers:
    out: Layers = [None] * (classes + 1)
    if not chosen.any():
        return out
    for label in np.unique(instances.labels[chosen]):
        out[label] = instances.masks[chosen & (instances.labels == label)].union()
    found = [layer for layer in out if layer is not None]
    out[-1] = found[0] if len(found) == 1 else np.logical_or.reduce(found)
    return out


def _without(layer: np.ndarray | None, ignored: np.ndarray | None) -> np.ndarray | None:
    return layer if layer is None or ignored is None else layer & ~ignored


def _count(layer: np.ndarray | None) -> int:
    return 0 if layer is None else int(np.count_nonzero(layer))
