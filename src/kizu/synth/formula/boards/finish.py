"""How boards look: a near-binary scan of the etched copper, bare copper under light, copper under a solder mask."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from kizu.core.jit import jit
from kizu.synth.formula import chance
from kizu.synth.formula.boards.board import Board
from kizu.synth.formula.layers import Layers
from kizu.synth.formula.noise import add_smooth, fractal, smooth, white
from kizu.synth.formula.surfaces.colours import any_of, linear, vary

_MASKS = {  # codes of the solder mask on laminate; times brighter where copper lies beneath
    "green": (("#0d4a28", "#0f5a2e", "#14693f", "#1d5c1f"), (1.7, 2.8)),
    "blue": (("#0d2f6b", "#123f7a", "#0f2a58"), (1.6, 2.6)),
    "red": (("#7a1416", "#8a1a1c", "#9c2a1a"), (1.5, 2.2)),
    "black": (("#121416", "#1a1b1d", "#0d0f10"), (1.6, 2.8)),
    "white": (("#e4e6e2", "#d8dad4"), (0.68, 0.84)),
}
_LAMINATES = ("#b8a868", "#a39a58", "#8f9a5e", "#c2b078", "#9a8a4e")
_FINISHES = {  # of open copper: colour, roughness
    "gold": ((0.80, 0.56, 0.24), (0.22, 0.42)),
    "tin": ((0.60, 0.60, 0.585), (0.25, 0.5)),
    "silver": ((0.74, 0.73, 0.69), (0.3, 0.5)),
    "copper": ((0.68, 0.36, 0.22), (0.25, 0.45)),
}
_OXIDES = ("#7a4128", "#8a5a3c", "#5d4034", "#93554a", "#6b5a3a")
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


def scan(board: Board, values: dict[str, Any], random: np.random.Generator) -> np.ndarray:
    """A picture uint8 (H, W) of the copper after a threshold: black on white, or the other way round.

    Args:
        board: with its faults.
        values: the table ``[scan]`` of the preset.
    """
    seen = cv2.GaussianBlur(board.copper, (0, 0), chance.uniform(values["blur"], random))
    # The threshold is sharp but not infinitely so, and the etch is not even: edges fray by parts of a pixel.
    fray = smooth(board.size, 1.6, random)
    fray *= np.float32(chance.uniform(values["fray"], random))
    seen += fray
    steep = np.float32(1 / chance.log_uniform(values["softness"], random))
    share = np.clip((seen - np.float32(0.5)) * steep + np.float32(0.5), 0, 1)
    dark, bright = (chance.uniform(values[name], random) for name in ("dark", "bright"))
    if chance.either(values["inverted"], random):
        share = 1 - share
    level = np.float32(bright) + np.float32(dark - bright) * share
    noise = chance.uniform(values["noise"], random)
    if noise > 0:
        level += np.float32(noise) * white(board.size, random)
    return np.clip(level + np.float32(0.5), 0, 255).astype(np.uint8)


def dress(
    board: Board, style: str, values: dict[str, Any], channels: int, scale: float, random: np.random.Generator
) -> tuple[Layers, dict[str, str]]:
    """The layers of a board.

    Args:
        board: with its faults.
        style: ``copper`` (bare) or ``mask``.
        values: the table ``[finish]`` of the preset.
        channels: 1 or 3.
        scale: pixels in place of each pixel that the preset speaks of.

    Returns:
        layers, and what was chosen (JSON-able).
    """
    masked = style == "mask"
    laminate = any_of(_LAMINATES, random, 0.12, 0.04)
    name = chance.pick(values["masks"], random) if masked else "bare"
    ground, lift = laminate, 1.0
    if masked:
        codes, lifts = _MASKS[name]
        ground, lift = any_of(codes, random, 0.1, 0.03), chance.uniform(lifts, random)
    finish = chance.pick(values["finishes"], random) if masked else "copper"
    colour, rough = _FINISHES[finish]
    colour, rough = vary(colour, random, 0.08, 0.02), chance.uniform(rough, random)
    oxide = any_of(_OXIDES, random) if finish in ("copper", "silver") else vary(np.multiply(colour, 0.8), random)
    print_colour = linear("#e8c62a") if random.random() < 0.12 else linear("#eceae2")
    if name == "white":
        print_colour = linear("#202022")
    rows = [(ground, rough_of(masked, random), 0.0), (laminate, 0.6, 0.0), (colour, rough, 0.95),
            (oxide, rough + 0.2, 0.6), (print_colour, 0.6, 0.0), ([0.012] * 3, 0.9, 0.0)]  # fmt: skip
    table = np.array(
        [[*(c if channels == 3 else [float(np.dot(c, _LUMINANCE))]), r, m] for c, r, m in rows], np.float32
    )
    size = board.size
    fine, worn = np.zeros(size, np.float32), np.zeros(size, np.float32)
    add_smooth(fine, (1.3 * scale, chance.log_uniform((6, 80), random) * scale), 0.6, random)
    add_smooth(fine, 1.4 * scale, 0.5, random)
    worn = fractal(size, chance.log_uniform((40, 140), random) * scale, random, 3, 0.6)
    share = chance.uniform(values["oxide"], random) if finish in ("copper", "silver") else 0.05
    worn += np.float32(4 * share - 2)
    thick = chance.uniform(values["thickness"], random) * scale
    coat = np.ascontiguousarray(cv2.GaussianBlur(board.copper, (0, 0), (1.1 if masked else 0.6) * scale + 0.2))
    layers = Layers(
        np.empty(size, np.float32), np.empty((*size, channels), np.float32), np.empty(size, np.float32),
        np.empty(size, np.float32), np.empty(size, np.float32),
    )  # fmt: skip
    pitch = chance.log_uniform((6, 14), random) * scale
    cloth = np.cos(np.arange(256) * (2 * np.pi / 256)).astype(np.float32)
    tone, threads = chance.uniform(values["tone"], random), chance.uniform(values["cloth"], random)
    threads *= 0.4 if masked else 1.0
    numbers = np.array([lift, thick, tone, threads], np.float32)
    steps = np.rint(65536 * 256 / pitch * np.array([np.cos(board.angle), np.sin(board.angle)])).astype(np.int64)
    _dress(
        layers.height, layers.albedo.reshape(size[0], -1), layers.roughness, layers.metal, layers.shadow, board.copper,
        coat, board.opening, board.drills, board.silk, fine, worn, cloth, steps, table, numbers, masked,
    )  # fmt: skip
    return layers, {"mask": name, "finish": finish}


def rough_of(masked: bool, random: np.random.Generator) -> float:
    """Roughness of the ground: a glossy to satin mask, or dull laminate."""
    return float(random.uniform(0.2, 0.5) if masked else random.uniform(0.5, 0.75))


_NOUGHT, _ONE, _HALF = np.float32(0.0), np.float32(1.0), np.float32(0.5)
_QUARTER, _FIFTH, _TWENTIETH = np.float32(0.25), np.float32(0.2), np.float32(0.05)
_DEEP, _DARK, _LEAST, _RISE = np.float32(1.5), np.float32(0.85), np.float32(0.003), np.float32(0.3)


@jit
def _dress(
    height, albedo, roughness, metal, shadow, copper, coat, opening, drills, silk, fine, worn, cloth, steps, table, n,
    masked,
):  # fmt: skip
    rows, columns = copper.shape
    colours = albedo.shape[1] // columns
    lift, thick, tone, weave = n[0], n[1], n[2], n[3]
    # Threads lie along two directions; their phases are counted in 1 / 65536 of a step of the table.
    across, down = steps[0], steps[1]
    threads, share = np.empty(columns, np.float32), np.empty((6, columns), np.float32)
    for i in range(rows):
        for j in range(columns):
            u, v = j * across + i * down, i * across - j * down
            threads[j] = weave * cloth[(u >> 16) & 255] * cloth[(v >> 16) & 255]
        for j in range(columns):
            open_here = opening[i, j] if masked else _ONE
            own = copper[i, j] * open_here  # copper that is seen
            bare = (_ONE - copper[i, j]) * open_here  # laminate that is seen
            old = own * min(max(worn[i, j] * _HALF, _NOUGHT), _ONE)
            top = (_ONE - silk[i, j]) * (_ONE - drills[i, j])
            grain = tone * fine[i, j]
            ground = (_ONE + threads[j] * (_ONE - coat[i, j])) * (_ONE + _QUARTER * grain)
            ground *= _ONE + (lift - _ONE) * coat[i, j]
            # Shares of the materials of the table; they add up to one but for texture.
            share[0, j] = top * (_ONE - own - bare) * ground
            share[1, j] = top * bare * (_ONE + threads[j])
            share[2, j] = top * (own - old) * (_ONE + grain)
            share[3, j] = top * old * (_ONE + grain)
            share[4, j] = silk[i, j] * (_ONE - drills[i, j])
            share[5, j] = drills[i, j]
            rough = _NOUGHT
            for k in range(6):
                rough += share[k, j] * table[k, colours]
            roughness[i, j] = min(max(rough - _FIFTH * own * grain, _TWENTIETH), _ONE)
            metal[i, j] = top * ((own - old) * table[2, colours + 1] + old * table[3, colours + 1])
            relief = coat[i, j] - _DEEP * drills[i, j] + _FIFTH * silk[i, j]
            height[i, j] = thick * relief + _RISE * threads[j] * (_ONE - own) + _TWENTIETH * own * fine[i, j]
            shadow[i, j] = _ONE - _DARK * drills[i, j]
        line = albedo[i]
        for c in range(colours):
            a, b, d, e, f, g = table[0, c], table[1, c], table[2, c], table[3, c], table[4, c], table[5, c]
            for j in range(columns):
                value = a * share[0, j] + b * share[1, j] + d * share[2, j]
                value += e * share[3, j] + f * share[4, j] + g * share[5, j]
                line[j * colours + c] = max(value, _LEAST)
