"""COCO panoptic: an id raster a picture as a PNG in colours, and one JSON that tells the class of each id.

    FOLDER/panoptic.json           images, categories, and an annotation an image: file_name, segments_info
    FOLDER/panoptic/NAME.png       R + 256 G + 65536 B = the id of the segment that owns the pixel, black = none
    FOLDER/images/NAME.jpg         the images, byte for byte
    FOLDER/annotations/panoptic_train2017.json + annotations/panoptic_train2017/ + train2017/ is read as well

A pixel has one owner, so masks are the visible ones. Areas and boxes of ``segments_info`` are those of the pixels.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kizu.core.dataset import Dataset, Format
from kizu.core.errors import DataError, KizuError
from kizu.core.images import encode_image, read_image
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.sample import Sample
from kizu.formats.common.coco_find import image_folders
from kizu.formats.common.coco_out import category_records, dump, header, image_record, whole_or_text
from kizu.formats.common.entries import Entries
from kizu.formats.common.output import ImageWriter, Losses, output_folder, save, without_label
from kizu.formats.common.things import Fault, with_masks
from kizu.formats.common.trees import load_json, printable, same_file, sniff, split_name, tidy, unique_ids

ORDER = 9  # before coco, which would take the JSON for its own
_IMAGE_FIELDS = {"id", "file_name", "width", "height", "group", "split", "source", "labelled", "kizu_id"}
_SPREAD, _IDS = 0x9E3779, 1 << 24  # an odd number: its multiples run through all colours, black the very last


def colour_id(k: int) -> int:
    """The id of segment ``k`` = 0, 1, ...: never 0, none twice, and far from its neighbours in colour."""
    return (k + 1) * _SPREAD % _IDS


def to_colours(ids: np.ndarray) -> np.ndarray:
    """Ids (H, W) as RGB uint8 (H, W, 3): id = R + 256 G + 65536 B."""
    return np.stack([ids & 255, ids >> 8 & 255, ids >> 16 & 255], axis=2).astype(np.uint8)


def to_ids(colours: np.ndarray) -> np.ndarray:
    """The inverse of :func:`to_colours`, int32 (H, W)."""
    return colours.astype(np.int32) @ np.array([1, 256, 65536], np.int32)


# --- reading ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Entry:
    """An image record with its annotation, or None where it has none."""

    id: str
    split: str
    record: dict[str, Any]
    annotation: dict[str, Any] | None
    image: Path
    raster: Path
    labels: dict[Any, int]
    file: Path


def _found(path: Path) -> list[tuple[Path, str]]:
    """The JSON files of a path with their splits."""
    if path.is_file():
        return [(path, split_name(path.stem))]
    for pattern in ("panoptic.json", "annotations/panoptic*.json", "panoptic_*.json"):
        files = sorted(path.glob(pattern))
        if any(
            other for file in files[:1] for other in file.parent.glob("instances*.json")
        ):  # COCO itself: its instances tell more
            return []
        if files:
            return [(file, split_name(file.stem)) for file in files]
    return []


def probe(path: Path) -> bool:
    """Whether a path looks like COCO panoptic."""
    try:
        if path.is_file():
            return path.suffix.lower() == ".json" and ("panoptic" in path.stem or sniff(path, b'"segments_info"'))
        return bool(_found(path))
    except OSError:
        return False


def read(path: Path) -> Dataset:
    """Open COCO panoptic; rasters are decoded when a sample is asked for.

    Raises:
        KizuError: no JSON file, or one that is not COCO panoptic.
    """
    path = Path(path)
    located = _found(path)
    if not located:
        raise KizuError(f"{path}: no panoptic JSON was found; name the file itself")
    names, categories, entries, info = [], [], [], {}
    for file, split in located:
        table = load_json(file)
        lists = [table.get(key) if isinstance(table, dict) else None for key in ("images", "annotations", "categories")]
        if not all(isinstance(item, list) and all(isinstance(one, dict) for one in item) for item in lists):
            raise KizuError(f"{file}: not COCO panoptic (no lists images, annotations, categories); export it again")
        labels = {}
        for record in lists[2]:
            id, name = whole_or_text(record.get("id")), printable(str(record.get("name") or record.get("id")))
            if name not in names:
                names.append(name)
                categories.append(record | {"name": name})
            labels[id] = names.index(name)
        of_image = {whole_or_text(item.get("image_id")): item for item in lists[1]}
        kept = (table.get("info") or {}).get("kizu") if isinstance(table.get("info"), dict) else None
        info |= kept if isinstance(kept, dict) else {}
        entries += _entries(file, split, lists[0], of_image, labels)
    for entry, id in zip(entries, unique_ids((e.split, e.id) for e in entries), strict=True):
        entry.id = str(entry.record.get("kizu_id", id))
    return Dataset(PanopticSource(entries), names, info | {"coco_categories": categories})


def _entries(file: Path, split: str, images: list, of_image: dict, labels: dict) -> Iterator[_Entry]:
    base = file.parent / file.stem
    rasters = base if base.is_dir() else file.parent / "panoptic"
    plain = file.with_name(file.name.replace("panoptic", "instances"))
    roots = image_folders(plain, split) or [file.parent / "images"]
    for i, record in enumerate(images):
        name = record.get("file_name")
        if whole_or_text(record.get("id")) is None or not isinstance(name, str) or not tidy(name):
            raise KizuError(f"{file}: images[{i}] has no usable id or file name; correct it")
        name = tidy(name)
        image = next((root / name for root in roots if (root / name).is_file()), roots[0] / name)
        annotation = of_image.get(record["id"])
        raster = tidy(str((annotation or {}).get("file_name", "")))
        yield _Entry(name, str(record.get("split", split)), record, annotation, image, rasters / raster, labels, file)


class PanopticSource(Entries):
    """Random access to the images of panoptic files."""

    def __init__(self, entries: list[_Entry]):
        self.entries = entries

    def __getitem__(self, i: int) -> Sample:
        entry = self.entries[i]
        record = entry.record
        text = {name: "" if record.get(name) is None else str(record[name]) for name in ("group", "source")}
        meta = {name: value for name, value in record.items() if name not in _IMAGE_FIELDS} | {"coco_id": record["id"]}
        sample = Sample(
            entry.id, None, lambda: _instances(entry, sample.size), path=entry.image, split=entry.split, meta=meta,
            labelled=entry.annotation is not None and record.get("labelled") is not False, **text,
        )  # fmt: skip
        return sample


def _instances(entry: _Entry, size: tuple[int, int]) -> Instances:
    if entry.annotation is None:
        return Instances.empty(size)
    where: dict[str, Any] = {"file": entry.file, "image": entry.id}
    segments = entry.annotation.get("segments_info")
    if not isinstance(segments, list) or not all(isinstance(item, dict) for item in segments):
        raise Fault("is no list of records", "export it again", field="segments_info", **where)
    ids = [item.get("id") for item in segments]
    if not all(isinstance(id, int) and 0 < id < _IDS for id in ids) or len(set(ids)) != len(ids):
        raise Fault("ids are not whole numbers of 24 bits, each its own", "export it again", field="id", **where)
    labels = [entry.labels.get(whole_or_text(item.get("category_id"))) for item in segments]
    if None in labels:
        unknown = str(segments[labels.index(None)].get("category_id"))[:40]
        what = f"category {unknown} is not among the categories"
        raise Fault(what, "add it to 'categories'", field="category_id", kind="unknown class", **where)
    raster = to_ids(read_image(entry.raster))
    if raster.shape != size:
        what = f"is {list(raster.shape)} high and wide, its image {list(size)}"
        raise Fault(what, "make it again", file=entry.raster, image=entry.id, kind="size mismatch")
    masks = Masks.from_label_map(raster, ids)
    if len(ids) and (masks.area == 0).any():
        what = f"has no pixel of segment {ids[int(np.argmin(masks.area))]}"
        raise Fault(what, "remove the segment or make the raster again", file=entry.raster, image=entry.id)
    if masks.area.sum() != np.count_nonzero(raster):
        what = f"holds ids that {entry.file.name} does not list"
        raise Fault(what, "list them there, or make it again", file=entry.raster, image=entry.id)
    crowd = [int(item.get("iscrowd") in (1, True)) for item in segments]
    return Instances(labels, masks=masks, attributes={"iscrowd": np.array(crowd, int)} if any(crowd) else None)


# --- writing ----------------------------------------------------------------------------------------------------------


def write(dataset: Dataset, path: Path) -> list[str]:
    """Write ``panoptic.json``, the rasters and the images. Where masks overlap, the later ones own the pixels.

    An image that nobody has labelled yet gets no annotation.

    Raises:
        DataError: an image or its labels cannot be read.
        KizuError: the place is taken, two images would share a raster, or the file system refuses.
    """
    losses = Losses("COCO panoptic", ("groups", "splits", "sources", "labelled", "crowd", "meta", "info"))
    categories = [{"isthing": 1} | record for record in category_records(dataset, losses)]
    images, used = [], {}
    with output_folder(path) as folder, tempfile.TemporaryFile("w+", encoding="utf-8", dir=folder) as waiting:
        writer = ImageWriter(folder / "images")
        for k, sample in enumerate(dataset):
            losses.see(sample)
            losses.counts["coco ids"] += "coco_id" in sample.meta
            name = writer.write(sample)
            images.append(dump(image_record(sample, k + 1, name)))
            if without_label(sample):
                continue
            stem = Path(name).with_suffix("").as_posix()
            if used.setdefault(same_file(stem), name) != name:
                raise KizuError(f"the images {used[same_file(stem)]!r} and {name!r} would share a raster; rename one")
            segments = _write_raster(sample, folder / "panoptic" / f"{stem}.png", categories, losses)
            record = {"image_id": k + 1, "file_name": f"{stem}.png", "segments_info": segments}
            waiting.write((",\n" if waiting.tell() else "") + dump(record))
        waiting.seek(0)
        parts = {"images": ",\n".join(images), "annotations": waiting.read()}
        parts["categories"] = ",\n".join(dump(record) for record in categories)
        text = "".join(f',\n"{key}": [\n{lines}\n]' for key, lines in parts.items())
        save(folder / "panoptic.json", f'{{"info": {dump(header(dataset))}{text}}}\n')
    return losses.sentences()


def _write_raster(sample: Sample, path: Path, categories: list[dict], losses: Losses) -> list[dict]:
    """Write the raster of a sample; its ``segments_info``."""
    found = sample.instances
    has = with_masks(found)
    masks = found.masks if found.masks is not None else Masks.empty(sample.size)
    chosen = np.flatnonzero(has & (masks.area > 0)) if len(masks) else np.zeros(0, int)
    if len(chosen) >= _IDS - 1:
        raise DataError(f"{sample.id}: {len(chosen)} instances are more than 24 bits count; use coco")
    ids = [colour_id(k) for k in range(len(chosen))]
    raster = masks[chosen].to_label_map(ids)
    owned = Masks.from_label_map(raster, ids)
    losses.add("boxes only", int((~has).sum()))
    losses.add("no pixel", int(has.sum()) - int((owned.area > 0).sum()), "{n} instances without a pixel were left out.")
    losses.add("overlaps", int(((owned.area < masks[chosen].area) & (owned.area > 0)).sum()))
    losses.add("boxes", int((found.boxes[chosen] != masks[chosen].boxes).any(1).sum()))
    crowd = found.attributes.get("iscrowd", np.zeros(len(found), int))
    out = []
    for k, i in enumerate(chosen.tolist()):
        if owned.area[k]:
            x0, y0, x1, y1 = owned.boxes[k].tolist()
            out.append(
                {"id": ids[k], "category_id": categories[int(found.labels[i])]["id"], "area": int(owned.area[k]),
                 "bbox": [x0, y0, x1 - x0, y1 - y0], "iscrowd": int(crowd[i] or 0)}
            )  # fmt: skip
    save(path, encode_image(to_colours(raster)))
    return out


FORMAT = Format("panoptic", "COCO panoptic", probe, read, write)
