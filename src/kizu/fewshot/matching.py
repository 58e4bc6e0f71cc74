"""Dense matching: a cell is like the labelled cells of a class, or like the ground, by its nearest ones among them.

Every labelled cell is kept, not a prototype of each class (GFDS; its rule is the largest cosine to a foreground cell
against that to a background cell). Three things make it hold on real parts: cells are whitened by the spread of the
ground, with shrinkage, so that what varies on good parts counts little; the mean of the three nearest stands for the
nearest one, for the largest of many similarities grows with their number; and good pictures are ground, too. What the
network sees and what the filter bank says are matched apart, and added.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import cholesky, eigh, solve_triangular

from kizu.core.errors import KizuError
from kizu.core.jit import jit
from kizu.core.seeds import Stream, generator
from kizu.fewshot.linear import each_against_all, logistic

PARTS = ("filters", "network")
_GROUND, _CLASS = 1000, 300  # cells of a bank
_SHRINKAGE = 0.1  # of the covariance of the ground towards a multiple of the identity
_AXES = 128  # at most: those that hold most of the whitened cells
_CLIP = 8.0  # standard deviations
SCALE = 8.0  # of a difference of cosines, so that a match weighs about as log odds do
_C = 0.003  # inverse strength of the penalty of the logistic regression,
_FITTED = 12_000  # and cells that it is fitted to
ROWS = 1024  # cells at a time
_THINNED = 8


@jit
def three_largest(row, first, end, a, b, c):  # pragma: no cover (compiled)
    """The three largest of ``row[first:end]``, a, b and c, which come largest first."""
    for j in range(first, end):
        value = row[j]
        if value > c:
            if value > b:
                c = b
                if value > a:
                    b = a
                    a = value
                else:
                    b = value
            else:
                c = value
    return a, b, c


@jit
def _nearest(similar, ends, out):  # pragma: no cover (compiled)
    """Mean of the three largest of each segment of ``similar`` (N, M): out float32 (N, len(ends))."""
    least = np.float32(-2.0)
    for i in range(similar.shape[0]):
        first = 0
        for k in range(len(ends)):
            a, b, c = three_largest(similar[i], first, ends[k], least, least, least)
            count = min(ends[k] - first, 3)
            if count == 0:
                out[i, k] = np.float32(-1.0)
            elif count == 1:
                out[i, k] = a
            elif count == 2:
                out[i, k] = (a + b) / np.float32(2)
            else:
                out[i, k] = (a + b + c) / np.float32(3)
            first = ends[k]


def nearness(cells: np.ndarray, bank: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Mean cosine of cells with the three nearest ones of each class.

    Args:
        cells: float32 (N, D) of unit length.
        bank: float32 (M, D) of unit length, class by class.
        ends: int32 (K,), where each class ends in the bank.

    Returns:
        float32 (N, K); of fewer than three cells as many count, and a class that has none is as far as can be, at -1.
    """
    out = np.empty((len(cells), len(ends)), np.float32)
    _nearest(cells @ bank.T, ends, out)
    return out


def thinned_out(bank: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every eighth cell of each class of a bank, and where each class ends among these; arguments as those of
    :func:`nearness`."""
    places = [np.arange(a, b, _THINNED) for a, b in zip([0, *ends[:-1]], ends, strict=True)]
    return bank[np.concatenate(places)], np.cumsum([len(own) for own in places]).astype(np.int32)


@dataclass
class Matching:
    """Banks of labelled cells, and a logistic regression on cells as they are in them.

    Attributes:
        arrays: for each of :data:`PARTS`, e.g. as ``match.filters.mean``: ``mean`` and ``scale`` float32 (F,) of the
            ground, ``axes`` float32 (F, D) to whitened cells, ``bank`` float32 (M, D) of unit length, the ground first
            and then class by class, and ``ends`` int32 (C + 1,), where each of these ends; for both together
            ``match.weight`` float32 (D + D', C + 1) and ``match.bias`` float32 (C + 1,).
    """

    arrays: dict[str, np.ndarray]

    def __post_init__(self):
        """Compiled code does not check its indices, and a file may be damaged: what does not fit raises KizuError."""
        weight, bias = self.arrays["match.weight"], self.arrays["match.bias"]
        sound, counts, wide = weight.shape[1:] == bias.shape, {len(bias)}, 0
        for part in PARTS:
            mean, scale, axes, bank, ends = (self.arrays[f"match.{part}.{name}"] for name in _NAMES)
            sound &= mean.shape == scale.shape == axes.shape[:1] and axes.shape[1:] == bank.shape[1:]
            sound &= len(ends) > 1 and bool((np.diff(ends, prepend=0) >= 0).all()) and ends[-1] == len(bank)
            counts.add(len(ends))
            wide += bank.shape[1]
        if not sound or len(counts) > 1 or wide != len(weight):
            raise KizuError("the banks of its matching contradict each other")

    @classmethod
    def fit(
        cls, rows: np.ndarray, seen: np.ndarray, labels: np.ndarray, weights: np.ndarray, classes: int, seed: int,
        linear: bool = True,
    ) -> Matching:  # fmt: skip
        """Keep labelled cells.

        Args:
            rows: float32 (N, F), the filter bank.
            seen: float32 (N, M), the maps of the network.
            labels: int (N,), 0 = background, 1 .. classes.
            weights: float (N,), positive, of mean 1; of the logistic regression.
            seed: draws the cells that are kept where there are many.
            linear: False = its logistic regression says nothing, which takes less time.
        """
        from threadpoolctl import threadpool_limits

        # On matrices so small, threads of the linear algebra library wait for each other far longer than they work.
        with threadpool_limits(1, user_api="blas"):
            return cls._fit(rows, seen, labels, weights, classes, seed, linear)

    @classmethod
    def _fit(
        cls, rows: np.ndarray, seen: np.ndarray, labels: np.ndarray, weights: np.ndarray, classes: int, seed: int,
        linear: bool,
    ) -> Matching:  # fmt: skip
        random = generator(seed, Stream.SCORER, 3)
        kept = []
        for k in range(classes + 1):
            mine, most = np.flatnonzero(labels == k), _CLASS if k else _GROUND
            kept.append(random.choice(mine, most, replace=False) if len(mine) > most else mine)
        arrays: dict[str, np.ndarray] = {}
        some = random.permutation(len(labels))[:_FITTED]
        units = []
        for part, values in zip(PARTS, (rows, seen), strict=True):
            ground = values[labels == 0] if len(kept[0]) else values
            mean = ground.mean(0)
            # A channel that is silent on the ground is not blown up beyond what is usual for the others.
            scale = ground.std(0) + 1e-4 * np.abs(mean).max() + 1e-6
            standard = [_standard(values[places], mean, scale) for places in kept]
            axes = _axes(_standard(ground, mean, scale), standard)
            bank = np.concatenate([unit(cells @ axes) for cells in standard])
            ends = np.cumsum([len(places) for places in kept])
            units.append(unit(_standard(values[some], mean, scale) @ axes) * np.sqrt(axes.shape[1]))
            values = (mean, scale, axes, bank, ends)
            types = (np.float32,) * 4 + (np.int32,)
            named = zip(_NAMES, values, types, strict=True)
            arrays |= {f"match.{part}.{name}": value.astype(kind) for name, value, kind in named}
        weight, bias = np.zeros((sum(own.shape[1] for own in units), classes + 1)), np.zeros(classes + 1)
        if linear:
            weight, bias = logistic(np.concatenate(units, axis=1), labels[some], weights[some], classes, _C)
        weight *= np.repeat([np.sqrt(own.shape[1]) for own in units], [own.shape[1] for own in units])[:, None]
        return cls(arrays | {"match.weight": weight.astype(np.float32), "match.bias": bias.astype(np.float32)})

    @property
    def channels(self) -> tuple[int, ...]:
        """Features of the filter bank, and channels of the network."""
        return tuple(len(self.arrays[f"match.{part}.mean"]) for part in PARTS)

    @property
    def classes(self) -> int:
        """Number of classes C."""
        return len(self.arrays[f"match.{PARTS[0]}.ends"]) - 1

    def projected(self, part: str, values: np.ndarray, first: int = 0) -> np.ndarray:
        """Whitened cells float32 (N, D), not yet of unit length.

        Args:
            part: one of :data:`PARTS`.
            values: float32 (N, F) of its features, or of some of them: the sum over all of these is what counts.
            first: place of the first of ``values`` among the features.
        """
        own = slice(first, first + values.shape[1])
        mean, scale, axes = (self.arrays[f"match.{part}.{name}"][own] for name in ("mean", "scale", "axes"))
        return _standard(values, mean, scale) @ axes

    def score(self, rows: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """As :meth:`score_projected`; ``rows`` and ``seen`` as in :meth:`fit`."""
        return self.score_projected(self.projected("filters", rows), self.projected("network", seen))

    def score_projected(self, *cells: np.ndarray, thinned: bool = False) -> np.ndarray:
        """Log odds of the logistic regression, and how much more a cell is like a class than like the ground.

        Args:
            cells: of each of :data:`PARTS`, of :meth:`projected`.
            thinned: compare with every eighth cell of each bank only.

        Returns:
            float32 (N, 2, C); the second about as log odds.
        """
        count = len(cells[0])
        out = np.empty((count, 2, self.classes), np.float32)
        for i in range(0, count, ROWS):
            out[i : i + ROWS] = self._score(*(part[i : i + ROWS] for part in cells), thinned=thinned)
        return out

    def _score(self, *cells: np.ndarray, thinned: bool) -> np.ndarray:
        like = np.zeros((len(cells[0]), self.classes), np.float32)
        units = []
        for part, values in zip(PARTS, cells, strict=True):
            bank, ends = self._thin[part] if thinned else (self.arrays[f"match.{part}.{n}"] for n in ("bank", "ends"))
            units.append(unit(values))
            near = nearness(units[-1], bank, ends)
            like += SCALE * (near[:, 1:] - near[:, :1])
        odds = np.concatenate(units, axis=1) @ self.arrays["match.weight"] + self.arrays["match.bias"]
        return np.stack([each_against_all(odds), like], axis=1)

    @cached_property
    def _thin(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Of each part every eighth cell of its bank, and where each class ends among these."""
        return {part: thinned_out(*(self.arrays[f"match.{part}.{n}"] for n in ("bank", "ends"))) for part in PARTS}


_NAMES = ("mean", "scale", "axes", "bank", "ends")


@jit
def _standardise(values, mean, scale, clip, out):  # pragma: no cover (compiled)
    for i in range(values.shape[0]):
        for f in range(values.shape[1]):
            out[i, f] = min(max((values[i, f] - mean[f]) / scale[f], -clip), clip)


def _standard(values: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    out = np.empty(values.shape, np.float32)
    _standardise(np.ascontiguousarray(values, np.float32), mean, scale, np.float32(_CLIP), out)
    return out


def unlike(*cells: np.ndarray) -> np.ndarray:
    """How unlike the ground cells are: their distance from its middle by its own spread (Mahalanobis, 1936).

    The cosines of :class:`Matching` cannot tell: in direction, what is like nothing is no further from the nearest
    ground than ground is that was not seen before.

    Args:
        cells: of each of :data:`PARTS`, of :meth:`Matching.projected`, (..., D).

    Returns:
        float32 (..., 2), by part; about 1 is usual for ground.
    """
    lengths = [np.linalg.norm(part, axis=-1) / np.float32(np.sqrt(part.shape[-1])) for part in cells]
    return np.stack(lengths, axis=-1)


def unit(cells: np.ndarray) -> np.ndarray:
    """Cells (..., D) at unit length."""
    return cells / (np.linalg.norm(cells, axis=-1, keepdims=True) + np.float32(1e-6))


def _axes(ground: np.ndarray, kept: list[np.ndarray]) -> np.ndarray:
    """Standardised features to whitened cells (F, D), by the Cholesky factor of the ground's covariance, shrunk.

    Where there are more than :data:`_AXES` of them, they are turned to those of the largest energy, the ground and all
    classes counting the same.
    """
    spread = (ground.T @ ground).astype(np.float64) / len(ground)
    spread *= 1 - _SHRINKAGE
    spread[np.diag_indices_from(spread)] += _SHRINKAGE / (1 - _SHRINKAGE) * np.trace(spread) / len(spread)
    # Of the matrices A with A A' = S^-1, which give the same cosines, the one that costs least.
    factor = cholesky(spread, lower=True)
    whitening = solve_triangular(factor, np.eye(len(factor)), lower=True).T.astype(np.float32)
    if len(whitening) <= _AXES:
        return whitening
    return whitening @ strongest([unit(cells @ whitening) for cells in kept if len(cells)], _AXES)


def strongest(groups: list[np.ndarray], most: int) -> np.ndarray:
    """Axes float32 (F, D) of the largest energy of cells (N_k, F), all groups counting the same; D = ``most``, or F."""
    energy = sum((own.T @ own).astype(np.float64) / len(own) for own in groups)
    places = [max(len(energy) - most, 0), len(energy) - 1]
    return eigh(energy, subset_by_index=places)[1].astype(np.float32)
