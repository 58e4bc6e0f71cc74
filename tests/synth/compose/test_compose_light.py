"""Light that is carried over, against scenes whose shading is known."""

import numpy as np
import pytest

from kizu.synth.compose import inflate, shading


def ramp(side=96, low=0.5, high=1.5):
    return np.broadcast_to(np.linspace(low, high, side, dtype=np.float32), (side, side))


def test_the_field_is_the_shading():
    random = np.random.default_rng(0)
    albedo = random.uniform(0.2, 0.4, (256, 256, 1)).astype(np.float32)
    light = albedo * ramp(256)[:, :, None] * np.ones(3, np.float32)
    found = shading.at(shading.field(light), (256, 256), (0, 0, 256, 256), (256, 256))
    expected = ramp(256) / np.exp(np.log(ramp(256)).mean())
    inner = (slice(32, -32), slice(32, -32))
    assert np.corrcoef(found[inner].ravel(), expected[inner].ravel())[0, 1] > 0.995
    assert np.abs(found[inner] / expected[inner] - 1).max() < 0.06


def test_smooth_looks_only_where_there_is_weight():
    values = np.zeros((40, 40), np.float32)
    values[:, 20:] = 9
    weight = np.zeros((40, 40), np.float32)
    weight[:, :20] = 1
    assert shading.smooth(values, weight, 4)[:, :20].max() < 0.01


@pytest.mark.parametrize("gain", [0.5, 1.0, 1.8])
def test_a_defect_keeps_its_contrast_to_the_surface(gain):
    there = np.full((60, 60, 3), 0.3, np.float32)
    there[24:36, 24:36] = 0.15
    beside = np.ones((60, 60), bool)
    beside[20:40, 20:40] = False
    here = np.full((60, 60, 3), 0.3 * gain, np.float32) * ramp(60, 0.8, 1.2)[:, :, None]
    found = shading.as_defect(there, beside, here, {"scene": 1.0})
    assert found[28:32, 28:32].mean() / here[28:32, 28:32].mean() == pytest.approx(0.5, rel=0.05)
    stronger = shading.as_defect(there, beside, here, {"scene": 1.0, "strength": 1.5})
    assert stronger[28:32, 28:32].mean() / here[28:32, 28:32].mean() == pytest.approx(0.25, rel=0.1)


def test_an_object_takes_the_exposure_and_gains_are_bounded():
    paste, alpha = np.full((30, 30, 3), 0.2, np.float32), np.ones((30, 30), np.float32)
    base, flat = np.full((30, 30, 3), 0.5, np.float32), np.ones((30, 30), np.float32)
    assert shading.as_object(paste, alpha, base, flat, {"exposure": 1.3}).mean() == pytest.approx(0.26, rel=1e-3)
    assert shading.as_object(paste, alpha, base, flat, {"exposure": 9.0}).mean() == pytest.approx(0.4, rel=1e-3)
    lit = shading.as_object(paste, alpha, base, np.array(ramp(30)), {"scene": 1.0})[:, :, 0]
    assert np.allclose(lit / 0.2, ramp(30), atol=1e-4)


@pytest.mark.parametrize("angle", [0.0, np.pi / 2, np.pi, 4.0])
def test_relief_is_bright_towards_the_light_and_shadows_lie_behind(angle):
    rows, columns = np.mgrid[:80, :80] - 40
    alpha = (rows**2 + columns**2 < 20**2).astype(np.float32)
    light = {"angle": angle, "height": 0.8, "ambient": 0.3, "relief": 0.1, "shadow": 0.8, "thickness": 0.2}
    toward = columns * np.cos(angle) + rows * np.sin(angle)
    gain = inflate.inflated(alpha, light)
    inside = alpha > 0
    assert gain[inside & (toward > 8)].mean() > 1.02 > 0.98 > gain[inside & (toward < -8)].mean()
    assert gain[inside].mean() == pytest.approx(1, abs=1e-3)
    base = np.ones((80, 80, 3), np.float32)
    inflate.shadow(base, alpha, light, 40)
    dark = 1 - base[:, :, 0]
    assert (dark[inside] == 0).all()
    assert dark[~inside & (toward < -20)].sum() > 1.5 * dark[~inside & (toward > 20)].sum() > 0
    away = np.hypot(rows, columns) > 20 + max(inflate.reach(light, 40))
    assert dark[away].max() < 0.01


def test_no_light_is_no_change():
    alpha = np.ones((20, 20), np.float32)
    base = np.random.default_rng(0).uniform(0, 1, (20, 20, 3)).astype(np.float32)
    assert (inflate.inflated(alpha, {}) == 1).all()
    before = base.copy()
    inflate.shadow(base, alpha, {}, 20)
    assert (base == before).all()
    assert inflate.reach({}, 20) == (0, 0, 0, 0)


@pytest.mark.parametrize("thickness", [0.02, 0.1])
def test_a_shadow_is_the_same_from_a_tight_box_of_the_object(thickness):
    rows, columns = np.mgrid[:200, :200] - 100
    alpha = (rows**2 + (1.4 * columns) ** 2 < 40**2).astype(np.float32)
    light = {"angle": 0.7, "height": 0.6, "ambient": 0.2, "shadow": 0.9, "thickness": thickness}
    whole, part = (np.ones((200, 200, 3), np.float32) for _ in range(2))
    inflate.shadow(whole, alpha, light, 60)
    left, above, right, below = inflate.reach(light, 60)
    x0, y0, x1, y1 = 71, 60, 130, 141
    around = part[y0 - above : y1 + below, x0 - left : x1 + right]
    inflate.shadow(around, alpha[y0:y1, x0:x1], light, 60, (left, above))
    assert whole.min() < 0.6
    assert np.abs(whole - part).max() < 0.03
    assert np.abs(whole - part).mean() < 0.001


@pytest.mark.parametrize("shape", [(30, 40), (150, 400)])
def test_smooth_gains_may_be_made_of_few_pixels(shape):
    field = np.log(ramp(32, 0.7, 1.4))
    alpha = np.ones(shape, np.float32)
    paste, base = np.full((*shape, 3), 0.2, np.float32), np.ones((*shape, 3), np.float32)
    cover = shading.coarse(alpha)
    gain = shading.at(field, (500, 500), (50, 100, 50 + shape[1], 100 + shape[0]), cover.shape)
    lit = shading.as_object(paste, cover, base, gain, {"scene": 1.0})
    expected = np.interp((np.arange(50, 50 + shape[1]) + 0.5) * 32 / 500 - 0.5, np.arange(32), field[0])
    assert np.abs(lit / 0.2 / np.exp(expected)[None, :, None] - 1).max() < 0.01
