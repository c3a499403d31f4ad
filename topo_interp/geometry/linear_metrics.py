"""Euclidean distance after a linear map: Mahalanobis distance on principal components, and distances as the network reads them."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any, ClassVar

import numpy as np

from topo_interp._arguments import whole_number
from topo_interp._errors import InputError
from topo_interp.arrays import as_points
from topo_interp.geometry.cloud_metric import PAIRWISE_ERROR, CloudMetric, gamma, stored
from topo_interp.geometry.distance_matrix import DistanceMatrix
from topo_interp.geometry.distances import pairwise_distances
from topo_interp.point_cloud import row_hashes

__all__ = ["mahalanobis", "read_metric"]

# A principal component below this share of the first (in standard deviations) is rounding, and whitening would make it as
# large as the others.
_LEAST_SHARE = 1e-6
# An eigenvalue below this share of the largest is rounding of 0.
_RANK_SHARE = 1e-10


@dataclasses.dataclass(frozen=True, repr=False)
class _Mahalanobis(CloudMetric, kind="mahalanobis"):
    formula: ClassVar[str] = "sqrt(sum over the first k principal components of (score difference)^2 / variance)"

    pca: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "pca", whole_number(self.pca, "mahalanobis: pca, the number of components,", 1))

    @property
    def notes(self) -> tuple[str, ...]:
        return (f"{self.name}: the components and variances are those of these rows; their own error is not in the rounding.",)

    def _distances(self, points: np.ndarray) -> DistanceMatrix:
        n, d = points.shape
        if self.pca > min(n - 2, d):
            raise InputError(
                f"{self} of {n} x {d} points: at most {max(min(n - 2, d), 0)} components are possible, because whitened on n - 1 "
                "components all rows are equally far apart; take fewer components, or more rows"
            )
        centered = points - points.mean(axis=0)
        _, deviations, axes = np.linalg.svd(centered, full_matrices=False)
        if not deviations[self.pca - 1] > _LEAST_SHARE * deviations[0]:
            usable = int((deviations > _LEAST_SHARE * deviations[0]).sum())
            raise InputError(
                f"{self}: component {self.pca} has no variance beyond rounding, and dividing by it would make noise of it; use "
                f"mahalanobis(pca={usable})" if usable else f"{self}: all rows are the same point"
            )
        scale = np.sqrt(n - 1) / deviations[: self.pca]
        return _mapped(self, centered, axes[: self.pca].T * scale)

    def memory(self, n: int) -> int:
        return 8 * 2 * n * n


@dataclasses.dataclass(frozen=True, repr=False)
class _ReadMetric(CloudMetric, kind="read_metric"):
    """The value holds the hash of its matrix, not the matrix; the factor is attached by :func:`read_metric`."""

    formula: ClassVar[str] = "sqrt((x - y)^T M (x - y))"

    matrix: str
    dim: int
    rank: int

    def _distances(self, points: np.ndarray) -> DistanceMatrix:
        factor = self.__dict__.get("_factor")
        if factor is None:
            raise InputError(
                f"{self} was made from JSON, which names its matrix by hash only: make it with ti.read_metric(M), M from "
                "ti.RelevantDirections.load(path)"
            )
        if points.shape[1] != self.dim:
            raise InputError(f"{self} is about {self.dim} coordinates and the points have {points.shape[1]}")
        self.require_usable(points)
        return _mapped(self, points - points.mean(axis=0), factor)

    def require_usable(self, points: np.ndarray) -> None:
        used = np.isin(row_hashes(points), self.__dict__.get("_hashes", ()))
        if used.any():
            raise InputError(
                f"row {int(np.flatnonzero(used)[0])} of the points is one of the rows that the metric was estimated on ({int(used.sum())} "
                "are): estimate it on other rows, or analyze other rows, because on its own rows a metric shows what it was fitted to"
            )

    def memory(self, n: int) -> int:
        return 8 * 2 * n * n


def _mapped(metric: CloudMetric, centered: np.ndarray, factor: np.ndarray) -> DistanceMatrix:
    """Euclidean distances of the rows times the factor, with the rounding of the product bounded row by row."""
    image = centered @ factor
    error = gamma(centered.shape[1] + 4) * np.linalg.norm(np.abs(centered) @ np.abs(factor), axis=1).max()
    square = pairwise_distances(image)
    return stored(metric, square, 2 * float(error) + PAIRWISE_ERROR * float(square.max()))


def mahalanobis(pca: int) -> CloudMetric:
    """Euclidean distance of the whitened scores on the first ``pca`` principal components.

    Never on all of them: whitening makes noise directions as large as the others, and on n - 1 components all rows are equally
    far apart, whatever the data.

    >>> mahalanobis(pca=1)([[0.0, 0.0], [3.0, 0.1], [6.0, 0.0]]).condensed.round(3)
    array([1., 2., 1.], dtype=float32)

    Args:
        pca: number of components.
    """
    return _Mahalanobis(pca)


def read_metric(m: Any) -> CloudMetric:
    """The pseudo-metric |M^(1/2) (x - y)| of a positive semidefinite matrix: what the rest of the network tells apart.

    The value's JSON holds the hash of M and not M: keep M itself with ``ti.RelevantDirections.save``.

    >>> read_metric([[4.0, 0.0], [0.0, 0.0]])([[0.0, 0.0], [1.0, 5.0], [3.0, 9.0]]).condensed
    array([2., 6., 4.], dtype=float32)

    Args:
        m: what :func:`ti.relevant_directions` returns, or a symmetric matrix (d, d).

    Raises:
        InputError: no symmetric positive semidefinite matrix; when it is used, points of another width, or the rows it
            was estimated on.
    """
    matrix = as_points(getattr(m, "matrix", m), name="m").astype(np.float64)
    if matrix.shape[0] != matrix.shape[1] or not np.allclose(matrix, matrix.T, rtol=1e-6, atol=1e-9 * np.abs(matrix).max()):
        raise InputError(f"m has shape {matrix.shape}; a symmetric matrix (d, d) is needed, such as ti.relevant_directions returns")
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    largest = float(values[-1])
    if not largest > 0 or values[0] < -1e-6 * largest:
        raise InputError(
            f"m has eigenvalues from {values[0]:.3g} to {largest:.3g}; none may be below 0 and one must be above it"
        )
    kept = values > _RANK_SHARE * largest
    factor = vectors[:, kept] * np.sqrt(values[kept])
    factor.flags.writeable = False
    digest = hashlib.sha256(np.ascontiguousarray(matrix).tobytes()).hexdigest()[:16]
    value = _ReadMetric(digest, len(matrix), int(kept.sum()))
    object.__setattr__(value, "_factor", factor)
    object.__setattr__(value, "_hashes", np.asarray(getattr(m, "row_hashes", np.empty(0, dtype=np.uint64))))
    return value
