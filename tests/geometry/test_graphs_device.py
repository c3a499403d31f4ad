"""Spanning tree and farthest points of the device: the code run by the CPU against scipy and the package's own, exactly."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse.csgraph import minimum_spanning_tree

import topo_interp as ti
from topo_interp import _cuda_host
from topo_interp._native import cuda_device

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
    source, expected = _cuda_host.matrix_source(given.condensed, given.n), ti.spanning_tree(given)
    for blocks in BLOCKS if given.n < 60 else BLOCKS[:-1]:
        edges, lengths, work = _cuda_host.spanning_tree(source, **blocks)
        np.testing.assert_array_equal(edges, expected.edges)
        np.testing.assert_array_equal(lengths, expected.lengths)
        assert 1 <= work["rounds"] <= max(1, int(np.log2(given.n)))  # a round halves the components at least
    square = given.square().astype(float)
    if (square + np.eye(given.n)).min() > 0:  # scipy takes a zero for a missing edge
        assert minimum_spanning_tree(square).sum() == pytest.approx(lengths.astype(float).sum(), rel=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_farthest_points_of_the_cpu(seed):
    given = matrix(seed)
    source = _cuda_host.matrix_source(given.condensed, given.n)
    for k, start in ((1, 0), (max(1, given.n // 2), given.n - 1), (given.n, 1)):
        expected = ti.farthest_points(given, k, start)
        found = _cuda_host.farthest_points(source, k, start, *NONE_YET)
        for ours, theirs in zip(found, (expected.indices, expected.insertion_radii, expected.nearest, expected.distances), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_farthest_points_go_on_from_earlier_ones():
    given = matrix(1)
    source = _cuda_host.matrix_source(given.condensed, given.n)
    first = _cuda_host.farthest_points(source, 5, 2, *NONE_YET)
    more, at_once = _cuda_host.farthest_points(source, 11, 0, *first), _cuda_host.farthest_points(source, 11, 2, *NONE_YET)
    for ours, theirs in zip(more, at_once, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(ValueError, match="other points"):
        _cuda_host.farthest_points(_cuda_host.matrix_source(given.condensed[:10], 5), 5, 0, *first)


def test_runs_of_rows_longer_than_one():
    points = np.random.default_rng(0).integers(0, 9, (5000, 1)).astype(np.float32)  # two runs of 4096, nine different rows
    given = ti.DistanceMatrix.from_points(points)
    source, expected = _cuda_host.matrix_source(given.condensed, given.n), ti.farthest_points(given, 12)
    np.testing.assert_array_equal(_cuda_host.farthest_points(source, 12, 0, *NONE_YET)[0], expected.indices)


def test_wrong_arguments_are_errors():
    given = matrix(0)
    source = _cuda_host.matrix_source(given.condensed, given.n)
    for call in (
        lambda: _cuda_host.matrix_source(given.condensed, given.n + 1),
        lambda: _cuda_host.matrix_source(given.condensed, given.n, 3),
        lambda: _cuda_host.spanning_tree(source, block_rows=0),
        lambda: _cuda_host.farthest_points(source, given.n + 1, 0, *NONE_YET),
        lambda: _cuda_host.farthest_points(source, 1, given.n, *NONE_YET),
    ):
        with pytest.raises(ValueError):
            call()


def test_distances_that_are_no_numbers_end():
    with pytest.raises(RuntimeError, match="not numbers"):
        _cuda_host.spanning_tree(_cuda_host.matrix_source(np.full(3, np.nan, np.float32), 3))


@pytest.mark.cuda
def test_the_device_finds_what_the_emulation_finds():
    kernels = cuda_device(0)
    for seed in range(20):
        given = matrix(seed)
        ours, theirs = (each.matrix_source(given.condensed, given.n) for each in (kernels, _cuda_host))
        for a, b in zip(kernels.spanning_tree(ours)[:2], _cuda_host.spanning_tree(theirs)[:2], strict=True):
            np.testing.assert_array_equal(a, b)
        found = kernels.farthest_points(ours, given.n, 0, *NONE_YET), _cuda_host.farthest_points(theirs, given.n, 0, *NONE_YET)
        for a, b in zip(*found, strict=True):
            np.testing.assert_array_equal(a, b)
