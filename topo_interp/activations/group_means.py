"""Means by group, and what is left when the effects of some factors are removed (least squares, in float64)."""

from __future__ import annotations

import dataclasses

import numpy as np

__all__ = ["GroupMeans", "Projection", "Residuals", "Rows"]

_STEP = 4096  # rows widened to float64 at a time


@dataclasses.dataclass(frozen=True, eq=False)
class Rows:
    """The rows at the given positions."""

    index: np.ndarray

    def __call__(self, points: np.ndarray) -> np.ndarray:
        return points[self.index]


@dataclasses.dataclass(frozen=True, eq=False)
class GroupMeans:
    """One row for each group: the mean of its rows, summed in float64 and rounded once."""

    codes: np.ndarray
    count: int

    def __call__(self, points: np.ndarray) -> np.ndarray:
        return (_group_sums(points, self.codes, self.count) / _sizes(self.codes, self.count)).astype(
            points.dtype
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Residuals:
    """Rows minus the least-squares fit of one additive effect for each factor.

    With one factor this is the row minus its group's mean; with several, balanced or not, every group mean of every
    factor is zero afterwards.
    """

    codes: tuple[np.ndarray, ...]
    counts: tuple[int, ...]

    def __call__(self, points: np.ndarray) -> np.ndarray:
        if len(self.codes) == 1:
            codes, count = self.codes[0], self.counts[0]
            effects = [_group_sums(points, codes, count) / _sizes(codes, count)]
            return _subtract(points, self.codes, effects)
        # Normal equations of the indicator columns. They are singular (the indicators of each factor add to one), and the
        # pseudo-inverse picks one of the equal fits. The mean goes first, so that a large offset costs no digits.
        center = points.mean(axis=0, dtype=np.float64)
        sums = [
            _group_sums(points, codes, count) - _sizes(codes, count) * center
            for codes, count in zip(self.codes, self.counts)
        ]
        solution = np.linalg.pinv(self._normal_matrix(), rcond=1e-10, hermitian=True) @ np.concatenate(sums)
        effects = np.split(solution, np.cumsum(self.counts)[:-1])
        effects[0] = effects[0] + center
        return _subtract(points, self.codes, effects)

    def _normal_matrix(self) -> np.ndarray:
        starts = np.cumsum((0, *self.counts))
        matrix = np.zeros((starts[-1], starts[-1]))
        for first, codes in zip(starts, self.codes):
            for second, others in zip(starts, self.codes):
                np.add.at(matrix, (first + codes, second + others), 1.0)
        return matrix


@dataclasses.dataclass(frozen=True, eq=False)
class Projection:
    """Coordinates in an orthonormal basis (k, d), computed in float64 and rounded once."""

    basis: np.ndarray

    def __call__(self, points: np.ndarray) -> np.ndarray:
        out = np.empty((len(points), len(self.basis)), dtype=points.dtype)
        for first in range(0, len(points), _STEP):
            rows = slice(first, first + _STEP)
            out[rows] = points[rows].astype(np.float64) @ self.basis.T
        return out


def _sizes(codes: np.ndarray, count: int) -> np.ndarray:
    return np.bincount(codes, minlength=count)[:, None]


def _group_sums(points: np.ndarray, codes: np.ndarray, count: int) -> np.ndarray:
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(count))  # no group is empty
    return np.add.reduceat(points[order], starts, axis=0, dtype=np.float64)


def _subtract(points: np.ndarray, codes: tuple[np.ndarray, ...], effects: list[np.ndarray]) -> np.ndarray:
    out = np.empty_like(points)
    for first in range(0, len(points), _STEP):
        rows = slice(first, first + _STEP)
        wide = points[rows].astype(np.float64)
        for factor, effect in zip(codes, effects):
            wide -= effect[factor[rows]]
        out[rows] = wide
    return out
