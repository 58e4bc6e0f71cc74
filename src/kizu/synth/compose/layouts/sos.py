"""The layout of SOS, version 1: boxes of three strata, large ones first, and a rule of how much must stay visible."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from kizu.core.errors import DataError, KizuError
from kizu.synth.compose.layouts.canvas import Canvas
from kizu.synth.compose.layouts.placement import Placement, affine_at, extent, silhouette
from kizu.synth.compose.layouts.region import Region
from kizu.synth.compose.layouts.registry import layout
from kizu.synth.compose.layouts.shapes import Shapes
from kizu.synth.compose.visibility import Piece

_FRAME = 640 * 480  # that the thresholds of COCO's sizes belong to
SMALL, MEDIUM, LARGE = (512 / _FRAME, 1024 / _FRAME), (1024 / _FRAME, 0.03), (0.03, 0.5)
RULES = ("masks", "boxes")


@dataclass(frozen=True)
class SosOptions:
    """
    Attributes:
        least, most: number of things, all numbers alike.
        large, medium: shares of the strata; the rest is small.
        aspect: range of width / height of the boxes.
        mean_visible, least_visible: of the visible ratios of all things, after each one.
        rule: what the ratios are measured on: ``masks``, or ``boxes`` as the released code does.
        tries: for each thing, then the layout begins anew, with other segments.
        restarts: of the layout, then the picture is given up.
        single: all things of one class, that of the first.
        turn: largest turn in degrees. flip: probability of left-right.
        upscale: segments are enlarged no more than this; 0 = as much as it takes.
        inside: share of a thing's pixels that lie on the part.
    """

    least: int = 5
    most: int = 19
    large: float = 0.24
    medium: float = 0.34
    aspect: tuple[float, float] = (0.5, 2.0)
    mean_visible: float = 0.8
    least_visible: float = 0.5
    rule: str = "masks"
    tries: int = 100
    restarts: int = 100
    single: bool = False
    turn: float = 0.0
    flip: float = 0.0
    upscale: float = 0.0
    inside: float = 1.0


def strata(count: int, options: SosOptions) -> list[tuple[float, float]]:
    """Range of the box area, as a share of the whole, of each of ``count`` things, large ones first."""
    large, medium = round(options.large * count), round(options.medium * count)
    large = min(large, count)
    medium = min(medium, count - large)
    return [LARGE] * large + [MEDIUM] * medium + [SMALL] * (count - large - medium)


@layout(SosOptions)
def sos(
    shapes: Shapes, size: tuple[int, int], part: np.ndarray, prior: None, options: SosOptions,
    random: np.random.Generator,
) -> list[Placement]:  # fmt: skip
    """Things in boxes of COCO's sizes, the large ones first, so that the small ones lie on top.

    Boxes are shares of the frame, or of the part's box. Nothing depends on the class, so all is ``shared``. A segment
    keeps its aspect: it is scaled to fit the box, in its middle. Source: SOS (arXiv 2510.09110v1), layout of the
    released code; the rule is measured on masks.

    Raises:
        DataError: no place for so many things, or a part without a pixel. KizuError: an option that makes no sense.
    """
    if options.rule not in RULES or not 0 <= options.least <= options.most:
        raise KizuError(f"layout sos: rule is one of {', '.join(RULES)}, and least is no more than most: {options}")
    region = Region(part, size)
    count = int(random.integers(options.least, options.most + 1))
    if not len(shapes):
        raise DataError("layout sos: the bank holds no segment; make one with kizu compose bank")
    ranges = strata(count, options)
    for _ in range(1 + options.restarts):
        rows = random.choice(shapes.objects, count)
        if options.single and count:
            same = np.intersect1d(np.flatnonzero(shapes.label == shapes.label[rows[0]]), shapes.objects)
            rows[1:] = random.choice(same, count - 1)
        laid = _attempt(shapes, rows, ranges, size, region, options, random)
        if laid is not None:
            return laid
    raise DataError(f"layout sos: no place for {count} things; ask for fewer, or for a lower least_visible or inside")


def _attempt(
    shapes: Shapes, rows: np.ndarray, ranges: list, size: tuple[int, int], region: Region, options: SosOptions,
    random: np.random.Generator,
) -> list[Placement] | None:  # fmt: skip
    """One layout, or None where a thing found no place."""
    canvas, out = Canvas(size, len(rows)), []
    for row, areas in zip(rows.tolist(), ranges, strict=True):
        mask = shapes.mask(row)
        for _ in range(options.tries):
            box = _box(areas, region.box, options, random)
            if box is None:
                continue
            turn = math.radians(options.turn) * random.uniform(-1, 1) if options.turn else 0.0
            mirrored = bool(options.flip and random.random() < options.flip)
            x, y, width, height = box
            own = extent(mask.shape[1], mask.shape[0], turn)
            scale = min(width / own[0], height / own[1])
            scale = min(scale, options.upscale) if options.upscale else scale
            at = (x + width / 2 - 0.5, y + height / 2 - 0.5)
            affine = affine_at(mask.shape[1], mask.shape[0], at, scale, turn, mirrored)
            piece = _filled(box) if options.rule == "boxes" else silhouette(mask, affine, size)
            if not piece.pixels:
                continue
            ratios, taken = canvas.ratios_with(piece)
            if ratios.mean() < options.mean_visible or ratios.min() < options.least_visible:
                continue
            if not region.full or options.rule == "boxes":
                there = silhouette(mask, affine, size) if options.rule == "boxes" else piece
                if not there.pixels or region.share(there) < options.inside:
                    continue
            canvas.add(piece, taken)
            out.append(Placement(row, affine, shared=True, outline=None if options.rule == "boxes" else piece))
            break
        else:
            return None
    return out


def _box(
    areas: tuple[float, float], within: tuple[int, int, int, int], options: SosOptions, random: np.random.Generator
) -> tuple[float, float, float, float] | None:  # fmt: skip
    """A box (x, y, w, h) inside another (XYXY), in px; None where it would be wider or higher than that."""
    area, aspect, u, v = random.random(4)
    area = areas[0] + area * (areas[1] - areas[0])
    aspect = options.aspect[0] + aspect * (options.aspect[1] - options.aspect[0])
    width, height = math.sqrt(area * aspect), math.sqrt(area / aspect)
    if width > 1 or height > 1:
        return None
    x0, y0, x1, y1 = within
    width, height = width * (x1 - x0), height * (y1 - y0)
    return x0 + u * (x1 - x0 - width), y0 + v * (y1 - y0 - height), width, height


def _filled(box: tuple[float, float, float, float]) -> Piece:
    """A box as a silhouette: the pixels whose middle lies in it."""
    x0, y0 = math.ceil(box[0] - 0.5), math.ceil(box[1] - 0.5)
    x1, y1 = math.ceil(box[0] + box[2] - 0.5), math.ceil(box[1] + box[3] - 0.5)
    mask = np.ones((max(y1 - y0, 0), max(x1 - x0, 0)), bool)
    return Piece(mask, x0, y0, (x0, y0, x1, y1), mask.size)
