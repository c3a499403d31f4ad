"""Spanning tree and farthest points of the device: the code run by the CPU against scipy and the package's own, exactly."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse.csgraph import minimum_spanning_tree

import topo_interp as ti
from topo_interp._native import cuda_device

_cuda_host = pytest.importorskip("topo_interp._cuda_host", reason="this build has no emulated device")

NONE_YET = (np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0, np.int64), np.empty(0, np.float32))
BLOCKS = [{}, {"block_rows": 7, "block_columns": 16}, {"block_rows": 40, "block_columns": 13}, {"block_rows": 1, "block_columns": 1}]


def matrix(seed: int) -> ti.DistanceMatrix:
    """Ties in every second one, duplicates in every fourth, no metric in every fifth."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 120))
    points = rng.integers(0, 5, (n, 3)) if seed % 2 else rng.normal(size=(n, 3))
    if seed % 4 == 3:
        points = np.repeat(points, 2, axis=0)
    found = ti.DistanceMatrix.from_points(points.astype(np.float32))
    if seed % 5 == 4:
        square = np.triu(rng.random((n, n)), 1).astype(np.float32)
        found = ti.DistanceMatrix.from_dense(square + square.T)
    return found


@pytest.mark.parametrize("seed", range(20))
def test_the_tree_of_the_cpu_and_the_weight_of_scipy(seed):
    given = matrix(seed)
    source, expected = (given.condensed, given.n), ti.spanning_tree(given)
    for blocks in BLOCKS if given.n < 60 else BLOCKS[:-1]:
        edges, lengths, work, _ = _cuda_host.spanning_tree_of_matrix(*source, **blocks)
        np.testing.assert_array_equal(edges, expected.edges)
        np.testing.assert_array_equal(lengths, expected.lengths)
        assert 1 <= work["rounds"] <= max(1, int(np.log2(given.n)))  # a round halves the components at least
    square = given.square().astype(float)
    if (square + np.eye(given.n)).min() > 0:  # scipy takes a zero for a missing edge
        assert minimum_spanning_tree(square).sum() == pytest.approx(lengths.astype(float).sum(), rel=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_farthest_points_of_the_cpu(seed):
    given = matrix(seed)
    source = (given.condensed, given.n)
    for k, start in ((1, 0), (max(1, given.n // 2), given.n - 1), (given.n, 1)):
        expected = ti.farthest_points(given, k, start)
        *found, _ = _cuda_host.farthest_points_of_matrix(*source, k, start, *NONE_YET)
        for ours, theirs in zip(found, (expected.indices, expected.insertion_radii, expected.nearest, expected.distances), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_farthest_points_go_on_from_earlier_ones():
    given = matrix(1)
    source = (given.condensed, given.n)
    *first, _ = _cuda_host.farthest_points_of_matrix(*source, 5, 2, *NONE_YET)
    more, at_once = _cuda_host.farthest_points_of_matrix(*source, 11, 0, *first), _cuda_host.farthest_points_of_matrix(*source, 11, 2, *NONE_YET)
    for ours, theirs in zip(more, at_once, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(ValueError, match="other points"):
        _cuda_host.farthest_points_of_matrix(given.condensed[:10], 5, 5, 0, *first)


def test_runs_of_rows_longer_than_one():
    points = np.random.default_rng(0).integers(0, 9, (5000, 1)).astype(np.float32)  # two runs of 4096, nine different rows
    given = ti.DistanceMatrix.from_points(points)
    source, expected = (given.condensed, given.n), ti.farthest_points(given, 12)
    np.testing.assert_array_equal(_cuda_host.farthest_points_of_matrix(*source, 12, 0, *NONE_YET)[0], expected.indices)


def test_wrong_arguments_are_errors():
    given = matrix(0)
    source = (given.condensed, given.n)
    for call in (
        lambda: _cuda_host.spanning_tree_of_matrix(given.condensed, given.n + 1),
        lambda: _cuda_host.spanning_tree_of_matrix(given.condensed, given.n, 3),
        lambda: _cuda_host.spanning_tree_of_matrix(*source, block_rows=0),
        lambda: _cuda_host.farthest_points_of_matrix(*source, given.n + 1, 0, *NONE_YET),
        lambda: _cuda_host.farthest_points_of_matrix(*source, 1, given.n, *NONE_YET),
    ):
        with pytest.raises(ValueError):
            call()


def test_distances_that_are_no_numbers_end():
    with pytest.raises(RuntimeError, match="not numbers"):
        _cuda_host.spanning_tree_of_matrix(np.full(3, np.nan, np.float32), 3)


def clouds() -> list[np.ndarray]:
    """Integers with ties, where every engine has the same bits."""
    rng = np.random.default_rng(5)
    return [
        rng.integers(0, 6, (150, 3)).astype(np.float32),
        rng.integers(-40, 40, (300, 7)).astype(np.float64),
        np.repeat(rng.integers(0, 9, (60, 2)), 4, axis=0).astype(np.float32),
        np.array([[1.0], [4.0]], dtype=np.float32),
    ]


def assert_as_on_the_cpu() -> None:
    for points in clouds():
        for metric in ("euclidean", "manhattan"):
            ours, theirs = (ti.spanning_tree(points, metric=metric, device=device) for device in ("cuda", "cpu"))
            np.testing.assert_array_equal(ours.edges, theirs.edges)
            np.testing.assert_array_equal(ours.lengths, theirs.lengths)
            assert ours.lengths.dtype == points.dtype
            k = max(1, len(points) // 3)
            marks, expected = (ti.farthest_points(points, k, 1, metric=metric, device=device) for device in ("cuda", "cpu"))
            for name in ("indices", "insertion_radii", "nearest", "distances"):
                np.testing.assert_array_equal(getattr(marks, name), getattr(expected, name))
            more = ti.farthest_points(points, min(k + 3, len(points)), marks, metric=metric, device="cuda")
            np.testing.assert_array_equal(more.indices[:k], marks.indices)


def assert_minimal(seed: int) -> None:
    """For the distances that pairwise_distances computes on the same device."""
    points = np.random.default_rng(seed).normal(size=(400, 20)).astype(np.float32)
    square = ti.pairwise_distances(points, device="cuda")
    tree = ti.spanning_tree(points, device="cuda")
    expected = minimum_spanning_tree(square.astype(float))
    assert tree.lengths.astype(float).sum() == pytest.approx(expected.sum(), rel=1e-12)
    np.testing.assert_array_equal(tree.lengths, square[tree.edges[:, 0], tree.edges[:, 1]])
    marks = ti.farthest_points(points, 30, device="cuda")
    np.testing.assert_array_equal(marks.distances, square[:, marks.indices].min(axis=1))
    assert 0 < tree.rounding < 1e-4 and 0 < marks.rounding < 1e-4


@pytest.fixture
def emulated(monkeypatch):
    monkeypatch.setenv("TOPO_INTERP_CUDA_EMULATION", "1")


def test_points_of_integers_are_as_on_the_cpu(emulated):
    assert_as_on_the_cpu()


def test_minimal_for_the_distances_of_the_device(emulated):
    assert_minimal(0)


def test_too_little_memory_is_our_error(emulated):
    points = np.random.default_rng(0).normal(size=(3000, 8)).astype(np.float32)
    try:
        _cuda_host.set_memory(20_000)
        for call in (ti.spanning_tree, lambda x, device: ti.farthest_points(x, 5, device=device)):
            with pytest.raises(ti.BudgetError, match="of 3000 rows needs at least .* on 'cuda'"):
                call(points, device="cuda")
    finally:
        _cuda_host.set_memory(2 << 30)


@pytest.mark.cuda
def test_a_device_finds_what_the_cpu_finds():
    assert_as_on_the_cpu()
    assert_minimal(1)
    kernels = cuda_device(0)
    for seed in range(20):
        given = matrix(seed)
        for name, arguments in (("spanning_tree_of_matrix", ()), ("farthest_points_of_matrix", (given.n, 0, *NONE_YET))):
            ours, theirs = (getattr(each, name)(given.condensed, given.n, *arguments) for each in (kernels, _cuda_host))
            for a, b in zip(ours[:2], theirs[:2], strict=True):
                np.testing.assert_array_equal(a, b)
