"""A segment at its place in the frame: warped colour and coverage in a box, and how sharp and noisy it is there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from kizu.core.errors import DataError
from kizu.core.jit import jit
from kizu.synth.compose.linear import to_linear
from kizu.synth.compose.resample import blur_for, resampled
from kizu.synth.compose.segment import Segment

_BEYOND = 4  # pixels of the source that interpolation takes from, and one to spare
Box = tuple[int, int, int, int]


@dataclass
class Pasted:
    """A segment in the frame.

    Attributes:
        x, y: corner of the box in the frame; it lies within the frame.
        light: float32 (h, w, 3), linear.
        alpha: float32 (h, w), coverage.
        known: bool (h, w), where ``light`` is that of the segment's picture; of an object nobody asks.
    """

    x: int
    y: int
    light: np.ndarray
    alpha: np.ndarray
    known: np.ndarray | None = None

    @property
    def slices(self) -> tuple[slice, slice]:
        """The box as slices (rows, columns) of the frame."""
        return slice(self.y, self.y + self.alpha.shape[0]), slice(self.x, self.x + self.alpha.shape[1])

    def widened(self, by: int, size: tuple[int, int]) -> Pasted:
        """An object in a box that is wider by some pixels on each side, as far as the frame (H, W) goes."""
        height, width = self.alpha.shape
        left, top = min(by, self.x), min(by, self.y)
        right, bottom = min(by, size[1] - self.x - width), min(by, size[0] - self.y - height)
        sides = (top, bottom, left, right)
        light = cv2.copyMakeBorder(self.light, *sides, cv2.BORDER_REPLICATE)
        alpha = cv2.copyMakeBorder(self.alpha, *sides, cv2.BORDER_CONSTANT)
        return Pasted(self.x - left, self.y - top, light, alpha)


def warp(segment: Segment, affine: tuple[float, ...], size: tuple[int, int], margin: int = 0) -> Pasted | None:
    """A segment with all that was cut around it under an affine map of pixel centres; None outside the frame.

    Args:
        affine: (a, b, c, d, e, f), see :class:`kizu.synth.compose.spec.Layer`.
        size: (H, W) of the frame.
        margin: pixels around the segment's own box that are wanted.

    Raises:
        DataError: an affine map that makes nothing of the segment.
    """
    height, width = segment.alpha.shape
    box = _box(segment, affine, (0, 0, width, height), margin, size)
    if box is None:
        return None
    light, alpha = _warped(to_linear(segment.colour), segment.alpha, affine, box)
    turn, wide = _turn(affine, box), (box[2] - box[0], box[3] - box[1])
    known = cv2.warpAffine(np.full((height, width), 255, np.uint8), turn, wide, flags=cv2.INTER_LINEAR)
    return Pasted(box[0], box[1], light, alpha, known == 255)


def warp_object(segment: Segment, affine: tuple[float, ...], size: tuple[int, int], margin: int) -> Pasted | None:
    """A segment under an affine map without what lies further around it than a margin; None outside the frame.

    Args:
        affine, size: as for :func:`warp`.
        margin: pixels around what the segment covers. Coverage is rounded within a box, so with another one a pixel at
            the edge of the mask may fall on the other side: what the light needs, :meth:`Pasted.widened` adds.

    Raises:
        DataError: as :func:`warp`.
    """
    x0, y0, x1, y1 = _covered(segment.alpha)
    # Between the last pixel that is covered and the first that is not there is a slope.
    box = _box(segment, affine, (x0 - 1, y0 - 1, x1 + 1, y1 + 1), margin, size) if x1 > x0 else None
    if box is None:
        return None
    a, b, c, d, e, f = affine
    # No more of the source than shows in the box.
    scales = math.hypot(a, d), math.hypot(b, e)
    wide, high = (
        math.ceil(margin / s + 3 * blur_for(s, o)) + _BEYOND for s, o in (scales, scales[::-1])
    )  # fmt: skip
    left, top = max(x0 - wide, 0), max(y0 - high, 0)
    cut = slice(top, y1 + high), slice(left, x1 + wide)
    colour, alpha = segment.colour[cut], segment.alpha[cut]
    c, f = c + a * left + b * top, f + d * left + e * top
    if b == 0 == d:
        size = box[3] - box[1], box[2] - box[0]
        light, alpha = resampled(colour, alpha, ((a, c - box[0]), (e, f - box[1])), size)
    else:
        light, alpha = _warped(to_linear(colour), alpha, (a, b, c, d, e, f), box)
    return Pasted(box[0], box[1], light, alpha)


def _box(segment: Segment, affine: tuple[float, ...], own: Box, margin: int, size: tuple[int, int]) -> Box | None:
    """XYXY in the frame of a box of the segment, with a margin; None where nothing of it lies there."""
    a, b, c, d, e, f = affine
    if not abs(a * e - b * d) > 1e-6:
        raise DataError(f"segment {segment.id}: the affine map {affine} leaves nothing of it")
    xs = [a * x + b * y + c for x in (own[0] - 0.5, own[2] - 0.5) for y in (own[1] - 0.5, own[3] - 0.5)]
    ys = [d * x + e * y + f for x in (own[0] - 0.5, own[2] - 0.5) for y in (own[1] - 0.5, own[3] - 0.5)]
    x0, y0 = math.floor(min(xs) + 0.5) - margin, math.floor(min(ys) + 0.5) - margin
    x1, y1 = math.ceil(max(xs) + 0.5) + margin, math.ceil(max(ys) + 0.5) + margin
    x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, size[1]), min(y1, size[0])
    return None if x1 <= x0 or y1 <= y0 else (x0, y0, x1, y1)


def _turn(affine: tuple[float, ...], box: Box) -> np.ndarray:
    a, b, c, d, e, f = affine
    return np.array([[a, b, c - box[0]], [d, e, f - box[1]]], np.float64)


def _warped(
    light: np.ndarray, alpha: np.ndarray, affine: tuple[float, ...], box: Box
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Light and coverage in a box of the frame."""
    a, b, _, d, e, _ = affine
    scales = math.hypot(a, d), math.hypot(b, e)
    # Where it shrinks, what lies between the pixels has to be taken in first.
    spread = blur_for(*scales), blur_for(*scales[::-1])
    if spread[0]:
        light = cv2.GaussianBlur(light, (0, 0), *spread)
        alpha = cv2.GaussianBlur(alpha, (0, 0), *spread)
    turn, wide = _turn(affine, box), (box[2] - box[0], box[3] - box[1])
    if turn[0, 0] == 1 == turn[1, 1] and turn[0, 1] == 0 == turn[1, 0] and not (turn[:, 2] % 1).any():
        way = cv2.INTER_NEAREST  # whole pixels: the very bytes
    else:
        way = cv2.INTER_LINEAR if max(scales) < 1.5 else cv2.INTER_CUBIC
    light = cv2.warpAffine(light, turn, wide, flags=way, borderMode=cv2.BORDER_REPLICATE)
    alpha = np.clip(cv2.warpAffine(alpha, turn, wide, flags=way, borderMode=cv2.BORDER_CONSTANT), 0, 1)
    return np.maximum(light, 0), alpha


@jit
def _covered(alpha: np.ndarray) -> tuple[int, int, int, int]:
    """Box XYXY of what is covered at all; four zeros where nothing is."""
    height, width = alpha.shape
    x0, y0, x1, y1 = width, height, 0, 0
    for i in range(height):
        row = alpha[i]
        first = 0
        while first < width and row[first] <= 0:
            first += 1
        if first == width:
            continue
        last = width - 1
        while row[last] <= 0:
            last -= 1
        x0, x1 = min(x0, first), max(x1, last + 1)
        y0, y1 = min(y0, i), i + 1
    return (x0, y0, x1, y1) if x1 else (0, 0, 0, 0)
