"""Windows of training pictures: where a crop lies, and what of the picture and its labels falls into it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kizu.core.instances import Instances
from kizu.core.masks import Masks

ZOOM = (0.7, 1.4)  # of the pictures; defects come in many sizes, cameras at few distances
ASPECT = 1.15  # sides of a window differ by up to this factor
_BEYOND = 1.15  # a window is at most so much larger than a side of the picture
_ON_INSTANCE = 0.75  # share of windows that lie on an instance, where the picture has one


@dataclass(frozen=True)
class Window:
    """Rows ``top`` .. ``top + height`` and columns ``left`` .. ``left + width``; it may reach beyond the picture."""

    top: int
    left: int
    height: int
    width: int


def draw_window(
    random: np.random.Generator, shape: tuple[int, int], boxes: np.ndarray, side: int, zoom: tuple[float, float] = ZOOM
) -> Window:
    """The window that becomes a training picture of ``side`` x ``side`` pixels when it is rescaled.

    Args:
        shape: (height, width) of the picture.
        boxes: float (N, 4) XYXY of its instances; most windows show a part of one.
        zoom: range of the enlargement; values above 1 take smaller windows.
    """
    # Of small pictures windows hold little more than the whole: what lies beyond has nothing to teach.
    least = min(max(zoom[0], side / (_BEYOND * min(shape))), zoom[1])
    factor = np.exp(random.uniform(np.log(least), np.log(zoom[1])))
    skew = ASPECT ** random.uniform(-1, 1)
    size = [max(round(side / factor * skew), 1), max(round(side / factor / skew), 1)]
    target = None
    if len(boxes) and random.random() < _ON_INSTANCE:
        x0, y0, x1, y1 = boxes[random.integers(len(boxes))]
        # Any place of the instance, so that large ones are not always seen in the middle.
        target = (random.uniform(y0, y1), random.uniform(x0, x1))
    corner = []
    for axis in (0, 1):
        room = shape[axis] - size[axis]
        if room <= 0:  # the whole side, somewhere in the window
            corner.append(int(random.integers(room, 1)))
        elif target is None:
            corner.append(int(random.integers(0, room + 1)))
        else:
            place = round(target[axis] - random.uniform(0.15, 0.85) * size[axis])
            corner.append(int(np.clip(place, 0, room)))
    return Window(corner[0], corner[1], size[0], size[1])


def cut(
    image: np.ndarray, found: Instances, window: Window
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """What a window shows. Beyond the picture it is filled with the picture's mean colour.

    Args:
        image: uint8 (H, W, 3).
        found: its instances, with masks or with boxes alone.

    Returns:
        image uint8 (h, w, 3); boxes float32 (N, 4) XYXY in the window, cut at its rim (around what is seen of the
        masks, where there are any); labels int64 (N,); masks bool (N, h, w) or None. Instances outside are left out.
    """
    top, left, height, width = window.top, window.left, window.height, window.width
    rows = slice(max(top, 0), max(min(top + height, image.shape[0]), 0))
    columns = slice(max(left, 0), max(min(left + width, image.shape[1]), 0))
    inside = (slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left))
    out = np.empty((height, width, 3), np.uint8)
    if (rows.stop - rows.start, columns.stop - columns.start) != (height, width):
        out[:] = image.reshape(-1, 3).mean(0).round().astype(np.uint8)
    out[inside] = image[rows, columns]
    corner = np.array([left, top, left, top], np.float32)
    low, high = [columns.start, rows.start] * 2, [columns.stop, rows.stop] * 2
    boxes = np.clip(found.boxes, low, high).astype(np.float32) - corner
    kept = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    labels = found.labels.astype(np.int64)
    if found.masks is None:
        return out, boxes[kept], labels[kept], None
    masks = np.zeros((int(kept.sum()), height, width), bool)
    for k, i in enumerate(np.flatnonzero(kept)):
        crop, (x, y) = found.masks.crop(int(i))
        y0, y1 = max(y, rows.start), min(y + crop.shape[0], rows.stop)
        x0, x1 = max(x, columns.start), min(x + crop.shape[1], columns.stop)
        if y1 > y0 and x1 > x0:
            masks[k, y0 - top : y1 - top, x0 - left : x1 - left] = crop[y0 - y : y1 - y, x0 - x : x1 - x]
    shown = masks.any((1, 2))
    masks = masks[shown]
    return out, boxes_of(masks), labels[kept][shown], masks


def squared(image: np.ndarray, parts: list[Instances]) -> tuple[np.ndarray, list[Instances]]:
    """A picture and labels of it in the middle of a square frame."""
    side = max(image.shape[:2])
    window = Window((image.shape[0] - side) // 2, (image.shape[1] - side) // 2, side, side)
    out, framed = image, []
    for found in parts:
        out, boxes, labels, masks = cut(image, found, window)
        framed.append(Instances(labels, boxes, None if masks is None else Masks.from_dense(masks, (side, side))))
    return out, framed


def boxes_of(masks: np.ndarray) -> np.ndarray:
    """Boxes float32 (N, 4), XYXY with exclusive ends, of masks bool (N, H, W) none of which is empty."""
    out = np.zeros((len(masks), 4), np.float32)
    for i, mask in enumerate(masks):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        out[i] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return out
