"""Run-length kernels. A mask is a list of half-open runs ``[start, end)`` of pixels counted down the columns.

Pixel (y, x) of an H x W frame has the position ``x * H + y`` (the order of COCO's code). Runs are sorted, disjoint and
never touch, so that each mask has exactly one code.
"""

import numpy as np

from kizu.core.jit import jit

_BLOCK = 64  # pixels compared at a time; where none differs from the one above, nothing more is done


@jit
def _changes(raster: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the pixels of a row-major raster (H, W) differ from those above, column by column.

    Masks are smooth, so that almost all pixels equal the one above: the raster is read along its rows, a block at a
    time, and only the few changes are brought into the order of columns.

    Returns:
        rows int32 (K,), ascending in each column, and starts int64 (W + 1): those of column x are
        ``rows[starts[x]:starts[x + 1]]``.
    """
    height, width = raster.shape
    found = np.empty(8 * width + 64, np.int64)  # row << 32 | column
    total = 0
    for y in range(1, height):
        if total + width + _BLOCK > len(found):
            larger = np.empty(2 * len(found) + width, np.int64)
            larger[:total] = found[:total]
            found = larger
        row, above = raster[y], raster[y - 1]
        for x0 in range(0, width, _BLOCK):
            here, over = row[x0 : x0 + _BLOCK], above[x0 : x0 + _BLOCK]
            differ = raster.dtype.type(0)
            for x in range(len(here)):
                differ |= here[x] ^ over[x]
            if differ:
                for x in range(len(here)):
                    found[total] = (y << 32) | (x0 + x)  # kept if the total goes up; a branch would cost more
                    total += here[x] != over[x]
    starts = np.zeros(width + 1, np.int64)
    for k in range(total):
        starts[(found[k] & 0xFFFFFFFF) + 1] += 1
    starts = np.cumsum(starts)
    place = starts[:-1].copy()
    rows = np.empty(total, np.int32)
    for k in range(total):
        x = found[k] & 0xFFFFFFFF
        rows[place[x]] = found[k] >> 32
        place[x] += 1
    return rows, starts


@jit
def encode_crop(crop: np.ndarray, left: int, top: int, height: int) -> np.ndarray:
    """Runs ``uint32 (R, 2)`` of a mask of which a crop is given.

    Args:
        crop: uint8 (h, w) of zeros and ones, row-major; all of the mask lies in it.
        left, top: where its corner lies in the frame.
        height: of the frame.
    """
    tall, wide = crop.shape
    if tall == 0 or wide == 0:
        return np.empty((0, 2), np.uint32)
    rows, starts = _changes(crop)
    runs = np.empty((len(rows) // 2 + wide, 2), np.uint32)
    count = 0
    for x in range(wide):
        base = (left + x) * height + top
        start = base
        inside = crop[0, x] != 0
        for k in range(starts[x], starts[x + 1] + 1):
            if k == starts[x + 1]:
                if not inside:
                    break
                position = base + tall
            else:
                position = base + rows[k]
            if inside:
                if count and runs[count - 1, 1] == start:  # goes on from the foot of the last column
                    runs[count - 1, 1] = position
                else:
                    runs[count, 0] = start
                    runs[count, 1] = position
                    count += 1
            start = position
            inside = not inside
    return runs[:count].copy()


@jit
def encode_cover(alpha: np.ndarray, left: int, top: int, height: int) -> np.ndarray:
    """The same of float32 (h, w), row-major: a mask is what is covered to at least a half."""
    crop = np.empty(alpha.shape, np.uint8)
    for y in range(alpha.shape[0]):
        row, here = crop[y], alpha[y]
        for x in range(len(row)):
            row[x] = here[x] >= np.float32(0.5)
    return encode_crop(crop, left, top, height)


@jit
def label_changes(raster: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An id raster (H, W), row-major and not empty, as stretches of one id.

    Returns:
        positions int64 (K,) where a stretch begins, the first being 0, and its id (K,) of the raster's type.
    """
    height, width = raster.shape
    rows, starts = _changes(raster)
    positions = np.empty(len(rows) + width, np.int64)
    values = np.empty(len(rows) + width, raster.dtype)
    count = 0
    for x in range(width):
        value = raster[0, x]
        if count == 0 or values[count - 1] != value:
            positions[count] = x * height
            values[count] = value
            count += 1
        for k in range(starts[x], starts[x + 1]):
            positions[count] = x * height + rows[k]
            values[count] = raster[rows[k], x]
            count += 1
    return positions[:count], values[:count]


@jit
def encode_labels(
    positions: np.ndarray, values: np.ndarray, slots: np.ndarray, count: int, pixels: int
) -> tuple[np.ndarray, np.ndarray]:
    """All masks of an id raster.

    Args:
        positions: int64 (K,), the beginnings of :func:`label_changes`.
        values: int64 (K,), the ids there, 0 .. len(slots) - 1.
        slots: int32, the mask number of each id, or -1.
        count: number of masks.
        pixels: of the frame.

    Returns:
        runs uint32 (R, 2) grouped by mask, offsets int64 (count + 1).
    """
    offsets = np.zeros(count + 1, np.int64)
    for k in range(len(values)):
        offsets[slots[values[k]] + 1] += 1  # offsets[0] counts what belongs to no mask
    offsets[0] = 0
    offsets = np.cumsum(offsets)
    runs = np.empty((offsets[-1], 2), np.uint32)
    place = offsets[:-1].copy()
    for k in range(len(values)):
        slot = slots[values[k]]
        if slot >= 0:
            runs[place[slot], 0] = positions[k]
            runs[place[slot], 1] = positions[k + 1] if k + 1 < len(values) else pixels
            place[slot] += 1
    return runs, offsets


@jit
def decode(runs: np.ndarray, height: int, box: np.ndarray, left: int, top: int, out: np.ndarray) -> None:
    """Set the pixels of one mask in ``out``, uint8 and zero inside the box.

    The ends of each run are marked, then every row is the row above with its marks turned over.

    Args:
        height: of the frame.
        box: int (4,), XYXY, holds all runs.
        left, top: ``out`` is row-major and its corner is pixel (top, left) of the frame.
    """
    bottom = np.int64(box[3])
    for r in range(len(runs)):
        position, end = np.int64(runs[r, 0]), np.int64(runs[r, 1])
        x = position // height
        while position < end:
            foot = (x + 1) * height
            stop = min(end, foot)
            out[position - x * height - top, x - left] ^= 1
            if stop - x * height < bottom:
                out[stop - x * height - top, x - left] ^= 1
            position = stop
            x += 1
    first, last = box[0] - left, box[2] - left
    for y in range(box[1] - top + 1, bottom - top):
        row, above = out[y, first:last], out[y - 1, first:last]
        for x in range(len(row)):
            row[x] ^= above[x]


@jit
def join(runs: np.ndarray) -> np.ndarray:
    """The runs of all masks together as those of one mask: sorted, disjoint, never touching."""
    order = np.argsort(runs[:, 0])
    out = np.empty_like(runs)
    count = 0
    for k in order:
        if count and runs[k, 0] <= out[count - 1, 1]:
            out[count - 1, 1] = max(out[count - 1, 1], runs[k, 1])
        else:
            out[count] = runs[k]
            count += 1
    return out[:count].copy()


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
        top, bottom, area = height, 0, 0
        head = -height  # position of the column's first pixel
        for r in range(first, last):
            start, end = np.int64(runs[r, 0]), np.int64(runs[r, 1])
            area += end - start
            if start >= head + height:
                head = start // height * height  # a division is dear: one a column
            if end > head + height:
                top, bottom = 0, height
            else:
                top = min(top, start - head)
                bottom = max(bottom, end - head)
        areas[i] = area
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
def pack(runs: np.ndarray, offsets: np.ndarray, pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """COCO's compressed strings: 5 bits a character from 48 on, counts from the third on as differences.

    Returns:
        the strings of all masks one after the other, uint8, and where each ends, int64 (N + 1) with a 0 before.
    """
    ends = np.zeros(len(offsets), np.int64)
    out = np.empty(7 * (2 * len(runs) + len(offsets)), np.uint8)  # a count of 32 bits and its sign take 7 characters
    size = 0
    for i in range(len(offsets) - 1):
        counts = to_counts(runs[offsets[i] : offsets[i + 1]], pixels)
        for k in range(len(counts)):
            x = counts[k]
            if k > 2:
                x -= counts[k - 2]
            more = True
            while more:
                char = x & 0x1F
                x >>= 5
                more = x != -1 if char & 0x10 else x != 0
                out[size] = (char | 0x20 if more else char) + 48
                size += 1
        ends[i + 1] = size
    return out[:size], ends


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


@jit
def unpack_all(data: np.ndarray, ends: np.ndarray, pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """The inverse of :func:`pack`: runs and offsets. Offsets of a single element say that a string is broken."""
    runs = np.empty((len(data) // 2 + len(ends), 2), np.uint32)
    offsets = np.zeros(len(ends), np.int64)
    for i in range(len(ends) - 1):
        own = from_counts(unpack(data[ends[i] : ends[i + 1]]), pixels)
        if len(own) and own[0, 1] < own[0, 0]:
            return runs[:0], offsets[:1]
        for r in range(len(own)):
            runs[offsets[i] + r, 0] = own[r, 0]
            runs[offsets[i] + r, 1] = own[r, 1]
        offsets[i + 1] = offsets[i] + len(own)
    return runs[: offsets[-1]].copy(), offsets
