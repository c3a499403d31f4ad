"""Comparisons of how two clouds of the same rows merge: representation topology divergence and its degree-0 relatives."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from topo_interp._errors import BudgetError, InputError
from topo_interp._memory import free_bytes, readable
from topo_interp.certificate import Term
from topo_interp.comparison._paired import (
    Comparison,
    Properties,
    correlation_of_ranks,
    interval_rows,
    metric_of,
    paired_matrices,
    with_interval,
)
from topo_interp.geometry.distance_matrix import DistanceMatrix, pair_position
from topo_interp.homology.diagrams import Diagrams
from topo_interp.homology.engines import choose_engine
from topo_interp.homology.rips import Rips

__all__ = ["cross_barcode", "merge_order", "rtd", "rtd_lite"]

RTD = Properties("rtd", False, True, "isometry, isotropic scale", False, True)
RTD_LITE = Properties("rtd_lite", False, True, "isometry, isotropic scale", False, True)
MERGE_ORDER = Properties("merge_order", False, True, "isometry, monotone change of distances", True, True)

_QUANTILE = 0.9
_UNIT = f"divided by the {_QUANTILE} quantile of the full matrix"


def _normalized(first: DistanceMatrix, second: DistanceMatrix, needed_by: str) -> tuple[np.ndarray, np.ndarray, float]:
    """Both condensed, in units of the 0.9 quantile of their full square matrix, and how far an entry can be from the exact one."""
    out, rounding = [], 0.0
    for name, matrix in zip("xy", (first, second), strict=True):
        unit = _full_quantile(matrix.condensed, matrix.n)
        if unit == 0:
            raise InputError(f"{needed_by} is not defined here: more than {_QUANTILE:.0%} of the distances of {name} are 0")
        out.append(matrix.condensed / np.float32(unit))
        # With distances within r, so is their quantile q: |w / q - w' / q'| <= (1 + w' / q') r / (q' - r). The rounding of the unit
        # and that of the quotient, to float32 both, are together one of 2^-23.
        largest = float(matrix.condensed.max()) / unit
        of_both = (1 + largest) * matrix.rounding / (unit - matrix.rounding) if matrix.rounding < unit else math.inf
        rounding = max(rounding, of_both + 2.0**-23 * largest)
    return out[0], out[1], rounding


def _require_memory(n: int, max_dim: int, needed_by: str) -> None:
    """Refuses what does not fit before it is made: of 2n points the distances and the engine's copies, of n points five matrices."""
    recipe = Rips("precomputed", max_dim=max_dim)
    union = 4 * (2 * n) * (2 * n - 1) // 2
    needed = union + recipe.working_memory(choose_engine("auto", recipe, 2 * n), 2 * n, from_points=False) + 5 * 4 * n * (n - 1) // 2
    budget = free_bytes() // 2
    if needed > budget:
        raise BudgetError(
            f"{needed_by} of {n} rows needs {readable(needed)}, over half of the memory that is free ({readable(budget)}): take about "
            f"{int(n * math.sqrt(budget / needed))} of the rows, or ti.rtd_lite, which needs no distances of {2 * n} points"
        )


def _full_quantile(condensed: np.ndarray, n: int) -> float:
    """The 0.9 quantile of the full square matrix, its zero diagonal included, linearly interpolated (numpy's default)."""
    # Each distance stands twice in the square and there are n zeros: the two order statistics around the quantile are found
    # in the half, so that no square is made.
    position = _QUANTILE * (n * n - 1)
    below, share = int(np.floor(position)), position - np.floor(position)
    ranks = [max(0, k - n) // 2 if k >= n else -1 for k in (below, min(below + 1, n * n - 1))]
    wanted = sorted({rank for rank in ranks if rank >= 0})
    found = dict(zip(wanted, np.partition(condensed, wanted)[wanted].astype(np.float64), strict=True)) if wanted else {}
    low, high = (found.get(rank, 0.0) for rank in ranks)
    return float(low + share * (high - low))


def cross_barcode(x: Any, y: Any, *, metric: str = "euclidean", max_dim: int = 1) -> Diagrams:
    """R-Cross-Barcode: the features of the union graph min(w, w') that w does not have, as bars.

    With w and w' the distances of x and y, each divided by the 0.9 quantile of its full square matrix, it is the
    Vietoris-Rips persistence of 2n vertices: the first n at distance 0 from each other, the cross block w, the last n with
    ``min(w, w')``. A bar of degree 1 is a pair of clusters that y joins earlier than x.

    >>> x = [[0.0], [1.0], [5.0], [6.0]]
    >>> y = [[0.0], [1.0], [2.0], [3.0]]
    >>> cross_barcode(x, x)
    Diagrams(H0: 1 bar, H1: 0 bars)
    >>> cross_barcode(x, y)[1].round(4)  # y joins the two pairs of x at 0.4 of its scale, x at 0.7273
    array([[0.4   , 0.7273]])

    Args:
        x, y: points (n, d) and (n, e) or DistanceMatrices, row i of both is the same observation.
        metric: a name from ``ti.metrics.table()``, for points.
        max_dim: highest degree of homology.

    Raises:
        InputError: different rows, fewer than three, or nearly all distances of a cloud are 0.
        BudgetError: it needs more than half of the memory that is free.

    Source: Barannikov, Trofimov, Balabin, Burnaev, ICML 2022 (arXiv:2201.00058).

    Cost: the distances of both clouds and the Vietoris-Rips persistence of 2n points, about 42 n^2 bytes up to degree 1.
    """
    pair = paired_matrices(x, y, metric, at_least=3, needed_by="cross_barcode")
    _require_memory(pair[0].n, max_dim, "cross_barcode")
    first, second, rounding = _normalized(*pair, "cross_barcode")
    found = _cross_barcode(first, second, pair[0].n, max_dim)
    return dataclasses.replace(found, certificate=dataclasses.replace(found.certificate, terms=(Term("rounding", rounding, rounding),)))


def _cross_barcode(first: np.ndarray, second: np.ndarray, n: int, max_dim: int = 1) -> Diagrams:
    rows = np.arange(n)
    condensed = np.zeros(2 * n * (2 * n - 1) // 2, dtype=np.float32)
    start = 0
    for i in range(n):  # row i of the upper half: n - 1 - i zeros, then the cross block, which is row i of the square of w
        cross = start + n - 1 - i
        condensed[cross : cross + i] = first[pair_position(rows[:i], i, n)]
        condensed[cross + i + 1 : cross + n] = first[pair_position(i, rows[i + 1 :], n)]
        start = cross + n
    condensed[start:] = np.minimum(first, second)
    return Rips("precomputed", max_dim=max_dim)(DistanceMatrix(condensed, 2 * n))


def rtd(x: Any, y: Any, *, metric: str = "euclidean", subsamples: int = 0, seed: int = 0) -> Comparison:
    """Representation topology divergence: total length of the degree-1 cross-barcode, both directions and their mean.

    ``forward`` is RTD_1(w_x, w_y), ``backward`` the other way, ``value`` their mean; exact, all rows at once. It is 0 when the
    merge structure agrees at every scale. The value grows with n: only results of the same n compare.

    Source: Barannikov et al., ICML 2022 (arXiv:2201.00058).

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(40, 3))
    >>> rtd(x, 2 * x).value
    0.0

    Args:
        x, y: points (n, d) and (n, e) or DistanceMatrices, row i of both is the same observation.
        metric: a name from ``ti.metrics.table()``, for points.
        subsamples: number of subsamples for the interval; 0 for none.
        seed: of the subsamples.

    Raises:
        InputError: different rows, fewer than three, or nearly all distances of a cloud are 0.
        BudgetError: it needs more than half of the memory that is free.

    Error bound: along the straight path from the computed to the exact distances every pair of the reduction moves
    continuously, by at most the rounding at both ends, and there are at most as many pairs as edges m = n (2n - 1); the value
    is within 2 m x rounding. That worst case is ``error``; it is loose, since nearly all pairs keep length 0.
    Cost: two exact H1 computations of 2n points, about 42 n^2 bytes.
    """
    first, second = paired_matrices(x, y, metric, at_least=3, needed_by="rtd")
    n = first.n
    rows = interval_rows(n, subsamples, seed, at_least=3, needed_by="rtd")
    _require_memory(n, 1, "rtd")

    def both(a: DistanceMatrix, b: DistanceMatrix) -> tuple[float, float, float]:
        one, two, rounding = _normalized(a, b, "rtd")
        bars = [_cross_barcode(*pair, a.n).finite(1) for pair in ((one, two), (two, one))]
        forward, backward = (float(np.sum(pairs[:, 1] - pairs[:, 0])) for pairs in bars)
        return forward, backward, 2.0 * n * (2 * n - 1) * rounding

    forward, backward, error = both(first, second)
    result = Comparison(
        "rtd",
        (forward + backward) / 2,
        forward,
        backward,
        n,
        f"{metric_of(first, second)} {_UNIT}; degree 1; sum of lengths; mean of both directions",
        comparable_across_n=False,
        error=error,
    )
    return with_interval(result, lambda index: float(np.mean(both(first.take(index), second.take(index))[:2])), rows, seed)


def rtd_lite(x: Any, y: Any, *, metric: str = "euclidean", subsamples: int = 0, seed: int = 0) -> Comparison:
    """RTD-Lite: how much shorter the spanning tree of min(w, w') is than those of w and of w'.

    ``forward = MST(w_x) - MST(min)``, ``backward = MST(w_y) - MST(min)``, ``value`` their mean, after the normalization of
    :func:`rtd`. It is another quantity than RTD, not its approximation: on clusters that split it can fall where RTD grows.

    >>> x = [[0.0], [1.0], [5.0], [6.0]]
    >>> y = [[0.0], [1.0], [2.0], [3.0]]
    >>> found = rtd_lite(x, y)
    >>> round(found.forward, 4), round(found.backward, 4), round(found.value, 4)
    (0.3273, 0.4364, 0.3818)

    Args:
        x, y: points (n, d) and (n, e) or DistanceMatrices, row i of both is the same observation.
        metric: a name from ``ti.metrics.table()``, for points.
        subsamples: number of subsamples for the interval; 0 for none.
        seed: of the subsamples.

    Raises:
        InputError: different rows, fewer than three, or nearly all distances of a cloud are 0.

    Error bound: each of the n - 1 edges of a tree moves by at most the rounding, in both trees of a difference: ``error`` is
    2 (n - 1) x rounding.
    Cost: three spanning trees, O(n^2).
    """
    first, second = paired_matrices(x, y, metric, at_least=3, needed_by="rtd_lite")
    n = first.n
    rows = interval_rows(n, subsamples, seed, at_least=3, needed_by="rtd_lite")

    def both(a: DistanceMatrix, b: DistanceMatrix) -> tuple[float, float, float]:
        one, two, rounding = _normalized(a, b, "rtd_lite")
        joint = _tree_length(np.minimum(one, two))
        return _tree_length(one) - joint, _tree_length(two) - joint, 2.0 * (n - 1) * rounding

    forward, backward, error = both(first, second)
    result = Comparison(
        "rtd_lite",
        (forward + backward) / 2,
        forward,
        backward,
        n,
        f"{metric_of(first, second)} {_UNIT}; lengths of spanning trees; mean of both directions",
        comparable_across_n=False,
        error=error,
    )
    return with_interval(result, lambda index: float(np.mean(both(first.take(index), second.take(index))[:2])), rows, seed)


def _linkage(condensed: np.ndarray) -> np.ndarray:
    from scipy.cluster.hierarchy import linkage

    return linkage(condensed.astype(np.float64), "single")


def _tree_length(condensed: np.ndarray) -> float:
    return float(np.sum(_linkage(condensed)[:, 2]))  # single linkage merges along a minimum spanning tree


def merge_order(x: Any, y: Any, *, metric: str = "euclidean", subsamples: int = 0, seed: int = 0) -> Comparison:
    """Spearman's correlation of the orders in which two clouds merge their rows: symmetric, in [-1, 1], free of scale.

    Over all pairs of rows, the height at which single linkage first joins the pair (the cophenetic distance: the largest edge
    on the path in the minimum spanning tree) is ranked in x and in y, ties by their mean rank, and the ranks are correlated.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(40, 3))
    >>> merge_order(x, 5 * x).value
    1.0

    Args:
        x, y: points (n, d) and (n, e) or DistanceMatrices, row i of both is the same observation.
        metric: a name from ``ti.metrics.table()``, for points.
        subsamples: number of subsamples for the interval; 0 for none.
        seed: of the subsamples.

    Raises:
        InputError: different rows, or a cloud whose rows all merge at once.

    Cost: O(n^2 log n).
    """
    from scipy.cluster.hierarchy import cophenet

    first, second = paired_matrices(x, y, metric, at_least=3, needed_by="merge_order")
    rows = interval_rows(first.n, subsamples, seed, at_least=3, needed_by="merge_order")

    def value(a: DistanceMatrix, b: DistanceMatrix) -> float:
        heights = [cophenet(_linkage(matrix.condensed)) for matrix in (a, b)]
        return correlation_of_ranks(
            heights[0], heights[1], lambda name: f"merge_order is not defined here: all rows of {name} merge at once"
        )

    one = value(first, second)
    convention = f"Spearman of single-linkage heights over all pairs, {metric_of(first, second)}"
    result = Comparison("merge_order", one, one, one, first.n, convention, comparable_across_n=True)
    return with_interval(result, lambda index: value(first.take(index), second.take(index)), rows, seed)
