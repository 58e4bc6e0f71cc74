"""What an image generator is shown of a composed picture: its objects on grey, and the picture without them."""

from __future__ import annotations

import cv2
import numpy as np

GREY = 127  # what stands for "nothing": IC-Light scales pixels by x / 127 - 1, which makes it 0
STEP = 64  # sides have to be multiples: three halvings of the UNet after the eightfold reduction of the VAE


def working_size(size: tuple[int, int], side: int) -> tuple[int, int]:
    """(height, width) that a frame of (height, width) is generated at: longer side about ``side``, both times 64."""
    scale = side / max(size)
    height, width = (max(STEP, STEP * round(length * scale / STEP)) for length in size)
    return height, width


def resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """float32 (height, width, ...) of ``size``: averaged where it gets smaller, interpolated where it gets larger."""
    smaller = size[0] * size[1] < image.shape[0] * image.shape[1]
    way = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return cv2.resize(image.astype(np.float32), size[::-1], interpolation=way)


def on_grey(image: np.ndarray, inside: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The objects alone on mid-grey, float32 (height, width, 3) in 0..255.

    Args:
        image: uint8 (H, W, 3).
        inside: bool (H, W), pixels of objects.
        size: (height, width) of the result.
    """
    return resized(np.where(inside[..., None], image, np.uint8(GREY)), size)


def without(image: np.ndarray, inside: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The picture with its objects taken out, float32 (height, width, 3) in 0..255; arguments as for :func:`on_grey`.

    The holes are filled from coarser and coarser versions of what is around them; mid-grey where nothing is left.
    """
    known = 1 - resized(inside, size)
    return _filled(resized(np.where(inside[..., None], np.uint8(0), image), size), known)


def _filled(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """``values`` (H, W, 3) are sums weighted by ``known`` (H, W) in 0..1: their means, filled where that is small."""
    if known.min() > 0.999:
        return values / known[..., None]
    height, width = known.shape
    if max(height, width) == 1:
        return values / known[..., None] if known.item() > 1e-6 else np.full_like(values, GREY)
    half = ((width + 1) // 2, (height + 1) // 2)
    coarse = _filled(
        cv2.resize(values, half, interpolation=cv2.INTER_AREA).reshape(half[1], half[0], 3),
        cv2.resize(known, half, interpolation=cv2.INTER_AREA).reshape(half[1], half[0]),
    )
    behind = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return values + (1 - known[..., None]) * behind
