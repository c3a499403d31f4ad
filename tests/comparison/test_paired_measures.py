"""Comparisons of paired clouds: closed forms, invariances, refusals, and the table that declares them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ortho_group, spearmanr

import topo_interp as ti
from topo_interp.comparison._subsamples import subsamples_of
from topo_interp.comparison.comparisons import MEASURES
from topo_interp.comparison.drift import paired_measures

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
    assert ti.comparisons.table().set_index("name").loc[name, "symmetric"]
    if name in ("rtd", "rtd_lite", "information_imbalance"):
        assert forth.forward != forth.backward and forth.value == (forth.forward + forth.backward) / 2
    else:
        assert forth.forward == forth.backward == forth.value


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("of_x", "of_y"), [(1e-46, 1.0), (1.0, 1e160), (1e300, 1e-300)])
def test_the_scale_is_of_no_account(name, of_x, of_y):
    want, found = measure(name)(X, Y), measure(name)(of_x * X, of_y * Y)
    assert (found.forward, found.backward) == pytest.approx((want.forward, want.backward), rel=1e-5)


@pytest.mark.parametrize("name", [name for name in NAMES if MEASURES[name][0].takes_distances])
def test_distances_stand_for_points(name):
    pair = [ti.DistanceMatrix.from_points(points, metric="chordal") for points in (X, Y)]
    found, want = measure(name)(*pair), measure(name)(X, Y, metric="chordal")
    assert (found.forward, found.backward, found.convention) == (want.forward, want.backward, want.convention)
    mixed = measure(name)(pair[0], Y, metric="chordal", subsamples=10)
    assert mixed.value == want.value and mixed.interval == measure(name)(X, Y, metric="chordal", subsamples=10).interval
    with pytest.raises(ti.InputError, match="x has 60 rows and y has 20"):
        measure(name)(pair[0], pair[1].take(range(20)))
    graph = ti.Rips(ti.effective_resistance(6)).distance_matrix(X)
    assert "effective_resistance" in measure(name)(graph, pair[1]).convention


def test_measures_after_the_steps_of_a_recipe_are_of_its_distances():
    recipe = ti.Rips(ti.effective_resistance(6), steps=(ti.pca(2),))
    found, notes = paired_measures(X, Y, recipe, ["rtd", "rsa", "cka"], subsamples=10)
    clouds = ti.pca(2)(X), ti.pca(2)(Y)
    matrices = [ti.Rips(recipe.metric).distance_matrix(points) for points in clouds]
    assert notes == [] and found["rtd"] == ti.rtd(*matrices, subsamples=10) and found["rsa"].value == ti.rsa(*matrices).value
    assert found["cka"].value == ti.cka(*clouds).value
    seen = [recipe.seen(points) for points in (X, Y)]
    assert paired_measures(*seen, recipe, ["rtd"], subsamples=10)[0]["rtd"] == found["rtd"]


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"rtd", "rtd_lite"}))
def test_no_error_is_claimed_where_no_bound_is_known(name):
    assert measure(name)(X, Y).error is None


@pytest.mark.parametrize("name", NAMES)
def test_a_measure_that_takes_no_distances_says_so(name):
    matrix = ti.DistanceMatrix.from_points(X)
    if not MEASURES[name][0].takes_distances:
        with pytest.raises(ti.InputError, match="points"):
            measure(name)(matrix, matrix)


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


@pytest.mark.parametrize("name", NAMES)
def test_a_constant_cloud_is_refused_and_never_nan(name):
    with pytest.raises(ti.InputError, match="not defined here"):
        measure(name)(X, np.ones((60, 3)))


@pytest.mark.parametrize("name", NAMES)
def test_an_interval_holds_the_values_of_the_subsamples(name):
    found = measure(name)(X, Y, subsamples=20, seed=3)
    values = [measure(name)(X[rows], Y[rows]).value for rows in subsamples_of(60, 20, 3)]
    assert found.interval == pytest.approx(np.quantile(values, [0.05, 0.95]), rel=1e-5)
    assert found.interval[0] < found.interval[1] and found.value == measure(name)(X, Y).value
    assert "20 subsamples of 48 of 60 rows" in found.interval_method
    assert measure(name)(X, Y).interval is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ti.cka(X[:4], Y[:4], subsamples=10), "subsamples of 3 of 4 rows are too few for cka, which needs 4"),
        (lambda: ti.rsa(X[:3], Y[:3], subsamples=10), "subsamples of 2 of 3 rows"),
        (lambda: ti.neighbor_overlap(X[:10], Y[:10], k=8, subsamples=10), "too few for 8 neighbors, which needs 9"),
        (lambda: ti.procrustes(np.eye(10)[:, :1], Y[:10], subsamples=40), "in a subsample of 8 of 10 rows: procrustes is not defined"),
    ],
)
def test_subsamples_that_can_not_be_compared(call, message):
    with pytest.raises(ti.InputError, match=message):
        call()


def test_a_subsample_without_a_value_costs_the_interval_only(monkeypatch):
    properties, cka = MEASURES["cka"]
    calls = []
    monkeypatch.setitem(MEASURES, "cka", (properties, lambda *pair, **how: calls.append(pair) or cka(*pair, **how)))
    few = np.r_[np.repeat(X[:1], 57, axis=0), X[1:4]]
    found, notes = paired_measures(few, Y, ti.Rips(), ["cka"], subsamples=20)
    assert found == {"cka": ti.cka(few, Y)} and len(calls) == 1 and notes[0].startswith("cka: in a subsample of 48 of 60 rows")
    found, notes = paired_measures(X[:4], Y[:4], ti.Rips(), ["cka"], subsamples=20)
    assert found == {"cka": ti.cka(X[:4], Y[:4])} and "too few for cka" in notes[0]


def test_what_does_not_fit_is_refused_before_it_is_made(monkeypatch):
    monkeypatch.setattr("topo_interp.comparison.merging.free_bytes", lambda: 10**9)
    monkeypatch.setattr("topo_interp.comparison.merging._cross_barcode", lambda *_: pytest.fail("was made"))
    many = np.random.default_rng(0).normal(size=(3600, 1))
    for call in (ti.rtd, ti.cross_barcode):
        with pytest.raises(ti.BudgetError, match=r"of 3600 rows needs 544 MB.*500 MB.*take about 345. of the rows, or ti.rtd_lite"):
            call(many, many)


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


METRICS = list(ti.comparisons.table().query("is_metric == True")["name"])


def test_declared_metrics_obey_the_triangle_inequality():
    assert METRICS
    for name in METRICS:
        for seed in range(10):
            clouds = [np.random.default_rng([seed, width]).normal(size=(12, width)) for width in (1, 3, 30, 40)]
            gap = np.array([[measure(name)(a, b).value for b in clouds] for a in clouds])
            assert (gap[:, None, :] <= gap[:, :, None] + gap[None, :, :] + 1e-12).all() and gap.max() > 0.1


def test_procrustes_of_wide_clouds_is_reduced_exactly():
    rng = np.random.default_rng(3)
    clouds = [rng.normal(size=(12, width)) for width in (3, 30)]
    padded = [np.hstack((cloud, np.zeros((12, 40 - cloud.shape[1])))) for cloud in clouds]
    assert ti.procrustes(*clouds).value == pytest.approx(ti.procrustes(*padded).value, abs=1e-9)


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
    with pytest.raises(ti.InputError, match="depends on their number; take the same 40 rows"):
        ti.rtd(X, Y) - ti.rtd(X[:40], Y[:40])
    with pytest.raises(ti.InputError, match="depends on their number"):  # at least 2 / n
        ti.information_imbalance(X, X) - ti.information_imbalance(X[:40], X[:40])
    with pytest.raises(ti.InputError, match="do not compare"):
        ti.rtd(X, Y) - ti.cka(X, Y)
    assert ti.cka(X, Y) - ti.cka(X[:40], Y[:40]) == pytest.approx(ti.cka(X, Y).value - ti.cka(X[:40], Y[:40]).value)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_comparable_across_n_is_the_same_for_few_rows_of_equal_clouds(name):
    few, many = measure(name)(X[:12], X[:12]), measure(name)(X, X)
    assert few.value == pytest.approx(many.value) or not many.comparable_across_n


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


def test_stores_of_other_rows_are_not_compared_in_silence():
    order = np.random.default_rng(0).permutation(60)
    words = np.array([f"w{i}" for i in range(60)])
    first, second = (ti.store_from_arrays({"a": X[rows]}, rows={"word": words[rows]}) for rows in (np.arange(60), order))
    with pytest.raises(ti.InputError, match="different rows: column 'word' is 'w0' and .* in row 0 .*on='text'"):
        ti.compare(first, second, "cka")
    assert ti.compare(first, second, "cka", on="word")["value"].tolist() == pytest.approx([1.0])


def test_a_site_without_a_value_does_not_lose_the_others():
    store = {"a": X, "flat": np.ones((60, 2)), "b": Y}
    frame = ti.compare(store, {"a": X, "c": Y}, lambda x, y: ti.cka(x, y, debiased=False))
    assert frame["value"].isna().tolist() == [False, False, True, True, False, False] and set(frame["measure"]) == {"cka"}
    assert frame["error"][2].startswith("cka is not defined here") and (frame.loc[~frame["value"].isna(), "error"] == "").all()
    assert ti.plot_comparison(frame).data[0].z[1] == [None, None]
    with pytest.raises(ti.InputError, match="no pair of sites can be compared; 'a' and 'a': cka compares the same observations"):
        ti.compare({"a": X}, {"a": X[:9]}, "cka")


def test_keys_of_a_join_are_there_and_tell_rows_apart():
    store = ti.store_from_arrays({"a": X[:4]}, rows={"word": ["w", None, "x", "y"], "twice": [1, 2, 2, 3], "mixed": ["w", 3, (1,), 2.5]})
    for on, message in (("word", "'word' of store a is empty in 1 of 4 rows"), ("twice", "2 stands there 2 times"), (["mixed"], "no row table")):
        with pytest.raises(ti.InputError, match=message):
            ti.compare(store, store, "procrustes", on=on)
    assert ti.compare(store, store, "procrustes", on="mixed")["n"].tolist() == [4]


def test_unknown_measures_are_named():
    store = ti.store_from_arrays({"a": X})
    with pytest.raises(ti.InputError, match="did you mean 'procrustes'"):
        ti.compare(store, store, "procrustis")
    with pytest.raises(ti.InputError, match="k=10"):
        ti.compare(store, store, "neighbor_overlap")


def test_the_order_of_label_columns_says_nothing():
    labels = {"word": [f"w{k}" for k in range(60)], "position": list(range(60))}
    turned = dict(reversed(labels.items()))
    one, two = (ti.store_from_arrays({"layer": X}, rows=rows) for rows in (labels, turned))
    assert ti.compare(one, two, ti.cka)["value"].tolist() == pytest.approx([1.0])
    lacking = ti.store_from_arrays({"layer": X}, rows={"word": labels["word"]})
    with pytest.raises(ti.InputError, match="columns position only in the first, none only in the second"):
        ti.compare(one, lacking, ti.cka)


@pytest.mark.parametrize("name", ["rtd", "rtd_lite", "merge_order", "rsa"])
def test_matrices_have_a_metric_already(name):
    matrix = ti.DistanceMatrix.from_points(X)
    with pytest.raises(ti.InputError, match="metric is 'manhattan', and x and y are matrices.*leave metric out"):
        measure(name)(matrix, matrix, metric="manhattan")
