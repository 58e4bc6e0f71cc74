"""What the network that Kizu ships sees of a picture, beside the filter bank: its four maps, tile by tile.

The maps are taken as they come: on real pictures, their distance from the picture's own mean was no better, and worse
where a defect covers much of the picture (``bench/features.py --norm picture``).

A cell of the filter bank's grid takes the values of each map at its middle, by bilinear interpolation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from kizu.core.errors import KizuError
from kizu.fewshot.features import STRIDE
from kizu.fewshot.features import VERSION as FILTERS
from kizu.inspection.tiling import Tile, plan
from kizu.models.session import STRIDES, FeatureNet, features, picture_stats
from kizu.models.store import weights_path

NAME = "kizu-s"
VERSION = (
    f"{FILTERS} + network/2 + matching/1"  # of all features together: to be counted up with every change of the numbers
)
_BORDER = STRIDES[-1]  # pixels mirrored around a picture, for the zeros with which a convolution pads look like an edge


@lru_cache
def _open(path: Path) -> tuple[FeatureNet, str]:
    # One thread: pictures are looked at side by side, and the numbers do not depend on the number of cores.
    return features(path, threads=1), hashlib.sha256(path.read_bytes()).hexdigest()


def _shipped() -> tuple[FeatureNet, str]:
    try:
        path = weights_path(NAME)
    except KizuError as error:
        raise KizuError(f"{NAME}: the weights that come with Kizu are not there; install Kizu again") from error
    return _open(path)


def identity() -> dict[str, str]:
    """Which network this Kizu looks with: its name, and the SHA-256 of its weight file.

    Raises:
        KizuError: its files are missing or damaged.
    """
    return {"name": NAME, "sha256": _shipped()[1]}


def width() -> int:
    """Number of channels of all maps together; raises as :func:`identity`."""
    return sum(_shipped()[0].channels)


def _maps(image: np.ndarray, tile: Tile, stats: np.ndarray) -> list[np.ndarray]:
    """Maps float32 (C, ceil(h / s), ceil(w / s)) of a tile of h x w pixels."""
    here = image[tile.pixels]
    height, width = here.shape[:2]
    odd = (-height % _BORDER, -width % _BORDER)
    wide = cv2.copyMakeBorder(here, _BORDER, _BORDER + odd[0], _BORDER, _BORDER + odd[1], cv2.BORDER_REFLECT_101)
    out = []
    for values, stride in zip(_shipped()[0](wide, stats), STRIDES, strict=True):
        first = _BORDER // stride
        out.append(values[:, first : first - (-height // stride), first : first - (-width // stride)])
    return out


def look(image: np.ndarray) -> Iterator[tuple[Tile, list[np.ndarray]]]:
    """What the network sees of an image, tile by tile, in the order of :func:`kizu.fewshot.features.describe`.

    Args:
        image: uint8 (H, W, 3) RGB.

    Yields:
        the tile, and its maps float32 (C_k, h, w) of strides 4, 8, 16 and 32, margins included.

    Raises:
        KizuError: the files of the network are missing or damaged.
    """
    stats = picture_stats(image)
    for tile in plan(image.shape[:2], STRIDE):
        yield tile, _maps(image, tile, stats)


def at(maps: list[np.ndarray], rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Values float32 (N, C) of all maps at cells (rows, columns) (N,) of the filter bank's grid, or between them."""
    out = []
    for values, stride in zip(maps, STRIDES, strict=True):
        pairs = []
        for cells, count in ((rows, values.shape[1]), (columns, values.shape[2])):
            place = np.clip((cells + 0.5) * STRIDE / stride - 0.5, 0, count - 1)
            low = place.astype(int)
            pairs.append((low, np.minimum(low + 1, count - 1), (place - low).astype(np.float32)))
        (top, bottom, down), (left, right, across) = pairs
        upper = values[:, top, left] * (1 - across) + values[:, top, right] * across
        lower = values[:, bottom, left] * (1 - across) + values[:, bottom, right] * across
        out.append((upper * (1 - down) + lower * down).T)
    return np.concatenate(out, axis=1)
