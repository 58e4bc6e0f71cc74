"""Grains, iso-contours, point processes and sizes against their laws."""

import numpy as np
import pytest
from scipy.stats import kstest

from kizu.core.errors import KizuError
from kizu.synth.formula import fields
from kizu.synth.formula.raster import fill


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, 3.0, 4.5])
def test_sizes_follow_the_power_law(exponent):
    low, high = 3.0, 60.0
    sizes = fields.power_law(4000, low, high, np.random.default_rng(1), exponent)

    def cdf(r):
        if exponent == 1.0:
            return np.log(r / low) / np.log(high / low)
        k = 1 - exponent
        return (np.asarray(r) ** k - low**k) / (high**k - low**k)

    assert low <= sizes.min() and sizes.max() <= high
    assert kstest(sizes, cdf).pvalue > 0.01


@pytest.mark.parametrize(("low", "high"), [(0.0, 5.0), (-1.0, 5.0), (6.0, 5.0)])
def test_sizes_that_make_no_sense(low, high):
    with pytest.raises(KizuError, match="0 < low <= high"):
        fields.power_law(3, low, high, np.random.default_rng(0))


@pytest.mark.parametrize("distance", [9.0, 25.0])
def test_poisson_disc_keeps_apart_and_fills(distance):
    size = (200, 300)
    points = fields.poisson_disc(size, distance, np.random.default_rng(0))
    apart = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))
    np.fill_diagonal(apart, np.inf)
    assert apart.min() >= distance
    assert (points >= 0).all() and (points < (300, 200)).all()
    # Random sequential addition jams at 0.547 of the area for discs of this diameter; most of that is reached.
    filled = len(points) * np.pi * (distance / 2) ** 2 / (200 * 300)
    assert 0.42 < filled < 0.62


@pytest.mark.parametrize("relax", [0, 2])
def test_grains_fill_the_frame_and_belong_to_the_nearest_point(relax):
    size, random = (120, 160), np.random.default_rng(3)
    points = random.uniform((0, 0), (160, 120), (30, 2))
    cells = fields.grains(size, points, relax)
    assert len(cells) == 30
    assert sum(cell.area for cell in cells) == pytest.approx(120 * 160, rel=1e-9)
    total = np.zeros(size)
    for k, cell in enumerate(cells):
        cover = fill(cell, size)
        total[cover.slices] += cover.alpha
        if not relax:
            y, x = np.argwhere(cover.alpha == 1).T
            places = np.stack([x + cover.x + 0.5, y + cover.y + 0.5], 1)
            nearest = np.hypot(*(places[:, None] - points[None]).transpose(2, 0, 1)).argmin(1)
            assert (nearest == k).all()
    assert total == pytest.approx(np.ones(size), abs=5e-3)
    if relax:
        areas = [np.std([c.area for c in fields.grains(size, points, n)]) for n in (0, 2)]
        assert areas[1] < areas[0]


@pytest.mark.parametrize("points", [[[5, 5]], [[5, 5], [500, 5]], [[-1, 5], [6, 6]]])
def test_grains_of_bad_points(points):
    with pytest.raises(KizuError, match="two or more, all inside"):
        fields.grains((50, 60), np.array(points, float))


def test_iso_contours_with_holes_and_islands():
    y, x = np.mgrid[0:120, 0:160] + 0.5
    far = np.hypot(x - 60, y - 60)
    field = np.where(
        far < 12, 10 - far, np.where(far < 25, -np.minimum(far - 10, 25 - far), np.minimum(far - 25, 45 - far))
    )
    shapes = fields.iso(field, 0.0)
    # A ring of radii 25 and 45 with an island of radius 10 in its hole.
    assert [len(shape) for shape in shapes] == [2, 1]
    assert shapes[0].area == pytest.approx(np.pi * (45**2 - 25**2), rel=0.01)
    assert shapes[1].area == pytest.approx(np.pi * 100, rel=0.02)
    assert shapes[0].bounds == pytest.approx([15, 15, 105, 105], abs=0.2)
    assert fields.iso(field, 50.0) == []


def test_iso_contours_of_a_coarse_field_and_at_the_border():
    y, x = np.mgrid[0:30, 0:40] * 4.0 + 2.0
    shapes = fields.iso(40 - np.hypot(x - 0, y - 60), 0.0, cell=4.0)
    assert len(shapes) == 1
    cover = fill(shapes[0], (120, 160))
    assert cover.truncated
    assert cover.alpha.sum() == pytest.approx(np.pi * 40**2 / 2, rel=0.02)


@pytest.mark.parametrize("ragged", [0.0, 0.5, 1.0])
def test_patches(ragged):
    random = np.random.default_rng(7)
    areas = []
    for _ in range(20):
        shape = fields.patch(30.0, random, ragged)
        areas.append(shape.area)
        assert np.abs(shape.bounds).max() < 60
    assert np.median(areas) == pytest.approx(np.pi * 30**2, rel=0.02 if ragged == 0 else 0.5)
    assert len(fields.patch(30.0, random, 1.0, holes=False)) == 1
