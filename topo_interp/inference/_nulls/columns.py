"""Columns of the row table that nulls read: their names, checked, and the level of every row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from topo_interp._errors import InputError

if TYPE_CHECKING:
    import pandas

__all__ = ["levels_of", "names_of", "several", "table_of"]

def names_of(names: Sequence[str] | str | None, argument: str) -> tuple[str, ...]:
    if names is not None and not isinstance(names, Iterable):
        raise InputError(f"{argument} is {names!r}; different names of row-table columns are needed")
    names = () if names is None else (names,) if isinstance(names, str) else tuple(names)
    if len(set(names)) != len(names) or not all(isinstance(name, str) and name for name in names):
        raise InputError(f"{argument} is {names!r}; different names of row-table columns are needed")
    return names


def several(levels: np.ndarray, by: str) -> None:
    if len(levels) < 2:
        raise InputError(f"the column {by!r} holds one value only; there is nothing to permute")


def table_of(table: pandas.DataFrame | None, n: int, columns: Sequence[str], who: str) -> pandas.DataFrame:
    if table is None:
        raise InputError(f"{who} reads {', '.join(map(repr, columns))} from the row table: give rows_table=store.rows")
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise InputError(f"the row table has no column {missing[0]!r}; it has {', '.join(map(repr, table.columns))}")
    if len(table) != n:
        raise InputError(f"the row table has {len(table)} rows and the cloud {n}; give the rows of this cloud")
    for name in columns:
        without = int(table[name].isna().sum())
        if without:
            raise InputError(
                f"{without} of {n} rows have no value in the column {name!r}, and rows without a label are no class of their own: "
                f"leave them out with store.select(store.rows[{name!r}].notna())"
            )
    return table


def levels_of(table: pandas.DataFrame, name: str) -> np.ndarray:
    """Integer level of every row; ``"a:b"`` has one level per combination that occurs."""
    codes = [np.unique(table[part].to_numpy().astype(str), return_inverse=True)[1] for part in name.split(":")]
    return np.unique(np.column_stack(codes), axis=0, return_inverse=True)[1].reshape(-1)
