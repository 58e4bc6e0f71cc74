"""Bodies: parts put under the camera, with their fittings, defects and distractors, as nodes of a scene."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kizu.synth.formula import chance, warp
from kizu.synth.formula.camera import Camera
from kizu.synth.formula.layers import Layers, Mark
from kizu.synth.formula.outline import Outline
from kizu.synth.formula.parts.part import Part, Seat
from kizu.synth.formula.product import Material
from kizu.synth.formula.raster import Cover, fill
from kizu.synth.formula.surfaces import bank
from kizu.synth.formula.surfaces.surface import Surface


@dataclass
class Fitting:
    """A sub-part: a boss, rib, screw or recess on a body."""

    seat: Seat
    cover: Cover
    outline: Outline
    missing: bool = False


@dataclass
class Body:
    """A part in the picture.

    Attributes:
        cover: of the part, burrs included.
        outline: its rings in the frame.
        radius: half of its longer side, pixels.
        lift: height above what it lies on, pixels.
        edge: width of its rounded edge, pixels.
        surface: of the box of ``dressed``, the cover that it had then; made when the body has its place.
        fittings, marks: what is on it, in the order in which it is drawn.
    """

    part: Part
    material: Material
    outline: Outline
    cover: Cover
    angle: float
    radius: float
    lift: float
    edge: float
    surface: Surface | None = None
    dressed: Cover | None = None
    fittings: list[Fitting] = field(default_factory=list)
    marks: list[Mark | None] = field(default_factory=list)


def half_side(part: Part) -> float:
    """Half of the longer side of a part, pixels."""
    x0, y0, x1, y1 = part.outline.bounds
    return 0.5 * float(max(x1 - x0, y1 - y0))


def pose(
    part: Part, material: Material, place: np.ndarray, angle: float, lift: float, values: dict[str, Any],
    camera: Camera, size: tuple[int, int], random: np.random.Generator,
) -> Body:  # fmt: skip
    """A part bent, stretched and tilted a little, turned, put in its place and seen through the lens.

    Args:
        place: float (2,), where its origin comes to lie, pixels.
        angle: of the turn, radians.
        values: the table ``[parts]`` of a preset.
    """
    radius = half_side(part)
    steps = []
    if chance.either(values["bent"], random):
        bend = chance.uniform(values["bend"], random) * radius
        steps.append(warp.freeform(part.outline.bounds, 0.8 * radius, bend, random))
    steps.append(warp.stretch(np.exp(random.normal(0, values["stretch"])), random.uniform(0, np.pi)))
    tilt, towards = chance.uniform(values["tilt"], random), random.uniform(0, 2 * np.pi)
    steps += [warp.perspective(tilt, towards, 6 * radius), warp.rotation(angle, shift=place)]
    moved = warp.compose(*steps)

    def see(outline: Outline) -> Outline:
        return camera.lens.outline(warp.warped(outline, moved, max(4.0, 0.06 * radius)))

    outline = see(part.outline)
    body = Body(part, material, outline, fill(outline, size), angle, radius, lift, part.edge * radius)
    for seat in part.seats:
        own = see(seat.outline)
        body.fittings.append(Fitting(seat, fill(own, size), own))
    return body


def clothe(body: Body, channels: int, random: np.random.Generator) -> None:
    """Make the body's surface, turned with it."""
    params = dict(body.material.params)
    if params.get("heading") is not None:
        params["heading"] = params["heading"] + body.angle
    body.dressed = body.cover
    body.surface = bank.make(body.material.name, params, body.cover.alpha.shape, channels, random)


def union(a: Cover, b: Cover) -> Cover:
    """The larger coverage of two shapes, on the box of both."""
    x0, y0 = min(a.x, b.x), min(a.y, b.y)
    x1 = max(a.x + a.alpha.shape[1], b.x + b.alpha.shape[1])
    y1 = max(a.y + a.alpha.shape[0], b.y + b.alpha.shape[0])
    out = Cover(x0, y0, np.zeros((y1 - y0, x1 - x0), np.float32), a.truncated or b.truncated)
    for one in (a, b):
        y, x = one.y - y0, one.x - x0
        here = out.alpha[y : y + one.alpha.shape[0], x : x + one.alpha.shape[1]]
        np.maximum(here, one.alpha, out=here)
    return out


def widen(layers: Layers, old: Cover, new: Cover) -> Layers:
    """Layers of the box of ``old`` on the larger box of ``new``, the edge values carried on."""
    top, left = old.y - new.y, old.x - new.x
    pads = (
        (top, new.alpha.shape[0] - old.alpha.shape[0] - top),
        (left, new.alpha.shape[1] - old.alpha.shape[1] - left),
    )
    flat = [np.pad(a, pads, "edge") for a in (layers.height, layers.roughness, layers.metal, layers.shadow)]
    return Layers(flat[0], np.pad(layers.albedo, (*pads, (0, 0)), "edge"), *flat[1:])


def carve(cover: Cover, cut: Cover) -> Cover:
    """A cover without what was cut off."""
    alpha = cover.alpha.copy()
    shared = Cover(cut.x, cut.y, cut.alpha).within(Cover(cover.x, cover.y, np.ones_like(cover.alpha)))
    y, x = shared.y - cover.y, shared.x - cover.x
    alpha[y : y + shared.alpha.shape[0], x : x + shared.alpha.shape[1]] *= 1 - shared.alpha
    return Cover(cover.x, cover.y, alpha, cover.truncated)
