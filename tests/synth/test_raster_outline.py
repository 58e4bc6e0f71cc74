"""Outlines and their coverage against analytic areas and a supersampled reference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizu.core.errors import DataError
from kizu.synth.formula.outline import Outline
from kizu.synth.formula.raster import Cover, box_of, fill, stroke

SIZE = (96, 120)


def ring(centre, radius, count=256, first=0.0):
    angles = first + 2 * np.pi * np.arange(count) / count
    return np.asarray(centre) + radius * np.stack([np.cos(angles), np.sin(angles)], 1)


def frame(cover, size=SIZE):
    out = np.zeros(size, np.float32)
    out[cover.slices] = cover.alpha
    return out


def supersampled(outline, size, fine=16):
    """Coverage by the even-odd test of fine x fine points a pixel (right for rings that do not cross)."""
    y, x = np.mgrid[0 : size[0] * fine, 0 : size[1] * fine]
    x, y = (x + 0.5) / fine, (y + 0.5) / fine
    inside = np.zeros(x.shape, bool)
    for r in range(len(outline)):
        points = outline.ring(r)
        for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, 0), strict=True):
            if y0 != y1:
                between = (np.minimum(y0, y1) <= y) & (y < np.maximum(y0, y1))
                inside ^= between & (x < x0 + (y - y0) / (y1 - y0) * (x1 - x0))
    return inside.reshape(size[0], fine, size[1], fine).mean((1, 3))


DISCS = [((50.3, 47.2), 12.0), ((50.1, 47.8), 16.0), ((61.37, 40.91), 25.3), ((55.2, 48.8), 40.0)]


@pytest.mark.parametrize(("centre", "radius"), DISCS)
def test_discs(centre, radius):
    cover = fill(Outline(ring(centre, radius, 720)), SIZE)
    area = np.pi * radius**2
    assert cover.alpha.sum() == pytest.approx(area, rel=1e-3)
    assert cover.mask.sum() == pytest.approx(area, rel=0.01)
    assert not cover.truncated


@pytest.mark.parametrize("radius", [12.0, 12.5, 20.0])
def test_masks_of_discs_anywhere_are_right_on_average(radius):
    """Pixels inside a circle vary about its area (Gauss's circle problem), most where it lies evenly on the grid."""
    centres = np.random.default_rng(0).uniform(46, 48, (40, 2))
    areas = [fill(Outline(ring(centre, radius, 360)), SIZE).mask.sum() for centre in centres]
    assert np.mean(areas) == pytest.approx(np.pi * radius**2, rel=0.003)
    assert np.std(areas) < 1.3 * np.sqrt(0.676 * radius), "Kendall and Rankin: the variance is about 0.676 r"


@pytest.mark.parametrize(("centre", "outer", "inner"), [((50.3, 47.6), 30.0, 14.0), ((60.0, 45.5), 20.0, 8.5)])
def test_rings(centre, outer, inner):
    outline = Outline.of([ring(centre, outer, 720), ring(centre, inner, 720)])
    cover = fill(outline, SIZE)
    area = np.pi * (outer**2 - inner**2)
    assert outline.area == pytest.approx(area, rel=1e-3)
    assert cover.alpha.sum() == pytest.approx(area, rel=1e-3)
    assert cover.mask.sum() == pytest.approx(area, rel=0.01)
    assert frame(cover)[int(centre[1]), int(centre[0])] == 0


@pytest.mark.parametrize("seed", range(6))
def test_coverage_of_each_pixel(seed):
    random = np.random.default_rng(seed)
    radii = random.uniform(8, 30, 14)
    angles = 2 * np.pi * np.arange(14) / 14
    star = radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1) + random.uniform(32, 44, 2)
    outline = Outline.of([star, ring(star.mean(0), 4.3, 40)]) if seed % 2 else Outline(star)
    size = (70, 74)
    assert frame(fill(outline, size), size) == pytest.approx(supersampled(outline, size), abs=0.04)


@pytest.mark.parametrize(("centre", "radius"), [
    ((0.0, 40.0), 20.0), ((120.0, 96.0), 31.4), ((-5.5, -3.25), 30.0), ((60.0, 99.0), 14.0), ((60.0, 48.0), 90.0),
    ((118.0, 10.0), 12.0), ((60.3, 200.0), 130.0),
])  # fmt: skip
def test_shapes_are_cut_at_the_frame(centre, radius):
    whole = fill(Outline(ring(np.add(centre, 200), radius, 360)), (600, 600))
    expected = frame(whole, (600, 600))[200 : 200 + SIZE[0], 200 : 200 + SIZE[1]]
    cover = fill(Outline(ring(centre, radius, 360)), SIZE)
    assert cover.truncated
    assert frame(cover) == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("shift", [(200.0, 0.0), (-200.0, 0.0), (0.0, 300.0), (0.0, -300.0)])
def test_outside_the_frame_there_is_nothing(shift):
    cover = fill(Outline(ring(shift, 20.0)), SIZE)
    assert cover.alpha.size == 0 or cover.alpha.max() == 0


simple = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed))


@given(simple, st.integers(3, 40))
def test_coverage_adds_up_to_the_shoelace_area(random, count):
    # No two neighbours are half a turn apart, so that the polygon winds around its middle once: it is simple.
    angles = 2 * np.pi * (np.arange(count) + random.uniform(-0.2, 0.2, count)) / count
    radii = random.uniform(3, 45, count)
    outline = Outline(random.uniform(46, 49, 2) + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1))
    cover = fill(outline, SIZE)
    # Traces below 1e-4 a pixel are dropped where rows end.
    assert float(cover.alpha.sum(dtype=np.float64)) == pytest.approx(outline.area, rel=1e-3, abs=0.05)
    assert cover.alpha.min() >= 0 and cover.alpha.max() <= 1


@given(simple)
def test_direction_and_start_do_not_matter(random):
    points = ring(random.uniform(40, 56, 2), random.uniform(5, 30), 17) + random.normal(0, 0.5, (17, 2))
    one = fill(Outline(points), SIZE)
    for other in (points[::-1], np.roll(points, 5, 0)):
        assert fill(Outline(other), SIZE).alpha == pytest.approx(one.alpha, abs=1e-4)


def test_shapes_beside_each_other_fill_the_frame():
    """Two halves cut by any line add up to a whole at each pixel."""
    left = Outline(np.array([[0, 0], [70.3, 0], [31.7, 96], [0, 96]]))
    right = Outline(np.array([[70.3, 0], [120, 0], [120, 96], [31.7, 96]]))
    assert frame(fill(left, SIZE)) + frame(fill(right, SIZE)) == pytest.approx(np.ones(SIZE), abs=1e-3)


@pytest.mark.parametrize(("points", "half"), [
    ([[20.0, 30.0], [90.0, 61.0]], 3.0), ([[20.0, 30.5], [90.0, 30.5]], 2.5), ([[60.4, 12.0], [60.4, 80.0]], 6.0),
])  # fmt: skip
def test_strokes(points, half):
    drawn = stroke(np.array(points), half, SIZE)
    length = np.hypot(*np.subtract(points[1], points[0]))
    area = 2 * half * length + np.pi * half**2
    assert drawn.cover.alpha.sum() == pytest.approx(area, rel=0.02)
    assert drawn.cover.mask.sum() == pytest.approx(area, rel=0.03)
    # The breadth, measured across the middle.
    normal = np.array([-(points[1][1] - points[0][1]), points[1][0] - points[0][0]]) / length
    middle = np.mean(points, 0)
    for side in (-1, 1):
        for far, inside in ((half - 1, True), (half + 1, False)):
            x, y = middle + side * far * normal
            assert (frame(drawn.cover)[int(y), int(x)] >= 0.5) == inside


def test_a_stroke_tapers_and_knows_its_sides():
    drawn = stroke(np.array([[10.0, 50.0], [110.0, 50.0]]), np.array([6.0, 1.0]), SIZE, reach=3.0)
    widths = frame(drawn.cover).sum(0)
    assert widths[12:108] == pytest.approx(np.linspace(2 * 5.87, 2 * 1.12, 96), abs=0.1)
    across = np.full(SIZE, np.nan, np.float32)
    across[drawn.cover.slices] = drawn.across
    assert across[47, 60] > 0 > across[52, 60], "left of the run is positive: above it, where it goes to the right"
    along = np.zeros(SIZE, np.float32)
    along[drawn.cover.slices] = drawn.along
    assert along[50, 60] == pytest.approx(0.505, abs=0.01)


def test_within_and_of_frame():
    parent = fill(Outline(ring((40.0, 40.0), 20.0)), SIZE)
    child = fill(Outline(ring((58.0, 40.0), 10.0)), SIZE)
    inside = frame(child.within(parent))
    assert inside == pytest.approx(np.minimum(frame(child), frame(parent)))
    again = Cover.of_frame(inside)
    assert frame(again) == pytest.approx(inside)
    assert again.alpha.any(1).all() and again.alpha.any(0).all()
    assert Cover.of_frame(np.zeros(SIZE, np.float32)).alpha.size == 0
    far = fill(Outline(ring((110.0, 90.0), 5.0)), SIZE)
    assert not far.within(parent).alpha.size


@pytest.mark.parametrize(("bounds", "box"), [
    ((1.2, 3.7, 8.1, 9.0), (1, 3, 9, 9)), ((-5, -5, 500, 500), (0, 0, 120, 96)), ((130, 5, 140, 9), (120, 5, 120, 9)),
])  # fmt: skip
def test_boxes(bounds, box):
    assert box_of(np.array(bounds, float), SIZE) == box


@pytest.mark.parametrize("points", [np.zeros((3, 3)), np.array([[0, 0], [1, np.nan], [1, 1]]), np.zeros(4)])
def test_bad_vertices_are_refused(points):
    with pytest.raises(DataError, match="finite vertices"):
        Outline(points)


def test_maps_move_vertices():
    outline = Outline.of([ring((0, 0), 10), ring((0, 0), 4)])
    moved = outline.affine([[2, 0], [0, 1]], (30, 20))
    assert moved.area == pytest.approx(2 * outline.area)
    assert moved.bounds == pytest.approx([10, 10, 50, 30])
    assert outline.map(lambda p: p + 1).bounds == pytest.approx(outline.bounds + 1)
    assert len(moved) == 2 and len(moved.ring(1)) == 256
