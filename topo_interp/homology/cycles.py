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

from topo_interp._errors import InputError
from topo_interp._native import cpu, default_threads
from topo_interp.geometry.distance_matrix import DistanceMatrix, pair_position
from topo_interp.geometry.spanning_tree import SpanningTree

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

    @functools.cached_property
    def matrix(self) -> DistanceMatrix:
        """The distances that the bars were computed from."""
        if self.source is None:
            raise InputError("cocycles and tight cycles need all distances; these bars came from a sparse graph")
        return self.source()

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
        if not isinstance(bar, (int, np.integer)) or isinstance(bar, bool) or not -bars <= bar < bars:
            raise InputError(f"bar {bar!r} of degree 0 was asked for; there are {bars}, numbered as in d[0]")
        return kept[bar % bars] if bar % bars < len(kept) else np.empty(0, dtype=np.int64)

    def cycle(self, bar: int, tight: bool = False) -> Cycle:
        """A representative of bar ``bar`` of degree 1, in the canonical order of the diagrams."""
        birth, rows, values, ends = self._bar(bar)
        edges, coefficients = self._closed(rows, values)
        if tight:
            shorter = _shortest_loop(self, birth, rows, values)
            if shorter is not None and _length(self, shorter) <= _length(self, edges):
                loop = np.column_stack((shorter, np.append(shorter[1:], shorter[:1])))
                return _loop_cycle(loop, ends, self.result.field)
        return _cycle(edges, coefficients, ends, self.result.field)

    def cocycle(self, bar: int, at: float | None = None, threads: int | None = None) -> Cocycle:
        """A cocycle at the filtration value ``at`` (None: just below the death) that is nonzero on the bar's cycle."""
        birth, _, _, ends = self._bar(bar)
        result = self.result
        if at is None:
            last = min(ends[1], float(result.cut))
            at = float(np.nextafter(np.float32(last), np.float32(0))) if ends[1] <= last else last
        if not ends[0] <= at < ends[1]:
            raise InputError(f"at is {at}; the bar lives in [{ends[0]}, {ends[1]}), choose a value inside")
        if at > result.cut and not result.complete:
            raise InputError(f"at is {at}; the filtration was cut at {result.cut}, choose a value up to there")
        p = int(result.field)
        eta = np.zeros(len(result.birth_lengths), dtype=np.int64)
        eta[birth] = 1
        self._extend_over_relations(eta, birth, np.asarray(result.death_lengths) <= at)
        edges, values = self._cochain(eta, at, threads)
        return Cocycle(edges.astype(np.int64), _residues(values, p), float(at), *ends, p)

    # -- parts

    def _order(self) -> np.ndarray:
        """Birth index of every bar of positive length, in the canonical order (birth, death)."""
        result = self.result
        births = np.asarray(result.birth_lengths, dtype=np.float64)
        deaths = np.full(len(births), np.inf)
        deaths[result.relation_pivots] = result.death_lengths
        kept = np.flatnonzero(deaths > births)
        return kept[np.lexsort((deaths[kept], births[kept]))]

    def _bar(self, bar: int) -> tuple[int, np.ndarray, np.ndarray, tuple[float, float]]:
        order = self._order()
        if not isinstance(bar, (int, np.integer)) or isinstance(bar, bool) or not -len(order) <= bar < len(order):
            raise InputError(f"bar {bar!r} of degree 1 was asked for; there are {len(order)}, numbered as in d[1]")
        result, birth = self.result, int(order[bar])
        relation = np.flatnonzero(result.relation_pivots == birth)
        start = float(result.birth_lengths[birth])
        if len(relation) == 0:  # open: the birth edge closed by the forest
            return birth, np.array([birth]), np.array([1]), (start, float("inf"))
        rows, values = self._relation(int(relation[0]))
        return birth, rows, values, (start, float(result.death_lengths[relation[0]]))

    def _relation(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        result = self.result
        piece = slice(int(result.relation_start[k]), int(result.relation_start[k + 1]))
        rows = np.asarray(result.relation_rows[piece], dtype=np.int64)
        values = np.ones_like(rows) if result.field == 2 else np.asarray(result.relation_values[piece], dtype=np.int64)
        return rows, values

    def _closed(self, rows: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The cycle of a combination of birth edges: flows in the forest make up for their boundary."""
        result, p = self.result, int(self.result.field)
        births = np.asarray(result.birth_edges, dtype=np.int64)[rows]
        need = np.zeros(result.n, dtype=np.int64)
        np.add.at(need, births[:, 0], values)
        np.subtract.at(need, births[:, 1], values)
        need %= p
        forest = np.asarray(result.merge_edges, dtype=np.int64)
        parent, order = _rooted(forest, int(result.n))
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

    def _extend_over_relations(self, eta: np.ndarray, above: int, made: np.ndarray) -> None:
        """Sets eta on the births that the relations ``made`` ended, so that it vanishes on those relations."""
        result, p = self.result, int(self.result.field)
        pivots = np.asarray(result.relation_pivots, dtype=np.int64)
        which = np.flatnonzero(made & (pivots > above))
        for k in which[np.argsort(pivots[which])].tolist():
            rows, values = self._relation(k)
            eta[rows[0]] = -int((values[1:] * eta[rows[1:]] % p).sum()) % p

    def _cochain(self, eta: np.ndarray, at: float, threads: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        edges, values = cpu.links_cochain(
            self.witnessed, self.matrix.condensed, eta.astype(np.uint32), at, threads or default_threads()
        )
        return edges, values


def _rooted(forest: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Parent of every vertex (-1 for roots), and the vertices with parents before children."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import breadth_first_order, connected_components

    # One more vertex joined to the smallest of each component makes the forest a tree.
    weights = np.ones(len(forest))
    graph = coo_array((weights, (forest[:, 0], forest[:, 1])), shape=(n + 1, n + 1)).tocsr()
    _, label = connected_components(graph[:n, :n], directed=False)
    roots = np.unique(label, return_index=True)[1]
    tree = graph + coo_array((np.ones(len(roots)), (np.full(len(roots), n), roots)), shape=(n + 1, n + 1)).tocsr()
    order, parent = breadth_first_order(tree, n, directed=False)
    parent = parent[:n].astype(np.int64)
    parent[roots] = -1
    return parent, order[1:]


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


def _length(provenance: LinksProvenance, walk_or_edges: np.ndarray) -> float:
    pairs = walk_or_edges
    if pairs.ndim == 1:
        pairs = np.column_stack((pairs, np.append(pairs[1:], pairs[:1])))
    return float(_lengths(provenance.matrix, pairs).astype(np.float64).sum())


def _lengths(matrix: DistanceMatrix, pairs: np.ndarray) -> np.ndarray:
    low, high = pairs.min(axis=1).astype(np.int64), pairs.max(axis=1).astype(np.int64)
    return matrix.condensed[pair_position(low, high, matrix.n)]


def _shortest_loop(provenance: LinksProvenance, birth: int, rows: np.ndarray, values: np.ndarray) -> np.ndarray | None:
    """The vertices of a short loop that is there at the birth and homologous to the cycle just below the death; None if none is found.

    Such a loop represents the bar as well: it runs through the birth edge once, so it is born with the bar, and it bounds
    when the cycle does. What tells it from the cycle are holes that close before the death.

    Candidates are the loops made of the birth edge, one more edge, and shortest paths from its ends to those of the birth
    edge, all before the birth edge. Random cocycles tell which can be in the class; the first that is by reduction is taken.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import dijkstra

    result, p, matrix = provenance.result, int(provenance.result.field), provenance.matrix
    n = matrix.n
    u, v = (int(x) for x in result.birth_edges[birth])
    length = float(result.birth_lengths[birth])
    pivots = np.asarray(result.relation_pivots, dtype=np.int64)
    own = np.flatnonzero(pivots == birth)  # relations stand in the order of the edges that made them
    made = (np.arange(len(pivots)) < (own[0] if len(own) else len(pivots))) & (pivots <= birth)

    # Random cocycles of the complex just below the death, on the edges before the birth edge.
    rng = np.random.default_rng(0)
    columns, wanted, at_birth = [], [], []
    edges = np.empty((0, 2), dtype=np.int64)
    for _ in range(12 if p == 2 else 4):
        eta = np.zeros(len(result.birth_lengths), dtype=np.int64)
        eta[: birth + 1] = rng.integers(0, p, birth + 1)
        eta[pivots[made]] = 0
        provenance._extend_over_relations(eta, -1, made)
        listed, column = provenance._cochain(eta, length)
        stop = int(np.flatnonzero((listed[:, 0] == u) & (listed[:, 1] == v))[0])
        edges = listed[:stop].astype(np.int64)
        columns.append(column[:stop].astype(np.int64))
        wanted.append(int((values * eta[rows] % p).sum() % p))
        at_birth.append(int(eta[birth]))
    weights = _lengths(matrix, edges).astype(np.float64)
    eta_edges = np.stack(columns, axis=1)
    # Zero lengths would vanish from a sparse matrix.
    graph = coo_array((np.maximum(weights, 1e-12 * (length or 1.0)), (edges[:, 0], edges[:, 1])), shape=(n, n)).tocsr()
    far, before = dijkstra(graph, directed=False, indices=[u, v], return_predecessors=True)
    potential = [_potentials(before[k], far[k], (u, v)[k], edges, eta_edges, n, p) for k in range(2)]
    # The loop runs u -> v on the birth edge, v -> x by a path, x -> y on an edge, y -> u by a path.
    both = np.concatenate((edges, edges[:, ::-1])), np.concatenate((eta_edges, -eta_edges)), np.tile(weights, 2)
    x, y = both[0][:, 0], both[0][:, 1]
    reached = np.isfinite(far[1][x]) & np.isfinite(far[0][y])
    around = (np.array(at_birth) + potential[1][x] + both[1] - potential[0][y]) % p
    fitting = np.flatnonzero(reached & (around == np.array(wanted)).all(axis=1))
    total = far[1][x[fitting]] + both[2][fitting] + far[0][y[fitting]]
    tried = set()
    for k in fitting[np.argsort(total, kind="stable")].tolist():
        walk = _path(before[1], v, int(x[k])) + _path(before[0], u, int(y[k]))[::-1]
        if walk[0] != v or walk[-1] != u or len(set(walk)) != len(walk) or tuple(walk) in tried:
            continue
        tried.add(tuple(walk))
        if len(tried) > 64:
            break
        if _same_class(provenance, np.array(walk), rows, values, made):
            return np.array([u, *walk[:-1]])
    return None


def _potentials(
    before: np.ndarray, far: np.ndarray, root: int, edges: np.ndarray, eta: np.ndarray, n: int, p: int
) -> np.ndarray:
    """Sums of eta along the tree path from the root to every vertex."""
    key = edges[:, 0] * n + edges[:, 1]
    order = np.argsort(key)
    out = np.zeros((n, eta.shape[1]), dtype=np.int64)
    # A tree edge may have length zero, so that order by distance alone is not parents first: walk up instead.
    known = np.zeros(n, dtype=bool)
    known[root] = True
    child = np.flatnonzero(before >= 0)
    parent = before[child].astype(np.int64)
    low, high = np.minimum(child, parent), np.maximum(child, parent)
    found = order[np.searchsorted(key, low * n + high, sorter=order)]
    step = np.zeros((n, eta.shape[1]), dtype=np.int64)
    step[child] = np.where((parent < child)[:, None], eta[found], -eta[found])
    for start in child.tolist():
        trail = []
        w = start
        while not known[w]:
            trail.append(w)
            w = int(before[w])
        for w in reversed(trail):
            out[w] = (out[before[w]] + step[w]) % p
            known[w] = True
    return out


def _path(before: np.ndarray, root: int, to: int) -> list[int]:
    walk = [to]
    while walk[-1] != root:
        walk.append(int(before[walk[-1]]))
    return walk[::-1]


def _same_class(
    provenance: LinksProvenance, walk: np.ndarray, rows: np.ndarray, values: np.ndarray, made: np.ndarray
) -> bool:
    """Whether the loop v = walk[0], ..., walk[-1] = u and back by the edge (u, v) is the cycle of (rows, values) up to relations."""
    result, p = provenance.result, int(provenance.result.field)
    pairs = np.column_stack((walk, np.append(walk[1:], walk[:1]))).astype(np.uint32)
    row, value = cpu.links_expand(
        provenance.witnessed, provenance.matrix.condensed, np.ascontiguousarray(pairs), np.ones(len(pairs), dtype=np.uint32)
    )
    left: dict[int, int] = dict(zip(row.tolist(), value.tolist(), strict=True))
    for r, c in zip(rows.tolist(), values.tolist(), strict=True):
        left[r] = (left.get(r, 0) - c) % p
    owner = {int(pivot): k for k, pivot in enumerate(result.relation_pivots) if made[k]}
    while True:
        left = {r: c for r, c in left.items() if c}
        if not left:
            return True
        top = max(left)
        if top not in owner:
            return False
        factor = left[top]
        more_rows, more_values = provenance._relation(owner[top])
        for r, c in zip(more_rows.tolist(), more_values.tolist(), strict=True):
            left[r] = (left.get(r, 0) - factor * c) % p
