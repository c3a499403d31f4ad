"""Rotations keep what they must keep, are Haar distributed, and act on the strata of a design separately."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from topo_interp import InputError
from topo_interp.inference.rotations import (
    Strata,
    draw_rotation,
    haar_orthogonal,
    plain_rotation,
    rotate_rows,
)


def crossed(a: int, b: int) -> list[tuple[str, np.ndarray]]:
    i, j = np.divmod(np.arange(a * b), b)
    return [("a", i), ("b", j)]


@pytest.mark.parametrize(("n", "d"), [(3, 1), (20, 4), (15, 40)])
def test_mean_and_covariance_stay_and_the_points_do_not(n, d):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 5
    y = rotate_rows(draw_rotation(Strata.of(n), rng), x)
    np.testing.assert_allclose(y.mean(axis=0), x.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(np.cov(y.T), np.cov(x.T), atol=1e-10 * np.abs(np.cov(x.T)).max())
    assert np.abs(y - x).max() > 0.1 * x.std()


def test_without_a_design_the_rotation_is_that_of_the_one_stratum():
    one, other = (make(np.random.default_rng(2)) for make in (lambda rng: plain_rotation(9, rng), lambda rng: draw_rotation(Strata.of(9), rng)))
    np.testing.assert_array_equal(one, other)
    with pytest.raises(InputError, match="1 row has no rotation"):
        plain_rotation(1, np.random.default_rng(0))


def test_the_matrix_is_orthogonal_and_fixes_the_ones_vector():
    q = draw_rotation(Strata.of(12, crossed(3, 4)), np.random.default_rng(1))
    np.testing.assert_allclose(q @ q.T, np.eye(12), atol=1e-12)
    np.testing.assert_allclose(q @ np.ones(12), np.ones(12), atol=1e-12)


def test_haar_in_the_plane_has_uniform_angles_and_both_orientations():
    rng = np.random.default_rng(2)
    draws = [haar_orthogonal(2, rng) for _ in range(2000)]
    angles = [np.arctan2(q[1, 0], q[0, 0]) for q in draws]
    assert kstest(angles, "uniform", args=(-np.pi, 2 * np.pi)).pvalue > 0.01
    assert 0.45 < np.mean([np.linalg.det(q) > 0 for q in draws]) < 0.55


def test_the_plain_qr_of_lapack_would_fail_the_angle_test():
    rng = np.random.default_rng(2)
    angles = []
    for _ in range(2000):
        q, _ = np.linalg.qr(rng.standard_normal((2, 2)))
        angles.append(np.arctan2(q[1, 0], q[0, 0]))
    assert kstest(angles, "uniform", args=(-np.pi, 2 * np.pi)).pvalue < 1e-6


def test_an_entry_of_a_haar_matrix_has_the_beta_distribution():
    rng = np.random.default_rng(3)
    squares = [haar_orthogonal(6, rng)[1, 4] ** 2 for _ in range(1500)]
    assert kstest(squares, "beta", args=(0.5, 2.5)).pvalue > 0.01


def test_each_stratum_of_a_crossed_design_keeps_its_own_covariance():
    rng = np.random.default_rng(4)
    a, b = 4, 5
    x = rng.normal(size=(a, 3))[:, None] + 3 * rng.normal(size=(b, 3))[None] + 0.1 * rng.normal(size=(a, b, 3))
    strata = Strata.of(a * b, crossed(a, b))
    assert strata.names == ("a", "b", "residual")
    assert [basis.shape[1] for basis in strata.bases] == [3, 4, 12]
    assert strata.balanced
    y = rotate_rows(draw_rotation(strata, rng), x.reshape(-1, 3)).reshape(a, b, 3)
    for effect in (lambda z: z.mean(axis=1), lambda z: z.mean(axis=0)):
        np.testing.assert_allclose(np.cov(effect(y).T), np.cov(effect(x).T), rtol=1e-9)
    # The plain rotation mixes the strata, so that this test can fail.
    z = rotate_rows(draw_rotation(Strata.of(a * b), rng), x.reshape(-1, 3)).reshape(a, b, 3)
    assert not np.allclose(np.cov(z.mean(axis=1).T), np.cov(x.mean(axis=1).T), rtol=0.1)


def test_a_product_without_interaction_stays_a_product():
    rng = np.random.default_rng(5)
    x = (rng.normal(size=(4, 1, 2)) + rng.normal(size=(1, 5, 2))).reshape(-1, 2)
    y = rotate_rows(draw_rotation(Strata.of(20, crossed(4, 5)), rng), x).reshape(4, 5, 2)
    interaction = y - y.mean(axis=0, keepdims=True) - y.mean(axis=1, keepdims=True) + y.mean(axis=(0, 1))
    assert np.abs(interaction).max() < 1e-12


def test_nested_factors_are_balanced_and_their_order_does_not_split_off_more():
    sequence, item = np.arange(24) // 6, np.arange(24) // 2
    strata = Strata.of(24, [("sequence", sequence), ("item", item)])
    assert [basis.shape[1] for basis in strata.bases] == [3, 8, 12]
    assert strata.balanced


@pytest.mark.parametrize("drop", [[0], [0, 7, 19]])
def test_missing_cells_make_a_design_unbalanced(drop):
    factors = [(name, np.delete(levels, drop)) for name, levels in crossed(4, 5)]
    assert not Strata.of(20 - len(drop), factors).balanced


def test_a_second_name_of_one_grouping_adds_no_stratum():
    strata = Strata.of(12, [("a", np.arange(12) // 3), ("same", np.array(list("aaabbbcccddd")))])
    assert strata.names == ("a", "residual")


def test_factors_are_checked():
    with pytest.raises(InputError, match="one level only"):
        Strata.of(4, [("a", np.zeros(4))])
    with pytest.raises(InputError, match="one level per row"):
        Strata.of(4, [("a", np.zeros(3))])
    with pytest.raises(InputError, match="at least three rows"):
        Strata.of(1)
