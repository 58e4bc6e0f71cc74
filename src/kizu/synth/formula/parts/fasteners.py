"""Nuts and bolt heads."""

from __future__ import annotations

import numpy as np

from kizu.synth.formula.outline import Outline
from kizu.synth.formula.parts.part import TAU, Part, Seat, annulus, circle, polygon, rounded


def hex_nut(radius: float, random: np.random.Generator) -> Part:
    """A hexagon nut: its chamfered face is a raised ring about the thread; some carry a flange."""
    hole = radius * random.uniform(0.42, 0.56)
    flange = random.random() < 0.25
    corner = radius * (0.8 if flange else 1.0)
    hexagon = rounded(polygon(6, corner), 0.05 * corner)
    hole *= corner / radius
    face = annulus(corner * np.cos(np.pi / 6) * 0.98, hole)
    if flange:
        seats = [Seat("boss", Outline.of([hexagon, circle(hole)]), 0.2), Seat("boss", face, 0.24)]
        return Part("hex_nut", annulus(radius, hole), seats, 0.04)
    seats = [Seat("boss", face, 0.05, 0.03)]
    return Part("hex_nut", Outline.of([hexagon, circle(hole)]), seats, 0.05)


def bolt_head(radius: float, random: np.random.Generator) -> Part:
    """A round or hexagonal head with a slot, cross, hexagon socket or six-lobed recess (or, a hexagonal one, plain)."""
    hexagonal = random.random() < 0.4
    inside = radius * (0.8 if hexagonal else 1.0)
    outside = rounded(polygon(6, radius), 0.06 * radius) if hexagonal else circle(radius)
    seats = []
    if hexagonal:
        seats.append(Seat("boss", Outline(circle(inside)), 0.04, 0.03))
    kinds = ["slot", "cross", "socket", "lobes"] + ["plain"] * (2 * hexagonal)
    kind = kinds[int(random.integers(len(kinds)))]
    recess = _recess(kind, inside, random)
    if recess is not None:
        turn = random.uniform(0, TAU)
        c, s = np.cos(turn), np.sin(turn)
        seats.append(Seat("recess", Outline(recess @ np.array([[c, s], [-s, c]])), -0.25, 0.03))
    return Part("bolt_head", Outline(outside), seats, random.uniform(0.06, 0.25))


def _recess(kind: str, radius: float, random: np.random.Generator) -> np.ndarray | None:
    if kind == "slot":
        a, b = radius * random.uniform(0.75, 0.96), radius * random.uniform(0.08, 0.14)
        return np.array([[-a, -b], [a, -b], [a, b], [-a, b]])
    if kind == "cross":
        a, b = radius * random.uniform(0.5, 0.65), radius * random.uniform(0.09, 0.14)
        arm = np.array([[a, -0.6 * b], [a, 0.6 * b], [1.5 * b, b], [b, 1.5 * b]])
        turns = [np.array([[0, 1], [-1, 0]])] * 4
        out, matrix = [], np.eye(2)
        for turn in turns:
            out.append(arm @ matrix)
            matrix = matrix @ turn
        return np.concatenate(out)
    if kind == "socket":
        return polygon(6, radius * random.uniform(0.45, 0.6))
    if kind == "lobes":
        angle = np.linspace(0, TAU, 73)[:-1]
        r = radius * random.uniform(0.42, 0.52) * (1 + 0.14 * np.cos(6 * angle))
        return r[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    return None
