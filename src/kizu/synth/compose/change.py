"""The label of a defect that was put into a picture: the pixels that really changed, not those that were planned."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from kizu.core.jit import jit
from kizu.synth.compose.linear import from_linear
from kizu.synth.compose.noise import ROUNDING

_LEAST_STEP = 2.0  # levels: rounding and compression change as much
_SQUARE = np.ones((3, 3), np.uint8)
_NEAR = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))  # within 2 pixels


@dataclass
class Changed:
    """What can be seen of a change.

    Attributes:
        mask: bool (h, w), pixels that changed.
        contrast_to_noise: mean change inside, in units of the noise.
        share: of the planned pixels, how many changed.
    """

    mask: np.ndarray
    contrast_to_noise: float
    share: float


def label(
    before: np.ndarray, after: np.ndarray, planned: np.ndarray, noise: float, factor: float = 2.5, limit: float = 2.0,
    least: int = 9,
) -> Changed | None:  # fmt: skip
    """The mask of a change that was really made, as in NSA (Schluter et al., 2022), by the noise of the picture.

    A pixel changed if its 8-bit values did by more than ``factor`` times the noise, on the mean with its neighbours
    on both sides in the best of four directions: single noisy pixels do not decide, and a line of one pixel stays.
    Small gaps are closed; what is further than 2 pixels from the planned mask does not count.

    Args:
        before, after: float32 (h, w, 3), linear light.
        planned: bool (h, w).
        noise: standard deviation of 8-bit values.
        limit: contrast to noise below which nothing is seen.
        least: pixels of the smallest thing that can be resolved; smaller pieces are dropped, unless they are as long
            as two such things, as a thin line is.

    Returns:
        None where nothing is to be seen.
    """
    noise = max(noise, ROUNDING)
    distance = np.empty(planned.shape, np.uint8)
    _distance(from_linear(before), from_linear(after), distance)
    found = np.empty(planned.shape, np.uint8)
    _decide(distance, max(factor * noise, _LEAST_STEP), found)
    found = _closed(found)
    found &= cv2.dilate(planned.astype(np.uint8), _NEAR)
    mask = _without_crumbs(found, least)
    area = np.count_nonzero(mask)
    if not area:
        return None
    contrast = float(distance[mask].mean()) / noise
    if contrast < limit:
        return None
    return Changed(mask, contrast, float(np.count_nonzero(mask & planned) / max(np.count_nonzero(planned), 1)))


def _closed(mask: np.ndarray) -> np.ndarray:
    """Closing by 3 x 3 pixels; the frame of the box neither grows the mask nor eats it."""
    return cv2.erode(cv2.dilate(mask, _SQUARE), _SQUARE)


def _without_crumbs(mask: np.ndarray, least: int) -> np.ndarray:
    """bool (h, w): the pieces that can be resolved."""
    _, pieces, figures, _ = cv2.connectedComponentsWithStats(mask, connectivity=8, ltype=cv2.CV_32S)
    long = np.maximum(figures[:, cv2.CC_STAT_WIDTH], figures[:, cv2.CC_STAT_HEIGHT])
    keep = (figures[:, cv2.CC_STAT_AREA] >= least) | (long >= 2 * np.sqrt(least))
    keep[0] = False
    return keep[pieces]


@jit
def _distance(before, after, out):
    """Largest change over the channels."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            most = 0
            for c in range(3):
                most = max(most, abs(np.int64(after[i, j, c]) - np.int64(before[i, j, c])))
            out[i, j] = most


@jit
def _decide(distance, threshold, out):
    """1 where the best of four means of three pixels in a row is above the threshold, and its own above half of it."""
    rows, columns = distance.shape
    for i in range(rows):
        for j in range(columns):
            here = np.int64(distance[i, j])
            out[i, j] = 0
            if 2 * here <= threshold:
                continue
            for k in range(4):
                dy, dx = (0, 1) if k == 0 else (1, 0) if k == 1 else (1, 1) if k == 2 else (1, -1)
                total, count = here, 1
                for sign in (-1, 1):
                    y, x = i + sign * dy, j + sign * dx
                    if 0 <= y < rows and 0 <= x < columns:
                        total += np.int64(distance[y, x])
                        count += 1
                # At the border of the box a pixel with one neighbour must not decide on less than three.
                if total > threshold * max(count, 2):
                    out[i, j] = 1
                    break
