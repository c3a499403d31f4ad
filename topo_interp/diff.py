"""A diff: two stores of the same rows, site by site, with what chance pairings and other rows would give."""

from __future__ import annotations

import dataclasses
import html
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp._errors import InputError
from topo_interp.comparison.comparisons import table as measures_table
from topo_interp.comparison.drift import unpaired_drift
from topo_interp.comparison.linear import cka, procrustes
from topo_interp.comparison.merging import merge_order, rtd
from topo_interp.homology.rips import Rips
from topo_interp.inference.multiple import max_t
from topo_interp.inference.nulls import permuted_pairing
from topo_interp.inference.pipeline import Pipeline, Stage, check_rows, run_draws
from topo_interp.profile import Profile, error_message, named_recipes, profile
from topo_interp.track import row_difference

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Diff", "diff"]

_TOPOLOGICAL = {"rtd": rtd, "merge_order": merge_order}
_LINEAR = {"cka": cka, "procrustes": procrustes}
MEASURES = (*_TOPOLOGICAL, *_LINEAR)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Diff:
    """What :func:`diff` found.

    >>> import numpy as np, topo_interp as ti
    >>> x = np.random.default_rng(0).normal(size=(20, 3))
    >>> ti.diff({"layer": x}, {"layer": x}, ti.Rips(), draws=9, subsamples=0, progress=False)
    Diff(1 sites x 1 recipes)

    Attributes:
        a, b: profiles of the two stores.
        paired: (site, recipe) -> measure -> value, low, high, p_value, p_max_t.
        errors: (site, recipe) -> why there is no paired comparison.
        about: draws, subsamples, seed, and how many tests the p-values are adjusted for.
    """

    a: Profile
    b: Profile
    paired: Mapping[tuple[str, str], Mapping[str, Mapping[str, float]]]
    errors: Mapping[tuple[str, str], str]
    about: Mapping[str, Any]

    def to_frame(self) -> pd.DataFrame:
        """One row per site and recipe.

        Columns: site, recipe, n, ``bottleneck_dim0`` ... (diagrams in median distances) and ``bottleneck_bound`` (how far
        certificates allow these to be off); for each paired measure its value, ``_low`` and ``_high`` (central 90 % of
        subsamples of 80 % of the rows), ``_p`` (this test alone) and ``_p_max_t`` (over all sites, recipes and measures);
        the baselines of both stores with ``_a`` and ``_b``; error. A small p says that the two clouds are more alike than with
        their rows paired at random: a *large* one, that the pairing carries nothing.
        """
        import pandas as pd

        rows = []
        for one in self.a.results:
            key = (one.site, one.recipe)
            other = next(r for r in self.b.results if (r.site, r.recipe) == key)
            row: dict[str, Any] = {"site": one.site, "recipe": one.recipe, "n": one.n}
            notes = [text for text in (one.error, other.error, self.errors.get(key, "")) if text]
            if one.diagrams is not None and other.diagrams is not None:
                values, more = unpaired_drift(one.diagrams, other.diagrams)
                row.update(values)
                bounds = [d.certificate.bottleneck_bound / d.scale if d.scale else 0.0 for d in (one.diagrams, other.diagrams)]
                row["bottleneck_bound"] = sum(bounds)
                notes += more
            for measure, numbers in self.paired.get(key, {}).items():
                row.update({measure if name == "value" else f"{measure}_{name}": value for name, value in numbers.items()})
            for suffix, result in (("a", one), ("b", other)):
                row.update({f"{name}_{suffix}": value for name, value in result.baselines.items()})
            rows.append({**row, "error": " | ".join(dict.fromkeys(notes))})
        frame = pd.DataFrame(rows)
        return frame[[*(name for name in frame if name != "error"), "error"]]

    def __repr__(self) -> str:
        return f"Diff({len(self.a.sites)} sites x {len(self.a.recipes)} recipes)"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self))}</p>{self.to_frame().to_html(index=False, max_rows=24, float_format='{:.3g}'.format)}"


@dataclasses.dataclass(frozen=True)
class _Measured:
    """The measures of a pair of clouds, the steps first."""

    recipe: Rips

    def __call__(self, pair: Any, subsamples: int = 0, seed: int = 0) -> dict[str, Any]:
        from topo_interp.arrays import as_points

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

    Cost: per site ``draws + subsamples + 1`` runs of RTD and of the other measures.
    """
    named = named_recipes(recipes)
    shared = [site for site in a if site in b]
    if not shared:
        raise InputError(f"no site is in both stores: {', '.join(map(repr, list(a)[:3]))} and {', '.join(map(repr, list(b)[:3]))}")
    tables = [getattr(store, "rows", None) for store in (a, b)]
    if tables[0] is not None and tables[1] is not None:
        difference = row_difference(*tables)
        if difference:
            raise InputError(f"the stores hold different rows: {difference}; capture both with one probe set")
    first, second = (profile({site: store[site] for site in shared}, named, n_jobs=n_jobs, progress=progress) for store in (a, b))
    signs = measures_table().set_index("name")["larger_is_more_similar"]
    summaries = tuple(_Likeness(name, 1 if signs[name] else -1) for name in MEASURES)
    null = permuted_pairing()
    paired: dict[tuple[str, str], dict[str, dict[str, float]]] = {}
    errors: dict[tuple[str, str], str] = {}
    observed: list[float] = []
    drawn: list[np.ndarray] = []
    for name, recipe in named.items():
        measured = _Measured(recipe)
        pipeline = Pipeline((Stage(measured, summaries),), null, int(seed))
        clouds = {}
        for site in shared:
            pair, _ = check_rows((a[site], b[site]), tables[0], null, (measured,))
            try:
                found = measured(pair, subsamples, seed)
                values = [value for value, _ in pipeline.observe(pair, None, site)]
            except Exception as error:  # noqa: BLE001 - one site must not lose the others; its row tells what went wrong
                errors[site, name] = error_message(error)
                continue
            clouds[site] = pair
            observed += values
            paired[site, name] = {
                measure: dict(zip(("value", "low", "high"), (one.value, *(one.interval or (math.nan, math.nan))), strict=True))
                for measure, one in found.items()
            }
        if clouds:
            drawn.append(run_draws(pipeline, clouds, None, draws, n_jobs, progress))
    if observed:
        result = max_t(observed, np.concatenate(drawn, axis=1))
        keys = [(key, measure) for key in paired for measure in MEASURES]
        for (key, measure), alone, adjusted in zip(keys, result.unadjusted, result.p_values, strict=True):
            paired[key][measure].update(p=float(alone), p_max_t=float(adjusted))
    about = {"draws": draws, "subsamples": subsamples, "seed": seed, "tests": len(observed)}
    return Diff(first, second, MappingProxyType(paired), MappingProxyType(errors), MappingProxyType(about))
