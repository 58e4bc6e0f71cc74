"""The processes that make batches start well, whatever has run in this process before."""

import multiprocessing

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")

from pretrain_task import Discs

from kizu.pretrain.nets.batches import batches

PICTURE = np.random.default_rng(0).integers(0, 255, (2000, 2000, 3), np.uint8)


class Blurred(Discs):
    """Its batches need OpenCV, as those of all real tasks do."""

    def batch(self, step):
        out = super().batch(step)
        out["threads"] = cv2.getNumThreads()
        cv2.GaussianBlur(PICTURE, (0, 0), 5)
        return out


def made(connection, workers):
    cv2.setNumThreads(4)
    cv2.GaussianBlur(PICTURE, (0, 0), 5)  # now OpenCV has threads, which a fork does not take along
    for _ in range(2):
        some = list(batches(Blurred(), 2, 5, workers, False))
    connection.send(([item["numbers"].tolist() for item in some], [item["threads"] for item in some]))
    connection.send(cv2.getNumThreads())


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_after_opencv_has_had_threads(workers):
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=made, args=(theirs, workers))
    process.start()
    try:
        assert ours.poll(120), "a worker waits for threads that are not there"
        numbers, threads = ours.recv()
        assert numbers == [[8, 9, 10, 11], [12, 13, 14, 15], [16, 17, 18, 19]]
        assert threads == [1, 1, 1]
        assert ours.recv() == 4, "this process has its threads back"
    finally:
        process.terminate()
        process.join()
