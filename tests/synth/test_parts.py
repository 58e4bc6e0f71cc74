"""Industrial parts: closed, of the size that was asked for, sub-parts inside; analytic areas where there are any."""

import numpy as np
import pytest

from kizu.core.seeds import Stream, generator
from kizu.synth.formula.outline import Outline
from kizu.synth.formula.parts import PARTS
from kizu.synth.formula.parts.part import annulus, circle, polygon, rectangle, rounded, slot
from kizu.synth.formula.raster import fill
from kizu.synth.formula.warp import affine, rotation

each_family = pytest.mark.parametrize("name", PARTS)


def made(name, index, radius=60.0):
    return PARTS[name](radius, generator(3, Stream.SCENE, index))


@each_family
def test_a_part_is_closed_and_of_its_size(name):
    for index in range(12):
        part = made(name, index)
        assert part.name == name
        low, high = part.outline.bounds[:2], part.outline.bounds[2:]
        assert 40 <= (high - low).max() / 2 <= 60.5
        assert np.abs(part.outline.bounds).max() <= 61
        placed = part.map(affine(np.eye(2), (70, 70)))
        cover = fill(placed.outline, (140, 140))
        # Rings neither cross one another nor themselves: then coverage adds up to the shoelace area.
        assert cover.alpha.sum() == pytest.approx(part.outline.area, rel=0.01)
        assert cover.mask.sum() > 200
        assert 0 < part.edge < 0.6


@each_family
def test_sub_parts_lie_in_the_material(name):
    for index in range(12):
        part = made(name, index).map(affine(np.eye(2), (70, 70)))
        whole = fill(part.outline, (140, 140))
        for seat in part.seats:
            own = fill(seat.outline, (140, 140))
            inside = own.within(whole)
            assert inside.alpha.sum() == pytest.approx(own.alpha.sum(), rel=0.02), seat.kind
            assert seat.lift != 0 and 0 < seat.edge <= 1
            assert own.mask.sum() >= 3


@each_family
def test_parts_grow_with_their_radius_and_repeat(name):
    small, large, again = made(name, 5, 30.0), made(name, 5, 90.0), made(name, 5, 30.0)
    assert large.outline.area == pytest.approx(9 * small.outline.area, rel=0.05)
    assert len(small.seats) == len(large.seats)
    assert np.array_equal(small.outline.points, again.outline.points)


@each_family
@pytest.mark.parametrize("radius", [3.0, 8.0])
def test_tiny_parts_are_finite(name, radius):
    for index in range(6):
        assert made(name, index, radius).outline.area > 0


def test_a_part_moves_as_one():
    part = made("hex_nut", 0)
    turned = part.map(rotation(0.5, shift=(10, 20)))
    assert turned.outline.area == pytest.approx(part.outline.area)
    assert turned.seats[0].outline.bounds[0] > part.seats[0].outline.bounds[0]


@pytest.mark.parametrize("radius", [5.0, 60.0, 400.0])
def test_circles_are_exact(radius):
    ring = circle(radius)
    assert np.hypot(*ring.T) == pytest.approx(np.full(len(ring), radius))
    middles = (ring + np.roll(ring, -1, 0)) / 2
    assert radius - np.hypot(*middles.T).min() < 0.05


def test_rounded_corners_take_what_geometry_says():
    """Rounding a right angle takes (1 - pi / 4) r^2."""
    ring = rounded(rectangle(-40, -30, 40, 30), 10.0)
    assert Outline(ring).area == pytest.approx(80 * 60 - 4 * (1 - np.pi / 4) * 100, rel=1e-3)
    each = rounded(rectangle(-40, -30, 40, 30), np.array([10.0, 0, 0, 0]))
    assert Outline(each).area == pytest.approx(80 * 60 - (1 - np.pi / 4) * 100, rel=1e-3)
    corner = np.array([[0.0, 0], [20, 0], [20, 20], [40, 20], [40, 40], [0, 40]])
    inner = rounded(corner, np.array([0, 0, 5.0, 0, 0, 0]))
    assert Outline(inner).area == pytest.approx(Outline(corner).area + (1 - np.pi / 4) * 25, rel=1e-3)
    full = rounded(rectangle(-10, -10, 10, 10), 50.0)
    assert Outline(full).area == pytest.approx(np.pi * 100, rel=0.02), "a radius that is too large gives a disc"


def test_slots_rings_and_polygons():
    assert Outline(slot(30, 5, (7, 8), 0.3)).area == pytest.approx(30 * 10 + np.pi * 25, rel=3e-3)
    assert annulus(20, 12).area == pytest.approx(np.pi * (400 - 144), rel=3e-3)
    assert Outline(polygon(6, 10)).area == pytest.approx(1.5 * np.sqrt(3) * 100)
