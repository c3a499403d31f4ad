"""A search over planes pays for the search."""

from __future__ import annotations

import numpy as np
import pandas
import pytest

import topo_interp as ti
from topo_interp import InputError

LOOP = ti.max_persistence(dim=1)
NULL = ti.nulls.matched_gaussian()


def planted(seed: int, n: int = 60, d: int = 8) -> np.ndarray:
    """A circle in the third and fourth principal components, below two components of larger variance."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) * ([3.0, 2.5, 0, 0] + [0.1] * (d - 4))
    angles = rng.uniform(0, 2 * np.pi, n)
    x[:, 2] += 1.5 * np.cos(angles)
    x[:, 3] += 1.2 * np.sin(angles)
    return x


def test_the_plane_of_a_planted_circle_is_found():
    found = ti.search_planes(planted(0), ti.Rips(), LOOP, null=NULL, sizes=(2,), draws=39, seed=0)
    assert found.best == "components 3, 4" and found.p_value == 1 / 40
    assert found.planes == len(found.table) == 6
    assert (found.table["p_max_t"] >= found.table["p_value"] - 1e-12).all()
    assert "p = 0.025 for the search as a whole" in found.explain()
    # The whole space hides it: that is what a search is for.
    assert ti.significance(planted(0), ti.Rips(), LOOP, null=NULL, draws=39, seed=0).p_value > 0.05


@pytest.mark.slow  # a level needs many searches, each with its draws
def test_the_search_keeps_its_level_where_the_best_single_plane_does_not():
    searched, single = [], []
    for seed in range(16):
        x = np.random.default_rng([7, seed]).normal(size=(20, 8))
        found = ti.search_planes(x, ti.Rips(), LOOP, null=NULL, components=5, sizes=(2,), draws=19, seed=seed)
        searched.append(found.p_value <= 0.05)
        single.append(found.table["p_value"].min() <= 0.05)
    assert sum(searched) <= 3  # P(more | 5 %) = 0.007
    assert sum(single) >= 4


def test_heads_and_clusters_are_planes_too():
    rng = np.random.default_rng(1)
    x = 0.3 * rng.normal(size=(60, 12))
    angles = rng.uniform(0, 2 * np.pi, 60)
    x[:, 4] += np.cos(angles)
    x[:, 6] += np.sin(angles)
    heads = ti.search_planes(x, ti.Rips(), LOOP, null=NULL, components=2, sizes=(2,), heads=3, draws=19, seed=0)
    assert list(heads.table["plane"][heads.table["plane"].str.startswith("head 1")]) == ["head 1, first 2 components"]
    assert heads.planes == 4 and heads.table.set_index("plane")["p_max_t"]["head 1, first 2 components"] == 0.05
    far = x[:, [4, 6]] + 20.0 * (np.arange(60) < 20)[:, None]
    clusters = ti.search_planes(far, ti.Rips(), LOOP, null=NULL, components=2, sizes=(2,), clusters=2, draws=19, seed=0)
    assert sorted(clusters.table["plane"]) == [
        "cluster 1, first 2 components", "cluster 2, first 2 components", "components 1, 2",
    ]
    larger = ti.max_persistence(dim=1)(ti.Rips()(far[20:]))
    value = clusters.table.set_index("plane")["value"]["cluster 1, first 2 components"]
    assert value == pytest.approx(larger, rel=1e-5)  # the larger cluster is the first


def test_a_recipe_of_labels_is_searched_with_the_labels_of_each_plane():
    """Class means on a circle in the third and fourth components; permuted labels have no such plane."""
    rng = np.random.default_rng(0)
    word = np.tile(np.arange(12), 8)
    angles = 2 * np.pi * word / 12
    x = 0.1 * rng.normal(size=(96, 6))
    x[:, :2] += rng.normal(size=(96, 2)) * [4, 3]
    x[:, 2] += 2 * np.cos(angles)
    x[:, 3] += 1.6 * np.sin(angles)
    table = pandas.DataFrame({"word": word})
    means, asked = ti.class_means("word", ti.Rips()), {"null": ti.nulls.permuted_labels("word"), "sizes": (2,), "seed": 0}
    found = ti.search_planes(x, means, LOOP, draws=39, rows_table=table, **asked)
    assert found.best == "components 3, 4" and found.p_value == 1 / 40
    assert found.table["value"][0] == pytest.approx(LOOP(means(ti.pca(4)(x)[:, 2:], table)), rel=1e-6)
    # The plane of a cluster has the labels of its own rows, which are not the first ones.
    apart = x + 30.0 * np.eye(6)[5] * (np.arange(96) >= 40)[:, None]
    clusters = ti.search_planes(apart, means, LOOP, draws=2, clusters=2, rows_table=table, **asked).table.set_index("plane")["value"]
    larger = LOOP(means(ti.pca(2)(apart[40:]), table[40:]))
    assert clusters["cluster 1, first 2 components"] == pytest.approx(larger, rel=1e-6)


def test_arguments_are_checked():
    x = planted(0)
    with pytest.raises(InputError, match="2 for pairs"):
        ti.search_planes(x, ti.Rips(), LOOP, null=NULL, sizes=(4,), seed=0)
    with pytest.raises(InputError, match="between 3 and 8"):
        ti.search_planes(x, ti.Rips(), LOOP, null=NULL, components=9, seed=0)
    with pytest.raises(InputError, match="a divisor of the 8"):
        ti.search_planes(x, ti.Rips(), LOOP, null=NULL, heads=3, seed=0)
    with pytest.raises(InputError, match="between 2 and 7"):
        ti.search_planes(x, ti.Rips(), LOOP, null=NULL, clusters=20, seed=0)
    with pytest.raises(InputError, match="within="):
        ti.search_planes(ti.PointCloud(x, groups=("item",)), ti.Rips(), LOOP, null=NULL, seed=0)
