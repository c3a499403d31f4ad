"""Bands cover what they say they cover, on shapes for which the truth is known."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest

import topo_interp as ti
from topo_interp import InputError


def circle(seed: int, n: int) -> np.ndarray:
    angles = np.random.default_rng(seed).uniform(0, 2 * np.pi, n)
    return np.column_stack((np.cos(angles), np.sin(angles)))


def distance_to_the_circle(points: np.ndarray) -> float:
    """How far a point of the circle can be from the sample: the chord of half the largest gap."""
    angles = np.sort(np.arctan2(points[:, 1], points[:, 0]))
    gaps = np.diff(np.append(angles, angles[0] + 2 * np.pi))
    return float(2 * np.sin(gaps.max() / 4))


def test_the_subsample_band_covers_the_circle():
    covered = []
    for seed in range(40):
        x = circle(seed, 120)
        band = ti.subsample_bands(x, draws=60, seed=seed)
        assert band.size == int(120 / np.log(120))
        covered.append(distance_to_the_circle(x) <= band.width / 2)
    assert np.mean(covered) >= 0.95


def test_a_band_without_the_factors_of_the_theorem_would_not_cover():
    covered = [distance_to_the_circle(circle(s, 120)) <= ti.subsample_bands(circle(s, 120), size=110, draws=60, seed=s).width / 8
               for s in range(20)]
    assert np.mean(covered) < 0.9


def test_the_width_is_four_times_the_quantile_of_the_hausdorff_distance():
    x = circle(0, 50)
    band = ti.subsample_bands(x, size=20, draws=30, alpha=0.1, seed=3)
    assert "n / log n, which is 12.8 here, so that they are not;" in band.assumption
    assert "n / log n, which is 12.8 here; it speaks" in ti.subsample_bands(x, size=6, draws=30, seed=3).assumption
    from scipy.spatial.distance import directed_hausdorff

    from topo_interp.inference.nulls import draw_rng

    subsets = [x[draw_rng(3, k).choice(50, 20, replace=False)] for k in range(30)]
    expected = 4 * np.sort([directed_hausdorff(x, subset)[0] for subset in subsets])[27]
    assert band.width == pytest.approx(expected, rel=1e-5)


def test_the_circle_stands_out_and_its_noise_does_not():
    x = circle(1, 600)
    diagrams = ti.Rips()(x)
    band = ti.subsample_bands(x, draws=50, seed=0)
    assert band.stands_out(diagrams, 1).sum() == 1
    assert band.stands_out(diagrams, 1)[np.argmax(np.diff(diagrams[1], axis=1))]
    assert "without noise off it" in band.explain()
    noise = np.random.default_rng(0).normal(size=(200, 20))
    assert not ti.subsample_bands(noise, draws=50, seed=0).stands_out(ti.Rips()(noise), 1).any()


@pytest.mark.slow  # a coverage needs many bands
def test_the_band_of_the_mean_landscape_covers_the_mean_over_subsamples():
    x = np.random.default_rng(0).normal(size=(40, 2))
    grid = np.linspace(0, 2, 30)
    many = ti.mean_landscape(x, ti.Rips(), size=15, draws=1500, grid=grid, seed=999)
    covered, covered_by_a_narrow_one = [], []
    for seed in range(60):
        some = ti.mean_landscape(x, ti.Rips(), size=15, draws=20, grid=grid, seed=seed)
        error = np.abs(some.mean - many.mean).max()
        covered.append(error <= some.half_width)
        covered_by_a_narrow_one.append(error <= some.half_width / 3)
    assert np.mean(covered) >= 0.83  # 0.95 less the bootstrap's error at 20 subsamples and three standard errors
    assert np.mean(covered_by_a_narrow_one) < 0.7


def test_a_mean_landscape_by_hand():
    """All subsamples of size n are the cloud: the mean is its landscape, and the band has no width."""
    x = circle(2, 20)
    found = ti.mean_landscape(x, ti.Rips(), size=20, draws=10, layers=2, seed=0)
    np.testing.assert_allclose(found.mean.ravel(), ti.landscape(1, found.grid, layers=2)(ti.Rips()(x)), atol=1e-12)
    assert found.half_width < 1e-12 and found.mean.shape == (2, 100) and found.mean.max() > 0.3
    assert "20 rows" in found.explain()


def test_a_cloud_without_loops_has_a_landscape_of_zeros():
    line = np.arange(12.0)[:, None] * [[1.0, 2.0]]
    found = ti.mean_landscape(line, ti.Rips(), size=6, draws=10, seed=0)
    assert not found.mean.any() and found.half_width == 0


def test_the_bottleneck_bootstrap_is_called_descriptive():
    x = circle(3, 60)
    band = ti.bottleneck_bootstrap(x, ti.Rips(), draws=60, seed=0)  # with 20 its width is that of the worst one
    assert band.assumption.startswith("Descriptive only")
    assert 0 < band.width < 2
    assert band.stands_out(ti.Rips()(x), 1).sum() == 1
    assert band == ti.bottleneck_bootstrap(x, ti.Rips(), draws=60, seed=0)


def test_the_bottleneck_bootstrap_prints_the_coverage_that_was_counted():
    text = ti.bottleneck_bootstrap(circle(3, 30), ti.Rips(), draws=10, seed=0).assumption
    counted = Path(__file__).resolve().parents[2] / "benchmarks" / "calibration" / "coverage.csv"
    with counted.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    covered = {noise: [] for noise in ("0.0", "0.1", "0.2")}
    for row in (row for row in rows if row["version"] == rows[-1]["version"]):  # of these sources, not of older ones
        covered[row["noise"]].append(float(row["error"]) <= float(row["bootstrap"]))
    printed = [float(number) for number in re.findall(r"0\.\d+", text.rsplit(": ", 1)[1])]
    assert printed == pytest.approx([np.mean(each) for each in covered.values()], abs=1e-12)


@pytest.mark.parametrize(
    "call",
    [
        lambda cloud: ti.subsample_bands(cloud, seed=0),
        lambda cloud: ti.bottleneck_bootstrap(cloud, ti.Rips(), seed=0),
        lambda cloud: ti.mean_landscape(cloud, ti.Rips(), size=5, seed=0),
    ],
)
def test_grouped_rows_are_refused_with_the_sentence_to_type(call):
    with pytest.raises(InputError, match=r"take one row per group, e\.g\. store\.means\('item'\)"):
        call(ti.PointCloud(circle(0, 20), groups=("item",)))


def test_arguments_are_checked():
    x = circle(0, 20)
    with pytest.raises(InputError, match="triangle inequality"):
        ti.subsample_bands(x, "cosine", seed=0)
    with pytest.raises(InputError, match="from 2 to 20"):
        ti.subsample_bands(x, size=21, seed=0)
    with pytest.raises(InputError, match="a whole number >= 10"):
        ti.mean_landscape(x, ti.Rips(), size=5, draws=3, seed=0)
    with pytest.raises(InputError, match="cut by the threshold"):
        ti.bottleneck_bootstrap(x, ti.Rips(threshold=1.0), draws=10, seed=0)
