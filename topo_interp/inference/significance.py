"""Is a statistic of the bars larger than the null explains? One cloud, or all sites of a store at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp._errors import InputError
from topo_interp._value import Value
from topo_interp.certificate import Certificate
from topo_interp.inference.estimate import Estimate, clopper_pearson, monte_carlo_p
from topo_interp.inference.multiple import benjamini_hochberg, max_t
from topo_interp.inference.nulls import Null
from topo_interp.inference.pipeline import Pipeline, Stage, check_draws, check_rows, name_of, run_draws

if TYPE_CHECKING:
    import pandas

__all__ = ["Significance", "significance", "significance_table"]


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
    pipeline = Pipeline((Stage(recipe, (summary,)),), null, int(seed))
    check_draws(draws)
    clouds, table = check_rows(cloud, rows_table, null, (recipe,))
    observed = pipeline.observe(clouds, table)[0]
    null_values = run_draws(pipeline, {"": clouds}, table, draws, n_jobs, progress)[:, 0]
    return _estimate(observed, null_values, summary, recipe, null, int(seed), null.notes(len(clouds[0]), table))


@dataclasses.dataclass(frozen=True)
class Significance(Value, kind="significance"):
    """How a table of many tests is to be made: a null, the statistics, the number of draws and the seed.

    >>> import topo_interp as ti
    >>> s = ti.Significance(ti.nulls.matched_gaussian(), summaries=(ti.max_persistence(dim=1),), draws=39, seed=0)
    >>> ti.Significance.from_json(s.to_json()) == s
    True
    """

    null: Null
    summaries: tuple[Any, ...] = ()
    draws: int = 99
    seed: int = 0

    def __post_init__(self) -> None:
        summaries = self.summaries if isinstance(self.summaries, (tuple, list)) else (self.summaries,)
        object.__setattr__(self, "summaries", tuple(summaries))
        if not isinstance(self.null, Null):
            raise InputError(f"null is {self.null!r}; give a null, such as ti.nulls.matched_gaussian()")
        if not self.summaries or not all(callable(summary) for summary in self.summaries):
            raise InputError("summaries holds no statistic; give some, such as summaries=(ti.max_persistence(dim=1),)")
        check_draws(self.draws)


def significance_table(
    store: Mapping[str, Any],
    recipes: Any,
    significance: Significance,
    sites: Sequence[str] | None = None,
    *,
    rows_table: pandas.DataFrame | None = None,
    n_jobs: int = 1,
    progress: bool = False,
) -> pandas.DataFrame:
    """Every site under every recipe and every statistic, from shared draws, with the max-T over all of them.

    One draw is the same rotation (or permutation) at all sites, so that the dependence between layers, metrics and
    degrees is kept, and the correction pays only for tests that are really different.

    >>> import topo_interp as ti
    >>> clouds = {"ring": ti.shapes.noisy_circle(30), "noise": ti.shapes.gaussian(30, 2)}
    >>> how = ti.Significance(ti.nulls.matched_gaussian(), (ti.max_persistence(dim=1),), draws=19, seed=0)
    >>> significance_table(clouds, ti.Rips(), how)[["site", "p_max_t", "tests"]].values.tolist()
    [['ring', 0.05, 2], ['noise', 0.5, 2]]

    Args:
        store: mapping from sites to clouds with the same rows: an ActivationStore, or a dictionary.
        recipes: a recipe, a sequence of them, or a mapping from names to recipes.
        significance: null, statistics, draws and seed.
        sites: which sites, None for all.
        rows_table: the row table, where ``store`` has no ``rows`` of its own.

    Returns:
        One row per site, recipe and summary: value, null_mean, null_sd, p_value (this test alone), p_max_t (adjusted for all
        ``tests`` of the table), p_bh (exploratory), tests, draws, smallest_p, certificate (a sentence), notes.

    Raises:
        InputError: no site or no recipe, sites with different numbers of rows; and what :func:`significance` raises.

    Cost: ``draws + 1`` runs of every recipe at every site.
    """
    import pandas

    names = list(store) if sites is None else list(sites)
    if not names:
        raise InputError("no site was given; name at least one")
    named = _named(recipes)
    stages = tuple(Stage(recipe, significance.summaries) for recipe in named.values())
    pipeline = Pipeline(stages, significance.null, int(significance.seed))
    table = rows_table if rows_table is not None else getattr(store, "rows", None)
    clouds, rows = {}, None
    for name in names:
        clouds[name], rows = check_rows(store[name], table, significance.null, named.values())
    counts = {name: len(cloud[0]) for name, cloud in clouds.items()}
    if len(set(counts.values())) > 1:
        raise InputError(f"the sites have different numbers of rows ({counts}); one draw needs the same rows at every site")
    observed = [value for name in names for value in pipeline.observe(clouds[name], rows, name)]
    null_values = run_draws(pipeline, clouds, rows, significance.draws, n_jobs, progress)
    result = max_t([value for value, _ in observed], null_values)
    labels = [
        (site, recipe, name_of(summary)) for site in names for recipe in named for summary in significance.summaries
    ]
    frame = pandas.DataFrame(labels, columns=["site", "recipe", "summary"])
    notes = " ".join(significance.null.notes(next(iter(counts.values())), rows))
    return frame.assign(
        value=[value for value, _ in observed],
        null_mean=result.null_mean,
        null_sd=result.null_sd,
        p_value=result.unadjusted,
        p_max_t=result.p_values,
        p_bh=benjamini_hochberg(result.unadjusted),
        tests=result.tests,
        draws=result.draws,
        smallest_p=1 / (1 + result.draws),
        certificate=[certificate.explain() for _, certificate in observed],
        notes=notes,
    )


def _estimate(
    observed: tuple[float, Certificate],
    null_values: np.ndarray,
    summary: Any,
    recipe: Any,
    null: Null,
    seed: int,
    notes: tuple[str, ...],
) -> Estimate:
    value, certificate = observed
    draws = len(null_values)
    exceeding = int((null_values >= value).sum())
    return Estimate(
        value=value,
        null_mean=float(null_values.mean()),
        null_sd=float(null_values.std(ddof=1)) if draws > 1 else 0.0,
        p_value=monte_carlo_p(exceeding, draws),
        smallest_p=monte_carlo_p(0, draws),
        null=null,
        draws=draws,
        seed=seed,
        interval=clopper_pearson(exceeding, draws),
        interval_method="Clopper-Pearson, 95 %, of P(T* >= T) over the draws",
        certificate=certificate,
        summary=name_of(summary),
        recipe=recipe.to_json() if isinstance(recipe, Value) else "",
        exceeding=exceeding,
        notes=notes,
    )


def _named(recipes: Any) -> dict[str, Any]:
    if isinstance(recipes, Mapping):
        named = dict(recipes)
    else:
        several = recipes if isinstance(recipes, (tuple, list)) else (recipes,)
        named = {_recipe_name(recipe, k): recipe for k, recipe in enumerate(several)}
        if len(named) < len(several):
            named = {f"{_recipe_name(recipe, k)} ({k})": recipe for k, recipe in enumerate(several)}
    if not named:
        raise InputError("no recipe was given; give one, such as ti.Rips(max_dim=1)")
    return named


def _recipe_name(recipe: Any, k: int) -> str:
    metric = getattr(recipe, "metric", None)
    if metric is not None:
        return metric if isinstance(metric, str) else getattr(metric, "name", getattr(metric, "kind", str(k)))
    return getattr(recipe, "kind", "") or name_of(recipe)
