"""The few-shot inspector: weight-free features, a scorer fitted in seconds, calibrated rules."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

import numpy as np

from kizu.core.card import Card
from kizu.core.errors import KizuError
from kizu.core.inspector import Inspector
from kizu.core.instances import Instances
from kizu.fewshot.cells import to_pixels
from kizu.fewshot.features import STRIDE, VERSION, channels, describe
from kizu.fewshot.mix import Mix
from kizu.fewshot.scorer import Scorer
from kizu.inspection.regions import Rule, decide


def member_maps(image: np.ndarray, scorer: Scorer, classes: int) -> np.ndarray:
    """Log odds float32 (3, C, h, w) by member and class on the grid of cells of a uint8 (H, W, 3) RGB image."""
    height, width = image.shape[:2]
    cells = np.zeros((3, classes, -(-height // STRIDE), -(-width // STRIDE)), np.float32)
    for tile, features in describe(image):
        core = tile.core(features)
        odds = scorer.score(core.reshape(-1, core.shape[-1]))
        cells[(..., *tile.cells)] = odds.transpose(1, 2, 0).reshape(3, classes, *core.shape[:2])
    return cells


def mixed(members: np.ndarray, mixes: list[Mix], size: tuple[int, int]) -> np.ndarray:
    """Member maps (3, C, h, w) mixed and brought to pixels: log odds float32 (C, height, width)."""
    layers = [mix.apply(members[:, k]) for k, mix in enumerate(mixes)]
    return np.stack([to_pixels(layer, size) for layer in layers])


class FewShotInspector(Inspector):
    """Finds the defects of one to five labelled pictures in new ones.

    Attributes:
        card: see :class:`kizu.core.card.Card`.
        scorer: fitted pixel scorer.
        mixes, rules: one a class.
    """

    kind: ClassVar[str] = "fewshot"

    def __init__(self, card: Card, scorer: Scorer, mixes: list[Mix], rules: list[Rule]):
        self.card = card
        self.scorer = scorer
        self.mixes = mixes
        self.rules = rules

    def inspect(self, image: np.ndarray, min_score: float = 0.5) -> tuple[Instances, np.ndarray]:
        """Instances (strongest first) and score maps float32 (C, H, W) of one uint8 (H, W, 3) RGB image."""
        members = member_maps(image, self.scorer, len(self.rules))
        return decide(mixed(members, self.mixes, image.shape[:2]), self.rules, min_score)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        return self.scorer.arrays, {
            "features": VERSION,
            "mixes": [asdict(mix) for mix in self.mixes],
            "rules": [asdict(rule) for rule in self.rules],
        }

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], settings: dict[str, Any], card: Card) -> FewShotInspector:
        if settings.get("features") != VERSION:
            raise KizuError(f"fitted to features {settings.get('features')!r}, and this Kizu makes {VERSION!r}")
        mixes = [Mix(tuple(mix["weights"]), mix["blur"]) for mix in settings["mixes"]]
        rules = [Rule(**rule) for rule in settings["rules"]]
        count, width = len(card.classes), 2 * len(channels())
        if not len(rules) == len(mixes) == len(arrays["bias"]) - 1 == count or len(arrays["mean"]) != width:
            raise KizuError(f"{count} classes and {width} features a cell are expected, and its parts have others")
        return cls(card, Scorer(arrays), mixes, rules)
