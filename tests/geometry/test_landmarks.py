"""Farthest points and the distortion certificate against obvious loops over the full matrix."""

from __future__ import annotations

import numpy as np
import pytest

import topo_interp as ti


def greedy(square, k, start=0):
    """The oracle: argmax takes the first of several."""
    chosen, radii = [start], [np.inf]
    while len(chosen) < k:
        away = square[:, chosen].min(axis=1).astype(np.float64)
        away[chosen] = -1.0
        chosen.append(int(np.argmax(away)))
        radii.append(away.max())
    return np.array(chosen), np.array(radii)


def brute_distortion(square, chosen, nearest, up_to=np.inf):
    square = square.astype(np.float64)
    p = chosen[nearest]
    worst = square[np.arange(len(square)), p].max()
    for x in range(len(square)):
        for y in range(len(square)):
            if x != y and square[x, y] <= up_to:
                worst = max(worst, square[p[x], p[y]] - square[x, y], square[x, p[y]] - square[x, y])
    return worst


def normal(n, d, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(dtype)


def lattice(n, d, seed=0):
    return np.random.default_rng(seed).integers(0, 4, (n, d)).astype(np.float32)


def random_dissimilarity(n, seed=0):
    square = np.random.default_rng(seed).uniform(0.1, 5.0, (n, n)).astype(np.float32)
    return np.triu(square, 1) + np.triu(square, 1).T


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "cosine", "angular", "hamming"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_order_is_greedy(metric, dtype):
    x = normal(500, 9, dtype)
    square = ti.pairwise_distances(x, metric=metric)
    indices, radii = greedy(square, 40, start=3)
    marks = ti.farthest_points(x, 40, start=3, metric=metric)
    np.testing.assert_array_equal(marks.indices, indices)
    np.testing.assert_array_equal(marks.insertion_radii, radii)
    np.testing.assert_array_equal(marks.nearest, square[:, indices].argmin(axis=1))
    np.testing.assert_array_equal(marks.distances, square[:, indices].min(axis=1))
    assert marks.cover_radius == marks.distances.max()


def test_ties_duplicates_and_threads():
    x = lattice(6500, 3)
    square = ti.pairwise_distances(x)
    indices, radii = greedy(square, 70)
    assert len(np.unique(x, axis=0)) == 64  # from there on only duplicates are left
    for threads in (1, 2, 3):
        marks = ti.farthest_points(x, 70, threads=threads)
        np.testing.assert_array_equal(marks.indices, indices)
        np.testing.assert_array_equal(marks.insertion_radii, radii)
        np.testing.assert_array_equal(marks.nearest, square[:, indices].argmin(axis=1))
    assert marks.cover_radius == 0 and marks.insertion_radii[-1] == 0


def test_all_points_are_landmarks_once():
    marks = ti.farthest_points(normal(50, 2), 50)
    assert sorted(marks.indices) == list(range(50)) and marks.cover_radius == 0
    assert ti.farthest_points([[1.0, 2.0]], 1).cover_radius == 0


def test_going_on_is_the_same_as_going_at_once():
    x = normal(400, 5)
    at_once = ti.farthest_points(x, 60)
    in_steps = ti.farthest_points(x, 60, start=ti.farthest_points(x, 25, start=ti.farthest_points(x, 10)))
    for name in ("indices", "insertion_radii", "nearest", "distances", "cover_radius"):
        np.testing.assert_array_equal(getattr(in_steps, name), getattr(at_once, name))
    # The cover radius of k landmarks is the insertion radius of the one that follows.
    assert ti.farthest_points(x, 25).cover_radius == at_once.insertion_radii[25]


def test_radii_never_increase_and_separate_the_landmarks():
    x = normal(600, 3, np.float64)
    marks = ti.farthest_points(x, 80)
    assert (np.diff(marks.insertion_radii[1:]) <= 0).all()
    between = ti.pairwise_distances(x)[np.ix_(marks.indices, marks.indices)]
    assert between[np.triu_indices(80, 1)].min() >= marks.insertion_radii[-1] >= marks.cover_radius


def test_a_distance_matrix_gives_the_same_landmarks():
    x = normal(300, 6)
    a, b = ti.farthest_points(ti.DistanceMatrix.from_points(x), 30), ti.farthest_points(x, 30)
    np.testing.assert_array_equal(a.indices, b.indices)
    assert a.cover_radius == b.cover_radius
    assert a.rounding >= b.rounding > 0


def test_rounding_covers_the_cover_radius():
    x = normal(400, 30) + np.float32(8)
    marks = ti.farthest_points(x, 20)
    wide = x.astype(np.float64)
    exact = np.linalg.norm(wide[:, None] - wide[marks.indices], axis=2).min(axis=1).max()
    assert 0 < abs(marks.cover_radius - exact) <= marks.rounding < 1e-4 * exact


@pytest.mark.parametrize(
    ("square", "k"),
    [
        (ti.pairwise_distances(normal(150, 2)), 20),
        (ti.pairwise_distances(normal(150, 40)), 20),
        (ti.pairwise_distances(lattice(200, 2)), 9),
        (ti.pairwise_distances(normal(150, 4), metric="cosine"), 30),
        (random_dissimilarity(210), 25),
    ],
)
@pytest.mark.parametrize("quantile", [None, 0.0, 0.05, 0.4])
def test_distortion_is_that_of_the_definition(square, k, quantile):
    matrix = ti.DistanceMatrix.from_dense(square)
    marks = ti.farthest_points(matrix, k)
    up_to = None if quantile is None else float(np.quantile(matrix.condensed, quantile))
    expected = brute_distortion(square, marks.indices, marks.nearest, np.inf if up_to is None else up_to)
    for threads in (1, 2, 3):
        assert ti.distortion(matrix, marks, up_to=up_to, threads=threads) == expected


def test_distortion_of_points_is_that_of_their_matrix():
    x = normal(450, 7)
    marks = ti.farthest_points(x, 50)
    found = ti.distortion(x, marks)
    assert found == ti.distortion(ti.DistanceMatrix.from_points(x), marks)
    assert marks.cover_radius <= found <= 2 * marks.cover_radius


def test_distortion_of_a_non_metric_exceeds_twice_the_cover_radius():
    matrix = ti.DistanceMatrix.from_dense(random_dissimilarity(210))
    marks = ti.farthest_points(matrix, 100)
    assert ti.distortion(matrix, marks) > 2 * marks.cover_radius


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: ti.farthest_points(x, 0), "k is 0; a whole number from 1 to 20"),
        (lambda x: ti.farthest_points(x, 21), "k is 21"),
        (lambda x: ti.farthest_points(x, 5, start=20), "start is 20; a whole number from 0 to 19"),
        (lambda x: ti.farthest_points(x, 5, start=ti.farthest_points(x[:10], 3)), "landmarks of 10 rows under 'euclidean', and x has 20"),
        (lambda x: ti.farthest_points(x, 5, start=ti.farthest_points(x, 3), metric="manhattan"), "under 'euclidean'.*'manhattan'"),
        (lambda x: ti.farthest_points(x, 2, start=ti.farthest_points(x, 3)), "k is 2; a whole number from 3"),
        (lambda x: ti.distortion(x, ti.farthest_points(x[:10], 3)), "cover 10 rows and x has 20"),
        (lambda x: ti.distortion(x, ti.farthest_points(x, 3), up_to=-1.0), "up_to is -1.0"),
    ],
)
def test_errors_say_what_was_wrong(call, message):
    with pytest.raises(ti.InputError, match=message):
        call(normal(20, 3))
