"""Layouts: which segments lie where in a composed picture; one file a layout, found by its name."""

from kizu.synth.compose.layouts import inplace, measured, soc, sos

__all__ = ["inplace", "measured", "soc", "sos"]
