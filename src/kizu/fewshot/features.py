"""Dense features of an image that need no weights: a filter bank over octaves, on a grid of stride 2.

Every octave is the same set of small filters on a Gaussian pyramid, so that coarse scales cost next to nothing:

- Gaussian derivatives up to second order (Koenderink & van Doorn, 1987), as rotation invariants: gradient magnitude,
  and the two eigenvalues of the Hessian, which answer to dark and bright ridges and to blobs (Lindeberg, 1998);
- difference to the next coarser octave (DoG) and Laplacian (their sum of eigenvalues);
- structure tensor: energy and coherence (Förstner & Gülch, 1987);
- local contrast (standard deviation) and entropy of grey values in a window;
- elongated oriented line filters, the best of many directions, for cracks and scratches a pixel wide.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import cv2
import numpy as np

from kizu.core.jit import jit
from kizu.inspection.tiling import Tile, plan

VERSION = "filter-bank/1"  # to be counted up with every change of the numbers: a model fits one version only
STRIDE = 2
OCTAVES = 5
_COARSEST = 2**OCTAVES
_ENTROPY_BINS = 8
_SOFT = 0.25  # x / (1 + 0.25 |x|): deviations are bent towards 4
_ASKED = 9  # tiles of a very large image that stand for the whole,
_HELD = 3  # and of these those whose features are held, about 60 MB each, so that they are made once
_LINES = ((0, 9, 8), (1, 9, 8), (1, 17, 12))  # pyramid level, length in its pixels, directions


def channels() -> list[str]:
    """Name of each channel of the filter bank, in order."""
    out = []
    for octave in range(OCTAVES):
        kinds = ("dog", "gradient", "ridge_low", "ridge_high", "energy", "coherence", "contrast")
        out += [f"{kind}@{2**octave}" for kind in kinds]
    out += [f"line_{tone}@{length * 2**level}" for level, length, _ in _LINES for tone in ("dark", "bright")]
    out += ["entropy@7", "entropy@15", "grey", "grey@16"]
    out += [f"{name}@{scale}" for name in ("red_green", "blue_yellow") for scale in (2, 8)]
    return out


@lru_cache
def _line_kernels(length: int, directions: int) -> list[np.ndarray]:
    """Second derivative across and Gaussian along, zero mean, unit L1 norm; one kernel a direction."""
    half = length // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
    kernels = []
    for k in range(directions):
        angle = np.pi * k / directions
        along, across = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
        kernel = (1 - across**2 / 1.5) * np.exp(-(across**2) / 3.0) * np.exp(-(along**2) / (2 * (length / 4) ** 2))
        kernel -= kernel.mean()
        kernels.append((kernel / np.abs(kernel).sum()).astype(np.float32))
    return kernels


def _blur(image: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)


def _derivative(image: np.ndarray, dx: int, dy: int) -> np.ndarray:
    return cv2.Sobel(image, cv2.CV_32F, dx, dy, ksize=3, scale=0.125, borderType=cv2.BORDER_REFLECT_101)


def _octave(image: np.ndarray, coarser: np.ndarray) -> list[np.ndarray]:
    gx, gy = _derivative(image, 1, 0), _derivative(image, 0, 1)
    xx, yy, xy = _derivative(image, 2, 0), _derivative(image, 0, 2), _derivative(image, 1, 1)
    half_trace = (xx + yy) * 0.5
    root = np.sqrt(((xx - yy) * 0.5) ** 2 + xy**2)
    jxx, jyy, jxy = _blur(gx * gx, 1.5), _blur(gy * gy, 1.5), _blur(gx * gy, 1.5)
    energy = jxx + jyy
    coherence = np.sqrt((jxx - jyy) ** 2 + 4 * jxy**2) / (energy + 1e-5)
    mean = _blur(image, 2.0)
    contrast = np.sqrt(np.maximum(_blur(image * image, 2.0) - mean * mean, 0))
    return [
        image - coarser, np.sqrt(gx * gx + gy * gy), half_trace - root, half_trace + root,
        np.sqrt(energy), coherence, contrast,
    ]  # fmt: skip


def entropy_edges(image: np.ndarray) -> np.ndarray:
    """Grey values (0..1) that part an image uint8 (H, W, 3) into classes of equal size: the bins of its entropy."""
    grey = image[::8, ::8].astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32) / 255.0
    edges = np.quantile(grey, np.linspace(0, 1, _ENTROPY_BINS + 1)[1:-1]).astype(np.float32)
    return edges + np.float32(1e-4)  # so that rounding errors do not part the values of a flat ground from each other


def _entropy(grey: np.ndarray, edges: np.ndarray, windows: tuple[int, ...]) -> list[np.ndarray]:
    """Entropy in bits of the grey values in square windows."""
    bins = np.searchsorted(edges, grey.ravel()).reshape(grey.shape)
    out = [np.zeros(grey.shape, np.float32) for _ in windows]
    for b in range(_ENTROPY_BINS):
        member = (bins == b).astype(np.float32)
        for total, window in zip(out, windows, strict=True):
            share = cv2.boxFilter(member, -1, (window, window), borderType=cv2.BORDER_REFLECT_101)
            total -= share * np.log2(share + 1e-6)
    return out


def filter_bank(image: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Features of an image or of a tile of one.

    Args:
        image: uint8 (H, W, 3) RGB.
        edges: of the whole image, see :func:`entropy_edges`.

    Returns:
        float32 (C, h, w) with h = ceil(H / 2), w = ceil(W / 2); the channels of :func:`channels`.
    """
    height, width = image.shape[:2]
    cells = (slice(-(-height // STRIDE)), slice(-(-width // STRIDE)))
    # Whole cells at every octave: else coarse maps would be stretched by up to a cell when they are brought back.
    image = cv2.copyMakeBorder(image, 0, -height % _COARSEST, 0, -width % _COARSEST, cv2.BORDER_REFLECT_101)
    shape = (image.shape[0] // STRIDE, image.shape[1] // STRIDE)
    rgb = image.astype(np.float32) / 255.0
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    pyramid = [_blur(grey, 0.7)]
    while len(pyramid) <= OCTAVES:
        last = pyramid[-1]
        small = (last.shape[1] // 2, last.shape[0] // 2)
        pyramid.append(cv2.resize(_blur(last, 1.0), small, interpolation=cv2.INTER_AREA))

    def fit(values: np.ndarray) -> np.ndarray:
        kind = cv2.INTER_AREA if values.shape[0] > shape[0] else cv2.INTER_LINEAR
        return values if values.shape == shape else cv2.resize(values, shape[::-1], interpolation=kind)

    out = []
    for octave in range(OCTAVES):
        now = pyramid[octave]
        coarser = cv2.resize(pyramid[octave + 1], now.shape[::-1], interpolation=cv2.INTER_LINEAR)
        out += [fit(values) for values in _octave(now, coarser)]
    for level, length, directions in _LINES:
        low = high = None
        for kernel in _line_kernels(length, directions):
            answer = cv2.filter2D(pyramid[level], cv2.CV_32F, kernel, borderType=cv2.BORDER_REFLECT_101)
            low = answer if low is None else cv2.min(low, answer)
            high = answer if high is None else cv2.max(high, answer)
        out += [fit(low), fit(high)]
    half = fit(pyramid[1])
    out += _entropy(half, edges, (7, 15))
    out += [half, fit(pyramid[4])]
    red_green = rgb[:, :, 0] - rgb[:, :, 1]
    blue_yellow = rgb[:, :, 2] - 0.5 * (rgb[:, :, 0] + rgb[:, :, 1])
    for opponent in (red_green, blue_yellow):
        small = fit(opponent)
        out += [_blur(small, 1.0), _blur(small, 4.0)]
    return np.stack([values[cells] for values in out])


def _some(bank: np.ndarray) -> np.ndarray:
    """About 8192 cells (C, N) of a bank (C, h, w)."""
    return bank.reshape(len(bank), -1)[:, :: max(1, bank.shape[1] * bank.shape[2] // 8192)].copy()


def _statistics(some: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Median and spread (1.48 MAD) of each channel over cells (C, N) of an image, float32 (C,)."""
    rows = np.concatenate(some, axis=1)
    median = np.median(rows, axis=1)
    return median, 1.4826 * np.median(np.abs(rows - median[:, None]), axis=1) + np.float32(1e-4)


@jit
def _describe(bank, median, spread, out):  # pragma: no cover (compiled)
    """Channels of ``bank`` (C, h, w) as they are, and as bent deviations: out float32 (h, w, 2 C)."""
    count, height, width = bank.shape
    soft = np.float32(_SOFT)
    block = 32  # cells, whose channels stay near at hand while they change places
    for y in range(height):
        for first in range(0, width, block):
            last = min(first + block, width)
            for c in range(count):
                middle, scale = median[c], np.float32(1) / spread[c]
                for x in range(first, last):
                    value = bank[c, y, x]
                    own = (value - middle) * scale
                    out[y, x, c] = value
                    out[y, x, count + c] = own / (np.float32(1) + abs(own) * soft)


def describe(image: np.ndarray) -> Iterator[tuple[Tile, np.ndarray]]:
    """Features of every cell of an image, tile by tile, so that memory stays small for images of any size.

    Each channel comes twice: as it is, and as its deviation from the image's own median in units of the image's own
    spread (bent, so that rare large ones do not rule). The second says how unusual a cell is on this very picture,
    whatever the light and the material.

    Args:
        image: uint8 (H, W, 3) RGB.

    Yields:
        the tile, and float32 (h, w, 2 C) for its cells, margins included.
    """
    tiles = plan(image.shape[:2], STRIDE)
    edges = entropy_edges(image)
    banks, some = {}, []
    for tile in tiles[:: -(-len(tiles) // _ASKED)]:
        bank = filter_bank(image[tile.pixels], edges)
        some.append(_some(bank[:, *tile.inner]))
        if len(banks) < _HELD:
            banks[id(tile)] = bank
    median, spread = _statistics(some)
    for tile in tiles:
        bank = banks.pop(id(tile), None)
        bank = filter_bank(image[tile.pixels], edges) if bank is None else bank
        out = np.empty((*bank.shape[1:], 2 * len(bank)), np.float32)
        _describe(bank, median, spread, out)
        yield tile, out
