"""Metals that a tool has cut, ground or brushed: lines along its path."""

from __future__ import annotations

from typing import Any

import numpy as np

from kizu.synth.formula import chance
from kizu.synth.formula.surfaces import colours
from kizu.synth.formula.surfaces.directions import arcs, marks, rings, straight, streaks
from kizu.synth.formula.surfaces.material import Material, assemble
from kizu.synth.formula.surfaces.relief import RISE, bumps, heading, turned, uneven, unevenness
from kizu.synth.formula.surfaces.surface import Surface

# Height of one tool mark: the cusps that a round tool leaves, a shallow wave, a narrow groove.
_STEPS = np.linspace(0, 1, 128, endpoint=False)
_PROFILES = {
    "cusp": 4 * _STEPS * (_STEPS - 1),
    "wave": 0.5 * (np.cos(2 * np.pi * _STEPS) - 1),
    "groove": -np.exp(-0.5 * ((_STEPS - 0.5) / 0.13) ** 2),
}


def draw_brushed(random: np.random.Generator, scale: float) -> dict[str, Any]:
    """Long fine lines, as of an abrasive belt or a wire brush."""
    return {
        "colour": colours.metal(random),
        "heading": heading(random),
        "width": chance.log_uniform((1.0, 2.4), random) * scale,
        "length": chance.log_uniform((35, 180), random) * scale,
        "tone": chance.log_uniform((0.04, 0.14), random),
        "relief": chance.log_uniform((0.02, 0.08), random),
        "roughness": chance.uniform((0.25, 0.48), random),
        "heavy": chance.either(0.35, random),
        **unevenness(random, scale),
    }


def make_brushed(params: dict[str, Any], size: tuple[int, int], channels: int, random: np.random.Generator) -> Surface:
    """One piece of brushed metal."""
    angle = turned(params, random)
    field = straight(size, angle)
    width, length, tone = params["width"], params["length"], params["tone"]
    lines, shade = np.zeros(size, np.float32), np.zeros(size, np.float32)
    streaks(lines, field, width, length, 1.0, random, params["heavy"])
    streaks(shade, field, 3.5 * width, 3 * length, 0.55 * tone, random)
    streaks(shade, field, 16 * width, 12 * length, 0.4 * tone, random)
    shade += np.float32(tone) * lines
    uneven(shade, params, random)
    height = lines * np.float32(1.4 * RISE * params["relief"] * width)
    ramp = [colours.row(params["colour"], params["roughness"], 1.0)]
    return assemble(ramp, channels, height, shade, polish=-0.35, heading=angle)


def draw_ground(random: np.random.Generator, scale: float) -> dict[str, Any]:
    """Short scratches of a grinding wheel, nearly parallel."""
    return {
        "colour": colours.metal(random, ("steel", "stainless", "titanium")),
        "heading": heading(random),
        "width": chance.log_uniform((1.0, 1.5), random) * scale,
        "length": chance.log_uniform((10, 45), random) * scale,
        "fan": chance.uniform((0.01, 0.07), random),
        "tone": chance.log_uniform((0.05, 0.12), random),
        "relief": chance.log_uniform((0.03, 0.08), random),
        "roughness": chance.uniform((0.22, 0.42), random),
        **unevenness(random, scale),
    }


def make_ground(params: dict[str, Any], size: tuple[int, int], channels: int, random: np.random.Generator) -> Surface:
    """One piece of ground metal."""
    angle = turned(params, random)
    lines, shade = np.zeros(size, np.float32), np.zeros(size, np.float32)
    for side in (-1, 1):
        field = straight(size, angle + side * params["fan"])
        long_ = params["length"] * (1.0 if side < 0 else 2.2)
        streaks(lines, field, params["width"] * (1.0 if side < 0 else 1.3), long_, 0.7, random, heavy=side > 0)
    streaks(shade, field, 6 * params["width"], 9 * params["length"], 0.3 * params["tone"], random)
    shade += np.float32(params["tone"]) * lines
    uneven(shade, params, random)
    height = lines * np.float32(1.5 * RISE * params["relief"] * params["width"])
    ramp = [colours.row(params["colour"], params["roughness"], 1.0)]
    return assemble(ramp, channels, height, shade, polish=-0.3, heading=angle)


def draw_milled(random: np.random.Generator, scale: float) -> dict[str, Any]:
    """Marks of a milling cutter at even distances: arcs, or straight for a plane or a roll."""
    return {
        "colour": colours.metal(random, ("steel", "aluminium", "aluminium", "brass")),
        "heading": heading(random),
        "radius": chance.log_uniform((420, 1600), random) * scale if chance.either(0.6, random) else 0.0,
        "pitch": chance.log_uniform((4.0, 22), random) * scale,
        "profile": ("cusp", "wave", "groove")[int(random.integers(3))],
        "spread": chance.uniform((0.1, 0.3), random),
        "back": chance.uniform((0.3, 0.6), random) if chance.either(0.25, random) else 0.0,
        "tone": chance.log_uniform((0.03, 0.09), random),
        "relief": chance.log_uniform((0.04, 0.16), random),
        "roughness": chance.uniform((0.2, 0.38), random),
        **unevenness(random, scale),
    }


def make_milled(params: dict[str, Any], size: tuple[int, int], channels: int, random: np.random.Generator) -> Surface:
    """One piece of milled metal; ``back`` is the strength of the marks that the cutter's rear edge leaves."""
    angle, pitch, radius = turned(params, random), params["pitch"], params["radius"]

    def path(way: float):
        # Arcs no tighter than the piece: the cutter is larger than what it faces.
        return arcs(size, angle + way, max(radius, 0.75 * max(size))) if radius else straight(size, angle + way)

    field = path(0.0)
    height, shade = np.zeros(size, np.float32), np.zeros(size, np.float32)
    profile = _PROFILES[params["profile"]]
    # Slope of the profile at height 1 and period 1, of both directions together.
    steep = np.sqrt(0.5 * np.mean((np.diff(profile) * len(profile)) ** 2))
    amplitude = params["relief"] * pitch / steep
    marks(height, field, pitch, profile, amplitude, random, params["spread"])
    if params["back"]:
        marks(height, path(np.pi), pitch, profile, amplitude * params["back"], random, params["spread"])
    # Where the tool dug deeper it left another sheen: tone follows the marks, and each mark has its own.
    shade += height * np.float32(params["tone"] / max(amplitude, 1e-6))
    streaks(shade, field, 1.1 * pitch, 90 * pitch, 0.6 * params["tone"], random)
    streaks(shade, field, max(1.0, 0.12 * pitch), 12 * pitch, 0.7 * params["tone"], random)
    uneven(shade, params, random)
    ramp = [colours.row(params["colour"], params["roughness"], 1.0)]
    return assemble(ramp, channels, height, shade, polish=-0.3, heading=angle, period=pitch, pitch=pitch)


def draw_turned(random: np.random.Generator, scale: float) -> dict[str, Any]:
    """Rings of a lathe tool about a centre (x, y; 0..1 of the piece)."""
    far = chance.either(0.4, random)
    return {
        "colour": colours.metal(random, ("steel", "aluminium", "brass", "stainless")),
        "centre": (random.uniform(-0.6, 1.6, 2) if far else random.normal(0.5, 0.04, 2)).tolist(),
        "pitch": chance.log_uniform((2.6, 9), random) * scale,
        "spread": chance.uniform((0.15, 0.4), random),
        "tone": chance.log_uniform((0.03, 0.09), random),
        "relief": chance.log_uniform((0.03, 0.12), random),
        "roughness": chance.uniform((0.18, 0.36), random),
        **unevenness(random, scale),
    }


def make_turned(params: dict[str, Any], size: tuple[int, int], channels: int, random: np.random.Generator) -> Surface:
    """One turned piece."""
    pitch = params["pitch"]
    field = rings(size, tuple(params["centre"]))
    height, shade = np.zeros(size, np.float32), np.zeros(size, np.float32)
    marks(height, field, pitch, _PROFILES["cusp"], params["relief"] * pitch / 1.63, random, params["spread"])
    turn = field.high[1]
    streaks(shade, field, 1.1 * pitch, turn / 5, params["tone"], random)
    streaks(shade, field, max(1.0, 0.3 * pitch), turn / 40, 0.7 * params["tone"], random)
    uneven(shade, params, random)
    ramp = [colours.row(params["colour"], params["roughness"], 1.0)]
    return assemble(ramp, channels, height, shade, polish=-0.3, period=pitch, pitch=pitch)


def draw_anodised(random: np.random.Generator, scale: float) -> dict[str, Any]:
    """Aluminium with a dyed or plain oxide layer: even, satin, faint lines of drawing below."""
    dyes = (
        "#c9c9cb",
        "#b9babd",
        "#2a2b2d",
        "#1b1b1d",
        "#0d3f8c",
        "#a3121a",
        "#b07a1e",
        "#1f6b3a",
        "#5a2a78",
        "#c4551a",
    )
    return {
        "colour": colours.any_of(dyes, random, 0.1, 0.03),
        "heading": heading(random),
        "grain": chance.log_uniform((1.4, 2.4), random) * scale,
        "lines": chance.log_uniform((0.008, 0.04), random),
        "tone": chance.log_uniform((0.012, 0.035), random),
        "relief": chance.log_uniform((0.015, 0.06), random),
        "roughness": chance.uniform((0.32, 0.5), random),
        "metal": chance.uniform((0.75, 0.95), random),
        **unevenness(random, scale, 0.005, 0.025),
    }


def make_anodised(params: dict[str, Any], size: tuple[int, int], channels: int, random: np.random.Generator) -> Surface:
    """One anodised piece."""
    angle = turned(params, random)
    height, shade = np.zeros(size, np.float32), np.zeros(size, np.float32)
    bumps(height, params["grain"], params["relief"], random)
    shade += height * np.float32(params["tone"] / (RISE * params["relief"] * params["grain"]))
    streaks(shade, straight(size, angle), 2.5 * params["grain"], 120 * params["grain"], params["lines"], random)
    uneven(shade, params, random)
    ramp = [colours.row(params["colour"], params["roughness"], params["metal"])]
    return assemble(ramp, channels, height, shade, polish=-0.3, heading=angle)


MATERIALS = (
    Material("brushed", "brushed metal", draw_brushed, make_brushed),
    Material("ground", "ground metal", draw_ground, make_ground),
    Material("milled", "milled metal", draw_milled, make_milled),
    Material("turned", "turned metal", draw_turned, make_turned),
    Material("anodised", "anodised aluminium", draw_anodised, make_anodised),
)
