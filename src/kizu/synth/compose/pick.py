"""A name by weight: ``Generator.choice`` takes long for one of a few."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def pick(weights: Mapping[str, float], random: np.random.Generator) -> str:
    """One of the names, each as likely as its share of all weights; one number is drawn.

    Args:
        weights: name -> 0 or more, one of them more than 0.
    """
    left = random.random() * sum(weights.values())
    for name, weight in weights.items():
        left -= weight
        if left < 0:
            return name
    # Rounding has eaten up the last of it.
    return [name for name, weight in weights.items() if weight > 0][-1]
