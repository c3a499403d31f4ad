"""Comparisons by ranks of neighbors: overlap and information imbalance."""

from __future__ import annotations

from typing import Any

import numpy as np

from topo_interp._arguments import whole_number
from topo_interp._errors import InputError
from topo_interp.comparison._paired import (
    Comparison,
    Properties,
    interval_rows,
    metric_of,
    paired_matrices,
    with_interval,
)
from topo_interp.geometry.distance_matrix import DistanceMatrix

__all__ = ["information_imbalance", "neighbor_overlap"]

NEIGHBOR_OVERLAP = Properties("neighbor_overlap", False, True, "monotone change of distances", True, True)
INFORMATION_IMBALANCE = Properties("information_imbalance", False, True, "monotone change of distances", False, True)


def neighbor_overlap(
    x: Any, y: Any, k: int, *, metric: str = "euclidean", subsamples: int = 0, seed: int = 0
) -> Comparison:
    """Mean share of the k nearest neighbors of a row that are the same in both clouds; chance level k / (n - 1).

    Ties at the k-th distance count in proportion, so that the value does not depend on the order of the rows.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 5))
    >>> neighbor_overlap(x, 2 * x, k=10).value
    1.0

    Args:
        x, y: points (n, d) and (n, e) or DistanceMatrices, row i of both is the same observation; at least 2 rows.
        k: number of neighbors, from 1 to n - 1.
        metric: a name from ``ti.metrics.table()``, for points.
        subsamples: number of subsamples for the interval; 0 for none.
        seed: of the subsamples.

    Raises:
        InputError: different rows, a cloud whose rows are all equal, or a k that is not below the number of rows (of a subsample).

    Source: Doimo, Glielmo, Ansuini, Laio 2020. Cost: O(n^2 (d + e)) time, two float32 matrices of n x n.
    """
    first, second = paired_matrices(x, y, metric, at_least=2, needed_by="neighbor_overlap")
    n = first.n
    k = whole_number(k, "k", 1, n - 1, why=f"a row has {n - 1} others")
    rows = interval_rows(n, subsamples, seed, at_least=k + 1, needed_by=f"{k} neighbors")
    squares = _squares(first, second, "neighbor_overlap")

    def value(index: np.ndarray | slice) -> float:
        weights = [_neighbor_weights(square[index][:, index], k) for square in squares]
        return float(np.mean(np.sum(np.minimum(*weights), axis=1)) / k)

    one = value(slice(None))
    convention = f"{k} nearest neighbors, {metric_of(first, second)}, ties in proportion"
    result = Comparison("neighbor_overlap", one, one, one, n, convention, comparable_across_n=False)
    return with_interval(result, value, rows, seed)


def _squares(first: DistanceMatrix, second: DistanceMatrix, needed_by: str) -> list[np.ndarray]:
    for name, matrix in zip("xy", (first, second), strict=True):
        if not matrix.condensed.any():
            raise InputError(f"{needed_by} is not defined here: all rows of {name} are equal, so that none is nearer than another")
    return [first.square(), second.square()]


def _neighbor_weights(square: np.ndarray, k: int) -> np.ndarray:
    """Row i holds the weight of every other row as its neighbor; the weights of a row add up to k."""
    distances = square.copy()
    np.fill_diagonal(distances, np.inf)
    last = np.partition(distances, k - 1, axis=1)[:, k - 1 : k]
    inside, tied = distances < last, distances == last
    share = (k - inside.sum(axis=1, keepdims=True)) / tied.sum(axis=1, keepdims=True)
    return inside + tied * share


def information_imbalance(
    x: Any, y: Any, *, metric: str = "euclidean", subsamples: int = 0, seed: int = 0
) -> Comparison:
    """How badly nearest neighbors in one cloud predict nearness in the other: 0 = perfectly, 1 = not at all.

    ``forward`` is ``Delta(x -> y) = 2 / n x`` the mean rank, in y, of each row's nearest neighbor in x; a small forward and a
    large backward value mean that x knows all of y and more. ``value`` is the mean of both. Ties take the mean rank. The least
    value is 2 / n, not 0.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(200, 2))
    >>> both = information_imbalance(x, x[:, :1])
    >>> both.forward < both.backward
    True

    Args:
        x, y: points (n, d) and (n, e) or DistanceMatrices, row i of both is the same observation; at least 3 rows.
        metric: a name from ``ti.metrics.table()``, for points.
        subsamples: number of subsamples for the interval; 0 for none.
        seed: of the subsamples.

    Raises:
        InputError: different rows, fewer than three, or a cloud whose rows are all equal.

    Source: Glielmo, Zeni, Cheng, Csanyi, Laio 2022. Cost: O(n^2 (d + e)) time, two float32 matrices of n x n.
    """
    a, b = paired_matrices(x, y, metric, at_least=3, needed_by="information_imbalance")
    rows = interval_rows(a.n, subsamples, seed, at_least=3, needed_by="information_imbalance")
    squares = _squares(a, b, "information_imbalance")

    def both(index: np.ndarray | slice) -> tuple[float, float]:
        first, second = (square[index][:, index] for square in squares)
        return _imbalance(first, second), _imbalance(second, first)

    forward, backward = both(slice(None))
    result = Comparison(
        "information_imbalance",
        (forward + backward) / 2,
        forward,
        backward,
        a.n,
        f"nearest neighbor, {metric_of(a, b)}, ties by mean rank; mean of both directions",
        comparable_across_n=False,
    )
    return with_interval(result, lambda index: float(np.mean(both(index))), rows, seed)


def _imbalance(source: np.ndarray, target: np.ndarray) -> float:
    n = len(source)
    source, target = source.copy(), target.copy()
    for square in (source, target):
        np.fill_diagonal(square, np.inf)
    nearest = _neighbor_weights(np.where(np.isinf(source), 0, source), 1)
    ranks = np.empty((n, n))
    for i in range(n):
        order = np.sort(target[i])
        # Mean of the first and the last rank that a tied value could take.
        ranks[i] = (np.searchsorted(order, target[i], "left") + 1 + np.searchsorted(order, target[i], "right")) / 2
    np.fill_diagonal(ranks, 0.0)
    return float(2.0 / n * np.mean(np.sum(nearest * ranks, axis=1)))
