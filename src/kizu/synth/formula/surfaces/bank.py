"""The bank of materials: what parts and grounds are made of.

A product line draws the parameters of a material once and makes many pieces from them: the same look with other
detail. Whoever wants another look each time draws them each time. A new material is a function that draws, one that
makes, and a line in the ``MATERIALS`` of its family's file.
"""

from __future__ import annotations

import difflib
from typing import Any

import numpy as np

from kizu.core.errors import KizuError
from kizu.synth.formula.surfaces import (
    boards,
    ceramics,
    cut_metal,
    grounds,
    minerals,
    plastics,
    prints,
    raw_metal,
    textiles,
    wood,
)
from kizu.synth.formula.surfaces.material import Material
from kizu.synth.formula.surfaces.surface import Surface

_FAMILIES = (cut_metal, raw_metal, ceramics, textiles, plastics, prints, boards, wood, minerals, grounds)
MATERIALS: dict[str, Material] = {material.name: material for family in _FAMILIES for material in family.MATERIALS}


def draw(material: str, random: np.random.Generator, scale: float = 1.0) -> dict[str, Any]:
    """Parameters of one product's material: colour, sizes, contrast, heading. JSON-able, and all that pieces depend on.

    Args:
        scale: pixels in place of each pixel of a 512-pixel frame; the texture grows with it.

    Raises:
        KizuError: an unknown material, or a scale that is not above 0.
    """
    if not scale > 0:
        raise KizuError(f"scale {scale} of material {material!r}: it is above 0 (1 for frames of 512 pixels)")
    return _find(material).draw(random, scale)


def make(
    material: str, params: dict[str, Any], size: tuple[int, int], channels: int, random: np.random.Generator
) -> Surface:
    """One piece of a material: other detail each time, the same look.

    Args:
        params: of :func:`draw` for the same material. ``heading``, where there is one, may be turned with a part.
        size: (H, W) in pixels, 1 or more a side.
        channels: 1 (grey) or 3 (linear RGB).

    Raises:
        KizuError: an unknown material, parameters of another one, or a size or channels that make no sense.
    """
    found = _find(material)
    if min(size) < 1 or channels not in (1, 3):
        raise KizuError(
            f"material {material}: a piece of {size[0]} x {size[1]} pixels with {channels} channels; "
            "take 1 or more pixels a side and 1 or 3 channels"
        )
    try:
        surface = found.make(params, (int(size[0]), int(size[1])), channels, random)
    except KeyError as error:
        raise KizuError(
            f"material {material}: parameter {error} is missing from {sorted(params)}; take what bank.draw gives for it"
        ) from error
    surface.material = material
    return surface


def _find(name: str) -> Material:
    if name not in MATERIALS:
        near = difflib.get_close_matches(name, MATERIALS, 3, 0.5)
        hint = f"did you mean {', '.join(near)}?" if near else f"known are {', '.join(MATERIALS)}"
        raise KizuError(f"unknown material {name!r}; {hint}")
    return MATERIALS[name]
