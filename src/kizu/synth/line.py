"""A product line for demonstrations, documents and tests: the preset ``line`` with splits of stated sizes."""

from __future__ import annotations

from collections.abc import Sequence

from kizu.core.dataset import Dataset
from kizu.core.sample import Sample
from kizu.synth.formula.presets import load
from kizu.synth.formula.source import Formula


class Line(Sequence):
    """Pictures of one product; picture i is a function of (seed, i) alone. First ``train`` pictures, then ``test``."""

    def __init__(self, train: int, test: int, size: int = 256, seed: int = 0, **values):
        """
        Args:
            train, test: pictures of each split.
            size: height and width in pixels.
            seed: of the product and of all its pictures.
            values: keys of the preset, with ``__`` for the dot: ``scene__clean=0.5``.
        """
        preset = load("line").override({"scene.test": 0} | {k.replace("__", "."): v for k, v in values.items()})
        self.formula = Formula(preset, train + test, (size, size), seed)
        self.splits = ["train"] * train + ["test"] * test

    def __len__(self) -> int:
        return len(self.splits)

    def __getitem__(self, i: int) -> Sample:
        return self.formula[i].replace(split=self.splits[i])

    @property
    def ids(self) -> list[str]:
        """Ids of all pictures, without drawing them."""
        return self.formula.ids


def product_line(train: int = 60, test: int = 60, size: int = 256, seed: int = 0, **values) -> Dataset:
    """A product line as a data set (see :class:`Line`); pictures are drawn when they are asked for."""
    line = Line(train, test, size, seed, **values)
    return Dataset(line, line.formula.names, line.formula.dataset().info)
