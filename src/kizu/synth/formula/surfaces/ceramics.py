"""Ferrite tiles, glazed ware and glass."""

from __future__ import annotations

from typing import Any

import numpy as np

from kizu.synth.formula import chance
from kizu.synth.formula.noise import add_smooth, fractal
from kizu.synth.formula.surfaces import colours
from kizu.synth.formula.surfaces.directions import straight, streaks
from kizu.synth.formula.surfaces.dots import dots
from kizu.synth.formula.surfaces.material import Material, assemble
from kizu.synth.formula.surfaces.relief import RISE, bumps, turned, uneven, unevenness
from kizu.synth.formula.surfaces.surface import Surface


def draw_magnetic_tile(random: np.random.Generator, scale: float) -> dict[str, Any]:
    """Ground ferrite: fine grain, faint lines (mostly upright) of the wheel, blotches."""
    upright = np.pi / 2 if chance.either(0.8, random) else 0.0
    return {
        "colour": colours.vary((0.15, 0.15, 0.152), random, 0.25, 0.008),
        "heading": float(upright + random.normal(0, 0.012)),
        "grain": chance.log_uniform((1.3, 2.0), random) * scale,
        "tone": chance.log_uniform((0.05, 0.11), random),
        "lines": chance.log_uniform((0.05, 0.18), random),
        "width": chance.log_uniform((1.0, 1.7), random) * scale,
        "blotch": chance.log_uniform((0.02, 0.07), random),
        "pores": chance.log_uniform((0.0004, 0.003), random),
        "relief": chance.log_uniform((0.025, 0.07), random),
        "roughness": chance.uniform((0.42, 0.6), random),
        "metal": chance.uniform((0.2, 0.45), random),
        **unevenness(random, scale, 0.03, 0.12),
    }


def make_magnetic_tile(
    params: dict[str, Any], size: tuple[int, int], channels: int, random: np.random.Generator
) -> Surface:
    """One piece of a magnetic tile."""
    angle, grain, width, lines = turned(params, random, 0.003), params["grain"], params["width"], params["lines"]
    field = straight(size, angle)
    fine, shade = np.zeros(size, np.float32), np.zeros(size, np.float32)
    add_smooth(fine, grain, 0.8, random)
    streaks(fine, field, 1.3 * grain, 5 * grain, 0.6, random)
    streaks(shade, field, width, 160 * width, lines, random, heavy=True)
    streaks(shade, field, 9 * width, 300 * width, 0.45 * lines, random)
    height = fine * np.float32(RISE * params["relief"] * grain)
    height += shade * np.float32(0.6 * RISE * params["relief"] * width / lines)
    shade += np.float32(params["tone"]) * fine
    shade += np.float32(params["blotch"]) * fractal(size, 24 * grain, random, 2)
    dots(shade, params["pores"], (0.4 * grain, 1.2 * grain), -0.35, random)
    uneven(shade, params, random)
    ramp = [colours.row(params["colour"], params["roughness"], params["metal"])]
    return assemble(ramp, channels, height, shade, polish=-0.2, heading=angle)


def draw_porcelain(random: np.random.Generator, scale: float) -> dict[str, Any]:
    """Glazed ceramic: white or coloured, glossy, gently wavy, here and there a speck of the body."""
    glazes = ("#f4f2ec", "#efece2", "#f6f6f4", "#e8e4da", "#dfe6e6", "#c9d6d2", "#27425c", "#5c7a5a", "#7a3b2a")
    return {
        "colour": colours.any_of(glazes, random, 0.05, 0.015),
        "wave": chance.log_uniform((18, 60), random) * scale,
        "speck": chance.log_uniform((0.6, 1.3), random) * scale,
        "specks": chance.log_uniform((0.0001, 0.0015), random),
        "tone": chance.log_uniform((0.004, 0.012), random),
        "relief": chance.log_uniform((0.004, 0.018), random),
        "roughness": chance.uniform((0.06, 0.16), random),
        **unevenness(random, scale, 0.005, 0.02),
    }


def make_porcelain(
    params: dict[str, Any], size: tuple[int, int], channels: int, random: np.random.Generator
) -> Surface:
    """One piece of glazed ceramic."""
    height, shade = np.zeros(size, np.float32), np.zeros(size, np.float32)
    bumps(height, params["wave"], 0.8 * params["relief"], random)
    bumps(height, 0.3 * params["wave"], 0.5 * params["relief"], random)
    add_smooth(shade, 1.6 * params["speck"] + 0.5, params["tone"], random)
    dots(shade, params["specks"], (params["speck"] * 0.5, params["speck"] * 1.4), -0.16, random)
    uneven(shade, params, random)
    return assemble([colours.row(params["colour"], params["roughness"], 0.0)], channels, height, shade, polish=0.5)


def draw_glass(random: np.random.Generator, scale: float) -> dict[str, Any]:
    """Plain glass over a dark or a white backing: all that is seen is reflected or comes from below."""
    tints = ("#1a2422", "#24302e", "#101416", "#c9d6d0", "#dfe4e2", "#8fa39b", "#3c2f1e")
    return {
        "colour": colours.any_of(tints, random, 0.15, 0.02),
        "wave": chance.log_uniform((50, 160), random) * scale,
        "dust": chance.log_uniform((0.00005, 0.0006), random),
        "speck": chance.log_uniform((0.5, 0.9), random) * scale,
        "tone": chance.log_uniform((0.003, 0.01), random),
        "relief": chance.log_uniform((0.0015, 0.006), random),
        "roughness": chance.uniform((0.03, 0.08), random),
        **unevenness(random, scale, 0.01, 0.05),
    }


def make_glass(params: dict[str, Any], size: tuple[int, int], channels: int, random: np.random.Generator) -> Surface:
    """One piece of glass."""
    height, shade = np.zeros(size, np.float32), np.zeros(size, np.float32)
    bumps(height, params["wave"], params["relief"], random)
    add_smooth(shade, 1.5, params["tone"], random)
    dots(shade, params["dust"], (params["speck"] * 0.6, params["speck"] * 1.5), 0.25, random)
    uneven(shade, params, random)
    return assemble([colours.row(params["colour"], params["roughness"], 0.0)], channels, height, shade, polish=0.5)


MATERIALS = (
    Material("magnetic_tile", "ferrite tile", draw_magnetic_tile, make_magnetic_tile),
    Material("porcelain", "glazed ceramic", draw_porcelain, make_porcelain),
    Material("glass", "plain glass", draw_glass, make_glass),
)
