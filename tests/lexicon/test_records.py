"""The records that come with Kizu: complete, without doubles, and told by their own sentences."""

import pickle
import tomllib

import pytest

from kizu.core.errors import KizuError
from kizu.lexicon import DefectType, Lexicon, Recipe
from kizu.lexicon.lexicon import TYPES
from kizu.lexicon.parse import read_attributes
from kizu.lexicon.record import FAMILIES
from kizu.lexicon.vocabulary import OPPOSITES, VOCABULARY

NAMED = {
    "scratch", "crack", "pit", "pore", "inclusion", "dent", "bump", "stain", "water_mark", "rust", "chip", "burr",
    "wrinkle", "fray", "missing_part", "spatter", "spur", "foreign_particle", "roll_mark", "open_circuit",
    "short_circuit", "mouse_bite", "pin_hole", "spurious_copper", "thread_break",
}  # fmt: skip
DISTRACTORS = ["oil", "fingerprint", "dust", "machining_mark"]
LEXICON = Lexicon.load()

each_type = pytest.mark.parametrize("name", LEXICON.names)


def test_which_types_there_are():
    assert set(LEXICON.defects) == NAMED
    assert sorted(set(LEXICON.names) - set(LEXICON.defects)) == sorted(DISTRACTORS)
    assert {item.family for item in LEXICON.values()} == set(FAMILIES)


@each_type
def test_a_type_is_one_file(name):
    record = tomllib.loads((TYPES / f"{name}.toml").read_text("utf-8"))
    assert record["name"] == name
    assert list(record)[-2:] == ["attributes", "recipe"]


@each_type
def test_the_sentences_tell_the_attributes(name):
    item = LEXICON[name]
    read = read_attributes(" ".join(item.sentences))
    assert {a: set(v) for a, v in read.items()} == {a: set(v) for a, v in item.attributes.items()}
    for sentence in item.sentences:
        assert sentence[0].isupper() and sentence[-1] == "."


@each_type
def test_a_record_is_complete(name):
    item = LEXICON[name]
    assert len(item.sentences) >= 2
    assert len(item.synonyms) >= 3
    assert {"tone", "shape", "extent", "edge"} <= set(item.attributes)
    assert item.sentences[0].startswith(("On ", "At ", "Along ", "Beside ", "Where "))
    for attribute, values in OPPOSITES:
        stated = set(item.attributes[attribute]) & set(values)
        assert stated != set(values), f"{name} states every size, which says nothing"


@each_type
def test_each_synonym_finds_its_type(name):
    for text in (name, *LEXICON[name].synonyms):
        for spelling in (text, text.upper(), text.replace(" ", "-"), text.removesuffix("s") + "s"):
            assert LEXICON[spelling].name == name


def test_no_sentence_stands_twice():
    sentences = [sentence for item in LEXICON.values() for sentence in item.sentences]
    assert len(set(sentences)) == len(sentences)


def test_records_travel_to_other_processes():
    again = pickle.loads(pickle.dumps(LEXICON))
    assert dict(again) == dict(LEXICON)
    assert len(set(LEXICON.values())) == len(LEXICON)  # they can be kept in sets


def test_records_cannot_be_changed():
    with pytest.raises(AttributeError):
        LEXICON["scratch"].name = "line"


GOOD = {
    "name": "seam",
    "family": "surface",
    "sentences": ["It is dark."],
    "attributes": {"tone": "dark"},
    "recipe": Recipe("scratch"),
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "Weld Seam"}, "name: 'Weld Seam' is no name in lower case and underscores"),
        ({"name": 3}, "name: 3 is no name"),
        ({"family": "distracter"}, "type 'seam': family: 'distracter' is not one of .* did you mean 'distractor'"),
        ({"sentences": []}, "type 'seam': sentences: there is none"),
        ({"sentences": [1]}, "type 'seam': sentences: 1 is no text"),
        ({"sentences": {"a": 1}}, "type 'seam': sentences: {'a': 1} is no list of texts"),
        ({"synonyms": ["--"]}, "type 'seam': synonyms: '--' has no letters"),
        ({"attributes": {}}, "type 'seam': attributes: there is none; state at least one of tone"),
        ({"attributes": {"tone": []}}, "type 'seam': attributes: there is none"),
        ({"attributes": {"shapes": "line"}}, "attributes: 'shapes' is not one of .*; did you mean 'shape'"),
        ({"attributes": {"shape": "lines"}}, "attributes.shape: 'lines' is not one of .*; did you mean 'line'"),
        ({"attributes": ["dark"]}, "attributes: .* is no table"),
        ({"recipe": {"draw": "scratch"}}, "recipe: .* is no Recipe"),
    ],
)
def test_what_is_no_type(change, message):
    with pytest.raises(KizuError, match=message):
        DefectType(**{**GOOD, **change})


def test_a_value_alone_is_a_list_of_one():
    item = DefectType(**GOOD)
    assert item.attributes == {"tone": ("dark",)}
    assert item.title == "seam" and item.is_defect
    assert VOCABULARY["tone"]


@pytest.mark.parametrize("value", [3, 0.5, "lines", [1, 2], [0.5, 0.5], (-1, 1)])
def test_parameters_of_a_recipe(value):
    assert Recipe("scratch", {"width": value}).ranges["width"] == (tuple(value) if isinstance(value, list) else value)


@pytest.mark.parametrize(
    ("draw", "ranges", "message"),
    [
        ("", {}, "recipe.draw: '' is no name of a drawing function"),
        (None, {}, "recipe.draw: None is no name"),
        ("scratch", {"width": [2, 1]}, r"recipe.width: the low end 2 is above the high end 1; write \[low, high\]"),
        (
            "scratch",
            {"width": [1, 2, 3]},
            r"recipe.width: \[1, 2, 3\] is neither \[low, high\] nor a number nor a text",
        ),
        ("scratch", {"width": True}, "recipe.width: True is neither"),
        ("scratch", {"width": float("nan")}, "recipe.width: nan is neither"),
        ("scratch", {"width": {"low": 1}}, "recipe.width: {'low': 1} is neither"),
        ("scratch", [1], r"recipe: \[1\] is no table"),
    ],
)
def test_what_is_no_recipe(draw, ranges, message):
    with pytest.raises(KizuError, match=message):
        Recipe(draw, ranges)
