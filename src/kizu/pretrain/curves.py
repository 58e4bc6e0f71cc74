"""The curves of a run as a picture: loss, learning rate and validation figures over the samples seen."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kizu.core.images import encode_image
from kizu.core.ticks import ticks
from kizu.synth.sheet import colour

_FINE = 2  # times the size of the page that is drawn on, so that lines are smooth
_WIDE, _TALL = 620 * _FINE, 400 * _FINE  # pixels of one chart
_LEFT, _RIGHT, _TOP, _BOTTOM = 72 * _FINE, 20 * _FINE, 80 * _FINE, 52 * _FINE
_PAPER, _INK, _SOFT, _GRID = (255, 255, 255), (38, 40, 44), (120, 122, 126), (228, 228, 226)
_POINTS = 400  # of a line; more cannot be told apart


@dataclass(frozen=True)
class Curve:
    """One line: its name, and y over x."""

    name: str
    x: np.ndarray
    y: np.ndarray


def curves(log: list[dict[str, float]], validations: list[dict[str, float]]) -> bytes:
    """A PNG of two charts: the terms of the loss over samples (logarithmic), and validation figures over steps.

    Args:
        log: lines of ``log.csv``: step, samples, learning rate, loss and its terms, and others that are not drawn.
        validations: lines of ``validation.csv``: step, and figures in 0..1.
    """
    samples = {row["step"]: row["samples"] for row in log}
    page = Image.new("RGB", (2 * _WIDE, _TALL), _PAPER)
    draw = ImageDraw.Draw(page)
    losses = [name for name in (log[0] if log else ()) if name.split()[0] == "loss"]
    x = np.array([row["samples"] for row in log])
    lines = [Curve(name, *_thinned(x, np.array([row[name] for row in log]))) for name in losses]
    _chart(draw, 0, "training", "loss (logarithmic)", lines, logarithmic=True)
    x = np.array([samples.get(row["step"], 0) for row in validations])
    names = [name for name in (validations[0] if validations else ()) if name != "step"]
    lines = [Curve(name, x, np.array([row[name] for row in validations])) for name in names]
    _chart(draw, _WIDE, "validation, of the averaged weights", "figure, 0 to 1", lines, logarithmic=False)
    return encode_image(np.asarray(page.reduce(_FINE)))


def _thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means over equal parts, where there are more points than can be seen."""
    if len(x) <= _POINTS:
        return x, y
    parts = np.array_split(np.arange(len(x)), _POINTS)
    return np.array([x[p].mean() for p in parts]), np.array([y[p].mean() for p in parts])


def _chart(draw: ImageDraw.ImageDraw, left: int, title: str, unit: str, lines: list[Curve], logarithmic: bool) -> None:
    """One chart with axes, a grid and a legend; points that are not above 0 are left out where ``logarithmic``."""
    x0, x1, y0, y1 = left + _LEFT, left + _WIDE - _RIGHT, _TALL - _BOTTOM, _TOP
    _text(draw, (x0, 8 * _FINE), f"{title}: {unit}", 16, _INK)
    values = np.concatenate([line.y for line in lines]) if lines else np.array([0.0, 1.0])
    values = values[np.isfinite(values) & ((values > 0) | (not logarithmic))]
    end = max((float(line.x.max()) for line in lines if len(line.x)), default=1.0) or 1.0
    if logarithmic:
        low, high = (math.log10(float(values.min())), math.log10(float(values.max()))) if len(values) else (-1.0, 0.0)
        low, high = low - 0.03, max(high, low + 0.1) + 0.03
        marks = [(math.log10(v), f"{v:g}") for v in _decades(low, high)]
    else:
        low, high = 0.0, max(float(values.max(initial=0.0)) * 1.08, 0.01)
        marks = [(v, f"{v:g}") for v in ticks(low, high)]

    def place(x: float, y: float) -> tuple[float, float]:
        return x0 + (x1 - x0) * x / end, y0 + (y1 - y0) * (y - low) / (high - low)

    for value, text in marks:
        y = place(0, value)[1]
        draw.line((x0, y, x1, y), _GRID, _FINE)
        _text(draw, (x0 - 8 * _FINE, y), text, 13, _SOFT, "rm")
    for value in ticks(0, end):
        x = place(value, low)[0]
        draw.line((x, y0, x, y0 + 5 * _FINE), _SOFT, _FINE)
        _text(draw, (x, y0 + 8 * _FINE), _short(value), 13, _SOFT, "mt")
    draw.line((x0, y1, x0, y0, x1, y0), _SOFT, _FINE)
    _text(draw, ((x0 + x1) / 2, _TALL - 8 * _FINE), "samples seen", 14, _INK, "mb")
    if not lines or not len(values):
        _text(draw, ((x0 + x1) / 2, (y0 + y1) / 2), "nothing yet", 14, _SOFT, "mm")
    at, row, dot = x0, 40 * _FINE, 3 * _FINE
    for k, line in enumerate(lines):
        shade = colour(k)
        keep = np.isfinite(line.y) & ((line.y > 0) | (not logarithmic))
        y = np.log10(line.y[keep]) if logarithmic else line.y[keep]
        points = [place(float(a), float(b)) for a, b in zip(line.x[keep], y, strict=True)]
        if len(points) > 1:
            draw.line(points, shade, 2 * _FINE, "curve")
        for px, py in points if len(points) <= 30 else ():
            draw.ellipse((px - dot, py - dot, px + dot, py + dot), fill=shade)
        name = line.name.removeprefix("loss ")
        last = f"{name} {line.y[-1]:.3g}" if len(line.y) else name
        wide = 39 * _FINE + _font(13).getlength(last)
        if at > x0 and at + wide > x1 + 16 * _FINE:
            at, row = x0, row + 18 * _FINE
        draw.line((at, row, at + 18 * _FINE, row), shade, 3 * _FINE)
        _text(draw, (at + 23 * _FINE, row), last, 13, _INK, "lm")
        at += wide


def _decades(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten between two powers; of a wide range, the powers alone."""
    factors = (1, 2, 5) if high - low < 2.5 else (1,)
    every = [m * 10.0**k for k in range(math.floor(low) - 1, math.ceil(high) + 1) for m in factors]
    return [round(v, 12) for v in every if low <= math.log10(v) <= high]


def _short(value: float) -> str:
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def _font(size: int) -> ImageFont.ImageFont:
    return ImageFont.load_default(size * _FINE)


def _text(draw: ImageDraw.ImageDraw, place: tuple[float, float], text: str, size: int, shade, anchor: str = "lt"):
    draw.text(place, text, shade, _font(size), anchor=anchor)
