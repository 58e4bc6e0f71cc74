"""``draw``: a defect (or a distractor) of a type on a site, by the drawing function and the ranges of its recipe."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import cache

import numpy as np

from kizu.core.errors import KizuError
from kizu.synth.formula.defects import cracks, edges, films, foreign, relief, rust, spots, strokes, textile
from kizu.synth.formula.defects.registry import DISTRACTORS, DRAW, KEYS, Ranges, pair
from kizu.synth.formula.defects.site import Site
from kizu.synth.formula.layers import Mark
from kizu.synth.formula.shipped import lexicon

__all__ = ["DISTRACTORS", "DRAW", "KEYS", "draw", "ranges_of"]

# Each of these enters its functions into DRAW.
FAMILIES = (strokes, cracks, spots, relief, films, rust, edges, textile, foreign)


def draw(type: str, site: Site, random: np.random.Generator, recipe: Mapping) -> list[Mark]:
    """Draw a defect.

    Args:
        type: a drawing function, a key of ``DRAW``; the types that Kizu ships have functions of their own names.
        site: where, on what, and how large.
        recipe: range -> ``(low, high)`` or a number; what it leaves out is as in the recipe that Kizu ships.

    Returns:
        One mark an instance (a bundle of scratches is several), the first where the site's target is met best; none
        where the site does not allow the type, such as a chip on a part whose edges are all out of the frame.

    Raises:
        KizuError: an unknown type or range (the nearest ones are named), or a value that is no range.
    """
    ranges = ranges_of(type, recipe)
    marks = DRAW[type](site, random, ranges)
    for mark in marks:
        mark.type = type
        if type in DISTRACTORS:
            mark.attributes["distractor"] = True
    return marks


def ranges_of(type: str, recipe: Mapping) -> Ranges:
    """All ranges of a drawing function: those of a recipe, the others as Kizu ships them. Raises as :func:`draw`."""
    if type not in DRAW:
        near = difflib.get_close_matches(type, DRAW, 2, 0.6)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(sorted(DRAW))}"
        raise KizuError(f"recipe: there is no drawing function {type!r}; {hint}")
    unknown = [key for key in recipe if key not in KEYS[type]]
    if unknown:
        raise KizuError(
            f"recipe of {type!r}: unknown {', '.join(map(repr, unknown))}; its ranges are {', '.join(KEYS[type])}"
        )
    shipped = _shipped(type)
    return {key: pair(type, key, recipe[key], shipped[key][0]) if key in recipe else shipped[key] for key in KEYS[type]}


@cache
def _shipped(type: str) -> Ranges:
    """All ranges of a drawing function, from the type of its name that comes with Kizu."""
    given = lexicon()[type].recipe.ranges
    missing = [key for key in KEYS[type] if key not in given]
    if missing:
        raise KizuError(f"lexicon type {type!r}: its recipe lacks {', '.join(missing)}")
    return {key: pair(type, key, given[key]) for key in KEYS[type]}
