"""How large a circle must be to be found: the answer is measured, reproducible and says when it is none."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import topo_interp as ti
from topo_interp import InputError
from topo_interp.inference.detectable import _RATIOS, _smallest, detectable, noise_floor
from topo_interp.inference.multiple import max_t, studentized

LOOP = ti.max_persistence(dim=1)
NULL = ti.nulls.matched_gaussian()


def noise(seed: int, n: int = 40, d: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d))


@pytest.fixture(scope="module")
def found():
    return detectable(noise(0), ti.Rips(), LOOP, NULL, trials=10, draws=19, seed=0)


def test_the_answer_is_the_smallest_powerful_radius_that_was_tried(found):
    assert 0.5 < found.ratio < 8
    powerful = [ratio for ratio, count in found.tried if count >= 8]
    weak = [ratio for ratio, count in found.tried if count < 8]
    assert found.ratio == min(powerful) and weak
    assert found.ratio / max(ratio for ratio in weak if ratio < found.ratio) == pytest.approx(2**0.25)
    assert found.found == dict(found.tried)[found.ratio]
    assert found.interval[0] <= found.found / 10 <= found.interval[1]
    assert found.radius == pytest.approx(found.ratio * found.noise_floor)


def test_the_search_asks_for_nine_radii_at_most():
    asked = []
    for smallest in range(len(_RATIOS) + 1):
        calls: list[int] = []
        assert _smallest(lambda k, calls=calls, smallest=smallest: calls.append(k) or k >= smallest) == smallest
        asked.append(len(calls))
        assert len(set(calls)) == len(calls)
    assert max(asked) == 9 and asked[-1] == 7
    detect = ti.Detect()
    assert f"({9 * detect.trials * (detect.draws + 1)} as it is)" in ti.Detect.__doc__


def test_the_sentence_gives_the_size(found):
    assert f"found in {found.found} of 10 trials at p <= 0.05" in found.explain()


def test_a_planted_circle_of_twice_that_radius_is_found(found):
    hits = 0
    for seed in range(6):
        rng = np.random.default_rng([seed, 1])
        plane = np.linalg.qr(rng.normal(size=(8, 2)))[0]
        angles = rng.uniform(0, 2 * np.pi, 40)
        x = noise(seed + 1) + 2 * found.radius * np.column_stack((np.cos(angles), np.sin(angles))) @ plane.T
        hits += ti.significance(x, ti.Rips(), LOOP, null=NULL, draws=19, seed=seed).p_value <= 0.05
    assert hits >= 5


def test_scaling_the_cloud_scales_the_radius_only(found):
    other = detectable(4 * noise(0), ti.Rips(), LOOP, NULL, trials=10, draws=19, seed=0)
    assert other.ratio == found.ratio
    assert other.radius == pytest.approx(4 * found.radius)


def test_a_statistic_that_sees_no_loop_finds_none():
    blind = detectable(noise(0, n=15), ti.Rips(max_dim=0), lambda diagrams: 0.0, NULL, trials=2, draws=19, seed=0)
    assert blind.ratio == np.inf and blind.found == 0
    assert "says nothing" in blind.explain()


def test_in_a_family_of_tests_the_circle_must_be_larger():
    """The rule of the report: a p-value adjusted for all tests. Maxima of one test give about the answer of that test alone."""
    rng = np.random.default_rng(3)
    asked = {"trials": 6, "power": 0.5, "draws": 19, "seed": 0}
    alone = detectable(noise(0), ti.Rips(), LOOP, NULL, **asked)
    found = {}
    for tests in (1, 40):
        family = max_t(np.zeros(tests), rng.standard_t(4, size=(99, tests)))  # bars have heavy tails
        found[tests] = detectable(noise(0), ti.Rips(), LOOP, NULL, family=family, **asked)
        assert found[tests].tests == tests and ("after max-T over all 40 tests" in found[tests].explain()) == (tests == 40)
    assert abs(np.log2(found[1].ratio / alone.ratio)) <= 0.25 and found[40].ratio > found[1].ratio
    few, many = dict(found[1].tried), dict(found[40].tried)
    assert all(many[ratio] <= few[ratio] for ratio in many.keys() & few.keys())
    many = max_t(np.zeros(2), rng.normal(size=(39, 2)))
    with pytest.raises(InputError, match="39 draws can not reach p <= 0.02; use draws=49"):
        detectable(noise(0), ti.Rips(), LOOP, NULL, alpha=0.02, family=many)


@pytest.mark.parametrize("seed", range(5))
def test_a_value_among_a_family_is_found_exactly_where_the_report_finds_it(seed):
    values = np.random.default_rng([seed, 11]).normal(size=(40, 6))
    values[0, :3] += 3.0
    family = max_t(values[0], values[1:])
    for k in range(6):
        assert family.p_of(*studentized(values[0, k], values[1:, k], 39)) == family.p_values[k]
    assert studentized(5.0, np.full(3, 5.0), 39) == (-np.inf, 0.0) and family.p_of(-np.inf, 0.0) == 1.0
    assert studentized(6.0, np.full(3, 5.0), 39)[0] == pytest.approx(39 / np.sqrt(40))  # nothing is further out


@pytest.mark.parametrize("rounding", [0.0, 1e-15, 1e-4])
def test_a_tie_that_rounding_broke_is_a_tie_among_a_family_too(rounding):
    draws = np.random.default_rng(2).normal(size=39)
    value = draws.max() + 1.5 * rounding  # each of both can be off by so much
    family = max_t([value], draws[:, None], [rounding])
    assert family.p_of(*studentized(value, draws, 39, rounding)) == family.p_values[0] == 2 / 40


def test_the_rounding_of_the_planted_cloud_reaches_the_family(monkeypatch):
    told = []
    monkeypatch.setattr(inspect.getmodule(detectable), "studentized", lambda *given: told.append(given[3]) or studentized(*given))
    family = max_t(np.zeros(3), np.random.default_rng(5).standard_t(4, size=(39, 3)))
    detectable(noise(0), ti.Rips(), LOOP, NULL, family=family, trials=2, draws=4, power=0.5)
    assert told and min(told) > 0


CAPTURED: list[int] = []


def fresh(seed: int) -> np.ndarray:
    CAPTURED.append(seed)
    return noise(seed)


def test_a_null_that_does_not_read_the_points_is_drawn_once_for_all_trials(monkeypatch):
    null, asked = ti.nulls.reinitialized(fresh), {"trials": 4, "power": 0.5, "draws": 19, "seed": 0}
    family = max_t(np.zeros(3), np.random.default_rng(5).standard_t(4, size=(39, 3)))
    monkeypatch.setattr(inspect.getmodule(detectable), "noise_floor", lambda cloud: 2.0)  # else of each draw, or of the cloud
    for among in (None, family):
        found, counts = [], []
        for reads in (False, True):
            monkeypatch.setattr(type(null), "reads_points", reads)
            CAPTURED.clear()
            found.append(detectable(noise(0), ti.Rips(), LOOP, null, family=among, **asked))
            counts.append(len(CAPTURED))
        assert found[0] == found[1]
        assert counts[0] == 19 + 4 < counts[1]


def fresh_small(seed: int) -> np.ndarray:
    return noise(seed) / 1024


def fresh_always_the_same(seed: int) -> np.ndarray:
    return noise(0)


def test_the_circle_is_measured_by_the_noise_that_it_is_planted_in():
    """A network that has learned nothing can have activations a thousandth as long; that makes no circle easier to see."""
    asked, loop = {"trials": 4, "power": 0.5, "draws": 19, "seed": 0}, ti.max_persistence(dim=1, relative=True)
    equal, small = (detectable(noise(0), ti.Rips(), loop, ti.nulls.reinitialized(f), **asked) for f in (fresh, fresh_small))
    assert small.tried == equal.tried and 0.5 < small.ratio < 8
    assert small.radius == pytest.approx(small.ratio * noise_floor(noise(0)))
    with pytest.raises(InputError, match="are all alike here, so that there is no noise to plant in"):
        detectable(noise(0), ti.Rips(), loop, ti.nulls.reinitialized(fresh_always_the_same), **asked)


def test_the_noise_floor():
    assert noise_floor(np.array([[0.0], [1.0], [3.0], [3.5]])) == 0.75  # nearest: 1, 1, .5, .5
    x = 0.3 * np.random.default_rng(0).normal(size=(300, 500))
    assert noise_floor(x) == pytest.approx(0.3 * np.sqrt(2 * 500), rel=0.08)
    with pytest.raises(InputError, match="duplicate"):
        noise_floor(np.zeros((5, 2)))


def test_arguments_are_checked():
    with pytest.raises(InputError, match="use draws=19 or more"):
        detectable(noise(0), ti.Rips(), LOOP, NULL, draws=18)
    with pytest.raises(InputError, match="power is 0"):
        detectable(noise(0), ti.Rips(), LOOP, NULL, power=0)
    with pytest.raises(InputError, match="does not change the points"):
        detectable(noise(0), ti.Rips(), LOOP, ti.nulls.permuted_pairing())
    with pytest.raises(InputError, match="within="):
        detectable(ti.PointCloud(noise(0), groups=("item",)), ti.Rips(), LOOP, NULL)
