"""How the rule of the unknown is chosen: each class in turn plays a defect that nobody has labelled.

What a model that knows neither the class nor the picture makes of it says how to outline the unknown, and whether to go
by the filters, the network, or both. From where on it is an alarm good pictures say, as for the classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kizu.core.errors import KizuError
from kizu.core.inspector import UNKNOWN
from kizu.core.sample import Sample
from kizu.fewshot.cells import to_cells, to_pixels
from kizu.fewshot.mix import Mix
from kizu.fewshot.thresholds import NEVER, areas_of
from kizu.fewshot.unknown import Unknown, Usual, near
from kizu.inspection.calibrate import Expected, Outline, best_level, choose_rule, least_area
from kizu.inspection.regions import Rule

MIXES = (Mix((0.0, 1.0), 0.0), Mix((0.5, 0.5), 0.0), Mix((1.0, 0.0), 0.0))  # of filters and network


@dataclass(frozen=True)
class Played:
    """A class on a picture that was left out, as a model sees it that knows neither.

    Attributes:
        label: of the class.
        place: of the picture among the labelled ones.
        unlike: of :meth:`kizu.fewshot.members.Members.look`, (2, h, w).
    """

    label: int
    place: int
    unlike: np.ndarray


class Plays:
    """What is known of the unknown before its rule is chosen.

    Attributes:
        usual: on ground.
        pairs: for each of :data:`MIXES` (map float16 (H, W), truth bool (H, W)) of each class that was played; other
            classes, and what is near to them, are nobody's mistake.
        outlines: for each of :data:`MIXES`, of the best pooled IoU with what was played, good pictures counted in.
    """

    def __init__(
        self, played: list[Played], truths: list[np.ndarray], labelled: list[Sample], good: list[np.ndarray],
        share: float,
    ):  # fmt: skip
        """
        Args:
            played: each class on each picture that shows it, as far as it could be left out.
            truths: of each labelled picture, bool (C + 1, H, W), see :func:`kizu.fewshot.holdout.truth_of`.
            labelled: the labelled pictures.
            good: maps (2, h, w) of good pictures that were left out; they count as much as what was played at most.
            share: of good pictures on which it may fire, and of their pixels that may be within an outline.

        Raises:
            KizuError: nothing could be left out.
        """
        if not played:
            raise KizuError(
                "--unknown needs ground that nothing was fitted to: pass good pictures with --clean, or label a "
                "picture more"
            )
        self._played, self._truths, self._share = played, truths, share
        ground = [(own, np.ones(own.shape[1:], bool)) for own in good]
        around = [(play.unlike, to_cells(near(truths[play.place].any(0))) == 0) for play in played]
        self.usual = Usual.of(ground + around)
        self.pairs = [[self._pair(play, mix) for play in played] for mix in MIXES]
        area = least_area(areas_of(labelled, set(range(len(truths[0]) - 1))))
        levels = (self._level(k, [self._mixed(own, mix) for own in good]) for k, mix in enumerate(MIXES))
        self.outlines = [Outline(level, area, area) for level in levels]

    def layers(self, unlike: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """The map of each of :data:`MIXES`, float32 (3, height, width), of maps (2, h, w)."""
        return np.stack([to_pixels(self._mixed(unlike, mix), size) for mix in MIXES])

    def choose(self, rules: Sequence[Rule], expected: Sequence[Expected]) -> tuple[Unknown, Expected]:
        """The mixture of which most is found by its rule, and what to expect of it.

        Args:
            rules, expected: of :func:`kizu.fewshot.thresholds.rules_of` for the outlines. Where there were no good
                pictures, the ground of the labelled ones takes their place, which promises nothing.
        """
        if not expected[0].clean:
            done = [self._on_ground(k) for k in range(len(MIXES))]
            rules, expected = [rule for rule, _ in done], [item for _, item in done]
        best = max(range(len(MIXES)), key=lambda k: (expected[k].iou, -expected[k].escapes))
        out = expected[best]
        if len(self._truths[0]) == 2:  # the only class was played for a model that knows it
            out = replace(out, iou=None, escapes=None)
        return Unknown(self.usual, MIXES[best], rules[best]), out

    def note(self, names: Sequence[str], unknown: Unknown) -> str:
        """On how many pictures of each class a model that does not know it finds it as unknown, in a sentence."""
        if len(names) == 1:
            return (
                f"How many defects are found as {UNKNOWN} cannot be told: that takes a second class, so that each can "
                "be left out."
            )
        rule = unknown.rule
        outline = Outline(rule.pixel, rule.area, rule.core)
        found, shown = [0] * len(names), [0] * len(names)
        for play, (odds, truth) in zip(self._played, self.pairs[MIXES.index(unknown.mix)], strict=True):
            regions = outline.regions(odds)
            found[play.label] += any(e >= rule.region and truth[w][mask].any() for e, w, mask in regions)
            shown[play.label] += 1
        told = ", ".join(f"{name} on {found[k]} of {shown[k]}" for k, name in enumerate(names) if shown[k])
        return f"Fitted without each class in turn, it would find as {UNKNOWN}: {told} pictures."

    def _mixed(self, unlike: np.ndarray, mix: Mix) -> np.ndarray:
        return mix.apply(self.usual.beyond(unlike.astype(np.float32)))

    def _pair(self, play: Played, mix: Mix) -> tuple[np.ndarray, np.ndarray]:
        truth = self._truths[play.place]
        others = near(np.delete(truth, play.label, 0).any(0)) & ~truth[play.label]
        odds = to_pixels(self._mixed(play.unlike, mix), truth.shape[1:])
        return np.where(others, NEVER, odds).astype(np.float16), truth[play.label]

    def _level(self, k: int, good: list[np.ndarray]) -> float:
        some = [(own, np.zeros(own.shape, bool)) for own in good[: len(self.pairs[k])]]
        level, _ = best_level(self.pairs[k] + some)
        if not good:
            return level
        return max(level, float(np.quantile(np.concatenate([own.ravel() for own in good]), 1 - self._share)))

    def _on_ground(self, k: int) -> tuple[Rule, Expected]:
        """As :func:`kizu.inspection.calibrate.choose_rule`, by the ground of the labelled pictures."""
        ground: dict[int, np.ndarray] = {}
        for play, (odds, truth) in zip(self._played, self.pairs[k], strict=True):
            if play.place not in ground:  # other classes on the picture are out of it already
                ground[play.place] = np.where(near(truth), np.float16(NEVER), odds)
        found = (self.outlines[k].regions(odds) for odds in ground.values())
        regions = [[(strength, int(mask.sum())) for strength, _, mask in own] for own in found]
        rule, expected = choose_rule(self.outlines[k], self.pairs[k], regions, self._share)
        return rule, replace(expected, false_alarms=None, clean=0, promised=False)
