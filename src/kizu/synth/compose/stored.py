"""Segments as Kizu samples: a bank is a data set like any other, and reads segments without reading all of it."""

from __future__ import annotations

import bisect
import itertools
import json
import zlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kizu.core.errors import DataError, KizuError
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.rows import from_row
from kizu.core.sample import Sample
from kizu.core.shards import damaged, read_columns, read_header, read_manifest
from kizu.synth.compose.plan import Table, as_table
from kizu.synth.compose.segment import Segment

MARK = "segments"  # in ``Dataset.info`` of a bank
T = TypeVar("T")
_FILES = 64  # shards that are held open
_ROW = 2048  # bytes of a row without its pixels, about


class Held(Generic[T]):
    """What was used last, as much of it as fits into a number of bytes (the newest stays, however large it is)."""

    def __init__(self, most: int, size: Callable[[T], int]):
        self.most, self._size, self._items, self.bytes = most, size, OrderedDict(), 0

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The item under a key, made where it is not there."""
        if key in self._items:
            self._items.move_to_end(key)
            return self._items[key]
        item = self._items[key] = make()
        self.bytes += self._size(item)
        while self.bytes > self.most and len(self._items) > 1:
            self.bytes -= self._size(self._items.popitem(last=False)[1])
        return item


def to_sample(segment: Segment, names: Sequence[str], source: str = "") -> Sample:
    """A segment as a sample: its colours are the image, alpha is the score map, all else is in ``meta``."""
    found = Instances([names.index(segment.label)], masks=Masks.from_dense(segment.mask[None]))
    meta = {"kind": segment.kind, "picture": segment.picture, "corner": list(segment.corner)}
    meta |= {"frame": list(segment.frame), "record": segment.record}
    return Sample(
        segment.id, segment.colour, found, split=segment.split, group=segment.group, source=source,
        meta={"segment": meta}, score_map=segment.alpha,
    )  # fmt: skip


def to_segment(sample: Sample, names: Sequence[str]) -> Segment:
    """The inverse. Raises DataError, which names the segment, where the sample is damaged or none."""
    try:
        meta, colour, alpha = sample.meta["segment"], sample.image, sample.score_map
        if alpha is None or alpha.shape != (1, *colour.shape[:2]):
            shape = None if alpha is None else list(alpha.shape)
            raise DataError(f"its image is {list(colour.shape[:2])}, but its alpha {shape}; make the bank again")
        label = names[sample.instances.labels[0]]
        return Segment(
            sample.id, label, meta["kind"], colour, alpha[0], meta["picture"], sample.group, sample.split,
            tuple(meta["corner"]), tuple(meta["frame"]), meta["record"],
        )  # fmt: skip
    except DataError as error:
        raise DataError(f"segment {sample.id}: {error}") from error
    except (KeyError, IndexError, TypeError) as error:
        raise DataError(f"segment {sample.id}: not a segment of a bank ({error!r}); make the bank again") from error


def read_table(folder: Path, names: Sequence[str]) -> Table:
    """What is known of all segments of a bank, without their pixels; see :func:`kizu.synth.compose.plan.as_table`.

    Raises:
        KizuError: the folder is no bank, or it is damaged.
    """
    rows = []
    for table in read_columns(folder, ["id", "split", "group", "labels", "boxes", "meta"]):
        for row in table.to_pylist():
            try:
                meta = json.loads(row["meta"])["segment"]
                (x, y), box = meta["corner"], np.array(row["boxes"], np.int64)
                out = {name: row[name] for name in ("id", "split", "group")}
                out |= {name: meta[name] for name in ("kind", "picture", "corner", "frame")} | meta["record"]
                rows.append(out | {"label": names[row["labels"][0]], "box": (box + np.array([x, y, x, y])).tolist()})
            except (KeyError, IndexError, TypeError, ValueError) as error:
                raise KizuError(f"{folder}: {row['id']!r} is no segment ({error!r}); make the bank again") from error
    try:
        return as_table(rows)
    except (KeyError, ValueError) as error:
        raise KizuError(f"{folder}: not a bank of this version of Kizu ({error!r}); make it again") from error


class Stored:
    """Random access to the segments of a bank folder.

    A row group has to be read whole, so all of its rows are held, packed as on disk: the segments that are asked for
    next are spread over the bank, and decoding one is several times as fast as reading a group.
    """

    def __init__(self, folder: Path, most: int):
        """
        Args:
            most: bytes of packed rows to hold.

        Raises:
            KizuError: not a bank.
        """
        self.folder, self.most = folder, most
        self.names = read_header(folder)["names"]
        self._lines = [line for line in read_manifest(folder) if (folder / line["file"]).is_file()]
        self._starts = list(itertools.accumulate((line["count"] for line in self._lines), initial=0))
        self._forget()

    def _forget(self) -> None:
        self._groups: Held[list[dict[str, Any]]] = Held(self.most, _size)
        self._files: Held[pq.ParquetFile] = Held(_FILES, lambda file: 1)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_groups", "_files")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()  # open files stay in their process

    def __call__(self, row: int) -> Segment:
        """Segment number ``row``. Raises DataError where it, or its shard, is damaged."""
        shard = bisect.bisect_right(self._starts, row) - 1
        path = self.folder / self._lines[shard]["file"]
        try:
            file = self._files.get(shard, lambda: pq.ParquetFile(path))
            counts = (file.metadata.row_group(k).num_rows for k in range(file.num_row_groups))
            firsts = list(itertools.accumulate(counts, initial=0))
            group = bisect.bisect_right(firsts, row - self._starts[shard]) - 1
            rows = self._groups.get((shard, group), lambda: _packed(file.read_row_group(group)))
            record = rows[row - self._starts[shard] - firsts[group]]
        except (OSError, pa.ArrowException, UnicodeDecodeError, IndexError) as error:
            raise damaged(path, error) from error
        if record["score_map"] is not None:
            record = record | {"score_map": zlib.decompress(record["score_map"])}
        return to_segment(from_row(record, self.folder), self.names)


def _packed(table: pa.Table) -> list[dict[str, Any]]:
    """The rows of a group; alpha, which is 0 or 1 nearly everywhere, compressed again."""
    rows = table.to_pylist()
    for row in rows:
        if row["score_map"] is not None:
            row["score_map"] = zlib.compress(row["score_map"], 1)
    return rows


def _size(rows: list[dict[str, Any]]) -> int:
    return sum(len(row["image"] or b"") + len(row["score_map"] or b"") + _ROW for row in rows)
