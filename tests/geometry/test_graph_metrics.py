"""Metrics of the neighbor graph, held against networkx, scikit-learn, exact fractions and the authors' spectral formulas."""

from __future__ import annotations

import json
import tracemalloc
from fractions import Fraction

import networkx as nx
import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

import topo_interp as ti
from topo_interp._value import value_from_json

ALL = [
    ti.effective_resistance(4),
    ti.effective_resistance(4, corrected=False),
    ti.diffusion(4, 3),
    ti.geodesic(4),
    ti.geodesic(4, metric="chordal"),
]


def cloud(n=40, d=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def graph_of(points, k):
    """The symmetric neighbor graph by another library."""
    directed = NearestNeighbors(n_neighbors=k).fit(points).kneighbors_graph(mode="distance").toarray()
    lengths = np.maximum(directed, directed.T)
    return (lengths > 0).astype(float), lengths


def two_pieces():
    return np.concatenate((cloud(20, seed=1), cloud(15, seed=2) + 100))


@pytest.mark.parametrize("metric", ALL, ids=repr)
def test_it_is_a_value_that_survives_json_and_can_be_called(metric):
    again = value_from_json(json.dumps(json.loads(metric.to_json())))
    assert again == metric and again.digest() == metric.digest()
    points = cloud()
    assert metric(points).digest() == again.distance_matrix(points.tolist()).digest()
    assert metric(points).metric == metric
    assert metric.is_graph_metric
    recipe = ti.Rips(metric)
    assert ti.Rips.from_json(recipe.to_json()) == recipe


def test_names_are_calls():
    assert repr(ti.diffusion(15, 8)) == "diffusion(k=15, t=8)"
    assert repr(ti.effective_resistance(15)) == "effective_resistance(k=15)"
    assert repr(ti.effective_resistance(9, corrected=False, metric="cosine")) == (
        "effective_resistance(k=9, metric='cosine', corrected=False)"
    )
    assert eval(repr(ti.effective_resistance(9, corrected=False, metric="cosine")), vars(ti)) == ti.effective_resistance(
        9, False, metric="cosine"
    )


@pytest.mark.parametrize("k", [3, 7])
def test_plain_resistance_is_that_of_networkx(k):
    points = cloud(30, 2, seed=k)
    adjacency, _ = graph_of(points, k)
    graph = nx.from_numpy_array(adjacency)
    assert nx.is_connected(graph)
    table = nx.resistance_distance(graph)
    expected = [[table[i][j] for j in range(30)] for i in range(30)]
    found = ti.effective_resistance(k, corrected=False)(points)
    np.testing.assert_allclose(found.square(), expected, rtol=1e-6, atol=1e-9)


def test_resistance_lies_within_its_rounding_of_exact_fractions():
    points = cloud(14, 2, seed=5)
    adjacency, _ = graph_of(points, 3)
    degree = adjacency.sum(axis=1)
    n = len(points)
    laplacian = [[Fraction(int(degree[i] * (i == j) - adjacency[i, j])) for j in range(n)] for i in range(n)]
    # Ground the last vertex: the resistance between i and j is a quadratic form of the inverse of what is left.
    inverse = _inverse([row[:-1] for row in laplacian[:-1]])
    inverse = [[*row, Fraction(0)] for row in inverse] + [[Fraction(0)] * n]
    for corrected in (False, True):
        found = ti.effective_resistance(3, corrected)(points)
        assert 0 < found.rounding < 1e-6 * found.condensed.max()
        square = found.square()
        worst = Fraction(0)
        for i in range(n):
            for j in range(i):
                exact = inverse[i][i] + inverse[j][j] - 2 * inverse[i][j]
                if corrected:
                    a, b = int(degree[i]), int(degree[j])
                    exact += Fraction(2 * int(adjacency[i, j]), a * b) - Fraction(1, a) - Fraction(1, b)
                worst = max(worst, abs(exact - Fraction(float(square[i, j]))))
        assert worst <= Fraction(found.rounding)


def _inverse(matrix):
    n = len(matrix)
    rows = [[*row, *(Fraction(int(i == j)) for j in range(n))] for i, row in enumerate(matrix)]
    for i in range(n):
        pivot = next(r for r in range(i, n) if rows[r][i] != 0)
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [entry / rows[i][i] for entry in rows[i]]
        for r in range(n):
            if r != i and rows[r][i] != 0:
                rows[r] = [a - rows[r][i] * b for a, b in zip(rows[r], rows[i], strict=True)]
    return [row[n:] for row in rows]


def spectrum(adjacency):
    """Eigenpairs of the symmetric normalized Laplacian, the constant one left out, rows divided by the root of the degree."""
    degree = adjacency.sum(axis=1)
    values, vectors = np.linalg.eigh(np.eye(len(degree)) - adjacency / np.sqrt(np.outer(degree, degree)))
    return values[1:], vectors[:, 1:] / np.sqrt(degree)[:, None], degree.sum()


@pytest.mark.parametrize("k", [4, 9])
def test_the_spectral_forms_of_the_authors(k):
    points = cloud(60, 3, seed=k)
    adjacency, _ = graph_of(points, k)
    mu, u, volume = spectrum(adjacency)
    assert mu[0] > 1e-6  # connected

    def pairs(embedding):
        return np.linalg.norm(embedding[:, None] - embedding, axis=2)

    corrected = ti.effective_resistance(k)(points)
    np.testing.assert_allclose(corrected.square(), pairs(u * (1 - mu) / np.sqrt(mu)) ** 2, rtol=1e-5, atol=1e-8)
    for t in (1, 2, 8, 64):
        found = ti.diffusion(k, t)(points)
        expected = np.sqrt(volume) * pairs(u * (1 - mu) ** t)
        assert found.rounding < 1e-6 * max(found.condensed.max(), 1e-3)
        np.testing.assert_allclose(found.square(), expected, atol=found.rounding + 1e-9)


def test_geodesics_are_those_of_networkx():
    points = cloud(50, 2, seed=3)
    _, lengths = graph_of(points, 5)
    graph = nx.from_numpy_array(lengths)
    assert nx.is_connected(graph)
    table = dict(nx.all_pairs_dijkstra_path_length(graph))
    expected = np.array([[table[i][j] for j in range(50)] for i in range(50)])
    found = ti.geodesic(5)(points)
    assert np.abs(found.square() - expected).max() <= found.rounding < 1e-6


@pytest.mark.parametrize("metric", [m for m in ALL if m.true_metric], ids=repr)
@pytest.mark.parametrize("points", [cloud(), two_pieces()], ids=["one piece", "two pieces"])
def test_true_metrics_obey_the_triangle_inequality(metric, points):
    found = metric(points)
    square = found.square().astype(float)
    assert (square[:, None, :] <= square[:, :, None] + square[None, :, :] + 3 * found.rounding).all()


def test_corrected_resistance_is_no_metric_and_says_so():
    assert not ti.effective_resistance(4).true_metric
    square = ti.effective_resistance(4)(cloud()).square().astype(float)
    assert (square[:, None, :] > square[:, :, None] + square[None, :, :] + 1e-6).any()
    np.testing.assert_array_less(-1e-12, square)


@pytest.mark.parametrize("metric", [ti.effective_resistance(4), ti.effective_resistance(4, False), ti.geodesic(4)], ids=repr)
def test_pieces_are_twice_the_largest_distance_apart(metric):
    square = metric(two_pieces()).square()
    inside = max(square[:20, :20].max(), square[20:, 20:].max())
    assert (square[:20, 20:] == 2 * inside).all()
    diagrams = ti.Rips(metric)(two_pieces())
    assert diagrams.finite(0)[:, 1].max() == 2 * inside
    assert np.max(diagrams[1][:, 1], initial=0) <= inside  # no loop through two pieces


def test_diffusion_between_pieces_is_finite():
    points = two_pieces()
    adjacency, _ = graph_of(points, 4)
    degree = adjacency.sum(axis=1)
    walk = np.linalg.matrix_power(adjacency / degree[:, None], 3) / np.sqrt(degree)
    expected = np.sqrt(degree.sum()) * np.linalg.norm(walk[:, None] - walk, axis=2)
    np.testing.assert_allclose(ti.diffusion(4, 3)(points).square(), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("metric", ALL[:4], ids=repr)
def test_duplicates_are_vertices_of_their_own(metric):
    points = np.concatenate((cloud(30, seed=8), np.repeat(cloud(1, seed=9), 3, axis=0)))
    found = metric(points).square()
    assert np.isfinite(found).all()
    if metric.kind == "geodesic":
        assert (found[30:, 30:] == 0).all()
    # More copies than neighbors: they see only each other, and are a piece of their own.
    many = np.concatenate((cloud(30, seed=8), np.full((6, 3), 50.0)))
    if metric.kind != "diffusion":
        square = metric(many).square()
        assert (square[:30, 30:] == square.max()).all()


def test_hubs_are_near_to_all_in_the_plain_resistance_only():
    rng = np.random.default_rng(0)
    points = np.concatenate((0.05 * rng.normal(size=(150, 2)), rng.uniform(-1, 1, (250, 2))))
    adjacency, _ = graph_of(points, 15)
    share = 1 / adjacency.sum(axis=1)
    pairs = np.triu_indices(400, 1)
    limit = (share[:, None] + share)[pairs]
    correlation = [
        np.corrcoef(limit, ti.effective_resistance(15, corrected)(points).condensed)[0, 1] for corrected in (False, True)
    ]
    assert correlation[0] > 0.5 > correlation[1]


def test_noise_in_many_dimensions_gives_few_bars_or_none_and_all_summaries_take_them():
    points = ti.shapes.gaussian(120, 50)
    diagrams = ti.Rips(ti.effective_resistance(60), max_dim=2)(points)
    assert len(diagrams[2]) == 0
    for dim in (0, 1, 2):
        for summary in (
            ti.max_persistence(dim),
            ti.total_persistence(dim),
            ti.persistence_entropy(dim),
            ti.count_bars(dim),
            ti.amplitude(dim),
            ti.landscape(dim, [0.1, 0.2]),
            ti.betti_curve(dim, [0.1, 0.2]),
        ):
            assert np.isfinite(summary(diagrams)).all()
    assert ti.max_persistence(2)(diagrams) == 0


def test_nulls_run_the_metric_again():
    points = ti.shapes.noisy_circle(80, 0.1, dim=10, seed=3)
    found = ti.significance(
        points, ti.Rips(ti.diffusion(8, 4)), ti.max_persistence(1), null=ti.nulls.matched_gaussian(), draws=19, seed=0
    )
    assert found.p_value == found.smallest_p == 0.05
    assert found.null_sd > 0


def test_the_certificate_says_what_its_rounding_is_not():
    diagrams = ti.Rips(ti.effective_resistance(5))(cloud())
    assert "neighbor graph" in diagrams.certificate.explain()
    assert diagrams.metric == "effective_resistance(k=5)"
    # A matrix that was made before carries the note too.
    again = ti.Rips("precomputed")(ti.effective_resistance(5)(cloud()))
    assert again.certificate.notes == diagrams.certificate.notes != ()
    assert ti.Rips()(cloud()).certificate.notes == ()


def test_the_universal_null_refuses_graph_metrics():
    diagrams = ti.Rips(ti.effective_resistance(5))(cloud())
    with pytest.raises(ti.InputError, match="graph metric"):
        ti.universal_pvalues(diagrams, 1)


@pytest.mark.parametrize("metric", [*ALL, ti.fermat(2), ti.mahalanobis(2), ti.read_metric(np.eye(3))], ids=repr)
def test_memory_is_what_is_taken(metric):
    n = 300
    points = cloud(n)
    metric(points)  # what is imported at the first use
    tracemalloc.start()
    metric(points)
    taken = tracemalloc.get_traced_memory()[1] - 2 * n * (n - 1)
    tracemalloc.stop()
    assert 8 * n * n < taken < metric.memory(n)


def test_memory_counts_the_squares():
    with pytest.raises(ti.BudgetError):
        ti.Rips(ti.geodesic(5))(cloud(200), memory=500_000)
    assert len(ti.Rips()(cloud(200), memory=500_000)[0]) == 200
    assert ti.cost(ti.Rips(ti.geodesic(100)), 400, 3).bytes > ti.cost(ti.Rips(), 400, 3).bytes


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ti.effective_resistance(0), "k, the number of neighbors, is 0; a whole number >= 1"),
        (lambda: ti.effective_resistance(2.5), "is 2.5; a whole number"),
        (lambda: ti.effective_resistance(3, corrected="yes"), "True or False"),
        (lambda: ti.diffusion(3, 0.5), "number of steps"),
        (lambda: ti.geodesic(3, metric="euclidian"), "did you mean 'euclidean'"),
        (lambda: ti.geodesic(10)(cloud(10)), "a row has 9 others"),
        (lambda: ti.diffusion(3, 2)(cloud(1)), "of 1 row:"),
        (lambda: ti.diffusion(3, 2)([[np.nan], [1.0]]), "row 0"),
    ],
)
def test_errors_say_what_came_and_what_is_needed(make, message):
    with pytest.raises(ti.InputError, match=message):
        make()
