"""What ``drawn`` may draw: types of the lexicon, and a user's own types from TOML, as recipes that a scene can keep."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kizu.core.errors import KizuError
from kizu.lexicon.lexicon import Lexicon
from kizu.lexicon.record import Recipe
from kizu.synth.formula.defects.draw import DRAW, ranges_of
from kizu.synth.formula.shipped import lexicon

# What is drawn where no type is asked for: all that needs neither the outline of the part nor a weave.
TYPES = {
    "scratch": 2.0, "crack": 1.0, "pit": 1.0, "pore": 1.0, "inclusion": 1.0, "dent": 1.0, "bump": 0.5, "stain": 1.0,
    "water_mark": 0.5, "rust": 0.5, "wrinkle": 0.3, "foreign_particle": 0.7, "spatter": 0.3, "roll_mark": 0.3,
}  # fmt: skip
NOWHERE = ("burr", "missing_part", "thread_break")  # drawing functions that ask for an outline or a weave


def chosen(texts: Iterable[str]) -> tuple[tuple[str, ...], dict[str, dict[str, Any]]]:
    """What ``--types`` names: types, and TOML files (or folders of such) of own ones.

    Files without any name add their new defects to ``TYPES``; names say what is drawn, and nothing else is. A type of
    the lexicon that a file changes is drawn by the recipe of the file.

    Returns:
        Names, () where nothing is named; and of all types of the files name -> ``{"draw", "ranges"}``, JSON-able.

    Raises:
        KizuError: a file that is not there or is broken.
    """
    names, files = [], []
    for text in dict.fromkeys(map(str, texts)):
        is_file = text.endswith(".toml") or (text not in lexicon().names and Path(text).is_dir())
        (files if is_file else names).append(text)
    if not files:
        return tuple(names), {}
    known, found = lexicon(), Lexicon.load(*files)
    own = {name: it for name, it in found.items() if name not in known.names or it.recipe != known[name].recipe}
    recipes = {
        name: {
            "draw": record.recipe.draw,
            "ranges": {key: list(v) if isinstance(v, tuple) else v for key, v in record.recipe.ranges.items()},
        }
        for name, record in own.items()
    }
    new = [name for name, record in own.items() if name not in known.names and record.is_defect]
    return tuple(names or (*TYPES, *new)), recipes


def recipe_of(type: str, own: Mapping[str, Mapping[str, Any]] | None = None) -> Recipe:
    """How a type is drawn.

    Args:
        own: recipes of own types, as :func:`chosen` gives them; they go before those of the lexicon.

    Raises:
        KizuError: a type that is not there or that is not drawn on surfaces, an unknown drawing function or range,
            numbers that make no sense.
    """
    given = (own or {}).get(type)
    if given is None:
        if type not in lexicon().names:
            new = [name for name in own or () if name not in lexicon().names]
            raise KizuError(f"lexicon: there is no type {type!r}; take one of {', '.join([*new, *lexicon().names])}")
        recipe = lexicon()[type].recipe
    else:
        recipe = Recipe(given["draw"], given["ranges"])
    if recipe.draw not in DRAW and recipe.draw in lexicon().names:
        raise KizuError(f"lexicon type {type!r} is not drawn on surfaces; take one of {', '.join(TYPES)}")
    try:
        ranges_of(recipe.draw, recipe.ranges)
    except KizuError as error:
        raise KizuError(f"type {type!r}: {error}") from None
    return recipe


def check(types: Iterable[str], own: Mapping[str, Mapping[str, Any]]) -> None:
    """Whether all types can be drawn on pictures.

    Raises:
        KizuError: as :func:`recipe_of`, and for a type that needs the outline of a part or a weave.
    """
    for type in types:
        draw = recipe_of(type, own).draw
        if draw in NOWHERE:
            raise KizuError(
                f"type {type!r} cannot be drawn on pictures: {draw} needs the outline of a part or a weave; name other "
                f"types, such as {', '.join(list(TYPES)[:4])}"
            )
