"""How far a recipe's steps can have moved the bars: the printed terms against the truth, and notes where there is no term."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from oracle_certificates import true_bars, violations
from scipy.spatial.distance import cdist

import topo_interp as ti


def circle_in_noise():
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, 60)
    return np.column_stack((np.cos(angle), np.sin(angle), rng.normal(0, 0.8, (60, 6))))


@pytest.mark.parametrize("landmarks", [None, 40])
@pytest.mark.parametrize(
    "steps",
    [
        (ti.pca(2),),
        (ti.pca(2), ti.centered()),
        (ti.centered(), ti.pca(2)),
        (ti.pca(4), ti.pca(2)),
        (ti.pca(6), ti.centered(), ti.pca(4), ti.centered(), ti.pca(2), ti.centered()),
    ],
)
def test_every_projection_has_its_term_whatever_stands_around_it(steps, landmarks):
    x = circle_in_noise()
    diagrams = ti.Rips(steps=steps, landmarks=landmarks)(x)
    assert violations(diagrams, true_bars(cdist(x, x))) == []
    projections = [term.source for term in diagrams.certificate.terms if term.source.startswith("projection")]
    assert len(projections) == sum(step.kind == "pca" for step in steps)
    lost = (cdist(x, x) - cdist(ti.pca(2)(x), ti.pca(2)(x))).max()
    assert diagrams.certificate.down >= lost > 1
    assert "points after" not in diagrams.certificate.explain()


def test_components_of_projected_points_have_the_terms_too():
    x = circle_in_noise()
    steps = (ti.pca(2), ti.centered())
    tree = ti.Rips(max_dim=0, steps=steps)(x, engine="spanning-tree")
    assert tree.certificate.down == pytest.approx(ti.Rips(max_dim=0, steps=steps)(x).certificate.down)


@pytest.mark.parametrize("landmarks", [None, 40])
@pytest.mark.parametrize(
    ("metric", "steps", "meant", "projections"),
    [
        ("manhattan", (ti.pca(2),), (ti.pca(2),), 0),
        ("euclidean", (ti.pca(4), ti.standardized(), ti.centered(), ti.pca(2)), (ti.pca(4), ti.standardized()), 1),
        ("euclidean", (ti.drop_top_coordinates(1),), (ti.drop_top_coordinates(1),), 0),
        ("chordal", (ti.centered(),), (ti.centered(),), 0),
        (ti.fermat(p=2), (ti.pca(2),), (ti.pca(2),), 0),
    ],
)
def test_a_certificate_that_does_not_lead_back_to_the_given_points_says_which_points_are_meant(
    metric, steps, meant, projections, landmarks
):
    x = circle_in_noise()
    diagrams = ti.Rips(metric, steps=steps, landmarks=landmarks)(x)
    note = f"The true bars are those of the points after {', '.join(map(repr, meant))};"
    assert note in diagrams.certificate.explain()
    assert sum(term.source.startswith("projection") for term in diagrams.certificate.terms) == projections
    for step in meant:
        x = step(x)
    if metric == "euclidean":
        assert violations(diagrams, true_bars(cdist(x, x))) == []


def test_a_translation_needs_no_note():
    x = circle_in_noise()
    by_name = ("euclidean", "manhattan", "chebyshev", "sqeuclidean")
    of_clouds = (ti.mahalanobis(3), ti.read_metric(np.eye(8)), ti.fermat(2, metric="manhattan"))
    for metric in by_name + of_clouds:
        given, moved = ti.Rips(metric)(x), ti.Rips(metric, steps=(ti.centered(),))(x + 3)
        assert "points after" not in moved.certificate.explain()
        both = moved.certificate.with_term(given.certificate.terms[0])
        assert violations(dataclasses.replace(moved, certificate=both), [given[0], given[1]]) == [], metric


@pytest.mark.parametrize("metric", ["cosine", "hamming", ti.fermat(2, metric="chordal"), ti.geodesic(4), ti.effective_resistance(4)], ids=str)
def test_a_translation_that_changes_distances_is_noted(metric):
    diagrams = ti.Rips(metric, steps=(ti.centered(),))(circle_in_noise())
    assert "the points after centered();" in diagrams.certificate.explain()


def test_a_translation_turns_ties_of_a_neighbor_graph():
    """Why the note is needed: on a lattice the graph of the rounded points is another one."""
    lattice = np.array([[i, j, k] for i in range(5) for j in range(5) for k in range(4)], dtype=float)
    x = np.random.default_rng(0).permutation(lattice)[:90]
    given, moved = (ti.Rips(ti.geodesic(4), steps=steps)(x) for steps in ((), (ti.centered(),)))
    assert ti.bottleneck(given, moved, dim=1).value > 0.5 > moved.certificate.up


def test_what_is_no_projection_has_no_term(monkeypatch):
    from topo_interp.homology import approximation

    x = np.random.default_rng(3).standard_normal((80, 5))
    turned = np.linalg.qr(np.random.default_rng(4).standard_normal((5, 5)))[0][:, :2]
    with pytest.raises(ti.InputError, match="two rows are farther apart after than before, by .* of the norm .* ti.pca"):
        ti.projection_term(x, np.roll(x @ turned, 1, axis=0) / 3)
    with pytest.raises(ti.InputError, match="farther from the mean"):
        ti.projection_term(x, x[:, :2] * 3)
    monkeypatch.setattr(approximation, "_MEASURED_UP_TO", 0)
    with pytest.raises(ti.InputError, match="farther from the mean"):
        ti.projection_term(x, x[:, :2] * 3)


def test_the_term_of_points_at_the_end_of_the_range_is_that_of_small_ones():
    """The sum of two such rows is infinite."""
    x = np.array([[1.5e308, 1e300], [1.5e308, -1e300], [1.4e308, 0.0]])
    small = np.ldexp(x, -500)
    term = ti.projection_term(small, small[:, :1])
    assert 0 < term.down < math.inf
    assert ti.projection_term(x, x[:, :1]) == ti.Term(term.source, math.ldexp(term.down, 500), math.ldexp(term.up, 500))


@pytest.mark.parametrize("scale", [1e-200, 1e200, 1.0])
def test_scores_in_float32_shorten_and_lengthen(scale):
    x = np.random.default_rng(3).standard_normal((80, 5))
    x = np.vstack((x, x[:40]))  # two rows in one place, and their scores too
    scores = ti.pca(4)(x).astype(np.float32).astype(np.float64)
    scores[80:] *= 1 + 2.0**-24  # rounded otherwise
    term = ti.projection_term(x * scale, scores * scale)
    apart, seen = cdist(x, x), cdist(scores, scores)
    assert term.down == pytest.approx((apart - seen).max() * scale, rel=1e-6)
    assert (seen - apart).max() * scale <= term.up * (1 + 1e-9) <= 1e-6 * scale
    assert ti.projection_term(x * scale, ti.pca(4)(x) * scale).up == 0


def test_a_projection_too_large_to_measure_is_bounded_by_what_it_discards(monkeypatch):
    from topo_interp.homology import approximation

    x = np.random.default_rng(3).standard_normal((150, 9)) + 50
    measured = ti.projection_term(x, ti.pca(3)(x))
    monkeypatch.setattr(approximation, "_MEASURED_UP_TO", 0)
    bounded = ti.projection_term(x, ti.pca(3)(x))
    centered = x - x.mean(axis=0)
    _, _, right = np.linalg.svd(centered, full_matrices=False)
    discarded = np.sort(np.linalg.norm(centered - centered @ right[:3].T @ right[:3], axis=1))
    assert measured.down < bounded.down == pytest.approx(discarded[-2:].sum(), rel=1e-6)
