"""``Card``: canonical JSON there and back."""

import json

import pytest

from kizu.core.card import Card
from kizu.core.errors import KizuError

FULL = Card(
    kind="fewshot",
    architecture="filter bank",
    classes=["Kratzer", "傷"],
    preprocessing={"size": [320, 240]},
    thresholds={"Kratzer": 0.25},
    threshold_method="false alarms on clean images",
    data=[{"name": "line3", "role": "support", "ids": ["a.png"]}],
    figures={"IoU": 0.5},
    notes=["no clean image was given"],
    version="0.1.0",
)


@pytest.mark.parametrize("card", [FULL, Card("x")])
def test_round_trip(card):
    assert Card.from_json(card.to_json()) == card
    assert Card.from_json(card.to_json()).to_json() == card.to_json()


def test_json_is_canonical():
    keys = list(json.loads(FULL.to_json()))
    assert keys == sorted(keys)
    assert "傷" in FULL.to_json()
    with pytest.raises(ValueError, match="JSON"):
        Card("x", figures={"IoU": float("nan")}).to_json()


def test_fields_of_later_versions_are_passed_over():
    assert Card.from_json('{"kind": "x", "colour": "blue"}') == Card("x")


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '"x"', "null", "{}", '{"architecture": "a"}'])
def test_what_is_no_card(text):
    with pytest.raises(KizuError, match="not a model card"):
        Card.from_json(text)
