"""Camera and lens against what their parameters say: noise lines, widths, ratios, OpenCV's distortion model."""

import dataclasses
import json
import math

import cv2
import numpy as np
import pytest

from kizu.synth.formula import camera, lens, presets
from kizu.synth.formula.camera import Camera
from kizu.synth.formula.lens import Lens
from kizu.synth.formula.outline import Outline
from kizu.synth.formula.raster import fill

VALUES = presets.load("industrial").values["camera"]
# A camera that changes nothing: linear, sharp, without noise.
PLAIN = Camera((64, 96), blur=0.0, vignetting=0.0, gain=0.0, read=0.0, gamma=1.0, bayer=False)


def of(**changes):
    return dataclasses.replace(PLAIN, **changes)


def flat(value, size=(64, 96)):
    value = np.atleast_1d(np.asarray(value, np.float32))
    return np.ascontiguousarray(np.broadcast_to(value, (*size, len(value))))


def expose(radiance, one, seed=0):
    return camera.expose(radiance, one, np.random.default_rng(seed))


@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize("bayer", [False, True])
@pytest.mark.parametrize("size", [(64, 96), (65, 97)])
def test_forms_and_ends_of_the_scale(colours, bayer, size):
    for value, want in ((0.0, 0), (-1.0, 0), (0.5, 128), (1.0, 255), (9.0, 255)):
        seen = expose(flat([value] * colours, size), of(bayer=bayer))
        assert seen.dtype == np.uint8
        assert seen.shape == (size if colours == 1 else (*size, 3))
        assert abs(seen.astype(int) - want).max() <= 1 - (value != 0.5)


@pytest.mark.parametrize("gamma", [1.0, 1.8, 2.4])
@pytest.mark.parametrize("black", [0.0, 0.05])
def test_the_response_rises_from_black_to_white(gamma, black):
    ramp = np.broadcast_to(np.linspace(0, 1, 512, dtype=np.float32), (4, 512))[:, :, None]
    seen = expose(ramp, of(gamma=gamma, black=black))[0].astype(int)
    assert seen[0] == round(255 * black)
    assert seen[-1] == 255
    assert (np.diff(seen) >= 0).all()
    middle = round(255 * (black + (1 - black) * 0.5 ** (1 / gamma)))
    assert abs(seen[256] - middle) <= 8  # the linear toe shifts the power law a little
    assert np.diff(seen).max() <= 8  # and keeps the dark end from being torn into steps


@pytest.mark.parametrize("level", [0.1, 0.3, 0.6])
@pytest.mark.parametrize(("gain", "read"), [(2e-3, 0.0), (0.0, 0.02), (1e-3, 0.015)])
def test_noise_follows_the_line_of_poisson_and_gauss(level, gain, read):
    seen = expose(flat(level, (512, 512)), of(size=(512, 512), gain=gain, read=read)).astype(np.float64) / 255
    rounding = 1 / 255**2 / 12
    assert seen.mean() == pytest.approx(level, abs=1e-3)
    assert seen.var() - rounding == pytest.approx(gain * level + read**2, rel=0.03)


def test_noise_of_three_sensors_is_independent_from_pixel_to_pixel_and_colour_to_colour():
    seen = expose(flat([0.4] * 3, (256, 256)), of(read=0.03)).astype(np.float64).reshape(-1, 3)
    shares = np.corrcoef(np.column_stack([seen[:-256], seen[256:]]).T)
    assert np.abs(shares - np.eye(6)).max() < 0.02


def test_a_mosaic_makes_red_and_blue_noisier():
    seen = expose(flat([0.4] * 3, (256, 256)), of(read=0.02, bayer=True)).astype(np.float64)
    red, green, blue = seen.reshape(-1, 3).std(0)
    assert red > 1.3 * green
    assert blue > 1.1 * green


@pytest.mark.parametrize("sigma", [0.6, 1.0, 1.4])
def test_the_width_of_the_point_spread_function(sigma):
    line = np.zeros((64, 65, 1), np.float32)
    line[:, 32] = 0.95 * math.sqrt(2 * math.pi) * sigma
    seen = expose(line, of(blur=sigma))[32].astype(np.float64)
    away = np.arange(65) - 32
    assert math.sqrt((seen * away**2).sum() / seen.sum()) == pytest.approx(sigma, rel=0.05)


@pytest.mark.parametrize(("dx", "dy"), [(6.0, 0.0), (0.0, -6.0), (3.0, 4.0)])
def test_motion_blurs_along_its_way(dx, dy):
    kernel = camera.line_kernel(dx, dy).astype(np.float64)
    reach = kernel.shape[0] // 2
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    assert kernel.sum() == pytest.approx(1)
    assert (kernel * x).sum() == pytest.approx(0, abs=1e-6)
    along = (kernel * (x * dx + y * dy) ** 2).sum() / (dx**2 + dy**2)
    across = (kernel * (x * dy - y * dx) ** 2).sum() / (dx**2 + dy**2)
    # An even way has the variance length^2 / 12; sharing among four pixels adds less than a quarter.
    assert along == pytest.approx((dx**2 + dy**2) / 12 + 0.125, abs=0.13)
    assert across < 0.26
    assert not np.array_equal(expose(_edge(), of(motion=(dx, dy))), expose(_edge(), PLAIN))


def _edge():
    out = np.zeros((64, 96, 1), np.float32)
    out[20:40, 30:60] = 0.8
    return out


@pytest.mark.parametrize("radius", [1.0, 2.4])
def test_a_disc_of_confusion(radius):
    kernel = camera.disc_kernel(radius).astype(np.float64)
    reach = kernel.shape[0] // 2
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    assert kernel.sum() == pytest.approx(1)
    assert 1 / kernel.max() == pytest.approx(math.pi * radius**2, rel=0.15)
    assert (kernel * (x**2 + y**2)).sum() == pytest.approx(radius**2 / 2 + 0.2, rel=0.15)  # pixels and soft edges add


@pytest.mark.parametrize("share", [0.0, 0.2, 0.4])
@pytest.mark.parametrize("bayer", [False, True])
def test_corners_lack_the_share_of_the_vignetting(share, bayer):
    for colours in (1, 3):
        seen = expose(flat([0.9] * colours, (200, 300)), of(vignetting=share, bayer=bayer)).astype(np.float64)
        assert seen[0, 0].mean() / seen[100, 150].mean() == pytest.approx(1 - share, abs=0.02)
        assert seen[-1, -1].mean() == pytest.approx(seen[0, 0].mean(), abs=2)


@pytest.mark.parametrize("size", [(64, 96), (33, 47)])
def test_a_mosaic_keeps_even_colours(size):
    colour = np.array([0.2, 0.5, 0.7], np.float32)
    seen = expose(flat(colour, size), of(bayer=True)).astype(int)
    assert np.abs(seen - np.rint(255 * colour).astype(int)).max() <= 1
    cast = (1.1, 1.0, 0.9)
    seen = expose(flat(colour, size), of(bayer=True, cast=cast, exposure=0.8)).astype(int)
    assert np.abs(seen - np.rint(255 * colour * cast * 0.8).astype(int)).max() <= 1


def test_a_mosaic_puts_colours_where_they_are():
    radiance = np.zeros((64, 96, 3), np.float32)
    radiance[:, :48, 0] = radiance[:, 48:, 2] = 0.6
    seen = expose(radiance, of(bayer=True)).astype(int)
    np.testing.assert_allclose(seen[32, 20], [153, 0, 0], atol=1)
    np.testing.assert_allclose(seen[32, 70], [0, 0, 153], atol=1)


def test_what_is_fixed_in_the_sensor_stays():
    one = of(pattern=0.02, dead=5, seed=11)
    first, second = expose(flat(0.5), one, 1).astype(int), expose(flat(0.5), one, 2).astype(int)
    np.testing.assert_array_equal(first, second)
    assert np.ptp(np.median(first, 0)) > 5
    stuck = np.abs(first - np.median(first, 0)) > 50
    assert 1 <= stuck.sum() <= 5
    assert set(first[stuck]) <= {0, 255}
    assert not np.array_equal(first, expose(flat(0.5), of(pattern=0.02, dead=5, seed=12), 1))


def test_bands_run_across_and_move():
    one = of(banding=0.02, seed=4)
    first, second = expose(flat(0.5), one, 1).astype(int), expose(flat(0.5), one, 2).astype(int)
    assert (np.ptp(first, 1) == 0).all()
    assert 8 <= np.ptp(first[:, 0]) <= 12
    assert not np.array_equal(first, second)


# --- drawing ---


def test_cameras_are_functions_of_the_generator_and_json_able():
    radiance = np.random.default_rng(0).random((40, 50, 3), np.float32)
    seen = set()
    for k in range(150):
        one, two = (camera.draw(VALUES, (40, 50), np.random.default_rng(k)) for _ in range(2))
        assert one == two
        assert json.loads(json.dumps(one.to_dict(), allow_nan=False))["quality"] == one.quality
        assert VALUES["quality"][0] <= one.quality <= VALUES["quality"][1]
        picture = expose(radiance, one, k)
        np.testing.assert_array_equal(picture, expose(radiance, two, k))
        seen |= {name for name in ("defocus", "pattern", "banding") if getattr(one, name)}
        seen |= {"motion"} if any(one.motion) else set()
        seen |= {f"bayer {one.bayer}", f"linear {one.gamma == 1}", f"straight {one.lens.k1 == 0}"}
        other = camera.jitter(one, np.random.default_rng(1), 1.0)
        assert (other.seed, other.lens, other.quality) == (one.seed, one.lens, one.quality)
        assert other.exposure != one.exposure
        assert camera.jitter(one, np.random.default_rng(1), 0.0) == one
    assert seen == {
        "defocus", "pattern", "banding", "motion", "bayer True", "bayer False", "linear True", "linear False",
        "straight True", "straight False",
    }  # fmt: skip


# --- lens ---


@pytest.mark.parametrize(("k1", "k2"), [(-0.08, 0.02), (0.05, -0.02), (-0.08, -0.02), (0.05, 0.02)])
def test_distortion_is_that_of_opencv(k1, k2):
    size = (480, 640)
    one = Lens.of(size, k1, k2)
    points = np.random.default_rng(5).uniform((0, 0), (640, 480), (500, 2))
    bent = one.bend(points)
    matrix = np.array([[one.unit, 0, 320], [0, one.unit, 240], [0, 0, 1]])
    model = np.array([k1, k2, 0, 0])
    straight = np.column_stack([(points - one.centre) / one.unit, np.ones(500)])
    projected = cv2.projectPoints(straight, np.zeros(3), np.zeros(3), matrix, model)[0][:, 0]
    np.testing.assert_allclose(bent, projected, atol=1e-9)
    back = cv2.undistortPoints(bent[:, None], matrix, model, P=matrix)[:, 0]
    np.testing.assert_allclose(back, points, atol=0.2)  # OpenCV stops after five steps of its iteration
    assert np.linalg.norm(bent - points, axis=1).max() > 1


def test_the_centre_stays_and_a_barrel_pulls_inwards():
    one = Lens.of((100, 200), -0.1)
    np.testing.assert_array_equal(one.bend([[100, 50]]), [[100, 50]])
    np.testing.assert_allclose(one.bend([[200, 100]]), [[190, 95]])


def test_straight_edges_become_curves_and_holes_stay():
    square = np.array([[20, 20], [180, 20], [180, 180], [20, 180]], float)
    hole = np.array([[80, 80], [120, 80], [120, 120], [80, 120]], float)
    outline = Outline.of([square, hole])
    one = Lens.of((200, 200), -0.08)
    bent = one.outline(outline, 4.0)
    assert len(bent) == 2
    # The area of a map is the integral of its Jacobian, here (1 + k r^2)(1 + 3 k r^2), over the shape.
    y, x = np.mgrid[:2000, :2000] / 10 + 0.05
    square_r = ((x - 100) ** 2 + (y - 100) ** 2) / one.unit**2
    inside = (np.maximum(np.abs(x - 100), np.abs(y - 100)) < 80) & (np.maximum(np.abs(x - 100), np.abs(y - 100)) > 20)
    want = (inside * (1 - 0.08 * square_r) * (1 - 0.24 * square_r)).sum() / 100
    assert bent.area == pytest.approx(want, rel=1e-3)
    assert fill(bent, (200, 200)).alpha.sum() == pytest.approx(want, rel=2e-3)
    assert Lens.of((200, 200), 0.0).outline(outline) is outline


def test_lenses_are_drawn_by_their_share():
    drawn = [lens.draw(VALUES, (64, 64), np.random.default_rng(k)) for k in range(300)]
    share = np.mean([one.k1 != 0 for one in drawn])
    assert share == pytest.approx(VALUES["distortion"], abs=0.09)
    assert all(one.centre == (32, 32) for one in drawn)
