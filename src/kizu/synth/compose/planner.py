"""The planner: chance to a scene spec. What would be too little visible leaves the scene here, before it is drawn."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from kizu.core.errors import DataError
from kizu.core.seeds import Stream, generator
from kizu.synth.compose.backgrounds import Backgrounds, part_of
from kizu.synth.compose.blend import draw as draw_blend
from kizu.synth.compose.flaws.drawable import TYPES
from kizu.synth.compose.layouts import registry
from kizu.synth.compose.layouts.placement import Placement, silhouette
from kizu.synth.compose.likeness import Likeness
from kizu.synth.compose.options import OTHER, REAL, Options
from kizu.synth.compose.pick import pick
from kizu.synth.compose.prior import Prior
from kizu.synth.compose.spec import Layer, Scene
from kizu.synth.compose.stock import Stock
from kizu.synth.compose.visibility import settle

_MOST_MADE = 3  # made defects on a picture, where no layout says how many
_MADE = (2e-4, 2e-2)  # their area as a share of the part, log-uniform
_NEW = 2**31  # seeds of layers


class Planner:
    """Draws scenes; scene i is a function of the seed and i alone."""

    def __init__(
        self, stock: Stock | None, backgrounds: Backgrounds, prior: Prior | None, options: Options, seed: int,
        surfaces: np.ndarray | None = None,
    ):  # fmt: skip
        """
        Args:
            surfaces: of the segments, see :meth:`Stock.surfaces`; None: any segment may be put on any background.

        Raises:
            KizuError: an unknown layout, or an option that it does not have.
        """
        self.stock, self.backgrounds = stock, backgrounds
        self.shapes = None if stock is None else stock.shapes()
        self.prior, self.options, self.seed = prior, options, seed
        self._likeness = None if surfaces is None else Likeness(surfaces, self.shapes.label, options.likeness)
        self._laid = registry.options_of(options.layout, options.laid)

    def scene(self, i: int) -> Scene:
        """Scene i. Raises DataError where its background cannot be read."""
        random = generator(self.seed, Stream.LAYOUT, i)
        behind = self.backgrounds[int(random.integers(len(self.backgrounds)))]
        scene = self._frame(behind.id, behind.part.shape, random)
        if random.uniform() < self.options.empty:
            return scene
        part = part_of(behind, scene.window, scene.size, scene.flips)
        if not part.any():
            raise DataError(f"background {behind.id}: no part is seen in it")
        if self.shapes is None:
            return replace(scene, layers=tuple(self._made(part, random)))
        laid = registry.find(self.options.layout)
        shapes, rows = self.shapes, None
        if self._likeness is not None:
            rows = self._likeness.rows(behind.surface)
            shapes = shapes.taken(rows)
        placed = laid.lay(shapes, scene.size, part, self.prior, self._laid, random)
        if rows is not None:
            placed = [replace(item, row=int(rows[item.row])) for item in placed]
        outlines = [p.outline or silhouette(self.shapes.mask(p.row), p.affine, scene.size) for p in placed]
        kept, dropped = settle(outlines, scene.size, self.options.least, self.options.least_share)
        gone = [self._record(placed[item["index"]]) | item for item in dropped]
        chance = generator(self.seed, Stream.PASTE, i)
        layers = [self._layer(placed[k], outlines[k], part, chance) for k in kept.tolist()]
        stands = any(not self.shapes.defect[placed[k].row] for k in kept.tolist())
        light = self._light(chance) if stands else {}
        blur = float(chance.uniform(*self.options.blur))
        camera = {"blur": round(blur, 3), "seed": int(chance.integers(_NEW))}
        return replace(scene, layers=tuple(layers), dropped=tuple(gone), light=light, camera=camera)

    def again(self, scene: Scene) -> Scene:
        """A scene with the blends that may be taken now, and without light where none is asked for."""
        layers = []
        for layer in scene.layers:
            if layer.blend and not self.options.blends.get(layer.blend["name"], 0) > 0:
                layer = replace(layer, blend=draw_blend(self.options.blends, generator(layer.seed, Stream.PASTE)))
            if self.options.light == "none" and layer.segment:
                layer = replace(layer, light={"scene": 0.0})
            layers.append(layer)
        return replace(scene, layers=tuple(layers), light={} if self.options.light == "none" else scene.light)

    def _frame(self, id: str, there: tuple[int, int], random: np.random.Generator) -> Scene:
        """An empty scene: a window of a background, whole where no size is asked for."""
        size = self.options.size or there
        height, width = there
        # Where the picture is smaller than the frame, the largest window of the frame's shape is enlarged.
        scale = min(height / size[0], width / size[1], 1.0)
        h, w = max(int(size[0] * scale), 1), max(int(size[1] * scale), 1)
        y, x = int(random.integers(height - h + 1)), int(random.integers(width - w + 1))
        flips = tuple(bool(v) for v in random.uniform(0, 1, 2) < 0.5) if self.options.flip else (False, False)
        return Scene(tuple(size), id, (x, y, w, h), flips, camera={"seed": int(random.integers(_NEW))})

    def _layer(self, placed: Placement, outline, part: np.ndarray, chance: np.random.Generator) -> Layer:
        """A placement as a layer: the segment itself, or a made defect in its place."""
        name = self._maker(chance)
        if self.shapes.defect[placed.row] and name != REAL:
            height, width = outline.mask.shape
            at = outline.x + (width - 1) / 2, outline.y + (height - 1) / 2
            return self._make(name, at, max(float(outline.mask.sum()), 16.0), chance)
        x, y = self.stock.corner(placed.row)
        a, b, c, d, e, f = placed.affine
        affine = (a, b, c - a * x - b * y, d, e, f - d * x - e * y)
        label = self.shapes.names[self.shapes.label[placed.row]]
        light: dict[str, Any] = {"scene": 0.0}
        if self.options.light != "none":
            light = self._photometry(bool(self.shapes.defect[placed.row]), chance)
        if placed.blur:
            light["defocus"] = round(placed.blur, 3)
        blends = self.options.blends
        if not self.shapes.defect[placed.row] and set(blends) - {"poisson"}:
            blends = blends | {"poisson": 0.0}  # it would take the colour of an object away
        return Layer(
            label, self._id(placed), affine, blend=draw_blend(blends, chance), light=light,
            depth=placed.depth, seed=int(chance.integers(_NEW)),
        )  # fmt: skip

    def _photometry(self, defect: bool, chance: np.random.Generator) -> dict[str, float]:
        if defect:
            return {"scene": 1.0, "strength": round(float(chance.uniform(*self.options.strength)), 3)}
        return {
            "scene": round(float(chance.uniform(0.5, 1.0)), 3),
            "own": round(float(chance.uniform(0.0, 0.7)), 3),
            "exposure": round(float(math.exp(chance.normal(0, 0.12))), 3),
        }

    def _light(self, chance: np.random.Generator) -> dict[str, float]:
        """Light on objects; one for the whole scene."""
        if self.options.light == "none":
            return {}
        return {
            "angle": round(float(chance.uniform(0, 2 * math.pi)), 3),
            "height": round(float(chance.uniform(0.6, 1.4)), 3),
            "ambient": round(float(chance.uniform(0.3, 0.8)), 3),
            "relief": round(float(chance.uniform(0.0, 0.06)), 4),
            "shadow": round(float(chance.uniform(0.2, 0.9)), 3),
            "thickness": round(float(chance.uniform(0.02, 0.12)), 3),
        }

    def _maker(self, chance: np.random.Generator) -> str:
        return pick(self.options.flaws, chance)

    def _made(self, part: np.ndarray, chance: np.random.Generator) -> list[Layer]:
        """Made defects anywhere on the part."""
        rows, columns = np.nonzero(part)
        out = []
        for _ in range(int(chance.integers(1, _MOST_MADE + 1))):
            k = int(chance.integers(len(rows)))
            area = math.exp(chance.uniform(*np.log(_MADE))) * len(rows)
            out.append(self._make(self._maker(chance), (float(columns[k]), float(rows[k])), max(area, 16.0), chance))
        return out

    def _make(self, name: str, at: tuple[float, float], area: float, chance: np.random.Generator) -> Layer:
        label, light, other = OTHER, {}, ""
        if name == "drawn":
            types = self.options.types or tuple(TYPES)
            label = types[int(chance.integers(len(types)))]
            light = {"type": label}
            if label in self.options.recipes:
                light["recipe"] = self.options.recipes[label]
        elif name == "patch":
            other = self.backgrounds.id(int(chance.integers(len(self.backgrounds))))
        at = round(at[0], 2), round(at[1], 2)
        return Layer(label, make=name, at=at, area=round(area, 1), other=other, light=light,
                     seed=int(chance.integers(_NEW)))  # fmt: skip

    def _id(self, placed: Placement) -> str:
        return str(self.stock.column("id")[placed.row])

    def _record(self, placed: Placement) -> dict[str, Any]:
        return {"label": self.shapes.names[self.shapes.label[placed.row]], "segment": self._id(placed)}
