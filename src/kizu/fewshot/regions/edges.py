"""Regions from the picture's own edges, without weights: each part that was found, drawn again by a watershed.

The sure inside of a part and the sure ground about it flood the band between them until they meet at the crest of the
edges (Meyer 1994), so that an outline that the scorer left some pixels beside an edge moves onto it.
"""

from __future__ import annotations

import cv2
import numpy as np

from kizu.core.masks import Masks
from kizu.fewshot.regions.overlap import ring_of
from kizu.fewshot.regions.source import Source

_INSIDE = 0.5  # of the strong log odds of a part: from here it is sure
_GROUND = 0.5  # of the same, below the threshold: from here there is nothing
_STRONG = 0.9  # quantile of a part's log odds that counts as strong
_WEAKEST = 0.3  # log odds: strong at least
_FLAT = np.float32(12)  # grey values: a window with less contrast has no strong edge
_SLOPE = 0.5  # weight of the edges of the log odds beside those of the picture


class Edges(Source):
    """See the module."""

    name = "edges"
    about = "a watershed on the edges of the picture"

    def masks(self, image: np.ndarray, margins: np.ndarray, found: np.ndarray) -> list[Masks]:
        """See :class:`Source`."""
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        return [_regions(grey, margin, layer) for margin, layer in zip(margins, found, strict=True)]


def _regions(grey: np.ndarray, margin: np.ndarray, found: np.ndarray) -> Masks:
    """One region for each part of what was found, bool (H, W), within the ring about it."""
    ring = ring_of(found.shape)
    reach = ring // 2
    count, owner, boxes, _ = cv2.connectedComponentsWithStats(found.view(np.uint8), connectivity=8)
    crops = []
    for i in range(1, count):
        x, y, width, height = boxes[i, :4]
        rows, columns = slice(max(y - reach, 0), y + height + reach), slice(max(x - reach, 0), x + width + reach)
        near = owner[rows, columns]
        part = near == i
        ground = cv2.dilate(part.view(np.uint8), np.ones((ring, ring), np.uint8)) == 0
        region = _flooded(grey[rows, columns], margin[rows, columns], part, ground | ((near > 0) & ~part))
        if region.any():
            crops.append((region, (columns.start, rows.start)))
    return Masks.from_crops(crops, found.shape)


def _flooded(grey: np.ndarray, margin: np.ndarray, part: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """The region of one part, bool (h, w); all arrays are those of its window.

    Args:
        ground: bool, where it cannot reach.
    """
    from skimage.segmentation import watershed

    strong = max(float(np.quantile(margin[part], _STRONG)), _WEAKEST)
    sure = part & (margin >= min(_INSIDE * strong, float(margin[part].max())))
    ground = ground | (margin <= -_GROUND * strong)
    markers = np.where(ground, 2, sure.astype(np.int32))
    low, high = np.percentile(grey, (1, 99)).astype(np.float32)
    crest = _gradient(np.clip((grey.astype(np.float32) - low) / max(high - low, _FLAT), 0, 1)) + _SLOPE * _gradient(
        margin
    )
    # What is deep within either side has no say, and would only cost time.
    band = cv2.dilate((markers == 0).view(np.uint8), np.ones((3, 3), np.uint8)).view(bool)
    return sure | (watershed(crest, markers, mask=band) == 1)


def _gradient(values: np.ndarray) -> np.ndarray:
    """Magnitude of the gradient at the scale of a pixel, at most 1."""
    smooth = cv2.GaussianBlur(values, (0, 0), 1.0)
    size = cv2.magnitude(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
    return size / max(float(size.max()), 1e-6)
