"""Which bars are not where they were: the matching of two diagrams, and the rows that carry what moved."""

from __future__ import annotations

from typing import NamedTuple

from topo_interp.comparison.bar_matching import match_bars, matched_bars
from topo_interp.comparison.drift import bottleneck_distances
from topo_interp.homology.cycles import LinksProvenance
from topo_interp.homology.diagrams import Diagrams

__all__ = ["MovedBar", "moved_bars", "unpaired_distances"]


class MovedBar(NamedTuple):
    """A bar of one diagram and its partner in the other; births and deaths are NaN where there is none."""

    dim: int
    kind: str
    birth_a: float
    death_a: float
    birth_b: float
    death_b: float
    shift: float
    rows_a: tuple[int, ...]
    rows_b: tuple[int, ...]


def unpaired_distances(a: Diagrams, b: Diagrams) -> dict[str, float]:
    """Bottleneck and 1-Wasserstein distance of each degree.

    The latter is the cost of the matching of :func:`match_bars`, which needs no further package.

    >>> one, two = Diagrams.from_bars([[(0, 4)]]), Diagrams.from_bars([[(0, 5), (1, 2)]])
    >>> unpaired_distances(one, two)
    {'bottleneck_dim0': 1.0, 'wasserstein_dim0': 1.5}
    """
    costs = {f"wasserstein_dim{dim}": float(match_bars(a, b, dim)["cost"].sum()) for dim in range(min(a.max_dim, b.max_dim) + 1)}
    return bottleneck_distances(a, b) | costs


def moved_bars(a: Diagrams, b: Diagrams, dim: int, *, most: int = 50) -> tuple[int, list[MovedBar]]:
    """How many bars moved by more than both certificates allow, and the ``most`` that moved farthest, farthest first.

    No matching of the diagrams leaves fewer such bars: of diagrams whose true ones are equal none has moved. The partner of a bar is
    that of the cheapest of these matchings; that of :func:`match_bars` may move one bar far to leave another where it is. A bar
    whose partner is the diagonal "vanishes" when it is one of a, and "appears" when it is one of b; its shift is half its length.
    Where a threshold cut, what happens beyond the smaller cut moves no bar.

    >>> one, two = Diagrams.from_bars([[(0, 4)]]), Diagrams.from_bars([[(0, 5), (1, 2)]])
    >>> count, bars = moved_bars(one, two, dim=0)
    >>> count, [(bar.kind, bar.shift) for bar in bars]
    (2, [('moves', 1.0), ('appears', 0.5)])
    """
    bound = a.certificate.bottleneck_bound + b.certificate.bottleneck_bound
    pairs = matched_bars(a, b, dim, order=1, free=bound)
    moved = pairs[pairs["cost"] > bound].sort_values("cost", ascending=False, kind="stable")
    found = []
    for pair in moved.head(most).itertuples():
        kind = "moves" if pair.a >= 0 and pair.b >= 0 else "vanishes" if pair.a >= 0 else "appears"
        ends = (float(pair.birth_a), float(pair.death_a), float(pair.birth_b), float(pair.death_b))
        rows = _rows(a, dim, int(pair.a)), _rows(b, dim, int(pair.b))
        found.append(MovedBar(dim, kind, *ends, float(pair.cost), *rows))
    return len(moved), found


def _rows(diagrams: Diagrams, dim: int, bar: int) -> tuple[int, ...]:
    """Rows on the cycle of a bar (of degree 0: the two that end it); none where the engine left nothing to read them from."""
    known = dim <= 1 and bar >= 0 and isinstance(diagrams.provenance, LinksProvenance)
    return tuple(map(int, diagrams.rows(dim, bar))) if known else ()
