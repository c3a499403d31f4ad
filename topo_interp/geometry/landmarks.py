"""Landmarks in greedy order, and what they prove about the points that they stand for."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from topo_interp._arguments import real_number, whole_number
from topo_interp._errors import InputError
from topo_interp.geometry._source import Source, frozen, open_source, reported
from topo_interp.metrics import Metric

__all__ = ["Landmarks", "distortion", "farthest_points"]


@dataclasses.dataclass(frozen=True, eq=False)
class Landmarks:
    """Rows chosen one after another, each the farthest from those before it.

    Made by :func:`farthest_points`.

    Attributes:
        indices: int64 array (k,): the rows, in the order of their choice.
        insertion_radii: array (k,), never increasing: distance of each to those before it; infinite for the first.
        cover_radius: the largest distance of a row to its nearest landmark. It is the insertion radius of the landmark that
            would come next, not of the last one.
        nearest: int64 array (n,): for every row the place in ``indices`` of its nearest landmark (the first of several).
        distances: array (n,): of every row to that landmark.
        metric: name of the metric.
        rounding: every distance above is within this of the exact distance of the given points.
        true_metric: whether the triangle inequality holds; None of a matrix whose metric the package did not compute.
    """

    indices: np.ndarray
    insertion_radii: np.ndarray
    cover_radius: float
    nearest: np.ndarray
    distances: np.ndarray
    metric: str
    rounding: float = 0.0
    true_metric: bool | None = None

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def n(self) -> int:
        """Number of points that were covered."""
        return len(self.nearest)

    def __repr__(self) -> str:
        return f"Landmarks({len(self)} of {self.n}, cover_radius={self.cover_radius:.4g}, metric={self.metric!r})"


def farthest_points(
    x: Any,
    k: int,
    start: int | Landmarks = 0,
    *,
    metric: str | Metric = "euclidean",
    threads: int | None = None,
    progress: bool = False,
    device: str = "cpu",
) -> Landmarks:
    """The first k rows of the greedy order: each is the farthest from those before it (the smallest index of several).

    No k rows cover with less than half of this radius (Gonzalez 1985), and one order serves every k.

    >>> marks = farthest_points([[0.0], [1.0], [10.0], [4.0]], 2)
    >>> marks.indices.tolist(), marks.cover_radius, marks.nearest.tolist()
    ([0, 2], 4.0, [0, 0, 1, 0])
    >>> farthest_points([[0.0], [1.0], [10.0], [4.0]], 3, start=marks).indices.tolist()
    [0, 2, 3]

    Args:
        x: points (n, d), or a DistanceMatrix, whose own metric then counts.
        k: from 1 to n.
        start: the first row; or the Landmarks of an earlier call on the same points, to go on from there.
        metric: a name or a Metric; for a dissimilarity that is no metric the order is defined and its covering is not proved.
        threads: how many; None for all cores. The result does not depend on it.
        progress: whether to show a progress line.
        device: "cpu", or "cuda" ("cuda:1") for points, which may also be torch or CuPy arrays on that device.

    Raises:
        InputError: k or start is out of range, or start has another number of rows or another metric.

    Cost: n k distances (less those of the landmarks to go on from); memory for one copy of the points.
    """
    source = open_source(x, metric, threads, rounding=True, device=device)
    before = start if isinstance(start, Landmarks) else None
    k = whole_number(k, "k", 1 if before is None else len(before), source.n, f"there are {source.n} rows")
    if before is None:
        first = whole_number(start, "start", 0, source.n - 1, f"there are {source.n} rows")
        known = _nothing(source.dtype)
    else:
        if before.n != source.n or before.metric != source.metric_name:
            raise InputError(
                f"start holds landmarks of {before.n} rows under {before.metric!r}, and x has {source.n} rows under "
                f"{source.metric_name!r}; go on with the points and the metric that they were made of"
            )
        first = 0
        radii, distances = (_to_kernel(source, a) for a in (before.insertion_radii, before.distances))
        known = (before.indices, radii, before.nearest, distances)
    with reported(progress, "farthest points") as report:
        indices, radii, nearest, distances = source.farthest_points(k, first, known, report)
    radii[1:] = source.in_units(radii[1:].copy())
    distances = source.in_units(distances)
    rounding = max(source.rounding(), 0.0 if before is None else before.rounding)
    return Landmarks(
        frozen(indices),
        frozen(radii),
        float(distances.max()),
        frozen(nearest),
        distances,
        source.metric_name,
        rounding,
        source.true_metric,
    )


def distortion(
    x: Any,
    landmarks: Landmarks,
    *,
    metric: str | Metric = "euclidean",
    up_to: float | None = None,
    threads: int | None = None,
    progress: bool = False,
    device: str = "cpu",
) -> float:
    """How far moving every row to its nearest landmark can shorten the way to a diagram: the shift of its certificate.

    With p the map to the nearest landmark, the largest of D(x, px), D(px, py) - D(x, y) and D(x, py) - D(x, y). The filtration
    of the landmarks and that of all rows are (0, delta)-interleaved, for any symmetric dissimilarity: the inclusion shifts
    nothing, p shifts by delta, and both compositions are contiguous to the inclusion. For a metric delta <= 2 cover_radius.

    >>> x = [[0.0], [1.0], [10.0], [4.0]]
    >>> distortion(x, farthest_points(x, 2))
    4.0

    Args:
        x: points (n, d), or a DistanceMatrix, whose own metric then counts; what the landmarks were made of.
        landmarks: of these points.
        metric: a name or a Metric.
        up_to: look only at pairs with D(x, y) <= up_to, for a certificate that holds up to that filtration value.
        threads: how many; None for all cores.
        progress: whether to show a progress line.
        device: "cpu", or "cuda" ("cuda:1") for points, which may also be torch or CuPy arrays on that device.

    Raises:
        InputError: landmarks of other points or of another metric, or a negative up_to.

    Cost: the n (n - 1) / 2 distances once; memory for one copy of the points and the distances of k landmarks to n rows.
    """
    return measured_distortion(open_source(x, metric, threads, device=device), landmarks, up_to, progress)


def measured_distortion(source: Source, landmarks: Landmarks, up_to: float | None, progress: bool) -> float:
    """:func:`distortion` of a source, whose ``rounding`` then covers all pairs."""
    require_landmarks(landmarks)
    if landmarks.n != source.n:
        raise InputError(f"the landmarks cover {landmarks.n} rows and x has {source.n}; give the points that they were made of")
    if landmarks.metric != source.metric_name:
        raise InputError(
            f"the landmarks were made of {landmarks.metric!r} distances, and those of x are {source.metric_name!r}: give the metric "
            "that they were made with, or make them of this one with ti.farthest_points"
        )
    limit = math.inf if up_to is None else source.to_kernel(real_number(up_to, "up_to", why="or None for all pairs"))
    with reported(progress, "distances of landmarks", "distortion of pairs") as report:
        found = source.largest_distortion(landmarks.indices, landmarks.nearest, limit, report)
    return max(float(landmarks.cover_radius), float(source.in_units(np.array([found]))[0]))


def require_landmarks(landmarks: Any) -> None:
    """Refuses anything else."""
    if not isinstance(landmarks, Landmarks):
        raise InputError(f"landmarks is a {type(landmarks).__name__}; what ti.farthest_points(x, k) gives is needed")


def _nothing(dtype: np.dtype) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    integers, lengths = np.empty(0, dtype=np.int64), np.empty(0, dtype=dtype)
    return integers, lengths, integers, lengths


def _to_kernel(source: Source, lengths: np.ndarray) -> np.ndarray:
    if not source.shift:
        return np.ascontiguousarray(lengths)
    return np.array([source.to_kernel(length) for length in lengths], dtype=source.dtype)
