"""Held-out pictures on one page: each as it is, with its truth, with what is found, and as a map of probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kizu.core.instances import Instances
from kizu.synth.sheet import colour, labelled

_SIDE = 224  # pixels of a small picture
_MARGIN, _GAP, _HEAD, _LINE = 20, 6, 34, 24
_PAPER, _INK = (250, 249, 246), (38, 40, 44)
_HEADS = ("picture", "truth", "found (probability 0.5 or more)")


@dataclass(frozen=True)
class Shown:
    """A row: image uint8 (S, S, 3), truth, what is found, and the largest probability of any class, float (h, w)."""

    image: np.ndarray
    truth: Instances
    found: Instances
    any: np.ndarray


def sample_page(rows: Sequence[Shown], names: Sequence[str]) -> np.ndarray:
    """uint8 (H, W, 3): a row a picture, and a legend of the classes that are seen."""
    wide = 2 * _MARGIN + 4 * _SIDE + 3 * _GAP
    used = sorted({int(k) for row in rows for found in (row.truth, row.found) for k in found.labels})
    places, below = _legend([names[k] for k in used], wide - 2 * _MARGIN)
    top = _MARGIN + _HEAD
    foot = top + len(rows) * (_SIDE + _GAP)
    page = Image.new("RGB", (wide, foot + below + _MARGIN), _PAPER)
    draw = ImageDraw.Draw(page)
    # Early in a run all probabilities are small: the scale is that of the page, and its end stands above it.
    most = max((float(row.any.max()) for row in rows), default=1.0)
    for k, text in enumerate([*_HEADS, f"probability of any class, 0 to {most:.2g}"]):
        draw.text((_MARGIN + k * (_SIDE + _GAP), _MARGIN), text, _INK, ImageFont.load_default(15))
    for n, row in enumerate(rows):
        panels = [_enlarged(row.image), *(labelled(row.image, found, _SIDE) for found in (row.truth, row.found))]
        for k, panel in enumerate([*panels, _heat(row.any / max(most, 1e-6))]):
            page.paste(Image.fromarray(panel), (_MARGIN + k * (_SIDE + _GAP), top + n * (_SIDE + _GAP)))
    for label, (x, y) in zip(used, places, strict=True):
        x, y = _MARGIN + x, foot + 6 + y
        draw.rounded_rectangle((x, y + 3, x + 14, y + 17), 3, fill=colour(label))
        draw.text((x + 21, y + 1), names[label].replace("_", " "), _INK, ImageFont.load_default(15))
    return np.asarray(page)


def _legend(names: list[str], room: int) -> tuple[list[tuple[int, int]], int]:
    """Where each entry begins, and the height of all."""
    places, x, y = [], 0, 0
    for name in names:
        wide = 21 + int(ImageFont.load_default(15).getlength(name)) + 24
        if x and x + wide > room:
            x, y = 0, y + _LINE
        places.append((x, y))
        x += wide
    return places, y + _LINE + 6 if names else 0


def _enlarged(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)


def _heat(odds: np.ndarray) -> np.ndarray:
    """Probabilities as colours from black over red to light yellow, the cells left as they are."""
    levels = (odds.clip(0, 1) * 255).round().astype(np.uint8)
    levels = cv2.resize(levels, (_SIDE, _SIDE), interpolation=cv2.INTER_NEAREST)
    return cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[:, :, ::-1]
