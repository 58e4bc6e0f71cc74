"""How a picture looks as a whole, in a few numbers: brightness, colour, noise, texture."""

from __future__ import annotations

import cv2
import numpy as np

from kizu.core.errors import DataError

COLOURLESS = 4.0  # CIELAB chroma below which a hue means nothing
TEXTURES = {"texture_fine": 4.0, "texture_mid": 12.0, "texture_coarse": 36.0}  # the blur that takes it away, pixels
_LEAST = 8  # pixels a side
_LAPLACE = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


def appearance(image: np.ndarray) -> dict[str, float]:
    """Numbers of a picture uint8 (H, W) or (H, W, 3) RGB.

    Returns:
        ``brightness`` mean grey level; ``red``, ``green``, ``blue`` means; ``chroma`` and ``hue`` (degrees) of the mean
        colour in CIELAB (no ``hue`` where chroma is below 4); ``noise``, see :func:`noise_level`; ``texture_fine``,
        ``texture_mid``, ``texture_coarse``: deviation, in grey levels, of what lies between two Gaussian blurs: none
        and 4 pixels, 4 and 12, 12 and 36.

    Raises:
        DataError: another kind of array, or a picture of less than 8 pixels a side.
    """
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or min(image.shape[:2]) < _LEAST:
        raise DataError(
            f"a picture is uint8 (H, W) or (H, W, 3) of {_LEAST} pixels a side or more, not {image.dtype} {image.shape}"
        )
    grey = image if image.ndim == 2 else cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    mean = [cv2.mean(grey)[0]] * 3 if image.ndim == 2 else list(cv2.mean(image)[:3])
    out = {"brightness": float(cv2.mean(grey)[0]), "red": mean[0], "green": mean[1], "blue": mean[2]}
    _, a, b = cv2.cvtColor(np.float32([[mean]]) / 255, cv2.COLOR_RGB2LAB)[0, 0].tolist()
    out["chroma"] = float(np.hypot(a, b))
    if out["chroma"] >= COLOURLESS:
        out["hue"] = float(np.degrees(np.arctan2(b, a)) % 360)
    out["noise"] = noise_level(grey)
    return out | _textures(grey)


def noise_level(grey: np.ndarray) -> float:
    """Deviation of white noise in a picture uint8 (H, W), in grey levels.

    The picture is filtered with the difference of two Laplacians, which leaves noise and little of a picture's shapes
    (Immerkaer, "Fast noise variance estimation", CVIU 1996); instead of the mean the median of the magnitudes is taken,
    so that edges and defects do not count: ``median / 0.6745 / 6``. A texture that is as fine as the pixels is counted.
    """
    filtered = np.abs(cv2.filter2D(grey, cv2.CV_16S, _LAPLACE)[1:-1, 1:-1])
    counts = np.bincount(filtered.ravel())
    # Level v stands for v - 0.5 .. v + 0.5, so that the median does not jump from level to level.
    sums = np.cumsum(counts)
    half = sums[-1] / 2
    level = int(np.searchsorted(sums, half, "left"))
    low = max(level - 0.5, 0.0)
    before = sums[level - 1] if level else 0
    median = low + (level + 0.5 - low) * (half - before) / counts[level]
    return float(median / 0.6745 / 6)


def _textures(grey: np.ndarray) -> dict[str, float]:
    """Deviations of the bands; each blur is made from the one before, at a size that still holds it."""
    out, fine, had = {}, grey.astype(np.float32), 0.0
    step = 1  # pixels of the picture that one of ``fine`` stands for
    for name, blur in TEXTURES.items():
        soft = _blurred(fine, np.sqrt(blur**2 - had**2) / step)
        out[name] = float(cv2.meanStdDev(fine - soft)[1][0, 0])
        shrink = max(int(blur / 2 / step), 1)
        if min(soft.shape) // shrink < 2:
            shrink = 1
        fine = cv2.resize(soft, None, fx=1 / shrink, fy=1 / shrink, interpolation=cv2.INTER_AREA)
        had, step = blur, step * shrink
    return out


def _blurred(values: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(values, (0, 0), float(sigma), borderType=cv2.BORDER_REFLECT)
