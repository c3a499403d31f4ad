"""The universal null: by hand, under its own law, on noise and on a circle, and its refusals."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import topo_interp as ti
from topo_interp import Diagrams, InputError
from topo_interp.inference.universal import universal_pvalues

EULER = 0.5772156649


def diagrams(bars, **fields) -> Diagrams:
    return Diagrams.from_bars([[], bars], metric="euclidean", **fields)


def from_law(rng, bars: int, rate: float = 7.0) -> np.ndarray:
    """Bars whose log(death / birth) is exponential: exactly what the law says of noise."""
    birth = rng.uniform(1, 2, bars)
    return np.column_stack((birth, birth * np.exp(rng.exponential(1 / rate, bars))))


def test_by_hand():
    bars = np.array([[1.0, 1.2], [1.1, 1.21], [1.3, 3.9]])
    result = universal_pvalues(diagrams(bars), 1)
    loglog = np.log(np.log(bars[:, 1] / bars[:, 0]))
    strength = loglog - EULER - loglog.mean()
    np.testing.assert_allclose(result.p_values, np.exp(-np.exp(strength)), rtol=1e-9)
    np.testing.assert_allclose(result.adjusted, np.minimum(1, 3 * result.p_values), rtol=1e-12)
    np.testing.assert_array_equal(result.bars, bars)


def test_one_bar_can_never_be_significant():
    for death in (1.1, 2.0, 1e6):
        result = universal_pvalues(diagrams([(1.0, death)]), 1)
        assert result.p_values[0] == pytest.approx(np.exp(-np.exp(-EULER)), rel=1e-9)  # .570
        assert "no power" in result.explain()


def test_the_family_wise_error_under_the_law_is_the_level():
    rng = np.random.default_rng(0)
    runs = [universal_pvalues(diagrams(from_law(rng, 300)), 1) for _ in range(800)]
    rate = np.mean([run.significant(0.05).any() for run in runs])
    assert 0.02 < rate < 0.07
    p = np.concatenate([run.p_values for run in runs])
    assert abs((p < 0.05).mean() - 0.05) < 0.01


def test_with_sixty_bars_the_level_is_what_the_docstring_says():
    rng = np.random.default_rng(0)
    found = [universal_pvalues(diagrams(from_law(rng, 60)), 1).significant(0.05).any() for _ in range(2000)]
    assert np.mean(found) == pytest.approx(0.07, abs=0.015)


@pytest.mark.parametrize("threshold", [1.5, 1.9])
def test_cut_bars_spoil_neither_the_location_nor_the_level(threshold):
    rng = np.random.default_rng(1)
    any_found, location, naive = [], [], []
    for _ in range(400):
        bars = from_law(rng, 200)
        bars = bars[bars[:, 0] < threshold]
        bars[bars[:, 1] > threshold, 1] = np.inf
        result = universal_pvalues(diagrams(bars, censored_at=threshold), 1)
        assert result.censored.sum() == np.isinf(bars[:, 1]).sum() > 0
        any_found.append(result.significant(0.05).any())
        location.append(result.location)
        # What counting the seen length of cut bars in the mean would give.
        naive.append(-EULER - np.log(np.log(np.minimum(bars[:, 1], threshold) / bars[:, 0])).mean())
    assert np.mean(any_found) < 0.08
    assert np.mean(location) == pytest.approx(np.log(7), abs=0.02)
    assert np.mean(naive) > np.log(7) + 0.1


def test_a_cut_bar_is_significant_once_it_was_seen_long_enough():
    rng = np.random.default_rng(2)
    short = from_law(rng, 60, rate=30)
    early = universal_pvalues(diagrams([*short, (2.0, np.inf)], censored_at=short.max() + 0.01), 1)
    assert not early.significant().any()
    needed = early.threshold_to_decide()
    later = universal_pvalues(diagrams([*short, (2.0, np.inf)], censored_at=1.3 * needed), 1)
    assert later.significant().sum() == 1 and later.threshold_to_decide() is None
    assert "upper bounds" in later.explain()


def test_it_does_not_change_under_powers_of_the_distance():
    bars = from_law(np.random.default_rng(3), 30)
    one, two = (universal_pvalues(diagrams(bars**power), 1).p_values for power in (1, 3))
    np.testing.assert_allclose(one, two, rtol=1e-9)


def test_a_circle_in_the_plane_is_found_and_noise_is_not():
    rng = np.random.default_rng(4)
    angles = rng.uniform(0, 2 * np.pi, 300)
    circle = np.column_stack((np.cos(angles), np.sin(angles))) + 0.1 * rng.normal(size=(300, 2))
    assert universal_pvalues(ti.Rips()(circle), 1).significant().sum() == 1
    for seed in range(5):
        noise = np.random.default_rng(seed).uniform(size=(300, 2))
        assert not universal_pvalues(ti.Rips()(noise), 1).significant().any()


def test_a_diagram_without_bars():
    result = universal_pvalues(diagrams([]), 1)
    assert result.p_values.shape == (0,) and not result.significant().any()
    assert "There is no bar to test." in result.explain() and len(result.to_frame()) == 0


def test_to_frame_has_a_row_per_bar():
    frame = universal_pvalues(diagrams(from_law(np.random.default_rng(0), 30)), 1).to_frame()
    assert list(frame) == ["birth", "death", "censored", "p_value", "p_adjusted"] and len(frame) == 30


BARS = from_law(np.random.default_rng(5), 30)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"groups": ("template", "word")}, r"within=\['template', 'word'\]"),
        ({"metric": "effective_resistance"}, "graph metrics"),
        ({"metric": "precomputed"}, "graph metrics"),
        ({"metric": ""}, "an unknown metric"),
        ({"metric": "hamming"}, "few values"),
        ({"certificate": ti.Certificate(terms=(ti.Term("landmarks", 0.0, 0.2),))}, "random subset of the rows"),
        ({"certificate": ti.Certificate(recipe=ti.Rips(weights=ti.dtm(k=3)).to_json())}, "unweighted"),
    ],
)
def test_refusals(changes, message):
    with pytest.raises(InputError, match=message):
        universal_pvalues(dataclasses.replace(diagrams(BARS), **changes), 1)


@pytest.mark.parametrize("metric", [ti.effective_resistance(k=5), ti.diffusion(k=5, t=8), ti.geodesic(k=5)])
def test_graph_metrics_are_known_by_their_value(metric):
    points = np.random.default_rng(0).normal(size=(40, 3))
    found = ti.Rips(metric)(points)
    with pytest.raises(InputError, match=rf"graph metrics, and {metric.kind}\(k=5.* is one; use ti.significance"):
        universal_pvalues(found, 1)


def test_a_metric_of_the_whole_cloud_that_is_no_graph_metric_is_taken():
    points = np.random.default_rng(0).normal(size=(60, 3))
    assert len(universal_pvalues(ti.Rips(ti.mahalanobis(pca=3))(points), 1).bars) > 5


def test_more_refusals():
    with pytest.raises(InputError, match="degrees of at least 1"):
        universal_pvalues(ti.Rips()(np.eye(4)), 0)
    with pytest.raises(InputError, match="births are equal"):
        universal_pvalues(diagrams(np.column_stack((np.ones(30), BARS[:, 1] + 1))), 1)
    with pytest.raises(InputError, match="born at 0"):
        universal_pvalues(diagrams([(0.0, 1.0), (1.0, 2.0)]), 1)
    with pytest.raises(InputError, match="larger threshold"):
        universal_pvalues(diagrams([(1.0, np.inf)], censored_at=2.0), 1)
    with pytest.raises(InputError, match="never ends"):
        universal_pvalues(diagrams([(1.0, np.inf)]), 1)
    lattice = np.stack(np.meshgrid(np.arange(6.0), np.arange(6.0)), axis=-1).reshape(-1, 2)
    with pytest.raises(InputError, match="births are equal"):
        universal_pvalues(ti.Rips()(lattice), 1)
