"""Poisson joining: the gradients of one picture inside the border of another (Perez et al., 2003)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.fft import dstn, idstn


def join(ground: np.ndarray, patch: np.ndarray, mixed: bool = False) -> np.ndarray:
    """A rectangle whose outermost pixels are the ground's and whose gradients inside are the patch's.

    The difference to the ground solves Poisson's equation with nothing at the border, which the discrete sine
    transform does exactly. Any depth and range, the box wherever it lies: ``cv2.seamlessClone`` moves masks that are
    not in the middle, changes the mask that it is given, and knows 8 bits only.

    Args:
        ground, patch: float32 (h, w, C), h, w >= 3.
        mixed: of both gradients the stronger one at each place.

    Returns:
        float32 (h, w, C); it may be below 0 or above 1.
    """
    out = ground.copy()
    excess = patch - ground
    across, down = np.diff(excess, axis=1), np.diff(excess, axis=0)
    if mixed:
        own_x, own_y = np.diff(ground, axis=1), np.diff(ground, axis=0)
        across = np.where(np.abs(across + own_x) > np.abs(own_x), across, 0)
        down = np.where(np.abs(down + own_y) > np.abs(own_y), down, 0)
    divergence = np.diff(across, axis=1)[1:-1] + np.diff(down, axis=0)[:, 1:-1]
    waves = dstn(divergence, type=1, axes=(0, 1))
    waves /= _eigenvalues(*divergence.shape[:2])[..., None]
    out[1:-1, 1:-1] += idstn(waves, type=1, axes=(0, 1))
    return out


@lru_cache(256)
def _eigenvalues(rows: int, columns: int) -> np.ndarray:
    """float32 (rows, columns): of the five-point Laplacian with zero borders."""
    down = 2 * np.cos(np.pi * np.arange(1, rows + 1) / (rows + 1)) - 2
    across = 2 * np.cos(np.pi * np.arange(1, columns + 1) / (columns + 1)) - 2
    return (down[:, None] + across[None]).astype(np.float32)
