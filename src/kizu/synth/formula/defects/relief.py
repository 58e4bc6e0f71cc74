"""Dents, bumps, wrinkles and roll marks: nothing but height, so they are seen by their shading alone."""

from __future__ import annotations

import numpy as np

from kizu.synth.formula import chance, noise
from kizu.synth.formula.defects import strength
from kizu.synth.formula.defects.patch import Patch, blob, ramp, soft
from kizu.synth.formula.defects.path import drawn, sweep
from kizu.synth.formula.defects.registry import Ranges, draws
from kizu.synth.formula.defects.site import Site
from kizu.synth.formula.layers import Mark

# A hill (1 - q^2)^2 has slopes of more than a fifth of the steepest up to this share of its radius.
_SEEN = 0.92


@draws("size", "aspect", "contrast", "rough", "ring", "flat")
def dent(site: Site, random: np.random.Generator, ranges: Ranges) -> list[Mark]:
    """A hollow; the metal that it pushed aside may stand around it (``ring``), its floor may be ``flat``."""
    return _hill(site, random, ranges, -1.0)


@draws("size", "aspect", "contrast", "rough", "ring", "flat")
def bump(site: Site, random: np.random.Generator, ranges: Ranges) -> list[Mark]:
    """A swelling: a dent the other way up."""
    return _hill(site, random, ranges, 1.0)


def _hill(site: Site, random: np.random.Generator, ranges: Ranges, sign: float) -> list[Mark]:
    side = strength.side(site, ranges, random)
    contrast = chance.log_uniform(ranges["contrast"], random)
    radius = side / np.sqrt(np.pi) / _SEEN
    aspect, angle = chance.log_uniform(ranges["aspect"], random), random.uniform(0, np.pi)
    a, b = radius * np.sqrt(aspect), radius / np.sqrt(aspect)
    patch = Patch(site.point(random), 1.3 * a + 2)
    square = patch.square(a, b, angle)
    rough = chance.uniform(ranges["rough"], random)
    if rough > 0 and radius > 4:
        square *= 1 + np.float32(rough) * np.clip(noise.smooth(patch.shape, 0.9 * radius, random), -2, 2)
    flat = max(chance.uniform(ranges["flat"], random), 0.0)
    inside = np.clip(1 - square, 0, 1)
    hill = inside * inside
    # The steepest slope of the hill is 1.54 times its height by its radius.
    tall = sign * strength.slope(site, contrast) * b / 1.54
    if flat > 0:
        hill = hill / (1 + np.float32(flat) * (hill - 1))
        tall *= 1 - 0.6 * flat
    ring = chance.uniform(ranges["ring"], random)
    if ring > 0:
        around = np.clip(1 - np.square(square * np.float32(1 / 0.9) - np.float32(1.1)), 0, 1)
        hill -= np.float32(ring) * around * around
    edge = (np.float32(_SEEN**2) - square) * np.float32(b / (2 * _SEEN))
    return patch.mark(site, soft(edge), height=np.float32(tall) * hill, attributes={"strength": round(contrast, 2)})


@draws("length", "width", "contrast", "count", "spacing", "bend", "wander", "aligned", "valley")
def wrinkle(site: Site, random: np.random.Generator, ranges: Ranges) -> list[Mark]:
    """Folds: long rounded ridges, steeper on one side, each with a ``valley`` beside it."""
    length, width = strength.line(site, ranges, random, 3.0)
    angle, contrast = strength.direction(site, ranges, random), chance.log_uniform(ranges["contrast"], random)
    bend, wander = random.normal(0, ranges["bend"][1]), chance.uniform(ranges["wander"], random)
    valley, lean = chance.uniform(ranges["valley"], random), random.uniform(-0.35, 0.35)
    centre, aside = site.point(random), np.array([-np.sin(angle), np.cos(angle)])

    def fold(u: np.ndarray) -> np.ndarray:
        v = u - lean * (1 - np.clip(u * u, 0, 1))
        other = (u - 1.15 * np.sign(lean)) / 0.7
        return np.clip(1 - v * v, 0, None) ** 2 - valley * np.clip(1 - other * other, 0, None) ** 2

    marks = []
    for k in range(chance.whole(ranges["count"], random)):
        if k:
            centre = centre + aside * width * chance.uniform(ranges["spacing"], random)
        long = length * (random.uniform(0.6, 1.2) if k else 1.0)
        points = sweep(centre, long, angle + random.normal(0, 0.06 if k else 0), random, wander, bend, 8.0)
        count = len(points)
        ends = 1 - np.abs(np.linspace(-1, 1, count)) ** 3
        half = 0.5 * width / _SEEN * (0.55 + 0.55 * ends)
        line = drawn(points, half, site.size, 0.9 * float(half.max()) + 1, _SEEN)
        if line is None:
            continue
        tall = strength.slope(site, contrast) * width / 2 / 1.54 * (random.uniform(0.5, 1) if k else 1)
        height = line.across(fold, 1.85, 0.25 + 0.75 * ends, tall)
        marks.append(Mark(line.cover, height=height, attributes={"strength": round(contrast, 2)}))
    return marks


@draws("size", "aspect", "rough", "contrast", "count", "pitch", "raised", "edge")
def roll_mark(site: Site, random: np.random.Generator, ranges: Ranges) -> list[Mark]:
    """The print of a flaw of a roll, again and again: one shape, one ``pitch`` along the rolling direction."""
    side = strength.side(site, ranges, random)
    contrast, count = chance.log_uniform(ranges["contrast"], random), chance.whole(ranges["count"], random)
    heading = random.uniform(0, np.pi) if site.surface.heading is None else site.surface.heading
    pitch = max(chance.uniform(ranges["pitch"], random) * site.scale, 2.2 * side)
    patch, far = blob(
        site.point(random), side, random, chance.log_uniform(ranges["aspect"], random), random.uniform(0, np.pi),
        chance.uniform(ranges["rough"], random), 0.5, 3.0,
    )  # fmt: skip
    sign = 1.0 if chance.either(ranges["raised"][0], random) else -1.0
    edge = float(np.clip(chance.uniform(ranges["edge"], random) * side, 2.0, 0.5 * side + 1))
    tall = np.float32(sign * strength.slope(site, contrast) * edge / 1.5)
    print_ = ramp(far, -0.25 * edge, 0.75 * edge)
    alpha = soft(far)
    shine = np.float32(strength.tone(site, 0.25 * contrast) * random.choice((-1.0, 1.0)))
    x, y = patch.x, patch.y
    marks = []
    for k in range(count):
        # The first lies at the site's place, the others before and behind it.
        steps = ((k + 1) // 2) * (1 if k % 2 else -1) * pitch
        patch.x, patch.y = x + round(steps * np.cos(heading)), y + round(steps * np.sin(heading))
        worn = np.float32(random.uniform(0.6, 1.1) if k else 1.0)
        marks += patch.mark(
            site, alpha.copy(), height=worn * tall * print_, gain=1 + worn * shine * alpha,
            attributes={"strength": round(contrast, 2), "pitch": round(pitch, 1)},
        )  # fmt: skip
    return marks
