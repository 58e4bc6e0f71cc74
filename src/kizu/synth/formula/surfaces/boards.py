"""Base material of printed boards: glass cloth in resin, under a coloured resist or bare."""

from __future__ import annotations

from typing import Any

import numpy as np

from kizu.synth.formula import chance
from kizu.synth.formula.noise import add_smooth
from kizu.synth.formula.surfaces import colours
from kizu.synth.formula.surfaces.directions import straight
from kizu.synth.formula.surfaces.material import Material, assemble
from kizu.synth.formula.surfaces.relief import bumps, turned, uneven, unevenness
from kizu.synth.formula.surfaces.surface import Surface
from kizu.synth.formula.surfaces.textiles import pattern
from kizu.synth.formula.surfaces.tiles import weave


def draw_laminate(random: np.random.Generator, scale: float) -> dict[str, Any]:
    """A board without tracks: resist (green, blue, black, red, white) or bare yellow laminate over glass cloth."""
    resists = ("#0f5a2e", "#0f5a2e", "#14693f", "#123f7a", "#16181a", "#8a1a1c", "#e4e6e2", "#b8a868", "#a39a58")
    pitch = chance.log_uniform((5, 13), random) * scale
    return {
        "colour": colours.any_of(resists, random, 0.1, 0.04),
        "heading": float(random.normal(0, 0.01)),
        "pitch": [pitch, pitch * chance.uniform((0.9, 1.2), random)],
        "cloth": chance.log_uniform((0.04, 0.16), random),
        "threads": chance.uniform((0.03, 0.1), random),
        "grain": chance.log_uniform((1.6, 3), random) * scale,
        "tone": chance.log_uniform((0.01, 0.03), random),
        "relief": chance.log_uniform((0.01, 0.04), random),
        "roughness": chance.uniform((0.18, 0.45), random),
        **unevenness(random, scale, 0.01, 0.04),
    }


def make_laminate(params: dict[str, Any], size: tuple[int, int], channels: int, random: np.random.Generator) -> Surface:
    """One piece of a board."""
    angle, pitch, table = turned(params, random, 0.002), params["pitch"], pattern("plain")
    height, shade, _ = weave(straight(size, angle), table, tuple(pitch), params["threads"], random)
    shade *= np.float32(params["cloth"] / 0.25)
    height *= np.float32(0.8 * params["relief"] * min(pitch))
    add_smooth(shade, params["grain"], params["tone"], random)
    bumps(height, 2.2 * params["grain"], 0.5 * params["relief"], random)
    uneven(shade, params, random)
    ramp = [colours.row(params["colour"], params["roughness"], 0.0)]
    return assemble(ramp, channels, height, shade, heading=angle, period=2 * pitch[0], pitch=pitch[0])


MATERIALS = (Material("laminate", "board laminate", draw_laminate, make_laminate),)
