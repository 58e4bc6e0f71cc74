"""Defects where the user's defects occur: at their places on the part, as large and so turned, on the part alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from kizu.core.errors import DataError, KizuError
from kizu.synth.compose.layouts.drawn import Laying, Wish
from kizu.synth.compose.layouts.measured import wish_of
from kizu.synth.compose.layouts.placement import Placement
from kizu.synth.compose.layouts.region import Region
from kizu.synth.compose.layouts.registry import layout
from kizu.synth.compose.layouts.shapes import Shapes
from kizu.synth.compose.prior import Prior


@dataclass(frozen=True)
class InplaceOptions:
    """
    Attributes:
        least, most: number of defects, all numbers alike; most = 0: as many as the prior shows, 1 to 3 without one.
        shared: share of defects that lie anywhere on the part, whatever their class.
        zoom: range of the factor that a segment may be scaled by.
        jitter: standard deviations: of the place in sides of the part's box, of the size as a factor, of the turn in
            degrees.
        inside: share of a defect's pixels that lie on the part.
        smallest: pixels of a defect.
        tries: places for each defect, at each of three sizes; one that finds none is left out.
        turn: largest turn of a segment, degrees: surfaces have a grain, and a side that light falls on.
    """

    least: int = 1
    most: int = 0
    shared: float = 0.3
    zoom: tuple[float, float] = (0.5, 2.0)
    jitter: tuple[float, float, float] = (0.01, 0.05, 3.0)
    inside: float = 1.0
    smallest: int = 9
    tries: int = 25
    turn: float = 10.0


@layout(InplaceOptions)
def inplace(
    shapes: Shapes, size: tuple[int, int], part: np.ndarray, prior: Prior | None, options: InplaceOptions,
    random: np.random.Generator,
) -> list[Placement]:  # fmt: skip
    """Defects at the places of the prior, told relative to the part's box; small ones on top.

    Without a prior, or for a class that it does not know, places and sizes are those of the bank's own segments in
    their pictures.

    Raises:
        KizuError: least above most. DataError: a part without a pixel, or a bank without a segment.
    """
    if options.most and not 0 <= options.least <= options.most:
        raise KizuError(f"layout inplace: least = {options.least} is above most = {options.most}; exchange them")
    rows = shapes.defects_of_class
    if not rows:
        raise DataError("layout inplace: the bank holds no segment; make one with kizu compose bank")
    region = Region(part, size)
    laying = Laying(
        shapes, size, region, _no_overlap if prior is None else lambda a, b: prior.overlap(a, b, random), options.zoom,
        options.inside, options.smallest, options.tries, math.radians(options.turn),
    )  # fmt: skip
    wishes = [
        wish_of(prior, name, region, options.shared, options.jitter, random)
        if prior is not None and name in prior.habits
        else _as_cut(shapes, rows[name], name, region, options, random)
        for name in _names(rows, prior, options, random)
    ]
    for wish in sorted(wishes, key=lambda wish: -wish.side):
        laying.put(wish, rows[wish.name], random.normal(0, math.radians(options.jitter[2])), random)
    return laying.placements


def _no_overlap(one: str, other: str) -> float:
    return 0.0


def _names(
    rows: dict[str, np.ndarray], prior: Prior | None, options: InplaceOptions, random: np.random.Generator
) -> list[str]:  # fmt: skip
    """The class of each defect: as the prior shows, else in the proportions of the bank."""
    seen = prior.classes(random, list(rows)) if prior is not None else []
    if not options.most and seen:
        return seen
    count = int(random.integers(options.least, options.most + 1)) if options.most else int(random.integers(1, 4))
    if len(seen):
        return [seen[k] for k in random.integers(0, len(seen), count)]
    names = list(rows)
    weights = np.array([len(rows[name]) for name in names], float)
    return [names[k] for k in random.choice(len(names), count, p=weights / weights.sum())]


def _as_cut(
    shapes: Shapes, rows: np.ndarray, name: str, region: Region, options: InplaceOptions, random: np.random.Generator
) -> Wish:  # fmt: skip
    """As a segment of the class was in its own picture."""
    row = int(random.choice(rows))
    side = shapes.root[row] / math.sqrt(float(np.prod(shapes.frame[row], dtype=float))) * region.side
    side *= math.exp(random.normal(0, options.jitter[1]))
    free = bool(random.random() < options.shared)

    def place() -> tuple[float, float]:
        if free:
            return region.anywhere(random)
        k = int(random.choice(rows))
        u = (shapes.corner[k][0] + shapes.width[k] / 2) / shapes.frame[k][1] + random.normal(0, options.jitter[0])
        v = (shapes.corner[k][1] + shapes.height[k] / 2) / shapes.frame[k][0] + random.normal(0, options.jitter[0])
        return region.at(u, v)

    return Wish(name, float(side), place, None, free)
