"""Other words for referring expressions, by a language model, each parsed back to the logical form it came from."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kizu.core.errors import DataError, KizuError
from kizu.core.files import append_line, make_folder
from kizu.synth.compose.refer import words
from kizu.synth.compose.refer.chat import Chat
from kizu.synth.compose.refer.expression import Expression
from kizu.synth.compose.refer.grammar import nouns_of
from kizu.synth.compose.refer.reading import parse

_LONGEST = 300  # characters of a paraphrase
_REWRITE = (
    "You get a JSON list of phrases that each name things on a picture. Say each in other natural English words: the "
    "same things, the same looks, the same places, singular or plural as it is; nothing added, nothing left out. "
    "Answer with a JSON list of as many texts in the same order, and nothing else."
)
_RESTATE = (
    "You get a JSON list of phrases that each name things on a picture. Say each again in a small fixed language, "
    "meaning exactly what it says; singular stays singular and plural plural. A phrase of this language is: the "
    "[one of: {most}] [adjectives] noun [one of the ends]. Nouns: {nouns}. Adjectives: {adjectives}. Ends: {ends}. "
    "X and Y are: the [superlative] [adjectives] noun. Use these words and no others. If a phrase cannot be said so, "
    'answer "" for it. Answer with a JSON list of as many texts in the same order, and nothing else.'
)


class Paraphraser:
    """Rewrites the sentences of pictures, and keeps what still says the same.

    A paraphrase that is of the grammar itself is parsed; any other is said again in the words of the grammar in a
    second question, which does not show the sentence it came from, and that is parsed. Where the form is not the one of
    the expression, the paraphrase is dropped.

    Attributes:
        counts: of the expressions so far: ``kept``, ``mismatched`` (another form), ``unreadable`` (no usable answer),
            ``same`` (nothing was changed), and ``cached``: how many of them were not asked for again.
    """

    def __init__(self, chat: Chat, cache: Path | str):
        """
        Args:
            cache: JSON lines of the answers so far; each text is asked for once a model.

        Raises:
            KizuError: the cache cannot be read or made.
        """
        self.chat, self.cache = chat, Path(cache)
        self.counts: Counter[str] = Counter()
        make_folder(self.cache.parent)
        self._answers = _read(self.cache)

    def paraphrase(self, expressions: Sequence[Expression], names: Sequence[str]) -> list[Expression]:
        """Paraphrases of the expressions of a picture with their targets and forms; those that failed are left out.

        Raises:
            KizuError: the endpoint cannot be reached, is too slow, or refuses; earlier answers stay in the cache.
        """
        fresh = [item.text for item in expressions if self._key(item.text) not in self._answers]
        self.counts["cached"] += len(expressions) - len(fresh)
        if fresh:
            self._ask(list(dict.fromkeys(fresh)), names)
        out, used = [], {item.text for item in expressions}
        for item in expressions:
            text, verdict = self._checked(item, names)
            if verdict == "kept" and text in used:
                verdict = "same"
            self.counts[verdict] += 1
            if verdict == "kept":
                used.add(text)
                out.append(dataclasses.replace(item, text=text))
        return out

    def _checked(self, item: Expression, names: Sequence[str]) -> tuple[str, str]:
        answer = self._answers.get(self._key(item.text))
        if answer is None:
            return "", "unreadable"
        text, restated = answer["paraphrase"], answer["restated"]
        if not text or len(text) > _LONGEST:
            return text, "unreadable"
        if text == item.text:
            return text, "same"
        form = _form(text, names) or _form(restated, names)
        return text, "kept" if form == item.form else "mismatched"

    def _key(self, text: str) -> str:
        return hashlib.sha256(f"{self.chat.model}\n{text}".encode()).hexdigest()

    def _ask(self, texts: list[str], names: Sequence[str]) -> None:
        said = self.chat.lines(_REWRITE, texts)
        if said is None:
            return
        unclear = [text for text in said if text and _form(text, names) is None]
        restated = self.chat.lines(_restate(names), unclear) if unclear else []
        if restated is None:
            return
        again = dict(zip(unclear, restated, strict=True))
        for text, other in zip(texts, said, strict=True):
            key = self._key(text)
            self._answers[key] = {"key": key, "text": text, "paraphrase": other, "restated": again.get(other, "")}
            append_line(self.cache, json.dumps(self._answers[key], ensure_ascii=False))


def _form(text: str, names: Sequence[str]) -> list[Any] | None:
    try:
        return parse(text, names)
    except DataError:
        return None


def _restate(names: Sequence[str]) -> str:
    """The question for the second time, with the words of the grammar."""

    def first(table: dict[Any, tuple[str, ...]]) -> list[str]:
        return [choices[0] for choices in table.values()]

    nouns = nouns_of([words.noun_of(name) for name in names]).values()
    ends = [*first(words.ZONES), *(f"{word} X" for word in first(words.RELATIONS)), f"{words.NEAREST[0]} X"]
    ends += [f"{words.BETWEEN} X {words.AND} Y", *words.FROM.values()]
    most = [*first(words.MOST), *words.ORDINALS.values()]
    adjectives = [word for values in words.ADJECTIVES.values() for word in first(values)]
    lists = {"most": most, "nouns": [f"{noun.one} / {noun.many}" for noun in nouns], "adjectives": adjectives}
    return _RESTATE.format(**{name: ", ".join(values) for name, values in (lists | {"ends": ends}).items()})


def _read(path: Path) -> dict[str, dict[str, str]]:
    """The cache; lines that a kill cut short are passed over, so that they are asked for again."""
    if not path.exists():
        return {}
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise KizuError(f"{path}: cannot be read as a cache of paraphrases ({error}); delete it") from error
    out = {}
    for line in lines:
        try:
            record = json.loads(line)
            if all(isinstance(record[name], str) for name in ("key", "text", "paraphrase", "restated")):
                out[record["key"]] = record
        except (ValueError, KeyError, TypeError):
            continue
    return out
