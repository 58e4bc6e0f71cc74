"""The engine: any source of samples to shards, by a pool of processes that may be killed at any moment.

A sample is a function of its index, and a shard of its samples: the bytes are the same from any number of workers, in
any order, and after a kill. Workers make shard files, each under a temporary name first; this process alone appends to
the manifest. Each worker makes a bounded number of shards, so that what libraries leak does not add up.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from kizu.core.errors import DataError, KizuError
from kizu.core.run import Skips, progress
from kizu.core.sample import Sample
from kizu.core.shards import ShardWriter
from kizu.core.threads import single_threaded
from kizu.synth.pool import check_start, pool

RESERVE = 100_000_000  # bytes that stay free on the disk
_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # of mallopt(3)
_TELL = 0.5  # seconds between two words of a worker


class Source(Protocol):
    """What can be generated: picklable, and sample i is a function of i alone.

    ``where(i) -> str`` may say how to make sample i again (preset, seed, index); errors then quote it.
    """

    @property
    def names(self) -> Iterable[str]:
        """Class names."""

    @property
    def config(self) -> dict[str, Any]:
        """All that samples depend on (JSON-able); a folder is gone on with only where it is the same."""

    def __len__(self) -> int: ...

    def __getitem__(self, i: int) -> Sample: ...


@dataclass(frozen=True)
class State:
    """Where a run stands.

    Attributes:
        done, total: samples, those of earlier runs included.
        made: samples of this run.
        seconds: since this run began.
        bytes: of all finished shards.
        sized: samples in those.
    """

    done: int
    total: int
    made: int
    seconds: float
    bytes: int
    sized: int

    @property
    def rate(self) -> float:
        """Samples a second of this run, 0 before the first."""
        return self.made / self.seconds if self.seconds > 0 else 0.0

    @property
    def left(self) -> float | None:
        """Seconds to go, None while nothing is known."""
        return (self.total - self.done) / self.rate if self.rate else None

    @property
    def forecast(self) -> int | None:
        """Bytes of the whole data set, None before the first shard is finished."""
        return round(self.bytes / self.sized * self.total) if self.sized else None


@dataclass
class Written:
    """What :func:`write` did.

    Attributes:
        made: samples made by this run, 0 where all was there.
        skipped: one record {item, reason} for each sample of the data set that could not be made.
        bytes: of all shards.
        seconds: that this run took.
    """

    made: int
    skipped: list[dict[str, str]] = field(default_factory=list)
    bytes: int = 0
    seconds: float = 0.0


@dataclass
class Job:
    """What a worker needs to make any shard of a run."""

    source: Source
    writer: ShardWriter
    strict: bool

    def make(self, shard: int, tell: Callable[[int], None]) -> dict[str, Any]:
        """Write the file of a shard and return its line of the manifest; ``tell(n)``: n more samples are made.

        Raises:
            KizuError: a sample that cannot be made (``strict``, or no sample of the shard can), or the file system.
        """
        skips = Skips(self.strict)
        keep_memory()
        with single_threaded():
            return self.writer.make(shard, self._samples(shard, skips, tell), skips=skips)

    def _samples(self, shard: int, skips: Skips, tell: Callable[[int], None]) -> Iterator[Sample]:
        indices, told, ready, some = self.writer.range(shard), time.perf_counter(), 0, False
        for i in indices:
            sample = None
            with skips.item(_name(self.source, i)):
                sample = draw(self.source, i)
            if sample is not None:
                some = True
                yield sample
            ready += 1
            if time.perf_counter() - told > _TELL:
                tell(ready)
                told, ready = time.perf_counter(), 0
        if not some:
            raise KizuError(f"none of the {len(indices)} pictures of shard {shard} can be made: {_first(skips)}")
        tell(ready)


def _first(skips: Skips) -> str:
    return skips.items[0]["reason"] if skips.items else "no reason is known"


def _name(source: Source, i: int) -> str:
    where = getattr(source, "where", None)
    return where(i) if where else f"picture {i}"


def draw(source: Source, i: int) -> Sample:
    """Sample i. Raises DataError that says which one it was, whatever went wrong."""
    try:
        return source[i]
    except Exception as error:
        why = str(error) if isinstance(error, KizuError) else f"{type(error).__name__}: {error}"
        raise DataError(f"{_name(source, i)} cannot be made ({why})") from error


def keep_memory() -> None:
    """Let this process keep memory that is freed, up to 128 MB, where the C library is glibc.

    It would hand large arrays back at once and fetch the next from the system page by page, picture after picture: up
    to half of the time of a simple one.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another C library
            libc = ctypes.CDLL(None)
            libc.mallopt(_MMAP_THRESHOLD, 32 << 20)  # the largest that glibc takes
            libc.mallopt(_TRIM_THRESHOLD, 128 << 20)


def check_room(folder: Path, need: int, what: str) -> None:
    """Raise KizuError unless ``need`` bytes for ``what`` fit the disk of a folder, and some are left for others."""
    free = shutil.disk_usage(folder).free
    if need + RESERVE > free:
        raise KizuError(
            f"{folder}: about {need / 1e6:.1f} MB are needed for {what}, {free / 1e6:.1f} MB are free there, and "
            f"{RESERVE / 1e6:.0f} of them are left to others; free some space and run the same again, or name another "
            "folder"
        )


class _Meter:
    """Counts what is made, tells those who watch, and ends the run before the disk is full."""

    def __init__(self, writer: ShardWriter):
        lines = writer.finished()
        self.folder, self.total = writer.folder, writer.count
        self.bytes, self.sized = sum(line["bytes"] for line in lines), sum(_samples(line) for line in lines)
        self.done, self.made, self.began = self.sized, 0, time.perf_counter()
        self._watch: Callable[[State], None] = lambda state: None

    @contextlib.contextmanager
    def shown(self, watch: Callable[[State], None] | None) -> Iterator[None]:
        """Within, ``watch`` is told of each step (None: the terminal)."""
        with contextlib.ExitStack() as stack:
            if watch is None:
                step = stack.enter_context(progress("generating", self.total))
                last = 0

                def watch(state: State) -> None:
                    nonlocal last
                    size = f"{state.bytes / 1e6:.0f} of {state.forecast / 1e6:.0f} MB" if state.forecast else ""
                    step(state.done - last, size)
                    last = state.done

            self._watch = watch
            self._tell()
            yield

    def tell(self, n: int) -> None:
        """``n`` more samples are made."""
        self.done += n
        self.made += n
        self._tell()

    def finish(self, line: dict[str, Any]) -> None:
        """A shard is finished. Raises KizuError where what is left does not fit the disk."""
        self.bytes += line["bytes"]
        self.sized += _samples(line)
        self._tell()
        self.check()

    def _tell(self) -> None:
        seconds = time.perf_counter() - self.began
        self._watch(State(self.done, self.total, self.made, seconds, self.bytes, self.sized))

    def check(self) -> None:
        """Raise KizuError where the samples that are left, judged by those that are there, do not fit the disk."""
        each, left = self.bytes / self.sized if self.sized else 0, self.total - self.done
        check_room(self.folder, round(each * left), f"{left} more images" if each else "a start")


def _samples(line: dict[str, Any]) -> int:
    """Samples of a finished shard, the skipped ones included."""
    return line["count"] + len(line.get("skipped", ()))


Runner = Callable[[Job, list[int], int, Callable[[int], None]], Iterator[dict[str, Any]]]


def in_process(job: Job, shards: list[int], workers: int, tell: Callable[[int], None]) -> Iterator[dict[str, Any]]:
    """Make shards one by one in this process; lines of the manifest."""
    for shard in shards:
        yield job.make(shard, tell)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def write(
    source: Source,
    folder: Path | str,
    workers: int = 0,
    shard_size: int = 256,
    info: dict[str, Any] | None = None,
    strict: bool = False,
    watch: Callable[[State], None] | None = None,
    run: Runner | None = None,
) -> Written:
    """Write all samples of a source as Kizu shards; a folder that was begun is gone on with.

    The same source gives the same files whatever ``workers``; the full shards of a smaller number of samples are those
    of a larger one, so ``len(source)`` may grow from one call to the next. Memory is that of one shard a worker.

    Args:
        workers: processes; 0 = one a core. With 1, or a single shard to make, no other process is started.
        info: of the data set, see :class:`Dataset`.
        strict: the first sample that cannot be made ends the run; else it is left out and listed in
            ``skipped.jsonl``.
        watch: called as the run goes on; by default progress is shown on the terminal.
        run: who makes the shards; by default a pool of processes, see :func:`kizu.synth.cluster.run`.

    Raises:
        KizuError: the folder holds something else, the disk has no room, a worker died, or (``strict``) a sample
            cannot be made. What is finished is kept, and the same call goes on from there.
    """
    if workers < 0:
        raise KizuError(f"{workers} workers: take 1 or more, or 0 for one a core")
    workers = workers or cores()
    if workers > 1 and run is None:
        check_start()
    writer = ShardWriter(folder, source.names, len(source), source.config, shard_size, info, grow=True)
    meter = _Meter(writer)
    shards = writer.missing
    if run is None:
        run = pool if min(workers, len(shards)) > 1 else in_process
    if shards:
        meter.check()
        try:
            with (
                meter.shown(watch),
                contextlib.closing(run(Job(source, writer, strict), shards, workers, meter.tell)) as lines,
            ):
                for line in lines:
                    writer.enter(line)
                    meter.finish(line)
        finally:
            writer.clear_partial()
    skips = Skips()
    skips.items = [item for line in writer.finished() for item in line.get("skipped", ())]
    skips.write(writer.folder)
    return Written(meter.made, skips.items, meter.bytes, time.perf_counter() - meter.began)
