"""Thresholds against their definitions: conformal prediction, pooled IoU, and examples worked out by hand."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizu.inspection.calibrate import (
    Levels,
    Outline,
    best_level,
    choose_outline,
    choose_rule,
    class_share,
    conformal_level,
    least_promised,
    needed_clean,
)

SHARES = [Fraction(1, n) for n in (2, 4, 5, 10, 20, 25, 50, 100)] + [Fraction(n, 100) for n in (3, 7, 15, 30, 70, 85)]


@pytest.mark.parametrize("share", SHARES, ids=str)
@pytest.mark.parametrize("count", [1, 2, 5, 9, 19, 24, 49, 99, 199])
def test_conformal_level_is_the_quantile_of_its_definition(count, share):
    maxima = np.random.default_rng(count).permutation(count).astype(float).tolist()
    rank = math.ceil((count + 1) * (1 - share))  # exact
    level, promised = conformal_level(maxima, float(share))
    assert promised == (rank <= count)
    assert level == (max(rank, 1) - 1 if promised else count - 1)


@pytest.mark.parametrize("share, count", [(0.05, 19), (0.05, 40), (0.1, 20), (0.25, 12)])
def test_coverage_holds(share, count):
    """Over many draws a new good picture exceeds the level in at most ``share`` of the cases, and not in far fewer."""
    random = np.random.default_rng(7)
    draws = random.standard_t(3, (4000, count + 1))
    above = [new > conformal_level(list(held), share)[0] for *held, new in draws]
    # Vovk et al.: between share - 1 / (n + 1) and share; three standard errors of the simulation around that.
    error = 3 * math.sqrt(share * (1 - share) / len(draws))
    assert share - 1 / (count + 1) - error < np.mean(above) < share + error


@pytest.mark.parametrize("classes", [1, 2, 3, 5])
@pytest.mark.parametrize("alarms", [0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5])
def test_needed_clean_is_enough_and_not_too_much(alarms, classes):
    count, share = needed_clean(alarms, classes), class_share(alarms, classes)
    assert 1 - (1 - share) ** classes == pytest.approx(alarms)
    assert conformal_level(list(range(count)), share)[1]
    assert count == 1 or not conformal_level(list(range(count - 1)), share)[1]


@pytest.mark.parametrize("classes", [1, 2, 5])
@pytest.mark.parametrize("count", [9, 58, 300])
def test_the_least_share_that_can_be_promised(count, classes):
    share = least_promised(count, classes)
    assert needed_clean(share, classes) == count
    assert needed_clean(0.99 * share, classes) > count


def iou(pairs, level):
    pairs = [(odds.astype(np.float64), truth) for odds, truth in pairs]
    inside = sum(int((truth & (odds >= level)).sum()) for odds, truth in pairs)
    either = sum(int((truth | (odds >= level)).sum()) for odds, truth in pairs)
    return inside / max(either, 1)


def test_best_level_finds_the_analytic_optimum():
    # A cone over a disc: the truth is where it is at least 3, so the best level is 3 and its overlap 1.
    y, x = np.mgrid[:80, :80]
    odds = (10 - np.hypot(y - 40, x - 40) / 3).astype(np.float32)
    level, overlap = best_level([(odds, odds >= 3)])
    assert overlap > 0.99
    assert level == pytest.approx(3, abs=0.1)
    # Half of the truth is at 2, all of it above 0; of the ground a part as large as the truth lies at 1. Level 2 gives
    # an IoU of 1/2, level 0.5 (truth and that ground) 1/2 too, and no other is better than 3/4 at 1.5.
    odds = np.repeat([4.0, 1.6, 1.4, -3.0], [50, 25, 25, 100]).astype(np.float32)[None]
    truth = np.repeat([True, True, False, False], [50, 25, 25, 100])[None]
    level, overlap = best_level([(odds, truth)])
    assert 1.4 < level <= 1.6
    assert overlap == 1
    odds = np.repeat([4.0, 1.4, 1.6, -3.0], [50, 50, 25, 100]).astype(np.float32)[None]
    truth = np.repeat([True, True, False, False], [50, 50, 25, 100])[None]
    level, overlap = best_level([(odds, truth)])
    assert level <= 1.4
    assert overlap == pytest.approx(100 / 125)


@given(st.integers(0, 10_000))
def test_best_level_is_near_the_best_of_all(seed):
    random = np.random.default_rng(seed)
    pairs = []
    for _ in range(int(random.integers(1, 4))):
        truth = random.random(tuple(random.integers(3, 20, 2))) < 0.3
        pairs.append(((random.normal(size=truth.shape) + truth).astype(np.float16), truth))
    level, overlap = best_level(pairs)
    assert overlap == pytest.approx(iou(pairs, level), abs=1e-9)
    assert overlap >= max(iou(pairs, value) for odds, _ in pairs for value in np.unique(odds)) - 0.1


@pytest.mark.parametrize("value", [-30.0, 0.0, 4.0])
def test_best_level_of_a_flat_map(value):
    odds = np.full((4, 4), value, np.float32)
    level, overlap = best_level([(odds, np.eye(4, dtype=bool))])
    assert math.isfinite(level)
    assert overlap == pytest.approx(iou([(odds, np.eye(4, dtype=bool))], level))
    assert best_level([(odds, np.zeros((4, 4), bool))])[1] == 0


def test_choose_outline():
    odds = np.full((20, 20), -5.0, np.float32)
    odds[5:15, 5:15] = 3
    outline = choose_outline([100.0] * 9, [(odds, odds > 0)])
    assert -5 < outline.pixel <= 3
    assert outline.area == 25
    assert choose_outline([1.0], [(odds, odds > 0)]).area >= 1, "a defect of one pixel does not make the area nothing"


def scene(*boxes, size=(30, 90)):
    """Odds and truth from boxes (left, width, value, is truth), ten pixels high."""
    odds, truth = np.full(size, -8.0, np.float32), np.zeros(size, bool)
    for left, width, value, right in boxes:
        odds[10:20, left : left + width] = value
        truth[10:20, left : left + width] |= right
    return odds, truth


OUTLINE = Outline(pixel=0.0, area=4, core=4)
PAIRS = [
    scene((5, 10, 6.0, True), (50, 10, 1.0, False)),  # a find of 100 pixels, and a weak false one
    scene((5, 10, 4.0, True)),
    scene((5, 5, 2.0, True)),
]


def test_regions_of_an_outline():
    found = OUTLINE.regions(PAIRS[0][0])
    assert [(strength, int(mask.sum())) for strength, _, mask in found] == [(6.0, 100), (1.0, 100)]
    assert [window for _, window, _ in found] == [
        (slice(10, 20), slice(5, 15)), (slice(10, 20), slice(50, 60)),
    ]  # fmt: skip


def test_without_good_pictures_the_best_overlap_decides():
    rule, expected = choose_rule(OUTLINE, PAIRS, [], 0.05)
    # Dropping the region at 1 and keeping the one at 2 gives an IoU of 1; the threshold lies half-way.
    assert rule.region == pytest.approx(1.5)
    assert (rule.pixel, rule.area, rule.core) == (0.0, 4, 4)
    assert expected.iou == 1
    assert expected.escapes == 0
    assert expected.false_alarms is None
    assert (expected.clean, expected.promised) == (0, False)


def test_good_pictures_raise_the_threshold():
    clean = [[] for _ in range(18)] + [[(3.0, 20)]]
    rule, expected = choose_rule(OUTLINE, PAIRS, clean, 0.05)
    assert 3 < rule.region < 3.001, "just above the strongest of nineteen"
    assert expected.promised
    assert expected.clean == 19
    assert expected.false_alarms == 0
    assert expected.escapes == pytest.approx(1 / 3)
    # What the rule in force finds: 200 of 250 pixels, and nothing wrong.
    assert expected.iou == pytest.approx(200 / 250)


def test_a_larger_share_lets_the_strongest_good_picture_fire():
    clean = [[] for _ in range(18)] + [[(3.0, 1), (0.5, 1)]]
    rule, expected = choose_rule(OUTLINE, PAIRS, clean, 0.25)
    assert rule.region < 3
    assert expected.promised
    assert expected.false_alarms == pytest.approx(1 / 19)
    assert expected.escapes == 0


def test_too_few_good_pictures():
    rule, expected = choose_rule(OUTLINE, PAIRS, [[(5.0, 30)], []], 0.05)
    assert rule.region > 5
    assert not expected.promised
    assert expected.false_alarms == 0
    assert expected.escapes == pytest.approx(2 / 3)


def test_a_good_picture_without_regions_counts_as_quiet():
    rule, expected = choose_rule(OUTLINE, PAIRS, [[]] * 30, 0.05)
    assert expected.false_alarms == 0
    assert expected.promised
    assert rule.region == pytest.approx(1.5)


def test_pictures_of_other_classes_are_no_escapes():
    """A held-out picture that does not show the class cannot escape, but what fires on it is wrong."""
    others = [scene((5, 10, 3.0, False)), scene()]
    rule, expected = choose_rule(OUTLINE, PAIRS[:1] + others, [], 0.05)
    assert 3 < rule.region < 6
    assert expected.escapes == 0
    assert expected.iou == 1


def test_a_find_in_the_wrong_place_is_an_escape():
    odds, truth = scene((5, 10, 6.0, False), (50, 10, -2.0, True))
    rule, expected = choose_rule(OUTLINE, [(odds, truth)], [], 0.05)
    assert (expected.escapes, expected.iou) == (1, 0)
    assert math.isfinite(rule.region)
    above = max(strength for strength, _, _ in OUTLINE.regions(odds))
    assert rule.region > above
    drawn, _ = choose_rule(OUTLINE, [(odds, truth)], [], 0.05, trust=0.25)
    assert drawn.region == pytest.approx(OUTLINE.pixel + 0.25 * (above - OUTLINE.pixel), abs=1e-4)


def test_odds_beyond_all_levels_count_as_the_ends():
    levels = Levels(-9.0, 9.0)
    odds = np.array([[np.inf, 1e30, 5.0], [-np.inf, -1e30, -5.0]])
    levels.add(odds, odds > 0)
    level, overlap = levels.best()
    assert overlap == 1 and -5 < level <= 5


def test_nothing_reaches_the_outline():
    rule, expected = choose_rule(OUTLINE, [scene()], [[]], 0.05)
    assert rule.region >= OUTLINE.pixel
    assert (expected.iou, expected.false_alarms) == (0, 0)


def test_the_rule_holds_what_it_promises_on_its_own_good_pictures():
    """The same arithmetic chooses and decides: no held-out good picture fires that was counted as quiet."""
    from kizu.inspection.regions import decide

    random = np.random.default_rng(1)
    maps = [np.cumsum(random.normal(0, 1, (30, 40)), axis=1).astype(np.float32) for _ in range(40)]
    clean = [[(strength, int(mask.sum())) for strength, _, mask in OUTLINE.regions(odds)] for odds in maps]
    for share in (0.03, 0.1, 0.3):
        rule, expected = choose_rule(OUTLINE, PAIRS, clean, share)
        fired = [bool(len(decide(odds[None], [rule])[0])) for odds in maps]
        assert np.mean(fired) == expected.false_alarms
        assert expected.false_alarms <= share
