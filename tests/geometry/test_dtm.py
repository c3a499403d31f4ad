"""DTM weights: gudhi's vectors, gudhi's filtration as oracle, balls that meet, and bars of degree 0 that are born late."""

from __future__ import annotations

import math

import gudhi
import numpy as np
import pytest
from gudhi.dtm_rips_complex import DTMRipsComplex
from gudhi.point_cloud.dtm import DistanceToMeasure

import topo_interp as ti

GUDHI_POINTS = [[2.0, 2.0], [0.0, 1.0], [3.0, 4.0]]


def cloud(n=40, d=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def rounded(bars, least=1e-5):
    bars = np.asarray(bars).reshape(-1, 2)
    bars = bars[bars[:, 1] - bars[:, 0] > least]
    return bars[np.lexsort((bars[:, 1], bars[:, 0]))]


def test_the_vectors_of_gudhis_own_tests():
    diagrams = ti.Rips(weights=ti.dtm(2), max_dim=0)(GUDHI_POINTS)
    expected = [[3.16227766, 5.39834564], [3.16227766, 5.39834564], [3.16227766, math.inf]]
    np.testing.assert_allclose(diagrams[0], expected, rtol=1e-7)


def test_the_values_are_those_of_gudhis_transformer():
    matrix = ti.DistanceMatrix.from_points(cloud())
    for k in (1, 2, 7, 40):
        for q in (1.0, 2.0, 3.5):
            expected = DistanceToMeasure(k, q=q, metric="precomputed").fit_transform(matrix.square().astype(float))
            np.testing.assert_allclose(ti.dtm(k, q).values(matrix), expected, rtol=1e-9, atol=1e-12)
    kth = np.sort(matrix.square(), axis=1)[:, 6]
    assert (ti.dtm(7, math.inf).values(matrix) == kth).all()
    np.testing.assert_allclose(ti.dtm(7, 400.0).values(matrix), kth, rtol=0.01)


@pytest.mark.parametrize("engine", ["links", "ripser", "gudhi"])
@pytest.mark.parametrize("k", [1, 5])
def test_bars_are_those_of_gudhis_dtm_rips_complex(engine, k):
    max_dim = 1 if engine == "links" else 2
    seen = 0
    for seed in range(4):
        points = cloud(30, seed=seed)
        tree = DTMRipsComplex(points=points, k=k, q=2).create_simplex_tree(max_dim + 1)
        tree.compute_persistence(persistence_dim_max=True)
        found = ti.Rips(weights=ti.dtm(k), max_dim=max_dim)(points, engine=engine)
        for dim in range(max_dim + 1):
            expected = rounded(tree.persistence_intervals_in_dimension(dim))
            assert rounded(found[dim]).shape == expected.shape
            np.testing.assert_allclose(rounded(found[dim]), expected, atol=2 * found.certificate.bottleneck_bound)
            seen += len(expected)
    assert seen > 100


@pytest.mark.parametrize("xi", [1, 2, math.inf])
def test_other_growths_against_a_simplex_tree_and_their_definition(xi):
    points = cloud(25, seed=3)
    weights = ti.dtm(2, 2.0, xi)
    matrix = ti.DistanceMatrix.from_points(points)
    f, d = weights.values(matrix), matrix.square().astype(float)
    tree = gudhi.SimplexTree()
    for i in range(25):
        tree.insert([i], 2 * f[i])
    for i in range(25):
        for j in range(i):
            tree.insert([i, j], 2 * meeting(f[i], f[j], d[i, j], xi))
    tree.expansion(2)
    tree.compute_persistence(persistence_dim_max=True)
    found = ti.Rips(weights=weights)(points)
    for dim in (0, 1):
        expected = rounded(tree.persistence_intervals_in_dimension(dim))
        assert rounded(found[dim]).shape == expected.shape
        np.testing.assert_allclose(rounded(found[dim]), expected, atol=1e-5)
    assert len(found[0]) > 1 and len(found[1]) > 0


def meeting(a, b, distance, xi):
    """By bisection: the first time at which both balls exist and their radii add up to the distance."""

    def reach(t):
        return sum(t if xi == math.inf else (t**xi - f**xi) ** (1 / xi) for f in (a, b))

    low, high = max(a, b), max(a, b) + distance
    if reach(low) >= distance:
        return low
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (low, middle) if reach(middle) >= distance else (middle, high)
    return high


def test_weights_of_zero_are_the_plain_filtration():
    points = cloud()
    for xi in (1, 2, math.inf):
        assert ti.same_bars(ti.Rips(weights=ti.dtm(1, xi=xi), max_dim=2)(points), ti.Rips(max_dim=2)(points))


def test_a_threshold_cuts_vertices_edges_and_bars():
    points = cloud(30)
    whole = ti.Rips(weights=ti.dtm(5))(points)
    cut = float(np.median(whole[0][:, 0])) + 0.3
    part = ti.Rips(weights=ti.dtm(5), threshold=cut)(points)
    expected = whole[0][whole[0][:, 0] <= cut]
    assert 1 < len(expected) < 30 and len(part[0]) == len(expected)
    assert (part[0][:, 0] == expected[:, 0]).all()
    assert part.essential(0).sum() == 1 and part.essential(0)[0]
    alive = expected[:, 1] > cut
    assert part.censored(0).sum() == alive.sum() - 1 > 0
    assert len(ti.Rips(weights=ti.dtm(5), threshold=1e-3)(points)) == 0
    assert ti.same_bars(ti.Rips(weights=ti.dtm(5), threshold=1e3)(points), whole)


def test_errors_of_the_distances_are_in_the_certificate():
    """Stored distances that are off by at most r move no bar by more than the certificate says."""
    rng = np.random.default_rng(0)
    square = ti.pairwise_distances(cloud(30))
    noise = rng.uniform(-0.01, 0.01, square.shape)
    moved = np.maximum(square + (noise + noise.T), 0)
    np.fill_diagonal(moved, 0)
    exact, off = (ti.DistanceMatrix.from_dense(m) for m in (square, moved))
    off = ti.DistanceMatrix(off.condensed, off.n, rounding=0.02)
    for xi in (1, 2, math.inf):
        recipe = ti.Rips("precomputed", weights=ti.dtm(5, xi=xi))
        a, b = recipe(exact), recipe(off)
        bound = b.certificate.bottleneck_bound
        assert 0.06 <= bound < 0.061
        for dim in (0, 1):
            assert gudhi.bottleneck_distance(a[dim], b[dim]) <= bound


def test_outliers_inside_a_circle_fill_the_hole_without_weights_only():
    rng = np.random.default_rng(1)
    points = np.concatenate((ti.shapes.circle(200), rng.uniform(-0.7, 0.7, (8, 2))))
    plain, weighted = (ti.Rips(weights=w)(points)[1] for w in (None, ti.dtm(20)))

    def lead(bars):
        lengths = np.sort(bars[:, 1] - bars[:, 0])[::-1]
        return (lengths[0] - lengths[1]) / lengths[0]

    assert lead(weighted) > lead(plain) + 0.2


def test_late_births_flow_through_summaries_files_and_other_libraries(tmp_path):
    diagrams = ti.Rips(weights=ti.dtm(5))(cloud())
    assert (diagrams[0][:, 0] > 0).all()
    for summary in (
        ti.max_persistence(0),
        ti.total_persistence(0),
        ti.persistence_entropy(0),
        ti.count_bars(0),
        ti.amplitude(0, "landscape"),
        ti.landscape(0, [1.0, 2.0]),
        ti.silhouette(0, [1.0, 2.0]),
        ti.betti_curve(0, [0.0, 1.0, 9.0]),
        ti.persistence_image(0, (0, 3), (0, 3)),
    ):
        assert np.isfinite(summary(diagrams)).all()
    assert ti.betti_curve(0, [0.0, 99.0])(diagrams).tolist() == [0, 1]
    lengths = diagrams.finite(0)[:, 1] - diagrams.finite(0)[:, 0]
    assert ti.max_persistence(0)(diagrams) == lengths.max()
    diagrams.save(tmp_path / "d.npz")
    assert ti.same_bars(ti.Diagrams.load(tmp_path / "d.npz"), diagrams)
    assert diagrams.to_gudhi()[0] == (0, tuple(diagrams[0][0]))
    assert diagrams.to_giotto().shape[2] == 3


def test_rows_that_enter_late_are_not_taken_for_duplicates():
    points = cloud(40)
    store = ti.store_from_arrays({"site": points})
    for weights in (None, ti.dtm(6, xi=math.inf)):
        (result,) = ti.profile(store, ti.Rips(weights=weights), progress=False).results
        assert len(result.diagrams[0]) == (40 if weights is None else 1)
        assert not [caution for caution in result.cautions if caution.kind == "duplicates"]


def test_duplicates_single_points_and_values():
    assert ti.Rips(weights=ti.dtm(3))(np.zeros((5, 2)))[0].tolist() == [[0, math.inf]]
    assert ti.Rips(weights=ti.dtm(1), max_dim=1)(np.zeros((1, 2)))[0].tolist() == [[0, math.inf]]
    recipe = ti.Rips(weights=ti.dtm(4, math.inf, math.inf))
    assert ti.Rips.from_json(recipe.to_json()) == recipe
    assert repr(ti.dtm(4)) == "dtm(k=4, q=2.0, xi=1)"
    with pytest.raises(ti.InputError, match="unweighted"):
        ti.universal_pvalues(ti.Rips(weights=ti.dtm(4))(cloud()), 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ti.dtm(0), "a whole number >= 1"),
        (lambda: ti.dtm(3, q=0.5), "q, the exponent"),
        (lambda: ti.dtm(3, xi=3), "closed form"),
        (lambda: ti.Rips(weights="dtm"), "ti.dtm"),
        (lambda: ti.Rips(weights=ti.dtm(9))(cloud(8)), "the row itself counted"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ti.InputError, match=message):
        make()
