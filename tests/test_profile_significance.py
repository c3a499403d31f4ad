"""Profiles with significance: shared draws, one family of tests, refusals in time, kept on disk, and a log of what was tried."""

from __future__ import annotations

import re
import sys

import numpy as np
import pandas as pd
import pytest

import topo_interp as ti
from topo_interp.inference.loop_plane import drawn_loop_plane, loop_plane

RECIPES = {"plain": ti.Rips(), "directions": ti.Rips("chordal", steps=(ti.centered(),))}
HOW = ti.Significance(draws=19, detect=ti.Detect(power=0.5, trials=2))


def points(n: int = 50) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {"noise": rng.normal(size=(n, 6)), "ring": ti.shapes.noisy_circle(n, dim=6), "dead": np.zeros((n, 3))}


@pytest.fixture(scope="module")
def found():
    return ti.profile(ti.store_from_arrays(points()), RECIPES, significance=HOW, progress=False)


def test_the_tests_are_those_of_the_table(found):
    """The shared mechanism is significance_table; the family is every test that has a value."""
    table = ti.significance_table(points(), RECIPES, HOW, skip=[("dead", "directions")])
    pd.testing.assert_frame_equal(found.tests.table, table)
    assert set(table["tests"]) == {5} and found.tests.tests == 5
    assert ("dead", "directions") in found.tests.untested and "no direction" in found.tests.untested["dead", "directions"]


def test_the_frame_has_the_tests_beside_the_bars(found):
    frame = found.to_frame().set_index(["site", "recipe", "dim"])
    row = frame.loc["ring", "plain", 1]
    assert row["value"] == pytest.approx(row["max_persistence_relative"])
    assert row["summary"] == "max_persistence(dim=1, relative=True, censored='close')"
    assert row["p_adjusted"] == 0.05 and row["p_value"] == 0.05 and row["tests"] == 5 and row["draws"] == 19
    assert row["null"] == "matched_gaussian()" and row["value"] > row["null_mean"] + 5 * row["null_sd"]
    assert frame.loc["noise", "plain", 1]["p_adjusted"] > 0.05
    assert np.isnan(frame.loc["ring", "plain", 0]["value"]) and np.isnan(frame.loc["dead", "directions", 1]["p_adjusted"])
    assert "p_adjusted" not in ti.profile(points(), ti.Rips(), progress=False).to_frame()


def test_what_shows_nothing_says_what_would_have_been_found(found):
    assert found.tests.silent() == ["noise", "dead"] and set(found.tests.detectable) == {"noise"}
    recipe, answer = found.tests.detectable["noise"]
    assert recipe == "plain" and answer.trials == 2 and answer.ratio > 0.5
    assert answer.tests == 5 and "at p <= 0.05 after max-T over all 5 tests" in answer.explain()
    low = ti.Significance(draws=33, alpha=0.03, detect=ti.Detect(power=0.5, trials=1, draws=3))  # 1 / 0.03 is no whole number
    assert "noise" in ti.profile({"noise": points()["noise"]}, ti.Rips(), significance=low, progress=False).tests.detectable
    assert "noise floor is 0" in found.tests.undetermined["dead"]
    off = ti.profile({"noise": points()["noise"]}, ti.Rips(), significance=ti.Significance(draws=19, detect=None), progress=False)
    assert off.tests.silent() == ["noise"] and not off.tests.detectable


def test_the_plane_of_a_loop_stands_beside_that_of_a_draw(found):
    recipe, data, null = found.tests.planes["ring"]
    assert data.length > 3 * null.length and data.coordinates.shape == null.coordinates.shape == (50, 2)
    assert set(np.bincount(data.edges.ravel())) <= {0, 2}  # every vertex of a loop has two edges
    # The circle lies in the first two coordinates, so that the plane shows its radius.
    assert np.median(np.linalg.norm(data.coordinates, axis=1)) == pytest.approx(1, abs=0.15) and data.share > 0.9
    same = drawn_loop_plane(RECIPES[recipe], points()["ring"], HOW.null, seed=0)
    np.testing.assert_array_equal(same.coordinates, null.coordinates)
    assert "dead" not in found.tests.planes and loop_plane(ti.Rips(max_dim=0), points()["ring"]) is None


def test_the_data_are_computed_once_for_the_table_and_the_tests(monkeypatch):
    seen, call = [], ti.Rips.__call__
    monkeypatch.setattr(ti.Rips, "__call__", lambda recipe, cloud, *more, **how: (seen.append(cloud), call(recipe, cloud, *more, **how))[1])
    how = ti.Significance((ti.persistence_entropy(1),), draws=19, detect=None)
    ti.significance_table({"noise": points()["noise"]}, ti.Rips(), how)
    assert len(seen) == 1 + 19
    seen.clear()
    ti.profile({"noise": points()["noise"]}, ti.Rips(), significance=how, progress=False)
    assert len(seen) == 1 + 19 + 2  # and the planes of the longest loops, of the data and of a draw, which need the cycles


def test_two_processes_give_the_same(found):
    other = ti.profile(ti.store_from_arrays(points()), RECIPES, significance=HOW, n_jobs=2, progress=False)
    pd.testing.assert_frame_equal(other.to_frame(), found.to_frame())
    assert dict(other.tests.detectable) == dict(found.tests.detectable)


def test_saved_and_opened_it_is_the_same(found, tmp_path):
    again = ti.Profile.open(found.save(tmp_path / "a.profile"))
    pd.testing.assert_frame_equal(again.to_frame(), found.to_frame())
    pd.testing.assert_frame_equal(again.tests.table, found.tests.table)
    assert again.tests.how == found.tests.how and again.tests.untested == found.tests.untested
    assert dict(again.tests.detectable) == dict(found.tests.detectable)
    assert dict(again.tests.undetermined) == dict(found.tests.undetermined)
    for site, (recipe, data, null) in found.tests.planes.items():
        name, *pair = again.tests.planes[site]
        assert name == recipe
        for one, other in zip(pair, (data, null), strict=True):
            np.testing.assert_array_equal(one.coordinates, other.coordinates)
            np.testing.assert_array_equal(one.edges, other.edges)
            assert one.length == other.length


def test_of_a_statistic_that_is_a_function_the_name_is_kept(tmp_path):
    def bars(diagrams):
        return float(len(diagrams[1]))

    how = ti.Significance((bars, ti.max_persistence(dim=1)), draws=9, alpha=0.1, detect=None)
    found = ti.profile({"noise": points(12)["noise"]}, ti.Rips(), significance=how, progress=False)
    found.save(tmp_path / "a.profile")
    opened = ti.Profile.open(tmp_path / "a.profile")
    pd.testing.assert_frame_equal(opened.tests.table, found.tests.table)
    function, value = opened.tests.how.summaries
    assert function.name == "bars" and value == how.summaries[1]
    with pytest.raises(ti.InputError, match="only the name of the statistic 'bars', a function"):
        function(found.results[0].diagrams)
    opened.save(tmp_path / "b.profile")
    assert ti.Profile.open(tmp_path / "b.profile").tests.how == opened.tests.how


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_draw_that_fails_costs_its_own_test_only(n_jobs):
    """Shuffled columns of sparse rows leave rows of zeros, which have no direction."""
    sparse = np.zeros((50, 3))
    sparse[np.arange(50), np.arange(50) % 3] = np.arange(1, 51)
    how = ti.Significance(null=ti.nulls.shuffled_columns("coordinates"), draws=19, detect=None)
    recipes = {"plain": ti.Rips(), "directions": ti.Rips("chordal")}
    clouds = {"ring": points()["ring"], "sparse": sparse}
    found = ti.profile(clouds, recipes, significance=how, n_jobs=n_jobs, progress=False)
    assert list(found.tests.untested) == [("sparse", "directions")] and found.tests.tests == 3
    reason = found.tests.untested["sparse", "directions"]
    assert re.match(r"at sparse in draw \d+ of the null: row .* no direction", reason)  # which of two draws at a time fails first is open
    assert found.tests.significant("sparse", "directions", 1) is None and found.tests.significant("ring", "plain", 1)


@pytest.mark.parametrize(("bars", "reason"), [(25, "ZeroDivisionError: "), (50, "at doubled in draw 0 of the null: ZeroDivisionError: ")])
def test_any_error_costs_its_own_test_only(bars, reason):
    """Shuffled coordinates tell doubled rows apart: 25 bars in the data, 50 in a draw."""

    def stops(diagrams):
        return 1 / (len(diagrams[0]) - bars) if diagrams.scale > 100 else ti.max_persistence(dim=1)(diagrams)

    ring = points()["ring"]
    how = ti.Significance(stops, null=ti.nulls.shuffled_columns("coordinates"), draws=9, alpha=0.1, detect=None)
    found = ti.profile({"ring": ring, "doubled": np.repeat(1000 * ring[:25], 2, axis=0)}, ti.Rips(), significance=how, progress=False)
    assert found.tests.tests == 1 and list(found.tests.untested) == [("doubled", "euclidean")]
    assert found.tests.untested["doubled", "euclidean"].startswith(reason)


def test_neither_a_plane_nor_a_search_that_fails_loses_the_tests(monkeypatch):
    def fails(*_, **__):
        raise ti.BudgetError("too small")

    for name in ("loop_plane", "detectable"):
        monkeypatch.setattr(f"topo_interp.profile_significance.{name}", fails)
    found = ti.profile({"noise": points()["noise"]}, ti.Rips(), significance=HOW, progress=False)
    assert found.tests.tests == 1 and not found.tests.planes and found.tests.undetermined == {"noise": "too small"}


def test_sites_of_other_rows_are_refused_before_anything_runs(monkeypatch):
    monkeypatch.setattr(sys.modules["topo_interp.profile"], "measure_site", None)
    with pytest.raises(ti.InputError, match="'noise' has 50 rows and 'ring' 49"):
        ti.profile({"noise": points()["noise"], "bad": np.zeros(3), "ring": points()["ring"][:49]}, ti.Rips(), significance=HOW)


def test_grouped_rows_are_refused_before_anything_runs(monkeypatch):
    rows = {"template": np.arange(50) % 5}
    store = ti.store_from_arrays({"noise": points()["noise"]}, rows, groups=["template"])
    monkeypatch.setattr(sys.modules["topo_interp.profile"], "measure_site", None)
    with pytest.raises(ti.InputError, match=r"use null=ti.nulls.matched_gaussian\(within=\['template'\]\)"):
        ti.profile(store, ti.Rips(), significance=HOW, progress=False)
    monkeypatch.undo()
    assert ti.profile(store, ti.Rips(), progress=False).tests is None
    how = ti.Significance(null=ti.nulls.matched_gaussian(within=["template"]), draws=19, detect=None)
    assert ti.profile(store, ti.Rips(), significance=how, progress=False).tests.tests == 1


@pytest.mark.parametrize(("column", "message"), [("mnth", "no column 'mnth'; it has 'item', 'month'"), ("month", "1 of 50 rows have no value in")])
def test_a_column_that_the_null_can_not_read_is_refused_before_anything_runs(monkeypatch, column, message):
    monkeypatch.setattr(sys.modules["topo_interp.profile"], "measure_site", None)
    store = ti.store_from_arrays(points(), {"month": [None, *(f"m{k % 7}" for k in range(49))]})
    with pytest.raises(ti.InputError, match=message):
        ti.profile(store, ti.Rips(), significance=ti.Significance(null=ti.nulls.matched_gaussian(within=[column]), draws=19))


def test_what_can_not_be_is_refused():
    with pytest.raises(ti.InputError, match="9 draws give no p-value below 0.1: use draws=19 or more"):
        ti.Significance(draws=9)
    with pytest.raises(ti.InputError, match="use draws=33 or more"):
        ti.Significance(draws=32, alpha=0.03)
    with pytest.raises(ti.InputError, match="detect is True; give ti.Detect"):
        ti.Significance(detect=True)
    with pytest.raises(ti.InputError, match="say which summaries"):
        ti.Significance().of_recipe(ti.Distances())
    with pytest.raises(ti.InputError, match="significance is a MatchedGaussian"):
        ti.profile(points(), ti.Rips(), significance=ti.nulls.matched_gaussian(), progress=False)
    with pytest.raises(ti.InputError, match="trials is 0"):
        ti.Detect(trials=0)


def test_the_default_is_the_longest_bar_of_every_degree():
    names = [s.name for s in ti.Significance().of_recipe(ti.Rips(max_dim=2))]
    assert [name.split(",")[0] for name in names] == ["max_persistence(dim=1", "max_persistence(dim=2"]
    assert ti.Significance().of_recipe(ti.Rips(max_dim=0))[0].dim == 0


def test_a_split_store_keeps_what_was_tried(tmp_path):
    halves = ti.store_from_arrays(points(60)).split(seed=0, log=tmp_path / "log.jsonl")
    ti.profile(halves, ti.Rips(max_dim=0), sites="ring", progress=False)
    assert halves.explored == 0 and len(halves.tried()) == 1
    how = ti.Significance(draws=19, detect=None)
    found = ti.profile(halves, ti.Rips(), sites=["ring", "noise"], significance=how, progress=False)
    assert halves.explored == 2 and {r.n for r in found.results} == {30}
    looked, tested = found.about["tried"]
    assert (looked["draws"], looked["smallest_p"], tested["sites"], tested["draws"]) == (0, None, 2, 19)
    claim = ti.Claim("ring", ti.Rips(), ti.max_persistence(dim=1), ti.nulls.matched_gaussian(), draws=19)
    assert ti.confirm(claim, halves).explored == 2
    with pytest.raises(ti.SealError, match="opened before"):
        ti.confirm(claim, halves)
