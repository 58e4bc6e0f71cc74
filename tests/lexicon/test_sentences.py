"""What is read from a sentence, and that sentences which are written from attributes are read back."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizu.core.errors import KizuError
from kizu.lexicon.describe import describe
from kizu.lexicon.parse import mentions, read_attributes
from kizu.lexicon.vocabulary import EDGE_WORDS, VOCABULARY, expand, said_by
from kizu.lexicon.words import key, tokens


def read(sentence):
    """Attributes as a text, so that cases are short: ``"tone=dark,bright shape=line"``."""
    return " ".join(f"{attribute}={','.join(values)}" for attribute, values in read_attributes(sentence).items())


CASES = {
    # what inspectors write (the project page of AGSSP has such sheets)
    "on a metal surface a scratch appears as a thin bright or dark line": "tone=dark,bright shape=line extent=thin",
    "One or more long black streaks, parallel to the length": (
        "tone=dark shape=line direction=along extent=long count=single,few"
    ),
    "white stripes across the whole width": "tone=bright shape=line direction=across extent=whole",
    "very small, densely packed bright dots": "tone=bright shape=spot extent=tiny count=many",
    "irregular dark blotches, mottled": "tone=dark shape=patch edge=irregular texture=mottled",
    "a cluster of sunken, circular pits": "shape=spot,round count=clustered relief=sunken",
    "slanting intermittent lines": "shape=line direction=oblique continuity=intermittent",
    "": "",
    "nothing that is known here": "",
    # forms of words
    "Thinner, DARKER lines": "tone=dark shape=line extent=thin",
    "irregularly shaped spots, vertically arranged": "shape=spot direction=vertical edge=irregular",
    "whitish or reddish patches": "tone=bright,coloured shape=patch",
    "larger-than-usual holes": "extent=large relief=sunken",
    # words that have another meaning
    "a short circuit": "",
    "a surface finish, a bit worn, roughly two millimetres, foreign matter": "",
    "the bright ones": "tone=bright",
    "on one side": "",
    "one crack": "count=single",
    "2 mm wide, 30 mm long, 5 µm deep": "",
    "a wide line of 2 mm": "shape=line extent=thick",
    # light is a tone or what shines
    "light spots": "tone=bright shape=spot",
    "a light, round patch": "tone=bright shape=round,patch",
    "dark or light": "tone=dark,bright",
    "it catches the light": "",
    "seen under raking light, a groove": "shape=line relief=sunken",
    # negation
    "a dark line without sharp edges": "tone=dark shape=line",
    "not dark, bright": "tone=bright",
    "not dark lines": "shape=line",
    "without sharp, jagged edges, dark": "tone=dark",
    "no raised or sunken areas, only bright spots": "tone=bright shape=spot",
    "no sharp edges and a dark centre": "tone=dark",
    "neither dark nor bright": "",
    "neither raised nor sunken": "relief=flat",
    "not only dark but also bright": "tone=dark,bright",
    "it isn't dark": "",
    "it doesn’t look dark but bright": "tone=bright",
    "a non-continuous line": "shape=line",
    "free of jagged edges, smooth": "texture=smooth",
    "never raised. Dark": "tone=dark",
    "bright lines that do not reach across the whole width": "tone=bright shape=line",
    "no preferred direction": "direction=any",
    "a mark without any relief": "relief=flat",
    # what the defect lies on is not the defect
    "a raised line on a rough, dark metal surface": "shape=line relief=raised",
    "On glass or glossy plastic a spot": "shape=spot",
    "darker than the bright surroundings": "tone=dark",
    "a notch at a sharp edge of the part": "shape=notch",
    "the surface is rough": "texture=rough",
    "a patch with a rough surface": "shape=patch texture=rough",
    "spread over the whole surface": "extent=whole",
    # edges
    "smooth edges": "edge=smooth",
    "a smooth patch": "shape=patch texture=smooth",
    "a rough patch with round edges": "shape=patch edge=smooth texture=rough",
    "sharp-edged": "edge=sharp",
    "the outline is uneven and torn": "edge=jagged,irregular",
    "a round spot, sharp edges": "shape=spot,round edge=sharp",
    "well-defined borders": "edge=sharp",
}


@pytest.mark.parametrize(("sentence", "expected"), CASES.items(), ids=[text[:40] or "empty" for text in CASES])
def test_sentences(sentence, expected):
    assert read(sentence) == expected


MATERIALS = ("metal", "aluminium", "woven textile", "glossy plastic", "dark, rough concrete", "printed board")
ANY = st.fixed_dictionaries(
    {},
    optional={
        attribute: st.lists(st.sampled_from(list(values)), min_size=1, unique=True).map(tuple)
        for attribute, values in VOCABULARY.items()
    },
)


@given(ANY, st.sampled_from(MATERIALS))
def test_what_is_described_is_read_back(attributes, material):
    sentence = describe(attributes, material)
    assert {a: set(v) for a, v in read_attributes(sentence).items()} == {a: set(v) for a, v in attributes.items()}


def test_a_description_is_plain_english():
    attributes = {
        "shape": ["line"],
        "tone": ["bright", "dark"],
        "edge": ["sharp"],
        "extent": ["thin"],
        "count": ["few"],
    }
    assert describe(attributes, "aluminium", "a scratch") == (
        "On an aluminium surface a scratch appears as a thin, dark or bright line with sharp edges, "
        "occurring a few at a time."
    )


def test_what_cannot_be_described():
    with pytest.raises(KizuError, match=r"attributes.tone: 'drak' is not one of dark, bright.*; did you mean"):
        describe({"tone": ["drak"]})


@pytest.mark.parametrize("attribute", VOCABULARY)
def test_each_word_of_the_vocabulary_says_its_value(attribute):
    for value, patterns in VOCABULARY[attribute].items():
        assert isinstance(patterns, tuple)
        for pattern in patterns:
            assert "  " not in pattern
            for phrase in expand(pattern):
                assert (attribute, value) in said_by()[phrase]
            first = " ".join(word.split("/")[0] for word in pattern.split()).replace("_", " ")
            if first != "light":  # alone it may be what shines
                assert value in read_attributes(f"it is {first}")[attribute]


def test_the_first_word_of_a_value_says_nothing_else():
    for attribute, values in VOCABULARY.items():
        for value, patterns in values.items():
            assert read_attributes(f"{patterns[0]}.") == {attribute: (value,)}


def test_words_of_edges_are_values():
    assert set(EDGE_WORDS.values()) <= set(VOCABULARY["edge"])


def test_mentions_keep_the_words_and_what_is_negated():
    found = mentions("A thin line, not raised.")
    assert [(m.text, m.negated) for m in found] == [("thin", False), ("line", False), ("raised", True)]
    assert found[2].says == {("relief", "raised")}


@given(st.text(max_size=60))
def test_any_text_can_be_read(text):
    found = read_attributes(text)
    assert all(set(values) <= set(VOCABULARY[attribute]) and values for attribute, values in found.items())
    assert read_attributes(text.upper().lower()) == read_attributes(text.upper().lower())


def test_tokens_have_flags():
    found = tokens("A well-defined line, and the edge; it isn't")
    assert [token.text for token in found] == ["well", "defined", "line", "and", "edge", "it", "is", "not"]
    assert [token.text for token in found if token.article] == ["well", "edge"]
    assert [token.text for token in found if token.comma] == ["and"]
    assert [token.text for token in found if token.stop] == ["it"]


@pytest.mark.parametrize(
    "spellings",
    [
        ["water_mark", "Water Marks", "watermark", "WATER-MARK"],
        ["scratch", "Scratches"],
        ["bruise", "bruises"],
        ["body", "bodies"],
    ],
)
def test_spellings_of_a_name(spellings):
    assert len({key(text) for text in spellings}) == 1


def test_the_page_shows_the_vocabulary():
    page = (Path(__file__).resolve().parents[2] / "docs" / "lexicon.md").read_text("utf-8")
    for attribute, values in VOCABULARY.items():
        assert f"| {attribute} | {', '.join(values)} |" in page
