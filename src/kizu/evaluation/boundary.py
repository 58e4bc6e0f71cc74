"""Boundary F: how well the outlines of prediction and truth agree (Perazzi et al., CVPR 2016, the F measure of DAVIS,
after Martin et al., "Learning to detect natural image boundaries", PAMI 2004).

A pixel of an outline is matched where the other outline is no further than 0.75 % of the picture's diagonal, and at
least one pixel, away. Precision is the matched share of the predicted outlines' pixels, recall that of the true ones.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

COUNTS = 4  # what :func:`outline_counts` gives
_SHARE = 0.0075  # of the diagonal
_SLACK = 1e-3  # distances are roots of whole numbers: one that equals the tolerance is within it
_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


def tolerance(size: tuple[int, int]) -> float:
    """Pixels that outlines may be apart on a picture of (height, width)."""
    return max(_SHARE * math.hypot(*size), 1.0)


def outline_counts(
    predicted: np.ndarray | None, truth: np.ndarray | None, ignored: np.ndarray | None = None
) -> np.ndarray:
    """Pixels of the outlines of one picture: int64 (4,) predicted and matched, predicted, true and matched, true.

    An outline is what of a mask has one of its four neighbours outside it. The picture's edge outlines nothing, nor
    does that of an ignored region.

    Args:
        predicted, truth: bool (H, W), or None where no pixel is.
        ignored: bool (H, W), pixels that are in neither, or None.
    """
    out = np.zeros(COUNTS, np.int64)
    masks = [mask for mask in (predicted, truth) if mask is not None]
    if not masks:
        return out
    x, y, width, height = cv2.boundingRect(np.logical_or.reduce(masks).view(np.uint8))
    # One pixel more on each side: what lies beyond the window counts as inside, which is right at the picture's edge.
    window = slice(max(y - 1, 0), y + height + 1), slice(max(x - 1, 0), x + width + 1)
    found, right = (_outline(mask, ignored, window) for mask in (predicted, truth))
    out[1], out[3] = (0 if outline is None else np.count_nonzero(outline) for outline in (found, right))
    if out[1] and out[3]:
        reach = tolerance(truth.shape) + _SLACK
        out[0], out[2] = (
            np.count_nonzero(one & (_distance(other) <= reach)) for one, other in ((found, right), (right, found))
        )
    return out


def boundary_f(counts: np.ndarray) -> np.ndarray:
    """F of summed counts (..., 4): 2 P R / (P + R), float64 (...), NaN where there is no outline at all."""
    hit, called, met, there = np.moveaxis(np.asarray(counts, np.float64), -1, 0)
    # An outline on one side alone is wrong altogether, and its missing share is of nothing.
    precision, recall = (part / np.maximum(whole, 1) for part, whole in ((hit, called), (met, there)))
    f = 2 * precision * recall / np.maximum(precision + recall, np.finfo(float).tiny)
    return np.where(called + there > 0, f, np.nan)


def _outline(mask: np.ndarray | None, ignored: np.ndarray | None, window: tuple[slice, slice]) -> np.ndarray | None:
    if mask is None:
        return None
    inside = np.ascontiguousarray(mask[window])
    body = inside if ignored is None else inside | ignored[window]
    return inside & ~cv2.erode(body.view(np.uint8), _CROSS).view(bool)


def _distance(outline: np.ndarray) -> np.ndarray:
    """Pixels from each pixel to the next one of the outline, float32."""
    return cv2.distanceTransform((~outline).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
