"""Where the part is in a picture, and where its light comes from: guesses that say so when they are unsure."""

from __future__ import annotations

import cv2
import numpy as np

from kizu.synth.compose.linear import LUMINANCE, to_linear

_SIDE = 128  # pixels of the longer side on which the part is looked for
_COLOUR = 10.0  # L*a*b* distance up to which a pixel may belong to an even background
_EVEN = 3.0  # largest mean distance within it
_RING = 0.2  # share of the frame's border that a background takes at least
_SHARES = (0.03, 0.85)  # of the frame, that a background takes: what is smaller may be a flaw of a surface
_SHARP = 10.0  # L*a*b* step over its edge
_RAGGED = 0.2  # pixels that smoothing changes, by those of the outline: stains are ragged, parts are not


def part_mask(image: np.ndarray) -> np.ndarray:
    """bool (H, W): the part's pixels.

    An even background that touches the border of the frame, ends at a sharp step and leaves one compact thing is left
    out; all of the frame is the part where there is none.

    Args:
        image: uint8 (H, W, 3) RGB.
    """
    height, width = image.shape[:2]
    scale = min(_SIDE / max(height, width), 1.0)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    part = None if min(size) < 8 else _part(cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB))
    if part is None:
        return np.ones((height, width), bool)
    soft = cv2.resize(part.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return soft > 0.5


def _part(lab: np.ndarray) -> np.ndarray | None:
    """bool (h, w), or None where there is no background to be sure of."""
    ring = np.zeros(lab.shape[:2], bool)
    ring[[0, -1]] = ring[:, [0, -1]] = True
    colours = lab[ring]
    # The colour that most of the border is close to.
    near = (((colours[:, None] - colours[None, ::4]) ** 2).sum(2) < (_COLOUR / 2) ** 2).sum(0)
    centre = colours[::4][np.argmax(near)]
    close = np.sqrt(((lab - centre) ** 2).sum(2)) < _COLOUR
    _, pieces = cv2.connectedComponents(close.astype(np.uint8), connectivity=4)
    behind = close & np.isin(pieces, np.unique(pieces[ring & close]))
    share = behind.mean()
    if not _SHARES[0] <= share <= _SHARES[1] or behind[ring].mean() < _RING:
        return None
    if np.abs(lab[behind] - lab[behind].mean(0)).sum(1).mean() > _EVEN:
        return None
    # Even pixels that lie inside the part are holes of the guess, not of the part.
    count, pieces, figures, _ = cv2.connectedComponentsWithStats((~behind).astype(np.uint8), connectivity=8)
    areas = figures[1:, cv2.CC_STAT_AREA]
    if count < 2 or areas.max() < 0.85 * areas.sum():
        return None
    part = pieces == 1 + int(np.argmax(areas))
    edge = cv2.dilate(part.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool) & ~part
    inner = part & ~cv2.erode(part.astype(np.uint8), np.ones((5, 5), np.uint8), borderValue=1).astype(bool)
    if not edge.any() or not inner.any():
        return None
    smooth = cv2.medianBlur(part.astype(np.uint8), 5) > 0
    if np.count_nonzero(smooth != part) > _RAGGED * np.count_nonzero(edge):
        return None
    step = np.linalg.norm(np.median(lab[inner], 0) - np.median(lab[edge], 0))
    return part if step >= _SHARP else None


def sun(image: np.ndarray) -> tuple[float, float, float]:
    """Direction that the light comes from and its ambient share, as ``Ground.sun``.

    The side to which the picture grows brighter is taken for that of the lamp, the more so the more it does, and where
    the relief is lit across the same axis (the axis along which brightness changes most; Pentland, 1982). Without
    either the light comes straight from above, and nearly all of it is ambient.

    Args:
        image: uint8 (H, W, 3) RGB.
    """
    height, width = image.shape[:2]
    if min(height, width) < 8:
        return 0.0, 0.0, 0.9
    scale = min(64 / max(height, width), 1.0)
    size = max(round(width * scale), 2), max(round(height * scale), 2)
    small = to_linear(cv2.resize(image, size, interpolation=cv2.INTER_AREA)) @ LUMINANCE
    tone = np.log(np.maximum(small, 0.003))
    y, x = (np.linspace(-0.5, 0.5, n, dtype=np.float32) for n in tone.shape)
    # Least squares of a plane over a full rectangle: the axes are independent.
    slope = np.array([(tone.mean(0) @ x) / (x @ x), (tone.mean(1) @ y) / (y @ y)])
    rise = float(np.hypot(*slope))
    if rise < 0.05:
        return 0.0, 0.0, 0.9
    direction = slope / rise
    dy, dx = np.gradient(tone)
    across = dx * direction[0] + dy * direction[1]
    relief = float((across**2).mean() / max((dx**2 + dy**2).mean(), 1e-9))  # 0.5 where it has no axis
    sure = min(rise / 1.2, 1.0) * min(relief + 0.5, 1.0)
    length = 0.8 * sure**0.5
    return float(direction[0] * length), float(direction[1] * length), float(0.9 - 0.5 * sure)
