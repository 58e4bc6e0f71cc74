"""Centre lines and their widths: walks, arcs, splines, bundles, gaps, cracks; and ribbons, their outlines.

A line is float64 (P, 2), x and y in pixels; half widths are (P,), pixels; angles are radians from x towards y.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kizu.synth.formula.outline import Outline

Line = tuple[np.ndarray, np.ndarray]  # points (P, 2), half widths (P,)


def walk(
    start: Sequence[float], heading: float, length: float, random: np.random.Generator,
    step: float = 4.0, turn: float = 0.15, pull: float = 0.05,
) -> np.ndarray:  # fmt: skip
    """A smooth random walk (P, 2): at each step the heading changes by normal noise and is pulled back to the first.

    Args:
        heading: radians, the direction that it starts in and keeps on the whole.
        turn: standard deviation of the change of heading a step, radians.
        pull: share by which a step brings the heading back; 0: it may wander anywhere.
    """
    count = max(round(length / step), 1)
    noise = random.normal(0, turn, count)
    headings = np.empty(count)
    now = 0.0
    for k in range(count):
        headings[k] = now
        now = now * (1 - pull) + noise[k]
    headings += heading
    steps = (length / count) * np.stack([np.cos(headings), np.sin(headings)], 1)
    return np.concatenate([[start], start + np.cumsum(steps, 0)]).astype(np.float64)


def arc(centre: Sequence[float], radius: float, start: float, sweep: float, tolerance: float = 0.02) -> np.ndarray:
    """An arc (P, 2), both ends included; no chord is further than ``tolerance`` pixels from it."""
    angles = start + np.linspace(0, sweep, arc_steps(radius, sweep, tolerance) + 1)
    return np.asarray(centre, np.float64) + radius * np.stack([np.cos(angles), np.sin(angles)], 1)


def arc_steps(radius: float, sweep: float, tolerance: float = 0.02) -> int:
    """Chords that keep an arc to ``tolerance`` pixels: the sagitta of one is radius * (1 - cos(angle / 2))."""
    most = 2 * np.arccos(max(1 - tolerance / max(radius, tolerance), -1.0))
    return max(int(np.ceil(abs(sweep) / most)), 2)


def spline(knots: np.ndarray, step: float = 2.0, closed: bool = False) -> np.ndarray:
    """A Catmull-Rom spline through ``knots`` (K, 2), K >= 2, with vertices evenly ``step`` pixels apart.

    ``closed``: it comes back to the first knot, which is not repeated.
    """
    knots = np.asarray(knots, np.float64)
    if closed:
        around = np.concatenate([knots[-1:], knots, knots[:2]])
    else:
        around = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    a, b, c, d = around[:-3], around[1:-2], around[2:-1], around[3:]
    pieces = int(np.clip(np.hypot(*(c - b).T).max() / step * 2, 4, 256))
    t = (np.arange(pieces) / pieces)[None, :, None]
    a, b, c, d = (v[:, None] for v in (a, b, c, d))
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    curve = curve.reshape(-1, 2)
    curve = np.concatenate([curve, knots[:1] if closed else knots[-1:]])
    even = resample(curve, step)
    return even[:-1] if closed else even


def resample(points: np.ndarray, step: float) -> np.ndarray:
    """The line with vertices evenly apart, about ``step`` pixels; its ends stay."""
    points = np.asarray(points, np.float64)
    place = places(points)
    count = max(round(float(place[-1]) / step), 1)
    even = np.linspace(0, place[-1], count + 1)
    return np.stack([np.interp(even, place, points[:, 0]), np.interp(even, place, points[:, 1])], 1)


def places(points: np.ndarray) -> np.ndarray:
    """Distance of each vertex from the start, along the line: (P,)."""
    steps = np.diff(points, axis=0)
    return np.concatenate([[0.0], np.cumsum(np.hypot(steps[:, 0], steps[:, 1]))])


def normals(points: np.ndarray) -> np.ndarray:
    """Unit normals (P, 2) at the vertices, to the right of the run on the screen (y down)."""
    tangents = np.gradient(points, axis=0)
    tangents /= np.maximum(np.hypot(tangents[:, 0], tangents[:, 1]), 1e-12)[:, None]
    return np.stack([-tangents[:, 1], tangents[:, 0]], 1)


def offset(points: np.ndarray, distance: np.ndarray | float) -> np.ndarray:
    """The line moved sideways along its normals, by one distance or one a vertex."""
    return points + np.broadcast_to(distance, (len(points),))[:, None] * normals(points)


def taper(count: int, head: float = 0.2, tail: float = 0.4, blunt: float = 0.0) -> np.ndarray:
    """A width profile (count,): 1 in the middle, running out to ``blunt`` over the shares ``head`` and ``tail``.

    The ends are parabolic, 1 - (1 - t)^2, as a tool leaves them that goes in and out evenly.
    """
    t = np.linspace(0, 1, count)
    rise = np.clip(np.minimum(t / max(head, 1e-9), (1 - t) / max(tail, 1e-9)), 0, 1)
    return blunt + (1 - blunt) * (1 - (1 - rise) ** 2)


def bundle(points: np.ndarray, count: int, spacing: float, random: np.random.Generator) -> list[np.ndarray]:
    """``count`` lines beside one another, about ``spacing`` pixels apart, each beginning and ending elsewhere."""
    out = []
    for k in range(count):
        aside = (k - (count - 1) / 2) * spacing + random.normal(0, 0.25 * spacing)
        first, last = random.uniform(0, 0.35, 2)
        low, high = int(first * (len(points) - 1)), int(np.ceil((1 - last) * (len(points) - 1)))
        if high - low < 1:
            low, high = 0, len(points) - 1
        out.append(offset(points, aside)[low : high + 1])
    return out


def gaps(line: Line, count: int, share: float, random: np.random.Generator) -> list[Line]:
    """A line with ``count`` gaps that take ``share`` of its length together; pieces of one vertex fall away."""
    points, half = line
    place = places(points) / max(places(points)[-1], 1e-12)
    cuts = np.sort(random.uniform(0, 1, count))
    kept = np.ones(len(points), bool)
    for cut in cuts:
        kept &= np.abs(place - cut) > 0.5 * share / max(count, 1)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], kept.astype(np.int8), [0]])))
    return [(points[a:b], half[a:b]) for a, b in edges.reshape(-1, 2) if b - a >= 2]


def cracks(
    start: Sequence[float], heading: float, length: float, half: float, random: np.random.Generator,
    step: float = 4.0, turn: float = 0.35, branching: float = 0.05, orders: int = 3, most: int = 24,
) -> list[Line]:  # fmt: skip
    """A branching crack: correlated walks that get thinner with each order and towards their tips.

    Args:
        length: pixels, of the main crack.
        half: half its width where it starts, pixels.
        turn: standard deviation of the heading's change a step, radians (0.17 to 0.6 are 10 to 35 degrees).
        branching: probability of a branch a step (0.02 to 0.1).
        orders: the main crack is of order 0; branches have orders below this.
        most: lines at the most.

    Returns:
        Main crack first; a branch begins on a vertex of a line before it.
    """
    out: list[Line] = []
    queue = [(np.asarray(start, np.float64), heading, length, half, 0)]
    while queue and len(out) < most:
        origin, angle, long, wide, order = queue.pop(0)
        points = walk(origin, angle, long, random, step, turn, 0.12)
        t = np.linspace(0, 1, len(points))
        widths = wide * (1 - 0.85 * t**1.5) * np.clip(random.normal(1, 0.15, len(points)), 0.5, 1.5)
        out.append((points, widths))
        if order + 1 >= orders:
            continue
        born = np.flatnonzero(random.uniform(0, 1, len(points) - 1) < branching)
        for k in born:
            ahead = np.arctan2(*(points[k + 1] - points[k])[::-1])
            side = random.choice((-1.0, 1.0)) * random.uniform(0.35, 1.1)
            rest = long * (1 - t[k]) * random.uniform(0.3, 0.8)
            # A branch carries part of the opening on (Strahler: order by order, narrower).
            if rest > 2 * step:
                queue.append((points[k], ahead + side, rest, widths[k] * random.uniform(0.45, 0.75), order + 1))
    return out


def ribbon(points: np.ndarray, half: np.ndarray | float, cap: bool = True) -> Outline:
    """The outline of a line with a width: wires, cables, hoses.

    Args:
        points: (P, 2), P >= 2; vertices no further apart than the bends need.
        half: half the width at each vertex, pixels. Bends tighter than this overlap themselves.
        cap: half discs at the ends (else they are cut straight).
    """
    points = np.asarray(points, np.float64)
    half = np.broadcast_to(np.asarray(half, np.float64), (len(points),))
    side = normals(points) * half[:, None]
    right, left = points + side, points - side
    if not cap:
        return Outline(np.concatenate([right, left[::-1]]))
    tail, head = (_cap(points[-1], right[-1], half[-1]), _cap(points[0], left[0], half[0]))
    return Outline(np.concatenate([right, tail, left[::-1], head]))


def _cap(centre: np.ndarray, first: np.ndarray, radius: float) -> np.ndarray:
    """Vertices between the ends of a half disc that begins at ``first`` and turns against the screen's clock."""
    begin = np.arctan2(first[1] - centre[1], first[0] - centre[0])
    return arc(centre, radius, begin, -np.pi)[1:-1]
