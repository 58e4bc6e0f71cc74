"""How noisy a picture is, and noise for what was put into it: a region without grain is found at a glance."""

from __future__ import annotations

import numpy as np

from kizu.core.jit import jit
from kizu.synth.compose.linear import from_linear
from kizu.synth.formula.noise import white

ROUNDING = 12**-0.5  # deviation of what rounding to whole values adds: no picture of 8 bits has less noise
_SIDE, _BLOCKS = 16, 1024
_QUANTILE = 0.25  # of the blocks: most of a picture may be texture
_BIAS = 0.94  # that quantile of blocks of white noise, in units of its deviation
_DARK, _BRIGHT = 3, 252  # blocks whose mean is beyond these are clipped and say nothing


def estimate(image: np.ndarray) -> float:
    """Standard deviation of the noise of a picture's 8-bit values (its green channel), at least that of rounding.

    The mask that sees neither planes nor edges along the axes (Immerkaer, "Fast noise variance estimation", 1996) on
    blocks of 16 x 16 pixels, of which those with the least texture count. Noise that is joined over pixels, as JPEG
    leaves it, counts less than white noise.

    Args:
        image: uint8 (H, W, 3), or linear light float32 (H, W, 3).
    """
    if image.dtype != np.uint8:
        image = from_linear(image)
    side = min(_SIDE, image.shape[0] - 2, image.shape[1] - 2)
    if side < 1:
        return ROUNDING
    found = _blocks(image, side, _BLOCKS)
    return max(float(np.quantile(found, _QUANTILE)) / _BIAS, ROUNDING) if len(found) else ROUNDING


@jit
def _blocks(image: np.ndarray, side: int, most: int) -> np.ndarray:
    """Deviation of the noise in blocks spread evenly over the frame."""
    down, across = (image.shape[0] - 2) // side, (image.shape[1] - 2) // side
    step = max(int(np.sqrt(down * across / most)), 1)
    out, count = np.empty((down // step + 1) * (across // step + 1)), 0
    for p in range(0, down, step):
        for q in range(0, across, step):
            total, level = 0, 0
            for i in range(p * side + 1, p * side + side + 1):
                for j in range(q * side + 1, q * side + side + 1):
                    here = np.int64(image[i, j, 1])
                    corners = np.int64(image[i - 1, j - 1, 1]) + np.int64(image[i - 1, j + 1, 1])
                    corners += np.int64(image[i + 1, j - 1, 1]) + np.int64(image[i + 1, j + 1, 1])
                    sides = np.int64(image[i - 1, j, 1]) + np.int64(image[i + 1, j, 1])
                    sides += np.int64(image[i, j - 1, 1]) + np.int64(image[i, j + 1, 1])
                    total += abs(4 * here - 2 * sides + corners)
                    level += here
            mean = level / (side * side)
            if _DARK <= mean <= _BRIGHT:
                out[count] = total / (side * side) * np.sqrt(np.pi / 2) / 6
                count += 1
    return out[:count]


def matched(light: np.ndarray, missing: np.ndarray | float, random: np.random.Generator) -> np.ndarray:
    """Light with noise added, so that a region that was painted, pasted or blurred is as noisy as what is around it.

    Args:
        light: float32 (h, w, 3), linear light.
        missing: variance of 8-bit values that is lacking, (h, w) or one number; below 0 stands for 0. A pasted region
            lacks the target's variance less its own.
        random: one seed is drawn.

    Returns:
        float32 (h, w, 3); grey stays grey, pixels that lack nothing are as they were.
    """
    missing = np.ascontiguousarray(np.broadcast_to(np.asarray(missing, np.float32), light.shape[:2]))
    out = np.ascontiguousarray(light, np.float32).copy()
    grey = bool((light[..., 0] == light[..., 1]).all() and (light[..., 1] == light[..., 2]).all())
    grain = white((max(np.count_nonzero(missing > 0), 1), 1 if grey else 3), random)
    _add(out, missing, grain)
    return out


@jit
def _add(light, missing, grain):
    """Noise of 8-bit values, as light: times the slope of the curve of ``linear.to_linear``."""
    channels, k = grain.shape[1], 0
    for i in range(light.shape[0]):
        for j in range(light.shape[1]):
            if missing[i, j] <= 0:
                continue
            spread = np.sqrt(missing[i, j]) / np.float32(255)
            for c in range(3):
                value = max(light[i, j, c], np.float32(0))
                slope = max(np.float32(2.4 / 1.055) * value ** np.float32(1.4 / 2.4), np.float32(1 / 12.92))
                value += grain[k, c if channels == 3 else 0] * spread * slope
                light[i, j, c] = min(max(value, np.float32(0)), np.float32(1))
            k += 1
