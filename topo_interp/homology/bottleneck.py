"""The one door to a computation of the bottleneck distance."""

from __future__ import annotations

import math

import numpy as np

__all__ = ["bottleneck_of_bars"]


def bottleneck_of_bars(left: np.ndarray, right: np.ndarray) -> float:
    """The exact bottleneck distance of two sets of finite bars (k, 2), up to the last bits.

    By Hera, and not by ``gudhi.bottleneck_distance``, which up to gudhi 3.13 may end its search for a matching too early and then
    gives too much (0.5 below; GUDHI pull request 1367), also when it is asked to be exact.

    >>> bottleneck_of_bars(np.array([[0.0, 0.25]] * 3), np.array([[0.0, 0.75]] * 3))
    0.375
    """
    from gudhi.hera import bottleneck_distance

    # Bars of no length are not for Hera, which also takes lengths of 1e-30 for 0: a power of two moves no bit.
    sides = [np.asarray(bars, dtype=np.float64)[bars[:, 0] < bars[:, 1]] for bars in (left, right)]
    largest = max(float(np.abs(bars).max(initial=0.0)) for bars in sides)
    if largest == 0.0:
        return 0.0
    shift = math.frexp(largest)[1]
    return math.ldexp(float(bottleneck_distance(*(np.ldexp(bars, -shift) for bars in sides), delta=0.0)), shift)
