"""Distances between diagrams against assignment oracles, their laws, and what happens to open bars."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import topo_interp as ti
from topo_interp.homology import bottleneck as bottleneck_module

INFINITE = math.inf


def brute_wasserstein(a, b, order):
    """The best matching by trying all of them: every bar of b goes to a bar of a or to the diagonal."""
    best = INFINITE
    for choice in itertools.product(range(-1, len(a)), repeat=len(b)):
        if any(choice.count(i) > 1 for i in range(len(a))):
            continue
        costs = []
        for (birth, death), i in zip(b, choice, strict=True):
            costs.append((death - birth) / 2 if i < 0 else max(abs(birth - a[i][0]), abs(death - a[i][1])))
        costs += [(d - c) / 2 for i, (c, d) in enumerate(a) if i not in choice]
        total = max(costs, default=0.0) if order == INFINITE else sum(c**order for c in costs) ** (1 / order)
        best = min(best, total)
    return best


bars = st.lists(
    st.tuples(st.integers(0, 8), st.integers(1, 8)).map(lambda pair: (pair[0] / 4, (pair[0] + pair[1]) / 4)), max_size=4
)


def diagrams(pairs) -> ti.Diagrams:
    return ti.Diagrams.from_bars([[(0, INFINITE)], pairs])


@settings(max_examples=60, deadline=None)
@given(bars, bars)
def test_against_all_matchings(a, b):
    first, second = diagrams(a), diagrams(b)
    assert ti.bottleneck(first, second, dim=1).value == pytest.approx(brute_wasserstein(a, b, INFINITE), abs=1e-12)
    for order in (1, 2):
        assert ti.wasserstein(first, second, dim=1, order=order).value == pytest.approx(brute_wasserstein(a, b, order), abs=1e-7)


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e300])
def test_bottleneck_distances_that_gudhi_gets_wrong(scale):
    """gudhi.bottleneck_distance gives 0.5 for the first pair and 0.6473 for the second (up to 3.13), Hera 0 for the smallest."""
    three = [[(0, death)] * 3 for death in (0.25, 0.75)]
    a = [(0.8046, 1.5108), (0.4012, 0.8290), (0.9073, 1.0998), (0.9327, 1.1775)]
    b = [(0.0176, 0.9811), (0.3262, 0.4153), (0.1573, 1.0003), (0.1066, 0.2124)]
    for pair in (three, (a, b)):
        found = ti.bottleneck(*(diagrams(np.array(pairs) * scale) for pairs in pair), dim=1)
        assert found.value / scale == pytest.approx(brute_wasserstein(*pair, INFINITE), rel=1e-12)


def test_bottleneck_distances_have_one_door():
    for path in Path(bottleneck_module.__file__).parents[1].rglob("*.py"):
        words = path.read_text(encoding="utf-8")
        assert path.name == "bottleneck.py" or not ("bottleneck_distance" in words and "gudhi" in words), path


@settings(max_examples=40, deadline=None)
@given(bars, bars)
def test_the_matching_has_the_cost_of_the_distance(a, b):
    first, second = diagrams(a), diagrams(b)
    one = ti.match_bars(first, second, dim=1)
    assert one["cost"].sum() == pytest.approx(ti.wasserstein(first, second, dim=1).value, abs=1e-7)
    widest = ti.match_bars(first, second, dim=1, order=INFINITE)
    largest = widest["cost"].max() if len(widest) else 0.0
    assert largest == pytest.approx(ti.bottleneck(first, second, dim=1).value, abs=1e-12)
    for frame in (one, widest):
        assert sorted(frame["a"][frame["a"] >= 0]) == list(range(len(a)))
        assert sorted(frame["b"][frame["b"] >= 0]) == list(range(len(b)))


def landscapes(pairs, values, layers=8):
    """By their definition: the k-th largest tent at each value."""
    tents = np.array([[max(0.0, min(x - b, d - x)) for b, d in pairs] + [0.0] * layers for x in values])
    return -np.sort(-tents, axis=1)[:, :layers]


@settings(max_examples=40, deadline=None)
@given(bars, bars)
@example([(0.25, 1.75)], [(0.0, 1.5), (0.25, 2.25)])  # the grid of 2.25 misses the eighths: 0.62475
def test_landscapes_and_betti_curves_are_those_of_their_definitions(a, b):
    first, second = diagrams(a), diagrams(b)
    found = ti.landscape_distance(first, second, dim=1)
    # The ends are multiples of 1/4, so that the landscapes and their difference bend at multiples of 1/8 only.
    eighths = np.arange(0, 41) / 8
    exact, (low, high) = np.abs(landscapes(a, eighths) - landscapes(b, eighths)).max(), found.certified
    assert low - 1e-12 <= exact <= high + 1e-12 and high - low <= 0.01
    assert found.value <= ti.bottleneck(first, second, dim=1).value + 1e-12
    grid = np.arange(0, 5, 1 / 64) + 1 / 128
    curves = [sum(((grid >= x) & (grid < y)).astype(int) for x, y in pairs) + 0 * grid for pairs in (a, b)]
    assert ti.betti_distance(first, second, dim=1).value == pytest.approx(np.abs(curves[0] - curves[1]).sum() / 64)


def test_sliced_wasserstein_of_one_bar_against_an_integral():
    """SW of {(0, 2)} and {} is the mean over directions of the distance from the bar to its diagonal point."""
    angle = -np.pi / 2 + (np.arange(100000) + 0.5) * np.pi / 100000
    want = np.mean(np.abs((0 - 1) * np.cos(angle) + (2 - 1) * np.sin(angle)))
    found = ti.sliced_wasserstein(diagrams([(0, 2)]), diagrams([]), dim=1, directions=500)
    assert found.value == pytest.approx(want, rel=0.01)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 24), st.sampled_from([1e-3, 0.05, 1.0]), st.sampled_from([None, 1.0, 2.0]))
def test_no_diagram_moves_farther_than_its_matrix(seed, n, noise, threshold):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(n, 3))
    moved = points + rng.normal(scale=noise, size=points.shape)
    one, two = (ti.DistanceMatrix.from_points(p) for p in (points, moved))
    gap = float(np.abs(one.condensed.astype(float) - two.condensed).max())
    recipe = ti.Rips(max_dim=1, threshold=threshold)
    for dim in (0, 1):
        assert ti.bottleneck(recipe(one), recipe(two), dim=dim).value <= gap
        assert ti.landscape_distance(recipe(one), recipe(two), dim=dim).value <= gap


def test_hera_agrees_with_the_linear_programme_and_says_that_it_ran(monkeypatch):
    rng = np.random.default_rng(0)
    births = rng.random((2, 150))
    pair = [diagrams(np.column_stack((b, b + rng.random(150) / 20))) for b in births]
    for order in (1, 2):
        exact = ti.wasserstein(*pair, dim=1, order=order)
        with monkeypatch.context() as patch:
            patch.setattr("topo_interp.comparison.diagram_distances._EXACT_BARS", 149)
            found = ti.wasserstein(*pair, dim=1, order=order)
        assert (exact.relative_error, found.relative_error) == (0.0, 1e-6)
        assert exact.value > 0.01 and found.value == pytest.approx(exact.value, rel=2e-6)


def test_open_bars_match_open_bars_or_nothing():
    one, two = ti.Diagrams.from_bars([[(0, INFINITE)]]), ti.Diagrams.from_bars([[(0.5, INFINITE)]])
    assert ti.bottleneck(one, two, dim=0).value == 0.5
    assert ti.wasserstein(one, two, dim=0).value == 0.5
    none = ti.Diagrams.from_bars([[(0, 1)]])
    for distance in (ti.bottleneck, ti.wasserstein, ti.sliced_wasserstein, ti.betti_distance, ti.landscape_distance):
        assert distance(one, none, dim=0).value == INFINITE
    with pytest.raises(ti.InputError, match="no matching has finite cost"):
        ti.match_bars(one, none, dim=0)


def cut_at(pairs, cut) -> ti.Diagrams:
    """What a threshold leaves of the bars."""
    seen = [(b, d if d <= cut else INFINITE) for b, d in pairs if b < cut]
    return ti.Diagrams.from_bars([[(0, INFINITE)], seen], censored_at=cut)


cuts = st.integers(1, 20).map(lambda k: k / 4)


@settings(max_examples=60, deadline=None)
@given(bars, bars, cuts, cuts | st.none())
@example([(0.0, 0.75), (0.25, 1.25)], [(0.0, 1.0), (0.0, 1.0), (0.25, 1.5)], 1.25, None)  # the whole peak lies between two grid points
def test_cut_diagrams_are_compared_up_to_the_smaller_cut(a, b, cut_a, cut_b):
    """Against all matchings of the capped bars; and the whole diagrams are at least as far apart as is certified."""
    first, second = cut_at(a, cut_a), diagrams(b) if cut_b is None else cut_at(b, cut_b)
    cut = min(cut_a, cut_b or INFINITE)
    capped = [[(x, min(y, cut)) for x, y in pairs if x < cut] for pairs in (a, b)]
    whole = diagrams(a), diagrams(b)
    found = ti.bottleneck(first, second, dim=1)
    assert found.value == pytest.approx(brute_wasserstein(*capped, INFINITE), abs=1e-12)
    assert found.certified == (found.value, INFINITE)
    assert found.value <= ti.bottleneck(*whole, dim=1).value + 1e-12
    assert ti.wasserstein(first, second, dim=1).value == pytest.approx(brute_wasserstein(*capped, 1), abs=1e-7)
    assert ti.match_bars(first, second, dim=1)["cost"].sum() == pytest.approx(brute_wasserstein(*capped, 1), abs=1e-7)
    one, two = (sum(((x <= np.arange(0, 5, 0.25)) & (np.arange(0, 5, 0.25) < y)).astype(int) for x, y in pairs) for pairs in capped)
    assert ti.betti_distance(first, second, dim=1).value == pytest.approx(np.abs(one - two).sum() / 4)
    landscape = ti.landscape_distance(first, second, dim=1)
    assert landscape.certified[0] <= ti.landscape_distance(*whole, dim=1).certified[1] + 1e-12 and landscape.certified[1] == INFINITE


@pytest.mark.parametrize(("radii", "threshold"), [((1.4, 3.0), 2.2), ((1.0, 1.5), 1.95)])
def test_what_is_certified_of_cut_diagrams_holds_for_the_whole_ones(radii, threshold):
    """Two circles: neither cut diagram, one of them, or both hold the end of the loop."""
    circles = [radius * ti.shapes.circle(30) for radius in radii]
    whole, cut = ([recipe(x) for x in circles] for recipe in (ti.Rips(), ti.Rips(threshold=threshold)))
    for distance in (ti.bottleneck, ti.landscape_distance):
        true = distance(*whole, dim=1).value
        for pair in (cut, (cut[0], whole[1]), (whole[0], cut[1])):
            found = distance(*pair, dim=1)
            assert 0.05 < found.certified[0] <= true <= found.certified[1] == INFINITE
            assert f"the cut {threshold:g}" in found.convention


def test_diagrams_in_units_of_their_own_are_compared_although_their_cuts_differ():
    """What a threshold in the units of each cloud leaves: drift over training had no number here."""
    from topo_interp.comparison.drift import bottleneck_distances, in_medians

    rng = np.random.default_rng(0)
    clouds = [size * rng.normal(size=(25, 2)) for size in (1.0, 1.5)]
    values, whole = (
        bottleneck_distances(*(in_medians(recipe(x)) for x in clouds)) for recipe in (ti.Rips(threshold=1.2), ti.Rips())
    )
    assert whole.keys() == values.keys() and all(0 < values[name] <= whole[name] for name in whole)


def test_wrong_arguments():
    d = diagrams([(0, 1)])
    with pytest.raises(ti.InputError, match="Diagrams are needed"):
        ti.bottleneck(d, [(0, 1)], dim=1)
    assert ti.wasserstein(d, d, dim=1, order=np.int64(2)).value == ti.match_bars(d, d, dim=1, order=np.float32(2))["cost"].sum() == 0
    with pytest.raises(ti.InputError, match="order is 0.5"):
        ti.wasserstein(d, d, dim=1, order=0.5)
    assert ti.match_bars(d, d, dim=1, order=np.float32(np.inf))["cost"].tolist() == [0.0]
    with pytest.raises(ti.InputError, match="order is 0.5"):
        ti.match_bars(d, d, dim=1, order=0.5)
