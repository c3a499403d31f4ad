"""Fermat, Mahalanobis: against Dijkstra on the full graph, scipy's Mahalanobis, and their stated edge cases."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from scipy.spatial.distance import pdist

import topo_interp as ti


def cloud(n=40, d=4, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


@pytest.mark.parametrize("p", [1, 2, 3.5, 7])
def test_fermat_is_the_shortest_way_of_networkx(p):
    points = cloud(25, 3)
    graph = nx.from_numpy_array(ti.pairwise_distances(points) ** p)
    table = dict(nx.all_pairs_dijkstra_path_length(graph))
    expected = np.array([[table[i][j] for j in range(25)] for i in range(25)])
    found = ti.fermat(p)(points)
    assert np.abs(found.square() - expected).max() <= found.rounding <= 1e-6 * expected.max()


def test_fermat_of_duplicates_and_of_one_is_plain():
    points = np.concatenate((cloud(20), cloud(20)[:3]))
    square = ti.fermat(3)(points).square()
    assert (square[np.arange(3), np.arange(20, 23)] == 0).all() and np.array_equal(square[:3], square[20:])
    np.testing.assert_allclose(ti.fermat(1)(points).condensed, ti.DistanceMatrix.from_points(points).condensed, rtol=1e-6)
    assert ti.fermat(2)(points[:1]).n == 1


def test_fermat_sees_a_dense_circle_with_sparse_points_inside():
    rng = np.random.default_rng(0)
    points = np.concatenate((ti.shapes.circle(200), rng.uniform(-0.8, 0.8, (12, 2))))

    def lead(metric):
        bars = ti.Rips(metric)(points)[1]
        lengths = np.append(np.sort(bars[:, 1] - bars[:, 0])[::-1], 0)
        return (lengths[0] - lengths[1]) / lengths[0]

    assert lead(ti.fermat(5)) > 0.95
    assert lead("euclidean") < 0.85


def test_units_beyond_float32_are_refused():
    with pytest.raises(ti.InputError, match="median distance"):
        ti.fermat(7)(1e7 * cloud())
    with pytest.raises(ti.InputError, match="median distance"):
        ti.fermat(7)(1e-7 * cloud())
    with pytest.raises(ti.InputError, match="overflows float64"):
        ti.fermat(100)(1e7 * cloud())


def test_mahalanobis_is_that_of_scipy_after_pca():
    points = cloud(50, 6) * [10, 5, 2, 1, 0.1, 0.01] + 1000
    for k in (1, 3, 6):
        scores = ti.pca(k)(points)
        expected = pdist(scores, "mahalanobis", VI=np.linalg.inv(np.atleast_2d(np.cov(scores.T))))
        np.testing.assert_allclose(ti.mahalanobis(pca=k)(points).condensed, expected, rtol=1e-5)
    turned = points @ np.linalg.qr(cloud(6, 6))[0]
    np.testing.assert_allclose(ti.mahalanobis(3)(turned).condensed, ti.mahalanobis(3)(points).condensed, rtol=1e-5)


def test_mahalanobis_refuses_directions_of_rounding_and_full_rank():
    flat = cloud(30, 2) @ cloud(2, 5, seed=1)
    assert ti.mahalanobis(2)(flat).n == 30
    with pytest.raises(ti.InputError, match=r"use mahalanobis\(pca=2\)"):
        ti.mahalanobis(3)(flat)
    with pytest.raises(ti.InputError, match="equally far apart"):
        ti.mahalanobis(9)(cloud(10, 20))
    with pytest.raises(ti.InputError, match="the same point"):
        ti.mahalanobis(1)(np.ones((5, 3)))


@pytest.mark.parametrize("metric", [ti.fermat(2), ti.fermat(3.5, metric="manhattan"), ti.mahalanobis(3)], ids=repr)
def test_they_are_true_metrics_values_and_recipes(metric):
    points = cloud()
    square = metric(points).square().astype(float)
    assert (square[:, None, :] <= square[:, :, None] + square[None, :, :] + 3 * metric(points).rounding).all()
    assert metric.true_metric and not metric.is_graph_metric and metric.formula
    recipe = ti.Rips(metric, steps=(ti.centered(),))
    assert ti.Rips.from_json(recipe.to_json()) == recipe
    assert recipe(points).metric == repr(metric)
    found = ti.significance(points, recipe, ti.max_persistence(1), null=ti.nulls.matched_gaussian(), draws=9, seed=0)
    assert 0 < found.p_value <= 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ti.fermat(0.5), "p, the exponent, is 0.5"),
        (lambda: ti.fermat("2"), "p, the exponent"),
        (lambda: ti.mahalanobis(0), "a whole number >= 1"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ti.InputError, match=message):
        make()
