"""A texture in a mask of Perlin noise (DRAEM, Zavrtanik et al., 2021; two masks as in GLASS, Chen et al., 2024)."""

from __future__ import annotations

import cv2
import numpy as np

from kizu.synth.compose import textures
from kizu.synth.compose.flaws.lattice import THRESHOLD, Field
from kizu.synth.compose.flaws.registry import flaw
from kizu.synth.compose.flaws.spot import Spot
from kizu.synth.compose.ground import Change, Ground

_COARSE = 96  # pixels a side on which a piece of the mask is chosen
_PIECE = 6  # of those pixels, that a piece has at least
_TRIES = 20  # of a mask that is not empty
_LEAST = 9  # pixels of the smallest thing that can be resolved
_MARGIN = 5  # pixels around the mask, for its soft edge
_LONGEST = 6.0  # of a piece, in units of the root of its area: streaks longer than that run out of the frame


@flaw
def perlin(ground: Ground, at: tuple[float, float], area: float, random: np.random.Generator) -> Change | None:
    """A piece of a Perlin mask, as large as asked for, with a texture of another tone mixed in."""
    mask = mask_of(area, random)
    if mask is None:
        return None
    mask = np.pad(mask, _MARGIN)
    spot = Spot(ground, at, mask.shape)
    if not spot.light.size:
        return None
    width = spot.blur()
    planned = spot.cut(mask)
    # DRAEM: weight of the ground from U(0, 0.8); GLASS: N(0.5, 0.1).
    weight = float(random.uniform(0, 0.8) if random.uniform() < 0.5 else np.clip(random.normal(0.5, 0.1), 0.2, 0.8))
    texture = textures.crop(mask.shape, random)
    # The texture is a factor of the light around it, so that it lies in the light of the picture.
    tone = spot.swing(0.25, 1.0, random) / (1 - 0.7 * weight)
    contrast = float(np.exp(random.uniform(np.log(0.06), np.log(0.5)))) * min(1.5 * abs(tone), 1.0)
    tint = np.zeros(3) if spot.grey else random.normal(0, 0.12, 3) * min(abs(tone), 1.0)
    texture = spot.cut(cv2.GaussianBlur(texture, (0, 0), width))
    factor = np.exp(np.float32(tone) + np.float32(contrast) * texture)[..., None] * np.exp(tint).astype(np.float32)
    around = cv2.GaussianBlur(spot.light, (0, 0), max(0.15 * np.sqrt(area), 1.5), borderType=cv2.BORDER_REPLICATE)
    look = np.float32(1 - weight) * (around * factor) + np.float32(weight) * spot.light
    return spot.lay(look, spot.soft(planned, 0.8 * width), planned, area, weight, random)


def mask_of(area: float, random: np.random.Generator) -> np.ndarray | None:
    """A piece of a random Perlin mask with ``area`` pixels, bool (h, w) without a margin; crumbs are dropped.

    Masks that are empty are drawn again. A piece of the mask is chosen at random, the larger the likelier, and looked
    at from as near as gives it its pixels: the noise is a function of the place.
    """
    for _ in range(_TRIES):
        field = Field.draw(random)
        coarse = (field.sample((_COARSE, _COARSE)) > THRESHOLD).astype(np.uint8)
        count, _, figures, _ = cv2.connectedComponentsWithStats(coarse, connectivity=8)
        areas = figures[1:, cv2.CC_STAT_AREA].astype(np.float64)
        long = np.maximum(figures[1:, cv2.CC_STAT_WIDTH], figures[1:, cv2.CC_STAT_HEIGHT])
        areas[(areas < _PIECE) | (long > _LONGEST * np.sqrt(areas))] = 0
        if count < 2 or not areas.any():
            continue
        chosen = 1 + int(random.choice(len(areas), p=areas / areas.sum()))
        x, y, w, h = (int(v) for v in figures[chosen, :4])
        # A little of what lies around belongs to it.
        extra = max(round(0.15 * max(w, h)), 1)
        x0, y0, x1, y1 = max(x - extra, 0), max(y - extra, 0), min(x + w + extra, _COARSE), min(y + h + extra, _COARSE)
        step = float(np.sqrt(np.count_nonzero(coarse[y0:y1, x0:x1]) / area)) / _COARSE
        shape = max(round((y1 - y0) / _COARSE / step), 1), max(round((x1 - x0) / _COARSE / step), 1)
        mask = _without_crumbs(
            field.sample(shape, (x0 / _COARSE, y0 / _COARSE), step) > THRESHOLD, min(_LEAST, area / 2)
        )
        if mask.any():
            return mask
    return None


def _without_crumbs(mask: np.ndarray, least: float) -> np.ndarray:
    _, pieces, figures, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8, ltype=cv2.CV_32S)
    keep = figures[:, cv2.CC_STAT_AREA] >= least
    keep[0] = False
    return keep[pieces]
