"""Scenes as JSON and back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizu.core.errors import DataError
from kizu.synth.compose.spec import Layer, Scene

number = st.floats(-1e6, 1e6, allow_nan=False)
whole = st.integers(0, 5000)
table = st.dictionaries(st.sampled_from(["name", "width", "scene"]), number, max_size=2)
layers = st.builds(
    Layer, st.text(max_size=5), st.text(max_size=5), st.tuples(*[number] * 6), st.text(max_size=5),
    st.tuples(number, number), number, st.text(max_size=5), table, table, number, whole,
)  # fmt: skip
scenes = st.builds(
    Scene, st.tuples(whole, whole), st.text(max_size=9), st.tuples(*[whole] * 4),
    st.tuples(st.booleans(), st.booleans()),
    st.lists(layers, max_size=3).map(tuple), table, table,
    st.lists(st.fixed_dictionaries({"label": st.text(max_size=3)}), max_size=2).map(tuple),
)  # fmt: skip


@given(scenes)
def test_there_and_back(scene):
    assert Scene.from_json(json.loads(json.dumps(scene.to_json()))) == scene


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda r: r | {"version": 99}, "version 99"),
        (lambda r: {k: v for k, v in r.items() if k != "layers"}, "not a scene"),
        (lambda r: r | {"colour": 1}, "not a scene"),
        (lambda r: r | {"layers": [{"label": "a", "affine": [1], "at": [0, 0], "glue": 1}]}, "not a scene"),
        (lambda r: r | {"layers": 5}, "not a scene"),
    ],
)
def test_what_is_no_scene(change, message):
    record = Scene((4, 4), "a", (0, 0, 4, 4)).to_json()
    with pytest.raises(DataError, match=message):
        Scene.from_json(change(record))
