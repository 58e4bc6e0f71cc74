"""COCO instances: one JSON of images, annotations and categories, or one a split.

Understood layouts (the image folder is found beside the file):

    the JSON file itself
    FOLDER/instances.json + images/
    FOLDER/train.json, val.json + images/
    FOLDER/_annotations.coco.json + images
    FOLDER/train/_annotations.coco.json, valid/..., test/... (Roboflow)
    FOLDER/annotations/instances_train2017.json ... + train2017/ or images/train2017/

What has no place in ``Instances`` is kept for the way back: ``sample.meta["coco_id"]`` is the image id and further
fields of the image record stand beside it; ``instances.attributes`` holds ``coco_id`` (annotation id), ``iscrowd``,
``area`` where it is not the mask's, and every further field (lists and records as JSON text under ``json:NAME``);
``dataset.info["coco_categories"]`` holds the category records in label order. Polygons become pixel masks as
pycocotools draws them, and are written as run-length code. Hidden parts are read in the ways of Kizu, KINS and COCOA.
"""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kizu.core.dataset import Dataset, Format
from kizu.core.errors import DataError, KizuError
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.sample import Sample
from kizu.formats.common.coco_amodal import plain
from kizu.formats.common.coco_find import find, image_folders, probe
from kizu.formats.common.coco_out import areas_of, is_json, whole_or_text, write
from kizu.formats.common.entries import Entries
from kizu.formats.common.things import Fault, Thing, join, numbers, score_of, things_of
from kizu.formats.common.trees import (
    images_below,
    load_json,
    mention,
    printable,
    split_parts,
    tidy,
    unique_ids,
)

ORDER = 10
_IMAGE_FIELDS = {"id", "file_name", "width", "height", "group", "split", "source", "labelled", "kizu_id"}
_THING_FIELDS = {"id", "image_id", "category_id", "bbox", "segmentation", "score", "amodal", "parent_id"}


@dataclass
class _File:
    """One annotation file: its split, the folders where its images may be, and the labels of its category ids."""

    path: Path
    split: str
    roots: list[Path]
    labels: dict[Any, int] = field(default_factory=dict)
    scores: bool = False
    masks: bool = False


@dataclass(slots=True)
class _Entry:
    """One image record with its annotations, or the fault that keeps it from being used."""

    file: int
    record: dict[str, Any]
    name: str
    annotations: list[Any]
    fault: Fault | None = None
    id: str = ""


def read(path: Path, images: Path | str | None = None) -> Dataset:
    """Open COCO annotations; masks and pixels are decoded when a sample is asked for.

    Args:
        images: the image folder, where it is not found beside the file.

    Raises:
        KizuError: no annotation file, several that name no split, or a file that is not COCO at all.
    """
    path = Path(path)
    located = find(path)
    if not located:
        raise KizuError(f"{path}: no COCO annotation file was found; name the JSON file itself")
    if len(located) > 1 and not all(split for _, split in located):
        raise KizuError(
            f"{path}: holds several annotation files ({mention([p.name for p, _ in located])}); name one of them"
        )
    files, tables, notes = [], [], []
    for file, split in located:
        roots = [Path(images)] if images is not None else image_folders(file, split)
        files.append(_File(file, split, roots or [file.parent / "images"]))
        tables.append(_tables(file))
    names, categories, problems = _categories(files, tables)
    entries = [entry for k, table in enumerate(tables) for entry in _entries(k, files[k], table, problems)]
    prefixes = [file.path.parent.name if file.path.name.startswith("_") else file.split for file in files]
    for entry, id in zip(entries, unique_ids((prefixes[e.file], e.name) for e in entries), strict=True):
        entry.id = str(entry.record.get("kizu_id", id))
    _mark_twins(entries, files)
    lists = (a.get("segmentation") for e in entries for a in e.annotations if isinstance(a, dict))
    drawn = sum(1 for segmentation in lists if isinstance(segmentation, list) and segmentation)
    if drawn:
        notes.append(f"{drawn} annotations are polygons; they are drawn to pixels as pycocotools draws them")
    if problems:
        notes.append(f"{len(problems)} records were passed over, the first: {problems[0]} (kizu check lists all)")
    info: dict[str, Any] = {"coco_categories": categories}
    header = tables[0].get("info")
    if isinstance(header, dict):
        kept = header.get("kizu")
        info = (kept if isinstance(kept, dict) else {}) | info
        info |= {"coco_info": {k: v for k, v in header.items() if k != "kizu"}} if set(header) - {"kizu"} else {}
    if tables[0].get("licenses"):
        info["coco_licenses"] = tables[0]["licenses"]
    return Dataset(CocoSource(files, entries, problems), names, info, notes)


def _tables(file: Path) -> dict[str, Any]:
    table = load_json(file)
    if not isinstance(table, dict) or not isinstance(table.get("images"), list):
        hint = "; a list of results needs the file of its images" if isinstance(table, list) else ""
        raise KizuError(f"{file}: not COCO annotations (no list 'images'){hint}; export it again, or name another file")
    for name in ("annotations", "categories"):
        if not isinstance(table.get(name, []), list):
            raise KizuError(f"{file}: field {name!r} is not a list; export it again")
    return table


def _categories(files: list[_File], tables: list[dict]) -> tuple[list[str], list[dict], list[Fault]]:
    """Class names, their records, and what is wrong with the categories; fills ``labels`` of the files."""
    names: list[str] = []
    records: list[dict] = []
    problems: list[Fault] = []
    for file, table in zip(files, tables, strict=True):
        for i, record in enumerate(table.get("categories", [])):

            def stray(what: str, remedy: str, field: str, kind: str = "broken record", file=file, i=i) -> None:
                problems.append(Fault(what, remedy, file=file.path, item=f"categories[{i}]", field=field, kind=kind))

            id = whole_or_text(record.get("id")) if isinstance(record, dict) else None
            if id is None:
                stray("no usable id", "give it a whole number", "id")
                continue
            name = record.get("name")
            if not isinstance(name, str) or not name.strip():
                stray("no name; its id is used", "name the class", "name")
                name = str(id)
            name = printable(name)
            if id in file.labels:
                stray(f"id {id!r} stands twice; the first counts", "give each its own id", "id", "duplicate class")
                continue
            if name in names and file is files[0]:
                stray(f"the name {name!r} stands twice; both are one class", "join them", "name", "duplicate class")
            if name not in names:
                names.append(name)
                records.append(record | {"name": name})
            file.labels[id] = names.index(name)
    return names, records, problems


def _entries(k: int, file: _File, table: dict, problems: list[Fault]) -> list[_Entry]:
    def stray(what: str, remedy: str, item: str, field: str, kind: str = "broken record") -> None:
        problems.append(Fault(what, remedy, file=file.path, item=item, field=field, kind=kind))

    of_image: dict[Any, list] = defaultdict(list)
    seen: set = set()
    for i, annotation in enumerate(table.get("annotations", [])):
        if not isinstance(annotation, dict) or whole_or_text(annotation.get("image_id")) is None:
            stray("names no image", "correct or remove it", f"annotations[{i}]", "image_id")
            continue
        of_image[annotation["image_id"]].append(annotation)
        file.scores |= score_of(annotation.get("score")) is not None
        file.masks |= bool(annotation.get("segmentation") or annotation.get("i_segm"))
        id = whole_or_text(annotation.get("id"))
        if id is not None and id in seen:
            stray(f"id {id!r} stands twice", "number the annotations anew", f"annotations[{i}]", "id", "duplicate id")
        seen.add(id)
    entries = []
    used = Counter(whole_or_text(r.get("id")) for r in table["images"] if isinstance(r, dict))
    for i, record in enumerate(table["images"]):
        broken = not isinstance(record, dict)
        record = {} if broken else record
        id, name = whole_or_text(record.get("id")), record.get("file_name")
        named = isinstance(name, str) and bool(tidy(name)) and printable(name) == name
        entry = _Entry(
            k, record, tidy(name) if named else f"images[{i}]", plain(of_image.pop(id, []) if id is not None else [])
        )

        def fault(what: str, remedy: str, field: str, kind: str = "broken record", i=i) -> Fault:
            return Fault(what, remedy, file=file.path, item=f"images[{i}]", field=field, kind=kind)

        if broken or id is None:
            entry.fault = fault("no usable id", "give each image a whole number as id", "id")
        elif used[id] > 1:
            entry.fault = fault(f"id {id!r} stands twice", "give each image its own id", "id", "duplicate id")
        elif not named:
            entry.fault = fault("no usable file name", "name the image file", "file_name")
        elif _size(record) is False:
            size = [record.get("height"), record.get("width")]
            entry.fault = fault(
                f"height and width {str(size)[:60]} are no sizes", "write whole numbers of pixels", "width"
            )
        entries.append(entry)
    for id, lost in of_image.items():
        what = f"{len(lost)} annotations name image {id!r}, which is not listed"
        stray(what, "add the image or remove them", f"annotation {str(lost[0].get('id'))[:40]}", "image_id")
    return entries


def _size(record: dict) -> tuple[int, int] | bool | None:
    """(height, width) of an image record, None where it has none, False where they are nonsense."""
    values = [record.get("height"), record.get("width")]
    if values == [None, None]:
        return None
    usable = numbers(values)
    if usable is None or any(v < 1 or v != int(v) for v in usable):
        return False
    return int(usable[0]), int(usable[1])


def _mark_twins(entries: list[_Entry], files: list[_File]) -> None:
    count = Counter(entry.id for entry in entries)
    for i, entry in enumerate(entries):
        if count[entry.id] > 1:
            entry.fault = entry.fault or Fault(
                f"the file {entry.id!r} is listed {count[entry.id]} times", "list each image once",
                file=files[entry.file].path, item=f"images[{i}]", field="file_name", kind="duplicate file name",
            )  # fmt: skip
            entry.id = f"{entry.id} (record {i})"


class CocoSource(Entries):
    """Random access to the images of COCO files. ``things`` and ``strays`` serve ``kizu check``."""

    def __init__(self, files: list[_File], entries: list[_Entry], problems: list[Fault]):
        self.files, self.entries, self.problems = files, entries, problems

    @property
    def splits(self) -> list[str]:
        return [self._split(entry) for entry in self.entries]

    def _split(self, entry: _Entry) -> str:
        split = entry.record.get("split")
        if isinstance(split, str):
            return split
        return self.files[entry.file].split or split_parts(Path(entry.name))[0]

    def _path(self, entry: _Entry) -> Path:
        roots = self.files[entry.file].roots
        places = [root / entry.name for root in roots] + [root / Path(entry.name).name for root in roots]
        return next((place for place in places if os.path.isfile(place)), places[0])

    def __getitem__(self, i: int) -> Sample:
        entry = self.entries[i]
        record, size = entry.record, _size(entry.record) or None
        text = {name: "" if record.get(name) is None else str(record[name]) for name in ("group", "source")}
        meta = {name: value for name, value in record.items() if name not in _IMAGE_FIELDS}
        meta |= {"coco_id": record["id"]} if "id" in record else {}

        def instances() -> Instances:
            if entry.fault is not None:
                raise entry.fault
            file = self.files[entry.file]
            frame = size or sample.size
            things = things_of(self.things(i))
            found = join(things, frame, *self.where(i), masks=file.masks, scores=file.scores)
            return _further(found, entry, frame, file.path)

        sample = Sample(
            entry.id,
            None,
            instances,
            path=self._path(entry),
            size=size,
            split=self._split(entry),
            meta=meta,
            labelled=record.get("labelled") is not False,
            **text,
        )
        return sample

    def where(self, i: int) -> tuple[Path, str]:
        """The file of an image's labels, and how its records call the image."""
        entry = self.entries[i]
        return self.files[entry.file].path, f"{entry.record.get('id')} ({entry.name})"

    def things(self, i: int) -> Iterator[Thing | Fault]:
        """Every annotation of an image, usable or not."""
        entry = self.entries[i]
        if entry.fault is not None:
            yield entry.fault
            return
        file = self.files[entry.file]
        for record in entry.annotations:
            yield _thing(record, file, self.where(i)[1])

    def strays(self) -> Iterator[Fault]:
        """Records that belong to no image, and image files that no record names."""
        yield from self.problems
        listed = {entry.name for entry in self.entries} | {Path(entry.name).name for entry in self.entries}
        listed |= {tidy(v) for e in self.entries for v in e.record.values() if isinstance(v, str)}
        for folder in dict.fromkeys(file.roots[0] for file in self.files):
            if not folder.is_dir():
                continue
            for name, path in images_below(folder).items():
                if name not in listed and path.name not in listed:
                    yield Fault(
                        "no record lists this image", "label it, or add it as an image without annotations",
                        file=path, kind="image without label",
                    )  # fmt: skip


def _thing(record: dict, file: _File, image: Any) -> Thing | Fault:
    id = record.get("id")
    item = f"annotation {str(id)[:40]}"

    def fault(what: str, remedy: str, field: str, kind: str = "broken record") -> Fault:
        return Fault(what, remedy, file=file.path, image=image, item=item, field=field, kind=kind)

    if "id" in record and whole_or_text(id) is None:
        return fault("is neither a whole number nor a text", "number the annotations", "id")
    category = whole_or_text(record.get("category_id"))
    if category not in file.labels:
        known = ", ".join(str(key) for key in list(file.labels)[:12])
        what = f"category {str(record.get('category_id'))[:40]} is not among the categories ({known})"
        return fault(what, "add it to 'categories' or correct it", "category_id", "unknown class")
    segmentation = record.get("segmentation") or None
    if segmentation is not None and not isinstance(segmentation, (dict, list)):
        return fault("neither polygons nor run-length code", "label this object again", "segmentation", "broken mask")
    if isinstance(segmentation, list) and all(isinstance(v, (int, float)) for v in segmentation):
        segmentation = [segmentation]  # one polygon without the list around it, as some tools write
    box = None
    if record.get("bbox") is not None or segmentation is None:
        values = numbers(record.get("bbox"), 4)
        if values is None:
            what = f"{str(record.get('bbox'))[:60]} is not [x, y, width, height] in finite numbers"
            return fault(what, "correct or remove the annotation", "bbox", "broken box")
        if values[2] < 0 or values[3] < 0:
            what = f"{values} has a negative width or height"
            return fault(what, "write the box as [left, top, width, height]", "bbox", "broken box")
        box = (values[0], values[1], values[0] + values[2], values[1] + values[3])
    score = record.get("score")
    if score is not None and score_of(score) is None:
        return fault(f"{str(score)[:40]} is not a number in 0..1", "scale the scores to 0..1", "score")
    extra = {"iscrowd": 1 if record.get("iscrowd") in (1, True) else 0}
    for name, value in record.items():
        if name not in _THING_FIELDS and name != "iscrowd" and value is not None:
            # A text under a name of ours that would be taken for JSON on the way back is JSON itself on the way in.
            scalar = isinstance(value, (str, int, float, bool)) and not (name.startswith("json:") and is_json(value))
            try:
                extra[name if scalar else f"json:{name}"] = value if scalar else json.dumps(value)
            except RecursionError:
                return fault("its value is nested too deeply", "remove the field", str(name)[:40])
    if id is not None:
        extra["coco_id"] = id
    return Thing(item, file.labels[category], box, segmentation, None if score is None else float(score), extra)


def _further(found: Instances, entry: _Entry, size: tuple[int, int], file: Path) -> Instances:
    """Drop areas that only repeat the mask's or the box's; add amodal masks and parents where they stand."""
    areas = found.attributes.get("area")
    if areas is not None:
        own = areas_of(found)
        if all(isinstance(a, (int, float)) and a == b for a, b in zip(areas.tolist(), own, strict=True)):
            del found.attributes["area"]
    records = entry.annotations
    if records and all("amodal" in record for record in records):
        try:
            amodal = Masks.from_coco([record["amodal"] for record in records], size)
        except (DataError, TypeError) as error:
            raise Fault(str(error), "remove the field", file=file, image=entry.record["id"], field="amodal") from error
        found = found.replace(amodal=amodal)
    if any("parent_id" in record for record in records):
        place = {whole_or_text(record.get("id")): k for k, record in enumerate(records)}
        parents = [
            place.get(whole_or_text(record.get("parent_id")), -1) if "parent_id" in record else -1 for record in records
        ]
        found = found.replace(parents=np.array(parents))
    return found


FORMAT = Format("coco", "COCO instances", probe, read, write)
