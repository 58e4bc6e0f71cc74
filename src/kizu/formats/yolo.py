"""YOLO labels: one text an image, a line an object: ``class cx cy w h`` or ``class x1 y1 x2 y2 ...``, in 0..1.

Understood layouts: a ``data.yaml`` (or the file itself) that names image folders or lists; ``images/`` beside
``labels/``, both with or without train/val/test; train/images + train/labels; texts beside the images with
``classes.txt``. Class names come from ``data.yaml``, else from ``classes.txt``; else they are numbers, with a note.
Six numbers on a line are a box and its score. Polygons are drawn by the even-odd rule as pycocotools does.

Kizu writes polygons along the edges of the pixels, so that a mask drawn again is the same mask. A line holds one
polygon: further parts and holes are joined to it by bridges of no width, which the list of losses mentions, because a
tool that draws the outline itself will show them as thin lines.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kizu.core.dataset import Dataset, Format
from kizu.core.errors import DataError, KizuError
from kizu.core.images import SUFFIXES
from kizu.core.instances import Instances
from kizu.core.sample import Sample
from kizu.formats.common import yaml
from kizu.formats.common.entries import Entries
from kizu.formats.common.things import Fault, Thing, join, things_of
from kizu.formats.common.trees import (
    class_lines,
    images_below,
    load_lines,
    load_text,
    split_name,
    subfolder,
    unique_ids,
)
from kizu.formats.common.yolo_out import NO_SPLIT, write

ORDER = 20
_LISTS = ("classes.txt", "obj.names", "labels.txt")


@dataclass(slots=True)
class _Entry:
    path: Path
    labels: Path
    name: str  # below the image folder of its split
    folder: str
    split: str
    id: str = ""


def _description(path: Path) -> Path | None:
    """The data.yaml of a folder, or the file itself."""
    if path.is_file():
        return path if path.suffix.lower() in (".yaml", ".yml") else None
    files = [p for p in (path / "data.yaml", path / "dataset.yaml", path / "data.yml") if p.is_file()]
    files += sorted(p for p in path.glob("*.y*ml") if p.suffix in (".yaml", ".yml") and not p.name.startswith("."))
    return files[0] if files else None


def _label_texts(folder: Path) -> bool:
    return any(p.suffix == ".txt" and p.name not in _LISTS for p in folder.rglob("*.txt"))


def _pairs(path: Path) -> list[tuple[Path, Path, str]]:
    """(image folder, label folder, split) of the layouts that need no data.yaml."""
    images, labels = subfolder(path, "images"), subfolder(path, "labels")
    if images and labels and _label_texts(labels):
        parts = sorted(p for p in images.iterdir() if p.is_dir() and split_name(p.name))
        if parts:
            return [(p, labels / p.name, split_name(p.name)) for p in parts]
        return [(images, labels, "")]
    out = []
    for part in sorted(p for p in path.iterdir() if p.is_dir() and split_name(p.name)):
        inner = subfolder(part, "images"), subfolder(part, "labels")
        if inner[0] and inner[1] and _label_texts(inner[1]):
            out.append((inner[0], inner[1], split_name(part.name)))
    if not out and any((path / name).is_file() for name in _LISTS[:2]):
        stems = {p.stem for p in path.glob("*.txt") if p.name not in _LISTS}
        if any(p.suffix.lower() in SUFFIXES and p.stem in stems for p in path.iterdir()):
            out.append((path, path, ""))
    return out


def probe(path: Path) -> bool:
    """Whether a path looks like YOLO."""
    try:
        file = _description(path)
        if file is not None:
            text = file.read_bytes()[:200_000]
            return b"names" in text and any(word in text for word in (b"train", b"val", b"test", b"path", b"nc:"))
        return path.is_dir() and bool(_pairs(path))
    except OSError:
        return False


def read(path: Path) -> Dataset:
    """Open YOLO labels; a text is read when its sample is asked for.

    Raises:
        KizuError: no images, or a data.yaml that is not understood.
    """
    path = Path(path)
    file = _description(path)
    folder = path if path.is_dir() else path.parent
    names: list[str] | None = None
    pairs: list[tuple[Path, Path, str]] = []
    lists: list[tuple[Path, str]] = []
    if file is not None:
        table = yaml.TopLevel(load_text(file), str(file))
        names = _names(table, file)
        pairs, lists = _places(table, file)
    if not pairs and not lists:
        pairs = _pairs(folder) if folder.is_dir() else []
    entries = [
        _Entry(
            image,
            labels / Path(name).with_suffix(".txt"),
            name,
            images.name if images.name != "images" else images.parent.name,
            split,
        )
        for images, labels, split in pairs
        for name, image in images_below(images).items()
    ] + [entry for text, split in lists for entry in _listed(text, split)]
    if not entries:
        raise KizuError(f"{path}: no images of YOLO labels were found; put them into images/ beside labels/")
    for entry, id in zip(entries, unique_ids((e.folder, e.name) for e in entries), strict=True):
        entry.id = id
    notes = []
    if names is None:
        found = next(
            (p for p in (place / n for place in (folder, folder / "labels") for n in _LISTS) if p.is_file()), None
        )
        if found is not None:
            names = class_lines(found)
        else:
            names = [str(k) for k in range(_highest(entries) + 1)]
            notes.append(f"{folder}: no data.yaml or classes.txt names the classes; they are called by their numbers")
    source = YoloSource(entries, names, pairs)
    bare = sum(1 for entry in entries if not entry.labels.is_file())
    if bare:
        notes.append(f"{bare} of {len(entries)} images have no label file; they count as clean")
    return Dataset(source, names, notes=notes)


def _names(table: yaml.TopLevel, file: Path) -> list[str] | None:
    if "names" not in table:
        return None
    items = table.items("names")
    if all(key == "" for key, _ in items):
        names = [value for _, value in items]
    else:
        try:
            numbered = {int(key): value for key, value in items}
        except ValueError as error:
            raise DataError(f"{file}: field 'names': its keys are not whole numbers; write '0: NAME' lines") from error
        if not numbered or min(numbered) < 0 or max(numbered) > 100_000:
            raise DataError(f"{file}: field 'names': class numbers {list(numbered)[:5]} are not usable; count from 0")
        names = [numbered.get(k, f"class {k}") for k in range(max(numbered) + 1)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{file}: field 'names': {twice} stand twice; give each class its own name")
    return names


def _places(table: yaml.TopLevel, file: Path) -> tuple[list[tuple[Path, Path, str]], list[tuple[Path, str]]]:
    base = Path(table.text("path")) if "path" in table else Path()
    pairs: dict[Path, tuple[Path, Path, str]] = {}
    lists = []
    known_keys = {"train": "train", "val": "val", "valid": "val", "test": "test"}
    # Kizu writes further splits as further keys; of foreign keys only those that name a folder count.
    own = (*known_keys, "path", "names")
    further = [key for key in table.names() if key not in own and _is_below(table, key, file)]
    for key in (*known_keys, *further):
        split = known_keys.get(key, "" if key == NO_SPLIT else key)
        for _, value in table.items(key) if key in table else []:
            bare = Path(*[part for part in Path(value).parts if part not in ("..", ".")] or ["."])
            places = [file.parent / base / value, file.parent / value, file.parent / bare]
            place = next((p for p in places if p.exists()), None)
            if place is None:
                continue
            if place.is_file():
                lists.append((place, split))
                continue
            place = subfolder(place, "images") or place
            known = place.resolve()
            if known in pairs:  # train and val in one folder: no split at all
                split = split if pairs[known][2] == split else ""
            pairs[known] = (place, _label_folder(place), split)
    return list(pairs.values()), lists


def _is_below(table: yaml.TopLevel, key: str, file: Path) -> bool:
    value = table.text(key)
    return value.startswith("images/") and os.path.isdir(file.parent / value)


def _label_folder(images: Path) -> Path:
    """The folder of the labels of an image folder: its last part ``images`` read as ``labels``."""
    parts = list(images.parts)
    for i in range(len(parts) - 1, -1, -1):
        if parts[i].lower() == "images":
            return Path(*parts[:i], "labels" if parts[i].islower() else "Labels", *parts[i + 1 :])
    return images


def _listed(text: Path, split: str) -> Iterator[_Entry]:
    for line in load_lines(text):
        path = Path(line) if Path(line).is_absolute() and os.path.isfile(line) else text.parent / line
        labels = _label_folder(path.parent) / f"{path.stem}.txt"
        yield _Entry(path, labels, path.name, path.parent.name, split)


def _highest(entries: list[_Entry]) -> int:
    """The highest class number of all label files; lines not understood are met again when a sample is read."""
    highest = -1
    for entry in entries:
        for line in load_lines(entry.labels) if entry.labels.is_file() else []:
            word = line.split()[0]
            if word.isdecimal() and len(word) < 6:
                highest = max(highest, int(word))
    return highest


class YoloSource(Entries):
    """Random access to images with label texts. ``things`` and ``strays`` serve ``kizu check``."""

    def __init__(self, entries: list[_Entry], names: list[str], pairs: list[tuple[Path, Path, str]]):
        self.entries, self.names, self.pairs = entries, names, pairs

    def __getitem__(self, i: int) -> Sample:
        entry = self.entries[i]

        def instances() -> Instances:
            things = things_of(self.things(i))
            scores = any(thing.score is not None for thing in things)
            return join(things, sample.size, entry.labels, entry.id, scores=scores)

        sample = Sample(entry.id, None, instances, path=entry.path, split=entry.split)
        return sample

    def where(self, i: int) -> tuple[Path | str, str]:
        """The file of an image's labels, and the image's id."""
        return self.entries[i].labels, self.entries[i].id

    def things(self, i: int) -> Iterator[Thing | Fault]:
        """Every line of an image's text, usable or not."""
        entry = self.entries[i]
        if not entry.labels.is_file():
            return
        height, width = self._size(entry)
        try:
            lines = load_text(entry.labels).splitlines()
        except DataError as error:
            yield Fault(str(error), "export the labels again", image=entry.id, kind="broken label file")
            return
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield _thing(line, f"line {number}", entry, height, width, self.names)

    @staticmethod
    def _size(entry: _Entry) -> tuple[int, int]:
        return Sample(entry.id, path=entry.path).size

    def strays(self) -> Iterator[Fault]:
        """Images without a label file, and label files without an image."""
        used = {entry.labels.resolve() for entry in self.entries}
        for entry in self.entries:
            if not entry.labels.is_file():
                yield Fault(
                    "has no label file; it counts as clean", "label it, or put an empty text there if it is clean",
                    file=entry.path, image=entry.id, kind="image without label",
                )  # fmt: skip
        for folder in dict.fromkeys(labels for _, labels, _ in self.pairs):
            for path in sorted(folder.rglob("*.txt")) if folder.is_dir() else []:
                if path.name not in _LISTS and path.resolve() not in used:
                    yield Fault("has no image", "add the image or remove it", file=path, kind="label without image")


def _thing(line: str, item: str, entry: _Entry, height: int, width: int, names: list[str]) -> Thing | Fault:
    def fault(what: str, remedy: str, field: str, kind: str = "broken record") -> Fault:
        return Fault(what, remedy, file=entry.labels, image=entry.id, item=item, field=field, kind=kind)

    words = line.split()
    try:
        values = [float(word) for word in words]
    except ValueError:
        return fault(f"{line.strip()[:60]!r} is not a line of numbers", "write 'class cx cy w h'", "line")
    if not np.isfinite(values).all():
        return fault("a number is not finite", "correct the line", "line", "broken box")
    if values[0] != int(values[0]) or not 0 <= values[0] < len(names):
        what = f"class {words[0][:20]} is not one of 0 .. {len(names) - 1}"
        return fault(what, "name it in data.yaml or correct it", "class", "unknown class")
    label, rest = int(values[0]), values[1:]
    if len(rest) in (4, 5):
        if np.abs(rest).max() > 10:
            return fault(
                f"{rest} are pixels, not parts of the image", "divide by width and height", "box", "broken box"
            )
        cx, cy, w, h = rest[:4]
        if w < 0 or h < 0:
            return fault(f"{rest[:4]} has a negative width or height", "correct the line", "box", "broken box")
        score = rest[4] if len(rest) == 5 else None
        if score is not None and not 0 <= score <= 1:
            return fault(f"score {score} is not in 0..1", "scale the scores to 0..1", "score")
        box = ((cx - w / 2) * width, (cy - h / 2) * height, (cx + w / 2) * width, (cy + h / 2) * height)
        return Thing(item, label, tuple(_settle(v) for v in box), None, score)
    if len(rest) < 6 or len(rest) % 2:
        what = f"{len(rest)} numbers after the class are neither a box (4) nor a polygon (6, 8, 10 ...)"
        return fault(what, "correct the line", "points", "broken mask")
    if np.abs(rest).max() > 10:
        return fault("points are pixels, not parts of the image", "divide by width and height", "points", "broken mask")
    points = np.array(rest).reshape(-1, 2) * [width, height]
    near = np.round(points)
    points = np.where(np.abs(points - near) < 1e-3, near, points)  # the digits of the text, not the label
    return Thing(item, label, None, [points.ravel().tolist()])


def _settle(value: float) -> float:
    """A coordinate without the noise of the nine digits of the text."""
    return float(round(value, 4))


FORMAT = Format("yolo", "YOLO labels", probe, read, write)
