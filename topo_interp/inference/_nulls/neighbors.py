"""The rotation null at the data's own scale of neighbors, for rows that fill fewer dimensions than their covariance."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

import numpy as np

from topo_interp.inference._nulls.base import Draw, Null
from topo_interp.inference.rotations import plain_rotation, rotate_rows
from topo_interp.point_cloud import array_digest

if TYPE_CHECKING:
    import pandas

__all__ = ["MatchedNeighbors", "matched_neighbors", "neighbor_level", "tempered"]

_STREAM = 0x74656D70  # of the rotations that the exponent is fitted by; they serve no draw
_ROTATIONS = 6
_EXPONENTS = (0.5, 6.0)
_STEPS = 10  # of the bisection: the exponent is known to 0.006


@dataclasses.dataclass(frozen=True)
class MatchedNeighbors(Null, kind="matched_neighbors"):
    """See :func:`matched_neighbors`."""

    def prepare(self, n: int, rng: np.random.Generator, rows_table: pandas.DataFrame | None = None) -> Draw:
        return _Tempered(plain_rotation(n, rng))

    def notes(self, n: int, rows_table: pandas.DataFrame | None) -> tuple[str, ...]:
        return ("The exponent of the spectrum was fitted to the data once, so that the p-value is approximate, also for Gaussian rows.",)


@dataclasses.dataclass(frozen=True, eq=False)
class _Tempered(Draw):
    matrix: np.ndarray

    def points(self, points: np.ndarray, *, site: str = "", member: int = 0) -> np.ndarray:
        return rotate_rows(self.matrix, _tempered(_Keyed(points, array_digest(points))))


def matched_neighbors() -> MatchedNeighbors:
    """The rotation null with the spectrum tempered until neighbors are as near as in the data.

    Rows on a bent surface of few dimensions span many: rectified units make 64 coordinates of 20. The rotation null keeps
    the 64-dimensional covariance, its draws have all distances nearly equal, and against them every bar of the data looks
    long. Here the singular values s of the centered rows become ``s ** g`` (the total variance is kept), with the exponent g
    for which the mean of log(distance to the nearest row / median distance) is in rotated clouds what it is in the data;
    the result is rotated as by :func:`matched_gaussian`. For Gaussian rows g is near 1.

    The p-value is approximate: no theorem stands behind it, and ``python benchmarks/calibrate.py noise`` counts its false
    claims. A small p-value says: longer than in Gaussian clouds with these principal axes and this nearness of neighbors.

    >>> import topo_interp as ti
    >>> ring, loops = ti.shapes.noisy_circle(40), ti.max_persistence(dim=1, relative=True)
    >>> ti.significance(ring, ti.Rips(), loops, null=matched_neighbors(), draws=19, seed=0).p_value
    0.05

    Cost: for each site once, 60 products of n x n matrices; then as :func:`matched_gaussian`.
    """
    return MatchedNeighbors()


def neighbor_level(points: np.ndarray) -> float:
    """Mean over the rows of log(distance to the nearest other row / median distance); rows with a twin do not count.

    >>> round(neighbor_level(np.array([[0.0], [1.0], [2.0], [4.0]])), 3)
    -0.52
    """
    gram = points @ points.T
    squares = np.diagonal(gram)
    squared = squares[:, None] + squares - 2 * gram
    median = np.median(squared[np.triu_indices(len(points), 1)])
    # Below this a difference of squares is rounding: the rows are twins.
    np.fill_diagonal(squared, np.inf)
    nearest = squared.min(axis=1)
    apart = nearest > 1e-12 * squares.max()
    return float(0.5 * np.log(nearest[apart] / median).mean()) if apart.any() and median > 0 else 0.0


def tempered(points: np.ndarray) -> np.ndarray:
    """The points with the singular values of their differences from the mean raised to the fitted exponent."""
    points = np.asarray(points, dtype=np.float64)
    mean = points.mean(axis=0)
    u, s, vt = np.linalg.svd(points - mean, full_matrices=False)
    held = s > 1e-10 * s[0]
    if not held.any():
        return points
    u, s, vt = u[:, held], s[held] / s[0], vt[held] * s[0]
    wanted = neighbor_level(u * s)
    rotations = _rotations(len(points))
    low, high = _EXPONENTS
    for _ in range(_STEPS):
        middle = (low + high) / 2
        # A larger exponent leaves fewer dimensions, and neighbors come nearer.
        if np.mean([neighbor_level(rotation @ (u * s**middle)) for rotation in rotations]) > wanted:
            low = middle
        else:
            high = middle
    new = s ** ((low + high) / 2)
    new *= np.sqrt((s**2).sum() / (new**2).sum())
    return mean + (u * new) @ vt


@dataclasses.dataclass(frozen=True, eq=False)
class _Keyed:
    """Points that are looked up by their hash: a site is fitted once and not in every draw."""

    points: np.ndarray
    digest: str

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Keyed) and self.digest == other.digest


@functools.lru_cache(maxsize=32)
def _tempered(keyed: _Keyed) -> np.ndarray:
    return tempered(keyed.points)


@functools.lru_cache(maxsize=2)
def _rotations(n: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng([_STREAM, n])
    return tuple(plain_rotation(n, rng) for _ in range(_ROTATIONS))
