"""The layout that a user's labels show: as many things, as large, there, so turned and so close."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from kizu.core.errors import KizuError
from kizu.synth.compose.layouts.drawn import Laying, Wish
from kizu.synth.compose.layouts.placement import Placement
from kizu.synth.compose.layouts.region import Region
from kizu.synth.compose.layouts.registry import layout
from kizu.synth.compose.layouts.shapes import Shapes
from kizu.synth.compose.prior import Prior


@dataclass(frozen=True)
class MeasuredOptions:
    """
    Attributes:
        shared: share of things that lie anywhere on the part, whatever their class.
        zoom: range of the factor that a segment may be scaled by.
        jitter: standard deviations: of the place in sides of the region, of the size as a factor, of the turn in
            degrees.
        inside: share of a thing's pixels that lie on the part.
        least: pixels of a thing.
        tries: places for each thing, at each of three sizes; one that finds none is left out.
        turn: largest turn of a segment, degrees: surfaces have a grain, and a side that light falls on.
    """

    shared: float = 0.3
    zoom: tuple[float, float] = (0.5, 2.0)
    jitter: tuple[float, float, float] = (0.01, 0.05, 3.0)
    inside: float = 0.9
    least: int = 16
    tries: int = 25
    turn: float = 180.0


@layout(MeasuredOptions)
def measured(
    shapes: Shapes, size: tuple[int, int], part: np.ndarray, prior: Prior | None, options: MeasuredOptions,
    random: np.random.Generator,
) -> list[Placement]:  # fmt: skip
    """Counts, classes, sizes, places, directions and overlaps drawn from a prior; small things on top.

    Raises:
        KizuError: no prior, or one of other classes than the bank's. DataError: a part without a pixel.
    """
    if prior is None:
        raise KizuError("layout measured needs labels to learn from; give a labelled data set, or take layout sos")
    rows = shapes.of_class
    names = prior.classes(random, list(rows))
    if not names:
        known = ", ".join(prior.habits) or "none"
        raise KizuError(f"layout measured: no class of the bank ({', '.join(rows)}) is among those learned ({known})")
    region = Region(part, size)
    laying = Laying(
        shapes, size, region, lambda a, b: prior.overlap(a, b, random), options.zoom, options.inside, options.least,
        options.tries, math.radians(options.turn),
    )  # fmt: skip
    wishes = [wish_of(prior, name, region, options.shared, options.jitter, random) for name in names]
    for wish in sorted(wishes, key=lambda wish: -wish.side):
        laying.put(wish, rows[wish.name], random.normal(0, math.radians(options.jitter[2])), random)
    return laying.placements


def wish_of(
    prior: Prior, name: str, region: Region, shared: float, jitter: tuple[float, float, float],
    random: np.random.Generator,
) -> Wish:  # fmt: skip
    """What is wished of one thing of a class that the prior knows."""
    habit = prior.habits[name]
    free = bool(random.random() < shared)
    side = habit.side(random) * region.side * math.exp(random.normal(0, jitter[1]))

    def place() -> tuple[float, float]:
        if free:
            return region.anywhere(random)
        u, v = habit.place(random)
        return region.at(u + random.normal(0, jitter[0]), v + random.normal(0, jitter[0]))

    return Wish(name, side, place, habit.direction(random), free)
