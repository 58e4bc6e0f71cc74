"""Industrial parts by formula: ``PARTS[name](radius, random) -> Part``, about the origin, with holes and sub-parts."""

from collections.abc import Callable

import numpy as np

from kizu.synth.formula.parts.fasteners import bolt_head, hex_nut
from kizu.synth.formula.parts.part import Part
from kizu.synth.formula.parts.plates import bracket, perforated_plate, rounded_polygon, slotted_plate, superellipse
from kizu.synth.formula.parts.profiles import i_profile, l_profile, t_profile, u_profile
from kizu.synth.formula.parts.round import bearing, disc, flange, gear, ring, washer
from kizu.synth.formula.parts.things import blade, blob, chain_link, coil, connector, flake, granule

# Family -> function of (radius, random); the radius is about half of the longer side, in pixels.
PARTS: dict[str, Callable[[float, np.random.Generator], Part]] = {
    family.__name__: family
    for family in (
        disc, superellipse, rounded_polygon, washer, ring, flange, gear, hex_nut, bolt_head, l_profile, t_profile,
        u_profile, i_profile, slotted_plate, perforated_plate, bracket, bearing, coil, chain_link, connector, blade,
        blob, granule, flake,
    )
}  # fmt: skip

FITTING = "fitting"  # class name of sub-parts
