"""ODVG: JSON lines of detection and of visual grounding, as MM-Grounding-DINO reads them.

    FOLDER/images/NAME
    FOLDER/detection.jsonl     a line an image: {filename, height, width, detection: {instances: [{bbox, label, ...}]}}
    FOLDER/grounding.jsonl     {filename, height, width, grounding: {caption, regions: [{bbox, phrase,
                               tokens_positive}]}}: a line for as many expressions as go into one caption
    FOLDER/label_map.json      {"0": "scratch", ...}

``detection_train.jsonl`` and so on where samples have a split. Boxes are x1, y1, x2, y2; spans are [start, end) in the
caption. ``bbox`` of a region is a list of boxes where an expression has several targets. An expression with no target
stands in the caption and has no region: its words are there, and no box belongs to them (a region without boxes stops
mmdetection's loader). What else Kizu knows stands in the detection lines under names that loaders pass over, and there
it is read from.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kizu.core.dataset import Dataset, Format
from kizu.core.errors import DataError, KizuError
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.sample import Sample
from kizu.formats.common.entries import Entries
from kizu.formats.common.expressions import expressions_of
from kizu.formats.common.output import ImageWriter, Losses, folder_name, output_folder, save
from kizu.formats.common.things import HAS_MASK, Fault, Thing, join, numbers, score_of, with_masks
from kizu.formats.common.trees import images_below, load_json, load_lines, parse_json, tidy

ORDER = 8
LONGEST = 255  # characters of a caption: the text model takes 256 tokens
_KEPT = ("split", "group", "source", "meta")


# --- writing ----------------------------------------------------------------------------------------------------------


def write(dataset: Dataset, path: Path) -> list[str]:
    """Write detection lines of all samples, and grounding lines of those that have expressions.

    Raises:
        DataError: an image, its labels or its expressions cannot be used.
        KizuError: the place is taken, or the file system refuses.
    """
    keeps = (
        "scores", "amodal", "parents", "groups", "splits", "sources", "labelled", "crowd", "meta", "attributes", "info",
    )  # fmt: skip
    losses = Losses("ODVG", keeps)
    with output_folder(path) as folder:
        writer = ImageWriter(folder / "images")
        for number, sample in enumerate(dataset):
            losses.see(sample)
            head = {"filename": writer.write(sample), "height": sample.size[0], "width": sample.size[1]}
            part = f"_{folder_name(sample.split)}" if sample.split else ""
            _append(
                folder / f"detection{part}.jsonl", head | _detection(sample, number, head["filename"], dataset.names)
            )
            said = expressions_of(sample)
            if not said:
                losses.add("expressions", 1, "{n} images have no referring expressions: they have no grounding line.")
            for caption in _captions(said, sample.instances.boxes):
                _append(folder / f"grounding{part}.jsonl", head | {"grounding": caption})
        if not len(dataset):
            save(folder / "detection.jsonl", "")
        names = {str(label): name for label, name in enumerate(dataset.names)}
        save(folder / "label_map.json", json.dumps(names) + "\n")
        if dataset.info:
            save(folder / ".kizu.json", json.dumps(dataset.info) + "\n")
        losses.add("renamed", writer.renamed)
    return losses.sentences()


def _append(path: Path, record: dict[str, Any]) -> None:
    try:
        line = json.dumps(record, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise DataError(f"{record['filename']}: cannot be written as JSON ({error}); correct the field") from error
    with open(path, "a", encoding="utf-8", newline="\n") as out:
        out.write(line + "\n")


def _box(box: np.ndarray) -> list[float]:
    return [float(str(value)) for value in box]


def _detection(sample: Sample, number: int, name: str, names: tuple[str, ...]) -> dict[str, Any]:
    found = sample.instances
    has = with_masks(found)
    masks = found.masks.to_coco() if found.masks is not None else []
    amodal = found.amodal.to_coco() if found.amodal is not None else []
    columns = {key: values.tolist() for key, values in found.attributes.items() if key != HAS_MASK}
    instances = []
    for i in range(len(found)):
        label = int(found.labels[i])
        record: dict[str, Any] = {"bbox": _box(found.boxes[i]), "label": label, "category": names[label]}
        record |= {"segmentation": masks[i]} if has[i] else {}
        record |= {"amodal": amodal[i]} if amodal else {}
        record |= {"score": float(str(found.scores[i]))} if found.scores is not None else {}
        record |= {"parent": int(found.parents[i])} if found.parents[i] >= 0 else {}
        own = {key: values[i] for key, values in columns.items() if values[i] is not None}
        instances.append(record | ({"attributes": own} if own else {}))
    kept = {key: getattr(sample, key) for key in _KEPT if getattr(sample, key)}
    kept |= {"number": number} if sample.split else {}  # the order of samples, which several files would lose
    kept |= {"id": sample.id} if sample.id != name else {}
    kept |= {} if sample.labelled else {"labelled": False}
    kept |= {"masks": True} if found.masks is not None else {}
    kept |= {"scores": True} if found.scores is not None else {}
    return {"detection": {"instances": instances}} | ({"kizu": kept} if kept else {})


def _captions(said: list[dict[str, Any]], boxes: np.ndarray) -> Iterator[dict[str, Any]]:
    """Captions of several expressions each, with the regions that their words mean."""
    caption, regions = "", []
    for record in said:
        # Loaders lower the caption after the spans were counted: no letter may become two.
        text = "".join(letter if len(letter.lower()) == 1 else letter.lower() for letter in record["text"].strip())
        if caption and len(caption) + len(text) + 2 > LONGEST:
            yield {"caption": caption, "regions": regions}
            caption, regions = "", []
        start = len(caption) + (1 if caption else 0)
        caption += (" " if caption else "") + text + "."
        targets = [_box(boxes[i]) for i in record["targets"]]
        if targets:
            box = targets[0] if len(targets) == 1 else targets
            regions.append({"bbox": box, "phrase": text, "tokens_positive": [[start, start + len(text)]]})
    if caption:
        yield {"caption": caption, "regions": regions}


# --- reading ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Entry:
    """One line: where it stands, and what is to be known before it is used."""

    file: Path
    number: int
    line: str
    id: str
    name: str
    split: str
    order: int
    fault: Fault | None = None


def probe(path: Path) -> bool:
    """Whether a path looks like a folder of :func:`write`."""
    try:
        return path.is_dir() and (path / "label_map.json").is_file() and bool(_files(path))
    except OSError:
        return False


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("detection*.jsonl"))


def read(path: Path) -> Dataset:
    """Open the detection lines of a folder. Lines of others need ``bbox`` and ``label`` alone.

    Raises:
        KizuError: no detection lines, or no usable ``label_map.json``.
    """
    path = Path(path)
    if not probe(path):
        raise KizuError(f"{path}: no detection.jsonl beside a label_map.json; name the folder that holds both")
    table = load_json(path / "label_map.json")
    labels = [str(k) for k in range(len(table))] if isinstance(table, dict) else []
    if not isinstance(table, dict) or set(labels) != set(table):
        raise KizuError(f"{path / 'label_map.json'}: not a table of names by 0, 1 ...; number the classes from 0")
    info = load_json(path / ".kizu.json") if (path / ".kizu.json").is_file() else {}
    entries = [_entry(file, k, line) for file in _files(path) for k, line in enumerate(load_lines(file))]
    entries.sort(key=lambda entry: entry.order)
    seen: set[str] = set()
    for entry in entries:
        if entry.id in seen:
            entry.fault = entry.fault or _fault(entry, f"the image {entry.id!r} stands twice", "list each image once")
            entry.id = f"{entry.id} ({entry.file.name}, line {entry.number + 1})"
        seen.add(entry.id)
    return Dataset(OdvgSource(path, entries), [str(table[label]) for label in labels], info)


def _fault(entry: _Entry, what: str, remedy: str, field: str = "") -> Fault:
    return Fault(what, remedy, file=entry.file, image=entry.name, item=f"line {entry.number + 1}", field=field)


def _entry(file: Path, number: int, line: str) -> _Entry:
    split = file.stem.removeprefix("detection").removeprefix("_")
    entry = _Entry(file, number, line, f"{file.name} line {number + 1}", "", split, number)
    try:
        record = parse_json(line, f"{file}, line {number + 1}")
        kept = record.get("kizu") or {}
        name = tidy(record["filename"])
        if not name or not isinstance(kept, dict):
            raise TypeError("no file name")
        entry.name, entry.id = name, str(kept.get("id", name))
        entry.split = str(kept.get("split", entry.split))
        entry.order = kept["number"] if type(kept.get("number")) is int else number
    except (DataError, KeyError, TypeError, AttributeError):
        entry.fault = _fault(entry, "not a record with a 'filename'", "restore the line, or remove it")
    return entry


class OdvgSource(Entries):
    """Random access to detection lines. ``strays`` serves ``kizu check``."""

    def __init__(self, folder: Path, entries: list[_Entry]):
        self.folder, self.entries = folder, entries

    def __getitem__(self, i: int) -> Sample:
        entry = self.entries[i]
        record = {} if entry.fault else json.loads(entry.line)
        kept = record.get("kizu") or {}
        size = numbers([record.get("height"), record.get("width")], 2)
        size = None if size is None or min(size) < 1 else (int(size[0]), int(size[1]))

        def instances() -> Instances:
            if entry.fault is not None:
                raise entry.fault
            return self._instances(entry, record, size or sample.size)

        meta = kept.get("meta") if isinstance(kept.get("meta"), dict) else {}
        text = {key: str(kept.get(key, "")) for key in ("group", "source")}
        path = self.folder / "images" / entry.name
        sample = Sample(
            entry.id, None, instances, path=path, size=size, split=entry.split, meta=meta,
            labelled=kept.get("labelled") is not False, **text,
        )  # fmt: skip
        return sample

    def _instances(self, entry: _Entry, record: dict[str, Any], size: tuple[int, int]) -> Instances:
        kept, where = record.get("kizu") or {}, (entry.file, entry.name)
        try:
            listed = record["detection"]["instances"]
            things = [self._thing(entry, k, item) for k, item in enumerate(listed)]
            amodal = [item["amodal"] for item in listed if "amodal" in item]
            parents = [item.get("parent", -1) for item in listed]
        except (KeyError, TypeError, AttributeError) as error:
            raise _fault(entry, f"not a detection record ({error!r})", "restore the line", "detection") from error
        found = join(things, size, *where, masks=bool(kept.get("masks")), scores=bool(kept.get("scores")))
        try:
            if amodal and len(amodal) == len(things):
                found = found.replace(amodal=Masks.from_coco(amodal, size))
            return found.replace(parents=parents) if set(parents) - {-1} else found
        except (DataError, TypeError) as error:
            raise _fault(entry, str(error), "restore the line", "detection") from error

    def _thing(self, entry: _Entry, k: int, item: dict[str, Any]) -> Thing:
        box, label, score = numbers(item["bbox"], 4), item["label"], item.get("score")
        if box is None or box[2] < box[0] or box[3] < box[1]:
            what = f"instance {k}: {str(item['bbox'])[:60]} is no box"
            raise _fault(entry, what, "write it as [x1, y1, x2, y2]", "bbox")
        if type(label) is not int or label < 0:
            raise _fault(entry, f"instance {k}: {str(label)[:40]} is no label", "number the classes from 0", "label")
        return Thing(
            f"instance {k}", label, tuple(box), item.get("segmentation"), score_of(score),
            dict(item.get("attributes") or {}),
        )  # fmt: skip

    def strays(self) -> Iterator[Fault]:
        """Images that no line lists."""
        listed = {entry.name for entry in self.entries}
        for name, path in images_below(self.folder / "images").items():
            if name not in listed:
                yield Fault("no line lists this image", "add a line", file=path, kind="image without label")


FORMAT = Format("odvg", "ODVG detection and grounding", probe, read, write)
