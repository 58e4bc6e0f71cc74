"""What relief does to light that is already in a picture: the ratio of shading with it to shading without it."""

from __future__ import annotations

import numpy as np

from kizu.core.jit import jit

LEAST, MOST = 0.3, 3.0  # bounds of the ratio


def ratio(height: np.ndarray, sun: tuple[float, float, float], shine: float = 0.0, power: float = 16.0) -> np.ndarray:
    """The ratio image of a relief on a flat surface, float32 (h, w), within 0.3 to 3.

    R = (a + (1 - a) max(0, n'.l) + s') / (a + (1 - a) max(0, n.l) + s), s = shine max(0, n.h)^power with h half way
    between the light and the camera straight above (Blinn, 1977); n = (0, 0, 1), n' of the slopes of the height.

    Args:
        height: float32 (h, w), pixels towards the camera.
        sun: as ``Ground.sun``: x, y of the unit vector to the light, and the ambient share.
        shine: strength of the highlight.
        power: the higher, the narrower it is.
    """
    x, y, ambient = sun
    z = float(np.sqrt(max(1 - x * x - y * y, 0.0)))
    long = float(np.sqrt(x * x + y * y + (z + 1) ** 2))
    out = np.empty(height.shape, np.float32)
    light = np.array([x, y, z, x / long, y / long, (z + 1) / long, ambient, shine, power])
    _ratio(np.ascontiguousarray(height, np.float32), light, LEAST, MOST, out)
    return out


@jit
def _ratio(height, light, least, most, out):
    x, y, z, hx, hy, hz, ambient, shine, power = light
    rows, columns = height.shape
    flat = ambient + (1 - ambient) * z + shine * hz**power
    for i in range(rows):
        above, below = max(i - 1, 0), min(i + 1, rows - 1)
        for j in range(columns):
            left, right = max(j - 1, 0), min(j + 1, columns - 1)
            dx = (height[i, right] - height[i, left]) / max(right - left, 1)
            dy = (height[below, j] - height[above, j]) / max(below - above, 1)
            if dx == 0 and dy == 0:
                out[i, j] = 1
                continue
            up = 1 / np.sqrt(1 + dx * dx + dy * dy)
            lit = max((z - dx * x - dy * y) * up, 0.0)
            gloss = shine * max((hz - dx * hx - dy * hy) * up, 0.0) ** power if shine > 0 else 0.0
            value = (ambient + (1 - ambient) * lit + gloss) / max(flat, 1e-6)
            out[i, j] = min(max(value, least), most)
