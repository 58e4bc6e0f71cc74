"""A segment at its place in the frame: warped colour and coverage in a box, and how sharp and noisy it is there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from kizu.core.errors import DataError
from kizu.synth.compose.linear import to_linear
from kizu.synth.compose.segment import Segment


@dataclass
class Pasted:
    """A segment in the frame.

    Attributes:
        x, y: corner of the box in the frame; it lies within the frame.
        light: float32 (h, w, 3), linear.
        alpha: float32 (h, w), coverage.
        known: bool (h, w), where ``light`` is that of the segment's picture.
    """

    x: int
    y: int
    light: np.ndarray
    alpha: np.ndarray
    known: np.ndarray

    @property
    def slices(self) -> tuple[slice, slice]:
        """The box as slices (rows, columns) of the frame."""
        return slice(self.y, self.y + self.alpha.shape[0]), slice(self.x, self.x + self.alpha.shape[1])

    def widened(self, by: int, size: tuple[int, int]) -> Pasted:
        """The same in a box that is wider by some pixels on each side, as far as the frame (H, W) goes."""
        height, width = self.alpha.shape
        left, top = min(by, self.x), min(by, self.y)
        right, bottom = min(by, size[1] - self.x - width), min(by, size[0] - self.y - height)
        sides = (top, bottom, left, right)
        return Pasted(
            self.x - left, self.y - top, cv2.copyMakeBorder(self.light, *sides, cv2.BORDER_REPLICATE),
            cv2.copyMakeBorder(self.alpha, *sides, cv2.BORDER_CONSTANT),
            cv2.copyMakeBorder(self.known.view(np.uint8), *sides, cv2.BORDER_CONSTANT).view(bool),
        )  # fmt: skip


def warp(segment: Segment, affine: tuple[float, ...], size: tuple[int, int], margin: int = 0) -> Pasted | None:
    """A segment under an affine map of pixel centres; None where nothing of it lies in the frame.

    Args:
        affine: (a, b, c, d, e, f), see :class:`kizu.synth.compose.spec.Layer`.
        size: (H, W) of the frame.
        margin: pixels around the segment's own box that are wanted. Coverage is rounded within a box, so with another
            one a pixel at the edge of the mask may fall on the other side: what the light needs, ``widened`` adds.

    Raises:
        DataError: an affine map that makes nothing of the segment.
    """
    a, b, c, d, e, f = affine
    if not abs(a * e - b * d) > 1e-6:
        raise DataError(f"segment {segment.id}: the affine map {affine} leaves nothing of it")
    height, width = segment.alpha.shape
    corners = np.array([[-0.5, -0.5], [width - 0.5, -0.5], [-0.5, height - 0.5], [width - 0.5, height - 0.5]])
    placed = corners @ np.array([[a, d], [b, e]]) + (c, f)
    x0, y0 = np.floor(placed.min(0) + 0.5).astype(int) - margin
    x1, y1 = np.ceil(placed.max(0) + 0.5).astype(int) + margin
    x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, size[1]), min(y1, size[0])
    if x1 <= x0 or y1 <= y0:
        return None
    light, alpha = to_linear(segment.colour), segment.alpha
    # Where it shrinks, what lies between the pixels has to be taken in first.
    scales = math.hypot(a, d), math.hypot(b, e)
    soft = [0.5 * math.sqrt(max(1 / s**2 - 1, 0)) for s in scales]
    if max(soft) > 0.4:
        spread = max(soft[0], 1e-2), max(soft[1], 1e-2)
        light = cv2.GaussianBlur(light, (0, 0), *spread)
        alpha = cv2.GaussianBlur(alpha, (0, 0), *spread)
    turn = np.array([[a, b, c - x0], [d, e, f - y0]], np.float64)
    box = (int(x1 - x0), int(y1 - y0))
    if turn[0, 0] == 1 == turn[1, 1] and turn[0, 1] == 0 == turn[1, 0] and not (turn[:, 2] % 1).any():
        way = cv2.INTER_NEAREST  # whole pixels: the very bytes
    else:
        way = cv2.INTER_LINEAR if max(scales) < 1.5 else cv2.INTER_CUBIC
    light = cv2.warpAffine(light, turn, box, flags=way, borderMode=cv2.BORDER_REPLICATE)
    alpha = np.clip(cv2.warpAffine(alpha, turn, box, flags=way, borderMode=cv2.BORDER_CONSTANT), 0, 1)
    known = cv2.warpAffine(np.full((height, width), 255, np.uint8), turn, box, flags=cv2.INTER_LINEAR)
    return Pasted(int(x0), int(y0), np.maximum(light, 0), alpha, known == 255)
