"""The grammar and its inverse, and the measures of colour against scikit-image."""

import numpy as np
import pytest
from compose_refer_scenes import PALETTE
from hypothesis import assume, given
from hypothesis import strategies as st
from skimage.color import deltaE_ciede2000, rgb2lab

from kizu.core.errors import DataError
from kizu.core.masks import Masks
from kizu.synth.compose.refer import colour, words
from kizu.synth.compose.refer.grammar import content_of, make, nouns_of, say
from kizu.synth.compose.refer.reading import parse

NAMES = ("scratch", "pit_hole", "dark spot", "rust", "battery", "Kratzer ü傷", "tag on edge", "patches")
NOUNS = nouns_of([words.noun_of(name) for name in NAMES])

adjectives = st.lists(
    st.sampled_from([(name, value) for name, values in words.ADJECTIVES.items() for value in values]),
    max_size=3,
    unique_by=lambda pair: pair[0],
).map(lambda pairs: [list(pair) for pair in pairs])
nouns = st.sampled_from(list(NOUNS))


@st.composite
def landmarks(draw):
    return make("one", draw(nouns), draw(adjectives), draw(st.sampled_from([[], *([most] for most in words.MOST)])))


@st.composite
def forms(draw):
    number, noun, filters, pick = draw(st.sampled_from(["one", "many"])), draw(nouns), draw(adjectives), []
    end = draw(st.sampled_from(["", "most", "zone", "relation", "between", "order", "nearest"]))
    if end == "most":
        pick = [draw(st.sampled_from(list(words.MOST)))]
    elif end == "zone":
        filters = [*filters, ["zone", draw(st.sampled_from(list(words.ZONES)))]]
    elif end == "relation":
        filters = [*filters, [draw(st.sampled_from(list(words.RELATIONS))), draw(landmarks())]]
    elif end == "between":
        filters = [*filters, ["between", draw(landmarks()), draw(landmarks())]]
    elif end == "order":
        pick = ["order", draw(st.integers(2, 5)), draw(st.sampled_from(list(words.FROM)))]
    elif end == "nearest":
        pick = ["nearest", draw(landmarks())]
    return make(number, noun, filters, pick)


@given(forms(), st.integers(0, 2**31))
def test_what_is_said_is_read_again(form, seed):
    text = say(form, NOUNS, np.random.default_rng(seed))
    assert parse(text, NAMES) == form
    assert parse(text.upper().removeprefix("THE ") + " .", NAMES) == form
    assert content_of(parse(text, NAMES)) in ("attribute", "spatial", "mixed")


@given(forms(), st.integers(0, 2**31))
def test_without_class_names_plain_nouns_are_read_as_well(form, seed):
    assume(not {"tag on edge", "dark spot", "patch of rust"} & set(str(form).replace('"', "'").split("'")))
    assert parse(say(form, NOUNS, np.random.default_rng(seed))) == form


SENTENCES = [
    ("the scratch", ["one", "scratch", [], []], "attribute"),
    ("the largest scratch", ["one", "scratch", [], ["largest"]], "attribute"),
    ("the little red scratches", ["many", "scratch", [["size", "small"], ["colour", "red"]], []], "attribute"),
    ("the partly hidden batteries", ["many", "battery", [["hidden", "partly"]], []], "attribute"),
    ("the dark spots in the upper left corner", ["many", "dark spot", [["zone", "top left"]], []], "spatial"),
    ("the second pit hole from the top", ["one", "pit hole", [], ["order", 2, "top"]], "spatial"),
    ("the gray thing left of the patch of rust",
     ["one", "thing", [["colour", "grey"], ["left of", ["one", "patch of rust", [], []]]], []], "mixed"),
    ("the scratch closest to the biggest pit hole",
     ["one", "scratch", [], ["nearest", ["one", "pit hole", [], ["largest"]]]], "mixed"),
    ("the tag on edge on the battery",
     ["one", "tag on edge", [["on", ["one", "battery", [], []]]], []], "spatial"),
    ("the scratch between the battery and the leftmost dark spot",
     ["one", "scratch", [["between", ["one", "battery", [], []], ["one", "dark spot", [], ["leftmost"]]]], []],
     "spatial"),
    ("the patches of rust", ["many", "patch of rust", [], []], "attribute"),
]  # fmt: skip


@pytest.mark.parametrize("text, form, content", SENTENCES, ids=[case[0] for case in SENTENCES])
def test_sentences(text, form, content):
    assert parse(text, NAMES) == form
    assert content_of(form) == content


@pytest.mark.parametrize(
    "text",
    ["", ".", "the", "the red", "the wrench", "the scratch on", "the second scratch", "the scratch left of",
     "red red scratch", "the scratch between the battery", "the scratch at the top on the left", "scratch, please"],
)  # fmt: skip
def test_what_is_no_sentence_is_told(text):
    with pytest.raises(DataError, match="not a sentence of the grammar"):
        parse(text, NAMES)


@pytest.mark.parametrize(
    "noun", ["scratch", "box", "dent", "battery", "key", "lens", "pit hole", "burr", "brush", "glass"]
)
def test_plurals_come_back(noun):
    assert words.plural(noun) != noun
    assert words.singular(words.plural(noun)) == noun


@pytest.mark.parametrize(
    "name, one, many",
    [
        ("pit_hole", "pit hole", "pit holes"), ("patches", "patch", "patches"), ("lens", "lens", "lenses"),
        ("rust", "patch of rust", "patches of rust"),
        ("rolled-in_scale", "patch of rolled-in scale", "patches of rolled-in scale"),
        ("glass", "glass", "glasses"), ("  a \t b ", "a b", "a bs"),
    ],
)  # fmt: skip
def test_classes_have_nouns(name, one, many):
    assert words.noun_of(name) == words.Noun(one, many)


@pytest.mark.parametrize("name", ["", "3", "_", "12 34"])
def test_names_without_letters_have_none(name):
    assert words.noun_of(name) is None


def test_every_word_says_one_thing():
    said = [word for values in words.ADJECTIVES.values() for choices in values.values() for word in choices]
    said += [word for choices in words.MOST.values() for word in choices]
    assert len(set(said)) == len(said)
    assert set(words.EXCLUSIVE) <= set(words.ADJECTIVES)
    for name, groups in words.EXCLUSIVE.items():
        assert all(group <= set(words.ADJECTIVES[name]) for group in groups)


# --- colours ---


@given(st.lists(st.tuples(*[st.floats(0, 100), *[st.floats(-100, 100)] * 2]), min_size=2, max_size=5))
def test_colour_differences_are_ciede2000(values):
    lab = np.array(values)
    expected = deltaE_ciede2000(lab[:, None], lab[None])
    np.testing.assert_allclose(colour.differences(lab), expected, atol=1e-8)


def swatches(values):
    """One square of 20 x 20 for each colour."""
    image = np.zeros((20, 20 * len(values), 3), np.uint8)
    raster = np.zeros(image.shape[:2], np.int32)
    for k, value in enumerate(values):
        image[:, 20 * k : 20 * k + 20] = value
        raster[:, 20 * k : 20 * k + 20] = k + 1
    return image, Masks.from_label_map(raster, range(1, len(values) + 1))


def test_basic_colours_have_their_names():
    image, masks = swatches(list(PALETTE.values()))
    seen = colour.measure(image, masks, np.full(len(masks), -1))
    assert list(PALETTE) == list(colour.COLOURS)
    np.testing.assert_array_equal(seen.yes, np.eye(len(PALETTE), dtype=bool))
    assert (seen.yes <= seen.maybe).all()
    np.testing.assert_allclose(seen.lab, rgb2lab(image)[0, ::20], atol=0.05)


@pytest.mark.parametrize(
    "value, names",
    [
        ((0, 128, 128), set()),  # turquoise: neither green nor blue for sure
        ((60, 60, 60), {"grey", "black"}),
        ((70, 20, 10), {"brown", "red"}),
        ((128, 0, 60), {"red", "pink", "purple"}),
        ((200, 60, 30), {"red", "orange"}),
        ((222, 222, 222), {"white", "grey"}),
    ],
)
def test_colours_between_two_names(value, names):
    image, masks = swatches([value, (40, 150, 60)])
    seen = colour.measure(image, masks, np.full(2, -1))
    may = {name for name, fits in zip(colour.COLOURS, seen.maybe[0], strict=True) if fits}
    sure = {name for name, fits in zip(colour.COLOURS, seen.yes[0], strict=True) if fits}
    assert sure <= may <= names | {"green", "blue"} if not names else sure <= may <= names
    assert len(sure) <= 1


def test_two_colours_of_one_thing_are_not_its_colour():
    image, masks = swatches([(200, 25, 35), (40, 70, 200)])
    both = Masks.from_dense((masks.dense(0) | masks.dense(1))[None])
    seen = colour.measure(image, both, np.array([-1]))
    assert not seen.yes.any()
    assert seen.maybe[0, [colour.COLOURS.index("red"), colour.COLOURS.index("blue")]].all()


def test_a_name_needs_contrast_to_what_does_not_have_it():
    inside, outside = (190, 40, 40), (150, 60, 50)  # red, and something brownish near it
    image, masks = swatches([inside, outside])
    lab = rgb2lab(np.array([[inside, outside]], np.uint8))[0]
    assert deltaE_ciede2000(lab[0], lab[1]) < colour.CONTRAST
    seen = colour.measure(image, masks, np.full(2, -1))
    assert seen.yes[0, colour.COLOURS.index("red")] and seen.maybe[1, colour.COLOURS.index("red")]


def test_grey_pictures_are_compared_with_what_lies_about():
    image = np.full((60, 60, 3), 120, np.uint8)
    image[20:30, 20:30], image[22:27, 22:27], image[40:50, 40:50] = 60, 90, 200
    raster = np.zeros((60, 60), np.int32)
    raster[20:30, 20:30], raster[22:27, 22:27], raster[40:50, 40:50] = 1, 2, 3
    seen = colour.measure(image, Masks.from_label_map(raster), np.array([-1, 0, -1]))
    light = rgb2lab(np.repeat(np.array([120, 60, 90, 200], np.uint8), 3).reshape(1, 4, 3))[0, :, 0]
    assert seen.grey
    np.testing.assert_allclose(seen.lab[:, 0], light[1:], atol=0.05)
    np.testing.assert_allclose(seen.around, light[[0, 1, 0]], atol=0.05)  # the second lies on the first
