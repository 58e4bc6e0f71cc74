"""Soft edges: how much of a pixel a segment covers, and what colour it has where that is only a part.

Everything is in linear light, ``I = alpha F + (1 - alpha) B``, so that a cut segment put back where it was gives the
picture that it was cut from.
"""

from __future__ import annotations

import cv2
import numpy as np

from kizu.core.jit import jit
from kizu.synth.compose.foreground import foreground_colours
from kizu.synth.compose.linear import from_linear, to_linear

EDGE = 0.5  # pixels: deviation of the blur that makes an edge of about a pixel
EROSION = 0.5  # pixels that photographed objects lose, so that no rim of their old ground stays
STEPS = 256  # of alpha; all are whole numbers of float16, so what is stored is what was cut
_REACH = 4  # pixels around an edge that tell the colours on both sides of it
_TRUST = 0.35  # deviation of the label's edge from the true one, in units of alpha
_NOISE = 1e-4  # least deviation of a colour, in linear light
_CRUMB = 0.01  # of the largest piece: what is smaller is no piece of an object


def antialiased(mask: np.ndarray) -> np.ndarray:
    """A mask bool (h, w) with an edge of about a pixel, float32: at least a half exactly where the mask is."""
    alpha = cv2.GaussianBlur(mask.astype(np.float32), (3, 3), EDGE, borderType=cv2.BORDER_REPLICATE)
    return np.where(mask, np.maximum(alpha, 0.5), np.minimum(alpha, 0.5 - 1 / STEPS)).astype(np.float32)


def refined(light: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The edge of an object where the picture has it, float32 (h, w), within a pixel of the mask's.

    In the band of pixels that touch the mask's edge, alpha is the most probable one (Chuang et al., "A Bayesian
    approach to digital matting", CVPR 2001, with the colours given and a prior of alpha)::

        alpha = (d . (I - B) / s^2 + a / t^2) / (d . d / s^2 + 1 / t^2),   d = F - B

    ``F`` and ``B`` are the mean colours of the sure pixels around, ``s`` their deviation, ``a`` the alpha of
    :func:`antialiased`, ``t`` its deviation: where the two sides look alike, the label alone speaks.

    Args:
        light: float32 (h, w, 3), linear.
        mask: bool (h, w).
    """
    inside, square = mask.view(np.uint8), np.ones((3, 3), np.uint8)
    inner = cv2.erode(inside, square, borderType=cv2.BORDER_REPLICATE)
    outer = cv2.dilate(inside, square)
    alpha = antialiased(mask)
    _refine(np.ascontiguousarray(light), inside, inner, outer, alpha)
    return alpha


@jit
def _refine(light, inside, inner, outer, alpha):
    height, width = inside.shape
    mean, spread = np.zeros((2, 3)), np.zeros(2)
    for y in range(height):
        for x in range(width):
            if inner[y, x] or not outer[y, x]:
                continue
            known = True
            # Sure pixels first; where one side has none (a thin object), those of the label.
            for side in range(2):
                for sure in range(2):
                    total, squares = 0.0, 0.0
                    mean[side] = 0.0
                    for v in range(max(y - _REACH, 0), min(y + _REACH + 1, height)):
                        for u in range(max(x - _REACH, 0), min(x + _REACH + 1, width)):
                            if sure == 0:
                                taken = inner[v, u] if side == 0 else 1 - outer[v, u]
                            else:
                                taken = inside[v, u] if side == 0 else 1 - inside[v, u]
                            if not taken:
                                continue
                            weight = np.exp(-((v - y) ** 2 + (u - x) ** 2) / 8.0)
                            total += weight
                            for c in range(3):
                                value = float(light[v, u, c])
                                mean[side, c] += weight * value
                                squares += weight * value * value
                    if total > 0:
                        break
                if total == 0:
                    known = False
                    break
                spread[side] = squares / total
                for c in range(3):
                    mean[side, c] /= total
                    spread[side] -= mean[side, c] ** 2
            if not known:
                continue
            variance = max((spread[0] + spread[1]) / 6, 0.0) + _NOISE * _NOISE
            along, length = 0.0, 0.0
            for c in range(3):
                d = mean[0, c] - mean[1, c]
                along += d * (light[y, x, c] - mean[1, c])
                length += d * d
            prior = variance / (_TRUST * _TRUST)
            value = (along + prior * alpha[y, x]) / (length + prior)
            alpha[y, x] = min(max(value, 0.0), 1.0)


def eroded(alpha: np.ndarray, pixels: float) -> np.ndarray:
    """Alpha whose edge is moved inwards by up to a pixel; as it was where more than half of the object would go."""
    if pixels <= 0:
        return alpha
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    out = (1 - pixels) * alpha + pixels * cv2.erode(alpha, cross, borderType=cv2.BORDER_REPLICATE)
    return out if 2 * np.count_nonzero(out >= 0.5) >= np.count_nonzero(alpha >= 0.5) else alpha


def without_crumbs(alpha: np.ndarray) -> np.ndarray:
    """Alpha without pieces (alpha > 0, eight neighbours) of less than a hundredth of the largest one's pixels."""
    count, pieces, stats, _ = cv2.connectedComponentsWithStats((alpha > 0).view(np.uint8), connectivity=8)
    if count <= 2:
        return alpha
    areas = stats[1:, cv2.CC_STAT_AREA]
    kept = np.concatenate([[True], areas >= _CRUMB * areas.max()])
    return np.where(kept[pieces], alpha, np.float32(0))


def stepped(alpha: np.ndarray) -> np.ndarray:
    """Alpha in steps of 1 / 256, float32; what is below a half stays below it."""
    return (np.floor(alpha * STEPS + 0.5 * (alpha >= 0.5)) / STEPS).astype(np.float32)


def own_colour(picture: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The colours of a segment uint8 (h, w, 3): estimated where alpha is between 0 and 1, the picture's elsewhere."""
    soft = (alpha > 0) & (alpha < 1)
    if not soft.any():
        return picture
    out = picture.copy()
    out[soft] = from_linear(foreground_colours(to_linear(picture), alpha)[soft])
    return out
