"""Statistics against values that are known or computed with NumPy, SciPy and scikit-image."""

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, stats
from skimage import color
from skimage import measure as regions
from synth_sets import NAMES, dataset, picture

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.run import Skips
from kizu.core.sample import Sample
from kizu.synth.appearance import TEXTURES, appearance, noise_level
from kizu.synth.axes import AXES
from kizu.synth.contrast import contrasts
from kizu.synth.elongation import elongations
from kizu.synth.statistics import Statistics, measure, spread

# --- one picture --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [0.6, 1.5, 4.0, 12.0])
@pytest.mark.parametrize("slope", [0, 0.3])
def test_noise_level(sigma, slope):
    rng = np.random.default_rng(1)
    values = rng.normal(100, sigma, (200, 240)) + slope * np.arange(240)
    values[50:90, 60:100] += 60  # a part: its edges do not count
    image = np.clip(np.round(values), 0, 255).astype(np.uint8)
    assert noise_level(image) == pytest.approx(np.hypot(sigma, 12**-0.5), rel=0.05)
    if sigma > 1:
        kernel = [[1, -2, 1], [-2, 4, -2], [1, -2, 1]]
        filtered = ndimage.convolve(image.astype(float), kernel)[1:-1, 1:-1]
        robust = stats.median_abs_deviation(filtered, None, scale="normal")
        assert noise_level(image) == pytest.approx(robust / 6, rel=0.05)


def test_a_picture_without_noise_has_none():
    assert noise_level(np.full((40, 40), 77, np.uint8)) < AXES["noise"].edges[2]


def test_textures_against_blurs_of_the_whole_picture():
    rng = np.random.default_rng(2)
    field = sum(
        a * ndimage.gaussian_filter(rng.normal(0, s * 3.5, (256, 320)), s) for a, s in ((5, 1), (8, 7), (12, 20))
    )
    image = np.clip(np.round(128 + field), 0, 255).astype(np.uint8)
    look, before = appearance(image), image.astype(float)
    for name, blur in TEXTURES.items():
        after = ndimage.gaussian_filter(image.astype(float), blur)
        assert look[name] == pytest.approx((before - after).std(), rel=0.06)
        before = after


@pytest.mark.parametrize("rgb", [(200, 40, 40), (30, 90, 200), (90, 140, 60), (120, 120, 120)])
def test_colour(rgb):
    image = np.random.default_rng(3).normal(rgb, 2, (64, 64, 3)).clip(0, 255).round().astype(np.uint8)
    look = appearance(image)
    mean = image.reshape(-1, 3).mean(0)
    _, a, b = color.rgb2lab(mean[None, None] / 255)[0, 0]
    assert look["chroma"] == pytest.approx(np.hypot(a, b), abs=0.3)
    assert [look[name] for name in ("red", "green", "blue")] == pytest.approx(mean.tolist())
    assert look["brightness"] == pytest.approx(mean @ [0.299, 0.587, 0.114], abs=0.6)
    if rgb[0] == rgb[1]:
        assert "hue" not in look
    else:
        assert look["hue"] == pytest.approx(np.degrees(np.arctan2(b, a)) % 360, abs=1)


def test_a_grey_picture_is_a_colourless_one():
    image = np.random.default_rng(4).integers(0, 256, (50, 60), np.uint8)
    assert appearance(image) == pytest.approx(appearance(np.repeat(image[:, :, None], 3, 2)))


@pytest.mark.parametrize("bad", [np.zeros((7, 40), np.uint8), np.zeros((40, 40)), np.zeros((4, 4, 4, 4), np.uint8)])
def test_what_is_no_picture(bad):
    with pytest.raises(DataError):
        appearance(bad)


# --- shapes -------------------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_elongation_against_scikit_image(seed):
    rng = np.random.default_rng(seed)
    y, x = np.indices((60, 70))
    angle, long, wide = rng.uniform(0, np.pi), rng.uniform(4, 24), rng.uniform(3, 12)
    u, v = np.cos(angle) * (x - 35) + np.sin(angle) * (y - 30), np.cos(angle) * (y - 30) - np.sin(angle) * (x - 35)
    mask = (u / long) ** 2 + (v / wide) ** 2 <= 1
    (region,) = regions.regionprops(mask.astype(int))
    major, minor = region.inertia_tensor_eigvals  # of the pixels' middles: their own spread comes on top
    ours = elongations(Instances([0], masks=Masks.from_dense(mask[None])))[0]
    assert ours == pytest.approx(np.sqrt((major + 1 / 12) / (minor + 1 / 12)), rel=1e-6)


@pytest.mark.parametrize("height, width", [(1, 1), (1, 30), (40, 2), (12, 18), (60, 5)])
def test_elongation_of_rectangles(height, width):
    mask = np.zeros((1, 60, 50), bool)  # 60 high: a column that is full runs on into the next
    mask[0, :height, 7 : 7 + width] = True
    assert elongations(Instances([0], masks=Masks.from_dense(mask))) == pytest.approx(
        max(height, width) / min(height, width)
    )
    assert elongations(Instances([0], np.array([[7, 0, 7 + width, height]]))) == pytest.approx(
        max(height, width) / min(height, width)
    )


# --- bins ---------------------------------------------------------------------------------------------------------

counts = st.lists(st.integers(0, 50), min_size=36, max_size=36).map(np.array).filter(lambda c: c.sum() > 0)


@settings(max_examples=60, deadline=None)
@given(counts, counts)
def test_distances(a, b):
    axis = AXES["noise"]
    a, b = np.resize(a, axis.bins), np.resize(b, axis.bins)
    places = np.arange(axis.bins)
    found = axis.distance(a, b)
    assert found["moved"] == pytest.approx(stats.wasserstein_distance(places, places, a, b), abs=1e-9)
    assert found["apart"] == pytest.approx(np.abs(a / a.sum() - b / b.sum()).sum() / 2)
    assert axis.distance(a, a) == {"moved": 0, "apart": 0}
    hue = AXES["hue"]
    c = np.eye(hue.bins, dtype=int)
    assert hue.distance(c[1], c[hue.bins - 1])["moved"] == pytest.approx(2)  # round the circle


@pytest.mark.parametrize("name", AXES)
def test_quantiles_are_near_those_of_the_values(name):
    axis = AXES[name]
    rng = np.random.default_rng(5)
    low, high = axis.edges[1], axis.edges[-2]
    values = np.exp(rng.uniform(np.log(low), np.log(high), 4000)) if axis.log else rng.uniform(low, high, 4000)
    shares = np.linspace(0, 1, 11)
    found = axis.quantiles(np.bincount(axis.bin(values), minlength=axis.bins), shares)
    true = np.quantile(values, shares)
    width = np.diff(axis.edges)[axis.bin(true)]
    assert (np.abs(found - true) <= 1.01 * width).all()
    assert (np.diff(found) >= 0).all()


def test_quantiles_over_empty_bins():
    axis = AXES["brightness"]
    two = np.zeros(axis.bins, int)
    two[[3, 40]] = 5
    assert axis.quantiles(two, np.array([0, 0.25, 0.75, 1])).tolist() == [12, 14, 162, 164]


def test_what_lies_beyond_the_edges_is_counted_in_the_last_bins():
    axis = AXES["size"]
    assert axis.bin(np.array([0.0, 1e9])).tolist() == [0, axis.bins - 1]
    assert [row[2] for row in AXES["count"].merged(np.eye(65, dtype=int)[3])] == [[1]]


@given(counts)
def test_bars_hold_all_that_was_counted(a):
    bars = AXES["hue"].merged(a, (a * 2,))
    assert len(bars) <= 13
    assert np.sum([bar[2] for bar in bars], 0).tolist() == [a.sum(), 2 * a.sum()]
    assert all(one[1] == two[0] for one, two in pairwise(bars))


# --- data sets ----------------------------------------------------------------------------------------------------


def test_against_values_taken_one_by_one():
    data = dataset(15, sizes=(10, 30, 6, 40), size=(120, 200))
    found = measure(data)
    areas = np.concatenate([s.instances.masks.area for s in data])
    labels = np.concatenate([s.instances.labels for s in data])
    assert (found.images, found.labelled, found.clean, found.instances) == (15, 15, 5, len(areas))
    assert found.sizes.tolist() == [
        (areas < 1024).sum(),
        ((areas >= 1024) & (areas < 9216)).sum(),
        (areas >= 9216).sum(),
    ]
    assert found.classes == {name: int((labels == k).sum()) for k, name in enumerate(NAMES)}
    assert found.frames == {"120 x 200": 15}
    assert found.mean("size") == pytest.approx(np.sqrt(areas).mean())
    assert found.mean("count") == pytest.approx(len(areas) / 15)
    seen = np.concatenate([contrasts(s.image, s.instances) for s in data])
    assert found.mean("contrast") == pytest.approx(seen.mean(), rel=1e-6)
    assert found.counts["contrast"].tolist() == np.histogram(seen, AXES["contrast"].edges)[0].tolist()
    assert found.mean("brightness") == pytest.approx(np.mean([s.image.mean() for s in data]), abs=0.01)
    assert found.mean("noise") == pytest.approx(3, rel=0.05)
    assert not found.known("visible") and not found.known("hue")
    figures = found.figures()
    assert figures["defect-free share"] == pytest.approx(1 / 3)
    assert figures["mean visible ratio"] is None and figures["hidden share"] is None
    assert figures["small share"] == pytest.approx((areas < 1024).mean())


def test_visible_ratio_parts_and_frames():
    amodal = np.zeros((3, 64, 64), bool)
    amodal[0, 2:62, 2:62] = amodal[1, 10:20, 10:20] = amodal[2, 10:20, 15:25] = True
    visible = amodal.copy()
    visible[0] &= ~amodal[1:].any(0)
    visible[1] &= ~amodal[2]
    image = np.random.default_rng(0).integers(80, 120, (64, 64, 3), np.uint8)
    found = Instances([0, 1, 1], masks=Masks.from_dense(visible), amodal=Masks.from_dense(amodal), parents=[-1, 0, 0])
    plate = Sample("a", image, found)
    empty = Sample("b", image, found[[0]])
    statistics = measure(Dataset([plate, empty], ["plate", "pit"], {"not_defects": ["plate"]}), frame=128)
    ratio = visible.sum((1, 2)) / amodal.sum((1, 2))
    assert statistics.mean("visible") == pytest.approx((ratio.sum() + ratio[0]) / 4)
    assert statistics.hidden == 0 and statistics.clean == 1 and statistics.instances == 4
    assert statistics.mean("defects") == 1 and statistics.mean("count") == 2
    assert statistics.mean("defect_size") == pytest.approx(2 * np.sqrt([50, 100]).mean())  # 128 pixels, not 64
    assert statistics.counts["size"].sum() == 4 and statistics.counts["defect_size"].sum() == 2
    by_attribute = found[[1]].replace(amodal=None, attributes={"visible_ratio": [0.0]})
    hidden = measure([Sample("c", image, by_attribute)], ["plate", "pit"])
    assert hidden.figures()["hidden share"] == 1 and hidden.mean("visible") == 0


def test_pictures_without_labels_count_for_surface_and_light_only():
    found = measure(dataset(4, labelled=False))
    assert (found.images, found.labelled, found.instances) == (4, 0, 0)
    assert found.known("noise") and not found.known("count")
    assert found.figures()["defect-free share"] is None


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 12))
def test_parts_add_up_to_the_whole(cut):
    data = WHOLE
    parts = measure(data[:cut]) + measure(data[cut:])
    whole = measure(data)
    one, two = parts.to_json(), whole.to_json()
    for key in ("totals", "colours"):
        for name, value in two.pop(key).items():
            assert one[key][name] == pytest.approx(value)
        one.pop(key)
    assert one == two


WHOLE = dataset(12, tint=(1.0, 0.8, 0.6), sizes=(8, 12))


def test_json_and_back():
    found = measure(WHOLE)
    again = Statistics.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False)))
    assert again.to_json() == found.to_json()
    assert again.distances(found) == {name: {"moved": 0, "apart": 0} for name in AXES if found.known(name)}
    for broken in ({}, {"format": "other"}, found.to_json() | {"counts": {}}, None):
        with pytest.raises(KizuError):
            Statistics.from_json(broken)


def test_palette():
    red = dataset(9, tint=(1.0, 0.4, 0.4))
    blue = dataset(3, tint=(0.4, 0.4, 1.0))
    colours = np.array((measure(red) + measure(blue)).palette(8))
    assert len(colours) <= 8
    assert (colours[:, 0] > colours[:, 2]).sum() == pytest.approx(3 * (colours[:, 0] < colours[:, 2]).sum(), abs=1)
    true = np.mean([s.image.reshape(-1, 3).mean(0) for s in red], 0)
    assert colours[0] == pytest.approx(true, abs=6)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 500), st.none() | st.integers(1, 300))
def test_spread(count, limit):
    chosen = spread(count, limit)
    assert len(chosen) == min(count, limit or count)
    assert chosen == sorted(set(chosen)) and all(0 <= i < count for i in chosen)
    if chosen:
        assert chosen[0] == 0
        if len(chosen) > 8:
            assert chosen[-1] >= count - 4


def test_a_limit_and_what_cannot_be_read():
    rng = np.random.default_rng(0)
    samples = [Sample(f"{k}", *picture(rng)) for k in range(9)]
    samples[1] = Sample("broken", b"no image")
    samples[5] = Sample("small", np.zeros((4, 4, 3), np.uint8))
    data, skips, seen = Dataset(samples, NAMES), Skips(), []
    found = measure(data, skips=skips, step=lambda: seen.append(1))
    assert found.images == 7 and len(skips.items) == 2 and len(seen) == 9
    with pytest.raises(DataError):
        measure(data)
    assert measure(data[[0, 2, 3, 4, 6, 7, 8]], limit=3).images == 3
    with pytest.raises(KizuError):
        measure(samples, NAMES, limit=3)
    assert measure(samples[2:4], NAMES).images == 2


def test_many_sizes_of_pictures_take_no_more_room():
    statistics = Statistics()
    for k in range(80):
        statistics.add(Sample("x", np.full((10, 20 + k, 3), k, np.uint8)), NAMES)
    assert len(statistics.frames) == 65 and statistics.frames["other"] == 16
    assert sum((statistics + statistics).frames.values()) == 160
