"""Pits, pores, inclusions and spatter: small closed things with an edge."""

from __future__ import annotations

import numpy as np

from kizu.synth.formula import chance, noise
from kizu.synth.formula.defects import strength
from kizu.synth.formula.defects.patch import blob, peak, ramp, soft
from kizu.synth.formula.defects.registry import Ranges, draws
from kizu.synth.formula.defects.site import Site
from kizu.synth.formula.layers import Mark


@draws("size", "aspect", "rough", "contrast", "wall", "lip", "aligned")
def pit(site: Site, random: np.random.Generator, ranges: Ranges) -> list[Mark]:
    """A corroded or worn hollow: jagged, with a torn floor, a steep wall (exponent ``wall``) and a bright rim."""
    side = strength.side(site, ranges, random)
    contrast = chance.log_uniform(ranges["contrast"], random)
    patch, far = blob(
        site.point(random), side, random, chance.log_uniform(ranges["aspect"], random),
        strength.direction(site, ranges, random), chance.uniform(ranges["rough"], random), 0.62, 3.0,
    )  # fmt: skip
    deep = max(float(far.max()), 1.0)
    t = np.clip(far * np.float32(1 / deep), 0, 1)
    wall = chance.uniform(ranges["wall"], random)
    slope = strength.slope(site, contrast)
    bowl = 1 - (1 - t) ** np.float32(wall)
    if side > 6:
        torn = noise.fractal(patch.shape, max(side / 4, 3.0), random, 3, 0.6)
        bowl *= 1 + np.float32(0.35) * torn
    # The lip is as high as its breadth allows, however deep the pit.
    lip = np.float32(1.5 * slope * chance.uniform(ranges["lip"], random)) * peak(far, 0.0, 1.2)
    dark = np.float32(strength.tone(site, contrast))
    return patch.mark(
        site, soft(far), height=lip - np.float32(slope * deep / wall) * bowl,
        gain=1 - dark * np.clip(0.35 * soft(far, 1.5) + 0.65 * bowl, 0, 1), mix=soft(far, 1.5), roughness=0.9,
        attributes={"strength": round(contrast, 2)},
    )  # fmt: skip


@draws("size", "aspect", "rough", "contrast", "dark", "count", "spread", "aligned")
def pore(site: Site, random: np.random.Generator, ranges: Ranges) -> list[Mark]:
    """Gas holes: round, smooth paraboloids with a sharp rim and a dark floor, alone or in a cluster."""
    centre, count = site.point(random), chance.whole(ranges["count"], random)
    contrast, angle = chance.log_uniform(ranges["contrast"], random), strength.direction(site, ranges, random)
    spread = chance.uniform(ranges["spread"], random)
    first = strength.side(site, ranges, random)
    marks = []
    for k in range(count):
        side = first * float(np.exp(random.normal(-0.3, 0.35))) if k else first
        place = centre + (random.normal(0, spread * first, 2) if k else 0)
        marks += _hole(site, place, max(side, 3.0), contrast, angle, ranges, random)
    return marks


def _hole(
    site: Site, centre: np.ndarray, side: float, contrast: float, angle: float, ranges: Ranges,
    random: np.random.Generator,
) -> list[Mark]:  # fmt: skip
    aspect, rough = chance.log_uniform(ranges["aspect"], random), chance.uniform(ranges["rough"], random)
    patch, far = blob(centre, side, random, aspect, angle, rough, 0.35, 2.5)
    deep = max(float(far.max()), 1.0)
    t = np.clip(far * np.float32(1 / deep), 0, 1)
    depth = np.float32(0.5 * strength.slope(site, contrast, 2.0) * deep)
    lost = chance.uniform(ranges["dark"], random) * (1 - np.exp(-contrast / 4))
    rim = np.float32(0.15) * peak(far, -0.3, 1.0)
    edge = soft(far, 1.2)
    return patch.mark(
        site, soft(far), height=depth * (rim - t * (2 - t)),
        gain=1 - np.float32(lost) * edge * (np.float32(0.55) + np.float32(0.45) * t), mix=edge * np.float32(0.7),
        roughness=0.6, attributes={"strength": round(contrast, 2)},
    )  # fmt: skip


@draws("size", "aspect", "rough", "contrast", "bright", "blur", "relief", "aligned")
def inclusion(site: Site, random: np.random.Generator, ranges: Ranges) -> list[Mark]:
    """Another material in the surface, often drawn out along its lines: other albedo and roughness, hardly relief."""
    side = strength.side(site, ranges, random)
    aspect, rough = chance.log_uniform(ranges["aspect"], random), chance.uniform(ranges["rough"], random)
    contrast = chance.log_uniform(ranges["contrast"], random)
    blur = min(chance.log_uniform(ranges["blur"], random) * site.scale, 0.3 * side)
    angle = strength.direction(site, ranges, random)
    patch, far = blob(site.point(random), side, random, aspect, angle, rough, 0.6, 2 + blur, 1.5)
    lost = strength.tone(site, contrast)
    factor = 1 + 1.2 * lost if chance.either(ranges["bright"][0], random) else 1 - lost
    share = soft(far, max(blur, 1.0))
    if side > 8:
        share = share * np.clip(0.85 + 0.2 * noise.fractal(patch.shape, side / 3, random, 3), 0.3, 1)
    # Slag and scale have a hue of their own, in colour pictures a slight one: from brown to blue.
    hue = 1 + 0.09 * random.standard_normal() * np.array([1.0, 0.1, -1.0])
    lift = np.float32(chance.uniform(ranges["relief"], random) * strength.slope(site, contrast))
    return patch.mark(
        site, soft(far), height=lift * ramp(far, -1.5, 2.5), mix=share,
        albedo=np.clip(site.surface.albedo * (factor * hue), 0.005, 0.95).astype(np.float32),
        roughness=float(np.clip(site.surface.roughness + random.uniform(0, 0.4), 0, 1)),
        metal=site.surface.metal * random.uniform(0.3, 1), attributes={"strength": round(contrast, 2)},
    )  # fmt: skip


@draws("size", "contrast", "count", "spread", "lift", "halo", "roughness")
def spatter(site: Site, random: np.random.Generator, ranges: Ranges) -> list[Mark]:
    """Drops of metal that froze on the surface: shiny domes, each with a burnt halo and dark where it stands."""
    first, contrast = strength.side(site, ranges, random), chance.log_uniform(ranges["contrast"], random)
    # Large drops come alone.
    count = min(chance.whole(ranges["count"], random), 1 + int((40 * site.scale / first) ** 2))
    centre = site.point(random)
    spread = chance.uniform(ranges["spread"], random)
    bare = np.clip(site.surface.albedo * random.uniform(0.6, 1.1), 0.05, 0.8).astype(np.float32)
    roughness, halo = chance.uniform(ranges["roughness"], random), chance.uniform(ranges["halo"], random)
    foot = np.float32(0.5 * strength.tone(site, 2 * contrast))
    burnt = np.array([0.5, 0.8, 1.0], np.float32)  # of the blue more is lost: brown
    marks = []
    for k in range(count):
        side = max(first * float(np.exp(random.normal(-0.35, 0.45))), 3.0) if k else first
        place = centre + (random.normal(0, spread * first, 2) if k else 0)
        radius = side / np.sqrt(np.pi)
        patch, far = blob(
            place, side, random, random.uniform(1, 1.35), random.uniform(0, np.pi), random.uniform(0.02, 0.12), 0.4,
            0.8 * radius + 2,
        )  # fmt: skip
        t = np.clip(far * np.float32(1 / max(float(far.max()), 1.0)), 0, 1)
        lift = np.float32(
            chance.uniform(ranges["lift"], random) * min(strength.slope(site, contrast, 2.0), 1.2) * radius
        )
        ring = np.float32(halo * strength.tone(site, contrast)) * peak(np.minimum(far, 0), 0.0, 0.6 * radius)
        lost = ring[:, :, None] * burnt + foot * peak(far, -0.6, 1.0)[:, :, None]
        alpha = soft(far)
        marks += patch.mark(
            site, alpha, height=lift * np.sqrt(t * (2 - t)), gain=np.clip(1 - lost, 0.05, 1), mix=alpha, albedo=bare,
            roughness=roughness, metal=float(site.surface.metal > 0.3), attributes={"strength": round(contrast, 2)},
        )  # fmt: skip
    return marks
