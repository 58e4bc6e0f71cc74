"""One gallery tile: a small picture, its outlines, its score map and, where the defect is small, a close-up."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, field

import cv2
import numpy as np
from PIL import Image

from kizu.core.instances import Instances
from kizu.reporting.colours import class_slot, heat
from kizu.reporting.outlines import instance_paths

LONGEST = 440  # pixels of a tile's picture
_SMALL = 480  # pictures up to here are kept as they are
_CLOSE_UP = 320
_HEAT = 160
_MOST_SHAPES = 120  # outlines drawn on one picture
_STAGE = 4 / 3  # aspect of a tile's picture area, as in report.css


@dataclass
class Shape:
    """One outline: ``layer`` is ``truth`` or ``found``; ``path`` is SVG path data in image pixels."""

    layer: str
    label: int
    slot: int
    text: str
    path: str


@dataclass
class CloseUp:
    """A square cut of the picture around what matters most, in image pixels; ``corner`` of the tile it is shown in."""

    x: int
    y: int
    side: int
    picture: str
    corner: str


@dataclass
class Tile:
    """What the template needs of one picture; ``reason`` is set where it could not be read."""

    id: str
    outcome: str = ""
    score: float | None = None
    iou: float | None = None
    width: int = 0
    height: int = 0
    picture: str = ""
    heat: str = ""
    shapes: list[Shape] = field(default_factory=list)
    close_up: CloseUp | None = None
    labels: list[int] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    reason: str = ""


def data_uri(pixels: np.ndarray, quality: int = 72) -> str:
    """uint8 (H, W, 3) or (H, W, 4) as a WebP data URI."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", quality=quality, method=4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def shrink(image: np.ndarray, longest: int) -> np.ndarray:
    """The image with its longest side at most ``longest`` pixels, area-averaged, never enlarged."""
    height, width = image.shape[:2]
    factor = longest / max(height, width)
    if factor >= 1:
        return image
    size = (max(round(width * factor), 1), max(round(height * factor), 1))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def heat_picture(score_map: np.ndarray) -> str:
    """Score map float32 (C, H, W) as a small coloured data URI; "" where all of it is too faint to show.

    It is reduced by maxima, not by averages: a peak of one pixel must stay visible.

    Raises:
        ValueError: it holds values that are not numbers.
    """
    scores = np.asarray(score_map, np.float32).max(axis=0)
    if not np.isfinite(scores).all():
        raise ValueError("its score map holds values that are not numbers and is not shown")
    step = -(-max(scores.shape) // _HEAT)
    if step > 1:
        height, width = (-(-side // step) for side in scores.shape)
        padded = np.zeros((height * step, width * step), np.float32)
        padded[: scores.shape[0], : scores.shape[1]] = scores
        scores = padded.reshape(height, step, width, step).max(axis=(1, 3))
    coloured = heat(scores)
    return data_uri(coloured, 60) if coloured[..., 3].any() else ""


def in_force(instances: Instances) -> Instances:
    """The instances at or above the threshold in force (score 0.5); all, where there are no scores."""
    return instances if instances.scores is None else instances[instances.scores >= 0.5]


def _overlap(a: Instances, b: Instances) -> np.ndarray:
    """How much of each instance of ``a`` is covered by the best one of ``b``: IoU of boxes, float (N,)."""
    if not len(a) or not len(b):
        return np.zeros(len(a))
    low = np.maximum(a.boxes[:, None, :2], b.boxes[None, :, :2])
    high = np.minimum(a.boxes[:, None, 2:], b.boxes[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(-1)
    areas = [np.clip(v.boxes[:, 2:] - v.boxes[:, :2], 0, None).prod(-1) for v in (a, b)]
    union = areas[0][:, None] + areas[1][None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0).max(axis=1)


def focus(truth: Instances | None, found: Instances | None, score_map: np.ndarray | None, size) -> np.ndarray | None:
    """The box XYXY that a reader should look at first: the worst error, else the surest find, else the smallest truth.

    Without any instance it is the peak of the score map, if there is one; else None.
    """
    if truth is not None and len(truth):
        if found is None:
            areas = (truth.boxes[:, 2:] - truth.boxes[:, :2]).prod(-1)
            return truth.boxes[int(np.argmin(areas))]
        missed, extra = _overlap(truth, found), _overlap(found, truth)
        if len(extra) and extra.min() < missed.min():
            return found.boxes[int(np.argmin(extra))]
        return truth.boxes[int(np.argmin(missed))]
    if found is not None and len(found):
        return found.boxes[int(np.argmax(found.scores)) if found.scores is not None else 0]
    if score_map is not None and np.isfinite(score_map).all() and score_map.max() >= 0.3:
        scores = score_map.max(axis=0)
        row, column = np.unravel_index(int(scores.argmax()), scores.shape)
        y, x = ((row + 0.5) * size[0] / scores.shape[0], (column + 0.5) * size[1] / scores.shape[1])
        return np.array([x - 1, y - 1, x + 1, y + 1])
    return None


def _close_up(image: np.ndarray, box: np.ndarray, boxes: np.ndarray) -> CloseUp | None:
    """The cut around ``box``, or None where it would show hardly less than the whole picture does."""
    height, width = image.shape[:2]
    side = int(np.ceil(max(2.2 * max(box[2] - box[0], box[3] - box[1]), 64, 0.1 * max(height, width))))
    side = min(side, height, width)
    if side > 0.36 * max(height, width):
        return None
    x = int(np.clip((box[0] + box[2]) / 2 - side / 2, 0, width - side))
    y = int(np.clip((box[1] + box[3]) / 2 - side / 2, 0, height - side))
    picture = data_uri(shrink(image[y : y + side, x : x + side], _CLOSE_UP))
    return CloseUp(x, y, side, picture, _free_corner(width, height, (x + side / 2, y + side / 2), boxes))


def _free_corner(width: int, height: int, centre: tuple[float, float], boxes: np.ndarray) -> str:
    """The corner of the tile where the close-up hides least: few instances, then far from its own place."""
    frame_w, frame_h = (width, width / _STAGE) if width / height > _STAGE else (height * _STAGE, height)
    left, top, inset = (width - frame_w) / 2, (height - frame_h) / 2, 0.42 * frame_h
    best = None
    for name in ("br", "bl", "tr", "tl"):
        x0 = left + (frame_w - inset if "r" in name else 0)
        y0 = top + (frame_h - inset if "b" in name else 0)
        shared = np.minimum(boxes[:, 2:], (x0 + inset, y0 + inset)) - np.maximum(boxes[:, :2], (x0, y0))
        hidden = int((shared > 0).all(axis=1).sum())
        distance = np.hypot(x0 + inset / 2 - centre[0], y0 + inset / 2 - centre[1])
        if best is None or (hidden, -distance) < best[:2]:
            best = (hidden, -distance, name)
    return best[2]


def _shapes(
    layer: str, instances: Instances, place: list[int], names: tuple[str, ...], tolerance: float
) -> list[Shape]:
    shapes = []
    for i, path in enumerate(instance_paths(instances, tolerance)):
        label = place[int(instances.labels[i])]
        score = "" if instances.scores is None else f" {float(instances.scores[i]):.2f}"
        shapes.append(Shape(layer, label, class_slot(label), f"{names[label]}{score} ({layer})", path))
    return shapes


def _largest(instances: Instances) -> Instances:
    if len(instances) <= _MOST_SHAPES:
        return instances
    areas = (instances.boxes[:, 2:] - instances.boxes[:, :2]).prod(-1)
    return instances[np.sort(np.argsort(-areas, kind="stable")[:_MOST_SHAPES])]


def make_tile(
    tile: Tile,
    image: np.ndarray,
    names: tuple[str, ...],
    truth: tuple[Instances, list[int]] | None,
    found: tuple[Instances, list[int]] | None,
    score_map: np.ndarray | None,
) -> Tile:
    """Fill ``tile`` from the full picture, of which nothing is kept.

    Args:
        image: uint8 (H, W, 3) RGB.
        names: all class names of the report.
        truth, found: instances, and the place of each of their labels in ``names``; found ones are those in force.
        score_map: float32 (C, h, w) or None.
    """
    tile.height, tile.width = image.shape[:2]
    longest = max(tile.width, tile.height)
    tile.picture = data_uri(shrink(image, LONGEST if longest > _SMALL else _SMALL))
    tolerance = max(0.7, 0.5 * longest / LONGEST)
    every = [np.zeros((0, 4), np.float32)]
    for layer, group in (("truth", truth), ("found", found)):
        if group is None:
            continue
        shown = _largest(group[0])
        if len(shown) < len(group[0]):
            tile.remarks.append(f"{len(shown)} of {len(group[0])} outlines ({layer}) drawn, the largest")
        tile.shapes += _shapes(layer, shown, group[1], names, tolerance)
        tile.labels += [group[1][int(label)] for label in np.unique(group[0].labels)]
        every.append(group[0].boxes)
    tile.labels = sorted(set(tile.labels))
    if score_map is not None:
        try:
            tile.heat = heat_picture(score_map)
        except ValueError as error:
            tile.remarks.append(str(error))
    box = focus(truth and truth[0], found and found[0], score_map, image.shape[:2])
    if box is not None:
        tile.close_up = _close_up(image, box, np.concatenate(every))
    return tile
