"""Is a statistic of the bars larger than the null explains? One cloud, or all sites of a store at once."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp._errors import InputError
from topo_interp._value import Value
from topo_interp.arrays import as_points
from topo_interp.certificate import Certificate
from topo_interp.homology.rips import Rips
from topo_interp.inference.estimate import Estimate, clopper_pearson, finite, monte_carlo_p
from topo_interp.inference.multiple import benjamini_hochberg, max_t
from topo_interp.inference.nulls import Null, draw_rng
from topo_interp.point_cloud import PointCloud
from topo_interp.progress import progress as progress_line

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
    pipeline = Pipeline((Test(recipe, (summary,)),), null, int(seed))
    _check_draws(draws)
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
        _check_draws(self.draws)


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

    Args:
        store: mapping from sites to clouds with the same rows: an ActivationStore, or a dictionary.
        recipes: a recipe, a sequence of them, or a mapping from names to recipes.
        significance: null, statistics, draws and seed.
        sites: which sites, None for all.
        rows_table: the row table, where ``store`` has no ``rows`` of its own.

    Returns:
        One row per site, recipe and summary: value, null_mean, null_sd, p_value (this test alone), p_max_t (adjusted for all
        ``tests`` of the table), p_bh (exploratory), tests, draws, smallest_p, certificate (a sentence), notes.
    """
    import pandas

    names = list(store) if sites is None else list(sites)
    if not names:
        raise InputError("no site was given; name at least one")
    named = _named(recipes)
    tests = tuple(Test(recipe, significance.summaries) for recipe in named.values())
    pipeline = Pipeline(tests, significance.null, int(significance.seed))
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
        (site, recipe, _name(summary)) for site in names for recipe in named for summary in significance.summaries
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


# -------------------------------------------------------------------------------------------------------- the pipeline


@dataclasses.dataclass(frozen=True)
class Test:
    recipe: Callable[..., Any]
    summaries: tuple[Callable[[Any], float], ...]


@dataclasses.dataclass(frozen=True)
class Pipeline:
    """All tests that one cloud goes through, and the null whose draws go through the same."""

    tests: tuple[Test, ...]
    null: Null
    seed: int

    def observe(
        self, clouds: tuple[Any, ...], table: pandas.DataFrame | None, site: str = "", where: str = "", threads: int | None = None
    ) -> list[tuple[float, Certificate]]:
        """The statistics of every test, each with the certificate of its bars."""
        out = []
        for test in self.tests:
            with _one_blas_thread():
                found = run_recipe(test.recipe, clouds, table, threads)
            certificate = getattr(found, "certificate", Certificate())
            for summary in test.summaries:
                out.append((finite(summary(found), f"{_name(summary)}{' at ' + site if site else ''}{where}"), certificate))
        return out

    def draw(
        self, index: int, sites: Mapping[str, tuple[Any, ...]], table: pandas.DataFrame | None, threads: int | None = None
    ) -> np.ndarray:
        """The statistics of all sites in draw ``index``; nothing but (seed, index) decides it."""
        with _one_blas_thread():
            n = len(next(iter(sites.values()))[0])
            draw = self.null.prepare(n, draw_rng(self.seed, index), table)
            drawn_table = None if table is None else draw.table(table)
            out = []
            for site, clouds in sites.items():
                drawn = tuple(like(cloud, draw.points(as_points(cloud), site=site, member=k)) for k, cloud in enumerate(clouds))
                found = self.observe(drawn, drawn_table, site, f" in draw {index} of the null", threads)
                out += [value for value, _ in found]
            return np.array(out)


def run_draws(
    pipeline: Any, sites: Mapping[str, Any], table: Any, draws: int, n_jobs: int, progress: bool
) -> np.ndarray:
    """``(draws, tests)`` statistics of the null draws, in parallel."""
    _check_draws(draws)
    threads = None if n_jobs == 1 else 1
    jobs = [(pipeline.draw, (index, sites, table, threads)) for index in range(draws)]
    return np.array(parallel(jobs, n_jobs, progress, "null draws"))


def parallel(jobs: list[tuple[Callable[..., Any], tuple[Any, ...]]], n_jobs: int, progress: bool, what: str) -> list[Any]:
    """The results of the calls in their order, by joblib when there is more than one job to run at a time."""
    out = []
    with progress_line(len(jobs), what, progress) as line:
        if n_jobs == 1:
            results = (function(*arguments) for function, arguments in jobs)
        else:
            import joblib

            calls = (joblib.delayed(function)(*arguments) for function, arguments in jobs)
            results = joblib.Parallel(n_jobs=n_jobs, return_as="generator")(calls)
        for result in results:
            out.append(result)
            line.advance()
    return out


def run_recipe(
    recipe: Callable[..., Any], clouds: tuple[Any, ...], table: pandas.DataFrame | None, threads: int | None = None
) -> Any:
    """The recipe on one cloud (or on the pair), with the row table if it reads columns."""
    cloud = clouds[0] if len(clouds) == 1 else clouds
    if isinstance(recipe, Rips):
        return recipe(cloud, threads=threads)
    return recipe(cloud, table) if getattr(recipe, "columns", ()) else recipe(cloud)


def check_rows(
    cloud: Any, rows_table: pandas.DataFrame | None, null: Null, recipes: Any
) -> tuple[tuple[Any, ...], pandas.DataFrame | None]:
    """The cloud(s), checked against the null, and the rows of the table that belong to them."""
    if not isinstance(null, Null):
        raise InputError(f"null is {null!r}; give a null, such as null=ti.nulls.matched_gaussian()")
    clouds = cloud if isinstance(cloud, tuple) else (cloud,)
    if isinstance(cloud, tuple) and len(cloud) != 2:
        raise InputError(f"{len(cloud)} clouds were given; one cloud, or a pair of clouds, is needed")
    clouds = tuple(one if isinstance(one, PointCloud) else as_points(one, name="cloud") for one in clouds)
    if len({len(one) for one in clouds}) > 1:
        raise InputError(f"the pair has {len(clouds[0])} and {len(clouds[1])} rows; a pairing needs equal numbers")
    null.refuse_groups(tuple(dict.fromkeys(name for one in clouds for name in getattr(one, "groups", ()))))
    read = {name for recipe in recipes for name in getattr(recipe, "columns", ())}
    if not null.changes_points and len(clouds) == 1:
        moved = set(null.columns())
        for recipe in recipes:
            if not moved & set(getattr(recipe, "columns", ())):
                raise InputError(
                    f"{null.kind} does not change a single cloud, and this recipe reads no label: every draw would equal the "
                    "data. Use null=ti.nulls.matched_gaussian(), or a recipe that reads the labels, e.g. "
                    "ti.class_means(...), or a pair of clouds"
                )
    table = rows_table
    if table is not None and isinstance(clouds[0], PointCloud):
        missing = ~np.isin(clouds[0].rows, table.index.to_numpy())
        if missing.any():
            raise InputError(f"row {clouds[0].rows[missing][0]} of the cloud is not in rows_table; give the store's own rows")
        table = table.loc[clouds[0].rows]
    if table is None and (read or null.columns()):
        names = ", ".join(map(repr, sorted(read | set(null.columns()))))
        raise InputError(f"the columns {names} are read from the row table: give rows_table=store.rows")
    return clouds, table


def like(cloud: Any, drawn: np.ndarray) -> Any:
    """The drawn points in the place of the cloud's: the same dtype, the same rows."""
    drawn = np.ascontiguousarray(drawn, dtype=as_points(cloud).dtype)
    return dataclasses.replace(cloud, points=drawn) if isinstance(cloud, PointCloud) else drawn


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
        summary=_name(summary),
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
    return getattr(recipe, "kind", "") or _name(recipe)


def _name(summary: Any) -> str:
    for attribute in ("name", "__name__"):
        name = getattr(summary, attribute, None)
        if isinstance(name, str) and name:
            return name
    return type(summary).__name__


def _check_draws(draws: Any) -> None:
    if not isinstance(draws, (int, np.integer)) or isinstance(draws, bool) or draws < 1:
        raise InputError(f"draws is {draws!r}; an integer of at least 1 is needed, such as draws=99")


def _one_blas_thread() -> Any:
    """The last bits of a matrix product depend on the number of BLAS threads; with one, no draw depends on n_jobs."""
    return _controller().limit(limits=1, user_api="blas")


@functools.lru_cache(maxsize=1)
def _controller() -> Any:
    import scipy.linalg  # noqa: F401  (scipy has a BLAS of its own, which the controller finds only once it is loaded)
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
