"""The camera: bytes that stay, and noise of the variance that was missing."""

import numpy as np
import pytest

from kizu.synth.compose.linear import to_linear
from kizu.synth.compose.sensor import expose


def test_what_lacks_nothing_keeps_its_bytes():
    image = np.random.default_rng(0).integers(0, 256, (50, 40, 3), dtype=np.uint8)
    out = expose(to_linear(image), np.zeros((50, 40), np.float32), 0.0, False, np.random.default_rng(1))
    assert (out == image).all()


@pytest.mark.parametrize("grey", [True, False])
@pytest.mark.parametrize("sigma", [2.0, 6.0])
def test_noise_is_added_where_it_is_missing(grey, sigma):
    image = np.full((200, 200, 3), 120, np.uint8)
    missing = np.zeros((200, 200), np.float32)
    missing[60:160, 20:180] = sigma**2
    out = expose(to_linear(image), missing, 0.0, grey, np.random.default_rng(1)).astype(float)
    inside = out[60:160, 20:180]
    assert inside.std(axis=(0, 1)) == pytest.approx([sigma] * 3, rel=0.05)
    assert inside.mean() == pytest.approx(120, abs=0.2)
    assert (out[:60] == 120).all()
    assert (out[..., 0] == out[..., 2]).all() == grey


def test_blur_is_that_of_the_lens():
    image = np.zeros((41, 41, 3), np.float32)
    image[20, 20] = 1.0
    out = expose(image, np.zeros((41, 41), np.float32), 2.0, False, np.random.default_rng(0))
    spread = to_linear(out)[:, :, 0]
    rows = np.arange(41) - 20
    assert np.sqrt((spread.sum(1) * rows**2).sum() / spread.sum()) == pytest.approx(2.0, rel=0.05)
