"""One defect type: names, sentences, attributes of the closed vocabulary, and the recipe that it is drawn by."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from kizu.core.errors import KizuError
from kizu.lexicon.vocabulary import VOCABULARY
from kizu.lexicon.words import key

# What a type is found on; the things of "distractor" are no defects unless somebody says so.
FAMILIES = ("surface", "part", "textile", "board", "distractor")

Range = float | int | str | tuple[float, float]

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


@dataclass(frozen=True)
class Recipe:
    """How a type is drawn. Only the form is checked here: the drawing functions stand in packages below this one.

    Attributes:
        draw: name of the drawing function.
        ranges: parameter -> (low, high), a number, or a text.
    """

    draw: str
    ranges: dict[str, Range] = field(default_factory=dict)

    def __post_init__(self):
        if not isinstance(self.draw, str) or not _NAME.fullmatch(self.draw):
            raise KizuError(f"recipe.draw: {self.draw!r} is no name of a drawing function, such as 'scratch'")
        if not isinstance(self.ranges, Mapping):
            raise KizuError(f"recipe: {self.ranges!r} is no table of parameters")
        ranges = {name: _range(f"recipe.{name}", value) for name, value in self.ranges.items()}
        object.__setattr__(self, "ranges", ranges)


@dataclass(frozen=True)
class DefectType:
    """One defect type.

    Attributes:
        name: snake case, the name of the class.
        family: one of ``FAMILIES``.
        sentences: plain sentences, one look or material each; prompts and priors are made from them.
        attributes: attribute -> values, all of ``VOCABULARY``; several where the type varies, the usual one first.
        recipe: how it is drawn.
        synonyms: other names.

    Raises:
        KizuError: naming the type, the field, the bad value, and what is allowed.
    """

    name: str
    family: str
    sentences: tuple[str, ...]
    attributes: dict[str, tuple[str, ...]] = field(hash=False)
    recipe: Recipe = field(hash=False)
    synonyms: tuple[str, ...] = ()

    def __post_init__(self):
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise KizuError(f"name: {self.name!r} is no name in lower case and underscores, such as 'water_mark'")
        try:
            if self.family not in FAMILIES:
                raise KizuError(f"family: {_not_one_of(self.family, FAMILIES)}")
            synonyms, sentences = _texts("synonyms", self.synonyms), _texts("sentences", self.sentences)
            if not sentences:
                raise KizuError("sentences: there is none; write how the defect looks in one sentence or more")
            wordless = [text for text in synonyms if not key(text)]
            if wordless:
                raise KizuError(f"synonyms: {wordless[0]!r} has no letters")
            attributes = checked_attributes(self.attributes)
            if not attributes:
                raise KizuError(f"attributes: there is none; state at least one of {', '.join(VOCABULARY)}")
            if not isinstance(self.recipe, Recipe):
                raise KizuError(f"recipe: {self.recipe!r} is no Recipe")
        except KizuError as error:
            raise KizuError(f"type '{self.name}': {error}") from None
        for name, value in (("synonyms", synonyms), ("sentences", sentences), ("attributes", attributes)):
            object.__setattr__(self, name, value)

    @property
    def title(self) -> str:
        """The name as people write it: ``water mark``."""
        return self.name.replace("_", " ")

    @property
    def is_defect(self) -> bool:
        """False for things that are on good products too: oil, dust, fingerprints, machining marks."""
        return self.family != "distractor"


def checked_attributes(attributes: Mapping) -> dict[str, tuple[str, ...]]:
    """Attributes as attribute -> tuple of values, each once; those without a value are left out.

    Raises:
        KizuError: an attribute or a value that is not of the vocabulary.
    """
    if not isinstance(attributes, Mapping):
        raise KizuError(f"attributes: {attributes!r} is no table such as tone = ['dark', 'bright']")
    out = {}
    for attribute, values in attributes.items():
        if attribute not in VOCABULARY:
            raise KizuError(f"attributes: {_not_one_of(attribute, VOCABULARY)}")
        values = _texts(f"attributes.{attribute}", values)
        for value in values:
            if value not in VOCABULARY[attribute]:
                raise KizuError(f"attributes.{attribute}: {_not_one_of(value, VOCABULARY[attribute])}")
        if values:
            out[attribute] = tuple(dict.fromkeys(values))
    return out


def _texts(name: str, values) -> tuple[str, ...]:
    """A list of texts; one text alone is a list of one."""
    values = (values,) if isinstance(values, str) else values
    if not isinstance(values, (list, tuple)):
        raise KizuError(f"{name}: {values!r} is no list of texts")
    for value in values:
        if not isinstance(value, str) or not value.strip():
            raise KizuError(f"{name}: {value!r} is no text")
    return tuple(value.strip() for value in values)


def _range(name: str, value) -> Range:
    """A recipe's parameter: [low, high], a number, or a text."""

    def number(x) -> bool:
        return isinstance(x, (int, float)) and not isinstance(x, bool) and math.isfinite(x)

    if number(value) or (isinstance(value, str) and value):
        return value
    if isinstance(value, (list, tuple)) and len(value) == 2 and all(map(number, value)):
        if value[0] > value[1]:
            raise KizuError(f"{name}: the low end {value[0]} is above the high end {value[1]}; write [low, high]")
        return tuple(value)
    raise KizuError(f"{name}: {value!r} is neither [low, high] nor a number nor a text")


def _not_one_of(value, allowed: Iterable[str]) -> str:
    """``'drak' is not one of dark, bright; did you mean 'dark'?``"""
    return f"{value!r} is not one of {', '.join(allowed)}{did_you_mean(value, allowed)}"


def did_you_mean(value, allowed: Iterable[str]) -> str:
    """``; did you mean 'dark'?``, or nothing where no allowed text is close."""
    close = get_close_matches(str(value).lower(), list(allowed), n=2, cutoff=0.6)
    return f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
