"""Scratches, and the machining marks that look like them and are none."""

from __future__ import annotations

import numpy as np

from kizu.synth.formula import chance, curves
from kizu.synth.formula.defects import strength
from kizu.synth.formula.defects.path import drawn, sweep, together
from kizu.synth.formula.defects.registry import Ranges, draws
from kizu.synth.formula.defects.site import Site
from kizu.synth.formula.layers import Mark


@draws(
    "length", "width", "contrast", "count", "spacing", "strands", "bend", "wander", "aligned", "gap", "lip", "bare",
    "bright",
)  # fmt: skip
def scratch(site: Site, random: np.random.Generator, ranges: Ranges) -> list[Mark]:
    """V-grooves with raised lips, so that one side is bright and one dark; bare metal in them.

    ``count`` of them side by side, ``spacing`` (in widths) apart; each may be of several ``strands``, as sand leaves.
    """
    length, width = strength.line(site, ranges, random)
    angle = strength.direction(site, ranges, random)
    bend = random.normal(0, chance.uniform(ranges["bend"], random))
    contrast = chance.log_uniform(ranges["contrast"], random)
    wander = chance.uniform(ranges["wander"], random)
    bright = chance.either(ranges["bright"][0], random)
    centre, aside = site.point(random), np.array([-np.sin(angle), np.cos(angle)])
    marks = []
    for k in range(chance.whole(ranges["count"], random)):
        if k:
            gap = width * chance.log_uniform(ranges["spacing"], random) * (k if k % 2 else -k)
            centre = centre + gap * aside + random.normal(0, 0.2 * length) * np.array([np.cos(angle), np.sin(angle)])
        long = length * (random.uniform(0.6, 1.3) if k else 1.0)
        points = sweep(centre, long, angle + random.normal(0, 0.03 if k else 0), random, wander, bend)
        marks += _groove(site, points, width, contrast * (random.uniform(0.4, 1) if k else 1), bright, ranges, random)
    return marks


def _groove(
    site: Site, points: np.ndarray, width: float, contrast: float, bright: bool, ranges: Ranges,
    random: np.random.Generator,
) -> list[Mark]:  # fmt: skip
    count = len(points)
    swell = 1 + 0.25 * np.interp(np.arange(count), np.linspace(0, count - 1, 6), random.standard_normal(6))
    half = np.maximum(0.5 * width * swell * curves.taper(count, 0.12, random.uniform(0.1, 0.5), 0.4), 0.6)
    lines = [(points, half)]
    share = chance.uniform(ranges["gap"], random)
    if share > 0.05 and count > 8:
        lines = curves.gaps(lines[0], int(random.integers(1, 4)), share, random) or lines
    lip = chance.uniform(ranges["lip"], random)
    line = drawn(*together(*zip(*lines, strict=True)), site.size, 0.9 * float(half.max()) + 1.5)
    if line is None:
        return []
    strands = min(chance.whole(ranges["strands"], random), max(int(width / 1.6), 1))
    places = (np.arange(strands) + 0.5) / strands * 2 - 1 if strands > 1 else np.zeros(1)
    depths = random.uniform(0.3, 1, strands) if strands > 1 else np.ones(1)
    breadth = 0.65 / strands

    def groove(u: np.ndarray) -> np.ndarray:
        v = np.abs(u[:, None] - places)
        floor = np.clip(1 - v / breadth, 0, None)
        edge = np.clip(1 - np.abs(v - 1.45 * breadth) / (0.6 * breadth), 0, None)
        return ((lip * edge - floor) * depths).sum(1)

    def floor(u: np.ndarray) -> np.ndarray:
        return (np.clip(1.4 - np.abs(u[:, None] - places) / (0.8 * breadth), 0, 1) * depths).max(1)

    weights = np.clip(0.8 + 0.25 * random.standard_normal(max(count // 4, 2)), 0.45, 1.2)
    depth = strength.slope(site, contrast) * breadth * float(half.mean())
    lost = strength.tone(site, contrast)
    tone = lost / (1 - min(lost, 0.6)) if bright else -lost
    bare = chance.uniform(ranges["bare"], random)
    old = site.surface.roughness
    if site.surface.metal > 0.5:
        # A torn groove sends light everywhere, a burnished one only where the mirror does.
        roughness = min(old + 0.15, 1.0) if bright else 0.7 * old
    else:
        roughness = min(old + 0.3, 1.0)  # plastic, paint and glass turn white and matt
    return [
        Mark(
            line.cover,
            height=line.across(groove, 1.9, weights, depth),
            gain=np.maximum(line.across(floor, 1.9, weights, tone, 1.0), 0.03),
            mix=line.across(floor, 1.9, None, bare),
            roughness=roughness,
            attributes={"strength": round(contrast, 2)},
        )
    ]


@draws("size", "spacing", "width", "contrast", "bend", "aligned", distractor=True)
def machining_mark(site: Site, random: np.random.Generator, ranges: Ranges) -> list[Mark]:
    """Tool marks: many even, parallel arcs at one distance from each other, as no accident leaves them."""
    extent = max(strength.side(site, ranges, random), 12.0)
    aspect = random.uniform(0.8, 2.5)
    length, band = extent * np.sqrt(aspect), extent / np.sqrt(aspect)
    spacing = max(chance.log_uniform(ranges["spacing"], random) * site.scale, 2.5)
    count = int(np.clip(band / spacing, 2, 24))
    width = min(max(chance.log_uniform(ranges["width"], random) * site.scale, 1.2), 0.6 * spacing)
    angle = strength.direction(site, ranges, random)
    contrast = chance.log_uniform(ranges["contrast"], random)
    middle = sweep(site.point(random), length, angle, random, 0.0, random.normal(0, ranges["bend"][1]), 8.0)
    lines = [curves.offset(middle, (k - (count - 1) / 2) * spacing) for k in range(count)]
    halves = [np.full(len(middle), width / 2)] * count
    line = drawn(*together(lines, halves), site.size, width / 2 + 1)
    if line is None:
        return []
    depth = strength.slope(site, contrast) * width / 4
    tone = strength.tone(site, 0.4 * contrast) * random.choice((-1.0, 1.0))
    # The tool comes down and lifts off gently.
    fades = np.concatenate([np.append(curves.taper(len(middle), 0.25, 0.25), [0, 0]) for _ in range(count)])[:-2]

    def wave(u: np.ndarray) -> np.ndarray:
        return 0.5 * np.cos(np.clip(u / 1.8, -1, 1) * np.pi) + 0.5

    return [
        Mark(
            line.cover,
            height=line.across(wave, 1.8, fades, -depth),
            gain=line.across(wave, 1.8, fades, tone, 1.0),
            attributes={"strength": round(contrast, 2)},
        )
    ]
