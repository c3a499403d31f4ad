from __future__ import annotations

import math

import numpy as np
import pytest

import topo_interp as ti

KEYS = [
    "mean_norm",
    "participation_ratio",
    "pca_dim_90",
    "two_nn_dim",
    "top_coordinate_share",
    "top_5_coordinates_share",
    "distance_concentration",
    "noise_floor_ratio",
]


def naive(points):
    """Every number from its definition, in float64 loops and library calls that the package does not use here."""
    points = np.asarray(points, dtype=np.float64)
    eigenvalues = np.sort(np.linalg.svd(points - points.mean(axis=0), compute_uv=False))[::-1] ** 2
    distances = np.array([[math.dist(a, b) for b in points] for a in points])
    ratios = [second / first for _, first, second, *_ in map(sorted, distances)]
    pairs = distances[np.triu_indices(len(points), 1)]
    squares = np.array([np.mean((column[:, None] - column) ** 2) for column in points.T])
    floor = np.median([sorted(row)[1] ** 2 for row in distances])
    return {
        "mean_norm": np.mean([math.hypot(*row) for row in points]),
        "participation_ratio": eigenvalues.sum() ** 2 / (eigenvalues**2).sum(),
        "pca_dim_90": 1 + next(k for k in range(99) if eigenvalues[: k + 1].sum() >= 0.9 * eigenvalues.sum()),
        "two_nn_dim": (len(points) - 1) / sum(map(math.log, ratios)),
        "top_coordinate_share": squares.max() / squares.sum(),
        "top_5_coordinates_share": sum(sorted(squares)[-5:]) / squares.sum(),
        "distance_concentration": pairs.std() / pairs.mean(),
        "noise_floor_ratio": math.sqrt(1 + 1.5 * (np.mean(pairs**2) - floor) / floor),
    }


@pytest.mark.parametrize("shape", [(40, 6), (8, 30)])
def test_against_the_definitions(shape):
    points = np.random.default_rng(4).normal(size=shape) * (1 + np.arange(shape[1])) + 7
    ours = ti.baselines(points)
    assert list(ours) == KEYS
    assert ours == pytest.approx(naive(points), rel=1e-5)
    assert all(type(value) is float for value in ours.values())
    assert ti.baselines(points, ti.DistanceMatrix.from_points(points)) == ours
    assert ti.baselines(ti.PointCloud(points)) == ours


def test_two_nn_on_known_dimensions():
    """Three times the standard error d / sqrt(n) of the estimator (Facco et al. 2017)."""
    for points, dim in ((ti.shapes.flat_torus(1500), 2), (ti.shapes.noisy_circle(1500, 0.0, 5), 1), (ti.shapes.sphere(1500, 3), 3)):
        assert abs(ti.baselines(points)["two_nn_dim"] - dim) < 3 * dim / math.sqrt(1500) + 0.1


def test_duplicates_count_once_for_two_nn():
    points = np.random.default_rng(5).normal(size=(50, 3))
    doubled = np.concatenate((points, points[:20], points[:5]))
    assert ti.baselines(doubled)["two_nn_dim"] == ti.baselines(points)["two_nn_dim"]


def test_dimension_at_exactly_ninety_percent():
    points = np.concatenate((3 * np.eye(2)[:1], -3 * np.eye(2)[:1], np.eye(2)[1:], -np.eye(2)[1:]))  # variances 9 : 1
    assert ti.baselines(points)["pca_dim_90"] == 1
    assert ti.baselines(points * [0.99, 1])["pca_dim_90"] == 2


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        (np.full((1, 3), 2.0), {"noise_floor_ratio": 1, "two_nn_dim": 0, "participation_ratio": 0, "distance_concentration": 0}),
        (np.zeros((5, 2)), {"noise_floor_ratio": 1, "mean_norm": 0, "pca_dim_90": 0, "top_coordinate_share": 0, "distance_concentration": 0}),
        (np.full((30, 4), 0.1), {"participation_ratio": 0, "pca_dim_90": 0, "top_coordinate_share": 0, "two_nn_dim": 0}),
        (np.array([[0.0], [1.0]]), {"two_nn_dim": 0, "pca_dim_90": 1, "top_coordinate_share": 1, "top_5_coordinates_share": 1}),
        (np.arange(9.0)[:, None] % 3, {"noise_floor_ratio": math.inf, "two_nn_dim": 2 / (2 * math.log(2))}),
        (ti.shapes.cross_polytope(2), {"two_nn_dim": math.inf, "participation_ratio": 3, "pca_dim_90": 3}),
        (np.array([[1e30, 0], [0, 1e30], [0, 0]]), {"participation_ratio": 1.6, "mean_norm": 2e30 / 3}),
    ],
    ids=["one point", "zeros", "equal", "two points", "three values", "all ratios 1", "huge"],
)
def test_limits_are_stated_and_never_nan(points, expected):
    ours = ti.baselines(points)
    assert not any(math.isnan(value) for value in ours.values())
    assert {key: ours[key] for key in expected} == pytest.approx(expected)


def test_another_metrics_distances_are_used():
    points = np.random.default_rng(6).normal(size=(30, 4))
    matrix = ti.DistanceMatrix.from_points(points, metric="cosine")
    ours, plain = ti.baselines(points, matrix), ti.baselines(points)
    changed = {key for key in KEYS if ours[key] != plain[key]}
    assert changed == {"two_nn_dim", "distance_concentration", "noise_floor_ratio"}
    with pytest.raises(ti.InputError, match="dm has 30 points and points has 29 rows"):
        ti.baselines(points[1:], matrix)


def test_concentration_falls_with_the_dimension():
    values = [ti.baselines(ti.shapes.gaussian(80, d))["distance_concentration"] for d in (2, 20, 200, 2000)]
    assert values == sorted(values, reverse=True) and values[-1] < 0.03


def test_the_noise_floor_bounds_what_a_circle_can_show():
    """A circle in noise: its ratio death / birth is at most about the floor's, which falls to where nothing can be seen."""
    floors = []
    for sigma in (0.05, 0.1, 0.25):
        points = ti.shapes.noisy_circle(400, sigma, dim=50, seed=0)
        bars = ti.Rips()(points)[1]
        longest = bars[np.argmax(bars[:, 1] - bars[:, 0])]
        floors.append(ti.baselines(points)["noise_floor_ratio"])
        assert longest[1] / longest[0] < floors[-1]
    assert floors[0] > 4 > floors[1] > 2 > floors[2]
