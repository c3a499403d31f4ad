"""Fermat distance: shortest ways through the points, where long jumps cost more than many short ones."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from topo_interp._arguments import real_number
from topo_interp._errors import InputError
from topo_interp.geometry.cloud_metric import PAIRWISE_ERROR, CloudMetric, gamma, stored
from topo_interp.geometry.distance_matrix import DistanceMatrix
from topo_interp.geometry.distances import pairwise_distances
from topo_interp.metrics import get_metric

__all__ = ["fermat"]


@dataclasses.dataclass(frozen=True, repr=False)
class _Fermat(CloudMetric, kind="fermat"):
    formula: ClassVar[str] = "min over ways x = x_0, ..., x_m = y through the points of sum d(x_i, x_(i+1))^p"

    p: float
    metric: str = dataclasses.field(default="euclidean", kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "p", real_number(self.p, "fermat: p, the exponent,", 1.0))
        object.__setattr__(self, "metric", get_metric(self.metric).name)

    def _distances(self, points: np.ndarray) -> DistanceMatrix:
        n = len(points)
        square = pairwise_distances(points, metric=self.metric)
        with np.errstate(over="ignore", under="ignore"):
            square **= self.p
        if not np.isfinite(square).all():
            raise InputError(f"{self} overflows float64 on these points; divide them by their median distance first")
        through = np.empty_like(square)
        for k in range(n):  # Floyd and Warshall; scipy's takes the 0 between duplicates for a missing edge
            np.add(square[:, k, None], square[k], out=through)
            np.minimum(square, through, out=square)
        # Relative errors of the steps stay those of their sum; a step's distance is raised to the power p.
        relative = 2 * self.p * PAIRWISE_ERROR + gamma(n + 8)
        return stored(self, square, relative * float(square.max()))

    def memory(self, n: int) -> int:
        return 8 * 3 * n * n


def fermat(p: float, *, metric: str = "euclidean") -> CloudMetric:
    """Cheapest way through the points when a step of length d costs d^p: a metric that follows the dense regions.

    For a sample of a density f on a manifold of dimension D it tends, scaled, to the geodesics of f^(-2 (p - 1) / D) times the
    metric of the manifold (Fernandez, Borghini, Mindlin, Groisman, JMLR 2023). The unit is that of d^p. p = 1 is the metric
    itself. Rows that coincide are at distance 0; nothing is ever disconnected.

    >>> fermat(2)([[0.0], [1.0], [3.0]]).condensed
    array([1., 5., 4.], dtype=float32)

    Args:
        p: exponent >= 1; 2 to 7 were tried by Damrich, Berens and Kobak (2024), larger ones for thinner shapes.
        metric: by name, of the steps.

    Cost: n^3 additions.
    """
    return _Fermat(p, metric=metric)
