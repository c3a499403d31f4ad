"""Distances between all pairs of rows, exact to a few units in the last place also where points nearly coincide."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import numpy as np

from topo_interp._errors import BudgetError, InputError
from topo_interp._memory import free_bytes, readable
from topo_interp._native import cpu, threads_or_default
from topo_interp.arrays import as_matrix, require_finite
from topo_interp.geometry._device import DevicePoints, budget_errors, device_points
from topo_interp.metrics import Metric, get_metric

__all__ = ["pairwise_distances"]

_FEWER_PAIRS = (
    "take fewer rows, use ti.DistanceMatrix.from_points, which stores each pair once, or distances by blocks of rows: "
    "pairwise_distances(x[i:j], x)"
)
# Metrics that do not see the length of a row.
_OF_DIRECTIONS = ("cosine", "chordal", "angular", "correlation")


def pairwise_distances(
    x: Any, y: Any = None, *, metric: str | Metric = "euclidean", threads: int | None = None, device: str = "cpu"
) -> Any:
    """Distances between the rows of ``x`` (n, d) and those of ``y`` (m, d), or of ``x`` with itself: an array (n, m).

    >>> pairwise_distances([[0, 0], [3, 4]])
    array([[0., 5.],
           [5., 0.]])

    Every entry of a float32 result is within 1e-6 relative of the distance of the given points (twice that where the
    metric is a square, 2.2e-6 for the angle), near-duplicates far from the origin included; float64 within 1e-11, down to
    distances of 1e-140 times the largest entry, below which squares leave its range. The diagonal of x with itself is
    exactly 0, the matrix symmetric bit for bit, equal rows are at exactly 0, and the bytes do not depend on ``threads``.
    They do depend on all of x and y, because the rows are centered together.

    Args:
        x: points (n, d): numpy, torch (CPU), ml_dtypes, PointCloud or lists; see :func:`topo_interp.arrays.as_points`.
        y: points (m, d) or None.
        metric: a name or a Metric; ``ti.metrics.table()`` lists them.
        threads: how many; None for all cores that this process may use.
        device: "cpu", or "cuda" ("cuda:1"), where x and y may also be torch or CuPy arrays on that device.

    Returns:
        float32 if both x and y are of at most 32 bits, else float64. A numpy array; of points that lie on the device an array
        of their library, on their device.

    Raises:
        InputError: bad points, different widths, a row without direction under an angular metric, a result that overflows.
        BudgetError: the result does not fit the memory, or not even a few blocks of rows fit the device.
        MissingEngineError: no CUDA module, driver or device.

    Cost: n m d / 2 multiply-adds for x with itself, n m d otherwise; memory for the result and one copy of the points.
    Ctrl-C is answered within 100 ms.
    """
    metric = get_metric(metric)
    if device != "cpu":
        return _on_device(x, None if y is x else y, metric, device)
    a = as_matrix(x, name="x")
    largest = require_finite(a, name="x")
    b = None
    if y is not None and y is not x:
        b = as_matrix(y, name="y")
        largest = max(largest, require_finite(b, name="y"))
        if a.shape[1] != b.shape[1]:
            raise InputError(f"x has {a.shape[1]} coordinates and y has {b.shape[1]}; both need the same")
        dtype = np.result_type(a, b)
        a, b = a.astype(dtype, copy=False), b.astype(dtype, copy=False)
    require_directions(a, metric, name="x")
    if b is not None:
        require_directions(b, metric, name="y")
    shape = (len(a), len(a) if b is None else len(b))
    require_memory(shape[0] * shape[1] * a.itemsize, f"a matrix of {shape[0]} x {shape[1]} {a.dtype}", _FEWER_PAIRS)
    shift = common_exponent(a.dtype, largest, metric)
    a, b = in_range(a, metric, shift), None if b is None else in_range(b, metric, shift)
    out = np.empty(shape, dtype=a.dtype)
    cpu.pairwise(a, b, out, metric.name, threads_or_default(threads), isa=requested_isa())
    scale_back(out, shift, metric)
    if may_overflow(a, largest, metric):
        require_in_range(out)
    return out


def _on_device(x: Any, y: Any, metric: Metric, device: str) -> Any:
    a = device_points(x, device, name="x")
    b = None if y is None else device_points(y, device, name="y")
    if b is not None:
        a, b = _alike(a, b)
    shape = (len(a), len(a if b is None else b))
    if a.library is None:
        require_memory(shape[0] * shape[1] * a.dtype.itemsize, f"a matrix of {shape[0]} x {shape[1]} {a.dtype}", _FEWER_PAIRS)
    largest = max(a.largest, 0.0 if b is None else b.largest)
    shift = common_exponent(a.dtype, largest, metric)
    rows, others = ready_for_device(a, metric, shift, name="x"), None if b is None else ready_for_device(b, metric, shift, name="y")
    out = a.empty(shape)
    advice = "take fewer rows, or distances by blocks of rows: pairwise_distances(x[i:j], x)"
    with budget_errors(f"the distances of {shape[0]} x {shape[1]} rows", device, advice):
        a.kernels.pairwise(rows, others, out, metric.name, device=a.number, stream=a.stream)
    degree = {"euclidean": 1, "sqeuclidean": 2}.get(metric.name, 0) * shift
    if degree:
        for part in (degree // 2, degree - degree // 2):  # a power of two beyond the range in two steps
            out *= 2.0**part
    if not bool((out <= float(np.finfo(a.dtype).max)).all()):
        raise InputError(f"a distance is beyond the range of {a.dtype}; divide x by its largest entry")
    return out


def _alike(a: DevicePoints, b: DevicePoints) -> tuple[DevicePoints, DevicePoints]:
    """Both with one width, one precision and in one kind of memory, or an error."""
    if a.array.shape[1] != b.array.shape[1]:
        raise InputError(f"x has {a.array.shape[1]} coordinates and y has {b.array.shape[1]}; both need the same")
    if a.library is not b.library:
        raise InputError("one of x and y is on the device and the other is not; move both there, or neither")
    dtype = np.result_type(a.dtype, b.dtype)

    def widened(points: DevicePoints) -> DevicePoints:
        if points.dtype == dtype:
            return points
        array = points.array
        array = array.double().contiguous() if hasattr(array, "double") else array.astype(dtype, order="C")
        return dataclasses.replace(points, array=array, dtype=dtype, halves=None)

    return widened(a), widened(b)


def ready_for_device(points: DevicePoints, metric: Metric, shift: int, *, name: str) -> Any:
    """What the kernels take: rows with a direction where one is needed, over 2^shift."""
    if points.flags is None:
        require_directions(points.array, metric, name=name)
        return in_range(points.array, metric, shift) if points.halves is None else points.halves
    if metric.name in _OF_DIRECTIONS:
        empty = points.rows_without_direction(metric.name)
        if empty is not None and empty.any():
            raise no_direction(empty, name, constant=metric.name == "correlation")
        if points.dtype == np.float64 and not 2.0**-300 < points.largest < 2.0**300:
            raise InputError(f"the largest entry of {name} is {points.largest:.3g}; divide {name} by it, which changes no direction")
    if points.halves is not None:
        return points.halves
    return points.array * 2.0 ** -(shift // 2) * 2.0 ** -(shift - shift // 2) if shift else points.array


def requested_isa() -> str:
    """Instruction set that the environment asks for: TOPO_INTERP_ISA is scalar, avx2 or avx512; "" for the best."""
    isa = os.environ.get("TOPO_INTERP_ISA", "")
    if isa and isa not in cpu.instruction_sets():
        raise InputError(
            f"TOPO_INTERP_ISA is {isa!r}; this machine and build have {', '.join(cpu.instruction_sets())}: unset it or choose one"
        )
    return isa


def require_directions(points: np.ndarray, metric: Metric, *, name: str) -> None:
    """Refuses rows that an angular metric can not be asked about: zero ones, constant ones for correlation."""
    if metric.name not in _OF_DIRECTIONS:
        return
    empty = points.max(axis=1) == points.min(axis=1) if metric.name == "correlation" else ~points.any(axis=1)
    if empty.any():
        raise no_direction(empty, name, constant=metric.name == "correlation")


def no_direction(empty: np.ndarray, name: str, *, constant: bool = False) -> InputError:
    """The error about the rows of a mask, which are zero; or ``constant``, where their mean is removed."""
    what = "is constant, so that nothing is left when its mean is removed" if constant else "is zero, which has no direction"
    # Not the deviation, which of a constant row can be the rounding of its mean.
    keep = f"({name} != {name}[:, :1])" if constant else name
    return InputError(
        f"row {int(np.flatnonzero(empty)[0])} of {name} {what} ({int(empty.sum())} of {len(empty)} rows); drop such rows with "
        f"{name}[{keep}.any(axis=1)], or use what takes them, e.g. the metric 'euclidean'"
    )


def require_memory(needed: int, what: str, advice: str) -> None:
    """Refuses a result that can not fit the machine's memory, before it is allocated."""
    available = free_bytes()
    if needed > available:
        raise BudgetError(f"{what} needs {readable(needed)} and {readable(available)} are available; {advice}")


def require_half_matrix(n: int) -> None:
    """Refuses the distances of n points, each pair once, where they can not fit."""
    advice = (
        "take fewer rows, or what needs no matrix: ti.spanning_tree, ti.knn_graph, ti.radius_graph, or ti.farthest_points, "
        "which chooses rows for all (in a recipe ti.Rips(landmarks=1000))"
    )
    require_memory(2 * n * (n - 1), f"half a matrix of {n} x {n} float32", advice)


def common_exponent(dtype: np.dtype, largest: float, metric: Metric) -> int:
    """Exponent by which float64 points are scaled so that their squares stay in range; 0 for all usual data.

    Scaling by a power of two is exact. float32 needs none: what leaves its range is recomputed in double.
    """
    if dtype == np.float32 or metric.name in ("manhattan", "chebyshev", "hamming", *_OF_DIRECTIONS):
        return 0
    return 0 if largest == 0 or 2.0**-300 < largest < 2.0**300 else int(np.frexp(largest)[1])


def in_range(points: np.ndarray, metric: Metric, shift: int) -> np.ndarray:
    """The points over 2^shift; where only directions count, each float64 row by a power of its own, so that rows of very
    different length keep their digits too."""
    if metric.name in _OF_DIRECTIONS and points.dtype == np.float64:
        longest = np.maximum(points.max(axis=1), -points.min(axis=1))
        if not (2.0**-300 < longest.min() and longest.max() < 2.0**300):
            return np.ldexp(points, -np.frexp(longest)[1][:, np.newaxis])
    return np.ldexp(points, -shift) if shift else points


def scale_back(out: np.ndarray, shift: int, metric: Metric) -> None:
    """Undoes the scaling by :func:`common_exponent` in place, for the metrics whose values scale with the points."""
    degree = {"euclidean": 1, "sqeuclidean": 2}.get(metric.name, 0)
    if shift and degree:
        with np.errstate(over="ignore", under="ignore"):
            np.ldexp(out, degree * shift, out=out)


def may_overflow(points: np.ndarray, largest: float, metric: Metric) -> bool:
    """Whether a distance of points up to ``largest`` can leave the range of their dtype."""
    with np.errstate(over="ignore"):
        reach = 2 * np.float64(largest) * points.shape[1]
        return bool(reach * (reach if metric.name == "sqeuclidean" else 1) > np.finfo(points.dtype).max / 4)


def require_in_range(out: np.ndarray) -> None:
    """Refuses a result in which a distance overflowed, naming its rows."""
    bad = np.argwhere(~np.isfinite(out))
    if len(bad):
        hint = "convert the points with x.astype(np.float64)" if out.dtype == np.float32 else "scale the points down first"
        raise InputError(f"the distance of rows {bad[0][0]} and {bad[0][1]} is beyond the range of {out.dtype}; {hint}")
