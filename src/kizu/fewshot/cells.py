"""From masks on pixels to labelled cells of the feature grid, and the choice of those a scorer is fitted to."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

from kizu.core.instances import Instances
from kizu.fewshot.features import STRIDE
from kizu.fewshot.network import Network, at, shipped
from kizu.fewshot.views import View, views

_PER_CLASS = 1500  # cells of a class taken from an image
_BACKGROUND = 2000
_CLEAN = 400


def to_cells(mask: np.ndarray) -> np.ndarray:
    """Share of each cell that a bool mask (H, W) covers, float32 (h, w); cells at the rim reflect it."""
    odd = (-mask.shape[0] % STRIDE, -mask.shape[1] % STRIDE)
    whole = cv2.copyMakeBorder(mask.astype(np.float32), 0, odd[0], 0, odd[1], cv2.BORDER_REFLECT_101)
    return cv2.resize(whole, (whole.shape[1] // STRIDE, whole.shape[0] // STRIDE), interpolation=cv2.INTER_AREA)


def to_pixels(layer: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A map float32 on the grid of cells (h, w), interpolated to pixels (height, width)."""
    whole = (layer.shape[1] * STRIDE, layer.shape[0] * STRIDE)
    return cv2.resize(layer, whole, interpolation=cv2.INTER_LINEAR)[: size[0], : size[1]]


def coverage(instances: Instances, classes: int, size: tuple[int, int]) -> np.ndarray:
    """Share of each cell that a class covers.

    Args:
        instances: with masks; labels from ``classes`` on are other classes.
        size: (height, width) of the image.

    Returns:
        float32 (classes + 1, h, w) in 0..1, the other classes together in the last layer. A one-pixel defect still
        gives a share above zero.
    """
    out = np.zeros((classes + 1, -(-size[0] // STRIDE), -(-size[1] // STRIDE)), np.float32)
    merged = np.minimum(instances.labels, classes)
    for label in np.unique(merged):
        out[label] = to_cells(instances.masks[merged == label].union())
    return out


def mostly(share: np.ndarray) -> np.ndarray:
    """Bool, where shares in 0..1 are a half or more; of something too small for that, where they are largest."""
    return share >= min(0.5, max(float(share.max()), 1e-6))


def gather(
    image: np.ndarray,
    instances: Instances,
    classes: int,
    random: np.random.Generator,
    network: Network | None = None,
    seen: Iterable[View] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Labelled cells of one image.

    A cell belongs to a class if the class covers at least half of it; where a defect is too small for that, its
    most covered cells stand for it. Cells that are covered in part otherwise, or by other classes, are left out.

    Args:
        network: None = the shipped one.
        seen: views of the image, where they are at hand.

    Returns:
        rows float32 (N, F) of the filter bank, seen float32 (N, M) of the network, labels int64 (N,) with 0 =
        background, weights float64 (N,): an image's background weighs 1 in all, and so does each of its classes.
    """
    covered = coverage(instances, classes, image.shape[:2])
    labels = np.where(covered.max(0) > 0, -1, 0)
    for label in np.argsort(
        -covered[:classes].sum((1, 2)), kind="stable"
    ):  # where classes overlap the smaller one wins
        labels[mostly(covered[label])] = label + 1
    chosen = np.zeros(labels.shape, bool)
    weight = np.zeros(labels.shape)
    for value in range(classes + 1):
        places = np.flatnonzero(labels == value)
        limit = (_BACKGROUND if len(instances) else _CLEAN) if value == 0 else _PER_CLASS
        if len(places) > limit:
            places = random.choice(places, limit, replace=False)
        chosen.flat[places] = True
        weight.flat[places] = 1.0 / max(len(places), 1)
    parts, network = [], network or shipped()
    for tile, features, maps in views(image, network) if seen is None else seen:
        here = chosen[tile.cells]
        y, x = np.nonzero(here)
        values = at(maps, y + tile.inner[0].start, x + tile.inner[1].start, network.strides)
        parts.append((tile.core(features)[here], values, labels[tile.cells][here], weight[tile.cells][here]))
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def balanced(labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weights of mean 1 in which background weighs half and the classes share the other half evenly."""
    out = weights.astype(np.float64).copy()
    present = [value for value in np.unique(labels) if value > 0]
    for value in [0, *present]:
        mine = labels == value
        out[mine] *= (0.5 if value == 0 else 0.5 / len(present)) / max(out[mine].sum(), 1e-12)
    return out * len(out)
