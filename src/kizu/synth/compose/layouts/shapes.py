"""``Shapes``: what a layout may choose from: the outlines of a bank's segments, as columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kizu.core.errors import DataError


@dataclass(frozen=True)
class Shapes:
    """One row a segment. Columns have length N.

    Attributes:
        names: class names; ``label`` is an index into them.
        label: int32.
        width, height: box of the mask, in px.
        area: pixels of the mask.
        frame: (N, 2), (h, w) of the picture that it was cut from.
        corner: (N, 2), (x, y) of the mask's box in that picture.
        orientation: direction of the long axis, in radians from x (right) towards y (down), 0..pi.
        elongation: length / breadth, >= 1.
        defect: bool: a change of the surface it was on, not a thing of its own.
        mm: longer side of the box in millimetres, NaN where nobody knows.
        mask: gives the mask of a row, bool (height, width), cut to its box.
    """

    names: tuple[str, ...]
    label: np.ndarray
    width: np.ndarray
    height: np.ndarray
    area: np.ndarray
    frame: np.ndarray
    corner: np.ndarray
    orientation: np.ndarray
    elongation: np.ndarray
    defect: np.ndarray
    mm: np.ndarray
    mask: Callable[[int], np.ndarray]

    def __post_init__(self) -> None:
        columns = ("width", "height", "area", "frame", "corner", "orientation", "elongation", "defect", "mm")
        for name in columns:
            if len(getattr(self, name)) != len(self.label):
                raise DataError(f"shapes: {len(self.label)} labels but {len(getattr(self, name))} of {name}")
        if len(self.label) and (self.label.min() < 0 or self.label.max() >= len(self.names)):
            raise DataError(f"shapes: labels reach from {self.label.min()} to {self.label.max()}, names {self.names}")

    def __len__(self) -> int:
        return len(self.label)

    def taken(self, rows: np.ndarray) -> Shapes:
        """Some of them, in the order of ``rows``."""
        names = ("label", "width", "height", "area", "frame", "corner", "orientation", "elongation", "defect", "mm")
        columns = [getattr(self, name)[rows] for name in names]
        return Shapes(self.names, *columns, mask=lambda k: self.mask(int(rows[k])))

    @cached_property
    def side(self) -> np.ndarray:
        """Longer side of each box, in px, float64."""
        return np.maximum(self.width, self.height).astype(np.float64)

    @cached_property
    def root(self) -> np.ndarray:
        """Root of each area, in px, float64."""
        return np.sqrt(np.asarray(self.area, np.float64))

    @cached_property
    def cut(self) -> np.ndarray:
        """Sides (left, top, right, bottom) at which the picture's border cut a segment straight, bool (N, 4)."""
        frame, corner = np.reshape(self.frame, (-1, 2)), np.reshape(self.corner, (-1, 2))
        ends = corner + np.stack([self.width, self.height], axis=1)
        return np.concatenate([corner <= 0, ends >= frame[:, ::-1]], axis=1)

    @cached_property
    def objects(self) -> np.ndarray:
        """Rows of things that stand on their own; all rows where there is none."""
        return self._those(~np.asarray(self.defect, bool))

    @cached_property
    def defects(self) -> np.ndarray:
        """Rows of defects; all rows where there is none."""
        return self._those(np.asarray(self.defect, bool))

    @cached_property
    def of_class(self) -> dict[str, np.ndarray]:
        """The rows of each class that has some, by name."""
        return self.by_class(np.arange(len(self)))

    @cached_property
    def defects_of_class(self) -> dict[str, np.ndarray]:
        """The same of :attr:`defects` alone."""
        return self.by_class(self.defects)

    def by_class(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Rows dealt to their classes, by name; classes without a row are left out."""
        labels = self.label[rows]
        return {name: rows[labels == k] for k, name in enumerate(self.names) if (labels == k).any()}

    @staticmethod
    def _those(chosen: np.ndarray) -> np.ndarray:
        return np.flatnonzero(chosen) if chosen.any() else np.arange(len(chosen))
