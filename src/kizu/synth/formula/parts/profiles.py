"""Rolled and extruded sections: L, T, U and I."""

from __future__ import annotations

import numpy as np

from kizu.synth.formula.outline import Outline
from kizu.synth.formula.parts.part import Part, rounded


def _profile(name: str, corners: list[tuple[float, float]], thick: float, random: np.random.Generator) -> Part:
    corners = np.array(corners, np.float64)
    # Rolled sections have wide inner and narrow outer corners; a corner is an inner one where the ring turns back.
    before, after = corners - np.roll(corners, 1, 0), np.roll(corners, -1, 0) - corners
    turns = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    area = np.dot(corners[:, 0], np.roll(corners[:, 1], -1)) - np.dot(corners[:, 1], np.roll(corners[:, 0], -1))
    inner = turns * area < 0
    radii = thick * np.where(inner, random.uniform(0.2, 0.7), random.uniform(0.04, 0.25))
    return Part(name, Outline(rounded(corners, radii)), [], random.uniform(0.01, 0.04))


def l_profile(radius: float, random: np.random.Generator) -> Part:
    """An angle section."""
    a, b = radius, radius * random.uniform(0.55, 1)
    t = radius * random.uniform(0.15, 0.4)
    return _profile("l_profile", [(-a, -b), (-a + t, -b), (-a + t, b - t), (a, b - t), (a, b), (-a, b)], t, random)


def t_profile(radius: float, random: np.random.Generator) -> Part:
    """A T section."""
    a, b = radius, radius * random.uniform(0.55, 1)
    t, s = radius * random.uniform(0.15, 0.4), radius * random.uniform(0.08, 0.2)
    corners = [(-a, -b), (a, -b), (a, -b + t), (s, -b + t), (s, b), (-s, b), (-s, -b + t), (-a, -b + t)]
    return _profile("t_profile", corners, min(t, 2 * s), random)


def u_profile(radius: float, random: np.random.Generator) -> Part:
    """A channel section."""
    a, b = radius, radius * random.uniform(0.45, 1)
    t = radius * random.uniform(0.12, 0.3)
    corners = [(-a, -b), (-a + t, -b), (-a + t, b - t), (a - t, b - t), (a - t, -b), (a, -b), (a, b), (-a, b)]
    return _profile("u_profile", corners, t, random)


def i_profile(radius: float, random: np.random.Generator) -> Part:
    """An I or H section."""
    a, b = radius * random.uniform(0.45, 1), radius
    t, s = radius * random.uniform(0.12, 0.3), radius * random.uniform(0.06, 0.15)
    corners = [
        (-a, -b), (a, -b), (a, -b + t), (s, -b + t), (s, b - t), (a, b - t),
        (a, b), (-a, b), (-a, b - t), (-s, b - t), (-s, -b + t), (-a, -b + t),
    ]  # fmt: skip
    return _profile("i_profile", corners, min(t, 2 * s), random)
