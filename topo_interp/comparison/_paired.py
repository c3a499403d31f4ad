"""What every comparison of two clouds of the same rows shares: the pairing check, the result, the interval."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from topo_interp._errors import InputError
from topo_interp.arrays import as_points
from topo_interp.certificate import Certificate
from topo_interp.point_cloud import PointCloud

__all__ = ["Comparison", "Properties", "paired_points", "with_interval"]

# An interval rests on this many subsamples of this share of the rows, drawn without replacement: duplicates, which a bootstrap
# makes, are a topological change of their own (zero distances).
_SHARE = 0.8
_LEVEL = 0.9


@dataclasses.dataclass(frozen=True)
class Properties:
    """What a measure promises: one row of ``ti.comparisons.table()``."""

    name: str
    is_metric: bool
    symmetric: bool
    invariances: str
    larger_is_more_similar: bool
    needs_pairing: bool = True


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The outcome of comparing two clouds of the same rows.

    Made by :func:`topo_interp.cka` and the other measures of ``ti.comparisons.table()``.

    Attributes:
        measure: name of the measure.
        value: the symmetric number; ``convention`` says how it comes from the two directions.
        forward, backward: the two directions; equal to ``value`` for a measure that is symmetric by definition.
        interval: (low, high), or None when no subsamples were asked for.
        interval_method: how the interval was made, in words.
        n: number of rows; values of different n do not compare where the convention says so.
        convention: normalization, powers and units, in words.
        comparable_across_n: whether the expected value is free of n.
        certificate: how far rounding can have moved the value, where a bound is known.
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
    certificate: Certificate = dataclasses.field(default_factory=Certificate)

    def __sub__(self, other: Comparison) -> float:
        """The difference of two values; an error where they do not compare."""
        if not isinstance(other, Comparison):
            return NotImplemented
        if (self.measure, self.convention) != (other.measure, other.convention):
            raise InputError(f"{self.measure} ({self.convention}) and {other.measure} ({other.convention}) do not compare")
        if self.n != other.n and not self.comparable_across_n:
            raise InputError(
                f"{self.measure} of {self.n} rows and of {other.n} rows do not compare: its value grows with n; "
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


def with_interval(
    result: Comparison,
    recompute: Callable[[np.ndarray], float],
    *,
    subsamples: int,
    seed: int,
) -> Comparison:
    """The result with the central 90 % of its values over seeded subsamples of 80 % of the rows.

    It shows how much the value owes to the choice of rows among those at hand. It is no confidence interval for a
    population, and for a measure that grows with n it lies around the value at 0.8 n.
    """
    if subsamples == 0:
        return result
    if subsamples < 10:
        raise InputError(f"subsamples is {subsamples}; give 0 (no interval) or at least 10")
    rng = np.random.default_rng(seed)
    size = max(2, round(_SHARE * result.n))
    values = [recompute(np.sort(rng.choice(result.n, size=size, replace=False))) for _ in range(subsamples)]
    low, high = np.quantile(values, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    method = f"central {_LEVEL:.0%} of {subsamples} subsamples of {size} of {result.n} rows, without replacement, seed {seed}"
    return dataclasses.replace(result, interval=(float(low), float(high)), interval_method=method)
