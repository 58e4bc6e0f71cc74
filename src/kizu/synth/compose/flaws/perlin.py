"""A texture in a mask of Perlin noise (DRAEM, Zavrtanik et al., 2021; two masks as in GLASS, Chen et al., 2024)."""

from __future__ import annotations

import cv2
import numpy as np

from kizu.synth.compose import textures
from kizu.synth.compose.flaws.lattice import THRESHOLD, Field
from kizu.synth.compose.flaws.registry import flaw
from kizu.synth.compose.flaws.spot import Spot
from kizu.synth.compose.ground import Change, Ground

_COARSE = 72  # pixels a side on which a piece of the mask is chosen
_PIECE = 6  # of those pixels, that a piece has at least
_TRIES = 20  # of a mask that is not empty
_ENOUGH = 0.6  # of the wanted pixels: seen from near, pieces may fall apart
_LEAST = 9  # pixels of the smallest thing that can be resolved
_MARGIN = 5  # pixels around the mask, for its soft edge
_LONGEST = 6.0  # of a piece, in units of the root of its area: streaks longer than that run out of the frame


@flaw
def perlin(ground: Ground, at: tuple[float, float], area: float, random: np.random.Generator) -> Change | None:
    """A piece of a Perlin mask, as large as asked for, with a texture of another tone mixed in."""
    field = piece(area, random)
    if field is None:
        return None
    field = np.pad(field, _MARGIN)
    spot = Spot(ground, at, field.shape)
    if not spot.light.size:
        return None
    width = spot.blur()
    mask = spot.cut(field > 0)
    # DRAEM: weight of the ground from U(0, 0.8); GLASS: N(0.5, 0.1).
    weight = float(random.uniform(0, 0.8) if random.uniform() < 0.5 else np.clip(random.normal(0.5, 0.1), 0.2, 0.8))
    texture = spot.cut(cv2.GaussianBlur(textures.crop(field.shape, random), (0, 0), width))
    # The texture is a factor of the light there, so that it lies in the light of the picture.
    tone = spot.swing(0.15, 0.9, random)
    contrast = float(np.exp(random.uniform(np.log(0.1), np.log(0.6)))) * min(1.5 * abs(tone), 1.0)
    tint = np.zeros(3) if spot.grey else random.normal(0, 0.1, 3) * min(abs(tone), 1.0)
    factor = np.exp(np.float32(tone) + np.float32(contrast) * texture)[..., None] * np.exp(tint).astype(np.float32)
    # It covers the fine structure of the ground more or less.
    bare = np.float32(random.uniform(0.2, 1.0))
    side = 2 * int(max(0.25 * np.sqrt(area), 2)) + 1
    around = cv2.blur(spot.light, (side, side), borderType=cv2.BORDER_REPLICATE)
    look = around + bare * (spot.light - around)
    look = look * (1 + np.float32((1 - weight) / max(1 - weight, 0.5)) * (factor - 1))
    # Some end at a line, some fade away.
    depth = np.float32(max(float(field.max()) * random.uniform(0, 0.6), 1e-3))
    alpha = spot.soft(np.clip(spot.cut(field) / depth, 0, 1), 0.8 * width)
    return spot.lay(look, alpha, mask, area, float(bare), random, opacity=round(1 - weight, 3))


def piece(area: float, random: np.random.Generator) -> np.ndarray | None:
    """A piece of a random Perlin mask with ``area`` pixels: float32 (h, w), what the noise is above the threshold by.

    Masks that are empty, or whose pieces are all cut by the end of the lattice, are drawn again. A piece is chosen at
    random, the larger the likelier, and looked at from as near as gives it its pixels: the noise is a function of the
    place. Crumbs, and neighbours that the box would cut, are dropped: 0.
    """
    for _ in range(_TRIES):
        lattices = Field.draw(random)
        coarse = lattices.sample((_COARSE, _COARSE))
        box = _choose(coarse, random)
        if box is None:
            continue
        x0, y0, x1, y1, inside = box
        step = float(np.sqrt(inside / area)) / _COARSE
        shape = max(round((y1 - y0) / _COARSE / step), 1), max(round((x1 - x0) / _COARSE / step), 1)
        field = lattices.sample(shape, (x0 / _COARSE, y0 / _COARSE), step) - np.float32(THRESHOLD)
        field *= _whole(field > 0, min(_LEAST, area / 2))
        if np.count_nonzero(field > 0) >= _ENOUGH * area:
            return field
    return None


def _choose(coarse: np.ndarray, random: np.random.Generator) -> tuple[int, int, int, int, int] | None:
    """Box XYXY around a piece that no border cuts, a little larger, and how many pixels the mask has in it."""
    mask = (coarse > THRESHOLD).astype(np.uint8)
    _, pieces, figures, _ = cv2.connectedComponentsWithStats(mask, connectivity=8, ltype=cv2.CV_32S)
    areas = figures[:, cv2.CC_STAT_AREA].astype(np.float64)
    long = np.maximum(figures[:, cv2.CC_STAT_WIDTH], figures[:, cv2.CC_STAT_HEIGHT])
    areas[(areas < _PIECE) | (long > _LONGEST * np.sqrt(areas))] = 0
    # Outside of the turned lattice the field is 0, and beside it the mask ends at a straight line.
    ends = cv2.dilate((coarse == 0).astype(np.uint8), np.ones((3, 3), np.uint8))
    ends[[0, -1]] = ends[:, [0, -1]] = 1
    areas[np.unique(pieces[ends > 0])] = 0
    areas[0] = 0
    if not areas.any():
        return None
    x, y, w, h = (int(v) for v in figures[int(random.choice(len(areas), p=areas / areas.sum())), :4])
    extra = max(round(0.15 * max(w, h)), 1)
    x0, y0, x1, y1 = max(x - extra, 0), max(y - extra, 0), min(x + w + extra, _COARSE), min(y + h + extra, _COARSE)
    return x0, y0, x1, y1, int(np.count_nonzero(_whole(mask[y0:y1, x0:x1] > 0, 1)))


def _whole(mask: np.ndarray, least: float) -> np.ndarray:
    """bool (h, w): the pieces of at least some size that the border of the box does not cut."""
    _, pieces, figures, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8, ltype=cv2.CV_32S)
    keep = figures[:, cv2.CC_STAT_AREA] >= least
    for border in (pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]):
        keep[border] = False
    keep[0] = False
    return keep[pieces]
