"""What the generator is shown: sizes, objects on grey, and the picture behind them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizu.synth.compose.relight.conditions import GREY, on_grey, without, working_size


@pytest.mark.parametrize(
    "size, side, expected",
    [
        ((512, 512), 512, (512, 512)),
        ((480, 640), 512, (384, 512)),
        ((645, 1540), 512, (192, 512)),
        ((1540, 645), 512, (512, 192)),
        ((100, 100), 512, (512, 512)),
        ((10, 2000), 512, (64, 512)),
        ((64, 64), 64, (64, 64)),
    ],
)
def test_sizes_are_multiples_of_64(size, side, expected):
    assert working_size(size, side) == expected


def test_objects_on_grey():
    image = np.full((40, 60, 3), (10, 20, 30), np.uint8)
    inside = np.zeros((40, 60), bool)
    inside[10:30, 15:45] = True
    same = on_grey(image, inside, (40, 60))
    assert (same[inside] == (10, 20, 30)).all() and (same[~inside] == GREY).all()
    half = on_grey(image, inside, (20, 30))
    assert (half[5:15, 8:22] == (10, 20, 30)).all() and (half[:5] == GREY).all()
    np.testing.assert_allclose(half[8, 7], (np.array([10, 20, 30]) + GREY) / 2, atol=1)  # half covered


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.95), st.sampled_from([(40, 56), (64, 64), (20, 28), (128, 64)]))
def test_an_even_background_is_even_behind_objects(seed, covered, size):
    inside = np.random.default_rng(seed).random((40, 56)) < covered
    image = np.where(inside[..., None], np.uint8(255), np.uint8([50, 90, 130]))
    if not inside.all():
        np.testing.assert_allclose(without(image, inside, size), np.broadcast_to([50, 90, 130], (*size, 3)), rtol=1e-3)


def test_a_hole_is_filled_from_around():
    ramp = np.broadcast_to(np.linspace(40, 200, 120)[None, :, None], (80, 120, 3))
    image = ramp.astype(np.uint8)
    inside = np.zeros((80, 120), bool)
    inside[20:60, 40:80] = True
    filled = without(np.where(inside[..., None], np.uint8(0), image), inside, (80, 120))
    assert np.array_equal(filled[~inside], image[~inside])
    assert np.abs(filled - ramp)[inside].max() < 35 and np.abs(filled - ramp)[inside].mean() < 12


def test_nothing_around():
    image = np.zeros((30, 50, 3), np.uint8)
    assert (without(image, np.ones((30, 50), bool), (64, 64)) == GREY).all()
    assert (without(image, np.zeros((30, 50), bool), (64, 64)) == 0).all()
