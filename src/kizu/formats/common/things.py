"""One labelled object of a label file, the faults it may have, and how objects become ``Instances``.

Readers give each object of an image as a :class:`Thing` or as a :class:`Fault`. ``Sample.instances`` raises the first
fault; ``kizu check`` lists them all.

Mixed images: ``Instances.masks`` is for all objects or None. Where some objects of an image have a mask and others only
a box, the box-only ones get an empty mask and the bool attribute ``has_mask`` tells them apart; writers honour it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kizu.core.errors import DataError
from kizu.core.instances import Instances, column
from kizu.core.masks import Masks

HAS_MASK = "has_mask"
FARTHEST = 1e7  # pixels; a coordinate beyond it is a mistake, and float32 would lose the pixel


class Fault(DataError):
    """A record that cannot be used: what, where (file, image, item, field), and what to do."""

    def __init__(
        self, what: str, remedy: str, *, file: Path | str = "", image: Any = "", item: str = "", field: str = "",
        kind: str = "broken record",
    ):  # fmt: skip
        self.what, self.remedy, self.kind = what, remedy, kind
        self.file, self.image, self.item, self.field = str(file), str(image), item, field
        where = [f"image {image}" if image != "" else "", item, f"field {field!r}" if field else ""]
        place = ": ".join(part for part in (str(file), ", ".join(w for w in where if w)) if part)
        super().__init__((f"{place}: " if place else "") + what + (f"; {remedy}" if remedy else ""))


@dataclass(slots=True)
class Thing:
    """One object as its file tells it.

    Attributes:
        item: its name in the file, e.g. ``annotation 17`` or ``line 3``.
        label: index of its class.
        box: XYXY in pixels, ends exclusive, or None where the mask gives it.
        segmentation: COCO polygons or run-length code, ``Masks`` of one, or None.
        score: 0..1 or None.
        extra: attributes, scalars only.
    """

    item: str
    label: int
    box: tuple[float, float, float, float] | None = None
    segmentation: list | dict | Masks | None = None
    score: float | None = None
    extra: dict[str, Any] = field(default_factory=dict)


def numbers(values: Any, count: int | None = None) -> list[float] | None:
    """The values as finite floats, or None where they are not a list of ``count`` usable numbers."""
    if not isinstance(values, (list, tuple)) or (count is not None and len(values) != count):
        return None
    out = []
    for value in values:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        if not -FARTHEST <= value <= FARTHEST:  # also false for NaN
            return None
        out.append(float(value))
    return out


def score_of(value: Any) -> float | None:
    """A score in 0..1 as float, else None."""
    usable = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1
    return float(value) if usable and math.isfinite(value) else None


def decode(thing: Thing, size: tuple[int, int], file: Path | str, image: Any) -> Masks:
    """The mask of one thing. Raises Fault where its polygons or its code are broken."""
    if isinstance(thing.segmentation, Masks):
        return thing.segmentation
    try:
        return Masks.from_coco([[] if thing.segmentation is None else thing.segmentation], size)
    except DataError as error:
        what, _, remedy = str(error).removeprefix("mask 0: ").partition(";")
        raise Fault(
            what.strip(), remedy.strip() or "label this object again", file=file, image=image, item=thing.item,
            field="segmentation", kind="broken mask",
        ) from error  # fmt: skip


def things_of(items: Iterable[Thing | Fault]) -> list[Thing]:
    """The things; raises the first fault."""
    out = []
    for item in items:
        if isinstance(item, Fault):
            raise item
        out.append(item)
    return out


def join(
    things: list[Thing], size: tuple[int, int], file: Path | str, image: Any, *, masks: bool = False,
    scores: bool = False,
) -> Instances:  # fmt: skip
    """``Instances`` of the things of one image.

    Args:
        size: (height, width).
        masks: an image without things gets (no) masks rather than None.
        scores: things have scores.

    Raises:
        Fault: a broken mask, or a thing without a score among things with scores.
    """
    if not things:
        return Instances.empty(size if masks else None, scores)
    has = np.array([thing.segmentation is not None for thing in things])
    found = None
    if has.any():
        try:
            if any(isinstance(thing.segmentation, Masks) for thing in things):
                raise DataError("one by one")
            found = Masks.from_coco([[] if t.segmentation is None else t.segmentation for t in things], size)
        except DataError:  # find the broken one, to name it
            found = Masks.concat([decode(thing, size, file, image) for thing in things])
    boxes = [found.boxes[i] if t.box is None else t.box for i, t in enumerate(things)]
    values = None
    if scores:
        for thing in things:
            if thing.score is None:
                raise Fault(
                    "no score, while other records of the file have one", "give each record a score, or none",
                    file=file, image=image, item=thing.item, field="score",
                )  # fmt: skip
        values = np.array([thing.score for thing in things], np.float32)
    names = sorted({name for thing in things for name in thing.extra})
    attributes = {name: column([thing.extra.get(name) for thing in things]) for name in names}
    if has.any() and not has.all():
        attributes[HAS_MASK] = has
    try:
        return Instances([t.label for t in things], np.array(boxes), found, values, attributes=attributes)
    except DataError as error:
        raise Fault(str(error), "correct the labels of this image", file=file, image=image) from error


def with_masks(instances: Instances) -> np.ndarray:
    """Bool (N,): which instances have a mask."""
    if instances.masks is None:
        return np.zeros(len(instances), bool)
    if HAS_MASK in instances.attributes:
        return instances.attributes[HAS_MASK].astype(bool)
    return np.ones(len(instances), bool)


def faults(items: Iterable[Thing | Fault]) -> Iterator[Fault]:
    """The faults alone."""
    return (item for item in items if isinstance(item, Fault))
