from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

import topo_interp as ti
from topo_interp._memory import parse_bytes
from topo_interp._value import Value, value_from_json
from topo_interp.homology.engines._cut import enclosing_radius, float32_at_most


@pytest.fixture(scope="module")
def cloud() -> np.ndarray:
    return ti.shapes.noisy_circle(50, 0.15, 4, seed=3)


@dataclasses.dataclass(frozen=True)
class _Scaled(Value, kind="test_scaled_metric"):
    """A metric value: a callable from points to distances with a parameter."""

    factor: float

    def distance_matrix(self, points):
        square = self.factor * ti.pairwise_distances(points)
        return ti.DistanceMatrix.from_dense(square, metric="scaled")


def test_recipes_travel_as_json():
    recipe = ti.Rips(
        _Scaled(2.5),
        steps=(ti.centered(), ti.standardized(), ti.pca(3), ti.normalized(), ti.drop_top_coordinates(1)),
        max_dim=2,
        threshold=0.1,
        field=3,
    )
    back = ti.Rips.from_json(recipe.to_json())
    assert back == recipe and back.digest() == recipe.digest() and hash(back) == hash(recipe)
    assert back.steps[2] == ti.pca(3) and back.metric == _Scaled(2.5)
    assert isinstance(value_from_json(ti.pca(3).to_json()), ti.Step)
    changed = [
        dataclasses.replace(recipe, **change)
        for change in ({"metric": "euclidean"}, {"steps": ()}, {"max_dim": 1}, {"threshold": None}, {"field": 2})
    ]
    assert len({value.digest() for value in [recipe, *changed]}) == 6


def test_equal_recipes_are_equal():
    assert ti.Rips(ti.Metric("chordal")) == ti.Rips("chordal") == ti.Rips(metric="chordal", steps=[])
    assert ti.Rips(steps=ti.centered()) == ti.Rips(steps=(ti.centered(),))
    assert ti.Rips(threshold=math.inf) == ti.Rips()
    assert ti.Rips(threshold=1) == ti.Rips(threshold=1.0) == ti.Rips(threshold=np.float32(1))
    assert repr(ti.Rips(steps=(ti.pca(3),))) == (
        "Rips(metric='euclidean', steps=(pca(3),), max_dim=1, threshold=None, field=2, weights=None, landmarks=None)"
    )


def test_a_metric_value_is_run(cloud):
    d, plain = ti.Rips(_Scaled(4.0))(cloud), ti.Rips()(cloud)
    assert np.array_equal(d[1], 4 * plain[1]) and d.scale == 4 * plain.scale and d.metric == "scaled"


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean", "cosine", "chordal", "manhattan", "hamming", "angular"])
def test_every_input_of_the_same_points_gives_the_same_bars(cloud, metric):
    recipe = ti.Rips(metric)
    points = recipe(cloud)
    assert ti.same_bars(points, recipe(ti.PointCloud(cloud)))
    assert ti.same_bars(points, recipe(ti.DistanceMatrix.from_points(cloud, metric=metric)))
    assert ti.same_bars(points, recipe(cloud.tolist(), threads=1))
    assert points.metric == metric and points.n == 50
    matrix = ti.DistanceMatrix.from_points(cloud, metric=metric)
    assert points.scale == matrix.median() and points.certificate.bottleneck_bound == matrix.rounding


def test_steps_are_applied_in_their_order(cloud):
    by_hand = ti.pca(2)(ti.normalized()(cloud))
    assert ti.same_bars(ti.Rips(steps=(ti.normalized(), ti.pca(2)))(cloud), ti.Rips()(by_hand))
    assert not ti.same_bars(ti.Rips(steps=(ti.pca(2), ti.normalized()))(cloud), ti.Rips()(by_hand))


def test_the_certificate_says_what_ran(cloud):
    recipe = ti.Rips(steps=(ti.centered(),))
    certificate = recipe(cloud, engine="ripser").certificate
    assert certificate.status is ti.Status.EXACT and certificate.valid_to == math.inf
    assert ti.Rips.from_json(certificate.recipe) == recipe
    assert certificate.inputs == (ti.PointCloud(cloud).digest(),)
    assert certificate.engine.startswith("ripser ") and [term.source for term in certificate.terms] == ["rounding"]
    assert 0 < certificate.up == certificate.down < 1e-5
    assert recipe(cloud + 1.0).certificate.inputs != certificate.inputs


def test_a_full_matrix_has_one_essential_bar(cloud):
    d = ti.Rips(max_dim=2)(cloud)
    assert np.isinf(d.death).sum() == 1 and d.essential(0).sum() == 1 and d.censored_at is None
    radius = enclosing_radius(ti.DistanceMatrix.from_points(cloud))
    assert d.death[np.isfinite(d.death)].max() <= radius


def test_a_threshold_censors_below_the_enclosing_radius_only(cloud):
    matrix = ti.DistanceMatrix.from_points(cloud)
    radius = enclosing_radius(matrix)
    assert radius == matrix.square().max(axis=1).min()
    whole = ti.Rips()(matrix)
    for threshold in (radius, 2 * radius, math.inf):
        d = ti.Rips(threshold=threshold)(matrix)
        assert d.censored_at is None and d.certificate.status is ti.Status.EXACT and ti.same_bars(d, whole)
    threshold = 0.5 * radius
    d = ti.Rips(threshold=threshold)(matrix)
    assert d.censored_at == threshold and d.certificate.status is ti.Status.CENSORED
    assert d.certificate.valid_to == threshold - matrix.rounding
    assert d.essential(0).sum() == 1 and d.censored(1).any()
    # What the whole filtration has up to the threshold, with later deaths open.
    for k in (0, 1):
        early = whole[k][whole[k][:, 0] <= threshold]
        expected = np.where(early > threshold, np.inf, early)
        assert sorted(d[k].tolist()) == sorted(expected.tolist())


def test_an_edge_as_long_as_the_threshold_is_in():
    line = ti.DistanceMatrix.from_points(np.array([[0.0], [0.1], [0.3]]))
    edge = float(line.condensed[0])
    assert ti.Rips(threshold=edge)(line)[0].tolist() == [[0, edge], [0, math.inf], [0, math.inf]]
    # The float32 next to this threshold is longer than it, and the edge with it.
    assert len(ti.Rips(threshold=np.nextafter(edge, 0))(line).finite(0)) == 0
    assert float32_at_most(0.1) < 0.1 < float32_at_most(0.1) + 1e-8
    assert float32_at_most(1e300) == float(np.finfo(np.float32).max)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_tiny_clouds(n):
    d = ti.Rips(max_dim=2)(np.arange(float(n))[:, None])
    assert d[0].tolist() == [[0, 1]] * (n - 1) + [[0, math.inf]] and len(d) == n
    assert d.scale == (0.0 if n == 1 else 1.0)


def test_equal_points_are_one_component():
    d = ti.Rips(max_dim=1)(np.full((9, 4), 0.1))
    assert d[0].tolist() == [[0, math.inf]] and len(d[1]) == 0 and d.scale == 0.0
    assert d.to_frame().shape == (1, 5) and d.certificate.status is ti.Status.EXACT


def test_a_budget_is_kept():
    cloud = ti.shapes.gaussian(400, 3)
    with pytest.raises(ti.BudgetError, match=r"400 points need .* kB .*budget of 100 kB: take about (\d+) of the rows") as error:
        ti.Rips()(cloud, engine="ripser", memory="100kB")
    fits = int(str(error.value).split("take about ")[1].split()[0])
    ti.Rips()(cloud[:fits], engine="ripser", memory="100kB")
    ti.Rips()(cloud, engine="ripser", memory=10**9)
    assert parse_bytes("2 GiB") == 2**31
    for wrong in ("4 apples", "GB", -1, 0, True, 1.5):
        with pytest.raises(ti.InputError, match="no amount of memory"):
            parse_bytes(wrong)


def test_a_distance_matrix_fits_its_recipe(cloud):
    matrix = ti.DistanceMatrix.from_points(cloud)
    with pytest.raises(ti.InputError, match=r"steps \(centered\(\),\), which need points: give the points"):
        ti.Rips(steps=(ti.centered(),))(matrix)
    with pytest.raises(ti.InputError, match=r"holds 'euclidean' distances and the recipe asks for 'cosine': use ti.Rips\(metric='precomputed'\)"):
        ti.Rips("cosine")(matrix)
    given = ti.DistanceMatrix.from_dense(matrix.square())
    with pytest.raises(ti.InputError, match="holds 'precomputed' distances and the recipe asks for 'euclidean'"):
        ti.Rips()(given)
    assert ti.same_bars(ti.Rips("precomputed")(given), ti.Rips()(matrix))
    assert ti.Rips("precomputed")(matrix).metric == "euclidean"
    with pytest.raises(ti.InputError, match="metric is 'precomputed' and points were given"):
        ti.Rips("precomputed")(cloud)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"metric": "euclid"}, "did you mean 'euclidean'"),
        ({"metric": 3}, "give a name from ti.metrics.table"),
        ({"steps": ("centered",)}, r"such as steps=\(ti.centered\(\), ti.pca\(50\)\)"),
        ({"steps": (ti.centered,)}, "a tuple of steps is needed"),
        ({"max_dim": -1}, "max_dim is -1; a whole number >= 0"),
        ({"max_dim": 1.0}, "max_dim is 1.0; a whole number"),
        ({"field": 4}, "field is 4; Z/p is a field for a prime p"),
        ({"field": 1}, "a prime p"),
        ({"threshold": -0.5}, "threshold is .*; a finite number >= 0 is needed .or None for the whole filtration"),
        ({"threshold": math.nan}, "threshold is .*; a finite number >= 0 is needed .or None for the whole filtration"),
        ({"threshold": "1"}, "threshold is .*; a finite number >= 0 is needed .or None for the whole filtration"),
    ],
)
def test_errors_say_what_to_type(arguments, message):
    with pytest.raises(ti.InputError, match=message):
        ti.Rips(**arguments)


def test_bad_points_are_named(cloud):
    bad = cloud.copy()
    bad[7, 0] = math.nan
    with pytest.raises(ti.InputError, match="row 7 of cloud"):
        ti.Rips()(bad)
    with pytest.raises(ti.InputError, match="two axes"):
        ti.Rips()(cloud[0])


@pytest.mark.parametrize("landmarks", [None, 20])
def test_the_steps_of_a_cloud_that_was_seen_are_not_done_again(monkeypatch, landmarks):
    recipe, x = ti.Rips(steps=(ti.pca(2),), landmarks=landmarks), np.random.default_rng(0).normal(size=(50, 4))
    expected, calls, kind = recipe(x), [], type(recipe.steps[0])
    step = kind.__call__
    monkeypatch.setattr(kind, "__call__", lambda self, points: calls.append(len(points)) or step(self, points))
    seen = recipe.seen(x)
    assert recipe(seen).certificate == expected.certificate and seen.after.shape == (50, 2)
    assert calls == [50]
