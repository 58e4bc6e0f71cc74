"""Libraries on one thread, where many processes share the cores or sums are to be of one order."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import cv2
from threadpoolctl import threadpool_limits


@contextlib.contextmanager
def opencv_single_threaded() -> Iterator[None]:
    """OpenCV on one thread."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


@contextlib.contextmanager
def single_threaded() -> Iterator[None]:
    """OpenCV and the linear algebra of NumPy and SciPy on one thread: as many processes as cores do the work.

    Sums are the same then on every machine, too: their order does not depend on the number of cores.
    """
    with opencv_single_threaded(), threadpool_limits(1):
        yield
