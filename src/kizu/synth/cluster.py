"""The shards of the engine on a Ray cluster: many machines, one folder on a file system that all of them see."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

from kizu.core.errors import KizuError, optional
from kizu.synth.pool import LIFE, Work

_AHEAD = 2  # tasks a core that are handed to Ray before it asks
_RETRIES = 2  # of a shard whose machine was lost


def run(work: Work, shards: list[int], workers: int, tell: Callable[[int], None]) -> Iterator[dict[str, Any]]:
    """Make shards as Ray tasks of one core each; for ``engine.write(..., run=cluster.run)``.

    Joins the cluster that this process or machine belongs to (``RAY_ADDRESS``, ``ray start``), else starts Ray on this
    machine, with usage statistics off. Files are the same as from the pool; this process alone writes the manifest.

    Args:
        workers: most shards that are made at the same time, beyond what the cluster has the cores for.

    Raises:
        KizuError: Ray is not installed, a machine was lost again and again, or what a task raised.
    """
    ray = optional("ray", "scale")
    own = not ray.is_initialized()
    if own:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(log_to_driver=False, include_dashboard=False)
    # A fresh process after some shards, as in the pool: what libraries leak does not add up.
    task = ray.remote(num_cpus=1, max_calls=LIFE, max_retries=_RETRIES)(_make)
    pending: dict[Any, int] = {}
    try:
        job, left = ray.put(work), iter(shards)
        while True:
            room = min(workers, _AHEAD * int(ray.cluster_resources().get("CPU", 1)))
            while len(pending) < room and (shard := next(left, None)) is not None:
                pending[task.remote(job, shard)] = shard
            if not pending:
                return
            (done,), _ = ray.wait(list(pending), num_returns=1)
            shard = pending.pop(done)
            line = _result(ray, done, shard)
            if isinstance(line, str):
                raise KizuError(line)
            tell(line["count"] + len(line.get("skipped", ())))
            yield line
    finally:
        for done in pending:
            ray.cancel(done, force=True)
        if own:
            ray.shutdown()


def _result(ray: Any, done: Any, shard: int) -> dict[str, Any] | str:
    try:
        return ray.get(done)
    except ray.exceptions.RayTaskError:
        raise
    except ray.exceptions.RayError as error:
        raise KizuError(
            f"Ray lost the task that was making shard {shard} ({type(error).__name__}: {str(error).splitlines()[0]}); "
            "what is finished is kept: run the same again to go on"
        ) from error


def _make(work: Work, shard: int) -> dict[str, Any] | str:
    """The task: a line of the manifest, or the text of an error that Kizu can explain."""
    try:
        return work.make(shard, lambda n: None)
    except KizuError as error:
        return str(error)
