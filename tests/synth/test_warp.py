"""Warps of vertices against what geometry says of them."""

import numpy as np
import pytest

from kizu.core.errors import KizuError
from kizu.synth.formula import warp as warps
from kizu.synth.formula.outline import Outline
from kizu.synth.formula.warp import affine, compose, densify, freeform, perspective, rotation, stretch, warped

SQUARE = Outline(np.array([[10.0, 10], [50, 10], [50, 50], [10, 50]]))


def test_rotation_and_affine():
    points = np.array([[1.0, 0], [0, 2]])
    assert rotation(np.pi / 2)(points) == pytest.approx(np.array([[0, 1], [-2, 0]]))
    assert rotation(np.pi, (1, 1), (3, 0))(points) == pytest.approx(np.array([[4, 2], [5, 0]]))
    matrix = np.array([[2.0, 1], [0, 3]])
    centre, shift = np.array([4.0, 5]), np.array([-1.0, 2])
    assert affine(matrix, shift, centre)(points) == pytest.approx((points - centre) @ matrix.T + centre + shift)


@pytest.mark.parametrize("angle", [0.0, 0.7, 2.0])
def test_stretch_keeps_areas(angle):
    one = SQUARE.map(stretch(1.6, angle, 0.4, (30, 30)))
    assert one.area == pytest.approx(SQUARE.area)
    along = np.array([[np.cos(angle), np.sin(angle)]])
    assert stretch(1.6, angle)(along) == pytest.approx(1.6 * along)


def test_compose_goes_in_order():
    points = np.array([[1.0, 2.0]])
    both = compose(rotation(0.3), affine(2 * np.eye(2)), rotation(-0.3))
    assert both(points) == pytest.approx(2 * points)
    assert compose()(points) is points
    first = compose(affine(np.eye(2), (1, 0)), rotation(np.pi / 2))
    assert first(np.zeros((1, 2))) == pytest.approx(np.array([[0, 1.0]]))


@pytest.mark.parametrize(("tilt", "towards"), [(0.5, 0.0), (-0.3, 1.1), (0.8, -2.0)])
def test_perspective_is_a_pinhole_of_a_tilted_plane(tilt, towards):
    distance, centre = 300.0, np.array([40.0, 25.0])
    points = np.random.default_rng(0).uniform(-60, 100, (40, 2))
    away = np.array([np.cos(towards), np.sin(towards)])
    aside = np.array([-away[1], away[0]])
    local = points - centre
    u, v = local @ away, local @ aside
    # The plane leans back about the axis through its centre: depth grows along `away`; then a central projection.
    depth = distance + u * np.sin(tilt)
    expected = centre + (distance / depth)[:, None] * ((u * np.cos(tilt))[:, None] * away + v[:, None] * aside)
    assert perspective(tilt, towards, distance, centre)(points) == pytest.approx(expected)


def test_lines_stay_straight_in_perspective():
    line = np.stack([np.linspace(0, 50, 9), np.linspace(10, 40, 9)], 1)
    sent = perspective(0.6, 0.4, 200.0)(line)
    steps = np.diff(sent, axis=0)
    assert steps[:, 0] * steps[0, 1] - steps[:, 1] * steps[0, 0] == pytest.approx(np.zeros(8), abs=1e-9)


def test_points_behind_the_camera_are_an_error():
    with pytest.raises(KizuError, match="behind the camera"):
        perspective(1.2, 0.0, 50.0)(np.array([[-100.0, 0.0]]))
    assert warps.homography(np.eye(3))(np.array([[3.0, 4.0]])) == pytest.approx(np.array([[3.0, 4.0]]))


def test_freeform_is_smooth_and_of_its_amplitude():
    random = np.random.default_rng(3)
    warp = freeform((0, 0, 4000, 4000), 60, 5.0, random)
    points = random.uniform(0, 4000, (4000, 2))
    moved = warp(points) - points
    # A Catmull-Rom spline of independent values has between a half and all of their variance.
    assert 3.0 < moved.std() < 5.2
    near = points + random.normal(0, 0.01, points.shape)
    assert np.abs(warp(near) - near - moved).max() < 0.05
    outside = np.array([[-500.0, 2000.0], [-50.0, 2000.0]])
    assert np.ptp(warp(outside) - outside, axis=0) == pytest.approx(np.zeros(2))
    again = freeform((0, 0, 4000, 4000), 60, 5.0, np.random.default_rng(3))
    assert again(points) == pytest.approx(warp(points), abs=0)


def test_freeform_does_not_fold():
    outline = densify(Outline(np.array([[0.0, 0], [400, 0], [400, 400], [0, 400]])), 4)
    areas = [outline.map(freeform((0, 0, 400, 400), 80, 12.0, np.random.default_rng(s))).area for s in range(20)]
    assert np.all(np.abs(np.array(areas) / outline.area - 1) < 0.2)


@pytest.mark.parametrize("step", [1.0, 3.3, 100.0])
def test_densify_keeps_the_shape(step):
    outline = Outline.of([SQUARE.points, np.array([[20.0, 20], [40, 20], [30, 40]])])
    dense = densify(outline, step)
    assert dense.area == pytest.approx(outline.area)
    assert len(dense) == 2
    for r in range(2):
        edges = np.diff(np.concatenate([dense.ring(r), dense.ring(r)[:1]]), axis=0)
        assert np.hypot(*edges.T).max() <= max(step, 0) + 1e-9 or step == 100.0
        old = {tuple(p) for p in outline.ring(r).round(9)}
        assert old <= {tuple(p) for p in dense.ring(r).round(9)}
    assert len(densify(outline, 100.0).points) == len(outline.points)


def test_warped_bends_straight_edges():
    bent = warped(SQUARE, lambda p: p + np.stack([0 * p[:, 0], 3 * np.sin(p[:, 0] / 5)], 1), 2.0)
    top = bent.points[bent.points[:, 1] < 20]
    assert np.ptp(top[:, 1]) > 5
