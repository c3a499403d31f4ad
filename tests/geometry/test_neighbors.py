"""Neighbor graphs against a full sort of the full matrix."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import topo_interp as ti

METRICS = ("euclidean", "sqeuclidean", "manhattan", "chebyshev", "cosine", "chordal", "angular", "correlation", "hamming")


def normal(n, d, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(dtype)


def lattice(n, d, seed=0):
    """Small integers: nearly all distances are tied, and there are duplicates."""
    return np.random.default_rng(seed).integers(0, 3, (n, d)).astype(np.float32)


def sorted_neighbors(distances, k):
    """The oracle: a stable sort orders equal distances by index."""
    square = distances.astype(np.float64)
    np.fill_diagonal(square, np.inf)
    indices = np.argsort(square, axis=1, kind="stable")[:, :k]
    return indices, np.take_along_axis(distances, indices, axis=1)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_knn_has_the_bits_of_the_full_matrix(metric, dtype):
    x = normal(401, 17, dtype=dtype)
    graph = ti.knn_graph(x, 7, metric=metric)
    indices, distances = sorted_neighbors(ti.pairwise_distances(x, metric=metric), 7)
    assert graph.distances.dtype == dtype and graph.indices.dtype == np.int64
    np.testing.assert_array_equal(graph.distances, distances)
    np.testing.assert_array_equal(graph.indices, indices)


@pytest.mark.parametrize(("n", "k"), [(2, 1), (3, 2), (191, 190), (192, 5), (193, 192), (577, 40), (900, 1)])
def test_knn_of_ties_and_duplicates_is_ordered_by_index(n, k):
    x = lattice(n, 3)
    indices, distances = sorted_neighbors(ti.pairwise_distances(x), k)
    for threads in (1, 2, 3):
        graph = ti.knn_graph(x, k, threads=threads)
        np.testing.assert_array_equal(graph.indices, indices)
        np.testing.assert_array_equal(graph.distances, distances)
    assert n < 193 or (distances == 0).any()


def test_knn_agrees_with_an_independent_search():
    from sklearn.neighbors import NearestNeighbors

    x = normal(700, 12, dtype=np.float64)
    distances, indices = NearestNeighbors(n_neighbors=6, algorithm="kd_tree").fit(x).kneighbors()
    graph = ti.knn_graph(x, 6)
    np.testing.assert_array_equal(graph.indices, indices)
    np.testing.assert_allclose(graph.distances, distances, rtol=1e-12)


def test_knn_of_a_distance_matrix_is_that_of_its_entries():
    matrix = ti.DistanceMatrix.from_points(normal(300, 5))
    a, b = ti.knn_graph(matrix, 9), ti.knn_graph(normal(300, 5), 9)
    np.testing.assert_array_equal(a.indices, b.indices)
    np.testing.assert_array_equal(a.distances, b.distances)


def test_knn_survives_points_whose_squares_leave_float64():
    x = normal(60, 4, dtype=np.float64)
    big, small = ti.knn_graph(np.ldexp(x, 900), 3), ti.knn_graph(x, 3)
    np.testing.assert_array_equal(big.indices, small.indices)
    np.testing.assert_array_equal(big.distances, np.ldexp(small.distances, 900))


def test_knn_as_sparse_matrix_and_graph():
    x = lattice(250, 2)
    graph = ti.knn_graph(x, 4)
    csr = graph.csr()
    assert csr.indices.dtype == np.int64 and csr.indptr.dtype == np.int64
    assert csr.nnz == 1000 and (csr.data == 0).any()  # duplicates are entries, not gaps
    csr.check_format()
    for i in (0, 100, 249):
        row = dict(zip(graph.indices[i].tolist(), graph.distances[i].tolist(), strict=True))
        assert dict(zip(csr.indices[4 * i : 4 * i + 4].tolist(), csr.data[4 * i : 4 * i + 4].tolist(), strict=True)) == row
        assert {j: data["distance"] for j, data in graph.to_networkx()[i].items()} == row
    with pytest.raises(ValueError, match="read-only"):
        graph.indices[0, 0] = 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "cosine"])
def test_radius_graph_holds_the_pairs_of_the_full_matrix(metric, dtype):
    x = normal(500, 6, dtype=dtype)
    full = ti.pairwise_distances(x, metric=metric)
    radius = float(np.quantile(full, 0.1))
    within = full <= radius
    np.fill_diagonal(within, False)
    graphs = [ti.radius_graph(x, radius, metric=metric, threads=threads) for threads in (1, 2, 3)]
    for graph in graphs:
        np.testing.assert_array_equal(np.diff(graph.indptr), within.sum(axis=1))
        np.testing.assert_array_equal(graph.indices, np.nonzero(within)[1])
        np.testing.assert_array_equal(graph.distances, full[within])
    assert graphs[0].pairs > 1000


def test_a_pair_at_the_radius_is_in_and_one_beyond_is_out():
    x = np.array([[0.0], [0.1]], dtype=np.float32)
    stored = float(np.float32(0.1))  # a little more than 0.1
    assert ti.radius_graph(x, stored).pairs == 1
    assert ti.radius_graph(x, 0.1).pairs == 0
    assert ti.radius_graph(np.array([[5.0, 1.0]]), 3.0).pairs == 0


def test_radius_graph_keeps_duplicates_as_stored_zeros():
    x = np.repeat(lattice(60, 2)[:9], 3, axis=0)
    graph = ti.radius_graph(x, 0.0)
    csr = graph.csr()
    same = (x[:, None] == x[None]).all(axis=2)
    assert csr.nnz == same.sum() - len(x) > 0
    assert (csr.data == 0).all()
    assert csr.indices.dtype == np.int64
    graph_of_pairs = graph.to_networkx()
    assert graph_of_pairs.number_of_edges() == graph.pairs
    assert all(i != j and data["distance"] == 0.0 for i, j, data in graph_of_pairs.edges(data=True))


def test_a_radius_graph_over_its_budget_is_refused_before_it_is_built():
    x = normal(3000, 3)
    with pytest.raises(ti.BudgetError, match=r"outgrew its budget of 0\.0036 GB after \d+ pairs.*smaller radius"):
        ti.radius_graph(x, 100.0, memory=3_600_000)
    assert ti.radius_graph(x[:100], 100.0, memory=36 * 4950).pairs == 4950
    with pytest.raises(ti.BudgetError):
        ti.radius_graph(x[:100], 100.0, memory=36 * 4950 - 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: ti.knn_graph(x, 0), "k is 0; a whole number from 1 to 9 is needed"),
        (lambda x: ti.knn_graph(x, 10), "k is 10; a whole number from 1 to 9"),
        (lambda x: ti.knn_graph(x, 2.0), r"k is 2\.0"),
        (lambda x: ti.knn_graph(x[:1], 1), "x has one row"),
        (lambda x: ti.knn_graph(x, 2, metric="euclid"), "did you mean 'euclidean'"),
        (lambda x: ti.knn_graph(x, 2, threads=0), "threads is 0"),
        (lambda x: ti.knn_graph(np.where(x == x[3, 1], np.nan, x), 2), "row 3 of x has a NaN"),
        (lambda x: ti.knn_graph(x * (np.arange(10) != 4)[:, None], 2, metric="cosine"), "row 4 of x is zero"),
        (lambda x: ti.radius_graph(x, -1.0), r"radius is -1\.0"),
        (lambda x: ti.radius_graph(x, np.nan), "radius is nan"),
    ],
)
def test_errors_say_what_was_wrong(call, message):
    with pytest.raises(ti.InputError, match=message):
        call(normal(10, 3))


@pytest.mark.alone
@pytest.mark.parametrize(
    "call", [lambda x: ti.knn_graph(x, 5), lambda x: ti.radius_graph(x, 0.1), ti.spanning_tree, lambda x: ti.farthest_points(x, 20000)]
)
def test_an_interrupt_is_answered_at_once(call):
    x = normal(40000, 300)
    delays = []
    before = threading.active_count()  # progress bars of other tests may keep a thread of their own
    for wait in (0.3, 0.4, 0.5):
        sent = []

        def interrupt(sent=sent):
            sent.append(time.perf_counter())
            os.kill(os.getpid(), signal.SIGINT)

        killer = threading.Timer(wait, interrupt)
        killer.start()
        with pytest.raises(KeyboardInterrupt):
            call(x)
        delays.append(time.perf_counter() - sent[0])
        killer.join()
    assert statistics.median(delays) < 0.1, delays
    assert threading.active_count() == before


def peak(call):
    """What a call takes at its peak beyond the points, in bytes, in a process of its own."""
    code = f"""if True:
        import numpy as np, topo_interp as ti

        def peak():
            lines = open("/proc/self/status").read().splitlines()
            return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024

        x = np.random.default_rng(0).standard_normal((10000, 8)).astype(np.float32)
        ti.knn_graph(x[:500], 5, threads=2), ti.radius_graph(x[:500], 1.0, threads=2)
        before = peak()
        graph = {call}
        print(peak() - before, getattr(graph, "pairs", 0))
    """
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=100)
    return tuple(map(int, run.stdout.split()))


@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="AddressSanitizer keeps freed memory back")
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="reads the peak from /proc")
def test_memory_is_within_the_stated_cost():
    points, slack = 4 * 10000 * 8, 12e6  # tiles of the threads, and what an allocator keeps
    k = 300
    taken, _ = peak(f"ti.knn_graph(x, {k}, threads=2)")
    graph = 10000 * k * 12
    assert graph < taken < points + 2 * graph + slack
    taken, pairs = peak("ti.radius_graph(x, 2.4, threads=2)")
    assert pairs > 2e6 and 24 * pairs < taken < points + 36 * pairs + slack
