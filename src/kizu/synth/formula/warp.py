"""Warps: functions of points (P, 2) -> (P, 2), used as ``outline.map(warp)``. Vertices move, so masks stay exact."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from kizu.core.errors import KizuError
from kizu.core.jit import jit
from kizu.synth.formula.outline import Outline

Warp = Callable[[np.ndarray], np.ndarray]


def compose(*warps: Warp) -> Warp:
    """One warp after the other, the first one first; without any, the identity."""

    def composed(points: np.ndarray) -> np.ndarray:
        for warp in warps:
            points = warp(points)
        return points

    return composed


def affine(matrix: np.ndarray, shift: Sequence[float] = (0.0, 0.0), centre: Sequence[float] = (0.0, 0.0)) -> Warp:
    """``matrix @ (p - centre) + centre + shift``; ``matrix`` (2, 2)."""
    matrix, centre = np.asarray(matrix, np.float64), np.asarray(centre, np.float64)
    constant = centre + np.asarray(shift, np.float64) - matrix @ centre
    return lambda points: points @ matrix.T + constant


def rotation(angle: float, centre: Sequence[float] = (0.0, 0.0), shift: Sequence[float] = (0.0, 0.0)) -> Warp:
    """Turn by ``angle`` radians about ``centre`` (from x towards y: clockwise on the screen), then shift."""
    c, s = np.cos(angle), np.sin(angle)
    return affine(np.array([[c, -s], [s, c]]), shift, centre)


def stretch(factor: float, angle: float, shear: float = 0.0, centre: Sequence[float] = (0.0, 0.0)) -> Warp:
    """Stretch by ``factor`` along the direction ``angle`` and by 1 / factor across it (areas stay), and shear there."""
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s], [s, c]])
    return affine(turn @ np.array([[factor, shear], [0.0, 1 / factor]]) @ turn.T, centre=centre)


def homography(matrix: np.ndarray) -> Warp:
    """Projective map by a matrix (3, 3).

    Raises:
        KizuError: when it is applied to points at or beyond its horizon.
    """
    matrix = np.asarray(matrix, np.float64)

    def project(points: np.ndarray) -> np.ndarray:
        sent = points @ matrix[:, :2].T + matrix[:, 2]
        if len(sent) and sent[:, 2].min() <= 1e-9:
            raise KizuError("a perspective sends some points behind the camera; tilt less or stand further away")
        return sent[:, :2] / sent[:, 2:]

    return project


def perspective(tilt: float, towards: float, distance: float, centre: Sequence[float] = (0.0, 0.0)) -> Warp:
    """How the picture plane looks when it is tilted before a pinhole camera; ``centre`` stays where it is.

    Args:
        tilt: angle in radians by which the plane leans back, in (-pi / 2, pi / 2).
        towards: direction in the picture (radians, 0 = along x) of the side that moves away from the camera.
        distance: of the camera from ``centre`` in pixels; points must lie nearer to ``centre`` than that / sin(tilt).

    Source: Hartley and Zisserman, Multiple View Geometry, 2nd ed., section 2.3 and 8.1 (plane to image).
    """
    c, s = np.cos(towards), np.sin(towards)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
    lean = np.array([[np.cos(tilt), 0, 0], [0, 1, 0], [np.sin(tilt) / distance, 0, 1]])
    x, y = centre
    there, back = np.eye(3), np.eye(3)
    there[:2, 2], back[:2, 2] = (x, y), (-x, -y)
    return homography(there @ turn @ lean @ turn.T @ back)


def freeform(
    bounds: Sequence[float], cell: float, amplitude: float, random: np.random.Generator
) -> Warp:  # fmt: skip
    """A smooth random displacement: a coarse lattice of offsets, joined by cubic splines (Catmull-Rom).

    Args:
        bounds: XYXY of what is to be warped; beyond it the displacement of the border goes on.
        cell: pixels between lattice points: the size of the bumps.
        amplitude: standard deviation of an offset in pixels. Below about ``cell / 5`` shapes do not fold.
    """
    x0, y0, x1, y1 = (float(v) for v in bounds)
    shape = (int((y1 - y0) / cell) + 5, int((x1 - x0) / cell) + 5)
    lattice = random.normal(0, amplitude, (*shape, 2))
    start = random.uniform(0, 1, 2)
    low, high = np.array([x0, y0]), np.array([x1, y1])

    def displace(points: np.ndarray) -> np.ndarray:
        points = np.ascontiguousarray(points, np.float64)
        return points + _offsets(lattice, (np.clip(points, low, high) - low) / cell + start)

    return displace


@jit
def _offsets(lattice: np.ndarray, places: np.ndarray) -> np.ndarray:
    out = np.zeros_like(places)
    wx, wy = np.empty(4), np.empty(4)
    for k in range(len(places)):
        i, j = int(places[k, 1]), int(places[k, 0])
        for w, t in ((wx, places[k, 0] - j), (wy, places[k, 1] - i)):
            w[0] = 0.5 * (-t + 2 * t**2 - t**3)
            w[1] = 0.5 * (2 - 5 * t**2 + 3 * t**3)
            w[2] = 0.5 * (t + 4 * t**2 - 3 * t**3)
            w[3] = 0.5 * (-(t**2) + t**3)
        for m in range(4):
            for n in range(4):
                share = wy[m] * wx[n]
                out[k, 0] += share * lattice[i + m, j + n, 0]
                out[k, 1] += share * lattice[i + m, j + n, 1]
    return out


def densify(outline: Outline, step: float) -> Outline:
    """The same shape with vertices put into edges longer than ``step`` pixels, so that a warp can bend them."""
    return Outline(*_densify(outline.points, outline.starts, float(step)))


@jit
def _densify(points: np.ndarray, starts: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    pieces = np.empty(len(points), np.int64)
    nexts = np.empty(len(points), np.int64)
    out_starts = np.zeros(len(starts), np.int64)
    for r in range(len(starts) - 1):
        total = 0
        for k in range(starts[r], starts[r + 1]):
            nexts[k] = k + 1 if k + 1 < starts[r + 1] else starts[r]
            long = np.hypot(points[nexts[k], 0] - points[k, 0], points[nexts[k], 1] - points[k, 1])
            pieces[k] = max(int(np.ceil(long / step)), 1)
            total += pieces[k]
        out_starts[r + 1] = out_starts[r] + total
    out = np.empty((out_starts[-1], 2))
    place = 0
    for k in range(len(points)):
        for n in range(pieces[k]):
            share = n / pieces[k]
            out[place, 0] = points[k, 0] + share * (points[nexts[k], 0] - points[k, 0])
            out[place, 1] = points[k, 1] + share * (points[nexts[k], 1] - points[k, 1])
            place += 1
    return out, out_starts


def warped(outline: Outline, warp: Warp, step: float = 4.0) -> Outline:
    """:func:`densify`, then the warp."""
    return densify(outline, step).map(warp)
