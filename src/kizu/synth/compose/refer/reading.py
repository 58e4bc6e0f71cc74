"""Reading sentences back into logical forms: the inverse of the grammar, with all its synonyms."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from kizu.core.errors import DataError
from kizu.synth.compose.refer.grammar import MANY, ONE, Form, make, nouns_of
from kizu.synth.compose.refer.words import (
    ADJECTIVES,
    AND,
    BETWEEN,
    FROM,
    MOST,
    NEAREST,
    ORDINALS,
    RELATIONS,
    ZONES,
    noun_of,
    singular,
)

_Words = tuple[str, ...]
_ARTICLES = ("the", "a", "an")


def _split(phrase: str) -> _Words:
    return tuple(phrase.casefold().split())


def _table(entries: dict[Any, tuple[str, ...]]) -> list[tuple[_Words, Any]]:
    """Phrases as words with what they stand for, the longest first."""
    found = [(_split(phrase), value) for value, phrases in entries.items() for phrase in phrases]
    return sorted(found, key=lambda entry: -len(entry[0]))


_ADJECTIVES = _table({(name, v): words for name, values in ADJECTIVES.items() for v, words in values.items()})
_MOST, _ZONES, _RELATIONS = _table(MOST), _table(ZONES), _table(RELATIONS)
_ORDINALS = _table({k: (word,) for k, word in ORDINALS.items()})
_FROM = _table({side: (words,) for side, words in FROM.items()})
_NEAREST = _table({"nearest": NEAREST})
_AFTER = [words for words, _ in _ZONES + _RELATIONS + _FROM + _NEAREST] + [(BETWEEN,), (AND,)]


def parse(text: str, names: Sequence[str] | None = None) -> Form:
    """The logical form of a sentence.

    Args:
        text: any case; a full stop at its end and a missing article do not matter.
        names: class names, which makes it exact: a noun is then one of theirs. Without them a noun is whatever stands
            behind the adjectives, and plurals are undone by rule.

    Raises:
        DataError: the sentence is not of the grammar.
    """
    words = re.sub(r"[.!?\s]+$", "", text).split()
    reader = _Reader(tuple(words), None if names is None else _noun_table(tuple(names)))
    for form, end in reader.whole(0):
        if end == len(words):
            return form
    raise DataError(f"{text[:80]!r}: not a sentence of the grammar; say it in the words of kizu's expressions")


@lru_cache(maxsize=64)
def _noun_table(names: tuple[str, ...]) -> dict[str, list[tuple[_Words, str, str]]]:
    """By first word: the words of a noun, its singular, and its number; the longest first."""
    out: dict[str, list[tuple[_Words, str, str]]] = {}
    for noun in nouns_of([noun_of(name) for name in names]).values():
        for spoken, number in ((noun.one, ONE), (noun.many, MANY)):
            words = _split(spoken)
            out.setdefault(words[0], []).append((words, noun.one, number))
    for entries in out.values():
        entries.sort(key=lambda entry: -len(entry[0]))
    return out


class _Reader:
    """Tries all ways to read words, in a fixed order; every method yields what it read and where it ended."""

    def __init__(self, words: _Words, nouns: dict[str, list[tuple[_Words, str, str]]] | None):
        self.words, self.nouns = words, nouns
        self.folded = tuple(word.casefold() for word in words)

    def whole(self, at: int) -> Iterator[tuple[Form, int]]:
        """A sentence: a plain one, and what stands behind it."""
        for (number, noun, filters, pick), end in self.plain(at, ordinals=True):
            ordinal = isinstance(pick, int)
            if ordinal:
                for side, stop in self._any(_FROM, end):
                    yield make(number, noun, filters, ["order", pick, side]), stop
                continue
            yield make(number, noun, filters, pick), end
            for zone, stop in self._any(_ZONES, end):
                yield make(number, noun, [*filters, ["zone", zone]], pick), stop
            for relation, stop in self._any(_RELATIONS, end):
                for landmark, last in self._landmark(stop):
                    yield make(number, noun, [*filters, [relation, landmark]], pick), last
            if self.folded[end : end + 1] == (BETWEEN,):
                for one, middle in self._landmark(end + 1):
                    if self.folded[middle : middle + 1] == (AND,):
                        for two, last in self._landmark(middle + 1):
                            yield make(number, noun, [*filters, [BETWEEN, one, two]], pick), last
            if not pick:
                for _, stop in self._any(_NEAREST, end):
                    for landmark, last in self._landmark(stop):
                        yield make(number, noun, filters, ["nearest", landmark]), last

    def _landmark(self, at: int) -> Iterator[tuple[Form, int]]:
        for (number, noun, filters, pick), end in self.plain(at):
            yield make(number, noun, filters, pick), end

    def plain(self, at: int, ordinals: bool = False) -> Iterator[tuple[tuple[str, str, list, Any], int]]:
        """Article, pick, adjectives, noun; with ``ordinals`` the pick may be the number of one."""
        if self.folded[at : at + 1] and self.folded[at] in _ARTICLES:
            yield from self.plain(at + 1, ordinals)
        bare = ((*said[:3], [], said[3]) for said in self._described(at, []))
        picked = (
            (*said[:3], [most], said[3]) for most, stop in self._any(_MOST, at) for said in self._described(stop, [])
        )
        # Known nouns first, as a class may be called "largest bolt"; a noun that is not known would swallow the pick.
        for number, noun, filters, pick, end in chain(picked, bare) if self.nouns is None else chain(bare, picked):
            yield (number, noun, filters, pick), end
        for place, stop in self._any(_ORDINALS, at) if ordinals else ():
            for number, noun, filters, end in self._described(stop, []):
                yield (number, noun, filters, place), end

    def _described(self, at: int, filters: list) -> Iterator[tuple[str, str, list, int]]:
        """Nouns first, as a class may be called "dark spot"; without known nouns, adjectives first."""
        if self.nouns is not None:
            yield from self._noun(at, filters)
        for (name, value), stop in self._any(_ADJECTIVES, at):
            if all(name != other for other, _ in filters):
                yield from self._described(stop, [*filters, [name, value]])
        if self.nouns is None:
            yield from self._noun(at, filters)

    def _noun(self, at: int, filters: list) -> Iterator[tuple[str, str, list, int]]:
        if self.nouns is not None:
            for words, noun, number in self.nouns.get(self.folded[at], []) if at < len(self.folded) else ():
                if self.folded[at : at + len(words)] == words:
                    yield number, noun, filters, at + len(words)
            return
        after = (k for k in range(at, len(self.words)) if any(self._at(words, k) for words in _AFTER))
        end = next(after, len(self.words))
        if end > at:
            spoken = " ".join(self.words[at:end])
            one = singular(spoken)
            yield (ONE, spoken, filters, end) if one is None else (MANY, one, filters, end)

    def _any(self, table: list[tuple[_Words, Any]], at: int) -> Iterator[tuple[Any, int]]:
        for words, value in table:
            if self._at(words, at):
                yield value, at + len(words)

    def _at(self, words: _Words, at: int) -> bool:
        return self.folded[at : at + len(words)] == words
