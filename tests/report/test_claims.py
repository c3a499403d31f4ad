"""The claims of a report: three fields each, the metrics in which they hold, gray for what is not told from noise."""

from __future__ import annotations

import html
import json
import re

import numpy as np
import pytest

import topo_interp as ti
from topo_interp.cli_values import NULLS
from topo_interp.report import figures, plot_style
from topo_interp.report.across_figure import across_sites
from topo_interp.report.claims import NULL_WORDS, claims, headline, overview
from topo_interp.report.page import render
from topo_interp.report.plane_figures import loop_planes, plane_sites
from topo_interp.report.verdicts import GREY

EVIL = "<img src=x onerror=alert(1)>"
RECIPES = {"plain": ti.Rips(), "directions": ti.Rips("chordal", steps=(ti.centered(),))}
HOW = ti.Significance(draws=19, detect=ti.Detect(power=0.5, trials=2))


@pytest.fixture(scope="module")
def found():
    rng = np.random.default_rng(0)
    massive = rng.normal(size=(40, 6)) * np.r_[6.0, np.ones(5)]
    turned = np.linalg.qr(rng.normal(size=(6, 6)))[0]  # along two coordinates, either can have more than half of a circle
    sites = {"ring": ti.shapes.noisy_circle(40, dim=6) @ turned, EVIL: rng.normal(size=(40, 6)), "massive": massive, "dead": np.zeros((40, 3))}
    return ti.profile(ti.store_from_arrays(sites), RECIPES, significance=HOW, progress=False)


def shown(text: str) -> str:
    """What a reader sees, without tags; scripts and styles left out."""
    text = re.sub(r"<(script|style).*?</\1>", "", text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())


def test_every_claim_has_three_fields(found):
    for profile in (found, ti.profile({"a": np.eye(5)}, ti.Rips(), progress=False)):
        made = claims(profile)
        assert [claim["site"] for claim in made] == list(profile.sites)
        assert all(claim["approximation"] and claim["significance"] and claim["causal"].startswith("not run") for claim in made)
        text = shown(render(profile))
        for field in ("Approximation", "Significance", "Causal test"):
            assert len(re.findall(f" {field} ", text)) >= len(made)


def test_a_claim_says_in_which_metrics_it_holds(found):
    by_site = {claim["site"]: claim for claim in claims(found)}
    ring, noise, dead = by_site["ring"], by_site[EVIL], by_site["dead"]
    assert ring["state"] == "yes" and ring["said"].startswith("A loop beyond chance in") and "plain" in ring["said"]
    assert f"adjusted for all {found.tests.tests} tests" in ring["significance"] and "p ≤ 0.05 (plain)" in ring["significance"]
    assert noise["said"] == "No loop beyond chance in any of the 2 metrics" and noise["state"] == "no"
    assert "times the noise floor (here" in noise["significance"] and "noise-floor ratio" in noise["noise"]
    assert dead["said"] == "No loop beyond chance in plain" and dead["metrics"][1]["words"] == "failed"
    assert "What could have been found is not known: more than half of the rows have a twin" in dead["significance"]
    text = headline(found, claims(found))
    assert text.startswith("A loop beyond chance at 1 of 4 sites: ring (plain") and text.endswith("Nothing beyond chance at 3 of 4.")


def blind(diagrams) -> float:
    return 0.0


def longest(diagrams) -> float:
    return ti.max_persistence(dim=1)(diagrams)


blind_in_degree_one = type("Blind", (), {"__call__": staticmethod(blind), "dim": 1, "name": "blind"})()


@pytest.mark.parametrize(("summaries", "where", "said"), [
    ((blind_in_degree_one, ti.max_persistence(dim=1)), {"ring"}, "A loop beyond chance"),  # not the first test of its degree
    ((blind_in_degree_one, ti.max_persistence(dim=0)), {"pieces"}, "A gap between pieces beyond chance"),
    ((longest,), {"ring"}, "A statistic of no one degree beyond chance"),
    ((blind,), set(), "Nothing at any of the 3 sites"),
])  # fmt: skip
def test_any_significant_test_is_told_and_none_is_denied(summaries, where, said):
    noise = np.random.default_rng(1).normal(size=(40, 4))
    clouds = {"ring": ti.shapes.noisy_circle(40, dim=4), "noise": noise, "pieces": noise + 20.0 * (np.arange(40) < 20)[:, None]}
    found = ti.profile(clouds, ti.Rips(), significance=ti.Significance(summaries, draws=19, detect=None), progress=False)
    made = claims(found)
    told = {claim["site"] for claim in made if claim["state"] == "yes"}
    assert told == where == set(found.sites) - set(found.tests.silent())
    assert said in headline(found, made) and len(overview(found, made)["lines"]) == len(made)
    assert {claim["dim"] for claim in made} >= {getattr(summary, "dim", None) for summary in summaries}


def test_without_a_null_nothing_is_claimed():
    plain = ti.profile({"a": np.random.default_rng(0).normal(size=(30, 3))}, ti.Rips(), progress=False)
    (claim,) = claims(plain)
    assert claim["state"] == "untested" and "topo-interp report --draws 99" in claim["significance"]
    assert headline(plain, claims(plain)) == "No significance has been computed: noise also has loops."
    text = shown(render(plain))
    assert "No null was drawn" in text and "beside noise in its best plane" not in text and "No log was kept" in text


def test_every_null_that_a_report_can_be_asked_for_is_explained():
    assert set(NULL_WORDS) == set(NULLS)


def test_one_coordinates_shape_is_marked(found):
    lines = {line["site"]: line for line in overview(found, claims(found))["lines"]}
    assert lines["massive"]["mostly"] and int(lines["massive"]["share"][:2]) > 75 and not lines["ring"]["mostly"]
    numbers = next(result.baselines for result in found.results if result.site == "massive")
    one, five = (f"{100 * numbers[name]:.0f} %" for name in ("top_coordinate_share", "top_5_coordinates_share"))
    assert lines["massive"]["share"] == f"{one} / {five}" and f"{one} and {five} (plain)" in shown(render(found))
    assert shown(render(found)).count("one coordinate's") == 3  # the line of the overview, and both metrics of the claim
    assert lines[EVIL]["least"].endswith("× floor") and lines["dead"]["least"] == "not known" and lines["ring"]["least"] == ""


def test_what_is_not_significant_is_gray(found):
    figure = figures.bars(found, "plain", 1)
    colors = {trace.line.color: sum(y is not None for y in trace.y) // 2 for trace in figure.data if trace.mode == "lines"}
    assert colors[plot_style.DIM_COLORS[1]] == 1 and colors[GREY] > 10  # the one bar that was tested and is beyond chance
    heat = figures.betti_heat_map(found, "plain", 1)
    kept = [[row[0] is not None for row in trace.z] for trace in heat.data]
    assert kept == [[True, False, False, False], [False, True, True, True]]
    assert heat.layout.yaxis.ticktext[0].endswith("● beyond chance") and heat.layout.yaxis.ticktext[1].endswith("○ not beyond chance")
    longest = across_sites(found, "plain").data[0].marker
    assert longest.symbol == ("circle", "circle-open", "circle-open", "circle-open")
    diagrams = [trace for trace in figures.diagrams(found, "plain").data if trace.name == "H1"]
    assert [sum(c != GREY for c in trace.marker.color) for trace in diagrams] == [1, 0, 0]
    untested = figures.bars(ti.profile({"a": np.random.default_rng(0).normal(size=(30, 3))}, ti.Rips(), progress=False), None, 1)
    assert GREY not in {trace.line.color for trace in untested.data}


def test_planes_come_in_pairs(found):
    assert plane_sites(found) == ["ring", EVIL, "massive"]
    figure = loop_planes(found)
    titles = [note.text for note in figure.layout.annotations]
    assert len(titles) == 6 and "<b>ring</b>: beyond chance" in titles[0] and titles[1].startswith("one draw of the null")
    assert titles[2].startswith("<b>&lt;img") and all("<img" not in title for title in titles)
    lines = [trace.line.color for trace in figure.data if trace.mode == "lines"]
    assert lines[0] == plot_style.DIM_COLORS[1] and plot_style.DIM_COLORS[1] not in lines[1:]
    assert "planes-planes-0" in json.dumps(re.search(r'id="figures">(.*?)</script>', render(found), re.DOTALL).group(1))


def test_the_log_is_printed_where_there_is_one():
    halves = ti.store_from_arrays({"ring": ti.shapes.noisy_circle(60, dim=3)}).split(seed=0)
    ti.profile(halves, ti.Rips(max_dim=0), progress=False)
    means = ti.Claim("ring", ti.class_means("item", ti.Rips()), ti.max_persistence(dim=1), ti.nulls.matched_gaussian(), draws=19)
    ti.explore(means, halves)
    how = ti.Significance((longest,), draws=19, detect=None)
    text = shown(render(ti.profile(halves, ti.Rips(), significance=how, progress=False)))
    assert "class_means(by='item'" in text and " longest matched_gaussian() 19 1 0.05 0.05 " in text
    assert text.count("none: looked at without a test") == 1 and "Vietoris-Rips persistence up to degree 0" in text
    assert "matched_gaussian" in text[text.index("What was tried on these rows") :] and "No log was kept" not in text
    assert "How large a circle would have been found was not asked" not in text and "beyond chance at 1 of 1 sites: ring" in text


def test_labels_never_become_tags(found):
    text = render(found)
    assert "<img" not in text.split('<script type="application/json"')[0] and html.escape(EVIL) in text
