"""Cycles and cocycles of bars of degree 1, read from what the engine "links" left behind.

A relation among the birth edges (the edges that opened loops) is a cycle: each birth edge closes up in the spanning forest,
and the forest's coefficients follow. The relation that ended a bar has the bar's own birth edge as its largest, so its cycle
is born with the bar; it was a combination of nothing older, so it bounds at the death and no earlier.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from topo_interp._arguments import is_whole, real_number
from topo_interp._errors import InputError
from topo_interp._native import cpu, default_threads, threads_or_default
from topo_interp.geometry.distance_matrix import DistanceMatrix
from topo_interp.geometry.spanning_tree import SpanningTree
from topo_interp.homology.forest import rooted_forest
from topo_interp.homology.tight_loops import length_of, shortest_loop

__all__ = ["Cocycle", "Cycle", "LinksProvenance"]


@dataclasses.dataclass(frozen=True, eq=False)
class Cycle:
    """One cycle of degree 1: a sum of edges whose ends cancel.

    >>> import topo_interp as ti
    >>> cycle = ti.Rips()([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]).cycle(1, 0)
    >>> cycle.vertices.tolist(), cycle.is_loop, cycle.birth
    ([0, 1, 2, 3], True, 1.0)

    Attributes:
        vertices: int64 array: the points on it, ascending; in the order of the loop when ``is_loop``.
        edges: int64 array (m, 2) of point numbers, i < j; an edge runs from i to j.
        coefficients: int64 array (m,): residues of Z/p between -p/2 and p/2.
        birth, death: of its bar.
        field: p.
        is_loop: whether it is one closed walk through distinct points.
    """

    vertices: np.ndarray
    edges: np.ndarray
    coefficients: np.ndarray
    birth: float
    death: float
    field: int
    is_loop: bool

    def __repr__(self) -> str:
        kind = "loop" if self.is_loop else "cycle"
        return f"Cycle({kind} of {len(self.edges)} edges through {len(self.vertices)} points, [{self.birth:.4g}, {self.death:.4g}))"


@dataclasses.dataclass(frozen=True, eq=False)
class Cocycle:
    """A function on the edges of the complex at one filtration value that sums to zero around every triangle.

    >>> import topo_interp as ti
    >>> cocycle = ti.Rips(field=3)([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]).cocycle(1, 0)
    >>> cocycle.edges.tolist(), cocycle.values.tolist()
    ([[0, 1], [0, 3], [1, 2], [2, 3]], [0, 0, 0, 1])

    Attributes:
        edges: int64 array (m, 2), i < j: all edges of length at most ``at``, in the order of the filtration.
        values: int64 array (m,): the value from i to j, a residue of Z/p between -p/2 and p/2.
        at: the filtration value.
        birth, death: of its bar.
        field: p.
    """

    edges: np.ndarray
    values: np.ndarray
    at: float
    birth: float
    death: float
    field: int

    def __repr__(self) -> str:
        return f"Cocycle(on {len(self.edges)} edges up to {self.at:.4g}, Z/{self.field}, [{self.birth:.4g}, {self.death:.4g}))"


@dataclasses.dataclass(frozen=True, eq=False)
class LinksProvenance:
    """What cycles are read from. It is small: the distances and the witnesses are made again when a method needs them.

    Attributes:
        result: the native result without its witnesses.
        source: gives the distances again; None for a sparse graph.
        metric: name of the metric.
        rounding: of the distances.
        rows: which observation each point is; None for their numbers.
    """

    result: Any
    source: Callable[[], DistanceMatrix] | None
    metric: str = ""
    rounding: float = 0.0
    rows: np.ndarray | None = None

    def require_distances(self) -> None:
        """Refuses what a sparse graph can not answer."""
        if self.source is None:
            raise InputError("cocycles and tight cycles need all distances; these bars came from a sparse graph: give the points to ti.Rips")

    @functools.cached_property
    def matrix(self) -> DistanceMatrix:
        """The distances that the bars were computed from."""
        self.require_distances()
        return self.source()  # type: ignore[misc]  # not None

    @functools.cached_property
    def witnessed(self) -> Any:
        """The native result with a witness per edge."""
        r = self.result
        again = cpu.links_rips(
            self.matrix.condensed, r.n, math.inf if r.complete else r.cut, r.field, default_threads(), keep_witnesses=True
        )
        same = ("merge_edges", "merge_lengths", "birth_edges", "birth_lengths", "death_edges", "death_lengths")
        if not all(np.array_equal(getattr(again, name), getattr(r, name)) for name in same):
            raise InputError("the points have changed since the bars were computed: compute the diagrams again")
        return again

    def merge_tree(self) -> SpanningTree:
        """The merges of degree 0 in their order."""
        result = self.result
        if len(result.merge_edges) != result.n - 1:
            raise InputError(
                f"{result.n - len(result.merge_edges)} components are not joined below the threshold, so that there is "
                "no merge tree of all points: compute without a threshold"
            )
        edges = np.asarray(result.merge_edges, dtype=np.int64)
        return SpanningTree(edges, np.asarray(result.merge_lengths), int(result.n), self.metric, self.rounding)

    def merge(self, bar: int) -> np.ndarray:
        """The two points whose edge ends bar ``bar`` of degree 0, in the canonical order; none for an open bar."""
        result = self.result
        kept = np.asarray(result.merge_edges, dtype=np.int64)[np.asarray(result.merge_lengths) > 0]
        bars = len(kept) + result.n - len(result.merge_edges)
        bar = _numbered(bar, bars, 0)
        return kept[bar] if bar < len(kept) else np.empty(0, dtype=np.int64)

    def cycle(self, bar: int, tight: bool = False) -> Cycle:
        """A representative of bar ``bar`` of degree 1, in the canonical order of the diagrams."""
        birth, rows, values, ends = self.representation(bar)
        edges, coefficients = self.closed(rows, values)
        if tight:
            loop = shortest_loop(self, birth, rows, values)
            if loop is not None and length_of(self, loop) <= length_of(self, edges):
                return _loop_cycle(loop, ends, self.result.field)
        return _cycle(edges, coefficients, ends, self.result.field)

    def cocycle(self, bar: int, at: float | None = None, threads: int | None = None) -> Cocycle:
        """A cocycle at the filtration value ``at`` (None: just below the death) that is nonzero on the bar's cycle."""
        self.require_distances()
        birth, _, _, ends = self.representation(bar)
        result = self.result
        if at is None:
            last = min(ends[1], float(result.cut))
            at = float(np.nextafter(np.float32(last), np.float32(0))) if ends[1] <= last else last
        at = real_number(at, "at", why="a filtration value of the bar")
        if not ends[0] <= at < ends[1]:
            raise InputError(f"at is {at!r}; the bar lives in [{ends[0]}, {ends[1]}), choose a value inside")
        if at > result.cut and not result.complete:
            raise InputError(f"at is {at}; the filtration was cut at {result.cut}, choose a value up to there")
        p = int(result.field)
        eta = np.zeros(len(result.birth_lengths), dtype=np.int64)
        eta[birth] = 1
        self.extend_over_relations(eta, birth, np.asarray(result.death_lengths) <= at)
        edges, values = self.cochain(eta, at, threads)
        return Cocycle(edges.astype(np.int64), _residues(values, p), float(at), *ends, p)

    def _order(self) -> np.ndarray:
        """Birth index of every bar of positive length, in the canonical order (birth, death)."""
        result = self.result
        births = np.asarray(result.birth_lengths, dtype=np.float64)
        deaths = np.full(len(births), np.inf)
        deaths[result.relation_pivots] = result.death_lengths
        kept = np.flatnonzero(deaths > births)
        return kept[np.lexsort((deaths[kept], births[kept]))]

    def representation(self, bar: int) -> tuple[int, np.ndarray, np.ndarray, tuple[float, float]]:
        """The birth index of a bar, the combination of births (rows and values) that is its cycle, and its ends."""
        order = self._order()
        result, birth = self.result, int(order[_numbered(bar, len(order), 1)])
        relation = np.flatnonzero(result.relation_pivots == birth)
        start = float(result.birth_lengths[birth])
        if len(relation) == 0:  # open: the birth edge closed by the forest
            return birth, np.array([birth]), np.array([1]), (start, float("inf"))
        rows, values = self.relation(int(relation[0]))
        return birth, rows, values, (start, float(result.death_lengths[relation[0]]))

    def relation(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Births and values of the k-th relation."""
        result = self.result
        piece = slice(int(result.relation_start[k]), int(result.relation_start[k + 1]))
        rows = np.asarray(result.relation_rows[piece], dtype=np.int64)
        values = np.ones_like(rows) if result.field == 2 else np.asarray(result.relation_values[piece], dtype=np.int64)
        return rows, values

    def closed(self, rows: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The cycle of a combination of birth edges: flows in the forest make up for their boundary."""
        result, p = self.result, int(self.result.field)
        births = np.asarray(result.birth_edges, dtype=np.int64)[rows]
        need = np.zeros(result.n, dtype=np.int64)
        np.add.at(need, births[:, 0], values)
        np.subtract.at(need, births[:, 1], values)
        need %= p
        forest = np.asarray(result.merge_edges, dtype=np.int64)
        parent, order = rooted_forest(forest, int(result.n))
        edges, flow = [births], [values]
        tree_edges, tree_flow = [], []
        for v in order[::-1].tolist():
            if need[v] and parent[v] >= 0:
                # need[v] units run from the parent into v.
                u = int(parent[v])
                need[u] = (need[u] + need[v]) % p
                tree_edges.append((min(u, v), max(u, v)))
                tree_flow.append(int(need[v]) if u < v else int(-need[v] % p))
        if tree_edges:
            edges.append(np.array(tree_edges, dtype=np.int64))
            flow.append(np.array(tree_flow, dtype=np.int64))
        return np.concatenate(edges), _residues(np.concatenate(flow) % p, p)

    def extend_over_relations(self, eta: np.ndarray, above: int, made: np.ndarray) -> None:
        """Sets eta on the births that the relations ``made`` ended, so that it vanishes on those relations."""
        result, p = self.result, int(self.result.field)
        pivots = np.asarray(result.relation_pivots, dtype=np.int64)
        which = np.flatnonzero(made & (pivots > above))
        for k in which[np.argsort(pivots[which])].tolist():
            rows, values = self.relation(k)
            eta[rows[0]] = -int((values[1:] * eta[rows[1:]] % p).sum()) % p

    def cochain(self, eta: np.ndarray, at: float, threads: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The edges up to ``at`` and the values there of the cochain that is eta on the births and 0 on the forest."""
        edges, values = cpu.links_cochain(
            self.witnessed, self.matrix.condensed, eta.astype(np.uint32), at, threads_or_default(threads)
        )
        return edges, values


def _numbered(bar: int, bars: int, dim: int) -> int:
    """The number of a bar from 0 on; a negative one counts from the end."""
    if not is_whole(bar) or not -bars <= bar < bars:
        raise InputError(f"bar {bar!r} of degree {dim} was asked for; there are {bars}, numbered as in d[{dim}]")
    return int(bar) % bars


def _residues(values: np.ndarray, p: int) -> np.ndarray:
    values = np.asarray(values, dtype=np.int64)
    return values if p == 2 else np.where(values > p // 2, values - p, values)


def _cycle(edges: np.ndarray, coefficients: np.ndarray, ends: tuple[float, float], field: int) -> Cycle:
    order = np.lexsort((edges[:, 1], edges[:, 0]))
    edges, coefficients = edges[order], coefficients[order]
    vertices = np.unique(edges)
    loop = _loop_order(edges, coefficients, field)
    return Cycle(vertices if loop is None else loop, edges, coefficients, *ends, int(field), loop is not None)


def _loop_cycle(loop: np.ndarray, ends: tuple[float, float], field: int) -> Cycle:
    low, high = loop.min(axis=1), loop.max(axis=1)
    signs = np.where(loop[:, 0] < loop[:, 1], 1, 1 if field == 2 else -1)
    return _cycle(np.column_stack((low, high)), signs, ends, field)


def _loop_order(edges: np.ndarray, coefficients: np.ndarray, field: int) -> np.ndarray | None:
    """The vertices in the order of the walk when the edges form one closed walk through distinct vertices."""
    vertices, degree = np.unique(edges, return_counts=True)
    if (degree != 2).any() or len(np.unique(np.abs(coefficients))) != 1:
        return None
    next_to: dict[int, list[int]] = {int(v): [] for v in vertices}
    for i, j in edges.tolist():
        next_to[i].append(j)
        next_to[j].append(i)
    walk = [int(vertices[0])]
    before, here = -1, walk[0]
    while True:
        a, b = next_to[here]
        before, here = here, b if a == before else a
        if here == walk[0]:
            break
        walk.append(here)
    return np.array(walk) if len(walk) == len(vertices) else None
