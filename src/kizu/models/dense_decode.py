"""From maps of the dense detector to instances, in NumPy: what touches is parted, what was cut is joined.

Within a class, connected cells make a region. Where the boundary map cuts it, its pieces are seeds; seeds whose pixels
vote for one centre (as in Panoptic-DeepLab, Cheng et al. 2020) are one instance, wherever they lie. Regions of several
instances are parted along the crest of the boundary map (watershed, Meyer 1994).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from kizu.core.errors import KizuError
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.models.dense_targets import REACH, STRIDE

_CUT = 0.5  # boundary from which a cell is no seed
_AGREE = 0.5  # seeds are one instance if their votes lie nearer than this share of their distance
_APART = 2.0  # cells between the centres of seeds that votes can join: those about one centre need not be one instance
_MOST_SEEDS = 1000  # of a class, the largest; so that noise costs no more than this


@dataclass(frozen=True)
class DenseMaps:
    """What the network says of one picture, on cells of 4 pixels.

    Attributes:
        classes: float32 (K, h, w), probabilities.
        boundary: float32 (h, w), probability that two instances of one class meet.
        offset: float32 (2, h, w), x and y to the centre of the instance in units of 16 cells.
    """

    classes: np.ndarray
    boundary: np.ndarray
    offset: np.ndarray


@dataclass(frozen=True)
class Found:
    """Instances of one picture, strongest first: class, score in 0..1, and the mask in its box at (x, y)."""

    labels: np.ndarray
    scores: np.ndarray
    masks: list[tuple[np.ndarray, tuple[int, int]]]
    size: tuple[int, int]

    @property
    def boxes(self) -> np.ndarray:
        """float32 (N, 4), XYXY in pixels with exclusive ends."""
        rows = [(x, y, x + mask.shape[1], y + mask.shape[0]) for mask, (x, y) in self.masks]
        return np.array(rows, np.float32).reshape(-1, 4)

    def instances(self) -> Instances:
        """As ``Instances`` with masks and scores."""
        return Instances(self.labels, masks=Masks.from_crops(self.masks, self.size), scores=self.scores)


def decode(
    maps: DenseMaps,
    size: tuple[int, int],
    thresholds: float | Sequence[float] = 0.5,
    min_area: int | Sequence[int] = 4,
    overlap: float = 0.8,
) -> Found:
    """Instances of one picture.

    The score of an instance is the root of the product of its mean and its largest probability, so that neither a peak
    on a doubtful ground nor an even doubt scores high.

    Args:
        maps: of the whole picture.
        size: (height, width) of the picture in pixels.
        thresholds: probability that outlines a class; one, or one a class.
        min_area: smallest instance in pixels; one, or one a class.
        overlap: of two instances of different classes that overlap more than this (intersection over union) only the
            stronger is kept: it is one thing, and the network wavers between its names.

    Raises:
        KizuError: maps that do not belong to a picture of this size, or not one threshold a class.
    """
    kinds, h, w = maps.classes.shape
    if (h, w) != (-(-size[0] // STRIDE), -(-size[1] // STRIDE)):
        raise KizuError(
            f"maps of {h} x {w} cells for a picture of {size[0]} x {size[1]} pixels; pass those of the picture"
        )
    levels, least = _each(thresholds, kinds, "thresholds"), _each(min_area, kinds, "smallest areas")
    found: list[tuple[float, int, np.ndarray, tuple[int, int]]] = []
    for k in range(kinds):
        for score, mask, corner in _class_instances(maps, maps.classes[k], float(levels[k]), size):
            if np.count_nonzero(mask) >= least[k]:
                found.append((score, k, mask, corner))
    found.sort(key=lambda item: -item[0])
    out = Found(
        np.array([k for _, k, _, _ in found], np.int32),
        np.array([score for score, *_ in found], np.float32),
        [(mask, corner) for _, _, mask, corner in found],
        (int(size[0]), int(size[1])),
    )
    return _without_doubles(out, overlap) if kinds > 1 and len(found) > 1 else out


def _each(values: float | Sequence[float], kinds: int, what: str) -> np.ndarray:
    values = np.asarray(values, float)
    if values.ndim and len(values) != kinds:
        raise KizuError(f"{len(values)} {what} for {kinds} classes; pass one for all, or one a class")
    return np.broadcast_to(values, (kinds,))


def _class_instances(maps: DenseMaps, odds: np.ndarray, level: float, size: tuple[int, int]):
    """(score, mask, corner) of each instance of one class, whose probabilities are ``odds`` (h, w)."""
    if not odds.size or odds.max() <= level:
        return
    count, regions, boxes, _ = cv2.connectedComponentsWithStats((odds > level).view(np.uint8), connectivity=8)
    seeds, names = _seeds(maps, odds, regions, count)
    pieces: dict[int, list[tuple[np.ndarray, tuple[int, int], np.ndarray]]] = {}
    for i in range(1, count):
        x, y, width, height = boxes[i, :4]
        rows, columns = slice(max(y - 1, 0), y + height + 1), slice(max(x - 1, 0), x + width + 1)
        near = regions[rows, columns]
        values = np.where((near == 0) | (near == i), odds[rows, columns], 0).astype(np.float32)
        corner = (columns.start * STRIDE, rows.start * STRIDE)
        frame = (slice(size[0] - corner[1]), slice(size[1] - corner[0]))  # the last cells may reach beyond the picture
        values = _enlarge(values)[frame]
        mask = values > level
        if not mask.any():  # a single weak cell
            mask = _repeat(near == i)[frame]
        owners = np.where(near == i, seeds[rows, columns], 0)
        here = np.unique(owners[owners > 0])
        if len(np.unique(names[here])) > 1:
            owner = names[_part(owners, maps.boundary[rows, columns], mask)]
        else:
            owner = np.where(mask, names[here[0]], 0)
        for name in np.unique(owner[owner > 0]).tolist():
            pieces.setdefault(name, []).append((owner == name, corner, values))
    for parts in pieces.values():
        values = np.concatenate([values[mask] for mask, _, values in parts])
        score = float(np.sqrt(values.mean() * values.max()))
        yield min(score, 1.0), *_join([(mask, corner) for mask, corner, _ in parts])


def _enlarge(cells: np.ndarray) -> np.ndarray:
    """Cells to pixels, bilinear between the centres of the cells."""
    h, w = cells.shape
    return cv2.resize(cells, (w * STRIDE, h * STRIDE), interpolation=cv2.INTER_LINEAR)


def _repeat(cells: np.ndarray) -> np.ndarray:
    return np.repeat(np.repeat(cells, STRIDE, 0), STRIDE, 1)


def _seeds(maps: DenseMaps, odds: np.ndarray, regions: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Seeds of a class and the instance that each belongs to.

    Returns:
        int32 (h, w), number of the seed of a cell or 0; every region has one at least. And int32 (S + 1,), the instance
        of each seed, from 1 on, with 0 for 0.
    """
    inside = regions > 0
    core = inside & (maps.boundary < _CUT)
    seeded = np.zeros(count, bool)
    seeded[regions[core]] = True
    core |= inside & ~seeded[regions]  # a region that is all boundary is one
    # Seeds of two regions never touch: regions are 8-connected and seeds 4-connected.
    total, seeds = cv2.connectedComponents(core.view(np.uint8), connectivity=4)
    y, x = np.nonzero(core)
    own = seeds[y, x]
    force = odds[y, x].astype(np.float64)
    weight = np.bincount(own, force, total)
    weight[0] = 1
    centre, vote = np.empty((total, 2)), np.empty((total, 2))
    for axis, place in enumerate((x, y)):
        centre[:, axis] = np.bincount(own, force * place, total) / weight
        vote[:, axis] = np.bincount(own, force * (place + REACH * maps.offset[axis, y, x]), total) / weight
    return seeds, _agree(centre, vote, weight)


def _agree(centre: np.ndarray, vote: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Number of the instance of each seed (0 is none): seeds are joined whose votes are much nearer than they are."""
    total = len(weight)
    chosen = np.arange(1, total)
    if len(chosen) > _MOST_SEEDS:
        chosen = 1 + np.argpartition(-weight[1:], _MOST_SEEDS)[:_MOST_SEEDS]
    apart = np.linalg.norm(centre[chosen, None] - centre[None, chosen], axis=2)
    asked = np.linalg.norm(vote[chosen, None] - vote[None, chosen], axis=2)
    names = np.arange(total, dtype=np.int32)
    for a, b in zip(*np.nonzero(np.triu((asked < _AGREE * apart) & (apart > _APART), 1)), strict=True):
        first, second = sorted((names[chosen[a]], names[chosen[b]]))
        names[names == second] = first
    return names


def _part(owners: np.ndarray, boundary: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The seed of each pixel of a mask: seeds (h, w) grow over the boundary (h, w) until they meet at its crest."""
    from skimage.segmentation import watershed

    frame = (slice(mask.shape[0]), slice(mask.shape[1]))
    crest = _enlarge(np.ascontiguousarray(boundary, np.float32))[frame]
    return watershed(crest, _repeat(owners)[frame], mask=mask)


def _join(parts: list[tuple[np.ndarray, tuple[int, int]]]) -> tuple[np.ndarray, tuple[int, int]]:
    """Masks in their windows as one, in its tight box."""
    left, top = min(x for _, (x, _) in parts), min(y for _, (_, y) in parts)
    right = max(x + mask.shape[1] for mask, (x, _) in parts)
    bottom = max(y + mask.shape[0] for mask, (_, y) in parts)
    out = np.zeros((bottom - top, right - left), bool)
    for mask, (x, y) in parts:
        out[y - top : y - top + mask.shape[0], x - left : x - left + mask.shape[1]] |= mask
    x, y, width, height = cv2.boundingRect(out.view(np.uint8))
    return out[y : y + height, x : x + width], (left + x, top + y)


def _without_doubles(found: Found, overlap: float) -> Found:
    """Without instances that a stronger one of another class covers."""
    shared = Masks.from_crops(found.masks, found.size)
    shared = shared.iou(shared)
    keep: list[int] = []
    for i in range(len(found.labels)):
        if all(shared[i, j] <= overlap or found.labels[i] == found.labels[j] for j in keep):
            keep.append(i)
    return Found(found.labels[keep], found.scores[keep], [found.masks[i] for i in keep], found.size)
