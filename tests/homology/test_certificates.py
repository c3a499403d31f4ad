"""Printed bounds against the truth: float64 distances of all given points, reduced by gudhi."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from oracle_certificates import true_bars, violations
from scipy.spatial.distance import cdist, squareform

import topo_interp as ti
from topo_interp._value import value_from_json


def random_clouds(count):
    rng = np.random.default_rng(20240607)
    for number in range(count):
        n = int(rng.integers(30, 61))
        angle = rng.uniform(0, 2 * np.pi, n)
        circle = np.column_stack((np.cos(angle), np.sin(angle)))
        kind = number % 10
        if kind == 0:
            points = circle + rng.normal(0, 0.05, (n, 2))
        elif kind == 1:
            points = np.column_stack((circle, np.zeros((n, 8)))) + rng.normal(0, 0.05, (n, 10))
        elif kind == 2:
            even = np.arange(n) * 2 * np.pi / n
            points = rng.permutation(np.column_stack((np.cos(even), np.sin(even))))
        elif kind == 3:
            points = np.concatenate((circle[: n // 2], circle[n // 2 :] * 1.5 + 3.5))
        elif kind == 4:
            other = rng.uniform(0, 2 * np.pi, n)
            points = np.column_stack((circle, np.cos(other), np.sin(other)))
        elif kind == 5:
            points = rng.standard_normal((n, int(rng.integers(2, 40))))
        elif kind == 6:
            points = rng.integers(0, 4, (n, 3)).astype(float)
        elif kind == 7:
            points = 6 * rng.standard_normal((5, 4))[rng.integers(0, 5, n)] + rng.normal(0, 0.1, (n, 4))
        elif kind == 8:
            points = rng.standard_normal((n, 12)) / np.arange(1, 13) + 100
        else:
            points = np.repeat(circle[: (n + 1) // 2], 2, axis=0)[:n]
        yield points


def approximations(points, exact, number):
    """The diagrams of one cloud by landmarks, rounding, projection and their compositions."""
    n, d = points.shape
    k, kept = n // 2 + number % (n // 3), min(2, d)
    step = 0.05 * np.median(exact)
    coarse = np.round(squareform(exact, checks=False) / step).astype(np.float32) * np.float32(step)
    matrix = ti.DistanceMatrix(coarse, n, "precomputed", float(np.abs(coarse - squareform(exact, checks=False)).max()))
    project = (ti.pca(kept),)
    twice = (ti.centered(), ti.pca(min(5, n, d)), ti.centered(), ti.pca(kept), ti.centered())
    yield "float32", ti.Rips()(points)
    yield "landmarks", ti.Rips(landmarks=k)(points)
    yield "rounded", ti.Rips("precomputed")(matrix)
    yield "projected", ti.Rips(steps=project)(points)
    yield "rounded landmarks", ti.Rips("precomputed", landmarks=k)(matrix)
    yield "projected landmarks", ti.Rips(steps=project, landmarks=k)(points)
    yield "projected twice", ti.Rips(steps=twice)(points)
    yield "projected twice, landmarks", ti.Rips(steps=twice, landmarks=k)(points)


def with_halved_landmarks(diagrams):
    terms = tuple(
        ti.Term(term.source, term.down / 2, term.up / 2) if term.source == "landmarks" else term
        for term in diagrams.certificate.terms
    )
    return dataclasses.replace(diagrams, certificate=dataclasses.replace(diagrams.certificate, terms=terms))


@pytest.mark.slow  # 200 clouds, which is what the promise is about
def test_no_printed_bound_is_violated_and_the_bounds_are_not_vacuous():
    wrong, certifying, halved = [], 0, 0
    for number, points in enumerate(random_clouds(200)):
        exact = cdist(points, points)
        truth = true_bars(exact)
        certifies = False
        for name, diagrams in approximations(points, exact, number):
            wrong += [(number, name, what) for what in violations(diagrams, truth)]
            if name == "landmarks":
                loops = diagrams.bounds(1)
                certifies = bool(loops["certified"].any())
                halved += bool(violations(with_halved_landmarks(diagrams), truth))
        certifying += certifies
    assert wrong == []
    assert certifying >= 60
    assert halved > 0  # the test can fail: half of the bound is too little


def test_the_comparison_can_fail():
    truth = [np.array([[0.0, math.inf]]), np.array([[1.0, 2.0]])]
    certificate = ti.Certificate(terms=(ti.Term("landmarks", 0.0, 0.2),))

    def printed(birth, death):
        return ti.Diagrams.from_bars([[(0, math.inf)], [(birth, death)]], certificate=certificate)

    assert violations(printed(1.1, 2.1), truth) == []
    assert violations(printed(1.3, 2.1), truth)  # the true birth is too far below
    assert violations(printed(0.9, 2.0), truth)  # and may not be above
    assert violations(ti.Diagrams.from_bars([[(0, math.inf)], []], certificate=certificate), truth) == [
        "a true bar of degree 1 is missing"
    ]


def test_rounding_is_a_proved_bound_and_small_on_normal_data():
    x = np.random.default_rng(0).standard_normal((500, 300)).astype(np.float32)
    wide = x.astype(np.float64)
    exact = squareform(cdist(wide, wide), checks=False)
    (term,) = ti.Rips(max_dim=0)(x).certificate.terms
    stored = ti.DistanceMatrix.from_points(x).condensed
    assert term.down == term.up
    assert np.abs(stored - exact).max() <= term.up <= 1e-4 * np.median(exact)


@pytest.mark.parametrize("landmarks", [None, 20])
def test_no_bound_is_violated_where_a_threshold_cut(landmarks):
    censored = claims = halved = 0
    for number, points in enumerate(random_clouds(30)):
        exact = cdist(points, points)
        truth, threshold = true_bars(exact), float(np.quantile(exact, (0.1, 0.3, 0.6)[number % 3]))
        diagrams = ti.Rips(threshold=threshold, landmarks=landmarks)(points)
        assert violations(diagrams, truth) == [], number
        censored += diagrams.certificate.status is ti.Status.CENSORED
        claims += int(sum(diagrams.bounds(dim)["certified"].sum() for dim in (0, 1)))
        halved += bool(violations(with_halved_landmarks(diagrams), truth))
    assert censored > 20 and claims > 100 and (halved > 5 or landmarks is None)


@pytest.mark.parametrize("seed", range(5))
def test_bounds_are_never_above_their_trivial_form(seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((200, 12)) * rng.uniform(0.1, 3, 12)
    marks = ti.farthest_points(x, 60)
    measured, trivial = ti.distortion_term(x, marks), ti.cover_radius_term(marks)
    assert measured.down == trivial.down == 0
    assert marks.cover_radius <= measured.up <= trivial.up == 2 * (marks.cover_radius + marks.rounding)

    centered = x - x.mean(axis=0)
    left, values, right = np.linalg.svd(centered, full_matrices=False)
    for k in (1, 4, 11):
        discarded = np.linalg.norm(centered - (left[:, :k] * values[:k]) @ right[:k], axis=1)
        term = ti.projection_term(x, ti.pca(k)(x))
        shortened = (cdist(x, x) - cdist(centered @ right[:k].T, centered @ right[:k].T)).max()
        assert term.up == 0
        assert shortened * (1 - 1e-9) <= term.down <= 2 * discarded.max()
        assert term.down == pytest.approx(shortened, rel=1e-9)


def test_a_cover_radius_certificate_needs_a_metric():
    x = np.random.default_rng(4).standard_normal((120, 6))
    marks = ti.farthest_points(x, 40, metric="cosine")
    with pytest.raises(ti.InputError, match="cover-radius certificate needs the triangle inequality.*'cosine' does not obey.*'chordal'"):
        ti.cover_radius_term(marks)
    matrix = ti.DistanceMatrix.from_dense(ti.pairwise_distances(x))
    with pytest.raises(ti.InputError, match="not known to hold for a precomputed matrix.*distortion_term"):
        ti.cover_radius_term(ti.farthest_points(matrix, 40))
    with pytest.raises(ti.InputError, match="needs the triangle inequality, which 'effective_resistance.k=5.' does not obey$"):
        ti.cover_radius_term(ti.farthest_points(x, 40, metric=ti.effective_resistance(k=5)))
    with pytest.raises(ti.InputError, match="'cosine' does not obey"):
        ti.cover_radius_term(ti.farthest_points(ti.DistanceMatrix.from_dense(ti.pairwise_distances(x), metric="cosine"), 40))
    # The distortion is one for any dissimilarity, and is what the recipe then uses.
    diagrams = ti.Rips("cosine", landmarks=40)(x)
    assert diagrams.certificate.up >= ti.distortion(x, marks, metric="cosine")
    assert violations(diagrams, true_bars(ti.pairwise_distances(x, metric="cosine"))) == []


def test_a_metric_with_parameters_has_the_cover_radius_certificate():
    x = np.random.default_rng(4).standard_normal((120, 6))
    for metric in (ti.mahalanobis(3), ti.fermat(p=2), ti.effective_resistance(k=5, corrected=False)):
        marks = ti.farthest_points(x, 40, metric=metric)
        assert ti.cover_radius_term(marks).up == 2 * (marks.cover_radius + marks.rounding)
        assert ti.distortion(x, marks, metric=metric) <= ti.cover_radius_term(marks).up  # as the triangle inequality has it
    said = ti.farthest_points(ti.DistanceMatrix.from_dense(ti.pairwise_distances(x), metric="euclidean"), 40)
    assert ti.cover_radius_term(said).up == 2 * (said.cover_radius + said.rounding)


def test_landmarks_of_one_metric_prove_nothing_about_another():
    x = 1e-3 * np.random.default_rng(1).normal(size=(80, 6))
    marks = ti.farthest_points(x, 20)
    for points, metric in ((x, "chordal"), (ti.DistanceMatrix.from_points(x, metric="chordal"), "euclidean")):
        for measure in (ti.distortion, ti.distortion_term):
            with pytest.raises(ti.InputError, match="made of 'euclidean' distances, and those of x are 'chordal': give the metric"):
                measure(points, marks, metric=metric)


def test_landmarks_at_a_threshold_say_up_to_where_they_are_valid():
    x = ti.shapes.noisy_circle(300, noise=0.05, seed=1)
    whole, cut = ti.Rips(landmarks=100)(x), ti.Rips(landmarks=100, threshold=0.8)(x)
    certificate = cut.certificate
    assert certificate.status is ti.Status.CENSORED
    assert certificate.valid_to == 0.8 - max(certificate.down, certificate.up) < 0.8
    longest = cut.bounds(1).sort_values("persistence_low").iloc[-1]
    assert longest["certified"] and math.isinf(longest["death"]) and math.isinf(longest["death_high"])
    assert longest["death_low"] == pytest.approx(0.8 - certificate.up)
    assert whole.bounds(1)["certified"].sum() == 1


def test_all_rows_as_landmarks_are_exact():
    x = np.random.default_rng(5).standard_normal((80, 3))
    diagrams = ti.Rips(landmarks=80)(x)
    assert ti.same_bars(diagrams, ti.Rips()(x))
    assert diagrams.certificate.up == pytest.approx(0, abs=1e-5)
    with pytest.raises(ti.InputError, match="landmarks=81 of 80 rows"):
        ti.Rips(landmarks=81)(x)


def test_bounds_of_uncertified_bars_are_unknown_and_not_zero():
    x = np.random.default_rng(6).standard_normal((300, 100))
    diagrams = ti.Rips(landmarks=60)(x)
    frame = diagrams.bounds(1)
    assert list(frame.columns) == [
        "birth", "death", "certified", "birth_low", "birth_high", "death_low", "death_high", "persistence_low",
    ]  # fmt: skip
    assert len(frame) > 5 and not frame["certified"].any()  # noise in high dimension: nothing is certifiable
    assert frame[["birth_low", "birth_high", "death_low", "death_high"]].isna().all(axis=None)
    assert (frame["persistence_low"] == 0).all()
    assert "60 landmarks of 300 rows" in diagrams.certificate.explain()


def test_until_certified_stops_when_it_can_and_when_it_must():
    x = ti.shapes.noisy_circle(2500, noise=0.05, seed=2)
    enough = ti.Rips(landmarks=ti.until_certified(bars=1, max_points=1500))(x)
    assert enough.bounds(1)["certified"].sum() >= 1
    assert "64 landmarks of 2500 rows" in enough.certificate.explain()
    noise = np.random.default_rng(7).standard_normal((600, 60))
    spent = ti.Rips(landmarks=ti.until_certified(bars=1, max_points=150))(noise)
    assert spent.bounds(1)["certified"].sum() == 0
    assert "150 landmarks of 600 rows" in spent.certificate.explain()
    assert ti.same_bars(spent, ti.Rips(landmarks=150)(noise))
    components = ti.Rips(max_dim=0, landmarks=ti.until_certified(bars=4, max_points=500, dim=0))(ti.shapes.clusters(2000, count=4))
    assert components.bounds(0)["certified"].sum() >= 4
    with pytest.raises(ti.InputError, match="degree 1, and the recipe stops at max_dim=0"):
        ti.Rips(max_dim=0, landmarks=ti.until_certified(bars=1, max_points=10))(x)


def test_landmark_recipes_are_values():
    for landmarks in (None, 70, ti.until_certified(bars=3, max_points=900, dim=0)):
        recipe = ti.Rips("chordal", landmarks=landmarks)
        assert value_from_json(recipe.to_json()) == recipe
    assert ti.Rips(landmarks=70).digest() != ti.Rips(landmarks=71).digest()
    with pytest.raises(ti.InputError, match="landmarks is 0"):
        ti.Rips(landmarks=0)
    with pytest.raises(ti.InputError, match="bars is 0"):
        ti.until_certified(bars=0, max_points=5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_spanning_tree_engine_gives_the_bars_of_the_others(dtype):
    x = np.random.default_rng(8).standard_normal((600, 7)).astype(dtype)
    ours, theirs = ti.Rips(max_dim=0)(x, engine="spanning-tree"), ti.Rips(max_dim=0)(x, engine="ripser")
    assert ti.same_bars(ours, theirs)
    assert ours.scale == theirs.scale
    assert ours.certificate.terms[0].up > 0
    cut = ti.Rips(max_dim=0, threshold=1.5)
    assert ti.same_bars(cut(x, engine="spanning-tree"), cut(x, engine="ripser"))
    matrix = ti.DistanceMatrix.from_points(x)
    assert ti.same_bars(ti.Rips(max_dim=0)(matrix, engine="spanning-tree"), theirs)
    far = np.concatenate((x.astype(np.float64), np.full((1, x.shape[1]), 1e39)))
    with pytest.raises(ti.InputError, match="float32, which holds up to 3.4e38"):  # not a second bar without an end
        ti.Rips(max_dim=0)(far, engine="spanning-tree")
    with pytest.raises(ti.InputError, match="'spanning-tree' computes degrees up to 0"):
        ti.Rips(max_dim=1)(x, engine="spanning-tree")


def test_many_points_take_the_spanning_tree_without_being_asked():
    x = ti.shapes.clusters(6000, count=3, dim=3)
    diagrams = ti.Rips(max_dim=0, steps=(ti.centered(),))(x, memory="40MB")  # the matrix alone would be 72 MB
    assert diagrams.certificate.engine.startswith("spanning-tree")
    assert len(diagrams[0]) == 6000 and diagrams.essential(0).sum() == 1
    long = np.sort(diagrams.finite(0)[:, 1])
    assert long[-2] > 5 * long[-3]  # three clusters
    assert 0.95 < diagrams.scale / np.median(ti.pairwise_distances(x[::7])) < 1.05
    assert "2000 rows drawn at random" in diagrams.certificate.explain()


def test_patches_certify_five_loops_from_800_landmarks(natural_image_patches):
    cloud = natural_image_patches["k15_c30"]
    x = cloud[np.random.default_rng(0).choice(len(cloud), 2000, replace=False)]
    loops = ti.Rips(landmarks=800)(x).bounds(1)
    assert loops["certified"].sum() == 5
    assert ti.Rips(landmarks=ti.until_certified(bars=5, max_points=1600))(cloud).bounds(1)["certified"].sum() >= 5


def test_the_cost_of_landmarks_and_of_trees_is_not_that_of_a_matrix():
    landmarks = ti.cost(ti.Rips(landmarks=1000), 40_000, 20)
    assert [name for name, _, _ in landmarks.phases] == ["landmarks", "distances", "persistence"]
    whole, alone = 2 * 40_000 * 39_999, ti.cost(ti.Rips(), 1000, 20)
    assert alone.bytes < landmarks.bytes < whole / 10 and landmarks.seconds > alone.seconds
    growing = ti.cost(ti.Rips(landmarks=ti.until_certified(bars=1, max_points=1000)), 40_000, 20)
    assert growing.bytes == landmarks.bytes
    tree = ti.cost(ti.Rips(max_dim=0), 40_000, 20)
    assert tree.engine == "spanning-tree" and tree.bytes < 50_000_000


def test_over_budget_names_the_landmarks_that_fit():
    x = np.random.default_rng(9).standard_normal((1500, 4))
    with pytest.raises(ti.BudgetError, match=r"certified landmarks of all of them with ti\.Rips\(landmarks=\d+\)") as error:
        ti.Rips()(x, memory="5MB")
    fits = int(str(error.value).split("landmarks=")[1].split(")")[0])
    assert len(ti.Rips(landmarks=fits)(x, memory="5MB")[0]) == fits


@pytest.mark.slow  # all 112 million edges: there is no smaller case of "all points exactly"
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("name", "loops"), [("k15_c30", 5), ("k300_c30", 1)])
def test_all_patches_exactly_have_the_published_loops(natural_image_patches, name, loops):
    """Carlsson et al. (2008): the three-circle model, whose first Betti number is 5, and the primary circle."""
    bars = ti.Rips()(natural_image_patches[name])[1]
    persistence = np.sort(bars[:, 1] - bars[:, 0])[::-1]
    assert persistence[loops] < persistence[loops - 1] / 4
    assert persistence[loops - 1] > 0.8
