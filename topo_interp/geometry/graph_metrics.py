"""Metrics of the neighbor graph: effective resistance, diffusion distance, geodesics.

Where noise in many dimensions makes all points nearly equally far apart, the order of the near ones still holds news, and
these metrics read nothing else. The graph joins i and j when either is among the k nearest of the other (equal distances:
the smaller index first); its edges are not weighted, except for geodesics.

Stated once for all three:

- Pieces. Where the graph falls apart, resistance and geodesic between two pieces are infinite; twice the largest finite
  distance stands there, so that H0 shows the pieces and no loop runs through two of them. Diffusion distances are finite.
- Duplicates. Rows that coincide are different vertices, and their distance is not 0 in general. More than k copies of a row
  have each other as neighbors only, so they can be a piece of their own: drop duplicates first.
- Twins. Two vertices with the same neighbors can have distance 0 (diffusion, corrected resistance).

Source of use and settings: Damrich, Berens, Kobak, Persistent homology for high-dimensional data based on spectral methods
(NeurIPS 2024).
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from topo_interp._arguments import whole_number
from topo_interp._errors import InputError
from topo_interp._words import counted
from topo_interp.geometry.cloud_metric import PAIRWISE_ERROR, CloudMetric, gamma, stored
from topo_interp.geometry.distance_matrix import DistanceMatrix
from topo_interp.geometry.distances import pairwise_distances
from topo_interp.geometry.neighbors import knn_graph
from topo_interp.metrics import get_metric

__all__ = ["diffusion", "effective_resistance", "geodesic"]

_UNIT = 2.0**-53
# Distance between two pieces, over the largest finite distance.
_APART = 2.0


@dataclasses.dataclass(frozen=True, repr=False)
class _GraphMetric(CloudMetric):
    is_graph_metric: ClassVar[bool] = True

    k: int
    metric: str = dataclasses.field(default="euclidean", kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", whole_number(self.k, f"{self.kind}: k, the number of neighbors,", 1))
        object.__setattr__(self, "metric", get_metric(self.metric).name)

    def _graph(self, points: np.ndarray) -> Any:
        """Sparse symmetric matrix of the distances along the edges; explicit zeros are edges between duplicates."""
        import scipy.sparse

        n = len(points)
        if self.k > n - 1:
            raise InputError(f"{self} of {counted(n, 'row')}: a row has {n - 1} others; use a smaller k, or more rows")
        graph = knn_graph(points, self.k, metric=self.metric)
        first, second = np.repeat(np.arange(n), self.k), graph.indices.ravel()
        # Each edge once, by its number in the upper triangle, then in both directions.
        low, high = np.minimum(first, second), np.maximum(first, second)
        _, once = np.unique(low * n + high, return_index=True)
        low, high, length = low[once], high[once], graph.distances.ravel()[once]
        ends = (np.concatenate((low, high)), np.concatenate((high, low)))
        return scipy.sparse.csr_array((np.concatenate((length, length)), ends), shape=(n, n))


@dataclasses.dataclass(frozen=True, repr=False)
class _EffectiveResistance(_GraphMetric, kind="effective_resistance"):
    formula: ClassVar[str] = "L+_ii + L+_jj - 2 L+_ij; corrected: minus 1/deg_i + 1/deg_j, plus 2 A_ij / (deg_i deg_j)"

    corrected: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.corrected, (bool, np.bool_)):
            raise InputError(f"effective_resistance: corrected is {self.corrected!r}; it is True or False")
        object.__setattr__(self, "corrected", bool(self.corrected))

    @property
    def true_metric(self) -> bool:
        return not self.corrected  # corrected it is the square of a Euclidean distance

    def _distances(self, points: np.ndarray) -> DistanceMatrix:
        adjacency = _unweighted(self._graph(points))
        square = np.full(adjacency.shape, np.inf)
        error = 0.0
        for piece in _pieces(adjacency):
            block = adjacency if len(piece) == len(points) else adjacency[piece][:, piece]
            resistance, bound = _resistance(block)
            error = max(error, bound)
            if self.corrected:
                share, edges = 1 / block.sum(axis=1), block.tocoo()
                resistance -= np.add.outer(share, share)
                resistance[edges.row, edges.col] += 2 * share[edges.row] * share[edges.col]
                np.maximum(resistance, 0.0, out=resistance)  # below 0 is rounding of 0
                np.fill_diagonal(resistance, 0.0)
                error += 16 * _UNIT * float(share.max() + resistance.max())
            square[np.ix_(piece, piece)] = resistance
        return stored(self, *_joined(square, error))


@dataclasses.dataclass(frozen=True, repr=False)
class _Diffusion(_GraphMetric, kind="diffusion"):
    formula: ClassVar[str] = "sqrt(vol) |(P^t_i - P^t_j) D^(-1/2)| with P = D^-1 A, vol = sum of the degrees"

    t: int

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "t", whole_number(self.t, "diffusion: t, the number of steps,", 1))

    def _distances(self, points: np.ndarray) -> DistanceMatrix:
        adjacency = _unweighted(self._graph(points))
        n, degree = len(points), adjacency.sum(axis=1)
        root = 1 / np.sqrt(degree)
        once = adjacency.multiply(root[:, None]).multiply(root).toarray()
        after = np.linalg.matrix_power(once, self.t) * (np.sqrt(degree.sum()) * root)[:, None]
        # Nothing is subtracted in the powers of a matrix without negative entries, so every entry keeps its relative error:
        # t factors of 4 roundings each and t - 1 products.
        relative = (1 + 4 * _UNIT) ** self.t * (1 + gamma(n)) ** (self.t - 1) * (1 + 6 * _UNIT) - 1
        square = pairwise_distances(after)
        longest = float(np.linalg.norm(after, axis=1).max())
        return stored(self, square, 2 * relative * longest * (1 + gamma(n)) + PAIRWISE_ERROR * float(square.max()))


@dataclasses.dataclass(frozen=True, repr=False)
class _Geodesic(_GraphMetric, kind="geodesic"):
    formula: ClassVar[str] = "length of the shortest way along the edges"

    def _distances(self, points: np.ndarray) -> DistanceMatrix:
        from scipy.sparse.csgraph import dijkstra

        square = dijkstra(self._graph(points), directed=False)
        square = np.minimum(square, square.T)  # the two directions may add up one way's lengths differently
        longest = float(square[np.isfinite(square)].max())
        # A way of the graph has at most n - 1 edges, and errors of its edges relative to their lengths add up to no more.
        return stored(self, *_joined(square, longest * (PAIRWISE_ERROR + gamma(len(points)))))


def _unweighted(graph: Any) -> Any:
    graph = graph.copy()
    graph.data[:] = 1.0
    return graph


def _pieces(adjacency: Any) -> list[np.ndarray]:
    from scipy.sparse.csgraph import connected_components

    count, label = connected_components(adjacency, directed=False)
    return [np.flatnonzero(label == piece) for piece in range(count)]


def _joined(square: np.ndarray, error: float) -> tuple[np.ndarray, float]:
    """The distances with the rule for pieces, and the bound on their error."""
    apart = np.isinf(square)
    if apart.any():
        square[apart] = _APART * float(square[~apart].max())
        error *= _APART
    return square, error


def _resistance(adjacency: Any) -> tuple[np.ndarray, float]:
    """Effective resistances of a connected graph, and a bound on their error that is computed, not estimated.

    With the Laplacian L and the ones matrix J, X = (L + J)^-1 is the pseudo-inverse of L plus a constant, which cancels; L + J
    has integer entries, hence no rounding. For the computed X and E = I - (L + J) X, the exact inverse is X + X E (I - E)^-1.
    """
    n = adjacency.shape[0]
    degree = adjacency.sum(axis=1)
    full = 1.0 - adjacency.toarray()
    full[np.diag_indices(n)] += degree
    # numpy's, although scipy's Cholesky form needs half the work: two libraries with threads of their own wait for each other.
    full = np.linalg.inv(full)
    inverse = full + full.T
    inverse /= 2
    size = np.abs(inverse, out=full).sum(axis=1)
    residual = adjacency @ inverse
    residual -= np.multiply(degree[:, None], inverse, out=full)
    residual -= inverse.sum(axis=0)
    residual[np.diag_indices(n)] += 1.0
    rounding = gamma(2 * n + 4) * (degree * size + adjacency @ size + size.sum())
    left = float((np.abs(residual, out=residual).sum(axis=1) + rounding).max()) * (1 + gamma(n))
    if not left < 0.5:
        raise InputError(f"the Laplacian of a neighbor graph of {n} rows is too ill-conditioned to invert; use a larger k")
    diagonal = inverse.diagonal()
    resistance = np.add.outer(diagonal, diagonal)
    resistance -= np.multiply(2, inverse, out=full)
    np.fill_diagonal(resistance, 0.0)
    error = 4 * float(size.max()) * left / (1 - left) + 8 * _UNIT * float(diagonal.max())
    return resistance, error


def effective_resistance(k: int, corrected: bool = True, *, metric: str = "euclidean") -> CloudMetric:
    """Resistance between two points when every edge of the neighbor graph is a resistor of 1 ohm.

    On a large graph the resistance tends to 1/deg_i + 1/deg_j, which says nothing of the shape and makes hubs near to all; the
    corrected form takes that out (von Luxburg, Radl, Hein 2014) and is what should be used. It is the square of a Euclidean
    distance, not a metric; the plain resistance is one.

    >>> path = [[0.0], [1.0], [2.1]]
    >>> effective_resistance(1, corrected=False)(path).condensed
    array([1., 2., 1.], dtype=float32)

    Args:
        k: number of neighbors; 15 and 100 were tried by the authors, and 100 needs a thousand points.
        corrected: whether the part that only the degrees decide is taken out.
        metric: by name, of which the neighbors are the nearest.

    Cost: an inverse and a product of n x n matrices per piece.
    """
    return _EffectiveResistance(k, corrected=corrected, metric=metric)


def diffusion(k: int, t: int, *, metric: str = "euclidean") -> CloudMetric:
    """How differently two random walkers on the neighbor graph are spread after t steps. A Euclidean distance, hence a metric.

    >>> diffusion(1, 1)([[0.0], [1.0], [5.0], [6.0]]).condensed.round(4)
    array([2.8284, 2.8284, 2.8284, 2.8284, 2.8284, 2.8284], dtype=float32)

    Args:
        k: number of neighbors (the authors: 15 or 100).
        t: number of steps (the authors: 8 or 64).
        metric: by name, of which the neighbors are the nearest.

    Cost: about 2 log2(t) products of n x n matrices, and their n^2 row distances.
    """
    return _Diffusion(k, t, metric=metric)


def geodesic(k: int, *, metric: str = "euclidean") -> CloudMetric:
    """Length of the shortest way along the edges of the neighbor graph, each as long as its distance (Isomap's distances).

    One wrong edge is a shortcut for everything beside it.

    >>> geodesic(1)([[0.0], [1.0], [2.5], [9.0], [10.0]]).square()[0]
    array([0. , 1. , 2.5, 5. , 5. ], dtype=float32)

    Args:
        k: number of neighbors.
        metric: by name, of the neighbors and the lengths.

    Cost: n searches of the graph, n^2 (k + log n).
    """
    return _Geodesic(k, metric=metric)
