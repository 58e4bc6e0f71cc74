"""How the members of a scorer are mixed, chosen for each class on pictures that they have not seen.

A crack is found best by a linear model on ridge filters, a broken edge by a forest on how unusual it is; one mixture
does not serve both. The candidates are few, and one must beat the usual mixture clearly, because the supports are few
as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from kizu.inspection.calibrate import best_level

_DECODER = (0.0, 1 / 3, 1 / 2, 2 / 3, 1.0)  # shares of a decoder; of equal ones the smaller
_MARGIN = 1.2  # relative gain of held-out IoU over the first candidate that a choice needs


@dataclass(frozen=True)
class Mix:
    """Weights of a scorer's members, and the Gaussian blur of the mixed map in cells (0 = none)."""

    weights: tuple[float, ...]
    blur: float

    def apply(self, members: np.ndarray) -> np.ndarray:
        """Member log odds float (M, h, w) of one class to one map float32 (h, w)."""
        mixed = np.tensordot(np.array(self.weights, np.float32), np.asarray(members, np.float32), 1)
        return cv2.GaussianBlur(mixed, (0, 0), self.blur) if self.blur else mixed


# Linear model, forest on all, forest on own, linear model on whitened cells, matching of these, plain matching. The
# first is the best all round on val (bench/rivals.py --split val); the others serve some classes better.
USUAL = Mix((0.0, 1 / 7, 1 / 7, 1 / 7, 2 / 7, 2 / 7), 0.0)
MEMBERS = len(USUAL.weights)
_WEIGHTS = (
    USUAL.weights,
    (1 / 8, 1 / 8, 1 / 8, 1 / 8, 1 / 2, 0.0),
    (1 / 4, 1 / 4, 1 / 4, 1 / 4, 0.0, 0.0),
    (0.0, 0.0, 0.0, 1 / 3, 2 / 3, 0.0),
    (0.0, 0.0, 0.0, 1 / 4, 1 / 4, 1 / 2),
    (0.0, 0.0, 0.0, 0.0, 0.0, 1.0),
)
CANDIDATES = [Mix(weights, blur) for blur in (0.0, 1.0, 2.0) for weights in _WEIGHTS]


def choose_mix(pairs: list[tuple[np.ndarray, np.ndarray]], candidates: Sequence[Mix] = CANDIDATES) -> Mix:
    """The mixture of the best pooled IoU on held-out supports.

    Args:
        pairs: (member log odds (M, h, w), truth bool (h, w)) of each held-out support, on the grid of cells.
        candidates: the first stands unless another is clearly better.
    """
    scores = {mix: best_level([(mix.apply(members), truth) for members, truth in pairs])[1] for mix in candidates}
    best = max(scores, key=scores.get)
    return best if scores[best] > _MARGIN * scores[candidates[0]] else candidates[0]


def choose_with_decoder(pairs: list[tuple[np.ndarray, np.ndarray]], candidates: Sequence[Mix] = CANDIDATES) -> Mix:
    """As :func:`choose_mix`, with the decoder as the last member: how much it says, if it is better with it.

    Args:
        pairs: (member log odds (M + 1, h, w), truth bool (h, w)) of each held-out support.
        candidates: mixtures of the M others.
    """
    without = choose_mix([(members[:-1], truth) for members, truth in pairs], candidates)
    mixes = [
        Mix((*((1 - share) * weight for weight in without.weights), share), without.blur if share < 1 else 0.0)
        for share in _DECODER
    ]
    scores = [best_level([(mix.apply(members), truth) for members, truth in pairs])[1] for mix in mixes]
    return mixes[int(np.argmax(scores))]
