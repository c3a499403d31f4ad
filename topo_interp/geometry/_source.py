"""Distances that are computed (or read) tile by tile and never stored: what the algorithms without a matrix work on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

from topo_interp._errors import InputError
from topo_interp._native import cpu, threads_or_default
from topo_interp.arrays import as_matrix, require_finite
from topo_interp.geometry._device import DevicePoints, budget_errors, device_points
from topo_interp.geometry.distance_matrix import DistanceMatrix
from topo_interp.geometry.distances import (
    common_exponent,
    in_range,
    ready_for_device,
    requested_isa,
    require_directions,
    scale_back,
)
from topo_interp.metrics import Metric, get_metric
from topo_interp.progress import progress as progress_line

__all__ = ["Source", "open_source"]

# Kept of each row in the first pass of the spanning tree: 128 bytes; shorter lists are used up sooner, longer ones cost more.
_NEIGHBORS = 16

Report = Callable[[int, int, int], None] | None  # called with phase, done, total


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
    def true_metric(self) -> bool | None:
        """Whether the triangle inequality holds; None where nothing is known, or only what a matrix was said to hold."""
        return getattr(self.metric, "true_metric", None)

    def knn(self, k: int, report: Report) -> tuple[np.ndarray, np.ndarray]:
        """Indices and distances of the k nearest neighbors of every row."""
        return cpu.knn(self.native, k, self.threads, report)

    @property
    def bytes_per_pair(self) -> int:
        """Of the host, that ``within_radius`` takes for a pair at its peak."""
        return _bytes_per_pair(cpu, self.dtype)

    def within_radius(self, radius: float, most_pairs: int, report: Report) -> tuple[Any, ...]:
        """indptr, indices and distances of the pairs within the radius; (pairs found, part of the way) where they are too many."""
        return cpu.within_radius(self.native, radius, most_pairs, self.threads, report)

    def largest_distortion(self, landmarks: np.ndarray, nearest: np.ndarray, up_to: float, report: Report) -> float:
        """How much less a distance can be than those of the landmarks of its ends."""
        return cpu.largest_distortion(self.native, landmarks, nearest, up_to, self.threads, report)

    def spanning_tree(self, report: Report) -> tuple[np.ndarray, np.ndarray]:
        """Edges and lengths of the minimum spanning tree, in order."""
        return cpu.spanning_tree(self.native, _NEIGHBORS, threads=self.threads, progress=report)[:2]

    def farthest_points(self, k: int, first: int, known: tuple[np.ndarray, ...], report: Report) -> tuple[np.ndarray, ...]:
        """Indices and insertion radii of k landmarks, the nearest one of every row, and the distance to it."""
        return cpu.farthest_points(self.native, k, first, *known, self.threads, report)

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
            with np.errstate(over="ignore", under="ignore"):  # farther than all pairs, or as near as equal points
                return float(np.ldexp(length, -self.shift * (2 if self.metric_name == "sqeuclidean" else 1)))
        return float(length)

    def rounding(self) -> float:
        """Bound on the rounding of the distances that the kernels have used so far (points opened with ``rounding``)."""
        if self.stored_rounding:
            return self.stored_rounding
        return self._bound_in_units(self.native.rounding())

    def _bound_in_units(self, bound: float) -> float:
        # Below the normal numbers, scaling back rounds the distances and the bound, each by at most half of the smallest one.
        return float(self.in_units(np.array([bound]))[0]) + (2.0**-1074 if self.shift else 0.0)


@dataclasses.dataclass(frozen=True)
class DeviceSource(Source):
    """One cloud for the kernels of a device, whose memory holds nothing between two calls.

    Attributes:
        points: where they lie.
        bounds: of the roundings of the calls so far.
    """

    points: DevicePoints = None  # type: ignore[assignment]
    bounds: list[float] = dataclasses.field(default_factory=list)

    def knn(self, k: int, report: Report) -> tuple[np.ndarray, np.ndarray]:
        """As of a Source, on the device."""
        with self._memory("the neighbor lists", "take fewer rows or a smaller k"):
            return self.points.kernels.knn(self.native, self.metric_name, k, progress=report, **self._place)

    @property
    def bytes_per_pair(self) -> int:
        """As of a Source, for pairs from the device."""
        return _bytes_per_pair(self.points.kernels, self.dtype)

    def within_radius(self, radius: float, most_pairs: int, report: Report) -> tuple[Any, ...]:
        """As of a Source, on the device."""
        with self._memory("the radius graph", "take fewer rows"):
            found = self.points.kernels.within_radius(
                self.native, self.metric_name, radius, most_pairs, progress=report, **self._place
            )
        if len(found) == 2:
            return found
        self.bounds.append(found[3])
        return found[:3]

    def largest_distortion(self, landmarks: np.ndarray, nearest: np.ndarray, up_to: float, report: Report) -> float:
        """As of a Source, on the device."""
        with self._memory("the distances of landmarks", "take fewer landmarks"):
            found, bound = self.points.kernels.largest_distortion(
                self.native, self.metric_name, landmarks, nearest, up_to, progress=report, **self._place
            )
        self.bounds.append(bound)
        return found

    def spanning_tree(self, report: Report) -> tuple[np.ndarray, np.ndarray]:
        """As of a Source, on the device."""
        with self._memory("the spanning tree", "take fewer rows"):
            edges, lengths, _, bound = self.points.kernels.spanning_tree(
                self.native, self.metric_name, progress=report, **self._place
            )
        self.bounds.append(bound)
        return edges, lengths

    def farthest_points(self, k: int, first: int, known: tuple[np.ndarray, ...], report: Report) -> tuple[np.ndarray, ...]:
        """As of a Source, on the device."""
        with self._memory("the landmarks", "take fewer rows"):
            *found, bound = self.points.kernels.farthest_points(
                self.native, self.metric_name, k, first, *known, progress=report, **self._place
            )
        self.bounds.append(bound)
        return tuple(found)

    def rounding(self) -> float:
        """Bound on the rounding of the distances of the calls so far."""
        return self._bound_in_units(max(self.bounds, default=0.0))

    @property
    def _place(self) -> dict[str, int]:
        return {"device": self.points.number, "stream": self.points.stream}

    def _memory(self, what: str, advice: str) -> AbstractContextManager[None]:
        return budget_errors(f"{what} of {self.n} rows", self.points.device, advice)


def open_source(x: Any, metric: str | Metric, threads: int | None, *, rounding: bool = False, device: str = "cpu") -> Source:
    """The source behind points or a DistanceMatrix (whose own metric then counts)."""
    if device != "cpu":
        return _open_on_device(x, metric, threads, device)
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


def _open_on_device(x: Any, metric: str | Metric, threads: int | None, device: str) -> DeviceSource:
    if isinstance(x, DistanceMatrix) or hasattr(metric, "distance_matrix"):
        raise InputError(
            f"device is {device!r} and the distances are those of a matrix, which is read on the CPU: give the points and the "
            "name of a metric, or say device='cpu'"
        )
    metric = get_metric(metric)
    points = device_points(x, device, name="x")
    shift = common_exponent(points.dtype, points.largest, metric)
    rows = ready_for_device(points, metric, shift, name="x")
    return DeviceSource(rows, len(points), points.dtype, metric, threads_or_default(threads), shift, points=points)


def _bytes_per_pair(kernels: Any, dtype: np.dtype) -> int:
    return int(getattr(kernels, f"radius_graph_bytes_per_pair_{dtype.name}")())


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


def frozen(array: np.ndarray) -> np.ndarray:
    """The same memory, read-only."""
    array.flags.writeable = False
    return array
