"""Which types are drawn: names, a user's own from TOML, and clear words for those that cannot be."""

import json

import numpy as np
import pytest
from compose_lines import composition

from kizu.core.errors import KizuError
from kizu.lexicon.lexicon import Lexicon
from kizu.synth.compose.flaws.drawable import NOWHERE, TYPES, check, chosen, recipe_of
from kizu.synth.compose.spec import Scene

KISS = """
[[type]]
name = "tool_kiss"
family = "surface"
sentences = ["A tool kiss is a short bright line."]
attributes = { tone = ["bright"], shape = ["line"], extent = ["short"] }
recipe = { draw = "scratch", length = [20, 30], count = [1, 1] }

[[type]]
name = "chalk"
family = "distractor"
sentences = ["Chalk is a bright patch."]
attributes = { tone = ["bright"], shape = ["patch"] }
recipe = { draw = "stain" }

[[type]]
name = "pit"
synonyms = ["pinprick"]

[[type]]
name = "dent"
recipe = { draw = "dent", aspect = [1.0, 1.1] }
"""


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(KISS)
    return str(path)


def test_names_and_files(own, tmp_path):
    assert chosen([]) == ((), {})
    assert chosen(["scratch", "pit", "scratch"]) == (("scratch", "pit"), {})
    names, recipes = chosen([own])
    assert names == (*TYPES, "tool_kiss"), "own defects beside the others, no distractor, a changed type once"
    assert set(recipes) == {"tool_kiss", "chalk", "dent"}, "a pit with another synonym is drawn as before"
    assert recipes["tool_kiss"]["ranges"]["length"] == [20, 30]
    assert recipes["dent"]["ranges"]["aspect"] == [1.0, 1.1]
    assert json.loads(json.dumps(recipes)) == recipes
    assert chosen([own, "tool_kiss", "chalk"]) == (("tool_kiss", "chalk"), recipes)
    assert chosen([str(tmp_path), "pit"]) == (("pit",), recipes), "a folder of files"


def test_an_own_recipe_goes_before_that_of_the_lexicon(own):
    _, recipes = chosen([own])
    assert recipe_of("dent", recipes).ranges["aspect"] == (1.0, 1.1)
    assert recipe_of("dent") == Lexicon.load()["dent"].recipe
    assert recipe_of("tool_kiss", recipes).draw == "scratch"


def test_own_types_are_drawn_and_labelled_and_kept_in_the_scene(own):
    names, recipes = chosen([own, "tool_kiss"])
    how = {"segments": False, "flaws": {"drawn": 1}, "types": names}
    source = composition(8, recipes=recipes, **how)
    assert source.names == ("tool_kiss",)
    made = [source[i] for i in range(8)]
    assert sum(len(sample.instances) for sample in made) >= 6
    plain = composition(8, recipes={"tool_kiss": {"draw": "scratch", "ranges": {}}}, **how)
    boxes = np.concatenate([sample.instances.boxes for sample in made])
    assert np.hypot(*(boxes[:, 2:] - boxes[:, :2]).T).max() < 30 / 4 + 6, "30 pixels of 512 are 7.5 of 128"
    wide = np.concatenate([sample.instances.boxes for sample in plain.dataset()])
    assert np.hypot(*(wide[:, 2:] - wide[:, :2]).T).max() > 20
    for i, sample in enumerate(made):
        if len(sample.instances):
            assert set(sample.instances.attributes["type"]) == {"tool_kiss"}
        scene = Scene.from_json(json.loads(json.dumps(sample.meta["scene"])))
        assert plain.sample(scene, i).image_bytes() == sample.image_bytes(), "a scene needs no file"


def test_all_types_of_the_lexicon_have_an_answer():
    told = {}
    for name in Lexicon.load().names:
        try:
            check([name], {})
        except KizuError as error:
            told[name] = str(error)
    assert not set(told) & set(TYPES)
    assert {name for name, text in told.items() if "outline of a part or a weave" in text} == set(NOWHERE)
    boards = {name for name, item in Lexicon.load().items() if item.family == "board"}
    assert {name for name, text in told.items() if "not drawn on surfaces" in text} == boards


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('draw = "scratch"', 'draw = "scrach"', "type 'tool_kiss': recipe: there is no drawing function 'scrach'; did"),
        ('draw = "scratch"', 'draw = "spur"', "type 'tool_kiss' is not drawn on surfaces"),
        ('draw = "scratch", length = [20, 30], count = [1, 1]', 'draw = "burr"', "'tool_kiss' cannot be drawn on pict"),
        ("length = [20, 30]", "lenght = [20, 30]", "type 'tool_kiss'.*unknown 'lenght'"),
        ("length = [20, 30]", "length = [-20, 30]", "type 'tool_kiss'.*above 0"),
    ],
)
def test_an_own_type_that_cannot_be_drawn_is_told(old, new, told, tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(KISS.replace(old, new))
    names, recipes = chosen([str(path), "tool_kiss"])
    with pytest.raises(KizuError, match=told):
        composition(segments=False, flaws={"drawn": 1}, types=names, recipes=recipes)


def test_names_and_files_that_are_not_there_are_told(own, tmp_path):
    with pytest.raises(KizuError, match="there is no type 'dint'; take one of"):
        composition(types=("dint",))
    _, recipes = chosen([own])
    with pytest.raises(KizuError, match="there is no type 'kiss'; take one of tool_kiss, chalk"):
        composition(types=("kiss",), recipes=recipes)
    with pytest.raises(KizuError, match=r"cannot read .*no\.toml"):
        chosen([str(tmp_path / "no.toml")])
