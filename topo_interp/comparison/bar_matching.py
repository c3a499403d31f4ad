"""The bars of two diagrams in comparable form, and the matching of one with the other."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from topo_interp._arguments import real_number
from topo_interp._errors import InputError
from topo_interp.homology.diagrams import Diagrams

if TYPE_CHECKING:
    import pandas

__all__ = ["ComparableBars", "comparable_bars", "match_bars", "matched_bars"]


class ComparableBars(NamedTuple):
    """Bars of one degree of two diagrams, both capped at the smaller of their cuts.

    A diagram that a threshold cut tells nothing beyond the cut: a bar that goes on may die anywhere, and others may be born. Births
    and deaths beyond the smaller cut t are therefore set to t in both. ``(b, d) -> (min(b, t), min(d, t))`` moves no two bars apart
    and no bar from the diagonal, so that a distance by matchings of the capped diagrams is at most that of the whole ones.

    Attributes:
        bars: of each diagram the bars that are not essential (k, 2), finite; of no length where a bar is born beyond the cut.
        places: where these stand in the diagram's own bars of the degree.
        essential: births of the bars that never die, ascending; one diagram's are matched with the other's by rank.
        essential_places: where these stand.
        cut: the smaller cut; inf without one.
        slack: how far both certificates together allow a bottleneck distance to be off.
    """

    bars: tuple[np.ndarray, np.ndarray]
    places: tuple[np.ndarray, np.ndarray]
    essential: tuple[np.ndarray, np.ndarray]
    essential_places: tuple[np.ndarray, np.ndarray]
    cut: float
    slack: float

    @property
    def matched(self) -> bool:
        """Whether each essential bar has a partner; without, no matching has finite cost."""
        return len(self.essential[0]) == len(self.essential[1])

    @property
    def finite(self) -> tuple[np.ndarray, np.ndarray]:
        """``bars`` without those of no length."""
        left, right = (bars[bars[:, 0] < bars[:, 1]] for bars in self.bars)
        return left, right

    def certified(self, value: float, sampling: float = 0.0) -> tuple[float, float]:
        """Where the distance of the true diagrams lies, if it is at least this one of theirs, capped, and without a cut this one."""
        low = max(0.0, value - self.slack) if math.isfinite(value) else value
        return low, value + self.slack + sampling if math.isinf(self.cut) else math.inf

    def rule(self) -> str:
        """What happened to open bars, for the convention of a distance."""
        essential = "bars that never die are matched with one another by their births"
        return essential if math.isinf(self.cut) else f"both diagrams capped at the cut {self.cut:g}; {essential}"

    def up_to_the_cut(self) -> str:
        """For the convention of a distance that leaves open bars out."""
        return "" if math.isinf(self.cut) else f", both diagrams capped at the cut {self.cut:g}"


def comparable_bars(a: Diagrams, b: Diagrams, dim: int) -> ComparableBars:
    """The bars of one degree of two diagrams, capped where a threshold cut.

    >>> one, two = Diagrams.from_bars([[(0, math.inf), (0, math.inf)]], censored_at=2.0), Diagrams.from_bars([[(0, math.inf), (0, 3)]])
    >>> found = comparable_bars(one, two, dim=0)
    >>> found.bars[0].tolist(), found.bars[1].tolist(), found.cut
    ([[0.0, 2.0]], [[0.0, 2.0]], 2.0)
    """
    for name, d in (("a", a), ("b", b)):
        if not isinstance(d, Diagrams):
            raise InputError(f"{name} is a {type(d).__name__}; Diagrams are needed, such as ti.Rips(max_dim=1)(x)")
    cut = min(math.inf if d.censored_at is None else float(d.censored_at) for d in (a, b))
    own, forever = zip(*((np.flatnonzero(~d.essential(dim)), np.flatnonzero(d.essential(dim))) for d in (a, b)), strict=True)
    left, right = (np.minimum(d[dim][places], cut) for d, places in zip((a, b), own, strict=True))
    first, second = (d[dim][places, 0] for d, places in zip((a, b), forever, strict=True))
    slack = a.certificate.bottleneck_bound + b.certificate.bottleneck_bound
    return ComparableBars((left, right), own, (first, second), forever, cut, slack)


def match_bars(a: Diagrams, b: Diagrams, dim: int, *, order: float = 1) -> pandas.DataFrame:
    """The matching behind the Wasserstein distance (``order=inf``: a matching within the bottleneck distance).

    One row per matched pair: ``a`` and ``b`` (positions in ``a[dim]`` and ``b[dim]``, -1 for the diagonal), births and deaths,
    ``cost`` (largest coordinate difference, or half the length). Where a threshold cut, the bars are matched, and the costs
    taken, as they are when both diagrams are capped at the smaller cut; births and deaths are those of the diagrams.

    >>> one, two = Diagrams.from_bars([[(0, 4)]]), Diagrams.from_bars([[(0, 5), (1, 2)]])
    >>> match_bars(one, two, dim=0)[["a", "b", "cost"]].values.tolist()
    [[0.0, 0.0, 1.0], [-1.0, 1.0, 0.5]]

    Args:
        a, b: the diagrams.
        dim: degree of homology.
        order: p >= 1 of the Wasserstein distance, or ``math.inf``.

    Raises:
        InputError: not Diagrams, different numbers of bars that never die, or an order below 1.

    Cost: O(k^3) time and O(k^2) memory for k bars.
    """
    order = math.inf if isinstance(order, (float, np.floating)) and order == math.inf else real_number(order, "order", 1, why="or math.inf")
    return matched_bars(a, b, dim, order)


def matched_bars(a: Diagrams, b: Diagrams, dim: int, order: float, free: float = math.inf) -> pandas.DataFrame:
    """What :func:`match_bars` gives, of the matchings that leave the fewest bars at a cost above ``free`` (a finite order only)."""
    import pandas

    found = comparable_bars(a, b, dim)
    if not found.matched:
        counts = [len(births) for births in found.essential]
        raise InputError(f"a has {counts[0]} bars that never die and b has {counts[1]}: no matching has finite cost")
    pairs = [
        (int(found.essential_places[0][i]), int(found.essential_places[1][j]), float(abs(found.essential[0][i] - found.essential[1][j])))
        for i, j in _by_birth(*found.essential, free)
    ]
    for i, j in _assignment(*found.bars, order, free):
        ends = [bars[k] for bars, k in zip(found.bars, (i, j), strict=True) if k >= 0]
        cost = np.abs(ends[0] - ends[1]).max() if len(ends) == 2 else (ends[0][1] - ends[0][0]) / 2
        at = [int(places[k]) if k >= 0 else -1 for places, k in zip(found.places, (i, j), strict=True)]
        pairs.append((at[0], at[1], float(cost)))
    nothing = np.full(2, np.nan)
    rows = [
        (i, j, *(a[dim][i] if i >= 0 else nothing), *(b[dim][j] if j >= 0 else nothing), cost)
        for i, j, cost in sorted(pairs, key=lambda pair: (pair[0] < 0, pair[0], pair[1]))
    ]
    return pandas.DataFrame(rows, columns=["a", "b", "birth_a", "death_a", "birth_b", "death_b", "cost"])


def _by_birth(left: np.ndarray, right: np.ndarray, free: float) -> list[tuple[int, int]]:
    """An optimal matching of as many bars that never die: by rank, unless another leaves fewer at a cost above ``free``."""
    from scipy.optimize import linear_sum_assignment

    if math.isinf(free):
        return [(k, k) for k in range(len(left))]
    shifts = np.abs(left[:, None] - right[None])
    rows, columns = linear_sum_assignment(shifts + (1.0 + shifts.sum()) * (shifts > free))
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True)]


def _assignment(left: np.ndarray, right: np.ndarray, order: float, free: float) -> list[tuple[int, int]]:
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
    whole = 1.0 + sum(float(np.sum(alone**order)) for alone in to_diagonal)  # no matching that is worth it costs as much
    parts = (cost, 2), (to_diagonal[0][:, None], 1), (to_diagonal[1][None], 1)  # with the bars of each
    paid, *alone = (one**order + whole * bars * (one > free) for one, bars in parts)
    saved = np.minimum(0.0, paid - sum(alone))
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
