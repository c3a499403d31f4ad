from __future__ import annotations

import pytest

import topo_interp as ti


def test_a_circle_is_there_for_all_numbers_of_neighbors():
    points = ti.shapes.noisy_circle(150, 0.1, dim=10, seed=0)
    recipe, summary = ti.Rips(ti.effective_resistance(15)), ti.max_persistence(1, relative=True)
    band = ti.neighbor_band(points, recipe, summary)
    assert [k for k, _ in band.by_k] == [12, 14, 15, 16, 18]
    assert band.value == summary(recipe(points)) == dict(band.by_k)[15]
    for k, value in band.by_k:
        assert value == summary(ti.Rips(ti.effective_resistance(k))(points))
    assert 0.9 < band.low <= band.value < band.high < 1.2
    assert "for 12 to 18 neighbors" in band.explain()
    assert band.to_frame().columns.tolist() == ["k", "value"]


def test_small_k_has_fewer_values_and_dimensions_have_bands_too():
    points = ti.shapes.noisy_circle(60, 0.1, dim=5, seed=0)
    band = ti.neighbor_band(points, ti.Distances(ti.geodesic(3)), ti.two_nn(), spread=0.5)
    assert [k for k, _ in band.by_k] == [2, 3, 4]


@pytest.mark.parametrize(
    ("recipe", "options", "message"),
    [
        (ti.Rips(), {}, "'euclidean', which has no neighbors"),
        (ti.Rips(ti.fermat(2)), {}, "no neighbors"),
        (ti.Rips(ti.geodesic(4)), {"spread": 1.5}, "above 0 and below 1"),
        (ti.Rips(ti.geodesic(4)), {"steps": 0}, "a whole number >= 1"),
    ],
)
def test_errors(recipe, options, message):
    with pytest.raises(ti.InputError, match=message):
        ti.neighbor_band(ti.shapes.circle(20), recipe, ti.max_persistence(1), **options)
