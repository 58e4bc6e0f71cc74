"""``Material``: a record of the bank. ``assemble``: from height, tone and a ramp of colours to a ``Surface``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kizu.core.jit import jit
from kizu.synth.formula.layers import Layers
from kizu.synth.formula.surfaces.surface import Surface

LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)  # Rec. 709
_BLOCK = 16  # side of the squares in which the fine texture is measured
_STEPS = 64
_NOTHING = np.zeros((1, 1), np.float32)


@dataclass(frozen=True)
class Material:
    """How one material is drawn.

    Attributes:
        name: of the material.
        title: what it is, for people.
        draw: ``draw(random, scale)``, parameters of one product's material (JSON-able); lengths in pixels of the frame.
        make: ``make(params, size, channels, random)``, one piece of it.
    """

    name: str
    title: str
    draw: Callable[[np.random.Generator, float], dict[str, Any]]
    make: Callable[[dict[str, Any], tuple[int, int], int, np.random.Generator], Surface]


def assemble(
    ramp: Sequence[Sequence[float]], channels: int, height: np.ndarray, tone: np.ndarray,
    place: np.ndarray | None = None, *, polish: float = 0.0, heading: float | None = None,
    period: float | None = None, pitch: float | None = None,
) -> Surface:  # fmt: skip
    """A surface (its name is set by the bank) whose figures are measured on it.

    Args:
        ramp: rows of linear R, G, B, roughness, metal.
        height, tone: float32 (H, W); the albedo is that of the ramp, multiplied by 1 + tone.
        place: float32 (H, W), place on the ramp, 0 = first row .. K - 1 = last row, mixed between; None: the first row.
        polish: change of roughness a unit of tone (negative: what is brighter is smoother).
        heading, period, pitch: as in ``Surface``.
    """
    table = np.array(ramp, np.float32).reshape(-1, 5)
    if place is not None:
        table = _stretch(table)
        place = place * np.float32(_STEPS)
    seen = table if channels == 3 else np.concatenate([table[:, :3] @ LUMINANCE[:, None], table[:, 3:]], 1)
    size = height.shape
    layers = Layers(
        np.ascontiguousarray(height, np.float32), np.empty((*size, channels), np.float32), np.empty(size, np.float32),
        np.empty(size, np.float32), np.ones(size, np.float32),
    )  # fmt: skip
    paint = _paint_colour if channels == 3 else _paint_grey
    index = _NOTHING if place is None else place
    paint(layers.albedo, layers.roughness, layers.metal, tone, index, np.ascontiguousarray(seen), polish)
    mean, grain, slope = _measure(layers.height, layers.albedo, tone, index, table, _BLOCK)
    return Surface(
        "", layers, mean.astype(np.float32), float(layers.roughness[::4, ::4].mean()),
        float(layers.metal[::4, ::4].mean()), heading, period, float(grain), float(slope), pitch,
    )  # fmt: skip


def _stretch(table: np.ndarray) -> np.ndarray:
    """The ramp with ``_STEPS`` rows from each row to the next, so that pixels look a row up and mix nothing."""
    places = np.linspace(0, len(table) - 1, (len(table) - 1) * _STEPS + 1)
    return np.stack([np.interp(places, np.arange(len(table)), column) for column in table.T], 1).astype(np.float32)


@jit
def _bound(value, low, high):
    return low if value < low else (high if value > high else value)


@jit
def _paint_grey(albedo, roughness, metal, tone, place, ramp, polish):
    low, high, smooth, one = np.float32(0.004), np.float32(0.96), np.float32(0.03), np.float32(1.0)
    last, shift = np.int32(len(ramp) - 1), np.float32(polish)
    index = np.empty(albedo.shape[1], np.int32)
    for i in range(albedo.shape[0]):
        if last == 0:
            a, r, m = ramp[0, 0], ramp[0, 1], ramp[0, 2]
            for j in range(albedo.shape[1]):
                t = tone[i, j]
                albedo[i, j, 0] = _bound(a + a * t, low, high)
                roughness[i, j] = _bound(r + shift * t, smooth, one)
                metal[i, j] = m
        else:
            for j in range(albedo.shape[1]):
                index[j] = _bound(np.int32(place[i, j]), np.int32(0), last)
            for j in range(albedo.shape[1]):
                t, k = tone[i, j], np.uint32(index[j])
                albedo[i, j, 0] = _bound(ramp[k, 0] + ramp[k, 0] * t, low, high)
                roughness[i, j] = _bound(ramp[k, 1] + shift * t, smooth, one)
                metal[i, j] = ramp[k, 2]


@jit
def _paint_colour(albedo, roughness, metal, tone, place, ramp, polish):
    low, high, smooth, one = np.float32(0.004), np.float32(0.96), np.float32(0.03), np.float32(1.0)
    last, shift = np.int32(len(ramp) - 1), np.float32(polish)
    index = np.empty(albedo.shape[1], np.int32)
    for i in range(albedo.shape[0]):
        if last == 0:
            a, b, c, r, m = ramp[0, 0], ramp[0, 1], ramp[0, 2], ramp[0, 3], ramp[0, 4]
            for j in range(albedo.shape[1]):
                t = tone[i, j]
                albedo[i, j, 0] = _bound(a + a * t, low, high)
                albedo[i, j, 1] = _bound(b + b * t, low, high)
                albedo[i, j, 2] = _bound(c + c * t, low, high)
                roughness[i, j] = _bound(r + shift * t, smooth, one)
                metal[i, j] = m
        else:
            for j in range(albedo.shape[1]):
                index[j] = _bound(np.int32(place[i, j]), np.int32(0), last)
            for j in range(albedo.shape[1]):
                t, k = tone[i, j], np.uint32(index[j])
                albedo[i, j, 0] = _bound(ramp[k, 0] + ramp[k, 0] * t, low, high)
                albedo[i, j, 1] = _bound(ramp[k, 1] + ramp[k, 1] * t, low, high)
                albedo[i, j, 2] = _bound(ramp[k, 2] + ramp[k, 2] * t, low, high)
                roughness[i, j] = _bound(ramp[k, 3] + shift * t, smooth, one)
                metal[i, j] = ramp[k, 4]


@jit
def _measure(height, albedo, tone, place, ramp, block):
    """Mean colour (3,), fine texture and slope; large surfaces are measured on some of their squares."""
    rows, columns, channels = albedo.shape
    last = np.int32(len(ramp) - 1)
    mean = np.zeros(3)
    count, squares, slopes = 0, 0, 0
    deviation, level, slope = 0.0, 0.0, 0.0
    side_y, side_x = min(block, rows), min(block, columns)
    for y in range(0, rows - side_y + 1, max(rows // 8, side_y)):
        for x in range(0, columns - side_x + 1, max(columns // 8, side_x)):
            total, square = 0.0, 0.0
            for i in range(y, y + side_y):
                for j in range(x, x + side_x):
                    if channels == 1:
                        value = albedo[i, j, 0]
                        k = _bound(np.int32(place[i, j]), np.int32(0), last) if last > 0 else np.int32(0)
                        gain = 1 + tone[i, j]
                        for c in range(3):
                            mean[c] += min(max(ramp[k, c] * gain, 0.004), 0.96)
                    else:
                        value = 0.2126 * albedo[i, j, 0] + 0.7152 * albedo[i, j, 1] + 0.0722 * albedo[i, j, 2]
                        for c in range(3):
                            mean[c] += albedo[i, j, c]
                    total += value
                    square += value * value
                    count += 1
                    if i + 1 < rows and j + 1 < columns:
                        dx, dy = height[i, j + 1] - height[i, j], height[i + 1, j] - height[i, j]
                        slope += dx * dx + dy * dy
                        slopes += 2
            area = side_y * side_x
            deviation += max(square / area - (total / area) ** 2, 0.0)
            level += total / area
            squares += 1
    grain = np.sqrt(deviation / squares) / max(level / squares, 1e-6)
    return mean / count, grain, np.sqrt(slope / max(slopes, 1))
