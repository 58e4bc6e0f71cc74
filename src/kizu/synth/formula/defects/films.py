"""Films on a surface: stains, water marks, oil and fingerprints. They change what comes back, hardly the relief."""

from __future__ import annotations

import numpy as np

from kizu.synth.formula import chance, noise
from kizu.synth.formula.defects import strength
from kizu.synth.formula.defects.patch import Patch, blob, peak, ramp, soft
from kizu.synth.formula.defects.registry import Ranges, draws
from kizu.synth.formula.defects.site import Site
from kizu.synth.formula.layers import Mark


@draws("size", "aspect", "rough", "contrast", "ring", "blur", "mottle", "bright", "tint", "matt", "aligned")
def stain(site: Site, random: np.random.Generator, ranges: Ranges) -> list[Mark]:
    """Dried liquid or scale: part of the light is lost, more at the edge, where drying drops leave most (Deegan)."""
    side = strength.side(site, ranges, random)
    contrast = chance.log_uniform(ranges["contrast"], random)
    blur = min(chance.log_uniform(ranges["blur"], random) * site.scale, 0.3 * side)
    patch, far = blob(
        site.point(random), side, random, chance.log_uniform(ranges["aspect"], random),
        strength.direction(site, ranges, random), chance.uniform(ranges["rough"], random), 0.58, 2 + blur, 1.3,
    )  # fmt: skip
    share = soft(far, max(blur, 1.0))
    width = float(np.clip(0.06 * side, 1.0, 5.0))
    body = np.float32(0.75) * share
    body += np.float32(chance.uniform(ranges["ring"], random)) * peak(far, width, width) * share
    if side > 8:
        mottle = np.float32(chance.uniform(ranges["mottle"], random))
        body *= np.clip(1 + mottle * noise.fractal(patch.shape, side / 3, random, 3), 0.15, 1.8)
    lost = strength.tone(site, contrast)
    bright = chance.either(ranges["bright"][0], random)
    # Tints: absorption differs a little from channel to channel, brown more often than blue.
    tint = chance.uniform(ranges["tint"], random) * np.array([-0.5, 0.1, 0.5]) * random.choice((1.0, 1.0, -0.6))
    colour = np.float32(0.8 * lost / (1 - 0.7 * lost) if bright else -lost) * (1 + tint).astype(np.float32)
    gain = np.maximum(1 + body[:, :, None] * colour, 0.05)
    return patch.mark(
        site, soft(far), gain=gain, mix=np.clip(body, 0, 1) * np.float32(chance.uniform(ranges["matt"], random)),
        roughness=0.85, attributes={"strength": round(contrast, 2)},
    )  # fmt: skip


@draws("size", "aspect", "rough", "contrast", "drops", "ring", "inside", "bright", "lines")
def water_mark(site: Site, random: np.random.Generator, ranges: Ranges) -> list[Mark]:
    """Dried drops: thin rings, often one inside the other, around a pale and matt inside."""
    side = strength.side(site, ranges, random)
    contrast = chance.log_uniform(ranges["contrast"], random)
    drops = chance.whole(ranges["drops"], random) if side > 14 else 1
    patch, far = blob(
        site.point(random), side, random, chance.log_uniform(ranges["aspect"], random), random.uniform(0, np.pi),
        chance.uniform(ranges["rough"], random), 0.4, 3.0, 1.2,
    )  # fmt: skip
    centre, radius = patch.centre, side / np.sqrt(np.pi)
    for _ in range(drops - 1):
        # Smaller drops that run into the first one.
        turn, r = random.uniform(0, 2 * np.pi), radius * random.uniform(0.25, 0.5)
        patch.centre = (centre[0] + 0.8 * radius * np.cos(turn), centre[1] + 0.8 * radius * np.sin(turn))
        far = np.maximum(far, patch.ellipse(r, r, 0.0))
    ring, width = chance.uniform(ranges["ring"], random), max(0.018 * side, 0.9)
    edges = peak(far, 0.8 * width, width)
    for k in range(chance.whole(ranges["lines"], random)):
        edges += np.float32(random.uniform(0.15, 0.6)) * peak(
            far, (0.15 + 0.2 * (k + random.uniform())) * radius, width
        )
    share = soft(far, 1.2)
    lost = np.float32(strength.tone(site, contrast))
    sign = np.float32(0.9 if chance.either(ranges["bright"][0], random) else -1.0)
    pale = np.float32(chance.uniform(ranges["inside"], random))
    film = share * (pale + np.float32(ring) * edges)
    return patch.mark(
        site, soft(far), gain=np.maximum(1 + sign * lost * film, 0.1), mix=np.clip(film, 0, 1) * np.float32(0.5),
        roughness=0.9, attributes={"strength": round(contrast, 2)},
    )  # fmt: skip


@draws("size", "aspect", "rough", "contrast", "colours", "gloss", "aligned", distractor=True)
def oil(site: Site, random: np.random.Generator, ranges: Ranges) -> list[Mark]:
    """A wet film: darker and glossier than its surroundings, smooth in outline, at times with interference colours."""
    side = strength.side(site, ranges, random)
    contrast = chance.log_uniform(ranges["contrast"], random)
    patch, far = blob(
        site.point(random), side, random, chance.log_uniform(ranges["aspect"], random),
        strength.direction(site, ranges, random), chance.uniform(ranges["rough"], random), 0.3, 3.0, 1.4,
    )  # fmt: skip
    share = ramp(far, -1.0, 2.0)
    gain = 1 - np.float32(strength.tone(site, contrast)) * share
    if chance.either(ranges["colours"][0], random):
        thick = np.clip(far * np.float32(24 / max(float(far.max()), 1.0)), 0, 24)
        thick += 4 * noise.smooth(patch.shape, max(side / 3, 4), random)
        phase = np.arange(256)[:, None] / 256 * 8 * np.pi / np.array([1.0, 0.83, 0.7])
        table = (1 + 0.16 * np.cos(phase)).astype(np.float32)
        gain = gain[:, :, None] * (1 + share[:, :, None] * (table[np.clip(thick * 8, 0, 255).astype(np.intp)] - 1))
    return patch.mark(
        site, soft(far), height=np.float32(0.35) * ramp(far, 0.0, 4.0), gain=gain, mix=share,
        roughness=chance.uniform(ranges["gloss"], random), attributes={"strength": round(contrast, 2)},
    )  # fmt: skip


@draws("size", "contrast", "ridge", "patchy", distractor=True)
def fingerprint(site: Site, random: np.random.Generator, ranges: Ranges) -> list[Mark]:
    """Ridges of a finger in grease: loops at one distance, worn in places."""
    side = max(strength.side(site, ranges, random), 16.0)
    contrast = chance.log_uniform(ranges["contrast"], random)
    ridge = max(chance.log_uniform(ranges["ridge"], random) * site.scale, 2.4)
    radius, angle = side / np.sqrt(np.pi), random.uniform(0, np.pi)
    a, b = radius * 1.18, radius / 1.18
    patch = Patch(site.point(random), a + 3)
    far = patch.ellipse(a, b, angle)
    centre = patch.centre
    # The core of the loops lies beside the middle of the print.
    patch.centre = (centre[0] + random.normal(0, 0.25 * b), centre[1] + random.normal(0, 0.25 * b))
    loops = np.sqrt(patch.square(1.25 * ridge, ridge, angle + random.normal(0, 0.2)))
    loops += np.float32(0.9) * noise.smooth(patch.shape, max(0.7 * radius, 4), random)
    table = (0.5 + 0.5 * np.cos(2 * np.pi * np.arange(64) / 64)).astype(np.float32)
    ridges = table[(loops * 64).astype(np.int32) & 63]
    worn = np.float32(chance.uniform(ranges["patchy"], random)) * noise.smooth(
        patch.shape, max(0.35 * radius, 3), random
    )
    film = ridges * np.clip(0.8 + worn, 0.1, 1.2) * ramp(far, -1.0, 5.0)
    lost = np.float32(strength.tone(site, contrast) * random.choice((-0.8, 1.0)))
    return patch.mark(
        site, soft(far), gain=1 - lost * film, mix=np.float32(0.6) * np.clip(film, 0, 1),
        roughness=min(site.surface.roughness + 0.25, 1.0), attributes={"strength": round(contrast, 2)},
    )  # fmt: skip
