"""The table of metrics, and the theorems that non-metrics are refused."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import topo_interp as ti
from topo_interp.metrics import get_metric, require_true_metric


def test_the_table_lists_every_metric():
    table = ti.metrics.table()
    assert list(table.columns) == ["name", "true_metric", "formula"]
    assert sorted(table["name"]) == [
        "angular", "chebyshev", "chordal", "correlation", "cosine", "euclidean", "hamming", "manhattan", "sqeuclidean",
    ]  # fmt: skip
    for row in table.itertuples():
        metric = ti.Metric(row.name)
        assert (metric.true_metric, metric.formula) == (row.true_metric, row.formula)
        assert ti.pairwise_distances([[1.0, 2.0, 4.0], [2.0, -1.0, 0.0]], metric=metric).shape == (2, 2)


def test_the_triangle_inequality_holds_exactly_where_the_table_says_so():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((24, 2))  # the plane: thin triangles, where squares and cosines fail
    for metric in ti.metrics.table().itertuples():
        points = np.hstack([x, x**2]) if metric.name == "correlation" else x
        d = ti.pairwise_distances(points, metric=metric.name)
        worst = max(d[i, k] - d[i, j] - d[j, k] for i, j, k in itertools.permutations(range(24), 3))
        assert (worst <= 1e-12) == metric.true_metric, metric.name


def test_values_travel_as_json():
    metric = ti.Metric("chordal")
    assert ti.Metric.from_json(metric.to_json()) == metric == get_metric("chordal")
    assert get_metric(metric) is metric


def test_a_theorem_asked_of_a_non_metric_is_an_error():
    assert require_true_metric("angular", "the landmark bound") == ti.Metric("angular")
    with pytest.raises(ti.InputError, match="the landmark bound needs the triangle inequality.*'cosine'.*use 'chordal'"):
        require_true_metric("cosine", "the landmark bound")
    with pytest.raises(ti.InputError, match="no metric is called 'l2'; known: euclidean"):
        ti.Metric("l2")
