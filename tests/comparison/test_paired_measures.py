"""Comparisons of paired clouds: closed forms, invariances, refusals, and the table that declares them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ortho_group, spearmanr

import topo_interp as ti

RNG = np.random.default_rng(5)
X = RNG.normal(size=(60, 6)) * np.array([3, 2, 1, 1, 0.5, 0.1])
Y = RNG.normal(size=(60, 4)) + X[:, :4]
NAMES = list(ti.comparisons.table()["name"])


def measure(name: str):
    if name == "neighbor_overlap":
        return lambda x, y, **options: ti.neighbor_overlap(x, y, k=8, **options)
    return getattr(ti, name)


@pytest.mark.parametrize("name", NAMES)
def test_a_cloud_against_itself_rotated_scaled_and_moved(name):
    rotation = ortho_group.rvs(6, random_state=0)
    found = measure(name)(X, 2.0 * X @ rotation)
    properties = ti.comparisons.table().set_index("name").loc[name]
    best = {"information_imbalance": 2 / 60}.get(name, 1.0 if properties["larger_is_more_similar"] else 0.0)
    assert found.value == pytest.approx(best, abs=2e-5)


@pytest.mark.parametrize("name", NAMES)
def test_symmetry_is_what_is_declared(name):
    forth, back = measure(name)(X, Y), measure(name)(Y, X)
    assert (forth.forward, forth.backward) == pytest.approx((back.backward, back.forward))
    assert forth.value == pytest.approx(back.value)
    table = ti.comparisons.table().set_index("name")
    if table.loc[name, "symmetric"] and name not in ("rtd", "rtd_lite"):
        assert forth.forward == forth.backward == forth.value


@pytest.mark.parametrize("name", NAMES)
def test_order_of_the_rows_is_of_no_account(name):
    order = np.random.default_rng(1).permutation(len(X))
    assert measure(name)(X[order], Y[order]).value == pytest.approx(measure(name)(X, Y).value, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_unrelated_clouds_are_told_from_related_ones(name):
    rng = np.random.default_rng(2)
    related, unrelated = measure(name)(X, X + 0.1 * rng.normal(size=X.shape)).value, measure(name)(X, rng.normal(size=(60, 6))).value
    larger = ti.comparisons.table().set_index("name").loc[name, "larger_is_more_similar"]
    assert (related > unrelated) if larger else (related < unrelated)


@pytest.mark.parametrize("name", NAMES)
def test_pairing_is_checked(name):
    with pytest.raises(ti.InputError, match="60 rows and y has 59"):
        measure(name)(X, Y[:-1])
    a = ti.PointCloud(X, rows=np.arange(60))
    b = ti.PointCloud(Y, rows=np.arange(60) + 1)
    with pytest.raises(ti.InputError, match="different rows"):
        measure(name)(a, b)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"neighbor_overlap", "information_imbalance"}))
def test_a_constant_cloud_is_refused_and_never_nan(name):
    with pytest.raises(ti.InputError, match="not defined here"):
        measure(name)(X, np.ones((60, 3)))


@pytest.mark.parametrize("name", NAMES)
def test_interval_is_of_subsamples_and_reproducible(name):
    first, second = (measure(name)(X, Y, subsamples=20, seed=3) for _ in range(2))
    assert first.interval == second.interval and first.interval[0] <= first.interval[1]
    assert "20 subsamples of 48 of 60 rows" in first.interval_method
    assert measure(name)(X, Y).interval is None


def test_cka_against_the_closed_form():
    x, y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    want = np.linalg.norm(x.T @ y) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))
    assert ti.cka(X, Y, debiased=False).value == pytest.approx(want, rel=1e-12)


def test_debiased_cka_of_wide_noise_is_near_zero_where_the_biased_is_not():
    values = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(2, 50, 500))
        assert ti.cka(x, y, debiased=False).value > 0.8
        values.append(ti.cka(x, y).value)
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(20) + 1e-3


def test_unbiased_estimator_against_its_definition():
    """HSIC_1 as a mean over all quadruples of distinct rows (Song et al. 2012, eq. 4), on few rows."""
    from itertools import permutations

    x, y = X[:7], Y[:7]
    k, m = ((points - points.mean(axis=0)) @ (points - points.mean(axis=0)).T for points in (x, y))

    def hsic(k, m):
        terms = [
            k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q]) for i, j, q, r in permutations(range(7), 4)
        ]
        return np.mean(terms)

    want = hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m))
    assert ti.cka(x, y).value == pytest.approx(want, rel=1e-9)


def test_procrustes_in_closed_form():
    a, b = (p - p.mean(axis=0) for p in (X, Y))
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    want = np.arccos(np.linalg.norm(a.T @ b, ord="nuc"))
    assert ti.procrustes(X, Y).value == pytest.approx(want, rel=1e-9)


def test_procrustes_is_a_metric_and_wide_clouds_are_reduced_exactly():
    rng = np.random.default_rng(3)
    clouds = [rng.normal(size=(12, width)) for width in (3, 30, 40)]
    gap = {(i, j): ti.procrustes(clouds[i], clouds[j]).value for i in range(3) for j in range(3)}
    assert all(gap[i, j] <= gap[i, k] + gap[k, j] + 1e-12 for i in range(3) for j in range(3) for k in range(3))
    padded = [np.hstack((cloud, np.zeros((12, 40 - cloud.shape[1])))) for cloud in clouds]
    assert gap[0, 1] == pytest.approx(ti.procrustes(padded[0], padded[1]).value, abs=1e-9)


def test_rsa_is_spearman_of_distances():
    from scipy.spatial.distance import pdist

    assert ti.rsa(X, Y).value == pytest.approx(spearmanr(pdist(X), pdist(Y)).statistic, abs=1e-4)


def test_neighbor_overlap_against_sets():
    from scipy.spatial.distance import cdist

    near = [np.argsort(cdist(p, p) + np.diag(np.full(60, np.inf)), axis=1)[:, :8] for p in (X, Y)]
    want = np.mean([len(set(a) & set(b)) / 8 for a, b in zip(*near, strict=True)])
    assert ti.neighbor_overlap(X, Y, k=8).value == pytest.approx(want)


def test_information_imbalance_against_its_definition():
    from scipy.spatial.distance import cdist

    first, second = (cdist(p, p) + np.diag(np.full(60, np.inf)) for p in (X, Y))
    ranks = np.argsort(np.argsort(second, axis=1), axis=1) + 1
    want = 2 / 60 * np.mean(ranks[np.arange(60), first.argmin(axis=1)])
    assert ti.information_imbalance(X, Y).forward == pytest.approx(want)


def test_merge_order_against_paths_in_the_tree():
    import networkx as nx
    from scipy.spatial.distance import cdist

    heights = []
    for points in (X[:25], Y[:25]):
        tree = nx.minimum_spanning_tree(nx.from_numpy_array(cdist(points, points)))
        path = dict(nx.all_pairs_dijkstra_path(tree))
        heights.append(
            [
                max(tree.edges[u, v]["weight"] for u, v in zip(path[i][j], path[i][j][1:], strict=False))
                for i in range(25)
                for j in range(i + 1, 25)
            ]
        )
    assert ti.merge_order(X[:25], Y[:25]).value == pytest.approx(spearmanr(*heights).statistic, abs=1e-6)


def test_values_of_different_n_do_not_compare():
    with pytest.raises(ti.InputError, match="grows with n"):
        ti.rtd(X, Y) - ti.rtd(X[:40], Y[:40])
    with pytest.raises(ti.InputError, match="do not compare"):
        ti.rtd(X, Y) - ti.cka(X, Y)
    assert ti.cka(X, Y) - ti.cka(X[:40], Y[:40]) == pytest.approx(ti.cka(X, Y).value - ti.cka(X[:40], Y[:40]).value)


def test_declared_metrics_obey_the_triangle_inequality():
    assert list(ti.comparisons.table().query("is_metric == True")["name"]) == ["procrustes"]  # held by a test above


def test_compare_layer_by_layer():
    store = ti.store_from_arrays({"a": X, "b": Y, "c": X[:, :2]})
    frame = ti.compare(store, store, "cka")
    matrix = frame.pivot(index="site_a", columns="site_b", values="value")
    assert matrix.shape == (3, 3) and np.allclose(np.diag(matrix), 1.0) and np.allclose(matrix, matrix.T)
    assert matrix.loc["a", "b"] == pytest.approx(ti.cka(X, Y).value)


def test_compare_joins_two_probe_orders_on_a_key():
    order = np.random.default_rng(0).permutation(60)[:50]
    first = ti.store_from_arrays({"a": X}, rows={"word": [f"w{i}" for i in range(60)]})
    second = ti.store_from_arrays({"b": Y[order]}, rows={"word": [f"w{i}" for i in order]})
    found = ti.compare(first, second, "cka", on="word")
    assert found.loc[0, "n"] == 50
    assert found.loc[0, "value"] == pytest.approx(ti.cka(X[order], Y[order]).value)
    with pytest.raises(ti.InputError, match="no row table with a column 'token_key'"):
        ti.compare(first, second, "cka", on="token_key")


def test_unknown_measures_are_named():
    store = ti.store_from_arrays({"a": X})
    with pytest.raises(ti.InputError, match="did you mean 'procrustes'"):
        ti.compare(store, store, "procrustis")
    with pytest.raises(ti.InputError, match="k=10"):
        ti.compare(store, store, "neighbor_overlap")
