"""Placing: which bodies, defects and distractors a picture gets, and where; labels follow from it."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from kizu.lexicon.record import Recipe
from kizu.synth.elongation import of_moments
from kizu.synth.formula import chance
from kizu.synth.formula.bodies import Body, clothe, half_side, pose, union
from kizu.synth.formula.defects.draw import draw as draw_marks
from kizu.synth.formula.defects.site import Site
from kizu.synth.formula.fields import power_law
from kizu.synth.formula.layers import Mark
from kizu.synth.formula.parts import FITTING
from kizu.synth.formula.product import Product, drawn_by
from kizu.synth.formula.raster import Cover
from kizu.synth.formula.scene import Node, Scene
from kizu.synth.formula.shipped import lexicon
from kizu.synth.formula.surfaces.surface import Surface

_TRIES = 6  # of a place for a part
_DRAWS = 4  # of a defect, where its elongation is to be matched


class Placing:
    """Fills the scene of one picture.

    Attributes:
        scene: the tree of labelled and hiding nodes.
        bodies: parts from the bottom up, with their marks.
        marks: on the ground itself.
        drawn: where the marks that are labelled stand, by node number.
        clean: nothing but good parts.
        distractors: types of what looks like a defect and is none.
    """

    def __init__(
        self, values: dict[str, Any], size: tuple[int, int], product: Product, ground: Surface, names: tuple[str, ...],
        random: np.random.Generator,
    ):  # fmt: skip
        """
        Args:
            names: class names of the preset.
            random: for defects.
        """
        self.values, self.size, self.product, self.ground, self.random = values, size, product, ground, random
        self.scale = min(size) / 512
        self.label = {name: k for k, name in enumerate(names)}
        self.scene = Scene(size, int(values["scene"]["least"]), values["scene"]["cap"])
        self.bodies: list[Body] = []
        self.marks: list[Mark | None] = []  # None: taken out again
        self.drawn: dict[int, tuple[list[Mark | None], int]] = {}
        self.distractors: list[str] = []
        self.clean = True
        self._lexicon = lexicon()
        # A missing part is the seat of a fitting; all other types come wherever there is room.
        lost = {name for name in product.defects if drawn_by(name, values) == "missing_part"}
        self._lost = {name: weight for name, weight in product.defects.items() if name in lost}
        self._others = {name: weight for name, weight in product.defects.items() if name not in lost}

    def fill(self, random: np.random.Generator) -> None:
        """Draw how many there are of each kind and place them."""
        values = self.values
        clean = chance.either(values["scene"]["clean"], random)
        defects = 0 if clean else self._count(random)
        extras = chance.whole(values["distractors"]["count"], random) if values["distractors"]["use"] else 0
        if self.product.kind == "surface":
            for _ in range(extras):
                self._mark(None, -1, False)
            for _ in range(defects):
                self._mark(None, -1, True)
        else:
            self._place_bodies(random, defects, extras)
        self.clean = not self.drawn

    def _count(self, random: np.random.Generator) -> int:
        counts = self.values["match"]["counts"]
        if counts:  # the share of clean pictures is the scene's; these are the others
            weights = {str(k): weight for k, weight in enumerate(counts) if k and weight > 0}
            if weights:
                return int(chance.pick(weights, random))
        return chance.whole(self.values["defects"]["count"], random)

    def _place_bodies(self, random: np.random.Generator, defects: int, extras: int) -> None:
        product, table = self.product, self.values["parts"]
        number = 1 if product.kind == "assembly" else chance.whole(table["count"], random)
        plan = [self._choose(random) for _ in range(number)]
        # Larger parts first: small ones on top of them stay in sight.
        plan.sort(key=lambda chosen: -half_side(chosen[0]))
        hosts = np.bincount(self._hosts(plan, defects, random), minlength=number)
        others = np.bincount(self._hosts(plan, extras, random), minlength=number)
        for (part, material), own, more in zip(plan, hosts, others, strict=True):
            k = self._place(part, material, random)
            if k < 0:
                continue
            body = self.bodies[-1]
            self._fittings(body, k, random)
            for _ in range(more):
                self._mark(body, k, False)
            for _ in range(own):
                self._mark(body, k, True)

    def _choose(self, random: np.random.Generator):
        part, material = self.product.parts[int(random.integers(len(self.product.parts)))]
        return part, self.product.materials[material]

    @staticmethod
    def _hosts(plan: list, number: int, random: np.random.Generator) -> np.ndarray:
        """A body for each of ``number`` defects, more for larger bodies."""
        sizes = np.array([half_side(part) ** 2 for part, _ in plan])
        return np.searchsorted(np.cumsum(sizes / sizes.sum()), random.uniform(size=number)).clip(0, len(plan) - 1)

    def _place(self, part, material, random: np.random.Generator) -> int:
        table = self.values["parts"]
        height, width = self.size
        for _ in range(_TRIES):
            if self.product.kind == "assembly":
                place = np.array([width, height]) * random.uniform(0.44, 0.56, 2)
                angle = random.normal(0, 0.04) + np.pi / 2 * random.integers(4)
            else:
                place = random.uniform(-0.02, 1.02, 2) * (width, height)
                angle = random.uniform(0, 2 * np.pi)
            lift = half_side(part) * chance.uniform(table["lift"], random)
            body = pose(part, material, place, angle, lift, table, self.product.camera, self.size, random)
            label = self.label[part.name] if self.values["label"]["parts"] else -1
            k = self.scene.add(Node(body.cover, label, floor=chance.uniform(table["floor"], random)))
            if k >= 0:
                clothe(body, self.product.channels, random)
                self.bodies.append(body)
                return k
        return -1

    def _fittings(self, body: Body, k: int, random: np.random.Generator) -> None:
        """Sub-parts as children; one of them may be missing, which is a defect where that type is in use."""
        missing = self._lost and self.values["scene"]["clean"] < 1
        kept = []
        for fitting in body.fittings:
            fitting.missing = bool(missing) and chance.either(self.values["parts"]["missing"], random)
            label = chance.pick(self._lost, random) if fitting.missing else FITTING
            if fitting.missing:
                site = Site(self.size, body.surface, fitting.cover.within(body.cover), fitting.outline, self.scale)
                marks = self._draw(label, site)
                if not marks:
                    continue
            index = self.label.get(label, -1) if fitting.missing or self.values["label"]["parts"] else -1
            if index >= 0:
                node = self.scene.add(Node(fitting.cover, index, k, floor=0.2))
                if node < 0:
                    continue
                if fitting.missing:
                    self.drawn[node] = (body.marks, len(body.marks))
            if fitting.missing:
                body.marks.append(marks[0])
            kept.append(fitting)
        body.fittings = kept

    def _draw(self, name: str, site: Site) -> list[Mark]:
        own = self.values["recipes"].get(name)
        recipe = self._lexicon[name].recipe if own is None else Recipe(own["draw"], own["ranges"])
        return draw_marks(recipe.draw, site, self.random, recipe.ranges)

    def _fitting_draw(self, name: str, site: Site) -> list[Mark]:
        """As ``_draw``; where elongations are to be matched, the nearest of a few draws to one of those wanted."""
        wanted = self.values["match"]["aspects"]
        if not wanted:
            return self._draw(name, site)
        aspect = np.log(max(chance.quantile(wanted, self.random), 1.0))
        draws = [marks for marks in (self._draw(name, site) for _ in range(_DRAWS)) if marks]
        return min(draws, key=lambda marks: abs(np.log(elongation(marks[0].cover)) - aspect), default=[])

    def _mark(self, body: Body | None, parent: int, defect: bool) -> None:
        """One defect (or distractor) of a type of this product, on a body or on the ground."""
        weights = self._others if defect else self.product.distractors
        if not weights:
            return
        name = chance.pick(weights, self.random)
        surface = self.ground if body is None else body.surface
        cover, outline = (None, None) if body is None else (body.cover, body.outline)
        site = Site(self.size, surface, cover, outline, self.scale, self._target(name, body))
        labelled = defect or self.values["label"]["distractors"]
        strength = chance.log_uniform(self.values["defects"]["strength"], self.random)
        for mark in self._fitting_draw(name, site):
            mark = mark if strength == 1 else mark.scaled(strength)
            node = -1
            if labelled:
                if body is not None and mark.grow is not None:
                    # The part must not grow for a burr that is then too small to be admitted.
                    if np.count_nonzero(mark.cover.mask) < self.scene.least:
                        continue
                    grown = union(
                        self.scene.nodes[parent].cover,
                        Cover(mark.cover.x, mark.cover.y, mark.grow, mark.cover.truncated),
                    )
                    if not self.scene.grow(parent, grown):
                        continue
                    body.cover = grown
                node = self.scene.add(Node(mark.cover, self.label[name], parent, floor=0.3))
                if node < 0:
                    continue
            target = self.marks if body is None else body.marks
            if node >= 0:
                self.drawn[node] = (target, len(target))
            else:
                self.distractors.append(name)
            target.append(mark)

    def _target(self, name: str, body: Body | None) -> float | None:
        """Square root of the area that the next defect is to have, pixels."""
        sizes = self.values["match"]["sizes"]
        if sizes:
            wanted = chance.quantile(sizes, self.random)
        else:
            table = self.values["defects"]
            wanted = float(power_law(1, *table["size"], self.random, table["exponent"])[0])
            wanted = min(wanted, table["most"].get(name, np.inf)) * self.scale
        if body is not None:  # a defect is not larger than what it is on
            wanted = min(wanted, 0.6 * float(np.sqrt(max(np.count_nonzero(body.cover.mask), 1))))
        return wanted

    def wish(self, quantiles: list[float], random: np.random.Generator) -> dict[int, float]:
        """A contrast for each labelled mark, by node number, drawn from quantiles."""
        return {k: chance.quantile(quantiles, random) for k in sorted(self.drawn)}

    def restrain(self, contrast: np.ndarray, wanted: dict[int, float]) -> None:
        """Make each labelled mark weaker or stronger, by what its contrast is off the wanted one."""
        for number, k in enumerate(self._labelled()):
            if k in self.drawn:
                marks, place = self.drawn[k]
                ratio = wanted[k] / max(float(contrast[number]), 0.05)
                marks[place] = marks[place].scaled(float(np.clip(ratio, 0.2, 5)))

    def forget_unseen(self, contrast: np.ndarray, least: float) -> bool:
        """Take defects that nobody could see out of the labels and out of the picture; True where there are any.

        What changes the outline of a part (a chip, a burr) stays: it is seen against what lies beneath.
        """
        found = False
        for number, k in enumerate(self._labelled()):
            if k not in self.drawn or contrast[number] >= least:
                continue
            marks, place = self.drawn[k]
            if marks[place].cut is None and marks[place].grow is None:
                marks[place] = None
                self.scene.forget(k)
                del self.drawn[k]
                found = True
        self.clean = not self.drawn
        return found

    def _labelled(self) -> list[int]:
        """Node numbers in the order of the labels."""
        return [k for k, node in enumerate(self.scene.nodes) if node.label >= 0]


def elongation(cover: Cover) -> float:
    """Length / breadth >= 1 of a mask, by its principal second moments."""
    m = cv2.moments(cover.mask.astype(np.uint8), True)
    if m["m00"] == 0:
        return 1.0
    xx, yy, xy = (m[k] / m["m00"] + pixel for k, pixel in (("mu20", 1 / 12), ("mu02", 1 / 12), ("mu11", 0.0)))
    return float(of_moments(xx, yy, xy))
