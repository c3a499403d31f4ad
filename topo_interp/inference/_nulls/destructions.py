"""Nulls that keep one thing and destroy the rest: the columns by themselves, or the norms of the rows."""

from __future__ import annotations

import dataclasses
import zlib
from typing import TYPE_CHECKING

import numpy as np

from topo_interp._errors import InputError
from topo_interp.inference._nulls.base import Draw, Null

if TYPE_CHECKING:
    import pandas

__all__ = ["ShuffledColumns", "UniformOnSphere", "shuffled_columns", "uniform_on_sphere"]

@dataclasses.dataclass(frozen=True)
class ShuffledColumns(Null, kind="shuffled_columns"):
    """See :func:`shuffled_columns`."""

    basis: str = "principal"

    def __post_init__(self) -> None:
        if self.basis not in ("principal", "coordinates"):
            raise InputError(f"basis is {self.basis!r}; 'principal' shuffles principal components, 'coordinates' the columns")

    def prepare(self, n: int, rng: np.random.Generator, rows_table: pandas.DataFrame | None = None) -> Draw:
        return _Shuffled(self.basis, int(rng.integers(2**63)))


@dataclasses.dataclass(frozen=True, eq=False)
class _Shuffled(Draw):
    basis: str
    key: int

    def points(self, points: np.ndarray, *, site: str = "", member: int = 0) -> np.ndarray:
        points = np.asarray(points, dtype=np.float64)
        # The k-th column gets the same permutation at every site.
        rng = np.random.default_rng(self.key)
        if self.basis == "coordinates":
            return rng.permuted(points.T, axis=1).T
        mean = points.mean(axis=0)
        u, s, vt = np.linalg.svd(points - mean, full_matrices=False)
        return mean + rng.permuted((u * s).T, axis=1).T @ vt


def shuffled_columns(basis: str = "principal") -> ShuffledColumns:
    """Each column permuted by itself: the distribution of every column stays, what ties the columns goes.

    >>> import topo_interp as ti
    >>> x = np.array([[1.0, 5.0], [2.0, 6.0], [3.0, 7.0]])
    >>> shuffled_columns("coordinates").draw(x, ti.nulls.draw_rng(0, 0)).tolist()
    [[3.0, 6.0], [2.0, 7.0], [1.0, 5.0]]

    Args:
        basis: ``"principal"`` shuffles the principal components (their variances stay, and so does the covariance up to
            sampling error), ``"coordinates"`` the columns as they are (correlations go too).

    Raises:
        InputError: another basis.

    Cost: O(n d) a draw; with principal components a singular value decomposition.
    """
    return ShuffledColumns(basis)


@dataclasses.dataclass(frozen=True)
class UniformOnSphere(Null, kind="uniform_on_sphere"):
    """See :func:`uniform_on_sphere`."""

    joint = False

    def prepare(self, n: int, rng: np.random.Generator, rows_table: pandas.DataFrame | None = None) -> Draw:
        return _Directions(int(rng.integers(2**63)))


@dataclasses.dataclass(frozen=True, eq=False)
class _Directions(Draw):
    key: int

    def points(self, points: np.ndarray, *, site: str = "", member: int = 0) -> np.ndarray:
        points = np.asarray(points, dtype=np.float64)
        # Of each site and member by itself: sites that shared their directions would be tied in the draws and not in the data,
        # and their maximum would be too small.
        rng = np.random.default_rng([self.key, zlib.crc32(site.encode()), member])
        directions = rng.standard_normal(points.shape)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        return directions * np.linalg.norm(points, axis=1, keepdims=True)


def uniform_on_sphere() -> UniformOnSphere:
    """Uniformly random directions with the norms of the rows kept, for metrics of directions (chordal, angular, cosine).

    The directions of each site, and of each cloud of a pair, are drawn by themselves, so that a max-T over sites is exact for
    independent sites and on the safe side (conservative) when the sites resemble each other.

    >>> import topo_interp as ti
    >>> y = uniform_on_sphere().draw([[3.0, 4.0], [0.0, 2.0]], ti.nulls.draw_rng(0, 0))
    >>> np.linalg.norm(y, axis=1).round(9).tolist()
    [5.0, 2.0]

    Cost: O(n d) a draw.
    """
    return UniformOnSphere()
