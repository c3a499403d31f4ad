"""A short loop that represents a bar of degree 1, where one is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from topo_interp._native import cpu
from topo_interp.geometry.distance_matrix import DistanceMatrix, pair_position

if TYPE_CHECKING:
    from topo_interp.homology.cycles import LinksProvenance

__all__ = ["length_of", "shortest_loop"]


def length_of(provenance: LinksProvenance, pairs: np.ndarray) -> float:
    """The sum of the distances of pairs (m, 2) of points."""
    return float(_lengths(provenance.matrix, pairs).astype(np.float64).sum())


def _lengths(matrix: DistanceMatrix, pairs: np.ndarray) -> np.ndarray:
    low, high = pairs.min(axis=1).astype(np.int64), pairs.max(axis=1).astype(np.int64)
    return matrix.condensed[pair_position(low, high, matrix.n)]


def shortest_loop(provenance: LinksProvenance, birth: int, rows: np.ndarray, values: np.ndarray) -> np.ndarray | None:
    """The edges of a short loop that is there at the birth and homologous to the cycle just below the death; None if none is found.

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
        provenance.extend_over_relations(eta, -1, made)
        listed, column = provenance.cochain(eta, length)
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
            return _around(np.array([u, *walk[:-1]]))
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


def _around(walk: np.ndarray) -> np.ndarray:
    """The edges of a closed walk, from each vertex to the next."""
    return np.column_stack((walk, np.roll(walk, -1)))


def _same_class(
    provenance: LinksProvenance, walk: np.ndarray, rows: np.ndarray, values: np.ndarray, made: np.ndarray
) -> bool:
    """Whether the loop v = walk[0], ..., walk[-1] = u and back by the edge (u, v) is the cycle of (rows, values) up to relations."""
    result, p = provenance.result, int(provenance.result.field)
    pairs = np.ascontiguousarray(_around(walk), dtype=np.uint32)
    row, value = cpu.links_expand(provenance.witnessed, provenance.matrix.condensed, pairs, np.ones(len(pairs), dtype=np.uint32))
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
        more_rows, more_values = provenance.relation(owner[top])
        for r, c in zip(more_rows.tolist(), more_values.tolist(), strict=True):
            left[r] = (left.get(r, 0) - factor * c) % p
