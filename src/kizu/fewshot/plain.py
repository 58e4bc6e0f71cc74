"""``Plain``: matching of cells as the network gives them, neither centred nor whitened.

Whitening makes what varies on good parts count little, which is right for a crack in a grain and wrong for a hole that
differs from the ground in just what varies most: there the plain cosines of GFDS (Liu et al., 2025) are better. Neither
serves all classes, so both have a say. As in :mod:`kizu.fewshot.matching` the mean of the three nearest cells stands
for the nearest one, and good pictures are ground; the bank of the ground is larger here, for what is rare on a good
part is to be found in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kizu.core.errors import KizuError
from kizu.core.seeds import Stream, generator
from kizu.fewshot.matching import ROWS, nearness, strongest, thinned_out, unit

_GROUND, _CLASS = 4000, 300  # cells of a bank
_AXES = 64  # at most: those that hold most of the cells
SCALE = 40.0  # of a difference of cosines, so that a match weighs about as log odds do


@dataclass
class Plain:
    """Banks of labelled cells of the network.

    Attributes:
        arrays: ``plain.axes`` float32 (M, D), ``plain.bank`` float32 (N, D) of unit length, the ground first and then
            class by class, and ``plain.ends`` int32 (C + 1,), where each of these ends.
    """

    arrays: dict[str, np.ndarray]

    def __post_init__(self):
        """Compiled code does not check its indices, and a file may be damaged: what does not fit raises KizuError."""
        axes, bank, ends = (self.arrays[f"plain.{name}"] for name in ("axes", "bank", "ends"))
        sound = axes.ndim == bank.ndim == 2 and axes.shape[1] == bank.shape[1] and len(ends) > 1
        sound = sound and bool((np.diff(ends, prepend=0) >= 0).all()) and ends[-1] == len(bank)
        if not sound:
            raise KizuError("the banks of its plain matching contradict each other")

    @classmethod
    def fit(cls, seen: np.ndarray, labels: np.ndarray, classes: int, seed: int) -> Plain:
        """Keep labelled cells.

        Args:
            seen: float32 (N, M), the maps of the network.
            labels: int (N,), 0 = background, 1 .. classes.
            seed: draws the cells that are kept where there are many.
        """
        random, kept = generator(seed, Stream.SCORER, 4), []
        for k in range(classes + 1):
            mine, most = np.flatnonzero(labels == k), _CLASS if k else _GROUND
            kept.append(seen[random.choice(mine, most, replace=False) if len(mine) > most else mine])
        axes = strongest([unit(cells) for cells in kept if len(cells)], _AXES)
        bank = np.concatenate([unit(cells @ axes) for cells in kept])
        ends = np.cumsum([len(cells) for cells in kept]).astype(np.int32)
        return cls({"plain.axes": axes, "plain.bank": bank, "plain.ends": ends})

    @property
    def channels(self) -> int:
        """Channels of the network."""
        return len(self.arrays["plain.axes"])

    @property
    def classes(self) -> int:
        """Number of classes C."""
        return len(self.arrays["plain.ends"]) - 1

    def projected(self, values: np.ndarray, first: int = 0) -> np.ndarray:
        """Cells float32 (N, D) on the axes of the bank, not of unit length.

        Args:
            values: float32 (N, F) of the network's channels, or of some of them: the sum over all is what counts.
            first: place of the first of ``values`` among the channels.
        """
        return values @ self.arrays["plain.axes"][first : first + values.shape[1]]

    def score_projected(self, cells: np.ndarray, thinned: bool = False) -> np.ndarray:
        """How much more a cell is like a class than like the ground, about as log odds.

        Args:
            cells: float32 (N, D) of :meth:`projected`.
            thinned: compare with every eighth cell of each bank only.

        Returns:
            float32 (N, C).
        """
        bank, ends = self._thin if thinned else (self.arrays["plain.bank"], self.arrays["plain.ends"])
        out = np.empty((len(cells), self.classes), np.float32)
        for i in range(0, len(cells), ROWS):
            near = nearness(unit(cells[i : i + ROWS]), bank, ends)
            out[i : i + ROWS] = SCALE * (near[:, 1:] - near[:, :1])
        return out

    @cached_property
    def _thin(self) -> tuple[np.ndarray, np.ndarray]:
        """Every eighth cell of the bank, and where each class ends among these."""
        return thinned_out(self.arrays["plain.bank"], self.arrays["plain.ends"])
