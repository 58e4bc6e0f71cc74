"""Structure out of order: a piece of the picture itself, cut into tiles and put together anew (MemSeg, Yang, 2022)."""

from __future__ import annotations

import cv2
import numpy as np

from kizu.synth.compose.flaws.registry import flaw
from kizu.synth.compose.flaws.spot import region
from kizu.synth.compose.ground import Change, Ground

_TILES = (2, 5)  # a side
_SMALLEST = 4  # pixels of a tile's side


@flaw
def shuffle(ground: Ground, at: tuple[float, float], area: float, random: np.random.Generator) -> Change | None:
    """The blob's own box in a grid of 2 to 5 tiles a side, each moved and mirrored, seen through the blob."""
    spot, mask, width = region(ground, at, area, random)
    if min(mask.shape) < 2 or not mask.any():
        return None
    tiles = int(random.integers(_TILES[0], _TILES[1] + 1))
    look = shuffled(spot.light, tiles, random)
    # The optics blur the seams, too.
    seam = _seams(mask.shape, tiles)
    look[seam] = cv2.GaussianBlur(look, (0, 0), width, borderType=cv2.BORDER_REPLICATE)[seam]
    gain = np.float32(np.exp(spot.swing(0.03, 0.2, random)))
    soft = spot.soft(mask, min(width * random.uniform(1.0, 3.0), max(0.1 * np.sqrt(area), 0.5))) * np.float32(
        random.uniform(0.6, 1.0)
    )
    return spot.lay(look * gain, soft, mask, area, 1.0, random)


def shuffled(light: np.ndarray, tiles: int, random: np.random.Generator) -> np.ndarray:
    """An image (h, w, C) with its tiles in another order, and some of them mirrored; what is left over stays."""
    rows, columns, h, w = _grid(light.shape[:2], tiles)
    out = light.copy()
    order = random.permutation(rows * columns)
    flips = random.integers(2, size=(rows * columns, 2))
    for k, source in enumerate(order):
        (i, j), (p, q) = divmod(k, columns), divmod(int(source), columns)
        tile = light[p * h : (p + 1) * h, q * w : (q + 1) * w]
        out[i * h : (i + 1) * h, j * w : (j + 1) * w] = tile[:: -1 if flips[k, 0] else 1, :: -1 if flips[k, 1] else 1]
    return out


def _grid(shape: tuple[int, int], tiles: int) -> tuple[int, int, int, int]:
    """Rows and columns of tiles, and height and width of one."""
    rows, columns = (max(min(tiles, n // _SMALLEST), 1) for n in shape)
    return rows, columns, shape[0] // rows, shape[1] // columns


def _seams(shape: tuple[int, int], tiles: int) -> np.ndarray:
    """bool (h, w): the pixels on both sides of a border of tiles."""
    rows, columns, h, w = _grid(shape, tiles)
    y, x = np.arange(shape[0]), np.arange(shape[1])
    down = (np.minimum(y % h, (-y - 1) % h) < 1) & (y < rows * h + 1)
    across = (np.minimum(x % w, (-x - 1) % w) < 1) & (x < columns * w + 1)
    return down[:, None] | across[None]
