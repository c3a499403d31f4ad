"""Max-T keeps the family-wise error, has the power that min-P has not, and Benjamini-Hochberg agrees with scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import false_discovery_control, kstest

from topo_interp import InputError
from topo_interp.inference.multiple import benjamini_hochberg, max_t


def dependent(rng, draws: int, tests: int) -> np.ndarray:
    """Neighboring tests resemble each other, and each has its own scale."""
    shared = rng.normal(size=(draws, 1))
    return (shared + rng.normal(size=(draws, tests))) * 10.0 ** np.linspace(-3, 3, tests)


@pytest.mark.parametrize("draws", [19, 39])
def test_the_smallest_adjusted_p_value_is_uniform_under_the_null(draws):
    rng = np.random.default_rng(0)
    smallest = []
    for _ in range(1500):
        values = dependent(rng, draws + 1, 12)
        smallest.append(max_t(values[0], values[1:]).p_values.min())
    smallest = np.array(smallest)
    spread = smallest - rng.uniform(0, 1 / (draws + 1), len(smallest))
    assert kstest(spread, "uniform").pvalue > 0.01
    # The 5 % level is on the grid of both numbers of draws.
    assert abs((smallest <= 0.05 + 1e-9).mean() - 0.05) < 3 * np.sqrt(0.05 * 0.95 / 1500)


def test_uncorrected_p_values_would_fail_the_same_test():
    rng = np.random.default_rng(1)
    smallest = []
    for _ in range(300):
        values = rng.normal(size=(40, 12))
        smallest.append(max_t(values[0], values[1:]).unadjusted.min())
    assert (np.array(smallest) <= 0.05).mean() > 0.3


def min_p(values, null_values) -> np.ndarray:
    together = np.concatenate((values[None], null_values))
    ranks = (together[:, None] <= together[None]).sum(axis=1) / len(together)
    smallest = ranks.min(axis=1)
    return (smallest[None, :] <= ranks[0][:, None]).mean(axis=1)


def test_one_effect_of_six_sd_among_78_tests_is_found_by_max_t_and_not_by_min_p():
    rng = np.random.default_rng(2)
    found, found_by_min_p = [], []
    for _ in range(50):
        values = rng.normal(size=(100, 78))
        values[0, 5] = 6.0
        found.append(max_t(values[0], values[1:]).p_values[5] <= 0.05)
        found_by_min_p.append(min_p(values[0], values[1:])[5] <= 0.05)
    assert np.mean(found) == 1.0
    assert np.mean(found_by_min_p) == 0.0


def test_the_scale_of_a_test_does_not_matter():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(40, 5))
    scales, shifts = 2.0 ** np.arange(-20, 20, 8), 4.0 * np.arange(5)
    one = max_t(values[0], values[1:])
    two = max_t(values[0] * scales + shifts, values[1:] * scales + shifts)
    np.testing.assert_array_equal(one.p_values, two.p_values)
    np.testing.assert_allclose(one.t, two.t, rtol=1e-6)


def test_a_statistic_that_never_changes_is_no_evidence_and_harms_no_other():
    rng = np.random.default_rng(4)
    values = rng.normal(size=(40, 2))
    values[0, 0] = 8.0
    padded = np.column_stack((values, np.zeros(40), np.full(40, 0.1)))
    result = max_t(padded[0], padded[1:])
    np.testing.assert_array_equal(result.p_values[:2], max_t(values[0], values[1:]).p_values)
    assert result.t[2:].tolist() == [0.0, 0.0] and result.p_values[2:].tolist() == [1.0, 1.0]
    assert result.tests == 4 and "1 of 4 tests" in result.explain()


def test_max_t_by_hand():
    result = max_t([3.0], [[1.0], [2.0], [3.0]])
    assert result.p_values.tolist() == result.unadjusted.tolist() == [0.5]  # 3.0 is reached once in three draws
    assert (result.null_mean[0], result.null_sd[0]) == (2.0, 1.0)


def test_max_t_checks_its_input():
    with pytest.raises(InputError, match=r"\(tests,\) and \(draws, tests\)"):
        max_t([1.0, 2.0], [[1.0]])
    with pytest.raises(InputError, match="test 1: finite"):
        max_t([1.0, 2.0], [[1.0, np.nan], [0.0, 0.0]])
    with pytest.raises(InputError, match="there is no test"):
        max_t([], np.empty((3, 0)))


def test_benjamini_hochberg_agrees_with_scipy():
    rng = np.random.default_rng(5)
    for size in (1, 2, 17):
        p = rng.uniform(size=size) ** 2
        np.testing.assert_allclose(benjamini_hochberg(p), false_discovery_control(p), rtol=1e-12)
    with pytest.raises(InputError, match="between 0 and 1"):
        benjamini_hochberg([0.5, 1.5])
