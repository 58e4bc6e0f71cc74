"""Light with geometry: an object is taken as inflated from its outline, lit from one side, and throws a shadow."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np

from kizu.core.jit import jit

_SIDE = 64  # pixels of the longer side that a shadow is made of at least
_SOFT = 1.5  # pixels that a shadow's edge is wide, where it is made of fewer pixels


def inflated(cover: np.ndarray, light: dict[str, Any], scale: float = 1.0) -> np.ndarray:
    """Gain float32 (h, w) of directional light on an object, 1 in its mean.

    Height is the root of the distance to the outline; with its normals n, S = a + (1 - a) max(0, n.l) (Lambert).

    Args:
        cover: float32 (h, w), coverage; as smooth as the gain is, it may be made of few pixels.
        light: of the scene: ``angle`` that the light comes from in the frame (radians; 0 = from the right, y down),
            ``height`` above the plane (radians), ``ambient`` share, ``relief`` of the objects.
        scale: pixels of ``cover`` a pixel of the frame.
    """
    depth = light.get("relief", 0.0)
    inside = (cover >= 0.5).view(np.uint8)
    if not depth or not inside.any():
        return np.ones(cover.shape, np.float32)
    rise = np.sqrt(cv2.distanceTransform(inside, cv2.DIST_L2, 3))
    reach = float(rise.max())
    rise = cv2.GaussianBlur(rise, (0, 0), max(0.15 * reach * reach, 0.8)) * np.float32(depth * reach / scale)
    flat, up, ambient = math.cos(light["height"]), math.sin(light["height"]), light.get("ambient", 0.5)
    out = np.empty(cover.shape, np.float32)
    toward = flat * math.cos(light["angle"]), flat * math.sin(light["angle"]), up
    _lambert(rise, inside, *(np.float32(v) for v in (*toward, ambient)), out)
    return out


@jit
def _lambert(rise, inside, x, y, z, ambient, out):
    """Light on a surface of this height, by Sobel's slopes, in units of its mean inside."""
    height, width = rise.shape
    one, eighth = np.float32(1.0), np.float32(0.125)
    total, count = 0.0, 0
    for i in range(height):
        a, b = (i - 1 if i else min(1, height - 1)), (i + 1 if i < height - 1 else max(height - 2, 0))
        for j in range(width):
            p, q = (j - 1 if j else min(1, width - 1)), (j + 1 if j < width - 1 else max(width - 2, 0))
            east = rise[a, q] + 2 * rise[i, q] + rise[b, q]
            west = rise[a, p] + 2 * rise[i, p] + rise[b, p]
            north = rise[a, p] + 2 * rise[a, j] + rise[a, q]
            south = rise[b, p] + 2 * rise[b, j] + rise[b, q]
            gx, gy = (east - west) * eighth, (south - north) * eighth
            cosine = (z - gx * x - gy * y) / np.sqrt(one + gx * gx + gy * gy)
            shade = ambient + (one - ambient) * max(cosine, np.float32(0.0))
            out[i, j] = shade
            if inside[i, j]:
                total += shade
                count += 1
    unit = np.float32(1 / max(total / max(count, 1), 1e-3))
    for i in range(height):
        for j in range(width):
            out[i, j] *= unit


def reach(light: dict[str, Any], extent: float) -> tuple[int, int, int, int]:
    """Pixels that the shadow of an object of ``extent`` pixels goes beyond it: left, above, right and below."""
    if not _strength(light) > 0:
        return 0, 0, 0, 0
    throw, around = _throw(light, extent), 3 * max(_softness(light, extent), 1.0) + 1
    x, y = throw * math.cos(light["angle"]), throw * math.sin(light["angle"])
    left, above, right, below = (math.ceil(around + max(far, 0.0)) for far in (x, y, -x, -y))
    return left, above, right, below


def shadow(
    base: np.ndarray, alpha: np.ndarray, light: dict[str, Any], extent: float, at: tuple[int, int] = (0, 0)
) -> None:
    """Throw the shadow of an object that is about to be put there on a picture, in place.

    A contact shadow around the outline and a cast one away from the light: B' = B (1 - s (1 - a) M (1 - alpha)).

    Args:
        base: float32 (H, W, 3), linear light, of a box that is larger than the object by :func:`reach`.
        alpha: float32 (h, w), coverage of the object.
        light: as for :func:`inflated`; ``shadow`` is its strength s, ``thickness`` the object's in units of its extent.
        extent: side of the object in pixels.
        at: (x, y) of the corner of ``alpha`` in ``base``.
    """
    strength = _strength(light)
    if strength <= 0:
        return
    throw, soft = _throw(light, extent), _softness(light, extent)
    # As soft as it is, it may be made of few pixels.
    scale = min(max(_SOFT / soft, _SIDE / max(base.shape[:2])), 1.0)
    size, own = _scaled(base.shape[:2], scale), _scaled(alpha.shape, scale)
    cover = alpha if scale == 1 else cv2.resize(alpha, own[::-1], interpolation=cv2.INTER_AREA)
    # Pixel centres of the coverage among those of the box.
    step = [size[k] / base.shape[k] * alpha.shape[k] / own[k] for k in range(2)]
    start = [(at[1 - k] + 0.5 * alpha.shape[k] / own[k]) * size[k] / base.shape[k] - 0.5 for k in range(2)]

    def put(values: np.ndarray, step: list[float], start: list[float]) -> np.ndarray:
        turn = np.float64([[step[1], 0, start[1]], [0, step[0], start[0]]])
        return cv2.warpAffine(values, turn, size[::-1], flags=cv2.INTER_LINEAR)

    way = -scale * throw * math.sin(light["angle"]), -scale * throw * math.cos(light["angle"])
    near, far = max(scale * max(soft, 1.0), 0.5), max(scale * soft, 0.5)
    contact = cv2.GaussianBlur(put(cover, step, start), (0, 0), near)
    if near == far:
        cast = put(contact, [1.0, 1.0], list(way))
    else:
        cast = cv2.GaussianBlur(put(cover, step, [start[k] + way[k] for k in range(2)]), (0, 0), far)
    shade = np.maximum(cast, 0.6 * contact)
    if scale < 1:
        shade = cv2.resize(shade, base.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    _darken(base, np.float32(strength) * shade, alpha, at[0], at[1])


@jit
def _darken(base, shade, alpha, x, y):
    height, width = alpha.shape
    one = np.float32(1.0)
    for i in range(base.shape[0]):
        for j in range(base.shape[1]):
            part = shade[i, j]
            if y <= i < y + height and x <= j < x + width:
                part *= one - alpha[i - y, j - x]
            if part > 0:
                for c in range(3):
                    base[i, j, c] *= one - part


def _scaled(shape: tuple[int, int], scale: float) -> tuple[int, int]:
    return max(round(shape[0] * scale), 2), max(round(shape[1] * scale), 2)


def _strength(light: dict[str, Any]) -> float:
    return light.get("shadow", 0.0) * (1 - light.get("ambient", 0.5))


def _throw(light: dict[str, Any], extent: float) -> float:
    """Length of the cast shadow, pixels: thickness / tan(height)."""
    return min(light.get("thickness", 0.05) * extent / max(math.tan(light["height"]), 0.2), 0.5 * extent)


def _softness(light: dict[str, Any], extent: float) -> float:
    return max(0.4 * light.get("thickness", 0.05) * extent, 0.8)
