"""The batches of a run, made by processes of their own a few steps ahead of the training."""

from __future__ import annotations

import contextlib
import copy
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import torch
from threadpoolctl import threadpool_limits
from torch.utils.data import DataLoader, Dataset

from kizu.core.errors import KizuError
from kizu.pretrain.nets.task import Task

_AHEAD = 4  # batches that each worker holds ready


def batches(task: Task, start: int, end: int | None, workers: int, pin: bool) -> Iterator[dict[str, Any]]:
    """The batches of the steps ``start`` to ``end`` (None: without end), in order.

    Args:
        workers: processes, of one thread each; 0 = this one.
        pin: put them where a GPU fetches them quickly.

    Raises:
        KizuError: a batch that cannot be made, with the line that :meth:`Task.batch` gives; or a process has died.
    """
    loader = DataLoader(
        _Steps(task),
        batch_size=None,
        sampler=itertools.count(start) if end is None else range(start, end),
        num_workers=workers,
        collate_fn=_same,
        worker_init_fn=_one_thread,
        prefetch_factor=_AHEAD if workers else None,
        pin_memory=pin,
    )
    try:
        # A process that is forked while OpenCV has threads would wait for them for ever: there are none meanwhile.
        with _narrow():
            line = iter(loader)
        for made in line:
            if isinstance(made, _Failure):
                raise KizuError(made.reason)
            yield made
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        reason = "a process that makes batches died, often for want of memory; take fewer --workers, or a smaller batch"
        raise KizuError(reason) from error


@dataclass
class _Failure:
    """An error on its way to the training: as an exception it would arrive inside a traceback of the worker's."""

    reason: str


class _Steps(Dataset):
    """A task as something with random access by step, without its model, which workers have no use for."""

    def __init__(self, task: Task):
        self.task = copy.copy(task)
        self.task.model = None

    def __getitem__(self, step: int) -> dict[str, Any] | _Failure:
        try:
            with _narrow():
                return self.task.batch(step)
        except KizuError as error:
            return _Failure(str(error))


def _same(batch: Any) -> Any:
    return batch


@contextlib.contextmanager
def _narrow() -> Iterator[None]:
    """OpenCV with one thread: the cores are for the training. Workers are born so, and must not set it again."""
    before = cv2.getNumThreads()
    if before == 1:
        yield
        return
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _one_thread(worker: int) -> None:
    from kizu.synth.engine import keep_memory

    torch.set_num_threads(1)
    threadpool_limits(1)
    keep_memory()
