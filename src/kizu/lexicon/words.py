"""Words of a sentence, so that lines, Line and line are one word: tokens and stems of English plain enough for this."""

from __future__ import annotations

import re
from dataclasses import dataclass


def word_set(text: str) -> frozenset[str]:
    """The words of a text as a set."""
    return frozenset(text.split())


ARTICLES = word_set("a an the its their this that these those")
_TOKEN = re.compile(r"[^\W\d_]+?n['’]t\b|[^\W\d_]+|\d+|[,;:.!?()—–]")


@dataclass(frozen=True)
class Token:
    """One word of a sentence.

    Attributes:
        text: the word in lower case.
        article: an article stands before it (articles themselves are no tokens).
        comma: a comma stands before it.
        stop: a stronger mark than a comma stands before it.
    """

    text: str
    article: bool = False
    comma: bool = False
    stop: bool = False


def tokens(sentence: str) -> list[Token]:
    """The words of a sentence; hyphens and underscores part words, articles and marks become flags of the next word."""
    out: list[Token] = []
    article = comma = stop = False
    for match in _TOKEN.finditer(sentence.lower()):
        text = match[0]
        if text in ARTICLES:
            article = True
        elif text == ",":
            comma = True
        elif not text[0].isalnum():
            stop = True
        else:
            parts = [text[:-3], "not"] if text.endswith(("n't", "n’t")) else [text]
            for part in parts:
                out.append(Token(part, article, comma, stop))
                article = comma = stop = False
    return out


def stem(word: str) -> str:
    """A word without the endings of plurals; for comparing only (``edges``, ``edge``: ``edg``)."""
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        word = word[:-1]
    if len(word) > 3 and word.endswith("e"):
        word = word[:-1]
    return word[:-1] + "i" if len(word) > 2 and word.endswith("y") else word


def stems(word: str) -> list[str]:
    """The stem of a word, then what it may be a form of: ``darker``, ``darkest``, ``darkish``, ``irregularly``."""
    out = [stem(word)]
    for ending in ("er", "est", "ish", "ly"):
        root = word[: -len(ending)]
        if word.endswith(ending) and len(root) > 2:
            out.append(stem(root))
            if root[-1] == root[-2]:
                out.append(stem(root[:-1]))  # thinner
    return out


def key(name: str) -> str:
    """What spellings of one name share: case, hyphens, spaces and plurals apart (``Water-Marks``, ``watermark``)."""
    return stem("".join(token.text for token in tokens(name)))
