"""Distances between diagrams against assignment oracles, their laws, and what happens to open bars."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import topo_interp as ti

INFINITE = math.inf


def brute_wasserstein(a, b, order):
    """The best matching by trying all of them: every bar of b goes to a bar of a or to the diagonal."""
    best = INFINITE
    slots = list(range(len(a))) + [-1] * len(b)
    for choice in set(itertools.permutations(slots, len(b))):
        costs = []
        for (birth, death), i in zip(b, choice, strict=True):
            costs.append((death - birth) / 2 if i < 0 else max(abs(birth - a[i][0]), abs(death - a[i][1])))
        costs += [(d - c) / 2 for i, (c, d) in enumerate(a) if i not in choice]
        total = max(costs, default=0.0) if order == INFINITE else sum(c**order for c in costs) ** (1 / order)
        best = min(best, total)
    return best


bars = st.lists(
    st.tuples(st.integers(0, 8), st.integers(1, 8)).map(lambda pair: (pair[0] / 4, (pair[0] + pair[1]) / 4)), max_size=4
)


def diagrams(pairs) -> ti.Diagrams:
    return ti.Diagrams.from_bars([[(0, INFINITE)], pairs])


@settings(max_examples=60, deadline=None)
@given(bars, bars)
def test_against_all_matchings(a, b):
    first, second = diagrams(a), diagrams(b)
    assert ti.bottleneck(first, second, dim=1).value == pytest.approx(brute_wasserstein(a, b, INFINITE), abs=1e-12)
    for order in (1, 2):
        assert ti.wasserstein(first, second, dim=1, order=order).value == pytest.approx(brute_wasserstein(a, b, order), abs=1e-7)


@settings(max_examples=40, deadline=None)
@given(bars, bars)
def test_the_matching_has_the_cost_of_the_distance(a, b):
    first, second = diagrams(a), diagrams(b)
    one = ti.match_bars(first, second, dim=1)
    assert one["cost"].sum() == pytest.approx(ti.wasserstein(first, second, dim=1).value, abs=1e-7)
    widest = ti.match_bars(first, second, dim=1, order=INFINITE)
    largest = widest["cost"].max() if len(widest) else 0.0
    assert largest == pytest.approx(ti.bottleneck(first, second, dim=1).value, abs=1e-12)
    for frame in (one, widest):
        assert sorted(frame["a"][frame["a"] >= 0]) == list(range(len(a)))
        assert sorted(frame["b"][frame["b"] >= 0]) == list(range(len(b)))


@settings(max_examples=40, deadline=None)
@given(bars, bars)
def test_landscapes_are_stable_and_betti_curves_exact(a, b):
    first, second = diagrams(a), diagrams(b)
    found = ti.landscape_distance(first, second, dim=1)
    assert found.value <= ti.bottleneck(first, second, dim=1).value + 1e-12
    grid = np.arange(0, 5, 1 / 64) + 1 / 128
    curves = [sum(((grid >= x) & (grid < y)).astype(int) for x, y in pairs) + 0 * grid for pairs in (a, b)]
    assert ti.betti_distance(first, second, dim=1).value == pytest.approx(np.abs(curves[0] - curves[1]).sum() / 64)


def test_sliced_wasserstein_of_one_bar_against_an_integral():
    """SW of {(0, 2)} and {} is the mean over directions of the distance from the bar to its diagonal point."""
    angle = -np.pi / 2 + (np.arange(100000) + 0.5) * np.pi / 100000
    want = np.mean(np.abs((0 - 1) * np.cos(angle) + (2 - 1) * np.sin(angle)))
    found = ti.sliced_wasserstein(diagrams([(0, 2)]), diagrams([]), dim=1, directions=500)
    assert found.value == pytest.approx(want, rel=0.01)


@pytest.mark.parametrize("seed", range(5))
def test_stability_against_the_matrices(seed):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(30, 3))
    moved = points + rng.normal(scale=0.05, size=points.shape)
    one, two = (ti.DistanceMatrix.from_points(p) for p in (points, moved))
    gap = float(np.abs(one.condensed.astype(float) - two.condensed).max())
    recipe = ti.Rips(max_dim=1)
    for dim in (0, 1):
        found = ti.bottleneck(recipe(one), recipe(two), dim=dim)
        assert 0 < found.value <= gap
        assert found.certified[0] <= found.value <= found.certified[1]


def test_hera_agrees_with_the_linear_programme_and_says_that_it_ran():
    rng = np.random.default_rng(0)
    births = rng.random((2, 2100))
    many = [diagrams(np.column_stack((b, b + rng.random(2100) / 20))) for b in births]
    found = ti.wasserstein(*many, dim=1)
    assert found.relative_error == 1e-6
    few = [diagrams(d[1][:300]) for d in many]
    exact = ti.wasserstein(*few, dim=1)
    assert exact.relative_error == 0.0
    from gudhi.hera import wasserstein_distance

    approximate = wasserstein_distance(few[0].finite(1), few[1].finite(1), order=1.0, internal_p=np.inf, delta=1e-6)
    assert approximate == pytest.approx(exact.value, rel=1e-5)


def test_open_bars_match_open_bars_or_nothing():
    one, two = ti.Diagrams.from_bars([[(0, INFINITE)]]), ti.Diagrams.from_bars([[(0.5, INFINITE)]])
    assert ti.bottleneck(one, two, dim=0).value == 0.5
    assert ti.wasserstein(one, two, dim=0).value == 0.5
    none = ti.Diagrams.from_bars([[(0, 1)]])
    for distance in (ti.bottleneck, ti.wasserstein, ti.sliced_wasserstein, ti.betti_distance, ti.landscape_distance):
        assert distance(one, none, dim=0).value == INFINITE
    with pytest.raises(ti.InputError, match="no matching has finite cost"):
        ti.match_bars(one, none, dim=0)


def test_different_cuts_do_not_compare():
    points = np.random.default_rng(0).normal(size=(20, 2))
    cut, whole = ti.Rips(max_dim=1, threshold=0.5)(points), ti.Rips(max_dim=1)(points)
    with pytest.raises(ti.InputError, match="cut at 0.5 and the other at None"):
        ti.bottleneck(cut, whole, dim=1)


def test_wrong_arguments():
    d = diagrams([(0, 1)])
    with pytest.raises(ti.InputError, match="Diagrams are needed"):
        ti.bottleneck(d, [(0, 1)], dim=1)
    with pytest.raises(ti.InputError, match="order is 0.5"):
        ti.wasserstein(d, d, dim=1, order=0.5)
    with pytest.raises(ti.InputError, match="order is 0.5"):
        ti.match_bars(d, d, dim=1, order=0.5)
