"""The filter bank against analytic pictures: lines, stripes, noise, constants, turns, offsets; tiles without seams."""

import weakref

import numpy as np
import pytest

from kizu.fewshot import features
from kizu.fewshot.features import OCTAVES, channels, describe, entropy_edges, filter_bank
from kizu.inspection import tiling

NAMES = channels()


def bank(image):
    return np.moveaxis(filter_bank(image, entropy_edges(image)), 0, -1)


def channel(image, name):
    return bank(image)[..., NAMES.index(name)]


def grey(values):
    return np.repeat(np.round(np.clip(values, 0, 255)).astype(np.uint8)[:, :, None], 3, axis=2)


def line_picture(tone, degrees, size=96, width=1.2):
    """A line through the middle of a cell: a Gaussian profile of the signed distance, ``tone`` grey values high."""
    angle = np.deg2rad(degrees)
    y, x = np.mgrid[:size, :size] - (size / 2 - 1.5)
    distance = -x * np.sin(angle) + y * np.cos(angle)
    return grey(128 + tone * np.exp(-(distance**2) / (2 * width**2))), distance


def noise(height, width, seed=0, low=0, high=256):
    return np.random.default_rng(seed).integers(low, high, (height, width, 3), np.uint8)


SIZES = [(1, 1), (1, 40), (3, 5), (2, 64), (31, 47), (64, 48)]
CONTENTS = {
    "black": lambda h, w: np.zeros((h, w, 3), np.uint8),
    "saturated": lambda h, w: np.full((h, w, 3), 255, np.uint8),
    "constant": lambda h, w: np.full((h, w, 3), (17, 200, 93), np.uint8),
    "noise": noise,
}


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_shapes_and_finite_values(size, content):
    image = CONTENTS[content](*size)
    cells = (-(-size[0] // 2), -(-size[1] // 2))
    out = bank(image)
    assert out.dtype == np.float32
    assert out.shape == (*cells, len(NAMES))
    assert np.isfinite(out).all()
    ((tile, described),) = describe(image)
    assert tile.core(described).shape == (*cells, 2 * len(NAMES))
    assert np.isfinite(described).all()


def test_names():
    assert len(set(NAMES)) == len(NAMES)
    for octave in range(OCTAVES):
        assert f"dog@{2**octave}" in NAMES


@pytest.mark.parametrize("size", [(40, 56), (37, 91), (200, 300)], ids=str)
def test_nothing_answers_on_a_constant_picture(size):
    for value in range(0, 256, 15):
        out = bank(np.full((*size, 3), value, np.uint8))
        for name, values in zip(NAMES, np.moveaxis(out, -1, 0), strict=True):
            expected = value / 255 if name.startswith("grey") else 0
            # The square root of a rounding error is what a deviation of nothing comes to.
            assert np.abs(values - expected).max() < 2e-3, (name, value)


def test_entropy_of_noise_is_near_its_maximum():
    # Blocks of 8 pixels survive the smoothing before the bins; eight bins hold at most 3 bits.
    blocks = noise(32, 32)[:, :, :1].repeat(8, 0).repeat(8, 1).repeat(3, 2)
    for window in (7, 15):
        values = channel(blocks, f"entropy@{window}")
        assert values.max() <= 3.0001
        assert values.min() >= -1e-3
    assert channel(blocks, "entropy@15").mean() > 0.85 * 3
    flat = grey(np.tile(np.repeat([100, 160], 64), (128, 1)))
    assert channel(flat, "entropy@7")[:, :20].max() < 0.01


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("degrees", [0, 30, 45, 90, 135])
def test_ridges_answer_with_the_right_sign(degrees, scale):
    low, high = f"ridge_low@{scale}", f"ridge_high@{scale}"
    for tone, answers, silent, sign in ((60, low, high, -1), (-60, high, low, 1)):
        image, distance = line_picture(tone, degrees, width=scale)
        strong, weak = channel(image, answers) * sign, channel(image, silent)
        cells = np.abs(distance.reshape(48, 2, 48, 2).mean((1, 3)))
        inner = np.zeros(cells.shape, bool)
        inner[12:36, 12:36] = True
        on = inner & (cells < 0.75)
        assert strong[on].min() > 0.01
        assert strong[on].mean() > 5 * np.abs(weak[on]).mean()
        assert strong[inner & (cells > 10 * scale)].max() < 0.02 * strong[on].max()
        assert cells.flat[np.argmax(np.where(inner, strong, -1))] < 1.5


@pytest.mark.parametrize("name", ["9", "18", "34"])
@pytest.mark.parametrize("degrees", [0, 11, 22.5, 45, 60, 75, 90, 101, 135, 150, 172])
def test_line_filters_peak_on_the_line(degrees, name):
    for tone, answers, silent, sign in ((40, "line_bright", "line_dark", 1), (-40, "line_dark", "line_bright", -1)):
        image, distance = line_picture(tone, degrees)
        strong = channel(image, f"{answers}@{name}") * sign
        weak = channel(image, f"{silent}@{name}") * -sign
        cells = distance.reshape(48, 2, 48, 2).mean((1, 3))
        for row in (20, 24, 28) if 45 <= degrees <= 135 else ():
            assert abs(cells[row, np.argmax(strong[row])]) < 2
        for column in (20, 24, 28) if not 45 < degrees < 135 else ():
            assert abs(cells[np.argmax(strong[:, column]), column]) < 2
        on = np.zeros(cells.shape, bool)
        on[18:30, 18:30] = True
        on &= np.abs(cells) < 0.75
        assert strong[on].min() > 0.01
        assert strong[on].mean() > 3 * weak[on].mean()


@pytest.mark.parametrize("turned", [False, True])
def test_coherence(turned):
    stripes = grey(np.tile(128 + 80 * np.sin(np.arange(128) * 2 * np.pi / 12), (128, 1)))
    stripes = np.ascontiguousarray(np.rot90(stripes)) if turned else stripes
    inner = (slice(8, -8), slice(8, -8))
    for scale in (1, 2):
        assert channel(stripes, f"coherence@{scale}")[inner].min() > 0.98
        assert channel(noise(128, 128), f"coherence@{scale}").min() >= 0
        assert channel(noise(128, 128), f"coherence@{scale}").mean() < 0.6


def smooth(height, width, low=60, high=180):
    """A picture with structure at many scales, in the given range of grey values, in colour."""
    import cv2

    random = np.random.default_rng(3)
    total = np.zeros((height, width, 3), np.float32)
    for sigma in (1, 3, 9):
        layer = cv2.GaussianBlur(random.normal(size=(height, width, 3)).astype(np.float32), (0, 0), sigma)
        total += layer / layer.std()
    total = (total - total.min()) / (total.max() - total.min())
    return np.round(low + (high - low) * total).astype(np.uint8)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_picture_has_turned_maps(turns):
    image = smooth(96, 160)
    edges = entropy_edges(image)
    straight = filter_bank(image, edges)
    turned = np.rot90(filter_bank(np.ascontiguousarray(np.rot90(image, turns)), edges), -turns, axes=(1, 2))
    off = np.abs(straight - turned)
    for k, name in enumerate(NAMES):
        # A value on the border of two bins may fall to either side.
        assert (off[k] > 1e-3).mean() < (0.01 if "entropy" in name else 1e-9), name


def test_an_offset_of_brightness_leaves_contrast_unchanged():
    image = smooth(96, 160)
    dark, bright = bank(image), bank(image + 40)
    for k, name in enumerate(NAMES):
        off = np.abs(bright[..., k] - dark[..., k] - (40 / 255 if name.startswith("grey") else 0))
        assert (off > 1e-3).mean() < (0.02 if "entropy" in name else 1e-9), name


def test_the_second_half_is_the_deviation_in_units_of_the_pictures_own_spread():
    image = smooth(64, 96)
    ((_, described),) = describe(image)
    plain, own = np.split(described, 2, axis=-1)
    assert np.array_equal(plain, bank(image))
    plain, own = (values.reshape(-1, len(NAMES)).astype(np.float64) for values in (plain, own))
    median = np.median(plain, axis=0)
    spread = 1.4826 * np.median(np.abs(plain - median), axis=0) + 1e-4
    deviation = (plain - median) / spread
    small = np.abs(deviation) < 0.1
    assert np.abs(own - deviation)[small].max() < 0.01, "as it is where it is small"
    for k, name in enumerate(NAMES):
        order = np.argsort(deviation[:, k])
        assert (np.diff(own[order, k]) >= -1e-4).all(), f"{name}: larger deviations are bent, never turned"
    assert (np.abs(own) <= np.abs(deviation) + 1e-4).all()


def assembled(image):
    out = np.full((-(-image.shape[0] // 2), -(-image.shape[1] // 2), 2 * len(NAMES)), np.nan, np.float32)
    for tile, described in describe(image):
        out[tile.cells] = tile.core(described)
    return out


@pytest.mark.parametrize("size", [(704, 736), (700, 611)], ids=str)
def test_tiles_have_no_seams(size, monkeypatch):
    image = smooth(*size)
    whole = assembled(image)
    monkeypatch.setattr(tiling, "SIZE", 576)
    assert len(tiling.plan(size, 2)) >= 9
    cut = assembled(image)
    assert np.isfinite(cut).all()
    half = len(NAMES)
    scale = whole[..., :half].reshape(-1, half).std(0) + 1e-4
    off = np.abs(cut - whole)[..., :half] / scale
    # Only the far tails of the widest blurs reach beyond the margin.
    assert off.max() < 0.05, off.max()
    assert np.quantile(off, 0.99) < 0.01
    # The second half comes from statistics of sub-samples: near, not equal.
    assert np.quantile(np.abs(cut - whole)[..., half:], 0.99) < 0.2


def test_a_large_image_is_never_held_whole(monkeypatch):
    """Of hundreds of tiles no more than the stated number are in memory at once."""
    alive = most = 0

    def gone():
        nonlocal alive
        alive -= 1

    def small_bank(image, edges):
        nonlocal alive, most
        out = np.zeros((1, -(-image.shape[0] // 2), -(-image.shape[1] // 2)), np.float32)
        alive += 1
        most = max(most, alive)
        weakref.finalize(out, gone)
        return out

    monkeypatch.setattr(features, "filter_bank", small_bank)
    image = np.broadcast_to(np.uint8(90), (9000, 7000, 3))
    count = sum(1 for _ in describe(image))
    assert count > 90
    assert most <= features._HELD + 2
