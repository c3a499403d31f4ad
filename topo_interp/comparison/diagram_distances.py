"""Distances between diagrams, with the convention in the result.

Where a threshold cut, both diagrams are capped at the smaller cut (:mod:`topo_interp.comparison.bar_matching`); what is then known of
the whole diagrams is in ``certified``.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from topo_interp._arguments import real_number, whole_number
from topo_interp.comparison.bar_matching import comparable_bars
from topo_interp.homology.bottleneck import bottleneck_of_bars
from topo_interp.homology.diagrams import Diagrams

__all__ = [
    "DiagramDistance",
    "betti_distance",
    "bottleneck",
    "landscape_distance",
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
        value: the number; ``inf`` when the diagrams have different numbers of bars that never die.
        dim: degree of homology.
        convention: ground metric, power, root and what happened to open bars.
        relative_error: of the solver; 0.0 when it is exact up to floating point.
        certified: (low, high): where the distance of the *true*, whole diagrams lies, given both certificates; high is ``inf``
            where a threshold cut. None for a distance that sums over bars: within the same bound the true diagrams may hold any
            number of further short bars.
    """

    name: str
    value: float
    dim: int
    convention: str
    relative_error: float
    certified: tuple[float, float] | None = None

    def __float__(self) -> float:
        return self.value


def bottleneck(a: Diagrams, b: Diagrams, dim: int) -> DiagramDistance:
    """The bottleneck distance, exact: the smallest largest shift that carries one diagram into the other.

    Ground metric: the largest of the two coordinates' differences; a bar may also go to the diagonal, which costs half its
    length. By stability it is at most the largest difference of the two distance matrices. Of diagrams that a threshold cut it is
    the distance up to the cut, and that of the whole ones is at least as large.

    >>> one, two = Diagrams.from_bars([[(0, 4)]]), Diagrams.from_bars([[(0, 5), (1, 2)]])
    >>> bottleneck(one, two, dim=0).value
    1.0

    Args:
        a, b: the diagrams; capped at the smaller cut where a threshold cut.
        dim: degree of homology.

    Raises:
        InputError: not Diagrams.

    Source: Cohen-Steiner, Edelsbrunner, Harer 2007; computed by Hera (Kerber, Morozov, Nigmetov 2017).

    Cost: O(k^1.5 log k) for k bars.
    """
    found = comparable_bars(a, b, dim)
    value = math.inf
    if found.matched:
        shifts = np.abs(found.essential[0] - found.essential[1])
        value = max(bottleneck_of_bars(*found.bars), float(shifts.max(initial=0.0)))
    return DiagramDistance("bottleneck", value, dim, f"largest coordinate; {found.rule()}", 0.0, found.certified(value))


def wasserstein(a: Diagrams, b: Diagrams, dim: int, order: float = 1) -> DiagramDistance:
    """The Wasserstein distance: ``(sum over the best matching of (largest coordinate difference)^order)^(1/order)``.

    Up to 2,000 bars in each diagram by the linear programme of POT, exact up to floating point; above by Hera's auction with a
    relative error of at most 1e-6, which the result states.

    >>> one, two = Diagrams.from_bars([[(0, 4)]]), Diagrams.from_bars([[(0, 5), (1, 2)]])
    >>> wasserstein(one, two, dim=0).value
    1.5

    Args:
        a, b: the diagrams; capped at the smaller cut where a threshold cut.
        dim: degree of homology.
        order: p, at least 1 and finite; :func:`bottleneck` is the limit.

    Raises:
        InputError: not Diagrams, or an order below 1.

    Cost: O(k^2) memory for k bars up to 2,000 bars.
    """
    order = real_number(order, "order", 1, why="for the limit, use ti.bottleneck")
    found = comparable_bars(a, b, dim)
    left, right = found.finite
    exact = max(len(left), len(right)) <= _EXACT_BARS
    if not found.matched:
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
        value = float((value**order + np.sum(np.abs(found.essential[0] - found.essential[1]) ** order)) ** (1 / order))
    convention = f"ground metric: largest coordinate; power {order:g}, root taken; {found.rule()}"
    return DiagramDistance("wasserstein", value, dim, convention, 0.0 if exact else _HERA_DELTA)


def _need_pot() -> None:
    from importlib.util import find_spec

    if find_spec("ot") is None:
        from topo_interp._errors import MissingEngineError

        raise MissingEngineError("exact Wasserstein distances and matchings need POT: pip install 'topo-interp[ot]'")


def sliced_wasserstein(a: Diagrams, b: Diagrams, dim: int, *, directions: int = 50) -> DiagramDistance:
    """Sliced Wasserstein distance of the finite bars: the mean over directions of 1-Wasserstein distances on lines.

    >>> one, two = Diagrams.from_bars([[(0, 4)]]), Diagrams.from_bars([[(0, 5)]])
    >>> sliced_wasserstein(one, one, dim=0).value, round(sliced_wasserstein(one, two, dim=0).value, 4)
    (0.0, 0.9757)

    Args:
        a, b: the diagrams; capped at the smaller cut where a threshold cut.
        dim: degree of homology.
        directions: into how many angles the half circle is cut; gudhi takes the lines between them, one fewer. More come
            closer to the mean over all.

    Raises:
        InputError: not Diagrams, or fewer than two directions.

    Source: Carriere, Cuturi, Oudot 2017; computed by gudhi.representations.

    Cost: O(directions k log k) for k bars.
    """
    from gudhi.representations import SlicedWassersteinDistance

    directions = whole_number(directions, "directions", 2)
    found = comparable_bars(a, b, dim)
    left, right = found.finite
    if not found.matched:
        value = math.inf
    elif len(left) + len(right) == 0:
        value = 0.0
    else:
        # Each diagram is completed by the other's points on the diagonal, so an empty one is legal in the theory;
        # a bar of no length stands for it.
        empty = np.zeros((1, 2))
        value = float(SlicedWassersteinDistance(num_directions=directions)(*(bars if len(bars) else empty for bars in (left, right))))
    convention = f"{directions - 1} directions, pi / {directions} apart; bars that die only{found.up_to_the_cut()}"
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
        a, b: the diagrams; capped at the smaller cut where a threshold cut.
        dim: degree of homology.

    Raises:
        InputError: not Diagrams.

    Cost: O(k log k) for k bars.
    """
    found = comparable_bars(a, b, dim)
    value = math.inf
    if found.matched:
        grid = _breakpoints(*found.finite)
        curves = [
            np.searchsorted(np.sort(bars[:, 0]), grid, side="right") - np.searchsorted(np.sort(bars[:, 1]), grid, side="right")
            for bars in found.finite
        ]
        value = float(np.sum(np.abs(curves[0] - curves[1])[:-1] * np.diff(grid))) if len(grid) else 0.0
    convention = f"area between step functions; bars that die only{found.up_to_the_cut()}"
    return DiagramDistance("betti", value, dim, convention, 0.0)


def landscape_distance(a: Diagrams, b: Diagrams, dim: int) -> DiagramDistance:
    """Largest difference of the persistence landscapes of the finite bars; at most the bottleneck distance.

    Evaluated at the ends and midpoints of all bars and on 2,001 even steps; what a difference can grow between two of these
    values is in ``certified``. Where a threshold cut at t, the supremum is over values up to (first birth + t) / 2, where the
    landscapes of the whole diagrams are known.

    >>> one, two = Diagrams.from_bars([[(0, 4)]]), Diagrams.from_bars([[(0, 6)]])
    >>> landscape_distance(one, two, dim=0).value
    2.0

    Args:
        a, b: the diagrams; capped at the smaller cut where a threshold cut.
        dim: degree of homology.

    Raises:
        InputError: not Diagrams.

    Source: Bubenik 2015; stability: Chazal et al. 2015. Cost: O(k^2) for k bars.
    """
    found = comparable_bars(a, b, dim)
    left, right = found.finite
    value, step = (0.0, 0.0) if found.matched else (math.inf, 0.0)
    if found.matched and len(left) + len(right):
        ends = _breakpoints(left, right)
        # Up to here a bar born at the earliest is still rising when it reaches the cut: a later death would change nothing.
        known = min(ends[-1], (ends[0] + found.cut) / 2)
        grid = np.concatenate((ends, left.mean(axis=1), right.mean(axis=1), np.linspace(ends[0], known, 2001)))
        grid = np.unique(grid[grid <= known])
        step = float(np.diff(grid).max(initial=0.0))
        values = []
        for bars in (left, right):
            tents = np.maximum(0.0, np.minimum(grid - bars[:, :1], bars[:, 1:] - grid)) if len(bars) else np.zeros((0, len(grid)))
            values.append(-np.sort(-tents, axis=0))
        layers = max(len(left), len(right))
        full = [np.concatenate((one, np.zeros((layers - len(one), len(grid))))) for one in values]
        value = float(np.abs(full[0] - full[1]).max())
    cut = "" if math.isinf(found.cut) else f", up to where the cut {found.cut:g} can not change them"
    convention = f"supremum over layers and values{cut}; bars that die only"
    # Both landscapes have slope at most 1, so that between two grid points the difference grows by at most the step.
    return DiagramDistance("landscape", value, dim, convention, 0.0, found.certified(value, step))
