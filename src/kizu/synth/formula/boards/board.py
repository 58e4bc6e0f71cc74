"""``Board``: copper, drills, mask openings and print of a bare printed board, and who keeps clear of whom."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from kizu.core.jit import jit
from kizu.synth.formula.outline import Outline
from kizu.synth.formula.raster import Cover, fill, stroke
from kizu.synth.formula.warp import rotation


@dataclass
class Piece:
    """One element of the copper.

    Attributes:
        kind: track, pad, via, area or text.
        points: float64 (P, 2), on the frame: the centre line of a track, text, or round or oblong land.
        half: half the width of that.
        outline: of other shapes.
        cover: of a pour.
    """

    kind: str
    points: np.ndarray | None = None
    half: float = 0.0
    outline: Outline | None = None
    cover: Cover | None = None

    def covered(self, size: tuple[int, int]) -> Cover:
        """Its coverage of a frame (H, W), drills not taken off."""
        if self.cover is not None:
            return self.cover
        return fill(self.outline, size) if self.outline is not None else stroke(self.points, self.half, size).cover


class Board:
    """A board on which elements are admitted only where they keep their clearance from other nets.

    All positions are given in the board's own coordinates (pixels, before it is turned under the camera).

    Attributes:
        size: (H, W) of the frame.
        angle: radians by which it is turned.
        warp: from its own coordinates to the frame.
        copper: float32 (H, W), coverage.
        drills: float32 (H, W), coverage of drilled holes, where there is no copper.
        opening: float32 (H, W), coverage of the openings of the solder mask.
        silk: float32 (H, W), coverage of the print.
        pieces: what was admitted.
    """

    def __init__(self, size: tuple[int, int], clearance: float, angle: float = 0.0, least: int = 16):
        """
        Args:
            clearance: pixels that different nets stay apart at least.
            angle: radians by which the board is turned about the middle of the frame.
            least: pixels of a piece that lie in the frame at least.
        """
        self.size, self.clearance, self.angle, self.least = size, clearance, angle, least
        self.warp = rotation(angle, (size[1] / 2, size[0] / 2))
        self.copper, self.drills, self.opening, self.silk = (np.zeros(size, np.float32) for _ in range(4))
        self.pieces: list[Piece] = []
        self._nets = np.zeros(size, np.int32)  # the net that holds a pixel, drills included; 0: free
        self._roots = np.zeros(1, np.int32)  # what each net has become part of

    def _new_net(self) -> int:
        self._roots = np.append(self._roots, np.int32(len(self._roots)))
        return len(self._roots) - 1

    def root(self, net: int) -> int:
        """The net that a net has become part of."""
        return int(self._roots[net])

    def join(self, one: int, other: int) -> int:
        """Make two nets one."""
        one, other = self.root(one), self.root(other)
        self._roots[self._roots == other] = one
        return one

    def track(
        self, points: np.ndarray, half: float, net: int = 0, other: int = 0, kind: str = "track", apart: float = 1.0,
        drill: float = 0.0, swell: float = -1.0,
    ) -> int:  # fmt: skip
        """A line of copper with round ends.

        Args:
            points: (P, 2).
            net: that it belongs to; 0: a new one.
            other: a net that it may touch, and is joined with.
            apart: clearance that it keeps, in units of the board's.
            drill: radius of a hole through its middle; 0: none.
            swell: pixels by which the solder mask stays back from it; negative: it is under the mask.

        Returns:
            Its net, or 0 where it is refused.
        """
        points = self.warp(np.asarray(points, np.float64))
        net, other = self.root(net), self.root(other)
        reach = half + apart * self.clearance
        if _outside(points, half, *self.size) or _blocked(self._nets, self._roots, points, reach, net, other):
            return 0
        if _count_line(*self.size, points, half) < self.least:
            return 0
        if net and other and net != other:
            net = self.join(net, other)
        made = net or self._new_net()
        _paint_line(self.copper, self._nets, points, half, made)
        if swell >= 0:
            _widen(self.opening, points, half + swell)
        if drill:
            _widen(self.drills, np.repeat(points.mean(0, keepdims=True), 2, 0), drill)
        self.pieces.append(Piece(kind, points, half))
        return made

    def land(
        self, place: np.ndarray, radius: float, net: int = 0, drill: float = 0.0, kind: str = "pad",
        swell: float = 0.0, reach: np.ndarray | None = None,
    ) -> int:  # fmt: skip
        """A round piece of copper, or an oblong one, otherwise as :meth:`pad`.

        Args:
            place: (2,), its middle.
            drill: radius of a hole through its middle.
            reach: (2,), from the middle to the centres of an oblong's round ends.
        """
        reach = np.zeros(2) if reach is None else reach
        return self.track(np.stack([place - reach, place + reach]), radius, net, net, kind, 1.0, drill, swell)

    def pad(self, ring: np.ndarray, net: int = 0, drill: float = 0.0, kind: str = "pad", swell: float = 0.0) -> int:
        """A closed shape of copper.

        Args:
            ring: (P, 2), convex or not; it does not cross itself.
            net: that it may touch and belongs to; 0: a new one.
            drill: radius of a hole through its middle; 0: none.
            swell: pixels by which the solder mask stays back from it; negative: it is under the mask.

        Returns:
            Its net, or 0 where it is refused.
        """
        border = self.warp(np.concatenate([ring, ring[:1]]))
        net = self.root(net)
        if _outside(border, 0.0, *self.size):
            return 0
        if _blocked(self._nets, self._roots, _thin(border, 0.3 * self.clearance), self.clearance, net, net):
            return 0
        outline = Outline(border[:-1])
        cover = fill(outline, self.size)
        here = self._nets[cover.slices]
        if _free_pixels(here, self._roots, cover.alpha, net) < self.least:
            return 0
        made = net or self._new_net()
        _paint_cover(self.copper[cover.slices], here, cover.alpha, made)
        if swell >= 0:
            _raise(self.opening[cover.slices], cover.alpha)
            if swell > 0:
                _widen(self.opening, border, swell)
        if drill:
            middle = (border.min(0) + border.max(0)) / 2
            _widen(self.drills, np.stack([middle, middle]), drill)
        self.pieces.append(Piece(kind, outline=outline))
        return made

    def bare_hole(self, centre: np.ndarray, radius: float) -> bool:
        """A hole in the laminate without copper; False where something is in the way."""
        line = np.repeat(self.warp(np.asarray(centre, np.float64)[None]), 2, 0)
        if _blocked(self._nets, self._roots, line, radius + self.clearance, 0, 0):
            return False
        _paint_line(self.drills, self._nets, line, radius, self._new_net())
        return True

    def print_lines(self, lines: list[np.ndarray], half: float) -> None:
        """Lines (P, 2) of print (silk screen), on top of everything but open pads."""
        points = self.warp(np.concatenate(lines))
        ends = np.cumsum([len(line) for line in lines])
        for line in np.split(points, ends[:-1]):
            _widen(self.silk, line, half)

    def free(self, points: np.ndarray, reach: float) -> bool:
        """Whether nothing lies within ``reach`` pixels of a line."""
        return not _blocked(self._nets, self._roots, self.warp(np.asarray(points, np.float64)), reach, 0, 0)

    def pour(self, gap: float, least: float) -> None:
        """Fill what is free with copper that stays ``gap`` pixels away from all else; islands below ``least`` go."""
        free = cv2.distanceTransform((self._nets == 0).astype(np.uint8), cv2.DIST_L2, 5)
        free = cv2.GaussianBlur(free, (0, 0), 1.0)  # distances to whole pixels are jagged
        alpha = np.clip(free - gap + 0.5, 0, 1).astype(np.float32)
        _, parts, stats, _ = cv2.connectedComponentsWithStats((alpha > 0).astype(np.uint8), connectivity=4)
        kept = stats[:, cv2.CC_STAT_AREA] >= least
        kept[0] = False
        alpha *= kept[parts]
        cover = Cover.of_frame(alpha)
        if not cover.alpha.size:
            return
        np.maximum(self.copper, alpha, out=self.copper)
        net = self._new_net()
        self._nets[alpha >= 0.5] = net
        self.pieces.append(Piece("area", cover=cover))

    def finish(self) -> None:
        """Drill the copper, and keep print off open copper and holes. Call it when all is placed."""
        _take_off(self.copper, self.silk, self.drills, self.opening)


# Each kernel walks over the pixels that may lie within a reach of a segment: row by row, between the bounds of a band.


@jit
def _band(ax, ay, bx, by, reach, y, width):
    """Columns [first, last) of a row that lie within ``reach`` of a segment's line and box; y of the pixels' middle."""
    low, high = min(ax, bx) - reach, max(ax, bx) + reach
    dx, dy = bx - ax, by - ay
    if abs(dy) > 1e-9:
        middle = ax + (y - ay) * dx / dy
        aside = reach * np.sqrt(dx * dx + dy * dy) / abs(dy)
        low, high = max(low, middle - aside), min(high, middle + aside)
    return max(int(np.floor(low - 0.5)), 0), min(int(np.ceil(high + 0.5)), width)


@jit
def _far(x, y, ax, ay, bx, by):
    dx, dy = bx - ax, by - ay
    length = dx * dx + dy * dy
    t = 0.0 if length == 0 else min(max(((x - ax) * dx + (y - ay) * dy) / length, 0.0), 1.0)
    ex, ey = x - ax - t * dx, y - ay - t * dy
    return np.sqrt(ex * ex + ey * ey)


@jit
def _outside(points, half, height, width):
    left, top, right, bottom = np.inf, np.inf, -np.inf, -np.inf
    for k in range(len(points)):
        left, right = min(left, points[k, 0]), max(right, points[k, 0])
        top, bottom = min(top, points[k, 1]), max(bottom, points[k, 1])
    return right + half <= 0 or bottom + half <= 0 or left - half >= width or top - half >= height


@jit
def _blocked(nets, roots, points, reach, net, other):
    height, width = nets.shape
    for k in range(len(points) - 1):
        ax, ay, bx, by = points[k, 0], points[k, 1], points[k + 1, 0], points[k + 1, 1]
        for i in range(max(int(min(ay, by) - reach), 0), min(int(max(ay, by) + reach) + 1, height)):
            first, last = _band(ax, ay, bx, by, reach, i + 0.5, width)
            for j in range(first, last):
                held = nets[i, j]
                if held != 0:
                    held = roots[held]
                    if held != net and held != other and _far(j + 0.5, i + 0.5, ax, ay, bx, by) < reach:
                        return True
    return False


@jit
def _thin(points, step):
    """A line without the vertices that are nearer than a step to the one before."""
    out = np.empty_like(points)
    out[0] = points[0]
    count = 1
    for k in range(1, len(points)):
        dx, dy = points[k, 0] - out[count - 1, 0], points[k, 1] - out[count - 1, 1]
        if dx * dx + dy * dy >= step * step or k == len(points) - 1:
            out[count] = points[k]
            count += 1
    return out[:count]


@jit
def _raise(field, alpha):
    for i in range(alpha.shape[0]):
        for j in range(alpha.shape[1]):
            if alpha[i, j] > field[i, j]:
                field[i, j] = alpha[i, j]


@jit
def _take_off(copper, silk, drills, opening):
    one = np.float32(1.0)
    for i in range(copper.shape[0]):
        for j in range(copper.shape[1]):
            left = one - drills[i, j]
            copper[i, j] = min(copper[i, j], left)
            silk[i, j] = min(silk[i, j], left, one - opening[i, j])


@jit
def _free_pixels(nets, roots, alpha, net):
    """Pixels that a cover would take; 0 where it touches another net."""
    count = 0
    for i in range(alpha.shape[0]):
        for j in range(alpha.shape[1]):
            if alpha[i, j] > 0 and nets[i, j] != 0 and roots[nets[i, j]] != net:
                return 0
            count += alpha[i, j] >= 0.5
    return count


@jit
def _count_line(height, width, points, half):
    """Pixels of a line inside the frame, those of its joints more than once."""
    count = 0
    for k in range(len(points) - 1):
        ax, ay, bx, by = points[k, 0], points[k, 1], points[k + 1, 0], points[k + 1, 1]
        for i in range(max(int(min(ay, by) - half), 0), min(int(max(ay, by) + half) + 1, height)):
            first, last = _band(ax, ay, bx, by, half, i + 0.5, width)
            for j in range(first, last):
                if _far(j + 0.5, i + 0.5, ax, ay, bx, by) <= half:
                    count += 1
    return count


@jit
def _paint_line(copper, nets, points, half, net):
    """Coverage by distance, the larger one counts."""
    height, width = nets.shape
    reach = half + 0.5
    for k in range(len(points) - 1):
        ax, ay, bx, by = points[k, 0], points[k, 1], points[k + 1, 0], points[k + 1, 1]
        for i in range(max(int(min(ay, by) - reach), 0), min(int(max(ay, by) + reach) + 1, height)):
            first, last = _band(ax, ay, bx, by, reach, i + 0.5, width)
            for j in range(first, last):
                alpha = min(reach - _far(j + 0.5, i + 0.5, ax, ay, bx, by), 1.0)
                if alpha > copper[i, j]:
                    copper[i, j] = alpha
                if alpha >= 0.5:
                    nets[i, j] = net


@jit
def _paint_cover(copper, nets, alpha, net):
    for i in range(alpha.shape[0]):
        for j in range(alpha.shape[1]):
            if alpha[i, j] > copper[i, j]:
                copper[i, j] = alpha[i, j]
            if alpha[i, j] >= 0.5:
                nets[i, j] = net


@jit
def _widen(field, points, half):
    """The larger of a field and the coverage of a line."""
    height, width = field.shape
    reach = half + 0.5
    for k in range(len(points) - 1):
        ax, ay, bx, by = points[k, 0], points[k, 1], points[k + 1, 0], points[k + 1, 1]
        for i in range(max(int(min(ay, by) - reach), 0), min(int(max(ay, by) + reach) + 1, height)):
            first, last = _band(ax, ay, bx, by, reach, i + 0.5, width)
            for j in range(first, last):
                alpha = min(reach - _far(j + 0.5, i + 0.5, ax, ay, bx, by), 1.0)
                if alpha > field[i, j]:
                    field[i, j] = alpha
