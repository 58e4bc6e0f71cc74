"""Gates: figures that tell whether a relit picture still shows what its labels say, and where they end."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np

from kizu.core.masks import Masks

# Spec of each gate: name -> (limit, whether the value has to be at least the limit; else at most).
GATES = {
    "finite": (1.0, True),
    "brightness": (0.02, True),
    "colour": (12.0, False),
    "gradients": (0.9, True),
    "edges": (0.8, True),
    "background": (0.0, False),
}
_STRONG = 40.0  # upper threshold of Canny on the logarithm of light, see :func:`edges`; the lower is 0.4 of it
_NEAR = 2  # pixels that an edge may lie beside its counterpart


def finite(relit: np.ndarray) -> float:
    """Share of values of a picture (any float array) that are numbers."""
    return float(np.isfinite(relit).mean())


def brightness(relit: np.ndarray) -> float:
    """The brightest hundredth of a picture (H, W, 3), values 0..1, begins here: a generator's refusals are black."""
    return float(np.percentile(relit, 99))


def colour(before: np.ndarray, after: np.ndarray, masks: Masks) -> float:
    """Mean difference of colour of the object that changed most: Euclidean distance in CIELAB (Delta E of 1976)."""
    worst = 0.0
    for i in np.flatnonzero(masks.area):
        mask, (x, y) = masks.crop(int(i))
        box = np.s_[y : y + mask.shape[0], x : x + mask.shape[1]]
        first, second = (
            cv2.cvtColor(image[box][mask][None].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
            for image in (before, after)
        )
        worst = max(worst, float(np.linalg.norm(first - second, axis=-1).mean()))
    return worst


def gradients(before: np.ndarray, after: np.ndarray, inside: np.ndarray) -> float:
    """Correlation of the two pictures' grey gradients (Sobel, both directions) within ``inside``, -1..1.

    1 where both are flat, 0 where only one is.
    """

    def slopes(image: np.ndarray) -> np.ndarray:
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        return np.concatenate([cv2.Sobel(grey, cv2.CV_32F, 1, 0)[inside], cv2.Sobel(grey, cv2.CV_32F, 0, 1)[inside]])

    first, second = slopes(before).astype(np.float64), slopes(after).astype(np.float64)
    strength = (first @ first) * (second @ second)
    if strength == 0:
        return float(not first.any() and not second.any())
    return float(first @ second / np.sqrt(strength))


def edges(before: np.ndarray, after: np.ndarray, inside: np.ndarray) -> float:
    """Intersection over union of the two pictures' edges within ``inside``, 0..1; 1 where neither has any.

    Edges are Canny's, of the logarithm of the light: there another light is an even shift, so that the thresholds mean
    the same in both pictures. An edge that has a counterpart within two pixels is shared; the counterpart may be half
    as strong, or every edge at the threshold would be lost by chance.
    """
    strong = [_canny(image, _STRONG) & inside for image in (before, after)]
    near = np.ones((2 * _NEAR + 1, 2 * _NEAR + 1), np.uint8)
    weak = [cv2.dilate(_canny(image, _STRONG / 2), near) for image in (before, after)]
    shared = ((strong[0] & weak[1]).sum() + (strong[1] & weak[0]).sum()) / 2
    union = strong[0].sum() + strong[1].sum() - shared
    return float(shared / union) if union else 1.0


def _canny(image: np.ndarray, strong: float) -> np.ndarray:
    """Edges as uint8 (H, W), 0 or 1."""
    grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), 1.0)
    tone = np.log1p(grey / 8) * (255 / math.log1p(255 / 8))  # nearly straight below 8: noise of black is no edge
    slopes = [np.rint(cv2.Sobel(tone, cv2.CV_32F, *axes)).astype(np.int16) for axes in ((1, 0), (0, 1))]
    return cv2.Canny(*slopes, strong / 2.5, strong) // 255


def background(before: np.ndarray, after: np.ndarray, outside: np.ndarray) -> float:
    """Largest change of a value (0..255) within ``outside``: what is beside the objects and their margins."""
    if not outside.any():
        return 0.0
    return float(cv2.absdiff(before, after)[outside].max())


def judge(values: dict[str, float]) -> dict[str, dict[str, Any]]:
    """Each value with its limit and whether it passed; names are those of :data:`GATES`. JSON-able."""
    out = {}
    for name, value in values.items():
        limit, least = GATES[name]
        out[name] = {"value": round(value, 4), "limit": limit, "passed": value >= limit if least else value <= limit}
    return out


def reason(gates: dict[str, dict[str, Any]]) -> str:
    """One sentence that names what did not pass, "" where all did; of what :func:`judge` returned."""
    failed = [
        f"{name} {gate['value']:g} ({'at least' if GATES[name][1] else 'at most'} {gate['limit']:g})"
        for name, gate in gates.items()
        if not gate["passed"]
    ]
    return f"not passed: {', '.join(failed)}" if failed else ""
