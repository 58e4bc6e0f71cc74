"""The table of generators: a function joins it by its decorator."""

from __future__ import annotations

from collections.abc import Callable

from kizu.synth.compose.ground import Change

# ``flaw(ground, at, area, random)``; ``drawn`` takes a type too.
Flaw = Callable[..., Change | None]

FLAWS: dict[str, Flaw] = {}


def flaw(function: Flaw) -> Flaw:
    """Enter a generator under its own name."""
    FLAWS[function.__name__] = function
    return function
