"""Logical forms, and how they are said.

A form is ``[number, noun, filters, pick]``, nested lists that JSON holds:

    number   "one" ("the bolt") or "many" ("the bolts")
    noun     the noun of a class, or "thing" for any
    filters  a list of what the things must be, all of it:
             [attribute, value]        of words.ADJECTIVES: ["colour", "red"], ["size", "large"] ...
             ["zone", zone]            of words.ZONES
             [relation, form]          of words.RELATIONS, to the one thing that the form names
             ["between", form, form]
    pick     which of these it is, [] for all:
             [most]                    of words.MOST: ["largest"], ["leftmost"] ...
             ["order", k, side]        the k-th from a side, k of 2 to 5
             ["nearest", form]

A form holds at most one of a zone, a relation, an order or "nearest"; the forms inside it hold adjectives and one of
``words.MOST`` alone. So each sentence is read in one way.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kizu.synth.compose.refer.expression import ATTRIBUTE, MIXED, SPATIAL
from kizu.synth.compose.refer.words import (
    ADJECTIVES,
    AND,
    BETWEEN,
    FROM,
    MOST,
    NEAREST,
    ORDINALS,
    RELATIONS,
    THING,
    ZONES,
    Noun,
    plural,
)

Form = list[Any]
ONE, MANY = "one", "many"
_PLACE = {name: k for k, name in enumerate(ADJECTIVES)}
_BY_PLACE = {"leftmost", "rightmost", "topmost", "lowest", "order", "nearest"}


def make(number: str, noun: str, filters: list[list] | None = None, pick: list | None = None) -> Form:
    """A form, its filters in the order in which they are said."""
    filters = sorted(filters or [], key=lambda item: _PLACE.get(item[0], len(_PLACE)))
    return [number, noun, filters, pick or []]


def content_of(form: Form) -> str:
    """``attribute``, ``spatial`` or ``mixed``; class alone counts as an attribute."""
    looks, place = _contents(form)
    return MIXED if looks and place else SPATIAL if place else ATTRIBUTE


def _contents(form: Form) -> tuple[bool, bool]:
    _, _, filters, pick = form
    looks = any(item[0] in ADJECTIVES for item in filters) or pick[:1] in (["largest"], ["smallest"])
    place = any(item[0] not in ADJECTIVES for item in filters) or bool(pick and pick[0] in _BY_PLACE)
    for item in [*filters, pick]:
        for inner in item[1:]:
            if isinstance(inner, list):
                more = _contents(inner)
                looks, place = looks | more[0], place | more[1]
    return looks, place


def say(form: Form, nouns: dict[str, Noun], random: np.random.Generator | None = None) -> str:
    """The sentence of a form.

    Args:
        nouns: the nouns of the classes, by their singular; others get a regular plural.
        random: chooses among synonyms; without it the usual word.
    """
    number, noun, filters, pick = form
    spoken = nouns.get(noun) or Noun(noun, plural(noun))

    def word(choices: tuple[str, ...]) -> str:
        return choices[0] if random is None or len(choices) == 1 else choices[int(random.random() * len(choices))]

    before, after = ["the"], []
    if pick and pick[0] in MOST:
        before.append(word(MOST[pick[0]]))
    elif pick and pick[0] == "order":
        before.append(ORDINALS[pick[1]])
        after.append(FROM[pick[2]])
    elif pick:
        after += [word(NEAREST), say(pick[1], nouns, random)]
    for name, value, *more in filters:
        if name in ADJECTIVES:
            before.append(word(ADJECTIVES[name][value]))
        elif name == "zone":
            after.append(word(ZONES[value]))
        elif name == BETWEEN:
            after += [BETWEEN, say(value, nouns, random), AND, say(more[0], nouns, random)]
        else:
            after += [word(RELATIONS[name]), say(value, nouns, random)]
    return " ".join([*before, spoken.one if number == ONE else spoken.many, *after])


def nouns_of(kinds: list[Noun | None]) -> dict[str, Noun]:
    """Nouns by their singular, with that for anything; a class of that name keeps its own."""
    return {THING: Noun(THING, plural(THING))} | {noun.one: noun for noun in kinds if noun is not None}
