"""Surfaces laid on surfaces and marks applied to them, against the same written out per pixel."""

import numpy as np
import pytest

from kizu.synth.formula.layers import Layers, Mark
from kizu.synth.formula.raster import Cover

FIELDS = ("height", "albedo", "roughness", "metal", "shadow")


def surface(seed, size, channels):
    r = np.random.default_rng(seed)
    plain = [r.uniform(size=size).astype(np.float32) for _ in range(4)]
    return Layers(plain[0], r.uniform(size=(*size, channels)).astype(np.float32), *plain[1:])


@pytest.mark.parametrize("channels", [1, 3])
def test_laying_mixes_by_coverage(channels):
    below, above = surface(0, (20, 30), channels), surface(1, (7, 9), channels)
    cover = Cover(4, 6, np.random.default_rng(2).uniform(-0.3, 1.3, (7, 9)).clip(0, 1).astype(np.float32))
    before = {name: getattr(below, name).copy() for name in FIELDS}
    below.lay(above, cover)
    for name in FIELDS:
        expected = before[name].copy()
        alpha = cover.alpha if expected.ndim == 2 else cover.alpha[:, :, None]
        expected[6:13, 4:13] = (1 - alpha) * expected[6:13, 4:13] + alpha * getattr(above, name)
        np.testing.assert_allclose(getattr(below, name), expected, atol=1e-6)


def mark(**fields):
    alpha = np.full((4, 5), 0.8, np.float32)
    return Mark(Cover(3, 2, alpha), **fields)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("clipped", [False, True])
def test_a_mark_changes_its_box_inside_the_clip_alone(channels, clipped):
    layers = surface(3, (12, 14), channels)
    before = {name: getattr(layers, name).copy() for name in FIELDS}
    clip = Cover(5, 0, np.full((12, 2), 0.5, np.float32)) if clipped else None
    one = np.ones((4, 5), np.float32)
    mark(height=2 * one, gain=0.5 * one, mix=0.25 * one, albedo=(0.2, 0.4, 0.6), roughness=0.9, metal=1.0).apply(
        layers, clip
    )
    full = np.zeros((12, 14), np.float32)
    full[2:6, 3:8] = 1
    if clipped:
        full[:, :5] = full[:, 7:] = 0
        full *= 0.5
    colour = np.array([0.2, 0.4, 0.6], np.float32)
    if channels == 1:
        colour = (colour @ np.array([0.2126, 0.7152, 0.0722], np.float32))[None]
    np.testing.assert_allclose(layers.height, before["height"] + 2 * full, atol=1e-6)
    gained = before["albedo"] * (1 - 0.5 * full[:, :, None])
    np.testing.assert_allclose(layers.albedo, gained + 0.25 * full[:, :, None] * (colour - gained), atol=1e-6)
    for name, value in (("roughness", 0.9), ("metal", 1.0)):
        np.testing.assert_allclose(
            getattr(layers, name), before[name] + 0.25 * full * (value - before[name]), atol=1e-6
        )
    np.testing.assert_array_equal(layers.shadow, before["shadow"])


def test_a_mark_outside_the_clip_changes_nothing():
    layers = surface(4, (12, 14), 1)
    before = layers.height.copy()
    mark(height=np.ones((4, 5), np.float32)).apply(layers, Cover(10, 8, np.ones((2, 2), np.float32)))
    np.testing.assert_array_equal(layers.height, before)


@pytest.mark.parametrize(("strength", "height", "gain", "mix"), [(0, 0, 1, 0), (1, 2, 0.5, 0.6), (2, 4, 0, 1)])
def test_strength_scales_the_change_and_leaves_the_geometry(strength, height, gain, mix):
    one = np.ones((4, 5), np.float32)
    plain = mark(height=2 * one, gain=0.5 * one, mix=0.6 * one, cut=one)
    scaled = plain.scaled(strength)
    assert np.allclose([scaled.height[0, 0], scaled.gain[0, 0], scaled.mix[0, 0]], [height, gain, mix])
    assert scaled.cut is plain.cut
    assert scaled.cover is plain.cover
