"""Writing a sentence out of attributes, so that the parser reads the same attributes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kizu.lexicon.parse import in_order
from kizu.lexicon.record import checked_attributes
from kizu.lexicon.vocabulary import OPPOSITES, VOCABULARY

_SHAPE_ADJECTIVES = ("round", "angular")
# Where a sentence takes another form than the first word of the vocabulary.
_WRITTEN = {
    ("direction", "horizontal"): "horizontally",
    ("direction", "vertical"): "vertically",
    ("direction", "oblique"): "obliquely",
    ("count", "single"): "singly",
    ("count", "few"): "a few at a time",
    ("count", "many"): "many at a time",
    ("count", "clustered"): "in clusters",
    ("count", "periodic"): "at regular intervals",
    ("edge", "smooth"): "smooth",
}


def describe(attributes: Mapping[str, Sequence[str]], material: str = "metal", subject: str = "it") -> str:
    """One plain sentence: ``On a metal surface it appears as a long, thin, dark or bright line with sharp edges.``

    ``read_attributes`` reads the same attributes back, for any of the vocabulary, while ``subject`` says none itself.

    Raises:
        KizuError: an attribute or a value that is not of the vocabulary.
    """
    values = in_order({(a, v) for a, vs in checked_attributes(attributes).items() for v in vs})

    def written(attribute: str, among: Sequence[str] | None = None) -> list[str]:
        chosen = [v for v in values.get(attribute, ()) if among is None or v in among]
        return [_WRITTEN.get((attribute, v), VOCABULARY[attribute][v][0]) for v in chosen]

    sizes = [written("extent", among) for _, among in reversed(OPPOSITES)]
    alike = [written(attribute) for attribute in ("tone", "continuity", "texture", "relief")]
    groups = [*sizes, *alike, written("shape", _SHAPE_ADJECTIVES)]
    adjectives = ", ".join(_either(group) for group in groups if group)
    noun = _either(written("shape", [v for v in VOCABULARY["shape"] if v not in _SHAPE_ADJECTIVES])) or "mark"
    text = f"On {_with_article(material)} surface {subject} appears as {_with_article(f'{adjectives} {noun}'.strip())}"
    if values.get("edge"):
        text += f" with {_either(written('edge'))} edges"
    if values.get("direction"):
        text += f", running {_either(written('direction'))}"
    if "whole" in values.get("extent", ()):
        text += ", over the whole surface"
    if values.get("count"):
        text += f", occurring {_either(written('count'))}"
    return text + "."


def _either(words: Sequence[str]) -> str:
    """``a``, ``a or b``, ``a, b or c``."""
    return " or ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def _with_article(words: str) -> str:
    return f"{'an' if words[:1].lower() in tuple('aeiou') else 'a'} {words}"
