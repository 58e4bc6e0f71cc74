"""Faults of printed boards, made on the geometry of the copper: too little or too much of it.

A fault is a closed shape. Copper is missing where it lies (``min(copper, 1 - shape)``) or is added there
(``max(copper, shape)``), and the mask of the fault is the coverage that changed, so that picture and mask agree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from kizu.synth.formula import chance
from kizu.synth.formula.curves import ribbon, walk
from kizu.synth.formula.outline import Outline
from kizu.synth.formula.raster import Cover, fill

Recipe = Mapping[str, tuple[float, float]]


@dataclass
class Copper:
    """The copper that faults are put into.

    Attributes:
        now: float32 (H, W), coverage; faults change it.
        drills: float32 (H, W), coverage of holes, where no copper can be.
        nets: int32 (H, W), which connected piece of the sound board a pixel belongs to; 0: laminate.
        border: int64 (N,), flat indices of copper pixels beside laminate.
        scale: pixels in place of each pixel that recipes speak of.
    """

    now: np.ndarray
    drills: np.ndarray
    nets: np.ndarray
    border: np.ndarray
    scale: float

    @classmethod
    def of(cls, copper: np.ndarray, drills: np.ndarray, scale: float) -> Copper:
        """The copper of a sound board."""
        mask = (copper >= 0.5).astype(np.uint8)
        nets = cv2.connectedComponents(mask, connectivity=4, ltype=cv2.CV_32S)[1]
        # Beside laminate, not beside a hole, and a little away from the frame.
        ground = 1 - np.maximum(mask, (drills > 0).astype(np.uint8))
        near = cv2.dilate(ground, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))) & mask
        near[:4], near[-4:], near[:, :4], near[:, -4:] = 0, 0, 0, 0
        return cls(copper.copy(), drills, nets, np.flatnonzero(near), scale)

    def edge(self, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray] | None:
        """A place on the border (x, y) and the unit normal that points out of the copper; None where there is none."""
        if not len(self.border):
            return None
        i, j = divmod(int(self.border[random.integers(len(self.border))]), self.now.shape[1])
        if self.now[i, j] < 0.5:  # an earlier fault took it
            return None
        top, left = max(i - 3, 0), max(j - 3, 0)
        window = self.now[top : i + 4, left : j + 4]
        y, x = np.mgrid[: window.shape[0], : window.shape[1]]
        # Out of the copper: away from its centre of mass in the window.
        middle = np.array([(window * x).sum(), (window * y).sum()]) / window.sum()
        way = np.array([j - left, i - top]) - middle
        far = float(np.hypot(*way))
        return None if far < 0.3 else (np.array([j + 0.5, i + 0.5]), way / far)

    def along(self, place: np.ndarray, way: np.ndarray, length: float) -> np.ndarray:
        """Nets that a ray meets at every pixel of its length, from ``place`` on; the frame's border ends it."""
        steps = place + np.arange(max(int(length), 1) + 1)[:, None] * way
        x, y = np.floor(steps[:, 0]).astype(int), np.floor(steps[:, 1]).astype(int)
        inside = (x >= 0) & (y >= 0) & (x < self.nets.shape[1]) & (y < self.nets.shape[0])
        count = int(np.argmin(inside)) if not inside.all() else len(inside)
        return self.nets[y[:count], x[:count]]


@dataclass
class Fault:
    """A fault that can be made.

    Attributes:
        cover: coverage of copper that is missing or too much.
        after: float32 of the cover's box, the copper with the fault.
        missing: copper is missing, not too much.
    """

    cover: Cover
    after: np.ndarray
    missing: bool


def _without(copper: Copper, shape: Outline) -> Fault:
    gone = fill(shape, copper.now.shape)
    before = copper.now[gone.slices]
    after = np.minimum(before, 1 - gone.alpha)
    return Fault(Cover(gone.x, gone.y, before - after, gone.truncated), after, True)


def _with(copper: Copper, shape: Outline) -> Fault:
    more = fill(shape, copper.now.shape)
    before = copper.now[more.slices]
    after = np.maximum(before, np.minimum(more.alpha, 1 - copper.drills[more.slices]))
    return Fault(Cover(more.x, more.y, after - before, more.truncated), after, False)


def _pieces(copper: Copper, fault: Fault, margin: int, after: bool) -> int:
    """Pieces of copper in a window around a fault, before it or after."""
    y, x = fault.cover.y, fault.cover.x
    height, width = fault.after.shape
    top, left = max(y - margin, 0), max(x - margin, 0)
    window = copper.now[top : y + height + margin, left : x + width + margin]
    if after:
        window = window.copy()
        window[y - top : y - top + height, x - left : x - left + width] = fault.after
    return cv2.connectedComponents((window >= 0.5).astype(np.uint8), connectivity=4)[0] - 1


def _whole(fault: Fault) -> bool:
    """Whether its mask is of one piece."""
    return cv2.connectedComponents(fault.cover.mask.astype(np.uint8), connectivity=8)[0] == 2


def _nets_near(copper: Copper, fault: Fault, margin: int) -> np.ndarray:
    """Nets within a margin of what a fault covers."""
    cover = fault.cover
    grown = cv2.copyMakeBorder(cover.alpha, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=0)
    grown = cv2.dilate((grown > 0).astype(np.uint8), np.ones((2 * margin + 1, 2 * margin + 1), np.uint8))
    top, left = max(cover.y - margin, 0), max(cover.x - margin, 0)
    window = copper.nets[top : cover.y + cover.alpha.shape[0] + margin, left : cover.x + cover.alpha.shape[1] + margin]
    grown = grown[top - (cover.y - margin) :, left - (cover.x - margin) :][: window.shape[0], : window.shape[1]]
    found = np.unique(window[grown > 0])
    return found[found > 0]


def scrap(
    place: np.ndarray, length: float, width: float, heading: float, rough: float, random: np.random.Generator
) -> Outline:
    """A shape as the etch leaves it: a smooth blot, stretched and bent, about ``length`` by ``width`` pixels."""
    order = np.arange(2, 8)
    sizes = 0.45 * rough * random.normal(0, 1, len(order)) * order**-0.8
    t = np.linspace(0, 2 * np.pi, max(int(2 * length), 24) + 1)[:-1]
    r = 1 + (sizes[:, None] * np.cos(order[:, None] * t + random.uniform(0, 2 * np.pi, len(order))[:, None])).sum(0)
    r = np.maximum(r, 0.4)
    x, y = 0.5 * length * r * np.cos(t), 0.5 * width * r * np.sin(t)
    y += random.normal(0, 0.8) * rough * (x / length) ** 2 * max(length - width, 0.0)
    c, s = np.cos(heading), np.sin(heading)
    return Outline(place + np.stack([c * x - s * y, s * x + c * y], 1))


def _wander(count: int, rough: float, random: np.random.Generator) -> np.ndarray:
    """Factors on a width, (count,), that change smoothly from vertex to vertex."""
    noise = np.convolve(random.normal(0, 1.2, count + 2), (0.25, 0.5, 0.25), "valid")
    return np.clip(1 + rough * noise, 0.5, 1.6)


def open_circuit(copper: Copper, random: np.random.Generator, recipe: Recipe) -> Fault | None:
    """A gap across a track: what was one piece there is two."""
    found = copper.edge(random)
    if found is None:
        return None
    place, out = found
    nets = copper.along(place, -out, recipe["breadth"][1] * copper.scale)
    if nets.all():  # too broad for a track
        return None
    breadth = float(np.argmin(nets != 0))
    slant, length = chance.uniform(recipe["slant"], random), chance.log_uniform(recipe["length"], random) * copper.scale
    heading = np.arctan2(out[1], out[0]) + random.choice((-1, 1)) * slant
    middle = place - out * (breadth / 2 - 0.5)
    rough = chance.uniform(recipe["rough"], random)
    # Wide enough to reach over both edges, slanted or not; a ribbon's ends are not part of the gap.
    reach = (breadth + 3) / max(np.cos(slant), 0.3) + length
    line = walk((0.0, 0.0), heading, reach, random, 1.5, 0.3 * rough, 0.2)
    line += middle - line.mean(0)
    half = 0.5 * length * _wander(len(line), rough, random)
    fault = _without(copper, ribbon(line, np.maximum(half, 0.9), cap=False))
    margin = int(0.5 * breadth) + 2
    sound = len(np.unique(copper.nets[fault.cover.slices][fault.cover.mask])) == 1
    return fault if sound and _pieces(copper, fault, margin, True) > _pieces(copper, fault, margin, False) else None


def short_circuit(copper: Copper, random: np.random.Generator, recipe: Recipe) -> Fault | None:
    """A bridge of copper between two nets."""
    found = copper.edge(random)
    if found is None:
        return None
    place, out = found
    turn = random.normal(0, 0.25)
    way = np.array([out[0] * np.cos(turn) - out[1] * np.sin(turn), out[0] * np.sin(turn) + out[1] * np.cos(turn)])
    nets = copper.along(place, way, recipe["reach"][1] * copper.scale)
    beyond = np.flatnonzero((nets != 0) & (nets != nets[0]))
    if not len(beyond) or nets[0] == 0 or beyond[0] < recipe["reach"][0] * copper.scale:
        return None
    far = int(beyond[0])
    if np.any(nets[3:far] == nets[0]):  # it would first run over its own net
        return None
    width, rough = chance.log_uniform(recipe["width"], random) * copper.scale, chance.uniform(recipe["rough"], random)
    length = far + 3.0
    line = np.linspace(-1.5, length - 1.5, max(int(length / 2), 4))[:, None] * way + place
    aside = np.array([-way[1], way[0]])
    bend = np.sin(np.linspace(0, np.pi, len(line))) * random.normal(0, 0.12) * far
    line = line + bend[:, None] * aside
    flare = 1 + 0.5 * np.abs(np.linspace(-1, 1, len(line))) ** 3
    half = 0.5 * width * flare * _wander(len(line), rough, random)
    fault = _with(copper, ribbon(line, np.maximum(half, 0.8)))
    if set(_nets_near(copper, fault, 1).tolist()) != {int(nets[0]), int(nets[far])}:
        return None  # it misses one, or touches a third
    return fault if _pieces(copper, fault, 3, True) < _pieces(copper, fault, 3, False) else None


def spur(copper: Copper, random: np.random.Generator, recipe: Recipe) -> Fault | None:
    """A spike of copper on an edge that reaches no other net."""
    found = copper.edge(random)
    if found is None:
        return None
    place, out = found
    length, width = (chance.log_uniform(recipe[name], random) * copper.scale for name in ("length", "width"))
    rough = chance.uniform(recipe["rough"], random)
    heading = np.arctan2(out[1], out[0]) + random.normal(0, 0.3)
    line = walk(place - 2 * out, heading, length + 2, random, 1.5, 0.35 * rough, 0.1)
    t = np.linspace(0, 1, len(line))
    blunt = random.uniform(0.15, 0.7)
    half = 0.5 * width * (1 - (1 - blunt) * t) * _wander(len(line), rough, random)
    fault = _with(copper, ribbon(line, np.maximum(half, 0.7)))
    return fault if len(_nets_near(copper, fault, 2)) == 1 else None


def mouse_bite(copper: Copper, random: np.random.Generator, recipe: Recipe) -> Fault | None:
    """A bite out of an edge; the track still conducts."""
    found = copper.edge(random)
    if found is None:
        return None
    place, out = found
    size = chance.log_uniform(recipe["size"], random) * copper.scale
    nets = copper.along(place, -out, 4 * size)
    breadth = float(len(nets) if nets.all() else np.argmin(nets != 0))
    depth = min(chance.uniform(recipe["depth"], random) * breadth, 0.6 * size)
    if depth < 1.5:
        return None
    rough = chance.uniform(recipe["rough"], random)
    heading = np.arctan2(out[1], out[0]) + np.pi / 2 + random.normal(0, 0.25)
    # Half of the shape lies outside the edge.
    shape = scrap(place + 0.2 * out, max(size, 2 * depth), 2 * depth, heading, rough, random)
    fault = _without(copper, shape)
    margin = int(0.5 * breadth) + 2
    return fault if _pieces(copper, fault, margin, True) == _pieces(copper, fault, margin, False) else None


def pin_hole(copper: Copper, random: np.random.Generator, recipe: Recipe) -> Fault | None:
    """A hole in the copper that touches no edge."""
    spot = _pixel(copper, random, lambda nets: nets > 0)
    if spot is None:
        return None
    fault = _without(copper, _speck(spot, copper, random, recipe))
    cover = fault.cover
    ring = cv2.dilate(cover.alpha, np.ones((5, 5))) > 0
    inside = copper.now[cover.slices][ring].min(initial=1) == 1
    away = min(cover.x, cover.y, copper.now.shape[1] - cover.x - cover.alpha.shape[1],
               copper.now.shape[0] - cover.y - cover.alpha.shape[0]) > 2  # fmt: skip
    box = copper.now[max(cover.y - 2, 0) : cover.y + cover.alpha.shape[0] + 2,
                     max(cover.x - 2, 0) : cover.x + cover.alpha.shape[1] + 2]  # fmt: skip
    # The box's own corners may lie beyond an edge; what is within two pixels of the hole may not.
    grown = cv2.dilate(cv2.copyMakeBorder(cover.alpha, 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=0), np.ones((5, 5))) > 0
    return fault if inside and away and cover.alpha.size and (box[grown] == 1).all() else None


def spurious_copper(copper: Copper, random: np.random.Generator, recipe: Recipe) -> Fault | None:
    """A speck of copper on the laminate that touches nothing."""
    spot = _pixel(copper, random, lambda nets: nets == 0)
    if spot is None:
        return None
    fault = _with(copper, _speck(spot, copper, random, recipe))
    cover = fault.cover
    box = copper.now[max(cover.y - 3, 0) : cover.y + cover.alpha.shape[0] + 3,
                     max(cover.x - 3, 0) : cover.x + cover.alpha.shape[1] + 3]  # fmt: skip
    dry = not (copper.drills[cover.slices] > 0).any()
    return fault if dry and cover.alpha.size and not (box > 0).any() else None


def _speck(spot: np.ndarray, copper: Copper, random: np.random.Generator, recipe: Recipe) -> Outline:
    size, aspect = (
        chance.log_uniform(recipe["size"], random) * copper.scale,
        chance.log_uniform(recipe["aspect"], random),
    )
    heading, rough = random.uniform(0, 2 * np.pi), chance.uniform(recipe["rough"], random)
    return scrap(spot, size * np.sqrt(aspect), max(size / np.sqrt(aspect), 1.6), heading, rough, random)


def _pixel(
    copper: Copper, random: np.random.Generator, wanted: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray | None:
    """A random place (x, y) on copper or on laminate; None where a few tries find none."""
    height, width = copper.nets.shape
    places = random.uniform((4, 4), (width - 4, height - 4), (16, 2))
    hits = np.flatnonzero(wanted(copper.nets[places[:, 1].astype(int), places[:, 0].astype(int)]))
    return places[hits[0]] if len(hits) else None


def contrast(image: np.ndarray, fault: Fault, sound: np.ndarray, faulty: np.ndarray) -> float:
    """How far a fault stands out from what should be in its place: copper where it is missing, else the ground.

    The measure is that of ``kizu.synth.contrast``; but there is both copper and ground around most faults, and only one
    of them tells. The ring is what should be there, 2 to 6 pixels away, or up to 16 where that is too little.

    Args:
        image: uint8 (H, W) or (H, W, C).
        sound: bool (H, W), where there was copper before any fault.
        faulty: bool (H, W), masks of all faults.
    """
    cover = fault.cover
    top, left = max(cover.y - 16, 0), max(cover.x - 16, 0)
    box = (slice(top, cover.y + cover.alpha.shape[0] + 16), slice(left, cover.x + cover.alpha.shape[1] + 16))
    own = np.zeros(faulty[box].shape, np.uint8)
    own[cover.y - top :, cover.x - left :][: cover.alpha.shape[0], : cover.alpha.shape[1]] = cover.mask
    far = cv2.distanceTransform(1 - own, cv2.DIST_C, 3)
    usual = (sound[box] == fault.missing) & ~faulty[box] & (far >= 2)
    ring = usual & (far <= 6)
    if np.count_nonzero(ring) < 12:
        ring = usual & (far <= 16)
    if np.count_nonzero(ring) < 4:
        return 0.0
    pixels = image[box].reshape(*own.shape, -1).astype(np.float32)
    inside, around = pixels[own > 0], np.sort(pixels[ring], 0)
    cut = len(around) // 20
    around = around[cut : len(around) - cut]
    middle, noise = around.mean(0), around.std(0) / (0.7893 if cut else 1)  # as a normal distribution so cut has
    spread = ((inside - middle) ** 2).mean(0) - noise**2 * (1 + np.sqrt(2 / len(inside)))
    return float((np.sqrt(np.maximum(spread, 0)) / np.maximum(noise, 0.3)).max())


def make(name: str, copper: Copper, random: np.random.Generator, recipe: Recipe) -> Fault | None:
    """One try to make a fault; None where the place that was drawn is not fit for it.

    Args:
        name: a key of ``FAULTS``.
        recipe: its ranges, (low, high) each.
    """
    fault = FAULTS[name](copper, random, recipe)
    return fault if fault is not None and _whole(fault) else None


# Drawing function of a recipe -> function of (copper, random, ranges).
FAULTS: dict[str, Callable[[Copper, np.random.Generator, Recipe], Fault | None]] = {
    f.__name__: f for f in (open_circuit, short_circuit, spur, mouse_bite, pin_hole, spurious_copper)
}
