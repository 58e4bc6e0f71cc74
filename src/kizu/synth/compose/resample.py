"""A segment at another scale: colours decoded, smoothed and resampled in two passes, one along each axis."""

from __future__ import annotations

import math

import numpy as np

from kizu.core.jit import jit
from kizu.synth.compose.linear import DECODED

_CUBIC = -0.75  # the slope of OpenCV's cubic interpolation
_LARGE = 1.5  # enlargement from which a straight line between two pixels shows


def resampled(
    colour: np.ndarray, alpha: np.ndarray, axes: tuple[tuple[float, float], tuple[float, float]], size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Light float32 (h, w, 3) and coverage float32 (h, w) of a segment that is scaled, mirrored and moved, not turned.

    Where it shrinks it is blurred by :func:`blur_for` first. Beyond its border it goes on as it ends, uncovered.

    Args:
        colour: uint8 (H, W, 3). alpha: float32 (H, W).
        axes: (scale, start) along x and along y: pixel centre u of the source lies at scale * u + start.
        size: (h, w).
    """
    (a, c), (e, f) = axes
    cubic = max(abs(a), abs(e)) >= _LARGE
    across = _taps(size[1], float(a), float(c), colour.shape[1], blur_for(a, e), cubic)
    down = _taps(size[0], float(e), float(f), colour.shape[0], blur_for(e, a), cubic)
    light, cover = np.empty((*size, 3), np.float32), np.empty(size, np.float32)
    _resample(colour, alpha, DECODED, *across, *down, light.reshape(size[0], -1), cover)
    return light, cover


def blur_for(scale: float, other: float) -> float:
    """Deviation in pixels of the blur that takes in what lies between the pixels where it shrinks; 0 = none.

    Args:
        scale: along this axis. other: along the other one; both are blurred or none.
    """
    here, there = (0.5 * math.sqrt(max(1 / s**2 - 1, 0)) for s in (scale, other))
    return max(here, 1e-2) if max(here, there) > 0.4 else 0.0


@jit
def _cubic(t):
    """Weight of a pixel ``t`` away, 0 to 2 (Keys, "Cubic convolution interpolation", 1981)."""
    if t <= 1:
        return ((_CUBIC + 2) * t - (_CUBIC + 3)) * t * t + 1
    return ((_CUBIC * t - 5 * _CUBIC) * t + 8 * _CUBIC) * t - 4 * _CUBIC


@jit
def _taps(count, scale, start, length, blur, cubic):
    """Of ``count`` pixels: the first of the source that each takes from, int64, and weights float32 (count, T)."""
    own, reach = np.empty(4 if cubic else 2), int(np.ceil(3 * blur))
    bell = np.ones(2 * reach + 1)
    for k in range(2 * reach + 1 if reach else 0):
        bell[k] = np.exp(-0.5 * ((k - reach) / blur) ** 2)
    bell /= bell.sum()
    first, weights = np.empty(count, np.int64), np.zeros((count, len(own) + 2 * reach), np.float32)
    for i in range(count):
        at = (i - start) / scale
        low = int(np.floor(at))
        t = at - low
        if cubic:
            for k in range(4):
                own[k] = _cubic(abs(t + 1 - k))
            low -= 1
        else:
            own[0], own[1] = 1 - t, t
        for k in range(len(own)):
            for n in range(2 * reach + 1):
                weights[i, k + n] += np.float32(own[k] * bell[n])
        # Wholly outside, one place is like any other.
        first[i] = min(max(low - reach, -weights.shape[1]), length)
    return first, weights


@jit
def _resample(colour, alpha, table, first_x, weights_x, first_y, weights_y, light, cover):
    height, width, count = colour.shape[0], colour.shape[1], cover.shape[1]
    reach, deep = weights_x.shape[1], weights_y.shape[1]
    low, high = height, 0  # rows of the source that are needed
    for i in range(cover.shape[0]):
        low = min(low, min(max(first_y[i], 0), height - 1))
        high = max(high, min(max(first_y[i] + deep - 1, 0), height - 1) + 1)
    rows = np.empty((high - low, 3 * count), np.float32)
    covers = np.empty((high - low, count), np.float32)
    row, lone = np.empty((width + 2 * reach, 3), np.float32), np.zeros(width + 2 * reach, np.float32)
    for v in range(low, high):
        for u in range(width):
            for k in range(3):
                row[reach + u, k] = table[colour[v, u, k]]
            lone[reach + u] = alpha[v, u]
        for u in range(reach):
            for k in range(3):
                row[u, k] = row[reach, k]
                row[reach + width + u, k] = row[reach + width - 1, k]
        for j in range(count):
            r = g = b = part = np.float32(0.0)
            place = first_x[j] + reach
            for n in range(reach):
                weight = weights_x[j, n]
                r += weight * row[place + n, 0]
                g += weight * row[place + n, 1]
                b += weight * row[place + n, 2]
                part += weight * lone[place + n]
            rows[v - low, 3 * j], rows[v - low, 3 * j + 1], rows[v - low, 3 * j + 2] = r, g, b
            covers[v - low, j] = part
    nought, one = np.float32(0.0), np.float32(1.0)
    for i in range(cover.shape[0]):
        out, over = light[i], cover[i]
        out[:] = nought
        over[:] = nought
        for n in range(deep):
            v, weight = first_y[i] + n, weights_y[i, n]
            there = rows[min(max(v, 0), height - 1) - low]
            for j in range(3 * count):
                out[j] += weight * there[j]
            if 0 <= v < height:
                mine = covers[v - low]
                for j in range(count):
                    over[j] += weight * mine[j]
        for j in range(3 * count):
            out[j] = max(out[j], nought)
        for j in range(count):
            over[j] = min(max(over[j], nought), one)
