"""A user's own defect types in a preset: their recipes go into its values, so that the pictures depend on them."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from kizu.core.errors import KizuError
from kizu.lexicon.lexicon import Lexicon
from kizu.synth.formula.defects.draw import ranges_of
from kizu.synth.formula.presets import Preset


def with_types(preset: Preset, files: Iterable[Path | str]) -> Preset:
    """A preset that draws the types of some lexicon files too, each new one with weight 1.

    A type that the preset knows keeps its weight and is drawn by the recipe of the file.

    Args:
        files: TOML files or folders, as :meth:`Lexicon.load` takes them.

    Raises:
        KizuError: a preset that draws no types of the lexicon, a broken file, an unknown drawing function or range.
    """
    if "recipes" not in preset.values:
        raise KizuError(f"preset {preset.name} draws no types of the lexicon; take industrial or line")
    shipped, own = Lexicon.load(), Lexicon.load(*files)
    values = copy.deepcopy(preset.values)
    for name in own.names:
        record = own[name]
        if name in shipped.names and record == shipped[name]:
            continue
        recipe = record.recipe
        try:
            ranges_of(recipe.draw, recipe.ranges)
        except KizuError as error:
            raise KizuError(f"type {name!r}: {error}") from None
        ranges = {key: list(value) if isinstance(value, tuple) else value for key, value in recipe.ranges.items()}
        values["recipes"][name] = {"draw": recipe.draw, "ranges": ranges}
        table = values["defects" if record.is_defect else "distractors"]["types"]
        table[name] = table.get(name) or 1
    return replace(preset, values=values)
