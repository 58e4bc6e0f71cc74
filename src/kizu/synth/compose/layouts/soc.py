"""The layout of SOC: things of their physical size at places in space that do not depend on the class, and a camera."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from kizu.core.errors import DataError, KizuError
from kizu.synth.compose.layouts.placement import Placement, affine_at, silhouette
from kizu.synth.compose.layouts.region import Region
from kizu.synth.compose.layouts.registry import layout
from kizu.synth.compose.layouts.shapes import Shapes
from kizu.synth.compose.visibility import Piece, areas


@dataclass(frozen=True)
class SocOptions:
    """
    Attributes:
        least, most: number of things, all numbers alike.
        bands: probabilities of near, mid and far: thirds of the depth.
        near: nearest depth, as a share of the farthest.
        far_side: share of the frame's longer side that the median thing takes at the farthest depth, before the zoom.
        focal: range of the focal length, in longer sides of the frame.
        zoom: range of the zoom-crop.
        smallest, largest: longer side of a thing in the picture, as a share of the frame's.
        hidden: share of a thing that may be covered, no more.
        inside: share of a thing's pixels that lie on the part, and in the frame.
        aperture: range of the f-number.
        sensor: longer side of the sensor in mm.
        blur: largest defocus, as a share of the frame's longer side.
        thing: mm that the median thing of a bank without sizes in mm is taken to be.
        tries: places for each thing; one that finds none is left out.
        turn: largest turn in degrees. flip: probability of left-right.
    """

    least: int = 5
    most: int = 19
    bands: tuple[float, float, float] = (0.40, 0.35, 0.25)
    near: float = 0.1
    far_side: float = 0.04
    focal: tuple[float, float] = (0.8, 1.6)
    zoom: tuple[float, float] = (1.0, 4.0)
    smallest: float = 0.02
    largest: float = 0.8
    hidden: float = 0.9
    inside: float = 0.5
    aperture: tuple[float, float] = (1.4, 16.0)
    sensor: float = 8.0
    blur: float = 0.01
    thing: float = 30.0
    tries: int = 50
    turn: float = 0.0
    flip: float = 0.0


@dataclass(frozen=True)
class Camera:
    """A pinhole for places and sizes, a thin lens for defocus.

    Attributes:
        focal: px, the zoom included. centre: (x, y) of the optical axis in the frame, px.
        reach: the farthest depth, mm. focus: depth of the focal plane, mm.
        aperture: f-number. lens: focal length in mm. pixel: mm of the sensor that a pixel of the frame shows.
    """

    focal: float
    centre: tuple[float, float]
    reach: float
    focus: float
    aperture: float
    lens: float
    pixel: float

    def project(self, x: float, y: float, depth: float) -> tuple[float, float]:
        """Where a point of space (mm) lies in the frame (px): x = f X / d, y = f Y / d, from the axis."""
        return self.focal * x / depth + self.centre[0], self.focal * y / depth + self.centre[1]

    def side(self, length: float, depth: float) -> float:
        """Pixels that a length (mm) takes: s = f S / d."""
        return self.focal * length / depth

    def blur(self, depth: float) -> float:
        """Standard deviation of the defocus in px: f^2 / (N d_F) |d - d_F| / d on the sensor."""
        return self.lens**2 / (self.aperture * self.focus) * abs(depth - self.focus) / depth / self.pixel


def camera_of(lengths: np.ndarray, size: tuple[int, int], options: SocOptions, random: np.random.Generator) -> Camera:
    """Draw a camera for things of these lengths (mm) and a frame of (H, W).

    The farthest depth is ``focal`` times a constant, as in the paper (D_max = alpha f): the one that shows the median
    thing as large as ``far_side`` asks. The zoom-crop takes a window of the frame anywhere and enlarges it.
    """
    wide = max(size)
    focal, zoom, aperture = (random.uniform(*r) for r in (options.focal, options.zoom, options.aperture))
    focal *= wide
    reach = focal * float(np.median(lengths)) / (options.far_side * wide)
    # Corner of the window; the axis goes through the middle of the whole frame.
    x, y = (random.random() * (side - side / zoom) for side in (size[1], size[0]))
    centre = (zoom * (size[1] / 2 - x) - 0.5, zoom * (size[0] / 2 - y) - 0.5)
    pitch = options.sensor / wide
    focus = random.uniform(options.near, 1) * reach
    return Camera(focal * zoom, centre, reach, focus, aperture, focal * pitch, pitch / zoom)


def lengths_of(shapes: Shapes, rows: np.ndarray, thing: float) -> np.ndarray:
    """Longer side of each row in mm, float64: as known of all of them, else in proportion to the bank's pictures.

    Args:
        thing: mm of the median row, where not all sizes are known.
    """
    known = np.asarray(shapes.mm, float)[rows]
    if np.isfinite(known).all():
        return known
    own = shapes.side[rows] / np.asarray(shapes.frame, float)[rows].max(1)
    return own * (thing / np.median(own))


@layout(SocOptions)
def soc(
    shapes: Shapes, size: tuple[int, int], part: np.ndarray, prior: None, options: SocOptions,
    random: np.random.Generator,
) -> list[Placement]:  # fmt: skip
    """Things in space before a camera, the far ones painted first.

    Depth and place are drawn without regard to the class, so all is ``shared``; the size is that of the class,
    S ~ N(mean, deviation), within two deviations. A place is drawn again where the thing is too small or too large in
    the picture, or where it or another would be almost fully hidden (here: more than ``hidden`` of its visible area, as
    a small thing behind a large one has a small IoU). Source: SOC (arXiv 2510.09110v3).

    Raises:
        DataError: a bank without a segment, or a part without a pixel. KizuError: an option that makes no sense.
    """
    if not 0 <= options.least <= options.most or min(options.bands) < 0 or not sum(options.bands) or options.near <= 0:
        raise KizuError(f"layout soc: least is no more than most, bands are not negative, near is above 0: {options}")
    region = Region(part, size)
    rows = shapes.objects
    if not len(rows):
        raise DataError("layout soc: the bank holds no segment; make one with kizu compose bank")
    lengths = lengths_of(shapes, rows, options.thing)
    camera = camera_of(lengths, size, options, random)
    labels = shapes.label[rows]
    laid: list[tuple[Placement, Piece]] = []  # far ones first
    for _ in range(int(random.integers(options.least, options.most + 1))):
        k = int(random.integers(len(rows)))
        same = lengths[labels == labels[k]]
        length = float(same.mean() + same.std() * np.clip(random.standard_normal(), -2, 2))
        length = max(length, 0.2 * float(same.mean()))
        _put(shapes, int(rows[k]), length, camera, laid, size, region, options, random)
    return [placement for placement, _ in laid]


def _put(
    shapes: Shapes, row: int, length: float, camera: Camera, laid: list[tuple[Placement, Piece]],
    size: tuple[int, int], region: Region, options: SocOptions, random: np.random.Generator,
) -> None:  # fmt: skip
    """Add one thing to those laid, at the first place in space that suits; or none."""
    mask, wide = shapes.mask(row), max(size)
    turn = math.radians(options.turn) * random.uniform(-1, 1) if options.turn else 0.0
    mirrored = bool(options.flip and random.random() < options.flip)
    for _ in range(options.tries):
        depth = _depth(options, random) * camera.reach
        at = region.anywhere(random)  # even over the field of view: (X, Y) are even at this depth
        side = camera.side(length, depth)
        if not options.smallest <= side / wide <= options.largest:
            continue
        affine = affine_at(mask.shape[1], mask.shape[0], at, side / shapes.side[row], turn, mirrored)
        piece = silhouette(mask, affine, size)
        if not piece.mask.size or region.share(piece) < options.inside:
            continue
        place = sum(other.depth >= depth for other, _ in laid)
        pieces = [other for _, other in laid]
        visible, amodal = areas([*pieces[:place], piece, *pieces[place:]], size)
        if (visible < (1 - options.hidden) * amodal).any():
            continue
        blur = min(camera.blur(depth), options.blur * wide)
        laid.insert(place, (Placement(row, affine, depth, True, blur, piece), piece))
        return


def _depth(options: SocOptions, random: np.random.Generator) -> float:
    """A depth as a share of the farthest: a band, then anywhere in it."""
    bands = np.cumsum(options.bands)
    band = int(np.searchsorted(bands, random.random() * bands[-1], side="right"))
    return max(options.near, (band + random.random()) / 3) if band else random.uniform(options.near, 1 / 3)
