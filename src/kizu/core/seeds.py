"""Randomness as a function of (seed, stream, index) and of nothing else: no worker count, no order, no global state."""

from enum import IntEnum

import numpy as np

from kizu.core.errors import KizuError


class Stream(IntEnum):
    """One constant per purpose, so that one more draw in one stage never shifts another.

    Numbers are never used again: 5 to 7 have been.
    """

    SHOTS = 1
    CALIBRATION = 2
    SCORER = 3
    BOOTSTRAP = 4
    SCENE = 8
    SURFACE = 9
    DEFECT = 10
    LIGHT = 11
    CAMERA = 12
    PRODUCT = 13
    TRAINING = 14
    ORDER = 15
    LAYOUT = 16
    PASTE = 17
    WORDS = 18
    INVENTION = 19


def generator(seed: int, stream: Stream, index: int = 0) -> np.random.Generator:
    """The random generator of item ``index`` for one purpose.

    ``spawn_key`` keeps streams apart where lists of integers as entropy would be zero-padded and collide
    (NumPy, "Parallel random number generation").

    Raises:
        KizuError: a negative seed.
    """
    if seed < 0:
        raise KizuError(f"seed {seed}: a seed is a whole number from 0 on")
    sequence = np.random.SeedSequence(seed, spawn_key=(int(stream), int(index)))
    return np.random.Generator(np.random.Philox(sequence))
