"""Laws of Vietoris-Rips persistence, on random inputs: exact where mathematics is exact, bounded where it is bounded."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from oracle_matching import bottleneck
from scipy.sparse.csgraph import connected_components

import topo_interp as ti

QUICK = settings(max_examples=60, deadline=None, derandomize=True)


def _square(n: int, entries: np.ndarray) -> np.ndarray:
    square = np.zeros((n, n))
    square[np.triu_indices(n, 1)] = entries
    return square + square.T


@st.composite
def matrices(draw, largest=12, elements=None) -> ti.DistanceMatrix:
    """Any symmetric dissimilarity, also without the triangle inequality, often with ties and zeros."""
    n = draw(st.integers(1, largest))
    elements = elements or st.one_of(st.integers(0, 6).map(float), st.floats(0, 8, width=32, allow_subnormal=False))
    return ti.DistanceMatrix.from_dense(_square(n, draw(hnp.arrays(np.float64, n * (n - 1) // 2, elements=elements))))


recipes = st.builds(
    lambda max_dim, field, threshold: ti.Rips("precomputed", max_dim=max_dim, field=field, threshold=threshold),
    st.integers(0, 2),
    st.sampled_from([2, 3]),
    st.one_of(st.none(), st.integers(0, 8).map(float)),
)


@QUICK
@given(matrices(), recipes, st.randoms(use_true_random=False))
def test_the_order_of_the_points_does_not_matter(matrix, recipe, random):
    order = list(range(matrix.n))
    random.shuffle(order)
    assert ti.same_bars(recipe(matrix), recipe(matrix.take(order)))


@QUICK
@given(matrices(), recipes, st.integers(-20, 20))
def test_scaling_by_a_power_of_two_is_exact(matrix, recipe, power):
    factor = 2.0**power
    scaled = dataclasses.replace(matrix, condensed=matrix.condensed * np.float32(factor))
    wider = dataclasses.replace(recipe, threshold=None if recipe.threshold is None else recipe.threshold * factor)
    d, e = recipe(matrix), wider(scaled)
    by_hand = ti.Diagrams.from_bars([d[k] * factor for k in range(d.max_dim + 1)])
    assert ti.same_bars(e, by_hand) and e.scale == d.scale * factor


@QUICK
@given(matrices(), recipes)
def test_a_monotone_reparametrization_moves_every_bar_with_it(matrix, recipe):
    values = np.unique(np.concatenate((matrix.condensed, [0, 10]))).astype(np.float64)
    image = np.cumsum(np.concatenate(([0], 1 + np.arange(len(values) - 1) % 3)))  # strictly increasing integers, 0 to 0

    def phi(x):
        return np.where(np.isinf(x), np.inf, np.interp(np.where(np.isinf(x), 0, x), values, image))

    moved = dataclasses.replace(matrix, condensed=phi(matrix.condensed).astype(np.float32))
    whole = dataclasses.replace(recipe, threshold=None)
    d = whole(matrix)
    assert ti.same_bars(whole(moved), ti.Diagrams.from_bars([phi(d[k]) for k in range(d.max_dim + 1)]))


@QUICK
@given(st.data())
def test_diagrams_are_stable(data):
    """d_B <= sup |D - D'| for any two dissimilarities of the same points (Cohen-Steiner, Edelsbrunner, Harer 2007)."""
    one = data.draw(matrices(largest=8))
    shift = st.floats(-1, 1, width=32)
    noise = data.draw(hnp.arrays(np.float32, len(one.condensed), elements=shift))
    other = dataclasses.replace(one, condensed=np.maximum(one.condensed + noise, np.float32(0)))
    moved = float(np.abs(other.condensed.astype(np.float64) - one.condensed).max(initial=0))
    recipe = ti.Rips("precomputed", max_dim=2)
    d, e = recipe(one), recipe(other)
    for k in range(3):
        assert bottleneck(d.finite(k), e.finite(k)) <= moved * (1 + 1e-12)


def test_stability_is_attained_and_its_check_can_fail():
    recipe = ti.Rips("precomputed")
    far, near = (recipe(ti.DistanceMatrix.from_dense([[0, r], [r, 0]])) for r in (3.0, 2.5))
    assert bottleneck(far.finite(0), near.finite(0)) == 0.5


@QUICK
@given(
    hnp.arrays(np.float64, st.tuples(st.integers(2, 12), st.integers(1, 4)), elements=st.floats(-50, 50, width=32)),
    st.randoms(use_true_random=False),
)
def test_permuted_points_have_the_same_bars_within_rounding(points, random):
    order = list(range(len(points)))
    random.shuffle(order)
    d, e = ti.Rips(max_dim=1)(points), ti.Rips(max_dim=1)(points[order])
    for k in range(2):
        bound = d.certificate.bottleneck_bound + e.certificate.bottleneck_bound
        assert bottleneck(d.finite(k), e.finite(k)) <= bound


@QUICK
@given(matrices(), recipes)
def test_numbers_of_bars_add_up(matrix, recipe):
    d = recipe(matrix)
    # Each vertex starts a component; those that merge at 0 are no bars.
    assert len(d[0]) == connected_components(matrix.square() + np.eye(matrix.n) == 0)[0]
    assert d.essential(0).sum() == 1
    open_bars = int(np.isinf(d.death).sum())
    assert open_bars == 1 + sum(int(d.censored(k).sum()) for k in range(d.max_dim + 1))
    if d.censored_at is None:
        assert open_bars == 1


@pytest.mark.parametrize("step", [ti.centered(), ti.standardized(), ti.pca(2), ti.normalized(), ti.drop_top_coordinates(1)])
def test_steps_do_not_see_the_order_of_the_points(step):
    points = ti.shapes.noisy_circle(40, 0.3, 4, seed=8) + 0.5
    order = np.random.default_rng(0).permutation(len(points))
    assert step(points[order]) == pytest.approx(step(points)[order], abs=1e-12)
