"""Laying a board out: areas, arrays of pins, footprints, buses, routed tracks, vias, text, mounting holes, pours.

Tracks run in eight directions, pads lie on a grid, and everything keeps its clearance (see ``Board``).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from kizu.synth.formula import chance
from kizu.synth.formula.boards import glyphs
from kizu.synth.formula.boards.board import Board
from kizu.synth.formula.parts.part import circle, rectangle, rounded


@dataclass
class Port:
    """Where a track may begin: a place, its net, half the width of the pad there, and the way out (or none)."""

    place: np.ndarray
    net: int
    half: float
    out: np.ndarray | None = None


EAST, SOUTH = np.array([1.0, 0.0]), np.array([0.0, 1.0])
_SIDES = (EAST, SOUTH, -EAST, -SOUTH)


class Layout:
    """One board that is being laid out.

    Attributes:
        board: what has been placed.
        ports: pads that tracks may be led to.
    """

    def __init__(self, values: dict[str, Any], size: tuple[int, int], random: np.random.Generator):
        """
        Args:
            values: the table ``[layout]`` of the preset.
            size: (H, W) of the frame.
        """
        scale = min(size) / 512
        self.values, self.random, self.scale = values, random, scale
        height, width = size
        # Fine boards and coarse ones: all lengths are multiples of the pitch of the tracks.
        self.pitch = chance.log_uniform(values["pitch"], random) * scale
        self.width = max(self.pitch * chance.uniform(values["track"], random), 2.0)
        clearance = max(self.pitch - self.width, 2.0)
        self.grid = self.pitch / 2
        angle = np.deg2rad(random.normal(0, chance.uniform(values["tilt"], random)))
        if chance.either(values["turned"], random):
            angle += random.uniform(0, 2 * np.pi)
        self.board = Board(size, clearance, float(angle), int(values["least"]))
        # What the frame sees of the board: a turned frame sees its corners too.
        c, s = abs(np.cos(angle)), abs(np.sin(angle))
        self.middle = np.array([width / 2, height / 2])
        self.half = 0.5 * np.array([c * width + s * height, s * width + c * height])
        self.ports: list[Port] = []
        self._printed: list[np.ndarray] = []

    def spot(self, margin: float = 0.0) -> np.ndarray:
        """A random place on the grid, ``margin`` pixels inside the part that is seen (negative: outside, too)."""
        half = np.maximum(self.half - margin, self.pitch)
        x, y = self.middle + self.random.uniform(-1, 1, 2) * half
        return np.array([round(x / self.grid) * self.grid, round(y / self.grid) * self.grid])

    def heading(self) -> np.ndarray:
        """One of the four directions along the sides."""
        return _SIDES[int(self.random.integers(4))]

    def fill(self) -> Board:
        """Place everything, large things first."""
        v, random = self.values, self.random
        density = chance.uniform(v["density"], random)
        steps = [
            (self.mounting, chance.whole(v["mounting"], random)),
            (self.bus, chance.whole(v["buses"], random)),
            (self.array, chance.whole(v["arrays"], random)),
            (self.area, chance.whole(v["areas"], random)),
            (self.footprint, round(density * chance.whole(v["footprints"], random))),
            (self.text, chance.whole(v["texts"], random)),
            (self.via, round(density * chance.whole(v["vias"], random))),
            (self.route, round(density * chance.whole(v["routes"], random))),
            (self.via, round(density * chance.whole(v["vias"], random) / 2)),
        ]
        for step, count in steps:
            for _ in range(count):
                step()
        if chance.either(v["pour"], random):
            clearance = self.board.clearance
            self.board.pour(clearance * random.uniform(1.0, 2.2), 40 * clearance**2)
        for _ in range(chance.whole(v["silk"], random)):
            self.silk()
        self.board.finish()
        return self.board

    def mounting(self) -> None:
        """A large hole, bare or in a land, or a big disc of copper."""
        place, radius = self.spot(-20), self.random.uniform(14, 60) * self.scale
        kind = self.random.random()
        if kind < 0.35:
            self.board.bare_hole(place, radius)
        elif kind < 0.8:
            self.board.land(place, radius, drill=radius * self.random.uniform(0.35, 0.75), swell=2)
        else:
            self.board.land(place, radius * 2.2, swell=-1)

    def area(self) -> None:
        """A patch of copper with cut corners, sometimes with pins in it."""
        random = self.random
        a, b = random.uniform(2.5, 11, 2) * self.pitch
        centre = self.spot(-0.3 * self.pitch)
        cut = min(a, b) * random.uniform(0.15, 0.9)
        ring = []
        for x, y in rectangle(-a, -b, a, b):
            if random.random() < 0.65:
                one, two = (x - np.sign(x) * cut, y), (x, y - np.sign(y) * cut)
                ring += [one, two] if x * y < 0 else [two, one]
            else:
                ring.append((x, y))
        net = self.board.pad(rounded(np.array(ring), 0.25 * self.pitch) + centre, kind="area", swell=-1)
        if not net:
            return
        self.ports.append(Port(centre, net, 0.5 * min(a, b)))
        radius = min(random.uniform(0.25, 0.7) * self.pitch, 0.25 * min(a, b))
        taken: list[np.ndarray] = []
        for place in centre + random.uniform(-0.6, 0.6, (int(random.integers(0, 4)), 2)) * (a, b):
            if all(np.hypot(*(place - other)) > 4 * radius for other in taken):
                self.board.land(place, 1.8 * radius, net, radius, swell=0.5)
                taken.append(place)

    def array(self) -> None:
        """Rows of pins: a connector, a socket, a grid."""
        random = self.random
        columns, rows = int(random.integers(2, 13)), int(random.choice((1, 2, 2, 3, 6)))
        along = self.heading()
        across = along[::-1]
        step = np.ceil(random.uniform(2, 4.5)) * self.pitch
        gap = step * random.choice((1.0, 1.0, 1.5, 3.0))
        radius = random.uniform(0.26, 0.4) * step
        drill = radius * random.uniform(0.4, 0.8)
        shape = random.choice(("round", "oblong", "square", "cut"))
        first = self.spot(-step)
        square = blunt(radius, radius, 0.12 * radius)
        reach = 0.3 * radius * across if shape == "oblong" else None
        for i in range(rows):
            for j in range(columns):
                place = first + i * gap * across + j * step * along
                # The first pin is often told by its shape.
                if shape == "square" or (shape == "cut" and i == j == 0):
                    net = self.board.pad(square + place, drill=drill, swell=1.0)
                else:
                    net = self.board.land(place, radius, drill=drill, swell=1.0, reach=reach)
                if net:
                    self.ports.append(Port(place, net, radius))

    def footprint(self) -> None:
        """Lands of a chip: two rows of pins, four, or the two of a resistor."""
        random = self.random
        place, along = self.spot(), self.heading()
        across = along[::-1]
        kind = random.random()
        step = self.pitch * random.choice((1.0, 1.0, 1.5, 2.0))
        if kind < 0.5:  # resistor, capacitor
            far, wide, long = random.uniform(1.2, 3.0) * self.pitch, *(random.uniform(0.5, 1.3, 2) * self.pitch)
            ring = _land(along, long, wide)
            for side in (-1, 1):
                self._put(ring, place + side * far * along, side * along, min(long, wide))
            return
        pins = int(random.integers(3, 15))
        far, long = random.uniform(2, 6) * self.pitch, random.uniform(0.7, 1.8) * self.pitch
        wide = 0.5 * step * random.uniform(0.45, 0.62)
        turns = ((along, across), (across, along)) if kind > 0.85 else ((along, across),)
        if len(turns) == 2:
            far = max(far, 0.5 * pins * step + 1.5 * long)
        for out, row in turns:
            ring = _land(out, 0.5 * long, wide)
            for side in (-1, 1):
                for k in range(pins):
                    offset = (k - (pins - 1) / 2) * step
                    self._put(ring, place + side * far * out + offset * row, side * out, min(0.5 * long, wide))
        if random.random() < 0.3 and far > 3 * self.pitch:
            core = 0.45 * far
            self.board.pad(blunt(core, core, 0.1 * core) + place, swell=0.5)

    def _put(self, ring: np.ndarray, place: np.ndarray, out: np.ndarray, half: float) -> None:
        net = self.board.pad(ring + place, swell=1.0)
        if net:
            self.ports.append(Port(place, net, half, out))

    def bus(self) -> None:
        """Tracks beside one another, with bends; some end at vias."""
        random = self.random
        count = int(random.integers(3, 16))
        along = self.heading()
        across = along[::-1] * random.choice((-1, 1))
        start = self.spot() - along * (2 * self.half.max())
        here, points = start, [start]
        for _ in range(int(random.integers(0, 4))):
            here = here + along * random.uniform(0.4, 1.6) * self.half.max()
            jog = random.uniform(2, 14) * self.pitch * random.choice((-1, 1))
            points += [here, here + along * abs(jog) + across * jog]
            here = points[-1]
        points.append(here + along * 4 * self.half.max())
        centre, aside = np.array(points), 0.0
        widths = self.width * np.where(random.random(count) < 0.15, random.uniform(1.5, 3.5, count), 1.0)
        closer = random.uniform(1.0, 1.6) * self.board.clearance
        for wide in widths:
            line = mitred(centre, aside + wide / 2)
            aside += wide + closer
            if random.random() < 0.12:
                line = self._ending(line, wide)
            if line is not None:
                self.board.track(line, wide / 2, apart=0.95)

    def _ending(self, line: np.ndarray, wide: float) -> np.ndarray | None:
        """The line up to a via in one of its straight runs, or None where that finds no place."""
        k = int(self.random.integers(0, len(line) - 1))
        place = line[k] + self.random.uniform(0.2, 0.8) * (line[k + 1] - line[k])
        radius = 0.5 * wide + 0.5 * self.board.clearance
        if not self.board.land(place, radius, drill=0.5 * radius, kind="via", swell=0.5):
            return None
        return None if k == 0 else np.concatenate([line[: k + 1], [place]])

    def via(self) -> None:
        """A plated hole to another layer."""
        place, radius = self.spot(), self.pitch * self.random.uniform(0.45, 0.75)
        net = self.board.land(place, radius, drill=radius * self.random.uniform(0.4, 0.62), kind="via", swell=0.5)
        if net:
            self.ports.append(Port(place, net, radius))

    def text(self) -> None:
        """Letters of copper."""
        tall = self.random.uniform(2, 4.5) * self.pitch
        half = max(0.07 * tall, 1.0)
        strokes = glyphs.lines(glyphs.word(self.random), self.spot(), tall, self.random.random() < 0.5)
        if all(self.board.free(stroke, half + self.board.clearance) for stroke in strokes):
            net = 0
            for stroke in strokes:
                net = self.board.track(stroke, half, net, kind="text") or net

    def silk(self) -> None:
        """Printed letters, boxes and rings."""
        random, place = self.random, self.spot()
        half = max(0.05 * self.pitch, 0.6)
        kind = random.random()
        if kind < 0.6:
            tall = min(max(random.uniform(0.9, 1.8) * self.pitch, 8 * self.scale), 34 * self.scale)
            text = glyphs.word(random)
            upright = random.random() < 0.4
            size = tall * np.array([len(text), 1.2] if not upright else [1.2, -len(text)])
            box = np.sort(np.stack([place, place + size]), 0)
            if any((box[0] < other[1]).all() and (other[0] < box[1]).all() for other in self._printed):
                return
            self._printed.append(box)
            self.board.print_lines(glyphs.lines(text, place, tall, upright), max(0.07 * tall, 0.7))
        elif kind < 0.88:
            a, b = random.uniform(1, 7, 2) * self.pitch
            ring = rectangle(-a, -b, a, b) + place
            self.board.print_lines([np.concatenate([ring, ring[:1]])], half)
        else:
            ring = circle(random.uniform(1, 5) * self.pitch, place)
            self.board.print_lines([np.concatenate([ring, ring[:1]])], half)

    def route(self) -> None:
        """A track from a pad to another one, to the border or to a via of its own."""
        random = self.random
        wide = self.width
        if random.random() < self.values["wide"]:
            wide *= random.uniform(1.6, 5.0)
        if not self.ports or random.random() < 0.08:
            start = self.spot()
            self._lead(start, None, 0, 0, wide / 2)
            return
        one = self.ports.pop(int(random.integers(len(self.ports))))  # seldom more than one track a pad
        if random.random() < 0.15:
            self.ports.append(one)
        half = min(wide / 2, max(one.half, self.width / 2))
        kind = random.random()
        if kind < 0.5 and self.ports:
            # One of the nearer pads out of a few.
            some = [self.ports[int(k)] for k in random.integers(len(self.ports), size=6)]
            some = [port for port in some if self.board.root(port.net) != self.board.root(one.net)]
            if some:
                two = min(some, key=lambda port: float(np.abs(port.place - one.place).sum()))
                half = min(half, max(two.half, self.width / 2))
                if self._lead(one.place, two.place, one.net, two.net, half, one.out):
                    return
        if kind < 0.75:
            end = one.place + np.round(random.normal(0, 9, 2)) * self.pitch
            radius = max(half * 1.4, 0.5 * self.pitch)
            net = self._lead(one.place, end, one.net, 0, half, one.out)
            if net and self.board.land(end, radius, net, 0.5 * radius, "via", 0.5):
                self.ports.append(Port(end, net, radius))
            return
        self._lead(one.place, None, one.net, 0, half, one.out)

    def _lead(
        self, start: np.ndarray, end: np.ndarray | None, net: int, other: int, half: float,
        out: np.ndarray | None = None,
    ) -> int:  # fmt: skip
        """Try the ways from a place to another (or over the border of the frame); the net, or 0."""
        for _ in range(2):
            first = start
            points = [start]
            if out is not None:
                first = start + out * self.pitch * self.random.integers(1, 5)
                points.append(first)
            if end is None:
                way = out if out is not None and self.random.random() < 0.7 else self.heading()
                run = self.random.uniform(0.5, 6) * self.pitch
                jog = np.round(self.random.uniform(-6, 6)) * self.pitch
                bend = first + way * run
                points += [bend, bend + way * abs(jog) + way[::-1] * jog]
                points.append(points[-1] + way * 4 * self.half.max())
            else:
                points += bent(first, end, self.random)
            made = self.board.track(_clean(points), half, net, other)
            if made:
                return made
        return 0


def _land(out: np.ndarray, long: float, wide: float) -> np.ndarray:
    """A rectangle about the origin: half its length along ``out``, half its width across."""
    half = np.abs(out) * long + np.abs(out[::-1]) * wide
    return blunt(*half, 0.2 * min(long, wide))


def blunt(a: float, b: float, cut: float) -> np.ndarray:
    """A rectangle (8, 2) about the origin with cut corners; ``a`` and ``b`` are half its sides."""
    c, d = a - cut, b - cut
    return np.array([(-c, -b), (c, -b), (a, -d), (a, d), (c, b), (-c, b), (-a, d), (-a, -d)])


def bent(start: np.ndarray, end: np.ndarray, random: np.random.Generator) -> list[np.ndarray]:
    """The points after ``start`` of a way to ``end`` in eight directions: one diagonal run, at its beginning, end or
    middle, or two that cut the corner of a right angle."""
    way = end - start
    short = float(np.abs(way).min())
    diagonal = np.sign(way) * short
    rest = way - diagonal
    kind = int(random.integers(4))
    if kind == 0:
        return [start + diagonal, end]
    if kind == 1:
        return [start + rest, end]
    if kind == 2:
        share = random.uniform(0.2, 0.8)
        return [start + share * rest, start + share * rest + diagonal, end]
    along = way * ((1, 0) if random.random() < 0.5 else (0, 1))
    cut = 0.5 * short
    corner = start + along
    return [corner - np.sign(along) * cut, corner + np.sign(way - along) * cut, end]


def mitred(points: np.ndarray, distance: float) -> np.ndarray:
    """A polyline beside another one, ``distance`` pixels away from each of its edges."""
    edges = np.diff(points, axis=0)
    edges = edges / np.hypot(edges[:, 0], edges[:, 1])[:, None]
    normal = np.stack([-edges[:, 1], edges[:, 0]], 1)
    before, after = np.concatenate([normal[:1], normal]), np.concatenate([normal, normal[-1:]])
    return points + distance * (before + after) / (1 + (before * after).sum(1))[:, None]


def _clean(points: list[np.ndarray]) -> np.ndarray:
    """Without vertices that repeat the one before."""
    kept = [points[0]]
    kept += [b for a, b in pairwise(points) if abs(b[0] - a[0]) + abs(b[1] - a[1]) > 1e-6]
    return np.array(kept if len(kept) > 1 else [*kept, kept[0] + 1e-3])
