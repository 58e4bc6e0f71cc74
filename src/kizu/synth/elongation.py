"""How long instances are in units of their breadth, whichever way they lie."""

from __future__ import annotations

import numpy as np

from kizu.core.instances import Instances
from kizu.core.jit import jit
from kizu.core.masks import Masks

_PIXEL = 1 / 12  # second moment of a pixel's own square


def elongations(instances: Instances) -> np.ndarray:
    """Length / breadth >= 1 of each instance, float64 (N,).

    The root of the ratio of the two principal second moments of the visible mask: exact for rectangles and ellipses
    however they are turned; a bent line counts as long as the ellipse that spreads as it does. Sides of the box (of a
    pixel at least) where there is no mask or an empty one.
    """
    if not len(instances):
        return np.ones(0)
    sides = np.maximum(instances.boxes[:, 2:] - instances.boxes[:, :2], 1.0).astype(np.float64)
    out = sides.max(1) / sides.min(1)
    masks = instances.masks
    if masks is None:
        return out
    xx, yy, xy = second_moments(masks).T
    return np.where(masks.area > 0, of_moments(xx, yy, xy), out)


def orientations(masks: Masks) -> np.ndarray:
    """Direction of the long axis of each mask, float64 (N,) in 0..pi: the angle from x (right) towards y (down).

    The principal axis of the second moments; it means little where the elongation is near 1.
    """
    xx, yy, xy = _moments(masks.runs, masks.offsets, max(masks.size[0], 1)).T
    return np.mod(0.5 * np.arctan2(2 * xy, xx - yy), np.pi)


def of_moments(xx: np.ndarray, yy: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """Length / breadth >= 1 from central second moments in square pixels, the pixels' own included."""
    spread, turn = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    return np.sqrt((spread + turn) / np.maximum(spread - turn, _PIXEL))


def second_moments(masks: Masks) -> np.ndarray:
    """Central second moments xx, yy, xy of each mask in square pixels, float64 (N, 3); zeros for an empty one."""
    return _moments(masks.runs, masks.offsets, max(masks.size[0], 1))


@jit
def _moments(runs: np.ndarray, offsets: np.ndarray, height: int) -> np.ndarray:
    """Central second moments xx, yy, xy of each mask, in square pixels, float64 (N, 3); zeros for an empty one."""
    out = np.zeros((len(offsets) - 1, 3))
    for i in range(len(out)):
        count, sx, sy, sxx, syy, sxy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        if offsets[i] == offsets[i + 1]:
            continue
        left = float(np.int64(runs[offsets[i], 0]) // height)  # sums stay small when they start at the mask
        for r in range(offsets[i], offsets[i + 1]):
            position, end = np.int64(runs[r, 0]), np.int64(runs[r, 1])
            while position < end:
                column = position // height
                stop = min(end, (column + 1) * height)
                n = float(stop - position)
                x = column - left
                middle = 0.5 * (position + stop - 1) - column * height
                ys = n * middle
                count += n
                sx += n * x
                sy += ys
                sxx += n * x * x
                sxy += x * ys
                syy += n * middle * middle + n * (n * n - 1) / 12
                position = stop
        mx, my = sx / count, sy / count
        out[i, 0] = sxx / count - mx * mx + _PIXEL
        out[i, 1] = syy / count - my * my + _PIXEL
        out[i, 2] = sxy / count - mx * my
    return out
