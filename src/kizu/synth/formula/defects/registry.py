"""The table of drawing functions: a function joins it by its decorator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kizu.synth.formula.defects.site import Site
from kizu.synth.formula.layers import Mark

Ranges = dict[str, tuple[float, float]]
Drawing = Callable[[Site, np.random.Generator, Ranges], list[Mark]]

DRAW: dict[str, Drawing] = {}
KEYS: dict[str, tuple[str, ...]] = {}  # the ranges that each function reads
DISTRACTORS: set[str] = set()  # what good products have too


def draws(*keys: str, distractor: bool = False) -> Callable[[Drawing], Drawing]:
    """Enter a drawing function under its own name.

    Args:
        keys: the ranges that it reads from its recipe.
        distractor: what it draws is no defect.
    """

    def enter(function: Drawing) -> Drawing:
        DRAW[function.__name__] = function
        KEYS[function.__name__] = keys
        if distractor:
            DISTRACTORS.add(function.__name__)
        return function

    return enter
