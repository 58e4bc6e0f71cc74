"""Woven and knitted fabric, leather."""

from __future__ import annotations

from typing import Any

import numpy as np

from kizu.synth.formula import chance
from kizu.synth.formula.noise import add_smooth
from kizu.synth.formula.surfaces import colours
from kizu.synth.formula.surfaces.cells import cells
from kizu.synth.formula.surfaces.directions import straight
from kizu.synth.formula.surfaces.material import Material, assemble
from kizu.synth.formula.surfaces.relief import bumps, heading, turned, uneven, unevenness
from kizu.synth.formula.surfaces.surface import Surface
from kizu.synth.formula.surfaces.tiles import sample, soften, weave

# Rows are picks of the weft, columns threads of the warp; 1: the warp lies on top.
WEAVES = {
    "plain": ["10", "01"],
    "basket": ["1100", "1100", "0011", "0011"],
    "twill": ["1100", "0110", "0011", "1001"],
    "denim": ["1110", "0111", "1011", "1101"],
    "satin": ["11110", "11011", "01111", "11101", "10111"],
}
DYES = (
    "#20304f", "#324b73", "#7b1e24", "#8c8f86", "#c8c2b2", "#e7e3d8", "#2b2b2d", "#4a4d3a", "#6e5a43", "#b98c50",
    "#3f6b5e", "#54575c", "#a9b4bd",
)  # fmt: skip


def pattern(name: str) -> np.ndarray:
    """bool (P, Q): where the warp lies on top."""
    return np.array([[c == "1" for c in line] for line in WEAVES[name]])


def draw_woven(random: np.random.Generator, scale: float) -> dict[str, Any]:
    """Woven cloth; ``heading`` is the direction of the warp."""
    name = chance.pick({"plain": 0.4, "twill": 0.2, "denim": 0.15, "basket": 0.1, "satin": 0.15}, random)
    warp = colours.any_of(DYES, random)
    weft = colours.vary(warp, random, 0.12, 0.03)
    if name != "satin" and chance.either(0.3, random):
        weft = colours.any_of(DYES, random)
    pitch = chance.log_uniform((3.6, 10), random) * scale
    return {
        "weave": name,
        "warp": warp,
        "weft": weft,
        "heading": heading(random, 0.75),
        "pitch": [pitch, pitch * chance.uniform((0.85, 1.3), random)],
        "threads": chance.log_uniform((0.03, 0.12), random),
        "depth": chance.uniform((0.3, 0.7), random),
        "wobble": chance.uniform((0.05, 0.2), random),
        "fuzz": chance.log_uniform((0.03, 0.08), random),
        "relief": chance.log_uniform((0.07, 0.2), random),
        "roughness": chance.uniform((0.75, 0.95), random),
        **unevenness(random, scale),
    }


def make_woven(params: dict[str, Any], size: tuple[int, int], channels: int, random: np.random.Generator) -> Surface:
    """One piece of cloth."""
    angle, pitch, table = turned(params, random, 0.008), params["pitch"], pattern(params["weave"])
    field = straight(size, angle)
    wobble = params["wobble"] * pitch[0]
    add_smooth(field.u, 9 * pitch[0], wobble, random)
    field = field.moved(field.u)
    height, shade, share = weave(field, table, tuple(pitch), params["threads"], random)
    shade *= np.float32(params["depth"] / 0.4)
    height *= np.float32(params["relief"] * min(pitch) / 0.8)
    add_smooth(shade, max(0.2 * pitch[0], 1.5), params["fuzz"], random)
    uneven(shade, params, random)
    ramp = [colours.row(params[name], params["roughness"], 0.0) for name in ("weft", "warp")]
    return assemble(
        ramp, channels, height, shade, share, heading=angle, period=table.shape[1] * pitch[0], pitch=pitch[0]
    )


def draw_knit(random: np.random.Generator, scale: float) -> dict[str, Any]:
    """Plain knitted fabric; ``heading`` is the direction of its columns of stitches."""
    pitch = chance.log_uniform((8, 24), random) * scale
    return {
        "colour": colours.any_of(DYES, random),
        "heading": heading(random, 0.75) + np.pi / 2,
        "pitch": [pitch, pitch * chance.uniform((0.6, 0.85), random)],
        "yarn": chance.uniform((0.21, 0.28), random),
        "wobble": chance.uniform((0.05, 0.14), random),
        "fuzz": chance.log_uniform((0.04, 0.1), random),
        "relief": chance.log_uniform((0.08, 0.2), random),
        "roughness": chance.uniform((0.85, 0.98), random),
        **unevenness(random, scale),
    }


def _stitch(yarn: float) -> tuple[np.ndarray, np.ndarray]:
    """Height 0..1 and tone of one stitch: two legs of yarn that lean on each other as a V."""
    side = 28
    y, x = np.mgrid[0:side, 0:side] / side
    height, tone = np.zeros((side, side)), np.zeros((side, side))
    for mirror in (1, -1):
        for turn in (-1, 0, 1):
            # The leg runs from the middle below to the side above; it is seen again one stitch above and below.
            along = y + turn
            middle = 0.5 + mirror * (
                0.05 + 0.34 * np.clip(along, -0.3, 1.3) ** 0.8 if turn == 0 else 0.05 + 0.34 * np.abs(along)
            )
            far = np.abs(x - middle) / yarn
            tall = np.sqrt(np.clip(1 - far**2, 0, 1)) * np.clip(1.15 - 0.75 * np.abs(along - 0.45), 0, 1)
            strand = 0.06 * np.cos(2 * np.pi * (3 * along + 1.5 * mirror * (x - middle) / yarn))
            tone = np.where(tall > height, strand, tone)
            height = np.maximum(height, tall)
    return height, 0.8 * (height - height.mean()) + tone


def make_knit(params: dict[str, Any], size: tuple[int, int], channels: int, random: np.random.Generator) -> Surface:
    """One piece of knitted fabric."""
    angle, pitch = turned(params, random, 0.008), params["pitch"]
    field = straight(size, angle)
    wobble = params["wobble"] * pitch[0]
    add_smooth(field.u, 4 * pitch[0], wobble, random)
    field = field.moved(field.u)
    start = tuple(random.uniform(0, 1, 2))
    pixels = (pitch[1], pitch[0])
    tiles = [soften(tile, pixels) for tile in _stitch(params["yarn"])]
    height, shade = (sample(field, tile, tuple(pitch), start) for tile in tiles)
    height *= np.float32(params["relief"] * pitch[1] / 1.15)
    add_smooth(shade, max(0.09 * pitch[0], 1.5), params["fuzz"], random)
    uneven(shade, params, random)
    ramp = [colours.row(params["colour"], params["roughness"], 0.0)]
    return assemble(ramp, channels, height, shade, heading=angle, period=pitch[0], pitch=pitch[0])


def draw_leather(random: np.random.Generator, scale: float) -> dict[str, Any]:
    """Leather and its imitations: pebbles between a net of creases."""
    hides = ("#1d1a18", "#3b2418", "#5d3720", "#7c4a26", "#a0703f", "#c9b08a", "#6b1a1a", "#23303f", "#8a8580")
    return {
        "colour": colours.any_of(hides, random),
        "pebble": chance.log_uniform((6, 18), random) * scale,
        "crease": chance.uniform((0.2, 0.5), random),
        "fold": chance.uniform((0.1, 0.4), random),
        "pore": chance.log_uniform((1.5, 2.5), random) * scale,
        "tone": chance.log_uniform((0.02, 0.05), random),
        "relief": chance.log_uniform((0.06, 0.2), random),
        "roughness": chance.uniform((0.4, 0.65), random),
        **unevenness(random, scale, 0.02, 0.06),
    }


def make_leather(params: dict[str, Any], size: tuple[int, int], channels: int, random: np.random.Generator) -> Surface:
    """One piece of leather."""
    pebble = params["pebble"]
    first, second = cells(size, pebble, random, 0.9)
    gap = np.minimum((second - first) * np.float32(2.2), 1)
    net = gap * (2 - gap)  # 1 on the pebbles, 0 in the creases
    height = net * np.float32(params["relief"] * pebble * 0.42)
    shade = (net - np.float32(0.8)) * np.float32(params["crease"])
    bumps(height, 5 * pebble, params["relief"] * params["fold"], random)
    add_smooth(shade, params["pore"], params["tone"], random)
    uneven(shade, params, random)
    return assemble([colours.row(params["colour"], params["roughness"], 0.0)], channels, height, shade, polish=-0.3)


MATERIALS = (
    Material("woven", "woven cloth", draw_woven, make_woven),
    Material("knit", "knitted fabric", draw_knit, make_knit),
    Material("leather", "leather", draw_leather, make_leather),
)
