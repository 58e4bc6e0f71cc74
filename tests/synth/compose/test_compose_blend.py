"""Blends against what each is defined by; the membrane against a sparse solution of Laplace's equation."""

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg
from scipy.ndimage import distance_transform_edt

from kizu.core.errors import DataError
from kizu.synth.compose.blend import BLENDS, blend, draw, membrane


def box(side=48, seed=0):
    random = np.random.default_rng(seed)
    base, paste = (random.uniform(0, 1, (side, side, 3)).astype(np.float32) for _ in range(2))
    rows, columns = np.mgrid[:side, :side]
    alpha = ((rows - side / 2) ** 2 + (columns - side / 2) ** 2 < (side / 4) ** 2).astype(np.float32)
    return base, paste, alpha


@pytest.mark.parametrize("name", BLENDS)
def test_far_outside_nothing_changes_and_far_inside_it_is_what_was_put_in(name):
    base, paste, alpha = box(96)
    paste = base + 0.25  # smooth difference: every way of joining has to show it in the middle, but Poisson
    out = blend(base, paste, alpha, {"name": name})
    away = distance_transform_edt(alpha < 0.5)
    deep = distance_transform_edt(alpha >= 0.5)
    assert out.shape == base.shape and out.dtype == np.float32
    assert np.abs(out - base)[away > 20].max() < 1e-3
    expected = base if name == "poisson" else paste
    assert np.abs(out - expected)[deep > 20].max() < 0.03


@pytest.mark.parametrize("name", BLENDS)
def test_nothing_put_in_is_nothing_changed(name):
    base, paste, alpha = box()
    assert np.abs(blend(base, paste, 0 * alpha, {"name": name}) - base).max() < 1e-6
    assert np.abs(blend(base, base.copy(), alpha, {"name": name}) - base).max() < 1e-5


@pytest.mark.parametrize("name", BLENDS)
def test_light_is_never_negative(name):
    base, paste, alpha = box(64)
    base = np.where(np.arange(64)[:, None, None] < 32, 0, base).astype(np.float32)
    paste *= paste.sum(2, keepdims=True) > 1.5  # black pixels beside bright ones, as on a dark surface
    swing = BLENDS[name](base, paste, alpha, {"name": name})
    assert (swing.min() < 0) == (name in ("pyramid", "poisson"))
    assert (blend(base, paste, alpha, {"name": name}) == np.maximum(swing, 0)).all()


def test_an_unknown_blend():
    base, paste, alpha = box()
    with pytest.raises(DataError, match="no blend 'glue'; there are hard, feather"):
        blend(base, paste, alpha, {"name": "glue"})


def test_poisson_keeps_gradients_and_drops_the_level():
    base, _, alpha = box(64)
    rows, columns = np.mgrid[:64, :64] / 64
    bump = np.exp(-((rows - 0.5) ** 2 + (columns - 0.5) ** 2) / 0.005).astype(np.float32)[:, :, None]
    flat = np.full_like(base, 0.4)
    out = blend(flat, flat + 0.3 + 0.2 * bump, alpha, {"name": "poisson"})
    inside = alpha >= 0.5
    assert np.abs(out - flat - 0.2 * bump)[inside].max() < 0.01


@pytest.mark.parametrize("side, seed", [(11, 0), (30, 1), (70, 2)])
def test_the_membrane_solves_laplace(side, seed):
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    inside = (rows - side / 2 + 0.5) ** 2 + 1.7 * (columns - side / 2 + 0.5) ** 2 < (0.4 * side) ** 2
    values = random.uniform(0, 1, (side, side, 1)).astype(np.float32)
    values += (columns / side)[:, :, None].astype(np.float32)
    number = np.full((side, side), -1)
    number[inside] = np.arange(inside.sum())
    matrix = scipy.sparse.lil_matrix((inside.sum(),) * 2)
    right = np.zeros(inside.sum())
    for i, j in zip(*np.nonzero(inside), strict=True):
        matrix[number[i, j], number[i, j]] = 4
        for a, b in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
            if inside[a, b]:
                matrix[number[i, j], number[a, b]] = -1
            else:
                right[number[i, j]] += values[a, b, 0]
    exact = scipy.sparse.linalg.spsolve(matrix.tocsc(), right)
    found = membrane(values, inside)
    assert np.abs(found[inside][:, 0] - exact).max() < 0.03
    assert (found[~inside] == values[~inside]).all()


def test_drawn_blends_follow_their_weights():
    random = np.random.default_rng(0)
    found = [draw({"hard": 1, "feather": 3}, random)["name"] for _ in range(400)]
    assert set(found) == {"hard", "feather"}
    assert 60 < found.count("hard") < 140
