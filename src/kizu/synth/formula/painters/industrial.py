"""The painter of products: a surface, loose parts or an assembly under the light of a station, with defects.

Geometry and labels come first (what cannot be seen well enough is not placed), then surfaces, marks, light and camera.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kizu.core.seeds import Stream, generator
from kizu.synth.contrast import contrasts
from kizu.synth.formula import camera as cameras
from kizu.synth.formula import form, light, look, product, shadow
from kizu.synth.formula.bodies import Body, carve, widen
from kizu.synth.formula.layers import Layers, Mark
from kizu.synth.formula.parts import FITTING, PARTS
from kizu.synth.formula.placing import Placing
from kizu.synth.formula.product import Product
from kizu.synth.formula.raster import Cover
from kizu.synth.formula.source import Picture
from kizu.synth.formula.surfaces import bank
from kizu.synth.formula.surfaces.surface import Surface

_CORRECTIONS = 2  # of contrasts that are matched
_GOLDEN = 0.6180339887498949  # multiples of it fill 0..1 evenly however many there are


def names(values: dict[str, Any]) -> tuple[str, ...]:
    """Class names: defect types that can occur, distractors where they are labelled, then parts and fittings."""
    out = [name for name, weight in values["defects"]["types"].items() if weight > 0]
    if values["label"]["distractors"]:
        out += [name for name, weight in values["distractors"]["types"].items() if weight > 0]
    if values["label"]["parts"]:
        out += [*PARTS, FITTING]
    return tuple(dict.fromkeys(out))


def not_defects(values: dict[str, Any]) -> tuple[str, ...]:
    """Class names of what is no defect: parts, fittings, distractors."""
    flaws = set(values["defects"]["types"])
    return tuple(name for name in names(values) if name not in flaws)


def paint(values: dict[str, Any], size: tuple[int, int], seed: int, index: int) -> Picture:
    """Picture ``index`` of a seed, frame (H, W)."""
    count, row = int(values["scene"]["products"]), int(values["scene"]["pictures"])
    number = index % count if count else index // row
    shared = bool(count) or row > 1
    one = product.draw(values, size, generator(seed, Stream.PRODUCT, number))
    random = generator(seed, Stream.SCENE, index)
    if shared:
        day = values["scene"]["day"]
        one.rig = light.jitter(one.rig, random, day)
        one.camera = cameras.jitter(one.camera, random, day)
    ground = _ground(one, size, seed, index)
    placing = Placing(values, size, one, ground, names(values), generator(seed, Stream.DEFECT, index))
    placing.fill(random)
    image = _expose(values, one, ground, placing, seed, index)
    instances = placing.scene.labels()
    contrast = contrasts(image, instances)
    if values["match"]["contrasts"]:
        wanted = placing.wish(values["match"]["contrasts"], random)
        for _ in range(_CORRECTIONS if wanted else 0):
            placing.restrain(contrast, wanted)
            image = _expose(values, one, _ground(one, size, seed, index), placing, seed, index)
            contrast = contrasts(image, instances)
    if placing.forget_unseen(contrast, values["label"]["contrast"]):
        instances = placing.scene.labels()
        image = _expose(values, one, _ground(one, size, seed, index), placing, seed, index)
        contrast = contrasts(image, instances)
    instances = instances.replace(attributes=instances.attributes | {"contrast": np.round(contrast, 3)})
    meta = {"scene": one.kind, "ground": one.ground.name, "light": one.rig.main.kind, "clean": placing.clean}
    meta |= {"product": number} if shared else {}
    meta |= {"distractors": placing.distractors} if placing.distractors else {}
    if values["scene"]["test"]:
        share = (index + 1) * _GOLDEN % 1.0
        meta["split"] = "test" if share < values["scene"]["test"] else "train"
    return Picture(image, instances, meta, one.camera.quality)


def _ground(one: Product, size: tuple[int, int], seed: int, index: int) -> Surface:
    """What fills the frame of a picture, the same at each call."""
    random = generator(seed, Stream.SURFACE, index)
    ground = bank.make(one.ground.name, one.ground.params, size, one.channels, random)
    shape = form.relief(one.form, size, random) if one.kind == "surface" else None
    if shape is not None:
        ground.layers.height += shape
    return ground


def _expose(
    values: dict[str, Any], one: Product, ground: Surface, placing: Placing, seed: int, index: int
) -> np.ndarray:
    """Light and camera on what was placed; the ground's layers are used up."""
    layers = ground.layers
    for mark in placing.marks:
        if mark is not None:
            mark.apply(layers)
    for body in placing.bodies:
        lay(layers, body, one.rig)
    radiance = light.shade(layers, one.rig)
    random = generator(seed, Stream.CAMERA, index)
    camera = look.apply(radiance, one.camera, values["match"], random)
    return cameras.expose(radiance, camera, random)


def lay(layers: Layers, body: Body, rig: light.Rig) -> None:
    """Put a body on what lies below it: its shadow, its surface with a rounded edge, fittings, marks."""
    cover, own = body.cover, body.surface.layers
    if own.size != cover.alpha.shape:
        own = widen(own, body.dressed, cover)
    marks = [mark for mark in body.marks if mark is not None]
    for mark in marks:
        if mark.cut is not None:
            cover = carve(cover, Cover(mark.cover.x, mark.cover.y, mark.cut))
    shadow.cast(layers, cover, body.lift, rig)
    shadow.rim(layers, cover, max(1.0, 0.3 * body.lift), 0.5)
    height = layers.at(cover).height
    base = float(np.median(height[::4, ::4])) if height.size else 0.0
    rounded = Layers(
        own.height + base + body.edge * 0.6 * shadow.bevel(cover, max(body.edge, 1.0)),
        own.albedo, own.roughness, own.metal, own.shadow,
    )  # fmt: skip
    layers.lay(rounded, cover)
    for fitting in body.fittings:
        _fit(layers, body, fitting)
    for mark in marks:
        mark.apply(layers, cover)


def _fit(layers: Layers, body: Body, fitting) -> None:
    """Raise or sink the seat of a sub-part; a sunk one lies in its own shade."""
    if fitting.missing or not fitting.cover.alpha.size:
        return
    lift = fitting.seat.lift * body.radius
    width = max(1.0, fitting.seat.edge * body.radius)
    height = (lift * shadow.bevel(fitting.cover, width)).astype(np.float32)
    Mark(fitting.cover, height=height).apply(layers, body.cover)
    if lift < 0:
        shade = 1 - 0.45 * fitting.cover.alpha
        Mark(fitting.cover, gain=shade.astype(np.float32)).apply(layers, body.cover)
    else:
        shadow.rim(layers, fitting.cover, max(1.0, 0.4 * lift), 0.4)
