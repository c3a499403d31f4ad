"""Clouds whose homology is known: for examples, tests and planted controls. Seeded, float64, read-only."""

from __future__ import annotations

import math

import numpy as np

from topo_interp._arguments import real_number, whole_number

__all__ = ["circle", "clusters", "cross_polytope", "flat_torus", "gaussian", "noisy_circle", "projective_plane", "sphere"]


def circle(n: int, radius: float = 1.0) -> np.ndarray:
    """n equally spaced points of a circle in the plane, (n, 2).

    For n >= 4 there is one loop, the bar (2 r sin(pi / n), 2 r sin(pi ceil(n / 3) / n)). Source: Adamaszek and Adams (2017).

    >>> circle(4).round(3) + 0.0
    array([[ 1.,  0.],
           [ 0.,  1.],
           [-1.,  0.],
           [ 0., -1.]])

    Args:
        n: number of points.
        radius: of the circle.

    Raises:
        InputError: a size or a seed that is no whole number in range, or a length that is no finite number.
    """
    angle = 2 * math.pi * np.arange(whole_number(n, "n", 1)) / n
    return _frozen(real_number(radius, "radius", above=True) * np.column_stack((np.cos(angle), np.sin(angle))))


def noisy_circle(n: int, noise: float = 0.1, dim: int = 2, seed: int = 0) -> np.ndarray:
    """n random points of the unit circle in the first two of ``dim`` coordinates, plus normal noise in all of them.

    >>> noisy_circle(3, noise=0.0, dim=3).shape, np.linalg.norm(noisy_circle(3, noise=0.0), axis=1).round(9).tolist()
    ((3, 3), [1.0, 1.0, 1.0])

    Args:
        n: number of points.
        noise: standard deviation in every coordinate.
        dim: number of coordinates, at least 2.
        seed: of the random numbers.

    Raises:
        InputError: a size or a seed that is no whole number in range, or a length that is no finite number.
    """
    rng = _random(seed)
    points = real_number(noise, "noise") * rng.standard_normal((whole_number(n, "n", 1), whole_number(dim, "dim", 2)))
    angle = rng.uniform(0, 2 * math.pi, n)
    points[:, 0] += np.cos(angle)
    points[:, 1] += np.sin(angle)
    return _frozen(points)


def flat_torus(n: int, seed: int = 0) -> np.ndarray:
    """n random points (cos u, sin u, cos v, sin v): Betti numbers 1, 2, 1 over every field.

    >>> (flat_torus(3) ** 2).sum(axis=1).round(9).tolist()
    [2.0, 2.0, 2.0]

    Args:
        n: number of points.
        seed: of the random numbers.

    Raises:
        InputError: a size or a seed that is no whole number in range, or a length that is no finite number.
    """
    angle = _random(seed).uniform(0, 2 * math.pi, (whole_number(n, "n", 1), 2))
    return _frozen(np.column_stack((np.cos(angle[:, 0]), np.sin(angle[:, 0]), np.cos(angle[:, 1]), np.sin(angle[:, 1]))))


def sphere(n: int, dim: int = 2, seed: int = 0) -> np.ndarray:
    """n uniformly random points of the unit sphere of dimension ``dim`` in R^(dim + 1): one class in degree ``dim``.

    >>> sphere(3).shape, np.linalg.norm(sphere(3), axis=1).round(9).tolist()
    ((3, 3), [1.0, 1.0, 1.0])

    Args:
        n: number of points.
        dim: of the sphere; the points have dim + 1 coordinates.
        seed: of the random numbers.

    Raises:
        InputError: a size or a seed that is no whole number in range, or a length that is no finite number.
    """
    points = _random(seed).standard_normal((whole_number(n, "n", 1), whole_number(dim, "dim", 1) + 1))
    return _frozen(points / np.linalg.norm(points, axis=1, keepdims=True))


def cross_polytope(k: int) -> np.ndarray:
    """The 2(k + 1) points +-e_i of R^(k + 1), a sphere of dimension k: H_k is the one bar (sqrt(2), 2) for k >= 1.

    >>> cross_polytope(1)
    array([[ 1.,  0.],
           [ 0.,  1.],
           [-1.,  0.],
           [ 0., -1.]])

    Args:
        k: dimension of the sphere, at least 0.

    Raises:
        InputError: a size or a seed that is no whole number in range, or a length that is no finite number.
    """
    axes = np.eye(whole_number(k, "k", 0) + 1)
    return _frozen(np.concatenate((axes, 0.0 - axes)))


def projective_plane(n: int) -> np.ndarray:
    """n evenly spread points of the real projective plane: Betti numbers 1, 1, 1 over Z/2 and 1, 0, 0 over other fields.

    Unit vectors x, on a Fibonacci spiral over a hemisphere, become the matrices x x^T, written with six coordinates so
    that Euclidean distance is sqrt(2) |sin of the angle between the lines|.

    >>> projective_plane(3).shape, np.linalg.norm(projective_plane(3), axis=1).round(9).tolist()
    ((3, 6), [1.0, 1.0, 1.0])

    Args:
        n: number of points.

    Raises:
        InputError: a size or a seed that is no whole number in range, or a length that is no finite number.
    """
    height = (np.arange(whole_number(n, "n", 1)) + 0.5) / n
    angle = math.pi * (3 - math.sqrt(5)) * np.arange(n)
    radius = np.sqrt(1 - height**2)
    x, y, z = radius * np.cos(angle), radius * np.sin(angle), height
    root = math.sqrt(2)
    return _frozen(np.column_stack((x * x, y * y, z * z, root * x * y, root * x * z, root * y * z)))


def clusters(n: int, count: int = 3, dim: int = 2, noise: float = 0.05, seed: int = 0) -> np.ndarray:
    """n normal points around ``count`` centers that are 1 apart along a line; row i belongs to cluster i mod count.

    >>> clusters(5, count=3, dim=1, noise=0.0).ravel().tolist()
    [0.0, 1.0, 2.0, 0.0, 1.0]

    Args:
        n: number of points.
        count: number of clusters.
        dim: number of coordinates.
        noise: standard deviation around a center, in every coordinate.
        seed: of the random numbers.

    Raises:
        InputError: a size or a seed that is no whole number in range, or a length that is no finite number.
    """
    points = real_number(noise, "noise") * _random(seed).standard_normal((whole_number(n, "n", 1), whole_number(dim, "dim", 1)))
    points[:, 0] += np.arange(n) % whole_number(count, "count", 1)
    return _frozen(points)


def gaussian(n: int, dim: int, seed: int = 0) -> np.ndarray:
    """n standard normal points of R^dim: no shape at all, which is what a method must find.

    >>> gaussian(4, 3).shape, bool((gaussian(4, 3, seed=1) == gaussian(4, 3, seed=1)).all())
    ((4, 3), True)

    Args:
        n: number of points.
        dim: number of coordinates.
        seed: of the random numbers.

    Raises:
        InputError: a size or a seed that is no whole number in range, or a length that is no finite number.
    """
    return _frozen(_random(seed).standard_normal((whole_number(n, "n", 1), whole_number(dim, "dim", 1))))


def _random(seed: int) -> np.random.Generator:
    return np.random.default_rng(whole_number(seed, "seed", 0))


def _frozen(points: np.ndarray) -> np.ndarray:
    points.flags.writeable = False
    return points
