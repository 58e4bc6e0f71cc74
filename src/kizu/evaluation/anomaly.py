"""Anomaly figures: pixel AP, pixel AUROC and AUPRO of the scores; image AUROC, false alarms and escapes.

AUPRO is the area under the per-region-overlap curve up to a false-positive rate of 0.3, scaled to 0..1 (Bergmann et
al., "The MVTec Anomaly Detection Dataset", IJCV 2021). A region is an 8-connected component of one truth instance.
"""

from __future__ import annotations

import cv2
import numpy as np

from kizu.evaluation import histogram
from kizu.evaluation.intervals import Bootstrap
from kizu.evaluation.pairs import Pair
from kizu.evaluation.pixels import Pixels, scores
from kizu.evaluation.result import Figure

PIXEL_FIGURES = ("pixel AP", "pixel AUROC", "AUPRO")
IMAGE_FIGURES = ("image AUROC", "false-alarm rate", "escape rate")
_POINTS = 200  # of a curve


class PixelScores:
    """Adds up score histograms, a fixed amount of memory for any number of images."""

    def __init__(self, names: tuple[str, ...]):
        self.names = names
        self.painted = 0  # images whose scores are those of the instances, for want of a score map
        self.images = 0
        self.skipped = 0  # images whose truth has boxes without masks; the caller counts them
        layers = len(names) + 1
        self._positive = np.zeros((layers, histogram.BINS), np.int64)
        self._negative = np.zeros((layers, histogram.BINS), np.int64)
        self._overlap = np.zeros((layers, histogram.BINS))
        self._regions = np.zeros(layers, np.int64)
        self._shared = False
        self._unscored = 0

    def add(self, pair: Pair, pixels: Pixels) -> None:
        """Take one image whose truth has masks."""
        classes = len(self.names)
        if pair.score_map is None and len(pair.predicted) and pair.predicted.masks is None:
            self._unscored += 1
            return
        layers, from_map = scores(pair, classes)
        self.images += 1
        self.painted += not from_map
        if len(layers) == 1 <= classes:
            self._shared = True
            layers = [None] * classes + layers
        for k, layer in enumerate(layers):
            truth, ignored = pixels.truth[k], pixels.ignored[k]
            if layer is None:
                inside = 0 if truth is None else int(truth.sum())
                self._positive[k, 0] += inside
                self._negative[k, 0] += pixels.size - inside - (0 if ignored is None else int(ignored.sum()))
            else:
                histogram.tally(layer, truth, ignored, self._positive[k], self._negative[k])
        for i in np.nonzero(~pair.crowd)[0]:
            self._add_regions(pair, i, layers)

    def _add_regions(self, pair: Pair, i: int, layers: list) -> None:
        crop, (x, y) = pair.truth.masks.crop(i)
        if not crop.size:
            return
        count, regions = cv2.connectedComponents(crop.view(np.uint8), connectivity=8)
        for k in (int(pair.truth.labels[i]), len(self.names)):
            self._regions[k] += count - 1
            if layers[k] is None:
                self._overlap[k, 0] += count - 1
                continue
            bins = layers[k][y : y + crop.shape[0], x : x + crop.shape[1]]
            for region in range(1, count):
                inside = bins[regions == region]
                self._overlap[k] += np.bincount(inside, minlength=histogram.BINS) / len(inside)

    def _reason(self, k: int) -> str:
        if self._unscored:
            return "the predictions have neither score maps nor masks"
        if self.skipped and not self._positive[-1].any():
            return "the truth has boxes without masks"
        if self._shared and k < len(self.names) and len(self.names) > 1:
            return "one score map serves all classes"
        if not self._positive[k].any():
            return f"no truth of {'this class' if k < len(self.names) else 'these classes'} in these images"
        return "no pixel without a defect"

    def figures(self) -> list[Figure]:
        """``pixel AP``, ``pixel AUROC``, ``AUPRO`` of any defect (class ""), then of each class."""
        out = []
        for k, name in [(len(self.names), ""), *enumerate(self.names)]:
            values = [None] * 3
            if not self._unscored and not (self._shared and name and len(self.names) > 1):
                values = [
                    histogram.average_precision(self._positive[k], self._negative[k]),
                    histogram.auroc(self._positive[k], self._negative[k]),
                    histogram.aupro(self._overlap[k], int(self._regions[k]), self._negative[k]),
                ]
            for title, value in zip(PIXEL_FIGURES, values, strict=True):
                out.append(Figure("pixel", title, name, value, "" if value is not None else self._reason(k)))
        return out

    def curves(self) -> dict[str, dict[str, list[float]]]:
        """Pixel precision and recall over the score, of each class that has any."""
        if self._unscored or (self._shared and len(self.names) > 1):
            return {}
        curves = {
            name: histogram.precision_recall(self._positive[k], self._negative[k], _POINTS)
            for k, name in enumerate(self.names)
        }
        return {name: curve for name, curve in curves.items() if curve["recall"]}


class ImageScores:
    """What each image holds, its score, and whether it fired: a few numbers an image.

    An image is positive if it holds an instance of the class, negative if it holds no instance at all; one that holds
    other classes alone is neither, for nobody can say whether an alarm there is false.
    """

    def __init__(self, names: tuple[str, ...]):
        self.names = names
        # by place in the truth: group, clean, (classes + 1, 3) numbers: holds, fired, score
        self._images: dict[int, tuple[str, bool, np.ndarray]] = {}

    def add(self, pair: Pair) -> tuple[float, str]:
        """Take one image.

        Returns:
            its score (of the score map, else of the best instance, else 0) and its outcome: ``hit``, ``escape``,
            ``false alarm``, ``clean``, or ``other`` where it holds only classes that are not evaluated.
        """
        classes = len(self.names)
        row = np.zeros((classes + 1, 3))
        row[pair.truth.labels, 0] = 1
        row[pair.predicted.labels[pair.fired], 1] = 1
        np.maximum.at(row[:, 2], pair.predicted.labels, pair.predicted.scores)
        row[-1] = row[:-1].max(axis=0, initial=0)
        if pair.score_map is not None:
            peaks = pair.score_map.reshape(len(pair.score_map), -1).max(axis=1, initial=0)
            row[-1, 2] = peaks.max()
            if len(peaks) == classes:
                row[:-1, 2] = peaks
        self._images[pair.index] = (pair.group, pair.clean, row)
        holds, fired, score = row[-1]
        outcome = ("hit" if fired else "escape") if holds else ("false alarm" if fired else "clean")
        return float(score), "other" if not holds and not pair.clean else outcome

    def figures(self, resamples: int = 1000, seed: int = 0) -> list[Figure]:
        """``image AUROC``, ``false-alarm rate``, ``escape rate`` of any defect (class ""), then of each class."""
        groups, clean, rows = self._table()
        bootstrap = Bootstrap(groups, resamples, seed)
        out = []
        for k, name in [(len(self.names), ""), *enumerate(self.names)]:
            holds, fired, score = rows[:, k, 0] > 0, rows[:, k, 1] > 0, rows[:, k, 2]
            no_clean = "" if clean.any() else "no clean image"
            no_defect = "" if holds.any() else ("no image with this class" if name else "no defective image")
            why = no_defect or no_clean
            if why:
                out.append(Figure("image", "image AUROC", name, why=why))
            else:
                used = holds | clean
                low, high = bootstrap.auroc(score, holds, used)
                out.append(Figure("image", "image AUROC", name, image_auroc(score[used], holds[used]), "", low, high))
            for title, hits, used, reason in (
                ("false-alarm rate", fired, clean, no_clean),
                ("escape rate", ~fired, holds, no_defect),
            ):
                if reason:
                    out.append(Figure("image", title, name, why=reason))
                    continue
                low, high = bootstrap.rate(hits, used)
                out.append(Figure("image", title, name, float(hits[used].mean()), "", low, high))
        return out

    def _table(self) -> tuple[list[str], np.ndarray, np.ndarray]:
        images = [self._images[i] for i in sorted(self._images)]
        return [item[0] for item in images], np.array([item[1] for item in images]), np.stack([i[2] for i in images])

    @property
    def grouped(self) -> bool:
        """Some images share a group."""
        return Bootstrap([item[0] for item in self._images.values()]).grouped

    def curve(self) -> dict[str, list[float]]:
        """False-alarm rate and escape rate if every image whose score reaches the threshold fired.

        Returns:
            lists ``threshold`` (ascending, 0.5 included), ``false_alarm``, ``escape``; empty unless there are both
            clean and defective images.
        """
        _, clean, rows = self._table()
        good, bad = np.sort(rows[clean, -1, 2]), np.sort(rows[rows[:, -1, 0] > 0, -1, 2])
        if not len(good) or not len(bad):
            return {"threshold": [], "false_alarm": [], "escape": []}
        found = np.unique(np.concatenate([good, bad]))
        if len(found) > _POINTS - 3:
            found = found[np.linspace(0, len(found) - 1, _POINTS - 3).round().astype(int)]
        thresholds = np.unique(np.concatenate([found, [0.0, 0.5, 1.0]]))
        return {
            "threshold": [round(float(v), 6) for v in thresholds],
            "false_alarm": [round(float(v), 6) for v in 1 - np.searchsorted(good, thresholds) / len(good)],
            "escape": [round(float(v), 6) for v in np.searchsorted(bad, thresholds) / len(bad)],
        }


def image_auroc(scores: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve (Mann-Whitney: ties count half); both kinds must be there."""
    from scipy.stats import rankdata

    ranks = rankdata(scores)
    count = int(positive.sum())
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * (len(scores) - count)))
