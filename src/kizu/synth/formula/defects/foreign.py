"""What lies on a surface and does not belong there: flakes, swarf, fibres; and dust, which good products have too."""

from __future__ import annotations

import cv2
import numpy as np

from kizu.synth.formula import chance, curves
from kizu.synth.formula.defects import strength
from kizu.synth.formula.defects.patch import Patch, ramp
from kizu.synth.formula.defects.path import drawn, fibres, sweep
from kizu.synth.formula.defects.registry import Ranges, draws
from kizu.synth.formula.defects.site import Site
from kizu.synth.formula.layers import Mark
from kizu.synth.formula.outline import Outline
from kizu.synth.formula.raster import fill

_COLOURS = np.array(
    [
        [0.02, 0.02, 0.022], [0.05, 0.045, 0.04], [0.75, 0.74, 0.7], [0.35, 0.33, 0.3],
        [0.3, 0.16, 0.06], [0.04, 0.1, 0.4], [0.5, 0.06, 0.05], [0.08, 0.3, 0.1],
    ],
    np.float32,
)  # fmt: skip


@draws("size", "aspect", "contrast", "fibre", "swarf", "lift", "shadow", "curl")
def foreign_particle(site: Site, random: np.random.Generator, ranges: Ranges) -> list[Mark]:
    """A flake, a curl of swarf (share ``swarf``) or a fibre (share ``fibre``) on the surface, with its shadow."""
    kind = random.uniform()
    fibre, swarf = ranges["fibre"][0], ranges["swarf"][0]
    side = strength.side(site, ranges, random)
    contrast = chance.log_uniform(ranges["contrast"], random)
    albedo, metal = _other(site, contrast, random), 0.0
    aspect = chance.log_uniform(ranges["aspect"], random)
    # What is large is a flake: there are no fibres as broad as cables.
    if kind < fibre + swarf and side < 4 * np.sqrt(aspect) * site.scale:
        if kind >= fibre:
            albedo, metal = np.clip(site.surface.albedo * random.uniform(0.8, 1.3), 0.3, 0.9), 1.0
        return _curl(site, random, ranges, albedo.astype(np.float32), metal, contrast, side, aspect)
    count = int(random.integers(4, 9))
    turns = np.sort(random.uniform(0, 2 * np.pi, count) * 0.35 + np.linspace(0, 2 * np.pi, count, endpoint=False))
    radii = random.uniform(0.55, 1.15, count)
    flat = np.array([1.0, random.uniform(0.5, 1.0)])
    ring = (radii[:, None] * np.stack([np.cos(turns), np.sin(turns)], 1) * flat) @ _turn(random.uniform(0, np.pi))
    ring *= side / np.sqrt(max(Outline(ring).area, 0.1))
    lift = chance.uniform(ranges["lift"], random) * side
    blur = float(np.clip(0.6 * lift, 0.8, 4.0))
    patch = Patch(site.point(random), float(np.abs(ring).max()) + 3 * blur + 2)
    alpha = np.zeros(patch.shape, np.float32)
    shape = fill(Outline(ring + patch.centre), patch.shape)
    alpha[shape.slices] = shape.alpha
    far = cv2.distanceTransform((alpha >= 0.5).astype(np.uint8), cv2.DIST_L2, 3)
    # A flake lies at a slant, so that its top is not as bright as the surface.
    y, x = np.ogrid[0 : patch.shape[0], 0 : patch.shape[1]]
    slant = random.normal(0, 0.12, 2)
    top = np.float32(slant[0]) * (x - patch.centre[0]) + np.float32(slant[1]) * (y - patch.centre[1])
    height = alpha * (np.float32(0.5 * lift) * ramp(far, -0.5, 2.0) + top.astype(np.float32))
    return patch.mark(
        site, alpha, height=height, gain=_shadow(alpha, blur, ranges, random), mix=alpha, albedo=albedo,
        roughness=float(random.uniform(0.25, 0.9)), metal=0.0 if random.uniform() < 0.7 else 1.0,
        attributes={"strength": round(contrast, 2), "kind": "flake"},
    )  # fmt: skip


def _curl(
    site: Site, random: np.random.Generator, ranges: Ranges, albedo: np.ndarray, metal: float, contrast: float,
    side: float, aspect: float,
) -> list[Mark]:  # fmt: skip
    """A fibre or, of metal, a curl of swarf, which is broader and turns more."""
    width = max(side / np.sqrt(aspect * (0.5 if metal else 1.0)), 1.2)
    length = side**2 / width
    turn = random.normal(0, chance.uniform(ranges["curl"], random)) * (2.0 if metal else 1.0)
    points = sweep(site.point(random), length, random.uniform(0, 2 * np.pi), random, 0.5, turn, min(5.0, length / 8))
    half = 0.5 * width * np.maximum(curves.taper(len(points), 0.1, 0.3, 0.5), 1.2 / width if width > 1.2 else 1.0)
    blur = float(np.clip(0.5 * width, 0.8, 3.0))
    line = drawn(points, half, site.size, 3 * blur + 1)
    if line is None:
        return []
    cover = line.cover
    lift = chance.uniform(ranges["lift"], random) * width
    return [
        Mark(
            cover, height=line.across(lambda u: np.sqrt(np.clip(1 - u * u, 0, None)), 1.0, None, lift),
            gain=_shadow(cover.alpha, blur, ranges, random), mix=cover.alpha, albedo=albedo,
            roughness=0.3 if metal else 0.8, metal=metal,
            attributes={"strength": round(contrast, 2), "kind": "swarf" if metal else "fibre"},
        )
    ]  # fmt: skip


def _other(site: Site, contrast: float, random: np.random.Generator) -> np.ndarray:
    """Linear RGB float32 (3,) of another material; the weaker the contrast, the nearer to the surface's own."""
    colour = _COLOURS[random.integers(len(_COLOURS))] * np.float32(random.uniform(0.7, 1.3))
    share = np.float32(1 - np.exp(-contrast / 3))
    return np.clip(site.surface.albedo + share * (colour - site.surface.albedo), 0.01, 0.95).astype(np.float32)


def _shadow(alpha: np.ndarray, blur: float, ranges: Ranges, random: np.random.Generator) -> np.ndarray:
    """Light that is missing beside a thing that lies on a surface: gain float32, 1 far away."""
    soft = cv2.GaussianBlur(alpha, (0, 0), blur)
    deep = np.float32(chance.uniform(ranges["shadow"], random))
    return 1 - deep * np.minimum(1.3 * soft, 1) * (1 - alpha)


def _turn(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


@draws("size", "contrast", "spread", "speck", "lint", distractor=True)
def dust(site: Site, random: np.random.Generator, ranges: Ranges) -> list[Mark]:
    """A sprinkle of pale specks and, a share ``lint`` of them, short fibres; too fine and too many to be defects."""
    side = strength.side(site, ranges, random)
    contrast = chance.log_uniform(ranges["contrast"], random)
    speck = max(chance.log_uniform(ranges["speck"], random) * site.scale, 1.2)
    count = int(np.clip(side**2 / (1.6 * speck**2), 3, 60))
    spread = min(chance.uniform(ranges["spread"], random) * max(side, 6.0), 100 * site.scale)
    places = site.point(random) + random.normal(0, 0.5 * spread, (count, 2))
    long = random.uniform(0, 1, count) < chance.uniform(ranges["lint"], random)
    lengths = speck * np.where(long, random.uniform(3, 7, count), random.uniform(0.1, 0.6, count))
    half = np.maximum(speck / 2 * random.uniform(0.6, 1.2, count), 0.6)
    line = drawn(*fibres(places, lengths, random.uniform(0, 2 * np.pi, count), half, random, 0.8, 4), site.size, 1.0)
    if line is None:
        return []
    cover = line.cover
    tone = np.float32(min(1.5 * strength.tone(site, contrast), 0.9))
    pale = np.clip(site.surface.albedo + 0.4 * random.uniform(0.5, 1.0), 0, 0.9).astype(np.float32)
    return [
        Mark(cover, mix=tone * cover.alpha, albedo=pale, roughness=1.0, metal=0.0,
             attributes={"strength": round(contrast, 2)})
    ]  # fmt: skip
