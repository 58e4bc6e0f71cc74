"""What an evaluation gives: figures that are numbers or say why there is none, curves, and one record an image."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any

from kizu.core.errors import KizuError


@dataclass(frozen=True)
class Figure:
    """One measured number.

    Attributes:
        group: ``segmentation``, ``image``, ``pixel``, ``box AP`` or ``mask AP``.
        name: e.g. ``IoU``, ``AP50``, ``image AUROC``.
        class_name: the class, or "" for all classes together.
        value: the number, or None where it cannot be had.
        why: the reason where ``value`` is None; else "".
        low, high: ends of the confidence interval, or None.
    """

    group: str
    name: str
    class_name: str = ""
    value: float | None = None
    why: str = ""
    low: float | None = None
    high: float | None = None

    def __post_init__(self):
        if self.value is not None and not math.isfinite(self.value):
            raise KizuError(f"{self.group} {self.name}: {self.value} is not a figure; give None and say why")
        if (self.value is None) != bool(self.why):
            raise KizuError(f"{self.group} {self.name}: a figure has either a value or a reason why there is none")


@dataclass
class Evaluation:
    """All that was measured of one set of predictions.

    Attributes:
        names: classes that were evaluated (those of the predictions), in label order.
        counts: images, defective, clean, other_only (images holding only classes that were not evaluated),
            truth_instances, predicted_instances, left_out (support images), broken (cannot be used) ...
        figures: see :class:`Figure`.
        curves: ``"pr"``: class -> {"recall", "precision", "score"} lists (pixel precision-recall);
            ``"threshold"``: {"threshold", "false_alarm", "escape"} lists (image level, over the image score).
        images: one record an image, in the order of the truth: id, truth (instances), predicted (instances at or above
            the threshold), score (of the image, in 0..1, 0.5 = the threshold in force), iou (or None), outcome
            (``hit``, ``escape``, ``false alarm``, ``clean``, ``other``), truth_by_class and predicted_by_class (class
            name -> number), others (truth instances of classes that were not evaluated).
        notes: what a reader should know (images left out, classes missing ...).
    """

    names: tuple[str, ...]
    counts: dict[str, int] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)
    curves: dict[str, Any] = field(default_factory=dict)
    images: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def figure(self, group: str, name: str, class_name: str = "") -> Figure:
        """One figure. Raises KizuError where it was not measured."""
        for item in self.figures:
            if (item.group, item.name, item.class_name) == (group, name, class_name):
                return item
        raise KizuError(f"no figure {group!r} {name!r} {class_name!r} in this evaluation")

    def to_json(self) -> str:
        """JSON with keys in a fixed order; no NaN."""
        return json.dumps(asdict(self), indent=1, allow_nan=False, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Evaluation:
        """The inverse of :meth:`to_json`. Raises KizuError on anything else."""
        try:
            record = json.loads(text)
            record["figures"] = [Figure(**item) for item in record["figures"]]
            return cls(**(record | {"names": tuple(record["names"])}))
        except (ValueError, TypeError, KeyError) as error:
            raise KizuError(f"not an evaluation ({error})") from error
