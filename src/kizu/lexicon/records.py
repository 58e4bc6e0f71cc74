"""Defect types in TOML: one type a file, or several under ``[[type]]``; for a known name, the fields to override."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from kizu.core.errors import KizuError
from kizu.core.files import remedy
from kizu.lexicon.record import DefectType, Recipe, did_you_mean
from kizu.lexicon.words import key

FIELDS = ("name", "family", "synonyms", "sentences", "attributes", "recipe")


def read_toml(path: Path | str) -> dict:
    """A TOML file as a table.

    Raises:
        KizuError: it cannot be opened, is no UTF-8, or is no TOML: with line and column.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise KizuError(f"cannot read {path}: {remedy(error)}") from error
    try:
        text = data.decode("utf-8-sig")  # Windows editors put a mark before the first letter
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise KizuError(f"{path}: line {line}: not UTF-8; save the file with the encoding UTF-8") from None
    try:
        return tomllib.loads(text.replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError as error:
        what, where = _place(str(error), text)
        raise KizuError(f"{path}: {where}: {what}; correct the TOML there") from None


def _place(message: str, text: str) -> tuple[str, str]:
    """What a TOML error is, and its line and column."""
    match = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)", message)
    if match and match[1]:
        line, column = match[1], match[2]
    else:
        lines = text.splitlines() or [""]
        line, column = len(lines), len(lines[-1]) + 1
    return message[: match.start()] if match else message, f"line {line}, column {column}"


def types_of(path: Path | str, known: Mapping[str, DefectType]) -> Iterator[DefectType]:
    """The types of one file; where ``known`` has the name, what the file leaves out is taken from there.

    Attributes and the parameters of a recipe are overridden one by one (an empty list takes an attribute away). A
    recipe with ``draw = "crack"`` begins with the parameters of the type crack.

    Raises:
        KizuError: naming file, type, field, the bad value, and what is allowed.
    """
    data = read_toml(path)
    records = data.get("type")
    if records is None:
        records = [data]
    elif not isinstance(records, list) or not all(isinstance(record, dict) for record in records) or len(data) > 1:
        raise KizuError(f"{path}: a file of several types has nothing but [[type]] tables, one a type")
    for record in records:
        try:
            yield _type(record, known)
        except KizuError as error:
            raise KizuError(f"{path}: {error}") from None


def _type(record: dict, known: Mapping[str, DefectType]) -> DefectType:
    if "name" not in record:
        close = did_you_mean("name", record)
        raise KizuError(f"field 'name' is missing: it says which type this is, e.g. name = \"scratch\"{close}")
    name = record["name"]
    if not isinstance(name, str) or not key(name):
        raise KizuError(f"name: {name!r} is no name in lower case and underscores, such as 'water_mark'")
    for field in record:
        if field not in FIELDS:
            raise KizuError(f"type '{name}': there is no field {field!r}{did_you_mean(field, FIELDS)}; fields are "
                            f"{', '.join(FIELDS)}")  # fmt: skip
    old = known.get(name)
    missing = [field for field in FIELDS if field not in record and field != "synonyms"]
    if old is None:
        _check_new(name, known)
    if old is None and missing:
        raise KizuError(
            f"type '{name}': {'fields' if len(missing) > 1 else 'field'} {', '.join(missing)} missing: a new type "
            f"needs all but synonyms{did_you_mean(name, known).replace('mean', 'mean to override')}"
        )
    attributes, recipe = record.get("attributes", {}), record.get("recipe", {})
    for field, value in (("attributes", attributes), ("recipe", recipe)):
        if not isinstance(value, dict):
            raise KizuError(f"type '{name}': {field}: {value!r} is no table; write [{field}] and its keys below")
    return DefectType(
        name=name,
        family=record.get("family", old and old.family),
        sentences=record.get("sentences", old and old.sentences),
        attributes={**(old.attributes if old else {}), **attributes},
        recipe=_recipe(name, recipe, old.recipe if old else None, known),
        synonyms=record.get("synonyms", old.synonyms if old else ()),
    )


def _check_new(name: str, known: Mapping[str, DefectType]) -> None:
    """A new name must not be one that a look-up takes for another type."""
    for item in known.values():
        kind = "spelling" if key(name) == key(item.name) else "synonym"
        if key(name) in {key(text) for text in (item.name, *item.synonyms)}:
            raise KizuError(
                f"'{name}' is a {kind} of '{item.name}'; to override that type write name = \"{item.name}\", or choose "
                "another name"
            )


def _recipe(name: str, given: dict, old: Recipe | None, known: Mapping[str, DefectType]) -> Recipe:
    """A recipe; what it leaves out comes from the type that it overrides, or from that of its drawing's name."""
    try:
        if "draw" not in given and old is None:
            raise KizuError('recipe.draw is missing: the drawing function, e.g. draw = "scratch"')
        draw = given.get("draw", old.draw if old else None)
        namesake = known[draw].recipe if isinstance(draw, str) and draw in known else None
        base = next((recipe for recipe in (old, namesake) if recipe and recipe.draw == draw), None)
        ranges = {parameter: value for parameter, value in given.items() if parameter != "draw"}
        return Recipe(draw, {**(base.ranges if base else {}), **ranges})
    except KizuError as error:
        raise KizuError(f"type '{name}': {error}") from None
