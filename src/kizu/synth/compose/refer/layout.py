"""Where things are: zones, orders and relations of boxes and masks, each with the margin that makes it sure.

A coordinate is the middle of the box of the visible mask. ``H`` and ``W`` are the sides of the frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kizu.core.instances import Instances
from kizu.core.jit import jit
from kizu.synth.compose.refer.verdict import Verdict, pack, sets

ASIDE = 0.08  # of the frame's side, that left and right, above and below take at least
GAP = 0.05  # of the frame's side, between neighbours in an order
ZONE = 0.04  # of the frame's side, on each side of the border of a zone
WIDE = 0.45  # of the frame's side: what is longer lies in no one zone
LARGER = 1.5  # ratio of two areas
NEARER = 1.3  # ratio of two distances
COVER = 0.03  # of the smaller one's area, that an overlap takes at least,
COVER_PIXELS = 16  # and at least so many pixels
SEAM = 8  # pairs of neighbouring pixels, one of each of two things, at which it is seen that one covers the other
TOUCH = 2.0  # pixels between boxes that are surely apart


@dataclass(frozen=True)
class Order:
    """Who stands before whom, e.g. from the left: ``sure[i]`` are those surely before i, ``maybe[i]`` these and those
    that are too close to tell."""

    sure: list[int]
    maybe: list[int]


def order(before: np.ndarray, behind: np.ndarray) -> Order:
    """From bool (N, N): whether i is surely before j, and surely behind it; the rest is too close to tell."""
    before, behind = before & ~behind, behind & ~before  # two of no distance at all are before and behind one another
    maybe = ~behind.T
    np.fill_diagonal(maybe, False)
    return Order(sets(before.T), sets(maybe))


def orders(boxes: np.ndarray, areas: np.ndarray, whole: np.ndarray, size: tuple[int, int]) -> dict[str, Order]:
    """Orders by place and by size.

    Args:
        boxes: float64 (N, 4); areas: float64 (N,), pixels in sight; whole: float64 (N,), hidden ones included.
    """
    out = {}
    for axis, low, high in ((0, "left", "right"), (1, "top", "bottom")):
        start, end = boxes[:, axis], boxes[:, axis + 2]
        middle, gap = (start + end) / 2, GAP * size[1 - axis]
        far = middle[None] - middle[:, None] >= gap
        first = far & (start[:, None] <= start[None])
        last = far & (end[:, None] <= end[None])
        out[low], out[high] = order(first, first.T), order(last.T, last)
    larger = (areas[:, None] >= LARGER * areas[None]) & (whole[:, None] >= LARGER * whole[None])
    out["largest"], out["smallest"] = order(larger, larger.T), order(larger.T, larger)
    return out


def zones(boxes: np.ndarray, size: tuple[int, int]) -> dict[str, Verdict]:
    """Columns, rows, corners and the middle of a frame cut in three by three."""
    parts = {}
    for axis, names in ((0, ("left", "column", "right")), (1, ("top", "row", "bottom"))):
        start, end = boxes[:, axis] / size[1 - axis], boxes[:, axis + 2] / size[1 - axis]
        middle, short = (start + end) / 2, end - start <= WIDE
        for name, low, high in zip(names, (-1.0, 1 / 3, 2 / 3), (1 / 3, 2 / 3, 2.0), strict=True):
            yes = short & (middle >= low + ZONE) & (middle <= high - ZONE)
            near = (middle > low - ZONE) & (middle < high + ZONE)
            maybe = np.where(short, near, (start < high) & (end > low))
            parts[name] = yes, maybe
    named = {name: parts[name] for name in ("left", "right", "top", "bottom")}
    cells = [("middle", "row", "column")]
    cells += [(f"{row} {column}", row, column) for row in ("top", "bottom") for column in ("left", "right")]
    for name, row, column in cells:
        named[name] = parts[row][0] & parts[column][0], parts[row][1] & parts[column][1]
    packed = pack(np.stack([yes for yes, _ in named.values()]), np.stack([maybe for _, maybe in named.values()]))
    return dict(zip(named, packed, strict=True))


def sides(boxes: np.ndarray, size: tuple[int, int]) -> dict[str, list[Verdict]]:
    """Of each landmark: what is to the left of it, to the right, above and below.

    Sure: by ``ASIDE`` at least, within 45 degrees of that side, and each middle beyond the other's box. Sure not: not
    on that side, or twice as far aside.
    """
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    out = {}
    for axis, low, high in ((0, "left of", "right of"), (1, "above", "below")):
        along = middle[:, None, axis] - middle[None, :, axis]  # landmark - other
        across = np.abs(middle[:, None, 1 - axis] - middle[None, :, 1 - axis])
        clear = boxes[None, :, axis + 2] <= middle[:, None, axis]
        clear &= middle[None, :, axis] <= boxes[:, None, axis]
        yes = (along >= ASIDE * size[1 - axis]) & (across <= along) & clear
        maybe = (along > 0) & (across < 2 * along)
        out[low] = pack(yes, maybe)
        clear = middle[:, None, axis] <= boxes[None, :, axis]
        clear &= boxes[:, None, axis + 2] <= middle[None, :, axis]
        yes = (-along >= ASIDE * size[1 - axis]) & (across <= -along) & clear
        out[high] = pack(yes, (along < 0) & (across < -2 * along))
    return out


def covers(found: Instances, boxes: np.ndarray, visible: np.ndarray) -> dict[str, list[Verdict]]:
    """Of each landmark: what lies in front of it, behind it, overlaps it, and what is a part of it (``on``).

    From masks and amodal masks, painted in order; else from the attribute ``occluders``; else only what is surely
    apart is known.

    Args:
        visible: float64 (N,), share of each that is in sight.
    """
    count = len(found)
    gaps = np.maximum(boxes[:, None, :2] - boxes[None, :, 2:], boxes[None, :, :2] - boxes[:, None, 2:]).max(2)
    over = np.zeros((count, count), bool)  # i is in front of j, surely
    unseen = np.zeros((count, count), bool)  # it is, but where they meet one of them is not in sight
    if found.masks is not None and found.amodal is not None:
        shared = found.masks.intersection(found.amodal)
        smaller = np.minimum(found.amodal.area[:, None], found.amodal.area[None])
        over = np.tril(shared >= np.maximum(COVER_PIXELS, COVER * smaller), -1)
        if over.any():  # not where a third may lie between the two, or hide where they meet
            meet = found.amodal.intersection(found.amodal) > 0
            np.fill_diagonal(meet, False)
            above = meet & np.tri(count, k=-1, dtype=bool)
            over &= (meet.astype(np.float32) @ above.astype(np.float32)) == 0
            unseen = over & (_seams(found.masks.to_label_map(), count) < SEAM)
            over &= ~unseen
    elif "occluders" in found.attributes:
        for j, hiders in enumerate(found.attributes["occluders"].tolist()):
            if visible[j] <= 1 - COVER and isinstance(hiders, (list, tuple)):
                over[[i for i in hiders if type(i) is int and 0 <= i < count], j] = True
    close = (gaps < TOUCH) | unseen | unseen.T
    child = np.zeros((count, count), bool)  # i lies on j
    has = np.flatnonzero(found.parents >= 0)
    child[has, found.parents[has]] = True
    over &= ~(child | child.T)
    later = np.tri(count, k=-1, dtype=bool)  # only what is painted later can be in front
    return {
        "in front of": pack(over.T, (close & later).T),
        "behind": pack(over, close & later),
        "overlapping": pack(over | over.T, close),
        "on": pack(child.T, child.T),
    }


def nearest(boxes: np.ndarray, landmark: int) -> Order:
    """Who is nearer to a landmark: both the middles and the gap between the boxes must say so, the middles by far."""
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    far = np.hypot(*(middle - middle[landmark]).T)
    apart = np.maximum(np.maximum(boxes[:, :2] - boxes[landmark, 2:], boxes[landmark, :2] - boxes[:, 2:]), 0)
    gap = np.hypot(*apart.T)
    nearer = (NEARER * far[:, None] <= far[None]) & (gap[:, None] <= gap[None])
    return order(nearer, nearer.T)


def between(boxes: np.ndarray, one: int, two: int, size: tuple[int, int]) -> Verdict:
    """What lies between two landmarks: near the line from one to the other, well within it."""
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    line = middle[two] - middle[one]
    length = float(np.hypot(*line))
    outside = np.ones(len(boxes), bool)
    outside[[one, two]] = False
    if length < 2 * ASIDE * max(size):
        return pack(np.zeros((1, len(boxes)), bool), outside[None])[0]
    at = (middle - middle[one]) @ line / length**2
    aside = np.abs((middle - middle[one]) @ np.array([-line[1], line[0]])) / length**2
    yes = outside & (at >= 0.25) & (at <= 0.75) & (aside <= 0.15)
    maybe = outside & (at > 0.05) & (at < 0.95) & (aside < 0.45)
    return pack(yes[None], maybe[None])[0]


@jit
def _seams(owner, count):
    """Pairs of neighbours, of eight, of which one pixel is of i and the other of j, (N, N); a raster of ids from 1."""
    out = np.zeros((count, count), np.int64)
    height, width = owner.shape
    for y in range(height):
        for x in range(width):
            i = owner[y, x]
            if not i:
                continue
            for v in range(max(y - 1, 0), min(y + 2, height)):
                for u in range(max(x - 1, 0), min(x + 2, width)):
                    j = owner[v, u]
                    if j and j != i:
                        out[i - 1, j - 1] += 1
    return out
