"""The logic of the device code, run by the CPU: the templates, tile schedule and host code that nvcc compiles for the device."""

from __future__ import annotations

import cupy_on_host
import numpy as np
import pytest
from oracle_distances import distances, hard_cloud, relative

import topo_interp as ti

METRICS = ("euclidean", "sqeuclidean", "manhattan", "chebyshev", "cosine", "chordal", "angular", "correlation", "hamming")
# Of the contract of pairwise_distances: twice for what is a square, 2.2 times for the angle.
ALLOWED = {"sqeuclidean": 2e-6, "cosine": 2e-6, "correlation": 2e-6, "angular": 2.2e-6}


@pytest.mark.parametrize("metric", METRICS)
def test_hard_clouds_keep_the_contract(device, metric):
    x = hard_cloud(150, 70)
    exact = distances(x, x, metric)
    found = ti.pairwise_distances(x, metric=metric, device="cuda")
    assert found.dtype == np.float32
    assert relative(found, exact) < ALLOWED.get(metric, 1e-6)
    assert np.array_equal(found, found.T) and not found.diagonal().any()
    wide = ti.pairwise_distances(x.astype(np.float64), metric=metric, device="cuda")
    # Directions that nearly agree lose what the rounding of a length is to their chord, on the CPU as here.
    on_cpu = relative(ti.pairwise_distances(x.astype(np.float64), metric=metric), exact)
    assert wide.dtype == np.float64 and relative(wide, exact) < max(1e-11, 4 * on_cpu)
    assert on_cpu < 1e-9


def test_products_alone_would_break_it(device):
    """The clouds above are hard: the usual formula in float32 misses the contract by orders."""
    x = hard_cloud(150, 70)
    squares = (x * x).sum(axis=1)
    naive = np.sqrt(np.maximum(squares[:, None] + squares[None] - 2 * x @ x.T, 0))
    exact = distances(x, x, "euclidean")
    off = ~np.eye(len(x), dtype=bool) & (exact > 0)
    assert (np.abs(naive - exact)[off] / exact[off]).max() > 0.1


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean", "manhattan", "chebyshev", "hamming"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_integers_have_the_bits_of_the_cpu(device, metric, dtype):
    x = np.random.default_rng(0).integers(-30, 30, size=(200, 23)).astype(dtype)
    y = x[::3] + 1
    assert np.array_equal(ti.pairwise_distances(x, metric=metric, device="cuda"), ti.pairwise_distances(x, metric=metric))
    assert np.array_equal(ti.pairwise_distances(x, y, metric=metric, device="cuda"), ti.pairwise_distances(x, y, metric=metric))


def test_two_clouds_against_the_definition(device):
    x, y = hard_cloud(140, 33), hard_cloud(90, 33, seed=1)
    assert relative(ti.pairwise_distances(x, y, device="cuda"), distances(x, y, "euclidean")) < 1e-6


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "hamming"])
def test_rounding_covers_what_happens(device, metric):
    x = hard_cloud(160, 50)
    for points in (x, x.astype(np.float64)):
        matrix = ti.DistanceMatrix.from_points(points, metric, device="cuda")
        exact = distances(x, x, metric)[np.triu_indices(len(x), 1)]
        assert np.abs(matrix.condensed - exact).max() <= matrix.rounding < 1e-3 * max(1.0, exact.max())


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "hamming"])
def test_graphs_are_those_of_the_distances(device, metric):
    """Ties and duplicates included: integer points have many of both."""
    x = np.random.default_rng(3).integers(0, 4, size=(300, 5)).astype(np.float32)
    square = ti.pairwise_distances(x, metric=metric)
    order = np.argsort(np.where(np.eye(300, dtype=bool), np.inf, square), axis=1, kind="stable")[:, :6]
    graph = ti.knn_graph(x, 6, metric=metric, device="cuda")
    assert np.array_equal(graph.indices, order)
    assert np.array_equal(graph.distances, np.take_along_axis(square, order, axis=1))
    radius = float(np.quantile(square, 0.05))
    near = ti.radius_graph(x, radius, metric=metric, device="cuda")
    rows, columns = np.nonzero((square <= radius) & ~np.eye(300, dtype=bool))
    assert near.pairs > 300
    assert np.array_equal(near.indptr, np.searchsorted(rows, np.arange(301)))
    assert np.array_equal(near.indices, columns) and np.array_equal(near.distances, square[rows, columns])


def test_graphs_are_verified_on_hard_clouds(device):
    x = hard_cloud(260, 60)
    square = ti.pairwise_distances(x, device="cuda")
    graph = ti.knn_graph(x, 3, device="cuda")
    assert np.array_equal(graph.distances, np.take_along_axis(square, graph.indices, axis=1))
    exact = distances(x, x, "euclidean")
    assert np.array_equal(graph.indices[:, 0], np.argmin(np.where(np.eye(260, dtype=bool), np.inf, exact), axis=1))


def test_a_radius_graph_over_its_budget_is_refused(device):
    x = np.zeros((300, 3), dtype=np.float32)
    with pytest.raises(ti.BudgetError, match=r"outgrew its budget of 1e-05 GB after 44850 pairs"):
        ti.radius_graph(x, 1.0, memory=10_000, device="cuda")


@pytest.mark.parametrize("up_to", [None, 6.0])
def test_distortion_is_that_of_the_cpu(device, up_to):
    x = np.random.default_rng(4).integers(-9, 9, size=(280, 4)).astype(np.float32)
    landmarks = ti.farthest_points(x, 12)
    assert ti.distortion(x, landmarks, up_to=up_to, device="cuda") == ti.distortion(x, landmarks, up_to=up_to)


def test_points_on_the_device_are_read_in_place(device):
    x = hard_cloud(200, 30)
    want = ti.pairwise_distances(x, device="cuda")
    device.treat_arrays_as_on_device(True)
    wide = np.zeros((200, 50), dtype=np.float32)
    wide[:, :30] = x
    for points in (x, wide[:, :30]):  # rows of any stride
        out = np.empty((200, 200), dtype=np.float32)
        device.pairwise(points, None, out, "euclidean")
        assert np.array_equal(out, want)
    flags, largest = device.check_rows(x)
    assert largest == np.abs(x).max() and (flags == 6).all()
    bad = np.zeros((4, 3), dtype=np.float32)
    bad[1], bad[2, 1], bad[3] = 2.0, np.nan, [1, 2, 3]
    assert device.check_rows(bad)[0].tolist() == [0, 2, 7, 6]


def test_far_out_of_range_doubles_are_scaled(device):
    x = np.random.default_rng(5).standard_normal((40, 6))
    plain = ti.pairwise_distances(x, device="cuda")
    for scale in (2.0**-700, 2.0**600):
        assert np.array_equal(ti.pairwise_distances(x * scale, device="cuda"), plain * scale)


def test_bad_points_are_refused_as_on_the_cpu(device):
    x = np.ones((5, 3), dtype=np.float32)
    x[2, 1] = np.nan
    with pytest.raises(ti.InputError, match="row 2 of x has a NaN"):
        ti.pairwise_distances(x, device="cuda")
    x[2] = 0
    with pytest.raises(ti.InputError, match="row 2 of x is zero, which has no direction"):
        ti.knn_graph(x, 2, metric="chordal", device="cuda")
    for shape in ((5, 0), (0, 5)):
        for kind in (np.float32, np.float16):
            with pytest.raises(ti.InputError, match="at least one row and one coordinate"):
                ti.pairwise_distances(np.zeros(shape, kind), device="cuda")
    with pytest.raises(ti.InputError, match="x has 3 coordinates and y has 2"):
        ti.pairwise_distances(x, x[:, :2].copy(), device="cuda")
    with pytest.raises(ti.InputError, match="those of a matrix, which is read on the CPU"):
        ti.knn_graph(ti.DistanceMatrix.from_points(x), 2, device="cuda")


def test_the_condensed_matrix_is_that_of_the_square(device):
    x = hard_cloud(300, 20)
    matrix = ti.DistanceMatrix.from_points(x, "chordal", device="cuda")
    assert np.array_equal(matrix.square(), ti.pairwise_distances(x, metric="chordal", device="cuda"))


def test_work_comes_to_the_device_that_was_asked_for(device):
    """A thread starts on device 0; the emulation refuses work for device 1 there, which a device would do in the wrong memory."""
    x = np.random.default_rng(6).integers(-9, 9, size=(40, 4)).astype(np.float32)
    condensed, none = ti.DistanceMatrix.from_points(x).condensed, np.empty(0, np.int64)
    landmarks = ti.farthest_points(x, 4)
    for name in ("cuda:0", "cuda:1"):
        assert np.array_equal(ti.pairwise_distances(x, device=name), ti.pairwise_distances(x))
        assert np.array_equal(ti.pairwise_distances(x, x[:3], device=name), ti.pairwise_distances(x, x[:3]))
        assert np.array_equal(ti.DistanceMatrix.from_points(x, device=name).condensed, condensed)
        assert np.array_equal(ti.knn_graph(x, 3, device=name).indices, ti.knn_graph(x, 3).indices)
        assert ti.radius_graph(x, 3.0, device=name).pairs == ti.radius_graph(x, 3.0).pairs
        assert np.array_equal(ti.spanning_tree(x, device=name).edges, ti.spanning_tree(x).edges)
        assert np.array_equal(ti.farthest_points(x, 4, device=name).indices, landmarks.indices)
        assert ti.distortion(x, landmarks, device=name) == ti.distortion(x, landmarks)
        assert ti.Rips()(x, device=name).to_gudhi() == ti.Rips()(x).to_gudhi()
        number = int(name[-1])
        assert len(device.spanning_tree_of_matrix(condensed, 40, device=number)[0]) == 39
        empty = np.empty(0, np.float32)
        assert len(device.farthest_points_of_matrix(condensed, 40, 3, 0, none, empty, none, empty, device=number)[0]) == 3
        device.treat_arrays_as_on_device(True)
        assert device.check_rows(x, device=number)[1] == np.abs(x).max()
        device.treat_arrays_as_on_device(False)


@pytest.fixture
def cupy(monkeypatch):
    return cupy_on_host.installed(monkeypatch)


def test_cupy_arrays_come_in_and_go_out(device, cupy):
    x = hard_cloud(60, 9)
    expected, graph = ti.pairwise_distances(x, device="cuda"), ti.knn_graph(x, 3, device="cuda")
    device.treat_arrays_as_on_device(True)
    ours = x.view(cupy.ndarray)
    out = ti.pairwise_distances(ours, device="cuda")
    assert isinstance(out, cupy.ndarray) and np.array_equal(np.asarray(out), expected)
    assert np.array_equal(ti.knn_graph(ours, 3, device="cuda").indices, graph.indices)
    integers = np.arange(12).reshape(4, 3)
    assert ti.pairwise_distances(integers.view(cupy.ndarray), device="cuda").dtype == np.float64
    for wrong, words in (
        (x[0].view(cupy.ndarray), "two axes"),
        ((x + 1j).view(cupy.ndarray), "complex64; real numbers"),
        (np.where(x == x[3, 2], np.nan, x).view(cupy.ndarray), "row 3 of x has a NaN"),
    ):
        with pytest.raises(ti.InputError, match=words):
            ti.pairwise_distances(wrong, device="cuda")
    with pytest.raises(ti.InputError, match="x is an array on device 0; say device='cuda:0'"):
        ti.pairwise_distances(ours, device="cuda:1")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_budget_of_a_radius_graph_is_what_its_pairs_take(device, dtype):
    """40 and 56 bytes: an entry of 4 + size bytes for each end as found, of 8 + size in the result."""
    x = np.zeros((40, 2), dtype=dtype)
    each = 40 if dtype == np.float32 else 56
    assert ti.radius_graph(x, 1.0, memory=780 * each, device="cuda").pairs == 780
    with pytest.raises(ti.BudgetError, match="after 780 pairs"):
        ti.radius_graph(x, 1.0, memory=780 * each - 1, device="cuda")
