"""From log odds a pixel to instances: one threshold outlines a defect, another decides whether it is one.

The *pixel threshold* draws the outline. The *region threshold* is on a region's evidence: the mean log odds of its
strongest pixels. So the outline can follow the defect closely while the false alarms on good parts are held where they
were promised (hysteresis, Canny 1986, with the strong threshold calibrated on regions instead of pixels).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from kizu.core.instances import Instances
from kizu.core.masks import Masks

_BELOW = 0.499  # the highest score of what does not fire


@dataclass(frozen=True)
class Rule:
    """What makes a region of one class.

    Attributes:
        pixel: log odds above which a pixel can belong to a defect.
        region: log odds that the mean of the ``core`` strongest pixels of a region must reach.
        area: smallest region in pixels.
        core: number of strongest pixels that a region is judged by.
    """

    pixel: float
    region: float
    area: int
    core: int


def sigmoid(values: np.ndarray | float) -> np.ndarray | float:
    """Log odds to 0..1."""
    return 1.0 / (1.0 + np.exp(-np.clip(values, -30, 30)))


def evidence(odds: np.ndarray, core: int) -> float:
    """Mean of the ``core`` largest values (of all, if there are fewer)."""
    values = odds.ravel()
    if len(values) > core:
        values = np.partition(values, len(values) - core)[len(values) - core :]
    return float(values.mean())


def components(above: np.ndarray, area: int) -> list[tuple[tuple[slice, slice], np.ndarray]]:
    """8-connected components of a bool map (H, W) of at least ``area`` pixels: (window, bool mask in the window)."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(above.view(np.uint8), connectivity=8)
    out = []
    for i in np.flatnonzero(stats[:, cv2.CC_STAT_AREA] >= area):
        if i == 0:
            continue
        x, y, w, h = stats[i, :4]
        window = (slice(y, y + h), slice(x, x + w))
        out.append((window, labels[window] == i))
    return out


def decide(odds: np.ndarray, rules: list[Rule], min_score: float = 0.5) -> tuple[Instances, np.ndarray]:
    """Instances and score maps of one image.

    Args:
        odds: float32 (C, H, W) log odds of each class.
        rules: one a class.
        min_score: regions scored lower are dropped; under 0.5 this keeps candidates that do not fire.

    Returns:
        Instances with masks and scores in 0..1, strongest first, where 0.5 is the region threshold; and the score maps
        float32 (C, H, W) in 0..1: log odds against the region threshold, in which the peak of a region is the region's
        score, so that a map reaches 0.5 exactly where an instance fires.
    """
    shape = odds.shape[1:]
    margin = odds - np.array([rule.pixel for rule in rules], np.float32)[:, None, None]
    maps = sigmoid(odds - np.array([rule.region for rule in rules], np.float32)[:, None, None]).astype(np.float32)
    winner = margin.argmax(0) if len(rules) > 1 else np.zeros(shape, np.int64)
    found: list[tuple[float, int, tuple, np.ndarray]] = []
    for label, rule in enumerate(rules):
        inside = np.zeros(shape, bool)
        for window, mask in components((margin[label] >= 0) & (winner == label), 1):
            score = float(sigmoid(evidence(odds[label][window][mask], rule.core) - rule.region))
            if score < 0.5:
                score = min(score, _BELOW)  # or it would become 0.5 when it is rounded to 32 bits
            if mask.sum() < rule.area:
                score = min(score * float(mask.sum()) / rule.area, _BELOW)
            elif score >= min_score:
                found.append((score, label, window, mask))
            foot = float(sigmoid(rule.pixel - rule.region))
            maps[label][window][mask] = _rescale(maps[label][window][mask], foot, score)
            inside[window] |= mask
        if min_score < 0.5:
            floor = np.log(max(min_score, 1e-6) / (1 - max(min_score, 1e-6)))
            for window, mask in components((margin[label] >= floor) & ~inside & (winner == label), rule.area):
                score = min(float(sigmoid(evidence(odds[label][window][mask], rule.core) - rule.region)), _BELOW)
                # What touches a region that is already there is only its soft edge.
                if score >= min_score and not _touches(inside, window, mask):
                    found.append((score, label, window, mask))
        np.minimum(maps[label], _BELOW, out=maps[label], where=~inside)
    found.sort(key=lambda item: -item[0])
    raster = np.zeros(shape, np.int32)
    for i, (_, _, window, mask) in enumerate(found):
        raster[window][mask] = i + 1
    instances = Instances(
        [label for _, label, _, _ in found],
        masks=Masks.from_label_map(raster, range(1, len(found) + 1)),
        scores=np.array([score for score, *_ in found], np.float32),
    )
    return instances, maps


def stacked(instances: Instances) -> Instances:
    """Instances with masks and scores, strongest first, and none with a pixel of a stronger one; what keeps no pixel is
    left out."""
    ordered = instances[np.argsort(-instances.scores, kind="stable")]
    raster = ordered.masks[::-1].to_label_map(range(len(ordered), 0, -1))  # the strongest lies on top
    masks = Masks.from_label_map(raster, range(1, len(ordered) + 1))
    return Instances(ordered.labels, masks=masks, scores=ordered.scores)[masks.area > 0]


def agreeing(maps: np.ndarray, instances: Instances, feet: list[float]) -> np.ndarray:
    """Score maps made to agree with instances found by other means: the peak in each is its score; 0.5 only where one
    fires.

    Args:
        maps: float32 (C, H, W) in 0..1; changed in place and returned.
        instances: with masks and scores.
        feet: for each class the score of a pixel on the outline of an instance.
    """
    inside = np.zeros(maps.shape, bool)
    for i in np.argsort(instances.scores, kind="stable"):
        label, score = int(instances.labels[i]), float(instances.scores[i])
        mask, (x, y) = instances.masks.crop(int(i))
        window = (label, slice(y, y + mask.shape[0]), slice(x, x + mask.shape[1]))
        if mask.any():
            maps[window][mask] = _rescale(maps[window][mask], feet[label], score)
            inside[window] |= mask
    np.minimum(maps, _BELOW, out=maps, where=~inside)
    return maps


def _rescale(values: np.ndarray, foot: float, score: float) -> np.ndarray:
    """Pixel scores of a region, in order, so that their peak is the region's score; from 0.5 up where it fires.

    Args:
        foot: the score of a pixel just above the pixel threshold.
    """
    peak = float(values.max())
    if score < 0.5:
        return values * (score / peak)
    if peak - foot < 1e-6:  # nothing but pixels on the pixel threshold
        return np.full_like(values, score)
    return 0.5 + np.maximum(values - foot, 0) * ((score - 0.5) / (peak - foot))


def _touches(inside: np.ndarray, window: tuple[slice, slice], mask: np.ndarray) -> bool:
    rows, columns = window
    grown = (slice(max(rows.start - 1, 0), rows.stop + 1), slice(max(columns.start - 1, 0), columns.stop + 1))
    near = inside[grown]
    if not near.any():
        return False
    room = np.zeros(near.shape, np.uint8)
    y, x = rows.start - grown[0].start, columns.start - grown[1].start
    room[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
    return bool((cv2.dilate(room, np.ones((3, 3), np.uint8)).view(bool) & near).any())
