"""How large a circle would have to be for the pipeline to find it in this very cloud's noise."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp._arguments import share_number, whole_number
from topo_interp._errors import InputError
from topo_interp.arrays import as_points
from topo_interp.inference.estimate import clopper_pearson, draws_for, monte_carlo_p, reached
from topo_interp.inference.multiple import MaxT, studentized
from topo_interp.inference.nulls import Null, draw_rng
from topo_interp.inference.pipeline import Pipeline, Stage, check_rows, like, parallel, run_draws
from topo_interp.inference.trial_log import note_looks
from topo_interp.point_cloud import PointCloud

if TYPE_CHECKING:
    import pandas

__all__ = ["Detectable", "detectable", "noise_floor"]

# Radii over noise floor, in steps of a quarter octave. Beyond 64 floors a circle is no question of power.
_RATIOS = tuple(2.0 ** (k / 4) for k in range(-8, 25))


@dataclasses.dataclass(frozen=True)
class Detectable:
    """The result of :func:`detectable`.

    Attributes:
        ratio: smallest radius over noise floor that was found with the power asked for; ``inf`` when none was.
        radius: the same in the unit of the points.
        noise_floor: median distance of a row to its nearest other row.
        power: the power that was asked for.
        found: how many of the trials found the circle of that radius.
        trials: number of planted clouds per radius.
        interval: of the power at that radius (Clopper-Pearson, 95 %).
        tried: (ratio, number found) of every radius that was tried, in increasing order.
        alpha, draws, seed: of each test.
        null_name: the null.
        tests: how many tests the p-values were adjusted for.
    """

    ratio: float
    radius: float
    noise_floor: float
    power: float
    found: int
    trials: int
    interval: tuple[float, float]
    tried: tuple[tuple[float, int], ...]
    alpha: float
    draws: int
    seed: int
    null_name: str
    tests: int = 1

    def explain(self) -> str:
        """What "no loop found" means here, in one sentence."""
        if math.isinf(self.ratio):
            largest = self.tried[-1][0]
            return (
                f"Not even a circle of {largest:.3g} times the noise floor (here {self.noise_floor:.4g}) was found with power "
                f"{self.power:g}: that nothing was found says nothing."
            )
        return (
            f"A circle of {self.ratio:.3g} times the noise floor (here {self.noise_floor:.4g}, so a radius of {self.radius:.4g}), planted "
            f"in draws of the null, was found in {self.found} of {self.trials} trials at p <= {self.alpha:g}"
            f"{f' after max-T over all {self.tests} tests' if self.tests > 1 else ''}; smaller ones can be missed."
        )


def detectable(
    cloud: Any,
    recipe: Callable[..., Any],
    summary: Callable[[Any], float],
    null: Null,
    *,
    power: float = 0.8,
    alpha: float = 0.05,
    trials: int = 20,
    draws: int = 39,
    seed: int = 0,
    site: str = "",
    family: MaxT | None = None,
    rows_table: pandas.DataFrame | None = None,
    n_jobs: int = 1,
    progress: bool = False,
) -> Detectable:
    """The smallest circle which, planted in null draws of this cloud, the same pipeline finds with this power.

    Every trial draws a cloud from the null, adds a circle of random angles in a random plane of the space, and puts it
    through the test that the data went through: the recipe, the statistic and ``draws`` draws of the null of the planted
    cloud. Radii are tried by bisection on a grid of quarter octaves; a trial keeps its noise, its plane and its angles.

    A report tests many things at once, and in it a circle must be larger to be found. With ``family`` the statistic of the planted
    cloud is studentized by the draws of its own null, as max_t would with the family's number of draws (:func:`studentized`), and is
    found where the largest statistic of so many of the family's draws reaches it that p <= alpha. That is the rule of the report,
    with two things measured and not exact: the mean and the deviation of the planted cloud's null, by ``draws`` draws, and the maxima,
    which are those of the report without the circle.

    >>> import topo_interp as ti
    >>> noise, loops = ti.shapes.gaussian(20, 3), ti.max_persistence(dim=1)
    >>> found = detectable(noise, ti.Rips(), loops, ti.nulls.matched_gaussian(), power=0.5, trials=2, draws=19, seed=0)
    >>> found.found, found.trials, round(found.ratio, 3)
    (1, 2, 0.707)

    Args:
        cloud, recipe, summary, null, rows_table, n_jobs, progress: as for :func:`significance`.
        power: share of the trials that must find the circle.
        alpha: level of each test; ``draws`` (with a family, its draws) must be able to reach it.
        trials: planted clouds per radius.
        site: of the cloud, for nulls whose draws differ between sites.
        family: the result of :func:`max_t` on all tests of a report; None where this is the only test.

    Raises:
        InputError: too few draws for alpha, a power out of range, a pair of clouds, or a null that does not change the
            points.

    Cost: at most ``9 * trials * (draws + 1)`` runs of the recipe, and ``7 * trials * (draws + 1)`` where nothing is found; without a
    family, a trial stops when it can no longer be significant.
    A null whose draws are not made of the points (``reinitialized``) is drawn once for all trials: ``trials + draws`` captures of a
    model and ``9 * trials + draws`` runs. Its draws have a noise floor of their own, by which the circle in them is measured.
    """
    share_number(power, "power", whole=True)
    share_number(alpha, "alpha", whole=True)
    whole_number(trials, "trials", 1)
    pipeline = Pipeline((Stage(recipe, (summary,)),), null, seed)
    whole_number(draws, "draws", 2, why="the deviation of a statistic over its draws is needed")
    reach = draws if family is None else family.draws
    if reach < draws_for(alpha):
        raise InputError(f"{reach} draws can not reach p <= {alpha:g}; use draws={draws_for(alpha)} or more")
    if not null.changes_points:
        raise InputError(f"{null.kind} does not change the points, so that there is no noise to plant in; use matched_gaussian")
    clouds, table = check_rows(cloud, rows_table, null, (recipe,))
    if len(clouds) > 1:
        raise InputError("a pair of clouds was given; a circle is planted in one cloud")
    own = None if null.reads_points else run_draws(pipeline, {site: clouds}, table, draws, n_jobs, progress)[:, 0]
    trial = _Trial(clouds[0], pipeline, table, draws, alpha, site, family, own)
    floor = noise_floor(clouds[0])
    noises = [None] * trials if own is None else trial.noises(trials, n_jobs, progress)
    found: dict[int, int] = {}

    def powerful(k: int) -> bool:
        if k not in found:
            jobs = [(trial.finds, (j, _RATIOS[k], floor, noises[j], n_jobs)) for j in range(trials)]
            found[k] = sum(parallel(jobs, n_jobs, progress, f"radius {_RATIOS[k]:.3g} x floor"))
        return found[k] >= power * trials

    high = _smallest(powerful)
    reached = high < len(_RATIOS)
    count = found[high] if reached else found[len(_RATIOS) - 1]
    ratio = _RATIOS[high] if reached else math.inf
    note_looks([cloud], recipe)
    return Detectable(
        ratio=ratio,
        radius=ratio * floor,
        noise_floor=floor,
        power=power,
        found=count,
        trials=trials,
        interval=clopper_pearson(count, trials),
        tried=tuple((_RATIOS[k], found[k]) for k in sorted(found)),
        alpha=alpha,
        draws=draws,
        seed=seed,
        null_name=repr(null),
        tests=1 if family is None else family.tests,
    )


def _smallest(powerful: Callable[[int], bool]) -> int:
    """The place of the smallest radius that is powerful, of the radii that are asked for: nine at most, and seven where none is."""
    low, high = -1, len(_RATIOS)  # low fails, high is powerful (or beyond the grid)
    k = _RATIOS.index(1.0)
    while high - low > 1:
        if powerful(k):
            high = k
        else:
            low = k
        # Doublings until both ends are known, then bisection.
        k = min(low + 4, len(_RATIOS) - 1) if high == len(_RATIOS) else max(0, high - 4) if low < 0 else (low + high) // 2
    return high


def noise_floor(cloud: Any) -> float:
    """Median Euclidean distance of a row to its nearest other row, an estimate of ``sqrt(2 d) sigma`` in noise of many
    dimensions (where it hides every circle that is not larger).

    >>> noise_floor([[0.0], [1.0], [3.0], [6.0]])
    1.5

    Args:
        cloud: points (n, d), at least three rows.

    Raises:
        InputError: fewer than three rows, or more than half of the rows have a twin.

    Cost: O(n^2 d) time, O(n^2) memory.
    """
    from topo_interp.geometry.distances import pairwise_distances

    points = as_points(cloud, name="cloud").astype(np.float64, copy=False)
    if len(points) < 3:
        raise InputError(f"{len(points)} rows were given; at least three are needed")
    distances = pairwise_distances(points)
    np.fill_diagonal(distances, np.inf)
    floor = float(np.median(distances.min(axis=1)))
    if floor == 0:
        raise InputError("more than half of the rows have a twin, so that the noise floor is 0; drop duplicate rows")
    return floor


@dataclasses.dataclass(frozen=True, eq=False)
class _Trial:
    cloud: Any
    pipeline: Pipeline
    table: Any
    draws: int
    alpha: float
    site: str
    family: MaxT | None
    own: np.ndarray | None  # the statistics of the null's draws, where all planted clouds have the same

    def finds(self, trial: int, ratio: float, floor: float, noise: np.ndarray | None, n_jobs: int) -> bool:
        """Whether the test finds the circle of so many noise floors in the noise of this trial, drawn here if it is None."""
        threads = None if n_jobs == 1 else 1
        noise = self.noise(trial) if noise is None else noise
        if self.own is not None:  # a network that has learned nothing may have other lengths than one that has
            floor = noise_floor(noise)
        planted = like(self.cloud, noise + ratio * floor * self._circle(trial))
        (found,) = self.pipeline.observe((planted,), self.table, threads=threads)
        drawn = (self._drawn(k, planted, threads) for k in range(self.draws))
        if self.family is not None:
            t, slack = studentized(found.value, np.array(list(drawn)), self.family.draws, found.rounding)
            return self.family.p_of(t, slack) <= self.alpha + 1e-12
        exceeding = 0
        for null_value in drawn:
            exceeding += int(reached(found.value, [null_value], found.rounding).sum())
            if monte_carlo_p(exceeding, self.draws) > self.alpha + 1e-12:
                return False
        return True

    def _drawn(self, k: int, planted: Any, threads: int | None) -> float:
        if self.own is not None:
            return float(self.own[k])
        return float(self.pipeline.draw(k, {self.site: (planted,)}, self.table, threads)[0])

    def noise(self, trial: int) -> np.ndarray:
        # The stream of index 2^32 + trial is never that of a test's own draw.
        ((_, (noise,), _),) = self.pipeline.drawn(2**32 + trial, {self.site: (self.cloud,)}, self.table)
        return as_points(noise)

    def noises(self, trials: int, n_jobs: int, progress: bool) -> list[np.ndarray]:
        """Of every trial, where each may be a model that is made and captured, which no radius changes."""
        found = parallel([(self.noise, (j,)) for j in range(max(2, trials))], n_jobs, progress, "noise to plant in")
        if np.array_equal(found[0], found[1]):
            raise InputError(f"the draws of {self.pipeline.null.kind} are all alike here, so that there is no noise to plant in")
        return found

    def _circle(self, trial: int) -> np.ndarray:
        """Unit circle (n, d): uniform angles, in a uniformly random plane."""
        rng = draw_rng(self.pipeline.seed, 2**33 + trial)
        n, d = np.shape(self.cloud.points if isinstance(self.cloud, PointCloud) else self.cloud)
        if d < 2:
            raise InputError(f"the cloud has {d} coordinate; a circle needs two")
        plane, _ = np.linalg.qr(rng.standard_normal((d, 2)))
        angles = rng.uniform(0, 2 * np.pi, n)
        return np.column_stack((np.cos(angles), np.sin(angles))) @ plane.T
