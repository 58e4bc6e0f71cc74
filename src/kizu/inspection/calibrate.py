"""Thresholds from held-out pictures: an outline that fits the truth best, and a promise about false alarms.

Every picture that is used here must have been scored by a model that was not fitted to it. Nothing is ever chosen on a
test split.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

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
    edges = np.linspace(low, max(high, low + 1e-3), _LEVELS + 1)
    inside, outside = np.zeros(_LEVELS, np.int64), np.zeros(_LEVELS, np.int64)
    for odds, truth in pairs:
        values = np.asarray(odds, np.float32)
        inside += np.histogram(values[truth], edges)[0]
        outside += np.histogram(values[~truth], edges)[0]
    hits, wrong = np.cumsum(inside[::-1])[::-1], np.cumsum(outside[::-1])[::-1]
    overlap = hits / np.maximum(inside.sum() + wrong, 1)
    best = int(np.argmax(overlap))
    return float(edges[best]), float(overlap[best])


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


def choose_outline(areas: list[float], pairs: list[tuple[np.ndarray, np.ndarray]]) -> Outline:
    """The pixel threshold of the best pooled IoU, and the size from which a region counts.

    Args:
        areas: pixels of each true instance; a quarter of the small ones (10 % quantile) is the least that counts.
        pairs: (odds float (H, W), truth bool (H, W)) of held-out supports.
    """
    area = max(_SMALLEST, round(0.25 * float(np.quantile(areas, 0.1))))
    return Outline(best_level(pairs)[0], area, core=area)


@dataclass(frozen=True)
class Expected:
    """What held-out pictures let expect of a rule. As the rule was chosen on them, new pictures will do a little worse.

    Attributes:
        iou: pooled IoU of what fires on the held-out supports (and on the good pictures, weighted as much as those).
        escapes: share of the held-out supports that show the class, but on which nothing fires in the right place.
        false_alarms: share of the held-out good pictures that fire, or None without any.
        clean: number of good pictures.
        promised: whether that number allows to promise the stated share of false alarms.
    """

    iou: float
    escapes: float
    false_alarms: float | None
    clean: int
    promised: bool


def choose_rule(
    outline: Outline, pairs: list[tuple[np.ndarray, np.ndarray]], clean: list[list[tuple[float, int]]], share: float
) -> tuple[Rule, Expected]:
    """The region threshold: best pooled IoU after weak regions are dropped, raised to what the good pictures demand.

    Args:
        pairs: (odds (H, W), truth bool (H, W)) of held-out supports.
        clean: for each held-out good picture its regions as (evidence, pixels).
        share: allowed share of good pictures that fire, in 0..1.
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
    # Good pictures may outnumber the supports by far; weighted so, they count as much as the supports.
    weight = min(1.0, len(pairs) / max(len(clean), 1))
    hits += [(strength, 0, weight * pixels) for found in clean for strength, pixels in found]
    total = sum(int(truth.sum()) for _, truth in pairs)
    region = _best_region(hits, total, outline.pixel)
    promised = False
    maxima = [max((strength for strength, _ in found), default=outline.pixel) for found in clean]
    if clean:
        level, promised = conformal_level(maxima, share)
        region = max(region, float(np.nextafter(np.float32(level), np.float32(np.inf))))
    alarms = sum(m >= region for m in maxima) / len(maxima) if clean else None
    escapes = sum(top < region for top in strongest) / max(len(strongest), 1)
    kept = [(right, wrong) for strength, right, wrong in hits if strength >= region]
    overlap = sum(right for right, _ in kept) / max(total + sum(wrong for _, wrong in kept), 1)
    rule = Rule(outline.pixel, region, outline.area, outline.core)
    return rule, Expected(overlap, escapes, alarms, len(clean), promised)


def _best_region(regions: list[tuple[float, float, float]], total: int, floor: float) -> float:
    """The region threshold of the best pooled IoU, from (evidence, pixels inside, pixels outside).

    Where no region is in the right place, nothing is worth an alarm: the level is above them all.
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
