"""The oracles themselves, on cases done by hand, and on wrong answers."""

from __future__ import annotations

from math import inf, sqrt

import pytest
from oracle_matching import bottleneck
from oracle_persistence import betti_numbers, rips_bars

RP2 = ["012", "023", "034", "045", "015", "124", "135", "235", "134", "245"]
TETRAHEDRON = ["012", "013", "023", "123"]


def test_two_points():
    assert rips_bars([[0, 3], [3, 0]], 1) == [(0, 0, 3), (0, 0, inf)]


def test_square_has_one_loop_until_its_diagonal():
    s = sqrt(2)
    square = [[0, 1, s, 1], [1, 0, 1, s], [s, 1, 0, 1], [1, s, 1, 0]]
    assert rips_bars(square, 1) == [(0, 0, 1)] * 3 + [(0, 0, inf), (1, 1, s)]
    assert rips_bars(square, 1, threshold=1.2) == [(0, 0, 1)] * 3 + [(0, 0, inf), (1, 1, inf)]


def test_octahedron_is_a_sphere():
    far = [[0 if i == j else 2 if abs(i - j) == 3 else 1 for j in range(6)] for i in range(6)]
    assert [bar for bar in rips_bars(far, 2) if bar[0] > 0] == [(2, 1, 2)]


@pytest.mark.parametrize(("field", "expected"), [(2, [1, 1, 1]), (3, [1, 0, 0]), (5, [1, 0, 0])])
def test_six_vertex_projective_plane(field, expected):
    assert betti_numbers([tuple(facet) for facet in RP2], field) == expected


def test_hollow_tetrahedron():
    assert betti_numbers([tuple(facet) for facet in TETRAHEDRON], 3) == [1, 0, 1]
    assert betti_numbers([tuple(facet) for facet in TETRAHEDRON[:-1]], 3) == [1, 0, 0]


def test_bottleneck_by_hand():
    assert bottleneck([], []) == 0
    assert bottleneck([(0, 4)], []) == 2
    assert bottleneck([(0, 4)], [(1, 4.5)]) == 1
    # Matching the two longest and sending the short one to the diagonal.
    assert bottleneck([(0, 10), (2, 3)], [(0.25, 10)]) == 0.5
    # Greedy by nearest neighbor would give 3.
    assert bottleneck([(0, 10), (0, 11)], [(0, 11), (0, 13)]) == 2
