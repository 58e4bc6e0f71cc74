"""``--unknown``: what is unlike all ground, where no class fires, is a defect that nobody has labelled yet.

How unlike a cell is tells its distance from the ground in whitened space (:func:`kizu.fewshot.matching.unlike`), which
needs no defect. At the rim of a picture much is unlike the rest, on good ones, too, so that the distance is judged
against what is usual that far from the rim. How the rule is chosen: :mod:`kizu.fewshot.plays`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np

from kizu.core.errors import KizuError
from kizu.core.inspector import UNKNOWN
from kizu.core.instances import Instances
from kizu.fewshot.cells import to_pixels
from kizu.fewshot.matching import PARTS
from kizu.fewshot.mix import Mix
from kizu.fewshot.thresholds import NEVER
from kizu.inspection.regions import Rule, decide, stacked

RIM = 24  # cells; further inside the rim is not felt
_AROUND = 16  # pixels around a defect that look unlike the ground because it is near
_SCALE = 4.0
_FIRES = 0.5  # score


def check_names(names: Sequence[str]) -> None:
    """Raises KizuError where a class has the name that is wanted here."""
    if UNKNOWN in names:
        raise KizuError(
            f"--unknown says {UNKNOWN!r} of what is of no class, and a class of yours has that name; rename it, or "
            "leave it out with --classes"
        )


@dataclass(frozen=True)
class Usual:
    """What is usual on ground, as far from the rim of a picture as a cell is.

    Attributes:
        mean, spread: of the maps of :meth:`kizu.fewshot.members.Members.look`, for each of
            :data:`kizu.fewshot.matching.PARTS` and each distance up to :data:`RIM` cells.
    """

    mean: tuple[tuple[float, ...], ...]
    spread: tuple[tuple[float, ...], ...]

    def __post_init__(self):
        """Raises KizuError where these are not of all parts and distances."""
        if np.shape(self.mean) != (len(PARTS), RIM + 1) or np.shape(self.spread) != (len(PARTS), RIM + 1):
            raise KizuError(f"what is usual is told of {len(PARTS)} parts and {RIM + 1} distances, and it has others")

    @classmethod
    def of(cls, maps: Sequence[tuple[np.ndarray, np.ndarray]]) -> Usual:
        """Of ground.

        Args:
            maps: (float (2, h, w), bool (h, w) of what is ground) of pictures that were left out of the fit.
        """
        count, total, squares = np.zeros(RIM + 1), np.zeros((len(PARTS), RIM + 1)), np.zeros((len(PARTS), RIM + 1))
        for unlike, ground in maps:
            places = _from_rim(ground.shape)[ground]
            count += np.bincount(places, minlength=RIM + 1)
            for part, values in enumerate(unlike.astype(np.float64)):
                total[part] += np.bincount(places, values[ground], RIM + 1)
                squares[part] += np.bincount(places, values[ground] ** 2, RIM + 1)
        there = np.flatnonzero(count)
        nearest = there[np.abs(np.arange(RIM + 1)[:, None] - there).argmin(1)]  # of distances that no ground has
        mean = (total / np.maximum(count, 1))[:, nearest]
        spread = np.sqrt(np.maximum((squares / np.maximum(count, 1))[:, nearest] - mean**2, 1e-4))
        return cls(*(tuple(tuple(row.tolist()) for row in values) for values in (mean, spread)))

    def beyond(self, unlike: np.ndarray) -> np.ndarray:
        """How far maps (2, h, w) are beyond what is usual there, float32 (2, h, w).

        It is 4 ln(1 + s) for s spreads, so that it weighs about as log odds do, and negative below what is usual.
        """
        places = _from_rim(unlike.shape[1:])
        mean, spread = (np.array(values, np.float32)[:, places] for values in (self.mean, self.spread))
        spreads = (unlike - mean) / spread
        return np.sign(spreads) * np.float32(_SCALE) * np.log1p(np.abs(spreads))


@dataclass(frozen=True)
class Unknown:
    """How what is of no class is found.

    Attributes:
        usual: on ground.
        mix: of the maps of what is beyond that.
        rule: on the mixed map.
    """

    usual: Usual
    mix: Mix
    rule: Rule

    def beside(
        self, found: Instances, maps: np.ndarray, unlike: np.ndarray, min_score: float
    ) -> tuple[Instances, np.ndarray]:
        """What was found of the classes, and what is unknown beside it; unknown is the class after the last one.

        What fires as a class, and what is near to that, is never unknown. Candidates that do not fire give way to what
        does.

        Args:
            found, maps: of :func:`kizu.inspection.regions.decide` for a ``min_score`` of 0.5 at most.
            unlike: float32 (2, h, w), of :meth:`kizu.fewshot.members.Members.look`.
            min_score: regions scored lower are dropped.

        Returns:
            Instances, strongest first, and maps float32 (C + 1, H, W), as ``decide``.
        """
        odds = to_pixels(self.mix.apply(self.usual.beyond(unlike)), maps.shape[1:])
        firing = found[found.scores >= _FIRES]
        if len(firing):
            odds = np.where(near(firing.masks.union()), np.float32(NEVER), odds)
        more, layer = decide(odds[None], [self.rule], min(min_score, _FIRES))
        both = stacked(Instances.concat([found, more.replace(labels=np.full(len(more), len(maps)))]))
        return both[both.scores >= min_score], np.concatenate([maps, layer])

    def state(self) -> dict[str, Any]:
        """JSON-able settings for the file of an inspector."""
        return asdict(self)

    @classmethod
    def from_state(cls, settings: dict[str, Any]) -> Unknown:
        """The inverse of :meth:`state`. Raises KizuError, LookupError or TypeError where they are damaged."""
        usual = Usual(*(tuple(map(tuple, settings["usual"][key])) for key in ("mean", "spread")))
        mix = Mix(tuple(settings["mix"]["weights"]), settings["mix"]["blur"])
        if len(mix.weights) != len(PARTS):
            raise KizuError(f"what is unknown is a mixture of {len(PARTS)} maps, and it has another")
        return cls(usual, mix, Rule(**settings["rule"]))


def near(mask: np.ndarray) -> np.ndarray:
    """A mask bool (H, W) and what lies around it."""
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * _AROUND + 1,) * 2, np.uint8)).view(bool)


def _from_rim(shape: tuple[int, ...]) -> np.ndarray:
    """How many cells each of a map (h, w) is from its rim, :data:`RIM` at most: int (h, w)."""
    rows, columns = (np.minimum(np.arange(length), np.arange(length)[::-1]) for length in shape)
    return np.minimum(np.minimum(rows[:, None], columns), RIM)
