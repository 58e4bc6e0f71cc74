"""Defects of the lexicon: drawn as relief, film or foreign matter, and lit by the light of the picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from kizu.core.jit import jit
from kizu.lexicon.record import Recipe
from kizu.synth.compose.flaws.drawable import TYPES, recipe_of
from kizu.synth.compose.flaws.registry import flaw
from kizu.synth.compose.flaws.spot import Spot
from kizu.synth.compose.ground import Change, Ground
from kizu.synth.compose.linear import LUMINANCE
from kizu.synth.compose.relief import ratio
from kizu.synth.formula import chance
from kizu.synth.formula.defects.draw import DISTRACTORS
from kizu.synth.formula.defects.draw import draw as draw_marks
from kizu.synth.formula.defects.site import Site
from kizu.synth.formula.layers import Layers, Mark
from kizu.synth.formula.raster import Cover
from kizu.synth.formula.surfaces.surface import Surface

_AROUND = 48  # pixels around the place that the surface is measured on
_LINES = 0.45  # coherence of a structure tensor, above which a surface has lines
_MOST_AMBIENT = 0.7  # in a light without any direction no dent would be seen
_SHINE = (0.05, 0.5)
_SEEN = (4.0, 10.0)  # deviations of the noise and of half the texture
_MOST_GAIN = 10.0
# Largest square root of the area, in frames of 512 pixels, of types that are small or thin by nature.
_MOST = {
    "scratch": 60, "crack": 80, "pore": 30, "pit": 60, "foreign_particle": 30, "spatter": 30, "inclusion": 90,
    "bump": 110, "wrinkle": 120,
}  # fmt: skip
_HUE = 0.35  # share of its own colour that other matter keeps, beside that of the picture
_RANGE = (0.5, 1.4)  # other matter is this much darker or brighter than the picture's own range at most
_PLAIN = Layers.flat((1, 1), np.ones(3), 0.5, 0.5)  # the drawing functions look at the figures alone


@flaw
def drawn(
    ground: Ground, at: tuple[float, float], area: float, random: np.random.Generator, type: str | None = None,
    recipe: Mapping[str, Any] | None = None,
) -> Change | None:  # fmt: skip
    """A defect of a type of the lexicon: the first mark that its drawing function makes, about as large as asked for.

    A user's own type is as large as its recipe says.

    Heights become a ratio image in the picture's own light, gains multiply, and other matter takes its brightness from
    the picture's range. Types that need the outline of a part (a burr) have no place here.

    Args:
        type: None: one of ``TYPES``.
        recipe: of an own type, ``{"draw", "ranges"}``; None: that of the lexicon.

    Raises:
        KizuError: a type that the lexicon does not have, or that is not drawn on surfaces.
    """
    if type is None:
        side = float(np.sqrt(area)) * 512 / min(ground.light.shape[:2])
        type = chance.pick({name: weight for name, weight in TYPES.items() if side <= _MOST.get(name, np.inf)}, random)
    way = recipe_of(type, None if recipe is None else {type: recipe})
    height, width = ground.light.shape[:2]
    if not (0 <= at[0] < width and 0 <= at[1] < height):
        return None
    surface = _surface(ground, at)
    mark = _mark(ground, at, None if recipe is not None else float(np.sqrt(area)), way, surface, random)
    if mark is None:
        return None
    if recipe is not None:
        area = float(np.count_nonzero(mark.cover.mask))
    box = mark.cover
    middle = box.x + box.alpha.shape[1] / 2, box.y + box.alpha.shape[0] / 2
    spot = Spot(ground, middle, box.alpha.shape)
    sun = ground.sun[0], ground.sun[1], min(ground.sun[2], _MOST_AMBIENT)
    shine = chance.log_uniform(_SHINE, random)
    mark = _strengthened(mark, spot, sun, shine, chance.log_uniform(_SEEN, random), surface.grain)
    lit, mix = _lit(mark, spot, sun, shine), _share(mark)
    matter = np.zeros((1, 1, 3), np.float32)
    if mix is not None:
        colour = np.asarray(mark.albedo, np.float32)
        colour = colour if colour.ndim == 3 else colour.reshape(1, 1, 3)
        matter = _in_range(colour, ground, spot, 1.0 if way.draw == "rust" else _HUE)
    # The optics blur what is painted on a picture as they blurred the picture; marks come about half as sharp.
    lit = cv2.GaussianBlur(lit, (0, 0), max(spot.blur() - 0.3, 0.2), borderType=cv2.BORDER_REPLICATE)
    look, alpha, keep = (np.empty((*box.alpha.shape, *more), np.float32) for more in ((3,), (), ()))
    lit = lit.reshape(*box.alpha.shape, -1)
    _paint(spot.light, lit, np.zeros((0, 0), np.float32) if mix is None else mix, matter, look, alpha, keep)
    attributes = {"type": type} | mark.attributes
    if way.draw in DISTRACTORS:
        attributes["distractor"] = True
    return spot.lay(look, alpha, mark.cover.mask, area, keep, random, **attributes)


def _mark(
    ground: Ground, at: tuple[float, float], target: float | None, recipe: Recipe, surface: Surface,
    random: np.random.Generator,
) -> Mark | None:  # fmt: skip
    """The first mark of the recipe, where it changes the surface and nothing but that."""
    size = ground.light.shape[:2]
    x, y = int(np.floor(at[0])), int(np.floor(at[1]))
    place = Cover(x, y, np.ones((1, 1), np.float32))
    site = Site(size, surface, place, None, min(size) / 512, target)
    marks = draw_marks(recipe.draw, site, random, recipe.ranges)
    mark = marks[0] if marks else None
    return mark if mark is not None and mark.cut is None and mark.grow is None else None


def _surface(ground: Ground, at: tuple[float, float]) -> Surface:
    """What the picture is made of around a place, as far as drawing functions ask."""
    before = ground if ground.clean is None else replace(ground, light=ground.clean)
    spot = Spot(before, at, (2 * _AROUND, 2 * _AROUND))
    tone = np.ascontiguousarray(spot.light[..., 1])
    slow = cv2.GaussianBlur(tone, (0, 0), 4, borderType=cv2.BORDER_REPLICATE)
    mean = max(float(slow.mean()), 1e-4)
    grain = min(float((tone - slow).std()) / mean, 0.3)
    return Surface("", _PLAIN, np.maximum(spot.mean, 1e-4), 0.5, 0.5, _heading(tone), None, grain, 0.3 * grain)


def _heading(tone: np.ndarray) -> float | None:
    """Direction of the lines of a texture, radians, by its structure tensor; None where it has none."""
    if min(tone.shape) < 8:
        return None
    dx, dy = tone[1:, 1:] - tone[1:, :-1], tone[1:, 1:] - tone[:-1, 1:]
    xx, yy, xy = float((dx * dx).sum()), float((dy * dy).sum()), float((dx * dy).sum())
    if np.hypot(xx - yy, 2 * xy) < _LINES * max(xx + yy, 1e-12):
        return None
    return float((0.5 * np.arctan2(2 * xy, xx - yy) + np.pi / 2) % np.pi)


def _lit(mark: Mark, spot: Spot, sun: tuple[float, float, float], shine: float) -> np.ndarray:
    """float32 (h, w) or (h, w, 3): the factor by which relief and films of a mark change the light."""
    gain = np.ones(mark.cover.alpha.shape, np.float32) if mark.gain is None else mark.gain.astype(np.float32)
    if gain.ndim == 3 and spot.grey:
        gain = gain @ LUMINANCE
    if mark.height is None:
        return gain
    shaded = ratio(mark.height, sun, shine)
    return gain * (shaded if gain.ndim == 2 else shaded[..., None])


def _share(mark: Mark) -> np.ndarray | None:
    """float32 (h, w), share of other matter; None where the mark brings none."""
    return None if mark.mix is None or mark.albedo is None else np.clip(mark.mix, 0, 1).astype(np.float32)


def _strengthened(
    mark: Mark, spot: Spot, sun: tuple[float, float, float], shine: float, wanted: float, grain: float
) -> Mark:
    """The mark, made stronger where it would be lost in the noise of the picture.

    Args:
        wanted: change of the 8-bit values in units of noise and texture, at the places that change most.
        grain: of the surface.
    """
    if mark.albedo is not None:
        return mark
    inside = mark.cover.mask
    lit = _lit(mark, spot, sun, shine)[inside]
    lit = lit if lit.ndim == 1 else lit @ LUMINANCE
    level = 255 * np.maximum(spot.light[inside] @ LUMINANCE, 1e-4) ** np.float32(1 / 2.4)  # about the 8-bit values
    found = float(np.quantile(level / 2.4 * np.abs(np.log(np.maximum(lit, 1e-3))), 0.8))
    wanted *= float(np.hypot(max(spot.ground.noise, 1.0), 0.5 * grain * np.median(level) / 2.4))
    return mark if found >= wanted else mark.scaled(min(wanted / max(found, 1e-3), _MOST_GAIN))


def _in_range(colour: np.ndarray, ground: Ground, spot: Spot, share: float) -> np.ndarray:
    """Light of other matter, (..., 3): as bright as things in this picture are, grey in a grey one.

    Args:
        share: of its own hue that it keeps.
    """
    step = max(int(np.sqrt(ground.light.shape[0] * ground.light.shape[1] / 4096)), 1)
    low, high = np.quantile(ground.light[::step, ::step] @ LUMINANCE, (0.02, 0.98))
    tone = colour @ LUMINANCE
    wanted = np.clip(tone, _RANGE[0] * low, max(_RANGE[1] * high, 1e-3))
    if spot.grey:
        return np.repeat(wanted[..., None], 3, -1).astype(np.float32)
    own = spot.mean / max(float(spot.mean @ LUMINANCE), 1e-5)
    hue = np.float32(share) * colour / np.maximum(tone, 1e-5)[..., None] + np.float32(1 - share) * own
    return np.clip(hue * wanted[..., None], 0, 1).astype(np.float32)


@jit
def _paint(light, lit, mix, matter, look, alpha, keep):
    """Other matter, then the factor; where anything changes, and what is left of the amplitude of the noise there.

    The noise of the camera does not get less where the light does, as it would if it were multiplied, too.
    """
    one = np.float32(1)
    last, rows, columns = lit.shape[2] - 1, matter.shape[0] > 1, matter.shape[1] > 1
    for i in range(alpha.shape[0]):
        for j in range(alpha.shape[1]):
            share = mix[i, j] if mix.size else np.float32(0)
            change, dark = share, np.float32(0)
            for c in range(3):
                other = matter[i if rows else 0, j if columns else 0, c]
                factor = lit[i, j, min(c, last)]
                look[i, j, c] = (light[i, j, c] + share * (other - light[i, j, c])) * factor
                change = max(change, abs(factor - one))
                dark += min(factor, one) / 3
            alpha[i, j] = one if change > 1e-5 else np.float32(0)
            keep[i, j] = (one - share) * max(dark, np.float32(0)) ** np.float32(1 / 2.4) if change > 1e-5 else one
