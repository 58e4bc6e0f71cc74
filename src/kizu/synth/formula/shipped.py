"""The lexicon's own types, read once a process."""

from functools import cache

from kizu.lexicon.lexicon import Lexicon


@cache
def lexicon() -> Lexicon:
    """The records that come with Kizu."""
    return Lexicon.load()
