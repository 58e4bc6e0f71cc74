"""From what a user names to what a composition needs: segments, backgrounds and the layout that was learned."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError
from kizu.core.run import Skips
from kizu.core.sample import Sample
from kizu.synth.compose.backgrounds import Backgrounds, clean_rows
from kizu.synth.compose.bank import Bank, is_bank
from kizu.synth.compose.part import part_mask
from kizu.synth.compose.prior import Prior
from kizu.synth.compose.segment import DEFECT
from kizu.synth.compose.stock import Stock
from kizu.synth.formula import presets
from kizu.synth.formula.source import Formula

CLEAN, ALL, MADE = "clean", "all", "made"
REFUSED = ("blurred", "tiny", "hidden")  # flags that keep a segment out
_MADE = 200  # backgrounds that are made


@dataclass
class Material:
    """What pictures are composed of.

    Attributes:
        stock: segments, or None.
        backgrounds: pictures to put them on.
        prior: what was learned of the layout of the labelled pictures; None without any.
        surfaces: that the segments come from.
        info: of the data set that is composed: its licence is that of what went into it.
    """

    stock: Stock | None
    backgrounds: Backgrounds
    prior: Prior | None
    surfaces: np.ndarray | None
    info: dict[str, Any]


def gather(
    segments: Path | None,
    backgrounds: str,
    skips: Skips,
    *,
    split: str | None = None,
    classes: list[str] | None = None,
    kind: str = "auto",
    refuse: tuple[str, ...] = REFUSED,
    size: tuple[int, int] | None = None,
    seed: int = 0,
) -> Material:
    """Open and look at everything that is named.

    Args:
        segments: a bank, or a labelled data set that segments are cut from; None: defects are made.
        backgrounds: ``clean`` or ``all`` pictures of the data set of segments, ``made`` ones, or the path of a data set
            or a folder of pictures.
        split: of the data sets; None: ``train`` where there is such a split. Never ``val`` or ``test``: what is
            composed of those must not be trained on.
        size: (H, W) of made backgrounds.

    Raises:
        KizuError: a path, split or class that is not there, pictures of val or test, no segment or no background.
    """
    if split in ("val", "test"):
        raise KizuError(f"the split {split} is to judge by: what is composed of it must not be trained on; take train")
    data = stock = prior = None
    if segments is not None:
        if is_bank(segments):
            bank = Bank.open(segments)
            if split is None and "train" in set(bank.table["split"].tolist()):
                split = "train"
        else:
            data = of_split(Dataset.open(segments), split)
            bank = Bank.cut(data, kind)
            prior = Prior.learn(data, _part, skips)
        skips.items += bank.skipped
        stock = Stock.of(bank, split if is_bank(segments) else None, classes, refuse)
    behind = _backgrounds(backgrounds, data, segments, split, skips, size or (512, 512), seed)
    used = [behind.dataset.info] + ([Dataset.open(segments).info] if segments is not None else [])
    licences = dict.fromkeys(str(info["licence"]) for info in used if info.get("licence"))
    licence = " and ".join(licences) or "that of the pictures it was composed of"
    info = {"title": "Composed pictures", "licence": licence, "origin": "composed by Kizu of given pictures"}
    surfaces = stock.surfaces(data) if stock is not None and (stock.column("kind") == DEFECT).any() else None
    return Material(stock, behind, prior, surfaces, info)


def of_split(data: Dataset, split: str | None) -> Dataset:
    """The pictures that may be composed of: a split, by default train; all where there are no splits.

    Raises:
        KizuError: there is no such split, or there are splits and none is train.
    """
    if split is not None:
        return data.split(split)
    there = data.splits
    if "train" in there:
        return data.split("train")
    if {"val", "test"} & set(there):
        raise KizuError(f"no split is called train (there are {', '.join(there)}); name one with --split")
    return data


def _part(sample: Sample) -> np.ndarray:
    return part_mask(sample.image)


def _backgrounds(
    named: str, data: Dataset | None, segments: Path | None, split: str | None, skips: Skips, size: tuple[int, int],
    seed: int,
) -> Backgrounds:  # fmt: skip
    if named == MADE:
        plain = presets.load("industrial").override(
            {"scene.clean": 1.0, "scene.kinds": {"surface": 1.0}, "distractors.count": [0, 0]}
        )
        made = Formula(plain, _MADE, size, seed).dataset()
        return Backgrounds(made, np.arange(len(made)))
    if named in (CLEAN, ALL):
        if data is None:
            what = "a bank holds no pictures" if segments is not None else "no segments are named"
            raise KizuError(f"--backgrounds {named}: {what}; name a data set, a folder of pictures, or made")
        if named == ALL:
            return Backgrounds(data, np.arange(len(data)), labelled=True)
        rows = clean_rows(data, skips)
        if not len(rows):
            raise KizuError(
                f"{segments}: none of its {len(data)} pictures is labelled as holding nothing; take --backgrounds all "
                "(what is on them stays, and stays labelled), made, or a folder of good pictures"
            )
        return Backgrounds(data, rows)
    other = of_split(Dataset.open(Path(named)), split if split in _splits(Path(named)) else None)
    if not len(other):
        raise KizuError(f"--backgrounds {named}: no picture was found there")
    return Backgrounds(other, np.arange(len(other)), labelled=True)


def _splits(path: Path) -> set[str]:
    return set(Dataset.open(path).splits)
