"""Names of colours, measured: which basic colour terms fit the visible pixels of an instance, and which do not.

Colours are CIELAB under D65 (CIE 15). The list of names is closed: the eleven basic terms of Berlin and Kay (1969).
What lies between two names has none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from kizu.core.jit import jit
from kizu.core.masks import Masks

COLOURS = ("black", "grey", "white", "red", "orange", "brown", "yellow", "green", "blue", "purple", "pink")
_NONE = len(COLOURS)
_SAMPLES = 300  # pixels of an instance that are looked at
_MOST, _FEW = 0.7, 0.1  # share of pixels of a name, to have it and not to have it
_SHIFTS = np.array([6.0, 4.0, 7.0])  # of lightness, chroma and hue in degrees that must not change the name
_GREY = 10  # largest difference of the channels in a grey picture, uint8
CONTRAST = 15.0  # CIEDE2000 between what has a name and what does not have it
_LINEAR = ((np.arange(256) / 255 + 0.055) / 1.055) ** 2.4
_LINEAR[:11] = np.arange(11) / 255 / 12.92
_LINEAR = _LINEAR.astype(np.float64)


@dataclass(frozen=True)
class Colours:
    """What was measured of N instances.

    Attributes:
        lab: float64 (N, 3), mean CIELAB of the visible pixels.
        around: float64 (N,), mean lightness of what lies about each, NaN where too little of it is to be seen.
        yes: bool (N, len(COLOURS)), the name fits; every colour nearby has it, too.
        maybe: bool (N, len(COLOURS)), the name may fit.
        grey: the whole picture is without colours.
    """

    lab: np.ndarray
    around: np.ndarray
    yes: np.ndarray
    maybe: np.ndarray
    grey: bool


def measure(image: np.ndarray, masks: Masks, parents: np.ndarray) -> Colours:
    """Colours of the masked pixels of ``image`` uint8 (H, W, 3); ``parents`` as in ``Instances``.

    A name fits where 70 % of the pixels have it and a step of lightness, chroma or hue does not change it; it may fit
    while more than 10 % of the pixels have it, or what has it is nearer than ``CONTRAST`` in CIEDE2000.
    """
    grey = bool(np.ptp(image[::16, ::16].astype(np.int16), axis=2).max(initial=0) <= _GREY)
    args = np.ascontiguousarray(image), masks.runs, masks.offsets, _LINEAR
    lab, share, near = _sample(*args, _SHIFTS, _SAMPLES)
    around = np.full(len(masks), np.nan)
    if grey and len(masks):
        around = _surroundings(*args, masks.boxes.astype(np.int64), np.asarray(parents, np.int64))
    yes = (share[:, :-1] >= _MOST) & near[:, :-1] & (near.sum(1) == 1)[:, None]
    maybe = (share[:, :-1] > _FEW) | near[:, :-1]
    apart = differences(lab) >= CONTRAST
    for name in range(len(COLOURS)):
        if yes[:, name].any():
            maybe[:, name] |= ~apart[:, yes[:, name]].all(1)
    return Colours(lab, around, yes, maybe, grey)


def differences(lab: np.ndarray) -> np.ndarray:
    """CIEDE2000 between each two of N colours of CIELAB, float64 (N, N) (Sharma, Wu and Dalal 2005)."""
    return _differences(np.ascontiguousarray(lab, np.float64))


@jit
def _to_lab(red, green, blue, linear):
    r, g, b = linear[red], linear[green], linear[blue]
    x = (0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047
    y = 0.2126729 * r + 0.7151522 * g + 0.0721750 * b
    z = (0.0193339 * r + 0.1191920 * g + 0.9503041 * b) / 1.08883
    fx = x ** (1 / 3) if x > 0.008856451679 else 7.787037037 * x + 16 / 116
    fy = y ** (1 / 3) if y > 0.008856451679 else 7.787037037 * y + 16 / 116
    fz = z ** (1 / 3) if z > 0.008856451679 else 7.787037037 * z + 16 / 116
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


@jit
def _name(light, chroma, hue):
    """Index of the name of a colour; hue in degrees, 0..360."""
    if chroma < 10 or (light < 12 and chroma < 18):
        return 0 if light < 24 else 2 if light >= 84 else 1
    if light < 8:
        return 0
    if hue >= 345 or hue < 25:
        return 10 if light >= 64 else 3 if chroma >= 22 else _NONE
    if hue < 50:
        if chroma < 34:
            return 5 if light < 58 else _NONE
        return 3 if light < 68 else 10 if chroma < 50 else _NONE
    if hue < 82:
        if light < 56:
            return 5
        return 4 if chroma >= 42 else _NONE
    if hue < 112:
        return 6 if light >= 62 and chroma >= 30 else _NONE
    if hue < 182:
        return 7
    if hue < 215:
        return _NONE  # turquoise
    if hue < 314:
        return 8
    return 10 if light >= 68 else 9


@jit
def _sample(image, runs, offsets, linear, shifts, most):
    """Mean CIELAB, share of the pixels of each name, and the names that the mean and its neighbours have."""
    height, count = image.shape[0], len(offsets) - 1
    lab, share = np.zeros((count, 3)), np.zeros((count, _NONE + 1))
    near = np.zeros((count, _NONE + 1), np.bool_)
    for i in range(count):
        area = 0
        for k in range(offsets[i], offsets[i + 1]):
            area += np.int64(runs[k, 1]) - np.int64(runs[k, 0])
        if area == 0:
            continue
        step = (area // most) | 1  # odd, so that the samples do not line up with rows
        skip, seen = (min(step, area) - 1) // 2, 0
        for k in range(offsets[i], offsets[i + 1]):
            position, end = np.int64(runs[k, 0]) + skip, np.int64(runs[k, 1])
            while position < end:
                x, y = position // height, position % height
                light, a, b = _to_lab(image[y, x, 0], image[y, x, 1], image[y, x, 2], linear)
                lab[i, 0] += light
                lab[i, 1] += a
                lab[i, 2] += b
                share[i, _name(light, math.hypot(a, b), math.degrees(math.atan2(b, a)) % 360)] += 1
                seen += 1
                position += step
            skip = position - end
        lab[i] /= seen
        share[i] /= seen
        light, chroma = lab[i, 0], math.hypot(lab[i, 1], lab[i, 2])
        hue = math.degrees(math.atan2(lab[i, 2], lab[i, 1])) % 360
        for sign in (-1, 0, 1):
            near[i, _name(light + sign * shifts[0], chroma, hue)] = True
            near[i, _name(light, chroma + sign * shifts[1], hue)] = True
            near[i, _name(light, chroma, (hue + sign * shifts[2]) % 360)] = True
    return lab, share, near


@jit
def _surroundings(image, runs, offsets, linear, boxes, parents):
    """Mean lightness of what lies about each mask: of its parent's pixels, else of pixels that are no instance's."""
    height, width, count = image.shape[0], image.shape[1], len(offsets) - 1
    owner = np.zeros(height * width, np.int32)
    for i in range(count):
        for k in range(offsets[i], offsets[i + 1]):
            owner[runs[k, 0] : runs[k, 1]] = i + 1
    out = np.full(count, np.nan)
    for i in range(count):
        wide, tall = boxes[i, 2] - boxes[i, 0], boxes[i, 3] - boxes[i, 1]
        mx, my = 4 + wide // 5, 4 + tall // 5
        x0, x1 = max(boxes[i, 0] - mx, 0), min(boxes[i, 2] + mx, width)
        y0, y1 = max(boxes[i, 1] - my, 0), min(boxes[i, 3] + my, height)
        sx, sy = max((x1 - x0) // 20, 1), max((y1 - y0) // 20, 1)
        total, seen = 0.0, 0
        for x in range(x0, x1, sx):
            for y in range(y0, y1, sy):
                if owner[x * height + y] == parents[i] + 1:
                    light, _, _ = _to_lab(image[y, x, 0], image[y, x, 1], image[y, x, 2], linear)
                    total += light
                    seen += 1
        if seen >= 30:
            out[i] = total / seen
    return out


@jit
def _differences(lab):
    count = len(lab)
    out = np.zeros((count, count))
    for i in range(count):
        for j in range(i + 1, count):
            out[i, j] = out[j, i] = _difference(lab[i], lab[j])
    return out


@jit
def _difference(one, two):
    """CIEDE2000, equations 2 to 22 of Sharma, Wu and Dalal (2005)."""
    mean = (math.hypot(one[1], one[2]) + math.hypot(two[1], two[2])) / 2
    grow = 1 + 0.5 * (1 - math.sqrt(mean**7 / (mean**7 + 25.0**7)))
    c1, c2 = math.hypot(grow * one[1], one[2]), math.hypot(grow * two[1], two[2])
    h1 = math.degrees(math.atan2(one[2], grow * one[1])) % 360
    h2 = math.degrees(math.atan2(two[2], grow * two[1])) % 360
    turn, middle = h2 - h1, (h1 + h2) / 2
    if c1 * c2 == 0:
        turn, middle = 0.0, h1 + h2
    elif abs(turn) > 180:
        turn += -360 if turn > 0 else 360
        middle += 180 if middle < 180 else -180
    light, chroma = (one[0] + two[0]) / 2, (c1 + c2) / 2
    weight = (
        1 - 0.17 * math.cos(math.radians(middle - 30)) + 0.24 * math.cos(math.radians(2 * middle))
        + 0.32 * math.cos(math.radians(3 * middle + 6)) - 0.20 * math.cos(math.radians(4 * middle - 63))
    )  # fmt: skip
    dl = (two[0] - one[0]) / (1 + 0.015 * (light - 50) ** 2 / math.sqrt(20 + (light - 50) ** 2))
    dc = (c2 - c1) / (1 + 0.045 * chroma)
    dh = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(turn) / 2) / (1 + 0.015 * chroma * weight)
    bend = math.sin(math.radians(60 * math.exp(-(((middle - 275) / 25) ** 2))))
    turned = -2 * math.sqrt(chroma**7 / (chroma**7 + 25.0**7)) * bend
    return math.sqrt(max(dl * dl + dc * dc + dh * dh + turned * dc * dh, 0.0))
