"""The check itself: opens a data set as its format does, and asks every record, image and instance."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from kizu.core import shards
from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError
from kizu.core.instances import Instances
from kizu.core.sample import Sample
from kizu.formats.check.images import ImageNotes, image_problems
from kizu.formats.check.instances import instance_problems
from kizu.formats.check.labels import label_problems
from kizu.formats.check.problem import ERROR, INFO, WARNING, Problem, of_error, of_fault
from kizu.formats.check.similar import Pictures
from kizu.formats.common.things import Fault, decode, join
from kizu.formats.common.trees import mention

_MANY = 10  # unused classes beyond which they are told in one line
_FEW = 5  # instances of a class
_ORDER = {ERROR: 0, WARNING: 1, INFO: 2}


def problems(path: Path | str, format: str | None = None, watch: Callable | None = None) -> list[Problem]:
    """Every problem of a data set, the worst first.

    Args:
        path: a folder or an annotation file of any known format.
        format: its name, where the folder does not tell it.
        watch: called as ``watch(total)``; gives a function that is called after each image.
    """
    try:
        dataset = Dataset.open(path, format)
    except KizuError as error:
        return [of_error(error, "cannot be opened", str(path))]
    except OSError as error:
        message = f"cannot be opened ({error.strerror or error})"
        return [Problem(ERROR, "cannot be opened", str(path), message=message, remedy="correct the path or its rights")]
    notes = [note for note in dataset.notes if "kizu check" not in note]  # such a note sums up what is listed below
    found = [Problem(INFO, "note", str(path), message=note, remedy="good to know") for note in notes]
    if not len(dataset):
        message = "holds no image"
        found.append(
            Problem(ERROR, "empty data set", str(path), message=message, remedy="add images or correct the path")
        )
    source = dataset._source
    if hasattr(source, "strays"):
        found += [of_fault(fault) for fault in source.strays()]
    if isinstance(source, shards._ShardSource):
        found += [of_error(KizuError(text), "damaged shard") for text in shards.verify(source.folder)]
    found += _of_samples(dataset, watch)
    found = list(dict.fromkeys(found))
    return sorted(found, key=lambda p: (_ORDER[p.severity], p.kind))


def _of_samples(dataset: Dataset, watch: Callable | None) -> list[Problem]:
    out: list[Problem] = []
    notes = ImageNotes()
    pictures = Pictures(lambda k: dataset[k].image)
    used: Counter[int] = Counter()
    groups: dict[str, dict[str, str]] = defaultdict(dict)
    ids: dict[str, list[str]] = defaultdict(list)
    paths: set[Path | None] = set()
    step = watch(len(dataset)) if watch else lambda: None
    for i in range(len(dataset)):
        step()
        try:
            sample = dataset[i]
        except DataError as error:
            out.append(of_error(error, "unreadable record", id=f"image {i}"))
            continue
        ids[sample.id.lower()].append(sample.id)
        if sample.group:
            groups[sample.group].setdefault(sample.split, sample.id)
        wrong, pixels = image_problems(sample, notes)
        out += wrong
        if pixels is not None and (sample.path is None or sample.path not in paths):
            paths.add(sample.path)
            pictures.add(i, pixels, sample.id, sample.split, str(sample.path or ""))
        for item in _of_labels(dataset, i, sample):
            if isinstance(item, Instances):
                used.update(item.labels.tolist())
            else:
                out.append(item)
    out += notes.problems()
    out += pictures.problems()
    out += _of_names(ids) + _of_groups(groups) + _of_classes(dataset.names, used)
    return out


def _of_labels(dataset: Dataset, i: int, sample: Sample) -> Iterator[Problem | Instances]:
    """Problems of the labels of one image; the instances that could be used come last."""
    source, number = dataset._source, int(dataset._indices[i])
    file, image, items, kept, faulty = "", sample.id, None, [], False
    first: Fault | None = None  # of the image as a whole
    try:
        size = sample.size
        if hasattr(source, "things"):
            file, image = source.where(number)
            for item in source.things(number):
                if isinstance(item, Fault):
                    faulty = True
                    yield of_fault(item)
                else:
                    kept.append(item)
            items = [thing.item for thing in kept]
        if not faulty:
            try:
                found = sample.instances
            except Fault as fault:
                if items is None:
                    raise
                faulty, first = True, fault
        if faulty:  # what is usable one by one
            usable = []
            for thing in kept:
                try:
                    decode(thing, size, file, image)
                    usable.append(thing)
                except Fault as fault:
                    yield of_fault(fault)
            if first is not None and len(usable) == len(kept):
                yield of_fault(first)
            items = [thing.item for thing in usable]
            found = join(usable, size, file, image)
    except DataError as error:
        if not _is_of_image(error, sample):
            yield of_error(error, "unreadable label", id=sample.id)
        return
    if items is None or len(items) != len(found):
        items = [f"instance {k + 1}" for k in range(len(found))]
    yield from instance_problems(found, items, size, str(file), image, dataset.names)
    yield from label_problems(found, items, str(file), image)
    yield found


def _is_of_image(error: DataError, sample: Sample) -> bool:
    """Whether an error only repeats that the image cannot be read, which is told already."""
    return not isinstance(error, Fault) and sample.path is not None and str(error).startswith(f"{sample.path}: ")


def _of_names(ids: dict[str, list[str]]) -> list[Problem]:
    out = []
    for names in ids.values():
        if len(names) > 1:
            message = f"{mention(names)} differ by capital letters at most"
            remedy = "rename one: many file systems hold only one of them"
            out.append(Problem(WARNING, "duplicate file name", "", names[1], "id", message, remedy))
    return out


def _of_groups(groups: dict[str, dict[str, str]]) -> list[Problem]:
    out = []
    for group, splits in groups.items():
        if len(splits) > 1:
            where = ", ".join(f"{split or 'no split'} ({id})" for split, id in sorted(splits.items()))
            message = f"group {group!r} is in several splits: {where}"
            remedy = "put all images of a group into one split"
            out.append(
                Problem(ERROR, "group in several splits", "", next(iter(splits.values())), "split", message, remedy)
            )
    return out


def _of_classes(names: tuple[str, ...], used: Counter[int]) -> list[Problem]:
    out = []
    plain = defaultdict(list)
    for name in names:
        plain[" ".join(name.lower().replace("_", " ").replace("-", " ").split())].append(name)
    for same in plain.values():
        if len(same) > 1:
            message = f"{' and '.join(repr(name) for name in same)} look like one class"
            out.append(Problem(WARNING, "duplicate class", "", "", same[0], message, "join them under one name"))
    unused = [name for k, name in enumerate(names) if used[k] == 0]
    if len(unused) > _MANY:  # one line for a vocabulary that a small set cannot fill
        message = f"{len(unused)} of {len(names)} classes have no instance, {unused[0]!r} the first of them"
        remedy = "nothing, if the set is a part of a larger one; else remove them, or label some"
        out.append(Problem(WARNING, "unused class", "", "", unused[0], message, remedy))
    for k, name in enumerate(names):
        if used[k] == 0 and len(unused) > _MANY:
            continue
        if used[k] == 0:
            message, remedy = f"class {name!r} has no instance", "remove it, or label some"
            out.append(Problem(WARNING, "unused class", "", "", name, message, remedy))
        elif used[k] < _FEW:
            message, remedy = f"class {name!r} has {used[k]} instances", "label more if figures of it are to mean much"
            out.append(Problem(INFO, "rare class", "", "", name, message, remedy))
    return out
