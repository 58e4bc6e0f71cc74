"""Noise of a picture and noise added to one; the part and the light of a picture; textures."""

from pathlib import Path

import numpy as np
import pytest

from kizu.core.images import open_image, to_rgb
from kizu.synth.compose import textures
from kizu.synth.compose.linear import from_linear, to_linear
from kizu.synth.compose.noise import ROUNDING, estimate, matched
from kizu.synth.compose.part import part_mask, sun

DATA = Path(__file__).resolve().parents[3] / ".." / "shared" / "data"


def grey(levels):
    return np.repeat(np.asarray(levels, np.float64)[..., None], 3, 2).clip(0, 255).round().astype(np.uint8)


def noisy(levels, sigma, seed=0):
    return grey(levels + np.random.default_rng(seed).normal(0, sigma, np.shape(levels)))


# --- noise ---


@pytest.mark.parametrize("sigma", [1.0, 2.0, 5.0, 15.0])
@pytest.mark.parametrize("size", [(64, 64), (300, 200), (1200, 1100)])
def test_white_noise_is_measured(sigma, size):
    y, x = np.mgrid[: size[0], : size[1]]
    shaded = 90 + 70 * x / size[1] + 20 * np.sin(y / size[0])
    image = noisy(shaded, sigma)
    assert estimate(image) == pytest.approx(np.hypot(sigma, ROUNDING), rel=0.12)
    assert estimate(to_linear(image)) == estimate(image)


def test_texture_and_edges_hardly_count():
    y, x = np.mgrid[:256, :256]
    textured = 120 + np.where(x < 160, 30 * np.sin(x / 1.5) * np.sin(y / 2), 0) + np.where(y > 200, 50, 0)
    assert estimate(noisy(textured, 2.0)) == pytest.approx(2, rel=0.2)


@pytest.mark.parametrize(
    "image",
    [np.zeros((40, 40, 3), np.uint8), np.full((40, 40, 3), 255, np.uint8), np.full((2, 2, 3), 9, np.uint8),
     np.full((1, 50, 3), 9, np.uint8), np.full((30, 30, 3), 77, np.uint8)],
)  # fmt: skip
def test_where_there_is_none_it_is_that_of_rounding(image):
    assert estimate(image) == ROUNDING


@pytest.mark.parametrize("level", [12, 60, 128, 220])
@pytest.mark.parametrize("own", [0.0, 1.5])
def test_noise_is_brought_to_that_of_the_surroundings(level, own):
    target = 3.0
    image = noisy(np.full((200, 200), level), own)
    after = from_linear(matched(to_linear(image), target**2 - own**2, np.random.default_rng(1)))
    assert after.std() == pytest.approx(np.hypot(target, ROUNDING), rel=0.06)
    assert after.mean() == pytest.approx(level, abs=0.3)
    assert (after[..., 0] == after[..., 2]).all(), "grey stays grey"


def test_noise_of_colours_is_independent_and_only_where_it_is_lacking():
    light = to_linear(np.broadcast_to(np.array([90, 120, 60], np.uint8), (100, 100, 3)).copy())
    missing = np.zeros((100, 100), np.float32)
    missing[:, 50:] = 9
    missing[:, :10] = -5
    kept = light.copy()
    after = matched(light, missing, np.random.default_rng(3))
    assert (light == kept).all()
    assert (after[:, :50] == light[:, :50]).all()
    seen = from_linear(after[:, 50:]).reshape(-1, 3).astype(float)
    assert np.abs(np.corrcoef(seen.T) - np.eye(3)).max() < 0.05
    assert (matched(light, missing, np.random.default_rng(3)) == after).all()


# --- part ---


def ellipse(height, width, y, x, b, a):
    rows, columns = np.mgrid[:height, :width]
    return ((rows - y) / b) ** 2 + ((columns - x) / a) ** 2 <= 1


PARTS = {
    "in the middle": ellipse(300, 400, 150, 200, 90, 120),
    "aside": ellipse(300, 400, 120, 250, 90, 100),
    "cut by the border": ellipse(300, 400, 300, 200, 150, 150),
    "a bar through the frame": (lambda m: (m > 60) & (m < 200))(np.mgrid[:300, :400][0]),
}


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize(("behind", "level"), [(20, 140), (235, 90), (120, 190)])
def test_a_part_on_an_even_background(name, behind, level):
    truth = PARTS[name]
    texture = 10 * np.sin(np.arange(truth.shape[1]) / 7)
    found = part_mask(noisy(np.where(truth, level + texture, behind), 3.0))
    assert (found & truth).sum() / (found | truth).sum() > 0.93


def test_a_part_of_another_colour_but_the_same_brightness():
    truth = PARTS["in the middle"]
    image = np.where(truth[..., None], [200, 100, 60], [80, 140, 120]).astype(np.uint8)
    found = part_mask(image)
    assert (found & truth).sum() / (found | truth).sum() > 0.93


ramp = np.linspace(0, 1, 200)
SURFACES = {
    "even": np.full((120, 200), 100.0),
    "shaded": np.broadcast_to(40 + 160 * ramp, (120, 200)),
    "a dark border that fades": np.tile(np.clip(15 + 900 * np.minimum(ramp, ramp[::-1]) ** 1.2, 0, 130), (120, 1)),
    "spots": np.where((np.mgrid[:120, :200] // 10).sum(0) % 2, 80.0, 140.0),
    "a small dark spot": np.where(ellipse(120, 200, 50, 120, 16, 24), 60.0, 130.0),
    "tiny": np.full((5, 9), 70.0),
    "lines": np.broadcast_to(100 + 60 * np.sin(np.arange(200) / 3), (120, 200)),
}  # fmt: skip


@pytest.mark.parametrize("name", SURFACES)
def test_where_it_is_unsure_all_is_part(name):
    image = noisy(SURFACES[name], 2.0)
    found = part_mask(image)
    assert found.shape == image.shape[:2]
    assert found.all()


@pytest.mark.skipif(not DATA.is_dir(), reason="the real data sets are not beside this checkout")
@pytest.mark.parametrize("name", ["missing_screw", "bsdata", "neu_seg_dedup"])
def test_real_pictures_of_surfaces_are_all_part(name):
    for path in sorted((DATA / name / "images").iterdir())[:4]:
        assert part_mask(to_rgb(open_image(path))).mean() > 0.98


# --- light ---


@pytest.mark.parametrize("angle", np.arange(0, 360, 45))
def test_the_light_comes_from_where_it_is_bright(angle):
    y, x = np.mgrid[:120, :120] / 120 - 0.5
    to = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    found = np.array(sun(noisy(110 * np.exp(0.6 * (to[0] * x + to[1] * y)), 2.0)))
    assert found[:2] @ to > 0.95 * np.hypot(*found[:2])
    assert np.hypot(*found[:2]) <= 1
    assert 0 <= found[2] < 0.85


def test_a_stronger_fall_is_a_lower_light_with_less_ambient():
    weak, strong = (sun(noisy(np.broadcast_to(110 * np.exp(k * ramp), (150, 200)), 1.0)) for k in (0.1, 0.7))
    assert np.hypot(*weak[:2]) < np.hypot(*strong[:2])
    assert weak[2] > strong[2]


@pytest.mark.parametrize("shape", [(120, 200), (3, 3), (1, 1), (8, 400)])
def test_without_a_direction_nearly_all_is_ambient(shape):
    x, y, ambient = sun(noisy(np.full(shape, 90), 2.0))
    assert np.hypot(x, y) < 0.3
    assert ambient > 0.8


# --- textures ---


def test_textures_are_even_and_the_same_in_each_process():
    first = textures.pool()
    textures.pool.cache_clear()
    for one, other in zip(first, textures.pool(), strict=True):
        assert (one == other).all()
        assert abs(float(one.mean())) < 1e-3
        assert float(one.std()) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("shape", [(1, 1), (7, 90), (64, 64), (500, 300)])
def test_a_crop_has_the_shape_that_is_asked_for(shape):
    made = [textures.crop(shape, np.random.default_rng(k)) for k in range(12)]
    assert all(crop.shape == shape and crop.dtype == np.float32 for crop in made)
    assert (textures.crop(shape, np.random.default_rng(3)) == made[3]).all()
    if min(shape) > 50:
        assert 0.4 < np.median([crop.std() for crop in made]) < 1.3
