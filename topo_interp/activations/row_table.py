"""The row table that all sites of a store share: made from columns, checked, read, and told apart by its content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp._errors import InputError
from topo_interp.activations.files import StoreFolder, check_file

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["check_storable", "finish_store", "read_rows", "row_table", "store_digest"]


def row_table(rows: DataFrame | Mapping[str, Any] | None, count: int) -> DataFrame:
    """A row table with ``count`` rows, numbered from 0, that has a column ``item``."""
    import pandas

    columns = {} if rows is None else rows
    if not isinstance(columns, (Mapping, pandas.DataFrame)):
        raise InputError(f"rows is a {type(rows).__name__}; give a DataFrame or a dict of columns")
    for name in columns:
        if not isinstance(name, str):
            raise InputError(f"rows has a column {name!r}; columns are named by strings")
        if len(columns[name]) != count:
            raise InputError(f"the column {name!r} has {len(columns[name])} entries; there are {count} rows")
    table = pandas.DataFrame(
        {name: pandas.Series(_column(columns[name])) for name in columns}, index=range(count)
    )
    if "item" not in table:
        table.insert(0, "item", np.arange(count))
    return table


def _column(values: Any) -> Any:
    # Without the index of the caller's frame: rows are matched by position.
    return values.array if hasattr(values, "array") and hasattr(values, "index") else list(values)


def check_storable(table: DataFrame) -> None:
    """Refuse a row table that parquet can not hold, naming the column."""
    import pyarrow

    for name in table.columns:
        try:
            pyarrow.Array.from_pandas(table[name])
        except (pyarrow.ArrowException, ValueError, TypeError) as error:
            raise InputError(
                f"the column {name!r} can not be written ({error}); give it one type, say with .astype(str)"
            ) from error


def read_rows(path: Path, sha256: str) -> DataFrame:
    """The table in a parquet file, after its bytes were compared with the seal."""
    import pandas

    check_file(path, sha256)
    return pandas.read_parquet(path)


def store_digest(shards: Mapping[str, str], table: DataFrame, factors: Sequence[str]) -> str:
    """Digest of a store from its shards' SHA-256, its row table by value (whatever wrote it) and its factors."""
    state = hashlib.sha256(json.dumps([list(shards.items()), list(factors), table.index.tolist()]).encode())
    for name in table.columns:
        values = [
            None if missing else value for value, missing in zip(table[name].tolist(), table[name].isna())
        ]
        state.update(json.dumps([name, values], default=str).encode())
    return state.hexdigest()[:16]


def finish_store(
    folder: StoreFolder, table: DataFrame, factors: Sequence[str], info: Mapping[str, Any]
) -> None:
    """Seal a folder whose shards are written."""

    def digest(shards: Mapping[str, Any]) -> str:
        return store_digest({site: entry["sha256"] for site, entry in shards.items()}, table, factors)

    check_storable(table)
    folder.finish(table, {"groups": list(factors), "info": dict(info), "digest": digest})
