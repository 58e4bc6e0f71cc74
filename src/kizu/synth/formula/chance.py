"""Draws from the values of a preset: ranges, weights, quantiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np


def uniform(low_high: Sequence[float], random: np.random.Generator) -> float:
    """Evenly from [low, high]."""
    return float(random.uniform(low_high[0], low_high[1]))


def log_uniform(low_high: Sequence[float], random: np.random.Generator) -> float:
    """From [low, high], evenly in the logarithm; low > 0."""
    return float(np.exp(random.uniform(np.log(low_high[0]), np.log(low_high[1]))))


def whole(low_high: Sequence[float], random: np.random.Generator) -> int:
    """A whole number from [low, high], both ends included."""
    return int(random.integers(int(low_high[0]), int(low_high[1]) + 1))


def pick(weights: Mapping[str, float], random: np.random.Generator) -> str:
    """A name, with the probability of its weight."""
    values = np.fromiter(weights.values(), np.float64, len(weights))
    place = int(np.searchsorted(np.cumsum(values) / values.sum(), random.uniform(), "right"))
    return list(weights)[min(place, len(values) - 1)]


def quantile(quantiles: Sequence[float], random: np.random.Generator) -> float:
    """From a distribution that is given by its evenly spaced quantiles, lowest to highest."""
    return float(np.interp(random.uniform(), np.linspace(0, 1, len(quantiles)), quantiles))


def either(probability: float, random: np.random.Generator) -> bool:
    """True with a probability."""
    return bool(random.uniform() < probability)
