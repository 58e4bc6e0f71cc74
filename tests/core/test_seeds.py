"""Randomness is a function of (seed, stream, index): apart, in any order, and the same in every version."""

import hashlib

import numpy as np
import pytest

from kizu.core.errors import KizuError
from kizu.core.seeds import Stream, generator


def draw(seed, stream, index):
    return tuple(generator(seed, stream, index).integers(0, 2**63, 2).tolist())


def test_seeds_streams_and_indices_never_collide():
    seeds = [0, 1, 2, 2**32, 2**32 + 1, 2**64, 2**100]
    indices = [*range(60), 2**31, 2**32, 2**32 + 1, 2**33]
    draws = [draw(seed, stream, index) for seed in seeds for stream in Stream for index in indices]
    assert len(set(draws)) == len(draws)


def test_order_does_not_matter():
    forward = [draw(3, Stream.SHOTS, i) for i in range(50)]
    backward = [draw(3, Stream.SHOTS, i) for i in reversed(range(50))]
    assert forward == backward[::-1]


def test_the_global_state_does_not_matter_and_is_not_touched():
    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    first = draw(3, Stream.SHOTS, 1)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
    np.random.seed(2)  # noqa: NPY002
    assert draw(3, Stream.SHOTS, 1) == first


def test_numbers_of_streams_are_never_used_twice():
    assert len({stream.value for stream in Stream.__members__.values()}) == len(Stream.__members__)
    known = {
        "SHOTS": 1,
        "CALIBRATION": 2,
        "SCORER": 3,
        "BOOTSTRAP": 4,
        "SCENE": 8,
        "SURFACE": 9,
        "DEFECT": 10,
        "LIGHT": 11,
        "CAMERA": 12,
        "PRODUCT": 13,
    }
    assert {name: Stream[name].value for name in known} == known
    assert not {5, 6, 7} & {stream.value for stream in Stream}  # of a line that is no more


def test_golden_digest():
    """Philox and its integer and double draws are stable in NumPy; a change here changes every data set ever made."""
    digest = hashlib.sha256()
    for seed, stream, index in [(0, 1, 0), (1, 2, 3), (7, 5, 10**6), (2**40, 7, 2**40)]:
        random = generator(seed, stream, index)
        digest.update(random.integers(0, 2**32, 8, np.uint32).astype("<u4").tobytes())
        digest.update(random.random(8).astype("<f8").tobytes())
    assert digest.hexdigest() == "5f80fe44d20f9f4db5c7c0ded63c596f3b1dce1627aa9bc94287991bd12ac693"


def test_a_negative_seed_is_refused():
    with pytest.raises(KizuError, match="seed -1"):
        generator(-1, Stream.SHOTS)
