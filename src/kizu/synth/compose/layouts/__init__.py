"""Layouts: which segments lie where in a composed picture; one file a layout, found by its name."""

from kizu.synth.compose.layouts import inplace, measured, soc, sos
from kizu.synth.compose.layouts.registry import find, layouts, options_of

__all__ = ["find", "inplace", "layouts", "measured", "options_of", "soc", "sos"]
