"""What a track is made of, checked: stores of the same rows by step, and the metrics of the run."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp._errors import InputError
from topo_interp._rows import row_difference
from topo_interp.profile import error_message

if TYPE_CHECKING:
    import pandas as pd

    from topo_interp.activations.store import ActivationStore

__all__ = ["checked_metrics", "opened_stores"]


def opened_stores(stores: Mapping[int, Any]) -> tuple[dict[int, ActivationStore], dict[int, str], str]:
    """The stores that can be read, by step in order and of equal rows; what is wrong with the others; which rows were left out."""
    from topo_interp.activations.from_arrays import store_from_arrays
    from topo_interp.activations.store import ActivationStore, open_store

    if not isinstance(stores, Mapping) or not stores:
        raise InputError("stores holds no step; give {step: store}, such as {0: 'run/step-0', 100: 'run/step-100'}")
    for step in stores:
        if isinstance(step, bool) or not isinstance(step, (int, np.integer)):
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
    if metrics is None:
        return None
    table = metrics.copy() if "step" in metrics else metrics.rename_axis("step").reset_index()
    if table["step"].duplicated().any():
        twice = table["step"][table["step"].duplicated()].iloc[0]
        raise InputError(f"metrics have step {twice} more than once; one row per step is needed")
    if not set(table["step"]) & set(steps):
        raise InputError(
            f"metrics have none of the steps {', '.join(map(str, list(steps)[:5]))}; give them in a column 'step'"
        )
    table["step"] = table["step"].astype("int64")
    taken = {"site", "recipe", "dim", "n", "d", "bars", "status", "error", "warnings", "entropy"} & set(table)
    if taken:
        raise InputError(f"the metrics' column {min(taken)!r} has the name of a column of the table; rename it")
    return table.sort_values("step", ignore_index=True)
