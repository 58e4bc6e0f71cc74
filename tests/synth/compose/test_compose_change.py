"""The label of a change: known shapes of known contrast over known noise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizu.synth.compose.change import label
from kizu.synth.compose.linear import to_linear

SIZE = 48
Y, X = np.mgrid[:SIZE, :SIZE]
SHAPES = {
    "disc": (X - 24) ** 2 + (Y - 22) ** 2 <= 10**2,
    "square": (abs(X - 24) <= 6) & (abs(Y - 24) <= 6),
    "corner": (X < 9) & (Y < 7),
    "3 x 3": (abs(X - 24) <= 1) & (abs(Y - 24) <= 1),
    "line across": (Y == 20) & (X > 5) & (X < 40),
    "line down": (X == 0) & (Y > 5) & (Y < 40),
    "diagonal line": (X == Y) & (X > 5) & (X < 40),
    "other diagonal": (X + Y == SIZE - 1) & (X > 5) & (X < 40),
    "short line": (Y == 20) & (X >= 20) & (X < 26),
}


def picture(levels):
    return np.repeat(np.asarray(levels)[..., None], 3, 2).clip(0, 255).round().astype(np.uint8)


def changed(shape, step, noise, seed=0, channel=slice(None)):
    random = np.random.default_rng(seed)
    before = picture(120 + random.normal(0, noise, shape.shape))
    after = before.copy()
    after[shape, channel] = (after[shape, channel].astype(int) + step).clip(0, 255)
    return to_linear(before), to_linear(after)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize(("step", "noise"), [(20, 2.0), (-20, 2.0), (40, 6.0), (5, 0.0), (-8, 1.0)])
def test_a_shape_of_one_contrast_is_found_as_it_is(name, step, noise):
    shape = SHAPES[name]
    found = label(*changed(shape, step, noise), shape, noise)
    # A step below 2.5 deviations is not seen; all of these are above.
    assert (found.mask & shape).sum() == shape.sum()
    # Closing rounds inner corners, and never by more than a pixel.
    assert (found.mask & ~shape).sum() <= 0.06 * shape.sum()
    assert found.share == 1
    # Closing may add pixels that did not change.
    assert found.contrast_to_noise == pytest.approx(abs(step) / max(noise, 12**-0.5), rel=0.07)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize(("step", "noise"), [(2, 2.0), (4, 2.0), (-9, 4.0), (1, 0.0), (-2, 0.0), (0, 3.0)])
def test_what_is_below_the_noise_is_not_there(name, step, noise):
    shape = SHAPES[name]
    assert label(*changed(shape, step, noise), shape, noise) is None


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_one_channel_is_enough(channel):
    found = label(*changed(SHAPES["disc"], 30, 2.0, channel=channel), SHAPES["disc"], 2.0)
    assert found.share == 1
    assert found.contrast_to_noise == pytest.approx(15, rel=0.05)


def test_single_pixels_and_crumbs_are_dropped():
    shape = SHAPES["disc"].copy()
    lonely = np.zeros_like(shape)
    lonely[::6, ::6] = True  # far from each other
    everywhere = np.ones_like(shape)
    before, after = changed(lonely, 14, 2.0)
    assert label(before, after, everywhere, 2.0) is None
    crumb = (abs(X - 8) <= 0) & (abs(Y - 8) <= 2)  # five pixels
    before, after = changed(shape | crumb, 20, 2.0)
    found = label(before, after, everywhere, 2.0)
    assert not found.mask[:14, :14].any()
    assert label(before, after, everywhere, 2.0, least=4).mask[8, 8]


def test_new_grain_alone_is_no_change():
    random = np.random.default_rng(5)
    noise = 3.0
    before, after = (to_linear(picture(120 + random.normal(0, noise, (200, 200)))) for _ in range(2))
    found = label(before, after, np.ones((200, 200), bool), noise)
    assert found is None or found.share < 0.05


def test_it_stays_within_two_pixels_of_what_was_planned():
    shape = SHAPES["square"]
    planned = (abs(X - 24) <= 2) & (abs(Y - 24) <= 2)
    found = label(*changed(shape, 30, 1.0), planned, 1.0)
    assert found.mask[24, 20]
    assert not found.mask[24, 19]
    assert not found.mask[20, 20]  # 2 and 2 pixels away: more than 2
    assert found.share == 1


def test_part_of_the_plan():
    planned = (abs(X - 24) <= 8) & (abs(Y - 24) <= 8)
    half = planned & (X < 24)
    found = label(*changed(half, 30, 1.0), planned, 1.0)
    assert found.share == pytest.approx(half.sum() / planned.sum())
    assert not (found.mask & ~half).any()


def test_small_gaps_are_closed():
    holes = SHAPES["disc"].copy()
    holes[22, 24] = holes[24:26, 20] = False
    found = label(*changed(holes, 30, 1.0), SHAPES["disc"], 1.0)
    assert found.mask[22, 24]
    assert found.mask[24:26, 20].all()


@given(st.integers(0, 1000), st.integers(3, 40), st.integers(3, 40), st.floats(0, 8), st.integers(-60, 60))
def test_the_mask_is_of_its_box_and_near_the_plan(seed, height, width, noise, step):
    random = np.random.default_rng(seed)
    planned = random.uniform(size=(height, width)) < 0.3
    found = label(*changed(planned, step, noise, seed), planned, noise)
    again = label(*changed(planned, step, noise, seed), planned, noise)
    if found is None:
        assert again is None
        return
    assert found.mask.shape == planned.shape
    assert found.mask.dtype == bool
    assert found.mask.any()
    assert 0 <= found.share <= 1
    assert found.contrast_to_noise >= 2
    assert (found.mask == again.mask).all()
    rows, columns = np.nonzero(found.mask)
    near = np.nonzero(planned)
    far = np.hypot(rows[:, None] - near[0], columns[:, None] - near[1]).min(1)
    assert far.max() <= 2
