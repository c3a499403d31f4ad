"""The demonstration, quick: it learns, writes what it says, replaces only a demo, and gives the same numbers again."""

from __future__ import annotations

import html

import pandas as pd
import pytest
import torch

import topo_interp as ti
from topo_interp.cli import app
from topo_interp.demo import CHECKPOINTS, QUICK_CHECKPOINTS, run_demo

SITES = ["hidden1:input", "hidden1", "hidden2", "hidden3", "hidden4", "hidden5", "logits"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    state = torch.random.get_rng_state()
    threads = torch.get_num_threads()
    made = run_demo(tmp_path_factory.mktemp("demo") / "out", quick=True, progress=False)
    assert torch.equal(torch.random.get_rng_state(), state) and torch.get_num_threads() == threads
    return made


def test_what_it_writes(demo):
    assert len(CHECKPOINTS) >= 8 and CHECKPOINTS[0] == 0  # of `make demo`, whose 90 s CI holds
    assert sorted(demo.stores) == list(QUICK_CHECKPOINTS) and QUICK_CHECKPOINTS[0] == 0
    for path in demo.stores.values():
        store = ti.open_store(path)
        store.verify()
        assert list(store) == SITES and {"item", "digit"} <= set(store.rows)
    table = pd.read_parquet(demo.table)
    pd.testing.assert_frame_equal(table, demo.frame)
    assert len(table) == len(QUICK_CHECKPOINTS) * len(SITES) * 2 and set(table["status"]) == {"EXACT"}
    assert "after 80 training steps" in demo.report.read_text(encoding="utf-8")
    last = ti.Profile.open(demo.folder / "layers.profile")
    assert last.sites == tuple(SITES) and list(last.recipes) == list(ti.report_recipes())


def test_the_last_layers_are_tested_against_untrained_networks(demo):
    tests = demo.last.tests
    assert tests.how.draws == 19 and tests.tests == len(SITES) * 3 and "untrained_quick" in tests.null
    pixels = tests.table[tests.table["site"] == "hidden1:input"]
    assert (pixels["p_max_t"] == 1).all()  # the weights do not reach the images
    assert (tests.table[tests.table["site"] == "hidden3"]["null_sd"] > 0).all()
    page = demo.report.read_text(encoding="utf-8")
    assert f"adjusted for all {tests.tests} tests" in page


def test_layers_that_show_nothing_say_how_large_a_circle_would_have_been_found(demo):
    tests, page = demo.last.tests, demo.report.read_text(encoding="utf-8")
    assert "hidden1:input" in tests.undetermined  # the weights do not reach the images
    assert set(tests.silent()) == {*tests.detectable, *tests.undetermined} and tests.detectable
    for _, found in tests.detectable.values():
        assert 0.25 < found.ratio < 64 and found.explain() in html.unescape(page)
    assert tests.undetermined["hidden1:input"] in page


def test_it_learns_and_looks_at_the_same_images(demo):
    accuracy = demo.frame.groupby("step")["accuracy"].first()
    assert accuracy.iloc[0] < 0.3 and accuracy.iloc[-1] > 0.5
    stores = [ti.open_store(path) for path in demo.stores.values()]
    pixels = {store["hidden1:input"].digest() for store in stores}
    assert len(pixels) == 1 and len({store["logits"].digest() for store in stores}) == len(stores)


def test_again_is_the_same_and_replaces_only_a_demo(demo, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        app(["demo", "--out", str(tmp_path / "d"), "--quick"])
    out, err = capsys.readouterr()
    assert stop.value.code == 0 and err == ""
    assert str(tmp_path / "d" / "layers.html") in out and "hidden5" in out and "noise has loops too" in out
    table = pd.read_parquet(tmp_path / "d" / "layers_by_checkpoint.parquet")
    pd.testing.assert_frame_equal(table, demo.frame, check_exact=True)
    (tmp_path / "d" / "mine.txt").write_text("keep")
    (tmp_path / "d" / "layers.html").write_text("old")
    from topo_interp.demo import _emptied

    _emptied(tmp_path / "d")
    assert sorted(p.name for p in (tmp_path / "d").iterdir()) == [
        "checkpoints",
        "mine.txt",
        "topo-interp-demo.json",
    ]


def test_a_folder_that_is_no_demo_is_refused(tmp_path, capsys):
    (tmp_path / "precious.txt").write_text("keep")
    with pytest.raises(SystemExit) as stop:
        app(["demo", "--out", str(tmp_path)])
    assert stop.value.code == 1
    assert "is not empty and is no previous demo" in capsys.readouterr().err
    with pytest.raises(ti.InputError, match="is a file; give a folder"):
        run_demo(tmp_path / "precious.txt")
    assert [p.name for p in tmp_path.iterdir()] == ["precious.txt"]
