"""``kizu lexicon show`` and ``kizu lexicon read``."""

import pytest

import kizu
from kizu.cli import main
from kizu.core.errors import KizuError


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(
        'name = "cold_shut"\nfamily = "part"\nsynonyms = ["cold lap"]\n'
        'sentences = ["On a casting a cold shut appears as a dark, curved line."]\n'
        '[attributes]\ntone = ["dark", "bright"]\nshape = ["line"]\n[recipe]\ndraw = "crack"\nwidth = [1, 2]\n'
    )
    return path


def typed(arguments, capsys):
    """Exit code and what is printed."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return end.value.code, capsys.readouterr().out


def test_the_table_has_every_type(capsys, own):
    code, out = typed(["lexicon", "show", "--types", str(own)], capsys)
    assert code == 0
    for name in (*kizu.Lexicon.load().names, "cold_shut"):
        assert f"\n {name} " in out
    assert "26 defect types and 4 distractors" in out


def test_one_record_in_full(capsys):
    code, out = typed(["lexicon", "show", "Water-Marks"], capsys)
    assert code == 0
    item = kizu.Lexicon.load()["water_mark"]
    text = " ".join(out.split())
    for part in (*item.synonyms, *item.sentences, *item.attributes, item.recipe.draw, *item.recipe.ranges):
        assert part in text


def test_where_sentences_and_attributes_differ(capsys, own):
    code, out = typed(["lexicon", "show", "cold_lap", "--types", str(own)], capsys)
    assert code == 1
    assert "Its sentences and its attributes differ in tone, shape." in out
    assert "width 1 to 2" in out
    shown = kizu.lexicon_show("cold shut", types=[own])
    assert shown.problems == 2 and [item.name for item in shown.shown] == ["cold_shut"]


@pytest.mark.parametrize(
    ("sentence", "code", "parts"),
    [
        ("long thin scratches, not raised", 0, ["extent", "thin, long", "negated: raised", "It names scratch."]),
        ("a cold lap", 0, ["It names cold shut."]),
        ("what is this", 1, ["No attribute is read"]),
    ],
)
def test_a_sentence_is_read(sentence, code, parts, capsys, own):
    ended, out = typed(["lexicon", "read", sentence, "--types", str(own)], capsys)
    assert ended == code
    for part in parts:
        assert part in " ".join(out.split())


def test_what_is_returned_in_python():
    done = kizu.lexicon_read("dark spots, like pits")
    assert done.attributes == {"tone": ("dark",), "shape": ("spot",), "relief": ("sunken",)}
    assert done.named == ("pit",)
    with pytest.raises(KizuError, match="did you mean"):
        kizu.lexicon_show("scrach")


def test_the_package_keeps_its_name():
    import kizu.lexicon

    assert kizu.lexicon.Lexicon is kizu.Lexicon
    assert kizu.lexicon.DefectType is kizu.DefectType
