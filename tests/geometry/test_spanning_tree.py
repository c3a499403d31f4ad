"""The spanning tree against Kruskal's algorithm on all pairs."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import cophenet, is_valid_linkage, linkage
from scipy.sparse.csgraph import minimum_spanning_tree

import topo_interp as ti
from topo_interp._native import cpu


def kruskal(square):
    """The minimum spanning tree of the order (length, i, j), by sorting all pairs."""
    n = len(square)
    group = list(range(n))

    def find(i):
        while group[i] != i:
            i = group[i]
        return i

    rows, columns = np.triu_indices(n, 1)
    lengths = square[rows, columns]
    edges, kept = [], []
    for at in np.lexsort((columns, rows, lengths)):
        a, b = find(rows[at]), find(columns[at])
        if a != b:
            group[max(a, b)] = min(a, b)
            edges.append((rows[at], columns[at]))
            kept.append(lengths[at])
    return np.array(edges).reshape(-1, 2), np.array(kept, dtype=square.dtype)


def clouds():
    rng = np.random.default_rng(7)
    centers = 20 * rng.standard_normal((12, 5))
    yield "normal", rng.standard_normal((420, 8))
    yield "plane", rng.uniform(size=(500, 2))
    yield "line", np.sort(rng.exponential(size=400).cumsum())[:, None]
    yield "tight clusters", np.repeat(centers, 40, axis=0) + 1e-3 * rng.standard_normal((480, 5))
    yield "two clusters", np.repeat(centers[:2], 200, axis=0) + rng.standard_normal((400, 5))
    yield "nested clusters", (centers[:4, None, None] + rng.standard_normal((4, 5, 1, 5)) + 0.01 * rng.standard_normal((4, 5, 20, 5))).reshape(-1, 5)
    yield "lattice", rng.integers(0, 4, (450, 3)).astype(float)
    yield "duplicates", np.repeat(rng.standard_normal((20, 4)), 20, axis=0)
    yield "all the same", np.ones((300, 3))
    yield "outliers", np.concatenate((rng.standard_normal((300, 3)), 100 * rng.standard_normal((30, 3))))


CLOUDS = dict(clouds())


@pytest.mark.parametrize("name", CLOUDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_tree_is_kruskals(name, dtype):
    x = CLOUDS[name].astype(dtype)
    edges, lengths = kruskal(ti.pairwise_distances(x))
    for threads in (1, 2, 3):
        tree = ti.spanning_tree(x, threads=threads)
        np.testing.assert_array_equal(tree.edges, edges)
        np.testing.assert_array_equal(tree.lengths, lengths)
    assert tree.lengths.dtype == dtype


@pytest.mark.parametrize("name", CLOUDS)
@pytest.mark.parametrize(("neighbors", "table", "share"), [(1, 0, 0.25), (2, 1, 0.0), (3, 0, 0.0), (5, 1, 1.0), (2, 4, 0.1)])
def test_short_lists_force_the_other_ways_to_the_same_tree(name, neighbors, table, share):
    x = CLOUDS[name].astype(np.float32)
    edges, lengths = kruskal(ti.pairwise_distances(x))
    found, weights, _ = cpu.spanning_tree(cpu.point_source(x, "euclidean"), neighbors, table, share, threads=2)
    np.testing.assert_array_equal(found, edges)
    np.testing.assert_array_equal(weights, lengths)


def test_every_way_is_really_taken():
    """The tests above prove nothing about refreshed rows and tables unless these ran."""
    source = cpu.point_source(CLOUDS["tight clusters"].astype(np.float32), "euclidean")
    _, _, plain = cpu.spanning_tree(source, 479)
    _, _, refreshed = cpu.spanning_tree(source, 5, 1, 1.0)
    _, _, tabled = cpu.spanning_tree(source, 5, 0, 0.0)
    assert plain["refreshed"] == plain["components"] == 0
    assert refreshed["refreshed"] > 400 and refreshed["components"] == 0
    assert tabled["refreshed"] == 0 and 12 <= tabled["components"] < 80


def spread_clusters(metric):
    """Twelve clusters of 400 rows whose balls are small beside what lies between them, in no order."""
    rng = np.random.default_rng(11)
    cluster = rng.integers(0, 12, 4800)
    x = (3 * rng.standard_normal((12, 20))[cluster] + 1e-3 * rng.standard_normal((4800, 20))).astype(np.float32)
    return cpu.point_source(x, metric, threads=2)


@pytest.mark.parametrize(("metric", "proved"), [("euclidean", True), ("cosine", True), ("manhattan", False)])
def test_pairs_of_clusters_that_are_proved_too_far_are_not_computed(metric, proved):
    source = spread_clusters(metric)
    edges, lengths, work = cpu.spanning_tree(source, 16, threads=2)
    far, same, thorough = cpu.spanning_tree(source, 16, 1, threads=2)  # a table of one component is none: only lists
    np.testing.assert_array_equal(edges, far)
    np.testing.assert_array_equal(lengths, same)
    assert work["components"] == 12 and thorough["refreshed"] > 0 == thorough["tiles"]
    every_tile = 25 * 26 // 2
    assert (work["tiles"] < every_tile / 2) if proved else (work["tiles"] > every_tile * 0.9)


SLACK = {"euclidean": 1, "chordal": 1, "angular": 1, "sqeuclidean": 2, "cosine": 2, "correlation": 2}  # the power of a distance


@pytest.mark.parametrize("metric", SLACK)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(seed=st.integers(0, 2**32 - 1), spread=st.sampled_from([0.0, 1e-4, 1e-2, 0.3, 2.0]), offset=st.sampled_from([0.0, 1.0, 1e3]))
@settings(max_examples=12, deadline=None)
def test_no_distance_is_below_the_bound_of_its_groups(metric, dtype, seed, spread, offset):
    rng = np.random.default_rng(seed)
    group = rng.permutation(np.arange(60) % 15)
    x = (rng.standard_normal((15, 7))[group] + spread * rng.standard_normal((60, 7)) + offset).astype(dtype)
    bounds = cpu.lower_bounds(cpu.point_source(x, metric), group, 15, 2)
    distances = ti.pairwise_distances(x, metric=metric)
    between = np.full((15, 15), np.inf)
    np.minimum.at(between, (group[:, None], group[None, :]), distances)
    apart = ~np.eye(15, dtype=bool)
    assert (bounds <= between)[apart].all() and (bounds == bounds.T).all()
    if spread == 0:  # balls without a radius: the bound is the distance, less its rounding
        assert (bounds >= between * (1 - 1e-3 * SLACK[metric]))[apart].all()


def test_no_bound_rests_on_squares_that_underflow():
    """Entries around 2^-538, whose squares are 0 in double, beside others that keep the cloud from being scaled."""
    unit, rng = 2.0**-538, np.random.default_rng(0)
    near, far = (start * unit + rng.choice([-1, 0, 1], 120) * unit for start in (0, 4))
    x = np.r_[unit, 3 * unit, rng.permutation(np.r_[near, far, np.ones(60)])][:, None]
    edges, lengths = kruskal(ti.pairwise_distances(x))
    tree = ti.spanning_tree(x)
    np.testing.assert_array_equal(tree.edges, edges)
    np.testing.assert_array_equal(tree.lengths, lengths)
    for gap in 2.0 ** np.arange(-540, -490, 5):
        pair = np.array([[0.0], [gap], [1.0]])
        assert cpu.lower_bounds(cpu.point_source(pair, "euclidean"), np.arange(3), 3)[0, 1] <= ti.pairwise_distances(pair)[0, 1]


def test_a_matrix_and_other_metrics_have_no_bounds():
    x = CLOUDS["two clusters"].astype(np.float32)
    group = np.repeat([0, 1], 200)
    assert not cpu.lower_bounds(cpu.point_source(x, "manhattan"), group, 2).any()
    matrix = cpu.matrix_source(ti.DistanceMatrix.from_dense(ti.pairwise_distances(x)).condensed, len(x))
    assert not cpu.lower_bounds(matrix, group, 2).any()
    with pytest.raises(ValueError, match="the group of every row"):
        cpu.lower_bounds(matrix, group[1:], 2)


@pytest.mark.parametrize("metric", ["sqeuclidean", "manhattan", "chebyshev", "cosine", "angular", "correlation", "hamming"])
def test_any_metric_will_do(metric):
    x = np.random.default_rng(1).standard_normal((300, 9)).astype(np.float32)
    edges, lengths = kruskal(ti.pairwise_distances(x, metric=metric))
    tree = ti.spanning_tree(x, metric=metric)
    np.testing.assert_array_equal(tree.edges, edges)
    np.testing.assert_array_equal(tree.lengths, lengths)


def test_a_matrix_that_is_no_metric():
    square = np.random.default_rng(2).integers(1, 9, (200, 200)).astype(np.float32)
    square = np.triu(square, 1) + np.triu(square, 1).T
    edges, lengths = kruskal(square)
    tree = ti.spanning_tree(ti.DistanceMatrix.from_dense(square))
    np.testing.assert_array_equal(tree.edges, edges)
    np.testing.assert_array_equal(tree.lengths, lengths)


def test_its_length_is_that_of_scipys_tree():
    x = CLOUDS["normal"]
    theirs = minimum_spanning_tree(ti.pairwise_distances(x))
    assert ti.spanning_tree(x).lengths.sum() == pytest.approx(theirs.sum(), rel=1e-12)


@pytest.mark.parametrize("name", ["normal", "tight clusters", "outliers"])
def test_its_linkage_is_scipys_single_linkage(name):
    x = CLOUDS[name]
    ours = ti.spanning_tree(x).linkage()
    assert is_valid_linkage(ours)
    np.testing.assert_allclose(cophenet(ours), cophenet(linkage(x, "single")), rtol=1e-9)


def test_small_and_degenerate_clouds():
    one = ti.spanning_tree(np.zeros((1, 3)))
    assert one.edges.shape == (0, 2) and one.lengths.shape == (0,) and one.linkage().shape == (0, 4)
    two = ti.spanning_tree([[0.0], [2.0]])
    assert two.edges.tolist() == [[0, 1]] and two.lengths.tolist() == [2.0]
    graph = ti.spanning_tree(CLOUDS["plane"]).to_networkx()
    assert graph.number_of_nodes() == 500 and graph.number_of_edges() == 499
    with pytest.raises(ValueError, match="read-only"):
        two.lengths[0] = 1


def test_rounding_covers_the_true_distances():
    x = (np.random.default_rng(3).standard_normal((300, 50)) + 5).astype(np.float32)
    tree = ti.spanning_tree(x)
    exact = np.linalg.norm(x[tree.edges[:, 0]].astype(np.float64) - x[tree.edges[:, 1]], axis=1)
    error = np.abs(tree.lengths - exact).max()
    assert 0 < error <= tree.rounding < 1e-4 * np.median(exact)


def test_memory_grows_with_the_points_and_not_with_the_pairs():
    code = (
        "import resource, numpy as np, topo_interp as ti;"
        "x = np.random.default_rng(0).standard_normal((20000, 4)).astype(np.float32); ti.spanning_tree(x[:500]);"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; ti.spanning_tree(x);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=100)
    assert int(run.stdout) < 40_000  # kB; the condensed matrix would be 800,000
