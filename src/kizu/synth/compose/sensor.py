"""One camera over everything: one blur, and the noise that is missing where something was put in."""

from __future__ import annotations

import cv2
import numpy as np

from kizu.core.jit import jit
from kizu.synth.compose.linear import DISPLAYED
from kizu.synth.formula.noise import white


def expose(light: np.ndarray, missing: np.ndarray, blur: float, grey: bool, random: np.random.Generator) -> np.ndarray:
    """The bytes of a picture.

    Args:
        light: float32 (H, W, 3), linear.
        missing: float32 (H, W), variance of the noise of 8-bit values that each pixel lacks; where it is 0 and there is
            no blur, bytes are those of the light.
        blur: deviation of the point spread function over the whole frame, pixels; 0 = none.
        grey: all channels have one noise.

    Returns:
        uint8 (H, W, 3).
    """
    if blur > 0:
        light = cv2.GaussianBlur(light, (0, 0), blur)
    out = np.empty(light.shape, np.uint8)
    rows = np.flatnonzero(missing.any(1))
    top, stop = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 0)
    wide = light.shape[1] if grey else 3 * light.shape[1]
    noise = white((max(stop - top, 1), wide), random)
    _expose(np.ascontiguousarray(light), missing, noise, top, DISPLAYED, out)
    return out


@jit
def _expose(light, missing, noise, top, table, out):
    steps = np.float32(len(table) - 1)
    one, nought = np.float32(1.0), np.float32(0.0)
    each = noise.shape[1] // light.shape[1]
    for i in range(light.shape[0]):
        for j in range(light.shape[1]):
            lack = missing[i, j]
            for c in range(3):
                value = min(max(light[i, j, c], nought), one)
                level = table[int(np.sqrt(value) * steps + np.float32(0.5))]
                if lack > 0:
                    level += np.sqrt(lack) * noise[i - top, j * each + (c if each == 3 else 0)]
                out[i, j, c] = np.uint8(min(max(level + np.float32(0.5), nought), np.float32(255.0)))
