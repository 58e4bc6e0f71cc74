"""The SOC layout against the pinhole's and the lens's equations."""

import math

import numpy as np
import pytest
from compose_shapes import mixed, pieces_of, shapes_of

from kizu.core.errors import DataError, KizuError
from kizu.synth.compose.layouts import find, options_of
from kizu.synth.compose.layouts.soc import camera_of, lengths_of
from kizu.synth.compose.visibility import areas

SIZE = (192, 256)
FULL = np.ones(SIZE, bool)


def lay(shapes, seed, **options):
    options = options_of("soc", options)
    return find("soc").lay(shapes, SIZE, FULL, None, options, np.random.default_rng(seed))


def camera_behind(shapes, seed, **options):
    """The camera that a layout of this seed drew: it comes after the choice of nothing else."""
    options = options_of("soc", options)
    lengths = lengths_of(shapes, shapes.objects, options.thing)
    return camera_of(lengths, SIZE, options, np.random.default_rng(seed))


def sides(shapes, placement):
    """Longer side in px of the frame."""
    a, b, _, d, e, _ = placement.affine
    return math.sqrt(abs(a * e - b * d)) * shapes.side[placement.row]


@pytest.mark.parametrize("zoom", [(1.0, 1.0), (3.0, 3.0)])
def test_sizes_follow_the_pinhole(zoom):
    """One length in mm a class and no deviation: s = f S / d."""
    shapes = shapes_of([np.ones((20, 30), bool), np.ones((40, 16), bool)], [0, 1], mm=[12.0, 50.0])
    seen = 0
    for seed in range(12):
        camera = camera_behind(shapes, seed, zoom=zoom)
        for placement in lay(shapes, seed, zoom=zoom):
            length = shapes.mm[placement.row]
            assert sides(shapes, placement) == pytest.approx(camera.focal * length / placement.depth, rel=1e-9)
            assert placement.blur == pytest.approx(min(camera.blur(placement.depth), 2.56))
            seen += 1
    assert seen > 60


def test_a_point_is_seen_where_the_equations_say():
    options = options_of("soc", {"zoom": [2.0, 2.0], "focal": [1.0, 1.0], "sensor": 10.0})
    camera = camera_of(np.array([20.0, 30.0, 70.0]), SIZE, options, np.random.default_rng(1))
    assert camera.focal == 512  # a longer side of 256 px, twice enlarged
    assert camera.reach == 256 * 30 / (0.04 * 256)  # the median thing takes 4 % there before the zoom
    assert camera.project(0, 0, 300) == camera.centre
    assert camera.project(10, -20, 400) == pytest.approx((camera.centre[0] + 12.8, camera.centre[1] - 25.6))
    assert camera.side(15, 300) == pytest.approx(25.6)
    f, n, focus = 10.0, camera.aperture, camera.focus  # mm: 256 px of 10 / 256 mm
    on_sensor = f**2 / (n * focus) * abs(200 - focus) / 200
    assert camera.blur(200) == pytest.approx(on_sensor / (10 / 256) * 2)
    assert camera.blur(focus) == 0
    # A window of half the width and height lies within the whole frame: its axis at most a half of the frame away.
    assert -0.5 <= camera.centre[0] <= 256 and -0.5 <= camera.centre[1] <= 192


def test_far_ones_are_painted_first_and_nothing_is_almost_hidden():
    shapes = mixed()
    for seed in range(15):
        laid = lay(shapes, seed)
        depths = [placement.depth for placement in laid]
        assert depths == sorted(depths, reverse=True)
        assert all(placement.shared for placement in laid)
        pieces = pieces_of(shapes, laid, SIZE)
        visible, amodal = areas(pieces, SIZE)
        assert (visible >= 0.1 * amodal).all()
        assert all(np.count_nonzero(piece.mask) >= 0.5 * piece.pixels for piece in pieces)
        assert all(0.02 * 256 <= sides(shapes, placement) <= 0.8 * 256 for placement in laid)


def test_bands_of_depth_and_no_class_in_them():
    """Small things, no limits of size: depths are those that were drawn, for all classes."""
    shapes = shapes_of([np.ones((4, 4), bool)] * 3, [0, 1, 2], mm=[3.0, 10.0, 30.0])
    depths = {0: [], 1: [], 2: []}
    options = {"smallest": 0.0, "largest": 100.0, "inside": 0.0, "hidden": 1.0, "zoom": [1, 1], "far_side": 0.01}
    for seed in range(150):
        reach = camera_behind(shapes, seed, **options).reach
        for placement in lay(shapes, seed, **options):
            depths[int(shapes.label[placement.row])].append(placement.depth / reach)
    everything = np.concatenate(list(depths.values()))
    shares = np.histogram(everything, [0, 1 / 3, 2 / 3, 1])[0] / len(everything)
    np.testing.assert_allclose(shares, [0.40, 0.35, 0.25], atol=0.04)
    assert everything.min() >= 0.1
    assert max(map(np.mean, depths.values())) - min(map(np.mean, depths.values())) < 0.06


def test_sizes_of_the_bank_where_nobody_knows_millimetres():
    shapes = shapes_of([np.ones((10, 20), bool), np.ones((40, 5), bool), np.ones((5, 5), bool)], mm=[1, np.nan, 1])
    np.testing.assert_allclose(lengths_of(shapes, np.arange(3), 30.0), [30, 60, 7.5])


@pytest.mark.parametrize("options", [{"least": 5, "most": 3}, {"bands": [0, 0, 0]}, {"near": 0.0}])
def test_options_that_make_no_sense(options):
    with pytest.raises(KizuError, match="layout soc"):
        lay(mixed(), 0, **options)


def test_a_bank_without_segments_is_told():
    with pytest.raises(DataError, match="no segment"):
        lay(shapes_of([]), 0)
