"""A track: every checkpoint of a run under one or several recipes, how far it drifted, and where a feature came or went."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from topo_interp._arguments import checked_subsamples, file_path, whole_number
from topo_interp._native import default_threads
from topo_interp._words import counted
from topo_interp.comparison.cycle_matching import CycleMatches, match_cycles
from topo_interp.homology.diagrams import Diagrams
from topo_interp.homology.rips import Rips
from topo_interp.inference.pipeline import job_count, run_jobs
from topo_interp.profile import Profile, SiteResult, about_now, about_store, html_table, read_site
from topo_interp.profile_inputs import named_recipes
from topo_interp.profile_significance import note_tried
from topo_interp.progress import progress as progress_line
from topo_interp.track_cache import Cache, Plan, opened, pair_result, site_result
from topo_interp.track_drift import drift_frame, references
from topo_interp.track_events import events_frame
from topo_interp.track_inputs import checked_metrics, followed, opened_stores

if TYPE_CHECKING:
    import pandas as pd

    from topo_interp.activations.store import ActivationStore

__all__ = ["PairResult", "Track", "track"]


class PairResult(NamedTuple):
    """A site at two steps: what can be compared row by row; ``notes`` says why a number is missing."""

    reference: int
    step: int
    site: str
    recipe: str
    values: Mapping[str, float]
    notes: tuple[str, ...]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Track:
    """What :func:`track` found.

    >>> import topo_interp as ti
    >>> stores = {step: {"layer": [[0.0], [1.0], [2.0 + step]]} for step in (0, 10)}
    >>> ti.track(stores, ti.Rips(max_dim=0), subsamples=0)
    Track(2 steps x 1 site x 1 recipe)

    Attributes:
        profiles: the profile of each step that could be opened, in the order of the steps.
        failed: step -> what could not be read or computed there; tried again by the next run with the same cache.
        lengths: (step, site, recipe) -> lengths of the longest bars in the shared subsamples, in median distances
            (subsamples, degree, rank).
        pairs: paired measures of each step with the first step and with the one before.
        metrics: loss, accuracy and the like, one row per step with the column ``step``; None when not given.
        about: version, date, subsamples, seed, how many results were computed or came from the cache, and whether rows were left
            out to make their numbers equal.
    """

    profiles: Mapping[int, Profile]
    failed: Mapping[int, str]
    lengths: Mapping[tuple[int, str, str], np.ndarray]
    pairs: tuple[PairResult, ...]
    metrics: pd.DataFrame | None
    about: Mapping[str, Any]

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps that could be opened, in order."""
        return tuple(self.profiles)

    @property
    def recipes(self) -> Mapping[str, Rips]:
        """The recipes by name."""
        return next(iter(self.profiles.values())).recipes

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites of all steps, in the order of the first store that has them."""
        return tuple(dict.fromkeys(site for profile in self.profiles.values() for site in profile.sites))

    @property
    def diagrams(self) -> Mapping[tuple[int, str, str], Diagrams]:
        """Diagrams by (step, site, recipe name); what failed is not in it."""
        return MappingProxyType(
            {(step, *key): d for step, profile in self.profiles.items() for key, d in profile.diagrams.items()}
        )

    def to_frame(self) -> pd.DataFrame:
        """One row per step, site, recipe and degree: the columns of :meth:`Profile.to_frame` and the metrics of the step.

        Lengths in the columns ``*_relative`` are in median distances of the step's own cloud.
        """
        import pandas as pd

        frames = [profile.to_frame().assign(step=step) for step, profile in self.profiles.items()]
        frame = pd.concat(frames, ignore_index=True)
        frame = frame[["step", *(name for name in frame if name != "step")]]
        return frame if self.metrics is None else frame.merge(self.metrics, on="step", how="left")

    def drift(self, reference: str = "first") -> pd.DataFrame:
        """How far each step is from the first step, or from the one before: one row per step, site and recipe.

        Columns: step, reference, site, recipe, ``bottleneck_dim0`` ... (of the diagrams in median distances, exact; up
        to the smaller cut where a threshold cut, which is then a lower bound),
        ``bottleneck_bound`` (how far certificates allow these to be off), ``rtd`` with both directions and ``cka`` (of the
        same rows, after the recipe's steps), notes (why a number is missing).

        Args:
            reference: "first" or "previous".
        """
        of = references(self.steps, reference)
        return drift_frame(self, [pair for pair in self.pairs if pair.reference == of[pair.step]])

    def events(self, *, level: float = 0.05) -> pd.DataFrame:
        """Where one of the longest bars appears or vanishes by more than certificates and the choice of rows allow.

        One row per event: step (the first at the new level), until (the last of the same rise or fall), previous (the step
        before), site, recipe, dim, rank (1: the longest bar of the degree), kind ("appears" when its length rises, "vanishes"
        when it falls), before and after (levels in median distances), noise (standard error of the difference from the
        subsamples), bound (what the certificates allow), p_value (after Bonferroni over all ``tests``), caution (which columns
        group the rows, whose noise is then larger than the one given; "" where none does).

        The rule, with its reasons, is that of :func:`topo_interp.comparison.events.changes`: the mean of three steps against
        the level since the last event, over the jackknife error from 20 subsamples of 80 % of the rows, the same for all
        steps. A rise says that a longer bar of this rank is there, not that it is another loop; and it says nothing about
        other rows than these. Before calling a loop real, compare it with a null.

        Args:
            level: chance of any false event in the whole track, as far as the jackknife error can be trusted.
        """
        return events_frame(self, level)

    def loops(
        self,
        stores: Mapping[int, ActivationStore | str | os.PathLike[str]],
        site: str,
        recipe: str | None = None,
        *,
        min_persistence: float = 0.1,
    ) -> CycleMatches:
        """Which loops of one site are the same loop from step to step; :meth:`events` follows lengths, and this follows rows.

        The diagrams that a track keeps have forgotten their cycles, so that they are computed again from the activations.

        Args:
            stores: those that the track was made of.
            site: which site.
            recipe: name of one of the track's recipes; None for the first.
            min_persistence: bars that are not longer (in median distances) are left out.

        Raises:
            InputError: a step, site or recipe that is not there, points that are not those of the track, and what
                :func:`topo_interp.match_cycles` raises.
        """
        clouds, chosen = followed(self, stores, site, recipe)
        return match_cycles(clouds, chosen, min_persistence=min_persistence)

    def report(self, path: str | os.PathLike[str], *, title: str = "Training report") -> Path:
        """Write one HTML file that opens offline, and its tables beside it (``.steps.parquet`` ...); returns its path."""
        from topo_interp.report.track_page import write_track_report

        return write_track_report(self, path, title=title)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write everything into one file (a zip of JSON, parquet and npz, no pickle); returns its path."""
        from topo_interp.track_file import write_track

        return write_track(self, file_path(path))

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Track:
        """The track written by :meth:`save`."""
        from topo_interp.track_file import read_track

        return read_track(file_path(path))

    def __repr__(self) -> str:
        tail = f", {len(self.failed)} with failures" if self.failed else ""
        return f"Track({counted(len(self.steps), 'step')} x {counted(len(self.sites), 'site')} x {counted(len(self.recipes), 'recipe')}{tail})"

    def _repr_html_(self) -> str:
        columns = ["step", "site", "recipe", "dim", "n", "bars", "max_persistence_relative", "status"]
        return html_table(self, self.to_frame()[columns])


def track(
    stores: Mapping[int, ActivationStore | str | os.PathLike[str]],
    recipes: Rips | Sequence[Rips] | Mapping[str, Rips],
    *,
    metrics: pd.DataFrame | None = None,
    baselines: bool = True,
    drift: bool = True,
    subsamples: int = 20,
    seed: int = 0,
    n_jobs: int = 1,
    resume: bool = True,
    cache: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> Track:
    """Persistent homology of every site at every step of a run, with drift, resampling noise and certificates.

    >>> import numpy as np, topo_interp as ti
    >>> angle = 2 * np.pi * np.arange(30) / 30
    >>> ring = np.c_[np.cos(angle), np.sin(angle)]
    >>> stores = {0: ti.store_from_arrays({"layer": ring * [1, 0]}), 10: ti.store_from_arrays({"layer": ring})}
    >>> found = ti.track(stores, ti.Rips(max_dim=1), subsamples=0)
    >>> found.to_frame().query("dim == 1")[["step", "bars", "status"]].values.tolist()
    [[0, 0, 'EXACT'], [10, 1, 'EXACT']]

    Args:
        stores: step -> ActivationStore, or the folder of one. All hold the same row table, since every summary depends on
            which rows and on how many there are; where some lack rows, all are cut to the rows that every store has, and
            ``about["rows"]`` says so.
        recipes: one recipe, several, or a dict of named ones.
        metrics: loss, accuracy ... with a column ``step`` (or the steps as index); joined to the tables by step.
        baselines: compute the plain numbers that often explain the topological ones, too.
        drift: compute the paired measures (RTD, CKA), the most costly part for many rows; without, :meth:`Track.drift` is empty.
        subsamples: number of subsamples of 80 % of the rows that measure the noise for :meth:`Track.events`; 0 for none.
        seed: of the subsamples, which are the same rows at every step and site.
        n_jobs: parallel jobs over steps and sites. The result does not depend on it.
        resume: read what the folder ``cache`` holds; False computes all anew, and writes it there. Without ``cache`` it has no effect:
            nothing was kept, and all is computed.
        cache: folder that keeps each result as soon as it is there, named by the hash of its points, recipe and the package:
            a run that was cut off goes on there, one with a further checkpoint computes only that. None keeps nothing, so that
            a run that is cut off, or repeated, begins anew, also with ``resume=True``.
        progress: show a progress line on a terminal.

    Returns:
        A Track. A checkpoint that can not be read is named in ``failed`` and stops nothing.

    Raises:
        InputError: the row tables differ (the message says in what), no store can be read, or the metrics have no steps.

    Cost: per step and site one run of each recipe, ``subsamples`` runs of 0.8 n rows, and two of ``ti.rtd``.
    """
    named = named_recipes(recipes)
    n_jobs = job_count(n_jobs)
    plan = Plan(checked_subsamples(subsamples, "no events"), whole_number(seed, "seed", 0), bool(baselines))
    kept = opened(cache, resume)
    ready, failed, note = opened_stores(stores)
    table = checked_metrics(metrics, ready)
    sites = list(dict.fromkeys(site for store in ready.values() for site in store))
    threads = max(1, default_threads() // n_jobs)
    results: dict[int, list[SiteResult]] = {step: [] for step in ready}
    lengths: dict[tuple[int, str, str], np.ndarray] = {}
    pairs: list[PairResult] = []
    computed = 0
    keys = [(step, site, name) for step in ready for site in sites for name in named]
    compared = _compared(list(ready)) if drift else []
    pair_keys = [(a, b, site, name) for a, b in compared for site in sites for name in named]
    with progress_line(len(keys) + len(pair_keys), "track", progress) as line:
        jobs = (
            (site_result, (kept, plan, site, name, named[name], read_site(ready[step], site), threads))
            for step, site, name in keys
        )
        for (step, site, name), (result, resampled, new) in zip(keys, run_jobs(jobs, n_jobs), strict=True):
            results[step].append(result)
            computed += new
            if resampled is not None:
                lengths[step, site, name] = resampled
            if result.error:
                before = f"{failed[step]}; " if step in failed else ""
                failed[step] = f"{before}{site} ({name}): {result.error}"
            line.advance()
            line.update(description=f"track step {step}")
        for pair, new in _drifts(pair_keys, kept, named, ready, threads, n_jobs):
            pairs.append(pair)
            computed += new
            line.advance()
            line.update(description=f"track drift of step {pair.step}")
    for step, found in results.items():
        note_tried(stores[step], found, named, None)
    profiles = {
        step: Profile(tuple(found), MappingProxyType(named), MappingProxyType(about_store(ready[step])))
        for step, found in results.items()
    }
    about = {**about_now(), "subsamples": plan.subsamples, "seed": plan.seed, "computed": computed, "results": len(keys) + len(pair_keys), "rows": note}
    failed = {step: failed[step] for step in sorted(failed)}
    return Track(
        MappingProxyType(profiles), MappingProxyType(failed), MappingProxyType(lengths), tuple(pairs), table, MappingProxyType(about)
    )


def _drifts(
    keys: list[tuple[int, int, str, str]], kept: Cache, named: Mapping[str, Rips], ready: Mapping[int, ActivationStore], threads: int, n_jobs: int
) -> Iterator[tuple[PairResult, bool]]:
    """What is measured of each pair of steps, and whether it was computed or read."""
    jobs = ((pair_result, (kept, named[name], read_site(ready[a], site), read_site(ready[b], site), threads)) for a, b, site, name in keys)
    for key, (values, notes, new) in zip(keys, run_jobs(jobs, n_jobs), strict=True):
        yield PairResult(*key, values, tuple(notes)), new


def _compared(steps: list[int]) -> list[tuple[int, int]]:
    """Each later step with the first one and with the one before it, each pair once."""
    neighbors = itertools.pairwise(steps)
    return list(dict.fromkeys(pair for before, step in neighbors for pair in ((steps[0], step), (before, step))))
