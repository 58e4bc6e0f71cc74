"""What the card says of a promise, as far as the good pictures allow it."""

import pytest
from fewshot_scenes import surface

from kizu.fewshot.cards import card_of
from kizu.fewshot.support import Support
from kizu.inspection.calibrate import Expected
from kizu.inspection.regions import Rule

NAMES = ("a", "b", "c", "d", "e")


def notes(share, classes, promised, good=3):
    support = Support(NAMES[:classes], [surface(0, [(20, 20)])], [])
    clean = [surface(i) for i in range(1, good + 1)]
    expected = [Expected(0.5, 0.0, 0.0 if good else None, good, promised)] * classes
    rules = [Rule(0.0, 0.0, 4, 4)] * classes
    return card_of("fewshot", "", {}, support, clean, rules, expected, share, [], 2)


@pytest.mark.parametrize(
    ("share", "classes", "told"),
    [
        (0.05, 1, "3 good pictures are too few to promise 5.0% false alarms (19 would do)"),
        (0.1, 5, "(47 would do)"),
        (0.01, 5, "(497 would do, of which 300 are used at most: ask for 1.7% or more)"),
    ],
)
def test_what_it_takes_to_promise(share, classes, told):
    (note,) = notes(share, classes, False).notes
    assert told in note and "the strictest threshold they allow is in force" in note


def test_nothing_is_said_where_it_is_promised_or_cannot_be():
    assert not notes(0.05, 1, True).notes
    (note,) = notes(0.05, 1, False, good=0).notes
    assert "Uncalibrated" in note


def test_how_pictures_were_left_out():
    assert notes(0.05, 1, True).threshold_method.startswith("Each labelled picture was left out")
    support = Support(("a",), [surface(i, [(20, 20)]) for i in range(6)], [])
    rules, expected = [Rule(0.0, 0.0, 4, 4)], [Expected(0.5, 0.0, None, 0, False)]
    card = card_of("fewshot", "", {}, support, [], rules, expected, 0.05, [], 5)
    assert card.threshold_method.startswith("Each of 5 parts of the labelled pictures was left out")
