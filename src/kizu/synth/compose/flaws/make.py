"""``make``: a defect of a generator on a clean picture."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import numpy as np

from kizu.core.errors import KizuError
from kizu.synth.compose.flaws import cutpaste, drawn, patch, perlin, scar, shuffle
from kizu.synth.compose.flaws.registry import FLAWS
from kizu.synth.compose.ground import Change, Ground

__all__ = ["FAMILIES", "FLAWS", "make"]

# Each of these enters its generator into FLAWS.
FAMILIES = (perlin, patch, cutpaste, scar, shuffle, drawn)


def make(
    name: str, ground: Ground, at: tuple[float, float], area: float, random: np.random.Generator,
    type: str | None = None, recipe: Mapping[str, Any] | None = None,
) -> Change | None:  # fmt: skip
    """Make a defect.

    Args:
        name: a generator, a key of ``FLAWS``.
        at: (x, y) of its middle in the frame.
        area: pixels that it is to have, about.
        type: of the lexicon, for ``drawn`` alone; None: a random one.
        recipe: how that type is drawn, ``{"draw", "ranges"}``, where it is a user's own.

    Returns:
        A change of the pixels of a box inside the frame, the part's alone; None where the generator can do nothing,
        such as beside the part. Whether the change can be seen is for ``change.label`` to say.

    Raises:
        KizuError: an unknown generator or type, a type for another generator than ``drawn``, an area below 1.
    """
    if name not in FLAWS:
        near = difflib.get_close_matches(name, FLAWS, 2, 0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(sorted(FLAWS))}"
        raise KizuError(f"there is no generator of defects {name!r}; {hint}")
    if type is not None and name != "drawn":
        raise KizuError(f"generator {name!r} with the type {type!r}: only 'drawn' takes a type of the lexicon")
    if not area >= 1:
        raise KizuError(f"generator {name!r}: a defect of {area} pixels; take 1 or more")
    change = FLAWS[name](ground, at, area, random, **({} if type is None else {"type": type, "recipe": recipe}))
    if change is not None:
        change.attributes["make"] = name
    return change
