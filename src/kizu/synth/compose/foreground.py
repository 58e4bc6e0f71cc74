"""The colours on both sides of a soft edge: multi-level estimation (Germer et al., ICPR 2020).

Of all F and B, those that make the least of::

    sum_i |alpha_i F_i + (1 - alpha_i) B_i - I_i|^2
        + sum_ij (e + |alpha_i - alpha_j|) (|F_i - F_j|^2 + |B_i - B_j|^2)

over pixels i and their four neighbours j: where alpha changes, colours do not. Each pixel's pair is the solution of two
equations while its neighbours stand still; that is gone through a few times on ever finer grids, each of which begins
with the result of the one before. One compiled loop without threads, so that it is safe in forked processes.
"""

from __future__ import annotations

import numpy as np

from kizu.core.jit import jit

_STIFF = 1e-5  # e: how much colours hold together where alpha does not change
_COARSE = 32  # pixels a side up to which a grid is gone through _OFTEN times, finer ones _SELDOM
_OFTEN, _SELDOM = 10, 2


def foreground_colours(light: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """F of every pixel, float32 (h, w, 3) in 0..1; where alpha is 0 it says little.

    Args:
        light: float32 (h, w, 3) linear light.
        alpha: float32 (h, w).
    """
    light, alpha = np.ascontiguousarray(light, np.float32), np.ascontiguousarray(alpha, np.float32)
    height, width = alpha.shape
    levels = max(int(np.ceil(np.log2(max(height, width, 2)))), 1)
    # At first one pixel: the mean colours of what is sure.
    pair = _sure(light, alpha)
    for k in range(levels + 1):
        size = (max(round(height ** (k / levels)), 1), max(round(width ** (k / levels)), 1))
        pair, there = _picked(pair, size), _picked(alpha[:, :, None], size)[:, :, 0]
        _relax(_picked(light, size), there, pair, np.float32(_STIFF), _OFTEN if max(size) <= _COARSE else _SELDOM)
    return pair[..., :3]


@jit
def _sure(light, alpha):
    """Mean colours of what is surely inside and outside, float32 (1, 1, 6); of all where nothing is."""
    totals, counts = np.zeros((3, 3)), np.zeros(3)
    for i in range(alpha.shape[0]):
        for j in range(alpha.shape[1]):
            side = 0 if alpha[i, j] > 0.9 else 1 if alpha[i, j] < 0.1 else 2
            counts[side] += 1
            for c in range(3):
                totals[side, c] += light[i, j, c]
    out = np.empty((1, 1, 6), np.float32)
    for side in range(2):
        for c in range(3):
            known = counts[side] > 0
            total, count = (totals[side, c], counts[side]) if known else (totals[:, c].sum(), counts.sum())
            out[0, 0, 3 * side + c] = total / count
    return out


@jit
def _picked(values, size):
    """The nearest pixels on a grid of another size, (h, w, C)."""
    out = np.empty((size[0], size[1], values.shape[2]), np.float32)
    for i in range(size[0]):
        v = i * values.shape[0] // size[0]
        for j in range(size[1]):
            u = j * values.shape[1] // size[1]
            for c in range(values.shape[2]):
                out[i, j, c] = values[v, u, c]
    return out


@jit
def _relax(light, alpha, pair, stiff, times):
    height, width = alpha.shape
    for _ in range(times):
        for y in range(height):
            for x in range(width):
                a = alpha[y, x]
                b = np.float32(1.0) - a
                total = np.float32(0.0)
                f0 = f1 = f2 = b0 = b1 = b2 = np.float32(0.0)
                for k in range(4):
                    v = y + (k == 0) - (k == 1)
                    u = x + (k == 2) - (k == 3)
                    if v < 0 or u < 0 or v >= height or u >= width:
                        continue
                    w = stiff + abs(a - alpha[v, u])
                    total += w
                    f0 += w * pair[v, u, 0]
                    f1 += w * pair[v, u, 1]
                    f2 += w * pair[v, u, 2]
                    b0 += w * pair[v, u, 3]
                    b1 += w * pair[v, u, 4]
                    b2 += w * pair[v, u, 5]
                if total == 0:  # a picture of one pixel
                    continue
                # [[a a + t, a b], [a b, b b + t]] (F, B) = (a I + f, b I + g), by its determinant
                own, other, cross = a * a + total, b * b + total, a * b
                part = np.float32(1.0) / (own * other - cross * cross)
                for c in range(3):
                    f = f0 if c == 0 else (f1 if c == 1 else f2)
                    g = b0 if c == 0 else (b1 if c == 1 else b2)
                    p, q = a * light[y, x, c] + f, b * light[y, x, c] + g
                    pair[y, x, c] = min(max(part * (other * p - cross * q), np.float32(0.0)), np.float32(1.0))
                    pair[y, x, 3 + c] = min(max(part * (own * q - cross * p), np.float32(0.0)), np.float32(1.0))
