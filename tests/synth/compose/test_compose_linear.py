"""Linear light against the equations of the standard."""

import numpy as np
import pytest

from kizu.synth.compose.linear import from_linear, to_linear


def test_every_byte_comes_back():
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert (from_linear(to_linear(values)) == values).all()


@pytest.mark.parametrize("light, byte", [(0.0, 0), (1.0, 255), (-3.0, 0), (7.0, 255), (0.214041, 128), (0.0030353, 10)])
def test_known_values(light, byte):
    # 128 and 10 by the two branches of IEC 61966-2-1.
    assert from_linear(np.array([[light]], np.float32))[0, 0] == byte


def test_the_nearest_byte_is_taken():
    light = np.linspace(0, 1, 20001, dtype=np.float32)
    exact = np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.power(light, 1 / 2.4, dtype=np.float64) - 0.055)
    assert np.abs(from_linear(light) - 255 * exact).max() < 0.52
