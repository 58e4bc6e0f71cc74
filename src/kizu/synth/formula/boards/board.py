"""``Board``: copper, drills, mask openings and print of a bare printed board, and who keeps clear of whom."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from kizu.synth.formula.boards import kernels
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
        if kernels.outside(points, half, *self.size) or kernels.blocked(
            self._nets, self._roots, points, reach, net, other
        ):
            return 0
        if not kernels.reaches_in(*self.size, points, half, self.least):
            return 0
        if net and other and net != other:
            net = self.join(net, other)
        made = net or self._new_net()
        kernels.paint_line(self.copper, self._nets, points, half, made)
        if swell >= 0:
            kernels.paint_line(self.opening, self._nets, points, half + swell, 0)
        if drill:
            kernels.paint_line(self.drills, self._nets, np.repeat(points.mean(0, keepdims=True), 2, 0), drill, 0)
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
        if kernels.outside(border, 0.0, *self.size):
            return 0
        if kernels.blocked(
            self._nets, self._roots, kernels.thin(border, 0.3 * self.clearance), self.clearance, net, net
        ):
            return 0
        outline = Outline(border[:-1])
        cover = fill(outline, self.size)
        here = self._nets[cover.slices]
        if kernels.free_pixels(here, self._roots, cover.alpha, net) < self.least:
            return 0
        made = net or self._new_net()
        kernels.paint_cover(self.copper[cover.slices], here, cover.alpha, made)
        if swell >= 0:
            kernels.paint_cover(self.opening[cover.slices], here, cover.alpha, 0)
            if swell > 0:
                kernels.paint_line(self.opening, self._nets, border, swell, 0)
        if drill:
            middle = (border.min(0) + border.max(0)) / 2
            kernels.paint_line(self.drills, self._nets, np.stack([middle, middle]), drill, 0)
        self.pieces.append(Piece(kind, outline=outline))
        return made

    def bare_hole(self, centre: np.ndarray, radius: float) -> bool:
        """A hole in the laminate without copper; False where something is in the way."""
        line = np.repeat(self.warp(np.asarray(centre, np.float64)[None]), 2, 0)
        if kernels.blocked(self._nets, self._roots, line, radius + self.clearance, 0, 0):
            return False
        kernels.paint_line(self.drills, self._nets, line, radius, self._new_net())
        return True

    def print_lines(self, lines: list[np.ndarray], half: float) -> None:
        """Lines (P, 2) of print (silk screen), on top of everything but open pads."""
        points = self.warp(np.concatenate(lines))
        ends = np.cumsum([len(line) for line in lines])
        for line in np.split(points, ends[:-1]):
            kernels.paint_line(self.silk, self._nets, line, half, 0)

    def free(self, points: np.ndarray, reach: float) -> bool:
        """Whether nothing lies within ``reach`` pixels of a line."""
        return not kernels.blocked(self._nets, self._roots, self.warp(np.asarray(points, np.float64)), reach, 0, 0)

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
        kernels.take_off(self.copper, self.silk, self.drills, self.opening)
