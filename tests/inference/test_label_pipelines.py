"""Pipelines that read labels: class means, their plane, and the circular order in it."""

from __future__ import annotations

import numpy as np
import pandas
import pytest

import topo_interp as ti
from topo_interp import InputError
from topo_interp._value import value_from_json

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def months(seed: int, strength: float = 1.0) -> tuple[ti.PointCloud, pandas.DataFrame]:
    """Ten templates x twelve months; the months lie on a circle of this radius."""
    rng = np.random.default_rng(seed)
    template, month = np.divmod(np.arange(120), 12)
    angles = 2 * np.pi * month / 12
    x = rng.normal(size=(10, 30))[template] + 0.5 * rng.normal(size=(120, 30))
    x[:, 3] += strength * np.cos(angles)
    x[:, 8] += strength * np.sin(angles)
    table = pandas.DataFrame({"template": template, "month": np.array(MONTHS)[month]})
    return ti.PointCloud(x, groups=("template", "month")), table


@pytest.mark.parametrize("null", [
    ti.nulls.permuted_labels("month", within="template"),
    ti.nulls.permuted_labels("month", unit="levels"),
])  # fmt: skip
def test_the_calendar_order_is_found_where_it_is_and_not_where_it_is_not(null):
    recipe, order = ti.class_plane("month", MONTHS), ti.circular_order()
    cloud, table = months(0)
    there = ti.significance(cloud, recipe, order, null=null, draws=99, seed=0, rows_table=table)
    assert there.p_value == 0.01 and there.value > 0.9
    cloud, table = months(1, strength=0.0)
    assert ti.significance(cloud, recipe, order, null=null, draws=99, seed=0, rows_table=table).p_value > 0.05


@pytest.mark.parametrize(("classes", "exact"), [(4, 8 / 24), (5, 10 / 120)])
def test_names_that_only_turn_or_mirror_the_circle_reach_the_observed_order(classes, exact):
    """2 k of the k! ways to name k classes in their order give its statistic, in exact arithmetic: that share is the p-value."""
    rng = np.random.default_rng(0)
    season = np.tile(np.arange(classes), 6)
    angles = 2 * np.pi * season / classes
    x = 0.05 * rng.normal(size=(len(season), 5))
    x[:, 0] += np.cos(angles)
    x[:, 1] += np.sin(angles)
    table = pandas.DataFrame({"season": season})
    null, recipe = ti.nulls.permuted_labels("season", unit="levels"), ti.class_plane("season", range(classes))
    found = ti.significance(x, recipe, ti.circular_order(), null=null, draws=399, seed=0, rows_table=table)
    assert found.p_value == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 400))
    how = ti.Significance(ti.circular_order(), null=null, draws=399, seed=0)
    (row,) = ti.significance_table({"layer": x}, {"plane": recipe}, how, rows_table=table).to_dict("records")
    assert row["p_value"] == row["p_max_t"] == found.p_value  # of one test the maximum is the test


def test_the_loop_of_the_class_means_is_found_in_their_plane():
    recipe = ti.class_means("month", ti.Rips(steps=(ti.pca(2),)))
    loop = ti.max_persistence(dim=1)
    null = ti.nulls.matched_gaussian(within=["template", "month"])
    cloud, table = months(0)
    assert ti.significance(cloud, recipe, loop, null=null, draws=39, seed=0, rows_table=table).p_value <= 0.05
    claims = 0
    for seed in range(1, 13):
        cloud, table = months(seed, strength=0.0)
        claims += ti.significance(cloud, recipe, loop, null=null, draws=19, seed=seed, rows_table=table).p_value <= 0.05
    assert claims <= 3  # P(more than 3 of 12 | valid) = 0.002


def test_class_means_are_the_means_of_the_store():
    cloud, table = months(2)
    store = ti.store_from_arrays({"layer": cloud.points}, table)
    plane = ti.class_plane("month", MONTHS)(cloud, table)
    means = store.means("month")["layer"].points  # in the order of the first row: January to December
    np.testing.assert_allclose(np.abs(plane), np.abs(ti.pca(2)(means)), atol=1e-5)


def test_the_order_statistic_does_not_depend_on_position_size_or_sense():
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(12, 2))
    statistic = ti.circular_order()
    turned = 3 * plane @ np.array([[0.6, -0.8], [0.8, 0.6]]) + 7
    for same in (turned, plane * [1, -1], plane[::-1]):
        assert statistic(same) == pytest.approx(statistic(plane), rel=1e-9)
    assert statistic(plane[rng.permutation(12)]) != pytest.approx(statistic(plane), rel=1e-3)


def test_they_are_values():
    for value in (ti.class_plane("month", MONTHS), ti.class_means("month", ti.Rips(steps=(ti.pca(2),))), ti.circular_order()):
        assert value_from_json(value.to_json()) == value


def test_arguments_are_checked():
    cloud, table = months(0)
    with pytest.raises(InputError, match="'smarch' is not among them"):
        ti.class_plane("month", (*MONTHS[:11], "smarch"))(cloud, table)
    with pytest.raises(InputError, match="name every one"):
        ti.class_plane("month", MONTHS[:6])(cloud, table)
    with pytest.raises(InputError, match="at least three different"):
        ti.class_plane("month", ("jan", "jan", "feb"))
    with pytest.raises(InputError, match="no column 'color'; it has 'template', 'month'"):
        ti.class_means("color", ti.Rips())(cloud, table)
    with pytest.raises(InputError, match="1 of 120 rows have no value"):
        ti.class_means("month", ti.Rips())(cloud, table.assign(month=table["month"].where(np.arange(120) > 0)))
    with pytest.raises(InputError, match="two coordinates"):
        ti.circular_order()(np.zeros((4, 3)))
