"""How far each instance stands out from what lies around it, in units of the local noise."""

from __future__ import annotations

import numpy as np

from kizu.core.errors import DataError
from kizu.core.instances import Instances
from kizu.core.jit import jit
from kizu.core.rle import decode

GAP = 2  # pixels: the ring begins this far from the mask (nearer ones are mixed by the optics),
REACH = 6  # and ends here
LEAST = 16  # pixels of the parent that make a ring; where it has fewer, what lies beside the parent counts too
QUANTISATION = 0.3  # grey levels: the deviation of rounding to whole levels, 1 / sqrt(12)
TRIM = 20  # one in so many of the ring's values is left out at either end
_TRIMMED = 0.7893  # deviation of a normal distribution without its outer 5 % on both sides


def contrasts(image: np.ndarray, instances: Instances) -> np.ndarray:
    """Contrast of each instance to its surroundings, float32 (N,), 0 where it cannot be told apart.

    With the values ``I`` of the n pixels of the visible mask, and mean ``m`` and deviation ``s`` of a ring around it::

        contrast = sqrt(max(mean((I - m)^2) - s^2 (1 + sqrt(2 / n)), 0)) / max(s, 0.3)

    so that a pair of a bright and a dark lip counts as well as an even shift, and what varies as its surroundings do
    counts nothing (``s^2 sqrt(2 / n)`` is the standard error of the variance of n values of noise). The ring is all
    pixels 2 to 6 pixels (larger of dx, dy) from the mask that belong to no other instance but the parent; to the parent
    alone where at least 16 do. ``m`` and ``s`` are those without the lowest and the highest twentieth of its values
    (``s`` divided by 0.7893, which makes it the deviation of normal noise). Of colours the most telling channel counts.
    An instance without pixels or without a ring (it fills the frame) has contrast 0.

    Args:
        image: uint8 (H, W) or (H, W, 3).
        instances: of that image; where there are no masks, boxes take their place.

    Raises:
        DataError: another kind of image, or masks of another frame.
    """
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim not in (2, 3):
        raise DataError(f"contrast is measured on uint8 (H, W) or (H, W, 3), not {image.dtype} {image.shape}")
    height, width = image.shape[:2]
    if not len(instances) or not height * width:
        return np.zeros(len(instances), np.float32)
    if instances.masks is not None and instances.masks.size != (height, width):
        raise DataError(f"an image of {height} x {width} with masks of {instances.masks.size}; use those of this image")
    pixels = np.ascontiguousarray(image.reshape(height, width, -1))
    runs, offsets, boxes, areas = _regions(instances, (height, width))
    order = np.argsort(-areas, kind="stable")  # where masks overlap, the smaller lies on top
    return _contrasts(pixels, runs, offsets, boxes, areas, order, instances.parents)


def _regions(instances: Instances, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Runs, offsets, boxes and areas of masks, those of boxes where an instance has no mask."""
    masks = instances.masks
    if masks is not None and (masks.area > 0).all():
        return masks.runs, masks.offsets, masks.boxes, masks.area
    has = instances.attributes.get("has_mask", np.ones(len(instances), bool)) if masks is not None else None
    height, width = size
    boxes = np.clip(np.round(instances.boxes), 0, [width, height, width, height]).astype(np.int64)
    parts = []
    for i, (x0, y0, x1, y1) in enumerate(boxes.tolist()):
        if masks is not None and has[i]:
            parts.append(masks.runs[masks.offsets[i] : masks.offsets[i + 1]])
            boxes[i] = masks.boxes[i]
        else:
            heads = np.arange(x0, x1 if y1 > y0 else x0) * height
            parts.append(np.stack([heads + y0, heads + y1], 1).astype(np.uint32))
    offsets = np.cumsum([0, *(len(part) for part in parts)])
    areas = np.array([int((part[:, 1].astype(np.int64) - part[:, 0]).sum()) for part in parts])
    return np.concatenate(parts), offsets, boxes.astype(np.int32), areas


@jit
def _contrasts(pixels, runs, offsets, boxes, areas, order, parents):
    height, width, channels = pixels.shape
    owner = np.zeros((height, width), np.int32)
    for k in order:
        x0, y0, x1, y1 = boxes[k, 0], boxes[k, 1], boxes[k, 2], boxes[k, 3]
        inside = np.zeros((y1 - y0, x1 - x0), np.uint8)
        decode(runs[offsets[k] : offsets[k + 1]], height, boxes[k], x0, y0, inside)
        for i in range(y1 - y0):
            row, own = owner[y0 + i, x0:x1], inside[i]
            for j in range(len(own)):
                row[j] = k + 1 if own[j] else row[j]
    out = np.zeros(len(order), np.float32)
    for k in range(len(order)):
        if areas[k] == 0:
            continue
        x0, y0 = max(boxes[k, 0] - REACH, 0), max(boxes[k, 1] - REACH, 0)
        x1, y1 = min(boxes[k, 2] + REACH, width), min(boxes[k, 3] + REACH, height)
        inside = np.zeros((y1 - y0, x1 - x0), np.uint8)
        decode(runs[offsets[k] : offsets[k + 1]], height, boxes[k], x0, y0, inside)
        near, far = _grown(inside, GAP - 1), _grown(inside, REACH)
        for i in range(far.shape[0]):
            for j in range(far.shape[1]):
                far[i, j] &= 1 - near[i, j]
        # Values are counted by level, so that nothing has to be sorted.
        levels = np.zeros((2, channels, 256), np.int64)
        own = np.zeros((channels, 2), np.int64)
        parent = parents[k] + 1
        for i in range(far.shape[0]):
            for j in range(far.shape[1]):
                if inside[i, j]:
                    for c in range(channels):
                        value = np.int64(pixels[y0 + i, x0 + j, c])
                        own[c, 0] += value
                        own[c, 1] += value * value
                elif far[i, j]:
                    whose = owner[y0 + i, x0 + j]
                    if whose == 0 or whose == parent:
                        on_parent = 1 if whose != 0 else 0
                        for c in range(channels):
                            levels[on_parent, c, pixels[y0 + i, x0 + j, c]] += 1
        if levels[1, 0].sum() < LEAST:
            levels[1] += levels[0]
        count = levels[1, 0].sum()
        if count == 0:
            continue
        for c in range(channels):
            mean, deviation = _trimmed(levels[1, c], count)
            spread = own[c, 1] / areas[k] - 2 * mean * own[c, 0] / areas[k] + mean * mean
            spread -= deviation * deviation * (1 + np.sqrt(2 / areas[k]))
            value = np.sqrt(max(spread, 0.0)) / max(deviation, QUANTISATION)
            out[k] = max(out[k], np.float32(value))
    return out


@jit
def _grown(mask, radius):
    """A mask uint8 (h, w) grown by a square of ``2 radius + 1`` pixels."""
    height, width = mask.shape
    wide = mask.copy()
    for i in range(height):
        row, source = wide[i], mask[i]
        for d in range(1, min(radius, width - 1) + 1):
            for j in range(width - d):
                row[j] |= source[j + d]
            for j in range(width - d):
                row[j + d] |= source[j]
    out = wide.copy()
    for i in range(height):
        row = out[i]
        for other in range(max(i - radius, 0), min(i + radius + 1, height)):
            source = wide[other]
            for j in range(width):
                row[j] |= source[j]
    return out


@jit
def _trimmed(levels, count):
    """Mean and deviation of values that are counted by level, without their outer twentieths."""
    cut = count // TRIM
    low, high = cut, count - cut  # ranks that stay
    seen, total, square = 0, 0.0, 0.0
    for value in range(256):
        stays = min(seen + levels[value], high) - max(seen, low)
        seen += levels[value]
        if stays > 0:
            total += stays * value
            square += stays * float(value * value)
    mean = total / (high - low)
    return mean, np.sqrt(max(square / (high - low) - mean * mean, 0.0)) / _TRIMMED
