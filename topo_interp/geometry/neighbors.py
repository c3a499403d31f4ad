"""Exact neighbor graphs in one pass over the pairs, in memory for the graph and not for the matrix."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp._arguments import real_number, whole_number
from topo_interp._errors import BudgetError, InputError
from topo_interp._memory import free_bytes, parse_bytes
from topo_interp.geometry._source import Source, frozen, open_source, reported
from topo_interp.geometry.distances import require_memory
from topo_interp.metrics import Metric

if TYPE_CHECKING:
    import networkx
    import scipy.sparse

__all__ = ["KnnGraph", "RadiusGraph", "knn_graph", "radius_graph"]


@dataclasses.dataclass(frozen=True, eq=False)
class KnnGraph:
    """The k nearest neighbors of every row, itself left out.

    Made by :func:`knn_graph`.

    Attributes:
        indices: int64 array (n, k), nearest first; equal distances are ordered by index.
        distances: array (n, k) of the dtype of the points. Duplicates are neighbors at distance 0.
        metric: name of the metric.
    """

    indices: np.ndarray
    distances: np.ndarray
    metric: str

    @property
    def n(self) -> int:
        """Number of points."""
        return len(self.indices)

    @property
    def k(self) -> int:
        """Number of neighbors of each point."""
        return self.indices.shape[1]

    def __repr__(self) -> str:
        return f"KnnGraph(n={self.n}, k={self.k}, metric={self.metric!r})"

    def csr(self) -> scipy.sparse.csr_array:
        """Row i holds the distances of point i to its neighbors, zeros of duplicates stored; the graph is directed."""
        order = np.argsort(self.indices, axis=1)
        indices = np.take_along_axis(self.indices, order, axis=1).ravel()
        data = np.take_along_axis(self.distances, order, axis=1).ravel()
        return _csr(np.arange(self.n + 1, dtype=np.int64) * self.k, indices, data, self.n)

    def to_networkx(self) -> networkx.DiGraph:
        """A directed graph with the attribute ``distance`` on its edges."""
        import networkx

        graph = networkx.DiGraph()
        graph.add_nodes_from(range(self.n))
        rows = np.repeat(np.arange(self.n), self.k)
        graph.add_weighted_edges_from(_triples(rows, self.indices.ravel(), self.distances.ravel()), weight="distance")
        return graph


@dataclasses.dataclass(frozen=True, eq=False)
class RadiusGraph:
    """All pairs within a radius, in compressed rows: symmetric, without loops, columns ascending.

    Made by :func:`radius_graph`.

    Attributes:
        indptr: int64 array (n + 1,): the neighbors of row i are the entries ``indptr[i]:indptr[i + 1]``.
        indices: int64 array (entries,), each pair twice.
        distances: array (entries,) of the dtype of the points. Duplicates are neighbors at distance 0.
        radius: pairs at exactly this distance are in.
        metric: name of the metric.
        rounding: every distance is within this of the exact distance of the given points.
    """

    indptr: np.ndarray
    indices: np.ndarray
    distances: np.ndarray
    radius: float
    metric: str
    rounding: float = 0.0

    @property
    def n(self) -> int:
        """Number of points."""
        return len(self.indptr) - 1

    @property
    def pairs(self) -> int:
        """Number of pairs within the radius."""
        return len(self.indices) // 2

    def __repr__(self) -> str:
        return f"RadiusGraph(n={self.n}, pairs={self.pairs}, radius={self.radius:.4g}, metric={self.metric!r})"

    def csr(self) -> scipy.sparse.csr_array:
        """The distances as a sparse matrix. An absent entry means "farther than the radius"; zeros of duplicates are stored."""
        return _csr(self.indptr, self.indices, self.distances, self.n)

    def to_networkx(self) -> networkx.Graph:
        """A graph with the attribute ``distance`` on its edges."""
        import networkx

        graph = networkx.Graph()
        graph.add_nodes_from(range(self.n))
        rows = np.repeat(np.arange(self.n), np.diff(self.indptr))
        once = rows < self.indices
        graph.add_weighted_edges_from(_triples(rows[once], self.indices[once], self.distances[once]), weight="distance")
        return graph


def knn_graph(
    x: Any, k: int, *, metric: str | Metric = "euclidean", threads: int | None = None, progress: bool = False, device: str = "cpu"
) -> KnnGraph:
    """The exact k nearest neighbors of every row of ``x``, by the distances that ``pairwise_distances`` defines, bit for bit.

    >>> graph = knn_graph([[0.0], [1.0], [3.0], [3.0]], k=2)
    >>> graph.indices.tolist(), graph.distances.tolist()
    ([[1, 2], [0, 2], [3, 1], [2, 1]], [[1.0, 3.0], [1.0, 2.0], [0.0, 2.0], [0.0, 2.0]])

    Args:
        x: points (n, d), or a DistanceMatrix, whose own metric then counts.
        k: from 1 to n - 1.
        metric: a name or a Metric.
        threads: how many; None for all cores. The result does not depend on it.
        progress: whether to show a progress line.
        device: "cpu", or "cuda" ("cuda:1") for points, which may also be torch or CuPy arrays on that device.

    Raises:
        InputError: k is not from 1 to n - 1, or a wrong x or metric.

    Cost: the n (n - 1) / 2 distances once; memory for one copy of the points and two times the graph.
    """
    source = open_source(x, metric, threads, device=device)
    if source.n < 2:
        raise InputError("x has one row, which has no neighbors; at least two rows are needed")
    k = whole_number(k, "k", 1, source.n - 1, f"a row has {source.n - 1} others")
    lists = source.n * k * (4 + 8 + 3 * source.dtype.itemsize)
    require_memory(lists, f"the neighbor lists of {source.n} rows with k = {k}", "take fewer rows or a smaller k")
    with reported(progress, "nearest neighbors") as report:
        indices, distances = source.knn(k, report)
    return KnnGraph(frozen(indices), source.in_units(distances), source.metric_name)


def radius_graph(
    x: Any,
    radius: float,
    *,
    metric: str | Metric = "euclidean",
    memory: int | str | None = None,
    threads: int | None = None,
    progress: bool = False,
    device: str = "cpu",
) -> RadiusGraph:
    """All pairs of rows within ``radius``, by the distances that ``pairwise_distances`` defines, bit for bit.

    >>> graph = radius_graph([[0.0], [1.0], [3.0], [3.0]], 1.0)
    >>> graph
    RadiusGraph(n=4, pairs=2, radius=1, metric='euclidean')
    >>> graph.csr().nnz  # the duplicates are stored, at distance 0
    4

    Args:
        x: points (n, d), or a DistanceMatrix, whose own metric then counts.
        radius: a pair at exactly this distance is in.
        metric: a name or a Metric.
        memory: budget for the graph in bytes or as text ("4GB"); None for half of what is free.
        threads: how many; None for all cores. The result does not depend on it.
        progress: whether to show a progress line.
        device: "cpu", or "cuda" ("cuda:1") for points, which may also be torch or CuPy arrays on that device.

    Raises:
        BudgetError: the pairs outgrow the budget; raised while they are found, before the memory is taken.

    Cost: the n (n - 1) / 2 distances once; memory for one copy of the points and, at the peak, 36 bytes for each pair of
    float32 points within the radius (48 for float64); 40 (56) where they come from a device.
    """
    source = open_source(x, metric, threads, rounding=True, device=device)
    radius = real_number(radius, "radius")
    each = source.bytes_per_pair
    budget = free_bytes() // 2 if memory is None else parse_bytes(memory)
    with reported(progress, "pairs within the radius") as report:
        found = source.within_radius(source.to_kernel(radius), budget // each, report)
    if len(found) == 2:
        raise _over_budget(source, radius, each, budget, *found)
    indptr, indices, distances = found
    lengths = source.in_units(distances)
    return RadiusGraph(frozen(indptr), frozen(indices), lengths, radius, source.metric_name, source.rounding())


def _over_budget(source: Source, radius: float, each: int, budget: int, pairs: int, part: float) -> BudgetError:
    return BudgetError(
        f"the radius graph of {source.n} rows at radius {radius:.4g} outgrew its budget of {budget / 1e9:.3g} GB after {pairs} "
        f"pairs, {part:.0%} of the way; all of it needs about {each * pairs / part / 1e9:.3g} GB: take a smaller radius, fewer "
        "rows, ti.knn_graph(x, k), or raise memory="
    )


def _csr(indptr: np.ndarray, indices: np.ndarray, data: np.ndarray, n: int) -> scipy.sparse.csr_array:
    import scipy.sparse

    out = scipy.sparse.csr_array((n, n), dtype=data.dtype)
    # Set one by one: the constructor narrows the indices to 32 bits where they fit.
    out.indptr, out.indices, out.data = indptr.copy(), indices.copy(), data.copy()
    out.has_sorted_indices = out.has_canonical_format = True
    return out


def _triples(rows: np.ndarray, columns: np.ndarray, lengths: np.ndarray) -> Any:
    return zip(rows.tolist(), columns.tolist(), lengths.tolist(), strict=True)
