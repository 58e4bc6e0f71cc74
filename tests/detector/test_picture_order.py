"""The line of training pictures: every picture in each round, rare classes more often, good ones thinned."""

import numpy as np
import pytest

from kizu.detector.order import Order


def shown(order, count):
    return np.bincount([order[i] for i in range(count)], minlength=20)


def test_every_picture_once_a_round_where_nothing_is_rare():
    order = Order(np.ones((20, 1), np.int64), np.zeros(20, bool), 0)
    for k in range(3):
        assert sorted(order[20 * k + i] for i in range(20)) == list(range(20))
    assert [order[i] for i in range(20)] != [order[20 + i] for i in range(20)]


def test_random_access_is_the_same_line():
    counts, good = np.array([[1, 0]] * 15 + [[0, 1]] * 2 + [[0, 0]] * 3), np.array([False] * 17 + [True] * 3)
    line = [Order(counts, good, 5)[i] for i in range(100)]
    again = Order(counts, good, 5)
    assert [again[i] for i in reversed(range(100))] == line[::-1]
    assert [Order(counts, good, 6)[i] for i in range(100)] != line


def test_a_rare_class_comes_by_its_repeat_factor():
    counts = np.zeros((1000, 2), np.int64)
    counts[:, 0] = 1
    counts[:4, 1] = 1  # on 0.4 % of the pictures: sqrt(0.1 / 0.004) = 5 times
    order = Order(counts, np.zeros(1000, bool), 0)
    seen = np.bincount([order[i] for i in range(10 * 1016)], minlength=1000)
    assert seen[:4].mean() == pytest.approx(50, abs=2)
    assert seen[4:].mean() == pytest.approx(10, abs=0.1)


def test_good_pictures_are_half_of_what_is_shown_at_most():
    counts = np.zeros((200, 1), np.int64)
    counts[:20, 0] = 1
    order = Order(counts, ~counts.any(1), 0)
    drawn = np.array([order[i] for i in range(2000)])
    assert (drawn >= 20).mean() == pytest.approx(0.5, abs=0.03)
    assert set(drawn.tolist()) == set(range(200))


def test_good_pictures_alone():
    order = Order(np.zeros((3, 1), np.int64), np.ones(3, bool), 0)
    assert sorted(order[i] for i in range(3)) == [0, 1, 2]
