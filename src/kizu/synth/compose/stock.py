"""``Stock``: the segments of a bank that a composition may draw from, as layouts and the renderer ask for them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

import cv2
import numpy as np

from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError
from kizu.core.shards import config_digest
from kizu.synth.compose.bank import Bank
from kizu.synth.compose.layouts.shapes import Shapes
from kizu.synth.compose.likeness import surface
from kizu.synth.compose.noise import estimate
from kizu.synth.compose.segment import DEFECT, Segment


class Stock:
    """A choice of segments, by number from 0.

    Attributes:
        names: class names of the bank.
        rows: int64 (N,), their numbers in the bank.
    """

    def __init__(self, bank: Bank, rows: np.ndarray):
        """Raises KizuError: there is none."""
        if not len(rows):
            first = f"; the first reason: {bank.skipped[0]['reason']}" if bank.skipped else ""
            raise KizuError(f"no segment is left to compose with, of {len(bank)}{first}")
        self.bank, self.rows = bank, np.asarray(rows, np.int64)
        self.names = bank.names
        self._noise: dict[int, float] = {}
        self._of = {id: k for k, id in enumerate(bank.table["id"][self.rows].tolist())}

    @classmethod
    def of(
        cls, bank: Bank, split: str | None = None, classes: Iterable[str] | None = None, refuse: Collection[str] = ()
    ) -> Stock:
        """The segments of a split, of some classes, without some flags. Raises KizuError where there is none."""
        return cls(bank, bank.select(split, classes, refuse))

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, name: str) -> np.ndarray:
        """A column of the bank's table."""
        return self.bank.table[name][self.rows]

    def segment(self, k: int) -> Segment:
        """Segment ``k``. Raises DataError where it cannot be read."""
        return self.bank.segment(int(self.rows[k]))

    def find(self, id: str) -> int:
        """Number of the segment of an id. Raises KizuError where it is not in the stock."""
        if id not in self._of:
            raise KizuError(f"segment {id!r} is not in this bank; name the segments that the scene was made with")
        return self._of[id]

    def corner(self, k: int) -> tuple[int, int]:
        """(x, y) of the box of a segment's mask in its colours."""
        row = self.rows[k]
        x, y = self.bank.table["box"][row, :2] - self.bank.table["corner"][row]
        return int(x), int(y)

    def mask(self, k: int) -> np.ndarray:
        """bool (h, w), the mask of a segment, cut to its box."""
        segment = self.segment(k)
        x0, y0, x1, y1 = segment.box
        return segment.mask[y0:y1, x0:x1]

    def noise(self, k: int) -> float:
        """Standard deviation of the noise of a segment's 8-bit values."""
        if k not in self._noise:
            self._noise[k] = estimate(self.segment(k).colour)
        return self._noise[k]

    def shapes(self) -> Shapes:
        """All that layouts need to know."""
        label = np.array([self.names.index(name) for name in self.column("label")], np.int32)
        mm = np.array([np.nan] * len(self))
        return Shapes(
            self.names, label, self.column("width"), self.column("height"), self.column("area"), self.column("frame"),
            self.column("box")[:, :2], self.column("orientation"), self.column("elongation"),
            self.column("kind") == DEFECT, mm, self.mask,
        )  # fmt: skip

    def surfaces(self, dataset: Dataset | None, step: Callable[[], None] = lambda: None) -> np.ndarray:
        """What the surface looks like that each segment comes from, float32 (N, D); see :func:`likeness.surface`.

        Args:
            dataset: that the segments are cut out of; None: the margins of the segments have to tell.
            step: called after each picture, or segment.
        """
        if dataset is None:
            out = []
            for k in range(len(self)):
                segment = self.segment(k)
                away = cv2.dilate(segment.alpha, np.ones((5, 5), np.uint8)) == 0
                out.append(surface(segment.colour, away))
                step()
            return np.stack(out)
        found = {}
        wanted = dict.fromkeys(self.column("picture").tolist())
        for k, id in enumerate(dataset.ids):
            if id in wanted:
                sample = dataset[k]
                taken = cv2.dilate(sample.instances.masks.union().view(np.uint8), np.ones((5, 5), np.uint8))
                found[id] = surface(sample.image, taken == 0)
                step()
        return np.stack([found[id] for id in self.column("picture").tolist()])

    @property
    def digest(self) -> str:
        """Of the ids and outlines of all segments."""
        return config_digest({name: self.column(name).tolist() for name in ("id", "label", "kind", "area", "box")})
