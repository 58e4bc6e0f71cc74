"""A pixel scorer that is fitted in seconds: two forests and two linear models, mixed as log odds.

Three members see the filter bank. One forest (extremely randomised trees, Geurts et al., 2006) sees all of it, the
other only how unusual a cell is on its own picture; a multinomial logistic regression keeps the order beyond what the
forests have seen. The fourth is a logistic regression on the filter bank and the maps of the network together. All are
fitted by scikit-learn and kept as plain arrays.
"""

from __future__ import annotations

import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from kizu.core.errors import KizuError
from kizu.core.jit import jit
from kizu.core.seeds import Stream, generator
from kizu.fewshot.network import project

_FOREST_FLOOR = 0.005  # a share that no leaf vote is trusted beyond
_LINEAR_LIMIT = 8.0  # log odds
_LINEAR_ROWS = 12_000
# Inverse strengths of the penalties. The network's maps are many and its cells few: it takes a far stronger one.
_C, _C_NETWORK = 0.05, 0.003
_CLIP = 8.0  # standard deviations
_CHUNK = 16_384


@jit
def _vote(rows, features, thresholds, left, right, values, roots, out):  # pragma: no cover (compiled)
    """Mean leaf value of every tree: out float32 (N, K)."""
    count = rows.shape[0]
    block = 512
    for first in range(0, count, block):
        last = min(first + block, count)
        for t in range(len(roots)):
            for i in range(first, last):
                node = roots[t]
                while left[node] >= 0:
                    node = left[node] if rows[i, features[node]] <= thresholds[node] else right[node]
                for k in range(out.shape[1]):
                    out[i, k] += values[node, k]
    for i in range(count):
        for k in range(out.shape[1]):
            out[i, k] /= len(roots)


@jit
def _linear(rows, mean, scale, weight, out):  # pragma: no cover (compiled)
    """Softmax shares of a linear model on standardised, clipped features: out float32 (N, K) begins as its bias."""
    classes = out.shape[1]
    for i in range(rows.shape[0]):
        for f in range(rows.shape[1]):
            value = min(max((rows[i, f] - mean[f]) / scale[f], np.float32(-_CLIP)), np.float32(_CLIP))
            for k in range(classes):
                out[i, k] += value * weight[f, k]
        top = out[i].max()
        total = np.float32(0)
        for k in range(classes):
            out[i, k] = np.exp(out[i, k] - top)
            total += out[i, k]
        for k in range(classes):
            out[i, k] /= total


@dataclass
class Scorer:
    """Log odds of each defect class against everything else, for cells, by four members.

    Attributes:
        arrays: for each of the forests ``all`` and ``own``: ``feature`` int16, ``threshold`` float32,
            ``left``/``right`` int32 (-1 = leaf), ``value`` float32 (nodes, K), ``root`` int32, as ``all.feature`` ...;
            for the linear model ``mean``, ``scale`` float32 (F,), ``weight`` float32 (F, K), ``bias`` float32 (K,); K
            = classes + 1, background first; for the linear model with the network ``network.weight`` float32
            (F + M, K), for the same standardised features and the M channels of the maps as they are, and
            ``network.bias`` float32 (K,).
    """

    arrays: dict[str, np.ndarray]

    def __post_init__(self):
        """Compiled code does not check its indices, and a file may be damaged: what does not fit raises KizuError."""
        a = self.arrays
        features, outputs = a["weight"].shape
        sound = a["mean"].shape == a["scale"].shape == (features,)
        sound &= a["bias"].shape == a["network.bias"].shape == (outputs,)
        sound &= a["network.weight"].shape[1:] == (outputs,) and len(a["network.weight"]) >= features
        sound &= all(np.isfinite(values).all() for values in a.values())
        for name in ("all", "own"):
            feature, left, right, root = (a[f"{name}.{key}"] for key in ("feature", "left", "right", "root"))
            place = np.arange(len(left))
            sound &= feature.shape == a[f"{name}.threshold"].shape == left.shape == right.shape == place.shape
            sound &= a[f"{name}.value"].shape == (len(place), outputs) and _within(root, 0, len(place))
            if sound:  # children come after their parents, so every walk ends
                inner = left >= 0
                sound &= _within(feature, 0, features)
                sound &= all(_within(child[inner], place[inner] + 1, len(place)) for child in (left, right))
        if not sound:
            raise KizuError("the arrays of its scorer contradict each other")

    @classmethod
    def fit(
        cls,
        rows: np.ndarray,
        seen: np.ndarray,
        labels: np.ndarray,
        weights: np.ndarray,
        classes: int,
        trees: int,
        seed: int,
    ) -> Scorer:
        """Fit to labelled cells.

        Args:
            rows: float32 (N, F), the filter bank; the second half are deviations from the picture's own median.
            seen: float32 (N, M), the maps of the network.
            labels: int (N,), 0 = background, 1 .. classes.
            weights: float (N,), positive, of mean 1.
            classes: number of defect classes.
            trees: size of each forest.
            seed: of the forests' random choices.
        """
        from sklearn.ensemble import ExtraTreesClassifier

        arrays = {}
        random = generator(seed, Stream.SCORER, 1)
        for name, first in (("all", 0), ("own", rows.shape[1] // 2)):
            forest = ExtraTreesClassifier(
                trees, min_samples_leaf=5, max_features="sqrt", n_jobs=-1, random_state=int(random.integers(2**31))
            )
            forest.fit(rows[:, first:], labels, weights)
            arrays |= {f"{name}.{key}": values for key, values in _flatten(forest, classes + 1, first).items()}
        return cls(arrays | _fit_linear(rows, seen, labels, weights, classes, seed))

    @property
    def classes(self) -> int:
        """Number of defect classes."""
        return len(self.arrays["bias"]) - 1

    @property
    def channels(self) -> tuple[int, int]:
        """Number of features of the filter bank, and of channels of the network, that it was fitted to."""
        features = len(self.arrays["mean"])
        return features, len(self.arrays["network.weight"]) - features

    def project(self, maps: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
        """The network's part of the fourth member's sums, float32 (h, w, K) on a grid of ``shape`` = (h, w).

        Args:
            maps: of :func:`kizu.fewshot.network.look`.
        """
        return project(maps, self.arrays["network.weight"][self.channels[0] :], shape)

    def score(self, rows: np.ndarray, sums: np.ndarray | None) -> np.ndarray:
        """Log odds of cells, by each member.

        Args:
            rows: float32 (N, F), the filter bank.
            sums: float32 (N, K) of :meth:`project`; None = the fourth member is not asked and says 0.

        Returns:
            float32 (N, 4, classes): the linear model, the forest on all, the forest on own, the linear model with the
            network.
        """
        rows = np.ascontiguousarray(rows, np.float32)
        places = [slice(i, i + _CHUNK) for i in range(0, len(rows), _CHUNK)]
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            parts = pool.map(lambda place: self._score(rows[place], None if sums is None else sums[place]), places)
            return np.concatenate(list(parts))

    def _score(self, rows: np.ndarray, sums: np.ndarray | None) -> np.ndarray:
        a = self.arrays
        shape = (len(rows), a["bias"].shape[0])
        members = [_linear_odds(rows, a, a["weight"], np.broadcast_to(a["bias"], shape))]
        for name in ("all", "own"):
            share = np.zeros(shape, np.float32)
            tree = (a[f"{name}.{key}"] for key in ("feature", "threshold", "left", "right", "value", "root"))
            _vote(rows, *tree, share)
            members.append(_log_odds(np.clip(share, _FOREST_FLOOR, 1 - _FOREST_FLOOR)))
        if sums is None:
            members.append(np.zeros(shape, np.float32))
        else:
            members.append(_linear_odds(rows, a, a["network.weight"][: rows.shape[1]], sums + a["network.bias"]))
        return np.stack(members, axis=1)[:, :, 1:]


def _linear_odds(rows: np.ndarray, arrays: dict[str, np.ndarray], weight: np.ndarray, start: np.ndarray) -> np.ndarray:
    share = np.array(start, np.float32, order="C")
    _linear(rows, arrays["mean"], arrays["scale"], weight, share)
    return np.clip(_log_odds(np.clip(share, 1e-6, 1 - 1e-6)), -_LINEAR_LIMIT, _LINEAR_LIMIT)


def _fit_linear(
    rows: np.ndarray, seen: np.ndarray, labels: np.ndarray, weights: np.ndarray, classes: int, seed: int
) -> dict[str, np.ndarray]:
    """Both linear models; the network's channels are standardised for the fit, which their weights then hold."""
    some = generator(seed, Stream.SCORER, 2).permutation(len(rows))[:_LINEAR_ROWS]
    mean, scale = _moments(rows, weights)
    standard = np.clip((rows[some] - mean) / scale, -_CLIP, _CLIP)
    weight, bias = _logistic(standard, labels[some], weights[some], classes, _C)
    middle, spread = _moments(seen, weights)
    both = np.concatenate([standard, (seen[some] - middle) / spread], axis=1)
    joint, start = _logistic(both, labels[some], weights[some], classes, _C_NETWORK)
    joint[rows.shape[1] :] /= spread[:, None]
    start = start - middle @ joint[rows.shape[1] :]
    arrays = {"weight": weight, "bias": bias, "mean": mean, "scale": scale}
    arrays |= {"network.weight": joint, "network.bias": start}
    return {name: values.astype(np.float32) for name, values in arrays.items()}


def _moments(rows: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean and deviation of each feature."""
    mean = np.average(rows, axis=0, weights=weights)
    return mean, np.sqrt(np.average((rows - mean) ** 2, axis=0, weights=weights)) + 1e-6


def _logistic(
    rows: np.ndarray, labels: np.ndarray, weights: np.ndarray, classes: int, strength: float
) -> tuple[np.ndarray, np.ndarray]:
    """Multinomial logistic regression: weights (F, K) and bias (K,); a class without rows gets the lowest log odds."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    weight, bias = np.zeros((rows.shape[1], classes + 1)), np.full(classes + 1, -_LINEAR_LIMIT)
    present = np.unique(labels)
    if len(present) == 1:
        bias[present] = 0.0
        return weight, bias
    linear = LogisticRegression(C=strength, max_iter=100)
    # On matrices so narrow, threads of the linear algebra library wait for each other far longer than they work.
    with warnings.catch_warnings(), threadpool_limits(1, user_api="blas"):
        warnings.simplefilter("ignore", ConvergenceWarning)  # a hundred steps are plenty for an ensemble member
        linear.fit(rows, labels, weights)
    coefficients, intercepts = linear.coef_, linear.intercept_
    if len(present) == 2:  # scikit-learn gives one row then: the log odds of the second class
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    weight[:, present] = coefficients.T
    bias[present] = intercepts
    return weight, bias


def _within(values: np.ndarray, low: np.ndarray | int, end: int) -> bool:
    return bool(((values >= low) & (values < end)).all())


def _log_odds(share: np.ndarray) -> np.ndarray:
    return np.log(share) - np.log1p(-share)


def _flatten(forest, classes: int, first: int) -> dict[str, np.ndarray]:
    """The trees of a scikit-learn forest as arrays that take the same decisions; its feature 0 is our ``first``."""
    parts = {name: [] for name in ("feature", "threshold", "left", "right", "value")}
    roots, offset = [], 0
    for estimator in forest.estimators_:
        tree = estimator.tree_
        leaf = tree.children_left < 0
        # scikit-learn compares float32 features with a float64 threshold; rounding it down keeps every decision.
        threshold = tree.threshold.astype(np.float32)
        threshold = np.where(threshold > tree.threshold, np.nextafter(threshold, np.float32(-np.inf)), threshold)
        value = np.zeros((tree.node_count, classes), np.float32)
        share = tree.value[:, 0, :]
        value[:, forest.classes_] = share / np.maximum(share.sum(1, keepdims=True), 1e-12)
        parts["feature"].append(np.where(leaf, 0, tree.feature + first).astype(np.int16))
        parts["threshold"].append(np.where(leaf, 0, threshold).astype(np.float32))
        parts["left"].append(np.where(leaf, -1, tree.children_left + offset).astype(np.int32))
        parts["right"].append(np.where(leaf, -1, tree.children_right + offset).astype(np.int32))
        parts["value"].append(value)
        roots.append(offset)
        offset += tree.node_count
    return {name: np.concatenate(values) for name, values in parts.items()} | {"root": np.array(roots, np.int32)}
