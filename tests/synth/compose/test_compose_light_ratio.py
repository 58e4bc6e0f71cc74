"""The light of a relit picture: the field that it was multiplied by comes back, and nothing else."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizu.core.masks import Masks
from kizu.synth.compose.linear import from_linear, to_linear
from kizu.synth.compose.relight.area import kept, reach, share
from kizu.synth.compose.relight.ratio import brighten, light_ratio, mix_lightness

SIZE = (160, 200)
ROWS, COLUMNS = np.mgrid[: SIZE[0], : SIZE[1]]
X, Y = COLUMNS / SIZE[1], ROWS / SIZE[0]
FIELDS = {
    "ramp": 0.8 + 0.4 * X,
    "lamp": 0.7 + 0.6 * np.exp(-((X - 0.4) ** 2 + (Y - 0.6) ** 2) / 0.15),
    "even": np.full(SIZE, 1.3),
    "dim": 0.9 - 0.3 * Y,
}


def textured(seed=0, level=90.0):
    """Coloured patches with fine grain, uint8, far from black and from white."""
    random = np.random.default_rng(seed)
    patches = cv2.resize(random.uniform(-35, 35, (8, 10, 3)), SIZE[::-1], interpolation=cv2.INTER_NEAREST)
    grain = random.normal(0, 8, (*SIZE, 1))
    return np.clip(level + patches + grain, 30, 170).astype(np.uint8)


def lit(image, field):
    return from_linear(to_linear(image) * field[..., None].astype(np.float32))


def slopes(image):
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(float)
    return np.concatenate([np.diff(grey, axis=0).ravel(), np.diff(grey, axis=1).ravel()])


@pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)
@pytest.mark.parametrize("sigma", [0.02, 0.04])
def test_a_field_of_light_comes_back(field, sigma):
    image = textured()
    found = light_ratio(image, lit(image, field), sigma=sigma)
    assert found.dtype == np.float32
    assert np.abs(found / field - 1).max() < 2 * sigma  # at the border, where half of what is around is not seen
    assert np.abs(found / field - 1).mean() < 0.015


@pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)
def test_texture_and_hue_stay(field):
    image = textured()
    after = brighten(image, light_ratio(image, lit(image, field)), np.ones(SIZE, np.float32))
    assert np.corrcoef(slopes(image), slopes(after))[0, 1] >= 0.99
    before, now = to_linear(image), to_linear(after)
    hue, new = (light / light.sum(2, keepdims=True) for light in (before, now))
    # Half a grey level of rounding in each channel is all that chromaticity may move by.
    half = to_linear(after + np.uint8(1)).max(2) - to_linear(after).max(2)
    assert (np.abs(hue - new).max(2) <= 2 * half / now.sum(2)).all()


def test_what_the_generator_changed_besides_the_light_does_not_come_along():
    image, field = textured(), FIELDS["lamp"]
    drifted = lit(image[:, ::-1], field)  # another texture and other colours, of the same light on the whole
    grain = np.random.default_rng(5).normal(0, 20, (*SIZE, 3))
    drifted = np.clip(drifted + grain, 0, 255).astype(np.uint8)
    ones = np.ones(SIZE, np.float32)
    ratio = brighten(image, light_ratio(image, drifted), ones)
    raw = mix_lightness(image, drifted, ones)
    assert np.corrcoef(slopes(image), slopes(ratio))[0, 1] > 0.98
    assert np.corrcoef(slopes(image), slopes(raw))[0, 1] < 0.5


def test_no_change_is_no_change():
    image = textured()
    np.testing.assert_allclose(light_ratio(image, image), 1, atol=1e-5)
    ones = np.ones(SIZE, np.float32)
    assert np.array_equal(brighten(image, ones, ones), image)
    assert np.abs(mix_lightness(image, image, ones).astype(int) - image).max() <= 1


@pytest.mark.parametrize("level, new, limit", [(60, 250, 2.0), (200, 20, 0.5)])
def test_the_ratio_is_limited(level, new, limit):
    image, relit = (np.full((*SIZE, 3), value, np.uint8) for value in (level, new))
    np.testing.assert_allclose(light_ratio(image, relit), limit, atol=1e-4)


def test_only_pixels_inside_count():
    """What the generator invents beside an object says nothing of the light on it."""
    image = textured()
    inside = np.zeros(SIZE, bool)
    inside[40:120, 60:140] = True
    relit = lit(image, np.where(inside, 1.4, 0.3))
    found = light_ratio(image, relit, inside)
    np.testing.assert_allclose(found[inside], 1.4, rtol=0.03)
    assert light_ratio(image, relit)[inside].min() < 1.2  # as it would be without


def test_small_objects_have_their_own_light():
    image = textured()
    inside = np.zeros(SIZE, bool)
    inside[80:83, 100:104] = True
    np.testing.assert_allclose(light_ratio(image, lit(image, np.where(inside, 1.5, 1)), inside)[inside], 1.5, rtol=0.03)


def test_white_that_is_cut_hardly_counts():
    image = textured()
    image[50:60] = 250
    field = np.full(SIZE, 1.4)
    np.testing.assert_allclose(light_ratio(image, lit(image, field)), 1.4, rtol=0.06)


def test_black_stays():
    black = np.zeros((*SIZE, 3), np.uint8)
    np.testing.assert_allclose(light_ratio(black, black), 1, atol=1e-6)
    ratio = light_ratio(textured(), lit(textured(), FIELDS["even"]))
    assert not brighten(black, ratio, np.ones(SIZE, np.float32)).any()


def test_hue_stays_at_white():
    image = np.full((*SIZE, 3), (250, 120, 60), np.uint8)
    after = to_linear(brighten(image, np.full(SIZE, 2, np.float32), np.ones(SIZE, np.float32)))[0, 0]
    before = to_linear(image)[0, 0]
    np.testing.assert_allclose(after / after[0], before / before[0], rtol=0.02)
    assert after[0] == 1


@pytest.mark.parametrize("rule", [brighten, mix_lightness])
def test_nothing_changes_where_the_share_is_zero(rule):
    image = textured()
    part = np.zeros(SIZE, np.float32)
    part[:, 100:] = 0.7
    new = np.full(SIZE, 1.7, np.float32) if rule is brighten else textured(1, 140)
    after = rule(image, new, part)
    assert np.array_equal(after[:, :100], image[:, :100])
    assert (after[:, 100:] != image[:, 100:]).any(2).mean() > 0.9


def test_lightness_is_mixed_as_in_the_paper():
    """Weight ``kept`` on the original, 1 - kept on the relit; a and b of the original (SOS)."""
    image, relit = textured(0), textured(1, 110)
    after = mix_lightness(image, relit, np.full(SIZE, 1 - 0.896, np.float32))
    old, new, now = (cv2.cvtColor(i.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) for i in (image, relit, after))
    inner = (after.min(2) > 0) & (after.max(2) < 255)  # colours that exist
    np.testing.assert_allclose(now[inner, 0], (0.896 * old[..., 0] + 0.104 * new[..., 0])[inner], atol=0.4)
    assert np.abs(now[inner, 1:] - old[inner, 1:]).mean() < 0.5


# --- the area rule ---


@pytest.mark.parametrize(
    "areas, expected",
    [
        ([10, 20, 30, 40, 50], [0.896, 0.854, 0.600, 0.346, 0.304]),
        ([50, 10, 40, 20, 30], [0.304, 0.896, 0.346, 0.854, 0.600]),
        ([5, 5000], [0.896, 0.304]),
        ([7], [0.6]),
        ([7, 7, 7], [0.6, 0.6, 0.6]),
        ([], []),
    ],
)
def test_small_objects_keep_more_of_the_original(areas, expected):
    np.testing.assert_allclose(kept(np.array(areas)), expected, atol=6e-4)


@given(st.lists(st.integers(1, 30), min_size=2, max_size=20))
def test_the_weight_never_rises_with_the_area(areas):
    areas = np.array(areas)
    weights = kept(areas)
    assert (np.diff(weights[np.argsort(areas, kind="stable")]) <= 1e-12).all()
    assert ((weights > 0.3) & (weights < 0.9)).all()
    order = np.random.default_rng(0).permutation(len(areas))
    np.testing.assert_allclose(kept(areas[order]), weights[order])


def boxes(*corners):
    dense = np.zeros((len(corners), *SIZE), bool)
    for mask, (x0, y0, x1, y1) in zip(dense, corners, strict=True):
        mask[y0:y1, x0:x1] = True
    return Masks.from_dense(dense, SIZE)


@pytest.mark.parametrize("outside", [0.0, 1.0])
@pytest.mark.parametrize("margin", [0, 1, 4, 9])
def test_the_share_follows_the_masks(outside, margin):
    masks = boxes((20, 20, 30, 30), (60, 40, 140, 120), (0, 0, 0, 0), (150, 20, 170, 40))
    part = share(masks, margin, outside)
    expected = [1 - 0.896, 1 - 0.304, 1 - 0.6]  # the empty mask has no rank
    for i, weight in zip((0, 1, 3), expected, strict=True):
        np.testing.assert_allclose(part[masks.dense(i)], weight, atol=6e-4)
    inside = masks.union()
    far = np.sqrt(
        np.min([(Y_ - ROWS) ** 2 + (X_ - COLUMNS) ** 2 for Y_, X_ in np.argwhere(inside & edge(inside))], axis=0)
    )
    np.testing.assert_array_equal(reach(inside, margin), inside | (far < margin))
    assert (part[~reach(inside, margin)] == outside).all()
    between = ~inside & reach(inside, margin)
    assert (np.abs(part[between] - outside) < 1).all()
    if margin == 4:  # along a row out of the large box, whose weight is 0.696
        np.testing.assert_allclose(
            part[80, 140:145], outside + (0.696 - outside) * np.array([0.75, 0.5, 0.25, 0, 0]), atol=0.01
        )


def edge(inside):
    return inside & ~cv2.erode(inside.view(np.uint8), np.ones((3, 3), np.uint8)).view(bool)


def test_no_masks_no_share():
    assert (share(Masks.empty(SIZE), 4, 0.0) == 0).all()
    assert (share(boxes((0, 0, 0, 0)), 4, 1.0) == 1).all()
