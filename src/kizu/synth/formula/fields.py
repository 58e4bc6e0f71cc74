"""Things spread over a plane: grains, iso-contours, points near and far from each other, sizes by a power law."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.spatial import Voronoi

from kizu.core.errors import KizuError
from kizu.core.jit import jit
from kizu.synth.formula import contours
from kizu.synth.formula.noise import add_smooth
from kizu.synth.formula.outline import Outline


def power_law(count: int, low: float, high: float, random: np.random.Generator, exponent: float = 3.0) -> np.ndarray:
    """Sizes (count,) between ``low`` and ``high`` whose density falls as size ** -exponent (inverse of the CDF).

    With exponent 3, discs look alike at all magnifications (dead leaves; Lee, Mumford and Huang, 2001).

    Raises:
        KizuError: not 0 < low <= high.
    """
    if not 0 < low <= high:
        raise KizuError(f"sizes from {low} to {high}: a power law needs 0 < low <= high")
    return contours.power_law(random.uniform(0, 1, count), (low, high), exponent)


def poisson_disc(size: tuple[int, int], distance: float, random: np.random.Generator, tries: float = 8.0) -> np.ndarray:
    """Points (N, 2) of a frame (H, W), none nearer to another than ``distance`` pixels, in random order.

    Dart throwing: ``tries`` candidates for each point that could find a place, taken where they are free.
    """
    height, width = size
    count = int(np.ceil(tries * 0.7 * height * width / distance**2)) + 8
    darts = random.uniform((0, 0), (width, height), (count, 2))
    return darts[_apart(darts, distance, height, width)]


@jit
def _apart(darts: np.ndarray, distance: float, height: int, width: int) -> np.ndarray:
    # Cells of distance / sqrt(2) hold one point at the most.
    cell = distance / np.sqrt(2.0)
    grid = np.full((int(height / cell) + 5, int(width / cell) + 5), -1, np.int64)
    taken = np.zeros(len(darts), np.bool_)
    for k in range(len(darts)):
        i, j = int(darts[k, 1] / cell) + 2, int(darts[k, 0] / cell) + 2
        free = True
        for m in range(i - 2, i + 3):
            for n in range(j - 2, j + 3):
                other = grid[m, n]
                if other >= 0:
                    dx, dy = darts[k, 0] - darts[other, 0], darts[k, 1] - darts[other, 1]
                    if dx * dx + dy * dy < distance * distance:
                        free = False
        if free:
            grid[i, j] = k
            taken[k] = True
    return taken


def grains(size: tuple[int, int], points: np.ndarray, relax: int = 0) -> list[Outline]:
    """Voronoi cells of points (N, 2) inside a frame (H, W), cut at its border; cell i is that of point i.

    Args:
        relax: times that the points move to the middle of their cells first (Lloyd), which makes cells more alike.

    Raises:
        KizuError: fewer than two points, or points outside the frame.
    """
    height, width = size
    points = np.asarray(points, np.float64)
    if len(points) < 2 or (points < 0).any() or (points[:, 0] > width).any() or (points[:, 1] > height).any():
        raise KizuError(f"{len(points)} points on a frame of {height} x {width}: take two or more, all inside")
    for _ in range(relax):
        points = np.array([_centroid(cell) for cell in _cells(points, width, height)])
    return [Outline(cell) for cell in _cells(points, width, height)]


def _cells(points: np.ndarray, width: float, height: float) -> list[np.ndarray]:
    # Mirror images beyond the four sides make the border of the frame a border of cells.
    mirrored = [points, points * (-1, 1), points * (1, -1)]
    mirrored += [points * (-1, 1) + (2 * width, 0), points * (1, -1) + (0, 2 * height)]
    diagram = Voronoi(np.concatenate(mirrored))
    out = []
    for k, point in enumerate(points):
        corners = diagram.vertices[diagram.regions[diagram.point_region[k]]]
        away = corners - point
        corners = corners[np.argsort(np.arctan2(away[:, 1], away[:, 0]))]
        out.append(np.clip(corners, 0, (width, height)))
    return out


def _centroid(ring: np.ndarray) -> np.ndarray:
    after = np.roll(ring, -1, 0)
    cross = ring[:, 0] * after[:, 1] - after[:, 0] * ring[:, 1]
    return ((ring + after) * cross[:, None]).sum(0) / (3 * cross.sum())


def iso(field: np.ndarray, level: float, cell: float = 1.0, least: float = 4.0) -> list[Outline]:
    """Where a field lies above a level: one outline, with holes, for each region.

    Args:
        field: (h, w); sample (i, j) lies at x = (j + 0.5) * cell, y = (i + 0.5) * cell.
        cell: pixels between samples; a coarse field gives smooth large shapes fast.
        least: rings of a smaller area (square pixels) are left out.

    Regions that reach the border are closed two samples beyond it.
    """
    from skimage.measure import find_contours

    padded = np.pad(np.asarray(field, np.float64), 2, mode="edge")
    padded = np.pad(padded, 1, constant_values=min(float(padded.min()), level) - 1.0)
    outer, holes = [], []
    for contour in find_contours(padded, level):
        ring = (contour[:-1, ::-1] - 2.5) * cell
        area = Outline(ring).area if len(ring) >= 3 else 0.0
        if area >= least:
            # find_contours keeps the higher side on the same hand, so that holes run the other way.
            (outer if _turn(ring) > 0 else holes).append((area, ring))
    outer.sort(key=lambda entry: entry[0])
    shapes: list[list[np.ndarray]] = [[ring] for _, ring in outer]
    for area, hole in holes:
        x, y = float(hole[0, 0]), float(hole[0, 1])
        for (whole, ring), shape in zip(outer, shapes, strict=True):  # the smallest one around it owns it
            if whole > area and cv2.pointPolygonTest(ring.astype(np.float32), (x, y), False) > 0:
                shape.append(hole)
                break
    return [Outline.of(shape) for shape in reversed(shapes)]


def _turn(ring: np.ndarray) -> float:
    x, y = ring[:, 0], ring[:, 1]
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))


def patch(
    radius: float, random: np.random.Generator, ragged: float = 0.5, holes: bool = True, samples: int = 48
) -> Outline:
    """A stain-like shape about the origin: the largest iso-contour of noise on a round hill.

    Args:
        radius: pixels; the area is about that of such a disc.
        ragged: strength of the noise, 0 a disc .. 1 torn.
        holes: keep the holes.
        samples: of the field along a side; more give finer borders.
    """
    half = 1.8
    axis = (np.arange(samples) + 0.5) / samples * 2 * half - half
    hill = 1 - np.hypot(axis[:, None], axis[None, :])
    noise = np.zeros((samples, samples), np.float32)
    for share, bump in ((0.5, 0.35), (0.3, 0.16), (0.15, 0.08)):
        add_smooth(noise, samples * bump, share, random)
    # Nothing reaches the border of the samples, where the shape would be cut straight.
    field = np.where(np.hypot(axis[:, None], axis[None, :]) > 0.94 * half, -1.0, hill + 1.2 * ragged * noise)
    cell = 2 * half * radius / samples
    shapes = iso(field, 0.0, cell, 0.02 * radius**2)
    if not shapes:
        angles = np.linspace(0, 2 * np.pi, 33)[:-1]
        return Outline(radius * np.stack([np.cos(angles), np.sin(angles)], 1))
    shape = shapes[0]
    if not holes:
        shape = Outline(shape.ring(0))
    return Outline(shape.points - half * radius, shape.starts)
