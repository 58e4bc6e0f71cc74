"""A user's own defect types in a preset: their recipes go into its values, so that the pictures depend on them."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from kizu.core.errors import KizuError
from kizu.lexicon.lexicon import Lexicon
from kizu.lexicon.record import DefectType
from kizu.synth.formula.defects.draw import ranges_of
from kizu.synth.formula.painters import boards
from kizu.synth.formula.parts import FITTING, PARTS
from kizu.synth.formula.presets import Preset


def with_types(preset: Preset, files: Iterable[Path | str]) -> Preset:
    """A preset that draws the types of some lexicon files too, each new one with weight 1.

    A type that the preset knows keeps its weight and is drawn by the recipe of the file. A new one is found on the
    materials of the type that its drawing function is named after (``defects.only``; ``--set`` exchanges them).

    Args:
        files: TOML files or folders, as :meth:`Lexicon.load` takes them.

    Raises:
        KizuError: a preset that draws no types of the lexicon, a broken file, a name that a part has, an unknown
            drawing function or range, numbers that make no sense.
    """
    if "recipes" not in preset.values:
        raise KizuError(f"preset {preset.name} draws no types of the lexicon; take industrial, line or boards")
    shipped, own = Lexicon.load(), Lexicon.load(*files)
    values = copy.deepcopy(preset.values)
    for name in own.names:
        record = own[name]
        if name in shipped.names and record == shipped[name]:
            continue
        ranges = {
            key: list(value) if isinstance(value, tuple) else value for key, value in record.recipe.ranges.items()
        }
        values["recipes"][name] = {"draw": record.recipe.draw, "ranges": ranges}
        try:
            if "faults" in values:
                _add_fault(values, name, record)
            else:
                _add(values, name, record)
        except KizuError as error:
            raise KizuError(f"type {name!r}: {error}") from None
    return replace(preset, values=values)


def _add(values: dict[str, Any], name: str, record: DefectType) -> None:
    """Enter a type into the values of ``industrial``. Raises KizuError where it cannot be drawn."""
    if name in PARTS or name == FITTING:
        raise KizuError(f"a part is called {name}, too; choose another name")
    ranges_of(record.recipe.draw, record.recipe.ranges)
    defects = values["defects"]
    table = (defects if record.is_defect else values["distractors"])["types"]
    table[name] = table.get(name) or 1
    if record.is_defect and name not in defects["only"]:
        defects["only"][name] = defects["only"].get(record.recipe.draw, "")


def _add_fault(values: dict[str, Any], name: str, record: DefectType) -> None:
    """The same for ``boards``."""
    if name in boards.PIECES:
        raise KizuError(f"a piece of copper is called {name}, too; choose another name")
    if not record.is_defect:
        raise KizuError("boards have no distractors; give it another family, or take the preset industrial")
    boards.recipe_of(name, values["recipes"])
    table = values["faults"]["types"]
    table[name] = table.get(name) or 1
