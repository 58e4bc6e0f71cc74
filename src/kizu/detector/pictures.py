"""Which pictures a detector is trained on, and which it is judged and calibrated on; test is never touched."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError
from kizu.core.instances import Instances
from kizu.core.run import Skips, ahead
from kizu.core.sample import Sample
from kizu.detector.holdout import SHARE, hold_out
from kizu.evaluation.pairs import is_crowd
from kizu.inspection.calibrate import needed_clean
from kizu.inspection.record import check_labelled


class Part:
    """Pictures of one purpose, read when they are asked for, with labels 0 .. C - 1 of the classes to find.

    Attributes:
        names: classes to find, in label order.
        counts: int64 (N, C), instances of each class on each picture.
        good: bool (N,), pictures that hold nothing at all, not even of other classes.
    """

    def __init__(self, dataset: Dataset, names: tuple[str, ...], counts: np.ndarray, good: np.ndarray):
        self.dataset = dataset
        self.names, self.counts, self.good = names, counts, good
        self._table = np.array([names.index(name) if name in names else -1 for name in dataset.names], np.int32)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, i: int) -> Sample:
        """Sample ``i`` with the instances of the classes to find; crowd regions, which are not one object, left out."""
        sample = self.dataset[i]
        found: Instances = sample.instances
        kept = self._table[found.labels] >= 0 if len(found) else np.zeros(0, bool)
        found = found[kept & ~is_crowd(found)]
        return sample.replace(instances=found.replace(labels=self._table[found.labels]))

    def __iter__(self) -> Iterator[Sample]:
        return (self[i] for i in range(len(self)))

    def picked(self, chosen: np.ndarray) -> Part:
        """The pictures of a bool or index array."""
        return Part(self.dataset[chosen], self.names, self.counts[chosen], self.good[chosen])


@dataclass
class Pictures:
    """All that a fit sees.

    Attributes:
        names: classes to find, in label order.
        train, val: pictures to learn from, and those that stop the training and set the thresholds.
        masks: whether the labels have masks.
        info: of the data set: title, licence, origin ...
        notes: what a user should know.
    """

    names: tuple[str, ...]
    train: Part
    val: Part
    masks: bool
    info: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def choose_pictures(
    dataset: Dataset,
    *,
    val: str | None,
    split: str | None,
    classes: list[str] | None,
    clean: Dataset | None,
    empty_is_clean: bool,
    masks: bool,
    model: str,
    false_alarms: float,
    seed: int,
    skips: Skips,
    step: Callable[[], None] = lambda: None,
) -> Pictures:
    """Part the labelled pictures into those to train on and those to judge by.

    Args:
        val: a split of ``dataset``, or the path of another data set, or path/split; None = the split val where there
            is one, else a fifth of the training pictures, whole groups of near-duplicates at a time.
        split: the split to train on; None = train where there is one, else all but val and test.
        classes: classes to find; None = all with a training picture.
        clean: more good pictures; a fifth of them is held out for validation.
        empty_is_clean: whether pictures of ``dataset`` without any label are good ones; they are left out else.
        masks: whether the model learns from masks; one that does not takes boxes.
        model: its name, for messages.
        false_alarms: the share to be promised; the smaller, the more good pictures are held out.
        seed: draws what is held out.
        skips: notes pictures that cannot be used.
        step: called after each picture that was looked at.

    Raises:
        KizuError: no picture to train on or to judge by, classes that differ, or boxes where masks are needed.
    """
    wanted = tuple(dict.fromkeys(dataset.names[dataset.label(name)] for name in classes)) if classes else dataset.names
    train, judged, notes = _parts(dataset, val, split)
    seen = _Look(masks, model, empty_is_clean, skips, step)
    train = seen.at(train, wanted)
    judged = seen.at(judged, wanted) if judged is not None else None
    names = tuple(name for k, name in enumerate(wanted) if train.counts[:, k].any())
    _check_classes(wanted, names, train, judged, classes)
    missing = [name for name in wanted if name not in names]
    if missing:
        notes.append(f"No training picture shows {', '.join(missing)}: left out of the classes to find.")
    train = _narrowed(train, wanted, names)
    if judged is None:
        held = hold_out(train.counts, train.good, _groups(train.dataset), seed)
        if not train.counts[held].any() or not train.counts[~held].any():
            raise KizuError(
                f"{int(train.counts.any(1).sum())} labelled picture(s) and no split val: nothing is left to judge by; "
                "label pictures of at least two groups, name a --val set, or fit from a few with --mode fewshot"
            )
        notes.append(f"No split val: {int(held.sum())} of {len(train)} pictures are held out for validation.")
        train, judged = train.picked(~held), train.picked(held)
    else:
        judged = _narrowed(judged, wanted, names)
    if clean is not None:
        train, judged = _with_good(train, judged, seen.at(clean, (), good_only=True), false_alarms, seed)
    unseen = [name for k, name in enumerate(names) if not judged.counts[:, k].any()]
    if len(unseen) == len(names):
        raise KizuError(
            f"none of the {len(judged)} validation pictures shows {', '.join(names)}; nothing can be chosen on them: "
            "label some, or leave --val out to hold out a part of the training pictures"
        )
    return Pictures(names, train, judged, seen.masks, dataset.info, notes)


def _parts(dataset: Dataset, val: str | None, split: str | None) -> tuple[Dataset, Dataset | None, list[str]]:
    """The pictures to train on, those to judge by (None: to be held out), and notes."""
    there = dataset.splits
    if split == "test" or val == "test":
        raise KizuError("the split test is for kizu evaluate alone: train on train, choose on val")
    judged = None
    if val is None and "val" in there and split != "val":
        judged = dataset.split("val")
    elif val is not None:
        judged = dataset.split(val) if val in there else _other(val, there)
    if split is None and "train" in there:
        split = "train"
    notes = []
    if split is not None:
        train = dataset.split(split)
    else:
        away = {"val", "test", val}
        values = np.array([sample.split not in away for sample in dataset], bool)
        train = dataset[values]
        if "test" in there:
            notes.append(f"No split train: trained on all but {', '.join(sorted(away & set(there)))}.")
    if split is not None and split == val:
        raise KizuError(f"{split!r} would be trained on and judged by; name two different splits")
    if not len(train):
        listed = ", ".join(f"{name or '(none)'} ({n})" for name, n in there.items()) or "none: it is empty"
        raise KizuError(f"no picture to train on; the splits are: {listed}")
    return train, judged, notes


def _other(val: str, there: dict[str, int]) -> Dataset:
    path = Path(val)
    if path.exists():
        data = Dataset.open(path)
        return data.split("val") if "val" in data.splits else data
    if path.parent != Path(".") and path.parent.exists():
        return Dataset.open(path.parent).split(path.name)
    listed = ", ".join(name or "(none)" for name in there)
    raise KizuError(f"--val {val}: neither a split of the data set (it has {listed}) nor a data set; check the name")


class _Look:
    """Looks at every picture once, so that what cannot be used is known before the training begins."""

    def __init__(self, masks: bool, model: str, empty_is_clean: bool, skips: Skips, step: Callable[[], None]):
        self.wants_masks, self.model, self.empty_is_clean = masks, model, empty_is_clean
        self.skips, self.step = skips, step
        self.masks = True  # whether all that was seen has masks

    def at(self, dataset: Dataset, names: tuple[str, ...], good_only: bool = False) -> Part:
        """The pictures that can be used. ``good_only`` keeps those alone on which nothing is, as good ones."""
        empty_is_clean = self.empty_is_clean or good_only
        kept, counts, good = [], [], []
        table = [names.index(name) if name in names else len(names) for name in dataset.names]
        ids = dataset.ids

        def read(i: int) -> Sample:
            sample = dataset[i]
            check_labelled(sample)
            return sample

        for i, future in enumerate(ahead(read, range(len(dataset)), os.cpu_count() or 1)):
            with self.skips.item(ids[i]):
                sample = future.result()
                found = sample.instances
                if len(found) and found.masks is None and self.wants_masks and not good_only:
                    raise KizuError(
                        f"{sample.id}: its labels are boxes without masks, and {self.model} learns from masks; draw "
                        "masks, or take --model faster-rcnn, fcos or retinanet, which learn from boxes"
                    )
                empty = not len(found)
                if (good_only and not empty) or (empty and not (sample.labelled or good_only)):
                    continue
                if empty and not empty_is_clean:
                    continue
                self.masks &= empty or found.masks is not None
                labels = [table[label] for label in found.labels[~is_crowd(found)]]
                kept.append(i)
                counts.append(np.bincount(labels, minlength=len(names) + 1)[: len(names)])
                good.append(empty)
            self.step()
        rows = np.array(counts, np.int64).reshape(len(kept), len(names))
        return Part(dataset[np.array(kept, np.int64)], names, rows, np.array(good, bool))


def _check_classes(wanted, names, train, judged, classes) -> None:
    """Raise KizuError where the classes of the two sides differ, or one that was asked for has no training picture."""
    if not names:
        raise KizuError(
            f"none of the {len(train)} training pictures that can be used shows "
            f"{', '.join(wanted) or 'any class'}; label some, or name another split to train on with --split"
        )
    if judged is not None and not classes:
        other = [name for name in judged.dataset.names if name not in train.dataset.names]
        if other:
            raise KizuError(
                f"the classes differ: validation has {', '.join(other)}, which training has not (it has "
                f"{', '.join(train.dataset.names)}); classes are matched by name: rename those of one side, or name "
                "the ones to find with --classes"
            )
    for k, name in enumerate(wanted):
        if name in names:
            continue
        if classes:
            raise KizuError(f"class {name!r} has no instance to train on; label one, or leave the class out")
        if judged is not None and judged.counts[:, k].any():
            raise KizuError(
                f"class {name!r} is on {int((judged.counts[:, k] > 0).sum())} validation picture(s) and on none to "
                f"train on; label some there, or name the classes to find: --classes {' '.join(names)}"
            )


def _with_good(train: Part, judged: Part, good: Part, false_alarms: float, seed: int) -> tuple[Part, Part]:
    """Both parts with good pictures added: what the promise takes to validation, at least a fifth, at most half."""
    count = len(train.names)
    wanted = max(needed_clean(false_alarms, count) / max(len(good), 1), SHARE)
    nothing = np.zeros((len(good), 0), np.int64)
    held = hold_out(nothing, good.good, _groups(good.dataset), seed, min(wanted, 0.5))
    if held.all():
        held[:] = False  # a single one is trained on
    return _joined(train, good, ~held), _joined(judged, good, held)


def _joined(part: Part, good: Part, chosen: np.ndarray) -> Part:
    more = good.dataset[chosen]
    dataset = Dataset([*part.dataset, *more], part.dataset.names, part.dataset.info)
    counts = np.concatenate([part.counts, np.zeros((len(more), len(part.names)), np.int64)])
    return Part(dataset, part.names, counts, np.concatenate([part.good, np.ones(len(more), bool)]))


def _narrowed(part: Part, before: tuple[str, ...], names: tuple[str, ...]) -> Part:
    """The part with the classes ``names`` of those it had before."""
    chosen = [before.index(name) for name in names]
    return Part(part.dataset, names, part.counts[:, chosen], part.good)


def _groups(dataset: Dataset) -> list[str]:
    return [sample.group for sample in dataset]
