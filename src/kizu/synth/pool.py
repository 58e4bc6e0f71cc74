"""Worker processes that nobody has to clean up after: bounded lives, no orphans, and a death is an error, not a hang.

Workers are forked from a server that has loaded the libraries once (where there is no fork, they start from nothing).
A fresh worker then costs some tenths of a second, most of it for its compiled kernels, so its life may be short.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from multiprocessing import connection
from typing import Any, Protocol

from kizu.core.errors import KizuError

LIFE = 8  # shards that a worker makes before a fresh one takes its place
_PATIENCE = 10  # seconds for a worker to end by itself, then it is killed


class Work(Protocol):
    """What workers do; picklable."""

    def make(self, shard: int, tell: Callable[[int], None]) -> dict[str, Any]:
        """Make a shard and return its line of the manifest; ``tell(n)``: n more samples are made."""


def check_start() -> None:
    """Raise KizuError in a worker that is still importing the script that started it, and would start workers anew."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise KizuError('put what starts workers below: if __name__ == "__main__":  (or take workers=1)')


def pool(work: Work, shards: list[int], workers: int, tell: Callable[[int], None]) -> Iterator[dict[str, Any]]:
    """Make shards in worker processes; lines of the manifest come as shards get finished, in any order.

    No worker outlives the generator (or, where this process is killed, this process).

    Raises:
        KizuError: what a worker raised; a worker that was killed; work that cannot be handed to a process.
    """
    processes = context()
    try:
        job = pickle.dumps(work)
    except Exception as error:
        raise KizuError(f"this source cannot be handed to other processes ({error}); take workers=1") from error
    waiting, crew = deque(shards), []
    try:
        while waiting or crew:
            while waiting and len(crew) < workers:
                crew.append(_Worker(processes, job, waiting.popleft()))
            for pipe in connection.wait([worker.pipe for worker in crew]):
                worker = next(worker for worker in crew if worker.pipe is pipe)
                word = worker.hear()
                if isinstance(word, int):
                    tell(word)
                    continue
                if not (waiting and worker.go_on(waiting[0])):
                    crew.remove(worker)
                    worker.dismiss()
                else:
                    waiting.popleft()
                yield word
    finally:
        with _without_interrupts():
            for worker in crew:
                worker.process.terminate()
            for worker in crew:
                worker.join()


class _Worker:
    """One process and what it is doing."""

    def __init__(self, context: Any, job: bytes, shard: int):
        self.shard, self.left = shard, LIFE
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, job), daemon=True)
        with _without_interrupts():  # a process inherits what is blocked: Ctrl-C reaches this one alone
            try:
                self.process.start()
            except OSError as error:
                raise KizuError(f"no worker can be started ({error.strerror}); take fewer workers") from error
        theirs.close()
        self.go_on(shard)

    def go_on(self, shard: int) -> bool:
        """Hand a shard over; False where this worker has made enough."""
        if not self.left:
            return False
        self.shard, self.left = shard, self.left - 1
        with contextlib.suppress(OSError):  # it has died, which is heard next
            self.pipe.send(shard)
        return True

    def hear(self) -> int | dict[str, Any]:
        """The next word. Raises KizuError where it tells of an error, or where there is nobody left to speak."""
        try:
            word = self.pipe.recv()
        except (EOFError, OSError) as error:
            self.process.join(_PATIENCE)
            code = self.process.exitcode
            how = f"was killed (signal {-code})" if code and code < 0 else f"ended by itself (exit code {code})"
            raise KizuError(
                f"the worker that was making shard {self.shard} {how}; what is finished is kept: run the same again to "
                "go on, with fewer workers if memory was short"
            ) from error
        if isinstance(word, KizuError):
            raise word
        if isinstance(word, str):
            raise RuntimeError(f"a worker failed\n{word}")
        return word

    def dismiss(self) -> None:
        """Let it end, as it has made enough."""
        with contextlib.suppress(OSError):
            self.pipe.send(None)
        self.join()

    def join(self) -> None:
        """Wait until it is gone."""
        self.process.join(_PATIENCE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.pipe.close()


def _serve(pipe: connection.Connection, job: bytes) -> None:
    """The life of a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    try:
        work = pickle.loads(job)
        for shard in iter(pipe.recv, None):
            pipe.send(work.make(shard, pipe.send))
    except KizuError as error:
        pipe.send(KizuError(str(error)))
    except (EOFError, ConnectionError):
        raise SystemExit(1) from None  # nobody listens any more
    except Exception:
        pipe.send(traceback.format_exc())


def end_with_parent() -> None:
    """From now on this process ends at once when the one that started it is gone: killed, its workers get no signal."""

    def wait() -> None:
        connection.wait([multiprocessing.parent_process().sentinel])
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def context() -> Any:
    """Fork from a server that has loaded what this process has of Kizu; start from nothing where there is no fork."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["kizu.synth.warm", *(name for name in sys.modules if name.startswith("kizu."))])
    return context


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Put off Ctrl-C; processes that are started within never get it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
