"""The contact sheet: pictures of a data set on one page, each beside itself with its labels drawn."""

from __future__ import annotations

import colorsys
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError
from kizu.core.files import write_bytes
from kizu.core.instances import Instances
from kizu.core.sample import Sample
from kizu.synth.statistics import NOT_DEFECTS

# Okabe and Ito, "Color Universal Design" (2008), ordered so that neighbours differ most on grey metal.
_COLOURS = ((230, 159, 0), (86, 180, 233), (213, 94, 0), (0, 158, 115), (204, 121, 167), (240, 228, 66), (0, 114, 178))
_PAPER, _INK, _SOFT = (250, 249, 246), (38, 40, 44), (120, 122, 126)
_LARGEST, _SMALLEST = 216, 48  # longer side of a small picture
_MARGIN, _GAP, _SLIT = 28, 14, 3  # pixels around the page, between pairs, within a pair
_CLASSES = 40  # in the legend; of more, the most frequent half as many
_FINE = 4  # bits of a pixel's fraction in OpenCV's drawing


@dataclass
class _Shot:
    """A picture at the size of the sheet and its labels: everything else is forgotten, however large it was."""

    image: np.ndarray
    instances: Instances
    scale: float


def contact_sheet(
    dataset: Dataset,
    path: Path | str,
    count: int = 24,
    columns: int = 4,
    title: str = "",
    side: int | None = None,
    most: int = 1_450_000,
) -> Path:
    """Write a PNG of less than 1.5 MB: pairs of a picture and the same with its labels.

    Masks are tinted and outlined in the colour of their class; whatever carries other instances, or is no defect as
    ``dataset.info["not_defects"]`` says, has a thin outline only. A legend names the classes that are seen.

    Args:
        count: pictures, evenly spread over the data set.
        columns: pairs in a row.
        title: the head line; by default that of the data set.
        side: pixels of the longer side of each small picture; None: as large as the file's size allows.
        most: bytes of the file, where ``side`` is None.

    Returns:
        the path.

    Raises:
        KizuError: an empty data set, numbers that make no sense, or the file system refuses.
        DataError: a picture cannot be read.
    """
    if count < 1 or columns < 1 or (side is not None and not 16 <= side <= 1024):
        raise KizuError(
            f"a sheet of {count} pictures in {columns} columns of {side} pixels; take 1 or more, 16 to 1024"
        )
    if not len(dataset):
        raise KizuError("the data set is empty: there is nothing to draw a sheet of; add pictures")
    total = len(dataset)
    count = min(count, total)
    chosen = [k * (total - 1) // max(count - 1, 1) for k in range(count)]
    shots = [_shot(dataset[i], side or _LARGEST) for i in chosen]
    plain = _plain_classes(shots, dataset)
    used = Counter(int(k) for shot in shots for k in shot.instances.labels)
    title = title or str(dataset.info.get("title") or "")
    now = side or _LARGEST
    while True:
        page = _page(shots, now, min(columns, count), title, dataset.names, used, plain)
        data = _encode(page, [colour(label) for label in used], most)
        if len(data) <= most or side is not None or now <= _SMALLEST:
            break
        # The size of the file goes with the number of pixels; one more try is nearly always enough.
        now = max(int(min(0.95, 0.98 * np.sqrt(most / len(data))) * now), _SMALLEST)
    write_bytes(path, data)
    return Path(path)


def _shot(sample: Sample, side: int) -> _Shot:
    image = sample.image
    scale = side / max(image.shape[:2])
    if scale < 1:
        size = [max(round(v * scale), 1) for v in image.shape[1::-1]]
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return _Shot(image, sample.instances, max(image.shape[:2]) / max(sample.size))


def _plain_classes(shots: list[_Shot], dataset: Dataset) -> set[int]:
    """Classes that are drawn thinly: those that carry others, unless all do or classes are nested in one another."""
    out = {k for k, name in enumerate(dataset.names) if name in dataset.info.get(NOT_DEFECTS, ())}
    carry, carried = set(), set()
    for shot in shots:
        labels, parents = shot.instances.labels, shot.instances.parents
        carry |= set(labels[parents[parents >= 0]].tolist())
        carried |= set(labels[parents >= 0].tolist())
    if not carry & carried:
        out |= carry
    used = {int(k) for shot in shots for k in shot.instances.labels}
    return out if used - out else set()


def colour(label: int) -> tuple[int, int, int]:
    """RGB of class number ``label``: seven that colour-blind readers can tell apart, then others around the circle."""
    if label < len(_COLOURS):
        return _COLOURS[label]
    hue = 0.07 + (label - len(_COLOURS)) * 0.6180339887498949
    light, full = (0.62, 0.75) if label % 2 else (0.45, 0.85)
    return tuple(round(255 * v) for v in colorsys.hls_to_rgb(hue % 1.0, light, full))


def labelled(image: np.ndarray, found: Instances, side: int) -> np.ndarray:
    """A picture uint8 (H, W, 3) at ``side`` pixels of its longer side, with instances drawn as on a sheet."""
    shot = _Shot(image, found, 1.0)
    size = [max(round(v * side / max(image.shape[:2])), 1) for v in image.shape[:2]]
    return _marked(_resized(image, size), shot, set())


# --- the page -----------------------------------------------------------------------------------------------------


def _page(
    shots: list[_Shot], side: int, columns: int, title: str, names: tuple[str, ...], used: Counter, plain: set[int]
) -> Image.Image:
    shapes = np.array([shot.image.shape[:2] for shot in shots], float)
    fitted = shapes * (side / shapes.max(1, keepdims=True))
    tall, wide = (max(int(np.ceil(v)), 8) for v in fitted.max(0))
    width = 2 * _MARGIN + columns * (2 * wide + _SLIT) + (columns - 1) * _GAP
    rows = -(-len(shots) // columns)
    head = 44 if title else 0
    entries, foot = _legend(names, used, width - 2 * _MARGIN)
    top = _MARGIN + head
    below = top + rows * (tall + _GAP)
    page = Image.new("RGB", (width, below + foot + _MARGIN - (0 if entries else _GAP)), _PAPER)
    draw = ImageDraw.Draw(page)
    if title:
        _title(draw, title, width - 2 * _MARGIN)
    for n, shot in enumerate(shots):
        x = _MARGIN + n % columns * (2 * wide + _SLIT + _GAP)
        y = top + n // columns * (tall + _GAP)
        size = [max(round(v), 1) for v in fitted[n]]
        small = _resized(shot.image, size)
        marked = _marked(small, shot, plain)
        # The two halves of a pair meet in its middle, so that odd shapes stay together.
        page.paste(Image.fromarray(small), (x + wide - size[1], y + (tall - size[0]) // 2))
        page.paste(Image.fromarray(marked), (x + wide + _SLIT, y + (tall - size[0]) // 2))
    for text, label, x, y in entries:
        box = (_MARGIN + x, below + y + 3, _MARGIN + x + 14, below + y + 17)
        if label is None:
            draw.text((_MARGIN + x, below + y + 1), text, _SOFT, _font(15))
            continue
        if label in plain:
            draw.rounded_rectangle(box, 3, outline=colour(label), width=2)
        else:
            draw.rounded_rectangle(box, 3, fill=colour(label))
        draw.text((_MARGIN + x + 21, below + y + 1), text, _INK, _font(15))
    return page


def _title(draw: ImageDraw.ImageDraw, title: str, room: int) -> None:
    size = 22
    while size > 12 and _font(size).getlength(title) > room:
        size -= 1
    while len(title) > 8 and _font(size).getlength(title) > room:
        title = title[:-4].rstrip() + "..."
    draw.text((_MARGIN, _MARGIN - 4 + (22 - size) // 2), title, _INK, _font(size))


def _legend(names: tuple[str, ...], used: Counter, room: int) -> tuple[list[tuple[str, int | None, int, int]], int]:
    """Text, label (None: of many classes, how many are left out) and place of each entry, and the height of all."""
    entries, x, y = [], 0, 0
    shown = sorted(used) if len(used) <= _CLASSES else sorted(label for label, _ in used.most_common(_CLASSES // 2))
    for label in [*shown, *([None] if len(shown) < len(used) else [])]:
        if label is None:
            text, mark = f"and {len(used) - len(shown)} more classes", 0
        else:
            name = names[label] if label < len(names) else f"class {label}"
            text, mark = f"{name.replace('_', ' ')}  {used[label]}", 21
        wide = mark + int(_font(15).getlength(text)) + 26
        if x and x + wide > room:
            x, y = 0, y + 25
        entries.append((text, label, x, y))
        x += wide
    return entries, y + 25 if entries else 0


def _font(size: int) -> ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _resized(image: np.ndarray, size: list[int]) -> np.ndarray:
    if tuple(size) == image.shape[:2]:
        return image
    how = cv2.INTER_AREA if size[0] < image.shape[0] else cv2.INTER_CUBIC
    return cv2.resize(image, (size[1], size[0]), interpolation=how)


def _marked(small: np.ndarray, shot: _Shot, plain: set[int]) -> np.ndarray:
    """The picture, a little paler, with its labels."""
    out = np.clip(small.astype(np.float32) * 0.8 + 26, 0, 255).astype(np.uint8)
    found = shot.instances
    scale = shot.scale * max(small.shape[:2]) / max(shot.image.shape[:2])
    order = np.argsort([label not in plain for label in found.labels.tolist()], kind="stable")  # defects on top
    for i in order.tolist():
        shade, thin = colour(int(found.labels[i])), int(found.labels[i]) in plain
        rings = _rings(found, i, scale)
        if not thin:
            tint = out.copy()
            cv2.fillPoly(tint, rings, shade, cv2.LINE_AA, _FINE)
            out = cv2.addWeighted(tint, 0.45, out, 0.55, 0)
            cv2.polylines(out, rings, True, tuple(v // 4 for v in shade), 2, cv2.LINE_AA, _FINE)
        cv2.polylines(out, rings, True, shade, 1, cv2.LINE_AA, _FINE)
    return out


def _rings(found: Instances, i: int, scale: float) -> list[np.ndarray]:
    """Outlines of an instance in the small picture, holes included, in OpenCV's fractions of a pixel."""
    mask, (x, y) = found.masks.crop(i) if found.masks is not None else (np.zeros((0, 0), bool), (0, 0))
    if mask.any():
        grown = (
            np.kron(mask.view(np.uint8), np.ones((2, 2), np.uint8)) if max(mask.shape) < 400 else mask.view(np.uint8)
        )
        factor = grown.shape[0] / mask.shape[0]
        contours, _ = cv2.findContours(np.ascontiguousarray(grown), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        rings = [(ring[:, 0] + 0.5) / factor + (x, y) for ring in contours]
    else:
        x0, y0, x1, y1 = found.boxes[i].tolist()
        rings = [np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])]
    # OpenCV counts from the middle of the first pixel.
    return [np.round((ring * scale - 0.5) * (1 << _FINE)).astype(np.int32)[:, None] for ring in rings]


def _encode(page: Image.Image, colours: list[tuple[int, int, int]], most: int) -> bytes:
    """PNG in full colour where that is small enough, else in the 256 colours that suit best."""
    data = _png(page)
    if len(data) <= most or not colours:
        return data if len(data) <= most else _png(page.quantize(256, Image.Quantize.MEDIANCUT))
    # The colours of the labels fill little of the page: what they look like on the pictures is shown to the choice
    # of colours once more, or they would come out alike.
    shares = np.array([1.0, 0.7, 0.45])[:, None, None, None]
    greys = np.linspace(30, 230, 9)[None, None, :, None]
    mixed = shares * np.array(colours)[None, :, None, :] + (1 - shares) * greys
    small = np.asarray(page)[::3, ::3].reshape(-1, 3)
    repeated = np.repeat(mixed.reshape(-1, 3), max(len(small) // (mixed.size // 3) // 2, 1), 0)
    shown = np.concatenate([small, repeated.astype(np.uint8)])
    palette = Image.fromarray(shown[None]).quantize(256, Image.Quantize.MEDIANCUT)
    return _png(page.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG))


def _png(page: Image.Image) -> bytes:
    out = io.BytesIO()
    page.save(out, "PNG", compress_level=9 if page.mode == "P" else 6)
    return out.getvalue()
