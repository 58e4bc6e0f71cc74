"""The table of drawing functions: a function joins it by its decorator."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from kizu.core.errors import KizuError
from kizu.synth.formula.defects.site import Site
from kizu.synth.formula.layers import Mark

Ranges = dict[str, tuple[float, float]]
Drawing = Callable[[Site, np.random.Generator, Ranges], list[Mark]]

DRAW: dict[str, Drawing] = {}
KEYS: dict[str, tuple[str, ...]] = {}  # the ranges that each function reads
DISTRACTORS: set[str] = set()  # what good products have too
# Ranges that are drawn evenly in their logarithm, in all functions: sizes and contrasts of 0 are nothing to draw.
ABOVE_0 = {"aspect", "blur", "contrast", "length", "ridge", "size", "spacing", "speck", "width"}


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


def pair(type: str, key: str, value: Any, least: float = -math.inf) -> tuple[float, float]:
    """A value of a recipe as (low, high).

    Args:
        least: the low end of the range that Kizu ships; where that is not negative, the value may not be, either.

    Raises:
        KizuError: neither a number nor two of them, or numbers that make no sense, such as a negative size.
    """
    low, high = value if isinstance(value, (tuple, list)) and len(value) == 2 else (value, value)
    if not all(isinstance(v, int | float) for v in (low, high)) or not -math.inf < low <= high < math.inf:
        raise KizuError(f"recipe of {type!r}: {key} = {value!r} is neither [low, high] nor a number")
    above = key in ABOVE_0
    if (above and low <= 0) or (least >= 0 and low < 0):
        raise KizuError(f"recipe of {type!r}: {key} = {value!r}: take numbers {'above 0' if above else 'from 0 on'}")
    return low, high
