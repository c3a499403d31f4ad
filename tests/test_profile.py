"""Profiles: one row per site, recipe and degree; the same for every n_jobs; whole on disk; one bad site loses no other."""

from __future__ import annotations

import importlib
import json
import math
import os
import signal
import threading
import time
import zipfile

import numpy as np
import pandas as pd
import pytest

import topo_interp as ti
from topo_interp.cautions import KINDS, cautions

RECIPES = {"plain": ti.Rips(), "pca": ti.Rips("chordal", steps=(ti.centered(), ti.pca(2)), max_dim=1)}


def ring(n, radius=1.0):
    angle = 2 * np.pi * np.arange(n) / n
    return radius * np.c_[np.cos(angle), np.sin(angle)]


@pytest.fixture(scope="module")
def store():
    noise = np.random.default_rng(0).normal(size=(40, 8))
    massive = noise + np.r_[np.zeros(7), 1] * 50 * np.random.default_rng(1).normal(size=(40, 1))
    sites = {
        "layers.0": ring(40, 3.0),
        "layers.1": noise,
        "layers.1:input": massive,
        "head": np.ones((40, 2)),
    }
    return ti.store_from_arrays(
        sites, {"item": np.arange(40), "template": np.arange(40) % 4}, groups=["template"]
    )


@pytest.fixture(scope="module")
def found(store):
    return ti.profile(store, RECIPES, progress=False)


def test_the_circle_in_its_own_units(found):
    row = found.to_frame().query("site == 'layers.0' and recipe == 'plain' and dim == 1").iloc[0]
    length = 3 * (2 * math.sin(math.pi * 14 / 40) - 2 * math.sin(math.pi / 40))
    median = np.median(
        np.linalg.norm(ring(40, 3.0)[:, None] - ring(40, 3.0), axis=-1)[np.triu_indices(40, 1)]
    )
    assert row["bars"] == 1 and row["max_persistence"] == pytest.approx(length, abs=1e-6)
    assert row["median_distance"] == pytest.approx(median, rel=1e-6)
    assert row["max_persistence_relative"] == pytest.approx(length / median, rel=1e-6)
    assert row["total_persistence_relative"] == row["max_persistence_relative"] and row["entropy"] == 0
    assert row["status"] == "EXACT" and 0 < row["bottleneck_bound"] < 1e-5
    assert row["participation_ratio"] == pytest.approx(2) and (row["n"], row["d"]) == (40, 2)


def test_one_row_for_each_site_recipe_and_degree(found, store):
    frame = found.to_frame()
    assert len(frame) == len(store) * 2 * 2
    assert not frame.duplicated(["site", "recipe", "dim"]).any()
    assert list(dict.fromkeys(frame["site"])) == list(store) == list(found.sites)
    assert set(found.diagrams) == {(s, r) for s in store for r in RECIPES} - {("head", "pca")}
    assert ti.same_bars(found.diagrams["layers.1", "plain"], RECIPES["plain"](store["layers.1"]))


def test_a_site_that_fails_is_a_row_and_the_rest_goes_on(found):
    frame = found.to_frame()
    failed = frame[frame["error"] != ""]
    assert set(zip(failed["site"], failed["recipe"], strict=True)) == {
        ("head", "pca")
    }  # no direction after centering
    assert (
        (failed["status"] == "FAILED").all()
        and failed["max_persistence"].isna().all()
        and failed["bars"].isna().all()
    )
    assert failed["error"].str.contains("zero").all()
    assert repr(found) == "Profile(4 sites x 2 recipes, 1 failed)"


def test_a_site_that_can_not_be_read_is_a_row(store):
    class Torn(dict):
        def __getitem__(self, site):
            if site == "layers.1":
                raise ti.SealError("layers.1.safetensors has changed")
            if site == "head":
                raise RuntimeError("disk\nfull")
            return store[site]

    frame = (
        ti.profile(Torn(dict.fromkeys(store)), ti.Rips(max_dim=0), progress=False)
        .to_frame()
        .set_index("site")
    )
    assert frame["error"].to_dict() == {
        "layers.0": "", "layers.1": "layers.1.safetensors has changed", "layers.1:input": "", "head": "RuntimeError: disk full",
    }  # fmt: skip


def test_two_processes_give_the_same(found, store):
    other = ti.profile(store, RECIPES, n_jobs=2, progress=False)
    pd.testing.assert_frame_equal(other.to_frame(), found.to_frame(), check_exact=True)
    assert all(ti.same_bars(other.diagrams[key], d) for key, d in found.diagrams.items())


def test_round_trip(found, tmp_path):
    path = found.save(tmp_path / "a.profile")
    again = ti.Profile.open(path)
    pd.testing.assert_frame_equal(again.to_frame(), found.to_frame(), check_exact=True)
    assert again.recipes == found.recipes and dict(again.about) == dict(found.about)
    assert [r.cautions for r in again.results] == [r.cautions for r in found.results]
    for key, d in found.diagrams.items():
        assert ti.same_bars(again.diagrams[key], d) and again.diagrams[key].certificate == d.certificate
    assert [p.name for p in tmp_path.iterdir()] == ["a.profile"]


def test_what_is_no_whole_profile_is_refused(found, tmp_path):
    with pytest.raises(ti.InputError, match="there is no profile at"):
        ti.Profile.open(tmp_path / "none")
    path = found.save(tmp_path / "a.profile")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ti.SealError, match="not a whole profile"):
        ti.Profile.open(path)
    spoiled = bytearray(content)
    spoiled[content.index(b"diagrams/00000.npz") + 600] ^= 1
    path.write_bytes(spoiled)
    with pytest.raises(ti.SealError, match="not a whole profile"):
        ti.Profile.open(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("document.json", json.dumps({"format": "other"}))
    with pytest.raises(ti.InputError, match="has the format 'other'"):
        ti.Profile.open(path)
    with pytest.raises(ti.InputError, match="make it first"):
        found.save(tmp_path / "no" / "a.profile")
    with pytest.raises(ti.InputError, match="is a folder; give the name of a file in it"):
        found.save(tmp_path)


@pytest.mark.parametrize(
    ("sites", "chosen"),
    [
        ("layers.*", ["layers.0", "layers.1"]),
        ("**", ["layers.0", "layers.1", "head"]),
        ("*:input", []),
        ("**:input", ["layers.1:input"]),
        (["head", "layers.0"], ["layers.0", "head"]),
        ("layer", []),
    ],
)
def test_sites(store, sites, chosen):
    if not chosen:
        with pytest.raises(ti.InputError, match="matches nothing in the store; nearest: 'layers"):
            ti.profile(store, ti.Rips(max_dim=0), sites=sites, progress=False)
    else:
        assert list(ti.profile(store, ti.Rips(max_dim=0), sites=sites, progress=False).sites) == chosen


def test_recipes_get_names(store):
    recipes = [
        ti.Rips(max_dim=0),
        ti.Rips("chordal", steps=(ti.centered(), ti.pca(2)), max_dim=0),
        ti.Rips(max_dim=0, field=3),
    ]
    found = ti.profile(store, recipes, sites="layers.0", progress=False)
    assert found.recipe_names == ("euclidean", "centered, pca(2), chordal", "euclidean #2")
    with pytest.raises(ti.InputError, match="no recipe was given"):
        ti.profile(store, [], progress=False)
    with pytest.raises(ti.InputError, match="a recipe is a str"):
        ti.profile(store, ["euclidean"], progress=False)
    with pytest.raises(ti.InputError, match="n_jobs is 0"):
        ti.profile(store, ti.Rips(), n_jobs=0, progress=False)
    with pytest.raises(ti.InputError, match="the profile has no recipe 'x'"):
        found.plot("x")


def test_cautions_by_rule(found):
    kinds = {
        site: {c.kind for r in found.results if r.site == site and r.recipe == "plain" for c in r.cautions}
        for site in found.sites
    }
    assert kinds == {
        "layers.0": {"dependent_rows"},
        "layers.1": {"dependent_rows"},
        "layers.1:input": {"dependent_rows", "top_coordinate"},
        "head": {"dependent_rows", "degenerate", "duplicates"},
    }
    text = found.to_frame().query("site == 'layers.1:input'")["warnings"].iloc[0]
    assert (
        "one coordinate carries 99 % of the mean squared distance | rows are not independent: they share values of template"
        == text
    )


def test_a_massive_coordinate_is_judged_as_the_metric_sees_it():
    """A coordinate that is large everywhere decides Euclidean distances and hardly moves the directions."""
    points = np.random.default_rng(0).normal(size=(60, 12))
    points[:, 3] = 1000 + 100 * points[:, 3]
    recipes = [ti.Rips(metric, max_dim=0) for metric in ("euclidean", "chordal", "hamming")]
    found = ti.profile({"a": points}, recipes, progress=False)
    assert [[c.kind for c in r.cautions] for r in found.results] == [["top_coordinate"], [], []]
    share = found.to_frame().set_index("recipe")["top_coordinate_share"]
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    assert share["euclidean"] > 0.99 and share["chordal"] == pytest.approx(
        (unit.var(0) / unit.var(0).sum()).max()
    )


def test_cautions_of_hard_cases():
    noise = np.random.default_rng(0).normal(size=(20, 2000))
    cut = ti.Rips(threshold=1.0)(noise)
    assert [c.kind for c in cautions(noise.shape, (), cut, ti.baselines(noise))] == [
        "concentration",
        "few_rows",
        "censored",
    ]
    assert [c.kind for c in cautions((3, 1), (), ti.Rips("cosine")(ring(3)), {})] == [
        "few_rows",
        "not_a_metric",
    ]
    twice = np.repeat(np.random.default_rng(0).normal(size=(20, 5)), 2, axis=0)
    for recipe in (ti.Rips(), ti.Rips(steps=(ti.pca(3),)), ti.Rips(max_dim=0)):
        (only,) = cautions(twice.shape, (), recipe(twice), {})
        assert (only.kind, only.text) == (
            "duplicates",
            "20 of 40 rows coincide with another row, up to rounding",
        )
    foreign = ti.Diagrams.from_giotto(np.array([[0.0, 1.0, 0.0]]))
    assert [c.kind for c in cautions((40, 1), (), foreign, {})] == ["unbounded"]
    assert {c.kind for c in cautions(noise.shape, ("item",), cut, ti.baselines(noise))} <= set(KINDS)


def test_in_a_notebook(found):
    text = found._repr_html_()
    assert "Profile(4 sites x 2 recipes, 1 failed)" in text and "layers.1:input" in text
    assert len(found.plot().data) == 1


def test_cut_bars_count_up_to_the_cut(tmp_path):
    found = ti.profile({"a": ring(40)}, ti.Rips(threshold=1.0), progress=False)
    row = found.to_frame().set_index("dim").loc[1]
    assert row["status"] == "CENSORED" and row["max_persistence"] == pytest.approx(
        1.0 - 2 * math.sin(math.pi / 40), abs=1e-6
    )
    assert "lower bounds" in row["warnings"]
    assert found.plot().data[0].z[0][-1] is not None
    found.report(tmp_path / "a.html")


@pytest.mark.alone
def test_an_interrupt_is_not_a_failed_site():
    many = {f"layers.{k}": np.random.default_rng(k).normal(size=(1500, 20)) for k in range(40)}
    start = time.monotonic()
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        ti.profile(many, ti.Rips(), progress=False)
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(("n_jobs", "cores", "threads"), [(1, 7, 7), (2, 7, 3), (2, 1, 1)])
def test_processes_share_the_cores(tmp_path, monkeypatch, n_jobs, cores, threads):
    """What a worker is told, and that it is another process."""
    profile_module = importlib.import_module("topo_interp.profile")

    def told(site, name, recipe, cloud, threads, *, device):
        (tmp_path / f"{site} {os.getpid()}").write_text(str(threads))
        return measure_site(site, name, recipe, cloud, threads, device=device)

    measure_site = profile_module.measure_site
    monkeypatch.setattr(profile_module, "measure_site", told)
    monkeypatch.setattr(profile_module, "default_threads", lambda: cores)
    found = ti.profile({name: ring(20) for name in "abcd"}, ti.Rips(), n_jobs=n_jobs, progress=False)
    assert len(found.sites) == 4 and {path.read_text() for path in tmp_path.iterdir()} == {str(threads)}
    workers = {path.name.split()[1] for path in tmp_path.iterdir()}
    assert (str(os.getpid()) in workers) == (n_jobs == 1) and len(list(tmp_path.iterdir())) == 4


def test_the_distances_of_a_site_are_computed_once(monkeypatch):
    from topo_interp.geometry.distance_matrix import DistanceMatrix
    from topo_interp.geometry.graph_metrics import _EffectiveResistance

    made = []
    plain, spectral = DistanceMatrix.from_points.__func__, _EffectiveResistance._distances
    monkeypatch.setattr(DistanceMatrix, "from_points", classmethod(lambda cls, *a, **k: made.append("plain") or plain(cls, *a, **k)))
    monkeypatch.setattr(_EffectiveResistance, "_distances", lambda self, x: made.append("spectral") or spectral(self, x))
    points = {"a": np.random.default_rng(0).normal(size=(40, 3))}
    ti.profile(points, [ti.Rips(steps=(ti.centered(),)), ti.Rips("chordal")], progress=False)
    assert made == ["plain", "plain"]
    made.clear()
    found = ti.profile(points, ti.Rips(ti.effective_resistance(k=8)), progress=False)
    assert made.count("spectral") == 1 and not found.results[0].error
