"""Numbers without topology that often explain a topological number: to be printed beside it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from topo_interp._errors import InputError
from topo_interp.arrays import as_points
from topo_interp.geometry.distance_matrix import DistanceMatrix
from topo_interp.geometry.neighbors import knn_graph
from topo_interp.summaries.intrinsic_dimension import two_nn

__all__ = ["baselines"]


def baselines(points: Any, dm: DistanceMatrix | None = None) -> dict[str, float]:
    """Eight plain numbers of a cloud; never NaN.

    - ``mean_norm``: mean Euclidean norm of the rows.
    - ``participation_ratio``: (sum of the covariance's eigenvalues)^2 over the sum of their squares; 0 without variance.
    - ``pca_dim_90``: smallest number of principal components with 90 % of the variance; 0 without variance.
    - ``two_nn_dim``: TwoNN intrinsic dimension, the maximum-likelihood form (N - 1) / sum ln(r2 / r1) over the N distinct
      points; 0 with fewer than 3 of them, inf when every point has its two nearest neighbors at one distance.
      Source: Facco, d'Errico, Rodriguez, Laio (2017); Denti, Doimo, Laio, Mira (2022) for the N - 1.
    - ``top_coordinate_share``: share of the mean squared distance that lies in one coordinate; 0 without variance.
    - ``top_5_coordinates_share``: the same of the five coordinates with the largest shares together.
    - ``distance_concentration``: standard deviation over mean of the distances between rows (1/N form); 0 when all are 0.
      Near 0 all points are equally far apart, and their bars say little.
    - ``noise_floor_ratio``: about the largest death / birth that a circle could have here, were all that is not noise a circle.
      Isotropic noise adds the same F to all squared distances, so that a loop of radius r is born at sqrt(F) or later and dies
      by sqrt(3 r^2 + F); F is taken as the median squared distance to the nearest neighbor, 2 r^2 as what the mean squared
      distance has beyond F. It errs on the high side, because the nearest neighbor is nearer than noise is on average. inf where
      half of the points coincide with another, 1 where all do. It means this for euclidean and chordal distances.

    >>> table = baselines([[0.0, 0.0], [0.0, 2.0], [0.0, 6.0]])
    >>> table["pca_dim_90"], table["top_coordinate_share"]
    (1.0, 1.0)

    Args:
        points: (n, d), any input of :func:`as_points`.
        dm: distances for the last and for TwoNN; Euclidean ones of the points when it is left out.

    Raises:
        InputError: dm is no DistanceMatrix, or of other rows.

    Cost: O(n^2 d) time for the distances, O(n d min(n, d)) for the spectrum.
    """
    points = as_points(points, name="points")
    if dm is None:
        dm = DistanceMatrix.from_points(points)
    if not isinstance(dm, DistanceMatrix):
        raise InputError(f"dm is a {type(dm).__name__}; a ti.DistanceMatrix of the points is needed, or None")
    if dm.n != len(points):
        raise InputError(f"dm has {dm.n} points and points has {len(points)} rows; both must be of the same rows")
    # In units of the largest entry no square overflows; only the norm has a unit.
    largest = float(np.abs(points).max())
    unit = points.astype(np.float64) / largest if largest > 0 else points.astype(np.float64)
    centered = unit - unit.mean(axis=0)
    # A constant column's computed mean may be off by a rounding, which must not look like variance.
    centered[:, (unit == unit[0]).all(axis=0)] = 0.0
    variances = (centered**2).mean(axis=0)
    return {
        "mean_norm": largest * float(np.linalg.norm(unit, axis=1).mean()),
        **_spectrum(centered),
        "two_nn_dim": two_nn()(dm),
        "top_coordinate_share": _top_share(variances, 1),
        "top_5_coordinates_share": _top_share(variances, 5),
        "distance_concentration": _concentration(dm.condensed),
        "noise_floor_ratio": _noise_floor(dm.condensed, _nearest(dm)),
    }


def _nearest(dm: DistanceMatrix) -> np.ndarray:
    return knn_graph(dm, 1).distances[:, 0].astype(np.float64) if dm.n > 1 else np.zeros(1)


def _spectrum(centered: np.ndarray) -> dict[str, float]:
    n, d = centered.shape
    gram = centered.T @ centered if d <= n else centered @ centered.T
    eigenvalues = np.maximum(np.linalg.eigvalsh(gram)[::-1], 0.0)
    if not eigenvalues[0] > 0:
        return {"participation_ratio": 0.0, "pca_dim_90": 0.0}
    shares = eigenvalues / eigenvalues[0]
    reached = np.cumsum(shares) >= 0.9 * shares.sum()
    return {
        "participation_ratio": float(shares.sum() ** 2 / (shares**2).sum()),
        "pca_dim_90": float(np.argmax(reached) + 1),
    }


def _top_share(variances: np.ndarray, k: int) -> float:
    """Twice the variance of a coordinate is its part of the mean squared distance."""
    return float(np.sort(variances)[-k:].sum() / variances.sum()) if variances.any() else 0.0


def _noise_floor(distances: np.ndarray, nearest: np.ndarray) -> float:
    largest = float(distances.max(initial=0.0))
    if largest == 0:
        return 1.0
    floor = float(np.median((nearest / largest) ** 2))
    beyond = float(np.mean((distances.astype(np.float64) / largest) ** 2)) - floor
    if floor == 0:
        return math.inf
    return math.sqrt(1 + 1.5 * max(beyond, 0.0) / floor)


def _concentration(distances: np.ndarray) -> float:
    mean = float(distances.mean(dtype=np.float64)) if len(distances) else 0.0
    return float(distances.std(dtype=np.float64)) / mean if mean > 0 else 0.0
