"""Light without geometry: what is put in takes on the low frequencies of the light at its new place.

A picture is reflectance times shading; shading is what is smooth (Retinex). Only smooth gains are applied, so edges,
texture and masks stay as they are.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np

from kizu.core.jit import jit
from kizu.synth.compose.linear import LUMINANCE

_FIELD = 64  # pixels of the longer side at which shading is estimated
_LEAST, _MOST = 0.5, 2.0  # gains
_SIDE = 64  # pixels of the longer side that smooth gains are made of
_ENOUGH = 128  # pixels of a side that are looked at for what is smooth
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


def at(
    shading: np.ndarray, size: tuple[int, int], box: tuple[int, int, int, int], shape: tuple[int, int]
) -> np.ndarray:  # fmt: skip
    """Gain of a field in a box XYXY of a frame of ``size`` (H, W), float32 of ``shape``: as fine as is wanted."""
    places = []
    for k in range(2):
        low, high, step = box[1 - k], box[3 - k], shading.shape[k] / size[k]
        middles = low + (np.arange(shape[k], dtype=np.float32) + 0.5) * np.float32((high - low) / shape[k])
        places.append(middles * np.float32(step) - np.float32(0.5))
    rows, columns = np.repeat(places[0][:, None], shape[1], 1), np.repeat(places[1][None], shape[0], 0)
    return np.exp(cv2.remap(shading, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def coarse(alpha: np.ndarray) -> np.ndarray:
    """Coverage of at most 64 pixels a side: what smooth gains are made from."""
    scale = _SIDE / max(alpha.shape)
    if scale >= 1:
        return alpha
    size = max(round(alpha.shape[1] * scale), 2), max(round(alpha.shape[0] * scale), 2)
    return cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)


def as_object(
    paste: np.ndarray, cover: np.ndarray, base: np.ndarray, shading: np.ndarray, way: dict[str, Any],
    relief: np.ndarray | float = 1.0,
) -> np.ndarray:  # fmt: skip
    """The light of an object under the light of the scene.

    Args:
        paste: float32 (h, w, 3), linear light of the object.
        cover: float32 (p, q), where it is in its box, see :func:`coarse`.
        base: float32 (h, w, 3), linear light of the picture in its box.
        shading: float32 (p, q), gain of the scene's light in its box, 1 in the mean of the frame.
        way: ``scene``: exponent on the scene's shading; ``own``: share of the object's own that is taken out;
            ``exposure``: gain; ``tint``: share of the surroundings' colour, 0 where colour tells the class.
        relief: float32 (p, q), gain of its form.
    """
    inside = bool((cover >= 0.5).any())
    gain = shading ** np.float32(way.get("scene", 0.75))
    own = way.get("own", 0.0)
    if own and inside:
        scale = min(_FIELD / 2 / max(cover.shape), 1.0)
        size = max(round(cover.shape[1] * scale), 2), max(round(cover.shape[0] * scale), 2)
        down, across = (max(side // _ENOUGH, 1) for side in paste.shape[:2])
        few = np.ascontiguousarray(paste[::down, ::across])
        bright = cv2.resize(few, size, interpolation=cv2.INTER_AREA) @ LUMINANCE
        less = cv2.resize(cover, size, interpolation=cv2.INTER_AREA)
        low = np.log(np.maximum(bright, _DARK)).astype(np.float32)
        low = smooth(low, less > 0.9, max(0.35 * math.sqrt(float(less.sum())), 1.0))
        level = float((low * less).sum()) / max(float(less.sum()), _NONE)
        gain = gain * cv2.resize(np.exp(own * (level - low)), cover.shape[::-1], interpolation=cv2.INTER_LINEAR)
    gain = np.minimum(np.maximum(gain * way.get("exposure", 1.0), _LEAST), _MOST) * relief
    if cover.shape != paste.shape[:2]:
        gain = cv2.resize(gain, paste.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    colour, tint = np.ones(3, np.float32), way.get("tint", 0.0)
    if tint and inside:
        colour += np.float32(tint) * (base.mean((0, 1)) / max(float(base.mean()), 1e-4) - 1)
    out = np.empty_like(paste)
    _times(paste, np.ascontiguousarray(gain, np.float32), colour, out)
    return out


@jit
def _times(light, gain, colour, out):
    for i in range(light.shape[0]):
        for j in range(light.shape[1]):
            for c in range(3):
                out[i, j, c] = light[i, j, c] * (gain[i, j] * colour[c])


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
