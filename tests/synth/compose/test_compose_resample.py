"""Segments at another scale, against OpenCV's general warp and against sums."""

import cv2
import numpy as np
import pytest

from kizu.synth.compose.linear import to_linear
from kizu.synth.compose.paste import warp, warp_object
from kizu.synth.compose.resample import resampled
from kizu.synth.compose.segment import OBJECT, Segment


def segment(height=60, width=80):
    random = np.random.default_rng(0)
    colour = cv2.GaussianBlur(random.integers(0, 256, (height, width, 3), np.uint8), (0, 0), 2)
    colour = np.clip((colour.astype(float) - 128) * 4 + 128, 0, 255).astype(np.uint8)
    rows, columns = np.mgrid[:height, :width]
    alpha = np.clip(18 - np.hypot(rows - 28, 0.8 * (columns - 41)), 0, 1).astype(np.float32)
    return Segment("a", "thing", OBJECT, colour, alpha)


def test_whole_pixels_are_the_very_bytes():
    one = segment()
    light, alpha = resampled(one.colour, one.alpha, ((1.0, -7.0), (1.0, 5.0)), (40, 50))
    assert (light[5:] == to_linear(one.colour)[:35, 7:57]).all()
    assert (alpha[5:] == one.alpha[:35, 7:57]).all()
    assert (alpha[:5] == 0).all()


@pytest.mark.parametrize(
    ("affine", "inner"),
    [
        ((1.25, 0.0, 12.3, 0.0, 1.25, 9.6), 0.005),
        ((-1.25, 0.0, 140.3, 0.0, 1.25, 9.6), 0.005),  # mirrored
        ((2.7, 0.0, -5.2, 0.0, 2.7, 3.1), 0.015),  # cubic
        ((0.4, 0.0, 30.7, 0.0, 0.4, 20.2), 0.005),  # blurred first
        ((0.1, 0.0, 60.1, 0.0, 0.1, 30.9), 0.01),
        ((0.9, 0.3, 20.5, -0.3, 0.9, 40.5), 0.005),  # turned
    ],
)
def test_an_object_is_what_the_general_warp_makes_of_it(affine, inner):
    one, margin = segment(), 6
    whole, tight = warp(one, affine, (190, 200), margin), warp_object(one, affine, (190, 200), margin)
    assert tight.alpha.size < whole.alpha.size
    covers, lights = np.zeros((2, 190, 200), np.float32), np.zeros((2, 190, 200, 3), np.float32)
    for k, pasted in enumerate((whole, tight)):
        covers[k][pasted.slices] = pasted.alpha
        lights[k][pasted.slices] = pasted.light
    assert np.abs(covers[0] - covers[1]).max() < 0.05  # OpenCV knows places to 1/32 of a pixel
    assert np.abs(covers[0] - covers[1]).mean() < 0.002
    seen = np.abs(lights[0] - lights[1])[covers[0] > 0.05]
    assert seen.max() < 0.08
    assert seen.mean() < inner
    rows, columns = np.nonzero(covers[1] > 0.01)
    assert rows.min() - tight.y >= margin - 1
    assert columns.min() - tight.x >= margin - 1


def test_light_is_kept_where_it_shrinks():
    one = segment()
    light, alpha = resampled(one.colour, np.ones_like(one.alpha), ((0.25, -0.375), (0.25, -0.375)), (15, 20))
    assert light[2:-2, 2:-2].mean() == pytest.approx(to_linear(one.colour)[8:-8, 8:-8].mean(), rel=0.02)
    assert alpha[3:-3, 3:-3] == pytest.approx(np.ones((9, 14)), abs=1e-3)


def test_outside_the_frame_there_is_nothing():
    one = segment()
    assert warp_object(one, (1.0, 0.0, 500.0, 0.0, 1.0, 0.0), (100, 100), 4) is None
    one.alpha[:] = 0
    assert warp_object(one, (1.0, 0.0, 5.0, 0.0, 1.0, 0.0), (100, 100), 4) is None
