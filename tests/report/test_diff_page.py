"""The page of a diff: one file that loads nothing and runs no label, what moved, tables beside it."""

from __future__ import annotations

import dataclasses
import json
import re

import numpy as np
import pandas as pd
import pytest

import topo_interp as ti
from topo_interp.report import diff_figures
from topo_interp.report.diff_page import render_diff

EVIL = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


@pytest.fixture(scope="module")
def diff():
    rng = np.random.default_rng(0)
    angle = np.linspace(0, 2 * np.pi, 30, endpoint=False)
    ring = np.c_[np.cos(angle), np.sin(angle)] + 0.03 * rng.normal(size=(30, 2))
    a = {EVIL: ring, "other": ring, "flat": np.ones((30, 2))}
    b = {EVIL: ring * [1, 0.1], "other": rng.normal(size=(30, 3)), "flat": np.ones((30, 2))}
    return ti.diff(ti.store_from_arrays(a), ti.store_from_arrays(b), ti.Rips(), draws=19, subsamples=10, progress=False)


def test_labels_are_shown_and_never_run_and_nothing_is_loaded(diff, parsed):
    page = parsed(render_diff(diff, title=EVIL))
    assert page.loads == [] and page.handlers == [] and page.tags.count("script") == 3  # the data, plotly, ours
    assert {"link", "iframe", "img"}.isdisjoint(page.tags) and EVIL in page.text
    content = json.loads(page.data)
    assert set(content["figures"]) == {"recipe-0-paired-0", "recipe-0-unpaired-0", "recipe-0-diagrams-0", "recipe-0-diagrams-1"}
    assert "<script" not in json.dumps(content) and "<img" not in json.dumps(content)


def test_what_it_says(diff):
    text = re.sub(r"\s+", " ", render_diff(diff))
    assert "Two stores of the same 30 rows were compared at 3 sites. At 1 of 2 sites" in text and "1 site could not be compared" in text
    assert "rtd is not defined here" in text and "The p-values are about the pairing of rows" in text
    (loop,) = diff.moved_bars().query("dim == 1 and kind == 'vanishes' and site == @EVIL").to_dict("records")
    assert ", ".join(map(str, loop["rows_a"])) in text


def test_a_site_whose_draw_failed_is_not_counted_as_unlike(diff):
    paired = {key: {measure: dict(of) for measure, of in numbers.items()} for key, numbers in diff.paired.items()}
    untested = dataclasses.replace(diff, paired=paired)
    for sites, words in ((["other"], "At 1 of 1 site the"), ([EVIL, "other"], None)):
        for site in sites:
            for name in ("p", "p_max_t", "chance_low", "chance_high"):
                paired[site, "euclidean"]["rtd"].pop(name, None)
        text = render_diff(untested)
        assert words in text if words else "more alike than" not in text


def test_the_pictures_hold_the_table(diff):
    figure = diff_figures.measures(dict(diff.paired), "euclidean", {"rtd": "RTD", "cka": "CKA"}, list(diff.sites))
    frame = diff.to_frame().dropna(subset="rtd")
    values = [trace for trace in figure.data if trace.name == "all rows"]
    for trace, measure in zip(values, ("rtd", "cka"), strict=True):
        assert list(trace.x) == pytest.approx(frame[measure], rel=1e-5)
    lines = next(trace for trace in figure.data if trace.name.startswith("subsamples"))
    assert [x for x in lines.x if x is not None] == frame[["rtd_low", "rtd_high"]].to_numpy().ravel().tolist()
    band = next(trace for trace in figure.data if trace.type == "bar")
    assert list(np.add(band.base, band.x)) == pytest.approx(frame["rtd_chance_high"])
    moved = next(trace for trace in diff_figures.overlaid_diagrams(diff, "euclidean", 1).data if trace.name == "moved")
    bars = [bar for bar in diff.moves[EVIL, "euclidean"] if bar.dim == 1]
    assert len(moved.x) == 3 * len(bars) and moved.y[0] == round(bars[0].death_a, 4) and moved.x[1] == moved.y[1]


def test_tables_stand_beside_the_page(diff, tmp_path):
    assert diff.report(tmp_path / "a.html") == tmp_path / "a.html"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.html", "a.measures.parquet", "a.moved.parquet"]
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "a.measures.parquet"), diff.to_frame(), check_dtype=False)
    assert pd.read_parquet(tmp_path / "a.moved.parquet")["rows_a"].map(list).tolist() == diff.moved_bars()["rows_a"].tolist()


def test_without_draws_the_page_tells_of_no_chance(parsed):
    x = np.random.default_rng(0).normal(size=(20, 3))
    page = parsed(render_diff(ti.diff({"a": x}, {"a": x + 1}, ti.Rips(), draws=0, subsamples=0, progress=False)))
    assert "No pairings at random were drawn" in page.text and "RTD is largest at “a”" in page.text
    assert "gray band" not in page.text and "max-T" not in page.text and "The p-values are" not in page.text


def test_a_diff_of_which_nothing_is_known_is_still_a_page():
    flat = {"flat": np.ones((5, 2))}
    text = render_diff(ti.diff(flat, flat, ti.Rips(max_dim=0), draws=9, subsamples=0, progress=False))
    assert "0 bars moved" in text and "rtd is not defined here" in text


def test_a_browser_draws_it(diff, browse, tmp_path):
    document, drawn = browse(diff.report(tmp_path / "a.html", title=EVIL))
    assert drawn == ["recipe-0-paired-0", "recipe-0-unpaired-0", "recipe-0-diagrams-0"]
    assert "<title>&lt;script&gt;" in document
