"""The command line: exit codes, one line for an error and where it goes, and each command end to end on small input."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import topo_interp as ti
from topo_interp.cli import app
from topo_interp.cli_values import called, loaded, recipes_of

MODULE = """
import torch
from torch import nn

def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))

def probe():
    return [torch.linspace(-1, 1, 30).reshape(10, 3)]

"""


FAILING = """
import torch

net, batch = torch.nn.Sequential(torch.nn.Linear(3, 4)), [torch.ones(10, 7)]

def model():
    raise ValueError("mine")

def wide():
    return torch.nn.Linear("a", 3)

words = [{"input": "hello"}]

class Full(torch.nn.Linear):
    def forward(self, x):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

full, fitting = torch.nn.Sequential(Full(3, 4)), [torch.ones(10, 3)]
"""


@pytest.fixture
def run(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments):
        with pytest.raises(SystemExit) as stop:
            app([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return stop.value.code, out, err

    return call


@pytest.fixture
def store(tmp_path):
    angle = 2 * np.pi * np.arange(30) / 30
    arrays = {
        "layers.0": np.c_[np.cos(angle), np.sin(angle)],
        "layers.1": np.c_[np.cos(angle), np.zeros((30, 2))],
    }
    return ti.store_from_arrays(arrays).save(tmp_path / "ring.acts")


def test_report_and_profile(run, store, tmp_path):
    code, out, err = run(
        "report", store, "--out", tmp_path / "a.html", "--metric", "chordal", "--steps", "pca(2)", "--steps", "centered", "--max-dim", 1,
        "--sites", "layers.*", "--jobs", 1, "--save", tmp_path / "a.profile",
    )  # fmt: skip
    assert (code, err) == (0, "") and f"Profile(2 sites x 1 recipe): {tmp_path / 'a.html'}" in out
    found = ti.Profile.open(tmp_path / "a.profile")
    assert list(found.recipes.values()) == [ti.Rips("chordal", steps=(ti.pca(2), ti.centered()), max_dim=1)]
    assert "ring.acts" in (tmp_path / "a.html").read_text(encoding="utf-8")
    # The kept profile gives the same page again, without computing.
    code, out, _ = run("report", tmp_path / "a.profile", "--out", tmp_path / "b.html", "--quiet")
    assert (code, out) == (0, "") and (tmp_path / "b.html").read_bytes() == (tmp_path / "a.html").read_bytes()


def test_report_with_significance(run, store, tmp_path):
    code, out, err = run(
        "report", store, "--out", tmp_path / "a.html", "--draws", 19, "--seed", 3, "--no-detect", "--save", tmp_path / "a.profile",
        "--sites", "layers.0",
    )  # fmt: skip
    assert (code, err) == (0, "") and "tests have p <= 0.05 after max-T" in out
    found = ti.Profile.open(tmp_path / "a.profile")
    assert found.tests.how == ti.Significance(draws=19, seed=3, detect=None) and dict(found.recipes) == ti.report_recipes()
    assert "beyond chance" in (tmp_path / "a.html").read_text(encoding="utf-8")
    code, out, _ = run("report", store, "--out", tmp_path / "a.html", "--max-dim", 0, "--metric", "diffusion(k=5, t=8)")
    assert code == 0 and "no significance was computed (--draws 99 does)" in out


def test_recipes_of_the_command_line():
    assert recipes_of(["chordal", "diffusion(k=5, t=8)"], ["centered"], 1, None, 100) == [
        ti.Rips("chordal", steps=(ti.centered(),)), ti.Rips(ti.diffusion(k=5, t=8), steps=(ti.centered(),)),
    ]  # fmt: skip
    assert recipes_of(None, None, 1, 2.0, 100) == [ti.Rips(threshold=2.0)]
    three = recipes_of(None, ["pca(3)"], 2, None, 10)
    assert three["effective resistance"] == ti.Rips(ti.effective_resistance(k=9), steps=(ti.pca(3),), max_dim=2)
    assert three["chordal"].steps == (ti.pca(3), ti.centered())


def test_grouped_rows_are_told_what_to_type(run, tmp_path):
    rows = {"template": np.arange(40) % 4}
    points = {"a": np.random.default_rng(0).normal(size=(40, 3))}
    path = ti.store_from_arrays(points, rows, groups=["template"]).save(tmp_path / "g.acts")
    code, _, err = run("report", path, "--out", tmp_path / "a.html", "--draws", 19)
    assert code == 1 and "matched_gaussian(within=['template'])" in err
    null = "matched_gaussian(within=['template'])"
    code, _, err = run("report", path, "--out", tmp_path / "a.html", "--draws", 19, "--null", null, "--no-detect", "--metric", "euclidean")
    assert (code, err) == (0, "")
    code, _, err = run("report", path, "--out", tmp_path / "a.html", "--null", null)
    assert code == 1 and "say how many draws, such as --draws 99" in err


def test_a_profile_is_not_computed_again(run, store, tmp_path):
    run("report", store, "--out", tmp_path / "a.html", "--save", tmp_path / "a.profile", "--max-dim", 0)
    for option in ("--metric chordal", "--null uniform_on_sphere", "--device cuda", "--seed 0", "--max-dim 1", "--no-detect", "--steps centered"):
        code, _, err = run("report", tmp_path / "a.profile", "--out", tmp_path / "b.html", *option.split())
        assert code == 1 and "is a profile, whose diagrams and tests are computed" in err and option.split()[0] in err.split("others with")[1]
    assert not (tmp_path / "b.html").exists()


@pytest.mark.parametrize("command", ["report {store}", "diff {store} {store}", "track {store}"])
@pytest.mark.parametrize("option", ["--out", "--save"])
def test_where_the_result_goes_is_looked_at_before_the_work(run, store, tmp_path, monkeypatch, command, option):
    for name in ("profile", "diff", "track"):
        monkeypatch.setattr(ti, name, None)
    words = command.replace("{store}", str(store)).split()
    code, _, err = run(*words, option, tmp_path)
    assert code == 1 and err == f"error: '{tmp_path}' is a folder; give the name of a file in it\n"
    code, _, err = run(*words, option, tmp_path / "no" / "a")
    assert code == 1 and err.endswith("make it first\n")


@pytest.mark.parametrize("command", ["report {store}", "diff {store} {store}", "track {store}"])
def test_no_result_is_written_over_another(run, store, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    code, _, err = run(*command.replace("{store}", str(store)).split(), "--out", tmp_path / "a", "--save", "a")
    assert code == 1 and err.endswith("give --out and --save files of their own\n") and not (tmp_path / "a").exists()


def test_a_page_is_not_written_over_its_profile(run, store, tmp_path):
    kept = tmp_path / "a.profile"
    run("report", store, "--out", tmp_path / "a.html", "--save", kept, "--max-dim", 0)
    before = kept.read_bytes()
    code, _, err = run("report", kept, "--out", kept)
    assert code == 1 and "would be written over" in err and kept.read_bytes() == before


def test_version(run):
    assert run("--version") == (0, f"{ti.__version__}\n", "")


def test_a_failed_site_is_a_warning_and_all_failed_an_error(run, tmp_path):
    half = ti.store_from_arrays({"good": np.eye(5), "bad": np.zeros((5, 2))}).save(tmp_path / "half")
    code, _, err = run("report", half, "--out", tmp_path / "a.html", "--metric", "chordal")
    assert code == 0 and err.startswith("warning: bad: ") and err.count("\n") == 1
    code, _, err = run("report", half, "--out", tmp_path / "a.html", "--metric", "chordal", "--sites", "bad")
    assert code == 1 and err.splitlines()[-1] == "error: every site failed; the report holds the messages"


def test_info(run, store):
    code, out, err = run("info", store)
    assert (
        (code, err) == (0, "")
        and "sites   2" in out
        and "  layers.0  30 x 2" in out
        and "verified" not in out
    )
    assert f"hash    {ti.open_store(store).digest()}" in out
    code, out, _ = run("info", store, "--verify")
    assert code == 0 and "verified: every file" in out
    shard = max(store.rglob("*.safetensors"), key=lambda path: path.stat().st_size)
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    assert run("info", store)[0] == 0
    code, _, err = run("info", store, "--verify")
    assert code == 1 and err.startswith("error: ") and err.count("\n") == 1 and shard.name in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("report", "no-such-store"), "no-such-store"),
        (("report", "{store}", "--metric", "euclid"), "no metric is called 'euclid'"),
        (("report", "{store}", "--steps", "pca(1"), "--steps 'pca(1' is not understood; give one of centered"),
        (("report", "{store}", "--steps", "__import__('os')"), "is not understood"),
        (("report", "{store}", "--steps", "pca(k=print)"), "is not understood"),
        (("report", "{store}", "--steps", "pca()"), "--steps 'pca()': "),
        (("report", "{store}", "--sites", "layer"), "matches nothing in the store"),
        (("report", "{store}", "--draws", "19", "--null", "foo"), "in brackets: \"matched_gaussian(within=['template'])\""),
        (("report", "{store}", "--seed", "5"), "--seed without draws computes nothing; say how many draws, such as --draws 99"),
        (("track", "{store}", "--metrics", "empty.csv"), "'empty.csv' can not be read (EmptyDataError: No columns"),
        (("track", "{store}", "--metrics", "latin.csv"), "give a CSV file in UTF-8 or a .parquet file, with a column 'step'"),
        (("track", "{store}", "--metrics", "ragged.csv"), "'ragged.csv' can not be read (ParserError: "),
        (("track", "{store}", "--metrics", "broken.parquet"), "'broken.parquet' can not be read (ArrowInvalid: "),
        (("track", "{store}", "--metrics", "no-step.csv"), "has no column 'step'; its columns are loss"),
        (("cost", "{store}", "--landmarks", "many"), "in brackets: \"until_certified(bars=5, max_points=2000)\""),
        (("info", "no-such-store"), "no-such-store"),
        (("capture", "--model", "model", "--probe", "a:b", "--sites", "*", "--out", "x"), "the form is module:name"),
        (("capture", "--model", "no_such_module:f", "--probe", "a:b", "--sites", "*", "--out", "x"), "run from the folder that holds no_such_module.py"),
        (("capture", "--model", "incomplete:f", "--probe", "a:b", "--sites", "*", "--out", "x"), "'no_such_package'; incomplete imports it: install it"),
        (("capture", "--model", "./mine:f", "--probe", "a:b", "--sites", "*", "--out", "x"), "for what stands in my_models.py"),
        (("capture", "--model", "mine.py:f", "--probe", "a:b", "--sites", "*", "--out", "x"), "the form is module:name"),
        (("capture", "--model", "broken:f", "--probe", "a:b", "--sites", "*", "--out", "x"), "fails at line 1 of {here}/broken.py: SyntaxError: "),
        (("capture", "--model", "failing:model", "--probe", "a:b", "--sites", "*", "--out", "x"), "fails at line 7 of {here}/failing.py: ValueError: mine"),
        (("capture", "--model", "failing:net", "--probe", "failing:batch", "--sites", "*", "--out", "x"), "RuntimeError: mat1 and mat2 shapes cannot"),
        (("capture", "--model", "failing:wide", "--probe", "a:b", "--sites", "*", "--out", "x"), "fails at line 10 of {here}/failing.py: TypeError: "),
        (("capture", "--model", "failing:net", "--probe", "failing:words", "--sites", "*", "--out", "x"), "TypeError: "),
        (("capture", "--model", "failing:full", "--probe", "failing:fitting", "--sites", "*", "--out", "x"), "memory): give smaller batches"),
        (("capture", "--model", "unfinished:f", "--probe", "a:b", "--sites", "*", "--out", "x"), "fails at line 1 of {here}/unfinished.py: AttributeError: "),
        (("report", "{store}", "--draws", "19", "--null", "reinitialized('failing:model')"), "can not be called with a seed"),
        (("cost", "{store}", "--landmarks", "until_certified(bars=0)"), "'max_points'; give it as in \"until_certified(bars=5"),
        (("diff", "{store}", "{store}", "--metric", "diffusion(k=5)"), "argument: 't'; give it as in \"diffusion(k=15, t=8)"),
        (("capture", "--model", "json:no_such", "--probe", "a:b", "--sites", "*", "--out", "x"), f"no attribute 'no_such' (it was imported from {json.__file__})"),
    ],
)  # fmt: skip
def test_our_errors_are_one_line_and_exit_1(run, store, monkeypatch, tmp_path, arguments, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "incomplete.py").write_text("import no_such_package\n")
    (tmp_path / "broken.py").write_text("def f(:\n")
    (tmp_path / "unfinished.py").write_text("().no_such\n")
    (tmp_path / "failing.py").write_text(FAILING)
    monkeypatch.delitem(sys.modules, "failing", raising=False)  # another test's
    tables = {"empty.csv": b"", "latin.csv": b"step,loss\n0,\xe9\n", "ragged.csv": b"step\n0,1\n0,1,2\n", "broken.parquet": b"PAR", "no-step.csv": b"loss\n1\n"}
    for name, content in tables.items():
        (tmp_path / name).write_bytes(content)
    code, out, err = run(*(argument.replace("{store}", str(store)) for argument in arguments))
    assert code == 1 and out == ""
    assert err.startswith("error: ") and err.count("\n") == 1 and words.replace("{here}", str(tmp_path)) in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("report",),
        ("report", "a", "--no-such"),
        ("nothing",),
        ("report", "a", "--max-dim", "x"),
        ("report", "a", "--jobs", "0"),
    ],
)
def test_wrong_usage_is_exit_2(run, arguments):
    code, out, err = run(*arguments)
    assert code == 2 and "Usage" in err and out == ""


def test_help_has_examples(run):
    listed = run("--help")[1]
    commands = [command.callback.__name__ for command in app.registered_commands]
    assert len(commands) == 7
    for command in commands:
        code, out, _ = run(command, "--help")
        assert code == 0 and command in listed and re.search(f"Examples?: topo-interp {command}", out)


def test_an_interrupt_is_exit_130(run, store, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(ti, "profile", stop)
    code, out, err = run("report", store)
    assert (code, out, err) == (130, "", "interrupted\n")


def test_calls_are_values():
    assert (
        called("pca(50)", ("pca",), "--steps") == ti.pca(50) == called(" pca( k = 50 ) ", ("pca",), "--steps")
    )
    assert called("centered", ("centered",), "--steps") == ti.centered()


def test_objects_are_loaded_by_address(tmp_path, monkeypatch):
    (tmp_path / "loaded_here.py").write_text(
        "class A:\n    x = [1]\n\ndef f():\n    return 2\n\ndef g(k):\n    return k\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert loaded("loaded_here:A.x", "--probe") == [1] and loaded("loaded_here:f", "--probe") == 2
    assert type(loaded("loaded_here:A", "--model")).__name__ == "A"
    with pytest.raises(ti.InputError, match="can not be called without arguments .*'k'"):
        loaded("loaded_here:g", "--model")
    del sys.modules["loaded_here"]


def installed(*arguments, cwd):
    """A call of the console script, which has no folder of the user's on its path, as ``python -m`` has."""
    script = Path(sys.executable).with_name("topo-interp")
    return subprocess.run([script, *arguments], cwd=cwd, capture_output=True, text=True, timeout=100, check=False)


def test_a_null_finds_the_modules_of_the_current_folder(tmp_path):
    (tmp_path / "mine.py").write_text("import numpy as np\n\ndef fresh(seed):\n    return np.random.default_rng(seed).normal(size=(20, 2))\n")
    ti.store_from_arrays({"a": np.random.default_rng(9).normal(size=(20, 2))}).save(tmp_path / "a.acts")
    options = ["--metric", "euclidean", "--draws", "19", "--no-detect", "--null", "reinitialized('mine:fresh')"]
    done = installed("report", "a.acts", *options, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "") and (tmp_path / "layers.html").is_file()
    (tmp_path / "numpy.py").write_text("raise SystemExit('the file of the user took the place of a package')\n")
    assert installed("info", "a.acts", cwd=tmp_path).returncode == 0


def test_capture_end_to_end(tmp_path):
    (tmp_path / "small_model.py").write_text(MODULE)
    run = ["capture", "--probe", "small_model:probe", "--out", "a.acts", "--model", "small_model:model", "--sites", "0", "--sites", "1"]
    done = installed(*run, "--rows", "every_row", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "next: topo-interp report a.acts" in done.stdout
    store = ti.open_store(tmp_path / "a.acts")
    assert {site: cloud.shape for site, cloud in store.items()} == {"0": (10, 4), "1": (10, 4)}
    np.testing.assert_array_equal(store["1"].points, np.maximum(store["0"].points, 0))


def test_cost_names_memory_and_time_of_every_site(run, store):
    code, out, err = run("cost", store, "--metric", "euclidean")
    lines = out.splitlines()
    assert (code, err) == (0, "") and len(lines) == 3
    assert lines[0].startswith("layers.0  euclidean  30 x 2 points with engine 'links': about 6.96 kB and ")
    assert lines[2].startswith("all 2 sites and 1 recipe one after another: about ")


def test_cost_prices_a_report_and_landmarks(run, tmp_path):
    path = ti.store_from_arrays({"a": ti.shapes.noisy_circle(40)}).save(tmp_path / "a.acts")
    lines = run("cost", path)[1].splitlines()
    assert len(lines) == 4 and all(f"  {name}  40 x 2" in line for name, line in zip(ti.report_recipes(), lines[:3], strict=True))
    code, out, _ = run("cost", path, "--steps", "centered", "--landmarks", 10, "--threshold", 2)
    want = ti.cost(ti.Rips(steps=(ti.centered(),), landmarks=10, threshold=2.0), 40, 2)
    assert code == 0 and out.splitlines()[0] == f"a  centered, euclidean  {want}"
