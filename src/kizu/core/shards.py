"""Kizu's own data set on disk: Parquet shards, each written whole or not at all, with a manifest of digests.

    FOLDER/dataset.json          class names, info, number of images, shard size, digest of the configuration
    FOLDER/manifest.jsonl        one line a finished shard: shard, file, count, sha256, config
    FOLDER/shard-00000.parquet   images [0, S), a row each: image bytes (or the path), instances, score map

Shard k holds the indices [k*S, (k+1)*S). A shard is written under a temporary name, synced, renamed, and only then
entered in the manifest, so a kill at any moment costs at most the shard in the making; :class:`ShardWriter` goes on
from there.
"""

from __future__ import annotations

import bisect
import hashlib
import itertools
import json
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kizu.core.dataset import Dataset, Format, register
from kizu.core.errors import DataError, KizuError
from kizu.core.files import append_line, atomic_path, make_folder, sha256, write_text
from kizu.core.rows import SCHEMA, from_row, to_row, without_image
from kizu.core.run import Skips
from kizu.core.sample import Sample

HEADER = "dataset.json"
MANIFEST = "manifest.jsonl"
_GROUP_ROWS = 32  # rows that one random access has to read,
_GROUP_BYTES = 32_000_000  # or fewer, where pictures and score maps are large


def config_digest(config: dict[str, Any]) -> str:
    """Short digest of a JSON-able configuration: a folder is resumed only with the one that began it."""
    return hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode()).hexdigest()[:16]


class ShardWriter:
    """Writes shards in any order, from any number of processes, and goes on where a killed run stopped.

    >>> writer = ShardWriter(folder, names=["scratch"], count=1000, config={"seed": 1})   # doctest: +SKIP
    >>> for shard in writer.missing:                                                      # doctest: +SKIP
    ...     writer.write(shard, samples_of(writer.range(shard)))
    """

    def __init__(
        self,
        folder: Path | str,
        names: Iterable[str],
        count: int,
        config: dict[str, Any] | None = None,
        shard_size: int = 256,
        info: dict[str, Any] | None = None,
        grow: bool = False,
    ):
        """
        Args:
            count: number of samples of the whole data set.
            config: what the samples depend on; the same folder is taken up again only with the same configuration.
            grow: the folder may be taken up again with a larger ``count``, for sample i is the same in any number.

        Raises:
            KizuError: the folder holds other files, or shards of another configuration.
        """
        if shard_size < 1:
            raise KizuError(f"shard size {shard_size}: a shard holds at least one image")
        names = [str(name) for name in names]
        self.folder = make_folder(folder)
        self.count = count
        self.shard_size = shard_size
        fixed = {"config": config or {}, "names": names, "shard_size": shard_size}
        self.config = config_digest(fixed if grow else fixed | {"count": count})
        self.clear_partial()
        header = self.folder / HEADER
        began = read_header(self.folder) if header.exists() else None
        if began is not None and began.get("config") != self.config:
            raise KizuError(
                f"{self.folder} holds a data set of another configuration; name an empty folder, or delete this one"
            )
        if began is not None and began["count"] > count:
            raise KizuError(
                f"{self.folder} is a data set of {began['count']} images already; name another folder for {count}"
            )
        if began is None and any(self.folder.iterdir()):
            raise KizuError(f"{self.folder} is not empty and holds no Kizu data set; name an empty folder")
        if began is None or began["count"] < count:
            record = {"format": "kizu-shards/1", "names": names, "count": count, "shard_size": shard_size}
            record |= {"config": self.config, "info": info or {}}
            write_text(header, json.dumps(record, indent=1, ensure_ascii=False) + "\n")

    def clear_partial(self) -> None:
        """Remove what a killed run left; a writer handed to another process (pickled) does not come here."""
        names = (".shard-*.tmp.parquet", ".dataset.*.tmp.json", ".card.*.tmp.json", ".skipped.*.tmp.jsonl")
        for pattern in names:
            for stray in self.folder.glob(pattern):
                stray.unlink(missing_ok=True)

    def range(self, shard: int) -> range:
        """The sample indices of a shard."""
        return range(shard * self.shard_size, min((shard + 1) * self.shard_size, self.count))

    @property
    def missing(self) -> list[int]:
        """Shards that are not finished: not in the manifest, or whose file is gone or of another size.

        Digests are not read here, for that would read the whole data set: see :func:`verify`.
        """
        done = {line["shard"] for line in self.finished()}
        total = -(-self.count // self.shard_size)
        return [k for k in range(total) if k not in done]

    def finished(self) -> list[dict[str, Any]]:
        """The lines of the manifest that stand for finished shards."""
        lines = []
        for line in read_manifest(self.folder):
            path = self.folder / line["file"]
            whole = line["count"] + len(line.get("skipped", ())) == len(self.range(line["shard"]))
            if whole and line.get("config") == self.config and path.is_file() and path.stat().st_size == line["bytes"]:
                lines.append(line)
        return lines

    def write(self, shard: int, samples: Iterable[Sample], embed: bool = True, skips: Skips | None = None) -> None:
        """Write one shard whole and enter it in the manifest: :meth:`make`, then :meth:`enter`."""
        self.enter(self.make(shard, samples, embed, skips))

    def enter(self, line: dict[str, Any]) -> None:
        """Append the line of a shard to the manifest. Raises KizuError where the file system refuses."""
        append_line(self.folder / MANIFEST, json.dumps(line))

    def make(
        self, shard: int, samples: Iterable[Sample], embed: bool = True, skips: Skips | None = None
    ) -> dict[str, Any]:
        """Write the file of one shard; returns its line of the manifest, for one process to :meth:`enter`.

        Args:
            embed: store image bytes even where the sample has a path; else the path is stored.
            skips: where ``samples`` notes those that it could not make; the manifest keeps the list.

        Raises:
            KizuError: a wrong number of samples, or the file system refuses.
        """
        path = self.folder / f"shard-{shard:05d}.parquet"
        rows, skips = 0, skips or Skips(strict=True)
        before = len(skips.items)
        with (
            atomic_path(path) as temporary,
            pq.ParquetWriter(temporary, SCHEMA, compression="zstd", use_dictionary=False) as writer,
        ):
            batch, held = [], 0
            for sample in samples:
                with skips.item(sample.id):
                    batch.append(to_row(sample, embed))
                    held += sum(len(batch[-1][name] or b"") for name in ("image", "score_map"))
                    rows += 1
                if len(batch) == _GROUP_ROWS or held > _GROUP_BYTES:
                    writer.write_table(pa.Table.from_pylist(batch, SCHEMA))
                    batch, held = [], 0
            if batch:
                writer.write_table(pa.Table.from_pylist(batch, SCHEMA))
            skipped = skips.items[before:]
            if rows + len(skipped) != len(self.range(shard)):
                raise KizuError(f"shard {shard} got {rows} samples of {len(self.range(shard))}; nothing was written")
        line = {"shard": shard, "file": path.name, "count": rows, "bytes": path.stat().st_size}
        line |= {"skipped": skipped} if skipped else {}
        return line | {"sha256": sha256(path), "config": self.config}


def read_header(folder: Path) -> dict[str, Any]:
    """The ``dataset.json`` of a shard folder. Raises KizuError where it is not one."""
    path = folder / HEADER
    try:
        record = json.loads(path.read_text("utf-8"))
        known = str(record["format"]).startswith("kizu-shards/") and isinstance(record["names"], list)
        if known and int(record["count"]) >= 0 and int(record["shard_size"]) > 0:
            return record
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    raise KizuError(f"{path}: not the header of a Kizu data set; the folder is damaged or something else")


def read_manifest(folder: Path) -> list[dict[str, Any]]:
    """Lines of the manifest, the newest of each shard, by shard; a line that a kill cut short is passed over."""
    lines = {}
    path = folder / MANIFEST
    for text in path.read_text("utf-8", errors="replace").splitlines() if path.exists() else []:
        try:
            line = json.loads(text)
            if {"file", "count", "bytes", "sha256"} <= line.keys():
                lines[int(line["shard"])] = line
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return [lines[shard] for shard in sorted(lines)]


def read_columns(folder: Path, names: list[str]) -> Iterator[pa.Table]:
    """Some columns of a shard folder, one table a shard, in order; no image is read unless it is named."""
    return _tables(folder, read_manifest(folder), names)


def _tables(folder: Path, lines: list[dict[str, Any]], names: list[str]) -> Iterator[pa.Table]:
    for line in lines:
        path = folder / line["file"]
        try:
            yield pq.ParquetFile(path).read(columns=names)
        except (OSError, pa.ArrowException) as error:
            raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> DataError:
    """A shard that cannot be read, with the remedy."""
    return DataError(f"{path}: damaged ({error}); delete it and run again the command that made this data set")


class _ShardSource:
    """Random access over shards; one row group is held at a time."""

    def __init__(self, folder: Path, lines: list[dict[str, Any]]):
        self.folder = folder
        self.lines = lines
        self.starts = list(np.cumsum([0] + [line["count"] for line in lines]))
        self._columns: dict[str, list[str]] = {}
        self._lock = threading.Lock()
        self._held: tuple[int, int, list[dict[str, Any]]] = (-1, 0, [])
        self._file: tuple[int, pq.ParquetFile] | None = None

    def __len__(self) -> int:
        return int(self.starts[-1])

    @property
    def splits(self) -> list[str]:
        return self._column("split")

    @property
    def ids(self) -> list[str]:
        return self._column("id")

    def _column(self, name: str) -> list[str]:
        if name not in self._columns:
            tables = _tables(self.folder, self.lines, [name])
            self._columns[name] = [value for table in tables for value in table[name].to_pylist()]
        return self._columns[name]

    def _group(self, shard: int, row: int) -> tuple[int, int, list[dict[str, Any]]]:
        """The row group that holds a row of a shard: (shard, number of its first row, its rows)."""
        path = self.folder / self.lines[shard]["file"]
        try:
            if self._file is None or self._file[0] != shard:
                self._file = (shard, pq.ParquetFile(path))
            file = self._file[1]
            counts = [file.metadata.row_group(k).num_rows for k in range(file.num_row_groups)]
            firsts = [0, *itertools.accumulate(counts)]
            group = bisect.bisect_right(firsts, row) - 1
            return shard, firsts[group], file.read_row_group(group).to_pylist()
        except (OSError, pa.ArrowException, UnicodeDecodeError, IndexError) as error:
            raise damaged(path, error) from error

    def __getitem__(self, i: int) -> Sample:
        shard = bisect.bisect_right(self.starts, i) - 1
        row = int(i - self.starts[shard])
        with self._lock:  # a Parquet file is not made for several threads, and what is held belongs together
            held, first, rows = self._held
            if held != shard or not first <= row < first + len(rows):
                self._held = held, first, rows = self._group(shard, row)
        return from_row(rows[row - first], self.folder)

    def __reduce__(self):
        return _ShardSource, (self.folder, self.lines)  # open files and locks stay in their process


def read(path: Path) -> Dataset:
    """Open a shard folder; an unfinished one gives what is there, with a note.

    Raises:
        KizuError: not a shard folder.
    """
    folder = path if path.is_dir() else path.parent
    header = read_header(folder)
    lines = [line for line in read_manifest(folder) if (folder / line["file"]).is_file()]
    notes = []
    total = -(-header["count"] // header["shard_size"])
    if len(lines) < total:
        notes.append(f"{folder}: {total - len(lines)} of {total} shards are not made yet; the run can be resumed")
    return Dataset(_ShardSource(folder, lines), header["names"], header.get("info"), notes)


def verify(folder: Path) -> list[str]:
    """Every shard whose file does not have the digest of the manifest, one sentence each."""
    problems = []
    for line in read_manifest(folder):
        path = folder / line["file"]
        if not path.is_file():
            problems.append(f"{path}: missing; make it again by resuming the run")
        elif sha256(path) != line["sha256"]:
            problems.append(f"{path}: changed since it was written (digest differs); delete it and resume the run")
    return problems


def write(dataset: Dataset, path: Path, shard_size: int = 256, embed: bool = True) -> list[str]:
    """Write any data set as shards; a folder that a killed run left is gone on with, after a look at what is in it.

    Raises:
        KizuError: the folder is in use or holds other labels of the same images, or the file system refuses.
    """
    config = {"names": dataset.names, "ids": config_digest({"ids": dataset.ids}), "embed": embed}
    writer = ShardWriter(path, dataset.names, len(dataset), config, shard_size, dataset.info)
    missing = writer.missing
    for line in read_manifest(path):
        if line["shard"] not in missing:
            _check_same(dataset, writer.range(line["shard"]), path / line["file"], embed)
    for shard in missing:
        writer.write(shard, (dataset[i] for i in writer.range(shard)), embed)
    return []


def _check_same(dataset: Dataset, indices: range, path: Path, embed: bool) -> None:
    """Raise KizuError unless a finished shard holds these samples; their images alone are not compared."""
    fields = pa.schema([field for field in SCHEMA if field.name != "image"])
    try:
        there = pq.ParquetFile(path).read(columns=fields.names)
    except (OSError, pa.ArrowException) as error:
        raise damaged(path, error) from error
    if not there.equals(pa.Table.from_pylist([without_image(dataset[i], embed) for i in indices], fields)):
        raise KizuError(f"{path} holds an earlier state of this data set; name an empty folder, or delete this one")


register(Format("shards", "Kizu shards", lambda path: (path / HEADER).is_file() or path.name == HEADER, read, write))
