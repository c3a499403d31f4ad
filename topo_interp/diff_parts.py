"""What a diff is made of: one site of two stores under one recipe, and what random pairings of the rows give."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from topo_interp._errors import InputError, error_message
from topo_interp.comparison._subsamples import subsamples_of
from topo_interp.comparison.comparisons import table as measures_table
from topo_interp.comparison.drift import in_medians, paired_measures
from topo_interp.comparison.moved_bars import MovedBar, moved_bars, unpaired_distances
from topo_interp.homology.diagrams import Diagrams
from topo_interp.homology.rips import Rips
from topo_interp.homology.seen import Seen
from topo_interp.inference.multiple import max_t
from topo_interp.inference.nulls import permuted_pairing
from topo_interp.inference.pipeline import FailedTest, Pipeline, Stage, one_blas_thread, run_draws
from topo_interp.inference.trial_log import note_test
from topo_interp.profile import SiteResult, measure_with_cycles, without_cycles

__all__ = ["PAIRED_MEASURES", "SiteDiff", "add_chance", "compared_site"]

PAIRED_MEASURES = ("rtd", "merge_order", "cka", "procrustes")
_CENTRAL = (0.05, 0.95)  # of the subsamples, and of the permuted pairings
_MOST_MOVED = 50  # bars of one degree, site and recipe that are kept with their rows

Numbers = dict[str, dict[str, float]]


@dataclasses.dataclass(frozen=True)
class SiteDiff:
    """A site of two stores under one recipe; the fields are those of :class:`topo_interp.diff.Diff` for one key."""

    results: tuple[SiteResult, SiteResult]
    paired: Numbers
    unpaired: Numbers
    moves: tuple[MovedBar, ...]
    moved: tuple[int, ...]
    error: str


def compared_site(site: str, name: str, recipe: Rips, pair: Any, subsamples: int, seed: int, threads: int) -> SiteDiff:
    """Both stores at one site; what goes wrong is told in ``error``, and loses only what it concerns."""
    (first, seen_a), (second, seen_b) = (measure_with_cycles(site, name, recipe, cloud, threads) for cloud in pair)
    notes = [result.error for result in (first, second)]
    paired: Numbers = {}
    if first.n and second.n:  # both could be read
        with one_blas_thread():
            values, missing = paired_measures(
                seen_a or pair[0], seen_b or pair[1], recipe, PAIRED_MEASURES, subsamples=subsamples, seed=seed, threads=threads
            )
        paired = {measure: _numbers(one.value, one.interval) for measure, one in values.items()}
        notes += missing
    unpaired: Numbers = {}
    moves: list[MovedBar] = []
    counts: list[int] = []
    if seen_a is not None and seen_b is not None and first.diagrams is not None and second.diagrams is not None:
        try:
            whole = in_medians(first.diagrams), in_medians(second.diagrams)
            for dim in range(recipe.max_dim + 1):
                count, bars = moved_bars(*whole, dim, most=_MOST_MOVED)
                counts.append(count)
                moves += bars
            unpaired = _distances(whole, (seen_a, seen_b), recipe, subsamples, seed, threads)
        except Exception as error:  # noqa: BLE001 - one site must not lose the others; its row tells what went wrong
            notes.append(error_message(error))
            moves, counts = [], []
    error = " | ".join(dict.fromkeys(filter(None, notes)))
    return SiteDiff((without_cycles(first), without_cycles(second)), paired, unpaired, tuple(moves), tuple(counts), error)


def _distances(
    whole: tuple[Diagrams, Diagrams], seen: tuple[Seen, Seen], recipe: Rips, subsamples: int, seed: int, threads: int
) -> Numbers:
    """Distances of the diagrams with their intervals; the steps are fitted once, on all rows."""
    values, resampled = unpaired_distances(*whole), []
    bare = dataclasses.replace(recipe, steps=())
    for rows in subsamples_of(len(seen[0].points), subsamples, seed):
        some = [in_medians(bare(of.matrix.take(rows), threads=threads)) for of in seen]
        resampled.append(unpaired_distances(*some))
    ends = {name: np.quantile([found[name] for found in resampled], _CENTRAL) if resampled else None for name in values}
    return {name: _numbers(value, ends[name]) for name, value in values.items()}


def _numbers(value: float, interval: Any) -> dict[str, float]:
    low, high = (math.nan, math.nan) if interval is None else map(float, interval)
    return {"value": value, "low": low, "high": high}


@dataclasses.dataclass(frozen=True)
class _Measured:
    """Some measures of a pair of clouds, as a recipe for draws."""

    recipe: Rips
    measures: tuple[str, ...]

    def __call__(self, pair: Any) -> dict[str, Any]:
        found, notes = paired_measures(*pair, self.recipe, self.measures)
        if notes:
            raise InputError(notes[0])
        return found


@dataclasses.dataclass(frozen=True)
class _Likeness:
    """A measure, turned so that more alike is larger."""

    name: str
    sign: int

    def __call__(self, found: dict[str, Any]) -> float:
        return self.sign * float(found[self.name].value)


def add_chance(
    paired: Mapping[tuple[str, str], Numbers],
    recipes: Mapping[str, Rips],
    pairs: Mapping[str, Any],
    draws: int,
    seed: int,
    n_jobs: int,
    progress: bool,
) -> dict[tuple[str, str], str]:
    """Beside each measure what permuted pairings give: its p-values, and where the draws lie; of those that fail in a draw, why.

    The tests of halves of a split are written into its log.
    """
    null, failed = permuted_pairing(), {}
    while left := {key: numbers for key, numbers in paired.items() if key not in failed}:
        names, stages = _stages(left, recipes)
        clouds = {site: pair for site, pair in pairs.items() if any(stage.at(site) for stage in stages)}
        try:
            drawn = run_draws(Pipeline(stages, null, seed), clouds, None, draws, n_jobs, progress)
            break
        except FailedTest as error:  # all draws once more, without it
            concerned = names if error.stage is None else [names[error.stage]]
            failed.update({(error.site, name): str(error) for name in concerned if (error.site, name) in left})
    else:
        return failed
    # In the order in which a draw goes through the pipeline.
    tests = [
        (site, name, summary)
        for site in clouds
        for name, stage in zip(names, stages, strict=True)
        if stage.at(site)
        for summary in stage.summaries
    ]
    found = [left[site, name][summary.name] for site, name, summary in tests]
    result = max_t([test[-1].sign * numbers["value"] for test, numbers in zip(tests, found, strict=True)], drawn)
    spread = np.quantile(drawn, _CENTRAL, axis=0).T
    for (site, name, summary), numbers, p, adjusted, ends in zip(tests, found, result.unadjusted, result.p_values, spread, strict=True):
        low, high = sorted(map(float, summary.sign * ends))
        numbers.update(p=float(p), p_max_t=float(adjusted), chance_low=low, chance_high=high)
        note_test(pairs[site], site, recipes[name], summary, null, draws, seed, float(p), float(adjusted))
    return failed


def _stages(
    paired: Mapping[tuple[str, str], Numbers], recipes: Mapping[str, Rips]
) -> tuple[list[str], tuple[Stage, ...]]:
    """Of each stage the name of its recipe, and the stage: the sites at which the same measures have a value."""
    larger = measures_table().set_index("name")["larger_is_more_similar"]
    alike: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (site, name), numbers in paired.items():
        alike.setdefault((name, tuple(numbers)), []).append(site)
    stages = tuple(
        Stage(_Measured(recipes[name], measures), tuple(_Likeness(m, 1 if larger[m] else -1) for m in measures), tuple(sites))
        for (name, measures), sites in alike.items()
    )
    return [name for name, _ in alike], stages
