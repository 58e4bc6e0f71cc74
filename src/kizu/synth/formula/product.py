"""A product: what stays the same from picture to picture. A part number has one material, one station, one light."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kizu.synth.formula import camera as cameras
from kizu.synth.formula import chance, form, light
from kizu.synth.formula.fields import power_law
from kizu.synth.formula.form import Form
from kizu.synth.formula.parts import PARTS
from kizu.synth.formula.parts.part import Part
from kizu.synth.formula.surfaces import bank

_OF_PARTS = ("burr", "missing_part")  # what a surface without an outline cannot have


@dataclass
class Material:
    """A material of :data:`bank.MATERIALS` with the parameters of one lot."""

    name: str
    params: dict[str, Any]


@dataclass
class Product:
    """Everything that is drawn once a product.

    Attributes:
        kind: ``surface``, ``parts`` or ``assembly``.
        channels: 1 (grey) or 3.
        ground: what fills the frame: the surface itself, or what parts lie on.
        form: large shape of a surface.
        materials: of the parts.
        parts: outlines about the origin, with the number of the material.
        rig, camera: the station.
        defects: weights of the types that occur.
        distractors: likewise.
    """

    kind: str
    channels: int
    ground: Material
    form: Form
    materials: list[Material]
    parts: list[tuple[Part, int]]
    rig: light.Rig
    camera: cameras.Camera
    defects: dict[str, float]
    distractors: dict[str, float]


def draw(values: dict[str, Any], size: tuple[int, int], random: np.random.Generator) -> Product:
    """A product from the values of the preset ``industrial`` for frames of (H, W)."""
    scale = min(size) / 512
    kind = chance.pick(values["scene"]["kinds"], random)
    channels = 3 if chance.either(values["scene"]["colour"], random) else 1
    grounds = values["materials"] if kind == "surface" else values["grounds"]
    number = 0 if kind == "surface" else int(random.integers(1, 3))
    materials = [_material(values["materials"], scale, random) for _ in range(number)]
    ground = _material(grounds, scale, random)
    known = _plausible(values, kind, {ground.name} if kind == "surface" else {m.name for m in materials})
    return Product(
        kind,
        channels,
        ground,
        form.draw(values["form"], random, scale),
        materials,
        _parts(values, kind, size, len(materials), random),
        light.draw(values["light"], random, scale),
        cameras.draw(values["camera"], size, random),
        _some(known, values["defects"]["kinds"], random),
        _some(values["distractors"]["types"], values["distractors"]["kinds"], random),
    )


def _material(weights: dict[str, float], scale: float, random: np.random.Generator) -> Material:
    name = chance.pick(weights, random)
    return Material(name, bank.draw(name, random, scale))


def _plausible(values: dict[str, Any], kind: str, materials: set[str]) -> dict[str, float]:
    """Weights of the types that at least one of these materials can have; all that fit the scene, where none can."""
    table = values["defects"]
    # What nothing in the picture can have is no trouble of the product.
    weights = {
        name: w for name, w in table["types"].items() if kind != "surface" or drawn_by(name, values) not in _OF_PARTS
    }
    out = {}
    for name, weight in weights.items():
        able = {m for m in materials if name not in table["never"].get(m, "").split()}
        if table["only"].get(name):
            able &= set(table["only"][name].split())
        if able and weight > 0:
            out[name] = weight
    return out or weights


def drawn_by(name: str, values: dict[str, Any]) -> str:
    """The drawing function of a type: that of a user's recipe, else that of its own name."""
    return values["recipes"].get(name, {}).get("draw", name)


def _some(weights: dict[str, float], count: list[int], random: np.random.Generator) -> dict[str, float]:
    """A few of the types: one product has its own kinds of trouble. All, where ``count`` is 0."""
    number = chance.whole(count, random)
    left = {name: weight for name, weight in weights.items() if weight > 0}
    if not number:
        return left
    out = {}
    while left and len(out) < number:
        name = chance.pick(left, random)
        out[name] = left.pop(name)
    return out


def _parts(
    values: dict[str, Any], kind: str, size: tuple[int, int], materials: int, random: np.random.Generator
) -> list[tuple[Part, int]]:
    if kind == "surface":
        return []
    table, scale = values["parts"], min(size) / 512
    if kind == "assembly":
        name = chance.pick(table["bodies"], random)
        return [(PARTS[name](chance.uniform(table["body"], random) * scale, random), 0)]
    return [
        (
            PARTS[chance.pick(table["families"], random)](
                power_law(1, *table["radius"], random, table["exponent"])[0] * scale, random
            ),
            int(random.integers(materials)),
        )
        for _ in range(chance.whole(table["models"], random))
    ]
