"""Composed images: pictures a second on one core, memory, exact labels, and whether seams betray what was put in.

    uv run python bench/compose.py                      # speed and memory; writes bench/results/compose.json
    uv run python bench/compose.py exact                # labels and expressions of 10,000 random scenes
    uv run --extra train python bench/compose.py seams  # the seam probe on magnetic_tile

Each part runs in a fresh process on one core. Speed: planned, drawn, labelled, described by expressions, encoded and
written to shards; rates are medians of several runs over different pictures, of processor time too, which neighbours on
the machine change less.

Exact: small scenes of formula pictures, all layouts in turn, all options by chance. Visible masks must be disjoint and
within the amodal ones, boxes tight, areas those of the id raster, occluders those that lie on top; every expression
must select its targets for an evaluator that looks at pixels, without margins; and the same scene in another light must
have the same planned masks (those that both pictures have, where the other light hides or shows something). What is
violated is counted, see tests/synth/compose/compose_exact.py.

Seams: a small network learns to tell crops of 32 px around the edge of a real defect from those around the edge of a
pasted one; its AUC on crops of other pictures is the figure (0.5: it cannot), by blend.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import common_sets

TARGETS = {512: 25, 1024: 8}  # pictures a second on one core
MOST_MEMORY = 1500  # megabytes with a bank of SEGMENTS
SEGMENTS = 10_000
MOST_AUC = 0.65
REPEATS, COUNT = 3, 48
EXACT, PROBED = 10_000, 700  # scenes; pictures of the seam probe, for each blend
CROP, SIDE_LEAST, SIDE_MOST = 32, 6, 90  # pixels of the crops, and of the defects whose edges are looked at


# --- material ---------------------------------------------------------------------------------------------------------


def line(side: int, count: int = 60):
    """Pictures of a made product line: labelled and good ones."""
    from kizu.core.dataset import Dataset
    from kizu.synth.formula import presets
    from kizu.synth.formula.source import Formula

    made = Formula(presets.load("line"), count, (side, side), seed=3)
    return Dataset([made[i] for i in range(count)], made.names)


def objects(count: int):
    """Pictures of formula objects."""
    from kizu.core.dataset import Dataset
    from kizu.synth.formula import presets
    from kizu.synth.formula.source import Formula

    made = Formula(presets.load("inscore"), count, (512, 512), seed=4)
    return Dataset([made[i] for i in range(count)], made.names)


def composition(layout: str, side: int, count: int, start: int, bank=None):
    """Pictures of a layout with everything switched on."""
    import numpy as np

    from kizu.core.run import Skips
    from kizu.synth.compose.backgrounds import Backgrounds, clean_rows
    from kizu.synth.compose.bank import Bank
    from kizu.synth.compose.options import Options
    from kizu.synth.compose.prior import Prior
    from kizu.synth.compose.source import Composition
    from kizu.synth.compose.stock import Stock

    ground = line(side)
    rows = clean_rows(ground, Skips())
    backgrounds = Backgrounds(ground, rows if len(rows) else np.arange(len(ground)), labelled=not len(rows))
    defects = layout in ("inplace", "measured")
    bank = bank or (Bank.cut(ground, "defect") if defects else Bank.cut(objects(40), "object"))
    stock = Stock.of(bank, refuse=("tiny",))
    options = Options(layout=layout, expressions=9, empty=0.0)
    prior = Prior.learn(ground) if defects else None
    return Composition(stock, backgrounds, prior, options, count, 1, start, surfaces=None)


# --- speed and memory -------------------------------------------------------------------------------------------------


def part_speed(layout: str, side: int) -> dict:
    """Pictures a second to shards on one core."""
    from kizu.synth.engine import write

    with tempfile.TemporaryDirectory() as folder:
        write(composition(layout, side, 40, 10**6), Path(folder) / "warm", 1)  # compiles, loads
        source = composition(layout, side, COUNT, 0)
        for i in range(0, COUNT, 4):
            source[i]  # backgrounds and segments that stay in memory
        walls, works = [], []
        for k in range(REPEATS):
            source.start = k * COUNT
            began = time.process_time()
            written = write(source, Path(folder) / str(k), 1)
            walls.append(written.seconds / COUNT)
            works.append((time.process_time() - began) / COUNT)
        things = sum(len(source[i].instances) for i in range(COUNT)) / COUNT
    wall, work = statistics.median(walls), statistics.median(works)
    return {
        "layout": layout, "side": side, "per_second": 1 / wall, "per_second_of_processor": 1 / work,
        "instances": things, "target": TARGETS[side],
    }  # fmt: skip


def part_memory() -> dict:
    """Peak memory of composing with a bank of many segments on disk."""
    from kizu.core.dataset import Dataset
    from kizu.synth.compose.bank import Bank, write_bank
    from kizu.synth.compose.plan import plan
    from kizu.synth.formula import presets
    from kizu.synth.formula.source import Formula

    with tempfile.TemporaryDirectory() as folder:
        made = Formula(presets.load("inscore"), 700, (512, 512), seed=9)
        write_bank(plan(Dataset(made, made.names), "object"), Path(folder) / "bank", workers=1)
        bank = Bank.open(Path(folder) / "bank")
        source = composition("sos", 512, 400, 0, bank)
        for i in range(len(source)):
            source[i]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return {"segments": len(bank), "pictures": len(source), "peak_mb": peak, "most_mb": MOST_MEMORY}


def fresh(*part: str) -> dict:
    """A part of this benchmark in a process of its own."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    done = subprocess.run(
        [sys.executable, __file__, "part", *part], env=os.environ | one, stdout=subprocess.PIPE, check=True, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


# --- exactness --------------------------------------------------------------------------------------------------------


def part_exact(count: int, seed: int = 0):
    """Violations in random scenes, by layout and kind, after each thousand and at the end; each one is printed."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "synth" / "compose"))
    import compose_exact

    from kizu.core.threads import single_threaded

    counted = ("scenes", "instances", "expressions", "violations", "other_in_other_light", "no_picture")
    table = {layout: dict.fromkeys(counted, 0) for layout in compose_exact.LAYOUTS}
    kinds: dict[str, int] = {}
    began = time.perf_counter()
    with single_threaded():
        for n in range(count):
            k, i = divmod(n, compose_exact.EACH)
            layout = compose_exact.LAYOUTS[k % len(table)]
            row = table[layout]
            if i == 0:
                audited = compose_exact.audited(seed, k)
            if n and n % 1000 == 0:
                yield {"seed": seed, "seconds": time.perf_counter() - began, "violations": kinds, "layouts": table}
            sample, faults, other = next(audited)
            if sample is None:
                row["no_picture"] += 1
                continue
            row["scenes"] += 1
            row["instances"] += len(sample.instances)
            row["expressions"] += len(sample.meta["expressions"])
            row["other_in_other_light"] += other
            row["violations"] += len(faults)
            for fault in faults:
                kind = fault.partition(":")[0]
                kinds[kind] = kinds.get(kind, 0) + 1
                print(f"seed {seed}, options {k}, picture {sample.id} ({layout}): {fault}", flush=True)
    yield {"seed": seed, "seconds": time.perf_counter() - began, "violations": kinds, "layouts": table}


def print_exact(found: dict) -> None:
    """As a table."""
    print("| layout | scenes | instances | expressions | violations |\n|---|---|---|---|---|")
    for layout, row in found["layouts"].items():
        print(f"| {layout} | " + " | ".join(str(row[name]) for name in list(row)[:4]) + " |")
    for name, what in (("no_picture", "had no place for what was asked"),
                       ("other_in_other_light", "show more or less in another light")):  # fmt: skip
        print(f"{sum(row[name] for row in found['layouts'].values())} scenes {what}.")


# --- seams ------------------------------------------------------------------------------------------------------------


def edge_crops(dataset, random, most: int, pasted: bool) -> tuple[list, list]:
    """Crops (32, 32) of the grey picture around points of the edges of defects, and the group of each."""
    import cv2
    import numpy as np

    crops, groups = [], []
    for k in random.permutation(len(dataset)).tolist():
        sample = dataset[k]
        found = sample.instances
        grey = cv2.cvtColor(sample.image, cv2.COLOR_RGB2GRAY)
        for i in range(len(found)):
            mask, (x, y) = found.masks.crop(i)
            if not SIDE_LEAST <= max(mask.shape) <= SIDE_MOST or len(crops) >= most:
                continue
            outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            points = np.concatenate(outlines)[:, 0]
            for px, py in points[random.permutation(len(points))[:2]]:
                left, top = x + int(px) - CROP // 2, y + int(py) - CROP // 2
                if left < 0 or top < 0 or left + CROP > grey.shape[1] or top + CROP > grey.shape[0]:
                    continue
                crops.append(grey[top : top + CROP, left : left + CROP])
                groups.append(sample.meta["lineage"][0] if pasted else sample.group or sample.id)
    return crops, groups


def probe(real: tuple[list, list], pasted: tuple[list, list], seed: int) -> float:
    """AUC of a small network on crops of groups that it has not seen."""
    import numpy as np
    import torch
    from sklearn.metrics import roc_auc_score
    from torch import nn

    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    count = min(len(real[0]), len(pasted[0]))
    values, labels, held = [], [], []
    for label, (crops, groups) in enumerate((real, pasted)):
        names = sorted(set(groups))
        away = {names[k] for k in random.permutation(len(names))[: max(len(names) // 3, 1)].tolist()}
        order = random.permutation(len(crops))[:count]
        values += [crops[k] for k in order]
        labels += [label] * len(order)
        held += [groups[k] in away for k in order]
    x = torch.from_numpy(np.stack(values)).float()[:, None]
    # Each crop by its own mean and deviation: the probe is to look at edges, not at how dark the picture is.
    x = (x - x.mean((2, 3), keepdim=True)) / (x.std((2, 3), keepdim=True) + 2)
    y, held = torch.tensor(labels).float(), torch.tensor(held)
    wide = (16, 32, 64)
    layers, before = [], 1
    for channels in wide:
        layers += [nn.Conv2d(before, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()]
        layers += [nn.MaxPool2d(2)]
        before = channels
    net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.3), nn.Linear(before, 1))
    optimiser = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=1e-2)
    mine, others = x[~held], y[~held]
    for _ in range(30):
        for part in torch.randperm(len(mine)).split(64):
            batch = mine[part]
            if torch.rand(()) < 0.5:
                batch = batch.flip(3)
            if torch.rand(()) < 0.5:
                batch = batch.flip(2)
            loss = nn.functional.binary_cross_entropy_with_logits(net(batch)[:, 0], others[part])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    net.eval()
    with torch.no_grad():
        return float(roc_auc_score(y[held].numpy(), net(x[held])[:, 0].numpy()))


def part_seams(name: str, count: int, seeds: int) -> list[dict]:
    """The probe for each blend, and for all of them at random; for real against real too: what chance gives."""
    import numpy as np

    from kizu.core.dataset import Dataset
    from kizu.core.run import Skips
    from kizu.core.threads import single_threaded
    from kizu.synth.compose.blend import BLENDS
    from kizu.synth.compose.material import gather
    from kizu.synth.compose.options import Options
    from kizu.synth.compose.source import Composition

    data = Dataset.open(common_sets.DATA / name).split("train")
    real = edge_crops(data, np.random.default_rng(0), 10**6, False)
    rows = []
    with single_threaded():
        found = gather(common_sets.DATA / name, "clean", Skips())
        ways = {"as usual": Options().blends} | {blend: {blend: 1.0} for blend in BLENDS}
        for way, weights in ways.items():
            options = Options(blends=weights, empty=0.0)
            source = Composition(
                found.stock, found.backgrounds, found.prior, options, count, 7, surfaces=found.surfaces
            )
            pasted = edge_crops(source.dataset(), np.random.default_rng(1), len(real[0]), True)
            scores = [probe(real, pasted, seed) for seed in range(seeds)]
            rows.append({"blend": way, "auc": statistics.mean(scores), "each": scores, "crops": len(pasted[0])})
            print(
                f"{way:10} AUC {rows[-1]['auc']:.3f}  ({len(real[0])} real crops, {len(pasted[0])} pasted)", flush=True
            )
    return rows


# --- main -------------------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", default="all", choices=("all", "speed", "memory", "exact", "seams", "part"))
    parser.add_argument("rest", nargs="*")
    parser.add_argument("--set", default="magnetic_tile", help="of the seam probe")
    parser.add_argument(
        "--count", type=int, help=f"scenes of exact ({EXACT}), pictures of each blend of seams ({PROBED})"
    )
    parser.add_argument("--seeds", type=int, default=3, help="of the seam probe")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "compose.json")
    arguments = parser.parse_args()
    if arguments.what == "part":
        name, *rest = arguments.rest
        done = part_memory() if name == "memory" else part_speed(rest[0], int(rest[1]))
        print(json.dumps(done))
        return
    results = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    results["machine"] = {"python": platform.python_version(), "cores": os.cpu_count()}
    if arguments.what in ("all", "speed"):
        results["speed"] = []
        for layout, side in (("inplace", 512), ("sos", 512), ("inplace", 1024), ("sos", 1024)):
            row = fresh("speed", layout, str(side))
            results["speed"].append(row)
            print(
                f"{layout:8} {side:5} px  {row['per_second']:6.1f} pictures a second, "
                f"{row['per_second_of_processor']:.1f} by processor time, {row['instances']:.1f} instances each "
                f"(asked: {row['target']})",
                flush=True,
            )
    if arguments.what in ("all", "memory"):
        row = results["memory"] = fresh("memory")
        print(f"memory: {row['peak_mb']:.0f} MB with {row['segments']} segments (asked: {row['most_mb']})")
    if arguments.what == "exact":
        for results["exact"] in part_exact(arguments.count or EXACT):
            arguments.out.write_text(json.dumps(results, indent=1) + "\n")  # a long run that is stopped has some
        print_exact(results["exact"])
    if arguments.what == "seams":
        results["seams"] = {"set": arguments.set, "asked": MOST_AUC}
        results["seams"]["rows"] = part_seams(arguments.set, arguments.count or PROBED, arguments.seeds)
    arguments.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
