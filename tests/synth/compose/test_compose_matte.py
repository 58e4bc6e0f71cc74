"""Soft edges: against discs whose coverage of every pixel and whose colours are known."""

import os

import numpy as np
import pytest
import scipy.sparse.linalg
from compose_bank_sets import GREY, RED, coverage, disc_sample
from hypothesis import given
from hypothesis import strategies as st

from kizu.synth.compose import matte
from kizu.synth.compose.foreground import foreground_colours
from kizu.synth.compose.linear import from_linear, to_linear

shapes = st.tuples(st.integers(3, 24), st.integers(3, 24), st.integers(0, 2**32 - 1), st.floats(0.1, 0.9))


def random_mask(shape):
    height, width, seed, share = shape
    return np.random.default_rng(seed).random((height, width)) < share


@given(shapes)
def test_an_antialiased_edge_keeps_the_mask(shape):
    mask = random_mask(shape)
    for alpha in (matte.antialiased(mask), matte.stepped(matte.antialiased(mask))):
        assert ((alpha >= 0.5) == mask).all()
        assert alpha.dtype == np.float32
        assert 0 <= alpha.min() <= alpha.max() <= 1


@given(shapes)
def test_a_refined_edge_is_within_a_pixel_of_the_mask(shape):
    mask = random_mask(shape)
    light = np.random.default_rng(shape[2]).random((*mask.shape, 3)).astype(np.float32)
    alpha = matte.refined(light, mask)
    padded = np.pad(mask, 1, mode="edge")
    around = np.stack([padded[i : i + mask.shape[0], j : j + mask.shape[1]] for i in range(3) for j in range(3)])
    assert (alpha[~around.any(0)] < 0.05).all()
    assert (alpha[around.all(0)] > 0.95).all()
    assert 0 <= alpha.min() <= alpha.max() <= 1


@given(st.floats(0, 1))
def test_steps_of_alpha_are_numbers_of_float16(value):
    alpha = matte.stepped(np.float32([[value]]))
    assert alpha == alpha.astype(np.float16).astype(np.float32)
    assert abs(alpha - value) <= 1 / matte.STEPS
    assert (alpha >= 0.5) == (np.float32(value) >= 0.5)


@pytest.mark.parametrize(
    ("noise", "shift", "most"), [(0, 0, 0.02), (2, 0, 0.05), (0, 1, 0.06)], ids=["clean", "noise", "label off by half"]
)
def test_the_edge_of_a_disc_is_found(noise, shift, most):
    true = coverage((96, 128), 60.3, 50.6, 20)
    sample = disc_sample(noise=noise)
    label = true >= (0.9 if shift else 0.5)
    alpha = matte.refined(to_linear(sample.image), label)
    band = (true > 0) & (true < 1)
    assert np.abs(alpha - true)[band].mean() < most
    assert np.abs(alpha - true)[band].mean() < 0.5 * np.abs(label - true)[band].mean()


def test_where_both_sides_are_alike_the_label_speaks():
    mask = coverage((40, 40), 20, 20, 9) >= 0.5
    light = to_linear(np.random.default_rng(0).normal(120, 6, (40, 40, 3)).astype(np.uint8))
    assert np.abs(matte.refined(light, mask) - matte.antialiased(mask)).mean() < 0.02


@pytest.mark.parametrize("colour", [RED, (250, 250, 250), (5, 5, 5), (30, 80, 220)])
@pytest.mark.parametrize("ground", [GREY, (255, 255, 255), (0, 0, 0)])
def test_the_colour_of_a_disc_is_recovered_at_its_edge(colour, ground):
    sample = disc_sample(colour=colour, ground=ground)
    alpha = matte.stepped(coverage((96, 128), 60.3, 50.6, 20).astype(np.float32))
    mine = matte.own_colour(sample.image, alpha)
    soft = (alpha > 0.1) & (alpha < 1)
    away = np.abs(mine[soft].astype(int) - colour)
    assert away.max() <= 24 and away.mean() <= 4, (away.max(), away.mean())
    assert (mine[alpha == 0] == sample.image[alpha == 0]).all()
    assert (mine[alpha == 1] == sample.image[alpha == 1]).all()


def test_colours_are_near_the_best_that_there_are():
    """Against the linear system that the energy of the paper has as its minimum, solved as a whole."""
    size = (18, 22)
    alpha = coverage(size, 11.2, 8.7, 5.0).astype(np.float32)
    mine_is = np.array([0.7, 0.2, 0.1]) + 0.01 * np.arange(22)[None, :, None] * np.ones((18, 1, 1))
    light = (alpha[..., None] * mine_is + (1 - alpha[..., None]) * np.array([0.1, 0.3, 0.5])).astype(np.float32)
    number, flat = np.arange(alpha.size).reshape(size), alpha.ravel().astype(float)
    rows, right = scipy.sparse.lil_matrix((2 * alpha.size, 2 * alpha.size)), np.zeros((2 * alpha.size, 3))
    pairs = [(number[1:], number[:-1]), (number[:, 1:], number[:, :-1])]
    for i, a in enumerate(flat):
        rows[i, i], rows[i, i + alpha.size] = a * a, a * (1 - a)
        rows[i + alpha.size, i], rows[i + alpha.size, i + alpha.size] = a * (1 - a), (1 - a) ** 2
        right[i], right[i + alpha.size] = a * light.reshape(-1, 3)[i], (1 - a) * light.reshape(-1, 3)[i]
    for left, other in pairs:
        for i, j in zip(left.ravel().tolist(), other.ravel().tolist(), strict=True):
            weight = 1e-5 + abs(flat[i] - flat[j])
            for k in (0, alpha.size):
                rows[i + k, i + k] += weight
                rows[j + k, j + k] += weight
                rows[i + k, j + k] -= weight
                rows[j + k, i + k] -= weight
    best = scipy.sparse.linalg.spsolve(rows.tocsr(), right)[: alpha.size].reshape(*size, 3)
    away = np.abs(foreground_colours(light, alpha) - best)[alpha > 0.05]
    assert away.max() < 0.02 and away.mean() < 0.003, (away.max(), away.mean())


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 2)])
@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
def test_colours_of_a_few_pixels(size, value):
    light = np.full((*size, 3), 0.3, np.float32)
    assert foreground_colours(light, np.full(size, value, np.float32)) == pytest.approx(light, abs=3e-3)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_it_works_in_a_forked_process():
    """Loaders of training data fork: what uses threads there is killed."""
    sample, alpha = disc_sample(), coverage((96, 128), 60.3, 50.6, 20).astype(np.float32)
    matte.own_colour(sample.image, alpha)
    child = os.fork()
    if not child:
        matte.own_colour(sample.image, alpha)
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_put_back_it_is_the_picture_that_it_was_cut_from():
    sample = disc_sample(noise=1.5)
    alpha = matte.stepped(matte.refined(to_linear(sample.image), sample.instances.masks.dense(0)))[..., None]
    mine = matte.own_colour(sample.image, alpha[..., 0])
    back = from_linear(alpha * to_linear(mine) + (1 - alpha) * to_linear(np.array(GREY, np.uint8)))
    assert np.abs(back.astype(int) - sample.image).mean() < 1.5
    edge = (alpha[..., 0] > 0) & (alpha[..., 0] < 1)
    assert np.abs(back.astype(int) - sample.image)[edge].mean() < 6


@pytest.mark.parametrize("pixels", [0.0, 0.25, 0.5, 1.0])
def test_erosion_moves_the_edge_by_so_many_pixels(pixels):
    """The area of a square that loses e pixels on each side."""
    alpha = np.zeros((40, 40), np.float32)
    alpha[10:30, 10:30] = 1
    assert matte.eroded(alpha, pixels).sum() == pytest.approx((20 - 2 * pixels) ** 2, rel=0.005)


def test_erosion_stops_at_the_border_of_the_picture_and_spares_thin_things():
    alpha = np.zeros((20, 20), np.float32)
    alpha[5:15, 12:] = 1
    assert (matte.eroded(alpha, 0.5)[6:14, 13:] == 1).all()
    line = np.zeros((20, 20), np.float32)
    line[10, 3:17] = 1
    assert (matte.eroded(line, 1.0) == line).all()


def test_crumbs_are_dropped_and_pieces_kept():
    alpha = np.zeros((60, 60), np.float32)
    alpha[5:45, 5:45] = 1  # 1600 pixels
    alpha[50:55, 5:15] = 0.9  # 50
    alpha[50, 50] = 0.4  # 1
    out = matte.without_crumbs(alpha)
    assert (out[:48] == alpha[:48]).all() and (out[50:55, 5:15] > 0).all()
    assert out[50, 50] == 0
