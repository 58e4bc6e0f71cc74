"""What the benchmarks on real pictures share: the sets, which pictures are chosen on, and rows of results in a file."""

from __future__ import annotations

import fcntl
import hashlib
import json
import tempfile
from pathlib import Path

import numpy as np

from kizu.core.dataset import Dataset
from kizu.core.files import write_text

DATA = Path("../shared/data")
MASKED = ("magnetic_tile", "neu_seg_dedup", "bsdata")  # with masks; deeppcb has boxes
_HELD_OUT = 3  # every third group of train: some sets have no val, and others three pictures of a class


def halves(data: Dataset, split: str) -> tuple[Dataset, Dataset]:
    """The pictures to learn from and those to measure on.

    Args:
        split: ``test``: learn from ``train``, measure on ``test``. ``val``: measure on ``val`` and a third of the
            groups of ``train``, and learn from the other two thirds; ``test`` is never touched.
    """
    train = data.split("train")
    if split == "test":
        return train, data.split("test")
    groups = np.array([sample.group or sample.id for sample in train])
    names = sorted(set(groups.tolist()))
    held = np.isin(groups, np.random.default_rng(0).permutation(names)[: len(names) // _HELD_OUT])
    splits, ours = np.array([sample.split for sample in data]), np.zeros(len(data), bool)
    ours[splits == "train"] = held
    return train[~held], data[ours | (splits == "val")]


def queries(holds: list[set[int]], label: int, most: int | None) -> tuple[list[int], list[int]]:
    """Pictures that a class is measured on: those that show it, and as many good ones where there are so many.

    Args:
        holds: the classes on each picture.
        most: of both kinds together; None = all that there are.
    """
    mine = [i for i, labels in enumerate(holds) if label in labels]
    good = [i for i, labels in enumerate(holds) if not labels]
    order = np.random.default_rng(label)
    limit = most or 2 * len(mine)
    clean = order.permutation(good)[: min(len(mine), limit // 2)].tolist()
    return order.permutation(mine)[: limit - len(clean)].tolist(), clean


def rows(path: Path) -> list[dict]:
    """The rows of a result file, none where there is none."""
    return json.loads(path.read_text())["rows"] if path.exists() else []


def add_row(path: Path, row: dict, key: tuple[str, ...]) -> None:
    """Append a row, in place of an earlier one with the same ``key`` fields; several processes may share the file."""
    name = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    with open(Path(tempfile.gettempdir()) / f"kizu-bench-{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = [old for old in rows(path) if any(old.get(name) != row.get(name) for name in key)]
        write_text(path, json.dumps({"rows": [*kept, row]}, indent=1) + "\n")
