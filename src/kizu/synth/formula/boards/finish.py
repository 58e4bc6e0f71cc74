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
    fine = np.zeros(size, np.float32)
    add_smooth(fine, (1.3 * scale, chance.log_uniform((6, 80), random) * scale), 0.6, random)
    add_smooth(fine, 1.4 * scale, 0.5, random)
    # Clouds of tarnish are smooth: a quarter of the samples each way will do.
    small = (-(-size[0] // 4), -(-size[1] // 4))
    worn = fractal(small, chance.log_uniform((40, 140), random) * scale / 4, random, 3, 0.6)
    share = chance.uniform(values["oxide"], random) if finish in ("copper", "silver") else 0.05
    worn += np.float32(4 * share - 2)
    worn = cv2.resize(worn, (4 * small[1], 4 * small[0]), interpolation=cv2.INTER_LINEAR)[: size[0], : size[1]]
    thick = chance.uniform(values["thickness"], random) * scale
    coat = np.ascontiguousarray(cv2.GaussianBlur(board.copper, (0, 0), (1.1 if masked else 0.6) * scale + 0.2))
    layers = Layers(
        np.empty(size, np.float32), np.empty((*size, channels), np.float32), np.empty(size, np.float32),
        np.empty(size, np.float32), np.empty(size, np.float32),
    )  # fmt: skip
    tone, threads = chance.uniform(values["tone"], random), chance.uniform(values["cloth"], random)
    threads *= 0.4 if masked else 1.0
    waves, turns = _cloth(size, chance.log_uniform((6, 14), random) * scale, board.angle, threads)
    # Without a mask everything lies open.
    numbers = np.array([lift, thick, tone, 0.0 if masked else 1.0], np.float32)
    _dress(
        layers.height, layers.albedo.reshape(size[0], -1), layers.roughness, layers.metal, layers.shadow, board.copper,
        coat, board.opening, board.drills, board.silk, fine, np.ascontiguousarray(worn), waves, turns, table, numbers,
    )  # fmt: skip
    return layers, {"mask": name, "finish": finish}


def rough_of(masked: bool, random: np.random.Generator) -> float:
    """Roughness of the ground: a glossy to satin mask, or dull laminate."""
    return float(random.uniform(0.2, 0.5) if masked else random.uniform(0.5, 0.75))


_NOUGHT, _ONE, _HALF = np.float32(0.0), np.float32(1.0), np.float32(0.5)
_QUARTER, _FIFTH, _TWENTIETH = np.float32(0.25), np.float32(0.2), np.float32(0.05)
_DEEP, _DARK, _LEAST, _RISE = np.float32(1.5), np.float32(0.85), np.float32(0.003), np.float32(0.3)
# One buffer whose parts lie at constant distances: so the compiler sees that nothing overlaps (strips of a row).
_STRIP = 512
_CLOTH, _MASK, _BARE, _NEW, _OLD, _INK, _HOLE, _OWN = (k * _STRIP for k in range(8))


@jit
def _dress(
    height, albedo, roughness, metal, shadow, copper, coat, opening, drills, silk, fine, worn, waves, turns, table, n
):  # fmt: skip
    rows, columns = copper.shape
    colours = albedo.shape[1] // columns
    buffer = np.empty(8 * _STRIP, np.float32)
    lift, thick, tone, under = n[0] - _ONE, n[1], n[2], n[3]
    r, m = table[:, colours], table[:, colours + 1]
    for i in range(rows):
        a, b, c, d = turns[i, 0], turns[i, 1], turns[i, 2], turns[i, 3]
        for start in range(0, columns, _STRIP):
            count = min(_STRIP, columns - start)
            part = slice(start, start + count)
            metal_of, layer, open_of, hole_of = copper[i, part], coat[i, part], opening[i, part], drills[i, part]
            ink_of, fine_of, worn_of = silk[i, part], fine[i, part], worn[i, part]
            for j in range(count):
                k = start + j
                buffer[_CLOTH + j] = a * waves[0, k] - b * waves[1, k] + c * waves[2, k] - d * waves[3, k]
            for j in range(count):
                threads, seen = buffer[_CLOTH + j], max(open_of[j], under)
                own = metal_of[j] * seen  # copper that is seen
                old = own * min(max(worn_of[j] * _HALF, _NOUGHT), _ONE)
                top = (_ONE - ink_of[j]) * (_ONE - hole_of[j])
                grain = _ONE + tone * fine_of[j]
                ground = (_ONE + threads * (_ONE - layer[j])) * (_ONE + _QUARTER * (grain - _ONE))
                # Shares of the materials of the table; they add up to one but for texture.
                buffer[_MASK + j] = top * (_ONE - seen) * ground * (_ONE + lift * layer[j])
                buffer[_BARE + j] = top * (seen - own) * (_ONE + threads)
                buffer[_NEW + j] = top * (own - old) * grain
                buffer[_OLD + j] = top * old * grain
                buffer[_INK + j] = ink_of[j] * (_ONE - hole_of[j])
                buffer[_HOLE + j] = hole_of[j]
                buffer[_OWN + j] = own
            rough_of, metal_out = roughness[i, part], metal[i, part]
            for j in range(count):
                value = buffer[_MASK + j] * r[0] + buffer[_BARE + j] * r[1] + buffer[_NEW + j] * r[2]
                value += buffer[_OLD + j] * r[3] + buffer[_INK + j] * r[4] + buffer[_HOLE + j] * r[5]
                rough_of[j] = min(max(value - _FIFTH * tone * buffer[_OWN + j] * fine_of[j], _TWENTIETH), _ONE)
                metal_out[j] = min(buffer[_NEW + j] * m[2] + buffer[_OLD + j] * m[3], _ONE)
            high, dim = height[i, part], shadow[i, part]
            for j in range(count):
                relief = layer[j] - _DEEP * hole_of[j] + _FIFTH * ink_of[j]
                own = buffer[_OWN + j]
                high[j] = thick * relief + _RISE * buffer[_CLOTH + j] * (_ONE - own) + _TWENTIETH * own * fine_of[j]
                dim[j] = _ONE - _DARK * hole_of[j]
            line = albedo[i, start * colours : (start + count) * colours]
            for q in range(colours):
                a0, a1, a2, a3, a4, a5 = table[0, q], table[1, q], table[2, q], table[3, q], table[4, q], table[5, q]
                for j in range(count):
                    value = a0 * buffer[_MASK + j] + a1 * buffer[_BARE + j] + a2 * buffer[_NEW + j]
                    value += a3 * buffer[_OLD + j] + a4 * buffer[_INK + j] + a5 * buffer[_HOLE + j]
                    line[j * colours + q] = max(value, _LEAST)


def _cloth(size: tuple[int, int], pitch: float, angle: float, depth: float) -> tuple[np.ndarray, np.ndarray]:
    """Plain weave, depth cos(u) cos(v), as sums of products: float32 (4, W) of columns and (H, 4) of rows.

    cos(u) cos(v) is half of cos(u + v) + cos(u - v), and each of these is the cosine of a sum of a row's and a
    column's phase.
    """
    c, s = 2 * np.pi / pitch * np.array([np.cos(angle), np.sin(angle)])
    x, y = np.arange(size[1]), np.arange(size[0])
    # u = c x + s y, v = -s x + c y
    waves = [f(k * x) for k in (c - s, c + s) for f in (np.cos, np.sin)]
    turns = [0.5 * depth * f(k * y) for k in (s + c, s - c) for f in (np.cos, np.sin)]
    return np.array(waves, np.float32), np.ascontiguousarray(np.array(turns, np.float32).T)
