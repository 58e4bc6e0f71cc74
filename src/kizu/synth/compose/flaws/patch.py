"""A patch of another good picture, joined without a seam (NSA, Schluter et al., 2022)."""

from __future__ import annotations

import cv2
import numpy as np

from kizu.synth.compose.flaws.poisson import join
from kizu.synth.compose.flaws.registry import flaw
from kizu.synth.compose.flaws.spot import region
from kizu.synth.compose.ground import Change, Ground

_TRIES = 4  # places, of which the one with the most other structure is taken
_MIXED = 0.4  # share of joins that keep the stronger of both gradients
_KEPT = 0.9  # of the noise, where a piece was made larger or smaller
_SIDE = 5  # pixels: a box below this has no inside


@flaw
def patch(ground: Ground, at: tuple[float, float], area: float, random: np.random.Generator) -> Change | None:
    """A piece of another clean picture, or of another place of the same, larger or smaller, in a blob's outline.

    What the join leaves of it is structure: tone is taken off by construction, so smooth surfaces hardly change.
    """
    spot, mask, alpha, _ = region(ground, at, area, random)
    if min(mask.shape) < _SIDE or not mask.any():
        return None
    source = ground.light if ground.other is None else ground.other
    best, most = None, -1.0
    for _ in range(_TRIES):
        piece = piece_of(source, mask.shape, random.uniform(0.7, 1.3), random)
        other = (piece - spot.light)[::2, ::2, 1]
        different = float(other.std())
        if different > most:
            best, most = piece, different
    mixed = bool(random.uniform() < _MIXED)
    look = join(spot.light, best, mixed)
    return spot.lay(look, alpha, mask, area, _KEPT, random, mixed=mixed)


def piece_of(source: np.ndarray, shape: tuple[int, int], zoom: float, random: np.random.Generator) -> np.ndarray:
    """A random rectangle of a picture, made ``zoom`` times as large and mirrored at random, float32 (h, w, 3)."""
    height, width = source.shape[:2]
    h, w = (min(max(round(n / zoom), 1), limit) for n, limit in zip(shape, (height, width), strict=True))
    y, x = int(random.integers(height - h + 1)), int(random.integers(width - w + 1))
    piece = source[y : y + h, x : x + w]
    flips = random.integers(2, size=2)
    piece = piece[:: -1 if flips[0] else 1, :: -1 if flips[1] else 1]
    if piece.shape[:2] == tuple(shape):
        return np.ascontiguousarray(piece)
    return cv2.resize(np.ascontiguousarray(piece), (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
