"""Distance to a measure as a weight of the points: a few outliers no longer fill a hole.

A ball around point i grows from time f_i on, with radius (t^xi - f_i^xi)^(1/xi), where f_i is large if the point is far from
its neighbors. All values are doubled, as gudhi's are, so that weights of 0 give the Vietoris-Rips filtration.

Source: Anai, Chazal, Glisse, Ike, Inakoshi, Tinarrage, Umeda, DTM-based filtrations (SoCG 2019).
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from topo_interp._arguments import real_number, whole_number
from topo_interp._errors import InputError
from topo_interp._value import Value
from topo_interp.geometry.cloud_metric import gamma
from topo_interp.geometry.distance_matrix import DistanceMatrix
from topo_interp.geometry.neighbors import knn_graph

__all__ = ["WeightedEdges", "Weights", "dtm"]

_INFINITE = "inf"  # in a value's JSON, which has no infinity


@dataclasses.dataclass(frozen=True, eq=False)
class WeightedEdges:
    """A flag filtration whose vertices enter late.

    Attributes:
        births: float32 (n,): when each vertex enters.
        edges: when each edge enters, never before its two vertices; ``edges.rounding`` holds for the births too.
    """

    births: np.ndarray
    edges: DistanceMatrix


@dataclasses.dataclass(frozen=True, repr=False)
class Weights(Value):
    """Turns distances into a filtration by edges and late vertices."""

    def __call__(self, matrix: DistanceMatrix) -> WeightedEdges:
        raise NotImplementedError

    def memory(self, n: int) -> int:
        """Bytes at the peak beyond the distance matrix."""
        raise NotImplementedError

    def __repr__(self) -> str:
        values = (f"{field.name}={getattr(self, field.name)}" for field in dataclasses.fields(self))
        return f"{self.kind}({', '.join(values)})"


@dataclasses.dataclass(frozen=True, repr=False)
class _DTM(Weights, kind="dtm"):
    k: int
    q: float | str = 2.0
    xi: int | str = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", whole_number(self.k, "dtm: k, the number of neighbors with the point itself,", 1))
        infinite = self.q == _INFINITE or self.q == math.inf
        object.__setattr__(self, "q", _INFINITE if infinite else real_number(self.q, "dtm: q, the exponent,", 1.0))
        xi = _INFINITE if self.xi == math.inf else self.xi
        if isinstance(xi, bool) or xi not in (1, 2, _INFINITE):
            raise InputError(f"dtm: xi is {self.xi!r}; the balls' growth is known in closed form for xi = 1, 2 and math.inf")
        object.__setattr__(self, "xi", xi if xi == _INFINITE else int(xi))

    def values(self, matrix: DistanceMatrix) -> np.ndarray:
        """f_i = ((1/k) sum of the q-th powers of the distances to the k nearest, the point itself first)^(1/q)."""
        if self.k > matrix.n:
            raise InputError(f"{self} of {matrix.n} rows: there are {matrix.n} neighbors, the row itself counted; use a smaller k")
        if self.k == 1:
            return np.zeros(matrix.n)
        near = knn_graph(matrix, self.k - 1).distances.astype(np.float64)
        largest = near.max(axis=1)
        if self.q == _INFINITE:
            return largest
        unit, q = np.where(largest > 0, largest, 1.0), float(self.q)  # powers of shares neither overflow nor vanish
        return unit * (((near / unit[:, None]) ** q).sum(axis=1) / self.k) ** (1 / q)

    def __call__(self, matrix: DistanceMatrix) -> WeightedEdges:
        if not isinstance(matrix, DistanceMatrix):
            raise InputError(f"{self} was given a {type(matrix).__name__}; weights are part of a recipe: ti.Rips(weights=ti.{self})(x)")
        f, d = self.values(matrix), matrix.condensed.astype(np.float64)
        # Of each pair, in the condensed order.
        a = np.repeat(f, np.arange(matrix.n - 1, -1, -1))
        b = np.concatenate([f[i + 1 :] for i in range(matrix.n)])
        later = np.maximum(a, b)
        if self.xi == 1:
            meet = d + a + b
        elif self.xi == 2:
            # Of two balls around points nearer than the difference of their weights, the later is born inside the other.
            apart = d > np.sqrt(np.abs(a - b) * (a + b))
            unit = np.where(apart, d, 1.0)
            meet = np.where(apart, np.hypot(a + b, d) * np.hypot(a - b, d) / unit, 0.0)
        else:
            meet = d
        edges = np.maximum(2 * later, meet)
        # The doubled time of meeting changes by at most the change of d and of both weights; a weight by that of the distances.
        error = 3 * matrix.rounding
        largest = float(edges.max(initial=2 * float(f.max())))
        error += (2.0**-24 + gamma(16 + 8 * self.k)) * largest
        # Rounding keeps the order, so that in float32 too no edge enters before its vertices.
        return WeightedEdges((2 * f).astype(np.float32), DistanceMatrix(edges.astype(np.float32), matrix.n, repr(self), error))

    def memory(self, n: int) -> int:
        return 8 * 8 * n * (n - 1) // 2


def dtm(k: int, q: float = 2.0, xi: float = 1) -> Weights:
    """Weights by the distance to the measure: for ``ti.Rips(weights=ti.dtm(k=15))``.

    >>> import topo_interp as ti
    >>> ti.Rips(weights=dtm(2), max_dim=0)([[2.0, 2.0], [0.0, 1.0], [3.0, 4.0]])[0].round(4)
    array([[3.1623, 5.3983],
           [3.1623, 5.3983],
           [3.1623,    inf]])

    Args:
        k: number of nearest points, the point itself counted; 1 gives weights of 0.
        q: exponent of the mean, >= 1; ``math.inf`` for the distance to the k-th.
        xi: how a ball grows: 1 (gudhi's), 2 or ``math.inf``.
    """
    return _DTM(k, q, xi)  # type: ignore[arg-type]
