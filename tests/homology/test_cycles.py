"""Cycles and cocycles, by an independent elimination over Z/p."""

from __future__ import annotations

import math

import numpy as np
import pytest
from oracle_cycles import boundaries, boundary_of_chain, dies_at, is_born_at, triangle_boundaries
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist, squareform

import topo_interp as ti

PRIMES = (2, 3, 41)


def squares(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.integers(1, 6, (12, 12)), 1)
    return {
        "plane": squareform(pdist(rng.normal(size=(18, 2)))),
        "lattice": squareform(pdist(rng.integers(0, 4, (16, 2)).astype(float), "cityblock")),
        "duplicates": squareform(pdist(np.repeat(rng.normal(size=(8, 2)), 2, axis=0))),
        "non-metric": (upper + upper.T).astype(float),
        "circle": squareform(pdist(ti.shapes.circle(17))),
    }


def chain_of(cycle: ti.Cycle) -> dict[tuple[int, int], int]:
    edges = [tuple(edge) for edge in cycle.edges.tolist()]
    assert len(set(edges)) == len(edges) and all(i < j for i, j in edges)
    return {edge: int(c) % cycle.field for edge, c in zip(edges, cycle.coefficients, strict=True)}


@pytest.mark.parametrize("field", PRIMES)
@pytest.mark.parametrize("tight", [False, True])
def test_cycles_are_born_and_die_with_their_bars(field, tight):
    checked = loops = 0
    for seed in range(3):
        for name, square in squares(seed).items():
            matrix = ti.DistanceMatrix.from_dense(square)
            square = matrix.square().astype(float)
            for threshold in (None, 0.7 * square.max()):
                d = ti.Rips("precomputed", field=field, threshold=threshold)(matrix)
                for bar, (birth, death) in enumerate(d[1]):
                    cycle = d.cycle(1, bar, tight=tight)
                    chain = chain_of(cycle)
                    where = (seed, name, threshold, bar)
                    assert (cycle.birth, cycle.death) == (birth, death)
                    assert all(chain.values()) and boundary_of_chain(chain, field) == {}, where
                    assert is_born_at(square, chain, birth, field), where
                    if math.isfinite(death):
                        assert dies_at(square, chain, death, field), where
                    else:
                        assert chain not in boundaries(square, d.censored_at, False, field), where
                    assert set(cycle.vertices.tolist()) == set(cycle.edges.ravel().tolist())
                    if cycle.is_loop:
                        assert_walk(cycle)
                    checked += 1
                    loops += cycle.is_loop
    assert checked > 40 and loops > 20


def assert_walk(cycle: ti.Cycle) -> None:
    walk = cycle.vertices.tolist()
    steps = {(min(a, b), max(a, b)) for a, b in zip(walk, walk[1:] + walk[:1], strict=True)}
    assert len(set(walk)) == len(walk) and steps == {tuple(edge) for edge in cycle.edges.tolist()}


def test_the_oracle_can_fail():
    square = ti.DistanceMatrix.from_points(ti.shapes.circle(12)).square().astype(float)
    d = ti.Rips()(ti.shapes.circle(12))
    birth, death = d[1][np.argmax(d[1][:, 1] - d[1][:, 0])]
    loop = {(i, i + 1): 1 for i in range(11)} | {(0, 11): 2}
    assert boundary_of_chain(loop, 3) == {} and is_born_at(square, loop, birth + 1e-6, 3) is False
    assert dies_at(square, loop, death, 3) and not dies_at(square, loop, death * 1.01, 3) and not dies_at(square, loop, 1.0, 3)
    assert boundary_of_chain({(0, 1): 1, (1, 2): 1}, 3) == {2: 1, 0: 2}


@pytest.mark.parametrize("n", [60, 250])
def test_tight_cycles_are_shorter(n):
    points = ti.shapes.noisy_circle(n, 0.1, 3, seed=4)
    d = ti.Rips()(points)
    square = ti.pairwise_distances(points)
    total = [0.0, 0.0]
    for bar in range(len(d[1])):
        plain, tight = d.cycle(1, bar), d.cycle(1, bar, tight=True)
        lengths = [float(square[c.edges[:, 0], c.edges[:, 1]].sum()) for c in (plain, tight)]
        assert lengths[1] <= lengths[0] * (1 + 1e-6)
        total = [total[0] + lengths[0], total[1] + lengths[1]]
    assert total[1] < total[0]
    longest = int(np.argmax(d[1][:, 1] - d[1][:, 0]))
    tight = d.cycle(1, longest, tight=True)
    angle = np.unwrap(np.arctan2(points[tight.vertices, 1], points[tight.vertices, 0]))
    assert tight.is_loop and abs(abs(angle[-1] - angle[0]) - 2 * np.pi) < 1.5  # once around


@pytest.mark.parametrize("field", PRIMES)
def test_cocycles_are_closed_and_see_their_cycle(field):
    checked = 0
    for name, square in squares(5).items():
        matrix = ti.DistanceMatrix.from_dense(square)
        square = matrix.square().astype(float)
        d = ti.Rips("precomputed", field=field)(matrix)
        for bar, (birth, death) in enumerate(d[1]):
            for at in (birth, float(np.float32((birth + death) / 2)), None):
                cocycle = d.cocycle(1, bar, at=at)
                values = {tuple(e): int(v) for e, v in zip(cocycle.edges.tolist(), cocycle.values, strict=True)}
                n = len(square)
                assert set(values) == {(i, j) for i in range(n) for j in range(i + 1, n) if square[i, j] <= cocycle.at}
                for triangle in triangle_boundaries(square, cocycle.at, False, field):
                    assert sum(values[e] * c for e, c in triangle.items()) % field == 0, (name, bar, at)
                for tight in (False, True):
                    chain = chain_of(d.cycle(1, bar, tight=tight))
                    assert sum(values[e] * c for e, c in chain.items()) % field != 0, (name, bar, at, tight)
                checked += 1
    assert checked > 20


def test_a_cocycle_outside_its_bar_is_refused():
    d = ti.Rips(threshold=1.2)(ti.shapes.circle(12))
    birth = d[1][0, 0]
    for at in (0.5 * birth, 1.3):
        with pytest.raises(ti.InputError, match="at is"):
            d.cocycle(1, 0, at=at)
    for at in (True, np.array([1.1])):
        with pytest.raises(ti.InputError, match="at is .*; a finite number >= 0 is needed"):
            d.cocycle(1, 0, at=at)
    assert len(d.cocycle(1, 0).edges) > 0


def test_merge_tree_is_single_linkage():
    points = np.random.default_rng(3).normal(size=(80, 3))
    tree = ti.Rips()(points).merge_tree()
    ours, theirs = tree.linkage(), linkage(points, "single")
    np.testing.assert_allclose(ours[:, 2], theirs[:, 2], rtol=1e-6)
    for cut in np.quantile(theirs[:, 2], [0.3, 0.7, 0.9]):
        ab = np.stack([fcluster(z, cut * (1 + 1e-4), "distance") for z in (ours, theirs)])
        assert len(np.unique(ab, axis=1).T) == len(np.unique(ab[0])) == len(np.unique(ab[1])) > 1
    graph = tree.to_networkx()
    assert graph.number_of_edges() == 79
    with pytest.raises(ti.InputError, match="components are not joined"):
        ti.Rips(threshold=0.1)(points).merge_tree()


def test_rows_are_those_of_the_store():
    points = ti.shapes.circle(20)
    d = ti.Rips()(ti.PointCloud(points, rows=np.arange(20) * 10 + 3))
    assert set(d.rows(1, 0)) == {10 * v + 3 for v in d.cycle(1, 0).vertices.tolist()}
    assert set(ti.Rips()(points).rows(1, 0)) == set(range(20))


def test_rows_of_degree_0_are_the_ends_of_the_edge_that_ends_the_bar():
    points = np.random.default_rng(0).normal(size=(30, 3))
    points[4] = points[9]  # a merge of no length is no bar
    d = ti.Rips(max_dim=0)(ti.PointCloud(points, rows=np.arange(30) + 100), engine="links")
    lengths = [np.linalg.norm(np.subtract(*points[d.rows(0, bar) - 100])) for bar in range(28)]
    assert lengths == pytest.approx(d[0][:28, 1]) and len(d[0]) == 29
    assert d.rows(0, 28).tolist() == d.rows(0, -1).tolist() == []
    with pytest.raises(ti.InputError, match="there are 29"):
        d.rows(0, 29)


def test_what_is_not_known_is_said(tmp_path):
    d = ti.Rips()(ti.shapes.circle(10))
    with pytest.raises(ti.InputError, match="degree 0"):
        d.cycle(0, 0)
    with pytest.raises(ti.InputError, match="there are 1"):
        d.cycle(1, 1)
    with pytest.raises(ti.InputError, match="degree 2"):
        d.cycle(2, 0)
    with pytest.raises(ti.InputError, match="engine='links'"):
        ti.Rips()(ti.shapes.circle(10), engine="ripser").cycle(1, 0)
    d.save(tmp_path / "d.npz")
    with pytest.raises(ti.InputError, match="saved"):
        ti.Diagrams.load(tmp_path / "d.npz").cycle(1, 0)
    graph = ti.radius_graph(ti.shapes.circle(10), 1.0)
    sparse = ti.Rips()(graph)
    assert sparse.cycle(1, 0).is_loop
    for ask in (sparse.cocycle, lambda *bar: sparse.cocycle(*bar, at=0.9), lambda *bar: sparse.cycle(*bar, tight=True)):
        with pytest.raises(ti.InputError, match="sparse graph: give the points"):  # and not: choose another value
            ask(1, 0)


def test_points_that_changed_are_noticed():
    points = np.array(ti.shapes.noisy_circle(60, 0.1, 2, seed=0), dtype=np.float64)
    d = ti.Rips()(points)
    points *= -3.0
    points[:30] += 1.0
    try:
        d.cocycle(1, 0)
    except ti.InputError as error:
        assert "changed" in str(error)
    else:
        pytest.fail("points were changed in place and nobody noticed")
