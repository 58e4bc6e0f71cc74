"""How large and how strong a defect is, measured by the surface that it lies on.

Contrasts of recipes are in units of the surface's own noise, so that a recipe is as hard to see on a mirror as on a
casting. A floor stands in for the noise of the camera where a surface has none of its own.
"""

from __future__ import annotations

import numpy as np

from kizu.synth.formula import chance
from kizu.synth.formula.defects.registry import Ranges
from kizu.synth.formula.defects.site import Site

_FLOOR = 0.03  # of slopes and of relative albedo
_MOST = 0.16  # texture stronger than this would make every defect black


def side(site: Site, ranges: Ranges, random: np.random.Generator) -> float:
    """Square root of the area that a defect is to have, pixels: the site's target, else the recipe's ``size``."""
    size = chance.log_uniform(ranges["size"], random) * site.scale
    return max(size if site.target is None else site.target, 3.0)


def line(site: Site, ranges: Ranges, random: np.random.Generator, least: float = 1.2) -> tuple[float, float]:
    """Length and width of a line, pixels, from the recipe's ``length`` and ``width``.

    A target gives the length (its square by the width), and the width only where the line would become a stub or run
    out of the frame.
    """
    width = max(chance.log_uniform(ranges["width"], random) * site.scale, least)
    length = chance.log_uniform(ranges["length"], random) * site.scale
    if site.target is not None:
        area = max(site.target, 3.0) ** 2
        longest = 0.9 * float(np.hypot(*site.size))
        length = min(area / width, longest)
        if length < 5 * width:
            length = np.sqrt(5 * area)
        # A long defect gets broader, but a scratch stays a scratch.
        width = min(max(area / length, least), 2 * ranges["width"][1] * site.scale)
        length = min(area / width, longest)
    return float(length), float(width)


def slope(site: Site, contrast: float, most: float = 1.2) -> float:
    """The slope, pixels a pixel, that stands out from the surface's relief by a contrast; at most ``most``."""
    return float(min(contrast * np.hypot(site.surface.relief, _FLOOR), most))


def tone(site: Site, contrast: float) -> float:
    """The share of light that is lost, 0..1, where the albedo stands out from the surface's texture by a contrast.

    The relief makes texture too, more of it on metals, whose highlights change fast with the slope.
    """
    surface = site.surface
    shaded = 0.5 * surface.relief * (1 + surface.metal)
    noise = min(np.sqrt(surface.grain**2 + shaded**2 + _FLOOR**2), _MOST)
    return float(1 - np.exp(-contrast * noise))


def direction(site: Site, ranges: Ranges, random: np.random.Generator) -> float:
    """An angle in radians: along the surface's lines with the recipe's probability ``aligned``, else any."""
    aligned = chance.either(ranges["aligned"][0], random)
    anywhere, spread = random.uniform(0, np.pi), random.normal(0, 0.05)
    if site.surface.heading is not None and aligned:
        return float(site.surface.heading + spread)
    return float(anywhere)
