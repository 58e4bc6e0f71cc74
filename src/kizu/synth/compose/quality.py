"""What is known of a segment in figures, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import cv2
import numpy as np

from kizu.core.errors import KizuError
from kizu.synth.appearance import noise_level
from kizu.synth.compose.linear import LUMINANCE, to_linear
from kizu.synth.compose.segment import DEFECT, OBJECT
from kizu.synth.contrast import QUANTISATION
from kizu.synth.elongation import of_moments

FLAGS = ("truncated", "blurred", "tiny", "hidden")
BLURRED = 2.5  # pixels: an object whose edges and texture are softer than such a Gaussian blur is blurred
TINY = {OBJECT: 64, DEFECT: 9}  # pixels of the mask, below which a segment is tiny
HIDDEN = 0.02  # of the whole, from which something that lies over it has taken too much
GRID = 8  # cells a side of the shading field
_DARK = 1e-3  # linear light, below which a logarithm tells nothing
_STRUCTURE = 3.0  # gradients whose energy is so many times that of noise tell how sharp they are
_SMOOTH = 1.0  # pixels: without a blur, noise would hide how soft an edge is
_GROW = 2  # pixels: edges are seen from both sides


def usable(record: Mapping[str, Any], refuse: Collection[str] = FLAGS) -> bool:
    """Whether a record has none of the flags.

    Raises:
        KizuError: a flag that there is not.
    """
    if unknown := sorted(set(refuse) - set(FLAGS)):
        raise KizuError(f"unknown flag {unknown[0]!r}; a segment may be {', '.join(FLAGS)}")
    return not any(record.get(flag, False) for flag in refuse)


def noise_of(grey: np.ndarray) -> float:
    """Deviation of the noise of a picture uint8 (H, W), in grey levels; that of rounding at least."""
    return max(noise_level(grey), QUANTISATION) if min(grey.shape) > 2 else QUANTISATION


def form(mask: np.ndarray) -> dict[str, Any]:
    """``area`` pixels, ``width``, ``height`` of the box, ``orientation``, ``elongation`` of a mask bool (h, w).

    The orientation is that of the longer principal axis, degrees in [0, 180) from the x axis towards the y axis, which
    points down; the elongation is length / breadth >= 1, see :mod:`kizu.synth.elongation`.
    """
    inside = mask.view(np.uint8)
    _, _, width, height = cv2.boundingRect(inside)
    m = cv2.moments(inside, binaryImage=True)
    area = m["m00"]
    if not area:
        return {"area": 0, "width": 0, "height": 0, "orientation": 0.0, "elongation": 1.0}
    xx, yy, xy = m["mu20"] / area + 1 / 12, m["mu02"] / area + 1 / 12, m["mu11"] / area
    turn = round(np.degrees(np.arctan2(2 * xy, xx - yy)) / 2 % 180, 2) % 180
    long = float(of_moments(np.float64(xx), np.float64(yy), np.float64(xy)))
    return {"area": round(area), "width": width, "height": height, "orientation": turn, "elongation": round(long, 3)}


def focus(grey: np.ndarray, mask: np.ndarray, noise: float) -> dict[str, Any]:
    """``sharpness`` and ``softness`` of what is in a mask and up to 2 pixels around it.

    Sharpness is the energy of the Laplacian ``[0 1 0; 1 -4 1; 0 1 0]`` in units of what noise has of it:
    ``mean(L^2) / (20 s^2)``, 1 where there is nothing but noise. Softness is the deviation, in pixels, of the Gaussian
    blur that would make edges so soft: across a step of height A blurred by s the energies of the gradient and of the
    Laplacian are ``A^2 / (2 s sqrt(pi))`` and ``A^2 / (4 s^3 sqrt(pi))``, so ``s = sqrt(G / (2 L))``, both without the
    share of noise and after a blur of one pixel, which is taken off again. None where gradients do not stand out from
    noise.

    Args:
        grey: float32 (h, w), grey levels.
        mask: bool (h, w).
        noise: deviation, grey levels.
    """
    square = np.ones((2 * _GROW + 1, 2 * _GROW + 1), np.uint8)
    seen = cv2.dilate(mask.view(np.uint8), square) > 0
    curved = cv2.Laplacian(grey, cv2.CV_32F, borderType=cv2.BORDER_REFLECT_101)[seen]
    energy = float(np.mean(curved**2))
    slope, bend = (float(np.mean(values[seen])) for values in _energies(grey))
    softness = None
    if slope > (1 + _STRUCTURE) * _NOISE_SLOPE * noise**2:
        rest = max(bend - _NOISE_BEND * noise**2, 1e-4 * slope)
        softness = float(np.sqrt(max((slope - _NOISE_SLOPE * noise**2) / (2 * rest) - _SMOOTH**2, 0.0)))
        softness = round(softness, 3)
    return {"sharpness": round(energy / (20 * noise**2), 3), "softness": softness}


def _energies(grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Squared gradient and squared Laplacian of a picture that is blurred by a pixel, float32 (h, w)."""
    soft = cv2.GaussianBlur(grey, (0, 0), _SMOOTH, borderType=cv2.BORDER_REFLECT_101)
    half = np.float32([[-0.5, 0, 0.5]])
    across = cv2.filter2D(soft, cv2.CV_32F, half, borderType=cv2.BORDER_REFLECT_101)
    down = cv2.filter2D(soft, cv2.CV_32F, half.T, borderType=cv2.BORDER_REFLECT_101)
    return across**2 + down**2, cv2.Laplacian(soft, cv2.CV_32F, borderType=cv2.BORDER_REFLECT_101) ** 2


# Of white noise of deviation 1: the sum of squares of a filter's answer to a single pixel.
_POINT = np.zeros((31, 31), np.float32)
_POINT[15, 15] = 1
_NOISE_SLOPE, _NOISE_BEND = (float(values.sum()) for values in _energies(_POINT))


def flags(
    kind: str, area: int, whole: int, box: tuple[int, int, int, int], size: tuple[int, int], softness: float | None
) -> dict[str, bool]:
    """What is wrong with an instance.

    ``truncated``: its box touches the picture's border. ``blurred``: an object softer than 2.5 pixels (a soft defect
    is soft by nature). ``tiny``: less than 64 pixels of an object, 9 of a defect. ``hidden``: more than a fiftieth of
    its amodal mask is not visible.

    Args:
        area, whole: pixels of the visible and of the amodal mask.
        box: XYXY of the visible mask in the picture of ``size`` = (H, W).
    """
    return {
        "truncated": box[0] <= 0 or box[1] <= 0 or box[2] >= size[1] or box[3] >= size[0],
        "blurred": kind == OBJECT and softness is not None and softness > BLURRED,
        "tiny": area < TINY[kind],
        "hidden": whole - area > HIDDEN * whole,
    }


def light_of(colour: np.ndarray, alpha: np.ndarray) -> dict[str, Any]:
    """``colour``, the mean linear RGB within alpha, and ``shading``, the segment's own coarse light.

    The shading is a list of 8 rows of 8 values, ln of the luminance in linear light, cells evenly over the window from
    its top left: normalised convolution within alpha, ``G * (alpha l) / G * alpha`` with a Gaussian of one cell
    (Knutsson and Westin, CVPR 1993). Cells far from the segment hold the mean.

    Args:
        colour: uint8 (h, w, 3). alpha: float32 (h, w).
    """
    light = to_linear(colour)
    total = float(alpha.sum())
    mean = (alpha.reshape(-1) @ light.reshape(-1, 3) / max(total, 1e-6)).tolist()
    level = np.log(np.maximum(light @ LUMINANCE, _DARK))
    cells = [cv2.resize(values, (GRID, GRID), interpolation=cv2.INTER_AREA) for values in (alpha * level, alpha)]
    share, weight = (cv2.GaussianBlur(v, (0, 0), 1.0, borderType=cv2.BORDER_CONSTANT) for v in cells)
    middle = float((alpha * level).sum()) / max(total, 1e-6)
    field = np.where(weight > 1e-4, share / np.maximum(weight, 1e-4), middle)
    return {"colour": [round(v, 5) for v in mean], "shading": np.round(field.astype(float), 3).tolist()}
