"""Numbers without topology that often explain a topological number: to be printed beside it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from topo_interp._errors import InputError
from topo_interp.arrays import as_points
from topo_interp.geometry.distance_matrix import DistanceMatrix

__all__ = ["baselines"]


def baselines(points: Any, dm: DistanceMatrix | None = None) -> dict[str, float]:
    """Six plain numbers of a cloud; never NaN.

    - ``mean_norm``: mean Euclidean norm of the rows.
    - ``participation_ratio``: (sum of the covariance's eigenvalues)^2 over the sum of their squares; 0 without variance.
    - ``pca_dim_90``: smallest number of principal components with 90 % of the variance; 0 without variance.
    - ``two_nn_dim``: TwoNN intrinsic dimension, the maximum-likelihood form (N - 1) / sum ln(r2 / r1) over the N distinct
      points; 0 with fewer than 3 of them, inf when every point has its two nearest neighbors at one distance.
      Source: Facco, d'Errico, Rodriguez, Laio (2017); Denti, Doimo, Laio, Mira (2022) for the N - 1.
    - ``top_coordinate_share``: share of the mean squared distance that lies in one coordinate; 0 without variance.
    - ``distance_concentration``: standard deviation over mean of the distances between rows (1/N form); 0 when all are 0.
      Near 0 all points are equally far apart, and their bars say little.

    >>> table = baselines([[0.0, 0.0], [0.0, 2.0], [0.0, 6.0]])
    >>> table["pca_dim_90"], table["top_coordinate_share"]
    (1.0, 1.0)

    Args:
        points: (n, d), any input of :func:`as_points`.
        dm: distances for the last and for TwoNN; Euclidean ones of the points when it is left out.
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
        "two_nn_dim": _two_nn(dm),
        "top_coordinate_share": float(variances.max() / variances.sum()) if variances.any() else 0.0,
        "distance_concentration": _concentration(dm.condensed),
    }


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


def _two_nn(dm: DistanceMatrix) -> float:
    dm = _distinct(dm)
    if dm.n < 3:
        return 0.0
    nearest = np.full((2, dm.n), np.inf, dtype=np.float32)
    start = 0
    for i in range(dm.n - 1):
        row = dm.condensed[start : start + dm.n - 1 - i]
        start += len(row)
        nearest[:, i] = np.sort(np.concatenate((nearest[:, i], np.partition(row, min(1, len(row) - 1))[:2])))[:2]
        later = nearest[:, i + 1 :]
        later[1] = np.minimum(later[1], np.maximum(later[0], row))
        np.minimum(later[0], row, out=later[0])
    r1, r2 = nearest.astype(np.float64)
    total = math.fsum(np.log(r2 / r1))
    return (dm.n - 1) / total if total > 0 else math.inf


def _distinct(dm: DistanceMatrix) -> DistanceMatrix:
    """Without the rows that have distance 0 to an earlier one."""
    positions = np.flatnonzero(dm.condensed == 0)
    if len(positions) == 0:
        return dm
    starts = np.concatenate(([0], np.cumsum(np.arange(dm.n - 1, 0, -1))))
    first = np.searchsorted(starts, positions, side="right") - 1
    second = positions - starts[first] + first + 1
    return dm.take(np.setdiff1d(np.arange(dm.n), second))


def _concentration(distances: np.ndarray) -> float:
    mean = float(distances.mean(dtype=np.float64)) if len(distances) else 0.0
    return float(distances.std(dtype=np.float64)) / mean if mean > 0 else 0.0
