"""The contact sheet of a bank: segments on a checkered ground, so that their edges and their margins can be seen."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kizu.core.files import write_bytes
from kizu.core.images import encode_image
from kizu.core.run import Skips
from kizu.synth.compose.bank import Bank
from kizu.synth.compose.linear import from_linear, to_linear
from kizu.synth.compose.segment import Segment

_CELL, _LINE, _GAP, _SQUARE = 132, 18, 10, 11  # pixels: a segment, its caption, between cells, of the checkers
_PAPER, _INK = (250, 249, 246), (70, 72, 76)
_LIGHT, _DARK = (214, 228, 214), (120, 150, 128)  # green: hardly any product is
_LARGEST = 4  # times that a small segment is enlarged


def on_checkers(segment: Segment, side: int) -> np.ndarray:
    """A segment without its margin on a checkered ground, uint8 (side, side, 3), mixed in linear light."""
    x0, y0, x1, y1 = segment.box
    pad = max(round(0.06 * max(x1 - x0, y1 - y0)), 2)
    height, width = segment.alpha.shape
    y0, x0, y1, x1 = max(y0 - pad, 0), max(x0 - pad, 0), min(y1 + pad, height), min(x1 + pad, width)
    light, alpha = to_linear(segment.colour[y0:y1, x0:x1]), segment.alpha[y0:y1, x0:x1, None]
    scale = min(side / max(y1 - y0, x1 - x0, 1), _LARGEST)
    size = (max(round((x1 - x0) * scale), 1), max(round((y1 - y0) * scale), 1))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    over = cv2.resize(np.concatenate([light * alpha, alpha], 2), size, interpolation=how)
    steps = np.arange(side) // _SQUARE % 2
    ground = to_linear(np.array([_LIGHT, _DARK], np.uint8)[steps[:, None] ^ steps])
    top, left = (side - size[1]) // 2, (side - size[0]) // 2
    part = ground[top : top + size[1], left : left + size[0]]
    part *= 1 - over[..., 3:]
    part += over[..., :3]
    return from_linear(ground)


def bank_sheet(bank: Bank, path: Path | str, count: int = 60, columns: int = 10) -> Path:
    """Write a PNG of segments that are spread evenly over the bank and its classes; damaged ones are left out.

    Raises:
        KizuError: the file system refuses.
    """
    chosen = _spread(bank.table["label"], count)
    skips, cells = Skips(), []
    for row in chosen.tolist():
        with skips.item(str(row)):
            segment = bank.segment(row)
            flags = [name[0] for name in ("truncated", "blurred", "tiny", "hidden") if segment.record.get(name)]
            cells.append((on_checkers(segment, _CELL), " ".join([segment.label.replace("_", " "), *flags])))
    columns = max(min(columns, len(cells)), 1)
    rows = -(-len(cells) // columns)
    step_x, step_y = _CELL + _GAP, _CELL + _LINE + _GAP
    page = Image.new("RGB", (columns * step_x + _GAP, max(rows, 1) * step_y + _GAP), _PAPER)
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(12)
    for n, (cell, text) in enumerate(cells):
        x, y = _GAP + n % columns * step_x, _GAP + n // columns * step_y
        page.paste(Image.fromarray(cell), (x, y))
        while len(text) > 4 and font.getlength(text) > _CELL:
            text = text[:-4] + "..."
        draw.text((x, y + _CELL + 2), text, _INK, font)
    write_bytes(path, encode_image(np.asarray(page), ".png"))
    return Path(path)


def _spread(labels: np.ndarray, count: int) -> np.ndarray:
    """Numbers of at most ``count`` segments: the classes take turns, each gives its own evenly."""
    if not len(labels):
        return np.zeros(0, int)
    names = np.unique(labels)
    share = -(-count // len(names))
    out = []
    for name in names:
        own = np.flatnonzero(labels == name)
        out.append(own[np.unique(np.linspace(0, len(own) - 1, min(share, len(own))).astype(int))])
    turns = [own[k] for k in range(share) for own in out if k < len(own)]
    return np.sort(np.array(turns[:count]))
