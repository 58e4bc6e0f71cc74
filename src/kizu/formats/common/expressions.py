"""Referring expressions as samples carry them: plain records in ``meta["expressions"]``."""

from __future__ import annotations

from typing import Any

from kizu.core.errors import DataError
from kizu.core.sample import Sample

FIELD = "expressions"


def expressions_of(sample: Sample) -> list[dict[str, Any]]:
    """The expressions of a sample, each with a ``text`` and ``targets``, indices of its instances.

    Raises:
        DataError: a record without these, or a target that is not there.
    """
    records = sample.meta.get(FIELD) or []
    records = records if isinstance(records, list) else [None]
    count = len(sample.instances)
    for k, record in enumerate(records):
        usable = isinstance(record, dict) and isinstance(record.get("text"), str) and record["text"].strip()
        targets = record.get("targets") if usable else None
        if not isinstance(targets, list) or not all(type(i) is int and 0 <= i < count for i in targets):
            raise DataError(
                f"{sample.id}: expression {k} is not a text with targets among its {count} instances; "
                "compose the picture anew, or remove the expression"
            )
    return records


def number_of(targets: list[int]) -> str:
    """``single``, ``several`` or ``none``."""
    return "none" if not targets else "single" if len(targets) == 1 else "several"
