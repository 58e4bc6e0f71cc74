"""Mouldings, paint, rubber and foam."""

from __future__ import annotations

from typing import Any

import numpy as np

from kizu.synth.formula import chance
from kizu.synth.formula.noise import add_smooth
from kizu.synth.formula.surfaces import colours
from kizu.synth.formula.surfaces.cells import cells
from kizu.synth.formula.surfaces.dots import dots
from kizu.synth.formula.surfaces.material import Material, assemble
from kizu.synth.formula.surfaces.relief import RISE, bumps, uneven, unevenness
from kizu.synth.formula.surfaces.surface import Surface


def pigment(random: np.random.Generator) -> list[float]:
    """Colour of a moulding or a paint, linear RGB."""
    return colours.any_of(colours.VIVID if chance.either(0.55, random) else colours.NEUTRAL, random, 0.1, 0.04)


def draw_glossy_plastic(random: np.random.Generator, scale: float) -> dict[str, Any]:
    """A smooth moulding: wide shallow waves, a few specks of pigment or dust."""
    return {
        "colour": pigment(random),
        "wave": chance.log_uniform((35, 120), random) * scale,
        "tone": chance.log_uniform((0.004, 0.015), random),
        "speck": chance.log_uniform((0.5, 1.0), random) * scale,
        "specks": chance.log_uniform((0.0001, 0.0012), random),
        "relief": chance.log_uniform((0.004, 0.02), random),
        "roughness": chance.uniform((0.1, 0.28), random),
        **unevenness(random, scale, 0.006, 0.03),
    }


def make_glossy_plastic(
    params: dict[str, Any], size: tuple[int, int], channels: int, random: np.random.Generator
) -> Surface:
    """One piece of a smooth moulding."""
    height, shade = np.zeros(size, np.float32), np.zeros(size, np.float32)
    bumps(height, params["wave"], 0.9 * params["relief"], random)
    bumps(height, 3.5 * params["speck"], 0.3 * params["relief"], random)
    add_smooth(shade, 2.5 * params["speck"] + 0.4, params["tone"], random)
    dots(shade, params["specks"], (0.6 * params["speck"], 1.6 * params["speck"]), 0.1, random)
    uneven(shade, params, random)
    return assemble([colours.row(params["colour"], params["roughness"], 0.0)], channels, height, shade, polish=0.6)


def draw_grained_plastic(random: np.random.Generator, scale: float) -> dict[str, Any]:
    """A moulding from an eroded mould (VDI 3400): rounded grains of one size, matt."""
    return {
        "colour": pigment(random),
        "grain": chance.log_uniform((2.2, 6.5), random) * scale,
        "plateau": chance.uniform((0.0, 1.6), random),
        "tone": chance.log_uniform((0.02, 0.06), random),
        "relief": chance.log_uniform((0.06, 0.2), random),
        "roughness": chance.uniform((0.4, 0.7), random),
        **unevenness(random, scale, 0.006, 0.03),
    }


def make_grained_plastic(
    params: dict[str, Any], size: tuple[int, int], channels: int, random: np.random.Generator
) -> Surface:
    """One piece of a grained moulding."""
    grain = params["grain"]
    height = np.zeros(size, np.float32)
    add_smooth(height, grain, 0.9, random)
    add_smooth(height, 0.55 * grain, 0.45, random)
    # Etched moulds leave plateaus: the tops are cut off, the more so the larger ``plateau`` is.
    height /= 1 + np.float32(params["plateau"]) * np.abs(height)
    shade = height * np.float32(params["tone"])
    height *= np.float32(RISE * params["relief"] * grain * (1 + 0.5 * params["plateau"]) / 1.25)
    uneven(shade, params, random)
    return assemble([colours.row(params["colour"], params["roughness"], 0.0)], channels, height, shade, polish=-0.4)


def draw_paint(random: np.random.Generator, scale: float) -> dict[str, Any]:
    """Sprayed or powder paint: orange peel, glossy or satin, sometimes with metal flakes."""
    return {
        "colour": pigment(random),
        "peel": chance.log_uniform((5, 15), random) * scale,
        "flakes": chance.log_uniform((0.03, 0.09), random) if chance.either(0.25, random) else 0.0,
        "flake": 1.3 * scale,
        "tone": chance.log_uniform((0.003, 0.01), random),
        "relief": chance.log_uniform((0.015, 0.07), random),
        "roughness": chance.uniform((0.08, 0.4), random),
        **unevenness(random, scale, 0.005, 0.025),
    }


def make_paint(params: dict[str, Any], size: tuple[int, int], channels: int, random: np.random.Generator) -> Surface:
    """One piece of a painted surface."""
    height, shade = np.zeros(size, np.float32), np.zeros(size, np.float32)
    bumps(height, params["peel"], 0.85 * params["relief"], random)
    bumps(height, 2.7 * params["peel"], 0.4 * params["relief"], random)
    add_smooth(shade, max(params["flake"], 1.2), params["flakes"] or params["tone"], random)
    if params["flakes"]:
        np.maximum(shade, -0.5 * params["flakes"], out=shade)
    uneven(shade, params, random)
    metal = 0.35 if params["flakes"] else 0.0
    return assemble([colours.row(params["colour"], params["roughness"], metal)], channels, height, shade, polish=0.2)


def draw_rubber(random: np.random.Generator, scale: float) -> dict[str, Any]:
    """Black or coloured rubber: matt, fine grit, traces of talc."""
    colour = colours.vary((0.045, 0.044, 0.043), random, 0.3, 0.02)
    if chance.either(0.2, random):
        colour = colours.any_of(("#6a2b22", "#7d7f80", "#9a3a1f", "#2f4a35"), random)
    return {
        "colour": colour,
        "grain": chance.log_uniform((1.5, 3.5), random) * scale,
        "tone": chance.log_uniform((0.04, 0.1), random),
        "talc": chance.log_uniform((0.03, 0.2), random),
        "relief": chance.log_uniform((0.04, 0.14), random),
        "roughness": chance.uniform((0.6, 0.85), random),
        **unevenness(random, scale, 0.02, 0.07),
    }


def make_rubber(params: dict[str, Any], size: tuple[int, int], channels: int, random: np.random.Generator) -> Surface:
    """One piece of rubber."""
    grain = params["grain"]
    height, shade, talc = (np.zeros(size, np.float32) for _ in range(3))
    bumps(height, grain, 0.9 * params["relief"], random)
    shade += height * np.float32(params["tone"] / (RISE * params["relief"] * grain))
    bumps(height, 6 * grain, 0.4 * params["relief"], random)
    add_smooth(talc, 20 * grain, 1.0, random)
    add_smooth(talc, 3 * grain, 0.6, random)
    shade += np.float32(params["talc"]) * np.maximum(talc - np.float32(0.5), 0)
    uneven(shade, params, random)
    return assemble([colours.row(params["colour"], params["roughness"], 0.0)], channels, height, shade, polish=0.3)


def draw_foam(random: np.random.Generator, scale: float) -> dict[str, Any]:
    """Open or closed foam: walls about bubbles of several sizes."""
    mats = ("#2a2b2c", "#3c3f42", "#57595b", "#e6e3da", "#d7c25a", "#365a8c", "#a54a3a", "#7c8a7a")
    return {
        "colour": colours.any_of(mats, random),
        "bubble": chance.log_uniform((4.5, 13), random) * scale,
        "depth": chance.uniform((0.3, 0.75), random),
        "tone": chance.log_uniform((0.03, 0.08), random),
        "relief": chance.log_uniform((0.1, 0.25), random),
        "roughness": chance.uniform((0.8, 1.0), random),
        **unevenness(random, scale),
    }


def make_foam(params: dict[str, Any], size: tuple[int, int], channels: int, random: np.random.Generator) -> Surface:
    """One piece of foam."""
    bubble = params["bubble"]
    first, second = cells(size, bubble, random, 1.0)
    # Walls stand where two bubbles meet; small bubbles are shallow.
    wall = np.minimum((second - first) * np.float32(1.5), 1)
    wall -= 1
    wall *= wall
    height = wall * np.float32(params["relief"] * bubble * 0.52)
    shade = (wall - np.float32(0.3)) * np.float32(params["depth"])
    add_smooth(shade, 0.35 * bubble, params["tone"], random)
    bumps(height, 0.35 * bubble, 0.3 * params["relief"], random)
    uneven(shade, params, random)
    return assemble([colours.row(params["colour"], params["roughness"], 0.0)], channels, height, shade)


MATERIALS = (
    Material("glossy_plastic", "smooth moulded plastic", draw_glossy_plastic, make_glossy_plastic),
    Material("grained_plastic", "grained moulded plastic", draw_grained_plastic, make_grained_plastic),
    Material("paint", "painted or powder-coated surface", draw_paint, make_paint),
    Material("rubber", "rubber", draw_rubber, make_rubber),
    Material("foam", "foam", draw_foam, make_foam),
)
