"""Turned rectangles of the same picture with other colours: what CutPaste and its scars are made of."""

from __future__ import annotations

import cv2
import numpy as np

from kizu.synth.compose.flaws.spot import Spot, near
from kizu.synth.compose.ground import Change, Ground
from kizu.synth.formula.noise import fractal

_MARGIN = 5
_TORN = 0.2  # deviation of the outline, in units of the shorter side
_OPACITY = (0.45, 1.0)
_KEPT = 0.85  # of the noise, where a piece was turned: reading between pixels smooths it


def pasted(
    ground: Ground, at: tuple[float, float], length: float, width: float, angle: float, jitter: tuple[float, float],
    random: np.random.Generator,
) -> Change | None:  # fmt: skip
    """A rectangle of another place of the picture.

    Args:
        length, width: pixels, along x and y before it is turned.
        angle: radians.
        jitter: range of the change of the logarithm of its light; its contrast and colours change by half of that.

    Returns:
        None as for ``Spot.lay``.
    """
    c, s = abs(np.cos(angle)), abs(np.sin(angle))
    shape = tuple(int(np.ceil(n)) + 2 * _MARGIN for n in (length * s + width * c, length * c + width * s))
    spot = Spot(ground, at, shape)
    if not spot.light.size:
        return None
    blur = spot.blur()
    # A straight outline is the mark of scissors: most have a torn one.
    torn = np.float32(random.uniform(0, _TORN) * min(length, width))
    outline = _rectangle(shape, length, width, angle) + torn * fractal(shape, max(min(length, width), 3.0), random)
    alpha = spot.cut(np.clip(outline / (2 * blur) + np.float32(0.5), 0, 1))
    planned = alpha >= 0.5
    # The piece is read at the same turn: its lines lie the other way.
    h, w = alpha.shape
    x0, y0, x1, y1 = near(ground.light, spot, tuple(int(np.ceil(np.hypot(h, w))) for _ in range(2)), random)
    inverse = cv2.invertAffineTransform(cv2.getRotationMatrix2D((w / 2, h / 2), np.degrees(angle), 1.0))
    inverse[:, 2] += (x1 - x0 - w) / 2, (y1 - y0 - h) / 2
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    piece = cv2.warpAffine(ground.light[y0:y1, x0:x1], inverse, (w, h), flags=flags, borderMode=cv2.BORDER_REFLECT)
    tone = spot.swing(*jitter, random)
    mean = piece.reshape(-1, 3).mean(0)
    tint = np.zeros(3) if spot.grey else random.normal(0, 0.25 * abs(tone), 3)
    contrast = np.exp(random.normal(0, 0.5 * abs(tone)))
    # The picture's shading goes on beneath it; where it was taken from is seen by its structure.
    piece = 1 + np.float32(contrast) * (piece / np.maximum(mean, np.float32(1e-4)) - 1)
    look = spot.mean * np.exp(tone + tint).astype(np.float32) * piece
    opacity = random.uniform(*_OPACITY)
    return spot.lay(look, np.float32(opacity) * alpha, planned, length * width, _KEPT, random)


def _rectangle(shape: tuple[int, int], length: float, width: float, angle: float) -> np.ndarray:
    """float32 (h, w): about the distance to the outline, positive inside."""
    y = (np.arange(shape[0], dtype=np.float32) + np.float32(0.5 - shape[0] / 2))[:, None]
    x = (np.arange(shape[1], dtype=np.float32) + np.float32(0.5 - shape[1] / 2))[None]
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    along, across = np.abs(x * c + y * s), np.abs(y * c - x * s)
    return np.minimum(np.float32(length / 2) - along, np.float32(width / 2) - across)
