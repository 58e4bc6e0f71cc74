"""Parts that are neither turned nor cut: springs, chain links, connectors, blades, and free smooth shapes."""

from __future__ import annotations

import numpy as np

from kizu.synth.formula.curves import arc, ribbon, spline
from kizu.synth.formula.fields import grains, patch, poisson_disc
from kizu.synth.formula.outline import Outline
from kizu.synth.formula.parts.part import TAU, Part, Seat, circle, rectangle, rounded, slot


def coil(radius: float, random: np.random.Generator) -> Part:
    """A spring seen from the side: a wire that runs to and fro."""
    legs = int(random.integers(8, 19))
    tall = radius * random.uniform(0.35, 0.6)
    pitch = 2 * radius / (legs + 1)
    wire = pitch * random.uniform(0.3, 0.46)
    bend, high = pitch / 2, max(tall - pitch / 2 - wire, 0.05 * radius)
    line = []
    for k in range(legs):  # legs up and down in turn, joined by half circles; the wire is thinner than these
        x, sign = (k - (legs - 1) / 2) * pitch, 1 - 2 * (k % 2)
        line.append(np.array([[x, -sign * high], [x, sign * high]]))
        if k < legs - 1:
            line.append(arc((x + bend, sign * high), bend, np.pi, -sign * np.pi)[1:-1])
    lean = np.array([[1.0, random.uniform(-0.12, 0.12)], [0.0, 1.0]])
    return Part("coil", ribbon(np.concatenate(line), wire).affine(lean), [], wire / radius, round=True)


def chain_link(radius: float, random: np.random.Generator) -> Part:
    """An oval link of round wire, or a flat one with two pins."""
    if random.random() < 0.5:
        half = radius * random.uniform(0.5, 0.65)
        wire = half * random.uniform(0.35, 0.5)
        length = 2 * (radius - half)
        outline = Outline.of([slot(length, half), slot(length, half - wire)])
        return Part("chain_link", outline, [], wire / radius / 2, round=True)
    half, waist = radius * random.uniform(0.34, 0.46), random.uniform(0.55, 0.85)
    place = radius - half
    angles = np.linspace(-0.6 * np.pi, 0.6 * np.pi, 25)
    right = np.stack([place + half * np.cos(angles), half * np.sin(angles)], 1)
    knots = np.concatenate([right, [[0, waist * half]], -right, [[0, -waist * half]]])
    outline = Outline(spline(knots, max(radius / 30, 1.0), closed=True))
    pins = [Seat("pin", Outline(circle(0.5 * half, (sign * place, 0.0))), 0.12, 0.06) for sign in (-1, 1)]
    return Part("chain_link", outline, pins, 0.04)


def connector(radius: float, random: np.random.Generator) -> Part:
    """A chip-like body with legs on one side or on two, or a socket with rows of contacts."""
    pins = int(random.integers(3, 13))
    a = radius
    pitch = 2 * a * 0.92 / pins
    half = pitch * random.uniform(0.2, 0.32)
    tall = a * random.uniform(0.35, 0.75)
    places = (np.arange(pins) - (pins - 1) / 2) * pitch
    if random.random() < 0.4:
        outside = rounded(rectangle(-a, -tall, a, tall), 0.08 * a)
        well = rounded(rectangle(-0.95 * a, -0.78 * tall, 0.95 * a, 0.78 * tall), 0.05 * a)
        seats = [Seat("inset", Outline(well), -0.12)]
        rows = (-0.38 * tall, 0.38 * tall) if random.random() < 0.5 else (0.0,)
        size = min(half, 0.22 * tall)
        seats += [
            Seat("pin", Outline(rectangle(x - size, y - size, x + size, y + size)), 0.1, 0.015)
            for y in rows
            for x in places * 0.92
        ]
        return Part("connector", Outline(outside), seats, 0.03)
    leg = tall * random.uniform(0.25, 0.5)
    body = tall - leg
    comb = []
    for x in places:  # along the lower edge, towards -x on the way back
        comb.append([(x - half, body), (x - half, tall), (x + half, tall), (x + half, body)])
    lower = np.array(comb[::-1], np.float64)[:, ::-1].reshape(-1, 2)
    top = np.array([[-a, -body], [a, -body]])
    if random.random() < 0.7:
        top = np.concatenate([[[-a, -body]], (lower * (1, -1))[::-1], [[a, -body]]])
    outside = np.concatenate([top, [[a, body]], lower, [[-a, body]]])
    seats = [Seat("boss", Outline(rounded(rectangle(-a, -0.97 * body, a, 0.97 * body), 0.02 * a)), 0.12)]
    seats.append(Seat("mark", Outline(circle(0.12 * body, (-0.86 * a, 0.55 * body))), -0.02, 0.01))
    return Part("connector", Outline(outside), seats, 0.02)


def blade(radius: float, random: np.random.Generator) -> Part:
    """An aerofoil section with camber (NACA four-digit series: Jacobs, Ward and Pinkerton, 1933)."""
    thick, camber, place = random.uniform(0.12, 0.3), random.uniform(0.0, 0.14), random.uniform(0.3, 0.5)
    x = 0.5 * (1 - np.cos(np.linspace(0, np.pi, 41)))
    y = 5 * thick * (0.2969 * np.sqrt(x) - 0.126 * x - 0.3516 * x**2 + 0.2843 * x**3 - 0.1036 * x**4)
    mean = np.where(
        x < place,
        camber / place**2 * (2 * place * x - x**2),
        camber / (1 - place) ** 2 * (1 - 2 * place + 2 * place * x - x**2),
    )
    upper, lower = np.stack([x, mean + y], 1), np.stack([x, mean - y], 1)
    ring = np.concatenate([upper, lower[-2:0:-1]])
    ring = 2 * radius * (ring - (0.5, mean.mean()))
    return Part("blade", Outline(ring), [], random.uniform(0.05, 0.12))


def blob(radius: float, random: np.random.Generator) -> Part:
    """A smooth free shape: r = r0 (1 + sum of a_m cos(m t + p_m)), a_m falling as a power of m."""
    order, fall = np.arange(2, 9), random.uniform(1.2, 2.5)
    sizes = random.normal(0, 1, len(order)) * order**-fall * random.uniform(0.3, 0.8)
    t = np.linspace(0, TAU, max(int(12 * np.sqrt(radius)), 48) + 1)[:-1]
    r = 1 + (sizes[:, None] * np.cos(order[:, None] * t + random.uniform(0, TAU, len(order))[:, None])).sum(0)
    r = np.maximum(r, 0.25)
    ring = (radius * r / r.max())[:, None] * np.stack([np.cos(t), np.sin(t)], 1)
    return Part("blob", Outline(ring), [], random.uniform(0.05, 0.2))


def granule(radius: float, random: np.random.Generator) -> Part:
    """A grain of crushed stuff: a Voronoi cell with worn corners."""
    points = poisson_disc((300, 300), 90.0, random)
    middle = int(np.argmin(np.hypot(*(points - 150).T)))
    ring = _sized(grains((300, 300), points)[middle].points, radius)
    return Part("granule", Outline(rounded(ring, radius * random.uniform(0.05, 0.25))), [], random.uniform(0.05, 0.25))


def flake(radius: float, random: np.random.Generator) -> Part:
    """A torn flake or splash: an iso-contour of noise, without its holes."""
    ring = patch(1.0, random, random.uniform(0.3, 0.8), holes=False).points
    return Part("flake", Outline(_sized(ring, radius)), [], random.uniform(0.03, 0.1))


def _sized(ring: np.ndarray, radius: float) -> np.ndarray:
    """A ring (P, 2) about the origin whose longer side is twice the radius."""
    low, high = ring.min(0), ring.max(0)
    return (ring - (low + high) / 2) * (2 * radius / (high - low).max())
