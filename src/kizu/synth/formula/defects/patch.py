"""``Patch``: the fields of a defect on a box that may go beyond the frame, and blobs to fill it with."""

from __future__ import annotations

import numpy as np

from kizu.core.jit import jit
from kizu.synth.formula import noise
from kizu.synth.formula.defects.site import Site
from kizu.synth.formula.layers import Mark
from kizu.synth.formula.raster import Cover


class Patch:
    """A box of whole pixels around a point; it may go beyond the frame and is cut to it at the end.

    Attributes:
        x, y: its corner.
        shape: (h, w).
        centre: the point, relative to the corner.
    """

    def __init__(self, centre: np.ndarray, reach: float | tuple[float, float]):
        """
        Args:
            centre: float (2,), x and y in the frame.
            reach: pixels that the box reaches to each side, or (across, down).
        """
        across, down = reach if isinstance(reach, tuple) else (reach, reach)
        self.x, self.y = int(np.floor(centre[0] - across)), int(np.floor(centre[1] - down))
        self.shape = (int(np.ceil(centre[1] + down)) - self.y, int(np.ceil(centre[0] + across)) - self.x)
        self.centre = (float(centre[0] - self.x), float(centre[1] - self.y))

    @classmethod
    def of(cls, cover: Cover) -> Patch:
        """The box of a cover."""
        out = cls(np.zeros(2), 1.0)
        out.x, out.y, out.shape = cover.x, cover.y, cover.alpha.shape
        return out

    def inside(self, cover: Cover) -> np.ndarray:
        """float32 (h, w): how much of each pixel of the box another cover covers."""
        out = np.zeros(self.shape, np.float32)
        shared = Cover(self.x, self.y, out).within(cover)
        if shared.alpha.size:
            h, w = shared.alpha.shape
            part = cover.alpha[shared.y - cover.y : shared.y - cover.y + h, shared.x - cover.x : shared.x - cover.x + w]
            out[shared.y - self.y : shared.y - self.y + h, shared.x - self.x : shared.x - self.x + w] = part
        return out

    def ellipse(self, a: float, b: float, angle: float) -> np.ndarray:
        """float32 (h, w): about the distance in pixels to an ellipse around the centre, positive inside, at most b."""
        out = np.empty(self.shape, np.float32)
        _ellipse(out, *self.centre, a, b, np.cos(angle), np.sin(angle))
        return out

    def square(self, a: float, b: float, angle: float) -> np.ndarray:
        """float32 (h, w): square of the distance to the centre in units of an ellipse's radii, 1 on the ellipse."""
        y = (np.arange(self.shape[0], dtype=np.float32) + np.float32(0.5 - self.centre[1]))[:, None]
        x = (np.arange(self.shape[1], dtype=np.float32) + np.float32(0.5 - self.centre[0]))[None, :]
        c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        return ((x * c + y * s) * np.float32(1 / a)) ** 2 + ((y * c - x * s) * np.float32(1 / b)) ** 2

    def mark(self, site: Site, alpha: np.ndarray, **fields) -> list[Mark]:
        """The patch as a mark on the site, cut to the frame; none where nothing of it is labelled there.

        Args:
            alpha: float32 (h, w), coverage that is labelled.
            fields: of ``Mark``; arrays (h, w) or (h, w, 3) are cut with it.
        """
        height, width = site.size
        x0, y0 = max(self.x, 0), max(self.y, 0)
        x1, y1 = min(self.x + self.shape[1], width), min(self.y + self.shape[0], height)
        if x1 <= x0 or y1 <= y0:
            return []
        if (x1 - x0, y1 - y0) == (self.shape[1], self.shape[0]):
            cut = alpha
            truncated = False
        else:
            s = slice(y0 - self.y, y1 - self.y), slice(x0 - self.x, x1 - self.x)
            cut = np.ascontiguousarray(alpha[s])
            truncated = np.count_nonzero(cut >= 0.5) < np.count_nonzero(alpha >= 0.5)
            fields = {
                name: np.ascontiguousarray(value[s])
                if isinstance(value, np.ndarray) and value.shape[:2] == self.shape
                else value
                for name, value in fields.items()
            }
        if not (cut >= 0.5).any():
            return []
        return [Mark(Cover(x0, y0, cut, truncated), **fields)]


def blob(
    centre: np.ndarray, side: float, random: np.random.Generator, aspect: float = 1.0, angle: float = 0.0,
    rough: float = 0.2, gain: float = 0.5, margin: float = 2.0, bumps: float = 1.0,
) -> tuple[Patch, np.ndarray]:  # fmt: skip
    """An irregular blob of a given area.

    Args:
        centre: (2,), x and y.
        side: square root of its area, pixels.
        aspect: length by breadth.
        angle: of its length, radians.
        rough: deviation of its outline, in units of half its breadth.
        gain: of the octaves of its outline: 0.3 smooth, 0.7 ragged.
        margin: pixels wanted around it.
        bumps: size of the largest bumps of the outline, in units of half the breadth.

    Returns:
        The patch, and float32 (h, w): about the distance to the outline in pixels, positive inside.
    """
    radius = side / np.sqrt(np.pi)
    a, b = radius * np.sqrt(aspect), radius / np.sqrt(aspect)
    extra = 1.7 * rough * b + margin
    c, s = abs(np.cos(angle)), abs(np.sin(angle))
    patch = Patch(centre, (np.hypot(a * c, b * s) + extra, np.hypot(a * s, b * c) + extra))
    field = patch.ellipse(a, b, angle)
    if rough > 0:
        octaves = int(np.clip(np.log2(max(bumps * b, 2)), 1, 5))
        field += np.float32(rough * b) * noise.fractal(patch.shape, max(bumps * b, 2.0), random, octaves, gain)
        field -= level(field, side**2)
    return patch, field


def level(field: np.ndarray, area: float) -> np.float32:
    """The value that ``area`` pixels of a field lie above; of a large field (h, w), a quarter is looked at."""
    step = 1 if field.size < 16_384 or field.ndim < 2 else 2
    values = field[::step, ::step].ravel() if step > 1 else field.ravel()
    count = int(np.clip(round(area / step**2), 1, len(values) - 1))
    return np.partition(values, len(values) - count)[len(values) - count]


def soft(field: np.ndarray, width: float = 1.0) -> np.ndarray:
    """float32 0..1: coverage from a distance to the outline in pixels, 0.5 on it, mixed over ``width`` pixels."""
    return np.clip(field * np.float32(1 / width) + np.float32(0.5), 0, 1)


def ramp(field: np.ndarray, start: float, end: float) -> np.ndarray:
    """float32 0..1: a smooth step (3 t^2 - 2 t^3) from 0 at ``start`` to 1 at ``end``."""
    t = np.clip((field - np.float32(start)) * np.float32(1 / (end - start)), 0, 1)
    return t * t * (3 - 2 * t)


def peak(field: np.ndarray, centre: float, width: float) -> np.ndarray:
    """float32 0..1: a bell around a value, 1 / (1 + t^2)^2 (no exponentials)."""
    t = (field - np.float32(centre)) * np.float32(1 / width)
    return 1 / np.square(1 + t * t)


@jit
def _ellipse(out, cx, cy, a, b, cos, sin):
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            x, y = j + 0.5 - cx, i + 0.5 - cy
            u, v = x * cos + y * sin, y * cos - x * sin
            p, q = u / a, v / b
            far = np.sqrt(p * p + q * q)
            # First-order distance: (1 - far) by the length of far's gradient.
            steep = np.sqrt((p / a) ** 2 + (q / b) ** 2)
            out[i, j] = b if steep == 0 else min((1 - far) * far / steep, b)
