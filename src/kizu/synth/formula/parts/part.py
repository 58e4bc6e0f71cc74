"""``Part`` and ``Seat``: industrial shapes and what sits on them; and the pen strokes that all families draw with."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from kizu.synth.formula.curves import arc, arc_steps
from kizu.synth.formula.outline import Outline
from kizu.synth.formula.warp import Warp


@dataclass
class Seat:
    """A sub-part that lies within the material of a part.

    Attributes:
        kind: what it is: hole (blind), boss, rib, inset, screw, slot, groove, ball, pin, recess or mark.
        outline: in the coordinates of the part.
        lift: height above the part's face in units of the part's radius; negative: sunk.
        edge: width of its bevel in units of the part's radius.
    """

    kind: str
    outline: Outline
    lift: float
    edge: float = 0.02


@dataclass
class Part:
    """A shape about the origin, not turned.

    Attributes:
        name: of the family.
        outline: with its through holes as rings.
        seats: sub-parts inside the outline, those further up later.
        edge: width of the bevel along the outline in units of the radius.
        round: the section is round (an o-ring, a wire), not flat.
    """

    name: str
    outline: Outline
    seats: list[Seat] = field(default_factory=list)
    edge: float = 0.04
    round: bool = False

    def map(self, warp: Warp) -> Part:
        """The part with all its vertices sent through a warp."""
        seats = [Seat(s.kind, s.outline.map(warp), s.lift, s.edge) for s in self.seats]
        return Part(self.name, self.outline.map(warp), seats, self.edge, self.round)


TAU = 2 * np.pi


def circle(radius: float, centre: tuple[float, float] = (0.0, 0.0), tolerance: float = 0.02) -> np.ndarray:
    """A ring (P, 2), P >= 12, no further than ``tolerance`` pixels from the circle."""
    angles = np.arange(max(arc_steps(radius, TAU, tolerance), 12))
    angles = angles * (TAU / len(angles))
    return np.asarray(centre, np.float64) + radius * np.stack([np.cos(angles), np.sin(angles)], 1)


def circles(radius: float, centres: np.ndarray) -> list[np.ndarray]:
    """Circles of one radius about several centres (N, 2)."""
    ring = circle(radius)
    return [ring + centre for centre in centres]


def around(count: int, radius: float, first: float = 0.0) -> np.ndarray:
    """``count`` points (count, 2) spread evenly on a circle about the origin."""
    angles = first + TAU * np.arange(count) / count
    return radius * np.stack([np.cos(angles), np.sin(angles)], 1)


def rectangle(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    """Corners (4, 2)."""
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float64)


def rounded(corners: np.ndarray, radius: np.ndarray | float, tolerance: float = 0.02) -> np.ndarray:
    """A polygon (P, 2) with its corners, inner and outer ones, rounded by arcs that touch both edges.

    Args:
        radius: of all arcs, or (P,) one a corner, pixels; smaller where an edge is too short for it.
    """
    corners = np.asarray(corners, np.float64)
    before, after = np.roll(corners, 1, 0) - corners, np.roll(corners, -1, 0) - corners
    long_before, long_after = np.hypot(*before.T), np.hypot(*after.T)
    u, v = before / long_before[:, None], after / long_after[:, None]
    middle = u + v
    spread = np.hypot(*middle.T)
    half = np.arccos(np.clip((u * v).sum(1), -1, 1)) / 2
    straight = (spread < 1e-6) | (half < 1e-6)
    tangent = np.tan(np.where(straight, 1.0, half))
    reach = np.minimum(np.broadcast_to(radius, half.shape) / tangent, 0.49 * np.minimum(long_before, long_after))
    reach = np.where(straight, 0.0, reach)
    r = reach * tangent
    unit = middle / np.where(straight, 1.0, spread)[:, None]
    centre = corners + unit * (r / np.where(straight, 1.0, np.sin(half)))[:, None]
    begin, end = corners + u * reach[:, None] - centre, corners + v * reach[:, None] - centre
    first = np.arctan2(begin[:, 1], begin[:, 0])
    sweep = (np.arctan2(end[:, 1], end[:, 0]) - first + np.pi) % TAU - np.pi
    steps = arc_steps(float(r.max()), float(np.abs(sweep).max()), tolerance)
    angles = first[:, None] + sweep[:, None] * np.linspace(0, 1, steps + 1)
    arcs = centre[:, None] + r[:, None, None] * np.stack([np.cos(angles), np.sin(angles)], 2)
    sharp = r < 1e-9
    return np.concatenate([corners[k : k + 1] if sharp[k] else arcs[k] for k in range(len(corners))])


def slot(length: float, half: float, centre: tuple[float, float] = (0.0, 0.0), angle: float = 0.0) -> np.ndarray:
    """A long hole (P, 2): two half discs of radius ``half`` whose centres are ``length`` apart, joined."""
    right = arc((length / 2, 0), half, -np.pi / 2, np.pi)
    left = arc((-length / 2, 0), half, np.pi / 2, np.pi)
    ring = np.concatenate([right, left])
    c, s = np.cos(angle), np.sin(angle)
    return ring @ np.array([[c, s], [-s, c]]) + np.asarray(centre, np.float64)


def polygon(sides: int, radius: float, first: float = 0.0) -> np.ndarray:
    """Corners (sides, 2) of a regular polygon about the origin; ``radius`` is that of its corners."""
    return around(sides, radius, first)


def annulus(outer: float, inner: float) -> Outline:
    """A ring about the origin."""
    return Outline.of([circle(outer), circle(inner)])
