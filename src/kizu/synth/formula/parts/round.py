"""Turned parts: discs, washers, rings, flanges, gears, bearings."""

from __future__ import annotations

import numpy as np

from kizu.synth.formula.outline import Outline
from kizu.synth.formula.parts.part import TAU, Part, Seat, annulus, around, circle, circles


def disc(radius: float, random: np.random.Generator) -> Part:
    """A round blank, plain, stepped, or with blind holes on a circle."""
    seats = []
    if random.random() < 0.5:
        inner = radius * random.uniform(0.35, 0.75)
        lift = random.choice((-1, 1)) * random.uniform(0.03, 0.1)
        seats.append(Seat("boss" if lift > 0 else "inset", Outline(circle(inner)), lift))
    if random.random() < 0.35:
        count = int(random.integers(3, 9))
        places = around(count, radius * 0.84, random.uniform(0, TAU))
        seats += [Seat("hole", Outline(ring), -0.2, 0.01) for ring in circles(radius * 0.07, places)]
    return Part("disc", Outline(circle(radius)), seats, random.uniform(0.02, 0.08))


def washer(radius: float, random: np.random.Generator) -> Part:
    """A flat washer."""
    hole = radius * random.uniform(0.3, 0.68)
    return Part("washer", annulus(radius, hole), [], random.uniform(0.015, 0.05))


def ring(radius: float, random: np.random.Generator) -> Part:
    """An o-ring: thin, of round section."""
    thick = radius * random.uniform(0.1, 0.28)
    return Part("ring", annulus(radius, radius - thick), [], thick / radius / 2, round=True)


def flange(radius: float, random: np.random.Generator) -> Part:
    """A disc with a bore, a raised hub and bolt holes on a circle."""
    bore = radius * random.uniform(0.15, 0.32)
    hub = bore + radius * random.uniform(0.1, 0.2)
    count = int(random.integers(3, 9))
    middle = (hub + radius) / 2
    size = min((radius - hub) * random.uniform(0.22, 0.34), 0.8 * np.pi * middle / count)
    holes = circles(size, around(count, middle, random.uniform(0, TAU)))
    outline = Outline.of([circle(radius), circle(bore), *holes])
    return Part("flange", outline, [Seat("boss", annulus(hub, bore), random.uniform(0.06, 0.15))], 0.03)


def gear(radius: float, random: np.random.Generator) -> Part:
    """A spur gear: rounded trapezoidal teeth, a bore (often with a keyway), a hub or holes in the web."""
    teeth = int(random.integers(9, 33))
    depth = radius * min(random.uniform(2.0, 2.5) * 2 / (teeth + 2), 0.3)
    root = radius - depth
    # One tooth: root land, flank, tip land, flank; shares of the pitch angle. Flanks bulge as involutes do.
    foot, tip, bulge = random.uniform(0.52, 0.6), random.uniform(0.2, 0.3), random.uniform(0.02, 0.05)
    t = np.linspace(0, 1, 6)
    flank_angle = (0.5 - foot / 2) + (foot - tip) / 2 * t - bulge * np.sin(np.pi * t)
    flank_radius = root + depth * t
    land = np.linspace(-0.5, 0.5, 4)
    angles = np.concatenate([[0.0], flank_angle, 0.5 + tip * land[1:-1], 1 - flank_angle[::-1]])
    radii = np.concatenate([[root], flank_radius, [radius] * 2, flank_radius[::-1]])
    angle = (np.arange(teeth)[:, None] + angles[None]).reshape(-1) * TAU / teeth
    radii = np.tile(radii, teeth)
    outside = radii[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    bore = root * random.uniform(0.16, 0.4)
    rings, seats = [outside, _bore(bore, random.random() < 0.5)], []
    hub = bore + root * random.uniform(0.14, 0.22)
    if hub < 0.8 * root:
        kind = random.random()
        if kind < 0.35 and root - hub > 0.3 * root:
            count = int(random.integers(3, 7))
            middle, size = (hub + root) / 2, 0.27 * (root - hub)
            rings += circles(min(size, 0.7 * np.pi * middle / count), around(count, middle, random.uniform(0, TAU)))
        elif kind < 0.75:
            seats.append(Seat("boss", Outline.of([circle(hub), rings[1]]), random.uniform(0.05, 0.12)))
        else:
            seats.append(Seat("inset", annulus(0.88 * root, hub), -random.uniform(0.04, 0.1)))
    return Part("gear", Outline.of(rings), seats, random.uniform(0.015, 0.03))


def _bore(radius: float, keyway: bool) -> np.ndarray:
    if not keyway:
        return circle(radius)
    half, top = 0.22 * radius, 1.28 * radius
    begin = np.arcsin(half / radius)
    steps = max(len(circle(radius)), 12)
    angles = begin + (TAU - 2 * begin) * np.arange(steps + 1) / steps
    way = np.array([[top, -half], [top, half]])
    return np.concatenate([radius * np.stack([np.cos(angles), np.sin(angles)], 1), way])


def bearing(radius: float, random: np.random.Generator) -> Part:
    """A ball bearing seen along its axis: two races, the groove between them and the balls (or a shield) in it."""
    bore = radius * random.uniform(0.32, 0.5)
    wide = radius - bore
    inner, outer = bore + 0.27 * wide, radius - 0.25 * wide
    seats = [Seat("groove", annulus(outer, inner), -0.08)]
    middle, ball = (inner + outer) / 2, 0.46 * (outer - inner)
    if random.random() < 0.7:
        count = max(int(TAU * middle / (2 * ball) * random.uniform(0.6, 0.9)), 5)
        places = around(count, middle, random.uniform(0, TAU))
        # As wide as the ball is: a sphere's bevel reaches its middle.
        seats += [Seat("ball", Outline(c), 0.1, ball / radius) for c in circles(ball, places)]
    else:
        gap = 0.06 * (outer - inner)
        seats.append(Seat("inset", annulus(outer - gap, inner + gap), 0.04))
    return Part("bearing", annulus(radius, bore), seats, random.uniform(0.02, 0.04))
