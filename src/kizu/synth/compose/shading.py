"""Light without geometry: what is put in takes on the low frequencies of the light at its new place.

A picture is reflectance times shading; shading is what is smooth (Retinex). Only smooth gains are applied, so edges,
texture and masks stay as they are.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np

from kizu.synth.compose.linear import LUMINANCE

_FIELD = 64  # pixels of the longer side at which shading is estimated
_LEAST, _MOST = 0.5, 2.0  # gains
_FINE = 2.5  # pixels of deviation that a wide blur is made with
_NONE = 1e-6
_DARK = 2e-3  # light below which a pixel tells nothing of its shading


def smooth(values: np.ndarray, weight: np.ndarray, sigma: float) -> np.ndarray:
    """Normalised convolution: the mean of ``values`` float32 (h, w[, C]) around each pixel, by ``weight`` (h, w).

    Far from any weight it goes over into the mean of all (Knutsson and Westin, 1993).
    """
    deep, weight = values.ndim == 3, weight.astype(np.float32)
    top = values * (weight[:, :, None] if deep else weight)
    total = float(weight.sum())
    mean = top.sum((0, 1)) / total if total else values.mean((0, 1))
    few = np.float32(1e-3)
    top = cv2.GaussianBlur(top, (0, 0), sigma).reshape(values.shape)
    bottom = cv2.GaussianBlur(weight, (0, 0), sigma)
    return ((top + few * mean) / ((bottom[:, :, None] if deep else bottom) + few)).astype(np.float32)


def field(light: np.ndarray, part: np.ndarray | None = None) -> np.ndarray:
    """Log shading of a picture, float32 (h, w) of at most 64 pixels a side, 0 in the mean of the part.

    Args:
        light: float32 (H, W, 3), linear.
        part: bool (H, W), the pixels that tell it; dark and saturated ones never do.
    """
    scale = min(_FIELD / max(light.shape[:2]), 1.0)
    size = (max(round(light.shape[1] * scale), 1), max(round(light.shape[0] * scale), 1))
    bright = cv2.resize(light, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], -1) @ LUMINANCE
    weight = ((bright > _DARK) & (bright < 0.97)).astype(np.float32)
    if part is not None:
        weight *= cv2.resize(part.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    if weight.sum() < 4:
        weight = np.ones_like(weight)
    shading = np.log(np.maximum(bright, _DARK)).astype(np.float32)
    out = smooth(shading, weight, _FIELD / 16)
    return out - np.float32((out * weight).sum() / weight.sum())


def at(shading: np.ndarray, size: tuple[int, int], box: tuple[int, int, int, int]) -> np.ndarray:
    """Gain float32 (h, w) of a field in a box XYXY of a frame of ``size`` (H, W)."""
    x0, y0, x1, y1 = box
    across, down = shading.shape[1] / size[1], shading.shape[0] / size[0]
    columns = (np.arange(x0, x1, dtype=np.float32) + 0.5) * across - 0.5
    rows = (np.arange(y0, y1, dtype=np.float32) + 0.5) * down - 0.5
    columns, rows = np.meshgrid(columns, rows)
    return np.exp(cv2.remap(shading, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def as_object(
    paste: np.ndarray, alpha: np.ndarray, base: np.ndarray, shading: np.ndarray, way: dict[str, Any]
) -> np.ndarray:
    """The light of an object under the light of the scene.

    Args:
        paste: float32 (h, w, 3), linear light of the object.
        alpha: float32 (h, w), where it is.
        base: float32 (h, w, 3), linear light of the picture in its box.
        shading: float32 (h, w), gain of the scene's light in its box, 1 in the mean of the frame.
        way: ``scene``: exponent on the scene's shading; ``own``: share of the object's own that is taken out;
            ``exposure``: gain; ``tint``: share of the surroundings' colour, 0 where colour tells the class.
    """
    inside = alpha >= 0.5
    gain = shading ** np.float32(way.get("scene", 0.75))
    own = way.get("own", 0.0)
    if own and inside.any():
        scale = min(_FIELD / 2 / max(alpha.shape), 1.0)
        size = max(round(alpha.shape[1] * scale), 2), max(round(alpha.shape[0] * scale), 2)
        bright = cv2.resize(paste, size, interpolation=cv2.INTER_AREA) @ LUMINANCE
        cover = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
        low = np.log(np.maximum(bright, _DARK)).astype(np.float32)
        low = smooth(low, cover > 0.9, max(0.35 * math.sqrt(float(cover.sum())), 1.0))
        level = float((low * cover).sum()) / max(float(cover.sum()), _NONE)
        gain = gain * cv2.resize(np.exp(own * (level - low)), alpha.shape[::-1], interpolation=cv2.INTER_LINEAR)
    gain = np.clip(gain * way.get("exposure", 1.0), _LEAST, _MOST)[:, :, None].astype(np.float32)
    tint = way.get("tint", 0.0)
    if tint and inside.any():
        colour = base.mean((0, 1)) / max(float(base.mean()), 1e-4)
        gain = gain * (1 + np.float32(tint) * (colour - 1))
    return paste * gain


def as_defect(paste: np.ndarray, beside: np.ndarray, base: np.ndarray, way: dict[str, Any]) -> np.ndarray:
    """The light of a defect on another surface: as much darker or lighter than what lies beside it as it was.

    Args:
        paste: float32 (h, w, 3), linear light of the defect and of what lay around it.
        beside: bool (h, w), pixels of ``paste`` that are surface without defect.
        base: float32 (h, w, 3), linear light of the picture.
        way: ``scene``: share of the difference in light that is made good, 1 = all of it; ``strength``: of the defect
            against the surface, 1 = as it was.
    """
    if not beside.any():
        return paste
    # Nothing fine is left after so wide a blur, so that it may be made of few pixels.
    size, sigma = beside.shape, max(0.25 * float(max(beside.shape)), 1.0)
    coarse = max(sigma / _FINE, 1.0)
    small = tuple(max(round(side / coarse), min(side, 4)) for side in size[::-1])
    weight = beside.astype(np.float32)
    here, there, weight = (
        cv2.resize(v, small, interpolation=cv2.INTER_AREA) for v in (base, paste * weight[:, :, None], weight)
    )
    sigma *= small[0] / size[1]
    here = smooth(here, np.ones(small[::-1], np.float32), sigma)
    there = smooth(there / np.maximum(weight, _NONE)[:, :, None], weight, sigma)
    gain = np.clip(np.maximum(here, _DARK) / np.maximum(there, _DARK), 0.2, 5.0) ** np.float32(way.get("scene", 1.0))
    out = paste * cv2.resize(gain, size[::-1], interpolation=cv2.INTER_CUBIC)
    strength = np.float32(way.get("strength", 1.0))
    if strength != 1:
        here = cv2.resize(here, size[::-1], interpolation=cv2.INTER_CUBIC)
        out = here + strength * (out - here)
    return out
