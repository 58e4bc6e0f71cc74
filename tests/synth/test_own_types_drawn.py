"""Own defect types in a preset: drawn, labelled under their names, and checked."""

import pytest

from kizu.core.errors import KizuError
from kizu.synth.formula.own_types import with_types
from kizu.synth.formula.presets import load
from kizu.synth.formula.source import Formula

OWN = """
name = "tool_kiss"
family = "surface"
sentences = ["A tool kiss is a short bright line."]
attributes = { tone = ["bright"], shape = ["line"], extent = ["short"] }
recipe = { draw = "scratch", length = [30, 60], count = [1, 1] }
"""


def written(folder, text):
    path = folder / "own.toml"
    path.write_text(text)
    return path


def test_an_own_type_is_drawn_and_labelled(tmp_path):
    preset = with_types(load("line"), [written(tmp_path, OWN)])
    assert preset.values["recipes"]["tool_kiss"]["draw"] == "scratch"
    only = preset.override({"defects.types": "{tool_kiss = 1}", "scene.clean": 0, "label.contrast": 0})
    source = Formula(only, 6, (128, 128), 1)
    assert source.names == ("tool_kiss",)
    assert any(len(source[i].instances) for i in range(6))
    assert preset.to_json() != load("line").to_json()


def test_an_override_changes_the_recipe_and_keeps_the_weight(tmp_path):
    text = "name = 'scratch'\n[recipe]\ndraw = 'scratch'\nlength = [5, 6]\n"
    preset = with_types(load("industrial"), [written(tmp_path, text)])
    assert preset.values["recipes"]["scratch"]["ranges"]["length"] == [5, 6]
    assert preset.values["defects"]["types"] == load("industrial").values["defects"]["types"]


@pytest.mark.parametrize(("old", "new", "told"), [
    ('draw = "scratch"', 'draw = "scrach"', "no drawing function"),
    ("length = [30, 60]", "lenght = [30, 60]", "unknown 'lenght'"),
    ("length = [30, 60]", "length = [-30, 60]", "above 0"),
    ("length = [30, 60]", 'length = "long"', "neither"),
])  # fmt: skip
def test_what_does_not_fit_is_told(tmp_path, old, new, told):
    with pytest.raises(KizuError, match=told) as error:
        with_types(load("line"), [written(tmp_path, OWN.replace(old, new))])
    assert "tool_kiss" in str(error.value)


def test_a_name_that_a_part_has_is_told(tmp_path):
    with pytest.raises(KizuError, match="a part is called gear, too"):
        with_types(load("industrial"), [written(tmp_path, OWN.replace("tool_kiss", "gear"))])


def test_a_type_comes_on_the_materials_of_what_it_is_drawn_like(tmp_path):
    text = OWN.replace('draw = "scratch", length = [30, 60], count = [1, 1]', 'draw = "thread_break"')
    preset = with_types(load("industrial"), [written(tmp_path, text)])
    assert preset.values["defects"]["only"]["tool_kiss"] == "woven knit"
    everywhere = preset.override({"defects.only.tool_kiss": "brushed"})
    assert everywhere.values["defects"]["only"]["tool_kiss"] == "brushed"


BOARD = """
name = "half_open"
family = "board"
sentences = ["A half open is a dark notch."]
attributes = { tone = ["dark"] }
recipe = { draw = "mouse_bite" }
"""


def test_an_own_fault_of_boards_is_drawn_and_labelled(tmp_path):
    preset = with_types(load("boards"), [written(tmp_path, BOARD)])
    source = Formula(preset.override({"faults.types": "{half_open = 1}", "scene.clean": 0}), 4, (128, 128), 1)
    assert source.names == ("half_open",)
    assert any(len(source[i].instances) for i in range(4))


@pytest.mark.parametrize(("text", "told"), [
    (OWN, "no fault of a board"),
    (BOARD.replace("half_open", "track"), "a piece of copper is called track, too"),
    (BOARD.replace('"board"', '"distractor"'), "boards have no distractors"),
    (BOARD.replace('"mouse_bite"', '"mouse_bite", depth = [-1, 2]'), "half_open.*unknown|from 0|above 0"),
])  # fmt: skip
def test_what_does_not_fit_boards_is_told(tmp_path, text, told):
    with pytest.raises(KizuError, match=told):
        with_types(load("boards"), [written(tmp_path, text)])


def test_other_presets_have_no_types(tmp_path):
    with pytest.raises(KizuError, match="inscore draws no types"):
        with_types(load("inscore"), [written(tmp_path, OWN)])
