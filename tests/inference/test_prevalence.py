"""How often subsamples have the same loop: against winding numbers, and where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest

import topo_interp as ti
from topo_interp.inference.nulls import draw_rng

RIPS = ti.Rips()


def winding(points: np.ndarray, loop: np.ndarray) -> int:
    """How often a closed walk goes around the origin."""
    angle = np.arctan2(points[loop, 1], points[loop, 0])
    turns = np.diff(np.append(angle, angle[0]))
    return round(float(((turns + np.pi) % (2 * np.pi) - np.pi).sum() / (2 * np.pi)))


@pytest.mark.parametrize("seed", range(3))
def test_a_ring_is_found_where_a_long_cycle_goes_around_it(seed):
    """A ring of few points, so that some subsamples lose it. A cycle around it runs through short edges, so that it winds once."""
    points = np.array(ti.shapes.noisy_circle(16, 0.05, seed=seed))
    d = RIPS(points)
    bar = int(np.argmax(d[1][:, 1] - d[1][:, 0]))
    length = d[1][bar, 1] - d[1][bar, 0]
    found = ti.prevalence(points, RIPS, [bar], draws=60, fraction=0.6, seed=seed)
    count = 0
    for index in range(60):
        rows = np.sort(draw_rng(seed, index).choice(16, 9, replace=False))
        part = RIPS(points[rows])
        for k, (birth, death) in enumerate(part[1]):
            cycle = part.cycle(1, k, tight=True)
            if cycle.is_loop and death - birth >= length / 2 and winding(points[rows], cycle.vertices):
                count += 1
                break
    assert found.found.tolist() == [count] and 0 < count < 60
    assert found.size == 9 and found.ambiguous.tolist() == [0]


def test_all_rows_give_every_bar_back():
    points = np.random.default_rng(0).normal(size=(40, 3))
    found = ti.prevalence(points, RIPS, draws=10, fraction=1.0, min_persistence=0.0, seed=0)
    assert len(found.bars) == len(RIPS(points)[1]) > 5
    np.testing.assert_array_equal(found.value, 1.0)
    np.testing.assert_allclose(found.affinity, 1.0)


def test_a_loop_of_few_rows_is_told_from_one_of_many():
    """A dense ring, and one of six rows that is as long: the first hangs on no row, the second on each."""
    angle = 2 * np.pi * np.arange(6) / 6
    dense = np.array(ti.shapes.noisy_circle(60, 0.03, seed=1))
    points = np.concatenate((dense, 2.4 * np.column_stack((np.cos(angle), np.sin(angle))) + [9.0, 0.0]))
    frame = ti.prevalence(points, RIPS, draws=40, fraction=0.8, seed=0).to_frame()
    d = RIPS(points)
    sparse = [bar for bar in frame["bar"] if d.rows(1, bar).min() >= 60]
    by_bar = frame.set_index("bar")
    assert len(frame) == 2 and len(sparse) == 1
    assert by_bar.loc[sparse[0], "prevalence"] < 0.5 and by_bar.drop(index=sparse)["prevalence"].tolist() == [1.0]
    assert ((frame["low"] <= frame["prevalence"]) & (frame["prevalence"] <= frame["high"])).all()
    assert (frame["affinity"] <= frame["prevalence"]).all()


def test_the_seed_decides_and_the_matrix_does_as_well():
    points = np.array(ti.shapes.noisy_circle(30, 0.2, seed=3))
    how = {"draws": 12, "fraction": 0.5, "seed": 4}
    one, two = ti.prevalence(points, RIPS, **how), ti.prevalence(ti.DistanceMatrix.from_points(points), RIPS, **how)
    for name in ("bars", "found", "affinity"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert "12 subsamples of 15 of 30 rows (seed 4)" in one.explain()


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"fraction": 0.0}, "fraction is 0.0"),
        ({"fraction": 1.5}, "fraction is 1.5"),
        ({"draws": 5}, "a whole number >= 10"),
        ({"bars": [99]}, "numbers of the"),
        ({"bars": [0.5]}, "numbers of the"),
        ({"recipe": ti.Rips(max_dim=0)}, "max_dim=1"),
        ({"recipe": ti.Rips(landmarks=5)}, "landmarks"),
        ({"cloud": ti.PointCloud(ti.shapes.circle(12), groups=("word",))}, "'word' are not"),
    ],
)
def test_errors_say_what_to_do(how, message):
    with pytest.raises(ti.InputError, match=message):
        ti.prevalence(**{"cloud": ti.shapes.circle(12), "recipe": RIPS, "seed": 0, **how})
