"""Writing COCO instances: one record a line, each sample made once and none held."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError
from kizu.core.files import atomic_path
from kizu.core.instances import Instances
from kizu.core.sample import Sample
from kizu.formats.common.coco_amodal import STYLES, differing, styled
from kizu.formats.common.output import ImageWriter, Losses, output_folder
from kizu.formats.common.things import HAS_MASK, with_masks
from kizu.formats.common.trees import printable

_COCOA_AREAS = "{n} areas that were given were left out: {title} has the area of the whole mask there."


def whole_or_text(value: Any) -> Any:
    """An id as it may stand in a dictionary: whole numbers and texts; else None."""
    return value if isinstance(value, (int, str)) and not isinstance(value, bool) else None


def is_json(value: Any) -> bool:
    """Whether a value is a text of strict JSON (so no NaN)."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        json.loads(value, parse_constant=refuse)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def areas_of(found: Instances) -> list[float]:
    """COCO's area of each instance: of its mask where it has one, else of its box."""
    sides = (found.boxes[:, 2:] - found.boxes[:, :2]).astype(np.float64)
    boxes = np.round(sides[:, 0] * sides[:, 1], 4)
    if found.masks is None:
        return boxes.tolist()
    return np.where(with_masks(found), found.masks.area.astype(np.float64), boxes).tolist()


def write(dataset: Dataset, path: Path, images: bool = True, amodal: str = "kizu") -> list[str]:
    """Write ``instances.json`` and, byte for byte, the images.

    Args:
        path: a new or empty folder; or, to write annotations alone, a ``.json`` file (any folder with no images).
        images: copy the images into ``images/``.
        amodal: how hidden parts are written: ``kizu``, ``kins`` or ``cocoa``, see ``coco_amodal``; all are read.

    Raises:
        DataError: an image or its labels cannot be read.
        KizuError: the place is taken, the file system refuses, or an unknown way to write hidden parts.
    """
    if amodal not in STYLES:
        raise KizuError(f"unknown way {amodal!r} to write hidden parts; known are {', '.join(STYLES)}")
    path = Path(path)
    alone = path.suffix.lower() == ".json"
    if alone or not images:
        return write_json(dataset, path if alone else path / "instances.json", None, amodal)
    with output_folder(path) as folder:
        return write_json(dataset, folder / "instances.json", ImageWriter(folder / "images"), amodal)


class Beside(Protocol):
    """A file that is written beside the annotations, and holds a field of the samples' meta in their place."""

    field: str

    def see(self, sample: Sample, image: dict, annotations: list[dict], losses: Losses) -> None:
        """Take what concerns a sample; ``image`` and ``annotations`` are its records."""


def write_json(
    dataset: Dataset, path: Path, images: ImageWriter | None, style: str = "kizu", beside: Beside | None = None
) -> list[str]:
    """Write the annotations, and the images where there is a writer for them; what was lost, as sentences."""
    keeps = (
        "scores",
        "amodal",
        "parents",
        "groups",
        "splits",
        "sources",
        "labelled",
        "crowd",
        "meta",
        "attributes",
        "info",
    )
    losses = Losses("COCO", keeps)
    keep_images, keep_annotations = _keepable(dataset, losses)
    categories = category_records(dataset, losses)
    namer = images or ImageWriter(path.parent)
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="\n") as out:
        # Annotations wait in a second file, so that each sample is made once and none is held.
        with tempfile.TemporaryFile("w+", encoding="utf-8", newline="\n", dir=temporary.parent) as waiting:
            out.write('{"info": ' + dump(header(dataset)) + ",\n")
            if dataset.info.get("coco_licenses"):
                out.write('"licenses": ' + dump(dataset.info["coco_licenses"]) + ",\n")
            out.write('"images": [')
            next_id, between = 1, "\n"
            for k, sample in enumerate(dataset):
                losses.see(sample)
                name = namer.name(sample) if images is None else namer.write(sample)
                id = sample.meta["coco_id"] if keep_images else k + 1
                image = image_record(sample, id, name)
                found = sample.instances
                if style == "cocoa":
                    for key, count in differing(found, with_masks(found)).items():
                        losses.add(key, count, _COCOA_AREAS if key == "areas" else None)
                records = list(_annotation_records(found, id, categories, next_id, keep_annotations))
                annotations = list(styled(records, found, style))
                if beside is not None:
                    image.pop(beside.field, None)
                    beside.see(sample, image, annotations, losses)
                out.write((",\n" if k else "\n") + dump(image))
                for record in annotations:
                    waiting.write(between + dump(record))
                    between = ",\n"
                    next_id += 1
            out.write('\n],\n"annotations": [')
            waiting.seek(0)
            shutil.copyfileobj(waiting, out)
        out.write('\n],\n"categories": [\n' + ",\n".join(dump(record) for record in categories) + "\n]}\n")
    return losses.sentences()


def dump(value: Any) -> str:
    """A value as strict JSON in one line. Raises DataError where it has no place in JSON."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        return text if printable(text) == text else json.dumps(value, allow_nan=False)
    except RecursionError as error:
        raise DataError("a field is nested too deeply to be written as JSON; remove it") from error
    except (TypeError, ValueError) as error:
        raise DataError(f"{str(value)[:80]}: cannot be written as JSON ({error}); correct the field") from error


def _keepable(dataset: Dataset, losses: Losses) -> tuple[bool, bool]:
    """Whether the ids of images and of annotations can all be kept: each has one and none stands twice."""
    if not len(dataset) or "coco_id" not in dataset[0].meta:
        return False, False
    images: list = []
    annotations: list = []
    keep_annotations = True
    for sample in dataset:
        images.append(whole_or_text(sample.meta.get("coco_id")))
        if len(sample.instances):
            ids = sample.instances.attributes.get("coco_id")
            keep_annotations &= ids is not None
            annotations += [] if ids is None else [whole_or_text(id) for id in ids.tolist()]
    keep_images = _all_own(images)
    if annotations:
        keep_annotations &= _all_own(annotations)
    for kept, what in ((keep_images, "image"), (keep_annotations or not annotations, "annotation")):
        if not kept:
            losses.add(f"{what} ids", 1, f"{what} ids were numbered anew from 1: some stood twice or were missing.")
    return keep_images, keep_annotations


def _all_own(ids: list) -> bool:
    return None not in ids and len(set(ids)) == len(ids)


def category_records(dataset: Dataset, losses: Losses) -> list[dict]:
    """The category records in label order; files of several splits may use one id for two classes."""
    known = dataset.info.get("coco_categories")
    known = [r for r in known if isinstance(r, dict)] if isinstance(known, list) else []
    by_name = {r.get("name"): r for r in known if whole_or_text(r.get("id")) is not None}
    taken = {by_name[name]["id"] for name in dataset.names if name in by_name}
    fresh = (k for k in range(1, 10**9) if k not in taken)
    used, out = set(), []
    for name in dataset.names:
        record = by_name[name] if name in by_name else {"id": next(fresh), "name": name}
        if record["id"] in used:
            record = record | {"id": next(fresh)}
            losses.add(
                "category ids", 1, "{n} category ids were numbered anew: other classes of the data set have them, too."
            )
        used.add(record["id"])
        out.append(record)
    return out


def header(dataset: Dataset) -> dict:
    """COCO's ``info``; what Kizu knows of the data set stands under ``kizu``."""
    own = {k: v for k, v in dataset.info.items() if k not in ("coco_categories", "coco_info", "coco_licenses")}
    return dict(dataset.info.get("coco_info") or {}) | ({"kizu": own} if own else {})


def image_record(sample: Sample, id: Any, name: str) -> dict:
    """The record of an image: COCO's fields, and what else is known of the sample."""
    height, width = sample.size
    record = {"id": id, "file_name": name, "width": width, "height": height}
    record |= {k: v for k, v in sample.meta.items() if k != "coco_id" and k not in record}
    record |= {k: getattr(sample, k) for k in ("group", "split", "source") if getattr(sample, k)}
    record |= {} if sample.labelled else {"labelled": False}
    return record | ({"kizu_id": sample.id} if name != sample.id else {})


def _annotation_records(
    found: Instances, image: Any, categories: list[dict], first: int, keep: bool
) -> Iterable[dict]:  # fmt: skip
    has = with_masks(found)
    masks = found.masks.to_coco() if found.masks is not None else []
    amodal = found.amodal.to_coco() if found.amodal is not None else []
    areas = found.attributes.get("area")
    own = areas_of(found)
    ids = found.attributes["coco_id"].tolist() if keep and len(found) else list(range(first, first + len(found)))
    skip = {"coco_id", "iscrowd", "area", HAS_MASK}
    attributes = {n: v.tolist() for n, v in found.attributes.items() if n not in skip}
    crowd = found.attributes.get("iscrowd", np.zeros(len(found), int)).tolist()
    for i in range(len(found)):
        record = {"id": ids[i], "image_id": image, "category_id": categories[int(found.labels[i])]["id"]}
        record["bbox"] = xywh(found.boxes[i])
        record["area"] = (
            own[i] if areas is None or areas[i] is None else areas[i].item() if hasattr(areas[i], "item") else areas[i]
        )
        record["iscrowd"] = int(crowd[i] or 0)
        if has[i]:
            record["segmentation"] = masks[i]
        if found.scores is not None:
            record["score"] = float(str(found.scores[i]))
        if amodal:
            record["amodal"] = amodal[i]
        if found.parents[i] >= 0:
            record["parent_id"] = ids[found.parents[i]]
        for name, values in attributes.items():
            if values[i] is None:
                continue
            structured = name.startswith("json:") and is_json(values[i])
            key = name.removeprefix("json:") if structured else name
            if key not in record:
                record[key] = json.loads(values[i]) if structured else values[i]
        yield record


def xywh(box: np.ndarray) -> list[float]:
    """A float32 XYXY box as COCO's [x, y, width, height], in the fewest digits that give the same float32 box back."""
    x, y, right, bottom = (float(str(v)) for v in box)
    return [x, y, _length(x, right), _length(y, bottom)]


def _length(start: float, end: float) -> float:
    wanted = np.float32(end)
    for digits in range(10):
        length = round(end - start, digits)
        if math.isfinite(length) and np.float32(start + length) == wanted:
            return length
    return end - start
