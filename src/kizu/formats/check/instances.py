"""Problems of the instances of one image: boxes outside, empty or tiny; masks empty or far from their box; twins."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kizu.core.instances import Instances
from kizu.formats.check.problem import ERROR, WARNING, Problem
from kizu.formats.common.things import with_masks

_TINY = 4  # pixels
_NEAR = 0.5  # IoU of the box and of the mask's own box
_SLACK = 0.5  # pixels that a box may reach beyond the image


def instance_problems(
    found: Instances, items: list[str], size: tuple[int, int], file: str, image: str, names: tuple[str, ...]
) -> Iterator[Problem]:
    """Problems of instances that a reader could use.

    Args:
        items: the name of each instance in its file.
        size: (height, width) of the image.
    """
    height, width = size
    has = with_masks(found)

    def problem(i: int, severity: str, kind: str, field: str, message: str, remedy: str) -> Problem:
        return Problem(severity, kind, file, f"{image}, {items[i]}", field, message, remedy)

    for i in range(len(found)):
        if found.labels[i] >= len(names):
            message = f"label {found.labels[i]}, but there are {len(names)} classes"
            yield problem(i, ERROR, "unknown class", "label", message, "add the class or correct the label")
        x0, y0, x1, y1 = (float(v) for v in found.boxes[i])
        shown = [round(v, 2) for v in (x0, y0, x1, y1)]
        area = found.masks.area[i] if has[i] else (x1 - x0) * (y1 - y0)
        if has[i] and area == 0:
            yield problem(i, WARNING, "empty mask", "mask", "its mask has no pixel", "draw it again or remove it")
        elif x1 <= x0 or y1 <= y0:
            yield problem(i, ERROR, "empty box", "box", f"box {shown} has no area", "draw it again or remove it")
        elif x1 <= 0 or y1 <= 0 or x0 >= width or y0 >= height:
            message = f"box {shown} lies outside the image of {width} x {height}"
            yield problem(i, ERROR, "box outside", "box", message, "correct or remove it")
        elif min(x0, y0) < -_SLACK or x1 > width + _SLACK or y1 > height + _SLACK:
            message = f"box {shown} reaches beyond the image of {width} x {height}"
            yield problem(i, WARNING, "box beyond the edge", "box", message, "cut it at the edge")
        if 0 < area < _TINY:
            message = f"covers {area:g} pixels"
            yield problem(i, WARNING, "tiny instance", "mask" if has[i] else "box", message, "check that it is no slip")
        if has[i] and area and (found.boxes[i] != found.masks.boxes[i]).any():
            overlap = _iou(found.boxes[i], found.masks.boxes[i])
            if overlap < _NEAR:
                message = f"box {shown} and mask (in {found.masks.boxes[i].tolist()}) overlap by {overlap:.0%} only"
                yield problem(i, WARNING, "mask far from box", "box", message, "correct the one that is wrong")
    for i, k in _twins(found, has):
        message = f"the same class, box and mask as {items[i]}"
        yield problem(k, WARNING, "duplicate instance", "", message, "remove one")


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a.astype(np.float64), b.astype(np.float64)
    sides = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None)
    union = np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - np.prod(sides)
    return float(np.prod(sides) / union) if union > 0 else 0.0


def _twins(found: Instances, has: np.ndarray) -> Iterator[tuple[int, int]]:
    codes = found.masks.codes() if found.masks is not None else [b""] * len(found)
    first: dict[tuple, int] = {}
    for i in range(len(found)):
        key = (int(found.labels[i]), found.boxes[i].tobytes(), bool(has[i]), codes[i])
        if key in first:
            yield first[key], i
        else:
            first[key] = i
