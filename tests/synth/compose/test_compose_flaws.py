"""Every generator of defects: on grey and colour pictures, small and large, anywhere in the frame."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizu.core.errors import KizuError
from kizu.synth.compose.change import label
from kizu.synth.compose.flaws import shuffle
from kizu.synth.compose.flaws.drawable import TYPES
from kizu.synth.compose.flaws.make import FAMILIES, FLAWS, make
from kizu.synth.compose.ground import Ground
from kizu.synth.compose.linear import to_linear
from kizu.synth.formula.noise import fractal

NAMES = sorted(FLAWS)
each = pytest.mark.parametrize("name", NAMES)


def picture(height, width, grey, seed=0):
    """uint8 (H, W, 3): a shaded surface with lines, spots and noise."""
    random = np.random.default_rng(seed)
    x = np.arange(width)[None, :]
    tone = 110 + 30 * x / width + 8 * np.sin(x / 2.3) + 14 * fractal((height, width), 30.0, random)
    colour = np.ones(3) if grey else np.array([1.15, 1.0, 0.75])
    noise = random.normal(0, 2, (height, width, 1 if grey else 3))
    return (tone[..., None] * colour + noise).clip(0, 255).round().astype(np.uint8)


def ground(height=120, width=150, grey=True, seed=0, other=True):
    return Ground(
        to_linear(picture(height, width, grey, seed)), np.ones((height, width), bool), 2.0, (0.5, -0.3, 0.5),
        to_linear(picture(height + 9, width - 3, grey, seed + 100)) if other else None,
    )  # fmt: skip


def seen(name, clean, at, area, random, **more):
    change = make(name, clean, at, area, random, **more)
    if change is None:
        return None, None
    h, w = change.planned.shape
    before = clean.light[change.y : change.y + h, change.x : change.x + w]
    return change, label(before, change.light, change.planned, clean.noise)


def test_generators_are_found_by_the_names_of_their_functions():
    assert NAMES == ["cutpaste", "drawn", "patch", "perlin", "scar", "shuffle"]
    assert {family.__name__.rsplit(".", 1)[-1] for family in FAMILIES} == set(NAMES)
    assert all(name == function.__name__ for name, function in FLAWS.items())


@given(
    st.sampled_from(NAMES), st.integers(16, 90), st.integers(16, 90), st.booleans(), st.booleans(),
    st.floats(-0.05, 1.05), st.floats(-0.05, 1.05), st.floats(9, 900), st.integers(0, 10**6), st.integers(0, 3),
)  # fmt: skip
def test_a_change_keeps_to_its_place(name, height, width, grey, other, x, y, area, seed, parts):
    clean = ground(height, width, grey, seed % 7, other)
    if parts == 1:
        clean.part[:, : width // 2] = False
    elif parts == 2:
        rows, columns = np.mgrid[:height, :width]
        clean.part[:] = (rows - height / 2) ** 2 + (columns - width / 2) ** 2 < (min(height, width) / 3) ** 2
    elif parts == 3:
        clean.part[:] = seed % 2
    kept, where = clean.light.copy(), clean.part.copy()
    at = x * width, y * height
    change = make(name, clean, at, area, np.random.default_rng(seed))
    again = make(name, clean, at, area, np.random.default_rng(seed))
    assert (clean.light == kept).all()
    assert (clean.part == where).all()
    if change is None:
        assert again is None
        return
    assert (again.light == change.light).all()
    assert (again.planned == change.planned).all()
    assert (again.x, again.y, again.attributes) == (change.x, change.y, change.attributes)
    h, w = change.planned.shape
    assert change.light.shape == (h, w, 3)
    assert change.light.dtype == np.float32
    assert change.planned.dtype == bool
    assert change.x >= 0
    assert change.y >= 0
    assert change.x + w <= width
    assert change.y + h <= height
    assert change.attributes["make"] == name
    box = slice(change.y, change.y + h), slice(change.x, change.x + w)
    assert change.planned.any()
    assert not (change.planned & ~clean.part[box]).any(), "planned beside the part"
    assert (change.light[~clean.part[box]] == clean.light[box][~clean.part[box]]).all(), "changed beside the part"
    assert np.isfinite(change.light).all()
    assert change.light.min() >= 0
    assert change.light.max() <= 1
    if grey:
        assert (change.light[..., 0] == change.light[..., 2]).all(), "colour on a grey picture"


@each
@pytest.mark.parametrize("grey", [True, False])
@pytest.mark.parametrize(("size", "area"), [((120, 150), 150), ((120, 150), 1500), ((16, 16), 40), ((240, 30), 250)])
def test_what_is_made_can_be_seen(name, grey, size, area):
    made, shares = 0, []
    for seed in range(24):
        random = np.random.default_rng(seed)
        clean = ground(*size, grey, seed % 3)
        at = random.uniform(0.25, 0.75, 2) * (size[1], size[0])
        _, found = seen(name, clean, at, area, random)
        made += found is not None
        shares += [] if found is None else [found.share]
    # A joined patch has no tone of its own, and a picture of 16 pixels little structure.
    assert made >= (12 if name == "patch" and min(size) < 20 else 18)
    assert np.median(shares) > 0.6


@each
@pytest.mark.parametrize("area", [100, 600, 3000])
def test_it_is_about_as_large_as_asked_for(name, area):
    clean = ground(400, 400)
    areas = [
        np.count_nonzero(change.planned)
        for change in (make(name, clean, (200, 200), area, np.random.default_rng(seed)) for seed in range(24))
        if change is not None
    ]
    assert len(areas) >= 22
    assert area / 1.5 < np.median(areas) < 1.5 * area


@each
def test_it_lies_at_its_place(name):
    clean = ground(300, 300)
    middles = []
    for seed in range(16):
        change = make(name, clean, (90, 200), 400, np.random.default_rng(seed))
        if change is not None:
            rows, columns = np.nonzero(change.planned)
            middles.append((change.x + columns.mean(), change.y + rows.mean()))
    assert np.hypot(*(np.median(middles, 0) - (90, 200))) < 5


@each
@pytest.mark.parametrize("at", [(0, 0), (149.9, 119.9), (0, 60), (75, 119)])
def test_at_borders_and_corners(name, at):
    clean = ground()
    changes = [make(name, clean, at, 300, np.random.default_rng(seed)) for seed in range(12)]
    found = [change for change in changes if change is not None]
    assert len(found) >= 4
    assert any(change.x == 0 or change.y == 0 or change.x + change.planned.shape[1] == 150
               or change.y + change.planned.shape[0] == 120 for change in found)  # fmt: skip


@each
def test_far_outside_there_is_nothing(name):
    assert make(name, ground(), (-300, 50), 200, np.random.default_rng(0)) is None
    assert make(name, ground(), (75, 900), 200, np.random.default_rng(0)) is None


@each
def test_large_frames_cost_no_more_than_their_box(name):
    clean = Ground(np.tile(ground(200, 250).light, (10, 8, 1)), np.ones((2000, 2000), bool), 2.0, (0.4, 0.2, 0.5))
    change, found = seen(name, clean, (1990, 1000), 1200, np.random.default_rng(1))
    assert found is not None
    assert change.light.size < 0.3 * clean.light.size


@each
def test_grain_is_that_of_the_surroundings(name):
    """What was smoothed or painted over is as noisy as the rest, in pixels far from any edge."""
    random = np.random.default_rng(0)
    flat = np.repeat(random.normal(130, 4, (200, 200, 1)).clip(0, 255).round().astype(np.uint8), 3, 2)
    clean = Ground(to_linear(flat), np.ones((200, 200), bool), 4.0, (0.5, 0.0, 0.5))
    kinds = {"type": "stain"} if name == "drawn" else {}
    ratios = []
    for seed in range(20):
        change = make(name, clean, (100, 100), 2500, np.random.default_rng(seed), **kinds)
        values = 255 * np.maximum(change.light[..., 1], 1e-6) ** (1 / 2.4)
        fine = values[1:-1, 1:-1] - (values[:-2, 1:-1] + values[2:, 1:-1] + values[1:-1, :-2] + values[1:-1, 2:]) / 4
        own = 255 * clean.light[..., 1] ** (1 / 2.4)
        rest = own[1:-1, 1:-1] - (own[:-2, 1:-1] + own[2:, 1:-1] + own[1:-1, :-2] + own[1:-1, 2:]) / 4
        ratios.append(np.median(np.abs(fine[change.planned[1:-1, 1:-1]])) / np.median(np.abs(rest)))
    assert 0.65 < np.median(ratios) < 1.4


# --- one by one ---


@pytest.mark.parametrize("type", sorted(TYPES))
@pytest.mark.parametrize("grey", [True, False])
def test_types_of_the_lexicon(type, grey):
    clean = ground(256, 256, grey)
    results = [seen("drawn", clean, (128, 120), 300, np.random.default_rng(seed), type=type) for seed in range(8)]
    assert sum(found is not None for _, found in results) >= 6
    for change, _ in results:
        assert change.attributes["type"] == type


def test_shapes_follow_the_surface_and_not_what_else_lies_on_it():
    bare = ground(200, 200)
    lines = 1 + 0.6 * np.sin(np.mgrid[:200, :200].sum(0) / 2)[..., None].astype(np.float32)
    full = Ground(bare.light * lines, bare.part, bare.noise, bare.sun, bare.other)
    told = Ground(bare.light * lines, bare.part, bare.noise, bare.sun, bare.other, bare.light)
    others = 0
    for type in sorted(TYPES):
        for seed in range(6):
            masks = np.zeros((3, 200, 200), bool)
            for mask, on in zip(masks, (bare, told, full), strict=True):
                change = make("drawn", on, (100, 90), 400, np.random.default_rng(seed), type=type)
                height, width = change.planned.shape
                mask[change.y : change.y + height, change.x : change.x + width] = change.planned
            assert np.array_equal(masks[0], masks[1])
            others += not np.array_equal(masks[0], masks[2])
    assert others >= 6, "it does matter what they follow"


def test_dents_are_lit_by_the_picture():
    """A dent's bright side lies away from the light, a bump's towards it."""
    for type, sign in (("dent", -1), ("bump", 1)):
        sides = []
        for seed in range(12):
            clean = ground(200, 200, seed=seed)
            clean.sun = (0.8, 0.0, 0.2)
            change = make("drawn", clean, (100, 100), 900, np.random.default_rng(seed), type=type)
            h, w = change.planned.shape
            ratio = np.log(change.light[..., 1] / clean.light[change.y : change.y + h, change.x : change.x + w, 1])
            columns = np.nonzero(change.planned)[1]
            left = columns < columns.mean()
            values = ratio[change.planned]
            sides.append(np.sign(values[~left].mean() - values[left].mean()))
        assert np.mean(sides) * sign > 0.8


@pytest.mark.parametrize("type", ["burr", "missing_part", "thread_break"])
def test_what_needs_an_outline_or_a_weave_has_no_place_on_a_picture(type):
    assert make("drawn", ground(), (70, 60), 200, np.random.default_rng(0), type=type) is None


def test_shuffling_keeps_all_values():
    light = np.random.default_rng(0).uniform(size=(30, 41, 3)).astype(np.float32)
    out = shuffle.shuffled(light, 4, np.random.default_rng(1))
    assert out.shape == light.shape
    assert not (out == light).all()
    assert (np.sort(out.reshape(-1, 3), 0) == np.sort(light.reshape(-1, 3), 0)).all()
    assert (out[28:] == light[28:]).all(), "what is left over stays"


@pytest.mark.parametrize(
    ("name", "area", "type", "words"),
    [
        ("perlim", 100, None, "did you mean perlin"),
        ("", 100, None, "known are"),
        ("patch", 0, None, "take 1 or more"),
        ("patch", float("nan"), None, "take 1 or more"),
        ("patch", 100, "dent", "only 'drawn'"),
        ("drawn", 100, "dint", "no type 'dint'"),
        ("drawn", 100, "short_circuit", "not drawn on surfaces"),
    ],
)
def test_what_is_wrong_is_said(name, area, type, words):
    with pytest.raises(KizuError, match=words):
        make(name, ground(), (50, 50), area, np.random.default_rng(0), type)
