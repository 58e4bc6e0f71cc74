"""Drawn defects: labels, profiles and errors, over all types."""

import numpy as np
import pytest

from kizu.core.errors import KizuError
from kizu.lexicon import Lexicon
from kizu.synth.formula.defects.draw import DISTRACTORS, DRAW, KEYS, draw
from kizu.synth.formula.defects.patch import blob, level
from kizu.synth.formula.defects.path import drawn, fibres, together
from kizu.synth.formula.defects.site import Site
from kizu.synth.formula.layers import Layers
from kizu.synth.formula.outline import Outline
from kizu.synth.formula.raster import Cover, fill
from kizu.synth.formula.surfaces.surface import Surface

SIZE = (512, 512)
ON_PARTS = ("chip", "burr", "missing_part")
LINES = ("scratch", "crack", "wrinkle", "thread_break", "burr", "foreign_particle")
each_type = pytest.mark.parametrize("type", sorted(DRAW))


def surface(heading=0.0, **fields):
    layers = Layers.flat((8, 8), [0.4, 0.4, 0.4], 0.4, 1.0)
    values = {"grain": 0.05, "relief": 0.05, "period": 6.0, **fields}
    return Surface("test", layers, np.full(3, 0.4, np.float32), 0.4, 1.0, heading=heading, **values)


def random(seed):
    return np.random.Generator(np.random.Philox(seed))


def disc(radius=180.0, centre=(256.0, 256.0)):
    turns = np.linspace(0, 2 * np.pi, 241)[:-1]
    return Outline(np.stack([centre[0] + radius * np.cos(turns), centre[1] + radius * np.sin(turns)], 1))


def site_for(type, target=None, place=(246, 246), scale=1.0):
    """A site in the middle (or at a corner) of the frame that allows the type."""
    if type in ON_PARTS:
        outline = disc(60.0 if type == "missing_part" else 180.0)
        return Site(SIZE, surface(), fill(outline, SIZE), outline, scale, target)
    near = Cover(*place, np.ones((20, 20), np.float32))  # points are drawn from here; covers may go beyond
    return Site(SIZE, surface(), near, None, scale, target)


def fields(mark):
    names = ("height", "gain", "mix", "cut", "grow")
    return {name: getattr(mark, name) for name in names if getattr(mark, name) is not None}


@each_type
def test_the_same_seed_draws_the_same(type):
    one, other = (draw(type, site_for(type), random(3), {}) for _ in range(2))
    assert len(one) == len(other) > 0
    for a, b in zip(one, other, strict=True):
        assert (a.cover.x, a.cover.y, a.attributes) == (b.cover.x, b.cover.y, b.attributes)
        np.testing.assert_array_equal(a.cover.alpha, b.cover.alpha)
        for name, values in fields(a).items():
            np.testing.assert_array_equal(values, fields(b)[name])
    different = draw(type, site_for(type), random(4), {})
    assert type == "missing_part" or different[0].cover.alpha.shape != one[0].cover.alpha.shape


@each_type
@pytest.mark.parametrize("place", [(246, 246), (0, 0), (492, 0), (492, 492)])
@pytest.mark.parametrize("target", [None, 4, 60])
def test_marks_are_whole(type, place, target):
    for seed in range(4):
        for mark in draw(type, site_for(type, target, place), random(seed), {}):
            cover = mark.cover
            assert mark.type == type
            assert cover.alpha.dtype == np.float32
            assert cover.alpha.min() >= 0 and cover.alpha.max() <= 1 and cover.mask.any()
            rows, columns = cover.slices
            assert 0 <= rows.start < rows.stop <= SIZE[0] and 0 <= columns.start < columns.stop <= SIZE[1]
            assert fields(mark)
            for name, values in fields(mark).items():
                assert values.dtype == np.float32, name
                assert values.shape[:2] == cover.alpha.shape, name
                assert np.isfinite(values).all(), name
                assert values.ndim == 2 or (name == "gain" and values.shape[2] == 3)
            for name in ("mix", "cut", "grow"):
                share = getattr(mark, name)
                assert share is None or (share.min() >= 0 and share.max() <= 1.0001), name
            assert mark.gain is None or (mark.gain.min() > 0 and mark.gain.max() < 4)
            for value in (mark.roughness, mark.metal):
                assert value is None or 0 <= value <= 1
            if mark.albedo is not None:
                assert mark.albedo.dtype == np.float32 and mark.albedo.shape[-1] == 3
                assert mark.albedo.min() >= 0 and mark.albedo.max() <= 1


@each_type
@pytest.mark.parametrize("channels", [1, 3])
def test_marks_change_what_they_cover_and_nothing_far_away(type, channels):
    layers = Layers.flat(SIZE, [0.4] * channels, 0.4, 1.0)
    before = [a.copy() for a in (layers.height, layers.albedo.mean(2), layers.roughness, layers.metal)]
    mark = draw(type, site_for(type, 30), random(1), {})[0]
    mark.apply(layers)
    after = (layers.height, layers.albedo.mean(2), layers.roughness, layers.metal)
    changed = np.any([np.abs(a - b) > 1e-7 for a, b in zip(before, after, strict=True)], 0)
    if mark.cut is not None:
        changed[mark.cover.slices] |= mark.cut > 0
    outside = changed.copy()
    outside[mark.cover.slices] = False
    assert not outside.any()
    # The label is what is seen to have changed: next to none of it is bare surface.
    assert changed[mark.cover.slices][mark.cover.mask].mean() > (0.5 if type in ("fray", "fingerprint") else 0.85)


# Distractors keep their natural sizes, and a missing part is as large as its seat.
@pytest.mark.parametrize("type", sorted(set(DRAW) - DISTRACTORS - {"missing_part"}))
@pytest.mark.parametrize("target", [8.0, 24.0])
def test_the_first_mark_is_as_large_as_its_target(type, target):
    areas = [
        np.count_nonzero(marks[0].cover.mask)
        for marks in (draw(type, site_for(type, target), random(seed), {}) for seed in range(12))
        if marks
    ]
    ratio = np.array(areas) / target**2
    assert 0.5 < np.median(ratio) < 2
    assert (np.abs(np.log2(ratio)) < (1.6 if type in LINES else 0.5)).all()


@pytest.mark.parametrize("type", ["pit", "stain", "dent", "roll_mark", "inclusion"])
def test_sizes_of_recipes_grow_with_the_frame(type):
    sides = {
        scale: np.sqrt(draw(type, site_for(type, scale=scale), random(2), {"size": 20})[0].cover.mask.sum())
        for scale in (0.5, 2.0)
    }
    assert sides[0.5] == pytest.approx(10, rel=0.15)
    assert sides[2.0] == pytest.approx(40, rel=0.15)


def test_a_scratch_is_a_groove_between_lips():
    recipe = {"width": 8, "length": 200, "wander": 0, "bend": 0, "count": 1, "strands": 1, "gap": -1, "aligned": 1,
              "lip": 0.4, "contrast": 20}  # fmt: skip
    mark = draw("scratch", site_for("scratch"), random(0), recipe)[0]
    deepest = mark.height.min()
    column = mark.height[:, mark.height.shape[1] // 2]
    centre = int(np.argmin(column))
    assert deepest < 0 and column[centre] < 0
    for side in (column[:centre], column[centre + 1 :]):
        assert side.max() > 0.15 * abs(column[centre])
    assert abs(column[0]) < 1e-3 * abs(deepest)
    assert mark.cover.mask[centre, mark.height.shape[1] // 2]


def test_lines_are_labelled_without_holes_however_thin():
    from scipy.ndimage import label

    for seed in range(6):
        recipe = {"width": 0.3, "gap": -1, "count": 1, "length": 120}
        mark = draw("scratch", site_for("scratch"), random(seed), recipe)[0]
        assert label(mark.cover.mask, np.ones((3, 3)))[1] == 1


def test_a_crack_is_dark_and_deep():
    mark = draw("crack", site_for("crack", 20), random(1), {"contrast": 40})[0]
    assert mark.gain[mark.cover.mask].mean() < 0.4
    assert mark.height[mark.cover.mask].mean() < 0


@pytest.mark.parametrize(("type", "sign"), [("dent", -1), ("bump", 1)])
def test_dents_and_bumps_are_height_alone(type, sign):
    for seed in range(5):
        mark = draw(type, site_for(type, 40), random(seed), {"ring": 0})[0]
        assert set(fields(mark)) == {"height"}
        assert (sign * mark.height >= 0).all()
        tall = np.abs(mark.height)
        slope = np.hypot(*np.gradient(mark.height))
        seen = (tall > 0.2 * tall.max()) | (slope > 0.2 * slope.max())
        both = np.count_nonzero(seen & mark.cover.mask)
        assert both / np.count_nonzero(seen | mark.cover.mask) > 0.85


@pytest.mark.parametrize("type", ["pit", "pore"])
def test_hollows_are_dark_and_below(type):
    mark = draw(type, site_for(type, 20), random(5), {"contrast": 20})[0]
    inside = mark.cover.mask
    assert mark.height[inside].mean() < 0
    assert mark.gain[inside].mean() < 0.8 * mark.gain[~inside].mean()


def test_stains_leave_a_ring():
    recipe = {"ring": 1, "blur": 1, "bright": 0, "mottle": 0, "tint": 0, "rough": 0.1, "aspect": 1, "contrast": 10}
    mark = draw("stain", site_for("stain", 60), random(0), recipe)[0]
    from scipy.ndimage import distance_transform_edt

    far = distance_transform_edt(mark.cover.mask)
    gain = mark.gain[:, :, 1]
    assert gain[(far > 2) & (far < 6)].mean() < gain[far > 15].mean() - 0.05 < 0.95


def test_rust_is_brown_and_matt():
    mark = draw("rust", site_for("rust", 40), random(0), {})[0]
    assert mark.albedo.shape == (*mark.cover.alpha.shape, 3)
    red, green, blue = mark.albedo[mark.cover.mask].mean(0)
    assert red > 1.5 * green > 1.5 * blue
    assert mark.roughness > 0.9 and mark.metal == 0


@pytest.mark.parametrize("seed", range(6))
def test_a_chip_lies_inside_the_part_and_at_its_edge(seed):
    site = site_for("chip", 30)
    part = np.zeros(SIZE, np.float32)
    part[site.cover.slices] = site.cover.alpha
    mark = draw("chip", site, random(seed), {})[0]
    here = part[mark.cover.slices]
    assert (mark.cover.alpha <= here + 1e-6).all()
    assert (mark.cut[mark.cover.mask] > 0.5).mean() > 0.05
    y, x = np.nonzero(mark.cover.mask)
    radius = np.hypot(x + mark.cover.x + 0.5 - 256, y + mark.cover.y + 0.5 - 256)
    assert radius.max() > 178


@pytest.mark.parametrize("seed", range(6))
def test_a_burr_lies_outside_the_part(seed):
    mark = draw("burr", site_for("burr", 20), random(seed), {})[0]
    y, x = np.nonzero(mark.cover.mask)
    radius = np.hypot(x + mark.cover.x + 0.5 - 256, y + mark.cover.y + 0.5 - 256)
    assert radius.min() > 179 and radius.max() < 240
    np.testing.assert_array_equal(mark.grow, mark.cover.alpha)


def test_fray_of_a_part_goes_over_its_edge():
    outline = disc()
    mark = draw("fray", Site(SIZE, surface(), fill(outline, SIZE), outline, target=30), random(0), {})[0]
    assert mark.grow.max() > 0.5
    assert draw("fray", site_for("fray", 30), random(0), {})[0].grow is None


def test_chips_without_an_outline_are_hollows():
    site = Site(SIZE, surface(), target=30)
    mark = draw("chip", site, random(0), {})[0]
    assert mark.cut is None and mark.height[mark.cover.mask].mean() < 0


def far_away():
    return Site(SIZE, surface(), None, disc(4000.0))


@pytest.mark.parametrize(
    ("type", "site"),
    [
        ("chip", far_away()),
        ("burr", far_away()),
        ("burr", Site(SIZE, surface())),
        ("missing_part", Site(SIZE, surface())),
        ("thread_break", Site(SIZE, surface(period=None))),
        ("thread_break", Site(SIZE, surface(heading=None))),
    ],
)
def test_sites_that_do_not_allow_a_type_get_none(type, site):
    assert draw(type, site, random(0), {}) == []


def test_a_missing_part_is_its_seat():
    site = site_for("missing_part")
    mark = draw("missing_part", site, random(0), {"bore": 0})[0]
    assert mark.cover is site.cover
    assert mark.height.min() < -5
    inside = mark.cover.alpha.shape[0] // 2
    assert mark.gain[inside, 2] < mark.gain[inside, inside] < 1  # darker along the wall


def test_roll_marks_repeat_along_the_rolling_direction():
    site = Site(SIZE, surface(heading=np.pi / 2), Cover(246, 246, np.ones((20, 20), np.float32)), target=14)
    marks = draw("roll_mark", site, random(1), {"count": 5, "pitch": 90})
    assert len(marks) == 5
    rows = sorted(mark.cover.y for mark in marks)
    assert {int(step) for step in np.diff(rows)} == {90}
    assert len({mark.cover.x for mark in marks}) == 1
    for mark in marks[1:]:
        np.testing.assert_array_equal(mark.cover.mask, marks[0].cover.mask)


def test_thread_breaks_run_along_or_across_the_weave():
    site = Site(SIZE, surface(heading=0.0), Cover(246, 246, np.ones((20, 20), np.float32)))
    for cross in (0, 1):
        mark = draw("thread_break", site, random(1), {"cross": cross, "length": 120, "loose": 0, "threads": 1})[0]
        long, wide = mark.cover.mask.shape[cross - 1], mark.cover.mask.shape[-cross]
        rows, columns = (np.ptp(axis) + 1 for axis in np.nonzero(mark.cover.mask))
        assert (columns, rows)[cross] > 100 and (rows, columns)[cross] < 12, (long, wide)


# --- the registry and its recipes ---


def test_types_of_the_lexicon_are_drawn():
    types = {name: item for name, item in Lexicon.load().items() if item.family != "board"}
    assert set(types) == set(DRAW)
    assert {name for name, item in types.items() if not item.is_defect} == DISTRACTORS
    for name, item in types.items():
        assert item.recipe.draw == name
        assert set(item.recipe.ranges) == set(KEYS[name])


@each_type
def test_distractors_say_so(type):
    marks = draw(type, site_for(type), random(0), {})
    assert all(mark.attributes.get("distractor", False) == (type in DISTRACTORS) for mark in marks)


@pytest.mark.parametrize(
    ("type", "recipe", "words"),
    [
        ("scrach", {}, ["scrach", "scratch"]),
        ("gouge", {}, ["gouge", "known are"]),
        ("scratch", {"widht": 3, "depth": 1}, ["widht", "depth", "width"]),
        ("pit", {"size": [9, 3]}, ["size", "[9, 3]"]),
        ("pit", {"size": "large"}, ["size", "large"]),
        ("pit", {"size": [1, 2, 3]}, ["size"]),
    ],
)
def test_errors_name_what_is_wrong(type, recipe, words):
    with pytest.raises(KizuError) as error:
        draw(type, site_for("pit"), random(0), recipe)
    for word in words:
        assert word in str(error.value)


# --- helpers ---


def test_blobs_have_the_area_that_is_asked_for():
    for seed, side in ((0, 5.0), (1, 20.0), (2, 90.0)):
        patch, far = blob(np.array([256.3, 200.8]), side, random(seed), 2.0, 0.5, 0.3)
        assert far.shape == patch.shape
        assert np.count_nonzero(far > 0) == pytest.approx(side**2, rel=0.02, abs=1.5)


def test_ellipses_have_first_order_distances():
    patch, far = blob(np.array([100.0, 100.0]), 60.0, random(0), 1.0, 0.0, 0.0)
    y, x = np.mgrid[0 : patch.shape[0], 0 : patch.shape[1]] + 0.5
    true = 60 / np.sqrt(np.pi) - np.hypot(x - patch.centre[0], y - patch.centre[1])
    np.testing.assert_allclose(far, true, atol=1e-3)


def test_level_is_a_quantile():
    field = np.arange(100, dtype=np.float32).reshape(10, 10)
    assert np.count_nonzero(field >= level(field, 30)) == 30


def test_lines_that_are_drawn_together_are_apart():
    from scipy.ndimage import label

    paths = [np.array([[10.0, 10.5], [40.0, 10.5]]), np.array([[10.0, 30.5], [40.0, 30.5]])]
    line = drawn(*together(paths, [np.full(2, 1.5)] * 2), (50, 50), 1.0)
    parts, count = label(line.cover.mask)
    assert count == 2
    assert line.half == 1.5
    assert np.count_nonzero(parts == 1) == pytest.approx(30 * 3 + np.pi * 1.5**2, rel=0.1)
    starts = np.array([[10.0, 10.0], [10.0, 40.0]])
    tuft = fibres(starts, np.full(2, 20.0), np.zeros(2), np.full(2, 1.0), random(0), 0.0)
    assert label(drawn(*tuft, (50, 50), 1.0).cover.mask)[1] == 2
    assert drawn(paths[0] + 100, np.full(2, 1.5), (50, 50), 1.0) is None


def test_places_on_an_outline():
    site = site_for("chip")
    for seed in range(5):
        point, normal = site.edge(random(seed))
        away = (point - 256) / np.hypot(*(point - 256))
        assert np.hypot(*(point - 256)) == pytest.approx(180, abs=0.1)
        assert np.dot(away, normal) > 0.99
        points, normals = site.run(random(seed), 60.0, 2.0)
        assert np.hypot(*np.diff(points, axis=0).T).sum() == pytest.approx(60, abs=4)
        assert ((points - 256) / 180 * normals).sum(1).min() > 0.99
    assert site.corner(random(0)) is None
    square = Outline(np.array([[100.0, 100], [300, 100], [300, 300], [100, 300]]))
    point, normal = Site(SIZE, surface(), None, square).corner(random(0))
    assert np.abs(np.abs(point - 200) - 100).max() < 6
    assert np.dot(normal, np.sign(point - 200)) > 1.2
