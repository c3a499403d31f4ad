"""The minimum spanning tree of a cloud without its distance matrix: all of H0, and single linkage."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp.geometry._source import frozen, open_source, reported
from topo_interp.metrics import Metric

if TYPE_CHECKING:
    import networkx

__all__ = ["SpanningTree", "spanning_tree"]


@dataclasses.dataclass(frozen=True, eq=False)
class SpanningTree:
    """The minimum spanning tree, its edges in the order (length, i, j).

    Made by :func:`spanning_tree`.

    That order is total, so that the tree is one and not one of several, whatever the ties.

    Attributes:
        edges: int64 array (n - 1, 2) of row numbers, i < j.
        lengths: array (n - 1,), ascending, of the dtype of the points: where components of the filtration merge.
        n: number of points.
        metric: name of the metric.
        rounding: every distance that was used is within this of the exact distance of the given points.
    """

    edges: np.ndarray
    lengths: np.ndarray
    n: int
    metric: str
    rounding: float = 0.0

    def __repr__(self) -> str:
        return f"SpanningTree(n={self.n}, metric={self.metric!r})"

    def linkage(self) -> np.ndarray:
        """scipy's single-linkage matrix (n - 1, 4): the two clusters, their distance, the number of points of both.

        >>> spanning_tree([[0.0], [1.0], [3.0]]).linkage()
        array([[0., 1., 1., 2.],
               [2., 3., 2., 3.]])
        """
        from scipy.cluster.hierarchy import DisjointSet

        parts = DisjointSet(range(self.n))
        cluster, size = list(range(self.n)), [1] * self.n  # of the root of each part: its name in scipy's numbering, its points
        rows = []
        for step, ((i, j), length) in enumerate(zip(self.edges.tolist(), self.lengths.tolist(), strict=True)):
            a, b = parts[i], parts[j]
            low, high = sorted((cluster[a], cluster[b]))
            parts.merge(a, b)
            root = parts[a]
            cluster[root], size[root] = self.n + step, size[a] + size[b]
            rows.append((low, high, length, size[root]))
        return np.array(rows, dtype=np.float64).reshape(-1, 4)

    def to_networkx(self) -> networkx.Graph:
        """A graph with the attribute ``length`` on its edges."""
        import networkx

        graph = networkx.Graph()
        graph.add_nodes_from(range(self.n))
        ends = zip(self.edges.tolist(), self.lengths.tolist(), strict=True)
        graph.add_weighted_edges_from(((i, j, length) for (i, j), length in ends), weight="length")
        return graph


def spanning_tree(
    x: Any, *, metric: str | Metric = "euclidean", threads: int | None = None, progress: bool = False, device: str = "cpu"
) -> SpanningTree:
    """The minimum spanning tree of the rows of ``x``, for the distances that ``pairwise_distances`` defines, bit for bit.

    >>> tree = spanning_tree([[0.0], [3.0], [1.0]])
    >>> tree.edges.tolist(), tree.lengths.tolist()
    ([[0, 2], [1, 2]], [1.0, 2.0])

    One pass over all pairs keeps the nearest neighbors of every row; Boruvka's rounds then work on these lists. A list whose
    entries all lie in the row's own component still bounds the row's other edges from below, and a component joins another
    only by an edge that comes before all such bounds, so that every edge is proved minimal. Only rows that stand in the way
    are looked at again: hardly any on usual activations, all pairs a second time where clusters are wide and apart, few of
    them where balls around the clusters (of metrics that are functions of Euclidean distances) prove the others too long.

    Args:
        x: points (n, d), or a DistanceMatrix, whose own metric then counts.
        metric: a name or a Metric; any dissimilarity will do.
        threads: how many; None for all cores. The result does not depend on it.
        progress: whether to show a progress line.
        device: "cpu", or "cuda" ("cuda:1") for points, which may also be torch or CuPy arrays on that device. There Boruvka's
            rounds take one pass over all pairs each: at most log2(n), usually about a third of that.

    Raises:
        InputError: a wrong x, metric or number of threads.
        BudgetError: not even a few blocks of rows fit the device.
        MissingEngineError: no CUDA module, driver or device.

    Cost: n^2 d / 2 multiply-adds; memory for one copy of the points and about 1 kB a row (1.4 kB for float64). On the device
    as many multiply-adds for each round, and 16 bytes a row beside the points and one block of distances.
    """
    source = open_source(x, metric, threads, rounding=True, device=device)
    phases = ("nearest neighbors", "rows looked at again", "pairs of components")
    with reported(progress, *phases) as report:
        edges, lengths = source.spanning_tree(report)
    return SpanningTree(frozen(edges), source.in_units(lengths), source.n, source.metric_name, source.rounding())
