"""What happens to cloth: frays and broken threads."""

from __future__ import annotations

import cv2
import numpy as np

from kizu.synth.formula import chance, curves
from kizu.synth.formula.defects import strength
from kizu.synth.formula.defects.patch import Patch, level, soft
from kizu.synth.formula.defects.path import Line, drawn, fibres, sweep
from kizu.synth.formula.defects.registry import Ranges, draws
from kizu.synth.formula.defects.site import Site
from kizu.synth.formula.layers import Mark
from kizu.synth.formula.raster import Cover


def _dome(u: np.ndarray) -> np.ndarray:
    return np.sqrt(np.clip(1 - u * u, 0, None))


@draws("size", "contrast", "fibre", "width", "density", "curl", "bright", "worn")
def fray(site: Site, random: np.random.Generator, ranges: Ranges) -> list[Mark]:
    """Loose fibres over the edge of a part (``grow``), or a fuzzy, worn spot where no edge is on screen."""
    side = strength.side(site, ranges, random)
    contrast = chance.log_uniform(ranges["contrast"], random)
    long = float(np.clip(chance.uniform(ranges["fibre"], random) * side, 3.0, 40 * site.scale))
    run = site.run(random, 1.5 * side**2 / (0.8 * long), 2.0) if site.outline is not None else None
    count = int(np.clip(chance.uniform(ranges["density"], random) * side**2 / long, 5, 90))
    curl = chance.uniform(ranges["curl"], random)
    if run is not None:
        chosen = random.integers(len(run[0]), size=count)
        starts = run[0][chosen] - run[1][chosen] * random.uniform(0, 0.35 * long, (count, 1))
        headings = np.arctan2(run[1][chosen, 1], run[1][chosen, 0]) + 0.5 * curl * random.standard_normal(count)
    else:
        turns, radii = random.uniform(0, 2 * np.pi, count), side * 0.45 * np.sqrt(random.uniform(0, 1, count))
        starts = site.point(random) + radii[:, None] * np.stack([np.cos(turns), np.sin(turns)], 1)
        headings = random.uniform(0, 2 * np.pi, count)
    half = max(chance.log_uniform(ranges["width"], random) * site.scale, 0.9) / 2
    lengths = long * random.uniform(0.4, 1.2, count)
    if run is None:
        starts = starts - 0.5 * lengths[:, None] * np.stack([np.cos(headings), np.sin(headings)], 1)
    points, halves = fibres(starts, lengths, headings, np.full(count, half), random, curl)
    line = drawn(points, halves, site.size, 3.0)
    if line is None:
        return []
    hair = line.cover
    fuzz = cv2.blur(hair.alpha, (5, 5))
    area = min(side**2, 0.95 * fuzz.size)
    # The label is where the fibres stand close, as much of it as is wanted, but no bare surface.
    field = fuzz - max(level(fuzz, area), np.float32(0.12))
    alpha = soft(field, 0.1)
    if not (alpha >= 0.5).any():
        return []
    tone = strength.tone(site, contrast)
    bright = chance.either(ranges["bright"][0], random)
    factor = 1 + 0.9 * tone if bright else 1 - 0.8 * tone
    worn = np.float32(chance.uniform(ranges["worn"], random) * strength.tone(site, 0.5 * contrast))
    mark = Mark(
        Cover(hair.x, hair.y, alpha, hair.truncated),
        height=line.across(_dome, 1.0, None, strength.slope(site, contrast) * half),
        gain=1 - worn * np.minimum(2 * fuzz, 1) * (1 - hair.alpha), mix=np.float32(0.9) * hair.alpha,
        albedo=np.clip(site.surface.albedo * factor, 0.01, 0.95).astype(np.float32), roughness=0.9, metal=0.0,
        attributes={"strength": round(contrast, 2)},
    )  # fmt: skip
    if site.outline is not None:
        mark.grow = np.minimum(hair.alpha, 1 - _inside(site, line))
    return [mark]


def _inside(site: Site, line: Line) -> np.ndarray:
    return Patch.of(line.cover).inside(site.part)


@draws("length", "contrast", "threads", "pulled", "cross", "loose")
def thread_break(site: Site, random: np.random.Generator, ranges: Ranges) -> list[Mark]:
    """A thread that is missing (a dark, sunken run) or ``pulled`` (a raised, bright one). On cloth alone.

    Where it is missing, the threads across are seen bare, one after the other; torn ends may be ``loose``.
    """
    surface = site.surface
    pitch = surface.pitch or surface.period
    if surface.heading is None or pitch is None:
        return []
    width = max(pitch * chance.uniform(ranges["threads"], random), 1.6)
    length = chance.log_uniform(ranges["length"], random) * site.scale
    if site.target is not None:
        length = min(max(site.target, 3.0) ** 2 / width, 0.9 * float(np.hypot(*site.size)))
    if length < 3 * width:
        width = max(np.sqrt(length * width / 3), 1.6)
        length = max(length, 3 * width)
    angle = surface.heading + (np.pi / 2 if chance.either(ranges["cross"][0], random) else 0)
    contrast = chance.log_uniform(ranges["contrast"], random)
    points = sweep(site.point(random), length, angle, random, 0.006, 0.0, 6.0)
    line = drawn(points, np.full(len(points), width / 2), site.size, 0.8 * width + 1)
    if line is None:
        return []
    pulled = chance.either(ranges["pulled"][0], random)

    def run(u: np.ndarray) -> np.ndarray:
        return np.clip(1.5 - 1.5 * u * u, 0, 1) - 0.3 * np.clip(1 - np.abs(np.abs(u) - 1.5) / 0.6, 0, None)

    def floor(u: np.ndarray) -> np.ndarray:
        return np.maximum(run(u), 0)

    tall = strength.slope(site, contrast) * width / 2 * (1 if pulled else -1)
    lost = strength.tone(site, contrast)
    steps = np.arange(max(int(length / max(0.25 * pitch, 0.5)), 8))
    rungs = 0.75 + 0.25 * np.cos(np.pi / 2 * steps * (0.5 if pulled else 1.0))
    ends = curves.taper(len(steps), 0.04, 0.04, 0.3)
    tone = 0.8 * lost if pulled else -min(lost, 0.9)
    marks = [
        Mark(line.cover, height=line.across(run, 2.1, rungs * ends, tall),
             gain=line.across(floor, 2.1, rungs * ends, tone, 1.0), mix=line.across(floor, 2.1, ends, 0.6),
             roughness=0.95, attributes={"strength": round(contrast, 2)})
    ]  # fmt: skip
    if chance.either(ranges["loose"][0], random):
        _loose_end(site, marks[0], points[0 if random.uniform() < 0.5 else -1], width, lost, random)
    return marks


def _loose_end(
    site: Site, mark: Mark, end: np.ndarray, width: float, lost: float, random: np.random.Generator
) -> None:  # fmt: skip
    """Fibres of a torn end, in the box of the mark; bright, as they lie on top."""
    count = int(random.integers(3, 8))
    starts, turns = end + random.normal(0, 0.4 * width, (count, 2)), random.uniform(0, 2 * np.pi, count)
    tuft = fibres(starts, width * random.uniform(1.5, 4, count), turns, np.full(count, 0.55), random, 1.5)
    line = drawn(*tuft, site.size, 1.0)
    if line is None:
        return
    shared = line.cover.within(Cover(mark.cover.x, mark.cover.y, np.ones_like(mark.cover.alpha)))
    if not shared.alpha.size:
        return
    y, x = shared.y - mark.cover.y, shared.x - mark.cover.x
    here = slice(y, y + shared.alpha.shape[0]), slice(x, x + shared.alpha.shape[1])
    mark.gain[here] += shared.alpha * (np.float32(1 + 0.7 * lost) - mark.gain[here])
    mark.cover.alpha[here] = np.maximum(mark.cover.alpha[here], shared.alpha)
