"""Few-shot segmentation figures: pooled IoU, mIoU, FB-IoU, boundary F, precision and recall at the threshold in force.

Pooled: pixels are counted over all images, clean ones included, so that a false alarm on a good part costs IoU.
Published few-shot tables pool over the images of the class alone (there is no clean query in them); ``IoU on defective
images`` is that figure. ``FB-IoU`` is the usual one of few-shot segmentation: the mean of the IoU of all foreground
classes merged and of the IoU of the background. ``boundary F`` looks at the outlines alone, pooled like the pixels; see
:mod:`kizu.evaluation.boundary`.
"""

from __future__ import annotations

import numpy as np

from kizu.evaluation.boundary import COUNTS, boundary_f
from kizu.evaluation.intervals import Bootstrap
from kizu.evaluation.pairs import Pair
from kizu.evaluation.pixels import Pixels
from kizu.evaluation.result import Figure

GROUP = "segmentation"
PER_CLASS = ("IoU", "boundary F", "IoU on defective images", "IoU per image", "precision", "recall")
# What an image adds a layer (see _statistic): columns about areas, the last whether it holds the class; about outlines.
_AREAS = 9
_COLUMNS, _HELD = _AREAS + COUNTS, _AREAS - 1
OVERALL = ("mIoU", "mean boundary F", "mIoU on defective images", "FB-IoU")


class Segmentation:
    """Collects the confusion of image after image, a few numbers each."""

    def __init__(self, names: tuple[str, ...]):
        self.names = names
        self._images: dict[int, tuple[str, np.ndarray]] = {}  # by place in the truth: group, what the image adds
        self.skipped = 0  # images whose truth has boxes without masks; the caller counts them
        self._boxes = 0

    def add(self, pair: Pair, pixels: Pixels) -> float | None:
        """Take one image whose truth has masks.

        Returns:
            IoU of the image, all classes merged; None where it is neither defective nor called so, or is without masks.
        """
        if pixels.predicted is None:
            self._boxes += 1
            return None
        counts = pixels.confusion().astype(np.float64)
        hit, false, missed = counts[:, :3].T
        held = hit + missed > 0
        every = hit + false + missed
        iou = np.divide(hit, every, out=np.zeros_like(hit), where=every > 0)
        own = counts[:, :3] * held[:, None]
        adds = np.concatenate([counts, own, (iou * held)[:, None], held[:, None], pixels.outlines()], axis=1)
        self._images[pair.index] = (pair.group, adds)
        return float(iou[-1]) if every[-1] else None

    def figures(self, resamples: int = 1000, seed: int = 0) -> list[Figure]:
        """Figures of any defect (class ""), then of each class, with 95 % intervals over images."""
        names = ["", *self.names]
        images = [self._images[i] for i in sorted(self._images)]
        sums = np.stack([adds for _, adds in images]) if images else np.zeros((0, len(names), _COLUMNS))
        why = "the predictions have boxes without masks" if self._boxes else ""
        if self.skipped and not sums[:, :, _HELD].any():
            why = "the truth has boxes without masks"
        if why:
            out = [Figure(GROUP, title, why=why) for title in OVERALL]
            return out + [Figure(GROUP, title, name, why=why) for name in names for title in PER_CLASS]
        values = _statistic(sums.sum(0)[None])[0]
        ranges = Bootstrap([group for group, _ in images], resamples, seed).of_sums(sums, _statistic)
        overall = [(title, "") for title in OVERALL]
        keys = [(title, name) for name in (*self.names, "") for title in PER_CLASS] + overall
        found = {
            key: self._figure(*key, value, *limits) for key, value, limits in zip(keys, values, ranges, strict=True)
        }
        return [found[key] for key in overall + [(title, name) for name in names for title in PER_CLASS]]

    def _figure(self, title: str, name: str, value: float, low: float | None, high: float | None) -> Figure:
        if np.isfinite(value):
            return Figure(GROUP, title, name, float(value), low=low, high=high)
        if title == "precision":
            return Figure(GROUP, title, name, why="nothing was predicted" + (" of this class" if name else ""))
        which = f"of {'this class' if name else 'these classes'} in these images"
        what = {"boundary F": "outline", "mean boundary F": "true outline"}.get(title, "truth")
        return Figure(GROUP, title, name, why=f"no {what} {which}")


def _statistic(sums: np.ndarray) -> np.ndarray:
    """Sums (r, classes + 1, 13) to figures (r, K): PER_CLASS of each layer, then OVERALL; NaN where undefined."""
    hit, false, missed, rest, own_hit, own_false, own_missed, image_iou, images = np.moveaxis(sums[..., :_AREAS], 2, 0)

    def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
        return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)

    held = hit + missed > 0
    iou = np.where(held, ratio(hit, hit + false + missed), np.nan)
    own = ratio(own_hit, own_hit + own_false + own_missed)
    edges = boundary_f(sums[..., _AREAS:])
    figures = [iou, edges, own, ratio(image_iou, images), ratio(hit, hit + false), ratio(hit, hit + missed)]
    layers = np.stack(figures, axis=2).reshape(len(sums), -1)
    background = ratio(rest[:, -1], rest[:, -1] + false[:, -1] + missed[:, -1])
    fits = _mean(np.where(sums[..., -1] > 0, edges, np.nan)[:, :-1])
    overall = [_mean(iou[:, :-1]), fits, _mean(own[:, :-1]), (iou[:, -1] + background) / 2]
    return np.concatenate([layers, np.stack(overall, axis=1)], axis=1)


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over the finite entries of each row, NaN where there is none."""
    there = np.isfinite(values)
    count = there.sum(1)
    return np.divide(np.where(there, values, 0).sum(1), count, out=np.full(len(values), np.nan), where=count > 0)
