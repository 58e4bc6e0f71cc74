"""What happens at the outline of a part: chips, burrs, and seats whose part is missing."""

from __future__ import annotations

import cv2
import numpy as np

from kizu.synth.formula import chance, noise
from kizu.synth.formula.defects import strength
from kizu.synth.formula.defects.patch import Patch, blob, level, peak, ramp, soft
from kizu.synth.formula.defects.registry import Ranges, draws
from kizu.synth.formula.defects.site import Site
from kizu.synth.formula.layers import Mark
from kizu.synth.formula.outline import Outline
from kizu.synth.formula.raster import fill


@draws("size", "aspect", "rough", "contrast", "corner", "face", "bright", "ripples")
def chip(site: Site, random: np.random.Generator, ranges: Ranges) -> list[Mark]:
    """A piece broken out of an edge or a corner: it is gone (``cut``), and behind it lies the rough face of fracture.

    Where the surface goes beyond the frame, a spall: a shallow conchoidal hollow with a sharp outline. Not on a part
    none of whose edges is on screen.
    """
    side = strength.side(site, ranges, random)
    aspect, rough = chance.log_uniform(ranges["aspect"], random), chance.uniform(ranges["rough"], random)
    if site.outline is None:
        patch, far = blob(site.point(random), side, random, aspect, random.uniform(0, np.pi), rough, 0.5, 2.5)
        return _fracture(site, patch, far, soft(far), None, random, ranges)
    found = site.corner(random) if chance.either(ranges["corner"][0], random) else None
    found = found or site.edge(random)
    if found is None:
        return []
    point, normal = found
    # Half of a blob on an edge lies outside; along the edge it is longer than it is deep.
    whole = 1.5 * side
    patch, far = blob(
        point + 0.1 * side * normal, whole, random, aspect, float(np.arctan2(normal[0], -normal[1])), rough, 0.5, 2.5
    )
    part = patch.inside(site.part)
    seen = far[part >= 0.5]
    if len(seen) < 9:
        return []
    far -= level(seen, min(side**2, 0.8 * len(seen)))
    lost = np.float32(chance.uniform(ranges["face"], random) * max(float(far[part >= 0.5].max()), 1.0))
    cut = soft(far - lost)
    return _fracture(site, patch, far, np.minimum(soft(far), part), cut, random, ranges)


def _fracture(
    site: Site, patch: Patch, far: np.ndarray, alpha: np.ndarray, cut: np.ndarray | None, random: np.random.Generator,
    ranges: Ranges,
) -> list[Mark]:  # fmt: skip
    contrast = chance.log_uniform(ranges["contrast"], random)
    deep = max(float(far.max()), 1.0)
    slope = strength.slope(site, contrast)
    # Ripples run around the point that was hit (conchoidal fracture), facets break them up.
    facets = noise.fractal(patch.shape, max(0.5 * deep, 2.5), random, 3, 0.55)
    phase = far * np.float32(2 * np.pi * 2.5 / deep) + facets
    ripples = np.float32(chance.uniform(ranges["ripples"], random) * deep / 16) * np.sin(phase)
    bowl = np.float32(0.55 * deep) * (1 - np.square(1 - np.clip(far * np.float32(1 / deep), 0, 1)))
    face = soft(far, 1.2)
    height = face * np.float32(slope) * (ripples - bowl + np.float32(0.1 * deep) * facets)
    tone = np.float32(strength.tone(site, 0.7 * contrast))
    sign = np.float32(0.8 if chance.either(ranges["bright"][0], random) else -0.9)
    gain = 1 + sign * tone * face * (1 + np.float32(0.2) * facets)
    gain *= 1 - np.float32(0.35) * tone * peak(far, 0.4, 1.0)
    fields = {} if cut is None else {"cut": cut}
    return patch.mark(
        site, alpha, height=height, gain=np.clip(gain, 0.05, 3), mix=face * np.float32(0.8),
        roughness=float(random.uniform(0.55, 0.95)), attributes={"strength": round(contrast, 2)}, **fields,
    )  # fmt: skip


@draws("length", "width", "contrast", "jagged", "lift", "shine")
def burr(site: Site, random: np.random.Generator, ranges: Ranges) -> list[Mark]:
    """A ragged, bright ridge of metal or plastic that stands out over the edge (``grow``). On parts alone."""
    length, width = strength.line(site, ranges, random, 1.5)
    found = site.run(random, length, 1.5)
    if found is None:
        return []
    points, normals = found
    count = len(points)
    jagged = chance.uniform(ranges["jagged"], random)
    teeth = np.abs(random.standard_normal(count)) * jagged + (1 - 0.6 * jagged)
    slow = np.interp(
        np.arange(count), np.linspace(0, count - 1, max(count // 6, 2)), random.uniform(0.5, 1.3, max(count // 6, 2))
    )
    ends = np.sqrt(np.clip(1 - np.linspace(-1, 1, count) ** 2, 0, 1))
    profile = teeth * slow * ends
    reach = width * profile / max(float(profile.mean()), 0.2)
    tips = points + normals * np.minimum(reach, 3.5 * width)[:, None]
    ring = np.concatenate([points - 1.2 * normals, tips[::-1]])
    cover = fill(Outline(ring), site.size)
    if not cover.alpha.size:
        return []
    patch = Patch.of(cover)
    outside = np.minimum(cover.alpha, 1 - patch.inside(site.part))
    contrast = chance.log_uniform(ranges["contrast"], random)
    lift = np.float32(chance.uniform(ranges["lift"], random) * strength.slope(site, contrast) * width)
    shine = 1 + chance.uniform(ranges["shine"], random) * strength.tone(site, contrast)
    marks = patch.mark(
        site, outside, height=lift * cover.alpha, grow=outside, mix=cover.alpha,
        albedo=np.clip(site.surface.albedo * shine, 0.02, 0.95).astype(np.float32),
        roughness=0.7 * site.surface.roughness, metal=site.surface.metal, attributes={"strength": round(contrast, 2)},
    )  # fmt: skip
    for mark in marks:
        mark.cover.truncated = cover.truncated
    return marks


@draws("depth", "wall", "dark", "bore")
def missing_part(site: Site, random: np.random.Generator, ranges: Ranges) -> list[Mark]:
    """The empty seat of a sub-part, which is the site's cover: a sunk floor, dark along its wall, perhaps a bore."""
    if site.cover is None or not site.cover.mask.any():
        return []
    alpha = site.cover.alpha
    padded = cv2.copyMakeBorder(site.cover.mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    far = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1] - np.float32(0.5)
    deep = max(float(far.max()), 1.0)
    sunk = chance.uniform(ranges["depth"], random) * deep
    wall = max(chance.uniform(ranges["wall"], random) * deep, 1.0)
    height = np.float32(-sunk) * ramp(far, -0.5, wall)
    gain = 1 - np.float32(chance.uniform(ranges["dark"], random)) * alpha
    gain *= 1 - np.float32(0.5) * alpha * peak(far, 0.0, wall + 1)
    if deep > 4 and chance.either(ranges["bore"][0], random):
        inner = random.uniform(0.4, 0.65) * deep
        hole = soft(far - np.float32(inner), 1.5)
        gain *= 1 - np.float32(0.85) * hole
        height -= np.float32(0.5 * sunk) * hole
    return [
        Mark(
            site.cover, height=alpha * height, gain=gain, mix=alpha * np.float32(0.8), roughness=0.75,
            attributes={"depth": round(sunk, 1)},
        )
    ]  # fmt: skip
