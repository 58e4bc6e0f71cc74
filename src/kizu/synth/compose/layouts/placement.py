"""``Placement``: which segment lies where. An affine maps the pixel centres of its box crop into the frame."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np

from kizu.synth.compose.visibility import Piece

Affine = tuple[float, float, float, float, float, float]


@dataclass(frozen=True)
class Placement:
    """One thing of a layout.

    Attributes:
        row: of the shapes.
        affine: (a, b, c, d, e, f): the pixel centre (x, y) of the segment's box crop lies at (a x + b y + c,
            d x + e y + f) of the frame.
        depth: distance in mm; 0 = on the ground.
        shared: it was drawn from the share that does not depend on the class.
        blur: standard deviation of its defocus, in px of the frame.
        outline: its :func:`silhouette`, where the layout has made it.
    """

    row: int
    affine: Affine
    depth: float = 0.0
    shared: bool = False
    blur: float = 0.0
    outline: Piece | None = field(default=None, compare=False, repr=False)


def affine_at(
    width: int, height: int, at: tuple[float, float], scale: float, turn: float = 0.0, mirrored: bool = False
) -> Affine:
    """The affine that puts the middle of a crop of (width, height) on ``at``, scaled and turned.

    Args:
        at: (x, y) in pixel coordinates (the middle of the first pixel is 0, 0).
        turn: radians from x (right) towards y (down).
        mirrored: left and right exchanged, before turning.
    """
    cos, sin = math.cos(turn) * scale, math.sin(turn) * scale
    a, b, d, e = cos, -sin, sin, cos
    if mirrored:
        a, d = -a, -d
    x, y = (width - 1) / 2, (height - 1) / 2
    return a, b, at[0] - a * x - b * y, d, e, at[1] - d * x - e * y


def extent(width: float, height: float, turn: float) -> tuple[float, float]:
    """Width and height of the box around a turned rectangle."""
    cos, sin = abs(math.cos(turn)), abs(math.sin(turn))
    return width * cos + height * sin, width * sin + height * cos


def warped(mask: np.ndarray, affine: Affine) -> tuple[np.ndarray, int, int]:
    """A mask bool (h, w) after its affine: a mask around all of it, and the corner (x, y) of that.

    Inside is what is covered to at least a half.
    """
    height, width = mask.shape
    a, b, c, d, e, f = affine
    source = np.ascontiguousarray(mask, bool).view(np.uint8) * np.uint8(255)
    step = math.sqrt(abs(a * e - b * d))
    if step < 0.5:  # linear interpolation would step over pixels: the means of blocks first
        small = (max(1, round(width * 2 * step)), max(1, round(height * 2 * step)))
        source = cv2.resize(source, small, interpolation=cv2.INTER_AREA)
        rx, ry = width / small[0], height / small[1]
        c, f = c + (a * (rx - 1) + b * (ry - 1)) / 2, f + (d * (rx - 1) + e * (ry - 1)) / 2
        a, b, d, e = a * rx, b * ry, d * rx, e * ry
        height, width = source.shape
    xs = [a * x + b * y + c for x in (-0.5, width - 0.5) for y in (-0.5, height - 0.5)]
    ys = [d * x + e * y + f for x in (-0.5, width - 0.5) for y in (-0.5, height - 0.5)]
    left, top = math.floor(min(xs)), math.floor(min(ys))
    shape = (math.ceil(max(xs)) - left + 1, math.ceil(max(ys)) - top + 1)
    matrix = np.array([[a, b, c - left], [d, e, f - top]])
    return cv2.warpAffine(source, matrix, shape, flags=cv2.INTER_LINEAR) >= 128, left, top


def silhouette(mask: np.ndarray, affine: Affine, size: tuple[int, int]) -> Piece:
    """Where a mask bool (h, w) lies in a frame of (H, W) after its affine."""
    return Piece.cut(*warped(mask, affine), size)
