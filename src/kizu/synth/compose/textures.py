"""Kizu's own textures for what is put into a picture: pieces of the materials of the bank, and fractal noise."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from kizu.core.seeds import Stream, generator
from kizu.synth.compose.linear import LUMINANCE
from kizu.synth.formula.noise import fractal
from kizu.synth.formula.surfaces import bank

_SIDE = 192
_MATERIALS = (
    "hot_rolled", "cast", "blasted", "ground", "galvanised", "leather", "woven", "foam", "wood", "granite", "concrete",
    "cardboard",
)  # fmt: skip
_FRACTAL = ((60.0, 0.5), (24.0, 0.6), (10.0, 0.7), (4.0, 0.5))  # size of the largest bumps, gain of the octaves
_LIMIT = 3.0  # deviations


@cache
def pool() -> tuple[np.ndarray, ...]:
    """The textures, float32 (192, 192) each with mean 0 and deviation 1: the same in each process."""
    out = []
    for k, name in enumerate(_MATERIALS):
        random = generator(0, Stream.PASTE, k)
        layers = bank.make(name, bank.draw(name, random), (_SIDE, _SIDE), 3, random).layers
        tone = np.log(np.maximum(layers.albedo @ LUMINANCE, 1e-3))
        down, across = np.gradient(layers.height)
        # Relief as a lamp from the upper left shows it.
        out.append(_even(tone + np.float32(0.5) * np.tanh(down + across)))
    for k, (size, gain) in enumerate(_FRACTAL):
        out.append(_even(fractal((_SIDE, _SIDE), size, generator(0, Stream.PASTE, len(_MATERIALS) + k), gain=gain)))
    return tuple(out)


def _even(field: np.ndarray) -> np.ndarray:
    field = field - field.mean()
    field = np.clip(field / max(float(field.std()), 1e-6), -_LIMIT, _LIMIT)
    return np.ascontiguousarray((field - field.mean()) / field.std(), np.float32)


def crop(shape: tuple[int, int], random: np.random.Generator) -> np.ndarray:
    """A piece of a random texture, float32 (h, w), of deviation about 1: turned, and larger or smaller, at random."""
    textures = pool()
    texture = textures[int(random.integers(len(textures)))]
    angle, zoom = random.uniform(0, 2 * np.pi), float(np.exp(random.uniform(np.log(0.6), np.log(2.0))))
    place = random.uniform(0, _SIDE, 2)
    c, s = np.cos(angle) / zoom, np.sin(angle) / zoom
    middle = np.array([shape[1] / 2, shape[0] / 2])
    shift = place - np.array([[c, -s], [s, c]]) @ middle
    matrix = np.array([[c, -s, shift[0]], [s, c, shift[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(texture, matrix, (shape[1], shape[0]), flags=flags, borderMode=cv2.BORDER_REFLECT)
