"""Cracks: deep, dark, branching gaps."""

from __future__ import annotations

import numpy as np

from kizu.synth.formula import chance, curves
from kizu.synth.formula.defects import strength
from kizu.synth.formula.defects.path import drawn, together
from kizu.synth.formula.defects.registry import Ranges, draws
from kizu.synth.formula.defects.site import Site
from kizu.synth.formula.layers import Mark


@draws("length", "width", "contrast", "turn", "branching", "orders", "aligned", "lip")
def crack(site: Site, random: np.random.Generator, ranges: Ranges) -> list[Mark]:
    """A correlated walk with branches, thinner order by order; no light comes out of it, and its rims are shaded."""
    length, width = strength.line(site, ranges, random, 1.4)
    angle = strength.direction(site, ranges, random)
    step = float(np.clip(length / 16, 1.5, 5.0))
    lines = curves.cracks(
        (0, 0), angle, length, width / 2, random, step, chance.uniform(ranges["turn"], random),
        chance.uniform(ranges["branching"], random), chance.whole(ranges["orders"], random), 12,
    )  # fmt: skip
    halves = [np.maximum(half, 0.6) for _, half in lines]
    if site.target is not None:
        area = sum(
            float((np.diff(curves.places(points)) * (half[1:] + half[:-1])).sum())
            for (points, _), half in zip(lines, halves, strict=True)
        )
        scale = float(np.clip(site.target**2 / area, 0.3, 3))
        lines = [(points * scale, half) for points, half in lines]
    main = lines[0][0]
    shift = site.point(random) - main[len(main) // 2]
    line = drawn(*together([points + shift for points, _ in lines], halves), site.size, 1.2 * width + 1.5)
    if line is None:
        return []
    contrast = chance.log_uniform(ranges["contrast"], random)
    lip = chance.uniform(ranges["lip"], random)
    depth = strength.slope(site, contrast) * width / 2
    dark = min(strength.tone(site, contrast), 0.93)

    def gap(u: np.ndarray) -> np.ndarray:
        v = np.abs(u)
        return lip * np.clip(1 - np.abs(v - 1.5) / 0.7, 0, None) - np.clip(1.6 - 1.6 * v**2, 0, 1)

    def lost(u: np.ndarray) -> np.ndarray:
        v = np.abs(u)
        return np.clip(1.9 - 1.5 * v, 0, 1) + 0.12 * np.clip(1 - np.abs(v - 1.3) / 0.9, 0, None)

    weights = np.clip(0.9 + 0.2 * random.standard_normal(24), 0.5, 1.1)
    return [
        Mark(
            line.cover,
            height=line.across(gap, 2.3, weights, depth),
            gain=np.maximum(line.across(lost, 2.3, weights, -dark, 1.0), 0.03),
            attributes={"strength": round(contrast, 2)},
        )
    ]
