"""What a track is made of, checked: stores of the same rows by step, and the metrics of the run."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp._arguments import is_whole
from topo_interp._errors import InputError, error_message
from topo_interp._rows import row_difference
from topo_interp.arrays import as_points
from topo_interp.homology.rips import Rips
from topo_interp.point_cloud import array_digest
from topo_interp.profile import Profile, SiteResult
from topo_interp.summaries.baselines import baselines

if TYPE_CHECKING:
    import pandas as pd

    from topo_interp.activations.store import ActivationStore
    from topo_interp.track import Track

__all__ = ["checked_metrics", "opened_stores"]


def opened_stores(stores: Mapping[int, Any]) -> tuple[dict[int, ActivationStore], dict[int, str], str]:
    """The stores that can be read, by step in order and of equal rows; what is wrong with the others; which rows were left out."""
    from topo_interp.activations.from_arrays import store_from_arrays
    from topo_interp.activations.store import ActivationStore, open_store

    if not isinstance(stores, Mapping) or not stores:
        raise InputError("stores holds no step; give {step: store}, such as {0: 'run/step-0', 100: 'run/step-100'}")
    for step in stores:
        if not is_whole(step):
            raise InputError(f"the step {step!r} is a {type(step).__name__}; steps are integers: {{0: store, 100: store}}")
    ready: dict[int, ActivationStore] = {}
    tables: dict[int, pd.DataFrame] = {}
    failed: dict[int, str] = {}
    for step in sorted(int(step) for step in stores):
        given = stores[step]
        try:
            if isinstance(given, (str, os.PathLike)):
                given = open_store(given)
            elif not isinstance(given, ActivationStore):
                given = store_from_arrays(dict(given))
            tables[step] = given.rows
            ready[step] = given
        except Exception as error:  # noqa: BLE001 - named in the result
            failed[step] = error_message(error)
    if not ready:
        step, message = next(iter(failed.items()))
        raise InputError(f"none of the {len(failed)} checkpoints can be read; step {step}: {message}")
    ready, tables, note = _equalized(ready, tables)
    first = next(iter(ready))
    for step in ready:
        difference = row_difference(tables[first], tables[step])
        if difference:
            raise InputError(
                f"the stores of step {first} and step {step} hold different rows: {difference}; capture every checkpoint with "
                "one probe set, or bring both to the same rows with store.select"
            )
    return ready, failed, note


def _equalized(
    ready: dict[int, ActivationStore], tables: dict[int, pd.DataFrame]
) -> tuple[dict[int, ActivationStore], dict[int, pd.DataFrame], str]:
    """The stores cut to the row numbers that all of them have, where their counts differ and there are such.

    Whether rows of one number are the same rows is for :func:`row_difference` to say.
    """
    counts = {step: len(table) for step, table in tables.items()}
    if len(set(counts.values())) == 1:
        return ready, tables, ""
    shared = functools.reduce(lambda a, b: a.intersection(b, sort=False), (table.index for table in tables.values()))
    if len(shared) == 0 or not all(table.index.is_unique for table in tables.values()):
        return ready, tables, ""
    cut = {step: store.select(tables[step].index.get_indexer(shared)) for step, store in ready.items()}
    most, least = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    note = (
        f"the stores have from {counts[least]} (step {least}) to {counts[most]} rows (step {most}); since every summary depends on "
        f"the number of rows, all were cut to the {len(shared)} rows that every store has"
    )
    return cut, {step: store.rows for step, store in cut.items()}, note


def checked_metrics(metrics: pd.DataFrame | None, steps: Iterable[int]) -> pd.DataFrame | None:
    """The metrics with a column ``step``, sorted, if they fit the table that they are to be joined to."""
    import pandas as pd

    if metrics is None:
        return None
    if not isinstance(metrics, pd.DataFrame):
        raise InputError(f"metrics is a {type(metrics).__name__}; a DataFrame with a column 'step' is needed: pd.DataFrame({{'step': [0, 100], 'loss': [2.1, 0.4]}})")
    table = metrics.copy() if "step" in metrics else metrics.rename_axis("step").reset_index()
    names = list(table.columns)
    twice = next((name for name in names if names.count(name) > 1 or not isinstance(name, str)), None)
    if twice is not None:
        raise InputError(f"metrics have the columns {names}; different texts are needed as names")
    numbers = pd.to_numeric(table["step"], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    whole = np.isfinite(numbers) & (numbers == np.floor(numbers))
    if not whole.all():
        at = int(np.flatnonzero(~whole)[0])
        raise InputError(f"the metrics' step in row {at} is {table['step'].tolist()[at]!r}; steps are integers, as those of the stores")
    table["step"] = numbers.astype("int64")
    if table["step"].duplicated().any():
        step = table["step"][table["step"].duplicated()].iloc[0]
        raise InputError(f"metrics have step {step} more than once; one row per step is needed")
    if not set(table["step"]) & set(steps):
        raise InputError(
            f"metrics have none of the steps {', '.join(map(str, list(steps)[:5]))}; give them in a column 'step'"
        )
    taken = _taken_columns() & set(table)
    if taken:
        raise InputError(f"the metrics' column {min(taken)!r} has the name of a column of the table; rename it")
    return table.sort_values("step", ignore_index=True)


@functools.lru_cache(maxsize=1)
def _taken_columns() -> frozenset[str]:
    """The columns that the table of a track can have by itself."""
    empty = Profile((SiteResult("", ""),), {"": Rips()}, {}).to_frame()
    return frozenset({*map(str, empty), *baselines([[0.0], [1.0], [3.0]])})


def followed(track: Track, stores: Mapping[int, Any], site: str, recipe: str | None) -> tuple[dict[int, Any], Rips]:
    """The clouds of one site at all steps of a track, and the recipe; an error where they are not those of the track."""
    if not isinstance(stores, Mapping):
        raise InputError(f"stores is a {type(stores).__name__}; give those that the track was made of: {{step: store}}")
    missing = [step for step in track.steps if step not in stores]
    if missing:
        raise InputError(f"the stores lack step {missing[0]}; give those that the track was made of")
    if site not in track.sites:
        raise InputError(f"the track has no site {site!r}; it has {', '.join(map(repr, track.sites))}")
    if recipe is not None and recipe not in track.recipes:
        raise InputError(f"the track has no recipe {recipe!r}; it has {', '.join(map(repr, track.recipes))}")
    name = next(iter(track.recipes)) if recipe is None else recipe
    ready, failed, _ = opened_stores({step: stores[step] for step in track.steps})
    if failed:
        step, message = next(iter(failed.items()))
        raise InputError(f"step {step} can not be read any more: {message}")
    lacking = [step for step, store in ready.items() if site not in store]
    if lacking:
        raise InputError(f"step {lacking[0]} has no site {site!r}; leave the step out of both the track and the stores")
    clouds = {step: store[site] for step, store in ready.items()}
    for step, cloud in clouds.items():
        kept = track.diagrams.get((step, site, name))
        if kept is not None and array_digest(as_points(cloud)) not in kept.certificate.inputs:
            raise InputError(f"the points of {site!r} at step {step} are not those that the track was made of; give its own stores")
    return clouds, track.recipes[name]
