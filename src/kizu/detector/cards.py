"""The card of a detector: what it was made from, what was chosen on validation pictures, and what it cannot promise."""

from __future__ import annotations

from dataclasses import asdict

from kizu import __version__
from kizu.core.card import Card
from kizu.detector.inspector import DetectorInspector
from kizu.detector.pictures import Pictures
from kizu.detector.settings import Settings
from kizu.detector.windows import ZOOM
from kizu.inspection.calibrate import Expected, needed_clean
from kizu.inspection.record import data_record
from kizu.inspection.regions import sigmoid
from kizu.models.registry import entry
from kizu.models.store import Weights

ALL = "all classes"  # the key of figures that belong to no single class


def card_before(pictures: Pictures, settings: Settings, weights: Weights | None) -> Card:
    """All that is known before the training."""
    start = (
        {"weights": settings.weights}
        if weights is None
        else {"weights": settings.weights, "made from": weights.card.data}
    )
    about = {key: pictures.info[key] for key in ("title", "licence", "origin") if pictures.info.get(key)}
    parts = (("training pictures", pictures.train), ("validation pictures", pictures.val))
    low, high = ZOOM
    return Card(
        kind="detector",
        architecture=f"{settings.model} on {settings.backbone}: {entry(settings.model).title}",
        classes=list(pictures.names),
        preprocessing={
            "input": "uint8 RGB at native size",
            "tiles": "above 1024 px",
            "trained on": f"windows of {settings.size} px, rescaled by {low:g} to {high:g}"
            + (", turned and flipped" if settings.turns else ""),
            "start": start,
        },
        data=[about | data_record(name, "support", list(part)) for name, part in parts],
        notes=list(pictures.notes),
        version=__version__,
    )


def complete(
    inspector: DetectorInspector,
    expected: list[Expected],
    precision: dict[str, float | None],
    pictures: Pictures,
    false_alarms: float,
    masks: bool,
) -> None:
    """Write into the card of an inspector what the validation pictures said.

    Args:
        precision: AP of each class, and of all ("").
        false_alarms: the share that was to be promised.
        masks: whether the figures count pixels of masks; boxes else.
    """
    card, val = inspector.card, pictures.val
    kind, clean = "mask AP" if masks else "box AP", int(val.good.sum())
    what = "outlines and alarms by the best pooled IoU" if masks else "alarms by the best F1 score at IoU 0.5"
    card.threshold_method = f"On {len(val)} validation pictures: {what}"
    if clean:
        card.threshold_method += (
            f"; alarms held to {false_alarms:.1%} of good pictures by {clean} good ones (conformal)."
        )
        if not all(item.promised for item in expected):
            needed = needed_clean(false_alarms, len(expected))
            card.notes.append(
                f"{clean} good validation pictures are too few to promise {false_alarms:.1%} false alarms ({needed} "
                "would do); the strictest threshold they allow is in force."
            )
    else:
        card.threshold_method += "; no good pictures were among them."
        card.notes.append("Uncalibrated for false alarms: no good validation pictures. Pass some with --clean.")
    unseen = [name for name, item in zip(card.classes, expected, strict=True) if item.iou is None]
    if unseen:
        card.notes.append(f"No validation picture shows {', '.join(unseen)}: the threshold is a guess, label more.")
    silent = [name for name, item in zip(card.classes, expected, strict=True) if item.escapes == 1]
    if silent:
        card.notes.append(
            f"Nothing of {', '.join(silent)} is found on the validation pictures: train longer, or label more."
        )
    for name, level, item in zip(card.classes, inspector.levels, expected, strict=True):
        card.thresholds[name] = round(float(sigmoid(level)), 6)
        card.figures[name] = asdict(item) | {kind: precision.get(name)}
    seen = [item.iou for item in expected if item.iou is not None]
    card.figures[ALL] = {kind: precision[""], "mean IoU": sum(seen) / len(seen)}
