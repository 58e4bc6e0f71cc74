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
_FLATTERED = -0.8  # log odds

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

    The best thresholds of a few pictures are noisy ones. That of pixels is drawn to even odds, and that of regions to
    it, which count as much as :data:`_PRIOR` pictures. Where a class is judged on the picture that it was learned from,
    its defect stands out as it will on no other one: new ones are less like it, and pixels are drawn to
    :data:`_FLATTERED`.

    Args:
        labelled: the labelled pictures, for the sizes of their defects.
        pairs: of :func:`pairs_of`.
        clean: log odds (C, H, W) of good pictures that were left out; they are looked at one after the other.
        share: of good pictures on which a class may fire, in 0..1.
        lowest: no outline is drawn at a lower pixel threshold.
        flattered: classes of which pairs are parts or copies of pictures that were fitted to.
    """
    trust = trust_of(labelled, len(pairs))
    return rules_of(outlines_of(labelled, pairs, trust, lowest, flattered), pairs, clean, share, trust)


def trust_of(labelled: list[Sample], classes: int) -> list[float]:
    """How far the best thresholds of each class are trusted, 0..1, by the pictures that show it; arguments as those of
    :func:`choose_rules`."""
    shown = [sum(bool((sample.instances.labels == k).any()) for sample in labelled) for k in range(classes)]
    return [count / (count + _PRIOR) for count in shown]


def outlines_of(
    labelled: list[Sample],
    pairs: list[list],
    trust: list[float],
    lowest: float = -np.inf,
    flattered: Collection[int] = (),
) -> list[Outline]:
    """How regions of each class are drawn; arguments as those of :func:`choose_rules`, and the trust of
    :func:`trust_of`."""
    out = []
    for k, own in enumerate(pairs):
        best, drawn = choose_outline(areas_of(labelled, {k}), own), _FLATTERED if k in flattered else 0.0
        out.append(replace(best, pixel=max(trust[k] * best.pixel + (1 - trust[k]) * drawn, lowest)))
    return out


def rules_of(
    outlines: list[Outline], pairs: list[list], clean: Iterable[np.ndarray], share: float, trust: list[float]
) -> tuple[list[Rule], list[Expected]]:
    """The rule of each outline, and what to expect of it; arguments as those of :func:`choose_rules`, and the trust of
    :func:`trust_of`."""
    regions: list[list[list[tuple[float, int]]]] = [[] for _ in outlines]
    for odds in clean:
        for k, outline in enumerate(outlines):
            regions[k].append([(strength, int(mask.sum())) for strength, _, mask in outline.regions(odds[k])])
    chosen = [choose_rule(*parts, share, own) for *parts, own in zip(outlines, pairs, regions, trust, strict=True)]
    return [rule for rule, _ in chosen], [item for _, item in chosen]


def areas_of(samples: list[Sample], labels: set[int]) -> list[float]:
    """Pixels of the instances of classes; strokes on a part of a defect tell its size only where nothing else does."""
    whole, strokes = [], []
    for sample in samples:
        own = sample.instances.masks.area[np.isin(sample.instances.labels, list(labels))]
        (strokes if is_partial(sample) else whole).extend(own[own > 0].astype(float).tolist())
    return whole or strokes
