"""Which pictures a step learns from: a function of (seed, step), with rare classes and defects shown more often."""

from __future__ import annotations

import math

import numpy as np

from kizu.core.seeds import Stream, generator

_RARE = 0.1  # a class on a smaller share of the pictures is repeated
_MOST_GOOD = 0.5  # share of good pictures in what is shown


class Order:
    """Pictures in rounds; each round is shuffled anew.

    A picture comes as often as its rarest class asks: sqrt(0.1 / share of the pictures that show it) times, once at
    least (repeat factors of Gupta et al. 2019, LVIS, section 5.2). Good pictures are thinned to half of what is shown
    and no less, so that every batch has something to learn from.

    Args:
        counts: int (N, C), instances of each class on each picture.
        good: bool (N,), pictures that hold nothing.
    """

    def __init__(self, counts: np.ndarray, good: np.ndarray, seed: int):
        share = np.maximum((counts > 0).mean(0), 1e-9)
        factors = np.maximum(np.sqrt(_RARE / share), 1.0)
        self._weights = np.where(counts > 0, factors, 1.0).max(1, initial=1.0)
        if good.any() and not good.all():
            others = float(self._weights[~good].sum())
            most = others * _MOST_GOOD / (1 - _MOST_GOOD)
            self._weights[good] *= min(1.0, most / float(good.sum()))
        self._length = max(math.floor(self._weights.sum()), 1)
        self._seed = seed
        self._round: tuple[int, np.ndarray] = (-1, np.zeros(0, np.int64))

    def __getitem__(self, place: int) -> int:
        """The picture at a place of the endless line."""
        number, at = divmod(place, self._length)
        if self._round[0] != number:
            self._round = (number, self._drawn(number))
        return int(self._round[1][at])

    def _drawn(self, number: int) -> np.ndarray:
        """One round: systematic sampling, so that a weight of 1.5 is one or two, and then shuffled."""
        random = generator(self._seed, Stream.ORDER, number)
        order = random.permutation(len(self._weights))
        ends = np.cumsum(self._weights[order])
        marks = (np.arange(self._length) + random.random()) * (ends[-1] / self._length)
        return random.permutation(order[np.searchsorted(ends, marks, side="right").clip(max=len(order) - 1)])
