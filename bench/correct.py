"""Interactive correction: milliseconds from a stroke to the new map of a picture of 512 px, and what it takes before.

    uv run python bench/correct.py

A line of products is drawn; an inspector is fitted to five labelled pictures of a class and some good ones, opened on
pictures of ``test``, and corrected there: a stroke along a defect, a stroke of ground, a box, in turn. Each time the
map of that picture is asked for again, and at last that of a picture on which nothing was drawn. Also: seconds of
``commit``, which is the exact fit, and milliseconds that ``Inspector.load`` takes with and without the examples in the
file. Writes ``bench/results/correct.json``; medians, on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import kizu
from kizu.core.files import write_text
from kizu.core.inspector import Inspector
from kizu.fewshot.correct import Corrections
from kizu.synth.line import product_line

SIZE = 512


def seconds(call: Callable[[], object]) -> float:
    """How long a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strokes", type=int, default=30)
    parser.add_argument("--out", type=Path, default=Path("bench/results/correct.json"))
    args = parser.parse_args()
    random = np.random.default_rng(0)
    result: dict = {"size": SIZE, "strokes": args.strokes, "cores": os.cpu_count(), "python": platform.python_version()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        product_line(16, 24, size=SIZE, seed=3).write(path / "line", "coco")
        line = kizu.Dataset.open(path / "line")
        fitted = kizu.fit(path / "line", classes=["stain"], shots=5, split="train", out=path / "with.kizu").inspector
        result["pictures"] = sum(record["images"] for record in fitted.card.data)
        fitted.memory = None
        fitted.save(path / "without.kizu")
        for _ in range(15):  # in turn
            for name in ("with", "without"):
                took = seconds(lambda name=name: Inspector.load(path / f"{name}.kizu"))
                result.setdefault(f"load_{name}_examples_ms", []).append(1e3 * took)
        result["examples_bytes"] = (path / "with.kizu").stat().st_size - (path / "without.kizu").stat().st_size
        inspector = Inspector.load(path / "with.kizu")
        test = line.split("test")
        bad = [sample for sample in test if len(sample.instances)][:4]
        corrections = Corrections(inspector, bad)
        for sample in bad:
            result.setdefault("open_s", []).append(seconds(lambda sample=sample: corrections.odds(sample.id)))
        for i in range(args.strokes + 3):
            sample = bad[i % 2]
            x0, y0, x1, y1 = sample.instances.boxes[0]
            if i % 3 == 0:
                draw = lambda s=sample, p=[(x0, y0), (x1, y1)]: corrections.stroke(s.id, p, "stain")  # noqa: E731
            elif i % 3 == 1:
                line_of = random.uniform(0, SIZE, (4, 2)).tolist()
                draw = lambda s=sample, p=line_of: corrections.stroke(s.id, p, None)  # noqa: E731
            else:
                draw = lambda s=sample, b=(x0, y0, x1, y1): corrections.box(s.id, b, "stain")  # noqa: E731
            took = seconds(draw) + seconds(lambda s=sample: corrections.odds(s.id))
            if i >= 3:  # the first compile
                result.setdefault("stroke_ms", []).append(1e3 * took)
        result["other_picture_ms"] = [1e3 * seconds(lambda: corrections.odds(bad[2].id))]
        result["commit_s"] = seconds(corrections.commit)
    told = {key: statistics.median(value) if isinstance(value, list) else value for key, value in result.items()}
    told["stroke_worst_ms"] = max(result["stroke_ms"])
    write_text(args.out, json.dumps(told | {"command": "uv run python bench/correct.py"}, indent=1) + "\n")
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
