"""``Dataset``: class names and samples, read lazily. Truth, synthetic data and predictions are all one."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from kizu.core.errors import DataError, KizuError
from kizu.core.sample import Sample


class Source(Protocol):
    """What stores samples: random access by number. ``splits`` spares reading each sample to choose a split."""

    def __len__(self) -> int: ...

    def __getitem__(self, i: int) -> Sample: ...

    @property
    def splits(self) -> Sequence[str]:
        """The split of each sample, "" where unknown."""


@dataclass(frozen=True)
class Format:
    """One data set format. ``probe`` looks at names alone, never at much content, and must not raise."""

    name: str
    title: str
    probe: Callable[[Path], bool]
    read: Callable[..., Dataset]
    write: Callable[..., list[str]] | None  # returns what the format could not hold, one sentence each


_formats: dict[str, Format] = {}


def register(item: Format) -> Format:
    """Make a format known to :meth:`Dataset.open` and :meth:`Dataset.write`; earlier ones are probed first."""
    _formats[item.name] = item
    return item


def formats() -> dict[str, Format]:
    """All formats by name. The files of ``kizu.formats`` are loaded here, as plug-ins, at the first call."""
    importlib.import_module("kizu.formats")
    return _formats


class Dataset:
    """Named classes and samples with random access; samples are made when they are asked for.

    Attributes:
        names: class names; a label is an index into them.
        info: what is known of the whole: title, licence, origin, card ... (JSON-able).
        notes: remarks of the reader that a person should see (files without labels, losses ...).
    """

    def __init__(
        self,
        source: Source | Sequence[Sample],
        names: Iterable[str],
        info: dict[str, Any] | None = None,
        notes: Iterable[str] = (),
        indices: np.ndarray | None = None,
    ):
        self.names = tuple(str(name) for name in names)
        if len(set(self.names)) != len(self.names):
            twice = sorted({name for name in self.names if self.names.count(name) > 1})
            raise DataError(f"class names {twice} stand twice; a class name is unique in a data set")
        self.info = dict(info or {})
        self.notes = list(notes)
        self._source = source
        self._indices = np.arange(len(source)) if indices is None else np.asarray(indices, np.int64)

    @classmethod
    def open(cls, path: Path | str, format: str | None = None, **options) -> Dataset:
        """Open a data set of any known format.

        Args:
            path: a folder or an annotation file.
            format: its name, where the folder does not tell it.

        Raises:
            KizuError: no such path, no known format, or content that cannot be understood.
        """
        path = Path(path)
        if not path.exists():
            raise KizuError(f"{path}: no such file or folder; check the path")
        known = formats()
        if format is not None:
            if format not in known:
                raise KizuError(f"unknown format {format!r}; known are {', '.join(known)}")
            return known[format].read(path, **options)
        for item in known.values():
            if item.probe(path):
                return item.read(path, **options)
        raise KizuError(f"{path}: neither images nor labels of a known format ({', '.join(known)}) were found there")

    def write(self, path: Path | str, format: str, **options) -> list[str]:
        """Write as another format.

        Returns:
            What the format could not hold, one sentence each; nothing lost gives an empty list.

        Raises:
            KizuError: unknown format, or the file system refuses.
        """
        item = formats().get(format)
        if item is None or item.write is None:
            able = [name for name, other in formats().items() if other.write]
            raise KizuError(f"cannot write format {format!r}; known are {', '.join(able)}")
        return item.write(self, Path(path), **options)

    def __len__(self) -> int:
        return len(self._indices)

    def __repr__(self) -> str:
        return f"Dataset({len(self)} images, {len(self.names)} classes)"

    def __getitem__(self, key: int | slice | np.ndarray | Sequence[int]) -> Sample | Dataset:
        """Sample ``key``, or the data set of a slice, bool array or index array."""
        if isinstance(key, (int, np.integer)):
            if not -len(self) <= key < len(self):
                raise IndexError(f"sample {key} of {len(self)}")
            return self._source[int(self._indices[key])]
        return Dataset(self._source, self.names, self.info, self.notes, self._indices[key])

    def __iter__(self) -> Iterator[Sample]:
        for i in self._indices:
            yield self._source[int(i)]

    @property
    def ids(self) -> list[str]:
        """Sample ids in order; a source that knows them spares reading the samples."""
        known = getattr(self._source, "ids", None)
        return [known[i] if known is not None else self._source[int(i)].id for i in self._indices]

    @property
    def splits(self) -> dict[str, int]:
        """Number of images in each split, in the order train, val, test, others."""
        values = list(self._split_values())
        order = {"train": 0, "val": 1, "test": 2}
        return {s: values.count(s) for s in sorted(set(values), key=lambda s: (order.get(s, 3), s))}

    def _split_values(self) -> Iterator[str]:
        known = getattr(self._source, "splits", None)
        return (known[i] if known is not None else self._source[int(i)].split for i in self._indices)

    def split(self, name: str | None) -> Dataset:
        """The samples of one split (None: all).

        Raises:
            KizuError: there is no such split; the message names those that are there.
        """
        if name is None:
            return self
        chosen = np.array([value == name for value in self._split_values()], bool)
        if not chosen.any():
            there = ", ".join(f"{s or '(none)'} ({n})" for s, n in self.splits.items()) or "none: it is empty"
            raise KizuError(f"no image belongs to the split {name!r}; there are: {there}")
        return self[chosen]

    def label(self, name: str) -> int:
        """Index of a class name. Raises KizuError that lists the names."""
        if name not in self.names:
            raise KizuError(f"unknown class {name!r}; this data set has {', '.join(self.names) or 'no classes'}")
        return self.names.index(name)
