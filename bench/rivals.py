"""Few-shot rules side by side under one protocol: GFDS', with good pictures, at its 256 pixels and at native size.

    uv run --extra train python bench/rivals.py                                  # all rules, native size, test
    uv run --extra train python bench/rivals.py --split val --size 256 native --queries 40 --seeds 2
    uv run --extra train python bench/rivals.py --rules gfds kizu kizu-adapt --adapt 4
    uv run --extra train python bench/rivals.py --table                          # what is measured already

Each class of a set alone, and the class is told. A rule (``rivals_rules.py``) learns from 1 or 5 pictures that show it,
and from good ones if it can; the same seed draws the same ones for all rules. It is measured on the pictures of the
other half that show the class, and on as many good ones, of which the papers have none. Pixels of other classes count
as ground. Pooled over all pixels of all pictures: IoU at the rule's own threshold, which comes from the support alone,
IoU at the best threshold, pixel AP, boundary F; and the share of good pictures on which anything fires.

As in GFDS, mIoU of a set is the mean over its classes, and FB-IoU the mean of that and of the IoU of the ground, pooled
over all classes; over the sets, mIoU is weighted by the number of classes, and FB-IoU is not. ``--size 256`` squeezes
picture and mask to 256 x 256 before anything looks at them, as GFDS does. A rule that cannot be fitted (a mask may be
lost in 256 x 256) finds nothing.

A row of ``bench/results/rivals.json`` is written as soon as it is measured, and is not measured again while features
and network stay the same: a stopped run goes on, and several processes may share the file.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path

import cv2
import numpy as np
from common_sets import DATA, MASKED, add_row, halves, queries, rows
from features import best_bin, histogram
from rivals_rules import ADAPTED, ALARMS, RULES, Blind, Rule, rule_of

from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.run import Skips
from kizu.core.sample import Sample
from kizu.evaluation.boundary import COUNTS, boundary_f, outline_counts
from kizu.evaluation.histogram import average_precision, tally, to_bins
from kizu.fewshot.network import VERSION, shipped
from kizu.fewshot.support import Support, choose_support

RESULTS = Path(__file__).parent / "results" / "rivals.json"
NATIVE = "native"
KEY = ("rule", "set", "class", "shots", "seed", "split", "size", "queries", "adapt")
_MASK = 30  # of 255: what a squeezed mask must exceed (GFDS)


def squeezed_mask(mask: np.ndarray, side: int) -> np.ndarray:
    """A mask bool (H, W) as bool (side, side)."""
    return cv2.resize(mask.astype(np.uint8) * 255, (side, side), interpolation=cv2.INTER_LINEAR) > _MASK


def squeezed(sample: Sample, side: int) -> Sample:
    """A sample with its image and its masks at side x side; instances of which no pixel is left are gone."""
    found = sample.instances
    image = cv2.resize(sample.image, (side, side), interpolation=cv2.INTER_LINEAR)
    masks = Masks.from_dense([squeezed_mask(found.masks.dense(i), side) for i in range(len(found))], (side, side))
    kept = masks.area > 0
    return sample.replace(image=image, instances=Instances(found.labels[kept], masks=masks[kept]))


@dataclass
class Query:
    """A picture uint8 (H, W, 3), where the class is on it, bool (H, W), and whether nothing is wrong with it."""

    image: np.ndarray
    truth: np.ndarray
    good: bool


@dataclass
class Tally:
    """What a rule found on the queries of a class: counts alone, so that memory does not grow."""

    scores: np.ndarray = field(default_factory=histogram)
    areas: np.ndarray = field(default_factory=lambda: np.zeros((2, 4), np.int64))  # defective, good; see add
    outlines: np.ndarray = field(default_factory=lambda: np.zeros(COUNTS, np.int64))
    alarms: list[bool] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def add(self, query: Query, rule: Rule) -> None:
        began = time.perf_counter()
        scores, fired = rule.look(query.image)
        self.seconds.append(time.perf_counter() - began)
        tally(to_bins(scores, "a query"), query.truth, None, *self.scores)
        truth = query.truth
        self.areas[int(query.good)] += [
            np.count_nonzero(part) for part in (fired & truth, fired & ~truth, truth & ~fired, ~(fired | truth))
        ]
        self.outlines += outline_counts(fired, truth)
        if query.good:
            self.alarms.append(bool(fired.any()))

    def figures(self) -> dict:
        """Figures in 0..1, or None where there is none; areas are pixels hit, false, missed, and the rest."""
        edges = float(boundary_f(self.outlines))
        return {
            "IoU": _iou(*self.areas.sum(0)),
            "best IoU": best_bin(*self.scores)[1],
            "IoU without good pictures": _iou(*self.areas[0]),
            "pixel AP": average_precision(*self.scores),
            "boundary F": None if np.isnan(edges) else edges,
            "false alarms": float(np.mean(self.alarms)) if self.alarms else None,
            "areas": self.areas.sum(0).tolist(),
            "pictures": len(self.seconds),
            "good": len(self.alarms),
            "query_s": statistics.median(self.seconds),
        }


def _iou(hit: int, false: int, missed: int, _: int) -> float | None:
    """None where there is no truth at all."""
    return float(hit / (hit + false + missed)) if hit + missed else None


class Contest:
    """One set at one size: supports to learn from, queries to be measured on."""

    def __init__(self, args: argparse.Namespace, title: str, size: str, data: Dataset):
        self.args, self.title, self.size, self.names = args, title, size, data.names
        self.side = None if size == NATIVE else int(size)
        self.learn, self.measure = halves(data, args.split)
        self.holds = [set(sample.instances.labels.tolist()) for sample in self.measure]

    def support(self, label: int, shots: int, seed: int) -> Support:
        """The labelled and the good pictures of a fit."""
        skips = Skips(strict=True)
        found = choose_support(self.learn, [self.names[label]], shots, None, seed, skips, ALARMS)
        if self.side is None:
            return found
        some = ([squeezed(sample, self.side) for sample in part] for part in (found.labelled, found.clean))
        return replace(found, **dict(zip(("labelled", "clean"), some, strict=True)))

    def queries(self, label: int) -> list[Query]:
        """What the class is measured on."""
        out = []
        for good, places in enumerate(queries(self.holds, label, self.args.queries)):
            for i in places:
                sample = self.measure[i]
                image, found = sample.image, sample.instances
                truth = found.masks[found.labels == label].union() if not good else np.zeros(sample.size, bool)
                if self.side is not None:
                    image = cv2.resize(image, (self.side, self.side), interpolation=cv2.INTER_LINEAR)
                    truth = squeezed_mask(truth, self.side)
                out.append(Query(image, truth, bool(good)))
        return out

    def rows(self) -> Iterator[dict]:
        """What is not measured yet, measured, a row after the other."""
        args, now = self.args, version()
        for label, name in enumerate(self.names):
            found: list[Query] = []
            for shots, seed in product(args.shots, range(args.seeds)):
                support = None
                for rule in args.rules:
                    row = {
                        "rule": rule, "set": self.title, "class": name, "shots": shots, "seed": seed,
                        "split": args.split, "size": self.size, "queries": args.queries,
                        "adapt": args.adapt if rule == ADAPTED else None,
                    }  # fmt: skip
                    if any(all(old[k] == row[k] for k in KEY) and old["features"] == now for old in rows(args.out)):
                        continue
                    found = found or self.queries(label)
                    support = support or self.support(label, shots, seed)
                    yield row | {"features": now} | measured(rule, args.adapt, support, seed, found)


def measured(name: str, minutes: float | None, support: Support, seed: int, found: list[Query]) -> dict:
    """Seconds and figures of one rule, fitted to one support."""
    rule, unfit = rule_of(name, minutes), ""
    began = time.perf_counter()
    try:
        rule.fit(support, seed)
    except KizuError as error:
        rule, unfit = Blind(), str(error)
    seconds, counts = time.perf_counter() - began, Tally()
    for query in found:
        counts.add(query, rule)
    figures = {k: round(v, 6) if isinstance(v, float) else v for k, v in counts.figures().items()}
    return figures | {"fit_s": round(seconds, 3), "unfit": unfit, "clean": len(support.clean)}


def version() -> str:
    """Which features the rules look with: rows of others are measured again."""
    return f"{VERSION}, {shipped().sha256[:12]}"


def _mean(values: list[float | None]) -> float:
    """Mean over those that there are, else NaN."""
    there = [value for value in values if value is not None]
    return float(np.mean(there)) if there else float("nan")


def _of_set(some: list[dict]) -> tuple[float, float]:
    """mIoU and FB-IoU of the classes of a set, of one seed."""
    _, false, missed, rest = np.sum([row["areas"] for row in some], axis=0)
    overlap = _mean([row["IoU"] for row in some])
    return overlap, (overlap + rest / (rest + false + missed)) / 2


def table(found: list[dict], sets: list[str], whole: int) -> str:
    """Markdown, figures in percent: means over classes and seeds, of the mean mIoU the deviation over seeds, too.

    Args:
        found: rows of one size.
        whole: rows of a rule and number of shots; one of which some are not measured yet is marked.
    """
    heads = ("rule", "shots", *sets, "mIoU", "FB-IoU", "pixel AP", "boundary F", "false alarms", "ms a query")
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for shots, rule, minutes in dict.fromkeys((row["shots"], row["rule"], row["adapt"]) for row in found):
        mine = [row for row in found if (row["shots"], row["rule"], row["adapt"]) == (shots, rule, minutes)]
        seeds = [[row for row in mine if row["seed"] == seed] for seed in sorted({row["seed"] for row in mine})]
        by_set = [
            [_of_set(some) for own in seeds if (some := [row for row in own if row["set"] == title])] for title in sets
        ]
        overlaps = [_mean([row["IoU"] for row in own]) for own in seeds]
        cells = [100 * _mean([overlap for overlap, _ in values]) for values in by_set]
        cells += [
            100 * np.mean(overlaps),
            100 * _mean([_mean([fb for _, fb in values]) for values in by_set if values]),
        ]
        for key in ("pixel AP", "boundary F", "false alarms"):
            values = [_mean([row[key] for row in own]) for own in seeds]
            cells.append(100 * _mean([value for value in values if value == value]))
        cells.append(1000 * statistics.median(row["query_s"] for row in mine))
        texts = ["–" if cell != cell else f"{cell:.1f}" for cell in cells]
        texts[len(sets)] += f" ± {100 * np.std(overlaps):.1f}"
        title = rule + (f", {minutes:g} minutes" if minutes else "")
        title += f" ({len(mine)} of {whole})" if len(mine) < whole else ""
        lines.append(f"| {title} | {shots} | {' | '.join(texts)} |")
    return "\n".join(lines)


def show(args: argparse.Namespace, classes: int) -> None:
    """Print a table for each size of what is measured of what was asked for."""
    now, asked = version(), {"set": args.sets, "shots": args.shots, "rule": args.rules, "seed": range(args.seeds)}
    found = [row for row in rows(args.out) if row["features"] == now and row["split"] == args.split]
    found = [row for row in found if all(row[k] in asked[k] for k in asked) and row["queries"] == args.queries]
    order = {key: list(asked[key]) for key in ("shots", "rule")}
    found.sort(key=lambda row: (*(order[k].index(row[k]) for k in order), row["adapt"] or 0))
    for size in args.size:
        mine = [row for row in found if row["size"] == size]
        title = "native size" if size == NATIVE else f"{size} x {size} px"
        print(f"\n{args.split}, {title}\n\n{table(mine, args.sets, classes * args.seeds)}")
        for row in mine:
            if row["unfit"]:
                print(f"- {row['rule']} finds nothing: {row['set']}, {row['class']}, {row['shots']}: {row['unfit']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--sets", nargs="+", default=list(MASKED))
    parser.add_argument("--rules", nargs="+", choices=RULES, help="by default all; kizu-adapt only with --adapt")
    parser.add_argument("--split", default="test", choices=["test", "val"], help="nothing is ever chosen on test")
    parser.add_argument("--shots", nargs="+", type=int, default=[1, 5])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--size", nargs="+", default=[NATIVE], help="native, or pixels of both sides: 256 is GFDS'")
    parser.add_argument("--queries", type=int, help="at most so many query pictures a class, good ones included")
    parser.add_argument("--adapt", type=float, help="minutes of adapting, for kizu-adapt")
    parser.add_argument("--table", action="store_true", help="measure nothing")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    if args.rules is None:
        args.rules = [name for name in RULES if name != ADAPTED or args.adapt]
    if ADAPTED in args.rules and not args.adapt:
        parser.error(f"{ADAPTED} needs --adapt MINUTES")
    if any(size != NATIVE and not size.isdigit() for size in args.size):
        parser.error("--size takes native and numbers of pixels")
    data = {title: Dataset.open(args.data / title) for title in args.sets}
    run = {"command": f"bench/rivals.py {shlex.join(sys.argv[1:])}"}
    run |= {"python": platform.python_version(), "cores": os.cpu_count()}
    for size, title in [] if args.table else product(args.size, args.sets):
        for row in Contest(args, title, size, data[title]).rows():
            add_row(args.out, row | run, KEY)
            told = " ".join(str(row[k]) for k in ("size", "set", "class", "shots", "seed", "rule"))
            print(f"{told}: IoU {row['IoU']}, fit {row['fit_s']:.1f} s, query {row['query_s']:.3f} s", file=sys.stderr)
    show(args, sum(len(found.names) for found in data.values()))


if __name__ == "__main__":
    main()
