"""What the device holds and what travels to it: blocks of rows, 16-bit rows, plans for the memory; run by the CPU."""

from __future__ import annotations

import pickle
import time

import numpy as np
import pytest
from oracle_distances import distances, hard_cloud, relative

import topo_interp as ti


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


def test_sixteen_bit_rows_come_in_every_form_that_the_cpu_takes(device):
    pd, torch = pytest.importorskip("pandas"), pytest.importorskip("torch")
    half, wide = np.arange(12, dtype=np.float16).reshape(4, 3), np.ones((2, 3))
    tensor = torch.from_numpy(half)
    kinds = (half, list(half), pd.DataFrame(half), ti.PointCloud(half), tensor, tensor.bfloat16())
    for given in (*kinds, np.asfortranarray(half), tensor.bfloat16().T.contiguous().T):
        for other in (None, wide):
            assert np.array_equal(ti.pairwise_distances(given, other, device="cuda"), ti.pairwise_distances(given, other))
    for shape in ((5, 0), (0, 5)):
        with pytest.raises(ti.InputError, match="at least one row and one coordinate"):
            ti.pairwise_distances(torch.zeros(shape, dtype=torch.bfloat16), device="cuda")


def test_out_of_memory_is_our_error_with_the_cost(device):
    x = np.ones((500, 64), dtype=np.float32)
    device.set_memory(100_000)
    with pytest.raises(ti.BudgetError, match=r"the distances of 500 x 500 rows needs at least \S+ kB on 'cuda', which has 95 kB free: take fewer"):
        ti.pairwise_distances(x, device="cuda")
    with pytest.raises(ti.BudgetError, match="the neighbor lists of 500 rows"):
        ti.knn_graph(x, 3, device="cuda")


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
    side, streamed, _, taken = device.plan_memory(*needs, budget)
    assert (side, streamed) == plan and taken <= budget


@pytest.mark.parametrize(
    ("rows", "others", "budget", "plan"),
    [
        (100_000, 50_000, 10 * 10**9, (8192, False, False)),
        (100_000, 50_000, 2 * 10**9, (8192, True, False)),  # the smaller cloud stays
        (50_000, 100_000, 2 * 10**9, (8192, False, True)),
        (100_000, 50_000, 830 * 10**6, (4096, True, True)),  # it would leave room for small tiles only
        (100_000, 50_000, 13 * 10**6, (128, True, True)),
        (10, 10**6, 10**9, (8192, False, True)),  # a tile is no higher than the rows
    ],
)
def test_plans_of_two_clouds(device, rows, others, budget, plan):
    *chosen, taken = device.plan_memory(rows, 16_384, 4, 2, 0, budget, others, 16_384)
    assert tuple(chosen) == plan and taken <= budget


def test_a_plan_that_fits_nothing_names_the_least(device):
    with pytest.raises(MemoryError) as error:
        device.plan_memory(100_000, 16_384, 4, 1, 0, 10**6)
    assert error.value.args == (3 * 128 * 16_384 + 128 * 128 * 4, 10**6)


def test_streamed_half_precision_keeps_to_its_plan(device):
    """Its rows lie there before they are widened, too: blocks of 256 would fit without them, and do not fit."""
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(np.random.default_rng(7).standard_normal((1100, 64)).astype(np.float32)).to(torch.float16)
    indices, _ = device.knn(x, "euclidean", 1)
    bytes_of_row, entries = 4 * 64 + 4 * 64 + 24, 256 * 256
    device.set_memory((3 * 256 * bytes_of_row + entries * 4 + 1100 * 8) * 20 // 19 + 100)
    assert np.array_equal(device.knn(x, "euclidean", 1)[0], indices)


@pytest.mark.parametrize("budget", [1_500_000, 1_150_000, 800_000])
def test_two_clouds_of_which_either_or_both_are_streamed(device, budget):
    x, y = hard_cloud(900, 40), hard_cloud(700, 40, seed=1)
    need = 40 * 4 + 48 * 4 + 24
    plans = [device.plan_memory(*sizes[:1], need, 4, 2, 0, budget // 20 * 19, *sizes[1:], need) for sizes in ((900, 700), (700, 900))]
    assert [plan[1:3] for plan in plans] == {
        1_500_000: [(False, False)] * 2, 1_150_000: [(True, False), (False, True)], 800_000: [(True, True)] * 2,
    }[budget]  # fmt: skip
    whole = ti.pairwise_distances(x, y, device="cuda")
    device.set_memory(budget)
    assert np.array_equal(ti.pairwise_distances(x, y, device="cuda"), whole)
    assert relative(ti.pairwise_distances(y, x, device="cuda"), distances(y, x, "euclidean")) < 1e-6


def test_a_cloud_that_is_streamed_alone_comes_by_once(device):
    """Its rows are copied once however many blocks the other one has; of two streamed clouds one comes by for each block."""
    x, y = (np.random.default_rng(0).integers(-9, 9, size=(n, 40)).astype(np.float32) for n in (900, 700))
    out = np.empty((900, 700), dtype=np.float32)
    device.take_copied()
    copied = []
    for budget in (1_400_000, 1_090_000, 760_000):
        device.pairwise(x, y, out, "euclidean", memory=budget)
        assert np.array_equal(out, ti.pairwise_distances(x, y))
        copied.append(device.take_copied())
    assert copied[1] == copied[0]
    assert copied[2] > copied[0] + 4 * y.nbytes


@pytest.mark.parametrize("budget", [2 << 30, 430_000])
def test_rows_are_the_same_through_pageable_memory(device, budget):
    """Where nothing can be pinned copies go through pageable memory; where not even that is had, the error says how much."""
    x = hard_cloud(700, 40)
    whole = ti.pairwise_distances(x, device="cuda")
    device.set_memory(budget)
    device.set_host_memory(pinned=0)
    assert np.array_equal(ti.pairwise_distances(x, device="cuda"), whole)
    assert np.array_equal(ti.DistanceMatrix.from_points(x, device="cuda").square(), whole)
    device.set_host_memory(pinned=0, pageable=0)
    with pytest.raises(ti.BudgetError, match=r"of 700 x 700 rows needs \S+ [kM]B of the host in one piece on the way to 'cuda', .* take fewer rows"):
        ti.pairwise_distances(x, device="cuda")


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_sixteen_bits_travel_as_sixteen_bits(device, kind):
    """Arrays, tensors and clouds: the bytes that are copied to the device fall by two for each entry."""
    torch, ml_dtypes = pytest.importorskip("torch"), pytest.importorskip("ml_dtypes")
    given = np.random.default_rng(0).standard_normal((300, 64)).astype(np.float16 if kind == "float16" else ml_dtypes.bfloat16)
    wide = given.astype(np.float32)
    tensor = torch.from_numpy(wide).to(getattr(torch, kind))
    device.take_copied()
    graph = ti.knn_graph(wide, 5, device="cuda")
    copied = device.take_copied()
    for points in (given, tensor, ti.PointCloud(given), given[:, ::1][::1]):
        found = ti.knn_graph(points, 5, device="cuda")
        assert copied - device.take_copied() >= 2 * given.size
        assert np.array_equal(found.indices, graph.indices) and np.array_equal(found.distances, graph.distances)
    assert np.array_equal(ti.pairwise_distances(tensor, given[:9], device="cuda"), ti.pairwise_distances(wide, wide[:9], device="cuda"))
    mixed = ti.pairwise_distances(tensor, wide[:9].astype(np.float64), device="cuda")
    assert mixed.dtype == np.float64 and relative(mixed, distances(wide, wide[:9], "euclidean")) < 1e-11


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_sixteen_bits_are_checked_where_they_are(device, kind):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    x = np.ones((5, 3), dtype=np.float16 if kind == "float16" else ml_dtypes.bfloat16)
    x[1], x[3] = [0.0, -0.0, 0.0], [1, 2, 3]
    for metric, words in (("cosine", r"row 1 of x is zero, which has no direction .*\(1 of 5"), ("correlation", r"row 0 of x is constant.*\(4 of 5")):
        with pytest.raises(ti.InputError, match=words):
            ti.pairwise_distances(x, metric=metric, device="cuda")
    x[2, 1], x[4, 2] = np.inf, np.nan
    with pytest.raises(ti.InputError, match=r"row 2 of x has a NaN or an infinity \(2 of 5"):
        ti.knn_graph(x, 1, device="cuda")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("budget", [2 << 30, 480_000])
def test_a_store_of_sixteen_bits_is_streamed_as_it_lies(device, tmp_path, dtype, budget):
    """Its rows are deviations from an offset, which is added on the device: the bits of the decoded points."""
    torch = pytest.importorskip("torch")
    x, model = torch.from_numpy(100 + hard_cloud(700, 40)), torch.nn.Sequential(torch.nn.Identity())
    ti.capture(model, x, "*", rows=ti.every_row(), dtype=dtype, out=tmp_path / "store", progress=False)
    cloud = ti.open_store(tmp_path / "store")["0"]
    points = np.array(cloud.points)
    whole = ti.pairwise_distances(points, metric="manhattan", device="cuda")
    device.take_copied()
    indices = ti.knn_graph(points, 3, device="cuda").indices
    copied = device.take_copied()
    assert np.array_equal(ti.knn_graph(cloud, 3, device="cuda").indices, indices)
    assert copied - device.take_copied() >= 2 * points.size
    device.set_memory(budget)
    assert np.array_equal(ti.pairwise_distances(cloud, metric="manhattan", device="cuda"), whole)
    assert len(pickle.dumps(cloud)) < 1.2 * points.nbytes  # the points alone go to other processes
    part = ti.pairwise_distances(cloud.take(np.arange(9)), metric="manhattan", device="cuda")  # no longer what is stored
    assert np.array_equal(part, ti.pairwise_distances(points[:9], metric="manhattan", device="cuda"))


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
