"""The report: one file that loads nothing, shows every label and runs none, and draws its plots."""

from __future__ import annotations

import dataclasses
import html
import json
import math
import re

import numpy as np
import pandas as pd
import pytest

import topo_interp as ti
from topo_interp.cautions import Caution
from topo_interp.profile import SiteResult
from topo_interp.report import figures, plot_style
from topo_interp.report.across_figure import across_sites
from topo_interp.report.page import embedded_json, render
from topo_interp.report.table import Column, cells

EVIL = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
EVIL_JSON = "</script><!--<script>"


def made_profile(sites=("layer.0", EVIL, EVIL_JSON), recipe_name=EVIL):
    recipe = ti.Rips(max_dim=1)
    results = []
    for k, site in enumerate(sites):
        certificate = ti.Certificate(
            terms=(ti.Term("rounding", 1e-6 * (k + 1), 1e-6 * (k + 1)),), engine=EVIL, inputs=(f"{k:016x}",)
        )
        bars = [[(0, 1), (0, 0.5), (0, math.inf)], [(1, 1.5 + k), (1.25, 1.375)]]
        found = ti.Diagrams.from_bars(bars, certificate=certificate, scale=2.0, n=3, metric="euclidean")
        baselines = {"mean_norm": 1.0, "two_nn_dim": math.nan}
        results.append(
            SiteResult(
                site,
                recipe_name,
                3,
                2,
                ("item",),
                found,
                baselines,
                (Caution("few_rows", f"only 3 rows {EVIL}"),),
            )
        )
    results.append(SiteResult("bro<ken", recipe_name, error=f"row 3 of {EVIL} has a NaN"))
    about = {"store": f"/data/{EVIL}", "store_hash": "0" * 16, "version": "0", "date": "2026-01-02 03:04 UTC"}
    return ti.Profile(tuple(results), {recipe_name: recipe}, about)


@pytest.fixture(scope="module")
def page(parsed):
    return parsed(render(made_profile(), title=EVIL))


def test_the_checker_sees_a_page_that_is_wrong(parsed):
    wrong = parsed(
        "<p>a</p><script src='https://x.org/p.js'></script><img src=x onerror=run()><a href='https://x.org'>b</a><style>@import 'x'</style>"
    )
    assert ("script", "src", "https://x.org/p.js") in wrong.loads and (
        "style",
        "url",
        "@import",
    ) in wrong.loads
    assert wrong.handlers == ["onerror"] and wrong.tags.count("script") == 1 and len(wrong.loads) == 4


def test_nothing_is_loaded(page):
    assert page.loads == []
    assert "link" not in page.tags and "iframe" not in page.tags


def test_labels_are_shown_and_never_run(page):
    assert page.tags.count("script") == 3  # the data, plotly, ours
    assert "img" not in page.tags and page.handlers == []
    text = "".join(page.shown)
    for label in (
        EVIL,
        EVIL_JSON,
        "bro<ken",
        f"only 3 rows {EVIL}",
        f"row 3 of {EVIL} has a NaN",
        f"/data/{EVIL}",
    ):
        assert label in text
    content = json.loads(page.data)
    drawn = json.dumps(content)
    assert (
        "&lt;script&gt;" in drawn and "<script" not in drawn and "<img" not in drawn
    )  # plotly reads tags in text
    assert len(content["figures"]) == 6


def test_the_policy_allows_our_scripts_only(page):
    text = render(made_profile(("layer.0",), "plain"))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text).group(1)
    assert "default-src 'none'" in policy.replace("&#39;", "'") and policy.count("sha256-") == 2
    assert "http" not in policy and "unsafe-eval" not in policy


def test_embedded_json_reads_back():
    value = {EVIL_JSON: [EVIL, "&amp;\u2028", 1.5]}
    text = embedded_json(value)
    assert json.loads(text) == value
    assert not set("<>&\u2028") & set(text)


def test_the_words(page):
    text = " ".join("".join(page.shown).split())
    assert "The longest loop is at “</script><!--<script>” and lives for 1.25 median distances" in text
    assert "All 3 diagrams are exact for the stored distances" in text and "1 site failed" in text
    assert "births and deaths are at most 3e-06 from the true ones (1.5e-06 median distances)" in text
    assert "no significance has been computed" in text and "Few rows" in text


def test_heat_map_counts_what_is_alive():
    figure = figures.betti_heat_map(made_profile(("a", "b"), "r"), "r", 1)
    x, z = np.array(figure.data[0].x), np.expm1(np.array(figure.data[0].z, dtype=float)).round(3)
    assert z.shape == (2, len(x)) and len(x) > 100
    for row, death in ((0, 0.75), (1, 1.25)):  # of the long bar, in medians; both are born at 0.5
        np.testing.assert_array_equal(
            z[row], ((x >= 0.5) & (x < death)) * 1.0 + ((x >= 0.625) & (x < 0.6875))
        )


def test_bars_are_the_longest_and_open_ones_are_marked():
    figure = figures.bars(made_profile(("a",), "r"), "r", 0, most=2)
    ends = [float(x) for x in figure.data[0].x if x is not None]
    assert ends[0] == 0 and ends[2:] == [0, 0.5]  # the open bar first, then the longest that ends
    assert list(figure.data[1].x) == [ends[1]]


def test_sites_keep_their_order_and_their_full_names_on_hover():
    """Categories that look like numbers, as in nn.Sequential, and paths that only differ in the middle."""
    long = [f"transformer.h.{k}.attention.output.dense.activation.module" for k in (10, 2)]
    figure = figures.betti_heat_map(made_profile((*long, "0"), "r"), "r", 1)
    assert list(figure.data[0].y) == [*long, "0"] and figure.layout.yaxis.type == "category"
    assert len(set(figure.layout.yaxis.ticktext)) == 3
    assert plot_style.short_labels(long) == [
        "10.attention.out…ctivation.module",
        "2.attention.outp…ctivation.module",
    ]
    assert plot_style.short_labels(["a.b"]) == ["a.b"] and plot_style.short_labels(["a.b", "a.b.c"]) == ["b", "b.c"]


def test_an_empty_profile_is_still_a_page(parsed):
    failed = ti.Profile(
        (SiteResult("a", "r", error="no"),), {"r": ti.Rips()}, {"store": "s", "version": "0", "date": ""}
    )
    text = "".join(parsed(render(failed)).shown)
    assert "No site of 1 site could be analyzed" in text and "there is nothing to draw" in text


def test_degree_zero_alone_is_a_page(parsed):
    found = ti.profile({"a": np.eye(5)}, ti.Rips(max_dim=0), progress=False)
    text = "".join(parsed(render(found)).shown)
    assert "degree 0" in text and "loop is at" not in text
    assert "number of bars (H0)" in across_sites(found).to_json()


def test_write_needs_a_folder(tmp_path):
    with pytest.raises(ti.InputError, match="there is no folder .*make it first"):
        made_profile().report(tmp_path / "no" / "a.html")
    assert made_profile(("a",), "r").report(tmp_path / "a.html") == tmp_path / "a.html"
    assert [p.name for p in tmp_path.iterdir()] == ["a.html"]


def test_a_browser_draws_the_plots_and_runs_no_label(browse, parsed, tmp_path):
    document, drawn = browse(made_profile().report(tmp_path / "a.html", title=EVIL))
    page = parsed(document)
    assert re.search("<title>(.*?)</title>", document).group(1).startswith("&lt;script&gt;")
    assert page.tags.count("script") == 3 and "img" not in page.tags
    assert drawn == [
        "recipe-0-heat-0",
        "recipe-0-across-0",
        "recipe-0-diagrams-0",
        "recipe-0-bars-0",
    ]
    assert document.count('class="main-svg"') >= 4
    assert "<script>document.title" in "".join(page.shown)


def test_headings_sort_and_tabs_switch(browse, tmp_path):
    found = made_profile(("b", "c", "a"), "first")
    second = dataclasses.replace(found.results[0], recipe="second")
    both = ti.Profile((*found.results, second), {**found.recipes, "second": ti.Rips(max_dim=1)}, found.about)
    clicks = """<script>
      function press(text) { Array.from(document.querySelectorAll("button")).filter(b => b.textContent === text)[0].click(); }
      press("longest (rel.)"); press("longest (rel.)"); press("H0"); press("second");
    </script>"""
    before, after = re.sub("<meta http-equiv=[^>]*>", "", render(both)).rsplit("</body>", 1)
    text = f"{before}{clicks}</body>{after}"
    (tmp_path / "a.html").write_text(text, encoding="utf-8")
    document, drawn = browse(tmp_path / "a.html")
    body = document[document.index('<table class="sortable">') :]
    body = body[body.index("<tbody>") : body.index("</tbody>")]
    rows = [re.findall('data-value="(.*?)"', row) for row in body.split("</tr>")[:-1]]
    assert [row[0] for row in rows if row[2] == "1.0"][:4] == ["a", "c", "b", "b"]  # 1.25, 0.75, 0.25 medians
    assert [html.unescape(row[0]) for row in rows[-2:]] == [
        "bro<ken"
    ] * 2  # without a value: last in both directions
    assert {"recipe-0-heat-1", "recipe-1-heat-0"} <= set(drawn)
    assert re.search(r'id="recipe-0"[^>]*hidden', document) and not re.search(
        r'id="recipe-1"[^>]*hidden', document
    )


def test_the_bound_in_the_table_is_one():
    """Rounded to the nearest, 1.2449e-07 would be printed as less than it is."""
    frame = pd.DataFrame({"bottleneck_bound": [1.2449e-07], "max_persistence": [0.12449]})
    (row,) = cells(frame, [Column("", name, name, name) for name in frame])["rows"]
    assert [cell["text"] for cell in row["cells"]] == ["1.3e-07", "0.124"]
