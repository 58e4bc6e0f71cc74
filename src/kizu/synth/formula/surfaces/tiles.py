"""Patterns that repeat both ways: sampled from a small tile, or woven of threads that differ."""

from __future__ import annotations

import cv2
import numpy as np

from kizu.core.jit import jit
from kizu.synth.formula.noise import white
from kizu.synth.formula.surfaces.directions import Field


def soften(tile: np.ndarray, pixels: tuple[float, float]) -> np.ndarray:
    """A tile blurred as much as a pixel does that is ``1 / pixels`` of it (down, across); its borders meet."""
    sigma = [max(0.4 * side / count, 1e-3) for side, count in zip(tile.shape, pixels, strict=True)]
    pad = [min(int(3 * s) + 1, side) for s, side in zip(sigma, tile.shape, strict=True)]
    wide = np.pad(tile.astype(np.float32), [(p, p) for p in pad], "wrap")
    wide = cv2.GaussianBlur(wide, (0, 0), sigma[1], sigmaY=sigma[0])
    return np.ascontiguousarray(wide[pad[0] : pad[0] + tile.shape[0], pad[1] : pad[1] + tile.shape[1]])


def sample(field: Field, tile: np.ndarray, period: tuple[float, float], start: tuple[float, float]) -> np.ndarray:
    """The pattern float32 (H, W).

    Args:
        tile: (T, S); its columns run along u, its rows along v.
        period: pixels after which it repeats along (u, v).
        start: 0..1, place in the tile of the field's origin.
    """
    out = np.empty(field.u.shape, np.float32)
    # Whole periods are added so that no place is negative; one more row and column join the ends.
    cycles = [np.ceil(max(-low, 0) / p) + 1 for low, p in zip(field.low, period, strict=True)]
    closed = np.pad(np.asarray(tile, np.float32), ((0, 1), (0, 1)), "wrap")
    _sample(out, field.u, field.v, closed, 1 / period[0], 1 / period[1], start[0] + cycles[0], start[1] + cycles[1])
    return out


@jit
def _sample(out, u, v, tile, per_u, per_v, start_u, start_v):
    a, b, c, d = np.float32(per_u), np.float32(start_u), np.float32(per_v), np.float32(start_v)
    height, width = np.float32(tile.shape[0] - 1), np.float32(tile.shape[1] - 1)
    low, left, stride = np.int32(tile.shape[0] - 2), np.int32(tile.shape[1] - 2), np.int32(tile.shape[1])
    flat, one, below = tile.reshape(-1), np.uint32(1), np.uint32(tile.shape[1])
    columns = out.shape[1]
    place = np.empty(columns, np.int32)
    across, down = np.empty(columns, np.float32), np.empty(columns, np.float32)
    for i in range(out.shape[0]):
        uu, vv, line = u[i], v[i], out[i]
        for j in range(columns):
            x, y = uu[j] * a + b, vv[j] * c + d
            x, y = (x - np.float32(np.int32(x))) * width, (y - np.float32(np.int32(y))) * height
            m, n = np.int32(y), np.int32(x)
            m, n = m if m < low else low, n if n < left else left
            across[j], down[j] = x - np.float32(n), y - np.float32(m)
            place[j] = m * stride + n
        for j in range(columns):
            k = np.uint32(place[j])
            first = flat[k] + across[j] * (flat[k + one] - flat[k])
            second = flat[k + below] + across[j] * (flat[k + below + one] - flat[k + below])
            line[j] = first + down[j] * (second - first)


def weave(
    field: Field, pattern: np.ndarray, pitch: tuple[float, float], uneven: float, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Threads over and under each other.

    Args:
        pattern: bool (P, Q), True where the thread along v (the warp, one a column) lies on top of the weft (a row).
        pitch: pixels from thread to thread along (u, v).
        uneven: relative deviation of tone from thread to thread.

    Returns:
        Height (1 = a thread's crown), tone (mean about 0) and share of warp on top, float32 (H, W) each.
    """
    rows, columns = pattern.shape
    side = int(np.clip(1.7 * max(pitch), 8, 32))
    height, tone = _cloth(pattern, side)
    pixels = (rows * pitch[1], columns * pitch[0])
    top = soften(np.kron(pattern, np.ones((side, side))), pixels)
    tile = np.stack([soften(height, pixels), soften(tone, pixels), top], 2)
    counts = [int((h - lo) / p) + columns + rows + 4 for lo, h, p in zip(field.low, field.high, pitch, strict=True)]
    warp, weft = (np.float32(uneven) * white((1, n), random)[0] for n in counts)
    out = [np.empty(field.u.shape, np.float32) for _ in range(3)]
    start = [-lo / p + random.uniform(0.01, 1) for lo, p in zip(field.low, pitch, strict=True)]
    _weave(*out, field.u, field.v, np.ascontiguousarray(tile), warp, weft, np.array(pattern.shape, np.float64),
           1 / pitch[0], 1 / pitch[1], start[0], start[1])  # fmt: skip
    return out[0], out[1], out[2]


def _cloth(pattern: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Height and tone of one repeat of a weave, ``side`` samples a crossing."""
    # Along its run a thread dips where the next crossing takes it below.
    before = np.where(pattern, np.roll(pattern, 1, 0) == pattern, np.roll(pattern, 1, 1) == pattern)
    after = np.where(pattern, np.roll(pattern, -1, 0) == pattern, np.roll(pattern, -1, 1) == pattern)
    kinds = {key: _crossing(*key, side) for key in set(zip(pattern.flat, before.flat, after.flat, strict=True))}
    blocks = [[kinds[key] for key in zip(*rows, strict=True)] for rows in zip(pattern, before, after, strict=True)]
    height, tone = (np.block([[crossing[k] for crossing in row] for row in blocks]) for k in (0, 1))
    return height, tone - tone.mean()


def _crossing(warp: bool, before: bool, after: bool, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Height and tone where two threads cross; before, after: the upper one stays on top at the neighbours."""
    t = (np.arange(side) + 0.5) / side
    bulge = 0.25 + 0.75 * np.sqrt(1 - 0.96 * (2 * t - 1) ** 2)  # a thread across: neighbours touch
    run = np.ones(side)
    for stays, place in ((before, t), (after, 1 - t)):
        if not stays:
            run = np.minimum(run, 0.3 + 0.7 * np.sin(np.pi / 2 * np.clip(2 * place + 0.1, 0, 1)))
    height = run[:, None] * bulge[None]
    # Filaments are twisted: faint slanted lines on the thread.
    twist = np.cos(2 * np.pi * (2 * t[:, None] + 1.2 * t[None]))
    tone = 0.7 * (height - 0.75) + 0.06 * twist
    return (height, tone) if warp else (height.T, tone.T)


@jit
def _weave(out, tone, share, u, v, tile, warp, weft, counts, per_u, per_v, start_u, start_v):
    a, b, c, d = np.float32(per_u), np.float32(start_u), np.float32(per_v), np.float32(start_v)
    across, down = np.float32(1 / counts[1]), np.float32(1 / counts[0])
    height, width = np.float32(tile.shape[0]), np.float32(tile.shape[1])
    low, left, stride = np.int32(tile.shape[0] - 1), np.int32(tile.shape[1] - 1), np.int32(tile.shape[1])
    flat, one, three = tile.reshape(-1), np.float32(1.0), np.uint32(3)
    columns = out.shape[1]
    place, thread, pick = np.empty(columns, np.int32), np.empty(columns, np.int32), np.empty(columns, np.int32)
    for i in range(out.shape[0]):
        uu, vv = u[i], v[i]
        for j in range(columns):
            x, y = uu[j] * a + b, vv[j] * c + d
            p, q = x * across, y * down
            n = np.int32((p - np.float32(np.int32(p))) * width)
            m = np.int32((q - np.float32(np.int32(q))) * height)
            m, n = m if m < low else low, n if n < left else left
            place[j], thread[j], pick[j] = m * stride + n, np.int32(x), np.int32(y)
        for j in range(columns):
            k = np.uint32(place[j]) * three
            t = flat[k + np.uint32(2)]
            out[i, j] = flat[k]
            share[i, j] = t
            tone[i, j] = flat[k + np.uint32(1)] + t * warp[np.uint32(thread[j])] + (one - t) * weft[np.uint32(pick[j])]
