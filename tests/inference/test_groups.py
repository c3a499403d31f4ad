"""Tests of two groups of diagrams: level, power, and statistics checked against slow twins."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import kstest

import topo_interp as ti
from topo_interp import Diagrams, InputError
from topo_interp.inference.groups import _permuted, mmd_test, permutation_test, scale_space_kernel


def noise_diagram(rng, bars: int = 6, longest: float = 0.0) -> Diagrams:
    birth = rng.uniform(0, 1, bars)
    pairs = np.column_stack((birth, birth + rng.exponential(0.2, bars)))
    if longest:
        pairs = np.concatenate((pairs, [[0.5, 0.5 + longest]]))
    return Diagrams.from_bars([[], pairs])


def groups(rng, longest: float = 0.0, size: int = 6):
    return [noise_diagram(rng) for _ in range(size)], [noise_diagram(rng, longest=longest) for _ in range(size)]


@pytest.mark.parametrize("test", [permutation_test, mmd_test])
def test_p_values_are_uniform_for_equal_groups(test):
    rng = np.random.default_rng(0)
    p = np.array([test(*groups(rng, size=4), draws=19, seed=k).p_value for k in range(120)])
    spread = p - rng.uniform(0, 1 / 20, len(p))
    assert kstest(spread, "uniform", alternative="greater").pvalue > 0.01  # too many small p-values
    assert kstest(spread, "uniform").pvalue > 1e-3  # ties of the 70 different splittings make it slightly conservative


@pytest.mark.parametrize("test", [permutation_test, mmd_test])
def test_a_long_bar_in_one_group_is_found(test):
    result = test(*groups(np.random.default_rng(1), longest=2.0), draws=999, seed=0)
    # Of the 924 splittings about 21 give this MMD or more: p = 0.023 with a deviation of 0.005 over the draws.
    assert result.p_value <= 0.035 and result.sizes == (6, 6) and result.smallest_p == 0.001
    assert f"p = {result.p_value:.3g}" in result.explain()


@pytest.mark.parametrize("distance", ["wasserstein", "bottleneck"])
def test_the_loss_by_hand(distance):
    """Single bars: the distance is the larger of both shifts, if that is cheaper than the diagonal."""
    ends = [2.0, 2.1, 2.4, 3.0, 3.05]
    a, b = [Diagrams.from_bars([[], [(0.0, end)]]) for end in ends[:3]], [Diagrams.from_bars([[], [(0.0, end)]]) for end in ends[3:]]
    result = permutation_test(a, b, distance=distance, q=2, draws=9, seed=0)
    within_a = 2 * (0.1**2 + 0.4**2 + 0.3**2) / (3 * 2)
    within_b = 2 * 0.05**2 / (2 * 1)
    assert result.value == pytest.approx(0.5 * (within_a + within_b), rel=1e-6)


def slow_kernel(a, b, sigma):
    total = 0.0
    for p0, p1 in a:
        for q0, q1 in b:
            total += math.exp(-((p0 - q0) ** 2 + (p1 - q1) ** 2) / (8 * sigma))
            total -= math.exp(-((p0 - q1) ** 2 + (p1 - q0) ** 2) / (8 * sigma))
    return total / (8 * math.pi * sigma)


def test_the_kernel_agrees_with_its_slow_twin_and_vanishes_on_the_diagonal():
    rng = np.random.default_rng(2)
    a, b = (noise_diagram(rng, bars)[1] for bars in (5, 7))
    assert scale_space_kernel(a, b, 0.3) == pytest.approx(slow_kernel(a, b, 0.3), rel=1e-12)
    assert scale_space_kernel(a, b, 0.3) == pytest.approx(scale_space_kernel(b, a, 0.3), rel=1e-12)
    assert scale_space_kernel(a, np.array([[1.0, 1.0]]), 0.3) == pytest.approx(0, abs=1e-15)
    assert scale_space_kernel(a, np.empty((0, 2)), 0.3) == 0


def test_the_mmd_agrees_with_its_slow_twin():
    rng = np.random.default_rng(3)
    a, b = groups(rng, size=3)
    pairs = [diagrams[1] for diagrams in (*a, *b)]
    gram = np.array([[slow_kernel(p, q, 0.2) for q in pairs] for p in pairs])
    gram = np.exp(gram / gram.diagonal().max())
    inside = [np.mean([gram[i, j] for i in rows for j in rows if i != j]) for rows in (range(3), range(3, 6))]
    across = np.mean([gram[i, j] for i in range(3) for j in range(3, 6)])
    assert mmd_test(a, b, sigma=0.2, draws=3, seed=0).value == pytest.approx(sum(inside) - 2 * across, rel=1e-9)


def test_empty_diagrams_are_diagrams():
    empty = [Diagrams.from_bars([[], []])] * 3
    loops = [Diagrams.from_bars([[], [(0.0, 1.0 + k / 10)]]) for k in range(3)]
    for test in (permutation_test, mmd_test):
        assert test(empty, loops, draws=99, seed=0).p_value < 0.25  # 2 of 20 splittings separate them
        assert test(empty, empty, draws=19, seed=0).p_value == 1.0


def test_clouds_with_and_without_a_loop():
    rng = np.random.default_rng(4)
    angles = rng.uniform(0, 2 * np.pi, (5, 40))
    circles = [ti.Rips()(np.column_stack((np.cos(a), np.sin(a)))) for a in angles]
    blobs = [ti.Rips()(rng.normal(size=(40, 2))) for _ in range(5)]
    assert permutation_test(circles, blobs, draws=199, seed=0).p_value < 0.03
    assert mmd_test(circles, blobs, draws=199, seed=0).p_value < 0.03


def test_arguments_are_checked():
    a, b = groups(np.random.default_rng(5), size=2)
    with pytest.raises(InputError, match="at least two Diagrams each"):
        permutation_test(a, b[:1], seed=0)
    with pytest.raises(InputError, match="'wasserstein' or 'bottleneck'"):
        permutation_test(a, b, distance="sliced", seed=0)
    with pytest.raises(InputError, match="cut by a threshold"):
        mmd_test(a, [*b, Diagrams.from_bars([[], [(0.5, math.inf)]], censored_at=1.0)], seed=0)
    for wrong in ({"q": math.nan}, {"q": -1}, {"order": math.nan}, {"order": -1}, {"order": 0.5}, {"draws": 0}, {"seed": 1.5}):
        (name,) = wrong
        with pytest.raises(InputError, match=f"{name} is {wrong[name]}; a (finite|whole) number"):
            permutation_test(a, b, **{"seed": 0, "draws": 9, **wrong})
    for sigma in (0.0, math.inf, math.nan):
        with pytest.raises(InputError, match=f"sigma is {sigma}; a finite number > 0 is needed"):
            mmd_test(a, b, sigma=sigma, seed=0)


def test_permutations_share_no_random_numbers_with_data_of_the_same_seed():
    seen = []
    _permuted(lambda labels: float(seen.append(labels.tolist()) or 0), 8, 8, 5, 7, small=False, method="")
    rng, labels = np.random.default_rng(7), np.arange(16) < 8
    assert len(seen) == 6 and not any(rng.permutation(labels).tolist() in seen for _ in range(5))
