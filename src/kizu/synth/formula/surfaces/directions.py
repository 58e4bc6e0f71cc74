"""Coordinates across and along the lines of a texture: straight, arcs of a milling cutter, rings of a lathe."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from kizu.core.jit import jit
from kizu.synth.formula.noise import white


@dataclass
class Field:
    """Where each pixel lies across and along the lines.

    Attributes:
        u: float32 (H, W), pixels across the lines.
        v: float32 (H, W), pixels along them.
        low, high: (u, v), bounds of the values.
        closed: v returns to its start after ``high - low`` (rings).
    """

    u: np.ndarray
    v: np.ndarray
    low: tuple[float, float]
    high: tuple[float, float]
    closed: bool = False

    def moved(self, u: np.ndarray) -> Field:
        """With other values across."""
        return Field(u, self.v, (float(u.min()), self.low[1]), (float(u.max()), self.high[1]), self.closed)


def straight(size: tuple[int, int], heading: float) -> Field:
    """Lines at an angle (radians, 0 = along x, y downward) with the origin in the middle."""
    u, v = np.empty(size, np.float32), np.empty(size, np.float32)
    c, s = np.cos(heading), np.sin(heading)
    _straight(u, v, np.float32(c), np.float32(s))
    half_u = 0.5 * (size[1] * abs(s) + size[0] * abs(c)) + 1
    half_v = 0.5 * (size[1] * abs(c) + size[0] * abs(s)) + 1
    return Field(u, v, (-half_u, -half_v), (half_u, half_v))


@jit
def _straight(u, v, c, s):
    rows, columns = u.shape
    x0, y0 = np.float32(0.5 - 0.5 * columns), np.float32(0.5 - 0.5 * rows)
    for i in range(rows):
        y = np.float32(i) + y0
        for j in range(columns):
            x = np.float32(np.int32(j)) + x0
            u[i, j] = y * c - x * s
            v[i, j] = x * c + y * s


def arcs(size: tuple[int, int], heading: float, radius: float) -> Field:
    """Marks of a face mill that moves across the lines: arcs of one radius, each ahead of the one before."""
    field = straight(size, heading)
    _bend(field.u, field.v, radius)
    sag = max(radius - np.sqrt(max(radius**2 - field.high[1] ** 2, 0.0)), 0.0)
    return Field(field.u, field.v, (field.low[0] - sag - 1, field.low[1]), field.high)


@jit
def _bend(u, v, radius):
    r, square = np.float32(radius), np.float32(radius * radius)
    for i in range(u.shape[0]):
        for j in range(u.shape[1]):
            u[i, j] += np.sqrt(max(square - v[i, j] * v[i, j], np.float32(0.0))) - r


def rings(size: tuple[int, int], centre: tuple[float, float]) -> Field:
    """Marks of a lathe about a centre (x, y; 0..1 of the piece); v is measured along the ring of middle radius."""
    u, v = np.empty(size, np.float32), np.empty(size, np.float32)
    x, y = centre[0] * size[1], centre[1] * size[0]
    corners = np.hypot(np.array([x, size[1] - x])[:, None], np.array([y, size[0] - y])[None])
    far = float(corners.max()) + 1
    near = float(np.hypot(x - np.clip(x, 0, size[1]), y - np.clip(y, 0, size[0])))
    turn = np.pi * (near + far)
    _rings(u, v, x, y, turn / 4)
    return Field(u, v, (0.0, 0.0), (far, turn), True)


@jit
def _rings(u, v, x0, y0, quarter):
    unit, one, three, tiny = np.float32(quarter), np.float32(1.0), np.float32(3.0), np.float32(1e-6)
    start = np.float32(0.5 - x0)
    for i in range(u.shape[0]):
        y = np.float32(i + 0.5 - y0)
        for j in range(u.shape[1]):
            x = np.float32(np.int32(j)) + start
            u[i, j] = np.sqrt(x * x + y * y)
            # The angle need not be true, only steady and cheap: 0..4 around the square |x| + |y| = 1.
            t = y / (abs(x) + abs(y) + tiny)
            v[i, j] = unit * ((one + t) if x >= 0 else (three - t))


def streaks(
    out: np.ndarray, field: Field, width: float, length: float, amplitude: float, random: np.random.Generator,
    heavy: bool = False,
) -> None:  # fmt: skip
    """Add random lines of some width and length to ``out`` (H, W), deviation ``amplitude``.

    Args:
        width: of the lines, pixels (about 2.5 deviations of their bell-shaped profile).
        length: over which a line changes, pixels.
        heavy: a few strong lines among many weak ones instead of a normal distribution.
    """
    step = max(width / 3, 0.3)
    sigma = width / 2.5 / step
    margin = int(3 * sigma) + 2
    bins = int((field.high[0] - field.low[0]) / step) + 2 + 2 * margin
    extent = field.high[1] - field.low[1]
    if field.closed:
        cells = max(round(extent / length), 3)
        length = extent / cells
        shift = np.zeros(bins, np.float32)
    else:
        cells = int(extent / length) + 2
        shift = _bell(white((bins, 1), random), 4 * sigma)[:, 0]
        shift = np.clip(0.25 * shift + 0.5, 0, 1).astype(np.float32)
    table = _bell(white((bins, cells + 1), random), sigma)
    if heavy:
        table *= np.abs(table) * np.float32(0.58)
    if field.closed:
        table[:, -1] = table[:, 0]
    table *= np.float32(amplitude)
    coarse = 4 if width >= 10 and min(out.shape) >= 32 else 1
    if coarse == 1:
        here, u, v = out, field.u, field.v
    else:  # wide lines are smooth: every fourth pixel is enough
        half = coarse // 2
        u, v = (np.ascontiguousarray(a[half::coarse, half::coarse]) for a in (field.u, field.v))
        here = np.zeros(u.shape, np.float32)
    _streaks(here, u, v, table, shift, 1 / step, margin - field.low[0] / step, 1 / length, -field.low[1] / length)
    if coarse > 1:
        out += cv2.resize(here, out.shape[::-1], interpolation=cv2.INTER_LINEAR)


def _bell(table: np.ndarray, sigma: float) -> np.ndarray:
    """White noise blurred down the columns, of deviation 1 again."""
    reach = max(int(3 * sigma + 0.5), 1)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(sigma, 1e-3)) ** 2)
    weights /= np.sqrt((weights**2).sum())
    out = np.empty_like(table)
    around = np.arange(-reach, len(table) + reach) % len(table)
    _filter(table[around], weights.astype(np.float32), out)
    return out


@jit
def _filter(table, weights, out):
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = 0
        for k in range(len(weights)):
            w = weights[k]
            for j in range(out.shape[1]):
                out[i, j] += w * table[i + k, j]


# Look-ups are kept in loops of their own, one row at a time: the arithmetic in between then runs on whole vectors,
# which makes these kernels three times as fast.


@jit
def _streaks(out, u, v, table, shift, per_u, start_u, per_v, start_v):
    a, b = np.float32(per_u), np.float32(start_u)
    c, d = np.float32(per_v), np.float32(start_v)
    one, two, three = np.float32(1.0), np.float32(2.0), np.float32(3.0)
    e, f, g = np.float32(1.03), np.float32(0.85), np.float32(6.6)
    flat, cells, last = table.reshape(-1), np.int32(table.shape[1]), np.int32(table.shape[1] - 2)
    columns = out.shape[1]
    place, part = np.empty(columns, np.int32), np.empty(columns, np.float32)
    first, second = np.empty(columns, np.float32), np.empty(columns, np.float32)
    for i in range(out.shape[0]):
        across, along, line = u[i], v[i], out[i]
        for j in range(columns):
            place[j] = np.int32(across[j] * a + b)
        for j in range(columns):
            first[j] = shift[np.uint32(place[j])]
        for j in range(columns):
            p = along[j] * c + d + first[j]
            m = np.int32(p)
            m = m if m < last else last
            part[j] = p - np.float32(m)
            place[j] = place[j] * cells + m
        for j in range(columns):
            k = np.uint32(place[j])
            first[j], second[j] = flat[k], flat[k + np.uint32(1)]
        for j in range(columns):
            t = part[j]
            t = t * t * (three - two * t)
            # Divided by the root of the sum of squares (here its series): as strong between the knots as at them.
            q = t - t * t
            line[j] += (first[j] + t * (second[j] - first[j])) * (one + q * (e + q * (f + q * g)))


def marks(
    out: np.ndarray, field: Field, period: float, profile: np.ndarray, amplitude: float, random: np.random.Generator,
    spread: float = 0.15,
) -> None:  # fmt: skip
    """Add a profile that repeats across the lines, each time a little stronger or weaker.

    Args:
        profile: float (T,), one period, 0 at its ends.
        spread: relative deviation of the strength from mark to mark.
    """
    cycles = int((field.high[0] - field.low[0]) / period) + 3
    gain = amplitude * np.clip(1 + spread * white((1, cycles), random)[0], 0.2, 2)
    offset = random.uniform() - field.low[0] / period
    steps = len(profile)
    blur = steps / period * 0.35  # a pixel is no point
    spectrum = np.fft.rfft(profile) * np.exp(-2 * (np.pi * np.arange(steps // 2 + 1) / steps * blur) ** 2)
    smooth = np.fft.irfft(spectrum, steps)
    _marks(out, field.u, smooth.astype(np.float32), gain.astype(np.float32), 1 / period, offset)


@jit
def _marks(out, u, profile, gain, per, offset):
    a, b, steps = np.float32(per), np.float32(offset), np.float32(len(profile))
    last = np.int32(len(profile) - 1)
    columns = out.shape[1]
    place, step = np.empty(columns, np.int32), np.empty(columns, np.int32)
    for i in range(out.shape[0]):
        across, line = u[i], out[i]
        for j in range(columns):
            p = across[j] * a + b
            k = np.int32(p)
            m = np.int32((p - np.float32(k)) * steps)
            place[j], step[j] = k, m if m < last else last
        for j in range(columns):
            line[j] += gain[np.uint32(place[j])] * profile[np.uint32(step[j])]
