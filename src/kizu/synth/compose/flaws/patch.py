"""A patch of another good picture, joined without a seam (NSA, Schluter et al., 2022)."""

from __future__ import annotations

import cv2
import numpy as np

from kizu.synth.compose.flaws.poisson import join
from kizu.synth.compose.flaws.registry import flaw
from kizu.synth.compose.flaws.spot import Spot, near, region
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
    spot, mask, width = region(ground, at, area, random)
    if min(mask.shape) < _SIDE or not mask.any():
        return None
    source = ground.light if ground.other is None else ground.other
    # Joined in the square root of light, in which steps of bright and of dark places are about equally seen.
    own = np.sqrt(spot.light)
    best, most = None, -1.0
    for _ in range(_TRIES):
        piece = np.sqrt(_piece(source, spot, random.uniform(0.7, 1.3), random))
        piece *= np.float32(own.mean() / max(float(piece.mean()), 1e-3))  # the same exposure
        different = float((piece[::2, ::2, 1] - own[::2, ::2, 1]).std())
        if different > most:
            best, most = piece, different
    mixed = bool(random.uniform() < _MIXED)
    look = np.square(np.clip(join(own, best, mixed), 0, 1))
    return spot.lay(
        look,
        spot.soft(mask, min(width * random.uniform(0.8, 2.0), max(0.1 * np.sqrt(area), 0.5))),
        mask,
        area,
        _KEPT,
        random,
        mixed=mixed,
    )


def _piece(source: np.ndarray, spot: Spot, zoom: float, random: np.random.Generator) -> np.ndarray:
    """A rectangle of a picture, ``zoom`` times as large and mirrored at random, of the spot's shape."""
    shape = spot.part.shape
    x0, y0, x1, y1 = near(source, spot, tuple(max(round(n / zoom), 1) for n in shape), random)
    flips = random.integers(2, size=2)
    piece = source[y0:y1, x0:x1][:: -1 if flips[0] else 1, :: -1 if flips[1] else 1]
    return cv2.resize(np.ascontiguousarray(piece), (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
