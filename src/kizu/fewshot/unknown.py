"""``--unknown``: what is unlike all ground, where no class fires, is a defect that nobody has labelled yet.

How unlike a cell is tells its distance from the ground in whitened space (:func:`kizu.fewshot.matching.unlike`), which
needs no defect. Its thresholds do: each class in turn plays the unknown one. What a model that does not know the class
makes of its defects says how to outline them; good pictures say from where on it is an alarm, as for the classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from kizu.core.errors import KizuError
from kizu.core.inspector import UNKNOWN
from kizu.core.instances import Instances
from kizu.core.sample import Sample
from kizu.fewshot.cells import to_pixels
from kizu.fewshot.thresholds import NEVER, areas_of
from kizu.inspection.calibrate import Expected, Outline, best_level, choose_rule, least_area
from kizu.inspection.regions import Rule, decide, stacked

_AROUND = 16  # pixels around a defect that look unlike the ground because it is near
_FIRES = 0.5  # score


@dataclass(frozen=True)
class Played:
    """A class on a picture that was left out, as a model sees it that knows neither.

    Attributes:
        label: of the class.
        place: of the picture among the labelled ones.
        unlike: of :meth:`kizu.fewshot.members.Members.look`, (h, w).
    """

    label: int
    place: int
    unlike: np.ndarray


def check_names(names: Sequence[str]) -> None:
    """Raises KizuError where a class has the name that is wanted here."""
    if UNKNOWN in names:
        raise KizuError(
            f"--unknown says {UNKNOWN!r} of what is of no class, and a class of yours has that name; rename it, or "
            "leave it out with --classes"
        )


class Plays:
    """All that is known of the unknown before its rule is chosen."""

    def __init__(self, played: list[Played], truths: list[np.ndarray], labelled: list[Sample]):
        """
        Args:
            played: each class on each picture that shows it, as far as it could be left out.
            truths: of each labelled picture, bool (C + 1, H, W), see :func:`kizu.fewshot.holdout.truth_of`.
            labelled: the labelled pictures.

        Raises:
            KizuError: nothing could be left out.
        """
        if not played:
            raise KizuError(
                "--unknown needs ground that nothing was fitted to: pass good pictures with --clean, or label a "
                "picture more"
            )
        self._played, self._truths, self._labelled = played, truths, labelled
        self.pairs = [self._pair(play) for play in played]

    def _pair(self, play: Played) -> tuple[np.ndarray, np.ndarray]:
        """(unlike float16 (H, W), truth bool (H, W)); other classes are nobody's mistake."""
        truth = self._truths[play.place]
        others = _near(np.delete(truth, play.label, 0).any(0)) & ~truth[play.label]
        odds = to_pixels(play.unlike.astype(np.float32), truth.shape[1:])
        return np.where(others, NEVER, odds).astype(np.float16), truth[play.label]

    def outline(self, good: list[np.ndarray], share: float) -> Outline:
        """How unknown regions are drawn: the best pooled IoU of the classes that play unknown, beside good pictures.

        Args:
            good: maps (h, w) of good pictures that were left out; they count as much as the labelled ones at most.
            share: of the pixels of these that may be within an outline, at most.
        """
        some = good[: len(self.pairs)]
        level, _ = best_level(self.pairs + [(own, np.zeros(own.shape, bool)) for own in some])
        if good:
            level = max(level, float(np.quantile(np.concatenate([own.ravel() for own in good]), 1 - share)))
        area = least_area(areas_of(self._labelled, set(range(len(self._truths[0]) - 1))))
        return Outline(level, area, area)

    def on_ground(self, outline: Outline, share: float) -> tuple[Rule, Expected]:
        """The rule where there are no good pictures: the ground of the labelled ones has to do, and promises nothing."""
        ground: dict[int, np.ndarray] = {}
        for play, (odds, truth) in zip(self._played, self.pairs, strict=True):
            if play.place not in ground:  # other classes on the picture are out of it already
                ground[play.place] = np.where(_near(truth), np.float16(NEVER), odds)
        regions = [
            [(strength, int(mask.sum())) for strength, _, mask in outline.regions(odds)] for odds in ground.values()
        ]
        rule, expected = choose_rule(outline, self.pairs, regions, share)
        return rule, replace(expected, false_alarms=None, clean=0, promised=False)

    def notes(self, names: Sequence[str], rule: Rule) -> list[str]:
        """On how many pictures of each class a model that does not know it finds it as unknown; how the rule came."""
        if len(names) == 1:
            return [
                f"How much of what is {UNKNOWN} would be found cannot be told: that takes a second class, so that each "
                "can be left out."
            ]
        outline = Outline(rule.pixel, rule.area, rule.core)
        found, shown = [0] * len(names), [0] * len(names)
        for play, (odds, truth) in zip(self._played, self.pairs, strict=True):
            regions = outline.regions(odds)
            found[play.label] += any(e >= rule.region and truth[w][mask].any() for e, w, mask in regions)
            shown[play.label] += 1
        told = ", ".join(f"{name} on {found[k]} of {shown[k]}" for k, name in enumerate(names) if shown[k])
        return [f"Each class left out in turn, and its pictures, it would be found as {UNKNOWN}: {told} pictures."]


def with_unknown(
    found: Instances, maps: np.ndarray, unlike: np.ndarray, rule: Rule, min_score: float
) -> tuple[Instances, np.ndarray]:
    """What was found of the classes, and what is unknown beside it; unknown is the class after the last one.

    What fires as a class, and what is near to that, is never unknown. Candidates that do not fire give way to what is.

    Args:
        found, maps: of :func:`kizu.inspection.regions.decide` for a ``min_score`` of 0.5 at most.
        unlike: float32 (h, w), of :meth:`kizu.fewshot.members.Members.look`.
        rule: of the unknown.
        min_score: regions scored lower are dropped.

    Returns:
        Instances, strongest first, and maps float32 (C + 1, H, W), as ``decide``.
    """
    odds = to_pixels(unlike, maps.shape[1:])
    firing = found[found.scores >= _FIRES]
    if len(firing):
        odds = np.where(_near(firing.masks.union()), np.float32(NEVER), odds)
    more, layer = decide(odds[None], [rule], min(min_score, _FIRES))
    both = stacked(Instances.concat([found, more.replace(labels=np.full(len(more), len(maps)))]))
    return both[both.scores >= min_score], np.concatenate([maps, layer])


def _near(mask: np.ndarray) -> np.ndarray:
    """A mask bool (H, W) and what lies around it."""
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * _AROUND + 1,) * 2, np.uint8)).view(bool)
