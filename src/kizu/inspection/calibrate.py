"""Thresholds from held-out pictures: an outline that fits the truth best, and a promise about false alarms.

Every picture that is used here must have been scored by a model that was not fitted to it. Nothing is ever chosen on a
test split.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from kizu.core.errors import KizuError
from kizu.inspection.regions import Rule, components, evidence

_LEVELS = 512
_SMALLEST = 4  # pixels; below this a region is noise whatever the support says


Region = tuple[float, tuple[slice, slice], np.ndarray]  # evidence, window, bool mask in the window


@dataclass(frozen=True)
class Outline:
    """How regions of a class are drawn, before any is judged; fields as in :class:`kizu.inspection.regions.Rule`."""

    pixel: float
    area: int
    core: int

    def regions(self, odds: np.ndarray) -> list[Region]:
        """The regions of a map of log odds (H, W)."""
        values = np.asarray(odds, np.float32)
        found = components(values >= self.pixel, self.area)
        return [(evidence(values[window][mask], self.core), window, mask) for window, mask in found]


def best_level(pairs: list[tuple[np.ndarray, np.ndarray]]) -> tuple[float, float]:
    """The level at which ``odds >= level`` has the highest pooled intersection over union with the truth, and that IoU.

    Args:
        pairs: (odds float (H, W), truth bool (H, W)) of held-out pictures.
    """
    low = min(float(odds.min()) for odds, _ in pairs)
    high = max(float(odds.max()) for odds, _ in pairs)
    levels = Levels(low, high)
    for odds, truth in pairs:
        levels.add(odds, truth)
    return levels.best()


class Levels:
    """Counts pixels by their log odds, inside and outside the truth, so that no map has to be kept.

    Args:
        low, high: range of the log odds; what is beyond counts as its ends.
    """

    def __init__(self, low: float, high: float):
        self._edges = np.linspace(low, max(high, low + 1e-3), _LEVELS + 1)
        self._inside, self._outside = np.zeros(_LEVELS, np.int64), np.zeros(_LEVELS, np.int64)

    def add(self, odds: np.ndarray, truth: np.ndarray) -> None:
        """Count a map of log odds float (H, W) with its truth bool (H, W)."""
        width = self._edges[1] - self._edges[0]
        places = (np.asarray(odds, np.float32) - np.float32(self._edges[0])) * np.float32(1 / width)
        bins = np.clip(places, 0, _LEVELS - 1).astype(np.intp)
        bins[truth] += _LEVELS
        outside, inside = np.bincount(bins.ravel(), minlength=2 * _LEVELS).reshape(2, _LEVELS)
        self._inside += inside
        self._outside += outside

    def best(self) -> tuple[float, float]:
        """The level of the highest pooled intersection over union, and that value."""
        hits, wrong = np.cumsum(self._inside[::-1])[::-1], np.cumsum(self._outside[::-1])[::-1]
        overlap = hits / np.maximum(self._inside.sum() + wrong, 1)
        best = int(np.argmax(overlap))
        return float(self._edges[best]), float(overlap[best])


def conformal_level(maxima: list[float], share: float) -> tuple[float, bool]:
    """The level that a new good picture exceeds with a probability of at most ``share``.

    Split conformal prediction (Vovk et al., 2005): the ceil((n + 1)(1 - share))-th smallest of n held-out maxima. With
    fewer than 1 / share - 1 pictures no level can promise this; then the largest is given and the second value is
    False.

    Args:
        maxima: the strongest evidence in each held-out good picture.
        share: allowed share of false alarms, in 0..1.
    """
    ordered = sorted(maxima)
    rank = math.ceil((len(ordered) + 1) * (1 - share) - 1e-9)  # 10 * (1 - 0.7) is a little more than 3 in floats
    if rank > len(ordered):
        return ordered[-1], False
    return ordered[max(rank, 1) - 1], True


def needed_clean(false_alarms: float, classes: int) -> int:
    """Good pictures that it takes to promise a share of false alarms for all classes (conformal: 1 / share - 1)."""
    return math.ceil(1 / class_share(false_alarms, classes) - 1e-9) - 1  # 1 / (1 - 0.9) is a little more than 10


def least_promised(clean: int, classes: int) -> float:
    """The smallest share of false alarms of all classes that so many good pictures can promise."""
    return 1 - (1 - 1 / (clean + 1)) ** classes


def class_share(false_alarms: float, classes: int) -> float:
    """The share of false alarms that each class may cause so that all together cause ``false_alarms``.

    Raises:
        KizuError: not a share between 0 and 1.
    """
    if not 0 < false_alarms < 1:
        raise KizuError(f"false alarms {false_alarms} is not a share between 0 and 1; 0.01 means one in a hundred")
    return 1 - (1 - false_alarms) ** (1 / classes)


def choose_outline(areas: list[float], pairs: list[tuple[np.ndarray, np.ndarray]]) -> Outline:
    """The pixel threshold of the best pooled IoU, and the size from which a region counts.

    Args:
        areas: pixels of each true instance; a quarter of the small ones (10 % quantile) is the least that counts.
        pairs: (odds float (H, W), truth bool (H, W)) of held-out supports.
    """
    area = least_area(areas)
    return Outline(best_level(pairs)[0], area, core=area)


def least_area(areas: list[float]) -> int:
    """Pixels from which a region counts: a quarter of the 10 % quantile of true areas, at least 4."""
    return max(_SMALLEST, round(0.25 * float(np.quantile(areas, 0.1))))


@dataclass(frozen=True)
class Expected:
    """What held-out pictures let expect of a rule. As the rule was chosen on them, new pictures will do a little worse.

    Attributes:
        iou: pooled IoU of what fires on the held-out supports (and on the good pictures, weighted as much as those), or
            None where none of them shows the class; then ``escapes`` is None too.
        escapes: share of the held-out supports that show the class, but on which nothing fires in the right place.
        false_alarms: share of the held-out good pictures that fire, or None without any.
        clean: number of good pictures.
        promised: whether that number allows to promise the stated share of false alarms.
    """

    iou: float | None
    escapes: float | None
    false_alarms: float | None
    clean: int
    promised: bool


def choose_rule(
    outline: Outline,
    pairs: list[tuple[np.ndarray, np.ndarray]],
    clean: list[list[tuple[float, int]]],
    share: float,
    trust: float = 1.0,
) -> tuple[Rule, Expected]:
    """The region threshold: best pooled IoU after weak regions are dropped, raised to what the good pictures demand.

    Args:
        pairs: (odds (H, W), truth bool (H, W)) of held-out supports.
        clean: for each held-out good picture its regions as (evidence, pixels).
        share: allowed share of good pictures that fire, in 0..1.
        trust: how far the best region threshold is away from the pixel threshold in the end, as a share of how far it
            was: below 1 where few pictures show the class, see :func:`kizu.fewshot.thresholds.trust_of`.
    """
    hits, strongest = [], []
    for odds, truth in pairs:
        top = -math.inf
        for strength, window, mask in outline.regions(odds):
            inside = int((truth[window] & mask).sum())
            hits.append((strength, inside, int(mask.sum()) - inside))
            top = max(top, strength if inside else -math.inf)
        if truth.any():  # what does not show the class cannot escape
            strongest.append(top)
    total = sum(int(truth.sum()) for _, truth in pairs)
    region, expected = choose_level(hits, strongest, total, clean, share, outline.pixel, len(pairs), trust)
    return Rule(outline.pixel, region, outline.area, outline.core), expected


def choose_level(
    hits: list[tuple[float, float, float]],
    strongest: list[float],
    total: float,
    clean: list[list[tuple[float, float]]],
    share: float,
    floor: float,
    shown: int,
    trust: float = 1.0,
) -> tuple[float, Expected]:
    """The evidence from which a find is an alarm: best overlap with the truth, raised to what good pictures demand.

    The overlap of :class:`Expected` is counted in the unit of ``hits``. In pixels it is the pooled intersection over
    union. In instances (one right or one wrong) it is TP / (TP + FP + FN), which is best where the F1 score is.

    Args:
        hits: (evidence, right, wrong) of each find on held-out labelled pictures.
        strongest: evidence of the strongest right find on each picture that shows the class, -inf where there is none.
        total: how much there is to find.
        clean: for each held-out good picture its finds as (evidence, wrong).
        share: allowed share of good pictures that fire, in 0..1.
        floor: the weakest evidence that there can be.
        shown: number of held-out labelled pictures.
        trust: as that of :func:`choose_rule`, of the level against ``floor``.
    """
    # Good pictures may outnumber the supports by far; weighted so, they count as much as the supports.
    weight = min(1.0, shown / max(len(clean), 1))
    hits = hits + [(strength, 0, weight * wrong) for found in clean for strength, wrong in found]
    level = floor + trust * (_best_region(hits, total, floor) - floor)
    promised = False
    maxima = [max((strength for strength, _ in found), default=floor) for found in clean]
    if clean:
        least, promised = conformal_level(maxima, share)
        level = max(level, float(np.nextafter(np.float32(least), np.float32(np.inf))))
    alarms = sum(m >= level for m in maxima) / len(maxima) if clean else None
    escapes = sum(top < level for top in strongest) / max(len(strongest), 1)
    kept = [(right, wrong) for strength, right, wrong in hits if strength >= level]
    overlap = sum(right for right, _ in kept) / max(total + sum(wrong for _, wrong in kept), 1)
    return level, Expected(overlap, escapes, alarms, len(clean), promised)


def _best_region(regions: list[tuple[float, float, float]], total: int, floor: float) -> float:
    """The region threshold of the best pooled IoU, from (evidence, pixels inside, pixels outside).

    Where no region is in the right place, nothing here is worth an alarm: the level is above them all (and then drawn
    down like any other where the pictures are few, for few prove nothing).
    """
    found = sorted(regions, key=lambda item: -item[0])
    best, inside, outside = 0.0, 0.0, 0.0
    level = float(np.nextafter(np.float32(found[0][0]), np.float32(np.inf))) if found else floor
    for k, (strength, right, wrong) in enumerate(found):
        inside, outside = inside + right, outside + wrong
        if k + 1 < len(found) and found[k + 1][0] == strength:
            continue
        overlap = inside / max(total + outside, 1)
        if overlap >= best and inside:
            # Half-way to the next weaker region: the support is a sample, not the whole product.
            below = found[k + 1][0] if k + 1 < len(found) else floor
            best, level = overlap, 0.5 * (strength + below)
    return level
