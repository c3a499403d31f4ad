"""A pipeline and the draws of a null that go through it: recipe, statistics, parallel runs, checks of the rows."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from topo_interp._arguments import function, is_whole, whole_number
from topo_interp._errors import InputError, error_message
from topo_interp._native import default_threads
from topo_interp._rows import same_rows
from topo_interp._words import counted, upper
from topo_interp.arrays import as_points
from topo_interp.certificate import Certificate
from topo_interp.homology.rips import Rips
from topo_interp.inference._nulls.columns import table_of
from topo_interp.inference.estimate import finite
from topo_interp.inference.nulls import Null, draw_rng
from topo_interp.point_cloud import PointCloud
from topo_interp.progress import progress as progress_line
from topo_interp.summaries._base import Summary

if TYPE_CHECKING:
    import pandas

__all__ = ["FailedTest", "Observed", "Pipeline", "Stage", "check_draws", "check_rows", "job_count", "like", "name_of", "parallel", "run_draws", "run_jobs"]

# From so many rows on, the bars of one draw are worth more than one thread.
_SHARED = 400
# Two rows have one distance, which no rotation changes.
_FEWEST_ROWS = 3

# The clouds of one site: one, or the two of a paired comparison.
Clouds = tuple[Any, ...]
# A function and what it is called with.
Job = tuple[Callable[..., Any], tuple[Any, ...]]


@dataclasses.dataclass(frozen=True)
class Stage:
    """One recipe and the statistics that read its result, at the given sites (None: at all)."""

    recipe: Callable[..., Any]
    summaries: tuple[Callable[[Any], float], ...]
    sites: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        function(self.recipe, "recipe", "ti.Rips(max_dim=1)")
        for summary in self.summaries:
            function(summary, "summary", "ti.max_persistence(dim=1)")

    def at(self, site: str) -> bool:
        """Whether it runs at this site."""
        return self.sites is None or site in self.sites


class Observed(NamedTuple):
    """A statistic, the certificate of its bars, and how far the rounding of their distances can have moved it."""

    value: float
    certificate: Certificate
    rounding: float = 0.0


class FailedTest(InputError):
    """What went wrong at one site, in the data or in a draw.

    Attributes:
        site: where.
        stage: number of the stage of the pipeline; None where the site could not be drawn.
    """

    site: str = ""
    stage: int | None = None


@contextlib.contextmanager
def _told(site: str, where: str, stage: int | None = None) -> Iterator[None]:
    """Errors with the site and the draw in front: one of many must be found again, and can be left out."""
    try:
        yield
    except Exception as error:
        if not site and not where:
            raise
        failed = FailedTest(f"{f'at {site}' if site else ''}{where}: {error_message(error)}".lstrip())
        failed.site, failed.stage = site, stage
        raise failed from error


@dataclasses.dataclass(frozen=True)
class Pipeline:
    """All tests that one cloud goes through, and the null whose draws go through the same."""

    stages: tuple[Stage, ...]
    null: Null
    seed: int

    def __post_init__(self) -> None:
        if not isinstance(self.null, Null):
            raise InputError(f"null is {self.null!r}; give a null, such as null=ti.nulls.matched_gaussian()")
        object.__setattr__(self, "seed", whole_number(self.seed, "seed", 0))

    def observe(
        self, clouds: Clouds, table: pandas.DataFrame | None, site: str = "", where: str = "", threads: int | None = None,
        known: Mapping[int, Any] = MappingProxyType({}),
    ) -> list[Observed]:
        """The statistics of every test; ``known`` holds what some stages, by number, give of these clouds."""
        out: list[Observed] = []
        for number, stage in enumerate(self.stages):
            if not stage.at(site):
                continue
            with _told(site, where, number), one_blas_thread():
                found = known[number] if number in known else run_recipe(stage.recipe, clouds, table, threads)
                for summary in stage.summaries:
                    value = finite(summary(found), name_of(summary))
                    rounding = summary.rounding(found, value) if isinstance(summary, Summary) else 0.0
                    out.append(Observed(value, _certificate(found), rounding))
        return out

    def drawn(
        self, index: int, sites: Mapping[str, Clouds], table: pandas.DataFrame | None
    ) -> Iterator[tuple[str, Clouds, pandas.DataFrame | None]]:
        """Site, clouds and row table of draw ``index``; nothing but (seed, index) decides them."""
        n = len(next(iter(sites.values()))[0])
        with one_blas_thread():
            draw = self.null.prepare(n, draw_rng(self.seed, index), table)
        drawn_table = None if table is None else draw.table(table)
        for site, clouds in sites.items():
            if len(clouds) == 1 and not self.null.changes_points:
                yield site, clouds, drawn_table
                continue
            of = site or getattr(clouds[0], "site", "")  # a test of one cloud names no site; a cloud of a store knows its own
            with _told(site, f" in draw {index} of the null"), one_blas_thread():
                moved = tuple(like(cloud, draw.points(as_points(cloud), site=of, member=k)) for k, cloud in enumerate(clouds))
            yield site, moved, drawn_table

    def draw(
        self, index: int, sites: Mapping[str, Clouds], table: pandas.DataFrame | None, threads: int | None = None
    ) -> np.ndarray:
        """The statistics of all sites in draw ``index``."""
        where = f" in draw {index} of the null"
        found = (self.observe(clouds, rows, site, where, threads) for site, clouds, rows in self.drawn(index, sites, table))
        return np.array([one.value for of_site in found for one in of_site])


def run_draws(
    pipeline: Any, sites: Mapping[str, Any], table: Any, draws: int, n_jobs: int, progress: bool
) -> np.ndarray:
    """``(draws, tests)`` statistics of the null draws, in parallel."""
    check_draws(draws)
    rows = len(next(iter(sites.values()))[0])
    threads = None if n_jobs == 1 and rows >= _SHARED else 1
    jobs = [(pipeline.draw, (index, sites, table, threads)) for index in range(draws)]
    return np.array(parallel(jobs, n_jobs, progress, "null draws"))


def parallel(jobs: list[Job], n_jobs: int, progress: bool, what: str) -> list[Any]:
    """The results of the calls in their order, with a progress line."""
    out = []
    with progress_line(len(jobs), what, progress) as line:
        for result in run_jobs(jobs, n_jobs):
            out.append(result)
            line.advance()
    return out


def job_count(n_jobs: Any) -> int:
    """How many processes ``n_jobs`` asks for, at most one for each core; -1 stands for as many as there are cores.

    >>> job_count(1), job_count(10**6) == job_count(-1)
    (1, True)
    """
    if not is_whole(n_jobs) or n_jobs < -1 or n_jobs == 0:
        raise InputError(f"n_jobs is {n_jobs!r}; a whole number of processes is needed, such as 2, or -1 for all cores")
    return default_threads() if n_jobs == -1 else min(int(n_jobs), default_threads())


def run_jobs(jobs: Iterable[Job], n_jobs: int) -> Iterator[Any]:
    """The results of the calls in their order, each when it is there; by processes when several jobs run at a time.

    >>> list(run_jobs([(divmod, (7, 2)), (abs, (-1,))], 1))
    [(3, 1), 1]
    """
    n_jobs = job_count(n_jobs)
    if n_jobs == 1:
        yield from (call(*arguments) for call, arguments in jobs)
        return
    import joblib

    # Processes, because not every engine releases the GIL; joblib ends them when the generator is closed (Ctrl-C). A few jobs
    # wait, so that not all clouds are in memory at once.
    calls = (joblib.delayed(call)(*arguments) for call, arguments in jobs)
    ended = object()
    results = joblib.Parallel(n_jobs=n_jobs, return_as="generator", pre_dispatch="n_jobs + 1")(calls)
    try:
        while True:
            with warnings.catch_warnings():  # around each result only: between two of them the filters are the caller's
                # A worker that loads torch for the first time grows by more than joblib takes for a leak: it is replaced, and its
                # job done again.
                warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given to the executor")
                result = next(results, ended)
            if result is ended:
                return
            yield result
    finally:
        with warnings.catch_warnings():  # that some results are not used is meant
            warnings.filterwarnings("ignore", message=".*tasks (have been successfully executed|which were still being processed)")
            results.close()


def _certificate(found: Any) -> Certificate:
    """That of the result; a comparison has at most a bound of its value, and other results say nothing about their errors."""
    certificate = getattr(found, "certificate", None)
    if isinstance(certificate, Certificate):
        return certificate
    error: Any = getattr(found, "error", None)
    # A result of the user's own may keep anything there.
    known = isinstance(error, (int, float, np.integer, np.floating)) and not isinstance(error, bool) and error >= 0
    note = f"Rounding moves the value by at most {upper(float(error))}." if known else "How far rounding can have moved this value is not known."
    return Certificate(notes=(note,))


def run_recipe(
    recipe: Callable[..., Any], clouds: Clouds, table: pandas.DataFrame | None, threads: int | None = None
) -> Any:
    """The recipe on one cloud (or on the pair), with the row table if it reads columns."""
    cloud = clouds[0] if len(clouds) == 1 else clouds
    if isinstance(recipe, Rips):
        return recipe(cloud, threads=threads)
    return recipe(cloud, table) if getattr(recipe, "columns", ()) else recipe(cloud)


def check_rows(
    cloud: Any, rows_table: pandas.DataFrame | None, null: Null, recipes: Any
) -> tuple[Clouds, pandas.DataFrame | None]:
    """The cloud(s), checked against the null, and the rows of the table that belong to them."""
    clouds = cloud if isinstance(cloud, tuple) else (cloud,)
    if isinstance(cloud, tuple) and len(cloud) != 2:
        raise InputError(f"{len(cloud)} clouds were given; one cloud, or a pair of clouds, is needed")
    clouds = tuple(one if isinstance(one, PointCloud) else as_points(one, name="cloud") for one in clouds)
    if len(clouds) == 2:
        same_rows(dict(zip(("the first", "the second"), clouds, strict=True)), "a pair")
    if len(clouds[0]) < _FEWEST_ROWS:
        raise InputError(f"the cloud has {counted(len(clouds[0]), 'row')}, whose draws all look like them; at least {_FEWEST_ROWS} are needed")
    null.refuse_groups(tuple(dict.fromkeys(name for one in clouds for name in getattr(one, "groups", ()))))
    read = {name for recipe in recipes for name in getattr(recipe, "columns", ())}
    if not (null.changes_points if len(clouds) == 1 else null.changes_pairs):
        what, use = ("a single cloud", "matched_gaussian") if len(clouds) == 1 else ("the points of a pair", "permuted_pairing")
        moved = set(null.columns())
        for recipe in recipes:
            if not moved & set(getattr(recipe, "columns", ())):
                raise InputError(
                    f"{null.kind} does not change {what}, and this recipe reads no label: every draw would equal the "
                    f"data. Use null=ti.nulls.{use}(), or a recipe that reads the labels, e.g. "
                    f"ti.class_means(...){', or a pair of clouds' if len(clouds) == 1 else ''}"
                )
    table = rows_table
    if table is not None and not hasattr(table, "loc"):
        raise InputError(f"rows_table is a {type(table).__name__}; a pandas DataFrame is needed: give rows_table=store.rows")
    if table is not None and isinstance(clouds[0], PointCloud):
        missing = ~np.isin(clouds[0].rows, table.index.to_numpy())
        if missing.any():
            raise InputError(f"row {clouds[0].rows[missing][0]} of the cloud is not in rows_table; give the store's own rows")
        table = table.loc[clouds[0].rows]
    if table is None and (read or null.columns()):
        names = ", ".join(map(repr, sorted(read | set(null.columns()))))
        raise InputError(f"the columns {names} are read from the row table: give rows_table=store.rows")
    if null.columns():
        table = table_of(table, len(clouds[0]), null.columns(), null.kind)
    return clouds, table


def like(cloud: Any, drawn: np.ndarray) -> Any:
    """The drawn points in the place of the cloud's: the same dtype, the same rows."""
    drawn = np.ascontiguousarray(drawn, dtype=as_points(cloud).dtype)
    return dataclasses.replace(cloud, points=drawn) if isinstance(cloud, PointCloud) else drawn


def name_of(summary: Any) -> str:
    for attribute in ("name", "__name__"):
        name = getattr(summary, attribute, None)
        if isinstance(name, str) and name:
            return name
    return type(summary).__name__


def check_draws(draws: Any) -> None:
    whole_number(draws, "draws", 1, why="such as draws=99")


def one_blas_thread() -> Any:
    """The last bits of a matrix product depend on the number of BLAS threads; with one, no draw depends on n_jobs."""
    return _controller().limit(limits=1, user_api="blas")


@functools.lru_cache(maxsize=1)
def _controller() -> Any:
    import scipy.linalg  # noqa: F401  (scipy has a BLAS of its own, which the controller finds only once it is loaded)
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
