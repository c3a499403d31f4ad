"""Zigzag persistence against generalized ranks, a hand-made example, and planted agreement beside its null."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle_zigzag import flag, generalized_rank, homology, zigzag_intervals

import topo_interp as ti
from topo_interp.homology.flag_complex import flag_complex, triangle_count
from topo_interp.homology.zigzag_module import intervals_of

KNN = ti.NeighborGraphs(k=3)


def intervals(found: ti.Zigzag, dim: int) -> Counter:
    return Counter((a, b) for d, a, b in zip(found.dim.tolist(), found.first.tolist(), found.last.tolist(), strict=True) if d == dim)


def joined(complexes: list[set], through: str) -> list[set]:
    out = [complexes[0]]
    for a, b in pairwise(complexes):
        out += [a & b if through == "intersections" else a | b, b]
    return out


def nearest(points: np.ndarray, k: int) -> set:
    """Edges to the k nearest rows, equal distances by number."""
    edges = set()
    for i, x in enumerate(points):
        others = sorted((float(np.sum((x - y) ** 2)), j) for j, y in enumerate(points) if j != i)
        edges |= {(min(i, j), max(i, j)) for _, j in others[:k]}
    return edges


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(4, 8), st.integers(2, 4), st.sampled_from(["intersections", "unions"]))
def test_intervals_are_those_of_the_generalized_ranks(seed, n, steps, through):
    rng = np.random.default_rng(seed)
    k = int(rng.integers(1, 4))
    clouds = [rng.integers(0, 5, (n, 2)).astype(float) for _ in range(steps)]
    found = ti.zigzag(dict(enumerate(clouds)), ti.NeighborGraphs(k=k, through=through))
    spaces = joined([flag(nearest(cloud, k), n) for cloud in clouds], through)
    for dim in (0, 1):
        assert intervals(found, dim) == zigzag_intervals(spaces, dim)
    assert found.edges.tolist() == [sum(len(s) == 2 for s in space) for space in spaces]
    assert found.triangles.tolist() == [sum(len(s) == 3 for s in space) for space in spaces]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 6))
def test_any_zigzag_of_vector_spaces(seed, spaces):
    """Maps in any direction and of any rank: complexes small enough for the oracle seldom tangle three spaces."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(0, 4, spaces).tolist()
    arrows, maps = [], []
    for k in range(spaces - 1):
        forward = bool(rng.integers(2))
        a, b = (k, k + 1) if forward else (k + 1, k)
        matrix = rng.integers(0, 2, (sizes[b], sizes[a])).astype(np.uint8)
        arrows.append((a, b, matrix))
        maps.append((forward, [sum(1 << i for i in np.flatnonzero(column).tolist()) for column in matrix.T]))
    found = Counter(intervals_of(sizes, maps))
    for i in range(spaces):
        for j in range(i, spaces):
            inside = [(a - i, b - i, m) for a, b, m in arrows if i <= min(a, b) and max(a, b) <= j]
            lasting = sum(count for (first, last), count in found.items() if first <= i and j <= last)
            assert lasting == generalized_rank(sizes[i : j + 1], inside)


def test_the_oracle_on_two_squares_that_share_a_side():
    """Z: two loops; Y: their outer loop alone (the shared side is gone); the two of Z end, the outer one lasts."""
    two = {(v,) for v in range(6)} | {(0, 1), (1, 2), (2, 3), (0, 3), (2, 4), (4, 5), (3, 5)}
    outer = two - {(2, 3)}
    assert zigzag_intervals([two, outer], 1) == {(0, 0): 1, (0, 1): 1}
    assert zigzag_intervals([two, outer, two], 1) == {(0, 0): 1, (0, 2): 1, (2, 2): 1}
    assert zigzag_intervals([outer, two, outer], 1) == {(0, 2): 1, (1, 1): 1}
    filled = two | {(0, 2), (0, 1, 2), (0, 2, 3)}
    assert zigzag_intervals([two, filled], 1) == {(0, 0): 1, (0, 1): 1}
    apart = {(v,) for v in range(6)} | {(0, 1)}
    assert zigzag_intervals([apart, two], 0) == {(0, 0): 4, (0, 1): 1}


def test_a_loop_that_closes_elsewhere_is_another():
    """By hand: a square 0123 in the first and last cloud; in the middle its side 23 is gone and a square 2345 is there."""

    def dense(edges: set) -> ti.DistanceMatrix:
        square = np.full((6, 6), 3.0) - 3.0 * np.eye(6)
        for i, j in edges:
            square[i, j] = square[j, i] = 1.0
        return ti.DistanceMatrix.from_dense(square)

    sides = {(0, 1), (1, 2), (2, 3), (0, 3)}
    clouds = {"a": dense(sides), "b": dense({(0, 1), (1, 2), (0, 3), (2, 4), (4, 5), (3, 5), (3, 4)}), "c": dense(sides)}
    found = ti.zigzag(clouds, ti.NeighborGraphs(radius=0.5))
    # b is one loop around six rows (3, 4, 5 is filled); a and c have their own.
    assert intervals(found, 1) == {(0, 0): 1, (2, 2): 1, (4, 4): 1}
    assert found.similarity(1).tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert found.similarity(0).tolist() == [[3, 1, 1], [1, 1, 1], [1, 1, 3]]
    frame = found.to_frame()
    assert frame[frame["dim"] == 1][["birth", "death", "steps"]].values.tolist() == [["a", "a", 1], ["b", "b", 1], ["c", "c", 1]]
    # In the union of a and b the two loops share a side.
    union = ti.zigzag(clouds, ti.NeighborGraphs(radius=0.5, through="unions"))
    assert intervals(union, 1) == {(0, 1): 1, (1, 3): 1, (3, 4): 1}


def test_betti_numbers_stand_on_the_diagonal_and_intervals_add_up():
    rng = np.random.default_rng(0)
    clouds = {step: rng.normal(size=(30, 3)) for step in range(3)}
    for through in ("intersections", "unions"):
        found = ti.zigzag(clouds, ti.NeighborGraphs(k=3, through=through))
        for dim in (0, 1):
            betti = [len(homology(flag(nearest(cloud, 3), 30), dim)[0]) for cloud in clouds.values()]
            similarity = found.similarity(dim)
            assert similarity.diagonal().tolist() == betti and (similarity == similarity.T).all()
            frame = found.similarity_frame(dim).set_index(["step", "other"])
            assert frame.loc[(0, 2), "count"] == similarity[0, 2] and len(frame) == 6


def test_one_cloud_repeated_keeps_everything():
    cloud = np.random.default_rng(1).normal(size=(60, 3))
    found = ti.zigzag({"a": cloud, "b": cloud, "c": 3 * cloud}, KNN)
    assert (found.first == 0).all() and (found.last == 4).all() and intervals(found, 1)[0, 4] > 5
    shuffled = np.random.default_rng(2).permutation(60)
    noisy = {step: cloud + step * np.random.default_rng(3).normal(size=cloud.shape) for step in (0.0, 0.1, 0.3)}
    same = ti.zigzag({step: points[shuffled] for step, points in noisy.items()}, KNN)
    for dim in (0, 1):
        assert intervals(ti.zigzag(noisy, KNN), dim) == intervals(same, dim)


def test_the_null_of_the_pairing_keeps_each_cloud_and_loses_what_they_share():
    cloud = np.random.default_rng(1).normal(size=(60, 3))
    found = ti.zigzag({"a": cloud, "b": 2 * cloud}, KNN, null=ti.nulls.permuted_pairing(), draws=19, seed=0)
    frame = found.similarity_frame(1).set_index(["step", "other"])
    assert found.null_counts.shape == (19, 2, 2, 2)
    assert frame.loc[("a", "b"), "p_value"] == 0.05 and frame.loc[("a", "b"), "null_mean"] < 2
    assert (found.null_counts[:, 1, [0, 1], [0, 1]] == found.similarity(1).diagonal()).all()
    again = ti.zigzag({"a": cloud, "b": 2 * cloud}, KNN, null=ti.nulls.permuted_pairing(), draws=19, seed=0)
    np.testing.assert_array_equal(found.null_counts, again.null_counts)


def test_the_null_of_the_pairing_loses_what_any_two_of_three_clouds_share():
    cloud = np.random.default_rng(1).normal(size=(60, 3))
    found = ti.zigzag({"a": cloud, "b": 2 * cloud, "c": 3 * cloud}, KNN, null=ti.nulls.permuted_pairing(), draws=19, seed=0)
    frame = found.similarity_frame(1).set_index(["step", "other"])
    for pair in (("a", "b"), ("b", "c"), ("a", "c")):
        assert frame.loc[pair, "p_value"] == 0.05 and frame.loc[pair, "null_mean"] < 2


def test_noise_is_like_its_null():
    """Independent Gaussian layers share loops by chance; the rotation null does, too."""
    rng = np.random.default_rng(5)
    first = rng.normal(size=(50, 4))
    clouds = {"a": first, "b": first + 0.3 * rng.normal(size=first.shape)}
    frame = ti.zigzag(clouds, KNN, null=ti.nulls.matched_gaussian(), draws=19, seed=1).similarity_frame(1)
    shared = frame[(frame["step"] == "a") & (frame["other"] == "b")].iloc[0]
    assert shared["null_mean"] > 0 and abs(shared["count"] - shared["null_mean"]) < 4 * shared["null_sd"]


@given(st.integers(0, 10**6), st.integers(1, 9))
@settings(max_examples=25, deadline=None)
def test_flag_complexes(seed, n):
    rng = np.random.default_rng(seed)
    edges = [e for e in combinations(range(n), 2) if rng.random() < 0.6]
    pairs = np.array(edges + [(j, i) for i, j in edges[::2]], dtype=np.int64).reshape(-1, 2)
    found, wanted = flag_complex(pairs, n), flag(edges, n)
    assert [tuple(e) for e in found.edge_ends().tolist()] == sorted(edges)
    assert {(t // n // n, t // n % n, t % n) for t in found.triangles.tolist()} == {s for s in wanted if len(s) == 3}
    assert triangle_count(pairs, n) == len(found.triangles)


CLOUDS = {0: np.eye(4), 1: np.eye(4)}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ti.NeighborGraphs(), "give one of them"),
        (lambda: ti.NeighborGraphs(k=2, radius=1.0), "give one of them"),
        (lambda: ti.NeighborGraphs(k=0), "number of neighbors"),
        (lambda: ti.NeighborGraphs(radius=-1.0), "median distances"),
        (lambda: ti.NeighborGraphs(k=2, through="both"), "'intersections' or 'unions'"),
        (lambda: ti.NeighborGraphs(k=2, distances="euclidean"), "ti.Distances"),
        (lambda: ti.zigzag({0: np.eye(4)}, KNN), "at least two"),
        (lambda: ti.zigzag({0: np.eye(4), 1: np.eye(3)}, KNN), "0 has 4 rows and 1 3"),
        (lambda: ti.zigzag(CLOUDS, ti.Rips()), "NeighborGraphs"),
        (lambda: ti.zigzag(CLOUDS, KNN, null="gauss"), "matched_gaussian"),
        (lambda: ti.zigzag(CLOUDS, KNN, null=ti.nulls.matched_gaussian(), draws=0), "draws is 0"),
        (lambda: ti.zigzag(CLOUDS, KNN, null=ti.nulls.permuted_labels("w")), "permuted_labels does not change the points"),
        (lambda: ti.zigzag(CLOUDS, KNN).similarity(2), "degrees 0"),
    ],
)
def test_errors_say_what_to_do(call, message):
    with pytest.raises(ti.InputError, match=message):
        call()


def test_what_does_not_fit_is_refused_before_it_is_made():
    with pytest.raises(ti.BudgetError, match="triangles.*raise memory="):
        ti.zigzag({0: np.random.default_rng(0).normal(size=(300, 2)), 1: np.zeros((300, 2))}, ti.NeighborGraphs(k=20), memory="1 MB")
    matrix = ti.DistanceMatrix.from_points(np.eye(4))
    with pytest.raises(ti.InputError, match="has none"):
        ti.zigzag({0: matrix, 1: matrix}, KNN, null=ti.nulls.matched_gaussian())


def test_one_draw_has_no_spread():
    found = ti.zigzag(CLOUDS, KNN, null=ti.nulls.permuted_pairing(), draws=1).similarity_frame(0)
    assert found["null_sd"].isna().all() and set(found["p_value"]) == {1.0}


def test_a_recipe_is_a_value():
    recipe = ti.NeighborGraphs(radius=0.5, distances=ti.Distances("chordal", steps=(ti.centered(),)))
    assert ti.NeighborGraphs.from_json(recipe.to_json()) == recipe
    assert ti.NeighborGraphs(radius=np.float32(0.5)).to_json() == ti.NeighborGraphs(radius=0.5).to_json()
