"""Few-shot segmentation on real pictures: fit on a few pictures of ``train``, measure on all of ``test``.

    uv run python bench/fewshot.py                 # magnetic_tile, neu_seg_dedup, bsdata; 1 and 5 shots, 5 seeds
    uv run python bench/fewshot.py --split val     # while developing: nothing is ever chosen on test
    uv run python bench/fewshot.py --speed         # of fits, runs and large pictures, and memory, on a quiet machine
    uv run python bench/fewshot.py --split val --members filters --out FILE   # a part of the scorer alone
    uv run python bench/fewshot.py --split val --refine none edges --out FILE   # outlines refined, see bench/README.md

``--members``: ``filters`` are the three members on the filter bank, ``net`` is the fourth, which sees the network too,
``heads`` are these four, ``matching`` is the fifth, ``plain`` the sixth, ``all`` is what Kizu ships. With ``--split
val`` inspectors are measured on ``val`` and a third of the groups of ``train``, and fitted to the other two thirds.
``--refine``: the same inspectors once for each, with their outlines refined so; ``segmenter`` needs the weight file of
a run of ``kizu pretrain masks``. ``--augment none compose``: fitted to the labelled pictures alone, and to pictures
composed of them, too. ``--adapt MINUTES``: with a network fine-tuned to the support (``kizu fit --adapt``), as a row
of its own.

Each class is fitted alone (the support holds that class), then all classes of a set at once (``all``). Good pictures
of ``train`` are given where a set has them. Every test picture is scored: those of the class, those of other classes
and the good ones, so false positives on them count. Thresholds come from the support and the good pictures of
``train`` alone. Writes ``bench/results/fewshot.json`` and prints the table that the README shows.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from common_members import MEMBERS
from common_memory import resident
from common_sets import halves

from kizu.core.dataset import Dataset
from kizu.core.files import write_text
from kizu.core.inspector import Inspector
from kizu.core.run import Skips, progress
from kizu.detector.options import COMPOSED
from kizu.evaluation.evaluate import evaluate
from kizu.fewshot import members as members_module
from kizu.fewshot.adapt import adapt
from kizu.fewshot.fit import fit_fewshot
from kizu.fewshot.inspector import FewShotInspector
from kizu.fewshot.members import Members
from kizu.fewshot.network import VERSION, Network, shipped
from kizu.fewshot.options import compose_support
from kizu.fewshot.refine import NONE, USUAL, refiner_from
from kizu.fewshot.support import choose_support
from kizu.fewshot.views import views
from kizu.inspection.predict import predict_dataset
from kizu.synth.compose.within import COMPOSE
from kizu.synth.line import product_line

SETS = ("magnetic_tile", "neu_seg_dedup", "bsdata")
FIGURES = {
    "IoU": ("segmentation", "IoU"),
    "pixel AP": ("pixel", "pixel AP"),
    "image AUROC": ("image", "image AUROC"),
    "false alarms": ("image", "false-alarm rate"),
    "escapes": ("image", "escape rate"),
}


def one_score(maps):
    """``Members.maps`` that remembers the last picture, for inspectors that differ in their outlines alone."""
    kept = {"image": None}

    def again(members: Members, image: np.ndarray, asked: set[int] | None = None, seen=None) -> np.ndarray:
        if image is not kept["image"]:
            kept.clear()
            kept["image"] = image
        key = id(members), None if asked is None else frozenset(asked)
        if key not in kept:
            kept[key] = maps(members, image, asked, seen)
        return kept[key]

    return again


class _OneImage:
    """Views of the image at hand, shared by all inspectors that look at it."""

    def __init__(self, views):
        self.views, self.image, self.tiles = views, None, []

    def __call__(self, image: np.ndarray, network: Network):
        if image is not self.image:
            self.image, self.tiles = image, list(self.views(image, network))
        return iter(self.tiles)


def fits(
    data: Dataset, shots: int, seeds: int, alarms: float, members: str, fitted: list[str], refiners: dict,
    augment: str, minutes: float | None,
) -> list[dict]:  # fmt: skip
    """One inspector for each class and seed, and one for all classes and each seed, with the seconds that it took.

    Args:
        fitted: ``alone`` for the first, ``all`` for the second.
        refiners: by name; each inspector comes once with each of them.
        augment: ``compose`` = learn from pictures composed of the labelled ones, too.
        minutes: of adapting; None = no network is fine-tuned.
    """
    groups = [[name] for name in data.names] if "alone" in fitted else []
    groups += [list(data.names)] if "all" in fitted and len(data.names) > 1 else []
    out = []
    for classes in groups:
        for seed in range(seeds):
            began = time.perf_counter()
            support = choose_support(data, classes, shots, None, seed, Skips(strict=True), alarms)
            composed = compose_support(support, seed) if augment == COMPOSE else []
            tuned = adapt(support, minutes, composed=COMPOSED if composed else 0.0, seed=seed) if minutes else None
            model, _ = fit_fewshot(support, alarms, seed, candidates=MEMBERS[members], composed=composed, adapted=tuned)
            row = {
                "classes": classes,
                "seed": seed,
                "members": members,
                "augment": augment,
                "adapt": minutes,
                "model": model,
                "fit_s": time.perf_counter() - began,
            }
            row |= {"labelled": len(support.labelled), "clean": len(support.clean)}
            for name, refiner in refiners.items():
                refined = FewShotInspector(model.card, model.members, model.mixes, model.rules, refiner)
                out.append(row | {"refine": name, "model": refined})
    return out


def predictions(test: Dataset, rows: list[dict], title: str) -> None:
    """Fill each row with its predictions (score maps as float16 in memory); the first row's seconds stand for all."""
    members_module.views = _OneImage(views)
    plain, Members.maps = Members.maps, one_score(Members.maps)
    samples, seconds = [[] for _ in rows], []
    with progress(title, len(test)) as step:
        for sample in test:
            image = sample.image
            for k, row in enumerate(rows):
                began = time.perf_counter()
                instances, maps = row["model"].inspect(image, min_score=0.05)
                if k == 0:
                    seconds.append(time.perf_counter() - began)
                scores = partial(np.asarray, maps.astype(np.float16), np.float32)
                samples[k].append(sample.replace(instances=instances, score_map=scores))
            step()
    members_module.views, Members.maps = views, plain
    for row, mine in zip(rows, samples, strict=True):
        row["predictions"] = Dataset(mine, row["model"].names, {"card": {"data": row["model"].card.data}})
        row["predict_s"] = statistics.median(seconds)


def measure(row: dict, test: Dataset) -> list[dict]:
    """The figures of one inspector: a record a class."""
    result = evaluate(row["predictions"], test, resamples=0, boxes=False)
    kind = "alone" if len(row["classes"]) == 1 else "all"
    out = []
    for name in row["model"].names:
        record = {"class": name, "fitted": kind, "seed": row["seed"]}
        for title, (group, figure) in FIGURES.items():
            record[title] = result.figure(group, figure, name).value
        kept = ("members", "augment", "adapt", "refine", "fit_s", "predict_s", "labelled", "clean")
        out.append(record | {key: row[key] for key in kept})
    return out


def large(path: Path, picture: np.ndarray) -> dict[str, float]:
    """Seconds that a model file's inspector takes for a strip of 4096 x 256 px and for 20 megapixels, the second time
    each, and the peak memory of the process in MB (Linux)."""
    model, out = Inspector.load(path), {}
    for name, (height, width) in {"strip_s": (256, 4096), "20_mpx_s": (4472, 4472)}.items():
        times = (-(-height // picture.shape[0]), -(-width // picture.shape[1]), 1)
        image = np.ascontiguousarray(np.tile(picture, times)[:height, :width])
        for _ in range(2):
            began = time.perf_counter()
            model.inspect(image)
            out[name] = time.perf_counter() - began
    return out | {"peak_mb": resident("VmHWM")}


def speed(repeats: int = 3) -> dict[str, float]:
    """Median seconds of a fit from five labelled pictures of 512 px, images a second of a run over 60 of them, and the
    figures of :func:`large`, of a process of its own."""
    fit_s, rates = [], []
    with tempfile.TemporaryDirectory() as folder:
        product_line(40, 60, size=512).write(Path(folder) / "line", "coco")
        line = Dataset.open(Path(folder) / "line")
        for repeat in range(repeats + 1):  # the first compiles and is not counted
            began = time.perf_counter()
            support = choose_support(line.split("train"), ["stain"], 5, line[:0], repeat, Skips(strict=True))
            model, _ = fit_fewshot(support, 0.05, repeat, refiner=refiner_from())
            fit_s.append(time.perf_counter() - began)
            began = time.perf_counter()
            predict_dataset(model, line.split("test"), Path(folder) / f"out{repeat}", show=False)
            rates.append(60 / (time.perf_counter() - began))
        path = Path(folder) / "line.kizu"
        model.save(path)
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            more = pool.submit(large, path, line.split("test")[0].image).result()
    return {
        "fit_s": statistics.median(fit_s[1:]),
        "images_per_s": statistics.median(rates[1:]),
        "repeats": repeats,
    } | more


def table(records: list[dict]) -> str:
    """Markdown: mean and deviation over seeds for each class, and the mean over the classes of a set."""
    lines = ["| set | class | fitted | shots | " + " | ".join(FIGURES) + " |"]
    lines.append("|" + "---|" * (4 + len(FIGURES)))
    named = ("set", "fitted", "shots", "members", "augment", "refine", "adapt")
    records = [{"augment": NONE, "refine": NONE, "adapt": None} | r for r in records]
    keys = {tuple(r[n] for n in named) for r in records}
    keys = sorted(keys, key=lambda k: (SETS.index(k[0]), *k[1:-1], k[-1] or 0.0))
    for key in keys:
        mine = [r for r in records if tuple(r[n] for n in named) == key]
        fitted = key[1] if key[3] == "all" else f"{key[1]}, {key[3]} only"
        fitted += f", {key[4]}" if key[4] != NONE else ""
        fitted += f", outlines by {key[5]}" if key[5] != USUAL else ""
        fitted += f", adapted for {key[-1]:g} minutes" if key[-1] else ""
        names = list(dict.fromkeys(r["class"] for r in mine))
        rows = {name: [r for r in mine if r["class"] == name] for name in names}
        rows |= {"**mean**": mine} if len(names) > 1 else {}
        for name, some in rows.items():
            cells = []
            for title in FIGURES:
                seeds = {r["seed"]: [] for r in some}
                for r in some:
                    seeds[r["seed"]] += [100 * r[title]] if r[title] is not None else []
                means = [np.mean(values) for values in seeds.values() if values]
                cells.append(f"{np.mean(means):.1f} ± {np.std(means):.1f}" if means else "–")
            lines.append(f"| {key[0]} | {name} | {fitted} | {key[2]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    parser.add_argument("--shots", nargs="+", type=int, default=[5, 1])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--split", default="test", choices=["test", "val"])
    parser.add_argument("--members", nargs="+", default=["all"], choices=list(MEMBERS), help="parts of the scorer")
    parser.add_argument("--fitted", nargs="+", default=["alone", "all"], choices=["alone", "all"])
    parser.add_argument("--augment", nargs="+", default=[NONE], choices=[NONE, COMPOSE])
    parser.add_argument("--adapt", nargs="+", type=minutes_of, default=[None], help="minutes, or none")
    parser.add_argument("--refine", nargs="+", default=[USUAL], choices=[NONE, "edges", "segmenter"])
    parser.add_argument("--segmenter", type=Path, help="weight file of kizu pretrain masks, for --refine segmenter")
    parser.add_argument("--false-alarms", type=float, default=0.05)
    parser.add_argument("--limit", type=int, help="at most so many pictures of the split (developing)")
    parser.add_argument("--speed", action="store_true", help="measure the speed alone (on a quiet machine)")
    parser.add_argument("--out", type=Path, default=Path("bench/results/fewshot.json"))
    args = parser.parse_args()
    setting = {"split": args.split, "seeds": args.seeds, "false_alarms": args.false_alarms, "limit": args.limit}
    result = earlier(args.out, setting)
    refiners = {name: refiner_from(name, args.segmenter if name == "segmenter" else None) for name in args.refine}
    if args.speed:
        result["speed"] = speed() | {"command": "uv run python bench/fewshot.py --speed", "cores": os.cpu_count()}
    for name in [] if args.speed else args.sets:
        data = Dataset.open(args.data / name)
        train, test = halves(data, args.split)
        if args.limit and len(test) > args.limit:
            test = test[np.linspace(0, len(test) - 1, args.limit).astype(int)]
        for shots in args.shots:
            rows = []
            for part, more, minutes in product(args.members, args.augment, args.adapt):
                rows += fits(train, shots, args.seeds, args.false_alarms, part, args.fitted, refiners, more, minutes)
            predictions(test, rows, f"{name}, {shots} shots")
            records = [{"set": name, "shots": shots} | record for row in rows for record in measure(row, test)]
            # What other runs measured is kept; a set and number of shots that was measured again is replaced.
            now = earlier(args.out, setting)
            key = ("set", "shots", "members", "augment", "adapt", "refine", "fitted")
            done = product(args.members, args.augment, args.adapt, args.refine, args.fitted)
            again = {(name, shots, *rest) for rest in done}
            old = {"augment": NONE, "adapt": None, "refine": NONE}
            kept = [r for r in now["records"] if tuple((old | r)[n] for n in key) not in again]
            result = now | {
                "records": kept + records,
                "setting": setting,
                "features": VERSION,
                "network": shipped().identity,
            }
            result["command"] = f"uv run python bench/fewshot.py {shlex.join(sys.argv[1:])}".strip()
            write(args.out, result)
    write(args.out, result)
    print(table(result["records"]))
    if "speed" in result:
        told = (
            "5 pictures of 512 px: fit {fit_s:.1f} s; run {images_per_s:.1f} images/s; 4096 x 256 px {strip_s:.2f} s; "
            "20 megapixels {20_mpx_s:.1f} s; at most {peak_mb:.0f} MB"
        )
        print(told.format(**result["speed"]))


def minutes_of(text: str) -> float | None:
    """An argument of ``--adapt``."""
    return None if text == NONE else float(text)


def earlier(path: Path, setting: dict) -> dict:
    """What earlier runs measured; figures of another setting, other features or another network are never mixed in."""
    if not path.exists():
        return {"records": []}
    result = json.loads(path.read_text())
    mine = {"setting": setting, "features": VERSION, "network": shipped().identity}
    if any(result.get(key, value) != value for key, value in mine.items()):
        raise SystemExit(
            f"{path} holds figures of another setting or network ({result['setting']}); name another --out"
        )
    return result


def write(path: Path, result: dict) -> None:
    write_text(path, json.dumps(result | {"python": platform.python_version()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
