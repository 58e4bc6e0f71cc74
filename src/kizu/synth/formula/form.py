"""The large shape of a surface that fills the frame: flat, rounded, ribbed, stepped, wavy. Light makes bands of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kizu.synth.formula import chance, noise


@dataclass
class Form:
    """Drawn once a product.

    Attributes:
        kind: ``flat``, ``cylinder``, ``ribs``, ``thread``, ``steps`` or ``waves``.
        angle: direction across its lines, radians.
        period: pixels from rib to rib (the radius for a cylinder).
        slope: largest slope, pixels a pixel.
        sharpness: 0 = sine .. 1 = edges.
    """

    kind: str
    angle: float
    period: float
    slope: float
    sharpness: float


def draw(values: dict, random: np.random.Generator, scale: float) -> Form:
    """From the ``[form]`` table of a preset: weights ``kinds``, ranges ``period`` (pixels at 512) and ``slope``."""
    kind = chance.pick(values["kinds"], random)
    turns = (0.0, np.pi / 2, random.uniform(0, np.pi))
    angle = turns[int(random.integers(3))] + random.normal(0, 0.03)
    period = chance.log_uniform(values["period"], random) * scale
    return Form(kind, float(angle), period, chance.log_uniform(values["slope"], random), float(random.uniform()))


def relief(form: Form, size: tuple[int, int], random: np.random.Generator) -> np.ndarray | None:
    """Height float32 (H, W) in pixels of one piece, laid under the camera a little differently; None: flat."""
    if form.kind == "flat":
        return None
    if form.kind == "waves":
        return np.float32(form.slope * form.period / 4) * noise.smooth(size, form.period, random)
    angle = form.angle + random.normal(0, 0.015)
    offset = random.uniform(0, form.period)
    y, x = np.ogrid[0 : size[0], 0 : size[1]]
    across = (x * np.cos(angle) + y * np.sin(angle)).astype(np.float32) + np.float32(offset)
    return profile(form, across)


def profile(form: Form, across: np.ndarray) -> np.ndarray:
    """Height float32 at distances (pixels) across the lines of a form."""
    # One period is tabulated and looked up: sines of half a million pixels would take longer than all the rest.
    steps = 4096
    t = np.linspace(0, 1, steps + 1)
    press = 0.5 + 3 * form.sharpness
    if form.kind == "cylinder":
        depth = np.sqrt(np.maximum(1 - (0.85 * (2 * t - 1)) ** 2, 0))
    elif form.kind == "ribs":
        depth = np.tanh(press * np.cos(2 * np.pi * t))
    elif form.kind == "thread":
        depth = np.tanh(press * np.sqrt(np.sin(np.pi * t) ** 2 + 0.01))
    else:
        depth = 1 / (1 + np.exp(-(t - 0.5) * 30 * (1 + 2 * form.sharpness))) - t
    peak = np.abs(np.diff(depth)).max() * steps / form.period
    table = (depth * (form.slope / peak)).astype(np.float32)
    place = across * np.float32(steps / form.period)
    return np.take(table, place.astype(np.int32) % steps)
