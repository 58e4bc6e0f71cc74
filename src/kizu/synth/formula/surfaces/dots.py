"""Pores, pits, grit and specks: many small round things that belong to a material."""

from __future__ import annotations

import numpy as np

from kizu.core.jit import jit


def dots(
    out: np.ndarray, share: float, radius: tuple[float, float], depth: float, random: np.random.Generator,
    power: float = 3.0,
) -> None:  # fmt: skip
    """Add round bumps (``depth`` > 0) or hollows to ``out`` (H, W), their edges smooth.

    Args:
        share: of the area that they cover, about.
        radius: smallest and largest, pixels; their number falls as radius ** -power.
        depth: at the middle of each, give or take a half.
    """
    low, high = radius
    k = 1 - power
    # Mean area of the power law, to get their number from the share.
    places = np.linspace(0.02, 0.98, 25)
    sizes = (low**k + places * (high**k - low**k)) ** (1 / k)
    mean = np.pi * float((sizes**2).mean())
    number = int(random.poisson(share * (out.shape[0] + 2 * high) * (out.shape[1] + 2 * high) / mean))
    draws = random.random((number, 4), np.float32)
    r = (low**k + draws[:, 2] * (high**k - low**k)) ** (1 / k)
    span = (out.shape[1] + 2 * high, out.shape[0] + 2 * high)
    x, y = draws[:, 0] * span[0] - high, draws[:, 1] * span[1] - high
    _dots(out, x.astype(np.float32), y.astype(np.float32), r.astype(np.float32),
          (depth * (0.5 + draws[:, 3])).astype(np.float32))  # fmt: skip


@jit
def _dots(out, x, y, radius, depth):
    rows, columns = out.shape
    one = np.float32(1.0)
    for k in range(len(x)):
        reach = radius[k] + np.float32(0.7)  # so that the smallest cover their pixel at least in part
        per = one / (reach * reach)
        for i in range(max(int(y[k] - reach), 0), min(int(y[k] + reach) + 2, rows)):
            dy = i + np.float32(0.5) - y[k]
            for j in range(max(int(x[k] - reach), 0), min(int(x[k] + reach) + 2, columns)):
                dx = j + np.float32(0.5) - x[k]
                t = one - (dx * dx + dy * dy) * per
                if t > 0:
                    out[i, j] += depth[k] * t * (np.float32(2.0) - t)
