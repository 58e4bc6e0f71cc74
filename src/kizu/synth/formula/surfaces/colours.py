"""Colours of materials: linear RGB from the hex codes that people know, and what one lot differs by from the next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Mouldings, paints, inks and mats: RAL-like colours as sRGB.
VIVID = (
    "#c1121c", "#e75b12", "#f3a505", "#f7d117", "#4f8f2f", "#00695a", "#1e67a8", "#153a7a", "#5d3a7d", "#a83a5d",
    "#2a9fbf", "#87a922",
)  # fmt: skip
NEUTRAL = ("#f1efe8", "#e2e1db", "#b8b8b4", "#8a8d8f", "#55595c", "#2b2d2f", "#18191a", "#d8cfb8", "#8a7a66")
METALS = {
    "steel": (0.46, 0.45, 0.44),
    "stainless": (0.50, 0.485, 0.46),
    "aluminium": (0.66, 0.66, 0.665),
    "zinc": (0.48, 0.49, 0.51),
    "brass": (0.62, 0.48, 0.20),
    "bronze": (0.46, 0.30, 0.16),
    "copper": (0.68, 0.36, 0.22),
    "titanium": (0.38, 0.36, 0.33),
}
_PURE = {"brass": 0.3, "bronze": 0.3, "copper": 0.25, "titanium": 0.4, "zinc": 0.6}


def linear(code: str) -> list[float]:
    """Linear RGB of ``#rrggbb`` (IEC 61966-2-1)."""
    value = np.array([int(code[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).tolist()


def vary(colour: Sequence[float], random: np.random.Generator, light: float = 0.12, hue: float = 0.04) -> list[float]:
    """A colour near another: relative deviation ``light`` of all channels together and ``hue`` of each."""
    gain = np.exp(random.normal(0, light) + random.normal(0, hue, 3))
    return np.clip(np.asarray(colour) * gain, 0.006, 0.92).tolist()


def any_of(codes: Sequence[str], random: np.random.Generator, light: float = 0.12, hue: float = 0.04) -> list[float]:
    """One of some hex colours, varied; linear RGB."""
    return vary(linear(codes[int(random.integers(len(codes)))]), random, light, hue)


def metal(random: np.random.Generator, names: Sequence[str] = tuple(METALS)) -> list[float]:
    """Reflectance of a metal; the red and yellow ones are rarer than steel and aluminium."""
    weights = np.array([_PURE.get(name, 1.0) for name in names])
    name = names[int(random.choice(len(names), p=weights / weights.sum()))]
    return vary(METALS[name], random, 0.12, 0.008)


def blend(one: Sequence[float], other: Sequence[float], share: float) -> list[float]:
    """Between two colours (or rows of a ramp)."""
    return [(1 - share) * a + share * b for a, b in zip(one, other, strict=True)]


def row(colour: Sequence[float], roughness: float, metal: float, gain: float = 1.0) -> list[float]:
    """A row of a ramp: linear R, G, B (times ``gain``), roughness, metal."""
    return [*(min(c * gain, 0.95) for c in colour), roughness, metal]
