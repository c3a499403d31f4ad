"""The calibration script: its seeds, what it takes for done, and its short form, which is the promise for every change."""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

import topo_interp as ti

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
PROMISED = ("gaussian", "spectrum", "crossed", "clustered", "random_mlp", "random_minilm_distinct_words")


@pytest.fixture(scope="module")
def calibrate():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        import calibrate

        yield calibrate
        for name in ("calibrate", "loop_free"):
            sys.modules.pop(name)


def arguments(folder, **given):
    return argparse.Namespace(**{"out": folder, "runs": 1, "quick": True, "only": None, "jobs": 1, **given})


def test_the_data_of_a_run_hang_on_the_name_of_its_kind_alone(calibrate):
    store, table, null = calibrate.loop_free.data("gaussian", 3)
    expected = np.random.default_rng([zlib.crc32(b"gaussian"), 3]).normal(size=(150, 50))
    assert table is None and (store["first"] == expected).all() and null == ti.nulls.matched_gaussian()
    assert tuple(calibrate.loop_free.PROMISED) == PROMISED


def test_no_word_is_in_two_rows_where_the_rotation_null_takes_rows_as_independent(calibrate, monkeypatch):
    monkeypatch.setattr(calibrate.loop_free, "fresh_minilm", lambda words, vocabulary, seed: (words, vocabulary))
    words, vocabulary, _ = calibrate.loop_free.data("random_minilm_distinct_words", 0)
    assert words.shape == (150, 8) and sorted(words.ravel()) == list(range(1, vocabulary))
    words, _, _ = calibrate.loop_free.data("random_minilm", 0)
    assert len(np.unique(words)) < words.size


def test_the_calibrated_report_is_the_one_that_is_shipped(calibrate, monkeypatch):
    class Asked(Exception):
        pass

    def table(store, recipes, how, **_):
        raise Asked(recipes, how)

    monkeypatch.setattr(ti, "significance_table", table)
    with pytest.raises(Asked) as asked:
        calibrate.noise_run("gaussian", 0, " + ".join(ti.report_recipes()), 39)
    assert asked.value.args == (ti.report_recipes(), ti.Significance(draws=39, seed=10_000, detect=None))


def test_a_run_is_done_only_if_all_that_decides_it_is_the_same(calibrate, tmp_path):
    jobs = [{"run": run, **calibrate.decided(9, ti.nulls.matched_gaussian())} for run in range(3)]
    ran = []

    def measure(run, **_):
        ran.append(run)
        return {"found": 10 * run}

    def found(jobs):
        ran.clear()
        return [row["found"] for row in calibrate.resumed("some", jobs, measure, arguments(tmp_path))], list(ran)

    assert found(jobs[:2]) == (["0", "10"], [0, 1])
    assert found(jobs) == (["0", "10", "20"], [2])
    for changed in ({"version": "another"}, {"draws": 19}, {"null": ti.nulls.matched_neighbors().to_json()}):
        assert found([{**jobs[0], **changed}]) == (["0"], [0])
    with (tmp_path / "some.csv").open() as stream:
        assert len(list(csv.DictReader(stream))) == 6


@pytest.mark.parametrize("changed", ["package_digest", "sources_digest"])
def test_runs_of_other_sources_are_not_taken_for_done(calibrate, monkeypatch, changed):
    calibrate.version.cache_clear()
    now = calibrate.version()
    assert now.startswith(f"{ti.__version__}+") and calibrate.decided(9)["version"] == now
    monkeypatch.setattr(calibrate, changed, lambda *_: "as after a change of a module")
    calibrate.version.cache_clear()
    assert calibrate.decided(9)["version"] != now
    calibrate.version.cache_clear()


def test_every_floor_of_the_calibration_is_measured_anew():
    tomllib = pytest.importorskip("tomllib")
    floors = tomllib.loads((BENCHMARKS / "floors.toml").read_text())["floor"]
    commands = {floor["command"] for floor in floors if floor["command"].startswith("calibrate.py")}
    assert commands == {f"calibrate.py {form}" for form in ("noise", "noise --quick", "power --quick", "uniform --quick", "speed")}
    assert not any("--out" in command for command in commands)
    names = {floor["name"] for floor in floors}
    for kind in PROMISED:
        for form in ("", "quick/"):
            assert {f"calibrate/{form}{kind}/{figure}" for figure in ("false_claims", "uniform_p_small", "uniform_p_large")} <= names


def test_no_floor_of_power_is_one_that_a_test_without_power_keeps():
    tomllib = pytest.importorskip("tomllib")
    floors = {floor["name"]: floor["at_least"] for floor in tomllib.loads((BENCHMARKS / "floors.toml").read_text())["floor"] if "/power/" in floor["name"]}
    runs = 24  # four of each of three sizes in two dimensions
    chance = {name: binom.sf(math.ceil(runs * least) - 1, runs, 0.05) for name, least in floors.items()}
    assert len(chance) == 10 and max(chance.values()) < 0.05


def test_the_figures_of_the_short_form_have_names_of_their_own(calibrate, monkeypatch, tmp_path):
    monkeypatch.setitem(calibrate.MEASURES, "uniform", lambda _: {"uniform/some": 1.0})
    for options, name in (([], "calibrate/uniform/some"), (["--quick"], "calibrate/quick/uniform/some")):
        monkeypatch.setattr(sys, "argv", ["calibrate.py", "uniform", *options, "--json", str(tmp_path / "figures.json")])
        calibrate.main()
        assert json.loads((tmp_path / "figures.json").read_text()) == {name: 1.0}


@pytest.mark.alone
@pytest.mark.slow  # the promise itself: 40 reports of one metric for each kind, 28,800 diagrams
@pytest.mark.timeout(300)
def test_forty_reports_of_one_metric_make_at_most_six_false_claims(tmp_path):
    import subprocess

    figures = tmp_path / "figures.json"
    command = [sys.executable, str(BENCHMARKS / "calibrate.py"), "noise", "--quick", "--json", str(figures)]
    subprocess.run(command, check=True, cwd=tmp_path)
    found = json.loads(figures.read_text())
    del found["calibrate/quick/noise/seconds"]
    assert len(found) == 18
    for name, value in found.items():
        assert value <= 6 if name.endswith("false_claims") else value >= 0.001, name
