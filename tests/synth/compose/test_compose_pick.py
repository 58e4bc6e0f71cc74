"""Names by weight, against the shares that they should have."""

import numpy as np
import pytest

from kizu.synth.compose.pick import pick


@pytest.mark.parametrize("weights", [{"a": 1.0}, {"a": 0.0, "b": 3.0, "c": 1.0, "d": 0.0}, {"a": 1e-9, "b": 1e-9}])
def test_names_come_by_their_share(weights):
    random = np.random.default_rng(0)
    drawn = [pick(weights, random) for _ in range(4000)]
    total = sum(weights.values())
    for name, weight in weights.items():
        assert drawn.count(name) / 4000 == pytest.approx(weight / total, abs=0.03)
        assert drawn.count(name) or not weight


def test_one_number_is_drawn():
    one, two = np.random.default_rng(5), np.random.default_rng(5)
    pick({"a": 1.0, "b": 1.0}, one)
    two.random()
    assert one.random() == two.random()
