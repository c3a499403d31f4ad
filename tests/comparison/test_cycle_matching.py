"""The same loop from step to step: planted loops whose rows are known, and laws of the matching."""

from __future__ import annotations

import math

import numpy as np
import pytest

import topo_interp as ti
from topo_interp.homology.same_loop import Loops, agreement

RIPS = ti.Rips()


def ring(angles: np.ndarray, radius: float, center: tuple[float, float]) -> np.ndarray:
    return radius * np.column_stack((np.cos(angles), np.sin(angles))) + center


def two_rings(first: float, second: float, seed: int) -> np.ndarray:
    """Rows 0 .. 39 on one circle, rows 40 .. 79 on another; the same angles for each seed, fresh noise for each pair of radii."""
    angles = np.random.default_rng(seed).uniform(0, 2 * np.pi, (2, 40))
    noise = np.random.default_rng([seed, int(100 * first), int(100 * second)]).normal(scale=0.03, size=(80, 2))
    return np.concatenate((ring(angles[0], first, (-3, 0)), ring(angles[1], second, (3, 0)))) + noise


@pytest.mark.parametrize("seed", range(5))
def test_loops_whose_lengths_cross_keep_their_rows(seed):
    radii = [(2.0, 1.0), (1.7, 1.3), (1.3, 1.7), (1.0, 2.0)]
    found = ti.match_cycles({step: two_rings(*pair, seed) for step, pair in enumerate(radii)}, RIPS, min_persistence=0.15)
    frame = found.to_frame()
    assert frame["steps"].tolist() == [4, 4] and frame["death_step"].tolist() == [None, None]
    side = {bar: min(bar.rows) // 40 for bar in found.bars}
    assert all(row // 40 == side[bar] for bar in found.bars for row in bar.rows)
    length = {(bar.step, side[bar]): bar.death - bar.birth for bar in found.bars}
    # The ranks cross, so that ranks would have mixed the loops up.
    assert [length[step, 0] > length[step, 1] for step in range(4)] == [True, True, False, False]
    graph = found.to_networkx()
    assert all(min(graph.nodes[a]["rows"]) // 40 == min(graph.nodes[b]["rows"]) // 40 for a, b in graph.edges)
    assert graph.number_of_edges() == 6 and {v for *_, v in graph.edges(data="verdict")} == {"same"}


def pinched(waist: float, seed: int) -> np.ndarray:
    """90 points of a ring whose waist is drawn in: with 0 it is a figure of eight. Uneven halves, so that no bars tie."""
    angle = np.random.default_rng(seed).uniform(0, 2 * np.pi, 90)
    x, y = np.cos(angle), np.sin(angle)
    return np.column_stack((np.where(x > 0, 2.4, 1.9) * x, y * (waist + (1 - waist) * np.minimum(1.0, 1.5 * np.abs(x)))))


@pytest.mark.parametrize("seed", range(5))
def test_a_loop_that_splits(seed):
    found = ti.match_cycles({"whole": pinched(1.0, seed), "split": pinched(0.0, seed)}, RIPS, min_persistence=0.15)
    frame = found.to_frame()
    assert frame["origin"].tolist() == ["first step", "split", "split"]
    assert frame["fate"].tolist() == ["splits", "last step", "last step"]
    assert frame["death_step"].tolist() == ["split", None, None] and frame["after"][0] == (1, 2)
    back = ti.match_cycles({"split": pinched(0.0, seed), "whole": pinched(1.0, seed)}, RIPS, min_persistence=0.15).to_frame()
    assert back["fate"].tolist() == ["merges", "merges", "last step"] and back["origin"].tolist()[2] == "merge"


@pytest.mark.parametrize("seed", range(5))
def test_one_dies_while_another_is_born(seed):
    rng = np.random.default_rng(seed)
    angles = rng.uniform(0, 2 * np.pi, (2, 40))
    noise = rng.normal(scale=0.02, size=(3, 80, 2))
    clouds = {
        step: np.concatenate((ring(angles[0], first, (-3, 0)), ring(angles[1], second, (3, 0)))) + noise[k]
        for k, (step, first, second) in enumerate([(0, 1.5, 0.0), (10, 1.5, 0.01), (20, 0.0, 1.5)])
    }
    frame = ti.match_cycles(clouds, RIPS).to_frame()
    assert frame["birth_step"].tolist() == [0, 20] and frame["death_step"].tolist() == [20, None]
    assert frame["origin"].tolist() == ["first step", "born"] and frame["fate"].tolist() == ["dies", "last step"]
    assert max(frame["rows"][0]) < 40 <= min(frame["rows"][1]) and frame["before"].tolist() == [(), ()]


@pytest.mark.parametrize("field", [2, 3])
@pytest.mark.parametrize("kind", ["noise", "tied", "non-metric"])
def test_a_cloud_with_itself_is_the_identity(kind, field):
    rng = np.random.default_rng(4)
    upper = np.triu(rng.integers(1, 60, (24, 24)), 1).astype(float)
    matrix = {
        "noise": lambda: ti.DistanceMatrix.from_points(rng.normal(size=(45, 3))),
        "tied": lambda: ti.DistanceMatrix.from_points(np.r_[ti.shapes.circle(12), ti.shapes.circle(12) + [9.0, 0.0]]),
        "non-metric": lambda: ti.DistanceMatrix.from_dense(upper + upper.T),
    }[kind]()
    loops = Loops(ti.Rips("precomputed", field=field)(matrix))
    bars = range(len(loops.births))
    verdicts = np.array([[agreement(loops, a, loops, b).verdict.value for b in bars] for a in bars])
    assert len(bars) >= 2
    same, off = verdicts[np.eye(len(bars), dtype=bool)], verdicts[~np.eye(len(bars), dtype=bool)]
    if kind == "non-metric":  # whole numbers tie: which bar is which hangs on the order of equal lengths, and that is said
        assert set(same) <= {"same", "ambiguous"} and "same" not in off
    else:
        assert set(same) == {"same"} and set(off) == {"different"}


def test_a_permutation_of_the_rows_changes_nothing():
    clouds = {"a": two_rings(2.0, 1.0, 3), "b": two_rings(1.4, 1.6, 3), "c": two_rings(1.5, 0.2, 3)}
    shuffled = np.random.default_rng(1).permutation(80)
    one = ti.match_cycles(clouds, RIPS, min_persistence=0.0)
    two = ti.match_cycles({step: cloud[shuffled] for step, cloud in clouds.items()}, RIPS, min_persistence=0.0)
    assert len(one.bars) > 6 and one.matches == two.matches
    for a, b in zip(one.bars, two.bars, strict=True):
        assert a[:5] == b[:5] and a.rows == tuple(sorted(shuffled[list(b.rows)].tolist()))


def test_units_change_no_identity():
    a, b = two_rings(2.0, 1.0, 0), two_rings(1.4, 1.6, 0)
    matches = [ti.match_cycles({0: a, 1: c * b}, RIPS, min_persistence=0.15).matches for c in (1.0, 1024.0)]
    assert matches[0] == matches[1] and len(matches[0]) == 2


def test_what_rounding_could_turn_is_ambiguous():
    """Distances known to 0.4 only: the bar of the small ring is not longer than twice that; that of the large one is."""
    clouds = {0: two_rings(2.0, 1.0, 0), 1: two_rings(1.7, 1.3, 0)}
    sure, vague = (
        ti.match_cycles(
            {
                s: ti.DistanceMatrix(ti.DistanceMatrix.from_points(x).condensed, 80, "precomputed", rounding)
                for s, x in clouds.items()
            },
            ti.Rips("precomputed"),
            min_persistence=0.15,
        )
        for rounding in (1e-6, 0.4)
    )
    assert {m.verdict for m in sure.matches} == {"same"}
    sides = [min(bar.rows) // 40 for bar in vague.bars]
    verdicts = {(sides[m.earlier], sides[m.later]): m.verdict for m in vague.matches}
    assert verdicts[0, 0] == "same" and verdicts[1, 1] == "ambiguous"
    assert {verdicts.get(pair, "different") for pair in ((0, 1), (1, 0))} <= {"different", "ambiguous"}
    frame = vague.to_frame()
    assert "ambiguous" in set(frame["origin"]) and "ambiguous" in set(frame["fate"])


def test_a_symmetric_split_is_one_in_any_order_of_the_rows():
    """The halves of an exact figure of eight are born and end together, but they share no strand: nothing hangs on the tie."""
    angle = 2 * np.pi * (np.arange(48) + 0.5) / 48
    eight = np.column_stack((np.cos(angle), np.sin(angle) * np.abs(np.cos(angle))))
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(48)
        found = ti.match_cycles({0: ti.shapes.circle(48)[order], 1: eight[order]}, RIPS, min_persistence=0.15)
        assert [(m.earlier, m.later, m.verdict) for m in found.matches] == [(0, 1, "same"), (0, 2, "same")]


def test_landmarks_are_the_same_rows_everywhere_and_their_certificate_decides():
    def clouds(matrix: bool) -> dict:
        out = {}
        for step, (first, second) in enumerate([(2.0, 1.0), (1.2, 1.8)]):
            angles = np.random.default_rng(6).uniform(0, 2 * np.pi, (2, 300))
            points = np.concatenate((ring(angles[0], first, (-3, 0)), ring(angles[1], second, (3, 0))))
            out[step] = ti.DistanceMatrix.from_points(points) if matrix else ti.PointCloud(points, rows=np.arange(600) + 1000)
        return out

    many = ti.match_cycles(clouds(False), ti.Rips(landmarks=120), min_persistence=0.15)
    assert [m.verdict for m in many.matches] == ["same", "same"] and many.n == 600
    assert all((min(many.bars[m.earlier].rows) < 1300) == (min(many.bars[m.later].rows) < 1300) for m in many.matches)
    assert len({row for bar in many.bars for row in bar.rows}) <= 120 and min(bar.rows[0] for bar in many.bars) >= 1000
    again = ti.match_cycles(clouds(True), ti.Rips(landmarks=120), min_persistence=0.15)
    assert [m[:3] for m in again.matches] == [m[:3] for m in many.matches]
    few = ti.match_cycles(clouds(False), ti.Rips(landmarks=14), min_persistence=0.15)
    assert few.matches and "ambiguous" in {m.verdict for m in few.matches}


def test_stores_files_and_frames(tmp_path):
    store = ti.store_from_arrays({"first": two_rings(2.0, 1.0, 0), "second": two_rings(1.0, 2.0, 0)})
    found = ti.match_cycles(store, RIPS, min_persistence=0.15)
    again = ti.CycleMatches.open(found.save(tmp_path / "matches.json"))
    assert again.bars == found.bars and again.matches == found.matches and again.recipe == found.recipe and again.steps == found.steps
    (tmp_path / "no.json").write_text("{}")
    with pytest.raises(ti.InputError, match="does not hold matches"):
        ti.CycleMatches.open(tmp_path / "no.json")
    empty = ti.match_cycles({0: np.zeros((4, 1)), 1: np.ones((4, 2))}, RIPS)
    assert len(empty.to_frame()) == 0 and empty.to_networkx().number_of_nodes() == 0


def test_a_bar_that_the_threshold_cut_is_followed():
    clouds = {0: two_rings(2.0, 1.0, 0), 1: two_rings(1.9, 1.1, 0)}
    found = ti.match_cycles(clouds, ti.Rips(threshold=1.7), min_persistence=0.05)
    open_bars = [k for k, bar in enumerate(found.bars) if math.isinf(bar.death)]
    assert open_bars == [0, 1, 2, 3] and {m[:3] for m in found.matches} == {(0, 2, "same"), (1, 3, "same")}


@pytest.mark.parametrize(
    ("clouds", "recipe", "message"),
    [
        ([np.eye(3)], RIPS, "this is a list"),
        ({0: np.eye(3)}, RIPS, "there are 1"),
        ({0: np.eye(3), 1: np.eye(4)}, RIPS, "0 has 3 rows and 1 4"),
        (
            {0: ti.PointCloud(np.eye(3)), "b": ti.PointCloud(np.eye(3), rows=np.array([0, 1, 5]))},
            RIPS,
            "place 2 is row 2 of 0 and row 5 of 'b'",
        ),
        ({0: np.eye(3), 1: np.eye(3)}, ti.Rips(max_dim=0), "max_dim=1"),
        ({0: np.eye(3), 1: np.eye(3)}, ti.Rips(landmarks=ti.until_certified(bars=1, max_points=3)), "such as landmarks=500"),
        ({0: np.eye(3), 1: np.eye(3)}, ti.Rips(weights=ti.dtm(k=1)), "without weights"),
        ({0: np.eye(3), 1: np.eye(3)}, ti.two_nn(), "needs a recipe"),
    ],
)
def test_errors_say_what_to_do(clouds, recipe, message):
    with pytest.raises(ti.InputError, match=message):
        ti.match_cycles(clouds, recipe)


def test_a_length_is_not_negative():
    with pytest.raises(ti.InputError, match="min_persistence"):
        ti.match_cycles({0: np.eye(3), 1: np.eye(3)}, RIPS, min_persistence=-1)
