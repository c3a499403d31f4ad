"""Tracks: one table over all steps, drift against its parts, runs that go on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

import topo_interp as ti
from topo_interp import track_cache
from topo_interp._sources import sources_digest
from topo_interp.comparison import drift
from topo_interp.geometry.distance_matrix import DistanceMatrix

RIPS = ti.Rips(steps=(ti.centered(),), max_dim=1)
STEPS = (0, 5, 20)


def cloud(step, site):
    rng = np.random.default_rng([step, site])
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    ring = np.c_[np.cos(angle), np.sin(angle), 0 * angle] * [1, step / 20, 1]
    return (ring + 0.1 * rng.normal(size=(40, 3))) * (1 + step)


def made_store(step):
    return ti.store_from_arrays({"a": cloud(step, 0), "b.c": cloud(step, 1)}, {"item": np.arange(40), "kind": np.arange(40) % 3})


@pytest.fixture
def run(tmp_path):
    """A run on disk: step -> folder."""
    return {step: made_store(step).save(tmp_path / f"step-{step}") for step in STEPS}


@pytest.fixture(scope="module")
def found():
    metrics = pd.DataFrame({"step": STEPS, "loss": [2.0, 1.0, 0.5]})
    return ti.track({step: made_store(step) for step in STEPS}, RIPS, metrics=metrics, subsamples=10, progress=False)


def test_the_table_is_the_profiles_of_the_steps(found):
    frame = found.to_frame()
    assert len(frame) == len(STEPS) * 2 * 2 and list(found.steps) == list(STEPS)
    for step in STEPS:
        part = frame[frame["step"] == step].reset_index(drop=True)
        alone = ti.profile(made_store(step), RIPS, progress=False).to_frame()
        pd.testing.assert_frame_equal(part[alone.columns], alone, check_exact=True)
    assert frame.groupby("step")["loss"].first().to_dict() == {0: 2.0, 5: 1.0, 20: 0.5}
    assert (frame["status"] == "EXACT").all() and frame["bottleneck_bound"].gt(0).all()
    assert "mean_norm" in frame and not found.failed


def test_baselines_can_be_left_out():
    frame = ti.track({0: made_store(0)}, RIPS, baselines=False, subsamples=0, progress=False).to_frame()
    assert "mean_norm" not in frame and frame["max_persistence_relative"].notna().all()


def test_drift_against_its_parts(found):
    first, previous = found.drift("first"), found.drift("previous")
    assert list(zip(first["step"], first["reference"], first["site"], strict=True)) == [
        (5, 0, "a"), (5, 0, "b.c"), (20, 0, "a"), (20, 0, "b.c"),
    ]  # fmt: skip
    assert set(zip(previous["step"], previous["reference"], strict=True)) == {(5, 0), (20, 5)}
    row = previous[(previous["step"] == 20) & (previous["site"] == "a")].iloc[0]
    x, y = (cloud(step, 0) for step in (5, 20))
    assert row["rtd"] == pytest.approx(ti.rtd(x, y).value, rel=1e-5)
    assert row["cka"] == pytest.approx(ti.cka(x, y).value, rel=1e-6)
    scaled = [ti.Rips(max_dim=1)((p - p.mean(0)) / np.median(DistanceMatrix.from_points(p).condensed)) for p in (x, y)]
    for dim in (0, 1):
        assert row[f"bottleneck_dim{dim}"] == pytest.approx(ti.bottleneck(*scaled, dim).value, abs=1e-5)
    assert 0 < row["bottleneck_bound"] < 1e-4 and row["notes"] == ""
    with pytest.raises(ti.InputError, match="it is 'first' or 'previous'"):
        found.drift("last")


def test_drift_is_free_of_scale():
    points = cloud(20, 0)
    drift = ti.track({0: {"a": points}, 1: {"a": 64 * points}}, RIPS, subsamples=0, progress=False).drift()
    assert drift[["bottleneck_dim0", "bottleneck_dim1", "rtd"]].to_numpy().max() == pytest.approx(0, abs=1e-6)
    assert drift["cka"].iloc[0] == pytest.approx(1)


def test_round_trip(found, tmp_path):
    again = ti.Track.open(found.save(tmp_path / "a.track"))
    for name in ("to_frame", "drift", "events"):
        pd.testing.assert_frame_equal(getattr(again, name)(), getattr(found, name)(), check_exact=True)
    assert dict(again.about) == dict(found.about) and repr(again) == repr(found)
    assert [p.name for p in tmp_path.iterdir()] == ["a.track"]
    content = (tmp_path / "a.track").read_bytes()
    (tmp_path / "a.track").write_bytes(content[: len(content) // 2])
    with pytest.raises(ti.SealError, match="not a whole track"):
        ti.Track.open(tmp_path / "a.track")


def test_two_processes_give_the_same(found):
    metrics = found.metrics
    other = ti.track({step: made_store(step) for step in STEPS}, RIPS, metrics=metrics, subsamples=10, n_jobs=2, progress=False)
    for name in ("to_frame", "drift", "events"):
        pd.testing.assert_frame_equal(getattr(other, name)(), getattr(found, name)(), check_exact=True)


def test_a_pair_has_its_share_of_the_threads_and_one_of_blas(monkeypatch):
    from threadpoolctl import threadpool_info, threadpool_limits

    asked, of_blas, (properties, cka), seen = [], [], drift.MEASURES["cka"], ti.Rips.seen

    def watched_cka(*clouds, **options):
        of_blas.extend(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
        return cka(*clouds, **options)

    def watched_seen(self, cloud, threads=None, device="cpu"):
        asked.append(threads)
        return seen(self, cloud, threads, device)

    monkeypatch.setitem(drift.MEASURES, "cka", (properties, watched_cka))
    monkeypatch.setattr(ti.Rips, "seen", watched_seen)
    with threadpool_limits(limits=2, user_api="blas"):
        values, notes, _ = track_cache.pair_result(track_cache.Cache(None), RIPS, cloud(0, 0), cloud(5, 0), 3)
    assert values["cka"] > 0 and not notes
    assert set(of_blas) == {1} and asked == [3, 3]


def test_row_counts_are_equalized_and_it_is_said():
    whole, rows = {step: made_store(step) for step in STEPS}, np.r_[3:40]
    found = ti.track({**whole, 5: whole[5].select(rows)}, RIPS, subsamples=0, progress=False)
    same = ti.track({step: store.select(rows) for step, store in whole.items()}, RIPS, subsamples=0, progress=False)
    pd.testing.assert_frame_equal(found.to_frame(), same.to_frame(), check_exact=True)
    pd.testing.assert_frame_equal(found.drift(), same.drift(), check_exact=True)
    assert "from 37 (step 5) to 40 rows (step 0)" in found.about["rows"] and "the 37 rows that every store has" in found.about["rows"]
    assert same.about["rows"] == ""
    with pytest.raises(ti.InputError, match="20 and 10 rows"):
        ti.track({0: whole[0].select(np.arange(20)), 5: whole[5].select(np.arange(30, 40))}, RIPS, progress=False)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"item": np.arange(39), "kind": np.r_[np.arange(38) % 3, 7]}, "column 'kind' is 2 and 7 in row 38"),
        ({"item": np.arange(40)}, "columns kind only in the first, none only in the second"),
        ({"item": np.arange(40), "kind": np.r_[np.arange(39) % 3, 7]}, "column 'kind' is 0 and 7 in row 39"),
    ],
)
def test_other_rows_are_refused_and_named(table, words):
    other = ti.store_from_arrays({"a": cloud(5, 0)[: len(table["item"])]}, table)
    with pytest.raises(ti.InputError, match=f"step 0 and step 5 hold different rows: {words}"):
        ti.track({0: made_store(0), 5: other}, RIPS, progress=False)


def test_wrong_inputs():
    stores = {0: made_store(0)}
    for wrong, words in (({}, "holds no step"), ({"0": made_store(0)}, "steps are integers"), ({0: "/none"}, "none of the 1")):
        with pytest.raises(ti.InputError, match=words):
            ti.track(wrong, RIPS, progress=False)
    for metrics, words in (
        (pd.DataFrame({"step": [0, 0]}), "step 0 more than once"),
        (pd.DataFrame({"step": [7]}), "none of the steps 0"),
        (pd.DataFrame({"step": [0], "dim": [1]}), "'dim' has the name of a column"),
        (pd.DataFrame({"step": [0], "max_persistence_relative": [1]}), "'max_persistence_relative' has the name of a column"),
        (pd.DataFrame({"step": [0], "mean_norm": [1]}), "'mean_norm' has the name of a column"),
        (pd.DataFrame({"step": [0.0, 10.5]}), "step in row 1 is 10.5; steps are integers"),
        (pd.DataFrame({"step": [0.0, np.inf]}), "step in row 1 is inf; steps are integers"),
        (pd.DataFrame({"step": [0, None]}), "step in row 1 is nan"),
        (pd.DataFrame({"step": ["0", "x"]}), "step in row 1 is 'x'"),
        (pd.DataFrame([[0, 1, 2]], columns=["step", "loss", "loss"]), "different texts are needed as names"),
        ({"step": [0], "loss": [1.0]}, "metrics is a dict; a DataFrame"),
    ):
        with pytest.raises(ti.InputError, match=words):
            ti.track(stores, RIPS, metrics=metrics, progress=False)
    with pytest.raises(ti.InputError, match="made without subsamples"):
        ti.track(stores, ti.Rips(max_dim=0), subsamples=0, progress=False).events()


def test_steps_that_are_whole_numbers_of_another_type_are_steps():
    metrics = pd.DataFrame({"step": [0.0, 5.0], "loss": [2.0, 1.0]})
    found = ti.track({0: made_store(0), 5: made_store(5)}, RIPS, metrics=metrics, subsamples=0, drift=False, progress=False)
    assert found.metrics["step"].dtype == np.int64 and found.to_frame().groupby("step")["loss"].first().to_dict() == {0: 2.0, 5: 1.0}


def test_without_subsamples_no_matrix_is_made(monkeypatch):
    whole = DistanceMatrix.from_points

    def some(points, *arguments, **options):
        assert len(points) < 4200, "a matrix of all rows was made"
        return whole(points, *arguments, **options)

    monkeypatch.setattr(DistanceMatrix, "from_points", some)  # the median is that of some rows
    store = {"a": np.random.default_rng(0).normal(size=(4200, 2))}
    found = ti.track({0: store}, ti.Rips(max_dim=0), baselines=False, subsamples=0, progress=False)
    assert not found.failed and found.to_frame()["bars"].item() == 4200


def test_diagrams_that_a_threshold_cut_have_a_drift():
    found = ti.track({0: made_store(0), 5: made_store(5)}, ti.Rips(threshold=2.0), subsamples=0, progress=False)
    cut = [d.censored(0).any() for d in found.diagrams.values()]
    drift = found.drift()
    assert any(cut) and drift[["bottleneck_dim0", "bottleneck_dim1"]].notna().all(axis=None) and (drift["notes"] == "").all()


def test_what_can_not_be_read_is_named_and_tried_again(run, tmp_path):
    cache = tmp_path / "cache"
    shutil.move(run[5], tmp_path / "away")
    shard = next(path for path in run[20].rglob("*.safetensors"))
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    broken = ti.track(run, RIPS, subsamples=10, cache=cache, progress=False)
    assert set(broken.failed) == {5, 20} and broken.steps == (0, 20)
    assert "changed" in broken.failed[20] and broken.to_frame()["error"].ne("").sum() == 2
    assert broken.about["computed"] == 4  # two sites of step 0, one of step 20 and its pair
    shutil.move(tmp_path / "away", run[5])
    shard.write_bytes(whole)
    mended = ti.track(run, RIPS, subsamples=10, cache=cache, progress=False)
    assert not mended.failed and mended.about["results"] == 12 and mended.about["computed"] == 8
    fresh = ti.track(run, RIPS, subsamples=10, progress=False)
    for name in ("to_frame", "drift", "events"):
        pd.testing.assert_frame_equal(getattr(mended, name)(), getattr(fresh, name)(), check_exact=True)


def test_a_pair_without_all_of_its_measures_is_tried_again(tmp_path, monkeypatch):
    stores = {step: {"a": cloud(step, 0)} for step in (0, 5)}

    def found():
        found = ti.track(stores, RIPS, subsamples=0, cache=tmp_path / "cache", progress=False)
        return found.about["computed"], found.drift()

    with monkeypatch.context() as patch:
        patch.setitem(drift.MEASURES, "rtd", (drift.MEASURES["rtd"][0], lambda *_, **__: 1 / 0))
        computed, frame = found()
    assert computed == 3 and frame["rtd"].isna().all() and frame["cka"].notna().all()
    assert frame["notes"].tolist() == ["rtd: ZeroDivisionError: division by zero"]
    computed, frame = found()
    assert computed == 1 and frame["rtd"].notna().all() and found()[0] == 0


def test_the_cache_knows_the_sources(run, tmp_path, monkeypatch):
    for name, text in (("a", "one = 1"), ("b", "one = 2"), ("c", "one = 1")):
        (tmp_path / name / "part").mkdir(parents=True)
        (tmp_path / name / "part" / "module.py").write_text(text)
    first, other, same = (sources_digest(tmp_path / name) for name in "abc")
    assert first == same != other

    def computed():
        return ti.track(run, RIPS, subsamples=0, drift=False, cache=tmp_path / "cache", progress=False).about["computed"]

    assert (computed(), computed()) == (6, 0)
    monkeypatch.setattr(track_cache, "package_digest", lambda: other)  # as after a change of a module
    assert (computed(), computed()) == (6, 0)


def test_the_cache_knows_what_defines_a_result(run, tmp_path):
    def computed(recipe=RIPS, **options):
        return ti.track(run, recipe, **{"subsamples": 10, "cache": tmp_path / "c", "progress": False, **options}).about["computed"]

    assert computed() == 12 and computed() == 0
    assert computed(resume=False) == 12
    assert computed({"other name": RIPS}) == 0
    assert computed(seed=1) == 6  # the pairs have no subsamples
    assert computed(ti.Rips("chordal", steps=(ti.centered(),))) == 12
    for path in list((tmp_path / "c").iterdir()):
        path.write_bytes(path.read_bytes()[:-3])
    assert computed() == 12  # files that are not whole


SCRIPT = """
import json, sys, numpy as np, topo_interp as ti
stores = {step: ti.store_from_arrays({"a": np.random.default_rng(step).normal(size=(150, 4))}) for step in range(12)}
found = ti.track(stores, ti.Rips(), cache=sys.argv[1], progress=False)
print(json.dumps([found.about["computed"], found.about["results"]]))
"""


def test_a_killed_run_goes_on_where_it_stopped(tmp_path):
    def kept():
        return [p for p in tmp_path.glob("*") if not p.name.startswith(".")]

    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    first = subprocess.Popen(command)
    try:
        end = time.monotonic() + 90
        while len(kept()) < 4 and time.monotonic() < end:
            assert first.poll() is None, "the run ended before it was killed"
            time.sleep(0.002)
    finally:
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    before = len(kept())
    second = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    computed, results = json.loads(second.stdout)
    assert results == 12 + 21 and 4 <= before < results
    assert computed == results - before


def test_loops_are_followed_from_step_to_step(tmp_path):
    """A ring that stays and one that opens; the stores are given again, as folders or as they are."""
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, (2, 40))
    rings = [np.column_stack((np.cos(a), np.sin(a))) for a in angle]
    stores = {
        step: ti.store_from_arrays({"layer": np.concatenate((rings[0], size * rings[1] + [6.0, 0.0]))})
        for step, size in ((0, 0.05), (10, 0.5), (20, 1.0))
    }
    recipes = {"plain": ti.Rips(max_dim=1), "parts": ti.Rips(max_dim=0)}
    found = ti.track(stores, recipes, subsamples=0, drift=False, baselines=False)
    frame = found.loops(stores, "layer").to_frame()
    assert frame["birth_step"].tolist() == [0, 10] and frame["death_step"].tolist() == [None, None]
    assert [{row // 40 for row in rows} for rows in frame["rows"]] == [{0}, {1}]
    for what, message in (
        ((stores, "other"), "no site 'other'; it has 'layer'"),
        ((stores, "layer", "fine"), "no recipe 'fine'"),
        ((stores, "layer", "parts"), "max_dim=1"),
        (({0: stores[0], 10: stores[10]}, "layer"), "lack step 20"),
        (({**stores, 20: tmp_path / "gone"}, "layer"), "step 20 can not be read"),
        (({**stores, 20: {"layer": np.random.default_rng(1).normal(size=(80, 2))}}, "layer"), "at step 20 are not those that the track was made of"),
        ((None, "layer"), "stores is a NoneType"),
    ):
        with pytest.raises(ti.InputError, match=message):
            found.loops(*what)
