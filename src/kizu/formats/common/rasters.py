"""Mask PNGs as rasters of whole numbers: palette indices, 8 and 16 bits; soft masks cut at half of their maximum."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kizu.core.errors import DataError
from kizu.core.images import open_image


def read_raster(source: Path | bytes) -> np.ndarray:
    """The values of a mask image, uint8 or int32 (H, W): of a palette the indices, of RGB only what is grey.

    Raises:
        DataError: unreadable, in colour, or of floating-point values that are no whole numbers.
    """
    name = "a mask in memory" if isinstance(source, bytes) else str(source)
    image = open_image(source)
    if image.mode == "1":
        return np.asarray(image).astype(np.uint8)
    if image.mode in ("L", "P"):
        return np.asarray(image)
    if image.mode in ("LA", "PA", "La"):
        return np.asarray(image)[:, :, 0]
    if image.mode in ("RGB", "RGBA"):
        values = np.asarray(image)[:, :, :3]
        if (values[:, :, 0] == values[:, :, 1]).all() and (values[:, :, 0] == values[:, :, 2]).all():
            return np.ascontiguousarray(values[:, :, 0])
        raise DataError(f"{name}: a mask in colours; save it as a palette or grey PNG whose values are the classes")
    values = np.asarray(image)
    if values.dtype.kind == "f" and (not np.isfinite(values).all() or (values != np.round(values)).any()):
        raise DataError(f"{name}: a mask of fractions; save it as a PNG whose values are the classes")
    if values.ndim != 2 or values.min(initial=0) < 0 or values.max(initial=0) > 2**31 - 1:
        raise DataError(f"{name}: a mask in mode {image.mode} is not understood; save it as 8-bit or 16-bit grey PNG")
    return values.astype(np.int32)


def cut_soft(values: np.ndarray) -> np.ndarray:
    """Bool (H, W): what a one-class mask means as inside.

    Values above half of the maximum (the edge was blurred, anti-aliased or JPEG-coded); where the maximum is below 64,
    the values are numbers rather than brightness, and every value but zero is inside.
    """
    top = int(values.max(initial=0))
    return values > 0 if top < 64 else values * 2.0 > top
