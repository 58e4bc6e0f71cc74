"""Rust: what iron turns into."""

from __future__ import annotations

import numpy as np

from kizu.synth.formula import chance, noise
from kizu.synth.formula.defects import strength
from kizu.synth.formula.defects.patch import blob, ramp, soft
from kizu.synth.formula.defects.registry import Ranges, draws
from kizu.synth.formula.defects.site import Site
from kizu.synth.formula.layers import Mark

_DARK = np.array([0.045, 0.02, 0.012], np.float32)  # old rust, linear RGB
_FRESH = np.array([0.24, 0.08, 0.02], np.float32)


@draws("size", "aspect", "rough", "contrast", "cover", "fresh", "halo", "aligned")
def rust(site: Site, random: np.random.Generator, ranges: Ranges) -> list[Mark]:
    """Octaves of noise above a threshold: orange to dark brown, matt, slightly raised, with a thin bloom around it."""
    side = strength.side(site, ranges, random)
    contrast = chance.log_uniform(ranges["contrast"], random)
    patch, far = blob(
        site.point(random), side, random, chance.log_uniform(ranges["aspect"], random),
        strength.direction(site, ranges, random), chance.uniform(ranges["rough"], random), 0.68, 4.0, 0.9,
    )  # fmt: skip
    grain = noise.fractal(patch.shape, float(np.clip(side / 4, 2.5, 14)), random, 4, 0.7)
    deep = max(float(far.max()), 1.0)
    old = np.clip(0.5 * far * np.float32(1 / deep) + np.float32(0.25) * grain + np.float32(0.3), 0, 1)
    fresh = np.float32(chance.uniform(ranges["fresh"], random)) * (1 - old)
    albedo = _DARK + fresh[:, :, None] * (_FRESH - _DARK)
    thick = np.float32(chance.uniform(ranges["cover"], random))
    share = soft(far, 2.0) * np.clip(thick + np.float32(0.18) * grain, 0.15, 1)
    bloom = np.float32(chance.uniform(ranges["halo"], random)) * ramp(far, -0.12 * side - 2, 0.0)
    share = np.maximum(share, bloom * np.float32(0.5))
    slope = strength.slope(site, contrast, 0.45)
    height = np.float32(slope) * ramp(far, -0.5, 3.0) * (1 + np.float32(0.8) * grain)
    return patch.mark(
        site, soft(far), height=height, mix=share, albedo=albedo, roughness=0.95, metal=0.0,
        attributes={"strength": round(contrast, 2)},
    )  # fmt: skip
