"""The nouns at scale: opening shards, COCO evaluation, masks against pycocotools, and the seconds before anything runs.

    uv run python bench/core.py                    # all parts, about three minutes; writes bench/results/core.json
    uv run python bench/core.py --only masks       # one part, printed alone

Every part runs in a fresh process. Memory is the growth of the peak resident memory over what the process held before
(Linux). Where Kizu is compared with pycocotools, both do the same on the same data in turn (A B A B ...), and medians
are given.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from common_memory import resident

CLASSES = ("scratch", "stain", "chip", "crack", "pore")
SIDE = 512


def seconds(call: Callable) -> float:
    """Seconds of one call."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def measured(call: Callable) -> dict:
    """Seconds and growth of the peak resident memory of one call."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    held = resident("VmRSS")
    return {"s": seconds(call), "mb": max(resident("VmHWM") - held, 0.0)}


def discs(random: np.random.Generator, middles: np.ndarray, radii: np.ndarray):
    """Masks of discs, the later over the earlier."""
    from kizu.core.masks import Masks

    raster = np.zeros((SIDE, SIDE), np.int32)
    for k, ((x, y), radius) in enumerate(zip(middles, radii, strict=True)):
        cv2.circle(raster, (int(x), int(y)), max(int(radius), 1), k + 1, -1)
    return Masks.from_label_map(raster)


# --- opening ----------------------------------------------------------------------------------------------------------


def make_shards(folder: Path, images: int) -> None:
    """A data set of ``images`` images (by path; there are no files) with five instances each."""
    from kizu.core.dataset import Dataset
    from kizu.core.instances import Instances
    from kizu.core.sample import Sample

    random = np.random.default_rng(0)
    pool = []
    while len(pool) < 500:
        masks = discs(random, random.integers(0, SIDE, (5, 2)), random.integers(4, 40, 5))
        if len(masks) == 5:
            pool.append(Instances(random.integers(0, len(CLASSES), 5), masks=masks))

    class Made:
        def __len__(self) -> int:
            return images

        def __getitem__(self, i: int) -> Sample:
            name, split = f"{i // 1000:03d}/{i:06d}.png", ("train", "val", "test")[i % 3]
            return Sample(name, instances=pool[i % 500], path=folder / name, size=(SIDE, SIDE), split=split)

    Dataset(Made(), CLASSES).write(folder / "shards", "shards", embed=False)


def part_open(images: int) -> dict:
    """Seconds and memory to open shards, to count their instances by class, and to look at 1,000 samples."""
    with tempfile.TemporaryDirectory() as folder:
        made = seconds(lambda: make_shards(Path(folder), images))
        found = child("open_there", folder)
    return found | {"images": images, "instances": 5 * images, "made_s": made}


def part_open_there(folder: str) -> dict:
    """The measured half of :func:`part_open`, in a process that has not made the data."""
    from kizu.core.dataset import Dataset, formats
    from kizu.core.shards import read_columns

    formats()  # what a first call imports is no part of opening
    shards = Path(folder) / "shards"
    out, opened = {}, {}

    def open_it():
        opened["data"] = Dataset.open(shards)
        assert len(opened["data"]) > 0

    def count():
        total = np.zeros(len(CLASSES), np.int64)
        for table in read_columns(shards, ["labels"]):
            labels = table["labels"].combine_chunks().flatten().to_numpy()
            total += np.bincount(labels, minlength=len(CLASSES))
        assert total.sum() == 5 * len(opened["data"])

    def look():
        for i in np.random.default_rng(1).integers(0, len(opened["data"]), 1000):
            assert len(opened["data"][int(i)].instances.masks) == 5

    def splits():
        assert sum(opened["data"].splits.values()) == len(opened["data"])

    for name, call in (("open", open_it), ("count", count), ("look", look), ("splits", splits)):
        out[name] = measured(call)
    return out


# --- evaluation -------------------------------------------------------------------------------------------------------


def scenes(images: int):
    """Truth and predictions in memory: ten discs an image; predictions are moved, missed, doubled and mistaken."""
    from kizu.core.dataset import Dataset
    from kizu.core.instances import Instances
    from kizu.core.sample import Sample

    random = np.random.default_rng(0)
    truth, predicted = [], []
    for i in range(images):
        middles, radii = random.integers(0, SIDE, (10, 2)), 3 * np.exp(random.uniform(0, 3.3, 10))
        labels = random.integers(0, len(CLASSES), 10)
        masks = discs(random, middles, radii)
        own = Instances(np.resize(labels, len(masks)), masks=masks)
        moved = discs(
            random, middles + random.normal(0, 0.15, (10, 2)) * radii[:, None], radii * random.uniform(0.8, 1.2, 10)
        )
        mistaken = np.where(random.random(len(moved)) < 0.15, random.integers(0, len(CLASSES), len(moved)), 0)
        found = (np.resize(labels, len(moved)) + mistaken) % len(CLASSES)
        scores = random.random(len(moved)).astype(np.float32)
        truth.append(Sample(f"{i}.png", instances=own, size=(SIDE, SIDE)))
        predicted.append(Sample(f"{i}.png", instances=Instances(found, masks=moved, scores=scores), size=(SIDE, SIDE)))
    return Dataset(truth, CLASSES), Dataset(predicted, CLASSES)


def part_evaluate(images: int) -> dict:
    """COCO figures by Kizu and by pycocotools, each in its own process."""
    out = {}
    for kind in ("box", "mask"):
        kizu, other = child("evaluate_kizu", images, kind), child("evaluate_pycocotools", images, kind)
        apart = [abs(a - b) for a, b in zip(kizu.pop("figures"), other.pop("figures"), strict=True)]
        out[kind] = {"kizu": kizu, "pycocotools": other, "difference": max(apart), "figures": len(apart)}
    return out


def part_evaluate_kizu(images: int, kind: str) -> dict:
    """``coco_figures``, from data sets in memory to figures; the median of three runs."""
    from kizu.evaluation.coco import coco_figures

    truth, predictions = scenes(images)
    warm = truth[:10], predictions[:10]
    coco_figures(*warm, kind)
    kept, runs = [], []
    for _ in range(3):
        runs.append(measured(lambda: kept.append(coco_figures(truth, predictions, kind))))
    figures = [figure.value for figure in kept[0]]
    count = sum(len(sample.instances) for sample in predictions)
    return {key: statistics.median(run[key] for run in runs) for key in ("s", "mb")} | {
        "figures": figures,
        "instances": count,
    }


def part_evaluate_pycocotools(images: int, kind: str) -> dict:
    """The same by pycocotools, from its own records in memory to figures; one run."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth, predictions = scenes(images)
    records = {"images": [], "categories": [{"id": k + 1, "name": name} for k, name in enumerate(CLASSES)]}
    records["annotations"], results = [], []
    for i, (own, found) in enumerate(zip(truth, predictions, strict=True)):
        records["images"].append({"id": i + 1, "height": SIDE, "width": SIDE})
        for instances, into in ((own.instances, records["annotations"]), (found.instances, results)):
            codes = instances.masks.to_coco()
            for k, (x0, y0, x1, y1) in enumerate(instances.boxes.tolist()):
                record = {"image_id": i + 1, "category_id": int(instances.labels[k]) + 1}
                record |= {"bbox": [x0, y0, x1 - x0, y1 - y0]}
                if into is results:
                    record["score"] = float(instances.scores[k])
                else:
                    record |= {"id": len(into) + 1, "iscrowd": 0, "area": int(instances.masks.area[k])}
                if kind == "mask":
                    record["segmentation"] = codes[k]
                    record.pop("bbox" if into is results else "", None)
                into.append(record)
    run = {}

    def evaluate():
        left = COCO()
        left.dataset = records
        left.createIndex()
        run["eval"] = COCOeval(left, left.loadRes(results), "segm" if kind == "mask" else "bbox")
        run["eval"].evaluate()
        run["eval"].accumulate()
        run["eval"].summarize()

    with contextlib.redirect_stdout(io.StringIO()):
        out = measured(evaluate)
    return out | {"figures": coco_stats(run["eval"])}


def coco_stats(run) -> list[float]:
    """The twelve figures of all classes, then those of each class, in the order of ``coco_figures``."""
    out = list(run.stats)
    precision, recall = run.eval["precision"], run.eval["recall"]
    for k in range(len(CLASSES)):
        picked = [precision[:, :, k, 0, 2], precision[0, :, k, 0, 2], precision[5, :, k, 0, 2]]
        picked += [precision[:, :, k, area, 2] for area in (1, 2, 3)]
        picked += [recall[:, k, 0, count] for count in (0, 1, 2)] + [recall[:, k, area, 2] for area in (1, 2, 3)]
        out += [float(values[values > -1].mean()) for values in picked]
    return [float(value) for value in out]


# --- masks ------------------------------------------------------------------------------------------------------------


def stack(side: int, count: int, radius: int) -> np.ndarray:
    """Dense masks uint8 (N, H, W), a disc each."""
    random = np.random.default_rng(2)
    out = np.zeros((count, side, side), np.uint8)
    for mask in out:
        x, y = random.integers(radius, side - radius, 2)
        cv2.circle(mask, (int(x), int(y)), int(radius * random.uniform(0.7, 1)), 1, -1)
    return out


def part_masks(repeats: int) -> list[dict]:
    """Kizu and pycocotools in turn: milliseconds (medians) and how many times faster Kizu is."""
    from pycocotools import mask as coco

    from kizu.core.masks import Masks

    noise = (np.random.default_rng(3).random((1, 512, 512)) < 0.3).astype(np.uint8)
    cases = {"512 x 512, 5 small blobs": stack(512, 5, 15), "512 x 512, 1 large blob": stack(512, 1, 220)}
    cases |= {"2048 x 2048, 50 blobs": stack(2048, 50, 100), "512 x 512, noise": noise}
    rows = []
    for name, dense in cases.items():
        size, last = dense.shape[1:], np.asfortranarray(dense.transpose(1, 2, 0))
        codes = coco.encode(last)
        texts, crowd = [code["counts"] for code in codes], [0] * len(codes)
        held, raster = Masks.from_dense(dense), Masks.from_dense(dense).to_label_map()
        ids = [int(v) for v in np.unique(raster) if v]
        calls = {
            "encode a row-major stack": (
                lambda dense=dense: Masks.from_dense(dense).codes(),
                lambda dense=dense: coco.encode(np.asfortranarray(dense.transpose(1, 2, 0))),
            ),
            "encode, each from its own order": (
                lambda dense=dense: Masks.from_dense(dense).codes(),
                lambda last=last: coco.encode(last),
            ),
            "decode": (
                lambda texts=texts, size=size: every(Masks.from_codes(texts, size)),
                lambda codes=codes: coco.decode(codes),
            ),
            "area of strings": (
                lambda texts=texts, size=size: Masks.from_codes(texts, size).area,
                lambda codes=codes: coco.area(codes),
            ),
            "IoU of strings": (
                lambda texts=texts, size=size: pairwise_iou(Masks.from_codes(texts, size)),
                lambda codes=codes, crowd=crowd: coco.iou(codes, codes, crowd),
            ),
            "IoU of held masks": (
                lambda held=held: pairwise_iou(held),
                lambda codes=codes, crowd=crowd: coco.iou(codes, codes, crowd),
            ),
            "encode an id raster": (
                lambda raster=raster: Masks.from_label_map(raster).codes(),
                lambda raster=raster, ids=ids: [
                    coco.encode(np.asfortranarray(raster == i).view(np.uint8)) for i in ids
                ],
            ),
        }
        for what, (ours, theirs) in calls.items():
            ours(), theirs()
            times = [(seconds(ours), seconds(theirs)) for _ in range(max(repeats // (1 + dense.size // 10**7), 5))]
            a, b = (1000 * statistics.median(column) for column in zip(*times, strict=True))
            rows.append({"case": name, "what": what, "kizu_ms": a, "pycocotools_ms": b, "ratio": b / a})
    return rows


def every(masks) -> list[np.ndarray]:
    """All masks, dense."""
    return [masks.dense(i) for i in range(len(masks))]


def pairwise_iou(masks) -> np.ndarray:
    """Each mask with each."""
    return masks.iou(masks)


# --- starting ---------------------------------------------------------------------------------------------------------


def part_start(repeats: int = 9) -> dict:
    """Seconds of fresh processes: Python alone, ``import kizu``, and the command line's help."""
    lines = {"python": ["-c", ""], "import kizu": ["-c", "import kizu"], "kizu --help": ["-m", "kizu.cli", "--help"]}
    times: dict[str, list[float]] = {name: [] for name in lines}
    for k in range(repeats + 1):
        for name, arguments in lines.items():
            command = [sys.executable, *arguments]
            taken = seconds(lambda command=command: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))
            if k:  # the first fills the caches
                times[name].append(taken)
    return {name: statistics.median(values) for name, values in times.items()}


# --- running ----------------------------------------------------------------------------------------------------------


def child(part: str, *arguments) -> dict | list:
    """The result of a part in a fresh process."""
    command = [sys.executable, __file__, "--part", json.dumps([part, *arguments])]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"part {part} failed")
    return json.loads(done.stdout.splitlines()[-1])


def summary(parts: dict) -> list[dict]:
    """Figures with a target, and whether it is met."""
    rows = []

    def add(what: str, value: float, unit: str, target: float, least: bool = False) -> None:
        met = value >= target if least else value <= target
        rows.append({"what": what, "value": value, "unit": unit, "target": target, "least": least, "met": bool(met)})

    if "open" in parts:
        found = parts["open"]
        title = f"{found['images']:,} images, {found['instances']:,} instances"
        add(f"open {title}", found["open"]["s"], "s", 1)
        add(f"open, count by class, look at 1,000 samples of {title}", held(found), "MB", 250)
    for kind, found in parts.get("evaluate", {}).items():
        title = f"{kind} AP of {found['kizu']['instances']:,} predictions"
        add(title, found["kizu"]["s"], "s", 15)
        add(f"{title}, against pycocotools", found["difference"], "largest difference", 1e-6)
    for row in parts.get("masks", []):
        if row["what"] in ("encode a row-major stack", "decode", "encode an id raster"):
            add(f"{row['what']}, {row['case']}", row["ratio"], "times pycocotools", 1, least=True)
    for name in ("import kizu", "kizu --help"):
        if "start" in parts:
            add(name, parts["start"][name], "s", 0.5)
    return rows


def held(found: dict) -> float:
    """Megabytes of opening, counting and looking together: each starts from what the one before left."""
    return sum(found[name]["mb"] for name in ("open", "count", "look"))


def table(head: str, rows: list[list]) -> None:
    """Print a Markdown table; numbers with three digits that count."""
    print(f"\n| {head} |\n|{'---|' * (head.count('|') + 1)}")
    for row in rows:
        cells = (f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row)
        print("| " + " | ".join(cells) + " |")


def show(parts: dict, rows: list[dict]) -> None:
    """Markdown tables of everything."""
    signs = [f"{'at least' if row['least'] else 'at most'} {row['target']:g}" for row in rows]
    whole = [
        [r["what"], r["value"], r["unit"], sign, "yes" if r["met"] else "NO"]
        for r, sign in zip(rows, signs, strict=True)
    ]
    table("what | value | unit | target | met", whole)
    if "open" in parts:
        names = ("open", "count", "look", "splits")
        table("shards | s | MB", [[name, parts["open"][name]["s"], parts["open"][name]["mb"]] for name in names])
    sides = [(kind, found["kizu"], found["pycocotools"], found) for kind, found in parts.get("evaluate", {}).items()]
    if sides:
        lines = [[kind, a["s"], a["mb"], b["s"], b["mb"], found["difference"]] for kind, a, b, found in sides]
        table("evaluation | Kizu s | Kizu MB | pycocotools s | pycocotools MB | largest difference", lines)
    if "masks" in parts:
        lines = [[r["what"], r["case"], r["kizu_ms"], r["pycocotools_ms"], r["ratio"]] for r in parts["masks"]]
        table("masks | case | Kizu ms | pycocotools ms | times faster", lines)
    if "start" in parts:
        table("start | s", [[name, value] for name, value in parts["start"].items()])


PARTS = ("open", "evaluate", "masks", "start")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, help="these parts alone; nothing is written")
    parser.add_argument("--images", type=int, default=100_000, help="of the shards")
    parser.add_argument("--scenes", type=int, default=10_000, help="images to evaluate")
    parser.add_argument("--repeats", type=int, default=31)
    parser.add_argument("--out", type=Path, default=Path("bench/results/core.json"))
    parser.add_argument("--part", type=json.loads, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part:
        name, *arguments = args.part
        print(json.dumps(globals()[f"part_{name}"](*arguments)))
        return
    settings = {"open": args.images, "evaluate": args.scenes, "masks": args.repeats, "start": 9}
    parts = {name: child(name, settings[name]) for name in args.only or PARTS}
    rows = summary(parts)
    show(parts, rows)
    if not args.only:
        record = {
            "command": "uv run python bench/core.py",
            "cores": os.cpu_count(),
            "python": platform.python_version(),
        }
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(record | {"figures": rows, "parts": parts}, indent=1) + "\n")


if __name__ == "__main__":
    main()
