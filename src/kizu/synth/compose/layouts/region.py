"""``Region``: where things may be, and how a place is told relative to it."""

from __future__ import annotations

import cv2
import numpy as np

from kizu.core.errors import DataError
from kizu.synth.compose.visibility import Piece

_TRIES = 50


class Region:
    """The pixels of a part, and its box XYXY with exclusive ends.

    Raises:
        DataError: a part of another size than the frame, or without a pixel.
    """

    def __init__(self, part: np.ndarray, size: tuple[int, int]):
        if part.shape != tuple(size):
            raise DataError(f"the part is {part.shape}, the frame {tuple(size)}; give the part of this frame")
        self.part = np.ascontiguousarray(part, bool)
        self.full = bool(self.part.all())
        x, y, width, height = cv2.boundingRect(self.part.view(np.uint8))
        if not width:
            raise DataError("the part has no pixel, so nothing can be put on it; give another mask of the part")
        self.box = (x, y, x + width, y + height)

    @property
    def side(self) -> float:
        """Root of the area of the box, in px."""
        return float(np.sqrt((self.box[2] - self.box[0]) * (self.box[3] - self.box[1])))

    def at(self, u: float, v: float) -> tuple[float, float]:
        """The pixel coordinates of a place that is told as shares 0..1 of the box."""
        x0, y0, x1, y1 = self.box
        return x0 + u * (x1 - x0) - 0.5, y0 + v * (y1 - y0) - 0.5

    def anywhere(self, random: np.random.Generator) -> tuple[float, float]:
        """A place on the part, all alike, in pixel coordinates."""
        for u, v in random.random((_TRIES, 2)):
            x, y = self.at(u, v)
            if self.part[min(round(y), self.box[3] - 1), min(round(x), self.box[2] - 1)]:
                return x, y
        rows, columns = np.nonzero(self.part)  # a part that fills little of its box
        k = int(random.integers(len(rows)))
        x, y = random.uniform(-0.5, 0.5, 2)
        return columns[k] + x, rows[k] + y

    def share(self, piece: Piece) -> float:
        """Share of a thing's pixels that lie on the part; those outside the frame do not."""
        height, width = piece.mask.shape
        x0, y0, x1, y1 = self.box
        apart = piece.x >= x1 or piece.y >= y1 or piece.x + width <= x0 or piece.y + height <= y0
        if not piece.mask.size or apart:
            return 0.0
        if self.full:
            return np.count_nonzero(piece.mask) / piece.pixels
        here = self.part[piece.y : piece.y + height, piece.x : piece.x + width]
        return np.count_nonzero(piece.mask & here) / piece.pixels
