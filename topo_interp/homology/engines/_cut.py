"""Where a Vietoris-Rips filtration may be cut: at the enclosing radius without loss, below it with censoring."""

from __future__ import annotations

import numpy as np

from topo_interp._errors import InputError
from topo_interp.geometry.distance_matrix import DistanceMatrix

__all__ = ["enclosing_radius", "float32_at_most", "float32_lengths"]


def enclosing_radius(matrix: DistanceMatrix) -> float:
    """The smallest r such that some point is within r of all others; from there on the complex is a cone."""
    n, condensed = matrix.n, matrix.condensed
    farthest = np.zeros(n, dtype=np.float32)
    start = 0
    for i in range(n - 1):
        row = condensed[start : start + n - 1 - i]
        farthest[i] = max(farthest[i], row.max())
        np.maximum(farthest[i + 1 :], row, out=farthest[i + 1 :])
        start += n - 1 - i
    return float(farthest.min())


def float32_at_most(value: float) -> float:
    """The largest float32 that is at most a number: an edge of float32 length is within both or neither."""
    rounded = np.float32(min(value, float(np.finfo(np.float32).max)))
    return float(rounded if float(rounded) <= value else np.nextafter(rounded, np.float32(-np.inf)))


def float32_lengths(lengths: np.ndarray) -> np.ndarray:
    """Lengths as every engine reads them: rounding keeps their order, and an infinite one would be a bar without an end."""
    with np.errstate(over="ignore"):
        stored = lengths.astype(np.float32)
    if np.isinf(stored).any():
        raise InputError(
            f"a distance is {lengths.max():.3g}, and bars are computed in float32, which holds up to 3.4e38: scale the points down first"
        )
    return stored
