"""The logic of the device code, run by the CPU: the templates, tile schedule and host code that nvcc compiles for the device."""

from __future__ import annotations

import contextlib
import sys
import time
import types

import numpy as np
import pytest
from oracle_distances import distances, hard_cloud

import topo_interp as ti

METRICS = ("euclidean", "sqeuclidean", "manhattan", "chebyshev", "cosine", "chordal", "angular", "correlation", "hamming")
# Of the contract of pairwise_distances: twice for what is a square, 2.2 times for the angle.
ALLOWED = {"sqeuclidean": 2e-6, "cosine": 2e-6, "correlation": 2e-6, "angular": 2.2e-6}


@pytest.fixture
def device(monkeypatch):
    """The emulated device, with 2 GB and nothing on it; it must be as empty afterwards."""
    monkeypatch.setenv("TOPO_INTERP_CUDA_EMULATION", "1")
    from topo_interp._native import cuda_module

    module = cuda_module()
    module.set_memory(2 << 30)
    yield module
    module.set_memory(2 << 30)
    module.treat_arrays_as_on_device(False)
    assert module.memory_in_use() == 0


def relative(found: np.ndarray, exact: np.ndarray) -> float:
    assert (found[exact == 0] == 0).all()
    return float((np.abs(found - exact) / np.where(exact > 0, exact, 1)).max())


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


def test_streamed_blocks_give_the_same_bits(device):
    """In so little memory only three blocks of 128 rows are on the device at a time, of six."""
    x = hard_cloud(700, 40)
    whole = ti.pairwise_distances(x, device="cuda")
    graph, matrix = ti.knn_graph(x, 7, device="cuda"), ti.DistanceMatrix.from_points(x, device="cuda")
    device.set_memory(430_000)
    assert device.plan_memory(700, 40 * 4 + 48 * 4 + 24, 4, 2, 0, 430_000 // 20 * 19)[:2] == (128, True)
    assert np.array_equal(ti.pairwise_distances(x, device="cuda"), whole)
    again = ti.knn_graph(x, 7, device="cuda")
    assert np.array_equal(again.indices, graph.indices) and np.array_equal(again.distances, graph.distances)
    assert np.array_equal(ti.DistanceMatrix.from_points(x, device="cuda").condensed, matrix.condensed)


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


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_half_precision_is_widened_exactly(device, kind):
    torch = pytest.importorskip("torch")
    every = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(getattr(torch, kind))
    every = every[torch.isfinite(every)].to(torch.float32)
    x = every[torch.from_numpy(np.random.default_rng(0).permutation(len(every))[: 100 * 20])].reshape(100, 20)
    half = (x.clamp(-300, 300)).to(getattr(torch, kind))
    out = np.empty((100, 100), dtype=np.float32)
    device.pairwise(half, None, out, "euclidean")
    assert relative(out, distances(half.to(torch.float64).numpy(), half.to(torch.float64).numpy(), "euclidean")) < 1e-6
    assert np.array_equal(out, ti.pairwise_distances(half.to(torch.float32).numpy(), device="cuda"))


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


def test_out_of_memory_is_our_error_with_the_cost(device):
    x = np.ones((500, 64), dtype=np.float32)
    device.set_memory(100_000)
    with pytest.raises(ti.BudgetError, match=r"the distances of 500 x 500 rows needs at least \S+ kB on 'cuda', which has 95 kB free: take fewer"):
        ti.pairwise_distances(x, device="cuda")
    with pytest.raises(ti.BudgetError, match="the neighbor lists of 500 rows"):
        ti.knn_graph(x, 3, device="cuda")


def test_bad_points_are_refused_as_on_the_cpu(device):
    x = np.ones((5, 3), dtype=np.float32)
    x[2, 1] = np.nan
    with pytest.raises(ti.InputError, match="row 2 of x has a NaN"):
        ti.pairwise_distances(x, device="cuda")
    x[2] = 0
    with pytest.raises(ti.InputError, match="row 2 of x is zero, which has no direction"):
        ti.knn_graph(x, 2, metric="chordal", device="cuda")
    with pytest.raises(ti.InputError, match="x has 3 coordinates and y has 2"):
        ti.pairwise_distances(x, x[:, :2].copy(), device="cuda")
    with pytest.raises(ti.InputError, match="those of a matrix, which is read on the CPU"):
        ti.knn_graph(ti.DistanceMatrix.from_points(x), 2, device="cuda")


@pytest.mark.parametrize(
    ("needs", "budget", "plan"),
    [
        ((100_000, 16_384, 4, 1, 0), 100 * 10**9, (8192, False)),
        ((100_000, 16_384, 4, 1, 0), 1 * 10**9, (8192, True)),
        ((100_000, 16_384, 4, 1, 0), 10 * 10**6, (128, True)),
        ((100, 400, 4, 1, 0), 10**9, (128, False)),
    ],
)
def test_plans(device, needs, budget, plan):
    side, streamed, taken = device.plan_memory(*needs, budget)
    assert (side, streamed) == plan and taken <= budget


def test_a_plan_that_fits_nothing_names_the_least(device):
    with pytest.raises(MemoryError) as error:
        device.plan_memory(100_000, 16_384, 4, 1, 0, 10**6)
    assert error.value.args == (3 * 128 * 16_384 + 128 * 128 * 4, 10**6)


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


def test_streamed_half_precision_keeps_to_its_plan(device):
    """Its rows lie there before they are widened, too: blocks of 256 would fit without them, and do not fit."""
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(np.random.default_rng(7).standard_normal((1100, 64)).astype(np.float32)).to(torch.float16)
    indices, _ = device.knn(x, "euclidean", 1)
    bytes_of_row, entries = 4 * 64 + 4 * 64 + 24, 256 * 256
    device.set_memory((3 * 256 * bytes_of_row + entries * 4 + 1100 * 8) * 20 // 19 + 100)
    assert np.array_equal(device.knn(x, "euclidean", 1)[0], indices)


def test_a_store_on_disk_is_streamed_from_its_files(device, tmp_path):
    x = hard_cloud(700, 40).astype(np.float32)
    whole = ti.pairwise_distances(x, device="cuda")
    ti.store_from_arrays({"layer": x}).save(tmp_path / "store")
    rows = ti.open_store(tmp_path / "store")["layer"]
    file = rows.points
    while not isinstance(file, np.memmap):
        file = file.base  # rows are a view of it, and no copy
    device.set_memory(430_000)
    assert np.array_equal(ti.pairwise_distances(rows, device="cuda"), whole)


@pytest.fixture
def cupy(monkeypatch):
    """What the package asks of CuPy, over arrays of the host."""

    class Array(np.ndarray):
        device = types.SimpleNamespace(id=0)

        def get(self):
            return np.asarray(self)

    module = types.ModuleType("cupy")
    module.ndarray, module.float64 = Array, np.float64
    module.ascontiguousarray = lambda x: np.ascontiguousarray(x).view(Array)
    module.empty = lambda shape, dtype: np.empty(shape, dtype).view(Array)
    stream = types.SimpleNamespace(ptr=0)
    module.cuda = types.SimpleNamespace(get_current_stream=lambda: stream, Device=lambda number: contextlib.nullcontext())
    monkeypatch.setitem(sys.modules, "cupy", module)
    return module


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


def test_a_small_cloud_against_a_large_one_is_few_panels(device):
    x = np.random.default_rng(8).integers(-9, 9, size=(20_010, 16)).astype(np.float32)
    out, totals = np.empty((10, 20_000), dtype=np.float32), set()
    device.pairwise(x[:10].copy(), x[10:].copy(), out, "euclidean", progress=lambda phase, done, total: totals.add(total))
    assert max(totals) == 3
    assert np.array_equal(out, ti.pairwise_distances(x[:10], x[10:]))
    device.treat_arrays_as_on_device(True)
    straight = np.empty_like(out)
    device.pairwise(x[:10].copy(), x[10:].copy(), straight, "euclidean")
    assert np.array_equal(straight, out)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_budget_of_a_radius_graph_is_what_its_pairs_take(device, dtype):
    """40 and 56 bytes: an entry of 4 + size bytes for each end as found, of 8 + size in the result."""
    x = np.zeros((40, 2), dtype=dtype)
    each = 40 if dtype == np.float32 else 56
    assert ti.radius_graph(x, 1.0, memory=780 * each, device="cuda").pairs == 780
    with pytest.raises(ti.BudgetError, match="after 780 pairs"):
        ti.radius_graph(x, 1.0, memory=780 * each - 1, device="cuda")


def test_rows_that_are_still_being_loaded_can_be_stopped(device):
    """A panel of so many rows takes the emulation seconds: the stop has to come before the first."""
    x = np.ones((120_000, 64), dtype=np.float32)

    def refuse(*state):
        raise RuntimeError("enough")

    began = time.monotonic()
    with pytest.raises(RuntimeError, match="enough"):
        device.knn(x, "euclidean", 1, progress=refuse)
    assert time.monotonic() - began < 3


def test_the_host_does_not_run_ahead_of_the_device(device):
    """It waits for every panel: what is queued can not be stopped. Here are eight blocks, streamed, so 36 panels."""
    x = np.random.default_rng(9).integers(-9, 9, size=(900, 40)).astype(np.float32)
    out = np.empty((900, 900), dtype=np.float32)
    device.set_memory(320_000)
    device.take_counts()
    assert np.array_equal(ti.spanning_tree(x, device="cuda").edges, ti.spanning_tree(x).edges)
    launches, queued = device.take_counts()
    assert launches > 36 * 4 and queued < 12
    device.treat_arrays_as_on_device(True)  # ``out`` as well, where panels are written straight to it
    device.set_memory(150_000)
    device.pairwise(x, None, out, "euclidean")
    assert np.array_equal(out, ti.pairwise_distances(x))
    launches, queued = device.take_counts()
    assert launches > 36 * 3 and queued < 12


def test_a_landmark_is_fetched_from_its_own_block(device):
    x = np.random.default_rng(9).integers(-9, 9, size=(900, 40)).astype(np.float32)
    landmarks = ti.farthest_points(x, 20)
    device.set_memory(315_000)
    device.take_counts()
    assert np.array_equal(ti.farthest_points(x, 20, device="cuda").indices, landmarks.indices)
    launches, _ = device.take_counts()
    assert 20 * 8 * 2 < launches < 20 * (8 * 3 + 8)  # a panel of two launches and a load for each of eight blocks, and little more
