"""Rules of few pictures: thresholds between the best ones and what is likely of any class."""

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


def test_what_flatters_is_drawn_to_less_than_even_odds():
    """New defects are less like the only one that was seen than its own other half is."""
    samples, maps = judged(2.0, 1)
    (plain,), _ = choose_rules(samples, pairs_of(maps, 1), [], 0.05)
    (drawn,), _ = choose_rules(samples, pairs_of(maps, 1), [], 0.05, flattered={0})
    assert drawn.pixel - plain.pixel == pytest.approx(module._FLATTERED * module._PRIOR / (1 + module._PRIOR))
    assert drawn.region < plain.region


@pytest.mark.parametrize("count", [1, 3, 10])
@pytest.mark.parametrize("quiet", [[], [6.0]], ids=str)
def test_the_region_threshold_is_drawn_to_that_of_pixels(count, quiet):
    """The fewer pictures, the nearer, but never below what good pictures demand."""
    samples, maps = judged(2.0, count)
    for odds, *_ in maps:
        odds[0][odds[0] > 2] += 5  # so that the best region threshold is far above that of pixels

    def clean():
        for level in quiet:  # a good picture with a region of this evidence
            odds = np.full((1, *samples[0].size), -4.0)
            odds[0, 5:25, 5:25] = level + 2
            yield odds

    pairs = pairs_of(maps, 1)
    (rule,), _ = choose_rules(samples, pairs, clean(), 0.5)
    outlines = module.outlines_of(samples, pairs, module.trust_of(samples, 1))
    (free,), _ = module.rules_of(outlines, pairs, [], 0.5, [1.0])
    wanted = rule.pixel + (free.region - rule.pixel) * count / (count + module._PRIOR)
    assert rule.region == pytest.approx(max([wanted, *(level + 2 for level in quiet)]), abs=1e-3)
