"""95 % confidence intervals: bootstrap over images (over groups of images where there are groups), Wilson for rates.

Resampling whole groups (cluster bootstrap; Field & Welsh 2007) keeps near-duplicates from making intervals too narrow.
A rate that is 0 or 1 in the sample would get the interval [0, 0] or [1, 1] from any bootstrap, so rates have Wilson's
score interval (Wilson 1927), with the number of images divided by the design effect of the groups (Kish 1965).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from kizu.core.seeds import Stream, generator

_Z = 1.959963984540054  # 97.5 % point of the normal distribution
_CHUNK = 4_000_000  # entries of a weight matrix held at a time


class Bootstrap:
    """The same resamples for every figure of one evaluation."""

    def __init__(self, groups: Sequence[str], resamples: int = 1000, seed: int = 0):
        """
        Args:
            groups: the group of each image; "" = an image on its own.
        """
        names = [name or (i,) for i, name in enumerate(groups)]  # a tuple is never equal to a name
        order = {name: k for k, name in enumerate(dict.fromkeys(names))}
        self.group = np.array([order[name] for name in names], np.int64)
        self.groups = len(order)
        self.grouped = self.groups < len(names)
        self.resamples = resamples if self.groups > 1 else 0
        self._seed = seed

    def weights(self):
        """How often each group was drawn, float64 (r, groups), chunk after chunk until all resamples are through."""
        random = generator(self._seed, Stream.BOOTSTRAP)
        step = max(1, _CHUNK // max(self.groups, 1))
        for start in range(0, self.resamples, step):
            rows = min(step, self.resamples - start)
            drawn = random.integers(0, self.groups, (rows, self.groups))
            drawn += np.arange(rows)[:, None] * self.groups
            yield np.bincount(drawn.ravel(), minlength=rows * self.groups).reshape(rows, -1).astype(np.float64)

    def of_sums(
        self, sums: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray]
    ) -> list[tuple[float, float] | tuple[None, None]]:
        """Intervals of figures that depend on sums over images alone.

        Args:
            sums: (images, ...), what each image adds.
            statistic: sums over images (r, ...) -> figures (r, K), NaN where undefined.

        Returns:
            K pairs (low, high), or (None, None) where there is no interval.
        """
        sums = np.asarray(sums, np.float64)
        flat = sums.reshape(len(sums), -1)
        by_group = np.zeros((self.groups, flat.shape[1]))
        np.add.at(by_group, self.group, flat)
        draws = [statistic((w @ by_group).reshape(len(w), *sums.shape[1:])) for w in self.weights()]
        if draws:
            return _percentiles(np.concatenate(draws))
        return [(None, None)] * statistic(sums.sum(axis=0)[None]).shape[1]

    def auroc(self, scores: np.ndarray, positive: np.ndarray, used: np.ndarray) -> tuple:
        """Interval of the area under the ROC curve of images.

        Args:
            scores: (images,).
            positive: bool (images,).
            used: bool (images,), the images that count.
        """
        order = np.argsort(-scores[used], kind="stable")
        places = np.nonzero(used)[0][order]
        starts = np.nonzero(np.diff(scores[places], prepend=np.inf))[0]
        draws = []
        for weights in self.weights():
            weights = weights[:, self.group[places]]
            hits = np.add.reduceat(weights * positive[places], starts, axis=1)
            false = np.add.reduceat(weights * ~positive[places], starts, axis=1)
            area = np.sum(false * (np.cumsum(hits, axis=1) - hits / 2), axis=1)
            pairs = hits.sum(1) * false.sum(1)
            draws.append(np.divide(area, pairs, out=np.full(len(area), np.nan), where=pairs > 0))
        return _percentiles(np.concatenate(draws)[:, None])[0] if draws else (None, None)

    def rate(self, hits: np.ndarray, used: np.ndarray) -> tuple[float, float]:
        """Wilson's interval of ``hits`` among the images ``used`` (bool (images,), at least one)."""
        count, found = int(used.sum()), int((hits & used).sum())
        return wilson(found, count, self._design_effect(hits & used, used))

    def _design_effect(self, hits: np.ndarray, used: np.ndarray) -> float:
        """How many times larger the variance of the rate is than with independent images; at least 1.

        The variance of a ratio over groups (Cochran 1977, section 11.8); where all or no image is a hit, the mean size
        of a group, which is its worst case.
        """
        total = np.bincount(self.group, used, self.groups)
        total, found = total[total > 0], np.bincount(self.group, hits, self.groups)[total > 0]
        count, groups = total.sum(), len(total)
        rate = found.sum() / count
        if groups == count:
            return 1.0
        if groups == 1 or rate in (0.0, 1.0):
            return float(count / groups)
        variance = groups / (groups - 1) * np.sum((found - rate * total) ** 2) / count**2
        return float(max(variance / (rate * (1 - rate) / count), 1.0))


def wilson(found: int, count: int, design_effect: float = 1.0) -> tuple[float, float]:
    """Wilson's 95 % score interval of the rate ``found / count``.

    >>> [round(v, 4) for v in wilson(0, 10)]
    [0.0, 0.2775]
    """
    size = count / design_effect
    rate = found / count
    middle = (rate + _Z**2 / (2 * size)) / (1 + _Z**2 / size)
    half = _Z / (1 + _Z**2 / size) * np.sqrt(rate * (1 - rate) / size + _Z**2 / (4 * size**2))
    # At the ends the equation gives 0 and 1 but for rounding, which a report would show as 1e-15.
    low = 0.0 if found == 0 else max(middle - half, 0.0)
    high = 1.0 if found == count else min(middle + half, 1.0)
    return float(low), float(high)


def _percentiles(draws: np.ndarray) -> list[tuple]:
    """2.5 and 97.5 % points of each column; none where the figure is undefined in half of the resamples or more."""
    out = []
    for column in draws.T:
        column = column[np.isfinite(column)]
        enough = len(column) > len(draws) / 2
        out.append(tuple(float(v) for v in np.percentile(column, [2.5, 97.5])) if enough else (None, None))
    return out
