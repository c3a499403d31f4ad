"""Distances of one cloud, half of the square, with a bound on how far a stored entry can be from the exact one."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from topo_interp._arguments import whole_number
from topo_interp._errors import InputError
from topo_interp._native import cpu, default_threads, threads_or_default
from topo_interp._value import Value
from topo_interp.arrays import as_matrix, as_points, require_finite
from topo_interp.geometry._device import budget_errors, device_points
from topo_interp.geometry.distances import (
    common_exponent,
    in_range,
    ready_for_device,
    requested_isa,
    require_directions,
    require_half_matrix,
    scale_back,
)
from topo_interp.metrics import Metric, get_metric
from topo_interp.point_cloud import array_digest

__all__ = ["DistanceMatrix", "pair_ends", "pair_position"]


@dataclasses.dataclass(frozen=True, eq=False)
class DistanceMatrix:
    """Symmetric distances with a zero diagonal, stored once per pair.

    Attributes:
        condensed: float32 (n(n-1)/2,), rows of the upper triangle one after another (scipy's condensed order); read-only.
        n: number of points.
        metric: a Metric, or the name of whatever dissimilarity was handed in.
        rounding: every entry is within this of the exact distance of the given inputs.

    >>> dm = DistanceMatrix.from_points([[0.0, 0.0], [3.0, 4.0], [0.0, 4.0]])
    >>> dm.condensed
    array([5., 4., 3.], dtype=float32)
    >>> dm.median()
    4.0
    """

    condensed: np.ndarray
    n: int
    metric: str | Metric = "precomputed"
    rounding: float = 0.0

    def __post_init__(self) -> None:
        condensed = np.asarray(self.condensed)
        n = whole_number(self.n, "n", 1, why="the number of points")
        if not isinstance(self.metric, (str, Value)):
            raise InputError(f"metric is {self.metric!r}; the name of the dissimilarity is needed, such as 'precomputed', or a metric value")
        if condensed.dtype != np.float32 or condensed.shape != (n * (n - 1) // 2,):
            raise InputError(
                f"condensed has dtype {condensed.dtype} and shape {condensed.shape}; float32 of shape "
                f"({n * (n - 1) // 2},) is needed for n = {n}: build it with DistanceMatrix.from_points or .from_dense"
            )
        low, high = (condensed.min(), condensed.max()) if len(condensed) else (0.0, 0.0)
        if not (low >= 0 and high < np.inf):  # a NaN makes both comparisons false
            bad = int(np.flatnonzero(~((condensed >= 0) & (condensed < np.inf)))[0])
            i, j = (int(end[0]) for end in pair_ends(np.array([bad]), n))
            raise InputError(f"the distance of rows {i} and {j} is {condensed[bad]}; finite distances >= 0 are needed"
                + (" (float32 holds up to 3.4e38: scale the points down first)" if condensed[bad] == np.inf else ""))
        if not (0 <= self.rounding < np.inf):
            raise InputError(f"rounding is {self.rounding}; a finite number >= 0 is needed")
        condensed = np.require(condensed, requirements=["C_CONTIGUOUS", "ALIGNED"]).view()
        condensed.flags.writeable = False
        object.__setattr__(self, "condensed", condensed)
        object.__setattr__(self, "n", n)
        object.__setattr__(self, "rounding", float(self.rounding))

    @classmethod
    def from_points(
        cls, x: Any, metric: str | Metric = "euclidean", threads: int | None = None, device: str = "cpu"
    ) -> DistanceMatrix:
        """The distances of the rows of ``x``: the bits of :func:`pairwise_distances`, without making the square.

        On a device ("cuda") they are computed there, also of torch and CuPy arrays that lie there, and stored on the host.
        """
        metric = get_metric(metric)
        if device != "cpu":
            return cls._from_device(x, metric, device)
        points = as_matrix(x, name="x")
        shift = common_exponent(points.dtype, require_finite(points, name="x"), metric)
        require_directions(points, metric, name="x")
        n = len(points)
        require_half_matrix(n)
        points = in_range(points, metric, shift)
        condensed = np.empty(n * (n - 1) // 2, dtype=np.float32)
        rounding = cpu.condensed(points, condensed, metric.name, threads_or_default(threads), isa=requested_isa())
        return cls._scaled_back(condensed, n, metric, rounding, shift)

    @classmethod
    def _scaled_back(cls, condensed: np.ndarray, n: int, metric: Metric, rounding: float, shift: int) -> DistanceMatrix:
        bound = np.float64(rounding)[None]
        scale_back(condensed, shift, metric)
        scale_back(bound, shift, metric)
        # Entries that fell below the smallest float32 when they were scaled back.
        return cls(condensed, n, metric, float(bound[0]) + (2.0**-149 if shift else 0.0))

    @classmethod
    def _from_device(cls, x: Any, metric: Metric, device: str) -> DistanceMatrix:
        points = device_points(x, device, name="x")
        n = len(points)
        require_half_matrix(n)
        shift = common_exponent(points.dtype, points.largest, metric)
        rows = ready_for_device(points, metric, shift, name="x")
        condensed = np.empty(n * (n - 1) // 2, dtype=np.float32)
        with budget_errors(f"the distances of {n} rows", device, "take fewer rows, or ti.farthest_points"):
            rounding = points.kernels.condensed(rows, condensed, metric.name, device=points.number, stream=points.stream)
        return cls._scaled_back(condensed, n, metric, rounding, shift)

    @classmethod
    def from_dense(cls, square: Any, metric: str | Metric = "precomputed") -> DistanceMatrix:
        """From a full matrix, which must be symmetric with a zero diagonal; wider entries are rounded to float32.

        >>> DistanceMatrix.from_dense([[0, 2], [2, 0]]).condensed
        array([2.], dtype=float32)
        """
        square = as_points(square, name="square")
        n = len(square)
        if square.shape != (n, n):
            raise InputError(f"square has shape {square.shape}; as many rows as columns are needed")
        if square.diagonal().any():
            i = int(np.flatnonzero(square.diagonal())[0])
            raise InputError(f"the diagonal entry of row {i} is {square[i, i]}; a point has distance 0 to itself")
        if not np.array_equal(square, square.T):
            i, j = (int(k) for k in np.argwhere(square != square.T)[0])
            raise InputError(
                f"entries ({i}, {j}) and ({j}, {i}) differ: {square[i, j]} and {square[j, i]}; symmetrize with "
                "(square + square.T) / 2 if the difference is rounding"
            )
        from scipy.spatial.distance import squareform

        exact = squareform(square, checks=False)
        with np.errstate(over="ignore"):  # an infinity is refused below, with its rows
            condensed = exact.astype(np.float32)
        if not np.isfinite(condensed).all():
            cls(condensed, n, metric)
        return cls(condensed, n, metric, float(np.abs(condensed - exact.astype(np.float64)).max(initial=0.0)))

    def __len__(self) -> int:
        return self.n

    def __repr__(self) -> str:
        name = self.metric.name if isinstance(self.metric, Metric) else self.metric
        return f"DistanceMatrix(n={self.n}, metric={name!r}, rounding={self.rounding:.3g})"

    def square(self) -> np.ndarray:
        """The full symmetric matrix (n, n), float32, a new array."""
        out = np.zeros((self.n, self.n), dtype=np.float32)
        start = 0
        for i in range(self.n - 1):
            stop = start + self.n - 1 - i
            out[i, i + 1 :] = out[i + 1 :, i] = self.condensed[start:stop]
            start = stop
        return out

    def median(self) -> float:
        """Median distance over the pairs; 0.0 for a single point."""
        return cpu.median(self.condensed, default_threads()) if len(self.condensed) else 0.0

    def take(self, index: Any) -> DistanceMatrix:
        """The distances among the points chosen by integers or a mask, in that order; a point may come twice."""
        index = np.asarray(index)
        if index.ndim != 1 or index.size == 0 or index.dtype.kind not in "biu":
            raise InputError(
                f"index has dtype {index.dtype} and shape {index.shape}; a list of integers or a mask is needed that chooses "
                "at least one point"
            )
        try:
            chosen = np.arange(self.n)[index]
        except IndexError as error:
            raise InputError(f"{error}; give positions below {self.n}, or a mask of {self.n} entries") from None
        if len(chosen) == 0:
            raise InputError("the mask chooses no row; at least one point is needed")
        first, second = np.triu_indices(len(chosen), 1)
        a, b = chosen[first], chosen[second]
        low, high = np.minimum(a, b), np.maximum(a, b)
        condensed = np.zeros(len(low), dtype=np.float32)
        apart = low < high
        condensed[apart] = self.condensed[pair_position(low[apart], high[apart], self.n)]
        return dataclasses.replace(self, condensed=condensed, n=len(chosen))

    def digest(self) -> str:
        """SHA-256 (first 16 hexadecimal digits) of the stored distances."""
        return array_digest(self.condensed)


def pair_position(i: np.ndarray | int, j: np.ndarray | int, n: int) -> np.ndarray:
    """Where the pairs i < j of n points stand in condensed order.

    >>> pair_position(np.array([0, 1]), np.array([1, 2]), 3)
    array([0, 2])
    """
    i = np.asarray(i, dtype=np.int64)
    return i * (2 * n - i - 1) // 2 + (j - i - 1)


def pair_ends(position: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The pairs i < j of n points that stand at these places of the condensed order.

    >>> pair_ends(np.array([0, 2]), 3)
    (array([0, 1]), array([1, 2]))
    """
    starts = pair_position(np.arange(n - 1), np.arange(n - 1) + 1, n)
    i = np.searchsorted(starts, position, side="right") - 1
    return i, position - starts[i] + i + 1
