"""Rotations of rows that keep the sample mean and covariance, in the strata of a design.

The rows of a cloud of n points split R^n into orthogonal *strata*: the ones vector (the mean), one stratum per factor
of the design (the differences between its levels) and the residual. A null draw rotates the rows within each stratum by
its own Haar-distributed orthogonal matrix and leaves the mean alone.
Source: Langsrud, Rotation tests, Statistics and Computing 15 (2005).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from topo_interp._errors import InputError

__all__ = ["Strata", "draw_rotation", "haar_orthogonal", "plain_rotation", "rotate_rows"]


def haar_orthogonal(k: int, rng: np.random.Generator) -> np.ndarray:
    """A k x k orthogonal matrix with the Haar distribution: QR of a Gaussian matrix, with the signs of R made positive.

    Without the sign convention the QR of LAPACK is not Haar distributed (Mezzadri, Notices AMS 54, 2007).
    """
    q, r = np.linalg.qr(rng.standard_normal((k, k)))
    signs = np.where(np.diagonal(r) < 0, -1.0, 1.0)
    return q * signs


@dataclasses.dataclass(frozen=True, eq=False)
class Strata:
    """Orthonormal bases of the strata of R^n, the ones vector excluded.

    Attributes:
        names: one name per stratum; the last is "residual".
        bases: float64 arrays ``(n, k)``, together an orthonormal basis of the complement of the ones vector.
        balanced: whether the strata do not depend on the order in which the factors were named and every level of a
            factor has the same number of rows; only then is the rotation exact for random effects.
    """

    names: tuple[str, ...]
    bases: tuple[np.ndarray, ...]
    balanced: bool

    @classmethod
    def of(cls, n: int, factors: Sequence[tuple[str, np.ndarray]] = ()) -> Strata:
        """The strata of factors, each given by its name and the level ``(n,)`` of every row.

        The factors are taken in their order: the stratum of a factor is what its levels span beyond the mean and the
        factors before it (sequential, "type I", sums of squares).
        """
        spanned = np.full((n, 1), 1.0 / np.sqrt(n))
        names, bases, balanced = [], [], True
        for name, levels in factors:
            codes, sizes = _codes(name, levels, n)
            indicators = (codes[:, None] == np.arange(len(sizes))).astype(np.float64)
            centered = indicators - indicators.mean(axis=0)
            beyond = centered - spanned @ (spanned.T @ centered)
            # Orthogonal to every factor before it, and levels of equal size: then the order of the names is immaterial,
            # and the coordinates of independent effects in the stratum are independent with one covariance.
            alone = np.allclose(beyond, centered, atol=1e-9) or _nests(factors, name, codes)
            balanced &= bool(alone) and bool((sizes == sizes[0]).all())
            basis = _range(beyond)
            if basis.shape[1] == 0:
                continue  # the factors before it say all that this one does (two names of one grouping)
            names.append(name)
            bases.append(basis)
            spanned = np.column_stack((spanned, basis))
        rest = n - spanned.shape[1]
        # With full_matrices the columns of U beyond the rank span the complement.
        residual = np.linalg.qr(spanned, mode="complete")[0][:, spanned.shape[1] :]
        if rest == 0 and not bases:
            raise InputError(f"{n} row has no rotation; give at least three rows")
        if rest:
            names.append("residual")
            bases.append(np.ascontiguousarray(residual))
        return cls(tuple(names), tuple(bases), balanced)


def draw_rotation(strata: Strata, rng: np.random.Generator) -> np.ndarray:
    """The orthogonal n x n matrix of one draw: the ones vector stays, every stratum turns by its own Haar rotation."""
    n = len(strata.bases[0])
    if len(strata.bases) == 1:
        return plain_rotation(n, rng)
    matrix = np.full((n, n), 1.0 / n)
    for basis in strata.bases:
        matrix += basis @ haar_orthogonal(basis.shape[1], rng) @ basis.T
    return matrix


def plain_rotation(n: int, rng: np.random.Generator) -> np.ndarray:
    """The same for rows without a design: one Haar rotation of all that is orthogonal to the ones vector."""
    if n < 2:
        raise InputError(f"{n} row has no rotation; give at least three rows")
    return _around_ones(haar_orthogonal(n - 1, rng))


def _around_ones(q: np.ndarray) -> np.ndarray:
    """``H diag(1, Q) H`` with the reflection H that exchanges e_1 and the unit vector along the ones: two rank-one updates
    in place of two products of n x n matrices."""
    n = len(q) + 1
    normal = np.full(n, -1.0 / np.sqrt(n))
    normal[0] += 1.0
    normal /= np.linalg.norm(normal)
    matrix = np.zeros((n, n))
    matrix[0, 0] = 1.0
    matrix[1:, 1:] = q
    matrix -= 2.0 * np.outer(matrix @ normal, normal)
    matrix -= 2.0 * np.outer(normal, normal @ matrix)
    return matrix


def rotate_rows(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """``mean + Q (points - mean)`` in float64: the same sample mean and covariance as the points have."""
    points = np.asarray(points, dtype=np.float64)
    mean = points.mean(axis=0)
    return mean + matrix @ (points - mean)


def _codes(name: str, levels: Any, n: int) -> tuple[np.ndarray, np.ndarray]:
    levels = np.asarray(levels)
    if levels.shape != (n,):
        raise InputError(f"the factor {name!r} has {levels.shape} levels for {n} rows; give one level per row")
    _, codes = np.unique(levels.astype(str) if levels.dtype == object else levels, return_inverse=True)
    sizes = np.bincount(codes)
    if len(sizes) == 1:
        raise InputError(f"the factor {name!r} has one level only; leave it out of within=")
    return codes, sizes


def _nests(factors: Sequence[tuple[str, np.ndarray]], name: str, codes: np.ndarray) -> bool:
    """Whether every factor before this one is constant on its levels (a nested factor takes the rest by definition)."""
    for other, levels in factors:
        if other == name:
            return True
        other_codes = np.unique(np.asarray(levels).astype(str), return_inverse=True)[1]
        pairs = np.unique(np.column_stack((codes, other_codes)), axis=0)
        if len(pairs) != codes.max() + 1:
            return False
    return True


def _range(matrix: np.ndarray) -> np.ndarray:
    u, s, _ = np.linalg.svd(matrix, full_matrices=False)
    # Indicators have entries of order one, so that a singular value is either zero up to rounding or of order one.
    return u[:, s > 1e-8 * np.sqrt(len(matrix))]
