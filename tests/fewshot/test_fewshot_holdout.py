"""What stands for a class that one picture alone shows: its halves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kizu.fewshot.holdout import halves, parted


@given(arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_halves_are_disjoint_and_make_up_the_whole(truth):
    first, second = halves(truth)
    assert not (first & second).any()
    assert ((first | second) == truth).all()
    assert 0 <= first.sum() - second.sum() <= 1


@pytest.mark.parametrize(("window", "axis"), [((slice(4, 8), slice(2, 30)), 1), ((slice(2, 30), slice(4, 8)), 0)])
def test_the_long_side_is_cut(window, axis):
    truth = np.zeros((32, 32), bool)
    truth[window] = True
    first, second = (np.argwhere(part)[:, axis] for part in halves(truth))
    assert max(first.max(), second.max()) == 29
    assert first.max() < second.min() or second.max() < first.min()


def test_two_spots_are_parted_from_each_other():
    truth = np.zeros((20, 40), bool)
    truth[3:6, 3:6] = truth[10:13, 30:33] = True
    assert sorted(np.argwhere(part)[:, 1].max() for part in halves(truth)) == [5, 32]


def test_what_is_parted_and_what_is_not():
    truth = np.zeros((3, 10, 10), bool)
    truth[0, 1:3, 1:9] = truth[1, 5:7, 1:9] = truth[2, 9] = True
    found = parted(truth, {1})
    masks = {int(label): found.masks[[i]].union() for i, label in enumerate(found.labels)}
    assert sorted(masks) == [0, 1, 3, 4]
    assert (masks[0] == truth[0]).all() and (masks[4] == truth[2]).all()
    assert ((masks[1] | masks[3]) == truth[1]).all() and masks[1].sum() == masks[3].sum() == 8
    assert len(parted(np.zeros((3, 10, 10), bool), set())) == 0
