"""Composing while fitting: a user's own labels on a user's own pictures, without anything on disk."""

from __future__ import annotations

import numpy as np

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError
from kizu.core.run import Skips
from kizu.synth.compose.backgrounds import Backgrounds
from kizu.synth.compose.bank import Bank
from kizu.synth.compose.material import REFUSED
from kizu.synth.compose.options import Options
from kizu.synth.compose.prior import Prior
from kizu.synth.compose.source import Composition
from kizu.synth.compose.stock import Stock

COMPOSE = "compose"  # what ``--augment`` calls it
_ENDLESS = 2**40


def composed_of(
    dataset: Dataset, classes: tuple[str, ...], seed: int, skips: Skips | None = None, options: Options | None = None
) -> Composition:
    """An endless composition of labelled pictures: what is on them is put on all of them, the good ones included.

    Args:
        dataset: labelled pictures and good ones, all to train on.
        classes: to put in; what else is on a picture stays there, and stays labelled.
        seed: picture i is a function of it and i.
        skips: notes pictures that cannot be read.
        options: by default those of ``kizu compose``.

    Raises:
        KizuError: nothing on the pictures can be cut out.
    """
    skips = skips or Skips()
    bank = Bank.cut(dataset)
    stock = Stock.of(bank, classes=classes, refuse=REFUSED)
    rows = []
    for k in range(len(dataset)):
        with skips.item(f"picture {k}"):
            found = dataset[k].instances
            if len(found) and found.masks is None:
                raise DataError(f"{dataset[k].id}: its labels are boxes without masks; it is not composed of")
            rows.append(k)
    backgrounds = Backgrounds(dataset, np.array(rows, np.int64), labelled=True)
    return Composition(
        stock, backgrounds, Prior.learn(dataset, None, skips), options or Options(), _ENDLESS, seed,
        surfaces=stock.surfaces(dataset),
    )  # fmt: skip
