"""What a profile knows about chance: the tests of all its sites, what could have been found, and pictures beside a null's."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from topo_interp._errors import error_message
from topo_interp._rows import same_rows
from topo_interp.activations.split import Split
from topo_interp.arrays import as_points
from topo_interp.homology.rips import Rips
from topo_interp.inference.detectable import Detectable, detectable
from topo_interp.inference.estimate import spoken
from topo_interp.inference.loop_plane import LoopPlane, drawn_loop_plane, loop_plane
from topo_interp.inference.multiple import MaxT
from topo_interp.inference.pipeline import FailedTest, check_rows
from topo_interp.inference.significance import Significance, family_of_tests
from topo_interp.inference.trial_log import log_entry
from topo_interp.progress import progress as progress_line

if TYPE_CHECKING:
    import pandas as pd

    from topo_interp.profile import SiteResult

__all__ = ["ProfileTests", "check_design", "note_tried", "run_tests", "tried"]


@dataclasses.dataclass(frozen=True, eq=False)
class ProfileTests:
    """All tests of a profile, made by :func:`topo_interp.profile` with ``significance=``.

    Attributes:
        how: the statistics, the null, the draws and the seed.
        table: one row per site, recipe and statistic; see :func:`topo_interp.significance_table`.
        detectable: for sites at which nothing was found: name of the recipe, and the smallest circle that it would have found.
        undetermined: for such sites without an answer: why.
        planes: for each site, the recipe with the smallest p-value for loops, the plane of its longest loop, and the same of
            draw 0 of the null.
        untested: what was left out, by site and recipe, with the reason.
    """

    how: Significance
    table: pd.DataFrame
    detectable: Mapping[str, tuple[str, Detectable]] = dataclasses.field(default_factory=dict)
    undetermined: Mapping[str, str] = dataclasses.field(default_factory=dict)
    planes: Mapping[str, tuple[str, LoopPlane, LoopPlane]] = dataclasses.field(default_factory=dict)
    untested: Mapping[tuple[str, str], str] = dataclasses.field(default_factory=dict)

    @property
    def null(self) -> str:
        """The call that makes the null."""
        return spoken(self.how.null)

    @property
    def tests(self) -> int:
        """How many tests the p-values are adjusted for."""
        return len(self.table)

    def test(self, site: str, recipe: str, dim: int | None) -> dict[str, Any] | None:
        """The test of this degree with the smallest adjusted p-value (the first of equals), as a row of the table.

        None where there is none. The degree None is that of statistics without one, such as a function of the user's.
        """
        return self._strongest.get((site, recipe, dim))

    @functools.cached_property
    def _strongest(self) -> dict[tuple[str, str, int | None], dict[str, Any]]:
        out: dict[tuple[str, str, int | None], dict[str, Any]] = {}
        for row in self.table.sort_values("p_max_t", kind="stable").to_dict("records"):
            out.setdefault((row["site"], row["recipe"], int(row["dim"]) if isinstance(row["dim"], int) else None), row)
        return out

    def significant(self, site: str, recipe: str, dim: int | None) -> bool | None:
        """Whether any test of this degree is significant after the adjustment; None where there is none."""
        found = self.test(site, recipe, dim)
        return None if found is None else bool(found["p_max_t"] <= self.how.alpha + 1e-12)

    def silent(self) -> list[str]:
        """The sites at which no test is significant."""
        smallest = self.table.groupby("site", sort=False)["p_max_t"].min()
        return [str(site) for site, p in smallest.items() if p > self.how.alpha + 1e-12]

    def columns(self, site: str, recipe: str, dim: int) -> dict[str, Any]:
        """What :meth:`Profile.to_frame` says of this degree; empty cells where nothing was tested."""
        found = self.test(site, recipe, dim) or {}
        taken = {"summary": "summary", "value": "value", "null_mean": "null_mean", "null_sd": "null_sd", "p_value": "p_value"}
        row = {name: found.get(source) for name, source in {**taken, "p_adjusted": "p_max_t", "tests": "tests"}.items()}
        return {**row, "draws": self.how.draws if found else None, "null": self.null if found else ""}

    def explain(self) -> str:
        """One sentence on all tests."""
        claims = int((self.table["p_max_t"] <= self.how.alpha + 1e-12).sum())
        return (
            f"{claims} of {self.tests} tests have p <= {self.how.alpha:g} after max-T over all {self.tests} of them, with "
            f"{self.how.draws} draws of {self.null} that are shared by all (smallest attainable p: {1 / (1 + self.how.draws):.3g})."
        )


def check_design(store: Mapping[str, Any], sites: Sequence[str], recipes: Mapping[str, Rips], how: Significance) -> None:
    """What would refuse the tests, found before anything is computed.

    Raises:
        InputError: rows are grouped and the null takes them as independent; the null reads a column that is not there; sites have
            different rows.
    """
    clouds = {}
    for site in sites:
        try:
            cloud = store[site]
            as_points(cloud)
        except Exception:  # noqa: BLE001, S112 - told in the site's own row of the profile
            continue
        clouds[site] = check_rows(cloud, getattr(store, "rows", None), how.null, recipes.values())[0][0]
    if len(clouds) > 1:
        same_rows(clouds, "a draw that all sites share")


def run_tests(
    store: Mapping[str, Any],
    recipes: Mapping[str, Rips],
    results: Sequence[SiteResult],
    how: Significance,
    *,
    n_jobs: int,
    progress: bool,
) -> ProfileTests | None:
    """The tests of all sites and recipes that did not fail, in the data or in a draw; None where all failed."""
    sites = list(dict.fromkeys(result.site for result in results))
    untested = _untested(results, recipes, how)
    known = {(result.site, result.recipe): result.diagrams for result in results if result.diagrams is not None}
    found = None
    while found is None:
        readable = [site for site in sites if any((site, name) not in untested for name in recipes)]
        if not readable:
            return None
        try:
            found = family_of_tests(store, recipes, how, readable, untested, None, n_jobs, progress, known)
        except FailedTest as failed:  # all draws once more, without it: rare, and dearer only by the draws before it
            names = list(recipes) if failed.stage is None else [list(recipes)[failed.stage]]
            untested.update({(failed.site, name): str(failed) for name in names if (failed.site, name) not in untested})
    table, family = found
    tests = ProfileTests(how, table, untested=MappingProxyType(untested))
    least, undetermined = _detectable(store, recipes, tests, family, n_jobs=n_jobs, progress=progress)
    planes = _planes(store, recipes, tests, progress)
    return dataclasses.replace(
        tests,
        detectable=MappingProxyType(least),
        undetermined=MappingProxyType(undetermined),
        planes=MappingProxyType(planes),
    )


def _untested(results: Sequence[SiteResult], recipes: Mapping[str, Rips], how: Significance) -> dict[tuple[str, str], str]:
    """Sites that failed, and those whose statistic has no value: one site must not lose the tests of the others."""
    out = {}
    for result in results:
        if result.diagrams is None:
            out[result.site, result.recipe] = result.error
            continue
        try:
            for summary in how.of_recipe(recipes[result.recipe]):
                summary(result.diagrams)
        except Exception as error:  # noqa: BLE001 - told in the row
            out[result.site, result.recipe] = error_message(error)
    return out


def _detectable(
    store: Mapping[str, Any], recipes: Mapping[str, Rips], tests: ProfileTests, family: MaxT, *, n_jobs: int, progress: bool
) -> tuple[dict[str, tuple[str, Detectable]], dict[str, str]]:
    """For every silent site, the smallest circle that the first recipe there would have found after the adjustment for all tests."""
    how, found, undetermined = tests.how, {}, {}
    silent = tests.silent() if how.detect is not None else []
    with progress_line(len(silent), "how large a circle would have been found", progress) as line:
        for site in silent:
            line.update(description=f"how large a circle would have been found at {site}")
            name = next(name for name in recipes if (site, name) not in tests.untested)
            summaries = how.of_recipe(recipes[name])
            loops = next((s for s in summaries if getattr(s, "dim", None) == 1), summaries[0])
            try:
                answer = detectable(
                    store[site], recipes[name], loops, how.null, power=how.detect.power, alpha=how.alpha,  # type: ignore[union-attr]
                    trials=how.detect.trials, draws=how.detect.draws, seed=how.seed, site=site, family=family,  # type: ignore[union-attr]
                    rows_table=getattr(store, "rows", None), n_jobs=n_jobs,
                )  # fmt: skip
                found[site] = (name, answer)
            except Exception as error:  # noqa: BLE001 - told in the place of an answer
                undetermined[site] = error_message(error)
            line.advance()
    return found, undetermined


def _planes(
    store: Mapping[str, Any], recipes: Mapping[str, Rips], tests: ProfileTests, progress: bool
) -> dict[str, tuple[str, LoopPlane, LoopPlane]]:
    """For every site, the plane of the longest loop under the recipe with the smallest p-value, and of the null's draw 0."""
    out = {}
    loops = tests.table[tests.table["dim"] == 1]
    sites = list(dict.fromkeys(loops["site"]))
    null, table = tests.how.null, getattr(store, "rows", None)
    with progress_line(len(sites), "planes of the longest loops", progress) as line:
        for site in sites:
            of_site = loops[loops["site"] == site]
            name = str(of_site["recipe"].loc[of_site["p_max_t"].idxmin()])
            try:
                data = loop_plane(recipes[name], store[site])
                drawn = drawn_loop_plane(recipes[name], store[site], null, seed=tests.how.seed, site=site, rows_table=table)
            except Exception:  # noqa: BLE001 - a picture is no result: a draw that can not be drawn loses nothing else
                data = drawn = None
            if data is not None and drawn is not None:
                out[site] = (name, data, drawn)
            line.advance()
    return out


def note_tried(store: Any, results: Sequence[SiteResult], recipes: Mapping[str, Rips], tests: ProfileTests | None) -> None:
    """Write what was looked at without a test into the log of a split store; the tests are there already, and other stores keep none."""
    if not isinstance(store, Split):
        return
    for result in results:
        if tests is None or (result.site, result.recipe) in tests.untested:
            store.note(log_entry("explored", result.site, recipes[result.recipe]))


def tried(store: Any) -> list[dict[str, Any]]:
    """The log of a split store in short: one line per half, recipe, statistic and null; empty where there is no log."""
    if not isinstance(store, Split):
        return []
    keys = ["half", "recipe", "summary", "null", "draws", "seed"]
    log = store.tried()
    out = []
    for values, part in log.groupby(keys, sort=False):
        line = dict(zip(keys, values, strict=True))
        line.update(draws=int(line["draws"]), seed=int(line["seed"]), sites=len(part))
        for name in ("p_value", "p_adjusted"):
            p = part[name].dropna()
            line[f"smallest_{name.removesuffix('_value')}"] = float(p.min()) if len(p) else None
        out.append(line)
    return out
