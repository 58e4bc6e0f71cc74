"""The surface bank: every material, in every size, is what it says it is."""

import copy
import json

import numpy as np
import pytest
from skimage.feature import structure_tensor

from kizu.core.errors import KizuError
from kizu.core.seeds import Stream, generator
from kizu.synth.formula.surfaces import bank

LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
each = pytest.mark.parametrize("name", bank.MATERIALS)


def chance(index):
    return generator(11, Stream.SURFACE, index)


def piece(name, size=(96, 128), channels=1, product=0, number=0, scale=1.0, **changes):
    params = bank.draw(name, chance(product), scale) | changes
    return bank.make(name, params, size, channels, chance(1000 + number))


def arrays(surface):
    layers = surface.layers
    return layers.height, layers.albedo, layers.roughness, layers.metal, layers.shadow


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(arrays(a), arrays(b), strict=True))


@each
def test_names(name):
    material = bank.MATERIALS[name]
    assert material.name == name
    assert material.title
    assert piece(name, (16, 16)).material == name


@each
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (3, 1), (8, 8), (9, 61), (150, 70)])
def test_layers(name, channels, size):
    for product in range(3):
        surface = piece(name, size, channels, product)
        height, albedo, roughness, metal, shadow = arrays(surface)
        assert albedo.shape == (*size, channels)
        for array in arrays(surface):
            assert array.shape[:2] == size
            assert array.dtype == np.float32
            assert array.flags.c_contiguous
            assert np.isfinite(array).all()
        assert 0 < albedo.min() <= albedo.max() < 1
        assert 0 < roughness.min() <= roughness.max() <= 1
        assert 0 <= metal.min() <= metal.max() <= 1
        assert (shadow == 1).all()
        assert np.ptp(height) < 0.6 * max(size) + 4
        assert surface.albedo.shape == (3,)
        assert surface.albedo.dtype == np.float32
        assert all(np.isfinite(v) and v >= 0 for v in (surface.grain, surface.relief, surface.roughness, surface.metal))


@each
def test_parameters_are_all_that_a_piece_depends_on(name):
    params = bank.draw(name, chance(1), 1.3)
    before = copy.deepcopy(params)
    first = bank.make(name, params, (40, 50), 3, chance(5))
    assert params == before
    again = bank.make(name, json.loads(json.dumps(params)), (40, 50), 3, chance(5))
    assert same(first, again)
    assert bank.draw(name, chance(1), 1.3) == params
    other = bank.make(name, params, (40, 50), 3, chance(6))
    assert not np.array_equal(first.layers.height, other.layers.height)
    assert not np.array_equal(first.layers.albedo, other.layers.albedo)
    assert bank.draw(name, chance(2), 1.3) != params


@each
def test_pieces_of_a_product_look_alike(name):
    pieces = [piece(name, (160, 160), 3, number=k) for k in range(3)]
    first = pieces[0]
    for other in pieces[1:]:
        assert np.allclose(first.albedo, other.albedo, rtol=0.35, atol=0.01)
        assert first.roughness == pytest.approx(other.roughness, abs=0.08)
        assert first.metal == pytest.approx(other.metal, abs=0.1)
        assert first.relief == pytest.approx(other.relief, rel=0.5)
        assert first.grain == pytest.approx(other.grain, rel=0.5, abs=0.01)


@each
def test_grey_is_the_luminance_of_colour(name):
    grey, colour = (piece(name, (64, 48), channels, 2) for channels in (1, 3))
    assert np.array_equal(grey.layers.height, colour.layers.height)
    assert np.array_equal(grey.layers.roughness, colour.layers.roughness)
    wanted = colour.layers.albedo @ LUMINANCE
    # Where a channel is cut at white or black, luminance is not linear.
    free = (colour.layers.albedo.min(2) > 0.005) & (colour.layers.albedo.max(2) < 0.95)
    assert np.allclose(grey.layers.albedo[..., 0][free], wanted[free], atol=1e-3)
    assert np.allclose(grey.albedo, colour.albedo, atol=2e-3)
    assert grey.grain == pytest.approx(colour.grain, rel=0.05, abs=0.002)


@each
@pytest.mark.parametrize("channels", [1, 3])
def test_figures_are_those_of_the_layers(name, channels):
    # 128 pixels: the squares in which they are measured cover the whole piece.
    surface = piece(name, (128, 128), channels, 3)
    height, albedo, roughness, metal, _ = arrays(surface)
    if channels == 3:
        assert np.allclose(surface.albedo, albedo.mean((0, 1)), rtol=1e-3)
    grey = albedo @ LUMINANCE if channels == 3 else albedo[..., 0]
    assert surface.albedo @ LUMINANCE == pytest.approx(grey.mean(), rel=0.01)
    squares = grey.reshape(8, 16, 8, 16).astype(np.float64)
    assert surface.grain == pytest.approx(np.sqrt(squares.var((1, 3)).mean()) / grey.mean(), rel=1e-3)
    slopes = np.concatenate([np.diff(height, axis=0).ravel(), np.diff(height, axis=1).ravel()]).astype(np.float64)
    assert surface.relief == pytest.approx(np.sqrt((slopes**2).mean()), rel=0.02)
    assert surface.roughness == pytest.approx(roughness.mean(), abs=0.02)
    assert surface.metal == pytest.approx(metal.mean(), abs=0.03)


def in_range(name, value, low, high):
    for product in range(4):
        assert low <= value(piece(name, (96, 96), 3, product)) <= high


@each
def test_slopes_are_those_of_real_surfaces(name):
    in_range(name, lambda s: s.relief, 0.0008, 0.35)


@pytest.mark.parametrize(
    ("names", "low", "high"),
    [
        (("brushed", "ground", "milled", "turned", "blasted", "cold_rolled", "galvanised"), 0.2, 0.85),
        (("hot_rolled", "cast"), 0.12, 0.75),
        (("magnetic_tile",), 0.06, 0.35),
        (("black_mat",), 0.003, 0.04),
        (("white_table", "paper"), 0.5, 0.96),
        (("porcelain", "wood", "cardboard", "concrete"), 0.02, 0.93),
    ],
)
def test_reflectance(names, low, high):
    for name in names:
        in_range(name, lambda s: float(s.albedo @ LUMINANCE), low, high)


@pytest.mark.parametrize(
    ("names", "low", "high"),
    [
        (("brushed", "ground", "milled", "turned", "cold_rolled", "copper"), 0.8, 1.0),
        (("cast", "hot_rolled"), 0.25, 0.8),
        (("woven", "knit", "leather", "glossy_plastic", "rubber", "wood", "granite", "laminate", "tray"), 0.0, 0.0),
    ],
)
def test_metal(names, low, high):
    for name in names:
        in_range(name, lambda s: s.metal, low, high)


# --- directions and periods, measured on the layers ---


def direction(field):
    """Along the lines of a texture, radians in 0..pi: the eigenvector of the smaller eigenvalue of the mean tensor."""
    rr, rc, cc = (a[4:-4, 4:-4].mean() for a in structure_tensor(field.astype(np.float64), sigma=1.0, order="rc"))
    return (0.5 * np.arctan2(2 * rc, cc - rr) + np.pi / 2) % np.pi


@pytest.mark.parametrize("heading", [0.0, 0.5, 1.2, np.pi / 2, 2.4])
@pytest.mark.parametrize(
    "name", ["brushed", "ground", "milled", "hot_rolled", "cold_rolled", "copper", "magnetic_tile", "wood", "anodised"]
)
def test_heading_is_the_direction_of_the_lines(name, heading):
    changes = (
        {"radius": 0.0, "back": 0.0}
        if name == "milled"
        else {"lines": 0.1, "tone": 0.005}
        if name == "anodised"
        else {}
    )
    for product in range(2):
        surface = piece(name, (192, 160), 1, product, heading=heading, **changes)
        assert surface.heading == pytest.approx(heading, abs=0.05)
        turn = direction(surface.layers.albedo[..., 0]) - surface.heading
        assert abs((turn + np.pi / 2) % np.pi - np.pi / 2) < 0.09


def test_arcs_run_along_the_heading_in_the_middle():
    surface = piece("milled", (200, 200), 1, 4, heading=0.7, radius=300.0, back=0.0)
    middle = direction(surface.layers.height[70:130, 70:130])
    assert middle == pytest.approx(surface.heading, abs=0.12)
    # At both sides they bend, each to another side.
    left, right = (piece("milled", (200, 200), 1, 4, heading=0.0, radius=300.0, back=0.0).layers.height[:, part]
                   for part in (slice(0, 50), slice(150, 200)))  # fmt: skip
    turns = [(direction(part) + np.pi / 2) % np.pi - np.pi / 2 for part in (left, right)]
    assert turns[0] * turns[1] < 0
    assert min(map(abs, turns)) > 0.1


def likeness(field, period):
    """Mean correlation of rows as a function of their distance, and where it is best near a period."""
    rows = field.astype(np.float64) - field.mean(0, keepdims=True)
    rows -= np.apply_along_axis(lambda c: np.convolve(np.pad(c, 64, "reflect"), np.ones(129) / 129, "valid"), 0, rows)
    top = int(1.6 * period) + 2
    alike = np.array([(rows[: len(rows) - k] * rows[k:]).mean() for k in range(top)]) / (rows**2).mean()
    low, high = int(0.7 * period), int(np.ceil(1.3 * period))
    return alike, low + int(alike[low : high + 1].argmax())


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("milled", {"radius": 0.0, "back": 0.0}),
        ("woven", {"weave": "plain"}),
        ("woven", {"weave": "basket"}),
        ("woven", {"weave": "denim"}),
        ("woven", {"weave": "satin"}),
        ("knit", {}),
        ("laminate", {}),
        ("printed", {"kind": "halftone"}),
        ("printed", {"kind": "dots"}),
        ("belt", {"kind": "ribs"}),
        ("belt", {"kind": "diamond"}),
        ("cardboard", {"flute": 20.0, "flutes": 0.05}),
    ],
)
def test_period_is_the_distance_of_repeats(name, changes):
    for product in range(2):
        # Lines along x: what repeats across them repeats down the rows.
        surface = piece(name, (256, 256), 1, product, heading=0.0, **changes)
        field = surface.layers.albedo[..., 0] if name in ("printed", "laminate") else surface.layers.height
        alike, best = likeness(field, surface.period)
        assert abs(best - surface.period) <= max(1.0, 0.05 * surface.period)
        # In a plain weave the next thread's crown is as high, but it is another thread's: it is half a period away.
        assert alike[best] > alike[round(surface.pitch / 2)] + 0.05


def test_rings_repeat_along_the_radius():
    surface = piece("turned", (256, 200), 1, 1, centre=[0.5, -0.5])
    assert surface.heading is None
    alike, best = likeness(surface.layers.height[:, 95:105], surface.period)
    assert abs(best - surface.period) <= 1
    assert alike[best] > alike[round(surface.period / 2)] + 0.2


@each
def test_what_has_no_lines_says_so(name):
    params = bank.draw(name, chance(0), 1.0)
    surface = bank.make(name, params, (32, 32), 1, chance(1))
    assert (surface.heading is not None) == ("heading" in params)
    if surface.period is not None:
        assert 1.5 < surface.pitch <= surface.period + 1e-9
    if "heading" in params:
        turned = bank.make(name, params | {"heading": params["heading"] + 0.7}, (32, 32), 1, chance(1))
        assert turned.heading == pytest.approx(surface.heading + 0.7)


@each
def test_texture_grows_with_the_frame(name):
    small, large = piece(name, (128, 128), 1, 5), piece(name, (256, 256), 1, 5, scale=2.0)
    # The same slopes and contrasts, on features twice as large.
    assert large.relief == pytest.approx(small.relief, rel=0.4)
    if small.period is not None:
        assert large.period == pytest.approx(2 * small.period)

    def span(surface):
        """Pixels over which the height keeps its value, about: deviation over slope."""
        height = surface.layers.height.astype(np.float64)
        side = 16 * height.shape[0] // 128
        count = height.shape[0] // side
        return np.sqrt(height.reshape(count, side, count, side).var((1, 3)).mean()) / surface.relief

    assert 1.3 < span(large) / span(small) < 3


# --- errors ---


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bank.draw("brused", chance(0)), "unknown material 'brused'; did you mean brushed"),
        (lambda: bank.draw("zzzz", chance(0)), "known are brushed"),
        (lambda: bank.draw("wood", chance(0), 0.0), "above 0"),
        (lambda: bank.make("marble", {}, (8, 8), 1, chance(0)), "unknown material 'marble'"),
        (
            lambda: bank.make("wood", bank.draw("glass", chance(0)), (8, 8), 1, chance(0)),
            "parameter 'heading' is missing",
        ),
        (lambda: bank.make("wood", bank.draw("wood", chance(0)), (8, 8), 2, chance(0)), "1 or 3 channels"),
        (lambda: bank.make("wood", bank.draw("wood", chance(0)), (0, 8), 1, chance(0)), "1 or more pixels a side"),
    ],
)
def test_errors_say_what_is_wrong(call, message):
    with pytest.raises(KizuError, match=message):
        call()
