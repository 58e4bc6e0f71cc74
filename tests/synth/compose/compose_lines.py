"""A small product line, drawn once: labelled pictures, good ones, and what compositions take of them."""

from functools import cache

import numpy as np

from kizu.core.dataset import Dataset
from kizu.core.run import Skips
from kizu.synth.compose.backgrounds import Backgrounds, clean_rows
from kizu.synth.compose.bank import Bank
from kizu.synth.compose.options import Options
from kizu.synth.compose.prior import Prior
from kizu.synth.compose.source import Composition
from kizu.synth.compose.stock import Stock
from kizu.synth.formula import presets
from kizu.synth.formula.source import Formula

SIZE = (128, 160)


@cache
def line():
    """40 pictures of a line, some of them good."""
    made = Formula(presets.load("line"), 40, SIZE, seed=3)
    return Dataset([made[i].replace(split="train", group=f"g{i // 2}") for i in range(40)], made.names)


@cache
def stock():
    return Stock.of(Bank.cut(line(), "defect"))


@cache
def prior():
    return Prior.learn(line())


def composition(count=12, seed=0, segments=True, everywhere=False, **options):
    rows = np.arange(40) if everywhere else clean_rows(line(), Skips())
    backgrounds = Backgrounds(line(), rows, labelled=everywhere)
    how = Options(**({"empty": 0.0} | options))
    return Composition(stock() if segments else None, backgrounds, prior() if segments else None, how, count, seed)
