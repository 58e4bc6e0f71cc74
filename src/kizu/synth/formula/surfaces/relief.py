"""Bumps of a wanted slope, and the slow unevenness that every real surface has."""

from __future__ import annotations

import numpy as np

from kizu.synth.formula import chance
from kizu.synth.formula.noise import add_smooth

# Deviation of smooth noise (and of streaks) whose bumps are one pixel in size and whose slope is 1.
RISE = 0.72


def bumps(height: np.ndarray, size: float | tuple[float, float], slope: float, random: np.random.Generator) -> None:
    """Add smooth bumps of a size in pixels (or down, across) and a root mean square slope to ``height`` (H, W)."""
    add_smooth(height, size, RISE * slope * (min(size) if isinstance(size, tuple) else size), random)


def uneven(tone: np.ndarray, params: dict, random: np.random.Generator) -> None:
    """Add what differs slowly over a piece, and from piece to piece: ``uneven`` and ``slow`` of the parameters."""
    add_smooth(tone, params["slow"], params["uneven"], random)
    tone += np.float32(0.4 * params["uneven"] * np.clip(random.normal(), -2.5, 2.5))


def unevenness(random: np.random.Generator, scale: float, low: float = 0.01, high: float = 0.05) -> dict:
    """The parameters of :func:`uneven`: deviation between ``low`` and ``high``, over 90 to 400 pixels."""
    return {
        "uneven": chance.log_uniform((low, high), random),
        "slow": chance.log_uniform((90, 400), random) * scale,
    }


def heading(random: np.random.Generator, level: float = 0.6) -> float:
    """Direction of lines, radians: along or across the frame with probability ``level``, else any."""
    if chance.either(level, random):
        return float(random.integers(2) * np.pi / 2 + random.normal(0, 0.02))
    return chance.uniform((0, np.pi), random)


def turned(params: dict, random: np.random.Generator, spread: float = 0.006) -> float:
    """The heading of one piece: that of the product, give or take a little."""
    return float(params["heading"] + np.clip(random.normal(), -2, 2) * spread)
