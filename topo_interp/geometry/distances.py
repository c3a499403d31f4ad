"""Distances between all pairs of rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from topo_interp._errors import InputError
from topo_interp.arrays import as_points
from topo_interp.metrics import Metric, get_metric

__all__ = ["pairwise_distances"]


def pairwise_distances(
    x: Any, y: Any = None, *, metric: str | Metric = "euclidean", threads: int | None = None
) -> np.ndarray:
    """Distances between the rows of ``x`` (n, d) and of ``y`` (m, d), or of ``x`` with itself: (n, m).

    >>> pairwise_distances([[0, 0], [3, 4]])
    array([[0., 5.],
           [5., 0.]])
    """
    metric = get_metric(metric)
    a = as_points(x, name="x")
    b = a if y is None or y is x else as_points(y, name="y")
    if a.shape[1] != b.shape[1]:
        raise InputError(f"x has {a.shape[1]} coordinates and y has {b.shape[1]}; both need the same")
    dtype = np.result_type(a.dtype, b.dtype)
    return _slow(a.astype(np.float64), b.astype(np.float64), metric.name).astype(dtype)


def _slow(a: np.ndarray, b: np.ndarray, name: str) -> np.ndarray:
    from scipy.spatial.distance import cdist

    if name in ("euclidean", "sqeuclidean", "chebyshev"):
        return cdist(a, b, name)
    if name == "manhattan":
        return cdist(a, b, "cityblock")
    if name == "hamming":
        return cdist(a > 0, b > 0, "hamming")
    if name == "correlation":
        a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    for points, label in ((a, "x"), (b, "y")):
        zero = np.flatnonzero(~points.any(axis=1))
        if len(zero):
            raise InputError(f"row {zero[0]} of {label} is zero, which has no direction; drop it for {name!r}")
    a = a / np.linalg.norm(a, axis=1, keepdims=True)
    b = b / np.linalg.norm(b, axis=1, keepdims=True)
    chord = cdist(a, b)
    if name == "chordal":
        return chord
    return 2 * np.arcsin(np.minimum(chord / 2, 1)) if name == "angular" else chord**2 / 2
