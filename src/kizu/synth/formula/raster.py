"""From float geometry to coverage: how much of each pixel a shape covers. Masks are coverage of at least a half."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kizu.core.jit import jit
from kizu.synth.formula.outline import Outline


@dataclass
class Cover:
    """Coverage of the pixels inside a box of the frame.

    Attributes:
        x, y: corner of the box in the frame.
        alpha: float32 (h, w), the share of each pixel that is covered, 0..1.
        truncated: the shape goes on outside the frame.
    """

    x: int
    y: int
    alpha: np.ndarray
    truncated: bool = False

    @property
    def mask(self) -> np.ndarray:
        """bool (h, w): covered to at least a half."""
        return self.alpha >= 0.5

    @property
    def slices(self) -> tuple[slice, slice]:
        """The box as slices (rows, columns) of the frame."""
        return slice(self.y, self.y + self.alpha.shape[0]), slice(self.x, self.x + self.alpha.shape[1])

    def meets(self, other: Cover) -> bool:
        """Whether the boxes share a pixel."""
        (rows, columns), (others, across) = self.slices, other.slices
        return (
            rows.start < others.stop and others.start < rows.stop
            and columns.start < across.stop and across.start < columns.stop
        )  # fmt: skip

    def within(self, parent: Cover) -> Cover:
        """The part of this shape that lies in another: the smaller coverage, on the box that both share."""
        x0, y0 = max(self.x, parent.x), max(self.y, parent.y)
        x1 = max(min(self.x + self.alpha.shape[1], parent.x + parent.alpha.shape[1]), x0)
        y1 = max(min(self.y + self.alpha.shape[0], parent.y + parent.alpha.shape[0]), y0)
        own = self.alpha[y0 - self.y : y1 - self.y, x0 - self.x : x1 - self.x]
        other = parent.alpha[y0 - parent.y : y1 - parent.y, x0 - parent.x : x1 - parent.x]
        return Cover(x0, y0, np.minimum(own, other), self.truncated)

    @classmethod
    def of_frame(cls, field: np.ndarray) -> Cover:
        """From coverage (H, W) of a whole frame: cut to the box where there is any."""
        rows, columns = np.flatnonzero(field.any(1)), np.flatnonzero(field.any(0))
        if not len(rows):
            return cls(0, 0, np.zeros((0, 0), np.float32))
        y0, y1, x0, x1 = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
        return cls(int(x0), int(y0), np.ascontiguousarray(field[y0:y1, x0:x1], np.float32))


def box_of(bounds: Sequence[float] | np.ndarray, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Whole-pixel box XYXY that holds float bounds XYXY, cut to a frame (H, W); it may be empty."""
    height, width = size
    x0, y0, x1, y1 = (float(v) for v in bounds)
    left, top = min(max(math.floor(x0), 0), width), min(max(math.floor(y0), 0), height)
    return left, top, max(min(math.ceil(x1), width), left), max(min(math.ceil(y1), height), top)


def fill(outline: Outline, size: tuple[int, int]) -> Cover:
    """Coverage of an outline, exact for every pixel that no ring crosses more than once.

    The signed area to the right of each edge is added up along the rows (the method of font rasterizers; Levien,
    "Inside the fastest font renderer in the world", 2016).

    Args:
        size: (H, W) of the frame; what lies outside is cut off.
    """
    bounds = outline.bounds
    x0, y0, x1, y1 = box_of(bounds, size)
    truncated = bool(bounds[0] < 0 or bounds[1] < 0 or bounds[2] > size[1] or bounds[3] > size[0])
    alpha = np.zeros((y1 - y0, x1 - x0), np.float32)
    if alpha.size:
        _fill(outline.points, outline.starts, x0, y0, alpha)
    return Cover(x0, y0, alpha, truncated)


@jit
def _fill(points: np.ndarray, starts: np.ndarray, left: int, top: int, out: np.ndarray) -> None:
    height, width = out.shape
    out[:] = 0
    for r in range(len(starts) - 1):
        last = starts[r + 1] - 1
        for k in range(starts[r], starts[r + 1]):
            x0, y0 = points[last, 0] - left, points[last, 1] - top
            x1, y1 = points[k, 0] - left, points[k, 1] - top
            last = k
            if y0 == y1:
                continue
            sign = 1.0
            if y0 > y1:
                x0, y0, x1, y1 = x1, y1, x0, y0
                sign = -1.0
            if y1 <= 0 or y0 >= height:
                continue
            slope = (x1 - x0) / (y1 - y0)
            if y0 < 0:
                x0, y0 = x0 - y0 * slope, 0.0
            if y1 > height:
                x1, y1 = x1 - (y1 - height) * slope, float(height)
            # What lies left of the box covers whole rows of it, what lies right of it covers nothing: cut there.
            y = y0
            while y < y1:
                x = x0 + (y - y0) * slope
                stop = y1
                for side in (0.0, float(width)):
                    if slope != 0.0:
                        crossing = y0 + (side - x0) / slope
                        if y + 1e-9 < crossing < stop:
                            stop = crossing
                end = x0 + (stop - y0) * slope
                middle = 0.5 * (x + end)
                if middle <= 0.0:
                    _edge(out, 0.0, y, 0.0, stop, sign)
                elif middle < width:
                    _edge(out, min(max(x, 0.0), width), y, min(max(end, 0.0), width), stop, sign)
                y = stop
    for i in range(height):
        total, value = np.float32(0.0), np.float32(0.0)
        for j in range(width):
            # Away from the edges nothing changes, and nothing has to wait for the sum.
            if out[i, j] != 0:
                total += out[i, j]
                value = abs(total)
                # Rounding leaves traces in empty and in full pixels.
                value = np.float32(0.0 if value < 1e-4 else (1.0 if value > 0.9999 else value))
            out[i, j] = value


@jit
def _edge(sums: np.ndarray, x0: float, y0: float, x1: float, y1: float, sign: float) -> None:
    """Add the area to the right of an edge that runs down inside the box; ``sums`` holds differences along rows."""
    slope = (x1 - x0) / (y1 - y0)
    x = x0
    rows, edge = sums.shape[0], float(sums.shape[1])
    for i in range(int(y0), min(int(np.ceil(y1)), rows)):
        high, low = max(y0, float(i)), min(y1, float(i + 1))
        tall = low - high
        if tall <= 0:
            continue
        after = x + slope * tall
        left, right = min(x, after), min(max(x, after), edge)  # rounding may lead out of the box
        x = after
        column = int(left)
        last = int(np.ceil(right))
        if last <= column + 1:
            share = tall * (0.5 * (left + right) - column)
            if column < sums.shape[1]:
                sums[i, column] += sign * (tall - share)
            if column + 1 < sums.shape[1]:
                sums[i, column + 1] += sign * share
            continue
        # The edge crosses several pixels of this row: the area to its right grows with the square, then evenly.
        rate = tall / (right - left)
        before = 0.0
        for j in range(column, last):
            a, b = max(left, float(j)), min(right, float(j + 1))
            area = rate * (0.5 * ((a - left) + (b - left)) * (b - a) + (b - left) * (j + 1 - b))
            if j == column:
                area = rate * (b - a) * ((j + 1) - 0.5 * (a + b))
            sums[i, j] += sign * (area - before)
            before = area
        if last < sums.shape[1]:
            sums[i, last] += sign * (tall - before)


@dataclass
class Stroke:
    """Distances to a line inside a box of the frame.

    Attributes:
        x, y: corner of the box.
        across: float32 (h, w), distance to the centre line in pixels, positive on the left of its run; infinite
            beyond the reach.
        half: float32 (h, w), half the width of the line at the nearest point, in pixels.
        along: float32 (h, w), place of the nearest point, 0 at the start and 1 at the end (by vertex number).
        truncated: the line goes on outside the frame.
    """

    x: int
    y: int
    across: np.ndarray
    half: np.ndarray
    along: np.ndarray
    truncated: bool

    @property
    def cover(self) -> Cover:
        """Coverage of the line: the share of a pixel's breadth that lies within its width."""
        far = np.abs(self.across)
        inside = np.minimum(self.half, far + 0.5) - np.maximum(-self.half, far - 0.5)
        return Cover(self.x, self.y, np.clip(inside, 0, 1).astype(np.float32), self.truncated)


def stroke(points: np.ndarray, half: np.ndarray | float, size: tuple[int, int], reach: float = 1.0) -> Stroke:
    """The distance field of a polyline with a width that changes along it.

    Args:
        points: float (P, 2), P >= 2.
        half: (P,) or one number, half the width at each vertex, pixels.
        size: (H, W) of the frame.
        reach: pixels beyond the line's edge up to which distances are wanted.
    """
    points = np.ascontiguousarray(points, np.float64)
    half = np.ascontiguousarray(np.broadcast_to(np.asarray(half, np.float64), (len(points),)))
    margin = float(half.max()) + reach
    bounds = np.concatenate([points.min(0) - margin, points.max(0) + margin])
    x0, y0, x1, y1 = box_of(bounds, size)
    shape = (y1 - y0, x1 - x0)
    across = np.full(shape, np.inf, np.float32)
    width, along = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    edge = float(half.max())
    low, high = points.min(0) - edge, points.max(0) + edge
    truncated = bool(low.min() < 0 or high[0] > size[1] or high[1] > size[0])
    if across.size:
        _stroke(points, half, reach, x0, y0, across, width, along)
    return Stroke(x0, y0, across, width, along, truncated)


@jit
def _stroke(
    points: np.ndarray, half: np.ndarray, reach: float, left: int, top: int,
    across: np.ndarray, width: np.ndarray, along: np.ndarray,
) -> None:  # fmt: skip
    height, columns = across.shape
    count = len(points) - 1
    for k in range(count):
        ax, ay = points[k, 0] - left, points[k, 1] - top
        bx, by = points[k + 1, 0] - left, points[k + 1, 1] - top
        dx, dy = bx - ax, by - ay
        length = dx * dx + dy * dy
        margin = max(half[k], half[k + 1]) + reach
        for i in range(max(int(min(ay, by) - margin), 0), min(int(max(ay, by) + margin) + 1, height)):
            for j in range(max(int(min(ax, bx) - margin), 0), min(int(max(ax, bx) + margin) + 1, columns)):
                px, py = j + 0.5 - ax, i + 0.5 - ay
                t = 0.0 if length == 0 else min(max((px * dx + py * dy) / length, 0.0), 1.0)
                ex, ey = px - t * dx, py - t * dy
                far = np.sqrt(ex * ex + ey * ey)
                own = half[k] + t * (half[k + 1] - half[k])
                # The edge that is nearest counts, not the centre line, so that joints of unequal width close.
                if far <= own + reach and far - own < abs(across[i, j]) - width[i, j]:
                    across[i, j] = far if dx * ey - dy * ex <= 0 else -far
                    width[i, j] = own
                    along[i, j] = (k + t) / count
