"""The rows of ``bench/transfer.py``: what a network begins with, and how the weights that are not there are made."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from kizu.core.errors import KizuError
from kizu.models.store import load_weights, shipped
from kizu.synth.compose.blend import BLENDS
from kizu.synth.compose.options import Options
from kizu.verbs.pretrain_masks import pretrain_masks

RUNS = Path("runs/transfer")
PRESETS = ("inscore", "industrial", "segrcdb", "deadleaves", "lines")
COUNTS = (10_000, 30_000, 100_000)
# How rows are pre-trained on two cores; on a GPU the sizes of `kizu pretrain masks` hold.
SMALL = {"side": 160, "batch": 8, "lr": 1.5e-3, "precision": "bfloat16", "workers": 1}


@dataclass(frozen=True)
class Row:
    """A beginning: a backbone of the registry, and ``scratch``, ``imagenet``, or a weight file under a title.

    ``whole``: pyramid and head of the detector come from the weights, too, as they do in ``kizu fit --mode detector``.
    ``composed``: how half of the training pictures are composed; None: all are real. ``until``: share of the steps
    after which all are real.
    """

    backbone: str
    title: str
    weights: Path | str | None = None
    whole: bool = False
    composed: Options | None = None
    until: float = 0.6

    @property
    def name(self) -> str:
        return f"{self.backbone}, {self.title}"


def made_by_formula(counts: list[int]) -> list[Row]:
    """Rows whose weights ``--pretrain`` makes: architecture, preset and number of pictures.

    Args:
        counts: the presets are compared at the first, the numbers of pictures with the preset of the shipped weights.
    """
    wanted = [("kizu-s", preset, counts[0]) for preset in PRESETS]
    wanted += [("kizu-s", PRESETS[-1], count) for count in counts[1:]]
    wanted += [("squeezenet1-1", PRESETS[-1], counts[-1])]
    return [
        Row(net, f"{preset} {n // 1000}k", RUNS / f"{net}-{preset}-{n}" / "weights.safetensors")
        for net, preset, n in wanted
    ]


def pretrain(row: Row, minutes: float | None, small: bool) -> None:
    """Make the weights of a row; goes on where it was stopped.

    Args:
        minutes: at most; the pictures that were seen by then stand in the card.
        small: sizes for two cores.
    """
    net, preset, count = row.weights.parent.name.rsplit("-", 2)
    done = pretrain_masks(
        out=row.weights.parent, preset=preset, model=net, samples=int(count), minutes=minutes, resume=True,
        set=["scene.pictures=2"] if preset == PRESETS[-1] else None, **(SMALL if small else {}),
    )  # fmt: skip
    print(done, file=sys.stderr)


COMPOSED_WAYS = {
    "composed": Options(),
    "composed, hard edges": Options(blends={"hard": 1.0}),
    "composed, all edges": Options(blends=dict.fromkeys(BLENDS, 1.0)),
    "composed, no light": Options(light="none"),
    "composed, anywhere": Options(laid={"shared": 1.0}),
    "composed, any surface": Options(likeness=1.0),
    "composed, planned masks": Options(label="planned"),
}


def composed_rows(args: argparse.Namespace) -> list[Row]:
    """Real pictures only, and the ways to compose."""
    name = "kizu-s"
    out = [Row(name, "real only", name, True)]
    out += [Row(name, title, name, True, options) for title, options in COMPOSED_WAYS.items()]
    out += [Row(name, "composed, to the end", name, True, Options(), 1.0)]
    return [row for row in out if not args.only or row.name in args.only]


def all_rows(args: argparse.Namespace) -> list[Row]:
    """The rows to measure: those whose weights are there."""
    if args.composed:
        return composed_rows(args)
    out = [Row("squeezenet1-1", "scratch"), Row("squeezenet1-1", "imagenet"), Row("kizu-s", "scratch")]
    for name in shipped():
        out += [Row(name, "shipped", name), Row(name, "shipped, whole", name, whole=True)]
    for row in made_by_formula(args.counts):
        if args.only and row.name not in args.only:
            continue
        if args.pretrain:
            pretrain(row, args.minutes, args.quick)
        if row.weights.exists():
            out.append(row)
        else:
            print(f"{row.name}: no {row.weights}; --pretrain makes it", file=sys.stderr)
    for text in args.row:
        title, _, file = text.partition("=")
        if not file:
            raise KizuError(f"--row {text}: it is TITLE=FILE.safetensors")
        out.append(Row(load_weights(file).architecture, title, file))
    return [row for row in out if not args.only or row.name in args.only]
