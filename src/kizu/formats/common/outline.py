"""Masks to polygons along the edges of their pixels, so that a polygon drawn again gives the very same mask.

Vertices are pixel corners (pixel (x, y) covers [x, x+1] x [y, y+1]); OpenCV's contours run through pixel centres and
lose half a pixel on each side, and a one-pixel-wide mask altogether.
"""

from __future__ import annotations

import itertools

import cv2
import numpy as np

from kizu.core.jit import jit
from kizu.core.masks import Masks

_RIGHT, _DOWN, _LEFT, _UP = 0, 1, 2, 3


@jit
def _trace(inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Closed loops along the edges of a mask padded by one empty pixel on each side, the inside to the right.

    At a corner where two pixels touch diagonally the loop goes on to the other pixel, so loops belong to 8-connected
    parts and 4-connected holes. Returns vertices int32 (P, 2) as x, y of the unpadded frame, and loop offsets.
    """
    height, width = inside.shape
    seen = np.zeros((height, width), np.uint8)  # pixels whose upper edge has been walked
    capacity = 64
    points = np.empty((capacity, 2), np.int32)
    offsets = [0]
    count = 0
    for row in range(1, height):
        for start in range(1, width):
            if not inside[row, start] or inside[row - 1, start] or seen[row, start]:
                continue
            x, y, direction = start, row, 0  # at the upper left corner of the pixel, going right
            turned = 0
            while True:
                if direction == 0:
                    if seen[y, x]:
                        break
                    seen[y, x] = 1
                if count + 1 >= capacity:
                    larger = np.empty((2 * capacity, 2), np.int32)
                    larger[:capacity] = points
                    points = larger
                    capacity *= 2
                # One step along the edge, then a look at the two pixels ahead: on the left and on the right hand.
                if direction == 0:
                    x += 1
                    left, right = inside[y - 1, x], inside[y, x]
                elif direction == 1:
                    y += 1
                    left, right = inside[y, x], inside[y, x - 1]
                elif direction == 2:
                    x -= 1
                    left, right = inside[y, x - 1], inside[y - 1, x - 1]
                else:
                    y -= 1
                    left, right = inside[y - 1, x - 1], inside[y - 1, x]
                if left:
                    turned = 3
                elif right:
                    turned = 0
                else:
                    turned = 1
                if turned:
                    points[count, 0] = x - 1
                    points[count, 1] = y - 1
                    count += 1
                    direction = (direction + turned) % 4
            offsets.append(count)
    return points[:count].copy(), np.array(offsets)


def outlines(mask: np.ndarray) -> list[np.ndarray]:
    """Outlines of a mask ``(H, W)``: int32 (P, 2) loops of pixel corners x, y, parts clockwise (y down), holes counter.

    Drawn together by the even-odd rule they give the mask back exactly.
    """
    padded = np.zeros((mask.shape[0] + 2, mask.shape[1] + 2), np.uint8)
    padded[1:-1, 1:-1] = mask
    points, offsets = _trace(padded)
    return [points[a:b] for a, b in itertools.pairwise(offsets)]


def is_hole(loop: np.ndarray) -> bool:
    """Whether a loop of :func:`outlines` goes round a hole (its signed area is negative)."""
    x, y = loop[:, 0].astype(np.int64), loop[:, 1].astype(np.int64)
    return int(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) < 0


def mask_loops(masks: Masks, i: int) -> list[np.ndarray]:
    """:func:`outlines` of mask ``i``, in the coordinates of its frame."""
    crop, (x, y) = masks.crop(i)
    return [loop + np.array([x, y], np.int32) for loop in outlines(crop)]


def one_polygon(loops: list[np.ndarray]) -> np.ndarray:
    """All loops as one closed polygon (P, 2), holes and further parts joined by bridges of no width.

    By the even-odd rule a bridge covers nothing, as it is walked there and back.
    """
    polygon = loops[0]
    for loop in loops[1:]:
        at = int(np.argmin(((polygon - loop[0]) ** 2).sum(1)))
        polygon = np.concatenate([polygon[: at + 1], loop, loop[:1], polygon[at:]])
    return polygon


def components(mask: np.ndarray) -> np.ndarray:
    """8-connected parts of a mask ``(H, W)`` as an id raster int32, numbered from 1 in reading order."""
    count, labels = cv2.connectedComponents(np.ascontiguousarray(mask, np.uint8), connectivity=8, ltype=cv2.CV_32S)
    if count <= 2:
        return labels
    first = np.full(count, labels.size, np.int64)
    values, places = np.unique(labels, return_index=True)
    first[values] = places
    first[0] = -1
    place = np.empty(count, np.int32)
    place[np.argsort(first, kind="stable")] = np.arange(count, dtype=np.int32)
    return place[labels]
