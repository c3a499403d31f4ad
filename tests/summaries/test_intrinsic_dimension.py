"""Intrinsic dimension: clouds of known dimension, definitions in loops, and the null beside the number."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import cdist
from scipy.stats import kstest

import topo_interp as ti


def cube(n, dim, ambient=None, seed=0):
    """Uniform in a cube, turned at random into more coordinates."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(size=(n, dim))
    return points @ np.linalg.qr(rng.normal(size=(ambient or dim, dim)))[0].T


def swiss_roll(n, seed=0):
    rng = np.random.default_rng(seed)
    t = 1.5 * math.pi * (1 + 2 * rng.uniform(size=n))
    return np.column_stack((t * np.cos(t), 21 * rng.uniform(size=n), t * np.sin(t)))


@pytest.mark.parametrize("k", [2, 5, 12])
def test_levina_bickel_is_the_pooled_likelihood(k):
    points = np.random.default_rng(k).normal(size=(60, 4))
    logs = []
    for row in np.sort(cdist(points, points), axis=1):
        logs += [math.log(row[k] / row[j]) for j in range(1, k)]
    assert ti.levina_bickel(k)(points) == pytest.approx((60 * (k - 1) - 1) / sum(logs), rel=1e-5)


def test_two_neighbors_are_levina_and_bickel_with_two_and_the_baseline():
    points = np.random.default_rng(0).normal(size=(80, 6))
    assert ti.two_nn()(points) == ti.levina_bickel(2)(points) == ti.baselines(points)["two_nn_dim"]


@pytest.mark.parametrize(
    ("points", "dim"),
    [
        (cube(1500, 1, 20), 1),
        (swiss_roll(1500), 2),
        (ti.shapes.flat_torus(1500), 2),
        (cube(1500, 3, 50), 3),
        (cube(1500, 5), 5),
    ],
    ids=["line", "swiss roll", "flat torus", "cube in 50", "5-cube"],
)
def test_known_dimensions(points, dim):
    error = dim / math.sqrt(len(points))
    assert abs(ti.two_nn()(points) - dim) < 3 * error + 0.05 * dim  # the boundary of a cube costs some
    assert abs(ti.levina_bickel(10)(points) - dim) < 0.12 * dim
    assert abs(ti.ph_dimension(repeats=1)(points[:600]) - dim) < 0.25 * dim


# DADApy 0.3.4: IdEstimation(coordinates=points).compute_id_2NN(algorithm="ml", mu_fraction=1.0)[0]
DADAPY = {"swiss roll": 1.995460401444711, "2000 rows of it": 1.9187166344347426, "normal in R^2": 1.9087861813650309, "normal in R^5": 4.996570556811945}


@pytest.mark.parametrize("name", DADAPY)
def test_two_nn_agrees_with_dadapy(name):
    from sklearn.datasets import make_swiss_roll

    if name.startswith("normal"):
        points = np.random.RandomState(0).normal(size=(1000, int(name[-1])))
    else:
        points, _ = make_swiss_roll(2000 if "2000" in name else 1000, random_state=0)
    assert ti.two_nn()(points) == pytest.approx(DADAPY[name], rel=1e-7)


def test_the_errors_are_those_that_are_seen():
    """Over many clouds the estimates spread by the dimension over the root of the rows."""
    found = [ti.two_nn()(ti.shapes.flat_torus(200, seed=seed)) for seed in range(60)]
    expected = ti.dimension_by_scale(ti.shapes.flat_torus(200), parts=(1,))["error"][0]
    assert 0.7 < np.std(found) / expected < 1.4
    assert abs(np.mean(found) - 2) < 4 * expected / math.sqrt(60) + 0.03


@pytest.mark.parametrize(("points", "dim"), [(ti.shapes.flat_torus(800), 2), (np.random.default_rng(0).uniform(size=(800, 4)), 4)], ids=["torus", "torus of dimension 4"])
def test_two_nn_is_the_likelihood_of_its_law(points, dim):
    """Ratios of the second to the first neighbor's distance follow F(r) = 1 - r^-d (Facco et al. 2017), of which TwoNN is the
    maximum-likelihood d: (N - 1) / sum ln r."""
    if dim == 4:  # without a boundary: the flat torus of dimension 4 in R^8
        points = np.column_stack((np.cos(2 * math.pi * points), np.sin(2 * math.pi * points)))
    near = np.sort(cdist(points, points), axis=1)
    ratio = near[:, 2] / near[:, 1]
    assert ti.two_nn()(points) == pytest.approx((len(points) - 1) / np.log(ratio).sum(), rel=1e-5)
    assert kstest(ratio, lambda r: 1 - r ** -float(dim)).pvalue > 0.01
    assert kstest(ratio, lambda r: 1 - r ** -float(dim + 1)).pvalue < 1e-4


def test_scales_tell_a_noisy_circle_from_its_noise():
    rng = np.random.default_rng(0)
    points = ti.shapes.noisy_circle(1200, 0.01, dim=10, seed=1)
    curve = ti.dimension_by_scale(points, parts=(1, 4, 16, 60, 1000))
    assert curve["parts"].tolist() == [1, 4, 16, 60] and curve["rows"].tolist() == [1200, 300, 75, 20]
    assert (np.diff(curve["dimension"]) < 0).all() and (np.diff(curve["distance"]) > 0).all()
    assert curve["dimension"][0] > 2.5 and curve["dimension"][3] < 1.4
    assert curve["dimension"][0] == ti.two_nn()(points)
    shuffled = points[rng.permutation(1200)]
    assert ti.two_nn()(shuffled) == pytest.approx(ti.two_nn()(points), rel=1e-6)


def test_ph_dimension_of_one_size_pair_by_another_spanning_tree():
    points = np.random.default_rng(0).normal(size=(64, 3))
    value = ti.ph_dimension(alpha=0.5, sizes=2, subsamples=1, repeats=1, seed=3)(points)
    rng = np.random.default_rng(3)
    totals = []
    for size in (10, 64):
        chosen = points[rng.choice(64, size, replace=False)]
        totals.append((minimum_spanning_tree(cdist(chosen, chosen)).data ** 0.5).sum())
    slope = math.log(totals[1] / totals[0]) / math.log(64 / 10)
    assert value == pytest.approx(0.5 / (1 - slope), rel=1e-5)


def test_limits_are_stated():
    assert ti.two_nn()(np.zeros((5, 2))) == 0
    assert ti.levina_bickel(4)(np.random.default_rng(0).normal(size=(4, 2))) == 0
    assert ti.two_nn()(ti.shapes.cross_polytope(2)) == math.inf
    assert ti.ph_dimension()(np.zeros((40, 2))) == 0
    doubled = np.concatenate((cube(100, 2), cube(100, 2)))
    for summary in (ti.two_nn(), ti.levina_bickel(5)):
        assert summary(doubled) == summary(cube(100, 2))
    with pytest.raises(ti.InputError, match="at least 20"):
        ti.ph_dimension()(np.eye(5))


def test_a_null_stands_beside_the_number():
    """A curved sheet has a smaller dimension than noise of the same covariance; noise itself has not."""
    null = ti.nulls.matched_gaussian()
    tests = ti.Significance((ti.minus(ti.two_nn()), ti.minus(ti.levina_bickel(10))), null=null, draws=39, seed=0)
    rng = np.random.default_rng(0)
    store = {"roll": swiss_roll(200) @ rng.normal(size=(3, 8)), "noise": rng.normal(size=(200, 8))}
    table = ti.significance_table(store, ti.Distances(), tests).set_index(["site", "summary"])
    assert table.index.tolist()[0] == ("roll", "minus(two_nn())")
    assert (table.loc["roll"]["p_value"] == 1 / 40).all()
    assert (table.loc["noise"]["p_value"] > 0.05).all()
    assert table.loc[("roll", "minus(two_nn())"), "null_mean"] < table.loc[("roll", "minus(two_nn())"), "value"]


def test_values():
    for value in (ti.two_nn(), ti.two_nn(4, seed=1), ti.levina_bickel(7), ti.ph_dimension(2.0), ti.minus(ti.two_nn())):
        assert type(value).from_json(value.to_json()) == value
        assert eval(repr(value), vars(ti)) == value
    recipe = ti.Distances(ti.geodesic(5), steps=(ti.centered(),))
    assert ti.Distances.from_json(recipe.to_json()) == recipe
    points = np.random.default_rng(0).normal(size=(30, 3))
    assert recipe(points).digest() == ti.geodesic(5)(ti.centered()(points)).digest()


def test_dependent_rows_get_no_error_bar():
    import pandas

    frame = pandas.DataFrame({"word": ["a", "b"] * 20})
    store = ti.store_from_arrays({"site": np.random.default_rng(0).normal(size=(40, 3))}, frame, groups=("word",))
    with pytest.raises(ti.InputError, match=r"store.means\('word'\)"):
        ti.dimension_by_scale(store["site"])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ti.two_nn(0), "parts is 0"),
        (lambda: ti.levina_bickel(1), "k is 1"),
        (lambda: ti.ph_dimension(alpha=-1), "alpha is -1"),
        (lambda: ti.minus(3), "a summary is needed"),
        (lambda: ti.Distances(3), "metric value"),
        (lambda: ti.Distances(steps=("pca",)), "ti.pca"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ti.InputError, match=message):
        make()
