"""``Card``: what a model is, what it was made from, and how its thresholds were chosen. It travels with the weights."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from kizu.core.errors import KizuError


@dataclass
class Card:
    """The record that travels in the model file and in the report.

    Attributes:
        kind: the family of inspector, e.g. ``fewshot``.
        architecture: one sentence.
        classes: class names in label order.
        preprocessing: what happens to an image before the model sees it.
        thresholds: class -> threshold in force.
        threshold_method: how they were chosen, in words.
        data: one record a source: name, licence, origin, images, role.
        figures: name -> number (or record) measured when it was made.
        notes: what a user should know: limits, missing calibration.
        version: the Kizu version that made it.
    """

    kind: str
    architecture: str = ""
    classes: list[str] = field(default_factory=list)
    preprocessing: dict[str, Any] = field(default_factory=dict)
    thresholds: dict[str, float] = field(default_factory=dict)
    threshold_method: str = ""
    data: list[dict[str, Any]] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    version: str = ""

    def to_json(self) -> str:
        """Canonical JSON: keys sorted, no NaN."""
        return json.dumps(asdict(self), sort_keys=True, allow_nan=False, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Card:
        """The inverse of :meth:`to_json`. Raises KizuError on anything else; fields of later versions are ignored."""
        try:
            record = json.loads(text)
            known = {f.name for f in fields(cls)}
            return cls(**{name: value for name, value in record.items() if name in known})
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise KizuError(f"not a model card ({error}); the file is damaged or not made by Kizu") from error
