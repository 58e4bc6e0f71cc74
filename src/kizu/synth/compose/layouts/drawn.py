"""What ``measured`` and ``inplace`` share: one thing after the other is put where its kind is wont to be."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from kizu.synth.compose.layouts.placement import Placement, affine_at, warped
from kizu.synth.compose.layouts.region import Region
from kizu.synth.compose.layouts.shapes import Shapes
from kizu.synth.compose.visibility import Piece

_STRETCH = 1.1  # what reaches across both ways has about the shape of the frame
_LONG = 1.5  # below this elongation a segment has no direction to be turned to
_SMALLER = (1.0, 0.75, 0.5)


@dataclass(frozen=True)
class Wish:
    """How one thing is to be.

    Attributes:
        name: its class.
        side: root of its area, in px of the frame.
        place: gives a place to try, in pixel coordinates.
        direction: of its long axis, radians, or None: as it was.
        shared: drawn from the share that does not depend on the class.
    """

    name: str
    side: float
    place: Callable[[], tuple[float, float]]
    direction: float | None = None
    shared: bool = False


@dataclass
class Laying:
    """Things put down so far, later ones on top.

    Attributes:
        allowed: share of the smaller of two things of these classes that may overlap, drawn anew for each pair.
        zoom: range of the factor that a segment may be scaled by.
        inside: share of a thing's pixels that lie on the part.
        least: pixels of a thing. tries: places for each.
        turn: largest turn of a segment in radians: surfaces have a grain, and light falls on a defect from one side.
    """

    shapes: Shapes
    size: tuple[int, int]
    region: Region
    allowed: Callable[[str, str], float]
    zoom: tuple[float, float]
    inside: float
    least: int
    tries: int
    turn: float
    placements: list[Placement] = field(default_factory=list)
    _pieces: list[tuple[str, Piece]] = field(default_factory=list)

    def put(self, wish: Wish, rows: np.ndarray, turn: float, random: np.random.Generator) -> bool:
        """Put a thing down at the first place that suits; False where none did.

        What finds no place tries again smaller: on a small part, that is better than none. A segment that the border
        of its picture cut straight goes to that border of the frame, as it was; nowhere else would it look whole. One
        that may lie anywhere is taken from those that no border cut.

        Args:
            rows: that it may be taken from.
            turn: radians, added to the turn that its direction asks for.
        """
        bordered = self.region.full and not wish.shared
        rows = self._presentable(rows, bordered)
        limits = [self.allowed(wish.name, name) for name, _ in self._pieces]
        for smaller in _SMALLER:
            row, scale = self._choose(wish.side * smaller, rows, random)
            cut = self.shapes.cut[row] if bordered else np.zeros(4, bool)
            own = 0.0 if cut.any() else turn
            scale = self._across(row, scale) if cut.any() else scale
            if scale is None:
                continue
            if not cut.any() and wish.direction is not None and self.shapes.elongation[row] >= _LONG:
                own += wish.direction - float(self.shapes.orientation[row])
                own = (own + math.pi / 2) % math.pi - math.pi / 2  # half a turn gives the same direction
            own = min(max(own, -self.turn), self.turn)
            mask = self.shapes.mask(row)
            height, width = mask.shape
            shape, left, top = warped(mask, affine_at(width, height, (0.0, 0.0), scale, own))
            tight = Piece.cut(shape, 0, 0, shape.shape)
            if tight.pixels < self.least or not self._may_fit(tight):
                continue
            for _ in range(self.tries):
                x, y = (round(v) for v in wish.place())  # whole steps: the shape stays as it is
                if cut.any():
                    x = self._to_border(x, left + tight.x, tight.mask.shape[1], self.size[1], cut[0], cut[2])
                    y = self._to_border(y, top + tight.y, tight.mask.shape[0], self.size[0], cut[1], cut[3])
                piece = Piece.of_tight(tight.mask, x + left + tight.x, y + top + tight.y, tight.pixels, self.size)
                if self.region.share(piece) < self.inside:
                    continue
                if any(_overlap(piece, other) > most for (_, other), most in zip(self._pieces, limits, strict=True)):
                    continue
                affine = affine_at(width, height, (x, y), scale, own)
                self.placements.append(Placement(row, affine, shared=wish.shared))
                self._pieces.append((wish.name, piece))
                return True
        return False

    def _presentable(self, rows: np.ndarray, bordered: bool) -> np.ndarray:
        """The rows without a straight cut, where no place explains it; all where there are no others.

        Args:
            bordered: the thing may go to a border of the frame.
        """
        if bordered:
            return rows
        kept = rows[~self.shapes.cut[rows].any(1)]
        return kept if len(kept) else rows

    def _across(self, row: int, scale: float) -> float | None:
        """The scale of a segment that borders cut: where both ends are cut it reaches across; None where it cannot."""
        left, top, right, low = self.shapes.cut[row]
        asked = [(self.size[1] - 0.5) / self.shapes.width[row]] if left and right else []
        asked += [(self.size[0] - 0.5) / self.shapes.height[row]] if top and low else []
        if not asked:
            return scale
        fits = max(asked) / min(asked) < _STRETCH and self.zoom[0] <= asked[0] <= self.zoom[1]
        return max(asked) if fits else None

    @staticmethod
    def _to_border(at: int, offset: int, length: int, frame: int, first: bool, last: bool) -> int:
        """The place along one axis, moved so that a cut side lies on its border of the frame."""
        if first:
            return -offset
        return frame - length - offset if last else at

    def _may_fit(self, tight: Piece) -> bool:
        """Whether a shape is not larger than the part's box, where it must lie on it whole."""
        x0, y0, x1, y1 = self.region.box
        return self.inside < 1 or (tight.mask.shape[0] <= y1 - y0 and tight.mask.shape[1] <= x1 - x0)

    def _choose(self, side: float, rows: np.ndarray, random: np.random.Generator) -> tuple[int, float]:
        """A row that need not be scaled beyond the zoom to be of this size, and its scale; else the nearest row."""
        scales = side / self.shapes.root[rows]
        near = np.flatnonzero((scales >= self.zoom[0]) & (scales <= self.zoom[1]))
        k = int(random.choice(near)) if len(near) else int(np.argmin(np.abs(np.log(scales))))
        return int(rows[k]), float(np.clip(scales[k], *self.zoom))


def _overlap(a: Piece, b: Piece) -> float:
    """Share of the smaller of two pieces that they have in common."""
    x0, x1 = max(a.x, b.x), min(a.x + a.mask.shape[1], b.x + b.mask.shape[1])
    y0, y1 = max(a.y, b.y), min(a.y + a.mask.shape[0], b.y + b.mask.shape[0])
    if x0 >= x1 or y0 >= y1:
        return 0.0
    shared = a.mask[y0 - a.y : y1 - a.y, x0 - a.x : x1 - a.x] & b.mask[y0 - b.y : y1 - b.y, x0 - b.x : x1 - b.x]
    return np.count_nonzero(shared) / max(1, min(a.pixels, b.pixels))
