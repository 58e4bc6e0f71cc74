"""``Expression``: a sentence, the instances that it names, and what it says as a logical form."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from kizu.core.errors import DataError

ATTRIBUTE, SPATIAL, MIXED = CONTENTS = ("attribute", "spatial", "mixed")
SINGLE, SEVERAL, NONE = NUMBERS = ("single", "several", "none")


def number_of(targets: Collection[int]) -> str:
    """``none``, ``single`` or ``several``."""
    return (NONE, SINGLE, SEVERAL)[min(len(targets), 2)]


@dataclass(frozen=True)
class Expression:
    """One referring expression.

    Attributes:
        text: the sentence, e.g. "the red bolt to the left of the nut".
        targets: indices of the instances that it names, ascending; () where nothing on the picture is such a thing.
        content: ``attribute`` (looks and class), ``spatial`` (class and place) or ``mixed``.
        number: ``single``, ``several`` or ``none``: how many targets.
        form: the logical form, nested lists; see ``kizu.synth.compose.refer.grammar``.
    """

    text: str
    targets: tuple[int, ...]
    content: str
    number: str
    form: list[Any]

    def to_json(self) -> dict[str, Any]:
        """As plain lists and tables."""
        return {
            "text": self.text, "targets": list(self.targets), "content": self.content, "number": self.number,
            "form": json.loads(json.dumps(self.form)),
        }  # fmt: skip

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Expression:
        """The inverse of :meth:`to_json`. Raises DataError for a record that is none."""
        try:
            text, content, number, form = (record[name] for name in ("text", "content", "number", "form"))
            targets = tuple(record["targets"])
        except (KeyError, TypeError) as error:
            raise DataError(f"not a referring expression ({error}); compose the picture anew") from error
        whole = all(type(target) is int and target >= 0 for target in targets)
        fits = number == number_of(targets)
        if not (isinstance(text, str) and whole and fits and content in CONTENTS and isinstance(form, list)):
            raise DataError(f"{str(record)[:80]}: not a referring expression; compose the picture anew")
        return cls(text, targets, content, number, form)
