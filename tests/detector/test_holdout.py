"""What is held out for validation: whole groups, every class where that is possible, about a fifth."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kizu.detector.holdout import hold_out


@given(st.integers(2, 60), st.integers(1, 4), st.integers(1, 20), st.integers(0, 5))
def test_groups_stay_together_and_no_class_vanishes(count, classes, groups, seed):
    random = np.random.default_rng(count * 100 + classes)
    counts = random.integers(0, 2, (count, classes)) * random.integers(1, 4, (count, classes))
    good = ~counts.any(1)
    names = [str(g) if g else "" for g in random.integers(0, groups, count)]
    held = hold_out(counts, good, names, seed)
    for name in set(names) - {""}:
        assert len({bool(held[i]) for i in range(count) if names[i] == name}) == 1
    for k in range(classes):
        assert (counts[~held, k] > 0).any() == (counts[:, k] > 0).any()
    assert (held == hold_out(counts, good, names, seed)).all()


def test_the_share_of_each_class():
    counts = np.zeros((200, 2), np.int64)
    counts[:100, 0] = 1
    counts[100:110, 1] = 1
    held = hold_out(counts, ~counts.any(1), [""] * 200, 0)
    assert [int(held[a:b].sum()) for a, b in ((0, 100), (100, 110), (110, 200))] == [20, 2, 18]


def test_a_class_of_one_group_is_trained_and_not_judged():
    counts = np.array([[1, 0]] * 6 + [[0, 1]] * 3)
    held = hold_out(counts, np.zeros(9, bool), ["a", "b", "c", "d", "e", "f", "g", "g", "g"], 1)
    assert not held[6:].any() and held[:6].sum() == 1


def test_another_seed_holds_others_out():
    counts = np.ones((50, 1), np.int64)
    drawn = {tuple(np.flatnonzero(hold_out(counts, np.zeros(50, bool), [""] * 50, seed))) for seed in range(4)}
    assert len(drawn) == 4
