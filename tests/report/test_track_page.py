"""The training report: one file that loads nothing and runs no label, a slider over the steps, tables beside it."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest

import topo_interp as ti
from topo_interp import track_drift
from topo_interp.report import track_figures
from topo_interp.report.track_page import event_words, render_track

EVIL = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


@pytest.fixture(scope="module")
def track():
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    ring = np.c_[np.cos(angle), np.sin(angle)]
    stores = {}
    for step in range(8):
        noise = 0.05 * np.random.default_rng(step).normal(size=(40, 2))
        stores[step] = {EVIL: ring * [1, 0 if step < 4 else 1] + noise, "flat": ring * [1, 0] + noise}
    metrics = pd.DataFrame({"step": range(8), EVIL: np.linspace(2, 0, 8)})
    return ti.track(stores, ti.Rips(max_dim=1), metrics=metrics, subsamples=10, progress=False)


def test_labels_are_shown_and_never_run_and_nothing_is_loaded(track, parsed):
    page = parsed(render_track(track, title=EVIL))
    assert page.loads == [] and page.handlers == [] and page.tags.count("script") == 3  # the data, plotly, ours
    assert {"link", "iframe", "img"}.isdisjoint(page.tags) and EVIL in page.text
    content = json.loads(page.data)
    assert set(content["figures"]) == {
        *(f"recipe-0-heat-{k}" for k in range(4)), "recipe-0-curves-0", "recipe-0-curves-1", "recipe-0-diagrams-0",
    }  # fmt: skip
    assert "<script" not in json.dumps(content) and "<img" not in json.dumps(content)


def test_the_event_is_told_in_words(track):
    text = re.sub(r"\s+", " ", render_track(track))
    (event,) = track.events().query("dim == 1 and rank == 1").to_dict("records")
    assert event["step"] == 4 and event["site"] == EVIL
    assert "the longest loop grows from" in event_words(event)
    assert "Step 4, “&lt;script&gt;" in text and "Events (" in text


def test_the_slider_shows_one_step(track):
    figure = track_figures.diagrams(track, "euclidean")
    (slider,) = figure.layout.sliders
    assert [step.label for step in slider.steps] == [str(k) for k in range(8)]
    shown = [[k for k, on in enumerate(step.args[1]) if on] for step in slider.steps]
    always = set.intersection(*map(set, shown))
    assert len(always) == 4 and all(len(step.args[1]) == len(figure.data) for step in slider.steps)
    for k, traces in enumerate(shown):
        own = set(traces) - always
        assert len(own) == 4 and all(f"step {k}," in figure.data[trace].hovertemplate for trace in own)


def test_the_heat_map_holds_the_table(track):
    frame = track.to_frame().query("dim == 1")
    figure = track_figures.heat_map(frame, "max_persistence_relative", "t", list(track.sites), track.events())
    expected = frame.set_index(["site", "step"])["max_persistence_relative"]
    for site, line in zip(track.sites, figure.data[0].z, strict=True):
        assert list(line) == pytest.approx([expected[site, step] for step in track.steps], rel=1e-5)
    assert next(iter(figure.data[1].x)) == "4"


def test_tables_stand_beside_the_page(track, tmp_path):
    assert track.report(tmp_path / "a.html") == tmp_path / "a.html"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.drift.parquet", "a.events.parquet", "a.html", "a.steps.parquet"]
    for name, frame in (("steps", track.to_frame()), ("events", track.events())):
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / f"a.{name}.parquet"), frame, check_dtype=False)
    both = pd.read_parquet(tmp_path / "a.drift.parquet")
    assert len(both) == 2 * (7 + 6)  # two sites; at step 1 the step before is the first one
    for which in ("previous", "first"):
        drift = track.drift(which)
        part = drift[["step", "reference", "site", "recipe"]].merge(both, how="left")
        pd.testing.assert_frame_equal(part, drift, check_dtype=False)
    with pytest.raises(ti.InputError, match="make it first"):
        track.report(tmp_path / "no" / "a.html")


def test_a_report_computes_each_distance_once(track, tmp_path, monkeypatch):
    calls = []
    once = track_drift.bottleneck_distances
    monkeypatch.setattr(track_drift, "bottleneck_distances", lambda *pair: calls.append(pair) or once(*pair))
    track.report(tmp_path / "a.html")
    assert len(calls) == len(track.pairs)
    with pytest.raises(ti.InputError, match="make it first"):
        track.report(tmp_path / "no" / "a.html")
    assert len(calls) == len(track.pairs)  # said before the work


def test_rows_that_share_a_group_are_a_caution_beside_the_events():
    stores = {step: ti.store_from_arrays({"a": np.eye(12) * (1 + step)}, {"item": np.arange(12), "word": np.arange(12) % 3}, groups="word") for step in (0, 1)}
    text = render_track(ti.track(stores, ti.Rips(max_dim=0), subsamples=10, progress=False))
    assert "Rows share values of word, so that the noise is larger than this" in text


def test_one_step_and_failures_are_still_a_page(tmp_path):
    stores = {0: ti.store_from_arrays({"a": np.eye(5), "bad": np.ones((5, 2))}), 1: tmp_path / "none"}
    track = ti.track(stores, ti.Rips(steps=(ti.pca(1),), max_dim=0), subsamples=0, progress=False)
    text = render_track(track)
    assert "Checkpoints that failed" in text and "step 1:" in text and "No subsamples were drawn" in text


def test_a_browser_draws_it(track, browse, tmp_path):
    document, drawn = browse(track.report(tmp_path / "a.html", title=EVIL))
    assert drawn == [
        "recipe-0-heat-0", "recipe-0-curves-0", "recipe-0-diagrams-0",
    ]  # fmt: skip
    assert "slider-rail" in document and "<title>&lt;script&gt;" in document
