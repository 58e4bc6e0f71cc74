"""How much of the new light each object gets: by its area, so that small objects stay as they are."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.stats import rankdata

from kizu.core.masks import Masks


def kept(areas: np.ndarray) -> np.ndarray:
    """Weight of the original for each object, float64 (N,): 0.9 for small ones, 0.3 for large ones.

    With the rank r of the area, 0 for the smallest and 1 for the largest object of the picture (SOS, mask-area-weighted
    blending; the released code turns it round, this is the direction of the paper)::

        weight = 0.3 + 0.6 / (1 + exp(10 (r - 0.5)))

    Equal areas share a rank, and an only object is in the middle: what is small is told by its neighbours alone.
    """
    areas = np.asarray(areas)
    if len(areas) < 2:
        rank = np.full(len(areas), 0.5)
    else:
        rank = (rankdata(areas) - 1) / (len(areas) - 1)
    return 0.3 + 0.6 / (1 + np.exp(10 * (rank - 0.5)))


def reach(inside: np.ndarray, margin: int) -> np.ndarray:
    """bool (H, W): pixels of ``inside`` and those less than ``margin`` pixels from it (Euclidean)."""
    return cv2.distanceTransform((~inside).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) < max(margin, 0.5)


def share(masks: Masks, margin: int, outside: float) -> np.ndarray:
    """Weight of the new light at each pixel, float32 (H, W).

    Within a mask it is 1 - :func:`kept`, and goes over to ``outside`` in a straight line over the next ``margin``
    pixels: an edge that is soft belongs to the object too. From there on it is ``outside`` exactly. Where masks
    overlap, the later one counts; empty ones have no say in the ranks.
    """
    seen = masks[masks.area > 0]
    if not len(seen):
        return np.full(masks.size, outside, np.float32)
    table = np.concatenate([[outside], 1 - kept(seen.area)]).astype(np.float32)
    owners = seen.to_label_map()
    free = (owners == 0).astype(np.uint8)
    distance, nearest = cv2.distanceTransformWithLabels(free, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    of_pixel = np.zeros(int(nearest.max()) + 1, np.float32)  # weight of the object that each label stands for
    of_pixel[nearest[owners > 0]] = table[owners[owners > 0]]
    # The distance with labels is an approximation; the end of the fade has to be where ``reach`` ends.
    fade = np.where(reach(owners > 0, margin), np.clip(1 - distance / max(margin, 1), 0, 1), 0).astype(np.float32)
    return np.where(owners > 0, table[owners], outside + (of_pixel[nearest] - outside) * fade).astype(np.float32)
