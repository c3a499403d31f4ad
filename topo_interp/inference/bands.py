"""Confidence from subsamples: bands around a diagram, mean landscapes, and a descriptive bootstrap."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from topo_interp._arguments import function, share_number, whole_number
from topo_interp._errors import InputError
from topo_interp.arrays import as_points
from topo_interp.geometry.distance_matrix import DistanceMatrix
from topo_interp.homology.bottleneck import bottleneck_of_bars
from topo_interp.homology.diagrams import Diagrams
from topo_interp.inference.nulls import draw_rng
from topo_interp.metrics import require_true_metric
from topo_interp.point_cloud import PointCloud
from topo_interp.summaries.curves import landscape

__all__ = ["Band", "MeanLandscape", "bottleneck_bootstrap", "independent_points", "mean_landscape", "subsample_bands"]

# 200 samples of 100 points each: benchmarks/calibration/coverage.csv.
_COVERED = "0.54 without noise, 0.38 with noise of a tenth of the radius, 0.005 with a fifth"


@dataclasses.dataclass(frozen=True)
class Band:
    """A width such that bars at least that long are told from noise, under the assumption that is printed with it.

    Made by :func:`subsample_bands` and :func:`bottleneck_bootstrap`.

    Attributes:
        width: bars with a persistence above it stand out.
        level: 1 - alpha.
        draws, size, seed: how many subsamples, of how many rows, from which seed.
        method: which band.
        assumption: what must hold for the level to mean something.
    """

    width: float
    level: float
    draws: int
    size: int
    seed: int
    method: str
    assumption: str

    def stands_out(self, diagrams: Diagrams, dim: int) -> np.ndarray:
        """Boolean mask over ``diagrams[dim]``: bars longer than the width (cut bars by the length that was seen)."""
        bars = diagrams[dim]
        ends = np.where(diagrams.censored(dim), diagrams.censored_at or math.inf, bars[:, 1])
        return ends - bars[:, 0] > self.width

    def explain(self) -> str:
        """One sentence and the assumption."""
        return f"Bars longer than {self.width:.4g} stand out ({self.method}, {self.draws} draws of {self.size} rows). {self.assumption}"


def subsample_bands(
    cloud: Any, metric: str = "euclidean", *, size: int | None = None, draws: int = 200, alpha: float = 0.05, seed: int
) -> Band:
    """The band of Fasy et al.: how far a subsample is from the sample says how far the sample is from what it samples.

    With q the (1 - alpha) quantile of the Hausdorff distance from a subsample to the sample, the sample is within ``c = 2 q``
    of its support with probability 1 - alpha. As the sample lies *in* the support, a bar of Rips (edge lengths) longer than
    ``2 c`` belongs to the support. Very conservative in many dimensions, where it will say that nothing stands out.

    >>> import topo_interp as ti
    >>> x = ti.shapes.circle(200)
    >>> band = subsample_bands(x, size=100, draws=50, seed=0)
    >>> band.stands_out(ti.Rips()(x), 1)
    array([ True])

    Args:
        cloud: points ``(n, d)`` whose rows are independent.
        metric: name of a true metric, the recipe's own.
        size: rows per subsample; the theorem wants b = o(n / log n), and the default is that border, ``n / log n``: smaller
            subsamples are further from the sample, and with them hardly any bar stands out. The assumption says so.
        draws, alpha, seed: of the subsampling.

    Raises:
        InputError: a dissimilarity that is no metric, grouped rows, or a size, number of draws or alpha out of range.

    Source: Fasy et al., Confidence sets for persistence diagrams, Annals of Statistics 42 (2014).

    Cost: the distances once, and ``draws`` passes over a part of them.
    """
    require_true_metric(metric, "the subsample band")
    points = independent_points(cloud, "subsample_bands")
    n = len(points)
    border = n / math.log(max(n, 2))
    size = max(2, int(border)) if size is None else size
    _check(n, size, draws, alpha, seed)
    square = DistanceMatrix.from_points(points, metric=metric).square()
    distances = np.empty(draws)
    for index in range(draws):
        rows = draw_rng(seed, index).choice(n, size, replace=False)
        distances[index] = square[:, rows].min(axis=1).max()
    return Band(
        width=4.0 * _quantile(distances, 1 - alpha),
        level=1 - alpha,
        draws=draws,
        size=size,
        seed=seed,
        method="subsample band",
        assumption=(
            "It assumes independent rows that lie on the manifold itself, without noise off it, and subsamples small against "
            f"n / log n, which is {border:.1f} here{', so that they are not' if size > border / 2 else ''}; it speaks of the manifold that "
            "was sampled."
        ),
    )


def bottleneck_bootstrap(
    cloud: Any, recipe: Callable[..., Diagrams], dim: int = 1, *, draws: int = 100, alpha: float = 0.05, seed: int
) -> Band:
    """Descriptive only: how much the diagram moves when the rows are drawn again with replacement.

    With q the (1 - alpha) quantile of the bottleneck distance between a resampled diagram and the diagram, bars longer than
    ``2 q`` keep a partner in that share of the resamples. No theorem makes that a confidence set for Rips, and it is none: its
    simulated coverage (``benchmarks/calibrate.py coverage``) stands in its ``assumption``.

    >>> import topo_interp as ti
    >>> x = ti.shapes.circle(60)
    >>> band = bottleneck_bootstrap(x, ti.Rips(), draws=20, seed=0)
    >>> band.stands_out(ti.Rips()(x), 1)
    array([ True])

    Args:
        cloud: points ``(n, d)`` whose rows are independent.
        recipe: of the diagram and of every resampled one.
        dim: degree of homology.
        draws: number of resamples.
        alpha: 1 - the share of the resamples.
        seed: of the resamples.

    Raises:
        InputError: a recipe with a threshold that cuts bars, grouped rows, fewer than 10 draws, or an alpha out of
            range.

    Source: Chazal et al., Robust topological inference, JMLR 18 (2017), where it is proved for other filtrations.

    Cost: ``draws + 1`` runs of the recipe.
    """
    points = independent_points(cloud, "bottleneck_bootstrap")
    _check(len(points), len(points), draws, alpha, seed)
    function(recipe, "recipe", "ti.Rips()")
    bars = _closed(recipe(points), dim)
    moved = []
    for index in range(draws):
        rows = np.unique(draw_rng(seed, index).integers(len(points), size=len(points)))  # a twin changes no loop
        moved.append(bottleneck_of_bars(_closed(recipe(points[rows]), dim), bars))
    return Band(
        width=2.0 * _quantile(np.array(moved), 1 - alpha),
        level=1 - alpha,
        draws=draws,
        size=len(points),
        seed=seed,
        method="bottleneck bootstrap",
        assumption=(
            "Descriptive only: it says how much resampling moves these bars, not that any of them is real. Simulated coverage of the "
            f"bar of a circle by the nominal 0.95: {_COVERED}."
        ),
    )


@dataclasses.dataclass(frozen=True, eq=False)
class MeanLandscape:
    """The result of :func:`mean_landscape`.

    Attributes:
        grid: float64 (points,), filtration values.
        mean: float64 (layers, points), mean landscape of the subsamples.
        half_width: of the band ``mean +- half_width``, one number for all layers and grid points.
        level: of the band, simultaneous over the grid.
        draws, size, seed: how many subsamples, of how many rows, from which seed.
    """

    grid: np.ndarray
    mean: np.ndarray
    half_width: float
    level: float
    draws: int
    size: int
    seed: int

    def explain(self) -> str:
        """What the band is a band for."""
        return (
            f"Mean landscape of {self.draws} subsamples of {self.size} rows, within {self.half_width:.3g} (all grid points "
            f"together, level {self.level:g}) of the mean over all subsamples of that size of these rows."
        )


def mean_landscape(
    cloud: Any,
    recipe: Callable[..., Diagrams],
    dim: int = 1,
    *,
    size: int,
    draws: int = 100,
    layers: int = 1,
    grid: Any = None,
    alpha: float = 0.05,
    seed: int,
) -> MeanLandscape:
    """The mean persistence landscape of subsamples, with a simultaneous band by the Gaussian multiplier bootstrap.

    >>> import topo_interp as ti
    >>> found = mean_landscape(ti.shapes.circle(30), ti.Rips(), size=20, draws=20, grid=[0.0, 1.0, 2.0], seed=0)
    >>> found.mean.shape, bool(found.mean[0, 1] > found.half_width)
    ((1, 3), True)

    Args:
        cloud: points ``(n, d)`` whose rows are independent.
        recipe: of the diagrams of one subsample.
        dim: degree of homology.
        size: rows per subsample, drawn without replacement.
        draws: number of subsamples.
        layers: how many layers of the landscape.
        grid: filtration values; by default 100 from 0 to the largest death among the subsamples.
        alpha: 1 - level of the band.

    Raises:
        InputError: a recipe with a threshold that cuts bars, grouped rows, or a size, number of draws or alpha out of
            range.

    Sources: Chazal et al., Subsampling methods for persistent homology (ICML 2015); for the band: Chazal et al., Stochastic
    convergence of persistence landscapes and silhouettes, JoCG 6 (2015).

    Cost: ``draws`` runs of the recipe on ``size`` rows.
    """
    points = independent_points(cloud, "mean_landscape")
    _check(len(points), size, draws, alpha, seed)
    function(recipe, "recipe", "ti.Rips()")
    found = [
        recipe(points[np.sort(draw_rng(seed, index).choice(len(points), size, replace=False))]) for index in range(draws)
    ]
    if grid is None:
        ends = [_closed(diagrams, dim)[:, 1].max(initial=0.0) for diagrams in found]
        grid = np.linspace(0.0, max(ends) or 1.0, 100)
    grid = np.asarray(grid, dtype=np.float64)
    vectorization = landscape(dim, grid, layers=layers)
    curves = np.array([vectorization(diagrams) for diagrams in found])
    mean = curves.mean(axis=0)
    multipliers = draw_rng(seed, draws).standard_normal((1000, draws))
    suprema = np.abs(multipliers @ (curves - mean)).max(axis=1) / draws
    return MeanLandscape(
        grid=grid,
        mean=mean.reshape(layers, len(grid)),
        half_width=_quantile(suprema, 1 - alpha),
        level=1 - alpha,
        draws=draws,
        size=size,
        seed=seed,
    )


def independent_points(cloud: Any, who: str) -> np.ndarray:
    """The points of a cloud whose rows are not known to depend on each other, or an error with what to do."""
    if isinstance(cloud, PointCloud) and cloud.groups:
        names = ", ".join(map(repr, cloud.groups))
        raise InputError(
            f"{who} draws rows as independent, and rows that share a value of {names} are not: take one row per group, e.g. "
            f"store.means({cloud.groups[0]!r}), or use ti.significance(..., null=ti.nulls.matched_gaussian(within=[{names}]))"
        )
    return as_points(cloud, name="cloud")


def _check(n: int, size: int, draws: int, alpha: float, seed: int) -> None:
    whole_number(size, "size", 2, n, why="rows of a subsample")
    whole_number(draws, "draws", 10)
    share_number(alpha, "alpha")
    whole_number(seed, "seed", 0)


def _quantile(values: np.ndarray, level: float) -> float:
    """The smallest of the values that is at least as large as this share of them: on the safe side."""
    return float(np.quantile(values, level, method="higher"))


def _closed(diagrams: Diagrams, dim: int) -> np.ndarray:
    if diagrams.censored(dim).any():
        raise InputError(f"bars of degree {dim} were cut by the threshold; use a recipe without one")
    return np.asarray(diagrams.finite(dim))
