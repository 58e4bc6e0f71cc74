"""From coarse to fine: which blocks of a tile are worth a second look, and maps on the grid of such blocks.

Almost all of a good part is far from every threshold. All blocks are scored from the means of their cells; those that
look most like a defect, and their neighbours, are scored again by what they are made of.
"""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np

_SHARE = 0.05  # of the blocks of a tile that are looked at again, neighbours not counted,
_DOUBT = -1.5  # and all others of higher log odds
_FEW = 64  # blocks that are all looked at again


def suspects(odds: np.ndarray) -> np.ndarray:
    """Blocks to be looked at again: bool (h, w).

    Args:
        odds: float (h, w), the higher the more like a defect.
    """
    if odds.size <= _FEW:
        return np.ones(odds.shape, bool)
    last = np.partition(odds.ravel(), -max(round(_SHARE * odds.size), 1))[-max(round(_SHARE * odds.size), 1)]
    chosen = odds >= min(last, _DOUBT)
    return cv2.dilate(chosen.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)


def to_grid(values: np.ndarray, stride: int, step: int, shape: tuple[int, int]) -> np.ndarray:
    """A map on another grid, by bilinear interpolation between the middles of cells; beyond the rim it is constant.

    Args:
        values: float32 (h, w, C), a cell of which is ``stride`` pixels.
        step: pixels of a cell of the new grid.
        shape: of the new grid, which begins at the same corner.

    Returns:
        float32 (\\*shape, C).
    """
    factor = Fraction(stride, step)
    odd = [-length % factor.denominator for length in values.shape[:2]]
    if any(odd):
        values = np.pad(values, ((0, odd[0]), (0, odd[1]), (0, 0)), mode="edge")
    if factor != 1:
        size = [int(length * factor) for length in values.shape[:2]]
        values = cv2.resize(values, size[::-1], interpolation=cv2.INTER_LINEAR).reshape(*size, -1)
    missing = [max(new - old, 0) for new, old in zip(shape, values.shape[:2], strict=True)]
    if any(missing):
        values = np.pad(values, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
    return values[: shape[0], : shape[1]]
