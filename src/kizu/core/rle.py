"""Run-length kernels. A mask is a list of half-open runs ``[start, end)`` of pixels counted down the columns.

Pixel (y, x) of an H x W frame has the position ``x * H + y`` (the order of COCO's code). Runs are sorted, disjoint and
never touch, so that each mask has exactly one code.
"""

import numpy as np

from kizu.core.jit import jit

_STRIP = 32  # columns copied at a time, so that a row-major raster is read along its rows


@jit
def encode_crop(mask: np.ndarray, left: int, top: int, right: int, bottom: int) -> np.ndarray:
    """Runs ``uint32 (R, 2)`` of a row-major mask ``(H, W)``; any value but zero is inside.

    Args:
        left, top, right, bottom: a box that holds all of the mask, ends exclusive; pixels beyond it are not looked at.
    """
    height = mask.shape[0]
    tall = bottom - top
    runs = np.empty(((right - left) * ((tall + 1) // 2), 2), np.uint32)
    count = 0
    strip = np.empty((_STRIP, tall), np.uint8)
    for x0 in range(left, right, _STRIP):
        x1 = min(x0 + _STRIP, right)
        for y in range(tall):
            for x in range(x0, x1):
                strip[x - x0, y] = mask[top + y, x]
        for x in range(x0, x1):
            column = strip[x - x0]
            base = x * height + top
            y = 0
            while y < tall:
                while y < tall and column[y] == 0:
                    y += 1
                if y == tall:
                    break
                start = y
                while y < tall and column[y] != 0:
                    y += 1
                if count and runs[count - 1, 1] == base + start:  # goes on from the foot of the last column
                    runs[count - 1, 1] = base + y
                else:
                    runs[count, 0] = base + start
                    runs[count, 1] = base + y
                    count += 1
    return runs[:count].copy()


@jit
def encode_labels(raster: np.ndarray, slots: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """All masks of an id raster in one pass.

    Args:
        raster: int32 (H, W), row-major, values 0 .. len(slots) - 1.
        slots: int32, the mask number of each id, or -1.
        count: number of masks.

    Returns:
        runs uint32 (R, 2) grouped by mask, offsets int64 (count + 1).
    """
    height, width = raster.shape
    capacity = max(1024, 2 * width)
    found = np.empty((capacity, 3), np.int64)
    total = 0
    strip = np.empty((_STRIP, height), np.int32)
    current = np.int32(-1)
    value = np.int32(-1)
    start = 0
    for x0 in range(0, width, _STRIP):
        x1 = min(x0 + _STRIP, width)
        for y in range(height):
            for x in range(x0, x1):
                strip[x - x0, y] = raster[y, x]
        for x in range(x0, x1):
            column = strip[x - x0]
            for y in range(height):
                if column[y] == value:
                    continue
                value = column[y]
                slot = slots[value]
                if slot == current:
                    continue
                position = x * height + y
                if current >= 0:
                    if total == capacity:
                        capacity *= 2
                        larger = np.empty((capacity, 3), np.int64)
                        larger[:total] = found[:total]
                        found = larger
                    found[total, 0] = current
                    found[total, 1] = start
                    found[total, 2] = position
                    total += 1
                current = slot
                start = position
    offsets = np.zeros(count + 1, np.int64)
    for i in range(total):
        offsets[found[i, 0] + 1] += 1
    if current >= 0:
        offsets[current + 1] += 1
    offsets = np.cumsum(offsets)
    runs = np.empty((offsets[-1], 2), np.uint32)
    place = offsets[:-1].copy()
    for i in range(total):
        slot = found[i, 0]
        runs[place[slot], 0] = found[i, 1]
        runs[place[slot], 1] = found[i, 2]
        place[slot] += 1
    if current >= 0:
        runs[place[current], 0] = start
        runs[place[current], 1] = height * width
    return runs, offsets


@jit
def decode(runs: np.ndarray, height: int, left: int, top: int, out: np.ndarray) -> None:
    """Set the pixels of ``out`` (row-major crop whose corner is at (top, left)) that the runs cover."""
    tall, wide = out.shape
    for r in range(len(runs)):
        position = np.int64(runs[r, 0])
        end = np.int64(runs[r, 1])
        while position < end:
            x = position // height
            stop = min(end, (x + 1) * height)
            if left <= x < left + wide:
                y0 = max(position - x * height - top, 0)
                y1 = min(stop - x * height - top, tall)
                for y in range(y0, y1):
                    out[y, x - left] = 1
            position = stop


@jit
def measure(runs: np.ndarray, offsets: np.ndarray, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Areas int64 (N,) and tight boxes int32 (N, 4), XYXY with exclusive ends; an empty mask has four zeros."""
    count = len(offsets) - 1
    areas = np.zeros(count, np.int64)
    boxes = np.zeros((count, 4), np.int32)
    for i in range(count):
        first, last = offsets[i], offsets[i + 1]
        if first == last:
            continue
        top, bottom = height, 0
        for r in range(first, last):
            start, end = np.int64(runs[r, 0]), np.int64(runs[r, 1])
            areas[i] += end - start
            x0, x1 = start // height, (end - 1) // height
            if x1 > x0:
                top, bottom = 0, height
            else:
                top = min(top, start - x0 * height)
                bottom = max(bottom, end - x0 * height)
        boxes[i, 0] = np.int64(runs[first, 0]) // height
        boxes[i, 1] = top
        boxes[i, 2] = (np.int64(runs[last - 1, 1]) - 1) // height + 1
        boxes[i, 3] = bottom
    return areas, boxes


@jit
def intersections(
    runs_a: np.ndarray, offsets_a: np.ndarray, boxes_a: np.ndarray,
    runs_b: np.ndarray, offsets_b: np.ndarray, boxes_b: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Pixels shared by each pair, int64 (N, M); pairs whose boxes are apart cost nothing."""
    out = np.zeros((len(offsets_a) - 1, len(offsets_b) - 1), np.int64)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            if (
                boxes_a[i, 0] >= boxes_b[j, 2]
                or boxes_b[j, 0] >= boxes_a[i, 2]
                or boxes_a[i, 1] >= boxes_b[j, 3]
                or boxes_b[j, 1] >= boxes_a[i, 3]
            ):
                continue
            a, b = offsets_a[i], offsets_b[j]
            shared = 0
            while a < offsets_a[i + 1] and b < offsets_b[j + 1]:
                low = max(np.int64(runs_a[a, 0]), np.int64(runs_b[b, 0]))
                high = min(np.int64(runs_a[a, 1]), np.int64(runs_b[b, 1]))
                if high > low:
                    shared += high - low
                if runs_a[a, 1] < runs_b[b, 1]:
                    a += 1
                else:
                    b += 1
            out[i, j] = shared
    return out


@jit
def to_counts(runs: np.ndarray, pixels: int) -> np.ndarray:
    """COCO's uncompressed counts int64: lengths of alternate runs of zeros and ones, zeros first."""
    counts = np.empty(2 * len(runs) + 1, np.int64)
    position = np.int64(0)
    k = 0
    for r in range(len(runs)):
        counts[k] = np.int64(runs[r, 0]) - position
        counts[k + 1] = np.int64(runs[r, 1]) - np.int64(runs[r, 0])
        position = np.int64(runs[r, 1])
        k += 2
    if position < pixels or k == 0:
        counts[k] = pixels - position
        k += 1
    return counts[:k]


@jit
def from_counts(counts: np.ndarray, pixels: int) -> np.ndarray:
    """Runs of uncompressed counts; runs of no length are joined. One row [1, 0] says that the sum is not ``pixels``."""
    runs = np.empty((len(counts) // 2 + 1, 2), np.uint32)
    count = 0
    position = np.int64(0)
    for k in range(len(counts)):
        length = counts[k]
        if length < 0 or length > pixels - position:
            return np.array([[1, 0]], np.uint32)
        if k % 2 and length:
            if count and runs[count - 1, 1] == position:
                runs[count - 1, 1] = position + length
            else:
                runs[count, 0] = position
                runs[count, 1] = position + length
                count += 1
        position += length
    if position != pixels:
        return np.array([[1, 0]], np.uint32)
    return runs[:count].copy()


@jit
def pack(counts: np.ndarray) -> np.ndarray:
    """COCO's compressed string, uint8: 5 bits a character from 48 on, counts from the third on as differences."""
    out = np.empty(13 * len(counts) + 1, np.uint8)
    size = 0
    for i in range(len(counts)):
        x = counts[i]
        if i > 2:
            x -= counts[i - 2]
        more = True
        while more:
            char = x & 0x1F
            x >>= 5
            more = x != -1 if char & 0x10 else x != 0
            out[size] = (char | 0x20 if more else char) + 48
            size += 1
    return out[:size]


@jit
def unpack(data: np.ndarray) -> np.ndarray:
    """Counts int64 of a compressed string; one element -1 says that the string is cut or has a foreign character."""
    counts = np.empty(len(data), np.int64)
    k = 0
    i = 0
    bad = np.full(1, -1, np.int64)
    while i < len(data):
        x = np.int64(0)
        shift = 0
        more = True
        while more:
            if i == len(data) or shift > 55:
                return bad
            char = np.int64(data[i]) - 48
            if char < 0 or char > 63:
                return bad
            x |= (char & 0x1F) << shift
            more = (char & 0x20) != 0
            i += 1
            shift += 5
            if not more and char & 0x10:
                x |= np.int64(-1) << shift
        if k > 2:
            x += counts[k - 2]
        counts[k] = x
        k += 1
    return counts[:k]
