"""Planed wood."""

from __future__ import annotations

from typing import Any

import numpy as np

from kizu.synth.formula import chance
from kizu.synth.formula.surfaces import colours
from kizu.synth.formula.surfaces.directions import marks, straight, streaks
from kizu.synth.formula.surfaces.material import Material, assemble
from kizu.synth.formula.surfaces.relief import heading, turned, uneven, unevenness
from kizu.synth.formula.surfaces.surface import Surface

# Early and late wood of a ring, sRGB.
WOODS = {
    "beech": ("#d2a679", "#b98456"),
    "pine": ("#e2c394", "#b98a50"),
    "oak": ("#c39b6b", "#94693d"),
    "walnut": ("#7d573a", "#4d3322"),
    "maple": ("#e0c7a0", "#cfae82"),
    "mahogany": ("#8f4f30", "#6b3420"),
}
# Across a ring: pale early wood darkens slowly into late wood, then the next ring starts sharply.
_T = np.linspace(0, 1, 128, endpoint=False)
_RING = np.clip(_T / 0.88, 0, 1) ** 2.2 * np.clip((1 - _T) / 0.1, 0, 1)


def draw_wood(random: np.random.Generator, scale: float) -> dict[str, Any]:
    """Planed wood; ``heading`` is the direction of its fibres."""
    name = list(WOODS)[int(random.integers(len(WOODS)))]
    early, late = (colours.vary(colours.linear(code), random, 0.08, 0.02) for code in WOODS[name])
    return {
        "early": early,
        "late": late,
        "heading": heading(random, 0.75),
        "ring": chance.log_uniform((9, 48), random) * scale,
        "bend": chance.uniform((0.5, 1.8), random),
        "rings": chance.uniform((0.4, 0.95), random),
        "fibre": chance.log_uniform((1.1, 1.8), random) * scale,
        "tone": chance.log_uniform((0.03, 0.07), random),
        "pores": chance.uniform((0.0, 0.16), random),
        "relief": chance.log_uniform((0.02, 0.08), random),
        "roughness": chance.uniform((0.5, 0.8), random),
        **unevenness(random, scale, 0.015, 0.05),
    }


def make_wood(params: dict[str, Any], size: tuple[int, int], channels: int, random: np.random.Generator) -> Surface:
    """One piece of wood."""
    angle, ring, fibre = turned(params, random, 0.015), params["ring"], params["fibre"]
    field = straight(size, angle)
    place, fine, pores = (np.zeros(size, np.float32) for _ in range(3))
    # Rings are not straight: what lies across is shifted by slow waves that run with the fibres.
    across, reach = field.u.copy(), params["bend"] * ring
    streaks(across, field, 9 * ring, 24 * ring, 0.8 * reach, random)
    streaks(across, field, 2.5 * ring, 9 * ring, 0.16 * reach, random)
    marks(place, field.moved(across), ring, _RING, params["rings"], random, 0.35)
    streaks(fine, field, fibre, 28 * fibre, 1.0, random)
    streaks(pores, field, 1.1 * fibre, 9 * fibre, 1.0, random)
    pores = np.minimum(pores + np.float32(1.4), 0)
    shade = np.float32(params["tone"]) * fine
    shade += np.float32(2.2 * params["pores"]) * pores
    height = fine * np.float32(params["relief"] * fibre * 0.7)
    height += pores * np.float32(params["relief"] * fibre)
    uneven(shade, params, random)
    ramp = [colours.row(params[name], params["roughness"], 0.0) for name in ("early", "late")]
    return assemble(ramp, channels, height, shade, place, polish=-0.3, heading=angle, pitch=ring)


MATERIALS = (Material("wood", "planed wood", draw_wood, make_wood),)
