"""Rules of all classes from maps of pictures that were left out of the fit, whatever made the maps."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

import numpy as np

from kizu.core.sample import Sample
from kizu.fewshot.support import is_partial
from kizu.inspection.calibrate import Expected, Outline, choose_outline, choose_rule
from kizu.inspection.regions import Rule

NEVER = -30.0  # log odds that no threshold reaches
_PRIOR = 5

Judged = tuple[np.ndarray, np.ndarray, set[int]]  # odds (C, H, W), truth bool (C + 1, H, W), the classes judged here


def pairs_of(judged: Iterable[Judged], classes: int, never: float = NEVER) -> list[list]:
    """For each class its pairs (log odds float16 (H, W), truth bool (H, W)) of labelled pictures that were left out.

    Args:
        never: what pixels of the last layer of the truth are set to: classes that were not asked for are nobody's
            mistake.
    """
    pairs: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in range(classes)]
    for odds, truth, asked in judged:
        for k in asked:
            pairs[k].append((np.where(truth[classes], never, odds[k]).astype(np.float16), truth[k]))
    return pairs


def choose_rules(
    labelled: list[Sample],
    pairs: list[list[tuple[np.ndarray, np.ndarray]]],
    clean: Iterable[np.ndarray],
    share: float,
    lowest: float = -np.inf,
    flattered: Collection[int] = (),
) -> tuple[list[Rule], list[Expected]]:
    """The rule of each class, and what to expect of it; see :mod:`kizu.inspection.calibrate`.

    The best pixel threshold of a few pictures is a noisy one: it is drawn to even odds, which count as much as
    :data:`_PRIOR` pictures. Where a class is judged on the picture that it was learned from, its defect stands out as
    it will on no other one: its region threshold is drawn to the pixel threshold in the same way.

    Args:
        labelled: the labelled pictures, for the sizes of their defects.
        pairs: of :func:`pairs_of`.
        clean: log odds (C, H, W) of good pictures that were left out; they are looked at one after the other.
        share: of good pictures on which a class may fire, in 0..1.
        lowest: no outline is drawn at a lower pixel threshold.
        flattered: classes of which pairs are parts or copies of pictures that were fitted to.
    """
    classes = range(len(pairs))
    outlines = [_steadied(choose_outline(_areas(labelled, k), pairs[k]), len(pairs[k]), lowest) for k in classes]
    regions: list[list[list[tuple[float, int]]]] = [[] for _ in classes]
    for odds in clean:
        for k in classes:
            regions[k].append([(strength, int(mask.sum())) for strength, _, mask in outlines[k].regions(odds[k])])
    shown = [sum(bool((sample.instances.labels == k).any()) for sample in labelled) for k in classes]
    trust = [shown[k] / (shown[k] + _PRIOR) if k in flattered else 1.0 for k in classes]
    chosen = [choose_rule(outlines[k], pairs[k], regions[k], share, trust[k]) for k in classes]
    return [rule for rule, _ in chosen], [item for _, item in chosen]


def _steadied(outline: Outline, shown: int, lowest: float) -> Outline:
    return replace(outline, pixel=max(outline.pixel * shown / (shown + _PRIOR), lowest))


def _areas(samples: list[Sample], label: int) -> list[float]:
    """Pixels of the instances of a class; strokes on a part of a defect tell its size only where nothing else does."""
    whole, strokes = [], []
    for sample in samples:
        own = sample.instances.masks.area[sample.instances.labels == label]
        (strokes if is_partial(sample) else whole).extend(own[own > 0].astype(float).tolist())
    return whole or strokes
