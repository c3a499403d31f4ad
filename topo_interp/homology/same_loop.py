"""Whether a bar of degree 1 of one filtration and a bar of another are one loop, on the rows that both hold.

Let A and B be distances on the same rows, ``alpha`` a bar of VR(A) that ends at d, ``beta`` a bar of VR(B) that ends at e, and
let f and g be their cocycles just below these ends. The two complexes have a common part,
``K_r = VR_(r d)(A) & VR_(r e)(B)`` for r < 1: the flag complex of the pairs with ``max(A / d, B / e) <= r``. On a cycle of K_r both
cocycles can be evaluated. With r growing from 0, let

- ``level`` be the first r at which some common cycle is seen by f or by g (is given a value other than zero), and
- ``until`` be the first r at which f and g are no longer multiples of each other on the cycles of K_r, 1 if there is none.

The bars are the *same* loop when a first common cycle is seen by both: in [level, until) every cycle that goes around
``alpha`` goes around ``beta`` and every cycle that goes around ``beta`` goes around ``alpha``. They are *different* when it is seen by
one only, or when no common cycle is seen at all.

A loop with itself: the cocycle of a bar vanishes on all cycles born before it and not on the one that its birth edge closes.
With A = B the first cycle that a pair of bars sees is therefore born with the older of them and not seen by the younger: each
bar is the same as itself and different from all others. Nothing changes when A or B is multiplied by a positive number.

How far this can be trusted: where lengths are off by at most ``bound``, the ratios of lengths below the end are off by at most
``2 bound / (end - bound)``. A verdict that the ratios within twice that much of ``level`` could turn is *ambiguous*; so is one about a
bar that is not longer than twice the bound, and one in which a *rival* of either bar sees the common cycle: a bar that could trade
places with it, or whose cocycle it could take up, when lengths change by the bound (``Loops.rivals``). Of landmarks the bound is the
distortion of one map from rows to landmarks that both clouds share: it takes a common cycle of all rows to a common cycle of
landmarks, homologous to it, whose lengths are at most that much longer.

What is not proved: the cocycle of a bar is a choice, here the one dual to the cycles that the birth edges close in the minimum spanning
forest, and another choice differs by cocycles of bars born later. The rivals are the ways in which one change of order can
change that choice at the bar itself; several changes at once, or one at a bar that has ended, could do so unseen. The tests move
lengths by the bound and count the clear verdicts that turn.
"""

from __future__ import annotations

import copy
import dataclasses
import enum
import functools
from typing import Any

import numpy as np

from topo_interp._errors import InputError
from topo_interp.geometry.distance_matrix import DistanceMatrix, pair_ends, pair_position
from topo_interp.homology.diagrams import Diagrams
from topo_interp.homology.forest import rooted_forest
from topo_interp.homology.representatives import links_of
from topo_interp.homology.rips import Rips

__all__ = ["Agreement", "Loops", "Verdict", "agreement", "loops_recipe"]


class Verdict(str, enum.Enum):
    """Of two bars; see the module."""

    SAME = "same"
    DIFFERENT = "different"
    AMBIGUOUS = "ambiguous"


@dataclasses.dataclass(frozen=True)
class Agreement:
    """What was found about two bars.

    Attributes:
        verdict: same, different or ambiguous.
        level: at which share of their ends the first common cycle is seen; 1.0 when there is none.
        until: up to which share of their ends both see the same; equal to ``level`` where they never do.
    """

    verdict: Verdict
    level: float
    until: float


def loops_recipe(recipe: Any, needed_by: str, *, landmarks: bool = False) -> Rips:
    """The recipe for degrees 0 and 1 alone, or an error that says why cycles can not be read from it."""
    if not isinstance(recipe, Rips):
        raise InputError(f"{needed_by} needs a recipe such as ti.Rips(); this is a {type(recipe).__name__}")
    if recipe.weights is not None:
        raise InputError(f"{needed_by} reads cycles, which a weighted filtration does not leave behind: use a recipe without weights")
    if recipe.landmarks is not None and not landmarks:
        raise InputError(f"{needed_by} draws rows itself, and the recipe has landmarks: use a recipe without them")
    if recipe.max_dim < 1:
        raise InputError(f"{needed_by} is about loops, and the recipe stops at max_dim={recipe.max_dim}: use ti.Rips(max_dim=1)")
    return dataclasses.replace(recipe, max_dim=1)


class Loops:
    """The bars of degree 1 of one cloud, with the cocycles just below their ends.

    Args:
        diagrams: of the engine "links".
    """

    def __init__(self, diagrams: Diagrams) -> None:
        self.diagrams = diagrams
        self._provenance = links_of(diagrams, 1)
        self.matrix: DistanceMatrix = self._provenance.matrix
        self.field = int(self._provenance.result.field)
        self.bound = diagrams.certificate.bottleneck_bound
        bars = diagrams[1]
        cut = np.inf if diagrams.censored_at is None else float(diagrams.censored_at)
        # A bar that a threshold cut is known up to there, the threshold's own pairs included.
        self._cut = bars[:, 1] > cut
        self.births, self.ends = bars[:, 0], np.where(self._cut, np.nextafter(cut, np.inf), bars[:, 1])
        self._whole: dict[int, np.ndarray] = {}
        self._rivals: dict[int, list[int]] = {}
        self._pairs: np.ndarray | None = None

    def on(self, index: np.ndarray) -> Loops:
        """The same bars and cocycles, seen on some of the rows only (ascending numbers)."""
        if len(index) > 1 and not (np.diff(index) > 0).all():
            raise InputError("index is not ascending; give each row once, in order: np.sort(index)")
        out = copy.copy(self)  # whole cocycles are shared: a bar is looked at once, however many parts there are
        first, second = np.triu_indices(len(index), 1)
        out.matrix = self.matrix.take(index)
        out._pairs = pair_position(index[first], index[second], self.matrix.n)
        out.__dict__.pop("_lengths", None)
        return out

    def clear_bars(self, least: float) -> np.ndarray:
        """Numbers of the bars longer than ``least``, in the order of ``diagrams[1]``."""
        return np.flatnonzero(self.ends - self.births > least)

    def certified(self, bar: int) -> bool:
        """Whether the bar is longer than what the certificate allows it to be off."""
        return bool(self.ends[bar] - self.births[bar] > 2 * self.bound)

    def slack(self, bar: int) -> float:
        """How far a length as a share of the bar's end can be off; infinite where the bound reaches the end."""
        return 2 * self.bound / (self.ends[bar] - self.bound) if self.ends[bar] > self.bound else np.inf

    def cocycle(self, bar: int) -> np.ndarray:
        """Values on the pairs of the rows (condensed order), 0 on those that are not shorter than the bar's end."""
        if bar not in self._whole:
            found = self._provenance.cocycle(int(bar))
            n = self._provenance.matrix.n
            values = np.zeros(n * (n - 1) // 2, dtype=np.int32)
            values[pair_position(*found.edges.T, n)] = found.values
            self._whole[bar] = values
        return self._whole[bar] if self._pairs is None else self._whole[bar][self._pairs]

    @functools.cached_property
    def _lengths(self) -> np.ndarray:
        return self.matrix.condensed.astype(np.float64)

    def shares(self, bar: int) -> np.ndarray:
        """Lengths of all pairs as shares of the bar's end."""
        return self._lengths / self.ends[bar]

    def rivals(self, bar: int) -> list[int]:
        """Bars whose cocycle the bar's own could take up, or trade places with, when lengths change by the bound.

        Two bars trade places when they are born or end within the bound of each other and one is in the relation that ends the
        other. A birth edge within the bound of another pair of its cycle may come into the spanning forest instead of it: cycles
        that run through that pair then run around the bar as well.
        """
        if bar not in self._rivals:
            near, provenance = 2 * self.bound, self._provenance
            others = (self.ends >= self.ends[bar] - near) & (self.births < self.ends[bar])
            others[bar] = False
            ends_with = np.abs(self.ends - self.ends[bar]) <= near
            if self._cut[bar] or np.count_nonzero(provenance.matrix.condensed == self.ends[bar]) == 1:
                ends_with &= self.ends != self.ends[bar]  # one pair (or the threshold) ends both, whatever its length is
            tied = (np.abs(self.births - self.births[bar]) <= near) | ends_with
            birth, relation, *_ = provenance.representation(bar)
            found = []
            for other in np.flatnonzero(others & tied).tolist():
                its_birth, its_relation, *_ = provenance.representation(other)
                if birth in its_relation or its_birth in relation:
                    found.append(other)
            own = self._closed(birth)
            loose = own[provenance.matrix.condensed[own] >= self.births[bar] - near][1:]
            if len(loose):
                found += [
                    other
                    for other in np.flatnonzero(others).tolist()
                    if other not in found and np.isin(self._closed(provenance.representation(other)[0]), loose).any()
                ]
            self._rivals[bar] = found
        return self._rivals[bar]

    def _closed(self, birth: int) -> np.ndarray:
        """Places of the pairs of the cycle that a birth edge closes in the spanning forest, the birth edge first."""
        edges, _ = self._provenance.closed(np.array([birth]), np.array([1]))
        return pair_position(edges.min(axis=1), edges.max(axis=1), self._provenance.matrix.n)

    def sees(self, bar: int, cycle: tuple[np.ndarray, np.ndarray]) -> bool:
        """Whether the bar's cocycle is nonzero on a cycle, or the cycle reaches the bar's end."""
        positions, signs = cycle
        if (self._lengths[positions] >= self.ends[bar]).any():
            return True
        return bool(int((self.cocycle(bar)[positions].astype(np.int64) * signs).sum()) % self.field)


def agreement(first: Loops, bar: int, second: Loops, other: int) -> Agreement:
    """Whether bar ``bar`` of the first and bar ``other`` of the second are one loop; see the module.

    Cost: a spanning forest of the common pairs: O(m log m) for m of them.
    """
    share = np.maximum(first.shares(bar), second.shares(other))
    inside = np.flatnonzero(share < 1)
    order = inside[np.argsort(share[inside], kind="stable")]
    n, p = first.matrix.n, first.field
    common = _CommonCycles(order, n, np.stack((first.cocycle(bar)[order], second.cocycle(other)[order]), axis=1), p)
    seen, values = common.seen, common.values
    if len(seen) == 0:
        return Agreement(Verdict.DIFFERENT, 1.0, 1.0)
    levels = share[order[seen]]
    slack = 2 * max(first.slack(bar), second.slack(other))
    parallel = (values[0, 0] * values[:, 1] - values[0, 1] * values[:, 0]) % p == 0
    level = float(levels[0])
    until = 1.0 if parallel.all() else float(levels[np.argmin(parallel)])
    both = (values != 0).all(axis=1)
    window = levels <= level + slack
    if parallel[window].all():
        verdict = Verdict.SAME if both[0] else Verdict.DIFFERENT
    elif not both[window].any() and common.apart(*np.searchsorted(share[order], (level, np.nextafter(level + slack, 2))), p):
        # Whichever of them comes first is seen by one bar only.
        verdict = Verdict.DIFFERENT
    else:
        verdict = Verdict.AMBIGUOUS
    if verdict is Verdict.SAME and not (level + slack < 1 and first.certified(bar) and second.certified(other)):
        verdict = Verdict.AMBIGUOUS
    if verdict is not Verdict.AMBIGUOUS and any(
        loops.sees(rival, common.cycle(0)) for loops, own in ((first, bar), (second, other)) for rival in loops.rivals(own)
    ):
        verdict = Verdict.AMBIGUOUS
    return Agreement(verdict, level, until if both[0] else level)


class _CommonCycles:
    """The cycles of a graph whose pairs come in an order, as two cochains see them.

    ``seen`` are the places in the order of the pairs that close a cycle on which a cochain is not zero, ``values`` (seen, 2) what the
    cochains are there. These cycles, each closed in the minimum spanning forest, generate all others at every stage.
    """

    def __init__(self, order: np.ndarray, n: int, cochains: np.ndarray, p: int) -> None:
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import minimum_spanning_tree

        self.n, self.order = n, order
        i, j = self.ends = pair_ends(order, n)
        forest = minimum_spanning_tree(coo_array((np.arange(1.0, len(order) + 1), (i, j)), shape=(n, n)).tocsr())
        self.tree = np.sort(forest.data).astype(np.int64) - 1  # places in the order
        parent, walk = rooted_forest(np.column_stack((i[self.tree], j[self.tree])), n)
        place = np.full(n, -1, dtype=np.int64)
        child_is_second = parent[j[self.tree]] == i[self.tree]
        child = np.where(child_is_second, j[self.tree], i[self.tree])
        place[child] = self.tree
        step = np.zeros((n, 2), dtype=np.int64)
        step[child] = np.where(child_is_second[:, None], 1, -1) * cochains[self.tree]
        potential = np.zeros((n, 2), dtype=np.int64)
        for v in walk.tolist():
            if parent[v] >= 0:
                potential[v] = potential[parent[v]] + step[v]
        values = (cochains - potential[j] + potential[i]) % p
        self.seen = np.flatnonzero(values.any(axis=1))
        self.values = values[self.seen]
        self._parent, self._place = parent, place

    def cycle(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The pairs (condensed positions) and signs of the k-th cycle that is seen."""
        last = int(self.seen[k])
        i, j = self.ends
        trails = []
        for v in (int(i[last]), int(j[last])):
            trail = [v]
            while self._parent[trail[-1]] >= 0:
                trail.append(int(self._parent[trail[-1]]))
            trails.append(trail)
        places, signs = [last], [1]
        # From j up to the meeting point, and from there down to i: the root's part of both trails cancels.
        shared = set(trails[0]) & set(trails[1])
        for trail, way in ((trails[1], 1), (trails[0], -1)):
            for v in trail:
                if v in shared:
                    break
                place = int(self._place[v])
                places.append(place)
                signs.append(way if int(i[place]) == v else -way)
        return self.order[places], np.array(signs, dtype=np.int64)

    def apart(self, start: int, stop: int, p: int) -> bool:
        """Whether the simple cycles that the pairs from one place to another can close first, in any order, are each seen in one way.

        Once the older pairs are contracted, a simple cycle lies in one block (biconnected component) of these pairs.
        """
        import networkx

        i, j = (end[start:stop] for end in self.ends)
        older = self.tree[self.tree < start]
        part = networkx.utils.UnionFind(range(self.n))
        for place in older.tolist():
            part.union(int(self.ends[0][place]), int(self.ends[1][place]))
        ends = [tuple(sorted((part[a], part[b]))) for a, b in zip(i.tolist(), j.tolist(), strict=True)]
        graph = networkx.Graph(pair for pair in ends if pair[0] != pair[1])
        block = {
            tuple(sorted(pair)): number
            for number, pairs in enumerate(networkx.biconnected_component_edges(graph))
            for pair in pairs
        }
        values_of: dict[tuple[str, int], list[np.ndarray]] = {}
        for place, values in zip(self.seen.tolist(), self.values, strict=True):
            if start <= place < stop:
                pair = ends[place - start]
                key = ("loop", place) if pair[0] == pair[1] else ("block", block[pair])
                values_of.setdefault(key, []).append(values)
        return all(
            int(values[0][0] * other[1] - values[0][1] * other[0]) % p == 0 for values in values_of.values() for other in values
        )
