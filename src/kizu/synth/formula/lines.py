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


def outlined(rings: list[np.ndarray], size: tuple[int, int], memory: np.ndarray | None = None) -> Cover:
    """Coverage of what lies between rings (P, 2) or inside a single one, together with their one-pixel lines.

    The first ring is the outer one; a second one of the same sense is a hole, whose line still belongs to the shape.

    Args:
        size: (H, W) of the frame; what lies outside is cut off.
        memory: float32 (H * W), taken for the coverage instead of new memory.
    """
    if len(rings) == 1:
        points, starts = np.ascontiguousarray(rings[0]), np.array([0, len(rings[0])])
    else:
        points = np.concatenate([rings[0], *(ring[::-1] for ring in rings[1:])])
        starts = np.cumsum([0, *map(len, rings)])
    x0, y0, x1, y1, truncated = _box(points, size)
    pixels = (y1 - y0) * (x1 - x0)
    alpha = (np.empty(pixels, np.float32) if memory is None else memory[:pixels]).reshape(y1 - y0, x1 - x0)
    if pixels:
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
    places, values = _lists(alpha.size)
    for p in range(len(figure)):
        places, values = _raise(figure[p], left, top, alpha, places, values)


@jit
def _outlined(points, starts, left, top, alpha):
    _fill(points, starts, left, top, alpha)
    places, values = _lists(alpha.size)
    for r in range(len(starts) - 1):
        places, values = _raise(points[starts[r] : starts[r + 1]], left, top, alpha, places, values)


@jit
def _raise(ring, left, top, alpha, places, values):
    """Raise coverage to that of one closed line."""
    flat = alpha.reshape(-1)
    count, places, values = _line(ring, left, top, alpha.shape[1], alpha.shape[0], places, values)
    for k in range(count):
        place = np.uint64(places[k])
        flat[place] = values[k] if values[k] > flat[place] else flat[place]
    return places, values


def room(size: tuple[int, int]) -> np.ndarray:
    """Working memory of :func:`draw` for frames of (H, W); it is as new after each use, and dear to get."""
    return np.zeros(size[0] * size[1], np.float32)


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
    height, width = shade.shape
    shades, bodies, largest = shade.reshape(-1), body.reshape(-1), most.reshape(-1)
    zero, one = np.float32(0.0), np.float32(1.0)
    places, values = _lists(shade.size)
    for p in range(len(figure)):
        grey = greys[p]
        count, places, values = _line(figure[p], left, top, width, height, places, values)
        # Places are unsigned, so that no look from the end of an array is compiled in; and selections, not branches,
        # which nobody could foretell.
        for k in range(count):
            place = np.uint64(places[k])
            room[place] = values[k] if values[k] > room[place] else room[place]
        for k in range(count):  # a pixel that is listed again finds nothing left
            place = np.uint64(places[k])
            a, whole = room[place], bodies[place]
            room[place] = zero
            if len(largest):
                largest[place] = a if a > largest[place] else largest[place]
            if whole < one:
                a = min(a / whole, one) if whole > zero else zero
            shades[place] += a * (grey - shades[place])


@jit
def _lists(pixels):
    """Room for the pixels of a line; it grows where that is too little."""
    return np.empty(min(pixels, 4096), np.int32), np.empty(min(pixels, 4096), np.float32)


@jit
def _line(ring, left, top, width, height, places, values):
    """List the pixels of a closed line in a box, and their coverage; some come repeatedly.

    Returns:
        how many there are, and the lists, which may be longer ones than before.
    """
    edge, count = _trace(ring, 0, 0, left, top, width, height, places, values)
    while edge < len(ring):
        size = 2 * len(places) + 2 * max(width, height) + 8
        more, larger = np.empty(size, np.int32), np.empty(size, np.float32)
        more[:count], larger[:count] = places[:count], values[:count]
        places, values = more, larger
        edge, count = _trace(ring, edge, count, left, top, width, height, places, values)
    return count, places, values


@jit
def _trace(ring, edge, count, left, top, width, height, places, values):
    """Go on with a list from an edge on, while there is room; returns the next edge, and how many are listed."""
    # A list, and loops over it elsewhere: a function for each pixel would take several times as long as what it does.
    # Outside the box a place is listed, too, but does not count; as unsigned numbers, those below 0 are too large.
    one = np.float32(1.0)
    most = len(places) - 2 * max(width, height) - 8  # an edge has no more than that, and a place beyond its last
    ax, ay = ring[edge - 1, 0] - left - 0.5, ring[edge - 1, 1] - top - 0.5
    while edge < len(ring) and count <= most:
        bx, by = ring[edge, 0] - left - 0.5, ring[edge, 1] - top - 0.5
        if max(ax, bx) > -1 and max(ay, by) > -1 and min(ax, bx) < width and min(ay, by) < height:
            # Along u, the direction in which the edge is longer, from its lower end, and across it, v.
            steep = abs(by - ay) > abs(bx - ax)
            steps, reach = (height, width) if steep else (width, height)
            stride_u, stride_v = (width, 1) if steep else (1, width)
            start_u, start_v = (ay, ax) if steep else (ax, ay)
            stop_u, stop_v = (by, bx) if steep else (bx, by)
            back = stop_u < start_u
            u0, u1 = (stop_u, start_u) if back else (start_u, stop_u)
            v0, v1 = (stop_v, start_v) if back else (start_v, stop_v)
            if u1 > u0:
                slope = (v1 - v0) / (u1 - u0)
                low_u, high_u = int(np.ceil(u0)), int(np.floor(u1))
                row0, row1 = int(np.floor(v0)), int(np.floor(v1))
                first, last = row1, row1
                if low_u <= high_u:
                    first = int(np.floor(v0 + (low_u - u0) * slope))
                    last = int(np.floor(v0 + (high_u - u0) * slope))
                low_u, high_u = max(low_u, 0), min(high_u, steps - 1)
                # The rest in whole numbers of 2 ** -32 pixels.
                at, step = int((v0 + (low_u - u0) * slope) * 4294967296.0), int(slope * 4294967296.0)
                for u in range(low_u, high_u + 1):
                    v = at >> 32
                    far = np.float32(at & 0xFFFFFFFF) * np.float32(2.0**-32)
                    at += step
                    place = u * stride_u + v * stride_v
                    n = np.uint64(count)
                    places[n], values[n] = place, one - far
                    count += np.uint64(v) < np.uint64(reach)
                    n = np.uint64(count)
                    places[n], values[n] = place + stride_v, far
                    count += np.uint64(v + 1) < np.uint64(reach)
                # Where it crosses a row between an end and the crossing next to it.
                for end in range(2):
                    here, there = (last, row1) if end else (row0, first)
                    v = max(here, there)
                    if here != there and 0 <= v < reach:
                        across = u0 + (v - v0) / slope
                        u = int(np.floor(across))
                        far = np.float32(across - u)
                        place = u * stride_u + v * stride_v
                        places[count], values[count] = place, one - far
                        count += np.uint64(u) < np.uint64(steps)
                        places[count], values[count] = place + stride_u, far
                        count += np.uint64(u + 1) < np.uint64(steps)
        ax, ay = bx, by
        edge += 1
    return edge, count
