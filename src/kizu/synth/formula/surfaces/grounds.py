"""What parts lie on: conveyor belts, mats, tables and trays."""

from __future__ import annotations

from typing import Any

import numpy as np

from kizu.synth.formula import chance
from kizu.synth.formula.noise import add_smooth
from kizu.synth.formula.surfaces import colours
from kizu.synth.formula.surfaces.directions import straight, streaks
from kizu.synth.formula.surfaces.dots import dots
from kizu.synth.formula.surfaces.material import Material, assemble
from kizu.synth.formula.surfaces.relief import RISE, bumps, heading, turned, uneven, unevenness
from kizu.synth.formula.surfaces.surface import Surface
from kizu.synth.formula.surfaces.tiles import sample, soften

_SIDE = 48


def _emboss(kind: str) -> np.ndarray:
    """A tile (T, T) of height 0..1: what is pressed into a belt."""
    y, x = (np.mgrid[0:_SIDE, 0:_SIDE] + 0.5) / _SIDE - 0.5
    if kind == "diamond":
        return np.clip(1.6 - 5 * (0.5 - np.abs(np.abs(x) + np.abs(y) - 0.5) - 0.28), 0, 1)
    if kind == "square":
        return np.clip(4.5 * (0.42 - np.maximum(np.abs(x), np.abs(y))), 0, 1)
    if kind == "ribs":
        return 0.5 + 0.5 * np.cos(2 * np.pi * x)
    return np.clip(1 - (np.hypot(x, y) / 0.34) ** 2, 0, 1)  # studs


def draw_belt(random: np.random.Generator, scale: float) -> dict[str, Any]:
    """A conveyor belt: pressed pattern or plain cloth, worn along its run (``heading``)."""
    belts = ("#1f2123", "#2a2c2d", "#1f3d2c", "#24527a", "#e4e3df", "#7f8a8c")
    return {
        "colour": colours.any_of(belts, random),
        "kind": ("diamond", "square", "ribs", "studs", "plain")[int(random.integers(5))],
        "heading": heading(random, 0.85),
        "period": chance.log_uniform((9, 34), random) * scale,
        "cavity": chance.uniform((0.1, 0.35), random),
        "grain": chance.log_uniform((1.5, 2.6), random) * scale,
        "tone": chance.log_uniform((0.03, 0.07), random),
        "wear": chance.log_uniform((0.02, 0.1), random),
        "relief": chance.log_uniform((0.05, 0.18), random),
        "roughness": chance.uniform((0.5, 0.8), random),
        **unevenness(random, scale, 0.02, 0.06),
    }


def make_belt(params: dict[str, Any], size: tuple[int, int], channels: int, random: np.random.Generator) -> Surface:
    """One piece of a belt."""
    angle, period, grain = turned(params, random), params["period"], params["grain"]
    plain = params["kind"] == "plain"
    field = straight(size, angle)
    fine, shade = np.zeros(size, np.float32), np.zeros(size, np.float32)
    add_smooth(fine, grain, 1.0, random)
    shade += np.float32(params["tone"]) * fine
    height = fine * np.float32(RISE * params["relief"] * grain * (0.8 if plain else 0.35))
    if not plain:
        tile = soften(_emboss(params["kind"]), (period, period))
        press = sample(field, tile, (period, period), tuple(random.uniform(0, 1, 2)))
        steep = np.sqrt(0.5 * np.mean(np.square(np.gradient(tile)))) * 2**0.5 * _SIDE / period
        height += press * np.float32(0.9 * params["relief"] / steep)
        shade += np.float32(params["cavity"]) * (press - np.float32(tile.mean()))
    streaks(shade, field, 7 * grain, 140 * grain, params["wear"], random)
    uneven(shade, params, random)
    ramp = [colours.row(params["colour"], params["roughness"], 0.0)]
    repeat = None if plain else period
    return assemble(ramp, channels, height, shade, polish=-0.4, heading=angle, period=repeat, pitch=repeat)


def _plain(codes: tuple[str, ...], roughness: tuple[float, float], relief: tuple[float, float], fibres: float):
    """Functions (draw, make) of a plain mat, table or tray."""

    def draw(random: np.random.Generator, scale: float) -> dict[str, Any]:
        return {
            "colour": colours.any_of(codes, random, 0.12, 0.02),
            "grain": chance.log_uniform((1.6, 3.4), random) * scale,
            "tone": chance.log_uniform((0.008, 0.03), random),
            "wave": chance.log_uniform((40, 140), random) * scale,
            "lint": chance.log_uniform((0.0001, 0.001), random) * fibres,
            "relief": chance.log_uniform(relief, random),
            "roughness": chance.uniform(roughness, random),
            **unevenness(random, scale, 0.01, 0.05),
        }

    def make(params: dict[str, Any], size: tuple[int, int], channels: int, random: np.random.Generator) -> Surface:
        grain = params["grain"]
        height, shade = np.zeros(size, np.float32), np.zeros(size, np.float32)
        bumps(height, grain, 0.9 * params["relief"], random)
        shade += height * np.float32(params["tone"] / (RISE * params["relief"] * grain))
        bumps(height, params["wave"], 0.3 * params["relief"], random)
        dots(shade, params["lint"], (0.3 * grain, 0.8 * grain), 0.25, random)
        uneven(shade, params, random)
        ramp = [colours.row(params["colour"], params["roughness"], 0.0)]
        return assemble(ramp, channels, height, shade, polish=-0.3)

    draw.__doc__, make.__doc__ = "Parameters of a plain ground.", "One piece of a plain ground."
    return draw, make


MATERIALS = (
    Material("belt", "conveyor belt", draw_belt, make_belt),
    Material(
        "black_mat",
        "black matt ground",
        *_plain(("#141415", "#1c1d1f", "#101112"), (0.75, 0.95), (0.03, 0.1), 1.0),
    ),
    Material(
        "white_table",
        "white table",
        *_plain(("#eeeeea", "#e2e2df", "#f4f3ef"), (0.3, 0.7), (0.006, 0.03), 0.0),
    ),
    Material(
        "tray",
        "plastic tray",
        *_plain(("#1d5fa5", "#2a6fb5", "#174a8a", "#2f7d6a", "#8c8f92"), (0.3, 0.55), (0.04, 0.14), 0.0),
    ),
)
