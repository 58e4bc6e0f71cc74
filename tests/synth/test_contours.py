"""Contours against the equations and the figures of the papers."""

import numpy as np
import pytest

from kizu.synth.formula import contours


def rng(seed=0):
    return np.random.default_rng(seed)


def test_the_noise_has_the_distribution_of_the_papers():
    p = contours.gradient_noise(400_000, rng())
    assert abs(p.mean()) < 0.005
    assert p.std() == pytest.approx(0.329, abs=0.002)
    assert 0.94 < abs(p).max() < 0.9525
    got = np.quantile(p, [0.01, 0.05, 0.25, 0.75, 0.95, 0.99])
    assert got == pytest.approx([-0.82, -0.58, -0.15, 0.15, 0.62, 0.85], abs=0.012)


def slow_nested(n, count, r, lam, lw, aspect, sines, p):
    """The radial step, one vertex and one component at a time, with the noise values given."""
    vertices = [
        [r * aspect[0] * np.cos(2 * np.pi * j / n), r * aspect[1] * np.sin(2 * np.pi * j / n)] for j in range(n)
    ]
    out = []
    for k in range(count):
        for j in range(n):
            theta = 2 * np.pi * j / n
            for axis, u in enumerate((np.cos(theta), np.sin(theta))):
                if sines is None:
                    step = lw + lam - 2 * lam * p[k, j, axis]
                else:
                    step = (
                        lw + lam * (1 - p[k, j, axis]) + 0.5 * np.sin(sines[0] * theta) + 0.5 * np.sin(sines[1] * theta)
                    )
                vertices[j][axis] += u * step
        out.append([list(v) for v in vertices])
    return np.array(out)


@pytest.mark.parametrize("sines", [None, (3, 8), (0, 0)])
@pytest.mark.parametrize(("n", "count", "lam", "lw"), [(3, 1, 0.0, 0.05), (7, 4, 2.5, 0.1), (90, 12, 4.0, 0.0)])
def test_nested_follows_the_radial_step(n, count, lam, lw, sines):
    got = contours.nested(n, count, 20, lam, lw, (1.3, 1.9), rng(1), sines)
    # The values of P are those that it must have drawn: one run of the generator, vertex by vertex, x before y.
    p = contours.gradient_noise(count * n, rng(1), both=True).reshape(count, n, 2)
    assert got == pytest.approx(slow_nested(n, count, 20, lam, lw, (1.3, 1.9), sines, p), abs=1e-9)


def test_growth_and_roughness_are_those_that_were_measured():
    count, lam = 40, 2.0
    last = contours.nested(4000, count, 30, lam, 0.05, (1, 1), rng())[-1]
    radius = np.hypot(*last.T)
    assert radius.mean() == pytest.approx(30 + count * (lam + 0.05), rel=0.01)
    # Along an axis one component alone moves the vertex: deviation sqrt(N) * 0.66 * lambda.
    one = contours.nested(4, count, 30, lam, 0.05, (1, 1), rng())
    many = np.array([contours.nested(4, count, 30, lam, 0.05, (1, 1), rng(s))[-1, 0, 0] for s in range(600)])
    assert one.shape == (count, 4, 2)
    assert many.std() == pytest.approx(np.sqrt(count) * 0.658 * lam, rel=0.1)


def test_waves_have_the_spectrum_and_the_deviation_that_are_asked_for():
    wave = contours.waves(256, 1.5, rng(), first=2, terms=20, count=5)
    assert wave.shape == (5, 256)
    power = np.abs(np.fft.rfft(wave, axis=1)) / 128
    assert power[:, 2:21] == pytest.approx(np.tile(power[:, 2:3] * (np.arange(2, 21) / 2) ** -1.5, 1), rel=1e-6)
    assert power[:, [0, 1]].max() < 1e-9
    assert power[:, 21:].max() < 1e-9
    assert wave.mean(1) == pytest.approx(np.zeros(5), abs=1e-12)
    assert wave.std(1) == pytest.approx(np.ones(5))


@pytest.mark.parametrize("vertices", [3, 4, 5, 8])
def test_waves_of_few_vertices_stay_finite(vertices):
    assert np.isfinite(contours.waves(vertices, 1.0, rng(), first=2)).all()


@pytest.mark.parametrize(("beta", "roughness"), [(3.0, 0.1), (1.5, 0.2), (0.0, 0.15)])
def test_a_radial_contour_is_the_series(beta, roughness):
    points = contours.radial(50, beta, roughness, rng(), (1, 1), 12, 720)
    theta = np.arctan2(points[:, 1], points[:, 0]) % (2 * np.pi)
    assert theta == pytest.approx(2 * np.pi * np.arange(720) / 720, abs=1e-9)
    r = np.hypot(*points.T) / 50 - 1
    assert r.std() == pytest.approx(roughness)
    amplitude = np.abs(np.fft.rfft(r))[2:13]
    assert amplitude / amplitude[0] == pytest.approx((np.arange(2, 13) / 2.0) ** -beta, rel=1e-6)
    stretched = contours.radial(50, beta, roughness, rng(), (2, 0.5), 12, 720)
    assert stretched == pytest.approx(points * (2, 0.5))


def test_neighbours_move_together_with_beta_and_alone_without():
    def kinship(beta):
        steps = np.diff(
            np.hypot(*contours.nested(200, 30, 40, 3, 0, (1, 1), rng(), beta=beta).transpose(2, 0, 1)), axis=0
        )
        steps -= steps.mean()
        return (steps * np.roll(steps, 1, 1)).mean() / steps.var(), steps.std()

    smooth, deviation = kinship(2.0)
    rough, _ = kinship(None)
    assert smooth > 0.9
    assert abs(rough) < 0.1
    assert deviation == pytest.approx(2 * 3 * 0.329, rel=0.02)


@pytest.mark.parametrize("beta", [None, 1.0])
def test_polygons_that_are_left_out_count_in_the_growth(beta):
    kept = np.array([4, 9, 29])
    some = contours.nested(300, 30, 25, 2, 0.1, (1, 1), rng(), beta=beta, kept=kept)
    assert some.shape == (3, 300, 2)
    assert np.hypot(*some.transpose(2, 0, 1)).mean(1) == pytest.approx(25 + (kept + 1) * 2.1, rel=0.03)
    if beta is None:
        assert np.array_equal(some, contours.nested(300, 30, 25, 2, 0.1, (1, 1), rng())[kept])


@pytest.mark.parametrize("exponent", [0.5, 1.0, 1.6, 3.0])
def test_the_power_law_has_its_distribution_function(exponent):
    u = np.linspace(0, 1, 2001)
    sizes = contours.power_law(u, (0.03, 1.0), exponent)
    assert sizes[[0, -1]] == pytest.approx([0.03, 1.0])
    grid = np.geomspace(0.03, 1.0, 20_001)
    density = grid**-exponent
    share = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(grid))])
    assert np.interp(sizes, grid, share / share[-1]) == pytest.approx(u, abs=1e-4)
