"""The few-shot inspector that matches: the rule of GFDS as it was published, to compare Kizu's own scorer with.

GFDS (Liu et al., 2025) learns nothing and chooses nothing. It keeps the feature vectors of all cells of the labelled
pictures, those on the defect and those beside it; a cell of a new picture is a defect where it is more like one of the
former than like any of the latter. Its own network is not to be had, so the maps of the one that Kizu ships take its
place. The rule is computed in float32, where the original rounds to bfloat16.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import cv2
import numpy as np

from kizu.core.card import Card
from kizu.core.errors import KizuError
from kizu.core.inspector import Inspector
from kizu.core.instances import Instances
from kizu.fewshot.features import STRIDE
from kizu.fewshot.network import VERSION, at, shipped
from kizu.inspection.regions import Rule, decide

SIDE = 256  # pixels of a side of every picture, whatever its shape was
GRID = 64  # cells of a side
RULE = Rule(pixel=0.0, region=0.0, area=1, core=1)  # more like the defect than like the ground, and nothing else
_CELL = SIDE // GRID
_MASK = 30  # of 255: what a resized mask must exceed
_SMOOTHED, _WINDOW = 10, 3  # more foreground vectors than this are averaged, so many at a time
_SHARPNESS = 10.0  # of cosines as logits
_TIE = -1e-6  # log odds of a cell that is as much like the one as like the other: ground
_CHUNK = 1024  # cells of the bank that are compared at a time: 16 MB


@dataclass(frozen=True)
class Shot:
    """A labelled picture as the rule remembers it.

    Attributes:
        cells: unit vectors float32 (4096, C) of all cells, row by row.
        masks: class -> bool (4096,), its foreground cells; all other cells are its background. A class that the picture
            does not show is not there; one whose mask is lost in resizing has no foreground.
        fronts: class -> unit vectors float32 (N, C) of the foreground, smoothed.
    """

    cells: np.ndarray
    masks: dict[int, np.ndarray]
    fronts: dict[int, np.ndarray]


def vectors_of(image: np.ndarray) -> np.ndarray:
    """Features float32 (4096, C) of the cells of 4 x 4 pixels of an image uint8 (H, W, 3) RGB at 256 x 256.

    All four maps of the network, each interpolated to the middle of a cell.

    Raises:
        KizuError: the files of the network are missing or damaged.
    """
    small = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    ((_, maps),) = shipped().look(small)
    rows, columns = np.mgrid[:GRID, :GRID].reshape(2, -1)
    middle = _CELL / STRIDE
    return at(maps, (rows + 0.5) * middle - 0.5, (columns + 0.5) * middle - 0.5)


def cells_of(mask: np.ndarray) -> np.ndarray:
    """Foreground cells bool (4096,) of a mask bool (H, W): those of which any pixel of the resized mask is a part."""
    small = cv2.resize(mask.astype(np.uint8) * 255, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR) > _MASK
    return small.reshape(GRID, _CELL, GRID, _CELL).any((1, 3)).ravel()


def smoothed(vectors: np.ndarray) -> np.ndarray:
    """Foreground vectors (N, C) in raster order as the mean of each three in a row (N - 2, C), if they are more than
    ten.
    """
    if len(vectors) <= _SMOOTHED:
        return vectors
    return np.lib.stride_tricks.sliding_window_view(vectors, _WINDOW, axis=0).mean(-1)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (N, C) at length 1; those of length 0 stay."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))


def remember(image: np.ndarray, masks: dict[int, np.ndarray]) -> Shot:
    """What the rule keeps of a picture uint8 (H, W, 3) and the masks bool (H, W) of the classes that it shows.

    Raises:
        KizuError: the files of the network are missing or damaged.
    """
    vectors = vectors_of(image)
    cells = {k: cells_of(mask) for k, mask in masks.items()}
    return Shot(unit(vectors), cells, {k: unit(smoothed(vectors[own])) for k, own in cells.items()})


def nearest(query: np.ndarray, bank: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The largest cosine of each query with a vector of each group, float32 (G, Q); -inf where a group is empty.

    Args:
        query: unit vectors float32 (Q, C).
        bank: unit vectors float32 (N, C).
        groups: bool (G, N), which vectors belong to a group.
    """
    out = np.full((len(groups), len(query)), -np.inf, np.float32)
    for first in range(0, len(bank), _CHUNK):
        here = slice(first, first + _CHUNK)
        cosines = bank[here] @ query.T
        for best, own in zip(out, groups[:, here], strict=True):
            if own.any():
                np.maximum(best, cosines[own].max(0), out=best)
    return out


def match(query: np.ndarray, shots: Sequence[Shot], labels: Sequence[int]) -> np.ndarray:
    """Log odds float32 (K, 64, 64) of the cells of a picture, each of K classes matched on its own.

    The difference of the logits of GFDS, 10 s_f and 10 s_b: the largest cosines with the foreground and with the
    background of all pictures that show the class. Background is all that is not the class, other classes too.

    Args:
        query: unit vectors float32 (4096, C).
        shots: of which at least one has foreground, and one background, of each class.
        labels: the K classes.
    """
    front, back = np.full((2, len(labels), len(query)), -np.inf, np.float32)
    for shot in shots:
        mine = [i for i, k in enumerate(labels) if k in shot.masks]
        if mine:
            ground = ~np.stack([shot.masks[labels[i]] for i in mine])
            back[mine] = np.maximum(back[mine], nearest(query, shot.cells, ground))
        for i in mine:
            vectors = shot.fronts[labels[i]]
            front[i] = np.maximum(front[i], nearest(query, vectors, np.ones((1, len(vectors)), bool))[0])
    return (_SHARPNESS * (front - back)).reshape(-1, GRID, GRID)


def matchable(shots: Sequence[Shot], label: int) -> bool:
    """Whether there are foreground and background of a class."""
    masks = [shot.masks[label] for shot in shots if label in shot.masks]
    return any(mask.any() for mask in masks) and not all(mask.all() for mask in masks)


def widen(cells: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Log odds (K, 64, 64) brought to 256 x 256 with corners aligned, as GFDS decides, then to pixels (K, *size).

    What is not above 0 is below it: GFDS decides for the ground where both are equal.
    """
    place = np.arange(SIDE) * ((GRID - 1) / (SIDE - 1))
    low = np.minimum(place.astype(int), GRID - 2)
    weight = np.zeros((SIDE, GRID))
    weight[np.arange(SIDE), low] = 1 - (place - low)
    weight[np.arange(SIDE), low + 1] = place - low
    weight = weight.astype(np.float32)
    wide = weight @ cells @ weight.T
    pixels = np.stack([cv2.resize(layer, size[::-1], interpolation=cv2.INTER_LINEAR) for layer in wide])
    return np.where(pixels > 0, pixels, np.minimum(pixels, np.float32(_TIE)))


class GfdsInspector(Inspector):
    """Finds on a picture what is more like the defects of labelled ones than like anything else on them.

    Attributes:
        card: see :class:`kizu.core.card.Card`.
        shots: the labelled pictures.
    """

    kind: ClassVar[str] = "fewshot-gfds"

    def __init__(self, card: Card, shots: list[Shot]):
        self.card = card
        self.shots = shots

    def inspect(self, image: np.ndarray, min_score: float = 0.5) -> tuple[Instances, np.ndarray]:
        """Instances (strongest first) and score maps float32 (C, H, W) of one uint8 (H, W, 3) RGB image.

        Where several classes are found the one of the highest log odds has the pixel.
        """
        cells = match(unit(vectors_of(image)), self.shots, range(len(self.names)))
        return decide(widen(cells, image.shape[:2]), [RULE] * len(self.names), min_score)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays = {}
        for i, shot in enumerate(self.shots):
            arrays[f"cells.{i:03d}"] = shot.cells
            for k, mask in shot.masks.items():
                arrays[f"mask.{i:03d}.{k}"] = np.packbits(mask)
                arrays[f"front.{i:03d}.{k}"] = shot.fronts[k]
        shown = [list(shot.masks) for shot in self.shots]
        return arrays, {"features": VERSION, "network": shipped().identity, "shots": shown}

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], settings: dict[str, Any], card: Card) -> GfdsInspector:
        fitted, ships = settings["network"], shipped().identity
        if fitted != ships or settings["features"] != VERSION:
            raise KizuError(
                f"its bank was made by {fitted['name']} of {fitted['sha256'][:12]} ({settings['features']}), and this "
                f"Kizu ships {ships['name']} of {ships['sha256'][:12]} ({VERSION}); fit again"
            )
        shots = [_shot(arrays, i, shown) for i, shown in enumerate(settings["shots"])]
        classes = range(len(card.classes))
        if {k for shot in shots for k in shot.masks} != set(classes) or not all(matchable(shots, k) for k in classes):
            raise KizuError(
                f"foreground and background of {len(classes)} classes are expected, and its bank has others"
            )
        return cls(card, shots)


def _shot(arrays: dict[str, np.ndarray], i: int, shown: list[int]) -> Shot:
    width = shipped().width
    cells, masks, fronts = arrays[f"cells.{i:03d}"], {}, {}
    for k in map(int, shown):
        bits, fronts[k] = arrays[f"mask.{i:03d}.{k}"], arrays[f"front.{i:03d}.{k}"]
        masks[k] = np.unpackbits(bits).view(bool)
        count = int(masks[k].sum())
        expected = (count - (_WINDOW - 1) * (count > _SMOOTHED), width)
        if masks[k].shape != (GRID * GRID,) or fronts[k].shape != expected:
            raise KizuError(f"{expected[0]} foreground vectors of {expected[1]} values are expected in picture {i + 1}")
    if cells.shape != (GRID * GRID, width) or any(v.dtype != np.float32 for v in (cells, *fronts.values())):
        raise KizuError(f"{GRID * GRID} vectors float32 of {width} values are expected of picture {i + 1}")
    return Shot(cells, masks, fronts)
