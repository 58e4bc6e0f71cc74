"""Transfer: fine-tune one detector from several beginnings, and see on real pictures what each beginning is worth.

    uv run --extra train python bench/transfer.py --quick            # 2 cores
    uv run --extra train python bench/transfer.py --pretrain         # a GPU: makes the weights of all rows first
    uv run --extra train python bench/transfer.py --row "kizu-s=mine.safetensors" --sets bsdata
    uv run --extra train python bench/transfer.py --quick --composed --labels 0.05 --out bench/results/composed.json

A row is a backbone and where its weights come from: none, ImageNet (SqueezeNet 1.1), or formula pictures of a preset.
A column is a data set and a share of its training labels. The detector is kizu-dense with the same settings in all
rows; only the backbone's weights differ, but for "whole" rows, which take the pyramid and the head as well.
The learning rate is the one of ``--lr`` with the best score on validation pictures (mean of mask AP and IoU), and so
are the step whose weights are kept and the outlines. Where a set has no ``val``, a fifth of ``train`` takes
its place, whole groups at a time. ``test`` is measured once, at the end of a cell. deeppcb has boxes alone: the
detector learns them as filled masks, and is measured by box AP.

With ``--composed`` the rows are the shipped weights with real pictures only, and with half of the training pictures
composed of the others (``kizu fit --augment compose``) at equal steps: as usual, and with one thing changed in each.

A cell is written as soon as it is measured, and is not measured again: a stopped run goes on with the next cell.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from common_sets import DATA, MASKED, add_row, halves, rows
from common_sources import IMAGENET
from safetensors.torch import load_file
from transfer_rows import COUNTS, Row, all_rows

from kizu.core.card import Card
from kizu.core.dataset import Dataset
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.run import Skips
from kizu.core.sample import Sample
from kizu.detector.calibrate import Outlines, least_areas
from kizu.detector.dense import DenseEngine, pixels
from kizu.detector.holdout import hold_out
from kizu.detector.inspector import DENSE
from kizu.detector.measure import average_precision
from kizu.detector.nets.engine import TorchSession
from kizu.detector.nets.task import DetectorTask
from kizu.detector.options import COMPOSED
from kizu.detector.pictures import Part, Pictures, choose_pictures
from kizu.detector.settings import Settings
from kizu.detector.start import begin
from kizu.models.registry import build_backbone, build_detector
from kizu.models.store import load_weights
from kizu.pretrain.nets.plan import Plan
from kizu.pretrain.nets.short import train_here
from kizu.synth.compose.options import Options
from kizu.synth.compose.within import composed_of

RESULTS = Path(__file__).parent / "results" / "transfer.json"
BOXED = ("deeppcb",)
KEY = ("row", "set", "labels", "seed", "split", "setting")


def network(row: Row, classes: int, side: int, seed: int):
    """The detector that a row begins with; what is not taken over is drawn from the seed."""
    if row.whole:
        return begin(DENSE, row.backbone, classes, side, load_weights(row.weights), seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if row.title == "imagenet":
            body = build_backbone(row.backbone, normalise="fixed")
            body.load_torchvision(load_file(IMAGENET))
        else:
            body = build_backbone(row.backbone)
        if row.weights is not None:
            load_weights(row.weights).into(body)
        return build_detector(DENSE, classes, body, side)


# --- pictures ---------------------------------------------------------------------------------------------------------


def filled(data: Dataset) -> Dataset:
    """A data set of boxes with every box as a mask."""

    def masked(sample: Sample) -> Instances:
        found = sample.instances
        crops = []
        for x0, y0, x1, y1 in np.round(found.boxes).astype(int).tolist():
            crops.append((np.ones((max(y1 - y0, 1), max(x1 - x0, 1)), bool), (x0, y0)))
        return Instances(found.labels, masks=Masks.from_crops(crops, sample.size))

    return Dataset([sample.replace(instances=partial(masked, sample)) for sample in data], data.names, data.info)


def part_of(data: Dataset, names: tuple[str, ...]) -> Part:
    """The pictures of a data set as a part, classes matched by name."""
    table = np.array([names.index(name) if name in names else len(names) for name in data.names])
    found = [sample.instances.labels for sample in data]
    counts = np.array([np.bincount(table[labels], minlength=len(names) + 1)[: len(names)] for labels in found])
    return Part(data, names, counts, np.array([not len(labels) for labels in found]))


def some(part: Part, share: float, seed: int) -> Part:
    """A share of the pictures, of each class and of the good ones alike, drawn one by one."""
    if share >= 1:
        return part
    # Near-duplicates need not stay together here: validation and test pictures are parted from all of them by group.
    return part.picked(hold_out(part.counts, part.good, [""] * len(part), seed, share))


def choose(args: argparse.Namespace, name: str) -> tuple[Pictures, Part]:
    """Pictures to learn from and to choose on, and those to measure on."""
    data = Dataset.open(args.data / name)
    if name in BOXED:
        data = filled(data)
    learn, measured = halves(data, args.split)
    pictures = choose_pictures(
        data if args.split == "test" else learn, val=None, split="train", classes=None, clean=None,
        empty_is_clean=True, masks=True, model=DENSE, false_alarms=0.05, seed=0, skips=Skips(strict=True),
    )  # fmt: skip
    measured = part_of(measured, pictures.names)
    if args.most:
        pictures.val = some(pictures.val, args.most / len(pictures.val), 0)
        measured = some(measured, args.most / len(measured), 0)
    return pictures, measured


class _Task(DetectorTask):
    """Fine-tuning without pictures of its samples, which nobody looks at."""

    def compose(self, options: Options) -> None:
        """Compose half of the training pictures in this way."""
        own = Dataset(self.pictures.train, self.pictures.names)
        self._composed = composed_of(own, self.pictures.names, self.settings.seed, options=options)

    def picture(self, model):
        return None


# --- one cell ---------------------------------------------------------------------------------------------------------


def fine_tune(
    row: Row, pictures: Pictures, args: argparse.Namespace, seed: int, lr: float
) -> tuple[float, DenseEngine]:
    """Train, and choose outlines on the validation pictures; the score of those, and the detector."""
    count = len(pictures.names)
    module = network(row, count, args.side, seed)
    share = 0.0 if row.composed is None else COMPOSED
    until = round(row.until * args.steps * args.batch)
    settings = Settings(DENSE, row.backbone, row.title, args.side, None, None, args.batch, lr, True, seed, share, until)
    card = Card(kind="detector", classes=list(pictures.names))
    task = _Task(module, pictures, settings, card)
    if row.composed is not None:
        task.compose(row.composed)
    plan = Plan(
        steps=args.steps, batch=args.batch, lr=lr, average=args.average, seed=seed, workers=args.workers,
        validations=args.validations, checkpoint_seconds=1e9,
    )  # fmt: skip
    done = train_here(task, plan)
    engine = DenseEngine(TorchSession(module), (0.5,) * count, (1,) * count)
    outlines = Outlines(pictures.val)
    for sample in pictures.val:
        outlines.add(engine.maps(sample.image), sample)
    return done.figures["score"], engine.outlined(outlines.best(), least_areas([pictures.train, pictures.val]))


def measure(engine: DenseEngine, part: Part, boxes: bool) -> dict[str, float]:
    """AP of the finds, and IoU of the pixels within the outlines pooled over all pictures, the mean over classes.

    Thresholds that promise few false alarms are left out: they would measure the good pictures of a set more than the
    beginning.
    """
    finds, counts = [], np.zeros((2, len(part.names)))
    for sample in part:
        said = engine.maps(sample.image)
        finds.append(engine.found(said, sample.size))
        for k, outline in enumerate(engine.outlines):
            called = pixels(said.classes[k], sample.size) >= outline
            truth = sample.instances.masks[sample.instances.labels == k].union()
            counts[:, k] += (called & truth).sum(), (called | truth).sum()
    precision = average_precision(part, finds, masks=not boxes)[""]
    if boxes:
        return {"box AP": precision}
    return {"mask AP": precision, "mIoU": float((counts[0] / np.maximum(counts[1], 1)).mean())}


def setting(args: argparse.Namespace) -> dict:
    """What figures depend on besides row, set, labels, split and seed."""
    names = ("steps", "batch", "side", "lr", "average", "most", "validations")
    return {name: getattr(args, name) for name in names}


def cells(args: argparse.Namespace, wanted: list[Row]) -> None:
    """Measure all cells that the result file has not."""
    for name, labels, seed in itertools.product(args.sets, args.labels, range(args.seeds)):
        pictures = measured = None
        for row in wanted:
            record = {"row": row.name, "set": name, "labels": labels, "seed": seed, "split": args.split}
            record |= {"setting": setting(args)}
            if any(all(old.get(key) == record[key] for key in KEY) for old in rows(args.out)):
                continue
            if pictures is None:
                pictures, measured = choose(args, name)
                pictures.train = some(pictures.train, labels, seed)
            began = time.monotonic()
            tried = [(*fine_tune(row, pictures, args, seed, lr), lr) for lr in args.lr]
            score, engine, lr = max(tried, key=lambda item: item[0])
            record |= measure(engine, measured, name in BOXED)
            record |= {"best lr": lr, "val score": score, "pictures": len(pictures.train)}
            record |= {
                "seconds": round(time.monotonic() - began),
                "command": "bench/transfer.py " + " ".join(sys.argv[1:]),
            }
            add_row(args.out, record, KEY)
            print({key: record[key] for key in record if key not in ("setting", "command")}, file=sys.stderr)


# --- the table --------------------------------------------------------------------------------------------------------


def table(found: list[dict], sets: list[str]) -> str:
    """Markdown: mean and deviation over the seeds, in points; the means over the sets that have masks at the end."""
    columns = [(name, labels) for labels in sorted({r["labels"] for r in found}) for name in sets]
    columns = [c for c in columns if any((r["set"], r["labels"]) == c for r in found)]
    shares = sorted({labels for _, labels in columns})
    heads = [f"{name} {labels:.0%}" for name, labels in columns] + [f"mean {labels:.0%}" for labels in shares]
    lines = ["| beginning | " + " | ".join(heads) + " |", "|" + "---|" * (1 + len(heads))]
    for title in dict.fromkeys(r["row"] for r in found):
        mine = [r for r in found if r["row"] == title]
        texts = []
        for name, labels in columns:
            here = [r for r in mine if (r["set"], r["labels"]) == (name, labels)]
            texts.append(" / ".join(_spread([r[key] for r in here]) for key in _titles(name)) if here else "–")
        for labels in shares:
            masked = [name for name in sets if name not in BOXED and (name, labels) in columns]
            here = [[r for r in mine if (r["set"], r["labels"]) == (name, labels)] for name in masked]
            whole = here and all(here)
            means = (
                [np.mean([np.mean([r[key] for r in some]) for some in here]) for key in _titles("")] if whole else []
            )
            texts.append(" / ".join(f"{100 * value:.1f}" for value in means) or "–")
        lines.append(f"| {title} | {' | '.join(texts)} |")
    return "\n".join(lines)


def _titles(name: str) -> tuple[str, ...]:
    return ("box AP",) if name in BOXED else ("mask AP", "mIoU")


def _spread(values: list[float]) -> str:
    deviation = f" ± {100 * np.std(values):.1f}" if len(values) > 1 else ""
    return f"{100 * np.mean(values):.1f}{deviation}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--sets", nargs="+", default=[*MASKED, *BOXED])
    parser.add_argument("--labels", nargs="+", type=float, default=[0.1, 1.0], help="shares of the training pictures")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--split", default="test", choices=["test", "val"])
    parser.add_argument("--row", nargs="+", default=[], help="more rows, TITLE=FILE.safetensors")
    parser.add_argument("--only", nargs="+", help="names of the rows to measure")
    parser.add_argument("--composed", action="store_true", help="what composed training pictures are worth")
    parser.add_argument("--pretrain", action="store_true", help="make the weights of rows that lack them")
    parser.add_argument("--minutes", type=float, help="of each pre-training at most")
    parser.add_argument("--counts", nargs="+", type=int, default=list(COUNTS), help="formula pictures of those rows")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--side", type=int, default=256, help="pixels of the training pictures")
    parser.add_argument(
        "--lr", nargs="+", type=float, default=[5e-4, 1e-3, 2e-3], help="tried on the validation pictures"
    )
    parser.add_argument("--average", type=float, default=0.998, help="decay of the average of the weights")
    parser.add_argument("--validations", type=int, default=8)
    parser.add_argument("--most", type=int, help="validation and measured pictures, at most")
    parser.add_argument("--workers", type=int, default=max((os.cpu_count() or 1) // 2, 1))
    parser.add_argument("--quick", action="store_true", help="2 cores, 20 minutes: see README.md")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    if args.quick:  # other defaults: what is named all the same counts
        parser.set_defaults(
            labels=[0.1], seeds=1, sets=list(MASKED), steps=250, batch=8, side=128, lr=[2e-3], average=0.98,
            validations=2, most=60,
        )  # fmt: skip
        args = parser.parse_args()
    cells(args, all_rows(args))
    wanted = {"split": args.split, "setting": setting(args)}
    print(table([r for r in rows(args.out) if wanted.items() <= r.items()], args.sets))


if __name__ == "__main__":
    main()
