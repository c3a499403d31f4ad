"""Events of a track: those that are there, at the right step, and none in runs in which nothing happens."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import topo_interp as ti
from topo_interp.comparison._subsamples import subsamples_of
from topo_interp.comparison.events import Lengths, changes, longest_bars, resampled_lengths
from topo_interp.geometry.distance_matrix import DistanceMatrix


def rings(rng, opens, n=90):
    """Twelve steps with fresh noise: a disk whose middle empties at step ``opens`` (None: never)."""
    angle, radius = rng.uniform(0, 2 * np.pi, n), np.sqrt(rng.uniform(0, 1, n))
    for step in range(12):
        r = radius if opens is None or step < opens else 0.75 + 0.25 * radius
        yield np.c_[r * np.cos(angle), r * np.sin(angle)] + 0.05 * rng.normal(size=(n, 2))


def events_of(clouds, seed):
    stores = {10 * step: {"layer": points} for step, points in enumerate(clouds)}
    return ti.track(stores, ti.Rips(max_dim=1), baselines=False, seed=seed, drift=False, progress=False).events()


def test_events_of_rows_that_share_a_group_say_so():
    def events(groups):
        clouds = rings(np.random.default_rng(0), opens=7)
        item = {"item": np.arange(90), "template": np.arange(90) // 3}
        stores = {step: ti.store_from_arrays({"layer": points}, item, groups=groups) for step, points in enumerate(clouds)}
        return ti.track(stores, ti.Rips(max_dim=1), baselines=False, subsamples=10, drift=False, progress=False).events()

    grouped, plain = events("template"), events(())
    assert len(plain) and (plain["caution"] == "").all() and grouped["caution"].str.startswith("rows share values of template: the noise").all()
    pd.testing.assert_frame_equal(grouped.drop(columns="caution"), plain.drop(columns="caution"))


@pytest.mark.slow  # 20 runs of 12 steps, which is what the promise is about
def test_a_loop_that_opens_is_found_where_it_opens():
    hits = 0
    for seed in range(20):
        events = events_of(rings(np.random.default_rng(seed), opens=7), seed)
        loops = events[(events["dim"] == 1) & (events["rank"] == 1)]
        hits += len(loops) == 1 and loops["kind"].iloc[0] == "appears" and abs(loops["step"].iloc[0] - 70) <= 10
    assert hits >= 19


@pytest.mark.slow  # as above
def test_static_runs_have_no_events():
    noisy = 0
    for seed in range(20):
        rng = np.random.default_rng(100 + seed)
        kind = seed % 4
        if kind == 0:
            clouds = rings(rng, opens=None)
        elif kind == 1:
            clouds = rings(rng, opens=0)
        else:
            clouds = (rng.normal(size=(90, 2 if kind == 2 else 8)) for _ in range(12))
        noisy += len(events_of(clouds, seed)) > 0
    assert noisy <= 2


def series(levels, noise, bound=0.0, subsamples=20, seed=0):
    rng = np.random.default_rng(seed)
    levels = np.asarray(levels, dtype=float)
    resampled = levels[:, None] + noise / 2 * rng.normal(size=(len(levels), subsamples))  # the jackknife doubles it
    return Lengths(levels, resampled, np.full(len(levels), bound))


def test_changes_by_rule():
    step = [0.2] * 5 + [1.0] * 5
    (up,) = changes(series(step, 0.05), tests=10)
    assert (up.at, up.until, up.before) == (5, 5, pytest.approx(0.2)) and up.after == pytest.approx(1.0)
    assert up.noise == pytest.approx(0.05 * np.sqrt(1 / 5 + 1 / 3), rel=0.5)
    there_and_back = changes(series([0.2] * 4 + [1.0] * 5 + [0.2] * 4, 0.05), tests=10)
    assert [(c.at, c.after > c.before) for c in there_and_back] == [(4, True), (9, False)]
    assert changes(series(step, 1.0), tests=10) == []  # within the noise
    assert changes(series(step, 0.05, bound=0.4), tests=10) == []  # within the certificates: 0.4 at each end
    assert [c.at for c in changes(series(step, 0.05, bound=0.1), tests=10)] == [5]
    ramp = changes(series([0.2] * 4 + [0.4, 0.6, 0.8] + [1.0] * 5, 0.02), tests=10)
    assert len(ramp) == 1 and 3 <= ramp[0].at <= 6 and ramp[0].after > 0.9
    assert changes(series([0.2], 0.1), tests=1) == []
    assert changes(Lengths(np.zeros(3), np.zeros((3, 5)), np.zeros(3)), tests=1) == []


def test_subsamples_and_lengths():
    rows = subsamples_of(50, 20, seed=3)
    assert rows.shape == (20, 40) and all(len(set(line)) == 40 for line in rows.tolist()) and len(np.unique(rows)) == 50
    assert np.array_equal(rows, subsamples_of(50, 20, seed=3)) and not np.array_equal(rows, subsamples_of(50, 20, seed=4))
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    points = np.c_[np.cos(angle), np.sin(angle), 0 * angle] + 0.1 * np.random.default_rng(20).normal(size=(40, 3))
    matrix = DistanceMatrix.from_points(points)
    found = resampled_lengths(matrix, ti.Rips(), rows[:2, :30] % 40, 2)
    d = ti.Rips()(points[rows[1, :30] % 40])
    lengths = np.sort(d[1][:, 1] - d[1][:, 0])[::-1] / d.scale
    assert found[1, 1] == pytest.approx(np.r_[lengths, 0, 0][:2], rel=1e-6)
    merges = np.sort(d[0][:-1, 1])[::-1] / d.scale
    assert found[1, 0] == pytest.approx(merges[:2], rel=1e-6)
    cut = ti.Rips(threshold=0.5)(points)
    assert longest_bars(cut, 1, 1)[0] * cut.scale <= 0.5
