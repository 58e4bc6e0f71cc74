"""Budget and learning rate against their definitions."""

import math

import pytest

from kizu.core.errors import KizuError
from kizu.pretrain.schedule import Budget, rate


@pytest.mark.parametrize(
    ("share", "warm_up", "wanted"),
    [
        (0.0, 0.1, 0.0),
        (0.05, 0.1, 0.5),
        (0.1, 0.1, 1.0),
        (0.55, 0.1, 0.5),
        (1.0, 0.1, 0.0),
        (1.5, 0.1, 0.0),
        (0.0, 0.0, 1.0),
        (1 / 3, 0.0, 0.5 * (1 + math.cos(math.pi / 3))),
    ],
)
def test_the_rate(share, warm_up, wanted):
    assert rate(share, warm_up) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize(
    ("steps", "minutes", "step", "seconds", "share", "spent"),
    [
        (10, None, 0, 99.0, 0.05, 0.0),
        (10, None, 9, 99.0, 0.95, 0.9),
        (10, None, 10, 0.0, 0.0, 1.0),
        (None, 2.0, 5, 30.0, 0.25, 0.25),
        (None, 2.0, 5, 120.0, 1.0, 1.0),
        (10, 2.0, 5, 30.0, 0.55, 0.5),
        (10, 2.0, 1, 60.0, 0.5, 0.5),
    ],
)
def test_what_is_spent(steps, minutes, step, seconds, share, spent):
    budget = Budget(steps, minutes)
    if steps is None or step < steps:
        assert budget.share(step, seconds) == pytest.approx(share)
    assert budget.spent(step, seconds) == pytest.approx(spent)


@pytest.mark.parametrize(("steps", "minutes"), [(None, None), (0, None), (-1, 5.0), (None, 0.0), (5, -1.0)])
def test_no_budget(steps, minutes):
    with pytest.raises(KizuError):
        Budget(steps, minutes)
