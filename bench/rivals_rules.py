"""The rules that ``bench/rivals.py`` compares: fitted to a support, a rule tells of a picture where its class is.

All but ``imagenet`` and the filter bank look with ``kizu-s``, so that the rules differ and not what they see. Rules on
cells take the picture at 512 px, in cells of 8 px, as ``bench/features.py`` does; ``gfds`` takes 256 px, and Kizu's own
take it as it comes.

- ``gfds``: cells are a defect that are more like the support's defects than like anything else on it (Liu et al.,
  2025). No threshold is chosen.
- ``prototype``: the cosine to the mean of the defects' cells against that to the mean of all others, as PANet (Wang et
  al., 2019).
- ``patchcore``: the cosine distance to the nearest cell of good pictures, thinned to a coreset, as PatchCore (Roth et
  al., 2022) and AnomalyDINO (Damm et al., 2024). Where a set has no good picture, of the support's ground. The vectors
  of each map have length 1, which was better on val; for ``prototype`` it made no difference.
- ``imagenet``, ``kizu-s``: a logistic head on SqueezeNet 1.1 as ImageNet left it, or on ``kizu-s``.
- ``filters``, ``heads``, ``matching``, ``plain``, ``unrefined``, ``kizu``, ``kizu-adapt``: Kizu's inspector step by
  step, with the members of its scorer that the name says (see ``common_members.py``), with all, with outlines refined
  as they usually are, and with a network fine-tuned to the support, too.

Thresholds come from the support alone. Kizu's are those of the fitted inspector, which use good pictures, too. Those of
rules on cells have the best pooled IoU on pictures of the support that were left out; on halves of the defects where
only one picture shows them; for ``patchcore``, whose bank holds none of them, on the labelled pictures as they are,
and without good pictures on left-out ones, or on a turned and rescaled copy of the only one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Protocol

import numpy as np
from common_members import MEMBERS
from common_sources import Source
from features import DECAY, GRID, SIDE, STRIDES, cells, coverage, fit_heads, looked_at, scores, to_pixels

from kizu.core.errors import KizuError
from kizu.core.inspector import Inspector
from kizu.fewshot.adapt import adapt
from kizu.fewshot.fit import fit_fewshot
from kizu.fewshot.gfds import nearest, unit
from kizu.fewshot.gfds_fit import fit_gfds
from kizu.fewshot.holdout import Parting, changed_copy, halves, truth_of
from kizu.fewshot.refine import refiner_from
from kizu.fewshot.support import Support
from kizu.inspection.calibrate import best_level

ALARMS = 0.1  # share of good pictures on which Kizu may fire
_SHARPNESS = 20.0  # of cosines as log odds (PANet, section 3.3)
_NEITHER = 1e-9  # coverage of cells that are neither defect nor ground
_BANK, _CORESET, _PROJECTED = 12_000, 1_500, 64  # cells of good pictures, those that are kept, and how they are chosen

Odds = Callable[[np.ndarray], np.ndarray]  # cells (h, w, C) to log odds (h, w)
Judged = tuple[np.ndarray, np.ndarray]  # log odds (N,) and truth bool (N,) of left-out pixels
Seen = tuple[np.ndarray, tuple[int, int]]  # cells float32 (h, w, C), and the size that was looked at


class Rule(Protocol):
    """One rule; it knows one class, that of the support."""

    def fit(self, support: Support, seed: int) -> None:
        """Learn from a support. Raises KizuError where it cannot."""

    def look(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Scores float32 (H, W) in 0..1, and what is called a defect, bool (H, W)."""


class OfInspector:
    """A rule that is one of Kizu's inspectors, with the thresholds that it chose."""

    def __init__(self, make: Callable[[Support, int], Inspector]):
        self.make = make

    def fit(self, support: Support, seed: int) -> None:
        self.inspector = self.make(support, seed)

    def look(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found, maps = self.inspector.inspect(image)
        return maps[0], found.masks.union()


class OfCells:
    """A rule on cells of dense features, learned from those of the defects and of the ground."""

    def __init__(self, source: Source, learn: Callable[[np.ndarray, np.ndarray], Odds]):
        """
        Args:
            learn: rows float32 (N, C) and labels bool (N,) to log odds.
        """
        self.source, self.learn = source, learn

    def fit(self, support: Support, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        seen = [self.see(sample.image) for sample in support.labelled]
        truths = [truth_of(sample, 1)[0] for sample in support.labelled]
        self.model = self.learned(seen, truths)
        self.level = best_level(list(self.held_out(support, seen, truths)))[0]

    def look(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        odds = self.odds(image) - np.float32(self.level)
        return scores(odds), odds >= 0

    def odds(self, image: np.ndarray) -> np.ndarray:
        """Log odds float32 (H, W) of the pixels of an image uint8 (H, W, 3)."""
        return self.widened(self.model, self.see(image), image.shape[:2])

    def see(self, image: np.ndarray) -> Seen:
        """The cells of an image."""
        looked = looked_at(image, SIDE, enlarge=True)
        return self.source(looked), looked.shape[:2]

    def widened(self, model: Odds, seen: Seen, full: tuple[int, int]) -> np.ndarray:
        """Log odds of cells on the pixels of the full picture."""
        return to_pixels(model(seen[0]), seen[1], full, GRID)

    def learned(self, seen: list[Seen], truths: list[np.ndarray], rest: list[np.ndarray] | None = None) -> Odds:
        """Learn from pictures.

        Args:
            truths: bool (H, W), the defects of each.
            rest: bool (H, W), what is neither defect nor ground on each; None = nothing.
        """
        rows, labels = [], []
        for i, ((features, size), truth) in enumerate(zip(seen, truths, strict=True)):
            covered = coverage(truth, size, GRID)
            if rest is not None:
                covered = np.where(coverage(rest[i], size, GRID) > 0, np.maximum(covered, _NEITHER), covered)
            some = cells(features, covered, self.random)
            rows.append(some[0])
            labels.append(some[1])
        rows, labels = np.concatenate(rows), np.concatenate(labels)
        if labels.all() or not labels.any():
            raise KizuError("the labelled pictures show no defect, or nothing else")
        return self.learn(rows, labels)

    def held_out(self, support: Support, seen: list[Seen], truths: list[np.ndarray]) -> Iterator[Judged]:
        """Pixels of the labelled pictures, judged by what was learned without them."""
        parting = Parting.of(support.labelled, [], 1)
        for fold in range(parting.count):
            held = parting.held(fold)
            rest = [i for i in range(len(seen)) if i not in held]
            if not held:
                continue
            if any(truths[i].any() for i in rest):
                model = self.learned([seen[i] for i in rest], [truths[i] for i in rest])
                for i in held:
                    yield self.widened(model, seen[i], truths[i].shape).ravel(), truths[i].ravel()
            else:
                yield from self.in_halves(support, seen, truths)

    def in_halves(self, support: Support, seen: list[Seen], truths: list[np.ndarray]) -> Iterator[Judged]:
        """As :meth:`held_out`, of pictures that are all there is: each half by what was learned from the other."""
        parts = [halves(truth) for truth in truths]
        if not all(any(part[which].any() for part in parts) for which in (0, 1)):
            yield from self.on_copies(support, truths)
            return
        for own, other in ((0, 1), (1, 0)):
            model = self.learned(seen, [part[own] for part in parts], [part[other] for part in parts])
            for one, truth, part in zip(seen, truths, parts, strict=True):
                asked = ~part[own]
                yield self.widened(model, one, truth.shape)[asked], part[other][asked]

    def on_copies(self, support: Support, truths: list[np.ndarray]) -> Iterator[Judged]:
        """As :meth:`held_out`, on turned and rescaled copies of what was learned from."""
        for sample, truth in zip(support.labelled, truths, strict=True):
            image, turned = changed_copy(sample.image, truth[None])
            yield self.odds(image).ravel(), turned[0].ravel()


class Normality(OfCells):
    """How far a cell is from all cells of good pictures."""

    def __init__(self, source: Source):
        super().__init__(source, lambda rows, labels: _far_from(_coreset(rows[~labels], self.random)))

    def fit(self, support: Support, seed: int) -> None:
        self.good = None
        if support.clean:
            self.random = np.random.default_rng(seed)
            rows, most = [], max(_BANK // len(support.clean), 1)
            for sample in support.clean:
                found = self.see(sample.image)[0].reshape(-1, sum(self.source.widths))
                rows.append(self.random.choice(found, min(most, len(found)), replace=False))
            self.good = _far_from(_coreset(np.concatenate(rows), self.random))
        super().fit(support, seed)

    def learned(self, seen: list[Seen], truths: list[np.ndarray], rest: list[np.ndarray] | None = None) -> Odds:
        return super().learned(seen, truths, rest) if self.good is None else self.good

    def held_out(self, support: Support, seen: list[Seen], truths: list[np.ndarray]) -> Iterator[Judged]:
        if self.good is None:
            yield from super().held_out(support, seen, truths)
            return
        for one, truth in zip(seen, truths, strict=True):
            yield self.widened(self.good, one, truth.shape).ravel(), truth.ravel()

    def in_halves(self, support: Support, seen: list[Seen], truths: list[np.ndarray]) -> Iterator[Judged]:
        # The ground of the halves is in the bank, and would be at no distance.
        return self.on_copies(support, truths)


def prototype(rows: np.ndarray, labels: np.ndarray) -> Odds:
    """The cosine to the mean of the defects' cells, less that to the mean of all others."""
    front, back = (unit(rows[some].mean(0, keepdims=True))[0] for some in (labels, ~labels))
    return lambda features: _SHARPNESS * (unit_cells(features) @ (front - back))


def logistic(rows: np.ndarray, labels: np.ndarray) -> Odds:
    """The log odds of a logistic regression."""
    weights, biases = fit_heads(rows, labels, np.ones((1, len(rows)), bool), DECAY)
    return lambda features: features @ weights[0] + biases[0]


def unit_cells(features: np.ndarray) -> np.ndarray:
    """Cells (h, w, C) at length 1."""
    return unit(features.reshape(-1, features.shape[2])).reshape(features.shape)


def _far_from(bank: np.ndarray) -> Odds:
    bank, whole = unit(bank), np.ones((1, len(bank)), bool)

    def odds(features: np.ndarray) -> np.ndarray:
        near = nearest(unit(features.reshape(-1, features.shape[2])), bank, whole)
        return _SHARPNESS * (1 - near[0].reshape(features.shape[:2]))

    return odds


def _coreset(rows: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Rows such that none of the others is far from all of them: greedy, on a random projection (PatchCore)."""
    if len(rows) <= _CORESET:
        return rows
    turned = unit(rows) @ random.normal(size=(rows.shape[1], _PROJECTED)).astype(np.float32)
    lengths = (turned**2).sum(1)
    chosen = [int(random.integers(len(rows)))]
    far = np.full(len(rows), np.inf, np.float32)
    while len(chosen) < _CORESET:
        last = chosen[-1]
        far = np.minimum(far, lengths + lengths[last] - 2 * (turned @ turned[last]))
        chosen.append(int(far.argmax()))
    return rows[chosen]


class Blind:
    """Finds nothing: what stands for a rule that could not be fitted."""

    def fit(self, support: Support, seed: int) -> None:
        """Learn nothing."""

    def look(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros(image.shape[:2], np.float32), np.zeros(image.shape[:2], bool)


@lru_cache
def _source(name: str, norm: str = "none") -> Source:
    return Source(name, GRID, norm, STRIDES)


def _step(members: str, support: Support, seed: int) -> Inspector:
    return fit_fewshot(support, ALARMS, seed, candidates=MEMBERS[members])[0]


def _kizu(support: Support, seed: int, minutes: float | None = None) -> Inspector:
    tuned = adapt(support, minutes, seed=seed) if minutes else None
    return fit_fewshot(support, ALARMS, seed, refiner=refiner_from(), adapted=tuned)[0]


ADAPTED = "kizu-adapt"
_STEPS = {name: name for name in ("filters", "heads", "matching", "plain")} | {"unrefined": "all"}
_RULES: dict[str, Callable[[], Rule]] = {
    "gfds": lambda: OfInspector(lambda support, seed: fit_gfds(support)[0]),
    "prototype": lambda: OfCells(_source("kizu-s"), prototype),
    "patchcore": lambda: Normality(_source("kizu-s", "unit")),
    "imagenet": lambda: OfCells(_source("imagenet"), logistic),
    "kizu-s": lambda: OfCells(_source("kizu-s"), logistic),
    **{name: lambda members=members: OfInspector(partial(_step, members)) for name, members in _STEPS.items()},
    "kizu": lambda: OfInspector(_kizu),
}
RULES = (*_RULES, ADAPTED)


def rule_of(name: str, minutes: float | None) -> Rule:
    """A rule of :data:`RULES`, not fitted; ``minutes`` of adapting."""
    return OfInspector(partial(_kizu, minutes=minutes)) if name == ADAPTED else _RULES[name]()
