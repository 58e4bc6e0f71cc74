"""The order of samples: every one once an epoch, each process its share, few groups of rows a batch."""

import numpy as np
import pytest

from kizu.pretrain.order import BLOCK, SPREAD, Order


@pytest.mark.parametrize("count", [1, 5, 32, 33, 500, 1000])
@pytest.mark.parametrize("shuffle", [True, False])
def test_each_epoch_has_every_sample_once(count, shuffle):
    order = Order(count, 3, shuffle)
    epochs = [[order[count * e + i] for i in range(count)] for e in range(3)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(count))
    if count > 30:
        assert (epochs[0] == epochs[1]) != shuffle
    assert [Order(count, 3, shuffle)[2 * count + i] for i in range(count)] == epochs[2], "a function of the place"


def test_another_seed_is_another_order():
    first, second = ([Order(200, seed)[i] for i in range(200)] for seed in (0, 1))
    assert first != second


@pytest.mark.parametrize(("size", "world"), [(4, 1), (4, 2), (7, 3)])
def test_processes_share_the_line(size, world):
    order = Order(100, 0)
    for step in range(8):
        places = [place for rank in range(world) for place, _ in order.batch(step, size, rank, world)]
        assert sorted(places) == list(range(step * size * world, (step + 1) * size * world))
    assert all(order[place] == number for place, number in order.batch(5, size, 0, world))


def test_a_batch_reads_few_groups_of_rows():
    order = Order(BLOCK * 40, 0)
    groups = []
    for step in range(BLOCK * 40 // 16):
        numbers = [number for _, number in order.batch(step, 16)]
        assert numbers == sorted(numbers)
        groups.append(len({number // BLOCK for number in numbers}))
    assert max(groups) <= SPREAD
    assert np.mean(groups) > SPREAD - 1, "and yet samples are mixed"


def test_neighbours_are_parted():
    order = Order(2000, 1)
    steps = np.abs(np.diff([order[i] for i in range(2000)]))
    assert np.median(steps) > 10
