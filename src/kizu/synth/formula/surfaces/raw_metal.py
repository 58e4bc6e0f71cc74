"""Metals as they come from the mould, the mill, the blast cabinet and the bath: grain instead of lines."""

from __future__ import annotations

from typing import Any

import numpy as np

from kizu.synth.formula import chance
from kizu.synth.formula.noise import add_smooth, fractal
from kizu.synth.formula.surfaces import colours
from kizu.synth.formula.surfaces.cells import grains
from kizu.synth.formula.surfaces.directions import straight, streaks
from kizu.synth.formula.surfaces.dots import dots
from kizu.synth.formula.surfaces.material import Material, assemble
from kizu.synth.formula.surfaces.relief import RISE, bumps, heading, turned, uneven, unevenness
from kizu.synth.formula.surfaces.surface import Surface


def draw_blasted(random: np.random.Generator, scale: float) -> dict[str, Any]:
    """Even matt grain of a blast with beads or grit."""
    return {
        "colour": colours.metal(random, ("steel", "stainless", "aluminium", "titanium")),
        "grain": chance.log_uniform((1.5, 3.6), random) * scale,
        "tone": chance.log_uniform((0.02, 0.06), random),
        "relief": chance.log_uniform((0.05, 0.17), random),
        "roughness": chance.uniform((0.5, 0.75), random),
        **unevenness(random, scale),
    }


def make_blasted(params: dict[str, Any], size: tuple[int, int], channels: int, random: np.random.Generator) -> Surface:
    """One blasted piece."""
    height, shade = np.zeros(size, np.float32), np.zeros(size, np.float32)
    bumps(height, params["grain"], 0.9 * params["relief"], random)
    shade += height * np.float32(params["tone"] / (RISE * params["relief"] * params["grain"]))
    bumps(height, 2.6 * params["grain"], 0.4 * params["relief"], random)
    uneven(shade, params, random)
    ramp = [colours.row(params["colour"], params["roughness"], 0.95, 0.9)]
    return assemble(ramp, channels, height, shade, polish=-0.3)


def draw_cast(random: np.random.Generator, scale: float) -> dict[str, Any]:
    """Skin of a sand or die casting: lumpy, gritty, dull."""
    return {
        "colour": colours.vary((0.30, 0.295, 0.285) if chance.either(0.6, random) else (0.5, 0.5, 0.5), random, 0.2),
        "grain": chance.log_uniform((2.4, 5), random) * scale,
        "lump": chance.log_uniform((22, 60), random) * scale,
        "grit": chance.log_uniform((0.004, 0.03), random),
        "tone": chance.log_uniform((0.04, 0.1), random),
        "relief": chance.log_uniform((0.06, 0.18), random),
        "roughness": chance.uniform((0.62, 0.88), random),
        "metal": chance.uniform((0.35, 0.65), random),
        **unevenness(random, scale, 0.02, 0.07),
    }


def make_cast(params: dict[str, Any], size: tuple[int, int], channels: int, random: np.random.Generator) -> Surface:
    """One piece of a cast skin."""
    grain, relief = params["grain"], params["relief"]
    height, shade = np.zeros(size, np.float32), np.zeros(size, np.float32)
    bumps(height, grain, 0.75 * relief, random)
    bumps(height, 2.4 * grain, 0.5 * relief, random)
    shade += height * np.float32(params["tone"] / (1.2 * RISE * relief * grain))
    bumps(height, params["lump"], 0.35 * relief, random)
    add_smooth(shade, 0.6 * params["lump"], 0.6 * params["tone"], random)
    dots(height, params["grit"], (0.4 * grain, 1.1 * grain), 0.5 * relief * grain, random)
    dots(height, 0.5 * params["grit"], (0.4 * grain, 1.0 * grain), -0.7 * relief * grain, random)
    uneven(shade, params, random)
    ramp = [colours.row(params["colour"], params["roughness"], params["metal"])]
    return assemble(ramp, channels, height, shade, polish=-0.4)


def draw_hot_rolled(random: np.random.Generator, scale: float) -> dict[str, Any]:
    """Hot-rolled strip: mill scale in soft clouds that run a little with the rolling, fine grain."""
    return {
        "colour": colours.vary((0.33, 0.325, 0.32), random, 0.25, 0.008),
        "oxide": chance.uniform((0.55, 0.8), random),
        "heading": heading(random, 0.85),
        "cloud": chance.log_uniform((30, 90), random) * scale,
        "stretch": chance.log_uniform((1.0, 3.5), random),
        "clouds": chance.log_uniform((0.025, 0.13), random),
        "grain": chance.log_uniform((1.3, 2.0), random) * scale,
        "tone": chance.log_uniform((0.03, 0.075), random),
        "relief": chance.log_uniform((0.02, 0.06), random),
        "roughness": chance.uniform((0.4, 0.6), random),
        "metal": chance.uniform((0.45, 0.7), random),
        **unevenness(random, scale, 0.03, 0.1),
    }


def make_hot_rolled(
    params: dict[str, Any], size: tuple[int, int], channels: int, random: np.random.Generator
) -> Surface:
    """One piece of hot-rolled strip."""
    angle, grain = turned(params, random), params["grain"]
    field = straight(size, angle)
    fine, shade = np.zeros(size, np.float32), np.zeros(size, np.float32)
    add_smooth(fine, grain, 0.75, random)
    streaks(fine, field, 1.6 * grain, 9 * grain, 0.65, random)
    height = fine * np.float32(RISE * params["relief"] * grain)
    shade += np.float32(params["tone"]) * fine
    cloud = params["cloud"]
    mottle = np.zeros(size, np.float32)
    for k in range(3):
        wide = cloud / 2.8**k
        streaks(mottle, field, 2 * wide, 2 * wide * params["stretch"], 0.8 * 0.58**k, random)
    place = np.clip(np.float32(0.4) + np.float32(0.32) * mottle, 0, 1)
    shade += np.float32(params["clouds"]) * mottle
    uneven(shade, params, random)
    steel, oxide = (
        params["colour"],
        [c * params["oxide"] * t for c, t in zip(params["colour"], (0.98, 1.0, 1.03), strict=True)],
    )
    ramp = [
        colours.row(steel, params["roughness"], params["metal"]),
        colours.row(colours.blend(steel, oxide, 0.6), params["roughness"] + 0.1, params["metal"] - 0.15),
    ]
    return assemble(ramp, channels, height, shade, place, polish=-0.3, heading=angle)


def draw_cold_rolled(random: np.random.Generator, scale: float) -> dict[str, Any]:
    """Cold-rolled or drawn sheet: bright, a faint grain along the rolling, shallow roll texture."""
    return {
        "colour": colours.metal(random, ("steel", "stainless", "aluminium", "zinc")),
        "heading": heading(random, 0.8),
        "width": chance.log_uniform((1.0, 2.0), random) * scale,
        "length": chance.log_uniform((20, 90), random) * scale,
        "mottle": chance.log_uniform((2.0, 5), random) * scale,
        "tone": chance.log_uniform((0.015, 0.05), random),
        "relief": chance.log_uniform((0.012, 0.05), random),
        "roughness": chance.uniform((0.2, 0.38), random),
        **unevenness(random, scale, 0.008, 0.04),
    }


def make_cold_rolled(
    params: dict[str, Any], size: tuple[int, int], channels: int, random: np.random.Generator
) -> Surface:
    """One piece of cold-rolled sheet."""
    angle, width, tone = turned(params, random), params["width"], params["tone"]
    field = straight(size, angle)
    lines, shade = np.zeros(size, np.float32), np.zeros(size, np.float32)
    streaks(lines, field, width, params["length"], 1.0, random)
    streaks(shade, field, 12 * width, 10 * params["length"], 0.8 * tone, random)
    shade += np.float32(tone) * lines
    height = lines * np.float32(1.1 * RISE * params["relief"] * width)
    bumps(height, params["mottle"], 0.5 * params["relief"], random)
    uneven(shade, params, random)
    ramp = [colours.row(params["colour"], params["roughness"], 1.0)]
    return assemble(ramp, channels, height, shade, polish=-0.4, heading=angle)


def draw_galvanised(random: np.random.Generator, scale: float) -> dict[str, Any]:
    """Zinc-coated sheet: crystals (spangle) that reflect differently."""
    return {
        "colour": colours.metal(random, ("zinc",)),
        "spangle": chance.log_uniform((7, 28), random) * scale,
        "contrast": chance.log_uniform((0.04, 0.12), random),
        "levels": random.uniform(-1.7, 1.7, 31).round(3).tolist(),
        "grain": chance.log_uniform((1.4, 2.2), random) * scale,
        "tone": chance.log_uniform((0.015, 0.035), random),
        "relief": chance.log_uniform((0.015, 0.05), random),
        "roughness": chance.uniform((0.3, 0.48), random),
        **unevenness(random, scale),
    }


def make_galvanised(
    params: dict[str, Any], size: tuple[int, int], channels: int, random: np.random.Generator
) -> Surface:
    """One piece of galvanised sheet."""
    height = np.zeros(size, np.float32)
    bumps(height, params["grain"], params["relief"], random)
    shade = grains(size, params["spangle"], random, params["contrast"] * np.asarray(params["levels"]))
    shade += height * np.float32(params["tone"] / (RISE * params["relief"] * params["grain"]))
    uneven(shade, params, random)
    ramp = [colours.row(params["colour"], params["roughness"], 0.95)]
    return assemble(ramp, channels, height, shade, polish=-0.8)


def draw_copper(random: np.random.Generator, scale: float) -> dict[str, Any]:
    """Bare copper of boards, strips and bus bars: rolled, with a breath of oxide."""
    return {
        "colour": colours.vary(colours.METALS["copper"], random, 0.1, 0.02),
        "oxide": colours.any_of(("#7a4128", "#8a5a3c", "#6b4a3a", "#93554a"), random),
        "share": chance.uniform((0.03, 0.25), random),
        "heading": heading(random, 0.8),
        "width": chance.log_uniform((1.0, 2.0), random) * scale,
        "length": chance.log_uniform((25, 120), random) * scale,
        "cloud": chance.log_uniform((30, 110), random) * scale,
        "tone": chance.log_uniform((0.02, 0.07), random),
        "relief": chance.log_uniform((0.015, 0.05), random),
        "roughness": chance.uniform((0.25, 0.42), random),
        **unevenness(random, scale),
    }


def make_copper(params: dict[str, Any], size: tuple[int, int], channels: int, random: np.random.Generator) -> Surface:
    """One piece of copper."""
    angle, width = turned(params, random), params["width"]
    field = straight(size, angle)
    lines, shade = np.zeros(size, np.float32), np.zeros(size, np.float32)
    streaks(lines, field, width, params["length"], 1.0, random)
    streaks(shade, field, 8 * width, 8 * params["length"], 0.6 * params["tone"], random)
    shade += np.float32(params["tone"]) * lines
    uneven(shade, params, random)
    place = fractal(size, params["cloud"], random, 4, 0.6)
    place = np.clip(np.float32(params["share"]) * (1 + np.float32(0.8) * place), 0, 1)
    ramp = [
        colours.row(params["colour"], params["roughness"], 1.0),
        colours.row(params["oxide"], params["roughness"] + 0.15, 0.7),
    ]
    height = lines * np.float32(1.4 * RISE * params["relief"] * width)
    return assemble(ramp, channels, height, shade, place, polish=-0.3, heading=angle)


MATERIALS = (
    Material("blasted", "blasted metal", draw_blasted, make_blasted),
    Material("cast", "cast metal", draw_cast, make_cast),
    Material("hot_rolled", "hot-rolled steel strip", draw_hot_rolled, make_hot_rolled),
    Material("cold_rolled", "cold-rolled sheet", draw_cold_rolled, make_cold_rolled),
    Material("galvanised", "galvanised sheet", draw_galvanised, make_galvanised),
    Material("copper", "copper", draw_copper, make_copper),
)
