"""Linear light: what a pixel's number stands for (IEC 61966-2-1), so that mixing two colours is mixing their light."""

from __future__ import annotations

import numpy as np

from kizu.core.jit import jit

_STEPS = 1 << 14  # fine enough that every 8-bit value comes back as it was
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)  # Rec. 709


def _decoded() -> np.ndarray:
    value = np.arange(256) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _displayed() -> np.ndarray:
    """Values of 0..255 at even steps of the square root of light: the curve is steep near black."""
    value = (np.arange(_STEPS + 1) / _STEPS) ** 2
    coded = np.where(value <= 0.0031308, 12.92 * value, 1.055 * value ** (1 / 2.4) - 0.055)
    return (255 * coded).astype(np.float32)


DISPLAYED = _displayed()  # float32 (S + 1,): what 8-bit values would be if they had fractions
DECODED = _decoded()  # float32 (256,): light of 8-bit values
_ENCODED = np.rint(DISPLAYED).astype(np.uint8)


def to_linear(image: np.ndarray) -> np.ndarray:
    """Light float32 in 0..1, of the shape of ``image`` uint8."""
    return np.take(DECODED, image)


def from_linear(light: np.ndarray) -> np.ndarray:
    """uint8 of the shape of ``light`` float32; what is below 0 or above 1 is cut. The inverse of :func:`to_linear`."""
    out = np.empty(light.shape, np.uint8)
    _encode(np.ascontiguousarray(light, np.float32).reshape(-1), _ENCODED, out.reshape(-1))
    return out


@jit
def _encode(light: np.ndarray, table: np.ndarray, out: np.ndarray) -> None:
    steps = np.float32(len(table) - 1)
    for i in range(len(light)):
        value = min(max(light[i], np.float32(0.0)), np.float32(1.0))
        out[i] = table[int(np.sqrt(value) * steps + np.float32(0.5))]
