"""Compiled steps of painters of figures: polygons are moved, and drawn figures laid on the frame."""

from __future__ import annotations

import numpy as np

from kizu.core.jit import jit


@jit
def move(figure, x, y):
    """Move polygons (N, n, 2)."""
    for p in range(figure.shape[0]):
        for k in range(figure.shape[1]):
            figure[p, k, 0] += x
            figure[p, k, 1] += y


@jit
def bend(figure, factors):
    """Multiply the radius of each vertex around (0, 0) by a factor (n,), the same for all polygons."""
    for p in range(figure.shape[0]):
        for k in range(figure.shape[1]):
            figure[p, k, 0] *= factors[k]
            figure[p, k, 1] *= factors[k]


@jit
def turn(figure, along, across, cos, sin):
    """Scale x and y, then turn."""
    for p in range(figure.shape[0]):
        for k in range(figure.shape[1]):
            x, y = along * figure[p, k, 0], across * figure[p, k, 1]
            figure[p, k, 0], figure[p, k, 1] = cos * x - sin * y, sin * x + cos * y


@jit
def over(frame, x, y, shade, alpha):
    """Put colours float32 (h, w) of a coverage on a frame."""
    for i in range(alpha.shape[0]):
        row, above, share = frame[y + i][x : x + alpha.shape[1]], shade[i], alpha[i]
        for j in range(len(row)):
            row[j] += share[j] * (above[j] - row[j])


@jit
def under(frame, left, x, y, shade, alpha):
    """Put them underneath all that is there; ``left`` float32 (H, W) is the share that still comes from below."""
    for i in range(alpha.shape[0]):
        row, rest = frame[y + i][x : x + alpha.shape[1]], left[y + i][x : x + alpha.shape[1]]
        below, whole = shade[i], alpha[i]
        for j in range(len(row)):
            share = whole[j] * rest[j]
            row[j] += share * below[j]
            rest[j] -= share


@jit
def part(owner, x, y, lines, body):
    """Cut the coverage of lines to that of their body.

    Returns:
        pixels of the lines, and how many of them belong to nobody; the same for the body.
    """
    half = np.float32(0.5)
    line, free_line, area, free = 0, 0, 0, 0
    for i in range(body.shape[0]):
        row, here, whole = owner[y + i][x : x + body.shape[1]], lines[i], body[i]
        a, b, c, d = np.int32(0), np.int32(0), np.int32(0), np.int32(0)
        for j in range(len(row)):
            here[j] = here[j] if here[j] < whole[j] else whole[j]
            nobody, inside, on = row[j] == 0, whole[j] >= half, here[j] >= half
            a += np.int32(on)
            b += np.int32(on & nobody)
            c += np.int32(inside)
            d += np.int32(inside & nobody)
        line, free_line, area, free = line + a, free_line + b, area + c, free + d
    return line, free_line, area, free


@jit
def box_of(owner, value, x, y, height, width):
    """Inside a box of (height, width) at (x, y): the box XYXY of the pixels of one owner, one pixel wider."""
    value = np.int32(value)
    columns = np.zeros(width, np.int32)
    y0, y1 = height, 0
    for i in range(height):
        row = owner[y + i][x : x + width]
        found = np.int32(0)
        for j in range(width):
            hit = np.int32(row[j] == value)
            columns[j] |= hit
            found |= hit
        if found:
            y0, y1 = min(y0, i), i + 1
    seen = np.flatnonzero(columns)
    return max(seen[0] - 1, 0), max(y0 - 1, 0), min(seen[-1] + 2, width), min(y1 + 1, height)
