"""Who hides whom: what is too little visible leaves the scene before it is drawn, and exact labels of what stays.

``formula.Scene`` refuses a node before it is placed, and forgets one at a time. Here all silhouettes are given, and the
worst goes first, so the passes below work on the whole pile at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from kizu.core.errors import DataError
from kizu.core.instances import Instances
from kizu.core.jit import jit
from kizu.core.masks import Masks

LEAST_PX, LEAST_SHARE = 64, 0.15


@dataclass(frozen=True)
class Piece:
    """The silhouette of one placed thing.

    Attributes:
        mask: bool (h, w), what of it lies inside the frame, hidden parts included.
        x, y: corner of ``mask`` in the frame.
        whole: tight box of the thing as if the frame went on, XYXY with exclusive ends.
        pixels: of the thing as if the frame went on.
    """

    mask: np.ndarray
    x: int
    y: int
    whole: tuple[int, int, int, int]
    pixels: int

    @classmethod
    def cut(cls, mask: np.ndarray, x: int, y: int, size: tuple[int, int]) -> Piece:
        """From a mask bool (h, w) whose corner (x, y) may lie anywhere, on a frame of (H, W)."""
        left, top, width, height = (
            cv2.boundingRect(np.ascontiguousarray(mask).view(np.uint8)) if mask.size else (0,) * 4
        )
        if not width:
            return cls(np.zeros((0, 0), bool), 0, 0, (0, 0, 0, 0), 0)
        tight = mask[top : top + height, left : left + width]
        return cls.of_tight(tight, x + left, y + top, int(np.count_nonzero(tight)), size)

    @classmethod
    def of_tight(cls, mask: np.ndarray, x: int, y: int, pixels: int, size: tuple[int, int]) -> Piece:
        """The same of a mask without empty rows and columns at its sides, of which the pixels are counted."""
        whole = (x, y, x + mask.shape[1], y + mask.shape[0])
        x0, y0, x1, y1 = max(whole[0], 0), max(whole[1], 0), min(whole[2], size[1]), min(whole[3], size[0])
        if x0 >= x1 or y0 >= y1:
            return cls(np.zeros((0, 0), bool), 0, 0, whole, pixels)
        return cls(np.ascontiguousarray(mask[y0 - y : y1 - y, x0 - x : x1 - x]), x0, y0, whole, pixels)


def areas(pieces: Sequence[Piece], size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Visible and amodal pixels inside the frame, int64 (N,) each, of pieces in painting order on a frame (H, W)."""
    pile = _Pile(pieces, size)
    return pile.visible, pile.amodal


def settle(
    pieces: Sequence[Piece],
    size: tuple[int, int],
    least_px: float | np.ndarray = LEAST_PX,
    least_share: float | np.ndarray = LEAST_SHARE,
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Take out what is too little visible, in scene space, until all that is left is visible enough.

    A piece needs ``max(least_px, least_share * amodal)`` visible pixels. The one that falls shortest goes first, and
    what lay beneath it is seen again before the next is judged; so no more go than must.

    Args:
        pieces: in painting order, later ones on top.
        size: (H, W) of the frame.
        least_px: one number, or one a piece.
        least_share: one number, or one a piece.

    Returns:
        Indices of those that stay, int64, ascending; and a record {index, visible, amodal, reason} for each that goes,
        in the order of going.

    Raises:
        DataError: a piece that reaches beyond the frame.
    """
    pile = _Pile(pieces, size)
    needs = np.maximum(least_px, least_share * pile.amodal).astype(np.float64)
    needs = np.maximum(needs, 1.0)  # a thing of no pixel is never there
    gone, seen = _settle(pile.owner, pile.flat, pile.start, pile.boxes, pile.visible, needs)
    dropped = [
        {"index": int(k), "visible": int(v), "amodal": int(pile.amodal[k]), "reason": _reason(pieces[k], int(v), need)}
        for k, v, need in zip(gone, seen, needs[gone], strict=True)
    ]
    return np.setdiff1d(np.arange(len(pieces)), gone), dropped


def labels(
    pieces: Sequence[Piece],
    classes: Sequence[int] | np.ndarray,
    size: tuple[int, int],
    attributes: dict[str, Any] | None = None,
) -> Instances:
    """The labels of pieces in painting order, all of them: :func:`settle` first.

    Visible masks are disjoint, and lie within the amodal ones; boxes are those of the visible masks. Attributes:
    ``visible_ratio`` (visible / amodal pixels inside the frame), ``truncated`` (it goes on outside the frame),
    ``truncation`` (share of it that lies outside), ``whole`` (its box as if the frame went on, XYXY), ``occluders``
    (indices of those that hide a part of it) and ``order`` (0 = lowest).

    Args:
        classes: class index of each piece.
        size: (H, W) of the frame.
        attributes: further ones, name -> one value a piece.

    Raises:
        DataError: not one class a piece, or a piece that reaches beyond the frame.
    """
    count = len(pieces)
    if not count:
        return Instances.empty(size)
    pile = _Pile(pieces, size)
    visible = Masks.from_label_map(pile.owner, range(1, count + 1))
    amodal = Masks.from_crops([(piece.mask, (piece.x, piece.y)) for piece in pieces], size)
    over = _over(pile.flat, pile.start, pile.boxes)
    whole = np.array([piece.pixels for piece in pieces])
    further = {
        "visible_ratio": np.round(pile.visible / np.maximum(pile.amodal, 1), 4),
        "truncated": pile.amodal < whole,
        "truncation": np.round(1 - pile.amodal / np.maximum(whole, 1), 4),
        "whole": _lists([list(piece.whole) for piece in pieces]),
        "occluders": _lists([np.flatnonzero(over[k]).tolist() for k in range(count)]),
        "order": np.arange(count),
    }
    return Instances(classes, masks=visible, amodal=amodal, attributes=(attributes or {}) | further)


class _Pile:
    """Pieces as flat arrays, painted: the owner of each pixel (index + 1), visible and amodal areas."""

    def __init__(self, pieces: Sequence[Piece], size: tuple[int, int]):
        self.boxes = np.array(
            [(p.x, p.y, p.mask.shape[1], p.mask.shape[0]) for p in pieces], np.int64
        ).reshape(-1, 4)  # fmt: skip
        ends = self.boxes[:, :2] + self.boxes[:, 2:]
        wrong = (self.boxes[:, :2] < 0).any(1) | (ends > [size[1], size[0]]).any(1)
        if wrong.any():
            raise DataError(f"piece {int(np.argmax(wrong))} reaches beyond a frame of {tuple(size)}; use Piece.cut")
        self.start = np.zeros(len(pieces) + 1, np.int64)
        np.cumsum(self.boxes[:, 2] * self.boxes[:, 3], out=self.start[1:])
        parts = [np.ravel(piece.mask) for piece in pieces]
        self.flat = np.concatenate(parts).view(np.uint8) if parts else np.zeros(0, np.uint8)
        self.owner = np.zeros(size, np.int32)
        self.visible, self.amodal = _paint(self.owner, self.flat, self.start, self.boxes)


def _reason(piece: Piece, visible: int, need: float) -> str:
    if not piece.pixels:
        return "it has no pixel"
    if not piece.mask.size:
        return "it lies outside the frame"
    return f"{visible} pixels of it are visible, it needs {int(np.ceil(need))}"


def _lists(values: list[list[int]]) -> np.ndarray:
    out = np.empty(len(values), object)
    out[:] = values
    return out


@jit
def _paint(
    owner: np.ndarray, flat: np.ndarray, start: np.ndarray, boxes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Paint all pieces one after the other; pixels that each owns in the end, and pixels that each has."""
    count = len(boxes)
    visible, amodal = np.zeros(count, np.int64), np.zeros(count, np.int64)
    for k in range(count):
        x, y, w, h = boxes[k]
        n = 0
        for i in range(h):
            row = owner[y + i]
            first = start[k] + i * w
            for j in range(w):
                if flat[first + j]:
                    below = row[x + j]
                    if below:
                        visible[below - 1] -= 1
                    row[x + j] = k + 1
                    n += 1
        visible[k] = amodal[k] = n
    return visible, amodal


@jit
def _settle(
    owner: np.ndarray, flat: np.ndarray, start: np.ndarray, boxes: np.ndarray, visible: np.ndarray, needs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Remove the worst until none falls short: those removed, and what was visible of each when it went."""
    count = len(boxes)
    there = np.ones(count, np.bool_)
    gone, seen = np.zeros(count, np.int64), np.zeros(count, np.int64)
    n = 0
    beneath = np.zeros(count, np.int64)
    while True:
        worst, least = -1, 1.0
        for k in range(count):
            if there[k] and visible[k] / needs[k] < least:
                worst, least = k, visible[k] / needs[k]
        if worst < 0:
            return gone[:n], seen[:n]
        there[worst] = False
        gone[n], seen[n] = worst, visible[worst]
        n += 1
        if not visible[worst]:
            continue
        x, y, w, h = boxes[worst]
        candidates = 0
        for k in range(worst - 1, -1, -1):
            if (
                there[k] and boxes[k, 0] < x + w and x < boxes[k, 0] + boxes[k, 2]
                and boxes[k, 1] < y + h and y < boxes[k, 1] + boxes[k, 3]
            ):  # fmt: skip
                beneath[candidates] = k
                candidates += 1
        for i in range(y, y + h):
            for j in range(x, x + w):
                if owner[i, j] != worst + 1:
                    continue
                owner[i, j] = 0
                for c in range(candidates):
                    k = beneath[c]
                    row, column = i - boxes[k, 1], j - boxes[k, 0]
                    within = 0 <= row < boxes[k, 3] and 0 <= column < boxes[k, 2]
                    if within and flat[start[k] + row * boxes[k, 2] + column]:
                        owner[i, j] = k + 1
                        visible[k] += 1
                        break
        visible[worst] = 0


@jit
def _over(flat: np.ndarray, start: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """bool (N, N): entry (i, j) says that j lies on top of i and shares a pixel with it."""
    count = len(boxes)
    out = np.zeros((count, count), np.bool_)
    for i in range(count):
        for j in range(i + 1, count):
            x0, x1 = max(boxes[i, 0], boxes[j, 0]), min(boxes[i, 0] + boxes[i, 2], boxes[j, 0] + boxes[j, 2])
            y0, y1 = max(boxes[i, 1], boxes[j, 1]), min(boxes[i, 1] + boxes[i, 3], boxes[j, 1] + boxes[j, 3])
            y = y0
            while y < y1 and x0 < x1 and not out[i, j]:
                a = start[i] + (y - boxes[i, 1]) * boxes[i, 2] - boxes[i, 0]
                b = start[j] + (y - boxes[j, 1]) * boxes[j, 2] - boxes[j, 0]
                for x in range(x0, x1):
                    if flat[a + x] and flat[b + x]:
                        out[i, j] = True
                        break
                y += 1
    return out
