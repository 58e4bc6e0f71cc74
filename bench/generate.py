"""Formula images: pictures a second on one core, where the time goes, and memory over a long run.

    uv run python bench/generate.py                             # all presets; writes bench/results/generate.json
    uv run python bench/generate.py --presets rcdb --memory 0   # one preset, no memory curve; printed alone

Each preset runs in a fresh process, on one core: drawn, encoded and written to shards in the process itself. Rates are
medians of several runs over different pictures. The stages are timed one by one on the same pictures.
"""

from __future__ import annotations

import argparse
import cProfile
import importlib
import json
import os
import platform
import pstats
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

SIDE = 512
TARGETS = {"inscore": 100, "industrial": 40, "deadleaves": 100}  # pictures a second on one core
# Seconds an image of the script that the authors of SegRCDB published, on one core of such a machine (it was measured
# once, by hand; it is no part of this benchmark), and how many times faster the preset has to be.
OFFICIAL_SEGRCDB_SECONDS = (0.32, 0.47)
OFFICIAL_SEGRCDB_RATIO = 40
MOST_GROWTH = 50  # megabytes after the first shard
LISTED = 25  # functions of the profile


def seconds(call: Callable) -> float:
    """Seconds of one call."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


# --- speed ------------------------------------------------------------------------------------------------------------


def part_speed(name: str, count: int, repeats: int) -> dict:
    """Pictures a second to shards, the stages apart, and the profile."""
    from kizu.core.threads import single_threaded
    from kizu.synth.engine import write
    from kizu.synth.formula import presets
    from kizu.synth.formula.source import Formula

    preset = presets.load(name)
    with tempfile.TemporaryDirectory() as folder:
        write(Formula(preset, 12, (SIDE, SIDE), start=10**6), Path(folder) / "warm", 1)  # compiles, loads
        runs, sizes = [], []
        for k in range(repeats):
            source = Formula(preset, count, (SIDE, SIDE), start=k * count)
            cpu = time.process_time()
            written = write(source, Path(folder) / str(k), 1)
            runs.append((written.seconds / count, (time.process_time() - cpu) / count))
            sizes.append(written.bytes / count)
        with single_threaded():
            stages = split(preset, count, Path(folder) / "stages")
            top = profile(Formula(preset, count, (SIDE, SIDE)))
    wall, cpu = (statistics.median(column) for column in zip(*runs, strict=True))
    out = {"preset": name, "pictures": count, "repeats": repeats, "per_second": 1 / wall, "ms": 1000 * wall}
    out |= {"cpu_ms": 1000 * cpu, "kb": statistics.median(sizes) / 1000, "stages_ms": stages, "profile": top}
    return out | {"times_the_codec": 1000 * wall / stages["jpeg"]}


def split(preset, count: int, folder: Path) -> dict:
    """Milliseconds a picture of each stage, each over the same pictures."""
    import cv2

    from kizu.core.rows import without_image
    from kizu.core.sample import Sample
    from kizu.core.shards import ShardWriter

    painter = importlib.import_module(f"kizu.synth.formula.painters.{preset.painter}")
    times = {"geometry_and_paint": 0.0, "jpeg": 0.0, "mask_codes": 0.0}
    samples = []
    for i in range(count):
        began = time.perf_counter()
        picture = painter.paint(preset.values, (SIDE, SIDE), 0, i)
        painted = time.perf_counter()
        pixels = picture.image if picture.image.ndim == 2 else cv2.cvtColor(picture.image, cv2.COLOR_RGB2BGR)
        data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, picture.quality])[1].tobytes()
        encoded = time.perf_counter()
        for masks in (picture.instances.masks, picture.instances.amodal):
            _ = None if masks is None else masks.codes()
        times["mask_codes"] += time.perf_counter() - encoded
        times["jpeg"] += encoded - painted
        times["geometry_and_paint"] += painted - began
        samples.append(Sample(f"{i:08d}.jpg", data, picture.instances, size=(SIDE, SIDE), meta=picture.meta))
    rows = seconds(lambda: [without_image(sample, True) for sample in samples])
    writer = ShardWriter(folder, painter.names(preset.values), count, {}, count)
    times["other_columns"] = rows - times["mask_codes"]
    times["parquet_and_write"] = seconds(lambda: writer.write(0, samples)) - rows
    out = {name: 1000 * value / count for name, value in times.items()}
    return out | {"instances": statistics.mean(len(sample.instances) for sample in samples)}


def profile(source) -> list[dict]:
    """The functions in which most time is spent, by their own milliseconds a picture (profiled, so slower)."""
    count = min(len(source), 100)
    watched = cProfile.Profile()
    watched.runcall(lambda: [source[i] for i in range(count)])
    rows = []
    for (file, line, function), (_, calls, own, total, _) in pstats.Stats(watched).stats.items():
        place = Path(file).as_posix().partition("/src/")[2] or Path(file).name
        row = {"where": f"{place}:{line}" if line else "", "function": function, "calls": calls / count}
        rows.append(row | {"own_ms": 1000 * own / count, "total_ms": 1000 * total / count})
    return sorted(rows, key=lambda row: -row["own_ms"])[:LISTED]


# --- memory -----------------------------------------------------------------------------------------------------------


def family() -> list[int]:
    """This process and all that stem from it."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    out, more = set(), {os.getpid()}
    while more:
        out |= more
        more = {child for child, parent in parents.items() if parent in out} - out
    return sorted(out)


def held(pid: int) -> float:
    """Megabytes that a process holds, what it shares with others counted by its share (PSS); 0 for one that is gone."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


def part_memory(name: str, count: int, workers: int) -> dict:
    """Memory of a run with ``workers`` processes after each shard: this process, and all of them together."""
    from kizu.synth.engine import write
    from kizu.synth.formula import presets
    from kizu.synth.formula.source import Formula

    curve: list[dict] = []

    def watch(state):
        if state.sized and (not curve or curve[-1]["pictures"] < state.sized):
            first, *others = (held(pid) for pid in sorted(family(), key=lambda pid: pid != os.getpid()))
            curve.append({"pictures": state.sized, "parent_mb": first, "all_mb": first + sum(others)})

    with tempfile.TemporaryDirectory() as folder:
        write(Formula(presets.load(name), count, (SIDE, SIDE)), Path(folder) / "d", workers, watch=watch)
    # Until every worker has finished a shard, some are still loading what they need.
    steady = curve[workers - 1 :]
    out = {"preset": name, "pictures": count, "workers": workers, "curve": curve}
    for key in ("parent_mb", "all_mb"):
        out[f"growth_{key}"] = max(row[key] for row in steady) - steady[0][key]
    return out


# --- running ----------------------------------------------------------------------------------------------------------


def child(part: str, *arguments) -> dict:
    """The result of a part in a fresh process."""
    command = [sys.executable, __file__, "--part", json.dumps([part, *arguments])]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"part {part} {arguments} failed")
    return json.loads(done.stdout.splitlines()[-1])


def summary(speeds: list[dict], memory: dict | None) -> list[dict]:
    """Figures with a target, and whether it is met."""
    rows = []

    def add(what: str, value: float, unit: str, target: float, least: bool) -> None:
        met = value >= target if least else value <= target
        rows.append({"what": what, "value": value, "unit": unit, "target": target, "least": least, "met": bool(met)})

    for found in speeds:
        name = found["preset"]
        if name in TARGETS:
            add(f"{name}, one core", found["per_second"], "pictures/s", TARGETS[name], True)
        if name == "segrcdb":
            for official in OFFICIAL_SEGRCDB_SECONDS:
                title = f"segrcdb, the official script taken as {official} s an image"
                add(title, official * found["per_second"], "times faster", OFFICIAL_SEGRCDB_RATIO, True)
    if memory:
        title = (
            f"growth of memory over {memory['pictures']} pictures of {memory['preset']}, {memory['workers']} workers"
        )
        add(f"{title}: all processes", memory["growth_all_mb"], "MB", MOST_GROWTH, False)
        add(f"{title}: the first process", memory["growth_parent_mb"], "MB", MOST_GROWTH, False)
    return rows


def table(head: str, rows: list[list]) -> None:
    """Print a Markdown table; numbers with three digits that count."""
    print(f"\n| {head} |\n|{'---|' * (head.count('|') + 1)}")
    for row in rows:
        cells = (f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row)
        print("| " + " | ".join(cells) + " |")


def show(rows: list[dict], speeds: list[dict], memory: dict | None) -> None:
    """Markdown tables of everything."""
    lines = []
    for row in rows:
        sign = f"{'at least' if row['least'] else 'at most'} {row['target']:g}"
        lines.append([row["what"], row["value"], row["unit"], sign, "yes" if row["met"] else "NO"])
    table("what | value | unit | target | met", lines)
    head = "preset | pictures/s | ms | CPU ms | paint ms | JPEG ms | mask codes ms | columns ms | Parquet ms"
    names = ("geometry_and_paint", "jpeg", "mask_codes", "other_columns", "parquet_and_write")
    lines = []
    for found in speeds:
        stages = found["stages_ms"]
        lines.append([found["preset"], found["per_second"], found["ms"], found["cpu_ms"], *(stages[n] for n in names)])
        lines[-1] += [found["times_the_codec"], found["kb"], stages["instances"]]
    table(f"{head} | times the codec | kB | instances", lines)
    for found in speeds:
        top = [[row["function"], row["where"], row["own_ms"], row["calls"]] for row in found["profile"][:8]]
        table(f"{found['preset']}: function | where | own ms a picture | calls", top)
    if memory:
        few = memory["curve"][:: max(len(memory["curve"]) // 10, 1)]
        table(
            "pictures | first process MB | all MB", [[row["pictures"], row["parent_mb"], row["all_mb"]] for row in few]
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", help="these alone; nothing is written")
    parser.add_argument("--count", type=int, default=200, help="pictures of a run")
    parser.add_argument("--repeats", type=int, default=3, help="runs")
    parser.add_argument("--memory", type=int, default=20_000, help="pictures of the memory curve; 0: none")
    parser.add_argument("--memory-preset", default="inscore")
    parser.add_argument("--workers", type=int, default=2, help="of the memory curve")
    parser.add_argument("--out", type=Path, default=Path("bench/results/generate.json"))
    parser.add_argument("--part", type=json.loads, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part:
        name, *arguments = args.part
        print(json.dumps(globals()[f"part_{name}"](*arguments)))
        return
    from kizu.synth.formula import presets

    speeds = [child("speed", name, args.count, args.repeats) for name in args.presets or presets.names()]
    memory = child("memory", args.memory_preset, args.memory, args.workers) if args.memory else None
    rows = summary(speeds, memory)
    show(rows, speeds, memory)
    if not args.presets:
        record = {"command": "uv run python " + " ".join(["bench/generate.py", *sys.argv[1:]]), "cores": os.cpu_count()}
        record |= {"python": platform.python_version(), "official_segrcdb_seconds": OFFICIAL_SEGRCDB_SECONDS}
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(record | {"figures": rows, "speed": speeds, "memory": memory}, indent=1) + "\n")


if __name__ == "__main__":
    main()
