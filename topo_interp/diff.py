"""A diff: two stores of the same rows, site by site, with what chance pairings and other rows would give."""

from __future__ import annotations

import dataclasses
import html
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp._errors import InputError
from topo_interp._native import default_threads
from topo_interp._rows import row_difference
from topo_interp.arrays import as_points
from topo_interp.comparison._subsamples import subsamples_of
from topo_interp.comparison.comparisons import table as measures_table
from topo_interp.comparison.drift import in_medians
from topo_interp.comparison.linear import cka, procrustes
from topo_interp.comparison.merging import merge_order, rtd
from topo_interp.comparison.moved_bars import MovedBar, moved_bars, unpaired_distances
from topo_interp.homology.rips import Rips
from topo_interp.inference.multiple import max_t
from topo_interp.inference.nulls import permuted_pairing
from topo_interp.inference.pipeline import Pipeline, Stage, check_rows, one_blas_thread, parallel, run_draws
from topo_interp.profile import Profile, error_message, profile
from topo_interp.profile_inputs import named_recipes

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MEASURES", "Diff", "diff"]

_TOPOLOGICAL = {"rtd": rtd, "merge_order": merge_order}
_LINEAR = {"cka": cka, "procrustes": procrustes}
MEASURES = (*_TOPOLOGICAL, *_LINEAR)
_CENTRAL = (0.05, 0.95)  # of the subsamples, and of the permuted pairings
_MOST_MOVED = 50  # bars of one degree, site and recipe that are kept with their rows

Key = tuple[str, str]
Numbers = Mapping[str, Mapping[str, float]]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Diff:
    """What :func:`diff` found.

    >>> import numpy as np, topo_interp as ti
    >>> x = np.random.default_rng(0).normal(size=(20, 3))
    >>> ti.diff({"layer": x}, {"layer": x}, ti.Rips(), draws=9, subsamples=0, progress=False)
    Diff(1 sites x 1 recipes)

    Attributes:
        a, b: profiles of the two stores.
        paired: (site, recipe) -> measure -> value, low, high, p, p_max_t, chance_low, chance_high.
        unpaired: (site, recipe) -> distance of the diagrams, in median distances -> value, low, high.
        moves: (site, recipe) -> the bars that moved farthest.
        moved: (site, recipe) -> how many bars of each degree moved by more than the certificates allow.
        errors: (site, recipe) -> why there is no paired comparison, or no unpaired one.
        about: draws, subsamples, seed, and how many tests the p-values are adjusted for.
    """

    a: Profile
    b: Profile
    paired: Mapping[Key, Numbers]
    unpaired: Mapping[Key, Numbers]
    moves: Mapping[Key, tuple[MovedBar, ...]]
    moved: Mapping[Key, tuple[int, ...]]
    errors: Mapping[Key, str]
    about: Mapping[str, Any]

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites of both stores, in the order of the first."""
        return self.a.sites

    @property
    def recipes(self) -> Mapping[str, Rips]:
        """The recipes by name."""
        return self.a.recipes

    def to_frame(self) -> pd.DataFrame:
        """One row per site and recipe.

        Columns: site, recipe, n; for each paired measure its value, ``_low`` and ``_high`` (central 90 % of subsamples of 80 %
        of the rows), ``_p`` (this test alone), ``_p_max_t`` (over all sites, recipes and measures), ``_chance_low`` and
        ``_chance_high`` (central 90 % of the permuted pairings); ``bottleneck_dim0``, ``wasserstein_dim0`` ... (of the diagrams
        in median distances) with ``_low`` and ``_high``, which have no p-value, since no pairing enters them;
        ``bottleneck_bound`` (how far certificates allow a bottleneck distance to be off) and ``moved_dim0`` ... (bars that
        moved by more than that); the baselines of both stores with ``_a`` and ``_b``; error. A small p says that the two
        clouds are more alike than with their rows paired at random: a *large* one, that the pairing carries nothing.
        """
        import pandas as pd

        rows = []
        for one in self.a.results:
            key = (one.site, one.recipe)
            other = next(r for r in self.b.results if (r.site, r.recipe) == key)
            row: dict[str, Any] = {"site": one.site, "recipe": one.recipe, "n": one.n}
            for numbers in (self.paired.get(key, {}), self.unpaired.get(key, {})):
                for measure, found in numbers.items():
                    row.update({measure if name == "value" else f"{measure}_{name}": value for name, value in found.items()})
            if one.diagrams is not None and other.diagrams is not None:
                row["bottleneck_bound"] = sum(in_medians(d).certificate.bottleneck_bound for d in (one.diagrams, other.diagrams))
            row.update({f"moved_dim{dim}": count for dim, count in enumerate(self.moved.get(key, ()))})
            for suffix, result in (("a", one), ("b", other)):
                row.update({f"{name}_{suffix}": value for name, value in result.baselines.items()})
            notes = [text for text in (one.error, other.error, self.errors.get(key, "")) if text]
            rows.append({**row, "error": " | ".join(dict.fromkeys(notes))})
        frame = pd.DataFrame(rows)
        frame = frame.astype({name: "Int64" for name in frame if name.startswith("moved_dim")})
        return frame[[*(name for name in frame if name != "error"), "error"]]

    def moved_bars(self) -> pd.DataFrame:
        """The bars that moved by more than the certificates of both stores allow, those that moved farthest first.

        One row per pair of the best matching of the two diagrams (:func:`topo_interp.match_bars`, lengths in median
        distances): site, recipe, dim, kind ("moves", "vanishes" when only the first store has it, "appears" when only the
        second has), birth_a, death_a, birth_b, death_b, shift (the larger of both ends' shifts; half the length of a bar
        without partner), rows_a, rows_b (rows on the bar's cycle, see :meth:`Diagrams.rows`; of degree 0 the two whose
        joining ends it; empty where the engine does not tell). At most 50 per site, recipe and degree; :meth:`to_frame`
        counts all.

        A partner is the nearest bar on the whole, not proof of the same feature; and every bar of noise moves.

        >>> import numpy as np, topo_interp as ti
        >>> angle = 2 * np.pi * np.arange(12) / 12
        >>> ring = np.c_[np.cos(angle), np.sin(angle)]
        >>> found = ti.diff({"layer": ring}, {"layer": ring * [1, 0.1]}, ti.Rips(), draws=9, subsamples=0, progress=False)
        >>> found.moved_bars().query("dim == 1")[["kind", "rows_a"]].head(1).values.tolist()
        [['vanishes', [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]]]
        """
        import pandas as pd

        rows = [(*key, *bar[:-2], *map(list, bar[-2:])) for key, bars in self.moves.items() for bar in bars]
        numbers = [name for name in MovedBar._fields if name.startswith(("birth", "death", "shift"))]
        frame = pd.DataFrame(rows, columns=["site", "recipe", *MovedBar._fields]).astype({**dict.fromkeys(numbers, "float64"), "dim": "int64"})
        return frame.sort_values("shift", ascending=False, kind="stable", ignore_index=True)

    def report(self, path: str | os.PathLike[str], *, title: str = "What changed") -> Path:
        """Write one HTML file that opens offline, and its tables beside it (``.measures.parquet``, ``.moved.parquet``)."""
        from topo_interp.report.diff_page import write_diff_report

        return write_diff_report(self, path, title=title)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write everything into one file (a zip of JSON and two profiles, no pickle); returns its path."""
        from topo_interp.diff_file import write_diff

        return write_diff(self, Path(path))

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Diff:
        """The diff written by :meth:`save`."""
        from topo_interp.diff_file import read_diff

        return read_diff(Path(path))

    def __repr__(self) -> str:
        return f"Diff({len(self.a.sites)} sites x {len(self.a.recipes)} recipes)"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self))}</p>{self.to_frame().to_html(index=False, max_rows=24, float_format='{:.3g}'.format)}"


@dataclasses.dataclass(frozen=True)
class _Measured:
    """The measures of a pair of clouds, the steps first."""

    recipe: Rips

    def __call__(self, pair: Any, subsamples: int = 0, seed: int = 0) -> dict[str, Any]:
        clouds = []
        for cloud in pair:
            points = as_points(cloud)
            for step in self.recipe.steps:
                points = step(points)
            clouds.append(points)
        options = {"subsamples": subsamples, "seed": seed}
        found = {name: function(*clouds, metric=self.recipe.metric, **options) for name, function in _TOPOLOGICAL.items()}
        return found | {name: function(*clouds, **options) for name, function in _LINEAR.items()}


@dataclasses.dataclass(frozen=True)
class _Likeness:
    """A measure, turned so that more alike is larger."""

    name: str
    sign: int

    def __call__(self, found: dict[str, Any]) -> float:
        return self.sign * float(found[self.name].value)


def diff(
    a: Mapping[str, Any],
    b: Mapping[str, Any],
    recipes: Rips | Sequence[Rips] | Mapping[str, Rips],
    *,
    draws: int = 99,
    subsamples: int = 20,
    seed: int = 0,
    n_jobs: int = 1,
    progress: bool = True,
) -> Diff:
    """Two stores of the same rows, site by site: how far apart they are, and how far beyond chance they agree.

    >>> import numpy as np, topo_interp as ti
    >>> x = np.random.default_rng(0).normal(size=(30, 3))
    >>> found = ti.diff({"layer": x}, {"layer": 2 * x}, ti.Rips(), draws=19, progress=False)
    >>> found.to_frame()[["rtd", "merge_order", "rtd_p_max_t"]].round(6).values.tolist()
    [[0.0, 1.0, 0.05]]

    Args:
        a, b: stores, or mappings from sites to points, with the same rows; the sites of both are compared.
        recipes: one recipe, several, or a dict of named ones; with metrics of ``ti.metrics.table()``.
        draws: permuted pairings, shared by all sites and measures; the smallest attainable p-value is 1 / (1 + draws).
        subsamples: for the intervals; 0 for none.
        seed: of the draws and the subsamples.
        n_jobs: parallel jobs of joblib; the result does not depend on it.
        progress: show a progress line on a terminal.

    Raises:
        InputError: the row tables differ (the message says in what), no site is in both, or rows are grouped so that they
            can not be permuted one by one.

    Cost: per site ``draws + subsamples + 2`` runs of RTD and of the other paired measures, ``2 (subsamples + 2)`` runs of the
    recipe, and ``subsamples + 2`` matchings of bars (O(k^3) for k bars).
    """
    named = named_recipes(recipes)
    shared = [site for site in a if site in b]
    if not shared:
        raise InputError(f"no site is in both stores: {', '.join(map(repr, list(a)[:3]))} and {', '.join(map(repr, list(b)[:3]))}")
    if subsamples != 0 and subsamples < 10:
        raise InputError(f"subsamples is {subsamples}; give 0 (no intervals) or at least 10")
    table, other_table = (getattr(store, "rows", None) for store in (a, b))
    if table is not None and other_table is not None:
        difference = row_difference(table, other_table)
        if difference:
            raise InputError(f"the stores hold different rows: {difference}; capture both with one probe set")
    first, second = (profile({site: store[site] for site in shared}, named, n_jobs=n_jobs, progress=progress) for store in (a, b))
    keys = [(site, name) for name in named for site in shared]
    pairs = {site: check_rows((a[site], b[site]), table, permuted_pairing(), ())[0] for site in shared}
    threads = max(1, default_threads() // n_jobs)
    settings = (int(subsamples), int(seed))
    jobs: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
        (job, (pairs[site], named[name], *settings, *more))
        for job, more in ((_paired, ()), (_unpaired, (threads,)))
        for site, name in keys
    ]
    done = parallel(jobs, n_jobs, progress, "diff")
    paired, unpaired = dict(zip(keys, done[: len(keys)], strict=True)), dict(zip(keys, done[len(keys) :], strict=True))
    errors = {key: " | ".join(dict.fromkeys(text for text in (paired[key][1], unpaired[key][-1]) if text)) for key in keys}
    compared = {key: numbers for key, (numbers, _) in paired.items() if numbers}
    _add_chance(compared, named, pairs, draws, int(seed), n_jobs, progress)
    about = {"draws": draws, "subsamples": subsamples, "seed": seed, "tests": len(compared) * len(MEASURES)}
    return Diff(
        first,
        second,
        MappingProxyType(compared),
        MappingProxyType({key: found[0] for key, found in unpaired.items()}),
        MappingProxyType({key: found[1] for key, found in unpaired.items()}),
        MappingProxyType({key: found[2] for key, found in unpaired.items()}),
        MappingProxyType({key: text for key, text in errors.items() if text}),
        MappingProxyType(about),
    )


def _paired(pair: Any, recipe: Rips, subsamples: int, seed: int) -> tuple[dict[str, dict[str, float]], str]:
    """The paired measures with their intervals, or why there are none."""
    try:
        with one_blas_thread():
            found = _Measured(recipe)(pair, subsamples, seed)
    except Exception as error:  # noqa: BLE001 - one site must not lose the others; its row tells what went wrong
        return {}, error_message(error)
    return {name: _numbers(one.value, *(one.interval or (math.nan, math.nan))) for name, one in found.items()}, ""


def _unpaired(
    pair: Any, recipe: Rips, subsamples: int, seed: int, threads: int
) -> tuple[dict[str, dict[str, float]], tuple[MovedBar, ...], tuple[int, ...], str]:
    """Distances of the diagrams with their intervals, the bars that moved, their numbers, or why there are none."""
    try:
        whole = [in_medians(recipe(cloud, threads=threads)) for cloud in pair]
        values = unpaired_distances(*whole)
        counts, bars = zip(*(moved_bars(*whole, dim, most=_MOST_MOVED) for dim in range(recipe.max_dim + 1)), strict=True)
        bare = dataclasses.replace(recipe, steps=())
        matrices = [recipe.distance_matrix(cloud, threads=threads) for cloud in pair]
        resampled = [
            unpaired_distances(*(in_medians(bare(matrix.take(rows), threads=threads)) for matrix in matrices))
            for rows in subsamples_of(len(pair[0]), subsamples, seed)
        ]
    except Exception as error:  # noqa: BLE001 - as above
        return {}, (), (), error_message(error)
    numbers = {}
    for name, value in values.items():
        spread = np.quantile([found[name] for found in resampled], _CENTRAL) if resampled else (math.nan, math.nan)
        numbers[name] = _numbers(value, *map(float, spread))
    return numbers, tuple(bar for found in bars for bar in found), counts, ""


def _numbers(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": value, "low": low, "high": high}


def _add_chance(
    paired: Mapping[Key, dict[str, dict[str, float]]],
    recipes: Mapping[str, Rips],
    pairs: Mapping[str, Any],
    draws: int,
    seed: int,
    n_jobs: int,
    progress: bool,
) -> None:
    """Beside each measure what permuted pairings give: its p-values, and where the draws lie."""
    if not paired:
        return
    larger = measures_table().set_index("name")["larger_is_more_similar"]
    summaries = tuple(_Likeness(name, 1 if larger[name] else -1) for name in MEASURES)
    signs = np.array([summary.sign for summary in summaries])
    drawn = []
    for name, recipe in recipes.items():
        clouds = {site: pairs[site] for site, of in paired if of == name}
        if clouds:
            pipeline = Pipeline((Stage(_Measured(recipe), summaries),), permuted_pairing(), seed)
            drawn.append(run_draws(pipeline, clouds, None, draws, n_jobs, progress))
    tests = [(numbers[measure], sign) for numbers in paired.values() for measure, sign in zip(MEASURES, signs, strict=True)]
    null = np.concatenate(drawn, axis=1)
    result = max_t([sign * numbers["value"] for numbers, sign in tests], null)
    spread = np.quantile(null, _CENTRAL, axis=0).T
    for (numbers, sign), alone, adjusted, ends in zip(tests, result.unadjusted, result.p_values, spread, strict=True):
        low, high = sorted(map(float, sign * ends))
        numbers.update(p=float(alone), p_max_t=float(adjusted), chance_low=low, chance_high=high)
