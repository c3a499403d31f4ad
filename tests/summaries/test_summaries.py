from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle_matching import bottleneck

import topo_interp as ti
from topo_interp._value import value_from_json

INF = math.inf
GRID = np.linspace(0, 4, 41)
EVERY = [
    ti.count_bars(1, threshold=0.5),
    ti.max_persistence(1),
    ti.total_persistence(1, p=2),
    ti.persistence_entropy(1),
    ti.amplitude(1),
    ti.amplitude(1, "wasserstein", order=3),
    ti.amplitude(1, "landscape"),
    ti.betti_curve(1, GRID),
    ti.landscape(1, GRID, layers=2),
    ti.silhouette(1, GRID, power=2),
    ti.persistence_image(1, (0, 2), (0, 3), resolution=(6, 4), bandwidth=0.3),
]
BY_NAME = {value.name: value for value in EVERY}


def loops(*bars, **fields) -> ti.Diagrams:
    return ti.Diagrams.from_bars([[(0, 1), (0, INF)], list(bars)], scale=2.0, **fields)


CUT = loops((0.5, 1.0), (1.0, INF), (1.9, INF), censored_at=2.0)


def test_values_by_hand():
    d = loops((1, 2), (0.5, 3.5))
    assert ti.count_bars(1)(d) == 2 and ti.count_bars(1, threshold=1)(d) == 1 and ti.count_bars(0)(d) == 2
    assert ti.max_persistence(1)(d) == 3 and ti.max_persistence(0)(d) == 1
    assert ti.total_persistence(1)(d) == 4 and ti.total_persistence(1, p=2)(d) == 10
    assert ti.persistence_entropy(1)(d) == pytest.approx(-(0.25 * math.log(0.25) + 0.75 * math.log(0.75)), rel=1e-12)
    assert ti.amplitude(1)(d) == 1.5 and ti.amplitude(1, "wasserstein", order=1)(d) == 2
    assert ti.amplitude(1, "wasserstein")(d) == pytest.approx(math.hypot(0.5, 1.5))
    # Two tents of height h have the area h^2 each.
    assert ti.amplitude(1, "landscape", order=1)(d) == pytest.approx(0.25 + 2.25)
    assert ti.betti_curve(1, [0, 0.5, 1, 1.5, 2, 3, 3.5])(d).tolist() == [0, 1, 2, 2, 1, 1, 0]
    assert ti.landscape(1, [1.5, 2.0], layers=3)(d).tolist() == [1, 1.5, 0.5, 0, 0, 0]
    assert ti.silhouette(1, [1.5])(d) == pytest.approx([(1 * 0.5 + 3 * 1.0) / 4], rel=1e-12)
    image = ti.persistence_image(1, (1, 2), (1, 3), resolution=(2, 2), bandwidth=1)(loops((1, 2)))
    peak = 1 / (2 * math.pi)
    assert image == pytest.approx([peak, peak * math.exp(-0.5), peak * math.exp(-2), peak * math.exp(-2.5)])


@pytest.mark.parametrize("seed", range(5))
def test_against_gudhi(seed):
    from gudhi import representations

    rng = np.random.default_rng(seed)
    birth = rng.uniform(0, 2, 30)
    bars = np.column_stack((birth, birth + rng.uniform(0.01, 2, 30)))
    d = loops(*bars)
    low, high, size = GRID[0], GRID[-1], len(GRID)
    theirs = representations.Landscape(num_landscapes=3, resolution=size, sample_range=[low, high], keep_endpoints=True)
    assert ti.landscape(1, GRID)(d) == pytest.approx(theirs.fit_transform([bars])[0] / math.sqrt(2), abs=1e-12)
    theirs = representations.Silhouette(
        weight=lambda bar: (bar[1] - bar[0]) ** 2, resolution=size, sample_range=[low, high], keep_endpoints=True
    )
    assert ti.silhouette(1, GRID, power=2)(d) == pytest.approx(theirs.fit_transform([bars])[0] / math.sqrt(2), abs=1e-12)
    alive = [np.count_nonzero((bars[:, 0] <= t) & (t < bars[:, 1])) for t in GRID]
    assert ti.betti_curve(1, GRID)(d).tolist() == alive
    shares = np.diff(bars)[:, 0] / np.diff(bars).sum()
    assert ti.persistence_entropy(1)(d) == pytest.approx(-(shares * np.log(shares)).sum(), rel=1e-12)
    # The landscape's L^2 norm, integrated on a fine grid.
    fine = np.linspace(0, 4, 40_001)
    layers = ti.landscape(1, fine, layers=30)(d).reshape(30, -1)
    norm = math.sqrt((layers**2).sum() * (fine[1] - fine[0]))
    assert ti.amplitude(1, "landscape", order=2)(d) == pytest.approx(norm, rel=1e-4)


@pytest.mark.parametrize("value", EVERY, ids=BY_NAME)
def test_every_summary_is_a_whole_value(value):
    assert value_from_json(value.to_json()) == value and hash(value) == hash(value_from_json(value.to_json()))
    assert len(value.lipschitz_reason) > 10 and "bar" in value.open_bars
    assert repr(value) == value.name and value.name.startswith(value.kind)
    empty = value(loops())
    if isinstance(value, ti.Vectorization):
        assert empty.shape == (len(value.names),) and empty.dtype == np.float64 and not empty.any()
        assert len(set(value.names)) == len(value.names)
        assert value(loops((1, 2), (0.5, 3))).any()
    else:
        assert isinstance(empty, float) and empty == 0.0
        assert value(loops((1, 2), (0.5, 3))) > 0


def test_names_are_short_and_tell_values_apart():
    assert ti.max_persistence(1).name == "max_persistence(dim=1)"
    assert ti.max_persistence(1, relative=True).name == "max_persistence(dim=1, relative=True)"
    assert ti.count_bars(0, 0.5).name == "count_bars(dim=0, threshold=0.5)"
    assert ti.landscape(1, GRID).name == "landscape(dim=1, grid=[0 .. 4; 41])"
    assert len(BY_NAME) == len(EVERY)
    assert ti.betti_curve(1, [0, 0.5]).names == ("betti_curve_1(0)", "betti_curve_1(0.5)")


# The entropy has no unit, hence no relative form.
@pytest.mark.parametrize("value", [v for v in EVERY if v.kind != "persistence_entropy"], ids=lambda value: value.name)
def test_relative_values_have_no_unit(value):
    value = dataclasses.replace(value, relative=True)
    d = loops((1, 2), (0.5, 3.5), (2.5, 7))
    e = dataclasses.replace(d, birth=8 * d.birth, death=8 * d.death, scale=8 * d.scale)
    assert np.array_equal(value(d), value(e)) and np.any(value(d))
    assert not np.array_equal(value(d), dataclasses.replace(value, relative=False)(d))
    assert value.lipschitz is None
    for scale, words in ((None, "is not known"), (0.0, "half of the pairs coincide")):
        with pytest.raises(ti.InputError, match=words):
            value(dataclasses.replace(d, scale=scale))
        # Nothing has to be divided where there is nothing.
        assert not np.any(value(dataclasses.replace(loops(), scale=scale)))


def test_relative_parameters_are_multiples_of_the_scale():
    d = loops((1, 2), (0.5, 3.5))  # lengths 1 and 3, scale 2
    assert ti.count_bars(1, threshold=0.75, relative=True)(d) == 1
    assert ti.max_persistence(1, relative=True)(d) == 1.5
    assert ti.betti_curve(1, [0.25, 0.5], relative=True)(d).tolist() == [1, 2]


@st.composite
def perturbed(draw):
    """Two diagrams that are at most delta apart, and that delta."""
    delta = draw(st.sampled_from([0.01, 0.25, 1.0]))
    ends = st.tuples(st.floats(0, 3), st.floats(0.01, 3))
    bars = [(birth, birth + length) for birth, length in draw(st.lists(ends, max_size=6))]
    shift = st.floats(-1, 1)
    moved = [(b + delta * draw(shift), d + delta * draw(shift)) for b, d in bars]
    fresh = [(b, b + 2 * delta * draw(st.floats(0, 1))) for b in draw(st.lists(st.floats(0, 3), max_size=4))]
    other = [bar for bar in moved if bar[0] < bar[1]] + fresh
    return bars, other, delta


LIPSCHITZ = {name: value for name, value in BY_NAME.items() if value.lipschitz is not None}
# Two diagrams for each constant between which it is attained.
ATTAINED = {
    "max_persistence(dim=1)": ([(1, 2)], [(0.5, 2.5)]),
    "amplitude(dim=1)": ([(1, 3)], []),
    "landscape(dim=1, grid=[0 .. 4; 41], layers=2)": ([(1, 3)], []),
}


def test_the_constants_are_those_of_the_theory():
    constants = {value.kind: value.lipschitz for value in EVERY if value.kind != "amplitude"}
    assert constants == {
        "count_bars": None,
        "max_persistence": 2.0,
        "total_persistence": None,
        "persistence_entropy": None,
        "betti_curve": None,
        "landscape": 1.0,
        "silhouette": None,
        "persistence_image": None,
    }
    assert [ti.amplitude(1, distance).lipschitz for distance in ("bottleneck", "wasserstein", "landscape")] == [1, None, None]
    assert set(ATTAINED) == set(LIPSCHITZ)


def change(value, one, other) -> float:
    return float(np.abs(np.subtract(value(loops(*one)), value(loops(*other)))).max())


@pytest.mark.parametrize("name", LIPSCHITZ)
def test_lipschitz_constants_hold_and_are_attained(name):
    value = LIPSCHITZ[name]

    @settings(max_examples=100, deadline=None, derandomize=True)
    @given(perturbed())
    def holds(case):
        one, other, delta = case
        distance = bottleneck(one, [bar for bar in other if bar[0] < bar[1]])
        assert distance <= delta * (1 + 1e-9)
        assert change(value, one, other) <= value.lipschitz * distance + 1e-9

    holds()
    one, other = ATTAINED[name]
    assert change(value, one, other) == pytest.approx(value.lipschitz * bottleneck(one, other), rel=1e-12)


def short_bars(count: int, length: float) -> list[tuple[float, float]]:
    return [(1 + i * 1e-9, 1 + i * 1e-9 + length) for i in range(count)]


# For each kind without a constant: two diagrams and a bound on their distance, such that the ratio grows without end.
UNBOUNDED = {
    "count_bars": lambda n: ([(1, 1.5)], [(1, 1.5 + 1 / n)], 1 / n),
    "betti_curve": lambda n: ([(1, 2)], [(1, 2 + 1 / n)], 1 / n),
    "persistence_entropy": lambda n: ([], short_bars(2, 2 / n), 1 / n),
    "silhouette": lambda n: ([(1, 2)], [(1, 2), *short_bars(n, 2 * n**-0.5)], n**-0.5),
    "total_persistence": lambda n: ([], short_bars(n, 1.0), 0.5),
    "amplitude": lambda n: ([], short_bars(n, 1.0), 0.5),
    "persistence_image": lambda n: ([], short_bars(n, 1.0), 0.5),
}


@pytest.mark.parametrize("value", [value for value in EVERY if value.lipschitz is None], ids=lambda value: value.name)
def test_where_there_is_no_constant_there_can_be_none(value):
    ratios = []
    for n in (300, 30_000):
        one, other, distance = UNBOUNDED[value.kind](n)
        if n == 300:
            assert bottleneck(one, other[:8]) <= distance * (1 + 1e-9)  # the other short bars are like the first ones
        ratios.append(change(value, one, other) / distance)
    assert ratios[1] > 3 * ratios[0] > 0


REFUSES = [value for value in EVERY if value.kind not in ("count_bars", "betti_curve")]


@pytest.mark.parametrize("value", REFUSES, ids=lambda value: value.name)
def test_censored_bars_are_never_silent(value):
    with pytest.raises(ti.InputError, match=r"2 bars of degree 1 were cut by the threshold 2: say censored='close'"):
        value(CUT)
    assert "censored bars are an error" in value.open_bars
    close = dataclasses.replace(value, censored="close")
    assert np.array_equal(close(CUT), value(loops((0.5, 1.0), (1.0, 2.0), (1.9, 2.0))))
    assert "ended at the cut" in close.open_bars and close != value and close.name != value.name


def test_essential_bars_are_left_out_or_count():
    d = loops((1, 2))
    assert ti.total_persistence(0)(d) == 1 and "essential bars are left out" in ti.total_persistence(0).open_bars
    assert ti.count_bars(0, threshold=100)(d) == 1 and "essential bars count" in ti.count_bars(0).open_bars
    assert ti.betti_curve(0, [0, 0.5, 1, 50])(d).tolist() == [2, 2, 1, 1]
    assert not ti.landscape(0, [50])(d).any()


def test_counting_censored_bars():
    assert ti.count_bars(1, threshold=0.05)(CUT) == 3  # (1.9, open) is at least 0.1 long
    with pytest.raises(ti.InputError, match="1 bar of degree 1 was cut by the threshold 2"):
        ti.count_bars(1, threshold=0.2)(CUT)
    assert ti.count_bars(1, threshold=0.2, censored="close")(CUT) == 2


def test_betti_numbers_beyond_the_cut_are_unknown():
    assert ti.betti_curve(1, [0.5, 1.0, 1.95, 2.0])(CUT).tolist() == [1, 1, 2, 2]
    with pytest.raises(ti.InputError, match="goes to 2.1 and the threshold cut at 2, beyond which Betti numbers are unknown"):
        ti.betti_curve(1, [1.0, 2.1])(CUT)
    assert ti.betti_curve(1, [1.0, 2.0, 2.1], censored="close")(CUT).tolist() == [1, 2, 0]
    assert ti.betti_curve(0, [2.1], censored="close")(CUT).tolist() == [1]


def test_entropy_of_extreme_lengths():
    assert ti.persistence_entropy(1)(loops((0, 1e300), (1, 1e300))) == pytest.approx(math.log(2))
    assert ti.persistence_entropy(1)(loops((0, 5e-324), (0, 1.0))) == pytest.approx(0, abs=1e-300)
    assert ti.persistence_entropy(1)(loops((0, 3))) == 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ti.max_persistence(-1), "dim .the degree. is -1; a whole number >= 0"),
        (lambda: ti.max_persistence("H1"), "is 'H1'; a whole number >= 0"),
        (lambda: ti.max_persistence(2)(loops()), "degree 2 was not computed"),
        (lambda: ti.max_persistence(1, censored="drop"), "'refuse' or 'close'"),
        (lambda: ti.count_bars(1, threshold=-1), "threshold is -1; a finite number >= 0"),
        (lambda: ti.total_persistence(1, p=0), "p is 0; a finite number > 0"),
        (lambda: ti.amplitude(1, "heat"), "'bottleneck', 'wasserstein' or 'landscape'"),
        (lambda: ti.amplitude(1, order=0.5), "order >= 1"),
        (lambda: ti.landscape(1, [1, 0]), "finite, increasing"),
        (lambda: ti.landscape(1, []), "finite, increasing"),
        (lambda: ti.landscape(1, GRID, layers=0), "layers is 0; a whole number >= 1"),
        (lambda: ti.persistence_image(1, (0, 1, 2), (0, 1)), "two ends of a range"),
        (lambda: ti.persistence_image(1, (0, 1), (0, 1), resolution=(1, 5)), "resolution is 1; a whole number >= 2"),
        (lambda: ti.persistence_image(1, (0, 1), (0, 1), bandwidth=0), "bandwidth is 0"),
    ],
)
def test_errors_say_what_is_needed(call, message):
    with pytest.raises(ti.InputError, match=message):
        call()
