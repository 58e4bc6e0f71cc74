"""Light and shadow against analytic surfaces: planes, spheres, rings, discs."""

import dataclasses
import json
import math

import numpy as np
import pytest

from kizu.synth.formula import light, presets, shadow
from kizu.synth.formula.layers import Layers
from kizu.synth.formula.light import Light, Rig
from kizu.synth.formula.outline import Outline
from kizu.synth.formula.raster import Cover, fill

LIGHTS = {
    "directional": Light("directional", 215, 45),
    "point": Light("point", 30, 50, distance=2.5),
    "bar": Light("bar", 120, 50, distance=2.5, length=1.5),
    "ring": Light("ring", 0, 65, width=0.08),
    "dark_field": Light("dark_field", 0, 12, width=0.08),
    "coaxial": Light("coaxial", 0, 90, width=0.08),
    "dome": Light("dome", 0, 90, width=0.8),
}
SIDED = ("directional", "point", "bar")
VALUES = presets.load("industrial").values


def alone(one, **more):
    """A rig of one light in a dark room."""
    return Rig((one,), **{"ambient": 0.0, **more})


def surface(height, albedo=(0.5,), roughness=0.4, metal=0.0):
    layers = Layers.flat(height.shape, np.array(albedo), roughness, metal)
    layers.height[:] = height
    return layers


def plane(slope_x, slope_y, size=(48, 64)):
    y, x = np.mgrid[: size[0], : size[1]]
    return slope_x * x + slope_y * y


def matt(height, rig, **more):
    """What a surface of albedo 1 reflects diffusely: highlights of dielectrics do not depend on the albedo."""
    bright, dark = (light.radiance(surface(height, (a,), **more), rig) for a in (0.9, 0.4))
    return (bright - dark)[:, :, 0] / 0.5


def normals(height):
    """float64 (H, W, 3), by numpy's central differences."""
    gy, gx = np.gradient(height.astype(np.float64))
    out = np.stack([-gx, -gy, np.ones_like(gx)], 2)
    return out / np.linalg.norm(out, axis=2, keepdims=True)


@pytest.mark.parametrize(("slope_x", "slope_y"), [(0, 0), (0.5, 0), (0, -0.5), (0.3, 0.4), (-2, 1)])
@pytest.mark.parametrize(("azimuth", "elevation"), [(0, 90), (0, 30), (90, 30), (200, 60)])
def test_lambert_on_a_tilted_plane(slope_x, slope_y, azimuth, elevation):
    one = Light("directional", azimuth, elevation)
    normal = np.array([-slope_x, -slope_y, 1]) / math.sqrt(1 + slope_x**2 + slope_y**2)
    seen = matt(plane(slope_x, slope_y), alone(one))
    np.testing.assert_allclose(seen, max(float(normal @ one.vector), 0), atol=2e-5)


@pytest.mark.parametrize(("azimuth", "elevation"), [(0, 40), (45, 60), (135, 50), (270, 70)])
def test_the_highlight_of_a_sphere_is_at_the_half_vector(azimuth, elevation):
    size, radius = 129, 60.0
    y, x = np.mgrid[:size, :size] - 64.0
    height = np.sqrt(np.maximum(radius**2 - x**2 - y**2, 0))
    one = Light("directional", azimuth, elevation, width=0.02)
    seen = light.radiance(surface(height, (1.0,), 0.3, 1.0), alone(one))[:, :, 0]
    half = one.vector + np.array([0, 0, 1])
    half /= np.linalg.norm(half)
    # Kelemen's visibility and the cosine pull the maximum by a fraction of a pixel.
    row, column = np.unravel_index(np.argmax(seen), seen.shape)
    assert math.hypot(column - 64 - radius * half[0], row - 64 - radius * half[1]) < 2


@pytest.mark.parametrize("kind", ["directional", "point"])
@pytest.mark.parametrize(("roughness", "metal"), [(0.25, 0.0), (0.4, 0.5), (0.8, 1.0)])
def test_radiance_is_that_of_the_papers(kind, roughness, metal):
    """Trowbridge-Reitz, Kelemen and Schlick as they are written, in float64, with vectors and powers."""
    height = np.random.default_rng(0).normal(0, 0.25, (40, 56)).astype(np.float32)
    one = LIGHTS[kind]
    albedo = np.array([0.7, 0.4, 0.2])
    seen = light.radiance(surface(height, albedo, roughness, metal), alone(one))
    n = normals(height)
    y, x = np.mgrid[:40, :56]
    toward = np.broadcast_to(one.vector, n.shape)
    strength = np.ones(height.shape)
    if kind == "point":
        toward = one.vector * one.distance - np.stack([(x - 27.5) / 20, (y - 19.5) / 20, np.zeros(x.shape)], 2)
        strength = one.distance**2 / (toward**2).sum(2)
    to = toward / np.linalg.norm(toward, axis=2, keepdims=True)
    half = to + np.array([0, 0, 1])
    half /= np.linalg.norm(half, axis=2, keepdims=True)
    lit = np.maximum((n * to).sum(2), 0) * strength
    cosine, view = (n * half).sum(2), half[:, :, 2]
    a2 = roughness**4 + one.width**2
    lobe = a2 / (cosine**2 * (a2 - 1) + 1) ** 2
    base = 0.04 * (1 - metal) + metal * albedo
    fresnel = base + (1 - base) * (1 - view[:, :, None]) ** 5
    want = albedo * (1 - 0.92 * metal) * lit[:, :, None] + fresnel * (lit * lobe / (4 * view**2))[:, :, None]
    np.testing.assert_allclose(seen, want, rtol=2e-3, atol=2e-5)


@pytest.mark.parametrize("kind", ["ring", "dark_field", "coaxial"])
@pytest.mark.parametrize("slope", [0.0, 0.1, 0.3, 0.8])
def test_lights_around_the_lens_are_means_over_the_ring(kind, slope):
    one = LIGHTS[kind]
    angle = math.radians(90 - one.elevation)
    turns = np.linspace(0, 2 * np.pi, 20000, endpoint=False)
    normal = np.array([-slope, 0, 1]) / math.hypot(slope, 1)
    ring = np.stack([math.sin(angle) * np.cos(turns), math.sin(angle) * np.sin(turns), np.full(20000, math.cos(angle))])
    height = plane(slope, 0, (8, 8))
    lit = matt(height, alone(one))[4, 4]
    assert lit == pytest.approx(np.maximum(normal @ ring, 0).mean(), abs=0.06)
    a, radius = 0.4**4 + one.width**2, math.tan(angle / 2)
    far = (slope - radius * np.cos(turns)) ** 2 + (radius * np.sin(turns)) ** 2
    gloss = lit * (a / (a + far) ** 2).mean() / (4 * math.cos(angle / 2) ** 2)
    seen = light.radiance(surface(height, (1.0,), 0.4, 1.0), alone(one))[4, 4, 0]
    assert seen == pytest.approx(0.08 * lit + gloss, rel=1e-3)


def test_dark_field_shows_slopes_and_coaxial_light_shows_what_is_flat():
    flat, steep = plane(0, 0), plane(0.7, 0)
    seen = {
        (kind, k): light.radiance(surface(height, (0.8,), 0.35, 1.0), alone(LIGHTS[kind])).mean()
        for kind in ("dark_field", "coaxial")
        for k, height in enumerate((flat, steep))
    }
    assert seen["dark_field", 0] < 0.1 * seen["coaxial", 0]
    assert seen["dark_field", 1] > 5 * seen["dark_field", 0]
    assert seen["coaxial", 1] < 0.1 * seen["coaxial", 0]


@pytest.mark.parametrize("kind", SIDED)
@pytest.mark.parametrize("azimuth", range(0, 360, 45))
def test_a_bump_is_bright_on_the_side_of_the_light_and_a_dent_on_the_other(kind, azimuth):
    y, x = np.mgrid[:64, :64] - 31.5
    bump = 3 * np.exp(-(x**2 + y**2) / 100)
    one = dataclasses.replace(LIGHTS[kind], azimuth=azimuth)
    side = x * one.vector[0] + y * one.vector[1]
    for sign in (1, -1):
        even = light.radiance(surface(0 * bump), alone(one))[:, :, 0]
        change = light.radiance(surface(sign * bump), alone(one))[:, :, 0] - even
        assert sign * (change[side > 3].mean() - change[side < -3].mean()) > 0.01


@pytest.mark.parametrize("kind", light.KINDS)
@pytest.mark.parametrize("metal", [0.0, 1.0])
@pytest.mark.parametrize("roughness", [0.0, 1.0])
def test_radiance_is_finite(kind, metal, roughness):
    height = np.random.default_rng(1).normal(0, 5, (50, 70))
    height[:10] = 0
    layers = surface(height, (1.0, 0.5, 0.0), roughness, metal)
    one = dataclasses.replace(LIGHTS[kind], width=0.0, parallax=0.1)
    seen = light.radiance(layers, Rig((one, LIGHTS["bar"]), gradient=(-3.0, 2.0), spot=0.9))
    assert np.isfinite(seen).all()
    assert seen.min() >= 0


def test_light_falls_off_with_the_square_from_a_point_and_not_along_a_bar():
    size = (101, 101)
    point = Light("point", 0, 90, distance=2.0)
    seen = matt(np.zeros(size), alone(point))
    far = math.hypot(50 / 50.5, 2)
    # (distance / far)^2 by the square law, (distance / far) by the cosine.
    assert seen[50, 100] / seen[50, 50] == pytest.approx((2 / far) ** 3, rel=1e-4)
    bar = Light("bar", 0, 90, distance=2.0, length=3.0)  # at azimuth 0 it runs along y
    seen = matt(np.zeros(size), alone(bar))
    np.testing.assert_allclose(seen[:, 50], 1.0, atol=1e-5)
    assert seen[50, 100] / seen[50, 50] == pytest.approx((2 / far) ** 2, rel=1e-4)


def test_a_highlight_of_a_bar_is_long_along_the_bar():
    y, x = np.mgrid[:129, :129] - 64.0
    height = np.sqrt(200.0**2 - x**2 - y**2)
    one = Light("bar", 0, 90, distance=2.0, length=1.5)
    seen = light.radiance(surface(height, (1.0,), 0.3, 1.0), alone(one))[:, :, 0]
    across, along = seen[64] > seen.max() / 2, seen[:, 64] > seen.max() / 2
    assert along.sum() > 1.5 * across.sum()


def test_grey_is_as_colour_and_strips_leave_no_seams():
    height = np.random.default_rng(2).normal(0, 0.3, (12, 1200)).astype(np.float32)
    rig = Rig((LIGHTS["directional"], LIGHTS["ring"]))
    grey = light.radiance(surface(height, (0.3,)), rig)
    colour = light.radiance(surface(height, (0.3, 0.3, 0.3)), rig)
    np.testing.assert_array_equal(np.repeat(grey, 3, 2), colour)
    part = light.radiance(surface(np.ascontiguousarray(height[:, 400:1150]), (0.3,)), rig)
    # The room's light depends on a blur that sees beyond the cut.
    np.testing.assert_allclose(part[:, 60:-60], grey[:, 460:1090], rtol=1e-3)


def test_shadow_dims_the_lights_and_not_the_room():
    layers = surface(np.zeros((16, 16)), (0.5,), 1.0)
    layers.shadow[:, 8:] = 0
    seen = light.radiance(layers, Rig((LIGHTS["directional"],), ambient=0.2))[:, :, 0]
    assert seen[0, 12] == pytest.approx(0.2 * (0.5 + 0.04), rel=1e-4)
    assert seen[0, 2] > 2 * seen[0, 12]


def test_deep_places_get_less_of_the_room():
    height = np.zeros((64, 64), np.float32)
    height[28:36, 28:36] = -6
    seen = light.radiance(surface(height, (0.5,), 1.0), Rig((Light("coaxial", 0, 90, intensity=0.0),), ambient=1.0))
    assert seen[32, 32, 0] < 0.85 * seen[2, 2, 0]


def test_gradients_and_fall_off_are_the_shares_that_are_asked_for():
    one, height = Light("directional", 0, 90), np.zeros((200, 200), np.float32)
    seen = matt(height, alone(one, gradient=(0.2, -0.1)))
    np.testing.assert_allclose(seen[100, [0, 199]] / seen[100, 100], [0.8, 1.2], atol=3e-3)
    np.testing.assert_allclose(seen[[0, 199], 100] / seen[100, 100], [1.1, 0.9], atol=3e-3)
    corner = matt(height, alone(one, spot=0.3))[0, 0]
    assert corner == pytest.approx(0.7, abs=5e-3)


@pytest.mark.parametrize("level", [0.05, 0.4, 0.9])
@pytest.mark.parametrize("kind", light.KINDS)
def test_exposure_meets_the_level(level, kind):
    height = np.random.default_rng(3).normal(0, 0.05, (120, 120)).astype(np.float32)
    seen = light.shade(surface(height, (0.5, 0.4, 0.3)), Rig((LIGHTS[kind],), level=level, quantile=0.7))
    assert np.quantile(seen.mean(2), 0.7) == pytest.approx(level, rel=0.03)


def test_exposure_spares_small_bright_parts_and_leaves_darkness_dark():
    seen = np.full((100, 100, 1), 0.1, np.float32)
    seen[:, 85:] = 1.0
    assert light.gain_for(seen, 0.4, 0.7) == pytest.approx(1.0)
    assert light.gain_for(0 * seen, 0.4, 0.7) * 1e-3 < 0.1


# --- stations ---


def test_stations_are_functions_of_the_generator_and_json_able():
    kinds = set()
    for k in range(200):
        one, two = (light.draw(VALUES["light"], np.random.default_rng(k), 1.0) for _ in range(2))
        assert one == two
        record = json.loads(json.dumps(one.to_dict(), allow_nan=False))
        assert [entry["kind"] for entry in record["lights"]] == one.kinds
        kinds.add(one.main.kind)
        again = [light.jitter(one, np.random.default_rng(1), 1.0) for _ in range(2)]
        assert again[0] == again[1] != one
        assert again[0].kinds == one.kinds
        assert light.jitter(one, np.random.default_rng(1), 0.0) == one
    assert kinds == set(light.KINDS)


# --- shadows and edges ---


def disc(x, y, radius):
    turns = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    return Outline(np.stack([x + radius * np.cos(turns), y + radius * np.sin(turns)], 1))


@pytest.mark.parametrize("kind", SIDED)
@pytest.mark.parametrize("azimuth", range(0, 360, 60))
def test_a_shadow_falls_away_from_the_light(kind, azimuth):
    layers, cover = surface(np.zeros((100, 100))), fill(disc(50, 50, 15), (100, 100))
    one = dataclasses.replace(LIGHTS[kind], azimuth=azimuth, elevation=45)
    shadow.cast(layers, cover, 10.0, alone(one))
    dark = 1 - layers.shadow
    y, x = np.mgrid[:100, :100] + 0.5
    moved = np.array([(x * dark).sum(), (y * dark).sum()]) / dark.sum() - 50
    # At 45 degrees a shadow is as long as the part is high.
    np.testing.assert_allclose(moved, -10 * one.vector[:2] / one.vector[2], atol=0.15)
    assert dark.sum() == pytest.approx(np.pi * 15**2, rel=0.01)


@pytest.mark.parametrize("sigma", [2.0, 12.0])
def test_soft_shadows_keep_their_place(sigma):
    layers, cover = surface(np.zeros((200, 200))), fill(disc(80, 110, 30), (200, 200))
    shadow.cast(layers, cover, (sigma - 0.5) / 0.2, alone(Light("directional", 0, 89.99, width=0.2)))
    dark = 1 - layers.shadow
    y, x = np.mgrid[:200, :200] + 0.5
    place = np.array([(x * dark).sum(), (y * dark).sum()]) / dark.sum()
    np.testing.assert_allclose(place, [80, 110], atol=0.3)
    assert dark.sum() == pytest.approx(np.pi * 900, rel=0.03)


def test_further_lights_brighten_a_shadow():
    cover = fill(disc(50, 50, 15), (100, 100))
    rest = []
    for rig in (Rig((LIGHTS["directional"],)), Rig((LIGHTS["directional"],) * 2)):
        layers = surface(np.zeros((100, 100)))
        shadow.cast(layers, cover, 4.0, rig)
        rest.append(layers.shadow.min())
    assert rest == pytest.approx([0.0, 0.5], abs=0.01)


def test_a_rim_is_dark_at_the_outline_and_nowhere_far_from_it():
    layers = surface(np.zeros((100, 100)))
    shadow.rim(layers, fill(disc(50, 50, 20), (100, 100)), 8.0, 0.6)
    assert layers.shadow[50, 69:71].mean() == pytest.approx(0.4, abs=0.06)
    assert layers.shadow[50, 71] < layers.shadow[50, 75] < layers.shadow[50, 79]
    assert layers.shadow.min() >= 0.4 - 1e-6
    assert layers.shadow[50, 95] == 1


@pytest.mark.parametrize(("shape", "lift"), [((0, 0), 5.0), ((9, 9), 0.0)])
def test_nothing_casts_no_shadow(shape, lift):
    layers = surface(np.zeros((20, 20)))
    shadow.cast(layers, Cover(3, 3, np.ones(shape, np.float32)), lift, Rig((LIGHTS["bar"],)))
    assert (layers.shadow == 1).all()


@pytest.mark.parametrize("width", [3.0, 8.0, 40.0])
def test_a_bevel_is_a_quarter_circle(width):
    cover = fill(disc(100.3, 99.6, 80), (200, 200))
    seen = shadow.bevel(cover, width)
    y, x = np.mgrid[: seen.shape[0], : seen.shape[1]] + 0.5
    depth = 80 - np.hypot(x + cover.x - 100.3, y + cover.y - 99.6)
    want = np.sqrt(1 - (1 - np.clip(depth / width, 0, 1)) ** 2)
    # At the outline the profile is too steep for pixels; there it is smoothed.
    inside = depth > max(2, 0.15 * width)
    np.testing.assert_allclose(seen[inside], want[inside], atol=0.06)
    assert seen[depth < -2].max(initial=0) < 0.02


def test_a_bevel_is_missing_where_the_frame_cuts():
    cover = fill(disc(0, 50, 30), (100, 100))
    assert cover.truncated
    middle = shadow.bevel(cover, 10.0)[30]
    assert middle[:15].min() > 0.99
    assert middle[-1] < 0.6
