"""Cut and stamped parts: rounded shapes, slotted and perforated plates, brackets."""

from __future__ import annotations

import numpy as np

from kizu.synth.formula.outline import Outline
from kizu.synth.formula.parts.part import TAU, Part, Seat, circle, polygon, rectangle, rounded, slot


def superellipse(radius: float, random: np.random.Generator) -> Part:
    """|x / a|^n + |y / b|^n = 1 (Lame, 1818), n from a rhombus's 1.4 to nearly a rectangle's 8; often with an inset."""
    n = random.choice((1.4, 2.0, 2.5, 3.0, 4.0, 8.0))
    a, b = radius, radius * random.uniform(0.4, 1)
    t = np.linspace(0, TAU, 4 * max(int(3.5 * np.sqrt(radius)), 12) + 1)[:-1]
    # Vertices even in the angle of the normal lie close together where it bends, at all exponents from 1 on.
    c, s = np.cos(t), np.sin(t)
    norm = (np.abs(c) ** n + np.abs(s) ** n) ** (-1 / n)
    outside = np.stack([a * c * norm, b * s * norm], 1)
    seats = []
    if random.random() < 0.6:
        lift = random.choice((-1, 1)) * random.uniform(0.03, 0.08)
        inner = Outline(outside * random.uniform(0.55, 0.85))
        seats.append(Seat("boss" if lift > 0 else "inset", inner, lift))
    return Part("superellipse", Outline(outside), seats, random.uniform(0.03, 0.12))


def rounded_polygon(radius: float, random: np.random.Generator) -> Part:
    """An irregular convex polygon of 3 to 8 sides with rounded corners; sometimes with a hole or an inset."""
    sides = int(random.integers(3, 9))
    spread = (np.arange(sides) + random.uniform(-0.22, 0.22, sides)) * TAU / sides
    corners = radius * np.stack([np.cos(spread), np.sin(spread)], 1)
    outside = rounded(corners, radius * random.uniform(0.08, 0.3))
    inside = radius * np.cos(TAU / sides * 0.72) if sides > 3 else 0.3 * radius
    rings, seats = [outside], []
    kind = random.random()
    if kind < 0.3:
        rings.append(circle(max(0.45 * inside, 0.12 * radius)))
    elif kind < 0.6:
        seats.append(Seat("inset", Outline(outside * random.uniform(0.6, 0.82)), -random.uniform(0.03, 0.08)))
    return Part("rounded_polygon", Outline.of(rings), seats, random.uniform(0.02, 0.1))


def _plate(radius: float, random: np.random.Generator, flat: float) -> tuple[float, float, np.ndarray]:
    """Half width, half height and the outside of a plate with rounded corners."""
    a, b = radius, radius * random.uniform(flat, 1)
    return a, b, rounded(rectangle(-a, -b, a, b), b * random.uniform(0.05, 0.35))


def slotted_plate(radius: float, random: np.random.Generator) -> Part:
    """A plate with parallel long holes, and often screw heads in its corners."""
    a, b, outside = _plate(radius, random, 0.45)
    count = int(random.integers(1, 6))
    pitch = 1.5 * b / count
    half = min(pitch * random.uniform(0.18, 0.3), 0.2 * a)
    length = max(1.3 * a - 2 * half, half)
    rows = (np.arange(count) - (count - 1) / 2) * pitch
    rings = [outside, *(slot(length, half, (0, y)) for y in rows)]
    seats = []
    if random.random() < 0.5:
        x = 0.88 * a
        size = 0.07 * radius
        seats = [Seat("screw", Outline(circle(size, (sx * x, 0.0))), 0.05, 0.03) for sx in (-1, 1)]
    return Part("slotted_plate", Outline.of(rings), seats, random.uniform(0.01, 0.03))


def perforated_plate(radius: float, random: np.random.Generator) -> Part:
    """A plate with a grid of round, square or hexagonal holes, straight or staggered."""
    a, b, outside = _plate(radius, random, 0.5)
    columns = int(random.integers(3, 9))
    pitch = 1.72 * a / columns
    rows = max(int(1.72 * b / pitch), 1)
    size = pitch * random.uniform(0.24, 0.38)
    hole = (circle(size), rounded(polygon(4, 1.2 * size, np.pi / 4), 0.15 * size), polygon(6, size))[
        int(random.integers(3))
    ]
    stagger = random.random() < 0.4
    rings = [outside]
    for i in range(rows):
        odd = stagger and i % 2 == 1
        for j in range(columns - odd):
            x, y = (j - (columns - 1 - odd) / 2) * pitch, (i - (rows - 1) / 2) * pitch
            rings.append(hole + np.array([x, y]))
    return Part("perforated_plate", Outline.of(rings), [], random.uniform(0.01, 0.025))


def bracket(radius: float, random: np.random.Generator) -> Part:
    """An angle plate with a hole in each arm, or a gusset with one in each corner; ribs or a slot between them."""
    r, seats = radius, []
    if random.random() < 0.6:
        w = random.uniform(0.5, 0.8) * r
        corners = np.array([[-r, -r], [-r + w, -r], [-r + w, r - w], [r, r - w], [r, r], [-r, r]])
        outside = rounded(corners, w * random.uniform(0.1, 0.45))
        holes = [circle(0.24 * w, (-r + w / 2, -r + w / 2)), circle(0.24 * w, (r - w / 2, r - w / 2))]
        if random.random() < 0.5:
            holes.append(circle(0.2 * w, (-r + w / 2, r - w / 2)))
        top, bottom = -r + 0.74 * w, r - 0.7 * w  # between the holes
        middle = (-r + w / 2, (top + bottom) / 2)
        kind, lift = ("rib", 0.06) if random.random() < 0.5 else ("slot", -0.1)
        seats.append(Seat(kind, Outline(slot(0.6 * (bottom - top), 0.1 * w, middle, np.pi / 2)), lift))
    else:
        corners = np.array([[-r, r], [-r, -r], [-0.6 * r, -r], [r, 0.6 * r], [r, r]])
        outside = rounded(corners, 0.15 * r)
        holes = [circle(0.1 * r, (-0.78 * r, -0.68 * r)), circle(0.1 * r, (0.7 * r, 0.78 * r))]
        inner = rounded(np.array([[-0.7 * r, 0.7 * r], [-0.7 * r, -0.35 * r], [0.35 * r, 0.7 * r]]), 0.08 * r)
        if random.random() < 0.5:
            holes.append(inner)
        else:
            seats.append(Seat("inset", Outline(inner), -0.05))
    return Part("bracket", Outline.of([outside, *holes]), seats, random.uniform(0.015, 0.04))
