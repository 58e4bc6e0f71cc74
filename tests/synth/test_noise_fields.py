"""Random fields: moments, size of bumps, the same again from the same generator."""

import numpy as np
import pytest

from kizu.core.seeds import Stream, generator
from kizu.synth.formula import noise


def random(index=0):
    return generator(5, Stream.SURFACE, index)


def test_white_values_are_independent_and_nearly_normal():
    values = noise.white((512, 512), random())
    assert values.dtype == np.float32
    assert abs(values.mean()) < 0.01
    assert abs(values.std() - 1) < 0.01
    assert abs((values**4).mean() - 2.7) < 0.1  # a sum of four uniforms: kurtosis 3 - 1.2 / 4
    for a, b in ((values[:, 1:], values[:, :-1]), (values[1:], values[:-1])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.01


@pytest.mark.parametrize("scale", [1.5, 4, 13.7, 40])
def test_smooth_noise_has_unit_deviation_and_bumps_of_its_scale(scale):
    fields = np.stack([noise.smooth((256, 320), scale, random(k)) for k in range(12)])
    assert abs(fields.std() - 1) < 0.12
    step = max(round(0.25 * scale), 1)
    near = np.corrcoef(fields[:, :, step:].ravel(), fields[:, :, :-step].ravel())[0, 1]
    far = round(3 * scale)
    apart = np.corrcoef(fields[:, :, far:].ravel(), fields[:, :, :-far].ravel())[0, 1]
    assert near > 0.6 if scale > 2 else near > 0.1
    assert abs(apart) < 0.15


def test_stretched_noise_is_longer_along_x():
    field = noise.fractal((256, 256), 6, random(), octaves=1, stretch=8)
    along = np.corrcoef(field[:, 6:].ravel(), field[:, :-6].ravel())[0, 1]
    across = np.corrcoef(field[12:].ravel(), field[:-12].ravel())[0, 1]
    assert along > 0.8
    assert abs(across) < 0.2


@pytest.mark.parametrize("make", [
    lambda r: noise.white((40, 60), r), lambda r: noise.smooth((40, 60), (5, 9), r),
    lambda r: noise.fractal((40, 60), 30, r), lambda r: noise.fractal((3, 2), 50, r),
])  # fmt: skip
def test_the_same_generator_gives_the_same_field(make):
    a, b, other = make(random(1)), make(random(1)), make(random(2))
    assert a.tobytes() == b.tobytes() != other.tobytes()
    assert np.isfinite(a).all()
