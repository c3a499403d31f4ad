"""Distances by their definitions in extended precision, row against row; shares no code with the package."""

from __future__ import annotations

import numpy as np


def distances(x: np.ndarray, y: np.ndarray, metric: str) -> np.ndarray:
    """All pairs, as float64."""
    a, b = x.astype(np.longdouble), y.astype(np.longdouble)
    if metric == "correlation":
        a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    if metric in ("cosine", "chordal", "angular", "correlation"):
        a, b = (v / np.sqrt((v * v).sum(axis=1, keepdims=True)) for v in (a, b))
    return np.array([_from_one(row, b, metric) for row in a], dtype=np.float64)


def _from_one(row: np.ndarray, rows: np.ndarray, metric: str) -> np.ndarray:
    apart = np.abs(row - rows)
    squared = (apart * apart).sum(axis=1)
    if metric in ("euclidean", "chordal"):
        return np.sqrt(squared)
    if metric == "sqeuclidean":
        return squared
    if metric in ("cosine", "correlation"):
        return squared / 2
    if metric == "angular":
        return 2 * np.arctan2(np.sqrt(squared), np.sqrt(((row + rows) ** 2).sum(axis=1)))
    if metric == "manhattan":
        return apart.sum(axis=1)
    if metric == "chebyshev":
        return apart.max(axis=1)
    return ((row > 0) != (rows > 0)).mean(axis=1)  # hamming, of sign patterns


def hard_cloud(rows: int, cols: int, seed: int = 0) -> np.ndarray:
    """Massive constant coordinates, near-duplicates far from the origin, exact duplicates, a steep spectrum: float32 rows."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, cols)) / np.sqrt(np.arange(1, cols + 1))
    half = rows // 2
    x[half : 2 * half] = x[:half] + 1e-4 * rng.standard_normal((half, cols))
    x[:, 0] += 1000
    x[:, cols // 2] -= 300
    x[1] = x[half + 3]
    return x.astype(np.float32)


def relative(found: np.ndarray, exact: np.ndarray) -> float:
    """The largest relative error; what is 0 must be found as 0."""
    assert (found[exact == 0] == 0).all()
    return float((np.abs(found - exact) / np.where(exact > 0, exact, 1)).max())
