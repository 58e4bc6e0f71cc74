"""Shadows and edges of parts: cast shadows, contact shadows, rounded rims."""

from __future__ import annotations

import math

import cv2
import numpy as np

from kizu.core.jit import jit
from kizu.synth.formula.layers import Layers
from kizu.synth.formula.light import AROUND, Rig
from kizu.synth.formula.raster import Cover

_LONGEST = 3.0  # shadows of grazing lights in units of the lift: longer ones would leave their parts
_WIDEST = 16  # pixels of a bevel that are drawn at full resolution


def cast(layers: Layers, cover: Cover, lift: float, rig: Rig) -> None:
    """Dim ``layers.shadow``, in place, where a part that lies ``lift`` pixels above a surface keeps the main light off.

    Call it before the part is laid on, with the layers of what lies beneath. The shadow falls away from the main light,
    softer the higher the part lies and the larger the light is; lights all around the lens make a soft one all around.
    """
    if not cover.alpha.size or lift <= 0:
        return
    main = rig.main
    share = main.intensity / sum(light.intensity for light in rig.lights)
    if main.kind in AROUND:
        open_share = {"coaxial": 0.15, "ring": 0.5}.get(main.kind, 0.8)
        _darken(layers, cover, (0.0, 0.0), 0.5 + 0.6 * lift, share * open_share)
        return
    height, width = layers.size
    toward = main.vector
    if main.distance != math.inf:
        half = 0.5 * min(height, width)
        middle = np.array([cover.x + 0.5 * cover.alpha.shape[1], cover.y + 0.5 * cover.alpha.shape[0]])
        toward = toward * main.distance - np.append((middle - 0.5 * np.array([width, height])) / half, 0.0)
    run = toward[:2] / max(toward[2], 1e-3)
    length = float(np.hypot(*run))
    run = run * min(1.0, _LONGEST / max(length, 1e-6)) * -lift
    _darken(layers, cover, (float(run[0]), float(run[1])), 0.5 + lift * main.width, share)


def rim(layers: Layers, cover: Cover, width: float, strength: float) -> None:
    """Dim ``layers.shadow`` around a part, where it touches what it lies on, in place.

    Args:
        width: pixels from the outline to where nearly nothing is left.
        strength: 0..1, share of the light that is lost at the outline (where the coverage, blurred, is a half).
    """
    if cover.alpha.size and width > 0:
        _darken(layers, cover, (0.0, 0.0), 0.5 * width, 2 * strength, limit=strength)


def _darken(
    layers: Layers, cover: Cover, shift: tuple[float, float], sigma: float, strength: float, limit: float = 1.0
) -> None:
    """Multiply the shadow by 1 - strength * (shifted and blurred coverage), no darker than 1 - limit."""
    height, width = layers.size
    margin = math.ceil(2.5 * sigma) + 1
    rows, columns = cover.alpha.shape
    x0 = max(math.floor(cover.x + shift[0]) - margin, 0)
    y0 = max(math.floor(cover.y + shift[1]) - margin, 0)
    x1 = min(math.ceil(cover.x + columns + shift[0]) + margin, width)
    y1 = min(math.ceil(cover.y + rows + shift[1]) + margin, height)
    if x1 <= x0 or y1 <= y0:
        return
    # Wide blurs are as good on fewer pixels. What a truncated part has beyond the frame casts no shadow into it.
    factor = max(int(sigma / 2), 1)
    size = (math.ceil((x1 - x0) / factor), math.ceil((y1 - y0) / factor))
    source = cover.alpha
    if factor > 1:
        source = cv2.resize(source, (max(columns // factor, 1), max(rows // factor, 1)), interpolation=cv2.INTER_AREA)
    stretch = np.array([columns / source.shape[1], rows / source.shape[0]])
    # Pixel centres: frame x = cover.x + shift + (u + 0.5) * stretch and = x0 + (v + 0.5) * factor.
    matrix = np.zeros((2, 3))
    matrix[0, 0], matrix[1, 1] = stretch / factor
    offset = np.array([cover.x + shift[0] - x0, cover.y + shift[1] - y0])
    matrix[:, 2] = (offset + 0.5 * stretch) / factor - 0.5
    dark = cv2.warpAffine(source, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    dark = cv2.GaussianBlur(dark, (0, 0), sigma / factor, borderType=cv2.BORDER_REPLICATE)
    if factor > 1:
        dark = cv2.resize(dark, (size[0] * factor, size[1] * factor), interpolation=cv2.INTER_LINEAR)
        dark = dark[: y1 - y0, : x1 - x0]
    dark *= np.float32(-strength)
    if limit < 1:
        np.maximum(dark, np.float32(-limit), out=dark)
    dark += np.float32(1.0)
    layers.shadow[y0:y1, x0:x1] *= dark


def bevel(cover: Cover, width: float) -> np.ndarray:
    """Height profile float32 (h, w) of a rounded edge: 0 at the outline, a quarter circle, 1 from ``width`` inside on.

    Where a truncated part is cut by the frame it has no edge.
    """
    alpha = cover.alpha
    if not alpha.size:
        return np.zeros_like(alpha)
    factor = int(width / _WIDEST) + 1
    if factor > 1 and min(alpha.shape) >= 4 * factor:  # a wide edge is as good on fewer pixels
        size = (-(-alpha.shape[1] // factor), -(-alpha.shape[0] // factor))
        small = Cover(0, 0, cv2.resize(alpha, size, interpolation=cv2.INTER_AREA), cover.truncated)
        out = cv2.resize(bevel(small, width / factor), alpha.shape[::-1], interpolation=cv2.INTER_LINEAR)
        return out * (alpha >= 0.5)
    around = np.pad(alpha, 1)
    if cover.truncated:
        # The frame cuts the box where its border line is wholly covered somewhere: a float outline ends within a pixel.
        sides = [int(line.max() >= 1) for line in (alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1])]
        kept = around[1 - sides[0] : len(around) - 1 + sides[1], :]
        inner = np.pad(alpha, ((sides[0], sides[1]), (sides[2], sides[3])), "edge")
        kept[:, 1 - sides[2] : around.shape[1] - 1 + sides[3]] = inner
    reach = math.ceil(width + 1)
    far = np.hypot(*np.mgrid[-reach : reach + 1, -reach : reach + 1]).astype(np.float32)
    profile = _bevel(around, far, np.float32(max(width, 0.5)))
    return cv2.GaussianBlur(profile, (3, 3), 0.6, borderType=cv2.BORDER_REPLICATE)


@jit
def _bevel(around, far, width):
    """From coverage with a border of one pixel. Pixels just outside the shape give their distances to those near."""
    rows, columns = around.shape[0] - 2, around.shape[1] - 2
    reach = far.shape[0] // 2
    half, one = np.float32(0.5), np.float32(1.0)
    out = np.full((rows, columns), width, np.float32)
    for i in range(rows + 2):
        for j in range(columns + 2):
            if around[i, j] >= half:
                continue
            beside = False
            for k in range(max(i - 1, 0), min(i + 2, rows + 2)):
                for m in range(max(j - 1, 0), min(j + 2, columns + 2)):
                    beside |= around[k, m] >= half
            if not beside:
                continue
            # Distances are between pixel centres. The outline lies within this pixel: its coverage says where.
            more = around[i, j] - half
            left, right = max(j - 1 - reach, 0), min(j + reach, columns)
            for k in range(max(i - 1 - reach, 0), min(i + reach, rows)):
                line = out[k, left:right]
                away = far[k - i + 1 + reach, left - j + 1 + reach : right - j + 1 + reach]
                for m in range(len(line)):
                    line[m] = min(line[m], away[m] + more)
    for i in range(rows):
        for j in range(columns):
            rest = one - max(out[i, j], np.float32(0.0)) / width
            out[i, j] = np.sqrt(one - rest * rest) if around[i + 1, j + 1] >= half else np.float32(0.0)
    return out
