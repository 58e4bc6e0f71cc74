"""Defect types: what they are called, how sentences say that they look, and how they are drawn."""

from kizu.lexicon.lexicon import Lexicon
from kizu.lexicon.record import DefectType, Recipe

__all__ = ["DefectType", "Lexicon", "Recipe"]
