"""Preprocessing steps: frozen values that map points to points, so that a recipe can name them and a null re-run them.

Every step computes in float64 and returns float64, so that the distances that follow are those of the exact step up to
rounding in the last place; nothing is rounded to float32 between points and distances.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from topo_interp._arguments import whole_number
from topo_interp._errors import InputError
from topo_interp._value import Value
from topo_interp.arrays import as_points
from topo_interp.geometry.distances import no_direction

__all__ = ["Step", "centered", "drop_top_coordinates", "normalized", "pca", "standardized"]


@dataclasses.dataclass(frozen=True, repr=False)
class Step(Value):
    """A map from points ``(n, d)`` to points; it looks at all rows at once and keeps their number and order.

    Made by :func:`centered`, :func:`standardized`, :func:`pca`, :func:`normalized` and :func:`drop_top_coordinates`.
    """

    def __call__(self, points: Any) -> np.ndarray:
        """The new points, a float64 array."""
        with np.errstate(over="ignore", invalid="ignore"):  # the error below says it in the user's terms
            out = self._apply(as_points(points).astype(np.float64, copy=False))
        if not np.isfinite(out).all():
            raise InputError(f"{self} overflows float64 on these points; divide them by their largest entry first")
        return out

    def _apply(self, points: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{self.kind}({', '.join(str(getattr(self, field.name)) for field in dataclasses.fields(self))})"


@dataclasses.dataclass(frozen=True, repr=False)
class _Centered(Step, kind="centered"):
    def _apply(self, points: np.ndarray) -> np.ndarray:
        return points - points.mean(axis=0)


@dataclasses.dataclass(frozen=True, repr=False)
class _Standardized(Step, kind="standardized"):
    def _apply(self, points: np.ndarray) -> np.ndarray:
        # In units of a power of two near its largest entry, which is exact, no coordinate's squares leave the range.
        points = np.ldexp(points, -np.frexp(np.abs(points).max(axis=0))[1])
        # Of a constant coordinate neither the computed mean nor the deviation need be exact: set them.
        constant = (points == points[0]).all(axis=0)
        mean = np.where(constant, points[0], points.mean(axis=0))
        deviation = np.where(constant, 1.0, points.std(axis=0))
        return (points - mean) / np.where(deviation > 0, deviation, 1.0)


@dataclasses.dataclass(frozen=True, repr=False)
class _Normalized(Step, kind="normalized"):
    def _apply(self, points: np.ndarray) -> np.ndarray:
        largest = np.abs(points).max(axis=1, keepdims=True)
        if not largest.all():
            raise no_direction(largest[:, 0] == 0, "x")
        points = points / largest  # first by the largest entry: the squares neither overflow nor vanish
        return points / np.linalg.norm(points, axis=1, keepdims=True)


@dataclasses.dataclass(frozen=True, repr=False)
class _PCA(Step, kind="pca"):
    k: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", whole_number(self.k, "pca: k, the number of components,", 1))

    def _apply(self, points: np.ndarray) -> np.ndarray:
        import scipy.linalg

        n, d = points.shape
        if self.k > min(n, d):
            raise InputError(f"pca({self.k}) of {n} x {d} points: there are only {min(n, d)} components; use pca({min(n, d)})")
        points = points - points.mean(axis=0)
        if d <= n:
            _, axes = scipy.linalg.eigh(points.T @ points, subset_by_index=(d - self.k, d - 1))
            scores = points @ axes[:, ::-1]
        else:
            squared, vectors = scipy.linalg.eigh(points @ points.T, subset_by_index=(n - self.k, n - 1))
            scores = vectors[:, ::-1] * np.sqrt(np.maximum(squared[::-1], 0.0))
        # An axis has no sign of its own: the largest score is made positive.
        largest = scores[np.abs(scores).argmax(axis=0), np.arange(self.k)]
        return scores * np.where(largest < 0, -1.0, 1.0)


@dataclasses.dataclass(frozen=True, repr=False)
class _DropTopCoordinates(Step, kind="drop_top_coordinates"):
    k: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", whole_number(self.k, "drop_top_coordinates: k, the number of coordinates,", 1))

    def _apply(self, points: np.ndarray) -> np.ndarray:
        d = points.shape[1]
        if self.k >= d:
            raise InputError(f"drop_top_coordinates({self.k}) of {d} coordinates leaves none; use at most {d - 1}")
        order = np.argsort(-points.var(axis=0), kind="stable")
        return np.delete(points, order[: self.k], axis=1)


def as_steps(steps: Any) -> tuple[Step, ...]:
    """A recipe's steps: one of them, or several in their order."""
    steps = (steps,) if isinstance(steps, Step) else steps
    if not isinstance(steps, (tuple, list)) or not all(isinstance(step, Step) for step in steps):
        raise InputError(f"steps is {steps!r}; a tuple of steps is needed, such as steps=(ti.centered(), ti.pca(50))")
    return tuple(steps)


def centered() -> Step:
    """Subtracts the mean of the rows.

    >>> centered()([[0.0, 2.0], [2.0, 4.0]])
    array([[-1., -1.],
           [ 1.,  1.]])
    """
    return _Centered()


def standardized() -> Step:
    """Subtracts the mean and divides each coordinate by its standard deviation (with 1/n); a constant one becomes 0.

    >>> standardized()([[0.0, 7.0], [10.0, 7.0]])
    array([[-1.,  0.],
           [ 1.,  0.]])
    """
    return _Standardized()


def normalized() -> Step:
    """Divides each row by its Euclidean norm; a zero row is an error that names it.

    >>> normalized()([[0.0, 2.0], [-5.0, 0.0]])
    array([[ 0.,  1.],
           [-1.,  0.]])
    """
    return _Normalized()


def pca(k: int) -> Step:
    """The scores on the first k principal components; each is signed so that its largest score is positive.

    They come from the smaller of the two Gram matrices, so that components of less than about 1e-8 of the largest are noise.

    >>> pca(1)([[0.0, 7.0], [3.0, 7.0], [9.0, 7.0]]).round(9).ravel()
    array([-4., -1.,  5.])

    Args:
        k: number of components, from 1 to min(n, d).

    Raises:
        InputError: k is no whole number >= 1; when it is applied, k is above min(n, d).

    Cost: O(n d min(n, d)).
    """
    return _PCA(k)


def drop_top_coordinates(k: int) -> Step:
    """Leaves out the k coordinates with the largest share of the mean squared distance, which is their variance.

    >>> drop_top_coordinates(1)([[0.0, 900.0], [1.0, -900.0]])
    array([[0.],
           [1.]])

    Args:
        k: number of coordinates, from 1 to d - 1.

    Raises:
        InputError: k is no whole number >= 1; when it is applied, k leaves no coordinate.
    """
    return _DropTopCoordinates(k)
