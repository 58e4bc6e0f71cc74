"""``Engine``: what a network says of a picture, before thresholds: candidates with raw scores, and maybe maps.

Raw scores become those of an inspector by their log odds against those of the threshold of their class, so that 0.5 is
the threshold in force and the order of the candidates of a class stays.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Any

import numpy as np

from kizu.core.instances import Instances
from kizu.inspection.regions import agreeing, sigmoid

LOWEST = 0.01  # raw score below which nothing is a candidate
_BELOW = 0.499  # the highest score of what does not fire


@dataclass(frozen=True)
class Candidates:
    """What a network says of one picture.

    Attributes:
        instances: with raw scores in 0..1, and with masks where the network has them.
        odds: float32 (C, H, W) log odds of each pixel, or None.
    """

    instances: Instances
    odds: np.ndarray | None = None


class Engine(abc.ABC):
    """A trained network with all that its candidates depend on.

    Attributes:
        feet: for each class the raw score of a pixel on the outline of an instance; only where there are maps.
    """

    feet: tuple[float, ...] = ()

    @abc.abstractmethod
    def candidates(self, image: np.ndarray, maps: bool = True) -> Candidates:
        """Candidates of one uint8 (H, W, 3) RGB picture of any size; ``maps`` asks for pixels too."""

    @abc.abstractmethod
    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and JSON-able settings that make the same engine."""


def log_odds(score: np.ndarray | float) -> np.ndarray | float:
    """Of probabilities, cut at 1e-6 from both ends."""
    score = np.clip(np.asarray(score, np.float64), 1e-6, 1 - 1e-6)
    return np.log(score) - np.log1p(-score)


def settled(found: Candidates, levels: list[float], feet: tuple[float, ...], min_score: float):
    """Instances and score maps of an inspector from candidates.

    Args:
        levels: for each class the log odds that are the threshold in force.
        feet: see :class:`Engine`.
        min_score: instances scored lower are left out.

    Returns:
        Instances, strongest first, with scores in 0..1 where 0.5 is the threshold; and maps float32 (C, H, W), or None.
    """
    raw = found.instances
    above = log_odds(raw.scores) - np.asarray(levels)[raw.labels]
    scores = np.where(above >= 0, np.maximum(sigmoid(above), 0.5), np.minimum(sigmoid(above), _BELOW))
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] >= min(min_score, 0.5)]
    every = raw[order].replace(scores=scores[order].astype(np.float32))
    chosen = every[every.scores >= min_score]
    if found.odds is None:
        return chosen, None
    maps = sigmoid(found.odds - np.asarray(levels, np.float32)[:, None, None]).astype(np.float32)
    heights = [float(sigmoid(log_odds(foot) - level)) for foot, level in zip(feet, levels, strict=True)]
    return chosen, agreeing(maps, every, heights)
