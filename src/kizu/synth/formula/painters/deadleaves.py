"""Dead leaves: shapes of all sizes are thrown under one another until no pixel is empty; each is an instance.

The model of natural images of Lee, Mumford and Huang (IJCV 2001) as Baradad et al. ("Learning to see by looking at
noise", NeurIPS 2021) use it, from front to back. Through its soft edges a leaf shows the next ones, too. A leaf of
which too little would be seen is not placed; gaps smaller than that show the ground, which belongs to nobody.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kizu.core.instances import Instances
from kizu.core.jit import jit
from kizu.core.masks import Masks
from kizu.core.rle import encode_crop
from kizu.core.seeds import Stream, generator
from kizu.synth.formula import chance, noise
from kizu.synth.formula.contours import power_law
from kizu.synth.formula.raster import _fill
from kizu.synth.formula.scene import _touching
from kizu.synth.formula.source import Picture

SHAPES = ("circle", "ellipse", "square", "oriented", "triangle", "polygon", "blob")
_SHIFT = 4
_BLOCK = 1 << _SHIFT  # empty pixels are counted in squares of this side, so that hidden leaves are found out at once
_BATCH = 500  # leaves drawn from the random generator at a time
_SWING = 0.4  # of a blob: its waves of m periods have amplitudes of up to this / m
_VERTICES = 128  # of the largest round leaf


def names(values: dict[str, Any]) -> tuple[str, ...]:
    """The shapes are the classes."""
    return SHAPES


def paint(values: dict[str, Any], size: tuple[int, int], seed: int, index: int) -> Picture:
    """One picture."""
    random = generator(seed, Stream.SCENE, index)
    look = values["look"]
    channels = 3 if chance.either(look["colour"], random) else 1
    pile = Pile(size, int(values["leaves"]["least"]))
    light = np.zeros((*size, channels), np.float32)
    passed = np.ones(size, np.float32)
    thrown, most = 0, int(values["leaves"]["most"])
    texture = np.zeros((2, *size) if look["texture"] else (1, 1, 1), np.float32)  # each leaf chooses one of two
    for layer in texture if look["texture"] else ():
        noise.add_smooth(layer, chance.log_uniform(look["grain"], random) * max(min(size) / 512, 0.5), 1.0, random)
    low, high = look["tone"]
    while thrown < most and pile.empty >= pile.least:
        count = min(_BATCH, most - thrown)
        table, tones = leaves(values, size, random, count), random.uniform(low, high, (count, channels))
        strength = random.uniform(*look["strength"], count) * (random.random(count) < look["texture"])
        pile.throw(table, _linear(tones), strength.astype(np.float32), texture, light, passed)
        thrown += count
    image = np.empty(light.shape, np.uint8)
    _develop(light, passed, _linear(random.uniform(low, high, channels)), _CODES, image)
    return Picture(image if channels == 3 else image[:, :, 0], pile.labels(), {"leaves": len(pile.kinds)})


def leaves(values: dict[str, Any], size: tuple[int, int], random: np.random.Generator, count: int) -> np.ndarray:
    """Leaves to throw, float64 (count, 15), for :func:`ring_of`.

    Shape, centre x and y, radius, turn (radians), vertices of a polygon, squeeze, and for a blob the amplitudes (shares
    of the radius) and the phases of its waves of 2 to 5 periods.
    """
    weights = values["leaves"]["shapes"]
    share = np.cumsum([weights.get(name, 0) for name in SHAPES])
    out = random.random((count, 15))
    out[:, 0] = np.searchsorted(share / share[-1], out[:, 0], "right").clip(0, len(SHAPES) - 1)
    out[:, 1:3] *= (size[1], size[0])
    out[:, 3] = power_law(out[:, 3], values["leaves"]["radius"], values["leaves"]["exponent"]) * min(size)
    out[:, 4] *= 2 * np.pi
    out[:, 5] = np.floor(out[:, 5] * 5) + 4
    out[:, 6] = 0.35 + 0.6 * out[:, 6]
    out[:, 7:11] *= _SWING / np.arange(2, 6)
    out[:, 11:] *= 2 * np.pi
    return out


class Pile:
    """Leaves thrown so far, from the front to the back."""

    def __init__(self, size: tuple[int, int], least: int):
        self.size, self.least = size, least
        self.owner = np.zeros(size, np.int32)  # index + 1 of the leaf that is seen
        tall, wide = (np.diff([*range(0, side, _BLOCK), side]) for side in size)
        self.blocks = np.outer(tall, wide)  # empty pixels of each square
        self.kinds: list[int] = []
        self.truncated: list[bool] = []
        self.runs: list[np.ndarray] = []
        self.ends: list[int] = []

    @property
    def empty(self) -> int:
        """Pixels that belong to nobody."""
        return int(self.blocks.sum())

    def throw(
        self, table: np.ndarray, tones: np.ndarray, strength: np.ndarray, texture: np.ndarray, light: np.ndarray,
        passed: np.ndarray,
    ) -> None:  # fmt: skip
        """Put leaves under those that are there.

        Args:
            table: of :func:`leaves`.
            tones: float32 (N, C), their linear reflectance.
            strength: float32 (N,), of their texture.
            texture: float32 (T, H, W), of which leaves with a strength take one each.
            light: float32 (H, W, C), what is seen so far, premultiplied; changed.
            passed: float32 (H, W), share that still comes from below; changed.
        """
        kept, runs, ends, cut = _throw(
            table, tones, strength, texture, light, passed, self.owner, self.blocks, self.least, len(self.kinds)
        )
        base = sum(len(r) for r in self.runs)
        self.kinds += table[kept, 0].astype(int).tolist()
        self.truncated += cut.tolist()
        self.runs.append(runs)
        self.ends += (ends + base).tolist()

    def labels(self) -> Instances:
        """As :meth:`kizu.synth.formula.scene.Scene.labels` gives them, the leaf at the bottom first."""
        count = len(self.kinds)
        if not count:
            return Instances.empty(self.size)
        visible = Masks.from_label_map(self.owner, range(count, 0, -1))
        amodal = Masks(np.concatenate(self.runs), np.array([0, *self.ends]), self.size)[np.arange(count)[::-1]]
        shared = np.triu(_touching(amodal.runs, amodal.offsets, amodal.boxes), 1)
        starts = np.concatenate([[0], np.cumsum(shared.sum(1))])
        above = np.nonzero(shared)[1].tolist()
        occluders = np.empty(count, object)
        occluders[:] = [above[starts[k] : starts[k + 1]] for k in range(count)]
        attributes = {
            "visible_ratio": np.round(visible.area / amodal.area, 4),
            "truncated": np.array(self.truncated[::-1], bool),
            "occluders": occluders,
        }
        return Instances(self.kinds[::-1], masks=visible, amodal=amodal, attributes=attributes)


def _linear(tones: np.ndarray) -> np.ndarray:
    """Linear light float32 of tones 0 .. 1 that are even to the eye (gamma 2.2)."""
    return (tones**2.2).astype(np.float32)


# The way back for 4,096 values: a power for each pixel would take longer than all the rest.
_CODES = np.round(255 * np.linspace(0, 1, 4097) ** (1 / 2.2)).astype(np.uint8)


@jit
def _develop(light, passed, ground, codes, image):
    """Linear light, and the ground where something passes down to it, as uint8."""
    for i in range(light.shape[0]):
        for j in range(light.shape[1]):
            for c in range(light.shape[2]):
                value = light[i, j, c] + passed[i, j] * ground[c]
                image[i, j, c] = codes[int(min(max(value, np.float32(0.0)), np.float32(1.0)) * np.float32(4096.0))]


@jit
def ring_of(leaf: np.ndarray) -> np.ndarray:
    """Vertices float64 (P, 2) of one row of :func:`leaves`."""
    kind, radius, angle = int(leaf[0]), leaf[3], leaf[4]
    count = min(int(6 * np.sqrt(radius)) + 16, _VERTICES)
    if kind == 2 or kind == 3:
        count = 4
    elif kind == 4:
        count = 3
    elif kind == 5:
        count = int(leaf[5])
    if kind == 2:
        angle = 0.25 * np.pi
    squeeze = leaf[6] if kind == 1 or kind == 3 or kind == 4 else 1.0
    turn_x, turn_y = np.cos(angle), np.sin(angle)
    step_x, step_y = np.cos(2 * np.pi / count), np.sin(2 * np.pi / count)
    c, s = 1.0, 0.0
    if kind == 3:  # a rectangle: the sides, not the diagonals, lie along the axes that are squeezed
        c, s = np.sqrt(0.5), np.sqrt(0.5)
    cosines, sines = leaf[7:11] * np.cos(leaf[11:15]), leaf[7:11] * np.sin(leaf[11:15])
    out = np.empty((count, 2))
    for k in range(count):
        r = radius
        if kind == 6:
            a, b = c, s
            for m in range(4):
                a, b = a * c - b * s, a * s + b * c
                r += radius * (cosines[m] * a - sines[m] * b)
        x, y = r * c, r * squeeze * s
        out[k, 0] = leaf[1] + x * turn_x - y * turn_y
        out[k, 1] = leaf[2] + x * turn_y + y * turn_x
        c, s = c * step_x - s * step_y, c * step_y + s * step_x
    return out


@jit
def _room(blocks, left, top, right, bottom, width, height):
    """Most pixels that may be empty in a float box: those of all squares that it meets; and the box in whole pixels."""
    x0, y0 = max(int(np.floor(left)), 0), max(int(np.floor(top)), 0)
    x1, y1 = min(int(np.ceil(right)), width), min(int(np.ceil(bottom)), height)
    room = 0
    if x1 > x0 and y1 > y0:
        for i in range(y0 >> _SHIFT, ((y1 - 1) >> _SHIFT) + 1):
            for j in range(x0 >> _SHIFT, ((x1 - 1) >> _SHIFT) + 1):
                room += blocks[i, j]
    return room, x0, y0, x1, y1


@jit
def _throw(table, tones, strength, texture, light, passed, owner, blocks, least, first):
    height, width = owner.shape
    kept = np.empty(len(table), np.int64)
    ends = np.empty(len(table), np.int64)
    cut = np.zeros(len(table), np.bool_)
    runs = np.empty((4096, 2), np.uint32)
    count, used = 0, 0
    starts = np.zeros(2, np.int64)
    half, one, channels = np.float32(0.5), np.float32(1.0), light.shape[2]
    for n in range(len(table)):
        far = table[n, 3] * (1.0 + 1.3 * _SWING if table[n, 0] == 6 else 1.0)  # 1.3 > 1/2 + 1/3 + 1/4 + 1/5
        x, y = table[n, 1], table[n, 2]
        if _room(blocks, x - far, y - far, x + far, y + far, width, height)[0] < least:
            continue
        ring = ring_of(table[n])
        left, top, right, bottom = ring[0, 0], ring[0, 1], ring[0, 0], ring[0, 1]
        for k in range(1, len(ring)):
            left, right = min(left, ring[k, 0]), max(right, ring[k, 0])
            top, bottom = min(top, ring[k, 1]), max(bottom, ring[k, 1])
        room, x0, y0, x1, y1 = _room(blocks, left, top, right, bottom, width, height)
        if room < least:
            continue
        starts[1] = len(ring)
        alpha = np.empty((y1 - y0, x1 - x0), np.float32)
        _fill(ring, starts, x0, y0, alpha)
        gained = 0
        for i in range(y1 - y0):
            row, here = owner[y0 + i][x0:x1], alpha[i]
            in_row = np.int32(0)
            for j in range(len(row)):
                in_row += np.int32((here[j] >= half) & (row[j] == 0))
            gained += in_row
        if gained < least:
            continue
        value = np.int32(first + count + 1)
        layer = texture[n % len(texture)]
        rough = strength[n]
        red, green, blue = tones[n, 0], tones[n, channels // 2], tones[n, channels - 1]
        inside = np.empty(alpha.shape, np.uint8)
        for i in range(y1 - y0):
            here, within = alpha[i], inside[i]
            for j in range(len(here)):
                within[j] = here[j] >= half
            row, rest = owner[y0 + i][x0:x1], passed[y0 + i][x0:x1]
            seen = light[y0 + i][x0:x1]
            counts = blocks[(y0 + i) >> _SHIFT]
            for j in range(len(here)):
                share = rest[j] * here[j]
                if share == 0:
                    continue
                if within[j] and row[j] == 0:
                    row[j] = value
                    counts[np.uint64(x0 + j) >> np.uint64(_SHIFT)] -= 1
                rest[j] -= share
                if rough > 0:
                    share *= one + rough * layer[y0 + i, x0 + j]
                seen[j, 0] += share * red
                if channels == 3:
                    seen[j, 1] += share * green
                    seen[j, 2] += share * blue
        own = encode_crop(inside, x0, y0, height)
        if used + len(own) > len(runs):
            larger = np.empty((2 * len(runs) + len(own), 2), np.uint32)
            larger[:used] = runs[:used]
            runs = larger
        runs[used : used + len(own)] = own
        used += len(own)
        kept[count], ends[count] = n, used
        cut[count] = left < 0 or top < 0 or right > width or bottom > height
        count += 1
    return kept[:count], runs[:used].copy(), ends[:count], cut[:count]
