"""Outlines and thresholds of a trained detector, chosen on validation pictures, and what they let expect there."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from kizu.core.instances import Instances
from kizu.core.sample import Sample
from kizu.detector.dense import pixels
from kizu.detector.engine import Engine, log_odds
from kizu.detector.pictures import Part
from kizu.inspection.calibrate import Expected, Levels, choose_level, conformal_level, least_area
from kizu.inspection.regions import sigmoid
from kizu.models.dense_decode import DenseMaps

_RANGE = 9.0  # log odds; what is surer than 1 in 8000 needs no finer steps
_OUTLINES = (0.02, 0.98)  # probabilities that can outline a class
_MATCH = 0.5  # intersection over union from which a box is right (COCO's AP50)
_FLOOR = float(log_odds(0.0))


class Outlines:
    """For each class the probability that outlines it best, counted picture by picture."""

    def __init__(self, val: Part):
        self._levels = [Levels(-_RANGE, _RANGE) for _ in val.names]
        self._shown = val.counts.any(0)

    def add(self, said: DenseMaps, sample: Sample) -> None:
        """Count what the network says of a picture, with its labels."""
        found = sample.instances
        for k, counts in enumerate(self._levels):
            truth = np.zeros(sample.size, bool) if found.masks is None else found.masks[found.labels == k].union()
            counts.add(pixels(log_odds(said.classes[k]).astype(np.float32), sample.size), truth)

    def best(self) -> tuple[float, ...]:
        """The probabilities of the best pooled IoU; a half for a class that no picture shows."""
        levels = [counts.best()[0] if there else 0.0 for counts, there in zip(self._levels, self._shown, strict=True)]
        return tuple(float(np.clip(sigmoid(level), *_OUTLINES)) for level in levels)

    def mean_iou(self) -> float:
        """Mean over the classes that are shown of their best pooled IoU."""
        return float(np.mean([self._levels[k].best()[1] for k in np.flatnonzero(self._shown)]))


def least_areas(parts: list[Part]) -> tuple[int, ...]:
    """For each class the pixels from which a find counts, by the masks of all its instances."""
    areas: list[list[float]] = [[] for _ in parts[0].names]
    for part in parts:
        for i in np.flatnonzero(part.counts.any(1)):
            found = part[int(i)].instances
            for label, area in zip(found.labels, found.masks.area, strict=True):
                areas[label].append(float(area))
    return tuple(least_area([area for area in of_class if area > 0] or [0.0]) for of_class in areas)


@dataclass
class _Finds:
    """What was found of one class on validation pictures; see :func:`kizu.inspection.calibrate.choose_level`."""

    hits: list[tuple[float, float, float]] = field(default_factory=list)
    strongest: list[float] = field(default_factory=list)
    clean: list[list[tuple[float, float]]] = field(default_factory=list)
    total: float = 0.0
    shown: int = 0


def choose_levels(
    engine: Engine, val: Part, share: float, step: Callable[[], None] = lambda: None
) -> tuple[list[float], list[Expected]]:
    """For each class the log odds of the threshold, and what it lets expect.

    With masks the threshold is that of the best pooled IoU; with boxes that of the best F1 score, a box being right
    from an IoU of 0.5 on. Good pictures then raise it to what the promise takes. A class that no validation picture
    shows has the threshold of probability 0.5, raised likewise; nothing is known of what it finds.

    Args:
        share: of good pictures on which a class may fire, in 0..1.
        step: called after each picture.
    """
    finds = [_Finds() for _ in val.names]
    for i, sample in enumerate(val):
        candidates = engine.candidates(sample.image, maps=False).instances
        strength = log_odds(candidates.scores)
        for k, of_class in enumerate(finds):
            mine = candidates.labels == k
            truth = sample.instances[sample.instances.labels == k]
            rows = _judged(candidates[mine], strength[mine], truth, sample)
            if val.good[i]:
                of_class.clean.append([(value, wrong) for value, _, wrong in rows])
                continue
            of_class.hits += rows
            of_class.shown += 1
            of_class.total += len(truth) if candidates.masks is None else float(truth.masks.union().sum())
            if len(truth):  # what does not show the class cannot escape
                of_class.strongest.append(max((value for value, right, _ in rows if right > 0), default=-math.inf))
        step()
    chosen = [
        choose_level(f.hits, f.strongest, f.total, f.clean, share, _FLOOR, f.shown)
        if f.strongest
        else _unseen_level(f.clean, share)
        for f in finds
    ]
    return [level for level, _ in chosen], [expected for _, expected in chosen]


def _unseen_level(clean: list[list[tuple[float, float]]], share: float) -> tuple[float, Expected]:
    """The threshold of a class that no validation picture shows: "rather yes than no", raised by good pictures."""
    if not clean:
        return 0.0, Expected(None, None, None, 0, False)
    maxima = [max((value for value, _ in found), default=_FLOOR) for found in clean]
    least, promised = conformal_level(maxima, share)
    level = max(0.0, float(np.nextafter(np.float32(least), np.float32(np.inf))))
    alarms = sum(value >= level for value in maxima) / len(maxima)
    return level, Expected(None, None, alarms, len(clean), promised)


def _judged(
    found: Instances, strength: np.ndarray, truth: Instances, sample: Sample
) -> list[tuple[float, float, float]]:
    """(strength, right, wrong) of each candidate, strongest first: pixels where there are masks, else instances."""
    order = np.argsort(-strength, kind="stable")
    if found.masks is None:
        return _judged_boxes(found, strength, truth, order)
    right = truth.masks.union() if len(truth) else np.zeros(sample.size, bool)
    taken = np.zeros(sample.size, bool)
    rows = []
    for i in order:
        crop, (x, y) = found.masks.crop(int(i))
        window = (slice(y, y + crop.shape[0]), slice(x, x + crop.shape[1]))
        fresh = crop & ~taken[window]  # a pixel counts once, for the strongest
        taken[window] |= crop
        inside = int((right[window] & fresh).sum())
        rows.append((float(strength[i]), inside, int(fresh.sum()) - inside))
    return rows


def _judged_boxes(
    found: Instances, strength: np.ndarray, truth: Instances, order: np.ndarray
) -> list[tuple[float, float, float]]:
    from pycocotools import mask

    rows, free = [], np.ones(len(truth), bool)
    overlap = np.zeros((len(found), len(truth)))
    if overlap.size:
        sides = [
            np.concatenate([b[:, :2], b[:, 2:] - b[:, :2]], 1).astype(np.float64) for b in (found.boxes, truth.boxes)
        ]
        overlap = mask.iou(*sides, [0] * len(truth))
    for i in order:
        values = np.where(free, overlap[i], 0)
        hit = len(values) > 0 and values.max() >= _MATCH
        if hit:
            free[values.argmax()] = False
        rows.append((float(strength[i]), float(hit), float(not hit)))
    return rows
