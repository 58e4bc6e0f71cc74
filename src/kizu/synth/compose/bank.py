"""``Bank``: many segments with random access, from a bank on disk or straight from a labelled data set."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError
from kizu.core.run import Skips
from kizu.core.sample import Sample
from kizu.core.shards import HEADER, read_header
from kizu.synth import engine
from kizu.synth.compose.cut import Picture
from kizu.synth.compose.kinds import AUTO
from kizu.synth.compose.plan import Plan, plan
from kizu.synth.compose.quality import usable
from kizu.synth.compose.segment import Segment
from kizu.synth.compose.stored import MARK, Held, Stored, read_table, to_sample

MEMORY = 512_000_000  # bytes that a bank holds, of what segments are made from
_READY = 4  # one part in so many is for segments that are ready: packed, far more of them fit
_IN_TURN = 32_000_000  # bytes of pictures to hold where segments are cut one after the other


class Bank:
    """Segments by number.

    Attributes:
        table: name -> array with one entry a segment, read without decoding pixels; the columns are those of
            :func:`kizu.synth.compose.plan.as_table`.
        names: class names.
        skipped: what could not be cut, {item, reason}; empty for a bank on disk (see its ``skipped.jsonl``).
    """

    def __init__(
        self,
        table: dict[str, np.ndarray],
        names: Iterable[str],
        make: Callable[[int], Segment],
        memory: int = MEMORY,
        skipped: Iterable[dict[str, str]] = (),
    ):
        """
        Args:
            make: row -> segment; picklable.
            memory: bytes; a fourth is for segments that are ready, and ``make`` may hold the rest.
        """
        self.table, self.names, self.skipped = table, tuple(names), list(skipped)
        self._make, self._memory = make, memory
        self._held: Held[Segment] = Held(memory // _READY, _bytes)

    @classmethod
    def open(cls, path: Path | str, split: str | None = None, memory: int = MEMORY, **how: Any) -> Bank:
        """The bank in a folder, or any labelled data set, whose segments are cut when they are asked for.

        Args:
            split: of a data set that is cut, look at this split only; of a bank, see :meth:`select`.
            how: keys of :meth:`cut`.

        Raises:
            KizuError: no data set, or a bank of another version.
        """
        path = Path(path)
        if not is_bank(path):
            return cls.cut(Dataset.open(path).split(split), memory=memory, **how)
        stored = Stored(path, memory - memory // _READY)
        return cls(read_table(path, stored.names), stored.names, stored, memory)

    @classmethod
    def cut(cls, dataset: Dataset, kind: str = AUTO, memory: int = MEMORY, **how: Any) -> Bank:
        """A bank in memory from a labelled data set: every picture is looked at now, segments are cut when asked for.

        Args:
            how: keys of :func:`kizu.synth.compose.plan.plan`: ``kinds``, ``classes``, ``refuse``, ``erode``...

        Raises:
            KizuError: an unknown class, kind or flag.
        """
        found = plan(dataset, kind, **how)
        return cls(found.table, dataset.names, Cutting(found, memory - memory // _READY), memory, found.skipped)

    def __len__(self) -> int:
        return len(self.table["id"])

    def __repr__(self) -> str:
        return f"Bank({len(self)} segments, {len(self.names)} classes)"

    def segment(self, row: int) -> Segment:
        """Segment number ``row``; not to be changed, for it is held.

        Raises:
            DataError: it is damaged, or its picture cannot be read any more; the message names it.
        """
        if not 0 <= row < len(self):
            raise IndexError(f"segment {row} of {len(self)}")
        return self._held.get(int(row), lambda: self._make(int(row)))

    def select(
        self,
        split: str | None = None,
        classes: Iterable[str] | None = None,
        refuse: Collection[str] = (),
        kind: str | None = None,
    ) -> np.ndarray:
        """Numbers of the segments of a split, of some classes, without some flags, of a kind: int64, ascending.

        Raises:
            KizuError: an unknown class or flag.
        """
        usable({}, refuse)
        chosen = np.ones(len(self), bool)
        if split is not None:
            chosen &= self.table["split"] == split
        if classes is not None:
            classes = list(classes)
            if unknown := sorted(set(classes) - set(self.names)):
                raise KizuError(f"unknown class {unknown[0]!r}; this bank has {', '.join(self.names) or 'no classes'}")
            chosen &= np.isin(self.table["label"], classes)
        if kind is not None:
            chosen &= self.table["kind"] == kind
        for flag in refuse:
            chosen &= ~self.table[flag]
        return np.flatnonzero(chosen)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_held"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._held = Held(self._memory // _READY, _bytes)


def _bytes(segment: Segment) -> int:
    return segment.colour.nbytes + segment.alpha.nbytes + 4096  # the record


def is_bank(path: Path | str) -> bool:
    """Whether a folder holds a bank of segments."""
    path = Path(path)
    return (path / HEADER).is_file() and MARK in (read_header(path).get("info") or {})


class Cutting:
    """The segments of a plan, cut one by one; pictures that were used last stay decoded. A source of the engine."""

    def __init__(self, found: Plan, memory: int = MEMORY):
        self.plan, self.memory = found, memory
        self.names, self.config = found.dataset.names, found.config
        self._forget()

    def _forget(self) -> None:
        self._pictures: Held[Picture] = Held(self.memory, lambda picture: 3 * picture.image.nbytes)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_pictures"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def __len__(self) -> int:
        return len(self.plan)

    def __call__(self, row: int) -> Segment:
        """Segment number ``row``. Raises DataError where its picture cannot be read any more."""
        number = int(self.plan.samples[row])
        picture = self._pictures.get(number, lambda: self.plan.picture(number))
        return picture.segment(int(self.plan.instances[row]))

    def __getitem__(self, row: int) -> Sample:
        """The same as a sample of a bank."""
        source = self.plan.dataset[int(self.plan.samples[row])].source
        return to_sample(self(row), self.names, source)

    def where(self, row: int) -> str:
        """How errors call segment number ``row``."""
        return f"segment {self.plan.table['id'][row]}"


def write_bank(
    found: Plan,
    folder: Path | str,
    *,
    workers: int = 0,
    shard_size: int = 256,
    strict: bool = False,
    info: Mapping[str, Any] | None = None,
) -> engine.Written:
    """Cut all segments of a plan and write them as a bank; a folder that was begun is gone on with.

    The same bytes come from any number of workers and after a kill, see :func:`kizu.synth.engine.write`. What could not
    be cut is listed in ``skipped.jsonl``.

    Raises:
        KizuError: there is nothing to cut; the folder holds something else; the file system refuses.
    """
    if not len(found):
        first = found.skipped[0]["reason"] if found.skipped else "no instance of the chosen classes is left"
        raise KizuError(f"no segment can be cut from this data set; the first reason: {first}")
    told = {"title": "Segments", **(info or {}), MARK: found.config["bank"]}
    written = engine.write(Cutting(found, _IN_TURN), folder, workers, shard_size, told, strict)
    skips = Skips()
    skips.items = [*found.skipped, *written.skipped]
    skips.write(Path(folder))
    written.skipped = skips.items
    return written
