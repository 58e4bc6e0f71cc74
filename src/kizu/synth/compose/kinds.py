"""What a segment is: an object that stands on its own, or a defect, which is a change of the surface that it is on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

import cv2
import numpy as np

from kizu.core.errors import KizuError
from kizu.core.instances import Instances
from kizu.lexicon import Lexicon
from kizu.synth.compose.segment import DEFECT, OBJECT

AUTO = "auto"
INSIDE = 0.9  # of an instance's pixels lie in another one,
LARGER = 4.0  # which is so many times as large
_GAP = 0.2  # of the root of its area, at least 2 pixels: so far from an instance (its edge may be soft) begins the ring
_RING = 3  # pixels wide that tells what it lies on


@cache
def _lexicon() -> Lexicon:
    return Lexicon.load()


def of_classes(
    names: Iterable[str], kind: str = AUTO, objects: Iterable[str] = (), kinds: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The kind of each class, ``auto`` where every instance has to be looked at.

    In this order: ``kinds`` (the user's word); ``kind`` unless it is ``auto``; ``objects`` (what the data set itself
    says is no defect) are objects; a name that is a type of the lexicon or holds one ("MT_Blowhole"), distractors
    included, is a defect; the rest are defects too where more than half of the class names are.

    Raises:
        KizuError: a kind that is none, or the kind of a class that is not there.
    """
    names, kinds, objects = list(names), dict(kinds or {}), set(objects)
    for value in (kind, *kinds.values()):
        if value not in (AUTO, OBJECT, DEFECT):
            raise KizuError(f"kind {value!r}: it is auto, object or defect")
    if unknown := sorted(set(kinds) - set(names)):
        raise KizuError(f"a kind is given for {unknown}, but the classes are {', '.join(names) or 'none'}")
    if kind != AUTO:
        return {name: kinds.get(name, kind) for name in names}
    out = dict.fromkeys(names, AUTO)
    out |= {name: DEFECT for name in names if name in _lexicon() or _lexicon().named_in(name)}
    out |= {name: OBJECT for name in names if name in objects}
    if 2 * sum(value == DEFECT for value in out.values()) > len(out):
        out = {name: DEFECT if value == AUTO else value for name, value in out.items()}
    return out | kinds


def of_instance(found: Instances, i: int, unlike: np.ndarray | None = None) -> str:
    """The kind of one instance whose class does not tell.

    A defect, where it has a parent or lies inside another instance (nine tenths of it, and that one is four times as
    large), or where the picture has a plain background and what surrounds the instance is not that background: it is
    on a product then. Else an object.

    Args:
        found: with masks.
        unlike: bool (H, W), what differs from the background; None where there is no plain one.
    """
    if found.parents[i] >= 0:
        return DEFECT
    masks = found.masks
    shared = masks[i].intersection(masks)[0] / max(masks.area[i], 1)
    amodal = masks if found.amodal is None else found.amodal
    if found.amodal is not None:
        shared = np.maximum(shared, masks[i].intersection(amodal)[0] / max(masks.area[i], 1))
    if ((shared >= INSIDE) & (np.maximum(amodal.area, masks.area) >= LARGER * masks.area[i])).any():
        return DEFECT
    if unlike is None:
        return OBJECT
    gap = max(2, round(_GAP * float(np.sqrt(masks.area[i]))))
    reach = gap + _RING
    mask, (x, y) = masks.crop(i)
    own = np.pad(mask.view(np.uint8), reach)
    near, far = (cv2.dilate(own, np.ones((2 * r + 1, 2 * r + 1), np.uint8)) for r in (gap, reach))
    height, width = unlike.shape
    top, left = max(reach - y, 0), max(reach - x, 0)  # of the ring, what lies in the picture
    ring = (far > near)[top : height - y + reach, left : width - x + reach]
    beside = unlike[y - reach + top :, x - reach + left :][: ring.shape[0], : ring.shape[1]][ring]
    return DEFECT if len(beside) and beside.mean() > 0.5 else OBJECT
