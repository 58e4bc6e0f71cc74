"""A user's own types: added, overridden, looked up, and every mistake told with file, type, field and value."""

import re

import pytest

from kizu.core.errors import KizuError
from kizu.lexicon import DefectType, Lexicon, Recipe

OWN = """
name = "weld_gap"
family = "part"
synonyms = ["gap in the weld"]
sentences = ["On a metal part a weld gap appears as a dark, narrow line."]

[attributes]
tone = ["dark"]
shape = ["line"]

[recipe]
draw = "scratch"
width = [1.5, 3]
"""


@pytest.fixture
def own(tmp_path):
    """Writes a TOML file and returns its path."""

    def write(text, name="own.toml"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
        return path

    return write


def test_an_own_type_stands_behind_those_of_kizu(own):
    lexicon = Lexicon.load(own(OWN))
    assert lexicon.names[-1] == "weld_gap"
    assert len(lexicon) == len(Lexicon.load()) + 1
    item = lexicon["Weld gaps"]
    assert item is lexicon["gap-in-the-weld"]
    assert item == DefectType(
        "weld_gap", "part", ("On a metal part a weld gap appears as a dark, narrow line.",),
        {"tone": ("dark",), "shape": ("line",)},
        Recipe("scratch", {**Lexicon.load()["scratch"].recipe.ranges, "width": (1.5, 3)}), ("gap in the weld",),
    )  # fmt: skip


def test_an_override_gives_only_some_fields(own):
    before = Lexicon.load()["crack"]
    text = 'name = "crack"\n[attributes]\ntone = ["bright"]\nedge = []\n[recipe]\nmy_parameter = 3\n'
    after = Lexicon.load(own(text))["crack"]
    assert after.attributes == {**{a: v for a, v in before.attributes.items() if a != "edge"}, "tone": ("bright",)}
    assert (after.sentences, after.synonyms, after.family) == (before.sentences, before.synonyms, before.family)
    assert after.recipe == Recipe(before.recipe.draw, {**before.recipe.ranges, "my_parameter": 3})


def test_a_recipe_begins_with_that_of_its_drawing(own):
    text = 'name = "{}"\n[recipe]\n{}\n'
    scratch = Lexicon.load()["scratch"].recipe.ranges
    lexicon = Lexicon.load(
        own(text.format("scratch", "mine = 3"), "a.toml"),
        own(text.format("crack", 'draw = "scratch"\nyours = 4'), "b.toml"),
        own(text.format("rust", 'draw = "my_rust"\nyours = 5'), "c.toml"),
        own(OWN, "d.toml"),
    )
    assert lexicon["crack"].recipe == Recipe("scratch", {**scratch, "mine": 3, "yours": 4})
    assert lexicon["rust"].recipe == Recipe("my_rust", {"yours": 5})
    assert lexicon["weld_gap"].recipe == Recipe("scratch", {**scratch, "mine": 3, "width": (1.5, 3)})


def test_several_types_in_one_file_and_files_in_a_folder(own, tmp_path):
    several = OWN.replace("\nname", "[[type]]\nname", 1).replace("[attributes]", "[type.attributes]")
    several = several.replace("[recipe]", "[type.recipe]") + '\n[[type]]\nname = "rust"\nsynonyms = ["patina"]\n'
    own(several, "a.toml")
    own(OWN.replace("weld_gap", "cold_shut").replace("gap in the weld", "cold lap"), "b.toml")
    lexicon = Lexicon.load(tmp_path)
    assert lexicon.names[-2:] == ("weld_gap", "cold_shut")
    assert lexicon["patina"].name == "rust" and "corrosion" not in lexicon


def test_marks_of_windows_editors(own):
    assert "weld_gap" in Lexicon.load(own(b"\xef\xbb\xbf" + OWN.replace("\n", "\r\n").encode()))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('name = "x"\nfamily = \n', "own.toml: line 2, column 10: Invalid value"),
        ('name = "x"\nsynonyms = ["a",', "own.toml: line 2, column 17: "),
        ('name = "x"\nname = "y"\n', "own.toml: line 2, column 11: Cannot overwrite a value"),
        (b'name = "x"\n# caf\xe9\n', "own.toml: line 2: not UTF-8; save the file with the encoding UTF-8"),
        ("", "own.toml: field 'name' is missing"),
        ('nmae = "x"\n', "own.toml: field 'name' is missing.*did you mean 'nmae'"),
        (OWN.replace("synonyms", "synonims"), "own.toml: type 'weld_gap': there is no field 'synonims'; did you mean"),
        (OWN.replace('"dark"', '"drak"'), "own.toml: type 'weld_gap': attributes.tone: 'drak' is not one of dark"),
        (OWN.replace("shape =", "shap ="), "type 'weld_gap': attributes: 'shap' is not one of .*mean 'shape'"),
        (OWN.replace("1.5, 3", "4, 3"), "own.toml: type 'weld_gap': recipe.width: the low end 4 is above"),
        (OWN.replace('draw = "scratch"', ""), "own.toml: type 'weld_gap': recipe.draw is missing"),
        (OWN.split("[recipe]")[0], "own.toml: type 'weld_gap': field recipe missing: a new type needs"),
        ('name = "scrach"\n', "own.toml: type 'scrach': fields .* missing.*did you mean to override 'scratch'"),
        ('name = "rust"\nattributes = 3\n', r"own.toml: type 'rust': attributes: 3 is no table; write \[attributes\]"),
        ('name = "rust"\nsentences = []\n', "own.toml: type 'rust': sentences: there is none"),
        ('name = 3\n', "own.toml: name: 3 is no name"),
        ('type = "crack"\n', r"own.toml: a file of several types has nothing but \[\[type\]\] tables"),
        ('[[type]]\nname = "rust"\n[[type]]\nname = "rust"\n', "own.toml: type 'rust' stands there twice"),
        (OWN.replace("gap in the weld", "Fissures"), "own.toml: synonym 'Fissures' of type 'weld_gap' already stands"),
        (OWN.replace("weld_gap", "fissure"), "own.toml: 'fissure' is a synonym of 'crack'; to override"),
        (OWN.replace("weld_gap", "watermark"), "own.toml: 'watermark' is a spelling of 'water_mark'; to override"),
    ],
)  # fmt: skip
def test_mistakes_are_told(text, message, own):
    with pytest.raises(KizuError, match=message) as error:
        Lexicon.load(own(text))
    assert "\n" not in str(error.value)


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(KizuError, match=f"cannot read {re.escape(str(tmp_path / 'no.toml'))}: "):
        Lexicon.load(tmp_path / "no.toml")
    with pytest.raises(KizuError, match=r"there is no .toml file in this folder"):
        Lexicon.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("scrach", "there is no defect type 'scrach'; did you mean 'scratch'"),
        ("Water-Mrak", "did you mean 'water mark'"),
        ("quark soup", "known are bump, burr, chip"),
        (3, "there is no defect type 3"),
    ],
)
def test_a_name_that_is_not_there(name, message):
    lexicon = Lexicon.load()
    assert name not in lexicon
    assert lexicon.get(name) is None
    with pytest.raises(KizuError, match=message):
        lexicon[name]


@pytest.mark.parametrize(
    ("sentence", "names"),
    [
        ("long scratches and water-marks, no rust", ("scratch", "water_mark", "rust")),
        ("a solder bridge", ("short_circuit",)),
        ("a short, open line", ()),
        ("an open circuit", ("open_circuit",)),
        ("a rust stain", ("rust",)),
        ("", ()),
    ],
)
def test_types_that_a_sentence_names(sentence, names):
    assert Lexicon.load().named_in(sentence) == names


def test_one_name_for_two_types():
    items = Lexicon.load()
    with pytest.raises(KizuError, match="types 'pin_hole' and 'pinhole' have the same name"):
        Lexicon([items["pin_hole"], DefectType("pinhole", "board", ["It is dark."], {"tone": "dark"}, Recipe("pit"))])
