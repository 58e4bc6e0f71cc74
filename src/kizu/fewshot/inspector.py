"""The few-shot inspector: weight-free features, a scorer fitted in seconds, calibrated rules."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

import cv2
import numpy as np

from kizu.core.card import Card
from kizu.core.inspector import Inspector
from kizu.core.instances import Instances
from kizu.fewshot.features import STRIDE, describe
from kizu.fewshot.scorer import Scorer
from kizu.inspection.regions import Rule, decide


def odds_map(image: np.ndarray, scorer: Scorer, classes: int) -> np.ndarray:
    """Log odds float32 (C, H, W) of each class for each pixel of a uint8 (H, W, 3) RGB image of any size."""
    height, width = image.shape[:2]
    cells = np.zeros((classes, -(-height // STRIDE), -(-width // STRIDE)), np.float32)
    for tile, features in describe(image):
        core = tile.core(features)
        odds = scorer.score(core.reshape(-1, core.shape[-1]))
        cells[(slice(None), *tile.cells)] = odds.T.reshape(classes, *core.shape[:2])
    return np.stack([cv2.resize(layer, (width, height), interpolation=cv2.INTER_LINEAR) for layer in cells])


class FewShotInspector(Inspector):
    """Finds the defects of one to five labelled pictures in new ones.

    Attributes:
        card: see :class:`kizu.core.card.Card`.
        scorer: fitted pixel scorer.
        rules: one a class.
    """

    kind: ClassVar[str] = "fewshot"

    def __init__(self, card: Card, scorer: Scorer, rules: list[Rule]):
        self.card = card
        self.scorer = scorer
        self.rules = rules

    def inspect(self, image: np.ndarray, min_score: float = 0.5) -> tuple[Instances, np.ndarray]:
        """Instances (strongest first) and score maps float32 (C, H, W) of one uint8 (H, W, 3) RGB image."""
        return decide(odds_map(image, self.scorer, len(self.rules)), self.rules, min_score)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        return self.scorer.arrays, {"rules": [asdict(rule) for rule in self.rules]}

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], settings: dict[str, Any], card: Card) -> FewShotInspector:
        return cls(card, Scorer(arrays), [Rule(**rule) for rule in settings["rules"]])
