"""What the dense detector learns: instances as maps of class, boundary and centre on a grid of cells of four pixels."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from kizu.core.errors import DataError
from kizu.core.instances import Instances
from kizu.core.jit import jit

STRIDE = 4  # pixels a cell
REACH = 16.0  # cells that an offset of 1 stands for


@dataclass(frozen=True)
class DenseTargets:
    """Targets of one picture of (H, W) pixels on (h, w) = (ceil(H / 4), ceil(W / 4)) cells.

    Attributes:
        classes: uint8 (K, h, w), 0..255 for 0..1: the share of the cell that instances of the class cover, divided by
            the largest share among the cell and its eight neighbours. So a defect thinner than a cell is 1 where it
            covers most, and the rim of a larger one lies where its share is a half.
        boundary: uint8 (h, w), 1 where two instances of one class meet (in a cell, or in neighbouring ones).
        offset: float32 (2, h, w), x and y from the cell's centre to the centre of mass of the smallest instance on it,
            in units of 16 cells.
        weight: float32 (h, w), what an error of the offset counts: 0 where no instance is, less on large instances
            (an error of the same share of the instance's size costs about the same).
        known: uint8 (h, w), 0 where nothing is to be learnt.
    """

    classes: np.ndarray
    boundary: np.ndarray
    offset: np.ndarray
    weight: np.ndarray
    known: np.ndarray

    def arrays(self) -> dict[str, np.ndarray]:
        """The five maps by name, for ``torch.utils.data.default_collate``."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def dense_targets(instances: Instances, classes: int, ignore: Collection[int] = ()) -> DenseTargets:
    """Targets of one picture.

    A picture's masks are the visible ones, and where one lies on another (``parents``) it is a part of it too: the
    cells of a scratch on a bolt are positive for both classes.

    Args:
        instances: with masks.
        classes: number of classes K.
        ignore: labels of which it is not known what they are; on their cells nothing is learnt, and neither on those of
            instances whose attribute ``iscrowd`` is true.

    Raises:
        DataError: instances without masks, or a label beyond the classes that is not to be ignored.
    """
    masks = instances.masks
    if masks is None:
        raise DataError(
            f"{len(instances)} instances have boxes only, and the dense detector learns from masks; "
            "label masks, or train a detector of boxes (faster-rcnn, fcos)"
        )
    labels = instances.labels.copy()
    skipped = np.isin(labels, list(ignore)) | np.asarray(
        instances.attributes.get("iscrowd", np.zeros(len(labels))), bool
    )
    if (labels[~skipped] >= classes).any():
        raise DataError(f"label {int(labels[~skipped].max())} among {classes} classes (0 to {classes - 1})")
    labels[skipped] = -1
    height, width = masks.size
    h, w = -(-height // STRIDE), -(-width // STRIDE)
    members, ends = _families(instances.parents)
    area = np.array([masks.area[members[a:b]].sum() for a, b in pairwise(ends)], np.int64)
    order = np.argsort(-area, kind="stable")
    out = DenseTargets(
        np.zeros((classes, h, w), np.uint8), np.zeros((h, w), np.uint8), np.zeros((2, h, w), np.float32),
        np.zeros((h, w), np.float32), np.ones((h, w), np.uint8),
    )  # fmt: skip
    _paint(
        masks.runs, masks.offsets, masks.boxes, members, ends, labels, order, height, width,
        out.classes, out.boundary, out.offset, out.weight, out.known,
    )  # fmt: skip
    return out


def _families(parents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each instance with all that lie on it: members (M,) and where each family ends (N + 1,)."""
    families: list[list[int]] = [[i] for i in range(len(parents))]
    for i in range(len(parents)):
        up, seen = int(parents[i]), {i}
        while up >= 0 and up not in seen:
            families[up].append(i)
            seen.add(up)
            up = int(parents[up])
    ends = np.cumsum([0] + [len(family) for family in families])
    return np.array([i for family in families for i in family], np.int64), ends.astype(np.int64)


@jit
def _cover(runs, first, last, height, count, moments):
    """Add the pixels of one mask to ``count`` uint8 (h, w), and its area and sums of x and y to ``moments``."""
    for r in range(first, last):
        start, stop = np.int64(runs[r, 0]), np.int64(runs[r, 1])
        while start < stop:
            x, top = start // height, start % height
            bottom = min(top + stop - start, height)
            moments[0] += bottom - top
            moments[1] += x * (bottom - top)
            moments[2] += (top + bottom - 1) * (bottom - top) / 2
            y = top
            while y < bottom:
                end = min((y // STRIDE + 1) * STRIDE, bottom)
                count[y // STRIDE, x // STRIDE] += end - y
                y = end
            start += bottom - top


@jit
def _paint(
    runs, offsets, boxes, members, ends, labels, order, height, width, classes, boundary, offset, weight, known,
):  # fmt: skip
    """Fill the maps from the largest instance to the smallest; ``classes`` holds pixel counts until the last step."""
    kinds, h, w = classes.shape
    count = np.zeros((h, w), np.uint8)
    most = np.zeros((kinds, h, w), np.uint8)  # pixels of the instance that owns a cell, among those of its class,
    owner = np.full((kinds, h, w), -1, np.int32)  # and which it is
    reach = np.zeros((kinds, 4), np.int64)  # cells that a class touches
    reach[:, 0] = h
    reach[:, 2] = w
    moments = np.zeros(3)
    for i in order:
        moments[:] = 0
        top, bottom, left, right = h, 0, w, 0
        for m in range(ends[i], ends[i + 1]):
            j = members[m]
            _cover(runs, offsets[j], offsets[j + 1], height, count, moments)
            if boxes[j, 2] > boxes[j, 0]:
                top, bottom = min(top, boxes[j, 1] // STRIDE), max(bottom, (boxes[j, 3] - 1) // STRIDE + 1)
                left, right = min(left, boxes[j, 0] // STRIDE), max(right, (boxes[j, 2] - 1) // STRIDE + 1)
        if moments[0] == 0:
            continue
        x = (moments[1] / moments[0] + 0.5) / STRIDE - 0.5
        y = (moments[2] / moments[0] + 0.5) / STRIDE - 0.5
        light = 1 / (0.5 + np.sqrt(moments[0]) / (STRIDE * REACH))
        k = labels[i]
        for row in range(top, bottom):
            for column in range(left, right):
                n = count[row, column]
                if n == 0:
                    continue
                count[row, column] = 0
                if k < 0:
                    known[row, column] = 0
                    continue
                if owner[k, row, column] >= 0:
                    boundary[row, column] = 1
                if n > most[k, row, column]:
                    most[k, row, column] = n
                    owner[k, row, column] = i
                classes[k, row, column] = min(classes[k, row, column] + n, STRIDE * STRIDE)
                # Smaller instances come later, and take what they cover by a quarter: thin ones cover no more.
                if weight[row, column] == 0 or 4 * n >= STRIDE * STRIDE:
                    offset[0, row, column] = (x - column) / REACH
                    offset[1, row, column] = (y - row) / REACH
                    weight[row, column] = light
        if k >= 0:
            reach[k, 0], reach[k, 1] = min(reach[k, 0], top), max(reach[k, 1], bottom)
            reach[k, 2], reach[k, 3] = min(reach[k, 2], left), max(reach[k, 3], right)
    _meet(owner, reach, boundary)
    _soften(classes, reach, height, width, most)


@jit
def _meet(owner, reach, boundary):
    """Mark the cells whose right, lower or diagonal neighbours belong to another instance of the class."""
    for k in range(owner.shape[0]):
        for row in range(reach[k, 0], reach[k, 1]):
            for column in range(reach[k, 2], reach[k, 3]):
                own = owner[k, row, column]
                if own < 0:
                    continue
                for step in range(4):
                    down, right = row + (step > 0), column + (step == 0) + (step == 1) - (step == 3)
                    if down < reach[k, 1] and reach[k, 2] <= right < reach[k, 3]:
                        other = owner[k, down, right]
                        if other >= 0 and other != own:
                            boundary[row, column] = boundary[down, right] = 1


@jit
def _soften(classes, reach, height, width, share):
    """Pixel counts to shares of the cell over the largest share near it, 0..255; ``share`` is room to work in."""
    for k in range(classes.shape[0]):
        top, bottom, left, right = reach[k, 0], reach[k, 1], reach[k, 2], reach[k, 3]
        for row in range(top, bottom):
            for column in range(left, right):  # cells at the lower and right ends may be smaller
                room = min(STRIDE, height - row * STRIDE) * min(STRIDE, width - column * STRIDE)
                share[k, row, column] = 240 * min(classes[k, row, column], room) // room
        for row in range(top, bottom):
            for column in range(left, right):
                own = int(share[k, row, column])
                if own == 0:
                    continue
                largest = own
                for y in range(max(row - 1, top), min(row + 2, bottom)):
                    for x in range(max(column - 1, left), min(column + 2, right)):
                        largest = max(largest, int(share[k, y, x]))
                classes[k, row, column] = (255 * own + largest // 2) // largest
