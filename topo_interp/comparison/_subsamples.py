"""The choices of rows that intervals and noise are read from."""

from __future__ import annotations

import math

import numpy as np

__all__ = ["SHARE", "subsamples_of"]

SHARE = 0.8  # of the rows in one subsample

# A stream of their own, as the draws of a null have: no subsample shares its numbers with data made by default_rng(seed).
_STREAM = 0x73756273


def subsamples_of(n: int, count: int, seed: int) -> np.ndarray:
    """Rows (count, m) of seeded subsamples of 80 % of n rows, without replacement: duplicates, which a bootstrap makes, are a
    topological change of their own (zero distances).

    >>> subsamples_of(10, 3, seed=0).shape
    (3, 8)
    """
    rng = np.random.default_rng([_STREAM, seed])
    size = min(n, max(2, math.floor(SHARE * n)))
    return np.array([np.sort(rng.choice(n, size=size, replace=False)) for _ in range(count)], dtype=np.int64).reshape(count, size)
