"""Intrinsic dimension of a cloud, by three estimators that read its distances.

They are summaries of distances, not of bars, and go where summaries go:

    ti.significance_table(store, ti.Distances(), ti.Significance((ti.two_nn(), ti.levina_bickel(20)), null=null))

gives each its null beside it. That is how they should be read: on representations the common estimators do not track the true
dimension (Schulte and Ruegamer 2026), so that a number by itself says little, and a number far below the one of noise with the
same covariance says that the cloud is curved or clustered. A p-value of ``ti.significance`` is small for a LARGE statistic: to
ask for a small dimension, negate it with :func:`minus`.

Rows that coincide count once in the two estimators that use neighbors: at distance 0 there are no ratios.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp._arguments import real_number, whole_number
from topo_interp._errors import InputError
from topo_interp._value import Value, brief_call
from topo_interp.geometry.distance_matrix import DistanceMatrix
from topo_interp.geometry.distance_recipe import Distances
from topo_interp.geometry.neighbors import knn_graph
from topo_interp.geometry.spanning_tree import spanning_tree

if TYPE_CHECKING:
    import pandas

__all__ = ["dimension_by_scale", "distinct", "levina_bickel", "minus", "ph_dimension", "two_nn"]


@dataclasses.dataclass(frozen=True, repr=False)
class _OfDistances(Value):
    """A callable from distances (or points, whose Euclidean distances are then taken) to a float."""

    @property
    def name(self) -> str:
        return brief_call(self)

    def __repr__(self) -> str:
        return self.name

    def __call__(self, distances: Any) -> float:
        if hasattr(distances, "certificate"):
            raise InputError(f"{self.name} was given {type(distances).__name__}; it reads points or distances: ti.Distances()(points)")
        if not isinstance(distances, DistanceMatrix):
            distances = Distances()(distances)
        return float(self._value(distances))

    def _value(self, distances: DistanceMatrix) -> float:
        raise NotImplementedError


@dataclasses.dataclass(frozen=True, repr=False)
class _LevinaBickel(_OfDistances, kind="levina_bickel"):
    k: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", whole_number(self.k, "k", 2))

    def _value(self, distances: DistanceMatrix) -> float:
        return _pooled(distinct(distances), self.k)


@dataclasses.dataclass(frozen=True, repr=False)
class _TwoNN(_OfDistances, kind="two_nn"):
    parts: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", whole_number(self.parts, "parts", 1))
        object.__setattr__(self, "seed", whole_number(self.seed, "seed", 0))

    def _value(self, distances: DistanceMatrix) -> float:
        return float(np.mean(self.of_parts(distances)))

    def of_parts(self, distances: DistanceMatrix) -> list[float]:
        """The estimate on each part of a random partition of the rows."""
        distances = distinct(distances)
        if self.parts > 1 and distances.n < 3 * self.parts:
            raise InputError(f"{self.name} splits {distances.n} distinct rows into {self.parts} parts; each needs at least 3 rows")
        order = np.random.default_rng(self.seed).permutation(distances.n)
        return [_pooled(distances.take(np.sort(rows)), 2) for rows in np.array_split(order, self.parts)]


@dataclasses.dataclass(frozen=True, repr=False)
class _PHDimension(_OfDistances, kind="ph_dimension"):
    alpha: float = 1.0
    sizes: int = 8
    subsamples: int = 7
    repeats: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "alpha", real_number(self.alpha, "alpha", above=True))
        for name, least in (("sizes", 2), ("subsamples", 1), ("repeats", 1), ("seed", 0)):
            object.__setattr__(self, name, whole_number(getattr(self, name), name, least))

    def _value(self, distances: DistanceMatrix) -> float:
        n, rng = distances.n, np.random.default_rng(self.seed)
        sizes = np.unique(np.linspace(max(n // 8, 10), n, self.sizes).astype(int))
        sizes = sizes[sizes <= n]
        if len(sizes) < 2:
            raise InputError(f"{self.name} fits a line over subsample sizes, and {n} rows are too few; give at least 20")
        largest = float(distances.condensed.max(initial=0.0))
        if largest == 0:
            return 0.0
        found = []
        for _ in range(self.repeats):
            totals = [
                np.median(
                    [self._total(distances, rng.choice(n, size, replace=False), largest) for _ in range(self.subsamples)]
                )
                for size in sizes
            ]
            if min(totals) <= 0:
                return 0.0
            slope = np.polyfit(np.log(sizes), np.log(totals), 1)[0]
            found.append(self.alpha / (1 - slope) if slope < 1 else math.inf)
        return float(np.mean(found))

    def _total(self, distances: DistanceMatrix, rows: np.ndarray, unit: float) -> float:
        lengths = spanning_tree(distances.take(np.sort(rows))).lengths.astype(np.float64)
        return math.fsum((lengths / unit) ** self.alpha)


@dataclasses.dataclass(frozen=True, repr=False)
class _Minus(Value, kind="minus"):
    summary: Any

    def __post_init__(self) -> None:
        if not isinstance(self.summary, Value) or not callable(self.summary):
            raise InputError(f"minus({self.summary!r}): a summary is needed, such as ti.two_nn()")

    @property
    def name(self) -> str:
        return f"minus({self.summary.name})"  # type: ignore[attr-defined]  # every summary has one

    def __repr__(self) -> str:
        return self.name

    def __call__(self, of: Any) -> float:
        return -float(self.summary(of))


def _pooled(distances: DistanceMatrix, k: int) -> float:
    """(n (k - 1) - 1) over the sum of all ln(T_k / T_j); 0 with too few points, inf where all ratios are 1."""
    if distances.n < k + 1:
        return 0.0
    near = knn_graph(distances, k).distances.astype(np.float64)
    total = math.fsum(np.log(near[:, -1:] / near[:, :-1]).ravel())
    return (distances.n * (k - 1) - 1) / total if total > 0 else math.inf


def distinct(distances: DistanceMatrix) -> DistanceMatrix:
    """Without the rows that have distance 0 to an earlier one."""
    positions = np.flatnonzero(distances.condensed == 0)
    if len(positions) == 0:
        return distances
    starts = np.concatenate(([0], np.cumsum(np.arange(distances.n - 1, 0, -1))))
    first = np.searchsorted(starts, positions, side="right") - 1
    second = positions - starts[first] + first + 1
    return distances.take(np.setdiff1d(np.arange(distances.n), second))


def two_nn(parts: int = 1, seed: int = 0) -> Callable[[Any], float]:
    """TwoNN: from the ratio of the distances to the second and the first neighbor, by maximum likelihood.

    Its standard error is about the dimension over the root of the number of rows. Noise raises it at small scales; with
    ``parts`` > 1 the rows are split at random and the estimates averaged, so that neighbors are farther away: the same
    estimator at a larger scale (:func:`dimension_by_scale` makes the curve).

    >>> import topo_interp as ti
    >>> round(two_nn()(ti.shapes.flat_torus(2000)), 1)
    2.0

    Args:
        parts: how many parts the rows are split into.
        seed: of the split.

    Source: Facco, d'Errico, Rodriguez, Laio (2017); Denti, Doimo, Laio, Mira (2022) for the N - 1.
    """
    return _TwoNN(parts, seed)


def levina_bickel(k: int) -> Callable[[Any], float]:
    """Levina and Bickel's maximum-likelihood dimension from k neighbors, its inverses averaged over the rows.

    Averaging the inverses (MacKay and Ghahramani 2005) is the likelihood of all rows together; averaging the dimensions is biased
    upward. k = 2 is TwoNN.

    >>> import topo_interp as ti
    >>> round(levina_bickel(10)(ti.shapes.sphere(2000)), 1)
    2.0

    Args:
        k: number of neighbors, at least 2.

    Source: Levina and Bickel, NIPS 17 (2004).
    """
    return _LevinaBickel(k)


def ph_dimension(
    alpha: float = 1.0, sizes: int = 8, subsamples: int = 7, repeats: int = 3, seed: int = 0
) -> Callable[[Any], float]:
    """Persistent-homology dimension of degree 0: how the length of the minimum spanning tree grows with the number of rows.

    With E(n) the sum of the edge lengths^alpha for n rows, log E has slope m over log n and the dimension is alpha / (1 - m);
    inf where the slope is 1 or more, 0 where all rows coincide.

    >>> import topo_interp as ti
    >>> round(ph_dimension()(ti.shapes.sphere(600)))
    2

    Args:
        alpha: exponent.
        sizes: how many subsample sizes, evenly from an eighth of the rows to all.
        subsamples: how many of each size; the median counts.
        repeats: how often all that is done; the mean counts.
        seed: of the subsamples.

    Source: Adams et al., A fractal dimension for measures via persistent homology (2020); the subsampling is that of Tulchinskii
    et al., Intrinsic dimension estimation for robust detection of AI-generated texts (2023).
    """
    return _PHDimension(alpha, sizes, subsamples, repeats, seed)


def minus(summary: Any) -> Callable[[Any], float]:
    """The negated summary: ``ti.significance`` then asks whether the number is small.

    >>> import topo_interp as ti
    >>> minus(ti.two_nn())
    minus(two_nn())

    Args:
        summary: a summary, such as ``ti.two_nn()``.

    Raises:
        InputError: it is no summary.
    """
    return _Minus(summary)


def dimension_by_scale(
    cloud: Any, recipe: Distances | None = None, parts: Sequence[int] = (1, 2, 4, 8, 16), seed: int = 0
) -> pandas.DataFrame:
    """TwoNN over scales: the rows split into more and more parts. A dimension is a plateau of this curve, not one number.

    >>> import topo_interp as ti
    >>> dimension_by_scale(ti.shapes.gaussian(400, 3), parts=(1, 4)).columns.tolist()
    ['parts', 'rows', 'distance', 'dimension', 'error']

    Args:
        cloud: points or a PointCloud of independent rows.
        recipe: ``ti.Distances(...)``; Euclidean distances when it is left out.
        parts: numbers of parts; those that leave fewer than 10 rows to a part are left out.
        seed: of the splits.

    Returns:
        One row per scale: parts, rows of a part, mean distance to the second neighbor, dimension, and its standard error if the
        rows are independent (the dimension over the root of all rows: the parts are disjoint).

    Raises:
        InputError: rows share an item, a sequence or a template, so that the error would be wrong.
    """
    import pandas

    groups = tuple(getattr(cloud, "groups", ()))
    if groups:
        names = ", ".join(map(repr, groups))
        raise InputError(
            f"rows that share a value of {names} are not independent, and the errors of the dimensions take them as independent: "
            f"take one row per group, e.g. store.means({groups[0]!r})"
        )
    distances = distinct((recipe or Distances())(cloud))
    rows = []
    for count in parts if isinstance(parts, Iterable) else (parts,):
        if distances.n // whole_number(count, "parts", 1) < 10:
            continue
        estimate = _TwoNN(count, seed)
        order = np.random.default_rng(seed).permutation(distances.n)
        reach = [
            knn_graph(distances.take(np.sort(part)), 2).distances[:, 1].mean() for part in np.array_split(order, count)
        ]
        dimension = estimate(distances)
        rows.append((count, distances.n // count, float(np.mean(reach)), dimension, dimension / math.sqrt(distances.n)))
    return pandas.DataFrame(rows, columns=["parts", "rows", "distance", "dimension", "error"])
