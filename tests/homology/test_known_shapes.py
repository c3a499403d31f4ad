"""Bars that mathematics gives, against bars that we compute."""

from __future__ import annotations

import math

import numpy as np
import pytest

import topo_interp as ti


@pytest.mark.parametrize("n", [4, 5, 6, 7, 12, 30, 100, 101])
def test_circle(n):
    d = ti.Rips(max_dim=1)(ti.shapes.circle(n))
    birth, death = 2 * math.sin(math.pi / n), 2 * math.sin(math.pi * math.ceil(n / 3) / n)
    if n in (4, 5) or birth < death:
        assert d[1] == pytest.approx(np.array([[birth, death]]), rel=1e-6)
    assert d.finite(0) == pytest.approx(np.array([[0, birth]] * (n - 1)), rel=1e-6)


def test_circle_numbers_of_the_literature():
    table = {30: (0.2090569, 1.7320508), 100: (0.0628215, 1.7526134), 101: (0.0621997, 1.7423258)}
    for n, bar in table.items():
        assert ti.Rips()(ti.shapes.circle(n))[1] == pytest.approx(np.array([bar]), abs=1e-6)


def test_circle_with_arcs_for_distances():
    n = 99
    angle = 2 * math.pi * np.arange(n) / n
    gap = np.abs(angle[:, None] - angle)
    arcs = ti.DistanceMatrix.from_dense(np.minimum(gap, gap.T[::-1, ::-1].T * 0 + 2 * math.pi - gap) * (gap > 0), metric="arc")
    d = ti.Rips("precomputed")(arcs)
    assert d[1] == pytest.approx(np.array([[2 * math.pi / n, 2 * math.pi / 3]]), rel=1e-6)


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("field", [2, 3])
def test_cross_polytope(k, field):
    d = ti.Rips(max_dim=k, field=field)(ti.shapes.cross_polytope(k))
    assert d[k] == pytest.approx(np.array([[math.sqrt(2), 2.0]]), rel=1e-6)
    assert all(len(d[j]) == 0 for j in range(1, k))


@pytest.mark.parametrize("field", [2, 3])
def test_grid_on_the_flat_torus(field):
    """m x m points: each of the two circles is an m-gon, each grid cell a square; their diagonals close the surface."""
    m = 9
    u, v = (2 * math.pi * axis.ravel() / m for axis in np.meshgrid(np.arange(m), np.arange(m)))
    torus = np.column_stack((np.cos(u), np.sin(u), np.cos(v), np.sin(v)))
    side = 2 * math.sin(math.pi / m)
    d = ti.Rips(max_dim=2, field=field, threshold=1.74)(torus)
    long = d[1][d[1][:, 1] > 1.5]
    assert long == pytest.approx(np.array([[side, math.sqrt(3)]] * 2), rel=1e-6)
    short = d[1][d[1][:, 1] <= 1.5]
    assert short == pytest.approx(np.array([[side, math.sqrt(2) * side]] * (m * m - 1)), rel=1e-6)
    assert d[2][0, 0] == pytest.approx(math.sqrt(2) * side, rel=1e-6) and d.censored(2)[0]
    assert (d[2][:, 0] < 1.7).sum() == 1


def test_random_flat_torus_has_two_loops():
    d = ti.Rips()(ti.shapes.flat_torus(300))
    lengths = np.sort(np.diff(d[1])[:, 0])[::-1]
    assert lengths[1] > 1.2 and lengths[2] < 0.6


@pytest.mark.parametrize(("field", "expected"), [(2, (1, 1)), (3, (0, 0)), (5, (0, 0))])
def test_projective_plane_has_torsion(field, expected):
    d = ti.Rips(max_dim=2, field=field)(ti.shapes.projective_plane(80))
    assert tuple(int((np.diff(d[k]) > 0.4).sum()) for k in (1, 2)) == expected


def test_sphere_has_a_void():
    d = ti.Rips(max_dim=2)(ti.shapes.sphere(100))
    lengths = np.sort(np.diff(d[2])[:, 0])[::-1]
    assert lengths[0] > 0.5 and lengths[1] < 0.1
    # Adamaszek, Adams and Frick: the first change of the filled sphere's type is at the edge of the inscribed simplex.
    assert d[2][np.argmax(np.diff(d[2])), 1] <= math.sqrt(8 / 3) + 0.1


def test_clusters_are_counted():
    d = ti.Rips(max_dim=0)(ti.shapes.clusters(60, 4))
    assert ti.count_bars(0, threshold=0.5)(d) == 4


def test_shapes_are_frozen_seeded_and_checked():
    for make in (ti.shapes.noisy_circle, ti.shapes.flat_torus, ti.shapes.sphere, ti.shapes.clusters):
        assert np.array_equal(make(20, seed=1), make(20, seed=1)) and not np.array_equal(make(20, seed=1), make(20, seed=2))
        with pytest.raises(ValueError, match="read-only"):
            make(20)[0] = 0
    assert ti.shapes.gaussian(7, 3).shape == (7, 3) and ti.shapes.sphere(5, dim=3).shape == (5, 4)
    with pytest.raises(ti.InputError, match="n is 0; a whole number >= 1"):
        ti.shapes.circle(0)


def test_natural_image_patches(natural_image_patches):
    """The primary circle and the three circles of 3 x 3 patches (Carlsson, Ishkhanov, de Silva, Zomorodian 2008)."""
    for name, loops in (("k300_c30", 1), ("k15_c30", 5)):
        points = natural_image_patches[name].astype(np.float64)
        chosen, nearest = [0], np.linalg.norm(points - points[0], axis=1)
        for _ in range(599):  # farthest points first
            chosen.append(int(nearest.argmax()))
            nearest = np.minimum(nearest, np.linalg.norm(points - points[chosen[-1]], axis=1))
        lengths = np.sort(np.diff(ti.Rips()(points[chosen])[1])[:, 0])[::-1]
        assert lengths[loops - 1] > 0.6 and lengths[loops] < 0.2, name
