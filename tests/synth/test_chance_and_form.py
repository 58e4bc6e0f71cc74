"""Draws by weight and quantile; large shapes of surfaces keep to their slope."""

import numpy as np
import pytest

from kizu.synth.formula import chance, form


def test_names_come_by_their_weights():
    r = np.random.default_rng(0)
    drawn = [chance.pick({"a": 1, "none": 0, "b": 3}, r) for _ in range(4000)]
    assert set(drawn) == {"a", "b"}
    assert abs(drawn.count("b") / 4000 - 0.75) < 0.03


def test_quantiles_are_followed():
    r = np.random.default_rng(0)
    values = [chance.quantile([1, 2, 10], r) for _ in range(4000)]
    assert abs(np.median(values) - 2) < 0.15
    assert 1 <= min(values) <= max(values) <= 10
    assert abs(np.quantile(values, 0.75) - 6) < 0.4


@pytest.mark.parametrize(
    ("draw", "low", "high"), [(chance.uniform, 2, 8), (chance.log_uniform, 2, 8), (chance.whole, 2, 8)]
)
def test_ranges_hold(draw, low, high):
    r = np.random.default_rng(0)
    values = np.array([draw([low, high], r) for _ in range(3000)])
    assert low <= values.min() <= values.max() <= high
    if draw is chance.log_uniform:
        assert abs(np.median(values) - 4) < 0.2
    if draw is chance.whole:
        assert np.allclose(np.bincount(values, minlength=9)[2:] / 3000, 1 / 7, atol=0.03)


@pytest.mark.parametrize("kind", ["cylinder", "ribs", "thread", "steps", "waves"])
@pytest.mark.parametrize("sharpness", [0.0, 1.0])
def test_a_form_is_no_steeper_than_it_says(kind, sharpness):
    one = form.Form(kind, 0.3, 90.0, 0.2, sharpness)
    height = form.relief(one, (200, 260), np.random.default_rng(1))
    assert height.dtype == np.float32
    steep = np.hypot(*np.gradient(height))
    # Waves are noise, whose slope is a deviation; the others wrap once a period.
    assert np.quantile(steep, 0.9) < (0.6 if kind == "waves" else 0.21)
    assert steep.max() > 0.1


def test_a_flat_form_is_none():
    assert form.relief(form.Form("flat", 0, 90, 0.2, 0), (50, 60), np.random.default_rng(0)) is None
