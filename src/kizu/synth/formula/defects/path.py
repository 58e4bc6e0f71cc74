"""Strokes of defects and what lies across them: many lines as one stroke, profiles looked up by distance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kizu.core.jit import jit
from kizu.synth.formula.raster import Cover, Stroke, stroke

_HIDDEN = -1e4  # half a width that no pixel is near to
_ENTRIES = 257  # of the table of a profile


def sweep(
    centre: np.ndarray, length: float, heading: float, random: np.random.Generator, wander: float = 0.1,
    bend: float = 0.0, step: float = 6.0,
) -> np.ndarray:  # fmt: skip
    """A smooth stroke through a point, float64 (P, 2), evenly spaced: an arc whose direction wanders a little.

    Args:
        centre: (2,), its middle.
        heading: mean direction, radians.
        wander: deviation of the direction from the arc's, radians.
        bend: by how much it turns from end to end, radians.
        step: pixels from vertex to vertex, about.
    """
    count = int(np.clip(length / step, 4, 400))
    knots = random.standard_normal(min(count, 7))
    turns = np.interp(np.linspace(0, len(knots) - 1, count), np.arange(len(knots)), knots)
    angles = heading + wander * turns + bend * np.linspace(-0.5, 0.5, count)
    steps = length / count * np.stack([np.cos(angles), np.sin(angles)], 1)
    points = np.concatenate([np.zeros((1, 2)), np.cumsum(steps, 0)])
    return points + (centre - points[len(points) // 2])


def fibres(
    starts: np.ndarray, lengths: np.ndarray, headings: np.ndarray, half: np.ndarray, random: np.random.Generator,
    curl: float, pieces: int = 6,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Many short curved lines as one polyline for ``drawn``.

    Args:
        starts: float (N, 2), where they begin.
        lengths, headings, half: (N,), pixels, radians, half the width in pixels.
        curl: deviation of the angle by which they turn from end to end, radians.
        pieces: straight pieces of each.

    Returns:
        points (N * (pieces + 3), 2) and half widths, hidden between the lines.
    """
    count = len(starts)
    bends = curl * random.standard_normal((count, 1)) * np.linspace(0, 1, pieces)
    angles = headings[:, None] + bends + 0.25 * curl * random.standard_normal((count, pieces))
    steps = (lengths / pieces)[:, None, None] * np.stack([np.cos(angles), np.sin(angles)], 2)
    points = np.empty((count, pieces + 3, 2))
    points[:, :2] = starts[:, None]
    points[:, 2:-1] = starts[:, None] + np.cumsum(steps, 1)
    points[:, -1] = points[:, -2]
    widths = np.repeat(half[:, None], pieces + 3, 1)
    widths[:, 0] = widths[:, -1] = _HIDDEN
    return points.reshape(-1, 2), widths.reshape(-1)


def together(paths: Sequence[np.ndarray], halves: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Several lines as one polyline for ``drawn``: unseen pieces lead from one to the next.

    Args:
        paths: float (P, 2) each.
        halves: (P,) each, half the width.
    """
    points, half = [paths[0]], [halves[0]]
    for k in range(1, len(paths)):
        points += [paths[k - 1][-1:], paths[k][:1], paths[k]]
        half += [[_HIDDEN], [_HIDDEN], halves[k]]
    return np.concatenate(points), np.concatenate(half)


@dataclass
class Line:
    """A stroke on the frame.

    Attributes:
        stroke: distances.
        cover: its coverage.
        half: mean half width, pixels.
    """

    stroke: Stroke
    cover: Cover
    half: float

    def across(
        self, profile: Callable[[np.ndarray], np.ndarray], span: float, weights: np.ndarray | None = None,
        scale: float = 1.0, base: float = 0.0,
    ) -> np.ndarray:  # fmt: skip
        """Values that a profile has across the line, float32 (h, w): ``base + scale * profile``.

        Args:
            profile: values at distances from the centre line in units of half the width, from -span to span; it is 0
                beyond. Each pixel gets the mean over its breadth.
            weights: (P,), factors along the line, evenly spaced by vertices.
        """
        values = profile(np.linspace(-span, span, _ENTRIES))
        # Lines are often thinner than a pixel is wide: without the mean over the pixel they would be dotted.
        breadth = round((_ENTRIES - 1) / (2 * span * max(self.half, 0.05))) | 1
        if breadth > 1:
            reach = breadth // 2
            sums = np.zeros(_ENTRIES + breadth)
            sums[reach + 1 : reach + 1 + _ENTRIES] = np.cumsum(values)
            sums[reach + 1 + _ENTRIES :] = sums[reach + _ENTRIES]
            values = (sums[breadth:] - sums[:-breadth]) / breadth
        out = np.empty(self.stroke.across.shape, np.float32)
        weights = np.ones(2) if weights is None else weights
        _across(
            self.stroke.across, self.stroke.half, self.stroke.along, (scale * values).astype(np.float32),
            np.float32(span), np.ascontiguousarray(weights, np.float32), np.float32(base), out,
        )  # fmt: skip
        return out


def drawn(points: np.ndarray, half: np.ndarray, size: tuple[int, int], reach: float, share: float = 1.0) -> Line | None:
    """A polyline on a frame (H, W), or None where nothing of it would be labelled there.

    Args:
        points: float (P, 2).
        half: (P,), half the width at each.
        reach: pixels wanted beyond its edge.
        share: of the width that is labelled.
    """
    line = stroke(points, half, size, reach)
    alpha = np.empty(line.across.shape, np.float32)
    if not alpha.size or not _coverage(line.across, line.half, np.float32(share), alpha):
        return None
    return Line(line, Cover(line.x, line.y, alpha, line.truncated), float(half[half > 0].mean()))


@jit
def _coverage(across, half, share, out):
    seen = 0
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            far, own = abs(across[i, j]), share * half[i, j]
            value = np.float32(0.0)
            if far < own + np.float32(0.5):
                value = min(own, far + np.float32(0.5)) - max(-own, far - np.float32(0.5))
                value = min(max(value, np.float32(0.0)), np.float32(1.0))
                if value >= np.float32(0.5):
                    seen += 1
            out[i, j] = value
    return seen


@jit
def _across(across, half, along, table, span, weights, base, out):
    scale = np.float32((len(table) - 1) / 2) / span
    last = np.float32(len(weights) - 1)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = base
            own = half[i, j]
            if own <= 0 or not abs(across[i, j]) < span * own:
                continue
            place = (across[i, j] / own + span) * scale
            k = min(int(place), len(table) - 2)
            value = table[k] + (place - np.float32(k)) * (table[k + 1] - table[k])
            place = along[i, j] * last
            k = min(int(place), len(weights) - 2)
            out[i, j] = base + value * (weights[k] + (place - np.float32(k)) * (weights[k + 1] - weights[k]))
