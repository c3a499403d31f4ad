"""Distances that are computed (or read) tile by tile and never stored: what the algorithms without a matrix work on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from topo_interp._errors import InputError
from topo_interp._native import cpu
from topo_interp.arrays import as_matrix, require_finite
from topo_interp.geometry.distance_matrix import DistanceMatrix
from topo_interp.geometry.distances import (
    common_exponent,
    in_range,
    requested_isa,
    require_directions,
    scale_back,
    threads_or_default,
)
from topo_interp.metrics import Metric, get_metric
from topo_interp.progress import progress as progress_line

__all__ = ["Source", "open_source"]


@dataclasses.dataclass(frozen=True)
class Source:
    """One cloud, ready for the kernels.

    Attributes:
        native: the extension's object.
        n: rows.
        dtype: of its distances.
        metric: a Metric, or the name that a DistanceMatrix carries.
        threads: how many to use.
        shift: the points were divided by 2^shift (an exact operation) to keep their squares in range.
        stored_rounding: bound on the rounding of a matrix's entries; 0 for points.
    """

    native: Any
    n: int
    dtype: np.dtype
    metric: str | Metric
    threads: int
    shift: int = 0
    stored_rounding: float = 0.0

    @property
    def metric_name(self) -> str:
        return self.metric.name if isinstance(self.metric, Metric) else str(self.metric)

    @property
    def true_metric(self) -> bool:
        """Whether the triangle inequality is known to hold."""
        return isinstance(self.metric, Metric) and self.metric.true_metric

    def in_units(self, lengths: np.ndarray) -> np.ndarray:
        """Distances of the kernels in units of the given points, read-only."""
        if self.shift and isinstance(self.metric, Metric):
            scale_back(lengths, self.shift, self.metric)
        if not np.isfinite(lengths).all():
            raise InputError(f"a distance is beyond the range of {self.dtype}; divide x by its largest entry")
        return frozen(lengths)

    def to_kernel(self, length: float) -> float:
        """A distance in units of the points as the kernels see it."""
        if self.shift and self.metric_name in ("euclidean", "sqeuclidean"):
            return float(np.ldexp(length, -self.shift * (2 if self.metric_name == "sqeuclidean" else 1)))
        return float(length)

    def rounding(self) -> float:
        """Bound on the rounding of the distances that the kernels have used so far (points opened with ``rounding``)."""
        if self.stored_rounding:
            return self.stored_rounding
        return float(self.in_units(np.array([self.native.rounding()]))[0])


def open_source(x: Any, metric: str | Metric, threads: int | None, *, rounding: bool = False) -> Source:
    """The source behind points or a DistanceMatrix (whose own metric then counts)."""
    workers = threads_or_default(threads)
    if hasattr(metric, "distance_matrix") and not isinstance(x, DistanceMatrix):
        x = metric.distance_matrix(x)  # a metric that needs the whole cloud, such as one of a neighbor graph
    if isinstance(x, DistanceMatrix):
        native = cpu.matrix_source(x.condensed, x.n)
        return Source(native, x.n, np.dtype(np.float32), x.metric, workers, stored_rounding=x.rounding)
    metric = get_metric(metric)
    points = as_matrix(x, name="x")
    shift = common_exponent(points.dtype, require_finite(points, name="x"), metric)
    require_directions(points, metric, name="x")
    points = in_range(points, metric, shift)
    native = cpu.point_source(points, metric.name, requested_isa(), workers, rounding)
    return Source(native, len(points), points.dtype, metric, workers, shift)


@contextmanager
def reported(enabled: bool, *phases: str) -> Iterator[Callable[[int, int, int], None] | None]:
    """What a kernel reports its progress to: a line on the terminal, or None."""
    if not enabled:
        yield None
        return
    with progress_line(None, phases[0]) as line:

        def report(phase: int, done: int, total: int) -> None:
            line.update(done=done, total=total, description=phases[phase])

        yield report


def whole_number(value: Any, name: str, least: int, most: int, why: str) -> int:
    """An integer within bounds, or an error that says what bounds them."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not least <= value <= most:
        raise InputError(f"{name} is {value!r}; a whole number from {least} to {most} is needed ({why})")
    return int(value)


def frozen(array: np.ndarray) -> np.ndarray:
    """The same memory, read-only."""
    array.flags.writeable = False
    return array
