"""Reading attributes out of a sentence: the longest phrases, without what is negated or said of the background."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cache

from kizu.lexicon.context import (
    Span,
    background,
    edge_context,
    in_context,
    negated_spans,
    without_light,
    without_measures,
)
from kizu.lexicon.vocabulary import EDGE_WORDS, NO_FORMS, VOCABULARY, said_by
from kizu.lexicon.words import Token, stem, stems, tokens


@dataclass(frozen=True)
class Mention:
    """A phrase of a sentence that says something.

    Attributes:
        text: the words, without articles.
        says: the (attribute, value) pairs that it says.
        negated: the sentence says that it is not so.
        start, end: its tokens.
    """

    text: str
    says: frozenset[tuple[str, str]]
    negated: bool
    start: int
    end: int


def read_attributes(sentence: str) -> dict[str, tuple[str, ...]]:
    """The attributes that a sentence states; an attribute of which it says nothing is absent.

    ``"a thin, not too long, dark or bright line"`` gives tone dark and bright, shape line, extent thin. Negated words
    are left out and say nothing of their opposite. Adjectives of the background ("on a rough surface") are left out.

    Returns:
        attribute -> its values, both in the order of the vocabulary.
    """
    said = {pair for mention in mentions(sentence) if not mention.negated for pair in mention.says}
    return in_order(said)


def in_order(pairs) -> dict[str, tuple[str, ...]]:
    """(attribute, value) pairs as attribute -> values, both in the order of the vocabulary."""
    found = defaultdict(list)
    for attribute, values in VOCABULARY.items():
        for value in values:
            if (attribute, value) in pairs:
                found[attribute].append(value)
    return {attribute: tuple(values) for attribute, values in found.items()}


def mentions(sentence: str) -> list[Mention]:
    """Every phrase of the sentence that says a value, in order, the negated ones too."""
    words = tokens(sentence)
    spans = without_measures(without_light(_spans(words), words), words)
    edge = edge_context(words, spans)
    spans = [in_context(span, words, edge) for span in spans]
    spans = [span for span in spans if span[2]]
    hidden = background(words, spans)
    spans = [span for span in spans if not all(i in hidden for i in range(span[0], span[1]))]
    negated = negated_spans(words, spans)
    return [
        Mention(" ".join(word.text for word in words[start:end]), says, start in negated, start, end)
        for start, end, says in spans
    ]


@cache
def _phrases() -> tuple[dict, int]:
    table = dict(said_by())
    for word in EDGE_WORDS:
        table.setdefault((stem(word),), frozenset())
    return table, max(len(phrase) for phrase in table)


def _spans(words: list[Token]) -> list[Span]:
    """The phrases of the vocabulary in a sentence, the longest at each place; marks end a phrase."""
    table, longest = _phrases()
    out, i = [], 0
    while i < len(words):
        end = i + 1
        while end < min(len(words), i + longest) and not (words[end].comma or words[end].stop):
            end += 1
        for j in range(end, i, -1):
            says = _look_up(words[i:j], table)
            if says is not None:
                out.append((i, j, says))
                i = j
                break
        else:
            i += 1
    return out


def _look_up(words: list[Token], table: dict) -> frozenset | None:
    """What a run of words says; None where it is no phrase. Only the last word of a phrase may have an ending."""
    if words[-1].text in NO_FORMS:
        return None
    head = tuple(stem(word.text) for word in words[:-1])
    for last in stems(words[-1].text):
        if (*head, last) in table:
            return table[(*head, last)]
    return None
