"""Is a statistic of the bars larger than the null explains? One cloud, or all sites of a store at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp._arguments import share_number, whole_number
from topo_interp._errors import InputError
from topo_interp._rows import same_rows
from topo_interp._value import Value
from topo_interp.homology.rips import Rips
from topo_interp.inference.estimate import Estimate, clopper_pearson, draws_for, monte_carlo_p, reached
from topo_interp.inference.multiple import MaxT, benjamini_hochberg, max_t
from topo_interp.inference.nulls import Null, matched_gaussian
from topo_interp.inference.pipeline import (
    Observed,
    Pipeline,
    Stage,
    check_draws,
    check_rows,
    name_of,
    run_draws,
)
from topo_interp.inference.recipe_names import recipes_by_name
from topo_interp.inference.trial_log import note_test
from topo_interp.point_cloud import PointCloud
from topo_interp.summaries.scalars import max_persistence

if TYPE_CHECKING:
    import pandas

__all__ = ["Detect", "Significance", "family_of_tests", "significance", "significance_table"]


def significance(
    cloud: Any,
    recipe: Callable[..., Any],
    summary: Callable[[Any], float],
    *,
    null: Null,
    draws: int = 99,
    seed: int,
    rows_table: pandas.DataFrame | None = None,
    n_jobs: int = 1,
    progress: bool = False,
) -> Estimate:
    """A statistic of the bars beside its distribution under a null that re-runs the whole pipeline.

    The test of a cloud that was read from ``store.split()`` is written into the log of the split.

    >>> import numpy as np, topo_interp as ti
    >>> noise = np.random.default_rng(1).normal(size=(40, 5))
    >>> null = ti.nulls.matched_gaussian()
    >>> e = ti.significance(noise, ti.Rips(max_dim=1), ti.max_persistence(dim=1), null=null, draws=19, seed=0)
    >>> e.p_value > 0.05, e.smallest_p
    (True, 0.05)

    Args:
        cloud: points ``(n, d)``, or a pair of clouds of n rows each for a paired comparison.
        recipe: callable cloud -> Diagrams (or whatever ``summary`` reads). A recipe that reads labels names the row-table
            columns in an attribute ``columns`` and is called as ``recipe(cloud, rows_table)``.
        summary: callable -> float, large where there is something to find.
        null: a value from ``ti.nulls``.
        draws: number of draws N; the smallest attainable p-value is 1 / (1 + N).
        seed: integer >= 0; draw i depends on (seed, i) only.
        rows_table: the row table of the store (``store.rows``), where the null or the recipe reads columns of it.
        n_jobs: parallel jobs of joblib; the result does not depend on it.
        progress: whether to show a progress line.

    Raises:
        InputError: the rows are grouped and the null takes them as independent (the message has the sentence to type);
            the statistic is not finite; the null would be degenerate.

    Cost: ``draws + 1`` runs of the recipe.
    """
    pipeline = Pipeline((Stage(recipe, (summary,)),), null, seed)
    check_draws(draws)
    clouds, table = check_rows(cloud, rows_table, null, (recipe,))
    observed = pipeline.observe(clouds, table)[0]
    null_values = run_draws(pipeline, {"": clouds}, table, draws, n_jobs, progress)[:, 0]
    estimate = _estimate(observed, null_values, summary, recipe, null, pipeline.seed, null.notes(len(clouds[0]), table))
    note_test(clouds, "", recipe, summary, null, draws, seed, estimate.p_value)
    return estimate


@dataclasses.dataclass(frozen=True)
class Detect(Value, kind="detect"):
    """How :func:`topo_interp.detectable` is asked, for sites at which nothing was found.

    >>> import topo_interp as ti
    >>> ti.Significance(detect=ti.Detect(power=0.9, trials=20)).detect.power
    0.9

    Args:
        power: share of the planted circles that must be found.
        trials: planted clouds per radius.
        draws: null draws of each planted cloud, by which its statistic is put among those of the report.

    Cost: at most ``9 * trials * (draws + 1)`` runs of the first recipe for each site that shows nothing (1800 as it is).
    """

    power: float = 0.8
    trials: int = 10
    draws: int = 19

    def __post_init__(self) -> None:
        object.__setattr__(self, "power", share_number(self.power, "power", whole=True))
        whole_number(self.trials, "trials", 1)
        whole_number(self.draws, "draws", 2, why="the deviation of a statistic over its draws is needed")


@dataclasses.dataclass(frozen=True)
class Significance(Value, kind="significance"):
    """How a table of many tests is to be made: the statistics, a null, the number of draws and the seed.

    >>> import topo_interp as ti
    >>> s = ti.Significance(ti.max_persistence(dim=1), null=ti.nulls.matched_gaussian(), draws=39, seed=0)
    >>> ti.Significance.from_json(s.to_json()) == s
    True

    Args:
        summaries: a statistic or several, values, or functions, of which a saved profile holds the name; None for the longest bar
            over the median distance, in each degree from 1 on of each recipe (in degree 0 where a recipe has no other).
        null: a value from ``ti.nulls``.
        draws: number of draws N, shared by all tests; the smallest attainable p-value is 1 / (1 + N).
        seed: integer >= 0; draw i depends on (seed, i) only.
        alpha: level at which an adjusted p-value is called significant.
        detect: for :func:`topo_interp.profile`, how large a circle is asked to be found where nothing was; None not to ask.

    Raises:
        InputError: no statistic, no null, a level that so many draws can not reach.
    """

    summaries: tuple[Any, ...] | None = None
    null: Null = dataclasses.field(default_factory=matched_gaussian, kw_only=True)
    draws: int = dataclasses.field(default=99, kw_only=True)
    seed: int = dataclasses.field(default=0, kw_only=True)
    alpha: float = dataclasses.field(default=0.05, kw_only=True)
    detect: Detect | None = dataclasses.field(default_factory=Detect, kw_only=True)

    def __post_init__(self) -> None:
        if self.summaries is not None:
            summaries = tuple(self.summaries) if isinstance(self.summaries, (tuple, list)) else (self.summaries,)
            object.__setattr__(self, "summaries", summaries)
            if not summaries or not all(callable(summary) for summary in summaries):
                raise InputError("summaries holds no statistic; give some, such as summaries=(ti.max_persistence(dim=1),)")
        if not isinstance(self.null, Null):
            raise InputError(f"null is {self.null!r}; give a null, such as null=ti.nulls.matched_gaussian()")
        if self.detect is not None and not isinstance(self.detect, Detect):
            raise InputError(f"detect is {self.detect!r}; give ti.Detect(power=0.8, trials=10), or None not to ask")
        whole_number(self.draws, "draws", 2, why="the deviation of a statistic over its draws is needed")
        whole_number(self.seed, "seed", 0)
        share_number(self.alpha, "alpha", whole=True)
        if not 1 / (1 + self.draws) <= self.alpha + 1e-12 <= 1:
            raise InputError(
                f"alpha is {self.alpha:g}, and {self.draws} draws give no p-value below {1 / (1 + self.draws):.3g}: use "
                f"draws={draws_for(self.alpha) if self.alpha > 0 else 99} or more"
            )

    def of_recipe(self, recipe: Any) -> tuple[Any, ...]:
        """The statistics of one recipe."""
        if self.summaries is not None:
            return self.summaries
        if not isinstance(recipe, Rips):
            raise InputError(f"a {type(recipe).__name__} has no bars of its own; say which summaries are to be tested")
        degrees = range(1, recipe.max_dim + 1) if recipe.max_dim else (0,)
        return tuple(max_persistence(k, relative=True, censored="close") for k in degrees)


def significance_table(
    store: Mapping[str, Any],
    recipes: Any,
    significance: Significance,
    sites: Sequence[str] | None = None,
    *,
    skip: Collection[tuple[str, str]] = (),
    rows_table: pandas.DataFrame | None = None,
    n_jobs: int = 1,
    progress: bool = False,
) -> pandas.DataFrame:
    """Every site under every recipe and every statistic, from shared draws, with the max-T over all of them.

    One draw is the same rotation (or permutation) at all sites, so that the dependence between layers, metrics and
    degrees is kept, and the correction pays only for tests that are really different.

    >>> import topo_interp as ti
    >>> clouds = {"ring": ti.shapes.noisy_circle(30), "noise": ti.shapes.gaussian(30, 2)}
    >>> how = ti.Significance(ti.max_persistence(dim=1), null=ti.nulls.matched_gaussian(), draws=19, seed=0)
    >>> significance_table(clouds, ti.Rips(), how)[["site", "p_max_t", "tests"]].values.tolist()
    [['ring', 0.05, 2], ['noise', 0.5, 2]]

    Args:
        store: mapping from sites to clouds with the same rows: an ActivationStore, or a dictionary.
        recipes: a recipe, a sequence of them, or a mapping from names to recipes.
        significance: null, statistics, draws and seed.
        sites: which sites, None for all.
        skip: pairs (site, name of a recipe) that are left out.
        rows_table: the row table, where ``store`` has no ``rows`` of its own.

    Returns:
        One row per site, recipe and summary, with the degree ``dim`` of the summary: value, null_mean, null_sd, p_value (this test alone), p_max_t (adjusted for all
        ``tests`` of the table), p_bh (exploratory), tests, draws, smallest_p, certificate (a sentence), notes.

    Raises:
        InputError: no site or no recipe, sites with different rows; and what :func:`significance` raises.

    Cost: ``draws + 1`` runs of every recipe at every site.
    """
    return family_of_tests(store, recipes, significance, sites, skip, rows_table, n_jobs, progress)[0]


def family_of_tests(
    store: Mapping[str, Any], recipes: Any, significance: Significance, sites: Sequence[str] | None,
    skip: Collection[tuple[str, str]], rows_table: pandas.DataFrame | None, n_jobs: int, progress: bool,
    known: Mapping[tuple[str, str], Any] = MappingProxyType({}),
) -> tuple[pandas.DataFrame, MaxT]:
    """The table, and the family of its tests for what is measured against the same maxima.

    ``known`` holds what recipes give, by site and name, where it has been computed before.
    """
    import pandas

    if not isinstance(store, Mapping):
        raise InputError(f"the store is a {type(store).__name__}; a mapping from sites to points is needed: {{'site': points}}")
    if not isinstance(significance, Significance):
        raise InputError(f"significance is {significance!r}; give ti.Significance(null=ti.nulls.matched_gaussian(), draws=99)")
    names = list(store) if sites is None else [sites] if isinstance(sites, str) else list(sites)
    if not names:
        raise InputError("no site was given; name at least one")
    for name in names:
        if name not in store or names.count(name) > 1:
            raise InputError(f"sites names {name!r}, which {'is named twice' if name in store else 'the store has not'}; it has {', '.join(map(repr, store))}")
    named = recipes_by_name(recipes)
    for pair in skip:
        if not isinstance(pair, tuple) or len(pair) != 2 or pair[0] not in store or pair[1] not in named:
            raise InputError(f"skip names {pair!r}; pairs (site, name of a recipe) are needed, with the names {', '.join(map(repr, named))}")
    stages = tuple(
        Stage(recipe, significance.of_recipe(recipe), tuple(site for site in names if (site, name) not in skip))
        for name, recipe in named.items()
    )
    names = [site for site in names if any(stage.at(site) for stage in stages)]
    if not names:
        raise InputError("every site is to be skipped under every recipe; there is nothing to test")
    pipeline = Pipeline(stages, significance.null, significance.seed)
    table = rows_table if rows_table is not None else getattr(store, "rows", None)
    checked = {name: check_rows(store[name], table, significance.null, named.values()) for name in names}
    clouds = {name: cloud for name, (cloud, _) in checked.items()}
    if len(clouds) > 1:
        same_rows({name: cloud[0] for name, cloud in clouds.items()}, "a draw that all sites share")
    # An array has no rows of its own and takes those of the clouds beside it.
    rows = next((found for cloud, found in checked.values() if isinstance(cloud[0], PointCloud)), checked[names[0]][1])
    done = {site: {k: known[site, name] for k, name in enumerate(named) if (site, name) in known} for site in names}
    observed = [one for name in names for one in pipeline.observe(clouds[name], rows, name, known=done[name])]
    null_values = run_draws(pipeline, clouds, rows, significance.draws, n_jobs, progress)
    result = max_t([one.value for one in observed], null_values, [one.rounding for one in observed])
    tests = _tests(names, named, stages)
    labels = [(site, recipe, name_of(summary), getattr(summary, "dim", None)) for site, recipe, summary in tests]
    frame = pandas.DataFrame(labels, columns=["site", "recipe", "summary", "dim"]).astype({"dim": "Int64"})
    notes = " ".join(significance.null.notes(len(clouds[names[0]][0]), rows))
    frame = frame.assign(
        value=[one.value for one in observed],
        null_mean=result.null_mean,
        null_sd=result.null_sd,
        p_value=result.unadjusted,
        p_max_t=result.p_values,
        p_bh=benjamini_hochberg(result.unadjusted),
        tests=result.tests,
        draws=result.draws,
        smallest_p=1 / (1 + result.draws),
        certificate=[one.certificate.explain() for one in observed],
        notes=notes,
    )
    for (site, recipe, summary), *p in zip(tests, result.unadjusted.tolist(), result.p_values.tolist(), strict=True):
        note_test(clouds[site], site, named[recipe], summary, significance.null, result.draws, significance.seed, *p)
    return frame, result


def _tests(names: list[str], named: Mapping[str, Any], stages: tuple[Stage, ...]) -> list[tuple[str, str, Any]]:
    """Site, name of the recipe and statistic of every test, in the order of the table."""
    at = [(site, name, stage) for site in names for name, stage in zip(named, stages, strict=True) if stage.at(site)]
    return [(site, name, summary) for site, name, stage in at for summary in stage.summaries]


def _estimate(
    observed: Observed,
    null_values: np.ndarray,
    summary: Any,
    recipe: Any,
    null: Null,
    seed: int,
    notes: tuple[str, ...],
) -> Estimate:
    draws = len(null_values)
    exceeding = int(reached(observed.value, null_values, observed.rounding).sum())
    return Estimate(
        value=observed.value,
        null_mean=float(null_values.mean()),
        null_sd=float(null_values.std(ddof=1)) if draws > 1 else 0.0,
        p_value=monte_carlo_p(exceeding, draws),
        smallest_p=monte_carlo_p(0, draws),
        null=null,
        draws=draws,
        seed=seed,
        interval=clopper_pearson(exceeding, draws),
        interval_method="Clopper-Pearson, 95 %, of P(T* >= T) over the draws",
        certificate=observed.certificate,
        summary=name_of(summary),
        recipe=recipe.to_json() if isinstance(recipe, Value) else "",
        exceeding=exceeding,
        notes=notes,
    )
