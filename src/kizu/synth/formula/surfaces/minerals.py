"""Polished stone and concrete."""

from __future__ import annotations

from typing import Any

import numpy as np

from kizu.synth.formula import chance
from kizu.synth.formula.noise import add_smooth, fractal
from kizu.synth.formula.surfaces import colours
from kizu.synth.formula.surfaces.cells import grains
from kizu.synth.formula.surfaces.dots import dots
from kizu.synth.formula.surfaces.material import Material, assemble
from kizu.synth.formula.surfaces.relief import RISE, bumps, uneven, unevenness
from kizu.synth.formula.surfaces.surface import Surface

# Minerals from dark to light: mica, two feldspars, quartz, pale feldspar.
GRANITES = {
    "grey": ("#3a3a3c", "#8b8a88", "#a9a7a2", "#bfbdb8", "#d8d5cf"),
    "light": ("#55524e", "#b9b4ab", "#cbc7be", "#d6d3cc", "#e8e5df"),
    "pink": ("#3a3533", "#9b7468", "#b58d7e", "#b9aea6", "#d8c3b6"),
    "dark": ("#131415", "#2c2e30", "#3b3d40", "#54575a", "#7e8184"),
    "brown": ("#2a211b", "#6a5340", "#8a6d52", "#9c8c7a", "#c0aa8c"),
    "green": ("#1c2420", "#4c5c50", "#66766a", "#8a968c", "#aab4a8"),
}


def draw_granite(random: np.random.Generator, scale: float) -> dict[str, Any]:
    """Polished granite: grains of several minerals, dark mica between them."""
    name = chance.pick({"grey": 0.3, "light": 0.2, "pink": 0.15, "dark": 0.15, "brown": 0.1, "green": 0.1}, random)
    levels = chance.uniform((0.5, 1.2), random)
    shares = random.dirichlet((2.0 * levels, 5, 5, 4, 4))
    return {
        "minerals": [colours.vary(colours.linear(code), random, 0.05, 0.015) for code in GRANITES[name]],
        "shares": shares.round(4).tolist(),
        "grain": chance.log_uniform((3.5, 10), random) * scale,
        "mica": chance.uniform((1.1, 1.9), random),
        "tone": chance.log_uniform((0.02, 0.06), random),
        "relief": chance.log_uniform((0.006, 0.02), random),
        "roughness": chance.uniform((0.1, 0.25), random),
        **unevenness(random, scale, 0.01, 0.04),
    }


def make_granite(params: dict[str, Any], size: tuple[int, int], channels: int, random: np.random.Generator) -> Surface:
    """One piece of granite."""
    grain = params["grain"]
    counts = np.maximum(np.round(np.asarray(params["shares"]) * 200), 1).astype(int)
    # No two grains of a mineral are quite alike: places between the minerals' own on the ramp.
    values = np.repeat(np.arange(5), counts) + 0.35 * (np.arange(counts.sum()) * 0.618 % 1 - 0.5)
    place = grains(size, grain, random, values[:256])
    # Flecks of mica, on which the place on the ramp falls to 0, lie where a noise is high.
    bright, shade = np.full(size, 1 + 5 * params["mica"], np.float32), np.zeros(size, np.float32)
    add_smooth(bright, 0.55 * grain, 5.0, random)
    place *= np.clip(bright, 0, 1, out=bright)
    add_smooth(shade, max(0.3 * grain, 1.3), params["tone"], random)
    height = shade * np.float32(RISE * params["relief"] * max(0.3 * grain, 1.3) / params["tone"])
    uneven(shade, params, random)
    ramp = [
        colours.row(c, params["roughness"] + (0.08 if k == 0 else 0.0), 0.0) for k, c in enumerate(params["minerals"])
    ]
    return assemble(ramp, channels, height, shade, place, polish=0.3)


def draw_concrete(random: np.random.Generator, scale: float) -> dict[str, Any]:
    """Concrete, mortar, plaster: clouds, sand, air holes."""
    return {
        "colour": colours.any_of(("#a3a19b", "#8e8c87", "#b8b4aa", "#9a938a", "#c9c5bb"), random),
        "cloud": chance.log_uniform((60, 160), random) * scale,
        "clouds": chance.log_uniform((0.04, 0.1), random),
        "sand": chance.log_uniform((1.5, 3.2), random) * scale,
        "tone": chance.log_uniform((0.03, 0.08), random),
        "holes": chance.log_uniform((0.0008, 0.008), random),
        "hole": chance.log_uniform((2.0, 5), random) * scale,
        "relief": chance.log_uniform((0.05, 0.16), random),
        "roughness": chance.uniform((0.8, 0.97), random),
        **unevenness(random, scale),
    }


def make_concrete(params: dict[str, Any], size: tuple[int, int], channels: int, random: np.random.Generator) -> Surface:
    """One piece of concrete."""
    sand, relief = params["sand"], params["relief"]
    height, holes = np.zeros(size, np.float32), np.zeros(size, np.float32)
    bumps(height, sand, 0.8 * relief, random)
    shade = np.float32(params["clouds"]) * fractal(size, params["cloud"], random, 4, 0.6)
    shade += height * np.float32(params["tone"] / (RISE * relief * sand))
    bumps(height, 4.5 * sand, 0.5 * relief, random)
    dots(holes, params["holes"], (0.3 * params["hole"], 1.6 * params["hole"]), -0.4, random, 3.5)
    shade += holes
    height += holes * np.float32(1.2 * relief * params["hole"])
    uneven(shade, params, random)
    return assemble([colours.row(params["colour"], params["roughness"], 0.0)], channels, height, shade)


MATERIALS = (
    Material("granite", "polished granite", draw_granite, make_granite),
    Material("concrete", "concrete", draw_concrete, make_concrete),
)
