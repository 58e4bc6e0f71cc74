"""Frozen features and a logistic head: how far dense features carry few-shot segmentation on real pictures.

    uv run --extra train python bench/features.py imagenet filters imagenet+filters --quick
    uv run --extra train python bench/features.py experiment.py:net --quick --note "step 20k"
    uv run --extra train python bench/features.py imagenet filters FILE.safetensors --split test

Each class of a set is segmented alone, from 1 and from 5 pictures that show it. The features stay as they are; a
logistic regression on the cells of a grid is all that is fitted (of sums of sources also one on each part, and the
log odds are averaged), and its threshold comes from the support alone: each
support picture left out in turn, or a turned and rescaled copy where there is one only. Measured on the pictures that
show the class and as many good ones, at their full size, all pixels pooled: IoU at that threshold, IoU at the best
one, pixel AP; mean over the classes of a set, then over the sets. Rows go to ``bench/results/features.json``.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
from common_sets import DATA, MASKED, add_row, halves, queries
from common_sources import NORMS, Source

from kizu.core.dataset import Dataset
from kizu.core.run import Skips
from kizu.evaluation.histogram import BINS, average_precision, tally, to_bins
from kizu.fewshot.holdout import changed_copy
from kizu.fewshot.support import choose_support

RESULTS = Path(__file__).parent / "results" / "features.json"
FIGURES = ("IoU", "best IoU", "pixel AP")
SIDE, GRID, STRIDES = 512, 8, (4, 8, 16, 32)  # pixels of the longest side and of a cell, maps of networks
DECAY = 1e-2  # of the logistic head
_POSITIVE, _GROUND = 600, 1200  # cells of a support picture, drawn where there are more
_STEPS = 60  # of L-BFGS
_FLAT = 2.0  # log odds are divided by it, so that scores in half precision tell large ones apart


def looked_at(image: np.ndarray, side: int, enlarge: bool) -> np.ndarray:
    """The image with a longest side of ``side`` pixels; smaller ones keep their size unless ``enlarge``."""
    scale = side / max(image.shape[:2])
    if scale == 1 or (scale > 1 and not enlarge):
        return image
    size = [max(round(length * scale), 1) for length in image.shape[1::-1]]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def coverage(truth: np.ndarray, size: tuple[int, int], grid: int) -> np.ndarray:
    """Share of each cell that the truth bool (H, W) covers once the picture has ``size``, float32 (h, w)."""
    if truth.shape != tuple(size):
        # Where the picture shrinks, AREA keeps shares exact.
        kind = cv2.INTER_AREA if truth.shape[0] > size[0] else cv2.INTER_LINEAR
        truth = cv2.resize(truth.astype(np.float32), size[::-1], interpolation=kind)
    odd = (-size[0] % grid, -size[1] % grid)
    whole = cv2.copyMakeBorder(truth.astype(np.float32), 0, odd[0], 0, odd[1], cv2.BORDER_REFLECT_101)
    return cv2.resize(whole, (whole.shape[1] // grid, whole.shape[0] // grid), interpolation=cv2.INTER_AREA)


def to_pixels(odds: np.ndarray, size: tuple[int, int], full: tuple[int, int], grid: int) -> np.ndarray:
    """Log odds of cells (h, w) of a picture that was looked at in ``size`` as those of the full picture (H, W)."""
    y, x = (full[k] / size[k] * grid for k in (0, 1))
    turn = np.array([[x, 0, x / 2 - 0.5], [0, y, y / 2 - 0.5]])
    flags = cv2.INTER_LINEAR
    return cv2.warpAffine(odds.astype(np.float32), turn, full[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)


def scores(odds: np.ndarray) -> np.ndarray:
    """Log odds as scores in 0..1."""
    return 1 / (1 + np.exp(np.clip(-odds / _FLAT, -40, 40)))


def cells(features: np.ndarray, covered: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rows float32 (N, C) and labels bool (N,): cells covered by half and more, and those not covered at all."""
    positive = np.flatnonzero(covered >= min(0.5, max(float(covered.max()), 1e-6)))
    ground = np.flatnonzero(covered == 0)
    positive, ground = (
        random.choice(places, most, replace=False) if len(places) > most else places
        for places, most in ((positive, _POSITIVE), (ground, _GROUND))
    )
    rows = features.reshape(-1, features.shape[2])
    chosen = np.concatenate([positive, ground])
    return rows[chosen], np.arange(len(chosen)) < len(positive)


def fit_heads(rows: np.ndarray, labels: np.ndarray, members: np.ndarray, decay: float) -> tuple[np.ndarray, np.ndarray]:
    """Logistic regressions by L-BFGS on standardised features, all at once.

    Args:
        rows: float32 (N, C).
        labels: bool (N,).
        members: bool (K, N): the rows that head k is fitted to; its positives weigh as much as its ground.
        decay: weight of the squared norm.

    Returns:
        weights float32 (K, C) and biases (K,) for features as they are.
    """
    from scipy.optimize import minimize

    mean, scale = rows.mean(0), rows.std(0) + 1e-6
    x = (rows - mean) / scale
    share = np.zeros(members.shape, np.float32)
    for label in (False, True):
        mine = members & (labels == label)
        share += mine / np.maximum(2 * mine.sum(1, keepdims=True), 1)
    sign = np.where(labels, 1, -1).astype(np.float32)
    heads, width = len(members), x.shape[1]

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        w = values.reshape(heads, width + 1).astype(np.float32)
        margin = (w[:, :-1] @ x.T + w[:, -1:]) * sign
        pull = -share * sign / (1 + np.exp(np.clip(margin, -30, 30)))
        value = (share * np.logaddexp(0, -margin)).sum() + decay / 2 * (w[:, :-1] ** 2).sum()
        slope = np.concatenate([pull @ x + decay * w[:, :-1], pull.sum(1, keepdims=True)], axis=1)
        return float(value), slope.astype(np.float64).ravel()

    found = minimize(loss, np.zeros(heads * (width + 1)), jac=True, method="L-BFGS-B", options={"maxiter": _STEPS})
    w = found.x.reshape(heads, width + 1)
    weights = w[:, :-1] / scale
    return weights.astype(np.float32), (w[:, -1] - weights @ mean).astype(np.float32)


def fit_mean_heads(
    rows: np.ndarray, labels: np.ndarray, members: np.ndarray, decay: float, widths: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Heads whose log odds are the mean of those of one head on each part of the features and of one on all of them.

    Arguments and result as of :func:`fit_heads`; ``widths``: channels of each part.
    """
    weight, bias = fit_heads(rows, labels, members, decay)
    ends = np.cumsum(widths)
    for first, end in zip(ends - widths, ends, strict=True):
        own, start = fit_heads(rows[:, first:end], labels, members, decay)
        weight[:, first:end] += own
        bias += start
    return weight / (len(widths) + 1), bias / (len(widths) + 1)


def best_bin(positive: np.ndarray, negative: np.ndarray) -> tuple[int, float]:
    """The bin from which on pixels are called defective for the best IoU, and that IoU."""
    hits, false = (np.cumsum(counts[::-1])[::-1] for counts in (positive, negative))
    iou = hits / np.maximum(positive.sum() + false, 1)
    return int(iou.argmax()), float(iou.max())


def histogram() -> np.ndarray:
    """Counts of positive and negative pixels by score, int64 (2, BINS)."""
    return np.zeros((2, BINS), np.int64)


@dataclass
class Head:
    """One logistic head with its threshold, and the query pixels by score."""

    label: int
    shots: int
    seed: int
    weights: np.ndarray
    bias: float
    threshold: int
    counts: np.ndarray

    def figures(self) -> dict[str, float]:
        positive, negative = self.counts
        hits, false = positive[self.threshold :].sum(), negative[self.threshold :].sum()
        values = (hits / max(positive.sum() + false, 1), best_bin(positive, negative)[1])
        return dict(zip(FIGURES, (*map(float, values), average_precision(positive, negative) or 0.0), strict=True))


class Bench:
    """The protocol on one set with one source of features."""

    def __init__(self, args: argparse.Namespace, source: Source, name: str, data: Dataset):
        self.args, self.source, self.name, self.data = args, source, name, data
        self.support, self.query = halves(data, args.split)

    def features(self, image: np.ndarray, key: str | None) -> np.ndarray:
        return self.source(image, key and f"{self.name}/{key}")

    def tally(self, odds: np.ndarray, size: tuple[int, int], truth: np.ndarray, counts: np.ndarray) -> None:
        bins = to_bins(scores(to_pixels(odds, size, truth.shape, self.source.grid)), self.name)
        tally(bins, truth, None, counts[0], counts[1])

    def heads(self, label: int, seed: int) -> list[Head]:
        """The heads of one class: one for each number of shots."""
        args, most = self.args, max(self.args.shots)
        chosen = choose_support(self.support, [self.data.names[label]], most, self.data[:0], seed, Skips(strict=True))
        random = np.random.default_rng([seed, label])
        seen = []
        for sample in chosen.labelled:
            image = looked_at(sample.image, args.side, args.enlarge)
            truth = sample.instances.masks[sample.instances.labels == 0].union()
            features = self.features(image, sample.id)
            covered = coverage(truth, image.shape[:2], self.source.grid)
            seen.append((image.shape[:2], truth, features, *cells(features, covered, random)))
        out = []
        for shots in args.shots:
            some = seen[:shots]
            rows, labels = (np.concatenate([item[k] for item in some]) for k in (3, 4))
            owner = np.repeat(np.arange(len(some)), [len(item[4]) for item in some])
            leave = [owner != k for k in range(len(some))] if len(some) > 1 else []
            members = np.stack([owner >= 0, *leave])
            if args.heads == "mean" and len(self.source.parts) > 1:
                weights, biases = fit_mean_heads(rows, labels, members, args.decay, self.source.widths)
            else:
                weights, biases = fit_heads(rows, labels, members, args.decay)
            counts = histogram()
            for k in range(len(leave)):
                size, truth, features = some[k][:3]
                self.tally(features @ weights[k + 1] + biases[k + 1], size, truth, counts)
            if not leave:
                image, truth = changed_copy(chosen.labelled[0].image, some[0][1][None])
                image = looked_at(image, args.side * 4 // 5, args.enlarge)
                odds = self.features(image, f"{chosen.labelled[0].id} changed") @ weights[0] + biases[0]
                self.tally(odds, image.shape[:2], truth[0], counts)
            out.append(Head(label, shots, seed, weights[0], biases[0], best_bin(*counts)[0], histogram()))
        return out

    def queries(self) -> dict[int, set[int]]:
        """Query picture -> the classes that are measured on it."""
        holds = [set(sample.instances.labels.tolist()) for sample in self.query]
        out: dict[int, set[int]] = {}
        for label in range(len(self.data.names)):
            for i in chain(*queries(holds, label, self.args.queries)):
                out.setdefault(i, set()).add(label)
        return out

    def run(self) -> list[Head]:
        every = range(len(self.data.names))
        heads = [head for label in every for seed in range(self.args.seeds) for head in self.heads(label, seed)]
        for i, labels in self.queries().items():
            sample = self.query[i]
            image = looked_at(sample.image, self.args.side, self.args.enlarge)
            features = self.features(image, sample.id)
            found = sample.instances
            for label in labels:
                truth = found.masks[found.labels == label].union() if len(found) else np.zeros(sample.size, bool)
                mine = [head for head in heads if head.label == label]
                odds = features @ np.stack([head.weights for head in mine], axis=1)
                for k, head in enumerate(mine):
                    self.tally(odds[..., k] + head.bias, image.shape[:2], truth, head.counts)
        return heads


def measure(args: argparse.Namespace, name: str) -> list[dict]:
    """Rows of one source: for each number of shots the figures of each set and class, and the mean over the sets."""
    source = Source(name, args.grid, args.norm, tuple(args.strides))
    began, found = time.monotonic(), {}
    for title in args.sets:
        data = Dataset.open(args.data / title)
        found[title] = data.names, Bench(args, source, title, data).run()
        print(f"{name}: {title} {time.monotonic() - began:.0f} s", file=sys.stderr)
    out = []
    for shots in args.shots:
        sets, classes = {}, {}
        for title, (names, heads) in found.items():
            mine = [(head.label, head.figures()) for head in heads if head.shots == shots]
            for label, text in enumerate(names):
                values = [figures for own, figures in mine if own == label]
                classes[f"{title}/{text}"] = {
                    key: round(float(np.mean([v[key] for v in values])), 4) for key in FIGURES
                }
            sets[title] = {key: round(float(np.mean([v[key] for _, v in mine])), 4) for key in FIGURES}
        mean = {key: round(float(np.mean([values[key] for values in sets.values()])), 4) for key in FIGURES}
        setting = {key: getattr(args, key) for key in ("grid", "norm", "strides", "side", "enlarge", "decay", "heads")}
        row = {"source": name, "note": args.note, "split": args.split, "shots": shots, "seeds": args.seeds}
        row |= {"queries": args.queries, "mean": mean, "sets": sets, "classes": classes, "setting": setting}
        out.append(
            row | {"seconds": round(time.monotonic() - began), "command": "bench/features.py " + " ".join(sys.argv[1:])}
        )
    return out


def table(rows: list[dict]) -> str:
    """Markdown: IoU / best IoU / pixel AP of each source, the mean and each set."""
    sets = list(dict.fromkeys(title for row in rows for title in row["sets"]))
    lines = ["| features | shots | mean | " + " | ".join(sets) + " |", "|" + "---|" * (3 + len(sets))]
    for row in rows:
        cells = [row["mean"], *(row["sets"].get(title) for title in sets)]
        texts = ["–" if v is None else " / ".join(f"{v[key]:.3f}".lstrip("0") for key in FIGURES) for v in cells]
        name = row["source"] + (f" ({row['note']})" if row["note"] else "")
        lines.append(f"| {name} | {row['shots']} | {' | '.join(texts)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "sources", nargs="*", help="filters, imagenet, kizu-s, random[:NAME], FILE.safetensors, FILE.py:FUNCTION; A+B"
    )
    parser.add_argument("--module", nargs="+", default=[], help="more sources, FILE.py:FUNCTION")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--sets", nargs="+", default=list(MASKED))
    parser.add_argument("--split", default="val", choices=["val", "test"], help="nothing is ever chosen on test")
    parser.add_argument("--shots", nargs="+", type=int, default=[1, 5])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="two seeds, 40 query pictures a class")
    parser.add_argument("--queries", type=int, help="at most so many query pictures a class, good ones included")
    parser.add_argument("--side", type=int, default=SIDE, help="longest side that is looked at, in pixels")
    parser.add_argument("--enlarge", action=argparse.BooleanOptionalAction, default=True, help="smaller pictures, too")
    parser.add_argument("--grid", type=int, default=GRID, choices=[4, 8, 16], help="pixels a cell")
    parser.add_argument("--strides", nargs="+", type=int, default=list(STRIDES), help="maps of networks that are used")
    parser.add_argument("--norm", default="none", choices=list(NORMS), help="of the maps of networks")
    parser.add_argument("--decay", type=float, default=DECAY, help="of the logistic head")
    parser.add_argument(
        "--heads", default="mean", choices=["joint", "mean"],
        help="of sums of sources: one head, or the mean log odds of it and of one head a source",
    )  # fmt: skip
    parser.add_argument("--note", default="")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    if args.quick:  # other defaults: what is named all the same counts
        parser.set_defaults(seeds=2, queries=40)
        args = parser.parse_args()
    done = []
    for name in args.sources + args.module:
        for row in measure(args, name):
            add_row(args.out, row, ("source", "note", "split", "shots", "seeds", "queries", "setting"))
            done.append(row)
    print(table(done))


if __name__ == "__main__":
    main()
