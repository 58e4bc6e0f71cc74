"""Closed lines one pixel wide, anti-aliased and never broken, and the coverage of outlines that are drawn with them.

An edge covers the two pixels beside each of its crossings of a column of pixel centres (a row, where it is steep), each
by one minus the distance along the column (Wu, "An efficient antialiasing technique", SIGGRAPH 1991). Between its ends
and its first and last crossing of a column it may cross a row; these crossings count, too. So any two crossings that
follow one another lie on the same square between four pixel centres, and the pixels that are covered to at least a half
hang together all the way round, however short the edges are.
"""

from __future__ import annotations

import numpy as np

from kizu.core.jit import jit
from kizu.synth.formula.raster import Cover, _fill, box_of


def outlined(rings: list[np.ndarray], size: tuple[int, int]) -> Cover:
    """Coverage of what lies between rings (P, 2) or inside a single one, together with their one-pixel lines.

    The first ring is the outer one; a second one of the same sense is a hole, whose line still belongs to the shape.

    Args:
        size: (H, W) of the frame; what lies outside is cut off.
    """
    if len(rings) == 1:
        points, starts = np.ascontiguousarray(rings[0]), np.array([0, len(rings[0])])
    else:
        points = np.concatenate([rings[0], *(ring[::-1] for ring in rings[1:])])
        starts = np.cumsum([0, *map(len, rings)])
    x0, y0, x1, y1, truncated = _box(points, size)
    alpha = np.empty((y1 - y0, x1 - x0), np.float32)
    if alpha.size:
        _outlined(points, starts, x0, y0, alpha)
    return Cover(x0, y0, alpha, truncated)


def traced(figure: np.ndarray, size: tuple[int, int]) -> Cover:
    """Coverage of the one-pixel lines of polygons float64 (N, n, 2): each pixel's largest."""
    x0, y0, x1, y1, truncated = _box(figure.reshape(-1, 2), size)
    alpha = np.zeros((y1 - y0, x1 - x0), np.float32)
    if alpha.size:
        _traced(figure, x0, y0, alpha)
    return Cover(x0, y0, alpha, truncated)


def _box(points: np.ndarray, size: tuple[int, int]) -> tuple[int, int, int, int, bool]:
    """Box XYXY of points (P, 2) and of the lines through them, cut to the frame, and whether anything was cut off."""
    x0, y0, x1, y1 = _bounds(points)
    truncated = x0 < 0 or y0 < 0 or x1 > size[1] or y1 > size[0]
    return *box_of((x0 - 1, y0 - 1, x1 + 1, y1 + 1), size), truncated


@jit
def _bounds(points):
    x0, y0, x1, y1 = points[0, 0], points[0, 1], points[0, 0], points[0, 1]
    for k in range(len(points)):
        x0, x1 = min(x0, points[k, 0]), max(x1, points[k, 0])
        y0, y1 = min(y0, points[k, 1]), max(y1, points[k, 1])
    return x0, y0, x1, y1


@jit
def _traced(figure, left, top, alpha):
    flat, touched = alpha.reshape(-1), np.empty(1, np.int32)
    for p in range(len(figure)):
        _trace(figure[p], left, top, flat, alpha.shape[1], touched)


@jit
def _outlined(points, starts, left, top, alpha):
    _fill(points, starts, left, top, alpha)
    touched = np.empty(1, np.int32)
    for r in range(len(starts) - 1):
        _trace(points[starts[r] : starts[r + 1]], left, top, alpha.reshape(-1), alpha.shape[1], touched)


def room(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Working memory of :func:`draw` for frames of (H, W); it is as new after each use, and dear to get."""
    # One more in the list: the place after the last is written before it counts.
    return np.zeros(size[0] * size[1], np.float32), np.empty(size[0] * size[1] + 1, np.int32)


@jit
def draw(figure, greys, left, top, shade, body, most, room):
    """Draw polygons one on top of the other, each ending where the body that they lie on ends.

    Args:
        figure: float64 (N, n, 2), closed polygons, the topmost last.
        greys: float32 (N,).
        left, top: corner of the box in the frame.
        shade: float32 (h, w), the colour of the body; a line takes the share of it that it covers of the body.
        body: float32 (h, w), coverage of the body.
        most: float32 (h, w), raised to the largest coverage by a line; or (0, 0), where nobody wants to know.
        room: of :func:`room`, for the frame or for the box.
    """
    scratch, touched = room[0][: shade.size], room[1]
    shades, bodies, largest = shade.reshape(-1), body.reshape(-1), most.reshape(-1)
    one = np.float32(1.0)
    for p in range(len(figure)):
        grey = greys[p]
        for k in range(_trace(figure[p], left, top, scratch, shade.shape[1], touched)):
            place = np.uint64(touched[k])
            a, whole = scratch[place], bodies[place]
            scratch[place] = 0
            if len(largest):
                largest[place] = max(largest[place], a)
            if whole < one:
                a = min(a / whole, one) if whole > 0 else np.float32(0.0)
            shades[place] += a * (grey - shades[place])


@jit
def _trace(ring, left, top, out, width, touched):
    """Raise the coverage in ``out`` (h * w) to that of one closed line.

    Returns:
        how many pixels were zero before; ``touched``, which has room for one more than there are, begins with them
        (0, and nothing is listed, where it has room for one only).
    """
    # Written out thrice: as a function of its own the few steps for a pixel take several times as long. Places are
    # unsigned, so that no look from the end of the array is compiled in; and nobody could foretell branches here.
    height, listed = len(out) // width, len(touched) > 1
    one = np.float32(1.0)
    count = 0
    ax, ay = ring[-1, 0] - left - 0.5, ring[-1, 1] - top - 0.5
    for k in range(len(ring)):
        bx, by = ring[k, 0] - left - 0.5, ring[k, 1] - top - 0.5
        dx, dy = bx - ax, by - ay
        if max(ax, bx) > -1 and max(ay, by) > -1 and min(ax, bx) < width and min(ay, by) < height:
            # Along u, the direction in which the edge is longer, and across it, v.
            if abs(dx) >= abs(dy):
                u0, v0, u1, du, dv, steps, reach, stride_u, stride_v = ax, ay, bx, dx, dy, width, height, 1, width
            else:
                u0, v0, u1, du, dv, steps, reach, stride_u, stride_v = ay, ax, by, dy, dx, height, width, width, 1
            if du != 0:
                slope = dv / du
                low_u, high_u = int(np.ceil(min(u0, u1))), int(np.floor(max(u0, u1)))
                for u in range(max(low_u, 0), min(high_u, steps - 1) + 1):
                    v = v0 + (u - u0) * slope
                    low = int(np.floor(v))
                    far = np.float32(v - low)
                    if 0 <= low < reach:
                        place = np.uint64(u * stride_u + low * stride_v)
                        before = out[place]
                        touched[np.uint64(count)] = place
                        count += listed & (before == 0) & (one - far > 0)
                        out[place] = one - far if one - far > before else before
                    if -1 <= low < reach - 1:
                        place = np.uint64(u * stride_u + (low + 1) * stride_v)
                        before = out[place]
                        touched[np.uint64(count)] = place
                        count += listed & (before == 0) & (far > 0)
                        out[place] = far if far > before else before
                low_v, high_v = int(np.ceil(min(v0, v0 + dv))), int(np.floor(max(v0, v0 + dv)))
                for end in range(min(high_v - low_v + 1, 2) if dv != 0 else 0):
                    v_at = high_v if end else low_v
                    at = u0 + (v_at - v0) / slope
                    if low_u <= at <= high_u or v_at < 0 or v_at >= reach:
                        continue
                    low = int(np.floor(at))
                    far = np.float32(at - low)
                    for side in range(2):
                        if 0 <= low + side < steps:
                            place = np.uint64((low + side) * stride_u + v_at * stride_v)
                            before, value = out[place], far if side else one - far
                            touched[np.uint64(count)] = place
                            count += listed & (before == 0) & (value > 0)
                            out[place] = value if value > before else before
        ax, ay = bx, by
    return count
