"""Multinomial logistic regression for the members of a scorer, and log odds."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import numpy as np

# scikit-learn clears and refills Python's warning filters, which are those of the whole process, while it fits this.
_ONE_FIT = Lock()
LIMIT = 8.0  # log odds that a linear member says at most


def log_odds(share: np.ndarray) -> np.ndarray:
    """Of shares between 0 and 1, both excluded."""
    return np.log(share) - np.log1p(-share)


def limited(share: np.ndarray) -> np.ndarray:
    """Log odds of shares in 0..1, between -:data:`LIMIT` and :data:`LIMIT`."""
    return np.clip(log_odds(np.clip(share, 1e-6, 1 - 1e-6)), -LIMIT, LIMIT)


def each_against_all(scores: np.ndarray) -> np.ndarray:
    """Log odds (N, K - 1), between -:data:`LIMIT` and :data:`LIMIT`, of each class but the first against all others.

    Args:
        scores: (N, K), the sums of a multinomial logistic regression.
    """
    share = np.exp(scores - scores.max(1, keepdims=True))
    share /= share.sum(1, keepdims=True)
    return limited(share)[:, 1:]


@contextmanager
def side_by_side() -> Iterator[None]:
    """For fits in several threads: none of them has threads of its own, and none speaks of ending early, for a hundred
    steps are plenty for an ensemble member.

    Both are settings of the whole process, so this goes around all threads.
    """
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    with warnings.catch_warnings(), threadpool_limits(1, user_api="blas"):
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def logistic(
    rows: np.ndarray, labels: np.ndarray, weights: np.ndarray, classes: int, strength: float
) -> tuple[np.ndarray, np.ndarray]:
    """Multinomial logistic regression: weights (F, K) and bias (K,); a class without rows gets the lowest log odds."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    weight, bias = np.zeros((rows.shape[1], classes + 1)), np.full(classes + 1, -LIMIT)
    present = np.unique(labels)
    if len(present) == 1:
        bias[present] = 0.0
        return weight, bias
    linear = LogisticRegression(C=strength, max_iter=100)
    # On matrices so narrow, threads of the linear algebra library wait for each other far longer than they work.
    with threadpool_limits(1, user_api="blas"), _ONE_FIT:
        linear.fit(rows, labels, weights)
    coefficients, intercepts = linear.coef_, linear.intercept_
    if len(present) == 2:  # scikit-learn gives one row then: the log odds of the second class
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    weight[:, present] = coefficients.T
    bias[present] = intercepts
    return weight, bias
