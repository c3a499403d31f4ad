"""Diffs: the measures of their parts, p-values that find a shared structure and do not invent one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import pdist

import topo_interp as ti
from topo_interp import diff_parts
from topo_interp.comparison import comparisons
from topo_interp.inference.pipeline import FailedTest

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 4))
A = {"same": X, "noisy": X, "other": RNG.normal(size=(40, 4)), "only a": X, "flat": np.ones((40, 2))}
B = {"flat": np.ones((40, 2)), "same": 3 * X @ np.linalg.qr(RNG.normal(size=(4, 4)))[0], "noisy": X + 0.2 * RNG.normal(size=(40, 4)), "other": X}


@pytest.fixture(scope="module")
def found():
    return ti.diff(ti.store_from_arrays(A), ti.store_from_arrays(B), ti.Rips(), draws=39, seed=1, progress=False)


def test_values_are_those_of_the_measures(found):
    frame = found.to_frame().set_index("site")
    assert list(frame.index) == ["same", "noisy", "other", "flat"]
    row = frame.loc["noisy"]
    for measure in (ti.rtd, ti.merge_order, ti.cka, ti.procrustes):
        one = measure(A["noisy"], B["noisy"], subsamples=20, seed=1)
        assert row[one.measure] == one.value
        assert (row[f"{one.measure}_low"], row[f"{one.measure}_high"]) == one.interval
    assert row["mean_norm_a"] == pytest.approx(np.linalg.norm(X, axis=1).mean()) and row["mean_norm_b"] != row["mean_norm_a"]
    same = frame.loc["same"]
    assert same["rtd"] == pytest.approx(0, abs=1e-4) and same["bottleneck_dim1"] == pytest.approx(0, abs=1e-5)
    assert same["cka"] == pytest.approx(1) and same["bottleneck_bound"] > 0


def test_p_values(found):
    frame = found.to_frame().set_index("site")
    names = ["rtd", "merge_order", "cka", "procrustes"]
    assert (frame.loc["same", [f"{name}_p_max_t" for name in names]] == 1 / 40).all()
    assert frame.loc["noisy", "cka_p_max_t"] == 1 / 40
    assert (frame.loc["other", [f"{name}_p_max_t" for name in names]] > 0.05).all()
    for name in names:
        assert (frame[f"{name}_p_max_t"].dropna() >= frame[f"{name}_p"].dropna()).all()
    assert found.about["tests"] == 12


def test_a_site_that_can_not_be_compared_is_a_row(found):
    row = found.to_frame().set_index("site").loc["flat"]
    assert np.isnan(row["rtd"]) and "rtd is not defined here" in row["error"]


def test_distances_of_the_diagrams(found):
    row = found.to_frame().set_index("site").loc["noisy"]
    x, y = (np.asarray(points) / np.median(pdist(points)) for points in (A["noisy"], B["noisy"]))
    for dim in (0, 1):
        pair = [ti.Rips(max_dim=1)(points) for points in (x, y)]
        assert row[f"bottleneck_dim{dim}"] == pytest.approx(ti.bottleneck(*pair, dim).value, abs=1e-5)
        assert row[f"wasserstein_dim{dim}"] == pytest.approx(ti.wasserstein(*pair, dim).value, abs=1e-3)  # a solver of its own
    again = ti.diff({"noisy": A["noisy"]}, {"noisy": B["noisy"]}, ti.Rips(), draws=9, seed=1, n_jobs=2, progress=False).to_frame().iloc[0]
    names = [name for name in again.index if name.endswith(("_low", "_high")) and "chance" not in name]
    assert len(names) == 16 and (again[names] == row[names]).all()
    assert (found.to_frame()["bottleneck_bound"] < 1e-4).all()


def test_the_bars_that_moved_and_their_rows():
    angle = 2 * np.pi * np.arange(24) / 24
    ring = np.c_[np.cos(angle), np.sin(angle)]
    # Two loops, of which the second closes; two rows are left out, so that a row's number is not its place.
    shapes = [np.r_[ring, 0.5 * ring * [1, open_] + [9, 0]] for open_ in (1, 0)]
    stores = [ti.store_from_arrays({"layer": np.r_[[[0, 30], [0, 31]], x]}).select(np.arange(2, 50)) for x in shapes]
    found = ti.diff(*stores, ti.Rips(), draws=9, subsamples=0, progress=False)
    loops = found.moved_bars().query("dim == 1 and kind == 'vanishes'")
    assert loops["rows_a"].map(sorted).tolist() == [list(range(26, 50))] and loops["rows_b"].tolist() == [[]]
    birth, death = 2 * 0.5 * np.sin(np.pi / 24), 2 * 0.5 * np.sin(np.pi * 8 / 24)
    unit = found.a.diagrams["layer", "euclidean"].scale
    assert loops[["birth_a", "death_a"]].to_numpy()[0] == pytest.approx([birth / unit, death / unit], abs=1e-6)
    assert loops["shift"].iloc[0] == pytest.approx((death - birth) / 2 / unit, abs=1e-6)
    still = ti.diff(stores[0], stores[0], ti.Rips(), draws=9, subsamples=0, progress=False)
    assert len(still.moved_bars()) == 0 and still.to_frame()[["moved_dim0", "moved_dim1"]].to_numpy().tolist() == [[0, 0]]


def test_saved_and_opened(found, tmp_path):
    opened = ti.Diff.open(found.save(tmp_path / "a.diff"))
    pd.testing.assert_frame_equal(opened.to_frame(), found.to_frame())
    pd.testing.assert_frame_equal(opened.moved_bars(), found.moved_bars())
    assert opened.about == found.about and opened.errors == found.errors and repr(opened) == repr(found)
    whole = (tmp_path / "a.diff").read_bytes()
    (tmp_path / "a.diff").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ti.SealError, match="is not a whole diff"):
        ti.Diff.open(tmp_path / "a.diff")
    with pytest.raises(ti.InputError, match="there is no diff at"):
        ti.Diff.open(tmp_path / "b.diff")
    with pytest.raises(ti.InputError, match="make it first"):
        found.save(tmp_path / "no" / "a.diff")


def test_one_measure_and_one_site_that_fail_lose_no_other():
    few = np.r_[np.repeat(X[:1], 38, axis=0), X[1:3]]  # more than 90 % of the distances are 0, and yet the rows have a variance
    a = {"twins": few, "broken": np.where(X > 2, np.nan, X), "noisy": X}
    b = {**B, "twins": few + 0.1 * X, "broken": X}
    found = ti.diff(a, b, {"plain": ti.Rips(), "graph": ti.Rips(ti.diffusion(k=9, t=8))}, draws=9, progress=False)
    frame = found.to_frame().set_index(["site", "recipe"])
    twins, broken = frame.loc["twins", "plain"], frame.loc["broken", "plain"]
    assert twins["cka"] == ti.cka(few, few + 0.1 * X).value and np.isnan(twins["cka_low"])  # some subsamples have equal rows only
    assert "cka: in a subsample of 32 of 40 rows" in twins["error"] and twins["cka_p_max_t"] <= 1 and np.isfinite(twins["bottleneck_dim1"])
    assert np.isnan(twins["rtd"]) and np.isnan(twins["rtd_p"]) and twins["error"].startswith("rtd is not defined here")
    assert "has a NaN" in broken["error"] and broken[["cka", "bottleneck_dim0"]].isna().all() and broken["n"] == 0
    whole = frame.loc["noisy", "graph"]  # a metric of the whole cloud
    matrices = [ti.diffusion(k=9, t=8).distance_matrix(points) for points in (X, B["noisy"])]
    assert whole["rtd"] == pytest.approx(ti.rtd(*matrices).value) and whole["rtd_p_max_t"] == 0.1 and whole["error"] == ""
    assert found.about["tests"] == sum(len(numbers) for numbers in found.paired.values())


def test_a_draw_that_fails_loses_no_other_test(monkeypatch, tmp_path):
    properties, real = comparisons.MEASURES["cka"]

    def cka(x, y, **how):
        if np.array_equal(x, moved) and not np.array_equal(y, X):  # a draw permutes the second cloud
            raise ZeroDivisionError("not here")
        return real(x, y, **how)

    moved = X + 1
    monkeypatch.setitem(comparisons.MEASURES, "cka", (properties, cka))
    found = ti.diff({"bad": moved, "good": X}, {"bad": X, "good": X}, ti.Rips(max_dim=0), draws=5, subsamples=0, progress=False)
    frame = found.to_frame().set_index("site")
    assert frame.loc["bad", "error"] == "at bad in draw 0 of the null: cka: ZeroDivisionError: not here"
    assert np.isfinite(frame.loc["bad", "cka"]) and np.isnan(frame.loc["bad", "rtd_p"]) and frame.loc["good", "rtd_p"] == 1 / 6
    assert found.about["tests"] == 4 and "at bad in draw 0" in found.report(tmp_path / "a.html").read_text(encoding="utf-8")


def test_a_site_that_can_not_be_drawn_fails_only_where_it_was_measured(monkeypatch):
    real, calls = diff_parts.run_draws, []

    def run_draws(pipeline, sites, *how):
        calls.append(list(sites))
        if "bad" in sites:
            error = FailedTest("at bad in draw 0 of the null: no")
            error.site = "bad"
            raise error
        return real(pipeline, sites, *how)

    monkeypatch.setattr(diff_parts, "run_draws", run_draws)
    clouds, numbers = (X, B["noisy"]), {"cka": {"value": 0.5}}
    paired = {("bad", "one"): dict(numbers), ("good", "one"): {"cka": {"value": 0.5}}, ("good", "two"): {"cka": {"value": 0.5}}}
    recipes = {"one": ti.Rips(max_dim=0), "two": ti.Rips(max_dim=1)}
    failed = diff_parts.add_chance(paired, recipes, {"bad": clouds, "good": clouds}, 3, 0, 1, False)
    assert failed == {("bad", "one"): "at bad in draw 0 of the null: no"} and calls == [["bad", "good"], ["good"]]


def test_the_tests_of_halves_of_a_split_are_in_its_log():
    halves = ti.store_from_arrays({"layer": RNG.normal(size=(40, 3))}).split(seed=0)
    frame = ti.diff(halves, halves, ti.Rips(max_dim=0), draws=9, subsamples=0, progress=False).to_frame()
    tests = halves.tried().dropna(subset="p_value").set_index("summary")
    assert halves.explored == len(tests) == 4 and set(tests["draws"]) == {9} and "permuted_pairing" in tests["null"].iloc[0]
    for name in ("rtd", "cka"):
        assert (tests.loc[name, "p_value"], tests.loc[name, "p_adjusted"]) == (frame[f"{name}_p"].item(), frame[f"{name}_p_max_t"].item())


def test_without_draws_there_are_values_and_no_p():
    rows = {"item": np.arange(40), "template": np.arange(40) // 4}
    stores = [ti.store_from_arrays({"noisy": of["noisy"]}, rows, groups="template") for of in (A, B)]
    with pytest.raises(ti.InputError, match=r"share a value of 'template' .* give draws=0 .* store.means\('template'\)"):
        ti.diff(*stores, ti.Rips(), progress=False)
    frame = ti.diff(*stores, ti.Rips(), draws=0, subsamples=0, progress=False).to_frame()
    assert frame["cka"].item() == ti.cka(A["noisy"], B["noisy"]).value and not [name for name in frame if "_p" in name or "chance" in name]


def test_each_recipe_runs_once(monkeypatch):
    calls = []
    whole = ti.Rips.__call__
    monkeypatch.setattr(ti.Rips, "__call__", lambda self, cloud, *a, **k: calls.append(self) or whole(self, cloud, *a, **k))
    found = ti.diff({"a": X}, {"a": B["noisy"]}, ti.Rips(), draws=0, subsamples=0, progress=False)
    assert calls.count(ti.Rips()) == 2 and len(found.moved_bars()) > 0  # once in each store, also for the rows of the bars that moved
    assert all(d.provenance is None for d in (*found.a.diagrams.values(), *found.b.diagrams.values()))


def test_diagrams_that_a_threshold_cut_are_compared_up_to_it():
    row = ti.diff({"a": X}, {"a": B["noisy"]}, ti.Rips(threshold=1.5), draws=0, subsamples=0, progress=False).to_frame().iloc[0]
    units = [np.median(pdist(points)) for points in (X, B["noisy"])]
    cut = 1.5 / max(units)
    pair = [ti.Rips(max_dim=0)(points / unit) for points, unit in zip((X, B["noisy"]), units, strict=True)]
    capped = [ti.Diagrams.from_bars([np.minimum(d.finite(0), cut)]) for d in pair]
    assert cut < pair[0].finite(0).max() and row["bottleneck_dim0"] == pytest.approx(ti.bottleneck(*capped, 0).value, abs=1e-5)
    assert row["error"] == ""


def test_folders_are_stores(tmp_path):
    for name, of in (("a", A), ("b", B)):
        ti.store_from_arrays({"noisy": of["noisy"]}).save(tmp_path / name)
    found = ti.diff(tmp_path / "a", str(tmp_path / "b"), ti.Rips(max_dim=0), draws=0, subsamples=0, progress=False)
    assert found.to_frame()["cka"].item() == pytest.approx(ti.cka(A["noisy"], B["noisy"]).value, rel=1e-5)


def test_stores_that_do_not_pair():
    order = np.random.default_rng(1).permutation(40)
    clouds = [ti.PointCloud(X, site="a"), ti.PointCloud(X[order], rows=order, site="a")]
    with pytest.raises(ti.InputError, match="place 0 is row 0 of 'a in a' and row"):
        ti.diff(*({"a": cloud} for cloud in clouds), ti.Rips(), progress=False)
    sizes = {"a": X, "b": X[:20]}
    with pytest.raises(ti.InputError, match="'a' has 40 rows and 'b' 20, and the draws"):
        ti.diff(sizes, sizes, ti.Rips(), progress=False)
    assert len(ti.diff(sizes, sizes, ti.Rips(), draws=0, progress=False).to_frame()) == 2
    with pytest.raises(ti.InputError, match="no site is in both"):
        ti.diff({"a": X}, {"b": X}, ti.Rips(), progress=False)
    with pytest.raises(ti.InputError, match="different rows: 40 and 39 rows"):
        ti.diff(ti.store_from_arrays({"a": X}), ti.store_from_arrays({"a": X[:39]}), ti.Rips(), progress=False)
