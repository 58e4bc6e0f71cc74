"""Printed sheet, paper and cardboard."""

from __future__ import annotations

from typing import Any

import numpy as np

from kizu.synth.formula import chance
from kizu.synth.formula.noise import add_smooth
from kizu.synth.formula.surfaces import colours
from kizu.synth.formula.surfaces.directions import marks, straight, streaks
from kizu.synth.formula.surfaces.material import Material, assemble
from kizu.synth.formula.surfaces.relief import RISE, bumps, heading, turned, uneven, unevenness
from kizu.synth.formula.surfaces.surface import Surface
from kizu.synth.formula.surfaces.tiles import sample, soften

_SIDE = 64
SHEETS = ("#f2f0ea", "#e9e6dc", "#fafaf8", "#cfcfd0", "#d8c49a", "#f0e3b8")


def _motif(kind: str, seed: int) -> np.ndarray:
    """A tile (T, T) of thresholds 0..1: ink covers what lies below the density.

    ``halftone`` and ``lines`` are screens; the others are patterns, which only a density of about a half prints whole.
    """
    y, x = (np.mgrid[0:_SIDE, 0:_SIDE] + 0.5) / _SIDE - 0.5
    if kind == "halftone":
        return np.clip(1.25 * np.hypot(x, y), 0, 1)
    if kind == "lines":
        return np.abs(2 * x)
    if kind == "dots":
        return np.clip(0.5 + 6 * (np.hypot(x, y) - 0.27), 0, 1)
    if kind == "checks":
        return np.where((x < 0) ^ (y < 0), 0.1, 0.9)
    if kind == "stripes":
        edges = np.sort(np.random.Generator(np.random.Philox(seed)).uniform(-0.45, 0.45, 4))
        return np.where(((x > edges[0]) & (x < edges[1])) | ((x > edges[2]) & (x < edges[3])), 0.1, 0.9)
    # Symbols: a mirrored raster of a few fields, as of a mark or a sign.
    fields = np.random.Generator(np.random.Philox(seed)).uniform(0, 1, (6, 3)) < 0.5
    fields = np.concatenate([fields, fields[:, ::-1]], 1)
    sign = np.full((_SIDE, _SIDE), 0.9)
    sign[8:56, 8:56] = np.kron(np.where(fields, 0.1, 0.9), np.ones((8, 8)))
    return sign


def draw_printed(random: np.random.Generator, scale: float) -> dict[str, Any]:
    """Paper, film or sheet metal with ink: a halftone screen of slowly changing density, or a repeated pattern."""
    kind = chance.pick(
        {"halftone": 0.3, "lines": 0.12, "dots": 0.18, "checks": 0.1, "stripes": 0.15, "signs": 0.15}, random
    )
    fine = kind in ("halftone", "lines")
    tin = chance.either(0.2, random)
    return {
        "sheet": colours.metal(random, ("stainless", "aluminium"))
        if tin
        else colours.any_of(SHEETS, random, 0.05, 0.01),
        "ink": colours.any_of(colours.VIVID + colours.NEUTRAL[4:7], random),
        "metal": 0.9 if tin else 0.0,
        "kind": kind,
        "motif": int(random.integers(1 << 31)),
        "period": chance.log_uniform((5, 11) if fine else (14, 64), random) * scale,
        "heading": float(random.choice((0.26, 0.79, 1.31))) if kind == "halftone" else heading(random, 0.7),
        "density": chance.uniform((0.25, 0.65), random) if fine else 0.5,
        "change": chance.uniform((0.02, 0.16), random) if fine else 0.0,
        "tone": chance.log_uniform((0.008, 0.025), random),
        "grain": chance.log_uniform((1.5, 2.5), random) * scale,
        "relief": chance.log_uniform((0.008, 0.03), random),
        "roughness": chance.uniform((0.25, 0.7), random),
        **unevenness(random, scale, 0.006, 0.025),
    }


def make_printed(params: dict[str, Any], size: tuple[int, int], channels: int, random: np.random.Generator) -> Surface:
    """One printed piece."""
    angle, period = turned(params, random, 0.002), params["period"]
    field = straight(size, angle)
    tile = soften(_motif(params["kind"], params["motif"]), (2.2 * period, 2.2 * period))
    threshold = sample(field, tile, (period, period), tuple(random.uniform(0, 1, 2)))
    ink = np.full(size, params["density"], np.float32)
    if params["change"]:
        add_smooth(ink, 22 * period, params["change"], random)
    # The edge of the ink is about one pixel wide: thresholds change by some 2.5 a period.
    slope = 0.4 * period if params["kind"] in ("halftone", "lines") else 1.2
    ink -= threshold
    np.clip(ink * np.float32(slope) + np.float32(0.5), 0, 1, out=ink)
    height, shade = np.zeros(size, np.float32), np.zeros(size, np.float32)
    bumps(height, params["grain"], params["relief"], random)
    shade += height * np.float32(params["tone"] / (RISE * params["relief"] * params["grain"]))
    uneven(shade, params, random)
    ramp = [
        colours.row(params["sheet"], params["roughness"], params["metal"]),
        colours.row(params["ink"], 0.85 * params["roughness"], 0.3 * params["metal"]),
    ]
    return assemble(ramp, channels, height, shade, ink, heading=angle, period=period, pitch=period)


def draw_paper(random: np.random.Generator, scale: float) -> dict[str, Any]:
    """Plain paper, fleece or filter: a cloudy mat of fibres."""
    return {
        "colour": colours.any_of(SHEETS[:3], random, 0.05, 0.012),
        "fibre": chance.log_uniform((1.3, 2.4), random) * scale,
        "cloud": chance.log_uniform((7, 20), random) * scale,
        "clouds": chance.log_uniform((0.006, 0.025), random),
        "tone": chance.log_uniform((0.01, 0.03), random),
        "relief": chance.log_uniform((0.02, 0.08), random),
        "roughness": chance.uniform((0.8, 0.97), random),
        **unevenness(random, scale, 0.006, 0.025),
    }


def make_paper(params: dict[str, Any], size: tuple[int, int], channels: int, random: np.random.Generator) -> Surface:
    """One piece of paper."""
    fibre = params["fibre"]
    mat, shade = np.zeros(size, np.float32), np.zeros(size, np.float32)
    for angle in random.uniform(0, 0.5 * np.pi, 2) + np.array([0, np.pi / 2]):
        streaks(mat, straight(size, angle), 1.1 * fibre, 5 * fibre, 0.6, random, heavy=True)
    add_smooth(mat, fibre, 0.55, random)
    shade += np.float32(params["tone"]) * mat
    add_smooth(shade, params["cloud"], params["clouds"], random)
    height = mat * np.float32(RISE * params["relief"] * fibre)
    uneven(shade, params, random)
    return assemble([colours.row(params["colour"], params["roughness"], 0.0)], channels, height, shade)


def draw_cardboard(random: np.random.Generator, scale: float) -> dict[str, Any]:
    """Corrugated or solid board: fibres, dark and light flecks, the flutes shimmering through."""
    return {
        "colour": colours.any_of(("#b08a5e", "#a37b4f", "#bd9a6e", "#9c7a58", "#c9ad86", "#8f8f8a"), random),
        "heading": heading(random, 0.75),
        "fibre": chance.log_uniform((1.2, 2.2), random) * scale,
        "flute": chance.log_uniform((16, 42), random) * scale if chance.either(0.7, random) else 0.0,
        "flutes": chance.log_uniform((0.015, 0.05), random),
        "tone": chance.log_uniform((0.03, 0.08), random),
        "relief": chance.log_uniform((0.03, 0.1), random),
        "roughness": chance.uniform((0.8, 0.97), random),
        **unevenness(random, scale),
    }


def make_cardboard(
    params: dict[str, Any], size: tuple[int, int], channels: int, random: np.random.Generator
) -> Surface:
    """One piece of cardboard."""
    angle, fibre, flute = turned(params, random), params["fibre"], params["flute"]
    field = straight(size, angle)
    mat, shade = np.zeros(size, np.float32), np.zeros(size, np.float32)
    streaks(mat, field, 1.2 * fibre, 8 * fibre, 0.75, random, heavy=True)
    streaks(
        mat, straight(size, angle + np.pi / 2 + random.normal(0, 0.2)), 1.2 * fibre, 8 * fibre, 0.55, random, heavy=True
    )
    shade += np.float32(params["tone"]) * mat
    height = mat * np.float32(RISE * params["relief"] * 1.2 * fibre)
    if flute:
        wave = np.zeros(size, np.float32)
        t = np.linspace(0, 1, 64, endpoint=False)
        marks(wave, field, flute, 0.5 - 0.5 * np.cos(2 * np.pi * t), 1.0, random, 0.12)
        height += wave * np.float32(0.25 * params["relief"] * flute)
        shade += np.float32(params["flutes"]) * (wave - np.float32(0.5))
    add_smooth(shade, 14 * fibre, 0.35 * params["tone"], random)
    uneven(shade, params, random)
    ramp = [colours.row(params["colour"], params["roughness"], 0.0)]
    return assemble(ramp, channels, height, shade, heading=angle, period=flute or None, pitch=flute or None)


MATERIALS = (
    Material("printed", "printed sheet", draw_printed, make_printed),
    Material("paper", "paper", draw_paper, make_paper),
    Material("cardboard", "cardboard", draw_cardboard, make_cardboard),
)
