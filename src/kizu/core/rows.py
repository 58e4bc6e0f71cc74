"""One sample as one row of a Parquet table, and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kizu.core.errors import DataError
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.sample import Sample

_FIELDS = [
    ("id", pa.string()),
    ("path", pa.string()),
    ("image", pa.binary()),
    ("height", pa.int32()),
    ("width", pa.int32()),
    ("split", pa.string()),
    ("group", pa.string()),
    ("source", pa.string()),
    ("labelled", pa.bool_()),
    ("meta", pa.string()),
    ("boxes", pa.list_(pa.float32())),
    ("labels", pa.list_(pa.int32())),
    ("scores", pa.list_(pa.float32())),
    ("parents", pa.list_(pa.int32())),
    ("masks", pa.list_(pa.binary())),
    ("amodal", pa.list_(pa.binary())),
    ("attributes", pa.string()),
    ("score_map", pa.binary()),
    ("score_shape", pa.list_(pa.int32())),
]
SCHEMA = pa.schema(_FIELDS)


def _json(value: Any, sample: Sample, field: str) -> str | None:
    try:
        return json.dumps(value) if value else None
    except (TypeError, ValueError) as error:
        raise DataError(f"{sample.id}: {field} is not JSON ({error}); use numbers, text and lists") from error


def _half(scores: np.ndarray) -> np.ndarray:
    """Scores as float16; what is below the threshold (0.5) stays below it."""
    out = scores.astype(np.float16)
    out[(scores < 0.5) & (out >= 0.5)] = np.nextafter(np.float16(0.5), np.float16(0))
    return out


def to_row(sample: Sample, embed: bool) -> dict[str, Any]:
    """A sample as a row of :data:`SCHEMA`; the image's bytes where ``embed`` or where there is no file to point at.

    Raises:
        DataError: the sample cannot be read, or its name or metadata cannot be written.
    """
    row = without_image(sample, embed)
    return row | {"image": sample.image_bytes() if row["path"] is None else None}


def without_image(sample: Sample, embed: bool) -> dict[str, Any]:
    """The same without the image. Raises DataError as :func:`to_row` does."""
    for text in (sample.id, str(sample.path or "")):
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            name = text.encode("utf-8", "backslashreplace").decode()
            raise DataError(
                f"{name}: its name is not valid UTF-8, so no data set can hold it; rename the file"
            ) from error
    found = sample.instances
    height, width = sample.size
    score_map = sample.score_map
    by_path = sample.path is not None and not embed
    return {
        "id": sample.id,
        "path": str(sample.path.absolute()) if by_path else None,
        "height": height,
        "width": width,
        "split": sample.split,
        "group": sample.group,
        "source": sample.source,
        "labelled": sample.labelled,
        "meta": _json(sample.meta, sample, "meta"),
        "boxes": found.boxes.ravel(),
        "labels": found.labels,
        "scores": found.scores,
        "parents": found.parents if (found.parents >= 0).any() else None,
        "masks": None if found.masks is None else found.masks.codes(),
        "amodal": None if found.amodal is None else found.amodal.codes(),
        "attributes": _json({k: v.tolist() for k, v in found.attributes.items()}, sample, "an attribute"),
        "score_map": None if score_map is None else _half(score_map).tobytes(),
        "score_shape": None if score_map is None else list(score_map.shape),
    }


def from_row(row: dict[str, Any], folder: Path) -> Sample:
    """The sample of a row; masks and score map are decoded when they are asked for."""
    size = (row["height"], row["width"])

    def instances() -> Instances:
        try:
            masks, amodal = (None if row[k] is None else Masks.from_codes(row[k], size) for k in ("masks", "amodal"))
            return Instances(
                row["labels"], np.array(row["boxes"], np.float32), masks, row["scores"], amodal, row["parents"],
                json.loads(row["attributes"]) if row["attributes"] else None,
            )  # fmt: skip
        except (DataError, ValueError) as error:
            raise DataError(f"{folder}: image {row['id']!r}: {error}") from error

    def score_map() -> np.ndarray:
        try:
            return np.frombuffer(row["score_map"], np.float16).astype(np.float32).reshape(row["score_shape"])
        except (TypeError, ValueError) as error:
            raise DataError(
                f"{folder}: image {row['id']!r}: its score map is damaged ({error}); predict again"
            ) from error

    path = None if row["path"] is None else folder / row["path"]  # an absolute path stays itself
    meta = json.loads(row["meta"]) if row["meta"] else {}
    return Sample(
        row["id"], row["image"], instances, path=path, size=size, split=row["split"], group=row["group"],
        source=row["source"], labelled=row["labelled"], meta=meta,
        score_map=None if row["score_map"] is None else score_map,
    )  # fmt: skip
