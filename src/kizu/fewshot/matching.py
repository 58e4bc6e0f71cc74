"""Dense matching: a cell is like the labelled cells of a class, or like the ground, by its nearest ones among them.

Every labelled cell is kept, not a prototype of each class (GFDS; its rule is the largest cosine to a foreground cell
against that to a background cell). Three things make it hold on real parts: cells are whitened by the spread of the
ground, with shrinkage, so that what varies on good parts counts little; the mean of the three nearest stands for the
nearest one, for the largest of many similarities grows with their number; and good pictures are ground, too. What the
network sees and what the filter bank says are matched apart, and added.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from kizu.core.errors import KizuError
from kizu.core.jit import jit
from kizu.core.seeds import Stream, generator
from kizu.fewshot.linear import limited, logistic

PARTS = ("filters", "network")
_GROUND, _CLASS = 1000, 300  # cells of a bank
_SHRINKAGE = 0.1  # of the covariance of the ground towards a multiple of the identity
_AXES = 128  # at most: those that hold most of the whitened cells
_CLIP = 8.0  # standard deviations
SCALE = 8.0  # of a difference of cosines, so that a match weighs about as log odds do
_C = 0.003  # inverse strength of the penalty of the logistic regression,
_FITTED = 12_000  # and cells that it is fitted to
_ROWS = 2048  # at a time


@jit
def _nearest(similar, ends, out):  # pragma: no cover (compiled)
    """Mean of the three largest of each segment of ``similar`` (N, M): out float32 (N, len(ends)); fewer are as few."""
    for i in range(similar.shape[0]):
        first = 0
        for k in range(len(ends)):
            a = b = c = np.float32(-2.0)
            for j in range(first, ends[k]):
                value = similar[i, j]
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
        cls, rows: np.ndarray, seen: np.ndarray, labels: np.ndarray, weights: np.ndarray, classes: int, seed: int
    ) -> Matching:
        """Keep labelled cells.

        Args:
            rows: float32 (N, F), the filter bank.
            seen: float32 (N, M), the maps of the network.
            labels: int (N,), 0 = background, 1 .. classes.
            weights: float (N,), positive, of mean 1; of the logistic regression.
            seed: draws the cells that are kept where there are many.
        """
        from threadpoolctl import threadpool_limits

        # On matrices so small, threads of the linear algebra library wait for each other far longer than they work.
        with threadpool_limits(1, user_api="blas"):
            return cls._fit(rows, seen, labels, weights, classes, seed)

    @classmethod
    def _fit(
        cls, rows: np.ndarray, seen: np.ndarray, labels: np.ndarray, weights: np.ndarray, classes: int, seed: int
    ) -> Matching:
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
            bank = np.concatenate([_unit(cells @ axes) for cells in standard])
            ends = np.cumsum([len(places) for places in kept])
            units.append(_unit(_standard(values[some], mean, scale) @ axes) * np.sqrt(axes.shape[1]))
            values = (mean, scale, axes, bank, ends)
            types = (np.float32,) * 4 + (np.int32,)
            named = zip(_NAMES, values, types, strict=True)
            arrays |= {f"match.{part}.{name}": value.astype(kind) for name, value, kind in named}
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

    def whitened(self, part: str, values: np.ndarray) -> np.ndarray:
        """Whitened cells float32 (N, D) of unit length, from the values (N, F) of one of :data:`PARTS`."""
        mean, scale, axes = (self.arrays[f"match.{part}.{name}"] for name in ("mean", "scale", "axes"))
        return _unit(_standard(values, mean, scale) @ axes)

    def score(self, rows: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """Log odds of the logistic regression, and how much more a cell is like a class than like the ground.

        Args:
            rows, seen: of N cells, as in :meth:`fit`.

        Returns:
            float32 (N, 2, C); the second about as log odds.
        """
        from threadpoolctl import threadpool_limits

        places = [slice(i, i + _ROWS) for i in range(0, len(rows), _ROWS)]
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            return np.concatenate(list(pool.map(lambda place: self._score(rows[place], seen[place]), places)))

    def _score(self, *cells: np.ndarray) -> np.ndarray:
        like = np.zeros((len(cells[0]), self.classes), np.float32)
        units = []
        for part, values in zip(PARTS, cells, strict=True):
            mean, scale, axes, bank, ends = (self.arrays[f"match.{part}.{name}"] for name in _NAMES)
            near = np.empty((len(values), len(ends)), np.float32)
            units.append(_unit(_standard(values, mean, scale) @ axes))
            _nearest(units[-1] @ bank.T, ends, near)
            like += SCALE * (near[:, 1:] - near[:, :1])
        odds = np.concatenate(units, axis=1) @ self.arrays["match.weight"] + self.arrays["match.bias"]
        share = np.exp(odds - odds.max(1, keepdims=True))
        share /= share.sum(1, keepdims=True)
        return np.stack([limited(share)[:, 1:], like], axis=1)


_NAMES = ("mean", "scale", "axes", "bank", "ends")


def _standard(values: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return np.clip((values - mean) / scale, -_CLIP, _CLIP).astype(np.float32)


def _unit(cells: np.ndarray) -> np.ndarray:
    return cells / (np.linalg.norm(cells, axis=1, keepdims=True) + np.float32(1e-6))


def _axes(ground: np.ndarray, kept: list[np.ndarray]) -> np.ndarray:
    """Standardised features to whitened cells (F, D): the ground's covariance, shrunk, to the power of -1/2.

    Where there are more than :data:`_AXES` of them, they are turned to those of the largest energy, the ground and all
    classes counting the same.
    """
    spread = (ground.T @ ground).astype(np.float64) / len(ground)
    spread *= 1 - _SHRINKAGE
    spread[np.diag_indices_from(spread)] += _SHRINKAGE / (1 - _SHRINKAGE) * np.trace(spread) / len(spread)
    values, vectors = np.linalg.eigh(spread)
    whitening = ((vectors / np.sqrt(np.maximum(values, 1e-12))) @ vectors.T).astype(np.float32)
    if len(whitening) <= _AXES:
        return whitening
    units = [_unit(cells @ whitening) for cells in kept if len(cells)]
    energy = sum((unit.T @ unit).astype(np.float64) / len(unit) for unit in units)
    return whitening @ np.linalg.eigh(energy)[1][:, -_AXES:].astype(np.float32)
