"""The terms of a certificate: how far landmarks and projections can have moved a diagram, as one-sided shifts.

Each is an interleaving of the computed filtration F with the true one G, of the distances of all given points: F_t maps into
G_(t + down) and G_t into F_(t + up). Terms add under composition (see :mod:`topo_interp.certificate`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from topo_interp._errors import InputError
from topo_interp._native import cpu
from topo_interp.arrays import as_points
from topo_interp.certificate import Term
from topo_interp.geometry._source import open_source, reported
from topo_interp.geometry.landmarks import Landmarks, measured_distortion, require_landmarks
from topo_interp.metrics import Metric, said_to_be_metric, triangle_error

__all__ = ["cover_radius_term", "distortion_term", "projection_term"]

# The pass over all pairs that measures a projection is taken up to this many multiply-adds (well under a second).
_MEASURED_UP_TO = 2e10
# What rounding can lengthen in a projection, of the norm of all points: scores are stored in float32, or are roots of rounded squares.
_AS_COMPUTED = 1e-6


def cover_radius_term(landmarks: Landmarks) -> Term:
    """(0, 2 r), r the cover radius with its own rounding: holds for every metric, and costs nothing.

    The inclusion of the landmarks shifts nothing. Moving every point to its nearest landmark lengthens no distance by more
    than 2 r, and both compositions are contiguous to the inclusion. So the true births and deaths lie at most 2 r below those
    of the landmarks, and a bar longer than 2 r is a bar of all points.

    >>> import topo_interp as ti
    >>> term = cover_radius_term(ti.farthest_points([[0.0], [1.0], [4.0]], 2))
    >>> term.down, round(term.up, 9)
    (0.0, 2.0)

    Args:
        landmarks: of :func:`topo_interp.farthest_points`.

    Raises:
        InputError: the triangle inequality, on which this rests, does not hold or is not known to.
    """
    require_landmarks(landmarks)
    true_metric = said_to_be_metric(landmarks.metric) if landmarks.true_metric is None else landmarks.true_metric
    if true_metric is None:
        raise InputError(
            f"the cover-radius certificate needs the triangle inequality, which is not known to hold for a {landmarks.metric} matrix; use "
            "ti.distortion_term(matrix, landmarks), which holds for any dissimilarity, or say which metric it is: "
            "ti.DistanceMatrix.from_dense(square, metric='euclidean')"
        )
    if not true_metric:
        raise triangle_error(landmarks.metric, "the cover-radius certificate")
    return Term("landmarks", 0.0, 2 * (landmarks.cover_radius + landmarks.rounding))


def distortion_term(
    x: Any,
    landmarks: Landmarks,
    *,
    metric: str | Metric = "euclidean",
    threads: int | None = None,
    progress: bool = False,
    device: str = "cpu",
) -> Term:
    """(0, delta), delta the distortion measured over all pairs: for any dissimilarity, and never above (0, 2 r) for a metric.

    See :func:`topo_interp.distortion`. The rounding of the distances that were compared is added.

    >>> import topo_interp as ti
    >>> x = [[0.0], [1.0], [4.0]]
    >>> term = distortion_term(x, ti.farthest_points(x, 2))
    >>> term.down, round(term.up, 9)
    (0.0, 1.0)

    Args:
        x: points (n, d), or a DistanceMatrix: what the landmarks were made of.
        landmarks: of these points.
        metric: a name or a Metric; any dissimilarity will do.
        threads: how many; None for all cores. The result does not depend on it.
        progress: whether to show a progress line.
        device: "cpu", or "cuda" ("cuda:1") for points, which may also be torch or CuPy arrays on that device.

    Raises:
        InputError: the landmarks are of other points or of another metric.

    Cost: the n (n - 1) / 2 distances once.
    """
    source = open_source(x, metric, threads, rounding=True, device=device)
    delta = measured_distortion(source, landmarks, None, progress)
    # A difference of two distances, each within the rounding; those of a given matrix are what it says they are.
    shift = delta + (2 * source.rounding() if delta > 0 else 0.0)
    if source.true_metric:
        shift = min(shift, cover_radius_term(landmarks).up)
    return Term("landmarks", 0.0, shift)


def projection_term(before: Any, after: Any, *, threads: int | None = None, progress: bool = False) -> Term:
    """(s, 0) for the Euclidean distances D_k of an orthogonal projection: D_k <= D <= D_k + s.

    s is the largest D - D_k over the pairs where that pass is short (up to 2e10 multiply-adds), else the sum of the two
    largest discarded norms, which is never less. Where it is measured, (s, r) with the largest D_k - D if that is more than the
    rounding of float64, as for scores that were stored in float32.

    >>> x = [[3.0, 0.0], [0.0, 1.0], [-3.0, 0.0]]
    >>> term = projection_term(x, [[3.0], [0.0], [-3.0]])
    >>> round(term.down, 6), term.up  # sqrt(10) - 3
    (0.162278, 0.0)

    Args:
        before: points (n, d).
        after: their projections (n, k), such as ``ti.pca(k)(before)``; both up to a common shift of the origin.
        threads: how many; None for all cores.
        progress: whether to show a progress line.

    Raises:
        InputError: other numbers of rows, more columns after than before, or a row or a pair that the projection lengthens.

    Cost: n (n - 1) / 2 distances of both, where they are measured, else O(n d).
    """
    x, z = (as_points(points, name=name).astype(np.float64) for points, name in ((before, "before"), (after, "after")))
    if len(x) != len(z) or x.shape[1] < z.shape[1]:
        raise InputError(f"before has shape {x.shape} and after {z.shape}; a projection has as many rows and no more columns")
    n, d = x.shape
    unit = int(np.frexp(np.abs(x).max())[1])  # of a power of two, which is exact: sums and squares stay in range
    x, z = (points - points.mean(axis=0) for points in (np.ldexp(x, -unit), np.ldexp(z, -unit)))
    whole, kept = np.linalg.norm(x, axis=1), np.linalg.norm(z, axis=1)
    _require_no_longer((kept - whole).max(), whole, "a row is farther from the mean")
    # Norms and the axes of the projection are exact to some d units in the last place.
    slack = 8 * (d + n) * 2.0**-53
    discarded = np.sqrt(np.maximum(whole**2 - kept**2, 0.0) + slack * whole.max() ** 2)
    down, up = float(np.sort(discarded)[-2:].sum()), 0.0
    if n * (n - 1) / 2 * (d + z.shape[1]) <= _MEASURED_UP_TO:
        wide, narrow = (open_source(points, "euclidean", threads, rounding=True) for points in (x, z))
        with reported(progress, "what the projection changes") as report:
            shorter, longer = cpu.largest_differences(wide.native, narrow.native, wide.threads, report)
        _require_no_longer(longer, whole, "two rows are farther apart")
        rounding = wide.rounding() + narrow.rounding()
        down = min(down, shorter + rounding)
        # Scores in float32, or on components of 1e-8 of the largest, lengthen by more than the last places.
        up = longer + rounding if longer > slack * whole.max() + rounding else 0.0
    return Term(f"projection to {z.shape[1]} of {d}", math.ldexp(down, unit), math.ldexp(up, unit))


def _require_no_longer(longer: float, whole: np.ndarray, what: str) -> None:
    """``longer`` and ``whole``, the norms of the rows before, are in the same units."""
    size = np.linalg.norm(whole)
    if longer > _AS_COMPUTED * size:
        raise InputError(
            f"{what} after than before, by {longer / size:.2g} of the norm of all points, and a projection lengthens nothing: give the "
            "points as they were before, such as x and ti.pca(k)(x)"
        )
