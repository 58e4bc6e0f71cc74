"""Figures of nested radial contours on a dark ground: InsCore, SegRCDB, RCDB and VisualAtom.

A class is one fixed draw of the contour parameters: row k of a table of uniform numbers that the seed alone makes, so
that class 7 is the same in all pictures and whatever the number of classes. What differs from figure to figure is the
noise, the greys and the place, and, where the preset says so, size, turn and bend.

Three masks, as SegRCDB has them: m1 the lines alone, m2 what lies between the first and the last polygon, m3 the inside
of the last polygon. A figure hides what lies behind it in the picture just as in the labels (unless ``look.solid`` is
off: then those of m1 are wire). The outermost line belongs to the figure, and lines of polygons that reach beyond the
last one end there. A figure of m2 with a single polygon has no ring and is filled.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from kizu.core.errors import KizuError
from kizu.core.rle import encode_cover
from kizu.core.seeds import Stream, generator
from kizu.synth.formula import chance, contours, figures, lines
from kizu.synth.formula.raster import Cover
from kizu.synth.formula.scene import Node, Scene
from kizu.synth.formula.source import Picture

CHOICES = {
    "mode": ("m1", "m2", "m3"),
    "scene.crowd": ("drop", "avoid"),
    "contour.step": ("rcdb", "visualatom"),
    "size.law": ("class", "power"),
}
_NOTHING = np.zeros((0, 0), np.float32)
_TRIES = 3  # places that a figure is tried at


def names(values: dict[str, Any]) -> tuple[str, ...]:
    """Class names. Raises KizuError where a value of the preset is not one of its choices."""
    for key, known in CHOICES.items():
        table, _, last = key.rpartition(".")
        value = (values[table] if table else values)[last]
        if value not in known:
            raise KizuError(f"{key} = {value!r}; known are {', '.join(known)}")
    if values["scene"]["crowd"] == "drop" and (values["tree"]["levels"][1] > 0 or values["tree"]["inside"] > 0):
        raise KizuError('tree.levels and tree.inside need scene.crowd = "avoid": a parent must lie below its children')
    if not 1 <= values["scene"]["classes"] <= 100_000:
        raise KizuError(f"scene.classes = {values['scene']['classes']}: take from 1 to 100000")
    return tuple(f"contour {k:03d}" for k in range(int(values["scene"]["classes"])))


@dataclass
class Shape:
    """The parameters of a class, in pixels of a 512-pixel frame; see :func:`contours.nested`."""

    vertices: int
    polygons: int
    radius: float
    noise: float
    width: float
    aspect: tuple[float, float]
    sines: tuple[int, int] | None
    beta: float | None

    @classmethod
    def draw(cls, u: list[float], table: dict[str, Any]) -> Shape:
        """From 11 uniform numbers and the ``[contour]`` table of a preset."""

        def even(name: str, k: int) -> float:
            low, high = table[name]
            return low + u[k] * (high - low)

        def whole(name: str, k: int) -> int:
            low, high = table[name]
            return min(int(low + u[k] * (high - low + 1)), int(high))

        low, high = table["vertices"]
        vertices = whole("vertices", 0)
        if table["mean"]:  # exponential, cut at both ends: the inverse of its distribution function
            near, far = math.exp(-low / table["mean"]), math.exp(-high / table["mean"])
            vertices = min(max(int(-table["mean"] * math.log(near - u[0] * (near - far))), int(low)), int(high))
        sines = None
        if table["step"] == "visualatom":
            first, last = (int(v) for v in table["frequencies"])
            n1 = whole("frequencies", 6)
            n2 = first + int(u[7] * (last - first))  # one fewer: the value of n1 is left out, unless it is 0
            if n1 == 0:
                n2 = whole("frequencies", 7)
            elif n2 >= n1 and last > first:
                n2 += 1
            sines = (n1, n2)
        beta = even("beta", 9) if u[8] < table["smooth"] else None
        return cls(
            vertices, whole("polygons", 1), float(whole("radius", 2)), even("noise", 3), even("width", 4),
            _aspect(table, u[5], u[10]), sines, beta,
        )  # fmt: skip

    @property
    def size(self) -> float:
        """Mean radius of the last polygon, pixels."""
        return self.radius * sum(self.aspect) / 2 + self.polygons * self.growth

    @property
    def growth(self) -> float:
        """Mean distance from polygon to polygon, pixels."""
        return self.width + self.noise


def _aspect(table: dict[str, Any], u: float, v: float) -> tuple[float, float]:
    low, high = table["aspect"]
    return low + u * (high - low), low + v * (high - low)


class Classes:
    """The shapes of the classes of a seed, made when they are asked for."""

    def __init__(self, values: dict[str, Any], seed: int):
        self.table = values["contour"]
        self.uniform = generator(seed, Stream.PRODUCT).random((int(values["scene"]["classes"]), 11))

    def __getitem__(self, kind: int) -> Shape:
        return Shape.draw(self.uniform[kind].tolist(), self.table)


def paint(values: dict[str, Any], size: tuple[int, int], seed: int, index: int) -> Picture:
    """One picture."""
    random = generator(seed, Stream.SCENE, index)
    scene = values["scene"]
    kinds = random.integers(0, int(scene["classes"]), chance.whole(scene["instances"], random))
    inner = random.integers(0, int(scene["classes"]), len(kinds) * int(values["tree"]["count"][1]))
    known = Classes(values, seed)
    canvas = Canvas(values, size, random)
    spare = iter(inner.tolist())
    for kind in kinds.tolist():
        canvas.place(kind, known, spare)
    return Picture(cv2.convertScaleAbs(canvas.finish()), canvas.scene.labels(), {"mode": values["mode"]})


_memory = threading.local()


def _working(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Working memory that holds nothing from figure to figure; the system is slow to give it for each picture."""
    if getattr(_memory, "size", None) != size:
        _memory.size = size
        _memory.room, _memory.work = lines.room(size), np.empty((3, size[0] * size[1]), np.float32)
    return _memory.room, _memory.work


class Canvas:
    """A picture in the making: its scene tree and its pixels."""

    def __init__(self, values: dict[str, Any], size: tuple[int, int], random: np.random.Generator):
        self.values, self.size, self.random = values, size, random
        self.mode = values["mode"]
        self.scale = min(size) / 512
        self.placed: list[tuple[np.ndarray, np.ndarray]] = []  # centres and outlines around them
        # Working memory of the lines; colours, coverage and lines of the figure in work.
        self.room, self.work = _working(size)
        self.scene = Scene(size, int(values["scene"]["least"]))
        self.below = values["scene"]["crowd"] == "drop"
        self.wired = self.mode == "m1" and bool(values["look"]["solid"]) and self.below
        self.ground = np.float32(chance.uniform(values["look"]["background"], random))
        self.frame = np.full(size, 0 if self.below else self.ground, np.float32)
        self.open = np.ones(size if self.below else (1, 1), np.float32)  # share of light that still comes from below

    def finish(self) -> np.ndarray:
        """Grey values float32 (H, W), 0 .. 255."""
        if self.below and self.ground:
            cv2.scaleAdd(self.open, float(self.ground), self.frame, self.frame)
        return self.frame

    # --- geometry -------------------------------------------------------------------------------------------------

    def figure(self, shape: Shape, radius: float | None = None) -> np.ndarray:
        """Polygons (N, n, 2) around (0, 0) in pixels; ``radius``: of the last one, else it is as the class has it."""
        contour, size, place = self.values["contour"], self.values["size"], self.values["place"]
        random = self.random
        if contour["redraw"]:
            shape.radius = float(chance.whole(contour["radius"], random))
            shape.aspect = _aspect(contour, *random.random(2))
        factor, vertices, keep = self.scale, shape.vertices, None
        if radius is not None:
            factor = radius / max(shape.size, 1.0)
            vertices = min(vertices, max(int(2 * np.pi * radius / 2.5), 12))
            gap = max(chance.log_uniform(size["gap"], random) * math.sqrt(self.scale), size["gap"][0])
            count = min(max(round(shape.polygons * shape.growth * factor / gap), 1), shape.polygons)
            # The last polygon always stays: it bounds the figure.
            keep = shape.polygons - 1 - np.arange(count)[::-1] * shape.polygons // count
        out = contours.nested(
            vertices, shape.polygons, shape.radius, shape.noise, shape.width, shape.aspect, random, shape.sines,
            shape.beta, keep,
        )  # fmt: skip
        bend = chance.uniform(place["bend"], random)
        if bend:
            wave = contours.waves(vertices, 1.5, random, 2, 6)[0]
            figures.bend(out, np.maximum(1 + bend * wave, 0.3))
        across = factor * chance.uniform(place["stretch"], random)
        angle = random.uniform(0, 2 * np.pi) if place["rotate"] else 0.0
        if angle or factor != 1 or across != 1:
            figures.turn(out, factor, across, math.cos(angle), math.sin(angle))
        return out

    def outline(self, figure: np.ndarray) -> Cover:
        """What a figure hides: the inside of its last polygon, the ring of m2, or lines of wire."""
        if self.mode == "m1" and not self.values["look"]["solid"]:
            return lines.traced(figure, self.size)
        ring = self.mode == "m2" and len(figure) > 1
        work = self.work[1] if self.wired else None
        return lines.outlined([figure[-1], figure[0]] if ring else [figure[-1]], self.size, work)

    # --- placing --------------------------------------------------------------------------------------------------

    def place(self, kind: int, known: Classes, spare) -> None:
        """A figure of a class with its levels, and sometimes with smaller figures inside."""
        size, random = self.values["size"], self.random
        radius = None
        if size["law"] == "power":
            radius = float(contours.power_law(random.uniform(), size["radius"], size["exponent"])) * self.scale
        figure = self.figure(known[kind], radius)
        outline, at = figure[-1].copy(), np.zeros(2)
        for _ in range(1 if self.below else _TRIES):
            centre = self.centre()
            figures.move(figure, *(centre - at).tolist())
            at = centre
            root = self.add(figure, kind)
            if root >= 0:
                break
        else:
            return
        self.placed.append((centre, outline))
        tree = self.values["tree"]
        if self.mode == "m3" and chance.either(tree["inside"], random):
            reach = float(np.sqrt((outline**2).sum(1).mean()))
            for _ in range(chance.whole(tree["count"], random)):
                inner = next(spare)
                small = reach * random.uniform(0.14, 0.32)
                if small > size["radius"][0] * self.scale:
                    angle, far = random.uniform(0, 2 * np.pi), reach * random.uniform(0.3, 0.75)
                    child = self.figure(known[inner], small)
                    figures.move(child, centre[0] + far * math.cos(angle), centre[1] + far * math.sin(angle))
                    self.add(child, inner, root, 1)

    def centre(self) -> np.ndarray:
        """A place (x, y): anywhere, or at the edge of a figure that is there."""
        random = self.random
        if self.placed and chance.either(self.values["place"]["crowding"], random):
            near, outline = self.placed[int(random.integers(len(self.placed)))]
            edge = outline[int(random.integers(len(outline)))]
            return near + edge * random.uniform(0.6, 1.3)
        low, high = self.values["place"]["centre"]
        return random.uniform(low, high, 2) * (self.size[1], self.size[0])

    def add(self, figure: np.ndarray, kind: int, parent: int = -1, level: int = 0) -> int:
        """Admit a placed figure and draw it; the number of its node, or -1 where it is refused."""
        look, floor = self.values["look"], self.values["scene"]["floor"]
        node = Node(self.outline(figure), kind, parent, floor, {"level": level})
        if self.mode == "m1" and look["solid"]:
            return self.add_lines(figure, node)
        number = self.scene.add(node, self.below)
        if number < 0:
            return -1
        cover = self.visible(node.cover, number) if self.below else _whole(node.cover)
        tone = self.tone()
        shade = self.plain(cover, tone)
        up = number
        for place in self.levels(figure):
            inner = Node(self.outline(figure[: place + 1]), kind, up, floor, {"level": level + 1})
            child = self.scene.add(inner)
            if child >= 0:
                tone = self.tone()
                y, x = inner.cover.y - cover.y, inner.cover.x - cover.x
                there = shade[y : y + inner.cover.alpha.shape[0], x : x + inner.cover.alpha.shape[1]]
                there += inner.cover.alpha * (np.float32(tone) - there)
                up, level = child, level + 1
        lines.draw(figure, self.greys(len(figure), tone), cover.x, cover.y, shade, cover.alpha, _NOTHING, self.room)
        self.lay(cover, shade)
        return number

    def add_lines(self, figure: np.ndarray, node: Node) -> int:
        """The same for m1: only the lines are labelled; the rest of the figure hides others, but has no label."""
        body = node.cover
        if not body.alpha.size or (self.below and self.scene.free(body) < self.scene.least):
            return -1
        tone = self.tone()
        shade = self.plain(body, tone)
        most = self.work[2, : shade.size].reshape(shade.shape) if self.wired else np.empty_like(body.alpha)
        most.fill(0)
        lines.draw(figure, self.greys(len(figure), tone), body.x, body.y, shade, body.alpha, most, self.room)
        line, free_line, area, free = figures.part(self.scene.owner, body.x, body.y, most, body.alpha)
        node.cover = Cover(body.x, body.y, most, body.truncated)
        hull = Node(body, -1)
        if self.below:
            number = self.scene.add(node, True, (line, free_line))
            if number >= 0:
                self.scene.add(hull, True, (area, free - free_line))
                node.runs = encode_cover(most, body.x, body.y, self.size[0])
        elif line >= self.scene.least:
            node.parent = self.scene.add(hull, False, (area, free))
            number = self.scene.add(node) if node.parent >= 0 else -1
        else:
            number = -1
        if number >= 0:
            self.lay(body, shade)
        if self.wired:
            node.cover = hull.cover = Cover(body.x, body.y, np.empty((0, 0), np.float32), body.truncated)
        return number

    def plain(self, cover: Cover, tone: float) -> np.ndarray:
        """float32 (h, w) of one tone, in the memory of the figure in work."""
        out = self.work[0, : cover.alpha.size].reshape(cover.alpha.shape)
        out.fill(tone)
        return out

    def greys(self, count: int, tone: float) -> np.ndarray:
        """Of lines on a tone, float32 (count,)."""
        low, high = self.values["look"]["grey"]
        greys = np.floor(self.random.uniform(low, high + 1, count))
        least = self.values["look"]["contrast"]
        if least:
            # Round the circle of greys, so that no line is nearer to the tone than that.
            greys = (tone + least + greys / 256 * (256 - 2 * least)) % 256
        return greys.astype(np.float32)

    def visible(self, cover: Cover, number: int) -> Cover:
        """The box of a cover in which its node is seen, and one pixel more for what mixes at the edges."""
        x0, y0, x1, y1 = figures.box_of(self.scene.owner, number + 1, cover.x, cover.y, *cover.alpha.shape)
        return Cover(cover.x + x0, cover.y + y0, np.ascontiguousarray(cover.alpha[y0:y1, x0:x1]), cover.truncated)

    def tone(self) -> float:
        """Grey of an inside: dark, or flat."""
        look = self.values["look"]
        return chance.uniform(look["flat" if chance.either(look["share"], self.random) else "dark"], self.random)

    def levels(self, figure: np.ndarray) -> list[int]:
        """Polygons inside the last one that are labelled too, from the outside in."""
        count = chance.whole(self.values["tree"]["levels"], self.random)
        if not count or len(figure) == 1 or self.mode == "m1":
            return []
        reach = np.sqrt(((figure - figure[-1].mean(0)) ** 2).sum(2).mean(1))
        out: list[int] = []
        last = len(figure) - 1
        for _ in range(count):
            wanted = reach[last] * self.random.uniform(0.45, 0.85)
            place = int(np.searchsorted(reach[:last], wanted))
            if place >= last or reach[place] > 0.9 * reach[last]:
                break
            out.append(place)
            last = place
        return out

    def lay(self, cover: Cover, shade: np.ndarray) -> None:
        """Put a drawn figure on, or under, what is there."""
        if self.below:
            figures.under(self.frame, self.open, cover.x, cover.y, shade, cover.alpha)
        else:
            figures.over(self.frame, cover.x, cover.y, shade, cover.alpha)


def _whole(cover: Cover) -> Cover:
    """With coverage that lies in one piece, as the kernels want it."""
    return Cover(cover.x, cover.y, np.ascontiguousarray(cover.alpha), cover.truncated)
