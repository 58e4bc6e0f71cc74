"""Light with geometry: an object is taken as inflated from its outline, lit from one side, and throws a shadow."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np

_SIDE = 64  # pixels of the longer side that smooth gains are made of
_SOFT = 1.5  # pixels that a shadow's edge is wide, where it is made of fewer pixels


def inflated(alpha: np.ndarray, light: dict[str, Any]) -> np.ndarray:
    """Gain float32 (h, w) of directional light on an object, 1 in its mean.

    Height is the root of the distance to the outline; with its normals n, S = a + (1 - a) max(0, n.l) (Lambert).

    Args:
        alpha: float32 (h, w), coverage.
        light: of the scene: ``angle`` that the light comes from in the frame (radians; 0 = from the right, y down),
            ``height`` above the plane (radians), ``ambient`` share, ``relief`` of the objects.
    """
    depth = light.get("relief", 0.0)
    if not depth or not (alpha >= 0.5).any():
        return np.ones(alpha.shape, np.float32)
    # The gain is smooth, so that it may be made of few pixels.
    scale = min(_SIDE / max(alpha.shape), 1.0)
    size = max(round(alpha.shape[1] * scale), 2), max(round(alpha.shape[0] * scale), 2)
    cover = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
    inside = (cover >= 0.5).astype(np.uint8)
    if not inside.any():
        return np.ones(alpha.shape, np.float32)
    rise = np.sqrt(cv2.distanceTransform(inside, cv2.DIST_L2, 3))
    reach = float(rise.max())
    rise = cv2.GaussianBlur(rise, (0, 0), max(0.15 * reach * reach, 0.8)) * np.float32(depth * reach / scale)
    gx, gy = cv2.Sobel(rise, cv2.CV_32F, 1, 0, scale=0.125), cv2.Sobel(rise, cv2.CV_32F, 0, 1, scale=0.125)
    flat, up = math.cos(light["height"]), math.sin(light["height"])
    toward = -gx * math.cos(light["angle"]) - gy * math.sin(light["angle"])
    cosine = (toward * flat + up) / np.sqrt(1 + gx * gx + gy * gy)
    ambient = light.get("ambient", 0.5)
    shade = (ambient + (1 - ambient) * np.maximum(cosine, 0)).astype(np.float32)
    shade /= max(float(shade[inside > 0].mean()), 1e-3)
    return shade if scale == 1 else cv2.resize(shade, alpha.shape[::-1], interpolation=cv2.INTER_LINEAR)


def reach(light: dict[str, Any], extent: float) -> int:
    """Pixels that the shadow of an object of ``extent`` pixels goes beyond its outline."""
    if not light.get("shadow"):
        return 0
    return math.ceil(_throw(light, extent) + 3 * _softness(light, extent)) + 1


def shadowed(base: np.ndarray, alpha: np.ndarray, light: dict[str, Any], extent: float) -> np.ndarray:
    """The picture in the shadow of an object that is about to be put on it.

    A contact shadow around the outline and a cast one away from the light: B' = B (1 - s (1 - a) M (1 - alpha)).

    Args:
        base: float32 (h, w, 3), linear light, of a box that is larger than the object by :func:`reach`.
        alpha: float32 (h, w), coverage of the object.
        light: as for :func:`inflated`; ``shadow`` is its strength s, ``thickness`` the object's in units of its extent.
        extent: side of the object in pixels.
    """
    strength = light.get("shadow", 0.0) * (1 - light.get("ambient", 0.5))
    if strength <= 0:
        return base
    throw, soft = _throw(light, extent), _softness(light, extent)
    # As soft as it is, it may be made of few pixels.
    scale = min(max(_SOFT / soft, _SIDE / max(alpha.shape)), 1.0)
    size = max(round(alpha.shape[1] * scale), 2), max(round(alpha.shape[0] * scale), 2)
    cover = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
    way = -scale * throw * math.cos(light["angle"]), -scale * throw * math.sin(light["angle"])
    cast = cv2.warpAffine(cover, np.float32([[1, 0, way[0]], [0, 1, way[1]]]), size, flags=cv2.INTER_LINEAR)
    cast = cv2.GaussianBlur(cast, (0, 0), max(scale * soft, 0.5))
    contact = cv2.GaussianBlur(cover, (0, 0), max(scale * max(soft, 1.0), 0.5))
    shade = cv2.resize(np.maximum(cast, 0.6 * contact), alpha.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return base * (1 - np.float32(strength) * shade * (1 - alpha))[:, :, None]


def _throw(light: dict[str, Any], extent: float) -> float:
    """Length of the cast shadow, pixels: thickness / tan(height)."""
    return min(light.get("thickness", 0.05) * extent / max(math.tan(light["height"]), 0.2), 0.5 * extent)


def _softness(light: dict[str, Any], extent: float) -> float:
    return max(0.4 * light.get("thickness", 0.05) * extent, 0.8)
