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
    return np.array([[_pair(u, v, metric) for v in b] for u in a], dtype=np.float64)


def _pair(u: np.ndarray, v: np.ndarray, metric: str) -> np.longdouble:
    apart = np.abs(u - v)
    length = np.sqrt((apart * apart).sum())
    if metric in ("euclidean", "chordal"):
        return length
    if metric == "sqeuclidean":
        return length * length
    if metric in ("cosine", "correlation"):
        return length * length / 2
    if metric == "angular":
        return 2 * np.arctan2(length, np.sqrt(((u + v) * (u + v)).sum()))
    if metric == "manhattan":
        return apart.sum()
    if metric == "chebyshev":
        return apart.max()
    return np.longdouble(((u > 0) != (v > 0)).mean())  # hamming, of sign patterns


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
