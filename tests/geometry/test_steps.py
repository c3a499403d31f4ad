from __future__ import annotations

import numpy as np
import pytest

import topo_interp as ti


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(size=(60, 5)) * [10, 1, 3, 0.1, 2] + [1e3, 0, -5, 0, 1]


def test_centered_and_standardized(points):
    assert np.abs(ti.centered()(points).mean(axis=0)).max() < 1e-12
    standard = ti.standardized()(points)
    assert standard.mean(axis=0) == pytest.approx(np.zeros(5), abs=1e-12)
    assert standard.std(axis=0) == pytest.approx(np.ones(5), rel=1e-12)


def test_a_constant_coordinate_becomes_zero(points):
    constant = np.column_stack((points, np.full(60, 0.1)))  # its computed mean is not 0.1
    assert (ti.standardized()(constant)[:, -1] == 0).all()
    assert np.isfinite(ti.standardized()(np.full((7, 2), 0.3))).all()


def test_normalized(points):
    assert np.linalg.norm(ti.normalized()(points), axis=1) == pytest.approx(np.ones(60), rel=1e-14)
    huge = ti.normalized()([[1e200, 1e200], [1e-200, 0.0]])
    assert huge == pytest.approx(np.array([[0.5**0.5, 0.5**0.5], [1, 0]]))
    with pytest.raises(ti.InputError, match=r"row 1 of x is zero, which has no direction \(2 of 3 rows\); drop such rows with x\[x.any\(axis=1\)\]"):
        ti.normalized()([[1, 2], [0, 0], [0, 0]])


@pytest.mark.parametrize("shape", [(60, 5), (5, 60), (30, 30)])
def test_pca_is_scikit_learns(shape):
    from sklearn.decomposition import PCA

    points = np.random.default_rng(1).normal(size=shape) * (1 / (1 + np.arange(shape[1]))) + 3
    k = 4
    ours, theirs = ti.pca(k)(points), PCA(k, svd_solver="full").fit_transform(points)
    signs = np.sign((ours * theirs).sum(axis=0))
    assert ours == pytest.approx(theirs * signs, abs=1e-9)
    assert (ours[np.abs(ours).argmax(axis=0), np.arange(k)] > 0).all()


def test_pca_of_all_components_keeps_distances(points):
    assert ti.pairwise_distances(ti.pca(5)(points)) == pytest.approx(ti.pairwise_distances(points), rel=1e-9, abs=1e-9)


def test_pca_of_lower_rank_is_finite():
    assert ti.pca(3)(np.ones((4, 6))) == pytest.approx(np.zeros((4, 3)), abs=1e-12)
    assert np.isfinite(ti.pca(2)(np.outer(np.arange(5.0), np.ones(3)))).all()


def test_drop_top_coordinates(points):
    assert np.array_equal(ti.drop_top_coordinates(2)(points), points[:, [1, 3, 4]])
    assert np.array_equal(ti.drop_top_coordinates(1)([[1.0, 0, 0], [0, 1, 0]]), [[0.0, 0], [1, 0]])  # a tie: the first goes


def test_steps_compute_in_float64():
    narrow = (np.random.default_rng(2).normal(size=(30, 3)) + 1e3).astype(np.float32)
    out = ti.centered()(narrow)
    assert out.dtype == np.float64
    assert np.array_equal(out, ti.centered()(narrow.astype(np.float64)))
    assert np.array_equal(narrow.astype(np.float64) - narrow.astype(np.float64).mean(axis=0), out)


def test_steps_leave_their_input_alone(points):
    before = points.copy()
    for step in (ti.centered(), ti.standardized(), ti.pca(2), ti.normalized(), ti.drop_top_coordinates(1)):
        step(points)
    assert np.array_equal(points, before)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: ti.pca(0), "pca: k, the number of components, is 0; a whole number >= 1"),
        (lambda x: ti.pca(2.0), "the number of components, is 2.0; a whole number"),
        (lambda x: ti.pca(6)(x), r"pca\(6\) of 60 x 5 points: there are only 5 components; use pca\(5\)"),
        (lambda x: ti.drop_top_coordinates(5)(x), "leaves none; use at most 4"),
        (lambda x: ti.drop_top_coordinates(True), "the number of coordinates, is True; a whole number >= 1"),
        (lambda x: ti.centered()(x[0]), "two axes"),
    ],
)
def test_errors_say_what_to_type(points, call, message):
    with pytest.raises(ti.InputError, match=message):
        call(points)


def test_overflow_is_an_error_and_no_warning():
    with pytest.raises(ti.InputError, match=r"centered\(\) overflows float64"):
        ti.centered()([[1.7e308], [1.7e308]])
