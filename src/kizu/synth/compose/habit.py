"""``Habit``: histograms of where, how large, how many and which way the things of one class are."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from kizu.core.errors import DataError

GRID = 16  # cells of the heat map, each way
MOST = 64  # things of a class in a picture that are told apart
TURNS = 18
_STEP, _LOWEST = 0.25, -10.0  # sizes: octaves of the root of the area, in sides of the region
_SIZES = 44
_SMOOTH = 1.5  # cells; more would blur the habit away


def draw(counts: np.ndarray, random: np.random.Generator) -> int:
    """An index, as often as its count is large. Raises DataError where all counts are zero."""
    sums = np.cumsum(counts)
    if not len(sums) or sums[-1] <= 0:
        raise DataError("nothing was counted to draw from; learn the prior from labels of this class")
    return int(np.searchsorted(sums, random.random() * sums[-1], side="right"))


@dataclass
class Habit:
    """Counts of one class.

    Attributes:
        number: float64 (64,), pictures that hold 1, 2, ... of it.
        heat: float64 (16, 16), middles of boxes, rows from top to bottom of the region's box.
        size: float64 (44,), roots of the area in roots of the region's area, by quarters of an octave from 2^-10.
        turn: float64 (18,), directions of the long axis by ten degrees of 0..pi, of those that are long.
    """

    number: np.ndarray = field(default_factory=lambda: np.zeros(MOST))
    heat: np.ndarray = field(default_factory=lambda: np.zeros((GRID, GRID)))
    size: np.ndarray = field(default_factory=lambda: np.zeros(_SIZES))
    turn: np.ndarray = field(default_factory=lambda: np.zeros(TURNS))

    def see(self, places: np.ndarray, sizes: np.ndarray, turns: np.ndarray) -> None:
        """Count the things of this class in one picture.

        Args:
            places: (N, 2), x and y as shares of the region's box.
            sizes: (N,), root of the area in roots of the region's area.
            turns: (N,), radians, NaN where a thing has no direction.
        """
        self.number[min(len(places), MOST) - 1] += 1
        cells = np.clip((places * GRID).astype(int), 0, GRID - 1)
        np.add.at(self.heat, (cells[:, 1], cells[:, 0]), 1)
        octaves = np.log2(np.maximum(sizes, 2.0**_LOWEST))
        np.add.at(self.size, np.clip(((octaves - _LOWEST) / _STEP).astype(int), 0, _SIZES - 1), 1)
        turns = np.mod(turns[np.isfinite(turns)], np.pi)
        np.add.at(self.turn, np.minimum((turns / np.pi * TURNS).astype(int), TURNS - 1), 1)

    def place(self, random: np.random.Generator) -> tuple[float, float]:
        """A place (x, y) as shares of the region's box, from the smoothed heat map."""
        cell = draw(self._smooth().ravel(), random)
        u, v = random.random(2)
        return (cell % GRID + u) / GRID, (cell // GRID + v) / GRID

    def side(self, random: np.random.Generator) -> float:
        """A size: root of the area in roots of the region's area."""
        return 2.0 ** (_LOWEST + _STEP * (draw(self.size, random) + random.random()))

    def direction(self, random: np.random.Generator) -> float | None:
        """A direction in 0..pi, or None where none of the class had one."""
        if not self.turn.any():
            return None
        return (draw(self.turn, random) + random.random()) / TURNS * math.pi

    def _smooth(self) -> np.ndarray:
        """The heat map, smoothed by Scott's rule: the fewer were seen, the more; a cell or two at most."""
        kept = self.__dict__.get("_kept")
        if kept is None or kept[0] != self.heat.sum():
            total = self.heat.sum()
            axis, out = np.arange(GRID), self.heat
            if total:
                sigmas = []
                for counts in (self.heat.sum(0), self.heat.sum(1)):
                    mean = (counts * axis).sum() / total
                    spread = math.sqrt((counts * (axis - mean) ** 2).sum() / total)
                    sigmas.append(min(max(spread, 0.5) * total ** (-1 / 6), _SMOOTH))
                out = cv2.GaussianBlur(self.heat, (0, 0), *sigmas, borderType=cv2.BORDER_REFLECT)
            kept = self.__dict__["_kept"] = (total, out)
        return kept[1]

    def to_json(self) -> dict[str, Any]:
        """As plain lists."""
        names = ("number", "heat", "size", "turn")
        return {name: getattr(self, name).tolist() for name in names}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Habit:
        """The inverse of :meth:`to_json`. Raises ValueError for counts of another length or below zero."""
        shapes = {"number": (MOST,), "heat": (GRID, GRID), "size": (_SIZES,), "turn": (TURNS,)}
        columns = {name: np.array(record[name], float) for name in shapes}
        for name, shape in shapes.items():
            if columns[name].shape != shape or not (columns[name] >= 0).all():
                raise ValueError(f"{name!r} is not {shape} counts")
        return cls(**columns)
