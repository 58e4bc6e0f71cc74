"""The overlap rules by which regions that know no class refine what was found of one class (GFDS, Liu et al. 2025).

A region that is covered well enough is taken over whole, which closes gaps and reaches the edge. A region that explains
what was found takes away the halo that maps coarser than pixels leave around it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from kizu.core.masks import Masks

COVERED = 0.2  # share of a region that must have been found
LARGE, COVERED_LARGE = 0.4, 0.6  # a region of this share of the picture must be covered so far
EXPLAINED = 0.9  # share of what was found that must lie in a grown region, so that the region explains it
RING = 21  # pixels: side of the square that a region is grown by, as in the paper for pictures of 256 x 256


@dataclass(frozen=True)
class Refinement:
    """What the regions make of the pixels found of one class.

    Attributes:
        mask: bool (H, W), the refined pixels.
        owner: int32 (H, W), number of the 8-connected part of what was found, from 1 on; 0 elsewhere.
        links: sets of parts that one region joined: it was taken over and overlaps them, or it took their last pixel.
        reach: the region of each set in ``links``: (bool mask, (x, y)).
    """

    mask: np.ndarray
    owner: np.ndarray
    links: list[set[int]]
    reach: list[tuple[np.ndarray, tuple[int, int]]]


def disjoint(masks: Masks) -> Masks:
    """Each mask without the pixels of smaller ones (of the earlier ones among equals); those left empty are dropped."""
    order = np.argsort(masks.area, kind="stable")
    raster = masks[order[::-1]].to_label_map(range(len(order), 0, -1))  # what is painted later lies on top
    return Masks.from_label_map(raster, np.unique(raster[raster > 0]))


def ring_of(size: tuple[int, int]) -> int:
    """Side in pixels of the square for a picture of (height, width): 21 at 256 x 256, in proportion to its side.

    It stays within 11 and 63: what is found is blurred by cells of fixed size, however large the picture.
    """
    return 2 * round(float(np.clip((RING // 2) * np.sqrt(size[0] * size[1]) / 256, 5, 31))) + 1


def refine(found: np.ndarray, masks: Masks, ring: int = RING) -> Refinement:
    """Take over the regions that are covered, and cut what lies around those that explain a part.

    Args:
        found: bool (H, W), pixels of one class.
        masks: disjoint regions of the same picture, see :func:`disjoint`.
        ring: odd side in pixels of the square that regions are grown by.
    """
    count, owner, stats, _ = cv2.connectedComponentsWithStats(found.view(np.uint8), connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA]
    union, cut, explaining = found.copy(), np.zeros_like(found), np.zeros_like(found)
    links, reach, rings = [], [], []
    for i in range(len(masks)):
        mask, (x, y) = masks.crop(i)
        window = (slice(y, y + mask.shape[0]), slice(x, x + mask.shape[1]))
        if not _covered(int((found[window] & mask).sum()), int(mask.sum()), found.size):
            continue
        union[window] |= mask
        links.append(set(np.unique(owner[window][mask]).tolist()) - {0})
        reach.append((mask, (x, y)))
        around, grown = _grown(mask, (x, y), ring, found.shape)
        inside = np.bincount(owner[around][grown], minlength=count)
        inside[0] = 0
        part = int(inside.argmax())
        rings.append(set())
        if inside[part] > EXPLAINED * areas[part]:
            cut[around] |= grown
            explaining[window] |= mask
            rings[-1] = set(np.flatnonzero(inside).tolist())
    refined = union & ~(cut & ~explaining)
    left = set(np.unique(owner[refined]).tolist())
    for link, near in zip(links, rings, strict=True):
        link |= near - left
    return Refinement(refined, owner, links, reach)


def _covered(inside: int, area: int, picture: int) -> bool:
    return inside > COVERED * area and (area < LARGE * picture or inside > COVERED_LARGE * area)


def _grown(
    mask: np.ndarray, corner: tuple[int, int], ring: int, size: tuple[int, int]
) -> tuple[tuple[slice, slice], np.ndarray]:
    """A mask in its box at (x, y), grown by a square: its window in the picture, and the bool mask there."""
    radius, (x, y) = ring // 2, corner
    top, left = max(y - radius, 0), max(x - radius, 0)
    bottom, right = min(y + mask.shape[0] + radius, size[0]), min(x + mask.shape[1] + radius, size[1])
    room = np.zeros((bottom - top, right - left), np.uint8)
    room[y - top : y - top + mask.shape[0], x - left : x - left + mask.shape[1]] = mask
    grown = cv2.dilate(room, np.ones((ring, ring), np.uint8)).view(bool)
    return (slice(top, bottom), slice(left, right)), grown
