"""Kernels of ``Board``: lines with round ends and covers, checked against the nets that are there, and painted.

Each walks over the pixels that may lie within a reach of a segment: row by row, between the bounds of a band.
"""

from __future__ import annotations

import numpy as np

from kizu.core.jit import jit


@jit
def band(ax, ay, dx, dy, reach, y, width):
    """Columns [first, last) of a row that lie within ``reach`` of a segment's line and box; y of the pixels' middle."""
    low, high = min(ax, ax + dx) - reach, max(ax, ax + dx) + reach
    if abs(dy) > 1e-9:
        middle = ax + (y - ay) * dx / dy
        aside = reach * np.sqrt(dx * dx + dy * dy) / abs(dy)
        low, high = max(low, middle - aside), min(high, middle + aside)
    return max(int(np.floor(low - 0.5)), 0), min(int(np.ceil(high + 0.5)), width)


@jit
def segment(points, k):
    """Start (x, y), run (x, y) and the inverse of its squared length (0 for a point) of edge k."""
    ax, ay = points[k, 0], points[k, 1]
    dx, dy = points[k + 1, 0] - ax, points[k + 1, 1] - ay
    length = dx * dx + dy * dy
    return ax, ay, dx, dy, 0.0 if length == 0.0 else 1.0 / length


@jit
def square(x, y, dx, dy, inverse):
    """Squared distance from a segment; x and y from its start."""
    t = min(max((x * dx + y * dy) * inverse, 0.0), 1.0)
    x -= t * dx
    y -= t * dy
    return x * x + y * y


@jit
def outside(points, half, height, width):
    """Whether no part of a line lies in the frame."""
    left, top, right, bottom = np.inf, np.inf, -np.inf, -np.inf
    for k in range(len(points)):
        left, right = min(left, points[k, 0]), max(right, points[k, 0])
        top, bottom = min(top, points[k, 1]), max(bottom, points[k, 1])
    return right + half <= 0 or bottom + half <= 0 or left - half >= width or top - half >= height


@jit
def blocked(nets, roots, points, reach, net, other):
    """Whether a net, ``net`` and ``other`` excepted, holds a pixel within reach of a line."""
    height, width = nets.shape
    for k in range(len(points) - 1):
        ax, ay, dx, dy, inverse = segment(points, k)
        low, high = min(ay, ay + dy) - reach, max(ay, ay + dy) + reach
        for i in range(max(int(low), 0), min(int(high) + 1, height)):
            first, last = band(ax, ay, dx, dy, reach, i + 0.5, width)
            for j in range(first, last):
                held = nets[i, j]
                if held != 0:
                    held = roots[held]
                    foreign = held != net and held != other
                    if foreign and square(j + 0.5 - ax, i + 0.5 - ay, dx, dy, inverse) < reach * reach:
                        return True
    return False


@jit
def reaches_in(height, width, points, half, least):
    """Whether ``least`` pixels of a line lie inside the frame (those of its joints count more than once)."""
    count = 0
    for k in range(len(points) - 1):
        ax, ay, dx, dy, inverse = segment(points, k)
        low, high = min(ay, ay + dy) - half, max(ay, ay + dy) + half
        for i in range(max(int(low), 0), min(int(high) + 1, height)):
            first, last = band(ax, ay, dx, dy, half, i + 0.5, width)
            for j in range(first, last):
                if square(j + 0.5 - ax, i + 0.5 - ay, dx, dy, inverse) <= half * half:
                    count += 1
                    if count >= least:
                        return True
    return False


@jit
def paint_line(field, nets, points, half, net):
    """The larger of a field and the coverage of a line, by distance; the net gets the pixels covered to a half.

    ``net`` 0: coverage alone.
    """
    height, width = field.shape
    reach = half + 0.5
    for k in range(len(points) - 1):
        ax, ay, dx, dy, inverse = segment(points, k)
        low, high = min(ay, ay + dy) - reach, max(ay, ay + dy) + reach
        for i in range(max(int(low), 0), min(int(high) + 1, height)):
            first, last = band(ax, ay, dx, dy, reach, i + 0.5, width)
            for j in range(first, last):
                far = square(j + 0.5 - ax, i + 0.5 - ay, dx, dy, inverse)
                if far >= reach * reach:
                    continue
                alpha = 1.0 if reach >= 1.0 and far <= (reach - 1.0) ** 2 else reach - np.sqrt(far)
                if alpha > field[i, j]:
                    field[i, j] = alpha
                if net != 0 and far <= half * half:
                    nets[i, j] = net


@jit
def thin(points, step):
    """A line without the vertices that are nearer than a step to the one before."""
    out = np.empty_like(points)
    out[0] = points[0]
    count = 1
    for k in range(1, len(points)):
        dx, dy = points[k, 0] - out[count - 1, 0], points[k, 1] - out[count - 1, 1]
        if dx * dx + dy * dy >= step * step or k == len(points) - 1:
            out[count] = points[k]
            count += 1
    return out[:count]


@jit
def free_pixels(nets, roots, alpha, net):
    """Pixels that a cover would take; 0 where it touches another net."""
    count = 0
    for i in range(alpha.shape[0]):
        for j in range(alpha.shape[1]):
            if alpha[i, j] > 0 and nets[i, j] != 0 and roots[nets[i, j]] != net:
                return 0
            count += alpha[i, j] >= 0.5
    return count


@jit
def paint_cover(field, nets, alpha, net):
    """As :func:`paint_line`, of coverage."""
    for i in range(alpha.shape[0]):
        for j in range(alpha.shape[1]):
            if alpha[i, j] > field[i, j]:
                field[i, j] = alpha[i, j]
            if net != 0 and alpha[i, j] >= 0.5:
                nets[i, j] = net


@jit
def take_off(copper, silk, drills, opening):
    """Holes have no copper; holes and open copper have no print."""
    one = np.float32(1.0)
    for i in range(copper.shape[0]):
        for j in range(copper.shape[1]):
            left = one - drills[i, j]
            copper[i, j] = min(copper[i, j], left)
            silk[i, j] = min(silk[i, j], left, one - opening[i, j])
