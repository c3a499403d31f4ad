"""topo-interp track, end to end: folders of stores, and checkpoint files that it captures from."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pandas as pd
import pytest

import topo_interp as ti
from topo_interp.cli import app

MODULE = """
import torch
from torch import nn

def model():
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))

def probe():
    return [torch.linspace(-1, 1, 60).reshape(20, 3).sin()]
"""


@pytest.fixture
def call(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments):
        with pytest.raises(SystemExit) as stop:
            app([str(argument) for argument in arguments])
        return stop.value.code, *capsys.readouterr()

    return run


def test_a_folder_of_stores(call, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    for step in (0, 100):
        ti.store_from_arrays({"a": np.random.default_rng(step).normal(size=(30, 3))}).save(folder / f"step-{step:05d}")
    (folder / "step-00200").mkdir()  # a checkpoint whose writing was cut off
    (tmp_path / "m.csv").write_text("step,loss\n0,2.5\n100,1.5\n")
    arguments = ["track", folder, "--out", tmp_path / "a.html", "--metrics", tmp_path / "m.csv", "--save", tmp_path / "a.track"]
    code, out, err = call(*arguments, "--subsamples", 10)
    assert code == 0 and "(3 results computed, 0 taken" in out and "warning: step 200:" in err
    assert ti.Track.open(tmp_path / "a.track").to_frame()["loss"].unique().tolist() == [2.5, 1.5]
    assert len(pd.read_parquet(tmp_path / "a.steps.parquet")) == 4
    code, out, _ = call(*arguments, "--subsamples", 10)
    assert code == 0 and "(0 results computed, 3 taken" in out
    assert "(3 results computed, 0 taken" in call(*arguments, "--subsamples", 10, "--fresh")[1]
    code, _, err = call(*arguments, "--steps", "pca(9)", "--subsamples", 0)
    assert code == 1 and err.endswith("error: every site of every step failed; the report holds the messages\n")
    code, _, err = call("track", tmp_path / "none")
    assert code == 1 and "there is no folder" in err
    code, _, err = call("track", tmp_path, "--out", tmp_path / "b.html")
    assert code == 1 and "holds no store with a step in its name" in err


def test_checkpoint_files(call, tmp_path, monkeypatch):
    import torch
    from safetensors.torch import save_file

    (tmp_path / "made_for_track.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "made_for_track", raising=False)
    made = importlib.import_module("made_for_track")
    states = {}
    for step in (0, 10, 20):
        torch.manual_seed(step)
        states[step] = made.model().state_dict()
    folder = tmp_path / "run"
    folder.mkdir()
    torch.save(states[0], folder / "ckpt-0.pt")
    torch.save({"model_state_dict": states[10], "step": 10}, folder / "ckpt-10.pt")
    save_file(states[20], folder / "ckpt-20.safetensors")
    marker = tmp_path / "ran"
    torch.save(_Runs(str(marker)), folder / "ckpt-30.pt")  # a pickle that would run code
    arguments = [
        "track", folder, "--model", "made_for_track:model", "--probe", "made_for_track:probe", "--sites", "*", "--out", tmp_path / "a.html",
        "--subsamples", 0, "--save", tmp_path / "a.track",
    ]  # fmt: skip
    code, _, err = call(*arguments)
    assert code == 0 and "warning: step 30: ckpt-30.pt" in err and not marker.exists()
    found = ti.Track.open(tmp_path / "a.track")
    assert found.steps == (0, 10, 20) and set(found.failed) == {30} and found.sites == ("0", "1", "2")
    x = made.probe()[0].numpy()
    for step, state in states.items():
        expected = ti.Rips()(x @ state["0.weight"].numpy().T + state["0.bias"].numpy())
        got = found.diagrams[step, "0", "euclidean"]
        assert len(got[1]) == len(expected[1]) and got[0] == pytest.approx(expected[0], abs=1e-5)
    (folder / "ckpt-30.pt").write_text("junk")
    code, out, err = call(*arguments)
    assert "warning: step 30: ckpt-30.pt: torch.load can not read it with weights_only (" in err
    (folder / "ckpt-30.pt").unlink()
    code, out, _ = call(*arguments)
    assert code == 0 and "(0 results computed, 18 taken" in out
    code, _, err = call(*arguments[:4])
    assert code == 1 and "need all of --model, --probe and --sites" in err


def test_diff(call, tmp_path):
    x = np.random.default_rng(0).normal(size=(30, 3))
    for name, points in (("a", x), ("b", 2 * x)):
        ti.store_from_arrays({"layer": points, "flat": np.ones((30, 2))}).save(tmp_path / name)
    saved = tmp_path / "d.diff"
    code, out, err = call("diff", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "d.html", "--draws", 19, "--subsamples", 0, "--save", saved)
    assert code == 0 and "warning: flat: rtd is not defined here" in err and "p of 4 tests against 19 random pairings" in out
    assert "What changed" in (tmp_path / "d.html").read_text(encoding="utf-8")
    table = pd.read_parquet(tmp_path / "d.measures.parquet").set_index("site")
    assert len(pd.read_parquet(tmp_path / "d.moved.parquet")) == len(ti.Diff.open(saved).moved_bars())
    assert table.loc["layer", "rtd"] == pytest.approx(0, abs=1e-5) and table.loc["layer", "cka_p_max_t"] == 0.05
    assert call("diff", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "no" / "d.html")[0] == 1


class _Runs:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")
