"""Centre lines: lengths, headings, widths, branches; ribbons against their areas."""

import numpy as np
import pytest

from kizu.synth.formula import curves
from kizu.synth.formula.raster import fill, stroke


def headings(points):
    steps = np.diff(points, axis=0)
    return np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))


def test_walks_have_length_step_and_turn():
    random = np.random.default_rng(0)
    one = curves.walk((5, 7), 0.4, 800, random, step=4.0, turn=0.2, pull=0.0)
    assert one.shape == (201, 2)
    assert one[0] == pytest.approx([5, 7])
    assert np.hypot(*np.diff(one, axis=0).T) == pytest.approx(np.full(200, 4.0))
    assert np.diff(headings(one)).std() == pytest.approx(0.2, rel=0.2)
    straight = curves.walk((0, 0), 0.4, 100, random, turn=0.0)
    assert straight[-1] == pytest.approx([100 * np.cos(0.4), 100 * np.sin(0.4)])


def test_a_pull_keeps_the_heading():
    """An autoregressive heading has the stationary deviation turn / sqrt(1 - (1 - pull)^2)."""
    random = np.random.default_rng(1)
    ends = [headings(curves.walk((0, 0), 1.0, 400, random, 4.0, 0.2, 0.2))[-1] for _ in range(300)]
    assert np.mean(ends) == pytest.approx(1.0, abs=0.06)
    assert np.std(ends) == pytest.approx(0.2 / np.sqrt(1 - 0.8**2), rel=0.15)


@pytest.mark.parametrize(("radius", "sweep"), [(3.0, 1.0), (50.0, -2.5), (400.0, 6.28)])
def test_arcs_keep_to_their_tolerance(radius, sweep):
    points = curves.arc((10, 20), radius, 0.3, sweep)
    assert np.hypot(*(points - (10, 20)).T) == pytest.approx(np.full(len(points), radius))
    middles = (points[1:] + points[:-1]) / 2
    assert (radius - np.hypot(*(middles - (10, 20)).T)).max() < 0.0201
    assert points[-1] == pytest.approx([10 + radius * np.cos(0.3 + sweep), 20 + radius * np.sin(0.3 + sweep)])


@pytest.mark.parametrize("closed", [False, True])
def test_splines_go_through_their_knots(closed):
    knots = np.random.default_rng(2).uniform(0, 100, (7, 2))
    curve = curves.spline(knots, 0.5, closed)
    far = np.hypot(*(curve[:, None] - knots[None]).transpose(2, 0, 1)).min(0)
    assert far.max() < 0.5
    steps = np.hypot(*np.diff(curve, axis=0).T)
    assert steps == pytest.approx(np.full(len(steps), 0.5), rel=0.2)
    gap = np.hypot(*(curve[0] - curve[-1]))
    assert gap < 1.0 if closed else curve[-1] == pytest.approx(knots[-1])


def test_resample_and_places():
    line = np.array([[0.0, 0], [30, 0], [30, 40]])
    assert curves.places(line) == pytest.approx([0, 30, 70])
    even = curves.resample(line, 5.0)
    assert even[[0, -1]] == pytest.approx(line[[0, -1]])
    assert len(even) == 15


def test_offsets_lie_beside_the_line():
    line = curves.arc((0, 0), 50, 0, 3.0)
    assert np.hypot(*curves.offset(line, 4.0).T) == pytest.approx(np.full(len(line), 46.0), abs=0.1)
    ends = curves.offset(np.array([[0.0, 0], [10, 0]]), 2.0)
    assert ends == pytest.approx(np.array([[0, 2.0], [10, 2]])), "right of the run is below it on the screen"


@pytest.mark.parametrize(("head", "tail", "blunt"), [(0.2, 0.4, 0.0), (0.5, 0.5, 0.3), (0.0, 0.1, 0.0)])
def test_tapers(head, tail, blunt):
    profile = curves.taper(201, head, tail, blunt)
    assert profile.max() == pytest.approx(1.0)
    assert profile[-1] == pytest.approx(blunt)
    assert profile[0] == pytest.approx(blunt)
    inside = (np.linspace(0, 1, 201) >= head) & (np.linspace(0, 1, 201) <= 1 - tail)
    assert profile[inside & (profile != profile[0])] == pytest.approx(1.0)


def test_bundles_are_parallel():
    line = np.stack([np.linspace(0, 200, 101), np.full(101, 30.0)], 1)
    lines = curves.bundle(line, 5, 6.0, np.random.default_rng(0))
    assert len(lines) == 5
    heights = np.array([one[:, 1].mean() for one in lines])
    assert np.ptp(heights) == pytest.approx(24, abs=8)
    assert all(np.ptp(one[:, 1]) < 1e-9 and len(one) >= 2 for one in lines)
    assert len({len(one) for one in lines}) > 1


def test_gaps_take_their_share():
    points = np.stack([np.linspace(0, 1000, 1001), np.zeros(1001)], 1)
    half = np.linspace(1, 2, 1001)
    pieces = curves.gaps((points, half), 3, 0.3, np.random.default_rng(4))
    assert 2 <= len(pieces) <= 4
    left = sum(np.ptp(p[:, 0]) for p, _ in pieces)
    assert 690 <= left <= 900  # gaps may lie over one another or reach beyond an end
    for p, h in pieces:
        assert h == pytest.approx(1 + p[:, 0] / 1000)
    assert len(curves.gaps((points, half), 0, 0.0, np.random.default_rng(4))) == 1


def test_cracks_branch_and_get_thinner():
    random = np.random.default_rng(5)
    branches = []
    for _ in range(60):
        lines = curves.cracks((100, 100), 0.5, 300, 2.0, random, branching=0.05, orders=2, most=99)
        main, widths = lines[0]
        assert main[0] == pytest.approx([100, 100])
        assert widths[:10].mean() > 1.5 > 0.6 > widths[-1] > 0
        vertices = {tuple(p) for p in main}
        for points, half in lines[1:]:
            assert tuple(points[0]) in vertices, "a branch begins on the main crack"
            assert half.max() < 1.2 * widths.max()
        branches.append(len(lines) - 1)
    # 75 steps of probability 0.05, less those too near to the tip.
    assert np.mean(branches) == pytest.approx(3.6, abs=0.6)
    assert len(curves.cracks((0, 0), 0, 900, 2.0, random, branching=0.5, orders=4, most=12)) == 12
    assert len(curves.cracks((0, 0), 0, 300, 2.0, random, orders=1)) == 1


@pytest.mark.parametrize("cap", [True, False])
def test_ribbons_have_the_area_of_a_stroke(cap):
    line = curves.spline(np.array([[20.0, 30], [60, 80], [110, 60], [160, 100]]), 1.0)
    outline = curves.ribbon(line, 5.0, cap)
    length = curves.places(line)[-1]
    expected = 10 * length + cap * np.pi * 25
    assert outline.area == pytest.approx(expected, rel=0.01)
    if cap:
        drawn = stroke(line, 5.0, (140, 190)).cover
        filled = fill(outline, (140, 190))
        assert filled.alpha.sum() == pytest.approx(drawn.alpha.sum(), rel=0.01)


def test_a_tapered_ribbon():
    line = np.stack([np.linspace(0, 100, 51), np.zeros(51)], 1)
    outline = curves.ribbon(line, np.linspace(8, 2, 51), cap=False)
    assert outline.area == pytest.approx(1000)
