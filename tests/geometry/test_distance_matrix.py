"""Half of the square, bit for bit that of pairwise_distances, with a bound that holds and is small."""

from __future__ import annotations

import dataclasses
import importlib.util
import pickle
from decimal import Decimal, localcontext
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import squareform

import topo_interp as ti
from topo_interp._native import cpu

# The clouds and the float64 oracle of the distances.
_spec = importlib.util.spec_from_file_location("distance_oracle", Path(__file__).with_name("test_distances.py"))
assert _spec and _spec.loader
oracle = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(oracle)


@pytest.mark.parametrize("metric", oracle.METRICS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bits_are_those_of_pairwise_distances(metric, dtype):
    for n in (1, 2, 3, 191, 192, 193, 450):
        x = oracle.cloud("clusters", n, 40).astype(dtype)
        square = ti.pairwise_distances(x, metric=metric).astype(np.float32)
        dm = ti.DistanceMatrix.from_points(x, metric=metric, threads=3)
        assert dm.condensed.dtype == np.float32 and dm.n == len(dm) == n and dm.metric.name == metric
        assert dm.condensed.tobytes() == squareform(square, checks=False).tobytes()
        assert dm.square().tobytes() == square.tobytes()


@pytest.mark.parametrize("metric", oracle.METRICS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rounding_bounds_the_error_on_hard_clouds(metric, dtype):
    for kind in oracle.HARD:
        for d in (3, 97, 768):
            x = oracle.cloud(kind, 150, d).astype(dtype) * dtype(1.1)
            dm = ti.DistanceMatrix.from_points(x, metric=metric)
            truth = squareform(oracle.exact(x, x, metric), checks=False)
            error = np.abs(dm.condensed - truth).max()
            assert error <= dm.rounding, (kind, d)


SMALLEST = 2.0**-149
TINY = [
    ("euclidean", np.array([[0, 0], [SMALLEST, SMALLEST], [SMALLEST, 4 * SMALLEST]], dtype=np.float32)),
    ("sqeuclidean", np.array([[1e-35, 0], [0, 3e-35], [0, 0]], dtype=np.float32)),
    ("euclidean", np.array([[1, 0, 0], [1, 1e-200, 0], [1, 3e-162, 2e-162]])),  # squares below the range of float64
    ("sqeuclidean", np.array([[1, 0, 0], [1, 1e-200, 0], [1, 3e-162, 2e-162]])),
    ("euclidean", np.array([[5e-324, 0], [0, 5e-324], [0, 0]])),
    ("sqeuclidean", np.array([[1e-277, 0], [0, 1e-277], [0, 0]])),
]


@pytest.mark.parametrize(("metric", "x"), TINY)
def test_rounding_bounds_the_error_below_the_normal_numbers(metric, x):
    matrix, graph = ti.DistanceMatrix.from_points(x, metric), ti.radius_graph(x, 9.0, metric=metric)
    assert graph.pairs == 3
    with localcontext() as context:
        context.prec = 2000
        rows = [[Decimal(float(entry)) for entry in row] for row in x]
        pairs = [(0, 1), (0, 2), (1, 2)]
        squares = {(i, j): sum((a - b) ** 2 for a, b in zip(rows[i], rows[j], strict=True)) for i, j in pairs}
        exact = {pair: square if metric == "sqeuclidean" else square.sqrt() for pair, square in squares.items()}
        for found, rounding in ((matrix.square(), matrix.rounding), (graph.csr().toarray(), graph.rounding)):
            assert all(abs(Decimal(float(found[pair])) - exact[pair]) <= Decimal(rounding) for pair in exact), rounding


@pytest.mark.parametrize("metric", oracle.METRICS)
def test_rounding_is_small_on_normal_data(metric):
    for d in (3, 768, 4096):
        dm = ti.DistanceMatrix.from_points(oracle.cloud("normal", 300, d), metric=metric)
        assert 0 < dm.rounding <= 1e-4 * dm.median()


def test_rounding_tells_what_a_loose_center_costs():
    # Offsets vanish with the center; one far outlier does not, and the bound says so.
    near, far = oracle.cloud("normal", 300, 64), oracle.cloud("normal", 300, 64)
    far[0] += 1e6
    bounds = [ti.DistanceMatrix.from_points(x).rounding for x in (near, near + np.float32(1024), far)]
    assert bounds[1] < 2 * bounds[0] and bounds[2] > 1e3 * bounds[0]


def test_no_square_is_made():
    import tracemalloc

    x = np.zeros((2000, 2), dtype=np.float32)
    tracemalloc.start()
    ti.DistanceMatrix.from_points(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 4 * 1999 * 1000 <= peak < 1.6 * 4 * 1999 * 1000  # half of the square, and masks of a byte an entry


@pytest.mark.parametrize("scale", [1e-200, 1e-60, 1e35, 1e200])
def test_scales_beyond_float32(scale):
    x = np.random.default_rng(0).standard_normal((20, 5)) * scale
    if scale > 1e38:
        with pytest.raises(ti.InputError, match="distance of rows 0 and 1 is inf.*float32 holds up to 3.4e38"):
            ti.DistanceMatrix.from_points(x)
        return
    dm = ti.DistanceMatrix.from_points(x)
    truth = squareform(oracle.exact(x / scale, x / scale, "euclidean"), checks=False) * scale
    assert np.abs(dm.condensed - truth).max() <= dm.rounding
    assert dm.rounding <= max(1e-6 * truth.max(), 2.0**-148)


def test_from_dense():
    square = oracle.exact(*2 * (oracle.cloud("normal", 40, 3),), "euclidean")
    square = (square + square.T) / 2
    dm = ti.DistanceMatrix.from_dense(square, metric="geodesic")
    assert dm.metric == "geodesic" and dm.n == 40
    assert (dm.square() == square.astype(np.float32)).all()
    assert dm.rounding == np.abs(square.astype(np.float32) - square).max() > 0
    assert ti.DistanceMatrix.from_dense(square.astype(np.float32)).rounding == 0
    assert ti.DistanceMatrix.from_dense([[0]]).condensed.shape == (0,)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: ti.DistanceMatrix.from_dense([[0, 1, 2], [1, 0, 3]]), r"shape \(2, 3\); as many rows as columns"),
        (lambda: ti.DistanceMatrix.from_dense([[0, 1], [1, 0.5]]), "diagonal entry of row 1 is 0.5"),
        (lambda: ti.DistanceMatrix.from_dense([[0, 1], [2, 0]]), r"entries \(0, 1\) and \(1, 0\) differ: 1.0 and 2.0; symm"),
        (lambda: ti.DistanceMatrix.from_dense([[0, -1], [-1, 0]]), "rows 0 and 1 is -1.0; finite distances >= 0"),
        (lambda: ti.DistanceMatrix.from_dense([[0, np.nan], [np.nan, 0]]), "row 0 of square has a NaN"),
        (lambda: ti.DistanceMatrix(np.zeros(3), 3), "dtype float64 and shape .*float32 of shape"),
        (lambda: ti.DistanceMatrix(np.zeros(4, np.float32), 3), r"shape \(4,\); float32 of shape \(3,\)"),
        (lambda: ti.DistanceMatrix(np.array([1, 2, np.nan], np.float32), 3), "rows 1 and 2 is nan"),
        (lambda: ti.DistanceMatrix(np.zeros(0, np.float32), 0), "n is 0"),
        (lambda: ti.DistanceMatrix(np.zeros(1, np.float32), 2, rounding=-1.0), "rounding is -1.0"),
        (lambda: ti.DistanceMatrix(np.zeros(1, np.float32), 2, rounding=np.nan), "rounding is nan"),
        (lambda: ti.DistanceMatrix.from_points([[0.0], [1.0]], metric="cosine"), "row 0 of x is zero"),
        (lambda: ti.DistanceMatrix.from_points([[0.0]]).take([]), "at least one point"),
    ],
)
def test_bad_input_gets_an_error_that_says_what_to_do(make, message):
    with pytest.raises(ti.InputError, match=message):
        make()


def test_a_bad_entry_is_named_by_its_rows():
    for n in (2, 5, 9):
        rows = np.argwhere(np.triu(np.ones((n, n)), 1))
        for position, (i, j) in enumerate(rows):
            condensed = np.ones(len(rows), dtype=np.float32)
            condensed[position] = np.inf
            with pytest.raises(ti.InputError, match=f"rows {i} and {j} is inf"):
                ti.DistanceMatrix(condensed, n)


def test_take_median_and_digest():
    dm = ti.DistanceMatrix.from_points(oracle.cloud("normal", 30, 4))
    square = dm.square()
    for index in ([3, 1, 1, 29], np.arange(30)[::-1], np.arange(30) % 2 == 0, [-1, 0], [7]):
        taken = dm.take(index)
        assert (taken.square() == square[index][:, index]).all()
        assert taken.rounding == dm.rounding and taken.metric == dm.metric
    assert dm.median() == np.median(square[np.triu_indices(30, 1)])
    assert dm.take([4]).median() == 0.0
    other = ti.DistanceMatrix(np.nextafter(dm.condensed, np.float32(9)), 30)
    assert dm.digest() == ti.DistanceMatrix(dm.condensed.copy(), 30).digest() != other.digest()


def test_it_is_a_frozen_value():
    dm = ti.DistanceMatrix.from_points(oracle.cloud("normal", 5, 4))
    with pytest.raises(ValueError, match="read-only"):
        dm.condensed[0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        dm.n = 4
    again = pickle.loads(pickle.dumps(dm))
    assert again.digest() == dm.digest() and again.rounding == dm.rounding
    assert repr(dm).startswith("DistanceMatrix(n=5, metric='euclidean', rounding=")


@pytest.mark.parametrize("count", [1, 2, 3, 262143, 262144, 262145])
def test_the_median_kernel_has_the_bits_of_numpy(count):
    rng = np.random.default_rng(count)
    for values in (rng.random(count), rng.integers(0, 3, count), rng.random(count) ** 30, np.zeros(count)):
        values = values.astype(np.float32)
        for threads in (1, 2, 5):
            assert cpu.median(values, threads) == float(np.median(values))
