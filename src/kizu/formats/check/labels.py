"""The audit of labels with hidden parts: visible and amodal masks, parents, visible ratios and occluders must agree.

Data sets without amodal masks have nothing here to check; what every data set must keep is in ``instances``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.formats.check.problem import ERROR, WARNING, Problem
from kizu.formats.common.things import with_masks

_ROUNDING = 1e-3  # of a visible ratio
_LOOSE = 1.0  # pixels that a box may be off its mask
_NAMED = 3  # instances named in one message


def label_problems(found: Instances, items: list[str], file: str, image: str) -> Iterator[Problem]:
    """Contradictions among the labels of one image.

    Args:
        found: nothing is told where it has no amodal masks.
        items: the name of each instance in its file.
    """
    if found.amodal is None or found.masks is None or not len(found):
        return
    has = with_masks(found)
    shared = found.masks.intersection(found.amodal)  # visible of i, amodal of j

    def problem(i: int, kind: str, field: str, message: str, remedy: str, severity: str = ERROR) -> Problem:
        return Problem(severity, kind, file, f"{image}, {items[i]}", field, message, remedy)

    for i, j, pixels in _overlaps(found.masks):
        message = f"its visible mask shares {pixels} pixels with that of {items[i]}; one of them hides the other there"
        yield problem(j, "visible masks overlap", "mask", message, "give each pixel to the instance on top")
    own = shared.diagonal()
    for i in np.flatnonzero(has & (own < found.masks.area)):
        message = (
            f"{found.masks.area[i] - own[i]} of its {found.masks.area[i]} visible pixels lie outside its amodal mask"
        )
        yield problem(i, "visible outside amodal", "amodal", message, "the amodal mask is the visible one and more")
    for i in np.flatnonzero(has & (found.masks.area > 0)):
        off = np.abs(found.boxes[i] - found.masks.boxes[i]).max()
        if off > _LOOSE:
            shown = [round(float(v), 2) for v in found.boxes[i]]
            around = found.amodal.boxes[i]
            what = " but is that of the amodal mask" if np.abs(found.boxes[i] - around).max() <= _LOOSE else ""
            message = f"box {shown} is {off:g} pixels off the visible mask, in {found.masks.boxes[i].tolist()}{what}"
            yield problem(i, "box not tight", "box", message, "take the box of the visible mask", WARNING)
    families = _families(found.parents)
    inside = found.amodal.intersection(found.amodal)
    for i, family in enumerate(families):
        parent = int(found.parents[i])
        if family is None:
            message = "its line of parents comes back to itself"
            yield problem(i, "parents in a circle", "parents", message, "correct its parent")
        elif parent >= 0 and inside[i, parent] < inside[i, i]:
            message = (
                f"{inside[i, i] - inside[i, parent]} of its {inside[i, i]} amodal pixels lie outside its parent, "
                f"{items[parent]}"
            )
            yield problem(i, "outside its parent", "amodal", message, "cut it to its parent, or correct the parent")
    yield from (problem(i, *rest) for i, *rest in _ratios(found, has))
    yield from (problem(i, *rest) for i, *rest in _occluders(found, items, families, shared, inside))


def _overlaps(visible: Masks) -> list[tuple[int, int, int]]:
    """Pairs of visible masks that share pixels, and how many: those that an id raster cannot hold together."""
    if Masks.from_label_map(visible.to_label_map(), range(1, len(visible) + 1)) == visible:
        return []
    shared = np.triu(visible.intersection(visible), 1)
    return [(int(i), int(j), int(shared[i, j])) for i, j in zip(*np.nonzero(shared), strict=True)]


def _families(parents: np.ndarray) -> list[set[int] | None]:
    """Each instance and all that it lies on; None where that goes in a circle."""
    out: list[set[int] | None] = []
    for i in range(len(parents)):
        family, k = set(), i
        while k >= 0 and k not in family:
            family.add(k)
            k = int(parents[k])
        out.append(None if k >= 0 else family)
    return out


def _ratios(found: Instances, has: np.ndarray) -> Iterator[tuple]:
    values = found.attributes.get("visible_ratio")
    remedy = "write visible pixels / amodal pixels"
    for i, value in enumerate([] if values is None else values.tolist()):
        if value is None or not has[i]:
            continue
        true = found.masks.area[i] / max(found.amodal.area[i], 1)
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not abs(value - true) <= _ROUNDING:
            yield i, "wrong visible ratio", "visible_ratio", f"{str(value)[:40]}, but its masks give {true:.4f}", remedy


def _occluders(
    found: Instances, items: list[str], families: list[set[int] | None], shared: np.ndarray, inside: np.ndarray
) -> Iterator[tuple]:
    values = found.attributes.get("occluders", found.attributes.get("json:occluders"))
    if values is None:
        return
    for i, value in enumerate(values.tolist()):
        if value is None:
            continue
        listed = _indices(value, len(found))
        if listed is None or i in listed:
            message = f"{str(value)[:60]} is no list of other instances of this image (0 .. {len(found) - 1})"
            yield i, "wrong occluders", "occluders", message, "number the instances of the image from 0 on"
            continue
        # Whatever is seen inside this instance's amodal mask and is no part of it lies on top of it.
        on_top = {j for j in np.flatnonzero(shared[:, i]).tolist() if j != i and i not in (families[j] or {i})}
        apart = sorted(j for j in listed if not inside[i, j])
        for wrong, what in ((sorted(on_top - listed), "is hidden by"), (apart, "is not even touched by")):
            if wrong:
                names = ", ".join(items[j] for j in wrong[:_NAMED]) + (" ..." if len(wrong) > _NAMED else "")
                known = "which its occluders leave out" if what == "is hidden by" else "which its occluders name"
                yield i, "wrong occluders", "occluders", f"{what} {names}, {known}", "list those that lie on top of it"


def _indices(value: Any, count: int) -> set[int] | None:
    """A list of instance numbers (or its JSON text, as COCO files hold it) as a set; None where it is none."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    if not isinstance(value, list):
        return None
    whole = all(
        isinstance(k, int | float) and not isinstance(k, bool) and 0 <= k < count and k == int(k) for k in value
    )
    return {int(k) for k in value} if whole else None
