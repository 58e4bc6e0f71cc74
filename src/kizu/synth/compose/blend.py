"""How the edge of what is put in is joined to the picture: the light of both is mixed, in one of four ways.

Scenes draw their blend at random, so that no way of joining is a sign of what was put in (Dwibedi et al., "Cut, Paste
and Learn", 2017).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from kizu.core.errors import DataError
from kizu.core.jit import jit
from kizu.synth.compose.pick import pick

_MOVED = np.float32(1e-3)  # light; a quarter of the step between two bytes in the middle of their range

Blend = Callable[[np.ndarray, np.ndarray, np.ndarray, dict[str, Any]], np.ndarray]
BLENDS: dict[str, Blend] = {}


def blend(base: np.ndarray, paste: np.ndarray, alpha: np.ndarray, way: dict[str, Any]) -> np.ndarray:
    """Join two boxes of light.

    Args:
        base, paste: float32 (h, w, 3), linear light of the picture and of what is put on it.
        alpha: float32 (h, w), coverage.
        way: ``name`` of a blend, and its numbers.

    Raises:
        DataError: there is no such blend.
    """
    try:
        join = BLENDS[way["name"]]
    except KeyError as error:
        raise DataError(f"no blend {way.get('name')!r}; there are {', '.join(BLENDS)}") from error
    return np.maximum(join(base, paste, alpha, way), 0)  # two of the ways swing beyond the dark side; no light does


def draw(weights: dict[str, float], random: np.random.Generator) -> dict[str, Any]:
    """A random blend; ``weights`` name those that may be taken."""
    name = pick({name: weights.get(name, 0) for name in BLENDS}, random)
    width = round(float(random.uniform(0.5, 1.5)), 3)
    return {"name": name} | ({"width": width} if name == "feather" else {})


def reach(way: dict[str, Any]) -> int:
    """Pixels around what is put in that a blend looks at."""
    return {"feather": math.ceil(3 * way.get("width", 1.0)), "pyramid": 16}.get(way["name"], 1)


def _register(function: Blend) -> Blend:
    BLENDS[function.__name__] = function
    return function


@_register
def hard(base: np.ndarray, paste: np.ndarray, alpha: np.ndarray, way: dict[str, Any]) -> np.ndarray:
    """What is covered to at least a half is put in, the rest is left."""
    return np.where((alpha >= 0.5)[:, :, None], paste, base)


@_register
def feather(base: np.ndarray, paste: np.ndarray, alpha: np.ndarray, way: dict[str, Any]) -> np.ndarray:
    """Plain "over" with an edge of deviation ``width`` pixels."""
    return over(base, paste, cv2.GaussianBlur(alpha, (0, 0), way.get("width", 1.0), borderType=cv2.BORDER_REPLICATE))


def over(base: np.ndarray, paste: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Light of both, ``share`` (h, w) of it that of ``paste``."""
    out = np.empty(base.shape, np.float32)
    _over(base, paste, share, out)
    return out


@jit
def _over(base, paste, share, out):
    for i in range(base.shape[0]):
        for j in range(base.shape[1]):
            for c in range(3):
                out[i, j, c] = base[i, j, c] + share[i, j] * (paste[i, j, c] - base[i, j, c])


@_register
def pyramid(base: np.ndarray, paste: np.ndarray, alpha: np.ndarray, way: dict[str, Any]) -> np.ndarray:
    """Each band of frequencies over an edge of its own breadth (Burt and Adelson, "A multiresolution spline", 1983)."""
    levels = max(min(int(math.log2(max(min(alpha.shape), 2))) - 3, 3), 1)
    share = cv2.GaussianBlur(alpha, (0, 0), 0.7)
    shares, differences = [share], [paste - base]
    for _ in range(levels):
        shares.append(cv2.pyrDown(shares[-1]))
        differences.append(cv2.pyrDown(differences[-1]))
    # The blend is linear, so it is enough to blend the difference with nothing.
    out = differences[-1] * shares[-1][:, :, None]
    for k in range(levels - 1, -1, -1):
        size = shares[k].shape[1::-1]
        out = cv2.pyrUp(out, dstsize=size)
        _band(differences[k], cv2.pyrUp(differences[k + 1], dstsize=size), shares[k], out)
    # Beyond the blend's own reach nothing may change; a faint trace of the coarse bands would.
    reach = cv2.dilate(alpha, np.ones((3, 3), np.uint8), iterations=2 ** (levels - 1))
    fade = cv2.GaussianBlur(np.minimum(reach * 4, 1), (0, 0), 2 ** (levels - 1) / 2)
    _add(base, fade, out)
    return out


@jit
def _band(difference, smoother, share, out):
    """Add a band of frequencies, ``share`` (h, w) of it."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            for c in range(3):
                out[i, j, c] += (difference[i, j, c] - smoother[i, j, c]) * share[i, j]


@jit
def _add(base, fade, out):
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            for c in range(3):
                out[i, j, c] = base[i, j, c] + out[i, j, c] * fade[i, j]


@_register
def poisson(base: np.ndarray, paste: np.ndarray, alpha: np.ndarray, way: dict[str, Any]) -> np.ndarray:
    """Gradients of what is put in, values of the picture along the edge (Perez et al., "Poisson image editing", 2003).

    The solution is ``paste`` plus the harmonic function that has the difference of the two along the edge.
    """
    inside = alpha >= 0.5
    inside[[0, -1]] = inside[:, [0, -1]] = False
    if not inside.any():
        return base.copy()
    return np.where(inside[:, :, None], paste + membrane(base - paste, inside), base)


def membrane(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The harmonic function inside a mask with given values around it, to a few hundredths of their spread.

    Args:
        values: float32 (h, w, C); those inside are not read.
        inside: bool (h, w), nowhere at the border of the box.

    Returns:
        float32 (h, w, C), ``values`` outside.
    """
    out = np.where(inside[:, :, None], np.float32(0), values).astype(np.float32)
    if min(inside.shape) > 24:
        # Coarse first: what is left to do for the fine grid is short-ranged.
        small = (max(inside.shape[1] // 2, 3), max(inside.shape[0] // 2, 3))
        known = cv2.resize((~inside).astype(np.float32), small, interpolation=cv2.INTER_AREA)
        total = cv2.resize(out, small, interpolation=cv2.INTER_AREA).reshape(small[1], small[0], -1)
        hole = known < 0.5
        hole[[0, -1]] = hole[:, [0, -1]] = False
        if hole.any():
            coarse = membrane(total / np.maximum(known, 1e-3)[:, :, None], hole)
            fine = cv2.resize(coarse, inside.shape[::-1], interpolation=cv2.INTER_LINEAR).reshape(out.shape)
            out[inside] = fine[inside]
            _relax(out, inside, 40, np.float32(1.5))
            return out
    out[inside] = out[~inside].mean(0)
    _relax(out, inside, 300, np.float32(1.6))
    return out


@jit
def _relax(values: np.ndarray, inside: np.ndarray, rounds: int, over: float) -> None:
    """Successive over-relaxation of Laplace's equation, in place, until a round moves nothing by a thousandth."""
    quarter = np.float32(0.25)
    for _ in range(rounds):
        moved = np.float32(0.0)
        for i in range(1, inside.shape[0] - 1):
            for j in range(1, inside.shape[1] - 1):
                if inside[i, j]:
                    for c in range(values.shape[2]):
                        mean = quarter * (
                            values[i - 1, j, c] + values[i + 1, j, c] + values[i, j - 1, c] + values[i, j + 1, c]
                        )
                        step = over * (mean - values[i, j, c])
                        values[i, j, c] += step
                        moved = max(moved, abs(step))
        if moved < _MOVED:
            return
