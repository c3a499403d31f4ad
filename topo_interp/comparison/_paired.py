"""What every comparison of two clouds of the same rows shares: the pairing check, the result, the interval."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from topo_interp._arguments import checked_subsamples, whole_number
from topo_interp._errors import InputError
from topo_interp.arrays import as_points
from topo_interp.comparison._subsamples import subsamples_of
from topo_interp.geometry.distance_matrix import DistanceMatrix
from topo_interp.metrics import Metric
from topo_interp.point_cloud import PointCloud

__all__ = [
    "Comparison",
    "NoInterval",
    "Properties",
    "correlation_of_ranks",
    "in_unit_range",
    "interval_rows",
    "metric_of",
    "paired_matrices",
    "paired_points",
    "with_interval",
]

_LEVEL = 0.9  # of the subsamples lie in the interval


@dataclasses.dataclass(frozen=True)
class Properties:
    """What a measure promises: one row of ``ti.comparisons.table()``. Symmetric says that ``value`` is the same both ways round.

    Every measure takes points; one that takes distances is a function of them, and takes two ``ti.DistanceMatrix`` as well.
    """

    name: str
    is_metric: bool
    symmetric: bool
    invariances: str
    larger_is_more_similar: bool
    takes_distances: bool
    needs_pairing: bool = True


class NoInterval(InputError):
    """A measure has a value for all rows, ``result``, and none in a subsample."""

    result: Comparison


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The outcome of comparing two clouds of the same rows.

    Made by :func:`topo_interp.cka` and the other measures of ``ti.comparisons.table()``.

    Attributes:
        measure: name of the measure.
        value: the symmetric number; ``convention`` says how it comes from the two directions.
        forward, backward: the two directions; equal to ``value`` for a measure that has none.
        interval: (low, high), or None when no subsamples were asked for.
        interval_method: how the interval was made, in words.
        n: number of rows; values of different n do not compare where the convention says so.
        convention: normalization, powers and units, in words.
        comparable_across_n: whether the expected value is free of n.
        error: how far rounding of the distances can have moved the value and both directions; None where no bound is known.
    """

    measure: str
    value: float
    forward: float
    backward: float
    n: int
    convention: str
    comparable_across_n: bool
    interval: tuple[float, float] | None = None
    interval_method: str = "none: no subsamples were asked for"
    error: float | None = None

    def __sub__(self, other: Comparison) -> float:
        """The difference of two values; an error where they do not compare."""
        if not isinstance(other, Comparison):
            return NotImplemented
        if (self.measure, self.convention) != (other.measure, other.convention):
            raise InputError(f"{self.measure} ({self.convention}) and {other.measure} ({other.convention}) do not compare")
        if self.n != other.n and not self.comparable_across_n:
            raise InputError(
                f"{self.measure} of {self.n} rows and of {other.n} rows do not compare: its value depends on their number; "
                f"take the same {min(self.n, other.n)} rows on both sides"
            )
        return self.value - other.value


def paired_points(x: Any, y: Any, *, at_least: int, needed_by: str) -> tuple[np.ndarray, np.ndarray]:
    """Two checked clouds of the same rows, or an error that says how they differ."""
    if isinstance(x, PointCloud) and isinstance(y, PointCloud) and not np.array_equal(x.rows, y.rows):
        raise InputError(
            f"{needed_by} compares the same observations, but the clouds hold different rows ({len(x)} and {len(y)}); "
            "capture both with one probe set, or join the stores on a key of their row tables"
        )
    a, b = as_points(x, name="x"), as_points(y, name="y")
    if len(a) != len(b):
        raise InputError(f"{needed_by} compares the same observations, but x has {len(a)} rows and y has {len(b)}")
    if len(a) < at_least:
        raise InputError(f"{needed_by} needs at least {at_least} rows; these are {len(a)}")
    return a, b


def paired_matrices(
    x: Any, y: Any, metric: str | Metric, *, at_least: int, needed_by: str
) -> tuple[DistanceMatrix, DistanceMatrix]:
    """The distances of two checked clouds of the same rows, each up to a power of two; a DistanceMatrix is taken as it is."""
    given = [isinstance(cloud, DistanceMatrix) for cloud in (x, y)]
    if all(given) and metric != "euclidean":
        raise InputError(f"metric is {metric!r}, and x and y are matrices, whose distances have a metric already: leave metric out")
    if not any(given):
        x, y = paired_points(x, y, at_least=at_least, needed_by=needed_by)
    first, second = (
        cloud if is_matrix else DistanceMatrix.from_points(in_unit_range(as_points(cloud, name=name)), metric=metric)
        for name, cloud, is_matrix in zip("xy", (x, y), given, strict=True)
    )
    if first.n != second.n:
        raise InputError(f"{needed_by} compares the same observations, but x has {first.n} rows and y has {second.n}")
    if first.n < at_least:
        raise InputError(f"{needed_by} needs at least {at_least} rows; these are {first.n}")
    return first, second


def in_unit_range(points: np.ndarray) -> np.ndarray:
    """The points times a power of two, which is exact, so that their squares neither overflow nor vanish."""
    largest = float(np.abs(points).max())
    return points if largest == 0 or 2.0**-30 < largest < 2.0**30 else np.ldexp(points, -int(np.frexp(largest)[1]))


def metric_of(first: DistanceMatrix, second: DistanceMatrix) -> str:
    """What two matrices hold, for a convention."""
    names = dict.fromkeys(m.metric.name if isinstance(m.metric, Metric) else str(m.metric) for m in (first, second))
    return " and ".join(names)


def correlation_of_ranks(first: np.ndarray, second: np.ndarray, undefined: Callable[[str], str]) -> float:
    """Spearman's correlation, ties by their mean rank; ``undefined`` says of "x" or "y" why it has no ranks."""
    from scipy.stats import rankdata

    ranks = []
    for name, values in zip("xy", (first, second), strict=True):
        rank = rankdata(values)
        rank -= rank.mean()
        if not rank.any():
            raise InputError(undefined(name))
        ranks.append(rank / np.linalg.norm(rank))
    # To 15 digits, or equal orders would fall short of 1 by a last bit.
    return float(np.clip(round(float(ranks[0] @ ranks[1]), 15), -1.0, 1.0))


def interval_rows(n: int, subsamples: Any, seed: Any, *, at_least: int, needed_by: str) -> np.ndarray:
    """The rows (subsamples, m) that an interval rests on, or an error before any work."""
    subsamples, seed = checked_subsamples(subsamples), whole_number(seed, "seed", 0)
    rows = subsamples_of(n, subsamples, seed)
    if subsamples and rows.shape[1] < at_least:
        raise InputError(
            f"subsamples of {rows.shape[1]} of {n} rows are too few for {needed_by}, which needs {at_least}: take more rows, or subsamples=0"
        )
    return rows


def with_interval(
    result: Comparison, recompute: Callable[[np.ndarray], float], rows: np.ndarray, seed: int
) -> Comparison:
    """The result with the central 90 % of its values over the subsamples, each the value of these rows alone.

    It shows how much the value owes to the choice of rows among those at hand. It is no confidence interval for a
    population, and for a measure that grows with n it lies around the value at 0.8 n.
    """
    if len(rows) == 0:
        return result
    count, size = rows.shape
    try:
        values = [recompute(index) for index in rows]
    except InputError as error:
        failed = NoInterval(f"in a subsample of {size} of {result.n} rows: {error} (subsamples=0 gives the value alone)")
        failed.result = result
        raise failed from error
    low, high = np.quantile(values, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    method = f"central {_LEVEL:.0%} of {count} subsamples of {size} of {result.n} rows, without replacement, seed {seed}"
    return dataclasses.replace(result, interval=(float(low), float(high)), interval_method=method)
