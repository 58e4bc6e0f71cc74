"""Plain backgrounds: what of a picture is not the colour of its border."""

from __future__ import annotations

import cv2
import numpy as np

BORDER = 0.04  # of the shorter side, at least 2 pixels: what is taken for background
REACH = 4.0  # deviations from the background's colour from which a pixel is something else,
LEAST = 6.0  # and at least so many units of CIELAB (2.3 are just noticeable)
PLAIN = 6.0  # median distance of the border's pixels from its colour, below which the background is plain


def _border(lab: np.ndarray) -> np.ndarray:
    """Pixels (N, 3) of the four sides."""
    wide = max(round(BORDER * min(lab.shape[:2])), 2)
    sides = (lab[:wide], lab[-wide:], lab[wide:-wide, :wide], lab[wide:-wide, -wide:])
    return np.concatenate([side.reshape(-1, 3) for side in sides])


def _lab(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(np.ascontiguousarray(image).astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


def _ground(lab: np.ndarray) -> tuple[np.ndarray, float]:
    """Median colour of the border, and the median distance of its pixels from it."""
    pixels = _border(lab)
    middle = np.median(pixels, 0)
    return middle, float(np.median(np.linalg.norm(pixels - middle, axis=1)))


def is_plain(image: np.ndarray) -> bool:
    """Whether the border of a picture uint8 (H, W, 3) has one colour, by the median of its pixels."""
    return _ground(_lab(image))[1] < PLAIN


def distance(image: np.ndarray) -> np.ndarray:
    """How far each pixel is from the colour of the border, float32 (H, W): above 1 it is something else.

    Distance in CIELAB by ``max(4 s, 6)``, where ``s`` is the median distance of the border's own pixels.
    """
    lab = _lab(image)
    middle, spread = _ground(lab)
    return (np.linalg.norm(lab - middle, axis=2) / max(REACH * spread, LEAST)).astype(np.float32)


def foreground(image: np.ndarray) -> np.ndarray:
    """What stands on a plain background, bool (H, W): the largest piece that differs from it, holes filled.

    All False where nothing differs.
    """
    away = cv2.morphologyEx((distance(image) > 1).view(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    contours, _ = cv2.findContours(away, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    out = np.zeros(away.shape, np.uint8)
    if contours:
        cv2.drawContours(out, [max(contours, key=cv2.contourArea)], -1, 1, cv2.FILLED)
    return out.view(bool)
