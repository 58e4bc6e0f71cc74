"""The painter of bare printed boards: laid out, etched with faults, then scanned or put under light and a camera."""

from __future__ import annotations

from typing import Any

import numpy as np

from kizu.core.errors import KizuError
from kizu.core.seeds import Stream, generator
from kizu.lexicon.record import Recipe
from kizu.synth.contrast import contrasts
from kizu.synth.formula import camera as cameras
from kizu.synth.formula import chance, light
from kizu.synth.formula.boards.board import Board
from kizu.synth.formula.boards.finish import dress, scan
from kizu.synth.formula.boards.layout import Layout
from kizu.synth.formula.defects.board import FAULTS, Copper, Fault, make
from kizu.synth.formula.defects.board import contrast as visible
from kizu.synth.formula.defects.registry import pair
from kizu.synth.formula.raster import Cover
from kizu.synth.formula.scene import Node, Scene
from kizu.synth.formula.shipped import lexicon
from kizu.synth.formula.source import Picture

PIECES = ("track", "pad", "via", "area", "text")  # classes of the copper, where it is labelled


def names(values: dict[str, Any]) -> tuple[str, ...]:
    """Class names: faults that can occur, then the pieces of copper where they are labelled."""
    faults = [name for name, weight in values["faults"]["types"].items() if weight > 0]
    return (*faults, *(PIECES if values["label"]["parts"] else ()))


def paint(values: dict[str, Any], size: tuple[int, int], seed: int, index: int) -> Picture:
    """Picture ``index`` of a seed, frame (H, W).

    Raises:
        KizuError: a fault type whose recipe is none of a board's.
    """
    random = generator(seed, Stream.SCENE, index)
    scale = min(size) / 512
    style = chance.pick(values["scene"]["styles"], random)
    colour = chance.either(values["scene"]["colour"], random)
    clean = chance.either(values["scene"]["clean"], random)
    board = Layout(values["layout"], size, random).fill()
    scene = Scene(size, int(values["scene"]["least"]))
    label = {name: k for k, name in enumerate(names(values))}
    if values["label"]["parts"]:
        _label_pieces(board, scene, label)
    sound = board.copper >= 0.5
    faults = {} if clean else _etch(board, scene, label, values, scale, generator(seed, Stream.DEFECT, index))
    surface, camera_random = generator(seed, Stream.SURFACE, index), generator(seed, Stream.CAMERA, index)
    meta: dict[str, Any] = {"style": style}
    if style == "binary":
        image = scan(board, values["scan"], surface)
        quality = chance.whole(values["scan"]["quality"], surface)
    else:
        layers, chosen = dress(board, style, values["finish"], 3 if colour else 1, scale, surface)
        rig = light.draw(values["light"], generator(seed, Stream.LIGHT, index), scale)
        camera = cameras.draw(values["camera"], size, camera_random)
        image = cameras.expose(light.shade(layers, rig), camera, camera_random)
        quality = camera.quality
        meta |= chosen | {"light": rig.main.kind}
    contrast = _contrasts(image, scene, faults, sound)
    for k in [k for k in faults if contrast[k] < values["label"]["contrast"]]:
        scene.forget(k)
        del faults[k], contrast[k]
    instances = scene.labels()
    column = [contrast[k] for k, node in enumerate(scene.nodes) if node.label >= 0]
    instances = instances.replace(attributes=instances.attributes | {"contrast": np.round(column, 3)})
    return Picture(image, instances, meta | {"clean": not faults}, quality)


def _contrasts(image: np.ndarray, scene: Scene, faults: dict[int, Fault], sound: np.ndarray) -> dict[int, float]:
    """Contrast of each labelled node: of faults to what should be there, of pieces to what lies around."""
    labelled = [k for k, node in enumerate(scene.nodes) if node.label >= 0]
    if len(labelled) == len(faults):
        out = {}
    else:
        out = dict(zip(labelled, contrasts(image, scene.labels()).tolist(), strict=True))
    faulty = np.zeros(image.shape[:2], bool)
    for fault in faults.values():
        faulty[fault.cover.slices] |= fault.cover.mask
    return out | {k: visible(image, fault, sound, faulty) for k, fault in faults.items()}


def _label_pieces(board: Board, scene: Scene, label: dict[str, int]) -> None:
    """Enter the copper into the scene, what is smaller later; what shows too little of itself is not labelled."""
    for piece in sorted(board.pieces, key=lambda piece: ("area", "track", "text", "pad", "via").index(piece.kind)):
        cover = piece.covered(board.size)
        cover.alpha = np.minimum(cover.alpha, 1 - board.drills[cover.slices])
        scene.add(Node(cover, label[piece.kind]))


def _etch(
    board: Board, scene: Scene, label: dict[str, int], values: dict[str, Any], scale: float,
    random: np.random.Generator,
) -> dict[int, Fault]:  # fmt: skip
    """Put faults into the copper of a board, and what they change into the scene: node -> fault."""
    table = values["faults"]
    weights = {name: weight for name, weight in table["types"].items() if weight > 0}
    count, kinds = chance.whole(table["count"], random), chance.whole(table["kinds"], random)
    left, weights_of_picture = dict(weights), {}
    while left and len(weights_of_picture) < kinds:
        name = chance.pick(left, random)
        weights_of_picture[name] = left.pop(name)
    faults: dict[int, Fault] = {}
    if not weights_of_picture:
        return faults
    copper = Copper.of(board.copper, board.drills, scale)
    apart, taken = table["apart"] * scale, []
    for _ in range(count):
        name = chance.pick(weights_of_picture, random)
        recipe = recipe_of(name, values["recipes"])
        for _ in range(int(table["tries"])):
            fault = make(recipe.draw, copper, random, recipe.ranges)
            if fault is None or not _fits(fault, scene, taken, apart):
                continue
            k = scene.add(Node(fault.cover, label[name]))
            if k >= 0:
                faults[k] = fault
                copper.now[fault.cover.slices] = fault.after
                taken.append(_box(fault.cover))
                break
    board.copper = copper.now
    return faults


def _box(cover: Cover) -> tuple[int, int, int, int]:
    return cover.x, cover.y, cover.x + cover.alpha.shape[1], cover.y + cover.alpha.shape[0]


def _fits(fault: Fault, scene: Scene, taken: list[tuple[int, int, int, int]], apart: float) -> bool:
    """Large enough, and away from the other faults."""
    if np.count_nonzero(fault.cover.mask) < scene.least:
        return False
    x0, y0, x1, y1 = _box(fault.cover)
    return all(x0 > c + apart or x1 < a - apart or y0 > d + apart or y1 < b - apart for a, b, c, d in taken)


def recipe_of(name: str, own: dict[str, Any]) -> Recipe:
    """How a fault is drawn: a user's recipe, else the lexicon's; ranges it leaves out are those Kizu ships.

    Raises:
        KizuError: a recipe that is none of a board's, or with ranges that make no sense.
    """
    found = Recipe(own[name]["draw"], own[name]["ranges"]) if name in own else lexicon()[name].recipe
    if found.draw not in FAULTS:
        raise KizuError(
            f"defect type {name!r} is drawn by {found.draw!r}, which is no fault of a board; "
            f"take one of {', '.join(FAULTS)}"
        )
    usual = lexicon()[found.draw].recipe.ranges
    unknown = sorted(set(found.ranges) - set(usual))
    if unknown:
        raise KizuError(f"recipe of {name!r}: unknown {', '.join(unknown)}; its ranges are {', '.join(usual)}")
    usual = {key: pair(found.draw, key, value) for key, value in usual.items()}
    ranges = usual | {key: pair(name, key, value, usual[key][0]) for key, value in found.ranges.items()}
    return Recipe(found.draw, ranges)
