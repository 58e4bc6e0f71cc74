"""Which pictures an inspector is fitted to: labelled ones of each class, and good ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError
from kizu.core.run import Skips
from kizu.core.sample import Sample
from kizu.core.seeds import Stream, generator
from kizu.formats.common.things import with_masks
from kizu.inspection.calibrate import needed_clean
from kizu.inspection.record import check_labelled

MOST_SHOTS = 20  # labelled pictures a class; more belongs to a trained detector
CLEAN = 40  # good pictures that are used; more where a small share of false alarms asks for them
MOST_CLEAN = 300
OTHERS = "(others)"  # name of all classes that are not to be found
CLASSES = "class names"  # key of a picture's ``meta``: the class of each instance; None = nothing is said there


@dataclass
class Support:
    """The pictures of one fit.

    Attributes:
        names: the classes to find, in label order.
        labelled: samples whose instances have labels 0 .. len(names) - 1, or len(names) for any other class and where
            nothing is said; ``meta[CLASSES]`` holds their names. In the order of :func:`ordered`.
        clean: samples of good pictures, by id.
        clean_there: how many good pictures there were to choose from.
        info: of the data set: title, licence, origin ...
        pictures: all there are, for who learns without labels.
    """

    names: tuple[str, ...]
    labelled: list[Sample]
    clean: list[Sample]
    clean_there: int = 0
    info: dict[str, Any] = field(default_factory=dict)
    pictures: Sequence[Sample] = ()


class Pictures(Sequence):
    """The samples of several data sets, one after the other, read when they are asked for."""

    def __init__(self, parts: Sequence[Dataset]):
        self._parts = parts

    def __len__(self) -> int:
        return sum(len(part) for part in self._parts)

    def __getitem__(self, i: int) -> Sample:
        for part in self._parts:
            if 0 <= i < len(part):
                return part[i]
            i -= len(part)
        raise IndexError("no such picture")


def choose_support(
    dataset: Dataset,
    classes: list[str] | None,
    shots: int | None,
    clean: Dataset | None,
    seed: int,
    skips: Skips,
    false_alarms: float = 0.05,
    some: bool = False,
    more: int = 0,
    boxes: bool = False,
) -> Support:
    """Draw the labelled and the good pictures of a fit; the same seed draws the same ones.

    Args:
        classes: classes to find; None = all that have a labelled picture.
        shots: labelled pictures a class; None = all, at most 20. Pictures of different ``group`` come first.
        clean: good pictures (any that hold an instance are passed over); None = those of ``dataset`` that are
            labelled as holding nothing.
        skips: notes the samples that cannot be read.
        false_alarms: the share to be promised; the smaller, the more good pictures are taken.
        some: not all of ``classes`` need be here, nor any labelled picture.
        more: how many more share that share.
        boxes: boxes without masks will do.

    Raises:
        KizuError: an unknown class, a class without any labelled picture, or labels without masks.
    """
    if shots is not None and shots < 1:
        raise KizuError(f"{shots} shots: a class needs at least one labelled picture")
    named = [name for name in classes or dataset.names if not some or name in dataset.names]
    wanted = list(dict.fromkeys(dataset.names[dataset.label(name)] for name in named))
    holds: dict[int, set[str]] = {}
    empty: list[int] = []
    for i in range(len(dataset)):
        with skips.item(dataset[i].id):
            sample = dataset[i]
            found = sample.instances
            if len(found) and found.masks is None:
                raise KizuError(
                    f"{sample.id}: its labels are boxes without masks, and few-shot fitting outlines defects; "
                    "draw polygons or masks on a few pictures"
                )
            holds[i] = {dataset.names[label] for label in found.labels}
            if not len(found) and sample.labelled:
                empty.append(i)
    order = generator(seed, Stream.SHOTS).permutation(len(dataset))
    chosen: list[int] = []
    broken: set[int] = set()
    for name in wanted:
        mine = [int(i) for i in order if name in holds.get(int(i), ())]
        if not mine and classes and not some:
            raise KizuError(f"class {name!r} has no labelled picture here; label one, or leave the class out")
        limit = min(shots or MOST_SHOTS, len(mine))
        have = [i for i in chosen if name in holds[i]]
        groups = {dataset[i].group for i in have}
        # First one of each group of near-duplicates, then the rest.
        fresh, spare = [], []
        for i in mine:
            if i in have or i in broken:
                continue
            group = dataset[i].group
            (spare if group and group in groups else fresh).append(i)
            groups.add(group)
        room = limit - len(have)
        for i in fresh + spare:
            if room <= 0:
                break
            broken.add(i)
            with skips.item(dataset[i].id):
                check_labelled(dataset[i])  # a picture that cannot be used is passed over for the next
                if not boxes:
                    _check_outlined(dataset[i], dataset.names, wanted)
                broken.remove(i)
                chosen.append(i)
                room -= 1
    names = tuple(name for name in wanted if any(name in holds[i] for i in chosen))
    lost = [name for name in wanted if name not in names] if classes and not some else []
    if lost:
        raise KizuError(f"class {lost[0]!r}: none of its labelled pictures can be used, {skips.items[-1]['reason']}")
    if not chosen and not some:
        passed = f"; {skips.items[-1]['reason']}" if skips.items else ""
        raise KizuError(
            f"no labelled picture was found that can be used; label the defects of one to five pictures first{passed}"
        )
    source, good = (dataset, empty) if clean is None else (clean, _holding_nothing(clean, skips))
    most = min(max(CLEAN, needed_clean(false_alarms, max(len(names), 1) + more)), MOST_CLEAN)
    drawn = generator(seed, Stream.SHOTS, 1).permutation(len(good))[:most]
    labelled = [_named(dataset[i], dataset.names) for i in chosen]
    return ordered(Support(names, labelled, [source[good[i]] for i in drawn], len(good), dataset.info))


def ordered(support: Support) -> Support:
    """With labels as indices into its names, and in an order that does not depend on how its pictures came together.

    Labelled pictures stand by the first class that they show, then by id, so that the folds of a fit part each class.
    """
    count = len(support.names)
    labelled = [relabelled(sample, support.names) for sample in support.labelled]
    labelled.sort(key=lambda sample: (int(sample.instances.labels.min(initial=count)), sample.id))
    return replace(support, labelled=labelled, clean=sorted(support.clean, key=lambda sample: sample.id))


def relabelled(sample: Sample, names: tuple[str, ...]) -> Sample:
    """The sample with labels as indices into ``names``; ``len(names)`` stands for all else, see :data:`CLASSES`."""
    labels = [names.index(name) if name in names else len(names) for name in sample.meta[CLASSES]]
    return sample.replace(instances=sample.instances.replace(labels=np.array(labels, np.int32)))


def is_partial(sample: Sample) -> bool:
    """Whether something on a labelled picture is neither a defect nor ground: nothing is said there."""
    return None in sample.meta.get(CLASSES, ())


def _check_outlined(sample: Sample, names: tuple[str, ...], wanted: list[str]) -> None:
    """Raise DataError where something that is labelled has no outline: it would be learned as ground; or where one of a
    class that is wanted has no pixel: the picture would count as one that shows it."""
    found = sample.instances
    drawn, areas = with_masks(found), found.masks.area
    told = [names[label] for label in found.labels]
    if not drawn.all():
        name = told[int(np.argmin(drawn))]
        raise DataError(
            f"{sample.id}: {int((~drawn).sum())} of its {len(drawn)} labels are boxes without masks, one of {name}, "
            "and would be learned as good; draw polygons or masks, or say --partial, which learns from boxes"
        )
    for name, area in zip(told, areas, strict=True):
        if name in wanted and not area:
            raise DataError(f"{sample.id}: its mask of {name} has no pixel; draw it again, or delete the label")


def _holding_nothing(dataset: Dataset, skips: Skips) -> list[int]:
    out = []
    for i in range(len(dataset)):
        with skips.item(dataset[i].id):
            if not len(dataset[i].instances):
                out.append(i)
    return out


def _named(sample: Sample, names: tuple[str, ...]) -> Sample:
    return sample.replace(meta=sample.meta | {CLASSES: [names[label] for label in sample.instances.labels]})
