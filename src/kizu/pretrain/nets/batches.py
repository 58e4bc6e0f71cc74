"""The batches of a run, made by processes of their own a few steps ahead of the training."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from threadpoolctl import threadpool_limits
from torch.utils.data import DataLoader, Dataset

from kizu.core.errors import KizuError
from kizu.core.threads import opencv_single_threaded
from kizu.pretrain.nets.task import Task
from kizu.synth.engine import keep_memory
from kizu.synth.pool import check_start, context, end_with_parent

_AHEAD = 4  # batches that each worker holds ready


def batches(task: Task, start: int, end: int | None, workers: int, pin: bool) -> Iterator[dict[str, Any]]:
    """The batches of the steps ``start`` to ``end`` (None: without end), in order.

    Args:
        workers: processes, of one thread each; 0 = this one.
        pin: put them where a GPU fetches them quickly.

    Raises:
        KizuError: a batch that cannot be made, with the line that :meth:`Task.batch` gives; or a process has died.
    """
    if workers:
        check_start()
    loader = DataLoader(
        _Steps(task),
        batch_size=None,
        sampler=itertools.count(start) if end is None else range(start, end),
        num_workers=workers,
        collate_fn=_same,
        worker_init_fn=_one_thread,
        # Forked from here, a worker would wait for ever for threads of OpenCV or torch that a fork does not take along.
        multiprocessing_context=context() if workers else None,
        prefetch_factor=_AHEAD if workers else None,
        pin_memory=pin,
    )
    try:
        for made in loader:
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
            with opencv_single_threaded():  # the cores are for the training
                return self.task.batch(step)
        except KizuError as error:
            return _Failure(str(error))


def _same(batch: Any) -> Any:
    return batch


def _one_thread(worker: int) -> None:
    end_with_parent()
    torch.set_num_threads(1)
    threadpool_limits(1)
    keep_memory()
