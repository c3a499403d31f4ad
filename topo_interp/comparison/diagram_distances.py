"""Distances between diagrams, with the matching behind them and the convention in the result."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from topo_interp._errors import InputError
from topo_interp.homology.diagrams import Diagrams

if TYPE_CHECKING:
    import pandas

__all__ = [
    "DiagramDistance",
    "betti_distance",
    "bottleneck",
    "landscape_distance",
    "match_bars",
    "sliced_wasserstein",
    "wasserstein",
]

# The linear programme of POT grows with the square of the number of bars; above this Hera's auction takes over.
_EXACT_BARS = 2000
_HERA_DELTA = 1e-6


@dataclasses.dataclass(frozen=True)
class DiagramDistance:
    """A distance between two diagrams of one degree.

    Made by :func:`bottleneck` and the other distances of this module.

    Attributes:
        name: which distance.
        value: the number; ``inf`` when the diagrams have different numbers of open bars.
        dim: degree of homology.
        convention: ground metric, power, root and what happened to open bars.
        relative_error: of the solver; 0.0 when it is exact up to floating point.
        certified: (low, high): where the distance of the *true* diagrams lies, given both certificates. None for a distance
            that sums over bars: within the same bound the true diagrams may hold any number of further short bars.
    """

    name: str
    value: float
    dim: int
    convention: str
    relative_error: float
    certified: tuple[float, float] | None = None

    def __float__(self) -> float:
        return self.value


def _pairs(a: Diagrams, b: Diagrams, dim: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Finite bars of both, and births of the open bars of both."""
    for name, d in (("a", a), ("b", b)):
        if not isinstance(d, Diagrams):
            raise InputError(f"{name} is a {type(d).__name__}; Diagrams are needed, such as ti.Rips(max_dim=1)(x)")
    if a.censored_at != b.censored_at:
        raise InputError(
            f"one diagram is cut at {a.censored_at} and the other at {b.censored_at}; open bars then mean different things: "
            "compute both with the same threshold, or without one"
        )
    finite = [d.finite(dim) for d in (a, b)]
    open_births = [np.sort(d[dim][d.open(dim), 0]) for d in (a, b)]
    return finite, open_births


def _open_rule(a: Diagrams) -> str:
    if a.censored_at is None:
        return "open bars are matched with open bars by their births"
    return f"open bars (cut at {a.censored_at:g}) are matched with open bars by their births"


def _certified(value: float, slack: float) -> tuple[float, float]:
    return max(0.0, value - slack) if math.isfinite(value) else value, value + slack


def bottleneck(a: Diagrams, b: Diagrams, dim: int) -> DiagramDistance:
    """The bottleneck distance, exact: the smallest largest shift that carries one diagram into the other.

    Ground metric: the largest of the two coordinates' differences; a bar may also go to the diagonal, which costs half its
    length. By stability it is at most the largest difference of the two distance matrices.

    >>> one, two = Diagrams.from_bars([[(0, 4)]]), Diagrams.from_bars([[(0, 5), (1, 2)]])
    >>> bottleneck(one, two, dim=0).value
    1.0

    Args:
        a, b: the diagrams; both whole, or both cut at the same threshold.
        dim: degree of homology.

    Raises:
        InputError: not Diagrams, or cut at different thresholds.

    Source: Cohen-Steiner, Edelsbrunner, Harer 2007; computed by gudhi.

    Cost: O(k^1.5 log k) for k bars.
    """
    import gudhi

    (left, right), (left_open, right_open) = _pairs(a, b, dim)
    if len(left_open) != len(right_open):
        value = math.inf
    else:
        value = float(gudhi.bottleneck_distance(left, right, 0.0)) if len(left) or len(right) else 0.0
        value = max(value, float(np.abs(left_open - right_open).max(initial=0.0)))
    slack = a.certificate.bottleneck_bound + b.certificate.bottleneck_bound
    return DiagramDistance("bottleneck", value, dim, f"largest coordinate; {_open_rule(a)}", 0.0, _certified(value, slack))


def wasserstein(a: Diagrams, b: Diagrams, dim: int, order: float = 1) -> DiagramDistance:
    """The Wasserstein distance: ``(sum over the best matching of (largest coordinate difference)^order)^(1/order)``.

    Up to 2,000 bars in each diagram by the linear programme of POT, exact up to floating point; above by Hera's auction with a
    relative error of at most 1e-6, which the result states.

    >>> one, two = Diagrams.from_bars([[(0, 4)]]), Diagrams.from_bars([[(0, 5), (1, 2)]])
    >>> wasserstein(one, two, dim=0).value
    1.5

    Args:
        a, b: the diagrams; both whole, or both cut at the same threshold.
        dim: degree of homology.
        order: p, at least 1 and finite; :func:`bottleneck` is the limit.

    Raises:
        InputError: not Diagrams, cut at different thresholds, or an order below 1.

    Cost: O(k^2) memory for k bars up to 2,000 bars.
    """
    if not (isinstance(order, (int, float)) and 1 <= order < math.inf):
        raise InputError(f"order is {order!r}; a number >= 1 is needed (for the limit, use ti.bottleneck)")
    (left, right), (left_open, right_open) = _pairs(a, b, dim)
    exact = max(len(left), len(right)) <= _EXACT_BARS
    if len(left_open) != len(right_open):
        value = math.inf
    elif len(left) == len(right) == 0:
        value = 0.0
    elif exact:
        _need_pot()
        from gudhi.wasserstein import wasserstein_distance

        value = float(wasserstein_distance(left, right, order=order, internal_p=np.inf, keep_essential_parts=False))
    else:
        from gudhi.hera import wasserstein_distance as hera

        value = float(hera(left, right, order=order, internal_p=np.inf, delta=_HERA_DELTA))
    if math.isfinite(value):
        value = float((value**order + np.sum(np.abs(left_open - right_open) ** order)) ** (1 / order))
    convention = f"ground metric: largest coordinate; power {order:g}, root taken; {_open_rule(a)}"
    return DiagramDistance("wasserstein", value, dim, convention, 0.0 if exact else _HERA_DELTA)


def _need_pot() -> None:
    from importlib.util import find_spec

    if find_spec("ot") is None:
        from topo_interp._errors import MissingEngineError

        raise MissingEngineError("exact Wasserstein distances and matchings need POT: pip install 'topo-interp[ot]'")


def match_bars(a: Diagrams, b: Diagrams, dim: int, *, order: float = 1) -> pandas.DataFrame:
    """The matching behind the Wasserstein distance (``order=inf``: a matching within the bottleneck distance).

    One row per matched pair: ``a`` and ``b`` (positions in ``a[dim]`` and ``b[dim]``, -1 for the diagonal), births and deaths,
    ``cost`` (largest coordinate difference, or half the length).

    >>> one, two = Diagrams.from_bars([[(0, 4)]]), Diagrams.from_bars([[(0, 5), (1, 2)]])
    >>> match_bars(one, two, dim=0)[["a", "b", "cost"]].values.tolist()
    [[0.0, 0.0, 1.0], [-1.0, 1.0, 0.5]]

    Args:
        a, b: the diagrams; both whole, or both cut at the same threshold.
        dim: degree of homology.
        order: p >= 1 of the Wasserstein distance, or ``math.inf``.

    Raises:
        InputError: not Diagrams, cut at different thresholds, different numbers of open bars, or an order below 1.

    Cost: O(k^3) time and O(k^2) memory for k bars.
    """
    import pandas

    if not (isinstance(order, (int, float)) and order >= 1):
        raise InputError(f"order is {order!r}; a number >= 1 is needed, or math.inf")
    (left, right), (left_open, right_open) = _pairs(a, b, dim)
    if len(left_open) != len(right_open):
        raise InputError(f"a has {len(left_open)} open bars and b has {len(right_open)}: no matching has finite cost")
    where = [np.flatnonzero(~d.open(dim)) for d in (a, b)]
    opened = [np.flatnonzero(d.open(dim))[np.argsort(d[dim][d.open(dim), 0], kind="stable")] for d in (a, b)]
    pairs = [(int(i), int(j)) for i, j in zip(*opened, strict=True)]
    for i, j in _assignment(left, right, order):
        pairs.append((int(where[0][i]) if i >= 0 else -1, int(where[1][j]) if j >= 0 else -1))
    rows = []
    for i, j in sorted(pairs, key=lambda pair: (pair[0] < 0, pair[0], pair[1])):
        bar_a = a[dim][i] if i >= 0 else np.array([np.nan, np.nan])
        bar_b = b[dim][j] if j >= 0 else np.array([np.nan, np.nan])
        if i >= 0 and j >= 0:
            cost = float(np.abs(bar_a[0] - bar_b[0]) if np.isinf(bar_a[1]) else np.abs(bar_a - bar_b).max())
        else:
            bar = bar_a if i >= 0 else bar_b
            cost = float(bar[1] - bar[0]) / 2
        rows.append((i, j, *bar_a, *bar_b, cost))
    return pandas.DataFrame(rows, columns=["a", "b", "birth_a", "death_a", "birth_b", "death_b", "cost"])


def _assignment(left: np.ndarray, right: np.ndarray, order: float) -> list[tuple[int, int]]:
    """An optimal matching of finite bars; -1 is the diagonal."""
    from scipy.optimize import linear_sum_assignment

    m, n = len(left), len(right)
    if m + n == 0:
        return []
    cost = np.abs(left[:, None] - right[None]).max(axis=-1) if m and n else np.zeros((m, n))
    to_diagonal = [(bars[:, 1] - bars[:, 0]) / 2 for bars in (left, right)]
    if math.isinf(order):
        full = np.zeros((m + n, n + m))
        full[:m, :n] = cost
        full[:m, n:] = to_diagonal[0][:, None]
        full[m:, :n] = to_diagonal[1][None]
        rows, columns = linear_sum_assignment(_within_smallest_largest(full))
        return [(i if i < m else -1, j if j < n else -1) for i, j in zip(rows, columns, strict=True) if i < m or j < n]
    # What a pair saves against both its bars going to the diagonal: with "saves nothing" for all other pairs, the best
    # assignment of m to n bars is the best partial matching, at a quarter of the size of the one with diagonals.
    saved = np.minimum(0.0, cost**order - to_diagonal[0][:, None] ** order - to_diagonal[1][None] ** order)
    pairs = [(int(i), int(j)) for i, j in zip(*linear_sum_assignment(saved), strict=True) if saved[i, j] < 0]
    taken = [set(side) for side in zip(*pairs, strict=True)] or [set(), set()]
    return [*pairs, *((i, -1) for i in range(m) if i not in taken[0]), *((-1, j) for j in range(n) if j not in taken[1])]


def _within_smallest_largest(cost: np.ndarray) -> np.ndarray:
    """Costs that forbid every pair above the smallest value at which a perfect matching exists; the rest keep their cost."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_bipartite_matching

    values = np.unique(cost)
    low, high = 0, len(values) - 1
    while low < high:
        middle = (low + high) // 2
        matched = maximum_bipartite_matching(csr_array(cost <= values[middle]), perm_type="column")
        low, high = (low, middle) if (matched >= 0).all() else (middle + 1, high)
    return np.where(cost <= values[low], cost, 1e9 * (1.0 + values[-1]))


def sliced_wasserstein(a: Diagrams, b: Diagrams, dim: int, *, directions: int = 50) -> DiagramDistance:
    """Sliced Wasserstein distance of the finite bars: the mean over directions of 1-Wasserstein distances on lines.

    >>> one, two = Diagrams.from_bars([[(0, 4)]]), Diagrams.from_bars([[(0, 5)]])
    >>> sliced_wasserstein(one, one, dim=0).value, round(sliced_wasserstein(one, two, dim=0).value, 4)
    (0.0, 0.9757)

    Args:
        a, b: the diagrams; both whole, or both cut at the same threshold.
        dim: degree of homology.
        directions: number of evenly spaced directions; more come closer to the mean over all.

    Raises:
        InputError: not Diagrams, or cut at different thresholds.

    Source: Carriere, Cuturi, Oudot 2017; computed by gudhi.representations.

    Cost: O(directions k log k) for k bars.
    """
    from gudhi.representations import SlicedWassersteinDistance

    (left, right), (left_open, right_open) = _pairs(a, b, dim)
    if len(left_open) != len(right_open):
        value = math.inf
    elif len(left) + len(right) == 0:
        value = 0.0
    else:
        # Each diagram is completed by the other's points on the diagonal, so an empty one is legal in the theory;
        # a bar of no length stands for it.
        empty = np.zeros((1, 2))
        value = float(SlicedWassersteinDistance(num_directions=directions)(*(bars if len(bars) else empty for bars in (left, right))))
    convention = f"{directions} directions of a half circle; finite bars only"
    return DiagramDistance("sliced_wasserstein", value, dim, convention, 0.0)


def _breakpoints(*diagrams: np.ndarray) -> np.ndarray:
    return np.unique(np.concatenate([bars.ravel() for bars in diagrams]))


def betti_distance(a: Diagrams, b: Diagrams, dim: int) -> DiagramDistance:
    """Area between the Betti curves of the finite bars, exact (the curves are step functions).

    It has no Lipschitz constant in the bottleneck distance: many short bars weigh much.

    >>> one, two = Diagrams.from_bars([[(0, 4)]]), Diagrams.from_bars([[(0, 5), (1, 2)]])
    >>> betti_distance(one, two, dim=0).value
    2.0

    Args:
        a, b: the diagrams; both whole, or both cut at the same threshold.
        dim: degree of homology.

    Raises:
        InputError: not Diagrams, or cut at different thresholds.

    Cost: O(k log k) for k bars.
    """
    (left, right), (left_open, right_open) = _pairs(a, b, dim)
    if len(left_open) != len(right_open):
        value = math.inf
    else:
        grid = _breakpoints(left, right)
        curves = [
            np.searchsorted(np.sort(bars[:, 0]), grid, side="right") - np.searchsorted(np.sort(bars[:, 1]), grid, side="right")
            for bars in (left, right)
        ]
        value = float(np.sum(np.abs(curves[0] - curves[1])[:-1] * np.diff(grid))) if len(grid) else 0.0
    return DiagramDistance("betti", value, dim, "area between step functions; finite bars only", 0.0)


def landscape_distance(a: Diagrams, b: Diagrams, dim: int) -> DiagramDistance:
    """Largest difference of the persistence landscapes of the finite bars; at most the bottleneck distance.

    Evaluated at the ends and midpoints of all bars and on 2,001 even steps; what a difference can grow between two of these
    values is in ``certified``.

    >>> one, two = Diagrams.from_bars([[(0, 4)]]), Diagrams.from_bars([[(0, 6)]])
    >>> landscape_distance(one, two, dim=0).value
    2.0

    Args:
        a, b: the diagrams; both whole, or both cut at the same threshold.
        dim: degree of homology.

    Raises:
        InputError: not Diagrams, or cut at different thresholds.

    Source: Bubenik 2015; stability: Chazal et al. 2015. Cost: O(k^2) for k bars.
    """
    (left, right), (left_open, right_open) = _pairs(a, b, dim)
    step = 0.0
    if len(left_open) != len(right_open):
        value = math.inf
    elif len(left) + len(right) == 0:
        value = 0.0
    else:
        ends = _breakpoints(left, right)
        grid = np.unique(np.concatenate((ends, np.concatenate([bars.mean(axis=1) for bars in (left, right)]))))
        grid = np.unique(np.concatenate((grid, np.linspace(ends[0], ends[-1], 2001))))
        step = float(np.diff(grid).max(initial=0.0))
        values = []
        for bars in (left, right):
            tents = np.maximum(0.0, np.minimum(grid - bars[:, :1], bars[:, 1:] - grid)) if len(bars) else np.zeros((0, len(grid)))
            values.append(-np.sort(-tents, axis=0))
        layers = max(len(left), len(right))
        full = [np.concatenate((one, np.zeros((layers - len(one), len(grid))))) for one in values]
        value = float(np.abs(full[0] - full[1]).max())
    # Both landscapes have slope at most 1, so that between two grid points the difference grows by at most the step.
    slack = a.certificate.bottleneck_bound + b.certificate.bottleneck_bound
    low, high = _certified(value, slack)
    convention = "supremum over layers and values; finite bars only"
    return DiagramDistance("landscape", value, dim, convention, 0.0, (low, high + step))

