"""The terms of a certificate: how far landmarks and projections can have moved a diagram, as one-sided shifts.

Each is an interleaving of the computed filtration F with the true one G, of the distances of all given points: F_t maps into
G_(t + down) and G_t into F_(t + up). Terms add under composition (see :mod:`topo_interp.certificate`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from topo_interp._errors import InputError
from topo_interp._native import cpu
from topo_interp.arrays import as_points
from topo_interp.certificate import Term
from topo_interp.geometry._source import open_source, reported
from topo_interp.geometry.landmarks import Landmarks, measured_distortion
from topo_interp.metrics import Metric, require_true_metric

__all__ = ["cover_radius_term", "distortion_term", "projection_term"]

# The pass over all pairs that measures a projection is taken up to this many multiply-adds (well under a second).
_MEASURED_UP_TO = 2e10


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
    if landmarks.metric == "precomputed":
        raise InputError(
            "the cover-radius certificate needs the triangle inequality, which is not known to hold for a precomputed matrix; use "
            "ti.distortion_term(matrix, landmarks), which holds for any dissimilarity, or say which metric it is: "
            "ti.DistanceMatrix.from_dense(square, metric='euclidean')"
        )
    require_true_metric(landmarks.metric, "the cover-radius certificate")
    return Term("landmarks", 0.0, 2 * (landmarks.cover_radius + landmarks.rounding))


def distortion_term(
    x: Any, landmarks: Landmarks, *, metric: str | Metric = "euclidean", threads: int | None = None, progress: bool = False
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

    Raises:
        InputError: the landmarks are of other points.

    Cost: the n (n - 1) / 2 distances once.
    """
    source = open_source(x, metric, threads, rounding=True)
    delta = measured_distortion(source, landmarks, None, progress)
    # A difference of two distances, each within the rounding; those of a given matrix are what it says they are.
    shift = delta + (2 * source.rounding() if delta > 0 else 0.0)
    if source.true_metric:
        shift = min(shift, cover_radius_term(landmarks).up)
    return Term("landmarks", 0.0, shift)


def projection_term(before: Any, after: Any, *, threads: int | None = None, progress: bool = False) -> Term:
    """(s, 0) for the Euclidean distances D_k of an orthogonal projection: D_k <= D <= D_k + s.

    s is the largest D - D_k over the pairs where that pass is short (up to 2e10 multiply-adds), else the sum of the two
    largest discarded norms, which is never less.

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
        InputError: other numbers of rows, or more columns after than before.

    Cost: n (n - 1) / 2 distances of both where they are measured, else O(n d).
    """
    x, z = (as_points(points, name=name).astype(np.float64) for points, name in ((before, "before"), (after, "after")))
    if len(x) != len(z) or x.shape[1] < z.shape[1]:
        raise InputError(f"before has shape {x.shape} and after {z.shape}; a projection has as many rows and no more columns")
    bound = _discarded(x, z)
    n, d = x.shape
    if n * (n - 1) / 2 * (d + z.shape[1]) <= _MEASURED_UP_TO:
        wide, narrow = (open_source(points, "euclidean", threads, rounding=True) for points in (x, z))
        if wide.shift == narrow.shift == 0:
            with reported(progress, "what the projection shortens") as report:
                found = cpu.largest_excess(wide.native, narrow.native, wide.threads, report)
            bound = min(bound, found + wide.rounding() + narrow.rounding())
    return Term(f"projection to {z.shape[1]} of {d}", bound, 0.0)


def _discarded(x: np.ndarray, z: np.ndarray) -> float:
    """The sum of the two largest norms of what the projection discards, from above."""
    x = x - x.mean(axis=0)
    z = z - z.mean(axis=0)
    kept, whole = (z**2).sum(axis=1), (x**2).sum(axis=1)
    # Squared norms and the axes of the projection are exact to some d units in the last place.
    slack = 8 * (x.shape[1] + len(x)) * 2.0**-53 * whole.max(initial=0.0)
    norms = np.sort(np.sqrt(np.maximum(whole - kept, 0.0) + slack))
    return float(norms[-2:].sum())
