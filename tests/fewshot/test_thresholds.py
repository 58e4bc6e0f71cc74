"""Rules of few pictures: the pixel threshold between the best level and even odds."""

import numpy as np
import pytest
from fewshot_scenes import surface

from kizu.fewshot import thresholds as module
from kizu.fewshot.thresholds import choose_rules, pairs_of


def judged(level, count):
    """Pictures whose truth is what lies above a level, exactly."""
    samples = [surface(k, [(20, 20)]) for k in range(count)]
    out = []
    for k, sample in enumerate(samples):
        inside = sample.instances.masks.union()
        odds = np.random.default_rng(k).uniform(level - 4, level - 0.1, (1, *sample.size))
        odds[0, inside] = np.random.default_rng(k).uniform(level + 0.1, level + 4, int(inside.sum()))
        out.append((odds, np.stack([inside, np.zeros_like(inside)]), {0}))
    return samples, out


@pytest.mark.parametrize("level", [-2.0, 0.0, 3.0])
@pytest.mark.parametrize("count", [1, 2, 5, 15])
def test_the_level_of_few_pictures_is_drawn_to_even_odds(level, count):
    samples, maps = judged(level, count)
    (rule,), (expected,) = choose_rules(samples, pairs_of(maps, 1), [], 0.05)
    assert abs(rule.pixel - level * count / (count + module._PRIOR)) < 0.15
    assert expected.escapes == 0


def test_no_outline_is_drawn_below_the_lowest():
    samples, maps = judged(-3.0, 2)
    (rule,), _ = choose_rules(samples, pairs_of(maps, 1), [], 0.05, lowest=-0.5)
    assert rule.pixel == -0.5


@pytest.mark.parametrize("count", [1, 3, 10])
@pytest.mark.parametrize("quiet", [[], [6.0]], ids=str)
def test_what_flatters_is_trusted_less(count, quiet):
    """The region threshold goes to the pixel threshold, but never below what good pictures demand."""
    samples, maps = judged(2.0, count)
    for odds, *_ in maps:
        odds[0][odds[0] > 2] += 5  # a defect that is known by heart

    def clean():
        for level in quiet:  # a good picture with a region of this evidence above the pixel threshold
            odds = np.full((1, *samples[0].size), -4.0)
            odds[0, 5:25, 5:25] = level + 2
            yield odds

    (plain,), _ = choose_rules(samples, pairs_of(maps, 1), clean(), 0.5)
    (drawn,), _ = choose_rules(samples, pairs_of(maps, 1), clean(), 0.5, flattered={0})
    assert drawn.pixel == plain.pixel
    (free,), _ = choose_rules(samples, pairs_of(maps, 1), [], 0.5)
    wanted = plain.pixel + (free.region - plain.pixel) * count / (count + module._PRIOR)
    assert drawn.region == pytest.approx(max([wanted, *(level + 2 for level in quiet)]), abs=1e-3)
    assert drawn.region <= plain.region
