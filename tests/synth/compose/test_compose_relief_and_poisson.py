"""The ratio image by its equation, the Poisson join by a direct solve, Perlin's noise by its definition."""

import cv2
import numpy as np
import pytest
from scipy.sparse import lil_matrix
from scipy.sparse.linalg import spsolve

from kizu.synth.compose.flaws.lattice import THRESHOLD, Field, Lattice
from kizu.synth.compose.flaws.perlin import piece
from kizu.synth.compose.flaws.poisson import join
from kizu.synth.compose.relief import LEAST, MOST, ratio

# --- relief ---


@pytest.mark.parametrize(
    "slope", [(0.0, 0.0), (0.2, 0.0), (-0.3, 0.1), (0.0, -0.5), (0.6, 0.6), (4.0, 0.0), (-9.0, 3.0)]
)
@pytest.mark.parametrize("sun", [(0.0, 0.0, 1.0), (0.0, 0.0, 0.2), (0.6, -0.3, 0.3), (-0.9, 0.1, 0.0), (0.0, 1.0, 0.5)])
@pytest.mark.parametrize("shine", [0.0, 0.4])
def test_a_tilted_plane(slope, sun, shine):
    y, x = np.mgrid[:9, :12]
    found = ratio((slope[0] * x + slope[1] * y).astype(np.float32), sun, shine, 16.0)
    light = np.array([sun[0], sun[1], np.sqrt(max(1 - sun[0] ** 2 - sun[1] ** 2, 0))])
    half = light + np.array([0, 0, 1])
    half /= np.linalg.norm(half)

    def shading(normal):
        normal = normal / np.linalg.norm(normal)
        return sun[2] + (1 - sun[2]) * max(0, normal @ light) + shine * max(0, normal @ half) ** 16

    flat, tilted = shading(np.array([0.0, 0, 1])), shading(np.array([-slope[0], -slope[1], 1.0]))
    expected = np.clip(tilted / flat, LEAST, MOST) if any(slope) else 1.0
    if flat < 1e-5:  # the light grazes the flat surface: nothing to divide by
        return
    # Borders are one-sided differences, which are exact on a plane, too.
    np.testing.assert_allclose(found, expected, rtol=2e-4)


def test_the_side_that_faces_the_light_is_bright():
    y, x = np.mgrid[:41, :41] - 20
    bump = 4 * np.exp(-(x**2 + y**2) / 60).astype(np.float32)
    lit = ratio(bump, (0.7, 0.0, 0.2))
    assert lit[20, 25] > 1.1
    assert lit[20, 15] < 0.9
    np.testing.assert_allclose(ratio(-bump, (-0.7, 0.0, 0.2)), lit, rtol=1e-5)
    np.testing.assert_allclose(lit[0, :3], 1, atol=1e-3)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (2, 2)])
def test_small_boxes_have_a_ratio(shape):
    assert np.isfinite(ratio(np.random.default_rng(0).normal(size=shape).astype(np.float32), (0.5, 0.5, 0.1))).all()


# --- Poisson ---


def solved(ground, patch, mixed):
    """The equations of Perez et al. (2003), eq. 7, 12: one unknown a pixel inside, guidance between neighbours."""
    rows, columns = ground.shape
    number = {(i, j): k for k, (i, j) in enumerate(np.ndindex(rows - 2, columns - 2))}
    matrix, right = lil_matrix((len(number), len(number))), np.zeros(len(number))
    for (i, j), k in number.items():
        p = i + 1, j + 1
        matrix[k, k] = 4
        for q in ((p[0] - 1, p[1]), (p[0] + 1, p[1]), (p[0], p[1] - 1), (p[0], p[1] + 1)):
            other, own = patch[p] - patch[q], ground[p] - ground[q]
            right[k] += own if mixed and abs(own) >= abs(other) else other
            if (q[0] - 1, q[1] - 1) in number:
                matrix[k, number[q[0] - 1, q[1] - 1]] = -1
            else:
                right[k] += ground[q]
    out = ground.copy()
    out[1:-1, 1:-1] = spsolve(matrix.tocsr(), right).reshape(rows - 2, columns - 2)
    return out


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("shape", [(3, 3), (3, 9), (12, 7), (20, 31)])
def test_a_join_solves_poissons_equation(shape, mixed):
    random = np.random.default_rng(sum(shape))
    ground, patch = (random.uniform(0, 1, (*shape, 3)).astype(np.float32) for _ in range(2))
    found = join(ground, patch, mixed)
    for c in range(3):
        np.testing.assert_allclose(found[..., c], solved(ground[..., c], patch[..., c], mixed), atol=2e-5)


def test_a_join_removes_tone_and_shading():
    y, x = np.mgrid[:40, :50].astype(np.float32)
    ground = np.repeat((0.3 + 0.004 * x)[..., None], 3, 2).astype(np.float32)
    bump = (0.2 * np.exp(-((x - 25) ** 2 + (y - 20) ** 2) / 20))[..., None].astype(np.float32)
    # What differs by a harmonic function (a constant and a plane) leaves no trace.
    patch = ground + bump + np.float32(0.4) - (0.01 * y)[..., None].astype(np.float32)
    found = join(ground, patch)
    np.testing.assert_allclose(found, ground + bump, atol=2e-4)
    np.testing.assert_allclose(join(ground, ground), ground, atol=1e-6)


# --- Perlin's noise ---


def defined(gradients, shape):
    """Perlin (2002): gradients at the corners of the cell, faded by 6 t^5 - 15 t^4 + 10 t^3; times the root of 2."""
    rows, columns = gradients.shape[0] - 1, gradients.shape[1] - 1
    v, u = np.meshgrid((np.arange(shape[0]) + 0.5) / shape[0] * rows, (np.arange(shape[1]) + 0.5) / shape[1] * columns,
                       indexing="ij")  # fmt: skip
    a, b = u.astype(int), v.astype(int)

    def corner(dx, dy):
        g = gradients[b + dy, a + dx]
        return g[..., 0] * (u - a - dx) + g[..., 1] * (v - b - dy)

    def fade(t):
        return 6 * t**5 - 15 * t**4 + 10 * t**3

    s, t = fade(u - a), fade(v - b)
    return np.sqrt(2) * (
        (1 - t) * ((1 - s) * corner(0, 0) + s * corner(1, 0)) + t * ((1 - s) * corner(0, 1) + s * corner(1, 1))
    )


@pytest.mark.parametrize("seed", range(6))
def test_noise_is_as_defined(seed):
    lattice = Lattice.draw(np.random.default_rng(seed))
    lattice.turn = 0.0
    np.testing.assert_allclose(lattice.sample((40, 56)), defined(lattice.gradients, (40, 56)), atol=1e-5)
    # A part of it, looked at from nearer.
    fine = lattice.sample((80, 80), (0.25, 0.5), 0.25 / 80)
    whole = lattice.sample((320, 320))
    np.testing.assert_allclose(fine, whole[160:240, 80:160], atol=1e-5)


def test_statistics_of_masks():
    """At 256 x 256: 4.5 % of the masks are empty, 4.9 % of the pixels are inside (quartiles 3.9, 4.7, 5.7, p95 9.4)."""
    random = np.random.default_rng(11)
    shares, pieces = [], []
    for _ in range(1000):
        mask = Lattice.draw(random).sample((256, 256)) > THRESHOLD
        shares.append(mask.mean())
        if mask.any():
            pieces += list(cv2.connectedComponentsWithStats(mask.astype(np.uint8))[2][1:, cv2.CC_STAT_AREA])
    shares = 100 * np.array(shares)
    assert 3 < 100 * np.mean(shares == 0) < 7
    assert shares.mean() == pytest.approx(4.9, abs=0.4)
    np.testing.assert_allclose(np.quantile(shares, [0.25, 0.5, 0.75, 0.95]), [3.9, 4.7, 5.7, 9.4], rtol=0.08)
    assert np.median(pieces) == pytest.approx(32, rel=0.15)
    assert 0.28 < np.mean(np.array(pieces) < 20) < 0.42


@pytest.mark.parametrize(("shape", "empty"), [((1, 1), 0.53), ((1, 2), 0.32)])
def test_coarse_lattices_are_often_empty(shape, empty):
    random = np.random.default_rng(2)
    count = 0
    for _ in range(800):
        angles = random.uniform(0, 2 * np.pi, (shape[0] + 1, shape[1] + 1))
        lattice = Lattice(np.stack([np.cos(angles), np.sin(angles)], 2), random.uniform(-np.pi / 2, np.pi / 2))
        count += not (lattice.sample((128, 128)) > THRESHOLD).any()
    assert count / 800 == pytest.approx(empty, abs=0.06)


def test_two_masks_are_united_or_intersected():
    kinds = []
    for seed in range(200):
        field = Field.draw(np.random.default_rng(seed))
        masks = [lattice.sample((64, 64)) > THRESHOLD for lattice in field.lattices]
        kinds.append("one" if len(masks) == 1 else "union" if field.union else "intersection")
        expected = {"one": masks[0], "union": masks[0] | masks[-1], "intersection": masks[0] & masks[-1]}[kinds[-1]]
        assert ((field.sample((64, 64)) > THRESHOLD) == expected).all()
    assert min(kinds.count(kind) for kind in ("one", "union", "intersection")) > 45, "a third each"


@pytest.mark.parametrize("area", [10, 40, 400, 4000])
def test_a_piece_has_its_area_and_no_crumbs(area):
    sizes = []
    for seed in range(40):
        field = piece(area, np.random.default_rng(seed))
        mask = field > 0
        sizes.append(mask.sum())
        areas = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)[2][1:, cv2.CC_STAT_AREA]
        assert areas.min() >= min(9, area / 2)
    assert np.median(sizes) == pytest.approx(area, rel=0.15)
    assert min(sizes) >= 0.6 * area
