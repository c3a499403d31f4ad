"""Metrics that need the whole cloud: frozen values that map points to a DistanceMatrix, so that a null can re-run them."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from topo_interp._errors import InputError
from topo_interp._value import Value, brief_call
from topo_interp.arrays import as_points
from topo_interp.geometry.distance_matrix import DistanceMatrix

__all__ = ["PAIRWISE_ERROR", "CloudMetric", "gamma", "stored"]

_UNIT = 2.0**-53
# What pairwise_distances promises of a float64 result, relative.
PAIRWISE_ERROR = 1e-11


@dataclasses.dataclass(frozen=True, repr=False)
class CloudMetric(Value):
    """A dissimilarity of the rows of a cloud that is more than a function of two rows; a callable points -> DistanceMatrix.

    Attributes:
        formula: the definition, in one line.
        true_metric: whether the triangle inequality holds (distance 0 between different rows is allowed).
        is_graph_metric: whether it is read off a neighbor graph, which jumps where two neighbors change places.
        notes: sentences for the certificate of whatever is computed from it.
    """

    formula: ClassVar[str] = ""
    is_graph_metric: ClassVar[bool] = False

    @property
    def true_metric(self) -> bool:
        return True

    @property
    def name(self) -> str:
        """The call that makes it, without what is default."""
        return brief_call(self, lambda given: f"{given:g}" if isinstance(given, float) else repr(given))

    def __repr__(self) -> str:
        return self.name

    @property
    def notes(self) -> tuple[str, ...]:
        if not self.is_graph_metric:
            return ()
        sentence = (
            f"{self.name} is read off a neighbor graph: the rounding is that of the arithmetic on the graph of the computed "
            "distances, and no bound on errors of the points carries over, because a neighbor changes by jumps; ti.neighbor_band "
            "shows how much a statistic depends on the number of neighbors."
        )
        return (sentence,)

    def __call__(self, points: Any) -> DistanceMatrix:
        """The distances of the rows; the same as :meth:`distance_matrix`."""
        return self.distance_matrix(points)

    def distance_matrix(self, points: Any) -> DistanceMatrix:
        """The distances of the rows of ``points`` (n, d), computed in float64 and stored in float32."""
        return self._distances(as_points(points, name="points").astype(np.float64, copy=False))

    def require_usable(self, points: np.ndarray) -> None:
        """Refuses points, as they were before any step, for which the metric says nothing."""

    def memory(self, n: int) -> int:
        """Bytes at the peak beyond the stored half matrix."""
        return 8 * 5 * n * n  # the square, its inverse or image, a product and two more; what inverts takes no more than that

    def _distances(self, points: np.ndarray) -> DistanceMatrix:
        raise NotImplementedError


def stored(metric: CloudMetric, square: np.ndarray, error: float) -> DistanceMatrix:
    """The upper triangle of a float64 square whose entries are within ``error`` of the exact ones."""
    from scipy.spatial.distance import squareform

    n, exact = len(square), squareform(square, checks=False)
    largest = float(exact.max(initial=0.0))
    tiny, huge = (float(edge) for edge in (np.finfo(np.float32).tiny, np.finfo(np.float32).max))
    if not largest < huge or 0 < largest < tiny / 2.0**-24:
        raise InputError(
            f"{metric} has distances around {largest:.3g}, beyond the range of float32: divide the points by their median "
            "distance first"
        )
    condensed = exact.astype(np.float32)
    exact -= condensed
    return DistanceMatrix(condensed, n, metric, error + float(np.abs(exact, out=exact).max(initial=0.0)))  # type: ignore[arg-type]


def gamma(terms: float) -> float:
    """Relative error of a float64 sum of that many products, in any order of summation (Higham 2002, section 3.1)."""
    return terms * _UNIT / (1 - terms * _UNIT)
