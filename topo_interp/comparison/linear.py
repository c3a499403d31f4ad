"""The linear baselines that stand beside every topological comparison: CKA, Procrustes, RSA."""

from __future__ import annotations

from typing import Any

import numpy as np

from topo_interp._errors import InputError
from topo_interp.comparison._paired import (
    Comparison,
    Properties,
    correlation_of_ranks,
    in_unit_range,
    interval_rows,
    metric_of,
    paired_matrices,
    paired_points,
    with_interval,
)
from topo_interp.geometry.distance_matrix import DistanceMatrix

__all__ = ["cka", "procrustes", "rsa"]

CKA = Properties("cka", False, True, "rotation, isotropic scale, translation", True, False)
PROCRUSTES = Properties("procrustes", True, True, "rotation and reflection, isotropic scale, translation", False, False)
RSA = Properties("rsa", False, True, "isometry, monotone change of distances", True, True)


def cka(x: Any, y: Any, *, debiased: bool = True, subsamples: int = 0, seed: int = 0) -> Comparison:
    """Linear centered kernel alignment of two clouds of the same rows.

    ``HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L))`` with the linear Gram matrices K and L. The debiased form uses the unbiased
    estimator of HSIC, without which two clouds of pure noise look alike as soon as their width nears n.

    Source: Kornblith et al. 2019; the estimator: Song et al. 2012, eq. (5).

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 5))
    >>> round(cka(x, 3 * x[:, ::-1]).value, 12)
    1.0

    Args:
        x, y: points (n, d) and (n, e), row i of both is the same observation; at least 4 rows.
        debiased: False for the classical, biased value.
        subsamples: number of subsamples for the interval; 0 for none.
        seed: of the subsamples.

    Raises:
        InputError: a cloud without variation, or one whose debiased self-similarity is not positive (too few rows).

    Cost: O(n^2 (d + e)) time, two float64 Gram matrices of n x n.
    """
    a, b = map(in_unit_range, paired_points(x, y, at_least=4, needed_by="cka"))
    rows = interval_rows(len(a), subsamples, seed, at_least=4, needed_by="cka")

    def value(index: np.ndarray | slice) -> float:
        grams = [_gram(points[index]) for points in (a, b)]
        hsic = _unbiased_hsic if debiased else _biased_hsic
        own = [hsic(gram, gram) for gram in grams]
        # Below rounding of the Gram entries a positive value is noise.
        for name, gram, one in zip("xy", grams, own, strict=True):
            if not one > 1e-12 * float(np.mean(np.diag(gram))) ** 2:
                raise InputError(
                    f"cka is not defined here: the {'debiased ' if debiased else ''}self-similarity of {name} is {one:.3g}, not "
                    f"positive; {name} hardly varies, or {len(gram)} rows are too few for debiasing (debiased=False)"
                )
        return float(hsic(*grams) / np.sqrt(own[0] * own[1]))

    one = value(slice(None))
    convention = f"linear kernel, {'debiased' if debiased else 'biased'} HSIC"
    result = Comparison("cka", one, one, one, len(a), convention, comparable_across_n=debiased)
    return with_interval(result, value, rows, seed)


def _gram(points: np.ndarray) -> np.ndarray:
    points = points.astype(np.float64)
    points = points - points.mean(axis=0)
    return points @ points.T


def _biased_hsic(k: np.ndarray, m: np.ndarray) -> float:
    return float((k * m).sum()) / len(k) ** 2  # both are centered already


def _unbiased_hsic(k: np.ndarray, m: np.ndarray) -> float:
    n = len(k)
    k, m = k.copy(), m.copy()
    np.fill_diagonal(k, 0.0)
    np.fill_diagonal(m, 0.0)
    rows_k, rows_m = k.sum(axis=0), m.sum(axis=0)
    trace = float((k * m).sum())
    product = float(rows_k.sum() * rows_m.sum()) / ((n - 1) * (n - 2))
    cross = 2.0 * float(rows_k @ rows_m) / (n - 2)
    return (trace + product - cross) / (n * (n - 3))


def procrustes(x: Any, y: Any, *, subsamples: int = 0, seed: int = 0) -> Comparison:
    """Angle between two clouds after the best rotation, in radians: 0 for equal shapes, pi/2 at most.

    Both clouds are centered and scaled to unit Frobenius norm; the value is ``arccos`` of the nuclear norm of ``x^T y``, the
    geodesic distance of Kendall's shape space (with reflections). The narrower cloud is padded by zeros.

    Args:
        x, y: points (n, d) and (n, e), row i of both is the same observation.
        subsamples: number of subsamples for the interval; 0 for none.
        seed: of the subsamples.

    Raises:
        InputError: different rows, or a cloud whose rows are all equal.

    Source: Williams, Kunz, Kornblith, Linderman 2021 (generalized shape metrics).

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 5))
    >>> round(procrustes(x, 3 * x[:, ::-1] + 1.0).value, 6)
    0.0

    Cost: O(n d e) time.
    """
    a, b = map(in_unit_range, paired_points(x, y, at_least=2, needed_by="procrustes"))
    rows = interval_rows(len(a), subsamples, seed, at_least=2, needed_by="procrustes")

    def value(index: np.ndarray | slice) -> float:
        shapes = []
        for name, points in (("x", a), ("y", b)):
            points = points[index].astype(np.float64)
            points = points - points.mean(axis=0)
            norm = np.linalg.norm(points)
            if norm == 0:
                raise InputError(f"procrustes is not defined here: all rows of {name} are equal, so that it has no shape")
            shapes.append(points / norm)
        u, v = shapes
        if min(u.shape[1], v.shape[1]) > len(u):  # the factors of both carry all there is, in n coordinates
            u, v = (np.linalg.qr(shape.T, mode="r").T for shape in (u, v))
        # 2 sin(angle / 2) from the aligned difference is stable near 0, where arccos of the nuclear norm is not.
        left, _, right = np.linalg.svd(u.T @ v, full_matrices=False)
        chord = np.linalg.norm(u @ left - v @ right.T) ** 2
        for shape, axes in ((u, left), (v, right.T)):
            if axes.shape[0] > axes.shape[1]:  # what of the wider cloud no axis of the other can meet
                chord += np.linalg.norm(shape - (shape @ axes) @ axes.T) ** 2
        return float(2.0 * np.arcsin(min(1.0, np.sqrt(chord) / 2.0)))

    one = value(slice(None))
    convention = "centered, unit Frobenius norm, angle in radians"
    result = Comparison("procrustes", one, one, one, len(a), convention, comparable_across_n=False)
    return with_interval(result, value, rows, seed)


def rsa(x: Any, y: Any, *, metric: str = "euclidean", subsamples: int = 0, seed: int = 0) -> Comparison:
    """Spearman's rank correlation between the distances of two clouds of the same rows (representational similarity).

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 5))
    >>> rsa(x, x @ np.diag([1, 1, 1, 1, -1.0])).value
    1.0

    Args:
        x, y: points (n, d) and (n, e) or DistanceMatrices, row i of both is the same observation; at least 3 rows.
        metric: a name from ``ti.metrics.table()``, for points.
        subsamples: number of subsamples for the interval; 0 for none.
        seed: of the subsamples.

    Raises:
        InputError: different rows, or a cloud whose distances are all equal.

    Source: Kriegeskorte, Mur, Bandettini 2008. Cost: O(n^2 (d + e)) time, O(n^2) memory for the ranks.
    """
    first, second = paired_matrices(x, y, metric, at_least=3, needed_by="rsa")
    rows = interval_rows(first.n, subsamples, seed, at_least=3, needed_by="rsa")

    def value(a: DistanceMatrix, b: DistanceMatrix) -> float:
        return correlation_of_ranks(
            a.condensed, b.condensed, lambda name: f"rsa is not defined here: all distances of {name} are equal"
        )

    one = value(first, second)
    convention = f"Spearman over all pairs, {metric_of(first, second)}"
    result = Comparison("rsa", one, one, one, first.n, convention, comparable_across_n=True)
    return with_interval(result, lambda index: value(first.take(index), second.take(index)), rows, seed)
