"""Which instances of a data set become segments: a look at every picture, before anything is cut."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kizu.core.dataset import Dataset
from kizu.core.run import Skips
from kizu.core.shards import config_digest
from kizu.synth.compose import kinds as kind_rules
from kizu.synth.compose.cut import Picture
from kizu.synth.compose.quality import FLAGS, usable
from kizu.synth.statistics import NOT_DEFECTS

VERSION = 1  # of how segments are cut: raise it when the same picture gives another segment
Table = dict[str, np.ndarray]


def as_table(rows: list[dict[str, Any]]) -> Table:
    """One array a column, for records of the same keys: ``id``, ``label``, ``kind``, ``picture``, ``group``, ``split``
    (text); ``width``, ``height``, ``area`` (int64, of the mask); ``corner`` (N, 2) x, y of the window in its picture;
    ``box`` (N, 4) XYXY of the mask there; ``frame`` (N, 2) H, W of the picture; ``orientation``, ``elongation``
    (float64); ``truncated``, ``blurred``, ``tiny``, ``hidden`` (bool)."""

    def column(name: str, kind: type, wide: tuple[int, ...] = ()) -> np.ndarray:
        return np.array([row[name] for row in rows], kind).reshape(len(rows), *wide)

    out = {name: column(name, str) for name in ("id", "label", "kind", "picture", "group", "split")}
    out |= {name: column(name, np.int64) for name in ("width", "height", "area")}
    out |= {name: column(name, np.int64, (wide,)) for name, wide in (("corner", 2), ("box", 4), ("frame", 2))}
    out |= {name: column(name, np.float64) for name in ("orientation", "elongation")}
    return out | {name: column(name, bool) for name in FLAGS}


@dataclass
class Plan:
    """The segments that a data set gives, in order.

    Attributes:
        dataset: where they are cut from.
        kinds: class name -> ``object``, ``defect`` or ``auto``.
        erode: see :func:`kizu.synth.compose.cut.cut`.
        table: what is known before they are cut, see :func:`as_table`; figures are those of the labels.
        samples, instances: int64 (N,), number of the picture in the data set and of the instance in the picture.
        skipped: pictures that cannot be read and instances that cannot be cut, {item, reason}.
        refused: number of instances that a flag kept out, by flag.
    """

    dataset: Dataset
    kinds: dict[str, str]
    erode: float | None
    table: Table
    samples: np.ndarray
    instances: np.ndarray
    skipped: list[dict[str, str]]
    refused: dict[str, int]

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def config(self) -> dict[str, Any]:
        """All that the segments depend on, JSON-able."""
        ids = config_digest({"ids": self.table["id"].tolist()})
        return {"bank": VERSION, "segments": ids, "kinds": self.kinds, "erode": self.erode}

    def picture(self, sample: int) -> Picture:
        """The picture of a number of ``samples``, decoded. Raises DataError where it cannot be read."""
        return Picture(self.dataset[sample], self.dataset.names, self.kinds, erode=self.erode)


def plan(
    dataset: Dataset,
    kind: str = kind_rules.AUTO,
    *,
    kinds: Mapping[str, str] | None = None,
    classes: Iterable[str] | None = None,
    refuse: Collection[str] = (),
    erode: float | None = None,
    strict: bool = False,
    step: Callable[[], None] | None = None,
) -> Plan:
    """Look at every picture of a data set; memory does not grow with its pixels.

    Args:
        classes: names of those to cut; None: all.
        refuse: flags that keep an instance out.
        step: called after each picture.

    Raises:
        KizuError: an unknown class, kind or flag; (``strict``) a picture or an instance that cannot be used.
    """
    usable({}, refuse)
    if classes is not None:
        classes = [dataset.names[dataset.label(name)] for name in classes]
    chosen = kind_rules.of_classes(dataset.names, kind, dataset.info.get(NOT_DEFECTS, ()), kinds)
    skips, rows, places, refused = Skips(strict), [], [], dict.fromkeys(refuse, 0)
    for k, name in enumerate(dataset.ids):
        with skips.item(name):
            picture = Picture(dataset[k], dataset.names, chosen, classes, erode, skips)
            for i in picture.chosen:
                row = _row(picture, i)
                for flag in refused:
                    refused[flag] += row[flag]
                if usable(row, refuse):
                    rows.append(row)
                    places.append((k, i))
        if step:
            step()
    samples, instances = np.array(places, np.int64).reshape(-1, 2).T
    return Plan(dataset, chosen, erode, as_table(rows), samples, instances, skips.items, refused)


def _row(picture: Picture, i: int) -> dict[str, Any]:
    sample, window = picture.sample, picture.window(i)
    row = {"id": picture.name(i), "label": picture.label(i), "kind": picture.kind(i), "picture": sample.id}
    row |= {"group": sample.group or sample.id, "split": sample.split, "corner": window[:2]}
    row |= {"box": picture.found.masks.boxes[i].tolist(), "frame": picture.image.shape[:2]}
    return row | picture.glance(i)
