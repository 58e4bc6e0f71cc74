"""What every long run shares: progress with rate and time left, a list of skipped items, and one closing line."""

from __future__ import annotations

import contextlib
import json
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from kizu.core.errors import DataError
from kizu.core.files import write_text

T = TypeVar("T")
R = TypeVar("R")


@dataclass
class Done:
    """The result of a verb.

    Attributes:
        line: one sentence: what was made and where.
        path: the folder or file that was made, or None.
        skipped: one record {item, reason} for each item that could not be used.
        problems: number of problems that make the exit code 1 although the run went through.
    """

    line: str
    path: Path | None = None
    skipped: list[dict[str, str]] = field(default_factory=list)
    problems: int = 0

    def __str__(self) -> str:
        if not self.skipped:
            return self.line
        return f"{self.line} {len(self.skipped)} item(s) skipped, the first: {self.skipped[0]['reason']}"


class Skips:
    """Items that a run could not use: counted and listed, or, with ``strict``, the end of the run at the first."""

    def __init__(self, strict: bool = False):
        self.strict = strict
        self.items: list[dict[str, str]] = []

    @contextlib.contextmanager
    def item(self, name: str) -> Iterator[None]:
        """Run one item; a DataError inside is noted (``strict``: raised)."""
        try:
            yield
        except DataError as error:
            if self.strict:
                raise
            self.items.append({"item": name, "reason": str(error)})

    def write(self, folder: Path) -> None:
        """Write ``skipped.jsonl`` into ``folder``; no file where nothing was skipped."""
        path = folder / "skipped.jsonl"
        if self.items:
            write_text(path, "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in self.items))
        elif path.exists():
            path.unlink()


def ahead(function: Callable[[T], R], items: Iterable[T], workers: int) -> Iterator[Future[R]]:
    """Run ``function`` over ``items`` in threads, a few items ahead of the consumer; futures come in the items' order.

    Memory stays that of ``workers`` + 1 results, however many items there are.
    """
    with ThreadPoolExecutor(workers) as pool:
        window: deque[Future[R]] = deque()
        try:
            for item in items:
                window.append(pool.submit(function, item))
                if len(window) > workers:
                    yield window.popleft()
            while window:
                yield window.popleft()
        finally:
            for future in window:
                future.cancel()


@contextlib.contextmanager
def progress(title: str, total: int | None, show: bool | None = None) -> Iterator:
    """A progress bar with rate and time left on the terminal; yields a function to call after each item.

    The function takes the number of items done, and a note to show beside the rate.

    Args:
        show: None = only on a terminal.
    """
    if not (sys.stderr.isatty() if show is None else show):
        yield lambda n=1, note="": None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn())
    columns += (TextColumn("{task.fields[rate]}"), TimeRemainingColumn(compact=True))
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=total, rate="")

        def step(n: int = 1, note: str = "") -> None:
            bar.advance(task, n)
            speed = bar.tasks[0].finished_speed or bar.tasks[0].speed
            if speed:
                bar.update(task, rate=f"{speed:.1f}/s {note}".rstrip())

        yield step
