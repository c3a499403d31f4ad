"""A profile: every site of a store under one or several recipes, as one table with its diagrams and certificates."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import html
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from topo_interp._arguments import file_path
from topo_interp._errors import InputError, error_message
from topo_interp._native import cuda_device, default_threads, device_number
from topo_interp._words import counted
from topo_interp.cautions import Caution, cautions
from topo_interp.certificate import Status
from topo_interp.geometry.steps import normalized
from topo_interp.homology.diagrams import Diagrams
from topo_interp.homology.rips import Rips
from topo_interp.homology.seen import Seen
from topo_interp.inference.pipeline import Job, job_count, run_jobs
from topo_interp.inference.significance import Significance
from topo_interp.profile_inputs import chosen_sites, named_recipes
from topo_interp.profile_significance import ProfileTests, check_design, note_tried, run_tests, tried
from topo_interp.progress import progress as progress_line

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Profile", "SiteResult", "profile"]


@dataclasses.dataclass(frozen=True, eq=False)
class SiteResult:
    """One site under one recipe.

    Attributes:
        site: module path.
        recipe: name of the recipe in the profile.
        n: rows; 0 if the site could not be read.
        d: coordinates.
        groups: row-table columns in which rows share values (see PointCloud.groups).
        diagrams: None if the site failed.
        baselines: plain numbers of the same points (after the recipe's steps), which often explain the topological ones.
        cautions: warnings for the reader.
        error: what went wrong, "" if nothing did.
    """

    site: str
    recipe: str
    n: int = 0
    d: int = 0
    groups: tuple[str, ...] = ()
    diagrams: Diagrams | None = None
    baselines: Mapping[str, float] = dataclasses.field(default_factory=dict)
    cautions: tuple[Caution, ...] = ()
    error: str = ""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Profile:
    """What :func:`profile` found.

    Attributes:
        results: one per site and recipe, sites in the store's order, recipes in the given order.
        recipes: the recipes by name.
        about: where it came from: store, hash, package version, date, and what was tried before.
        tests: what chance explains of it; None where :func:`profile` was not given ``significance=``.
    """

    results: tuple[SiteResult, ...]
    recipes: Mapping[str, Rips]
    about: Mapping[str, Any]
    tests: ProfileTests | None = None

    @property
    def recipe_names(self) -> tuple[str, ...]:
        """Names of the recipes, in the given order."""
        return tuple(self.recipes)

    @property
    def sites(self) -> tuple[str, ...]:
        """Sites in the store's order."""
        return tuple(dict.fromkeys(result.site for result in self.results))

    @property
    def diagrams(self) -> Mapping[tuple[str, str], Diagrams]:
        """Diagrams by (site, recipe name); sites that failed are not in it."""
        return MappingProxyType(
            {(r.site, r.recipe): r.diagrams for r in self.results if r.diagrams is not None}
        )

    def found(self, recipe: str | None = None) -> list[tuple[SiteResult, Diagrams]]:
        """The results that did not fail with their diagrams, of one recipe or of all."""
        chosen = (r for r in self.results if recipe is None or r.recipe == recipe)
        return [(r, r.diagrams) for r in chosen if r.diagrams is not None]

    def to_frame(self) -> pd.DataFrame:
        """One row per site, recipe and degree.

        Lengths are in units of the distance; the columns ``*_relative`` are divided by the median distance, so that
        sites can be compared. A failed site has status FAILED, its message in ``error``, and no numbers. Where significance
        was computed, the statistic of each degree with the smallest adjusted p-value stands in ``summary``, ``value``, ``null_mean``, ``null_sd``, ``p_value``
        (this test alone), ``p_adjusted`` (max-T over all ``tests``), ``tests``, ``draws`` and ``null``; all of them are in
        ``profile.tests.table``.
        """
        import pandas as pd

        frame = pd.DataFrame([row for result in self.results for row in self._rows(result)])
        kinds = {"dim": "int64", "n": "int64", "d": "int64", "bars": "Int64"}
        if self.tests is not None:
            kinds |= dict.fromkeys(("value", "null_mean", "null_sd", "p_value", "p_adjusted"), "float64")
            kinds |= {"tests": "Int64", "draws": "Int64"}
        return frame.astype(kinds)

    def _rows(self, result: SiteResult) -> Iterator[dict[str, Any]]:
        from topo_interp.summaries import scalars

        for dim in range(self.recipes[result.recipe].max_dim + 1):
            d = result.diagrams
            row: dict[str, Any] = {
                "site": result.site,
                "recipe": result.recipe,
                "dim": dim,
                "n": result.n,
                "d": result.d,
            }
            # A bar that the threshold cut counts up to the cut: its length is then a lower bound, and a warning says so.
            longest = math.nan if d is None else scalars.max_persistence(dim, censored="close")(d)
            total = math.nan if d is None else scalars.total_persistence(dim, censored="close")(d)
            unit = d.scale if d is not None and d.scale else math.nan
            row["bars"] = None if d is None else len(d[dim])
            row["max_persistence"] = longest
            row["max_persistence_relative"] = longest / unit
            row["total_persistence"] = total
            row["total_persistence_relative"] = total / unit
            row["entropy"] = math.nan if d is None else scalars.persistence_entropy(dim, censored="close")(d)
            row["median_distance"] = math.nan if d is None or d.scale is None else d.scale
            row["status"] = (Status.FAILED if d is None else d.certificate.status).name
            row["bottleneck_bound"] = math.nan if d is None else d.certificate.bottleneck_bound
            row.update({name: float(result.baselines.get(name, math.nan)) for name in self._baseline_names()})
            if self.tests is not None:
                row.update(self.tests.columns(result.site, result.recipe, dim))
            row["warnings"] = " | ".join(map(str, result.cautions))
            row["error"] = result.error
            yield row

    def _baseline_names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for result in self.results for name in result.baselines))

    def plot(self, recipe: str | None = None, dim: int = 1) -> Any:
        """The heat map of Betti curves over the sites, a plotly figure."""
        from topo_interp.report.figures import betti_heat_map

        return betti_heat_map(self, self._recipe_name(recipe), dim)

    def report(self, path: str | os.PathLike[str], *, title: str = "Layer report") -> Path:
        """Write the whole profile as one HTML file that opens offline; returns its path."""
        from topo_interp.report.page import write_report

        return write_report(self, path, title=title)

    def _recipe_name(self, name: str | None) -> str:
        if name is not None and name not in self.recipes:
            raise InputError(
                f"the profile has no recipe {name!r}; it has {', '.join(map(repr, self.recipes))}"
            )
        return self.recipe_names[0] if name is None else name

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write everything into one file (a zip of JSON and npz, no pickle); returns its path."""
        from topo_interp.profile_file import write_profile

        return write_profile(self, file_path(path))

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Profile:
        """The profile written by :meth:`save`."""
        from topo_interp.profile_file import read_profile

        return read_profile(file_path(path))

    def __repr__(self) -> str:
        failed = sum(1 for r in self.results if r.error)
        tail = f", {failed} failed" if failed else ""
        return f"Profile({counted(len(self.sites), 'site')} x {counted(len(self.recipes), 'recipe')}{tail})"

    def _repr_html_(self) -> str:
        columns = ["site", "recipe", "dim", "n", "d", "bars", "max_persistence_relative", "status"]
        frame = self.to_frame()[columns]
        if len(self.recipes) == 1:
            frame = frame.drop(columns="recipe")
        return html_table(self, frame)


def profile(
    store: Mapping[str, Any],
    recipes: Rips | Sequence[Rips] | Mapping[str, Rips],
    *,
    sites: str | Sequence[str] | None = None,
    significance: Significance | None = None,
    n_jobs: int = 1,
    progress: bool = True,
    device: str = "cpu",
) -> Profile:
    """Persistent homology of every site of a store, with baselines, warnings and certificates.

    >>> import numpy as np, topo_interp as ti
    >>> angle = 2 * np.pi * np.arange(30) / 30
    >>> store = ti.store_from_arrays({"ring": np.c_[np.cos(angle), np.sin(angle)]})
    >>> ti.profile(store, ti.Rips(max_dim=1)).to_frame()[["site", "dim", "bars", "status"]].values.tolist()
    [['ring', 0, 30, 'EXACT'], ['ring', 1, 1, 'EXACT']]
    >>> tested = ti.profile(store, ti.Rips(max_dim=1), significance=ti.Significance(draws=19))
    >>> tested.to_frame()[["dim", "p_adjusted", "tests"]].astype(float).values.tolist()[1]
    [1.0, 0.05, 1.0]

    Args:
        store: an ActivationStore, or any mapping from names to points (n, d). With ``store.split()`` only its explored half is
            looked at, and what was tried goes into its log.
        recipes: one recipe, several, or a dict of named ones; :func:`topo_interp.report_recipes` names three.
        sites: names or globs (``*`` stays within one path component, ``**`` does not); None for all.
        significance: the null, statistics and draws by which all sites, recipes and degrees are tested together: the draws are
            shared, and p-values adjusted by max-T for all tests. None for no test.
        n_jobs: processes; each gets ``cores // n_jobs`` threads. The result does not depend on it.
        progress: show a progress line on a terminal.
        device: "cpu", or "cuda" ("cuda:1"): where :class:`Rips` computes; the draws of ``significance`` stay on the CPU.

    Returns:
        A Profile. A site that fails is a row with status FAILED and the message; the others go on.

    Raises:
        InputError: no recipe, no site, or a pattern that matches nothing; with ``significance``, rows that are grouped and a
            null that takes them as independent (the message has the sentence to type).

    Cost: one run of every recipe at every site; with ``significance``, ``draws`` more of each, and what
    :class:`topo_interp.Detect` says for each site at which nothing is found.
    """
    named = named_recipes(recipes)
    chosen = chosen_sites(store, sites)
    n_jobs = job_count(n_jobs)
    if device != "cpu":
        cuda_device(device_number(device))  # or an error, once and not at every site
    if significance is not None:
        if not isinstance(significance, Significance):
            raise InputError(f"significance is a {type(significance).__name__}; give ti.Significance(...), or None for no test")
        check_design(store, chosen, named, significance)
    about = about_store(store)
    threads, measure = max(1, default_threads() // n_jobs), functools.partial(measure_site, device=device)
    results = []
    with progress_line(len(chosen) * len(named), "profile", progress) as line:

        def jobs() -> Iterator[Job]:
            for site in chosen:
                for name, recipe in named.items():
                    line.update(description=f"profile {site}")
                    yield measure, (site, name, recipe, read_site(store, site), threads)

        for result in run_jobs(jobs(), n_jobs):
            results.append(result)
            line.advance()
    tests = None
    if significance is not None:
        tests = run_tests(store, named, results, significance, n_jobs=n_jobs, progress=progress)
    note_tried(store, results, named, tests)
    about |= {"tried": lines} if (lines := tried(store)) else {}
    return Profile(tuple(results), MappingProxyType(named), MappingProxyType(about), tests)


class Unread(NamedTuple):
    """In the place of a site's points: what went wrong. Words, because not every exception can go to another process."""

    message: str


def read_site(store: Mapping[str, Any], site: str) -> Any:
    try:
        return store[site]
    except Exception as error:  # noqa: BLE001 - told in the site's row
        return Unread(error_message(error))


def measure_site(site: str, name: str, recipe: Rips, cloud: Any, threads: int, *, device: str = "cpu") -> SiteResult:
    """One site under one recipe. What goes wrong is in the result."""
    return without_cycles(measure_with_cycles(site, name, recipe, cloud, threads, device=device)[0])


def without_cycles(result: SiteResult) -> SiteResult:
    """The result without what its engine left for cycles, which is large and of no use in a table."""
    if result.diagrams is None:
        return result
    return dataclasses.replace(result, diagrams=dataclasses.replace(result.diagrams, provenance=None))


def measure_with_cycles(
    site: str, name: str, recipe: Rips, cloud: Any, threads: int, *, plain: bool = True, device: str = "cpu"
) -> tuple[SiteResult, Seen | None]:
    """As :func:`measure_site`, for what reads more: the diagrams know their cycles, and the cloud is there as the recipe saw it.

    ``plain`` says whether to compute the baselines too.
    """
    shape, groups = (0, 0), tuple(getattr(cloud, "groups", ()))
    if isinstance(cloud, Unread):
        return SiteResult(site, name, error=cloud.message), None
    try:
        seen = recipe.seen(cloud, threads, device)
        shape = seen.points.shape
        found = recipe(seen, device=device, threads=threads)
        points = seen.after
        numbers = _baselines(seen) if plain else {}
    except Exception as error:  # noqa: BLE001 - one site must not lose the others; its row tells what went wrong
        return SiteResult(site, name, *shape, groups=groups, error=error_message(error)), None
    return SiteResult(site, name, *shape, groups, found, numbers, cautions(points.shape, groups, found, numbers)), seen


def _baselines(seen: Seen) -> dict[str, float]:
    """Plain numbers of the points after the steps."""
    from topo_interp.summaries.baselines import baselines

    numbers = baselines(seen.after, seen.matrix)
    if seen.recipe.metric in ("cosine", "chordal", "angular"):  # these see directions only
        directions = baselines(normalized()(seen.after), seen.matrix)
        numbers.update((name, directions[name]) for name in ("top_coordinate_share", "top_5_coordinates_share"))
    return numbers


def about_store(store: Any) -> dict[str, Any]:
    path, info = getattr(store, "path", None), dict(getattr(store, "info", {}))
    return {
        "store": f"{type(store).__name__} in memory" if path is None else str(path),
        # Hashing a store that is not on disk would compute every site again; each site's own hash is in its certificate.
        "store_hash": "" if path is None else store.digest(),
        "capture": {key: info[key] for key in ("model", "rows", "calls", "dtype", "steps") if key in info},
        **about_now(),
    }


def about_now() -> dict[str, str]:
    """Version and date."""
    import topo_interp

    return {
        "version": topo_interp.__version__,
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
    }


def html_table(value: Any, frame: pd.DataFrame) -> str:
    """What a notebook shows of a result: its line, and its table."""
    return f"<p>{html.escape(repr(value))}</p>{frame.to_html(index=False, max_rows=24, float_format='{:.3g}'.format)}"
