"""Small dissimilarity matrices made to break engines, most of them full of ties, and the bars of Ripser for comparison."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
from scipy.sparse.csgraph import shortest_path
from scipy.spatial.distance import pdist, squareform


def lattice(rng: np.random.Generator, n: int) -> np.ndarray:
    return squareform(pdist(rng.integers(0, 4, (n, 3)).astype(float), "cityblock"))


def hamming_cube(rng: np.random.Generator, n: int) -> np.ndarray:
    return squareform(pdist(rng.integers(0, 2, (n, 7)).astype(float), "cityblock"))


def duplicates(rng: np.random.Generator, n: int) -> np.ndarray:
    return squareform(pdist(rng.normal(size=(max(2, n // 3), 2))[rng.integers(0, max(2, n // 3), n)]))


def non_metric_integers(rng: np.random.Generator, n: int) -> np.ndarray:
    upper = np.triu(rng.integers(1, int(rng.integers(3, 12)), (n, n)), 1).astype(float)
    return upper + upper.T


def zeros_and_twos(rng: np.random.Generator, n: int) -> np.ndarray:
    upper = np.triu(rng.integers(0, 3, (n, n)), 1).astype(float)
    return upper + upper.T


def non_metric_reals(rng: np.random.Generator, n: int) -> np.ndarray:
    upper = np.triu(rng.random((n, n)), 1)
    return upper + upper.T


def graph_metric(rng: np.random.Generator, n: int) -> np.ndarray:
    weights = (rng.random((n, n)) < 2.5 / n) * rng.integers(1, 4, (n, n))
    ring = np.arange(n)
    weights[ring, (ring + 1) % n] = 1
    np.fill_diagonal(weights, 0)
    return shortest_path(weights.astype(float), directed=False)


def two_copies(rng: np.random.Generator, n: int) -> np.ndarray:
    """The block form of representation topology divergence: zeros, and entries that stand for "never"."""
    half = max(2, n // 3)
    a, b = (squareform(pdist(rng.integers(0, 9, (half, 2)).astype(float))) for _ in range(2))
    never = 4 * max(a.max(), b.max()) + 1
    upper = np.where(np.tri(half, k=-1, dtype=bool), never, a)
    square = np.full((2 * half + 1, 2 * half + 1), never)
    square[:half, :half] = a
    square[half:-1, :half], square[:half, half:-1] = upper, upper.T
    square[half:-1, half:-1] = np.minimum(a, b)
    square[:half, -1] = square[-1, :half] = 0
    np.fill_diagonal(square, 0)
    return square


def plane(rng: np.random.Generator, n: int) -> np.ndarray:
    return squareform(pdist(rng.normal(size=(n, 2))))


def noise(rng: np.random.Generator, n: int) -> np.ndarray:
    return squareform(pdist(rng.normal(size=(n, 60))))


KINDS = [
    lattice, hamming_cube, duplicates, non_metric_integers, zeros_and_twos, non_metric_reals, graph_metric,
    two_copies, plane, noise,
]  # fmt: skip


def condensed(square: np.ndarray) -> np.ndarray:
    return squareform(square, checks=False).astype(np.float32) if len(square) > 1 else np.empty(0, np.float32)


def bars_of(result: object) -> Counter:
    births = np.asarray(result.birth_lengths)
    deaths = np.full(len(births), np.inf, dtype=np.float32)
    deaths[result.relation_pivots] = result.death_lengths
    one = Counter((1, b, d) for b, d in zip(births.tolist(), deaths.tolist(), strict=True) if d > b)
    one.update((0, 0.0, d) for d in result.merge_lengths.tolist() if d > 0)
    one.update({(0, 0.0, math.inf): result.n - len(result.merge_lengths)})
    return one


def ripser_bars(square: np.ndarray, field: int = 2, threshold: float = math.inf) -> Counter:
    from pyRipser import doRipsFiltrationDM

    found = doRipsFiltrationDM(condensed(square), 1, threshold, field, False)["births_and_deaths_by_dim"]
    out: Counter = Counter()
    for dim, flat in enumerate(found):
        pairs = np.asarray(flat, dtype=np.float64).astype(np.float32).reshape(-1, 2)
        out.update((dim, b, d) for b, d in pairs.tolist() if d > b)
    return out
