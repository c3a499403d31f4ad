"""The sealed half is fixed by hashes, opened once, and the log survives the session."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import topo_interp as ti
from topo_interp import InputError, SealError
from topo_interp.activations import split as split_module


def store(n: int = 60, d: int = 5, grouped: bool = False, seed: int = 0):
    rng = np.random.default_rng(seed)
    angles = rng.uniform(0, 2 * np.pi, n)
    circle = 0.1 * rng.normal(size=(n, d))
    circle[:, 0] += np.cos(angles)
    circle[:, 1] += np.sin(angles)
    rows = {"template": np.arange(n) % 6, "word": np.arange(n) // 6}
    points = {"circle": circle, "noise": rng.normal(size=(n, d))}
    return ti.store_from_arrays(points, rows, groups=("template", "word") if grouped else ())


def claim(site: str, draws: int = 19) -> ti.Claim:
    return ti.Claim(site, ti.Rips(), ti.max_persistence(dim=1), ti.nulls.matched_gaussian(), draws=draws)


def test_the_halves_are_disjoint_fixed_and_together_everything():
    s = store()
    one, two = s.split(0.5, seed=1), s.split(0.5, seed=1)
    explored = set(one.rows.index)
    assert explored == set(two.rows.index) and len(explored) == 30
    assert explored != set(s.split(0.5, seed=2).rows.index)
    assert explored | set(one._sealed.rows.index) == set(range(60)) and len(one._sealed.rows) == 30
    assert len(s.split(0.25).rows) == 45


def test_a_split_is_a_mapping_of_the_explored_half():
    halves = store().split(seed=1)
    assert list(halves) == ["circle", "noise"] and len(halves) == 2
    assert list(halves["noise"].rows) == list(halves.rows.index) and halves["noise"].points.shape == (30, 5)


def test_rows_of_a_group_stay_together():
    s = store(grouped=True)
    with pytest.raises(InputError, match="by='template'"):
        s.split()
    halves = s.split(by="word")
    words = set(halves.rows["word"]), set(halves._sealed.rows["word"])
    assert not words[0] & words[1] and len(words[0]) == len(words[1]) == 5


def test_explore_many_confirm_once():
    halves = store().split(log=None)
    assert "sealed; 0 tests tried" in repr(halves)
    ti.explore(claim("noise"), halves)
    assert ti.explore(claim("circle"), halves).p_value == 0.05
    result = ti.confirm(claim("circle", draws=39), halves)
    assert result.p_holm == (1 / 40,) and result.explored == 2
    assert result.explain() == (
        "1 claim tested once on rows that had been sealed while 2 tests ran on the others: p = 0.025 (Holm). The log is in memory: of "
        "an earlier opening, or of tests outside this session, it would not know."
    )
    assert list(halves.tried()["half"]) == ["explored", "explored", "sealed"]
    assert list(halves.tried()["site"]) == ["noise", "circle", "circle"]
    with pytest.raises(SealError, match="opened before"):
        ti.confirm(claim("noise"), halves)


def test_several_claims_share_the_opening():
    halves = store().split()
    result = ti.confirm([claim("circle", 39), claim("noise", 39)], halves)
    circle, noise = (estimate.p_value for estimate in result.estimates)
    assert result.p_holm == (2 * circle, max(noise, 2 * circle))


def test_the_log_on_disk_remembers_the_opening(tmp_path):
    log = tmp_path / "split.jsonl"
    ti.explore(claim("circle"), store().split(log=log))
    again = store().split(log=log)
    assert again.explored == 1 and not again.opened
    ti.confirm(claim("circle"), again)
    third = store().split(log=log)
    assert third.opened and "opened; 1 test tried" in repr(third)
    with pytest.raises(SealError, match="opened before"):
        ti.confirm(claim("circle"), third)


def test_two_splits_of_one_log_open_the_seal_once(tmp_path):
    log = tmp_path / "split.jsonl"
    one, two = store().split(log=log), store().split(log=log)
    ti.explore(claim("circle"), one)
    ti.confirm(claim("circle"), one)
    assert two.opened and two.explored == 1 and list(two.tried()["half"]) == ["explored", "sealed"]
    with pytest.raises(SealError, match="opened before"):
        ti.confirm(claim("circle"), two)


def test_the_seal_is_locked_from_reading_to_writing(tmp_path, monkeypatch):
    log, read = tmp_path / "split.jsonl", split_module._entries
    splits = [store().split(log=log) for _ in range(4)]

    def slowly(*given):
        entries = read(*given)
        time.sleep(0.05)
        return entries

    monkeypatch.setattr(split_module, "_entries", slowly)
    opened = []

    def open_one(halves):
        with contextlib.suppress(SealError):
            opened.append(halves.open_sealed([]))

    threads = [threading.Thread(target=open_one, args=(halves,)) for halves in splits]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 1 and log.read_text().count('"opened"') == 1


def test_a_log_that_lost_entries_opens_nothing(tmp_path):
    log = tmp_path / "split.jsonl"
    halves = store().split(log=log)
    halves.open_sealed([])
    assert halves.opened
    log.write_bytes(log.read_bytes().splitlines(keepends=True)[0])
    with pytest.raises(SealError, match="has lost entries: 2 were there, now 1; restore the file"):
        ti.confirm(claim("circle"), halves)
    log.unlink()
    with pytest.raises(SealError, match="has lost entries: 2 were there, now 0"):
        halves.open_sealed([])


def test_a_test_is_never_written_into_the_log_of_another_split(tmp_path):
    log = tmp_path / "split.jsonl"
    first = store().split(seed=0, log=log)
    log.unlink()
    second = store().split(seed=1, log=log)
    with pytest.raises(SealError, match="log of another split"):
        ti.significance(first["noise"], ti.Rips(), ti.max_persistence(dim=1), null=ti.nulls.matched_gaussian(), draws=2, seed=0)
    assert second.explored == 0 and len(second.tried()) == 0


def test_a_store_on_disk_has_its_log_beside_it_and_one_split(tmp_path):
    saved = ti.open_store(store().save(tmp_path / "run.acts"))
    result = ti.confirm(claim("circle"), saved.split(seed=1))
    assert result.log == str(tmp_path / "run.acts.split.jsonl") and result.explain().endswith("(Holm).")
    with pytest.raises(SealError, match="opened before"):
        ti.confirm(claim("circle"), ti.open_store(tmp_path / "run.acts").split(seed=1))
    with pytest.raises(SealError, match="log of another split"):  # whose sealed half is rows that have been seen
        ti.open_store(tmp_path / "run.acts").split(seed=2)
    assert saved.split(seed=2, log=tmp_path / "other.jsonl").explored == 0


def longest(diagrams) -> float:
    return ti.max_persistence(dim=1)(diagrams)


def test_every_test_of_the_explored_half_is_in_the_log():
    halves, null, loops = store().split(seed=1), ti.nulls.matched_gaussian(), ti.max_persistence(dim=1)
    alone = ti.significance(halves["noise"], ti.Rips(), longest, null=null, draws=19, seed=3)
    table = ti.significance_table(halves, {"plain": ti.Rips()}, ti.Significance((loops, longest), null=null, draws=19, seed=4))
    planes = ti.search_planes(halves["circle"], ti.Rips(), loops, null=null, sizes=(2,), components=3, draws=19, seed=5)
    ti.explore(claim("circle"), halves)
    tried = halves.tried()
    assert halves.explored == len(tried) == 1 + 4 + 1 + 1 and set(tried["half"]) == {"explored"}
    assert list(tried["summary"]) == ["longest", loops.name, "longest", loops.name, "longest", loops.name, loops.name]
    assert list(tried["site"]) == ["noise", "circle", "circle", "noise", "noise", "circle", "circle"]
    assert tried["p_value"].tolist()[:5] == [alone.p_value, *table["p_value"]]
    assert tried["p_adjusted"].tolist()[1:6] == [*table["p_max_t"], planes.p_value]
    # Tests of other clouds, and rehearsals, are none of this half.
    ti.significance(store()["noise"], ti.Rips(), longest, null=null, draws=3, seed=0)
    assert halves.explored == 7 and ti.confirm(claim("circle"), halves).explored == 7


@pytest.mark.parametrize("look", [
    lambda halves, recipe: ti.match_cycles(halves, recipe),
    lambda halves, recipe: [ti.prevalence(cloud, recipe, draws=10, seed=0) for cloud in halves.values()],
    lambda halves, recipe: ti.profile(halves, recipe, progress=False),
    lambda halves, recipe: ti.diff(halves, store().split(seed=1), recipe, draws=0, subsamples=0, progress=False),
    lambda halves, recipe: ti.track({0: halves}, recipe, subsamples=0, progress=False),
])  # fmt: skip
def test_every_recipe_that_was_looked_at_is_in_the_log(look):
    halves, recipe = store().split(seed=1), ti.Rips()
    look(halves, recipe)
    tried = halves.tried()
    assert list(tried["site"]) == ["circle", "noise"] and set(tried["recipe"]) == {recipe.to_json()} and tried["p_value"].isna().all()
    assert halves.explored == 0


def test_the_recipe_of_detectable_is_in_the_log():
    halves, recipe = store().split(seed=1), ti.Rips(max_dim=0)
    null = ti.nulls.matched_gaussian()
    ti.detectable(halves["noise"], recipe, lambda diagrams: 0.0, null, trials=1, draws=19)
    assert halves.tried()[["site", "recipe"]].to_numpy().tolist() == [["noise", recipe.to_json()]] and halves.explored == 0


def test_the_recipe_of_a_zigzag_is_in_the_log():
    halves, graphs = store().split(seed=1), ti.NeighborGraphs(k=3)
    ti.zigzag(halves, graphs)
    assert set(halves.tried()["recipe"]) == {graphs.to_json()} and len(halves.tried()) == 2


@pytest.mark.parametrize("change", [{"seed": 5}, {"confirm": 0.4}, {"by": "word"}])
def test_a_log_belongs_to_one_split(tmp_path, change):
    log = tmp_path / "split.jsonl"
    store().split(log=log)
    with pytest.raises(SealError, match="log of another split"):
        store().split(log=log, **change)
    with pytest.raises(SealError, match="log of another split"):
        store(seed=1).split(log=log)


def test_a_log_that_can_not_be_written_is_an_error_that_says_what_to_give(tmp_path, monkeypatch):
    saved = ti.open_store(store().save(tmp_path / "run.acts"))
    with pytest.raises(InputError, match=r"No such file or directory\): give log='...'"):
        saved.split(log=tmp_path / "missing" / "split.jsonl")
    halves, write = saved.split(log=tmp_path / "split.jsonl"), Path.open

    def read_only(path: Path, mode: str = "r", *rest, **options):
        if "a" in mode or "w" in mode or "+" in mode:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return write(path, mode, *rest, **options)

    monkeypatch.setattr(Path, "open", read_only)  # not a folder's mode, which does not hold for root
    with pytest.raises(InputError, match=r"run.acts.split.jsonl .*Permission denied\): give log='...'"):
        saved.split(seed=0)
    with pytest.raises(InputError, match=r"Permission denied\): give log='...'"):
        ti.confirm(claim("circle"), halves)
    assert not halves.opened


@pytest.mark.parametrize("kept", [0, 1, 40, -1])
def test_a_line_whose_writing_was_interrupted_is_left_out(tmp_path, kept):
    log = tmp_path / "split.jsonl"
    store().split(log=log).note({"event": "explored", "p_value": 0.5})
    whole = log.read_bytes()
    torn = b'{"event": "explored", "p_val'
    log.write_bytes(whole[:kept] if kept >= 0 else whole + torn)
    again = store().split(log=log)
    assert again.explored == (kept < 0)
    again.note({"event": "explored", "p_value": 0.25})
    assert store().split(log=log).explored == again.explored == (2 if kept < 0 else 1)
    assert len(log.read_bytes().splitlines()) == len(again._journal.entries)


def test_a_last_line_without_its_end_counts(tmp_path):
    log = tmp_path / "split.jsonl"
    store().split(log=log).note({"event": "opened", "claims": []})
    log.write_bytes(log.read_bytes().rstrip())
    again = store().split(log=log)
    again.note({"event": "explored", "p_value": 0.5})
    third = store().split(log=log)
    assert third.opened and third.explored == 1


@pytest.mark.parametrize("line", [b'{"event": "expl', b"3", b'{"p_value": 0.5}', b"\xff", b""])
def test_a_line_that_is_no_entry_is_an_error(tmp_path, line):
    log = tmp_path / "split.jsonl"
    store().split(log=log)
    log.write_bytes(log.read_bytes() + line + b'\n{"event": "opened"}\n')
    before = log.read_bytes()
    with pytest.raises(InputError, match=r"line 2 of .*split.jsonl is no entry of a log: .* log='...'"):
        store().split(log=log)
    assert log.read_bytes() == before


def test_a_file_that_is_no_log_is_left_as_it_is(tmp_path):
    notes = tmp_path / "notes.txt"
    notes.write_text("bread, milk")
    with pytest.raises(SealError, match="log of another split"):
        store().split(log=notes)
    assert notes.read_text() == "bread, milk"


@pytest.mark.parametrize(("change", "message"), [
    ({"site": "circel"}, "no site 'circel'"),
    ({"summary": ti.max_persistence(dim=2)}, "degree"),
    ({"recipe": ti.Rips(ti.effective_resistance(k=20))}, "20"),
    ({"recipe": ti.class_means("color", ti.Rips())}, "color"),
    ({"null": ti.nulls.permuted_labels("word")}, "reads no label"),
    ({"null": ti.nulls.matched_gaussian(within="color")}, "no column 'color'"),
])  # fmt: skip
def test_a_claim_that_can_not_be_tested_costs_neither_the_seal_nor_the_other_claims(change, message):
    halves = store().split(0.25, seed=1)  # 45 rows to explore, 15 sealed: 20 neighbors are too many for these alone
    bad = dataclasses.replace(claim("circle"), **change)
    with pytest.raises(InputError, match=message):
        ti.confirm([claim("circle"), bad], halves)
    assert not halves.opened and len(halves.tried()) == 0
    assert ti.confirm(claim("circle"), halves).explored == 0


def _fresh_model(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(60, 5))


def _fresh_sealed_rows(seed: int) -> np.ndarray:
    whole = store()
    return _fresh_model(seed)[~whole.rows.index.isin(whole.split(0.25, seed=1).rows.index)]


def test_a_factory_of_a_claim_returns_the_sealed_rows():
    halves = store().split(0.25, seed=1)
    wrong, right = (
        dataclasses.replace(claim("circle"), null=ti.nulls.reinitialized(factory)) for factory in (_fresh_model, _fresh_sealed_rows)
    )
    with pytest.raises(InputError, match="captured 60 rows of 5 coordinates and the cloud has 15"):
        ti.confirm(wrong, halves)
    assert not halves.opened
    assert len(ti.confirm(right, halves).estimates) == 1 and halves.opened


def _fresh_sealed_store(seed: int) -> ti.ActivationStore:
    whole = ti.store_from_arrays({"circle": _fresh_model(seed), "noise": 2 * _fresh_model(seed)})
    return whole.select(~whole.rows.index.isin(store().split(0.25, seed=1).rows.index))


def test_a_factory_of_a_claim_may_return_a_store_of_the_sealed_rows():
    points, captured = (
        dataclasses.replace(claim("circle"), null=ti.nulls.reinitialized(factory))
        for factory in (_fresh_sealed_rows, _fresh_sealed_store)
    )
    (expected,) = ti.confirm(points, store().split(0.25, seed=1)).estimates
    (found,) = ti.confirm(captured, store().split(0.25, seed=1)).estimates
    assert (found.null_mean, found.p_value) == (expected.null_mean, expected.p_value)
    (other,) = ti.confirm(dataclasses.replace(captured, site="noise"), store().split(0.25, seed=1)).estimates
    assert other.null_mean == pytest.approx(2 * expected.null_mean)


def test_points_that_know_no_site_are_not_looked_up_in_the_store_of_a_factory():
    null = ti.nulls.reinitialized(_fresh_sealed_store)
    with pytest.raises(InputError, match="points without a site were given; give a cloud of a store"):
        ti.significance(store()["circle"].points, ti.Rips(), longest, null=null, draws=3, seed=0)


def test_grouped_rows_under_a_plain_null_do_not_cost_the_seal():
    halves = store(grouped=True).split(by="word")
    with pytest.raises(InputError, match="within="):
        ti.confirm(claim("circle"), halves)
    within = dataclasses.replace(claim("circle"), null=ti.nulls.matched_gaussian(within=["template", "word"]))
    assert not halves.opened and ti.confirm(within, halves).p_holm[0] <= 1


@pytest.mark.parametrize(("confirm", "again"), [(0.25, 0), (0.75, 30)])
def test_a_stand_in_has_the_sealed_labels_and_explored_points(confirm, again):
    halves = store().split(confirm, seed=1)
    cloud, table = halves.stand_in("circle")
    assert list(cloud.rows) == list(table.index) == list(halves._sealed.rows.index) and cloud.groups == halves["circle"].groups
    known = {row.tobytes() for row in halves["circle"].points}
    assert sum(row.tobytes() not in known for row in cloud.points) == again
    assert len(np.unique(cloud.points, axis=0)) == len(cloud)


def test_what_fails_on_the_sealed_rows_alone_leaves_the_other_claims_in_the_log(monkeypatch):
    halves = store().split(seed=1)
    broken = halves._sealed["noise"].points.copy()
    broken[3] = 0.0
    monkeypatch.setattr(halves, "_sealed", ti.store_from_arrays({"noise": broken, "circle": halves._sealed["circle"].points}))
    directions = dataclasses.replace(claim("noise"), recipe=ti.Rips("chordal"))
    with pytest.raises(InputError, match=r"the others are in split\.tried\(\): .*row 3"):
        ti.confirm([directions, claim("circle")], halves)
    tried = halves.tried()
    assert list(tried["site"]) == ["noise", "circle"] and np.isnan(tried["p_value"][0]) and tried["p_value"][1] == 0.05


@pytest.mark.parametrize(("change", "message"), [
    ({"draws": 0}, "draws is 0"), ({"draws": "9"}, "draws is '9'"), ({"seed": -1}, "seed is -1"), ({"site": 3}, "site is 3"),
    ({"recipe": "x"}, "recipe is 'x'"), ({"summary": len}, "summary is"), ({"null": "gaussian"}, "null is 'gaussian'"),
])  # fmt: skip
def test_what_is_no_claim_can_not_be_written_down(change, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(claim("circle"), **change)


def test_a_claim_is_a_value_and_arguments_are_checked():
    one = claim("circle")
    assert ti.Claim.from_json(one.to_json()) == one
    with pytest.raises(InputError, match="above 0 and below 1"):
        store().split(1.0)
    with pytest.raises(InputError, match="no column"):
        store().split(by="color")
    with pytest.raises(InputError, match="one half empty"):
        store().split(0.001)
    for nothing in ([], 3, None):
        with pytest.raises(InputError, match="holds no claim"):
            ti.confirm(nothing, store().split())
