"""A pixel scorer that is fitted in seconds: two forests and a linear model on the filter bank, as log odds.

One forest (extremely randomised trees, Geurts et al., 2006) sees all of it, the other only how unusual a cell is on its
own picture; a multinomial logistic regression keeps the order beyond what the forests have seen. All are fitted by
scikit-learn and kept as plain arrays.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from kizu.core.errors import KizuError
from kizu.core.jit import jit
from kizu.core.seeds import Stream, generator
from kizu.fewshot.linear import limited, log_odds, logistic

_FOREST_FLOOR = 0.005  # a share that no leaf vote is trusted beyond
_LINEAR_ROWS = 12_000
_C = 0.05  # inverse strength of the penalty
_CLIP = 8.0  # standard deviations


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
    """Log odds of each defect class against everything else, for cells, by three members.

    Attributes:
        arrays: for each of the forests ``all`` and ``own``: ``feature`` int16, ``threshold`` float32,
            ``left``/``right`` int32 (-1 = leaf), ``value`` float32 (nodes, K), ``root`` int32, as ``all.feature`` ...;
            for the linear model ``mean``, ``scale`` float32 (F,), ``weight`` float32 (F, K), ``bias`` float32 (K,); K
            = classes + 1, background first.
    """

    arrays: dict[str, np.ndarray]

    def __post_init__(self):
        """Compiled code does not check its indices, and a file may be damaged: what does not fit raises KizuError."""
        a = self.arrays
        features, outputs = a["weight"].shape
        sound = a["mean"].shape == a["scale"].shape == (features,)
        sound &= a["bias"].shape == (outputs,)
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
        labels: np.ndarray,
        weights: np.ndarray,
        classes: int,
        trees: int,
        seed: int,
    ) -> Scorer:
        """Fit to labelled cells.

        Args:
            rows: float32 (N, F), the filter bank; the second half are deviations from the picture's own median.
            labels: int (N,), 0 = background, 1 .. classes.
            weights: float (N,), positive, of mean 1.
            classes: number of defect classes.
            trees: size of each forest.
            seed: of the forests' random choices.
        """
        # Tree by tree, with the seeds that scikit-learn's forest draws: a forest of its own clears and refills Python's
        # warning filters, which are those of the whole process, so that no two of them can be fitted side by side.
        from sklearn.tree import ExtraTreeClassifier

        arrays = {}
        random = generator(seed, Stream.SCORER, 1)
        for name, first in (("all", 0), ("own", rows.shape[1] // 2)):
            seen = np.ascontiguousarray(rows[:, first:], np.float32)
            draws = np.random.RandomState(int(random.integers(2**31))).randint(2**31 - 1, size=trees)
            forest = [ExtraTreeClassifier(min_samples_leaf=5, max_features="sqrt", random_state=s) for s in draws]
            for tree in forest:
                tree.fit(seen, labels, weights, check_input=False)
            arrays |= {f"{name}.{key}": values for key, values in _flatten(forest, classes + 1, first).items()}
        return cls(arrays | _fit_linear(rows, labels, weights, classes, seed))

    @property
    def classes(self) -> int:
        """Number of defect classes."""
        return len(self.arrays["bias"]) - 1

    @property
    def channels(self) -> int:
        """Number of features of the filter bank that it was fitted to."""
        return len(self.arrays["mean"])

    def score(self, rows: np.ndarray, asked: Collection[int] = (0, 1, 2)) -> np.ndarray:
        """Log odds of cells, by each member.

        Args:
            rows: float32 (N, F), the filter bank.
            asked: the members that matter; the others say 0, which saves their time.

        Returns:
            float32 (N, 3, classes): the linear model, the forest on all, the forest on own.
        """
        rows = np.ascontiguousarray(rows, np.float32)
        a = self.arrays
        out = np.zeros((3, len(rows), self.classes), np.float32)
        if 0 in asked:
            share = np.array(np.broadcast_to(a["bias"], (len(rows), self.classes + 1)), np.float32, order="C")
            _linear(rows, a["mean"], a["scale"], a["weight"], share)
            out[0] = limited(share)[:, 1:]
        for m, name in enumerate(("all", "own"), 1):
            if m in asked:
                share = np.zeros((len(rows), self.classes + 1), np.float32)
                tree = (a[f"{name}.{key}"] for key in ("feature", "threshold", "left", "right", "value", "root"))
                _vote(rows, *tree, share)
                out[m] = log_odds(np.clip(share, _FOREST_FLOOR, 1 - _FOREST_FLOOR))[:, 1:]
        return out.transpose(1, 0, 2)


def _fit_linear(
    rows: np.ndarray, labels: np.ndarray, weights: np.ndarray, classes: int, seed: int
) -> dict[str, np.ndarray]:
    some = generator(seed, Stream.SCORER, 2).permutation(len(rows))[:_LINEAR_ROWS]
    mean, scale = _moments(rows, weights)
    standard = np.clip((rows[some] - mean) / scale, -_CLIP, _CLIP)
    weight, bias = logistic(standard, labels[some], weights[some], classes, _C)
    arrays = {"weight": weight, "bias": bias, "mean": mean, "scale": scale}
    return {name: values.astype(np.float32) for name, values in arrays.items()}


def _moments(rows: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean and deviation of each feature."""
    mean = np.average(rows, axis=0, weights=weights)
    return mean, np.sqrt(np.average((rows - mean) ** 2, axis=0, weights=weights)) + 1e-6


def _within(values: np.ndarray, low: np.ndarray | int, end: int) -> bool:
    return bool(((values >= low) & (values < end)).all())


def _flatten(forest: list, classes: int, first: int) -> dict[str, np.ndarray]:
    """Trees of scikit-learn as arrays that take the same decisions; their feature 0 is our ``first``."""
    parts = {name: [] for name in ("feature", "threshold", "left", "right", "value")}
    roots, offset = [], 0
    for estimator in forest:
        tree = estimator.tree_
        leaf = tree.children_left < 0
        # scikit-learn compares float32 features with a float64 threshold; rounding it down keeps every decision.
        threshold = tree.threshold.astype(np.float32)
        threshold = np.where(threshold > tree.threshold, np.nextafter(threshold, np.float32(-np.inf)), threshold)
        value = np.zeros((tree.node_count, classes), np.float32)
        share = tree.value[:, 0, :]
        value[:, estimator.classes_] = share / np.maximum(share.sum(1, keepdims=True), 1e-12)
        parts["feature"].append(np.where(leaf, 0, tree.feature + first).astype(np.int16))
        parts["threshold"].append(np.where(leaf, 0, threshold).astype(np.float32))
        parts["left"].append(np.where(leaf, -1, tree.children_left + offset).astype(np.int32))
        parts["right"].append(np.where(leaf, -1, tree.children_right + offset).astype(np.int32))
        parts["value"].append(value)
        roots.append(offset)
        offset += tree.node_count
    return {name: np.concatenate(values) for name, values in parts.items()} | {"root": np.array(roots, np.int32)}
