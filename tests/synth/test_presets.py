"""Presets: what they hold, how keys are set, and what is said of wrong ones."""

import json

import pytest

from kizu.core.errors import KizuError
from kizu.synth.formula import limits
from kizu.synth.formula.presets import Preset, load, names

SHIPPED = names()


def small():
    return Preset("small", "a small one", "none", {
        "scene": {"count": [1, 5], "kinds": {"a": 1, "b": 2}, "share": 0.5, "on": True, "mode": "M1", "list": [],
                  "deep": {"x": [0.1, 0.2], "name": "n"}},
    })  # fmt: skip


@pytest.mark.parametrize(("key", "value", "expected"), [
    ("scene.count", "[2, 3]", [2, 3]),
    ("scene.count", "4", [4, 4]),
    ("scene.count", [2.5, 3], [2.5, 3]),
    ("scene.count", (2, 3), [2, 3]),
    ("scene.kinds", "{b = 1}", {"a": 0, "b": 1}),
    ("scene.share", "0.25", 0.25),
    ("scene.on", "false", False),
    ("scene.mode", "M3", "M3"),
    ("scene.mode", '"M3"', "M3"),
    ("scene.list", "[1, 2, 3]", [1, 2, 3]),
    ("scene.list", [1, 2], [1, 2]),
    ("scene.deep.x", "0.3", [0.3, 0.3]),
    ("scene.deep", {"x": 1}, {"x": [1, 1], "name": "n"}),
])  # fmt: skip
def test_a_key_is_set(key, value, expected):
    before = small().to_json()
    preset = small()
    out = preset.override({key: value}).values
    for part in key.split("."):
        out = out[part]
    assert out == expected
    assert preset.to_json() == before  # the preset itself stays


@pytest.mark.parametrize(("key", "value", "told"), [
    ("scene.cuont", 1, "did you mean scene.count"),
    ("count", 1, "scene.count"),
    ("nothing", 1, "its keys are scene.count"),
    ("scene.count.low", 1, "unknown key"),
    ("scene.count", "[3, 2]", "range"),
    ("scene.count", "many", "range"),
    ("scene.kinds", "{c = 1}", "has no c; known are a, b"),
    ("scene.kinds", "{a = -1}", "weight"),
    ("scene.kinds", "{a = 0}", "weight"),
    ("scene.share", "[0, 1]", "a number"),
    ("scene.on", "1", "true or false"),
    ("scene.mode", "3", "a text"),
    ("scene.kinds.c", "1", "scene.kinds has no c; known are a, b"),
    ("scene.deep", "{y = 1}", "scene.deep has no y; known are x, name"),
])  # fmt: skip
def test_what_does_not_fit_is_told(key, value, told):
    with pytest.raises(KizuError, match="preset small") as error:
        small().override({key: value})
    assert told in str(error.value)


def test_an_unknown_preset_is_told():
    with pytest.raises(KizuError, match=r"unknown preset 'industry'; known are .*industrial"):
        load("industry")


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_preset_is_whole(name):
    preset = load(name)
    assert preset.title
    assert json.loads(preset.to_json())["values"] == preset.values


def test_all_presets_of_the_documents_are_there():
    assert {"inscore", "segrcdb", "rcdb", "visualatom", "deadleaves", "industrial", "boards", "line"} <= set(SHIPPED)


@pytest.mark.parametrize(("key", "value", "told"), [
    ("defects.count", "-3", "it lies in 0 to 500"),
    ("defects.count", "1e6", "it lies in 0 to 500"),
    ("defects.count", "2.5", "whole numbers"),
    ("defects.size", "[0, 10]", "it lies in 1 to"),
    ("defects.strength", "0", "it lies in 0.01"),
    ("defects.exponent", "nan", "it lies in"),
    ("scene.clean", "1.5", "it lies in 0 to 1"),
    ("scene.least", "0", "it lies in 1 to"),
    ("parts.count", "0", "it lies in 1 to"),
    ("camera.k1", "-0.5", "it lies in"),
    ("defects.only.rust", "steel", "there is no steel; materials are brushed"),
    ("defects.never.woven", "crak", "there is no crak; types are scratch"),
    ("match.sizes", "[30, 20]", "quantiles"),
    ("match.sizes", '["a"]', "quantiles"),
    ("match.counts", "[0, 0, 0]", "weights of 0, 1, 2"),
    ("match.colour", "[1, 2, 3]", "colours"),
    ("match.colour", "[[1, 2]]", "colours"),
    ("match.colour", "[[1, 2, 300]]", "colours"),
])  # fmt: skip
def test_what_no_picture_can_be_made_with_is_told(key, value, told):
    with pytest.raises(KizuError, match=f"preset industrial: {key}") as error:
        load("industrial").override({key: value})
    assert told in str(error.value)


def test_weights_that_are_all_taken_away_are_told():
    changes = {f"scene.kinds.{name}": 0 for name in ("surface", "parts", "assembly")}
    with pytest.raises(KizuError, match=r"all weights of scene\.kinds are 0"):
        load("industrial").override(changes)


@pytest.mark.parametrize("name", SHIPPED)
def test_each_number_of_a_preset_has_its_limits(name):
    values = load(name).values
    limits.check(name, values)
    for key, value in limits.leaves(values):
        if not isinstance(value, dict | bool | str) and value != []:
            assert key in limits.LIMITS, f"{name}: {key} may be anything; give it limits"
