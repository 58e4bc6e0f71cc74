"""What a composition may be told: the options of ``kizu compose``, checked."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from kizu.core.errors import KizuError
from kizu.synth.compose.blend import BLENDS
from kizu.synth.compose.flaws.drawable import check
from kizu.synth.compose.flaws.make import FLAWS

REAL = "real"  # among the makers of defects: a segment of the bank
LIGHTS = ("none", "shading", "iclight")
LABELS = ("change", "planned")
MADE_UP = {"perlin": 1.0, "patch": 1.0, "drawn": 2.0}  # makers of defects where there are no real ones
USUAL = {"feather": 1.0, "pyramid": 1.0}  # blends whose seams are hardest to tell (bench/compose.py seams)
OTHER = "defect"  # class of made defects that are of no type


@dataclass(frozen=True)
class Options:
    """How pictures are composed.

    Attributes:
        layout: name of a layout.
        laid: options of it.
        size: (H, W) of the pictures; None = that of each background.
        flaws: weights of what makes a defect: ``real`` (segments) and generators of defects.
        types: lexicon types that the generator ``drawn`` draws; () = all that it can.
        recipes: of the types that are a user's own, name -> ``{"draw", "ranges"}``; see ``flaws.drawable.chosen``.
        blends: weights of the ways to join edges.
        likeness: share of the segments that may be put on a background: those of the surfaces most like it.
        empty: share of pictures that nothing is put into.
        light: ``none``, ``shading`` (analytic) or ``iclight`` (that, then a generative relight on top).
        label: of a defect: what really ``change``d, or the mask that was ``planned``.
        flip: mirror backgrounds at random; places that were learned and the side that light falls on are then lost.
        strength: range of the contrast of real defects, 1 = as it was.
        blur: range of the deviation of one blur over everything, pixels.
        least: visible pixels that a label needs.
        least_share: visible share that it needs.
        expressions: number of referring expressions to look for in each picture, 0 = none.
    """

    layout: str = "inplace"
    laid: dict[str, Any] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    flaws: dict[str, float] = field(default_factory=lambda: {REAL: 1.0})
    types: tuple[str, ...] = ()
    recipes: dict[str, dict[str, Any]] = field(default_factory=dict)
    blends: dict[str, float] = field(default_factory=lambda: dict(USUAL))
    likeness: float = 0.08
    empty: float = 0.1
    light: str = "shading"
    label: str = "change"
    flip: bool = False
    strength: tuple[float, float] = (0.8, 1.2)
    blur: tuple[float, float] = (0.0, 0.0)
    least: int = 9
    least_share: float = 0.15
    expressions: int = 0

    def __post_init__(self) -> None:
        _known("flaw", self.flaws, (REAL, *FLAWS))
        _known("blend", self.blends, BLENDS)
        check(self.types, self.recipes)
        if self.light not in LIGHTS:
            raise KizuError(f"light {self.light!r}: it is {', '.join(LIGHTS)}")
        if self.label not in LABELS:
            raise KizuError(f"label {self.label!r}: it is {' or '.join(LABELS)}")
        if not 0 < self.likeness <= 1:
            raise KizuError(f"likeness {self.likeness}: it is a share of the segments, more than 0 and at most 1")
        if not 0 <= self.empty < 1:
            raise KizuError(f"a share of {self.empty} pictures without anything: it is 0 or more and less than 1")
        if self.size is not None and not 32 <= min(self.size) <= max(self.size) <= 8192:
            raise KizuError(f"pictures of {self.size[0]} x {self.size[1]} pixels: take from 32 to 8192 a side")
        for name in ("strength", "blur"):
            low, high = getattr(self, name)
            if not 0 <= low <= high <= 10:
                raise KizuError(f"{name} from {low} to {high}: both are 0 to 10, the smaller one first")

    def to_json(self) -> dict[str, Any]:
        """As plain lists and tables."""
        return asdict(self)


def _known(what: str, weights: dict[str, float], names) -> None:
    for name, weight in weights.items():
        if name not in names:
            raise KizuError(f"unknown {what} {name!r}; known are {', '.join(names)}")
        if not 0 <= weight < 1e6:
            raise KizuError(f"{what} {name}: its weight {weight} is no number from 0 on")
    if not any(weight > 0 for weight in weights.values()):
        raise KizuError(f"no {what} has a weight above 0; known are {', '.join(names)}")
