"""Which rows and which groups of rows a store's method means: masks, positions, columns of the row table, bases."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp._errors import InputError

if TYPE_CHECKING:
    from pandas import DataFrame, Series

__all__ = ["group_codes", "group_names", "is_constant", "named_columns", "orthonormal", "positions_of", "positions_where"]


def named_columns(table: DataFrame, by: str | Sequence[str], name: str) -> list[str]:
    """The columns that ``name(by=...)`` means, without missing values."""
    have = ", ".join(map(str, table.columns))
    if not isinstance(by, (str, Iterable, type(None))):
        raise InputError(f"{name}(by={by!r}): columns are named by strings; columns: {have}")
    columns = [by] if isinstance(by, str) else list(by or ())
    for column in columns:
        if column not in table:
            raise InputError(f"{name}(by={column!r}): no such column; columns: {have}")
        if table[column].isna().any():
            raise InputError(f"{name}(by={column!r}): the column has missing values; select the rows that have one first")
    if not columns:
        raise InputError(f"{name}(by=[]) names no column; columns: {have}")
    return columns


def group_names(groups: str | Sequence[str]) -> tuple[str, ...]:
    """The names in ``groups``; a string is one name."""
    if not isinstance(groups, Iterable):
        raise InputError(f"groups is {groups!r}; names of columns are needed, such as groups=['template']")
    return (groups,) if isinstance(groups, str) else tuple(groups)


def group_codes(table: DataFrame, columns: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Group number of each row, in order of first appearance, and the first row of each group."""
    codes = table.groupby(columns, sort=False, observed=True).ngroup().to_numpy()
    seen, first = np.unique(codes, return_index=True)
    order = np.argsort(first)
    rank = np.empty(len(seen), dtype=np.int64)
    rank[order] = np.arange(len(seen))
    return rank[codes], first[order]


def is_constant(column: Series, codes: np.ndarray, first: np.ndarray) -> bool:
    """Whether the column has one value (or none) in every group."""
    spread = column.iloc[first[codes]].reset_index(drop=True)
    own = column.reset_index(drop=True)
    return bool(((own == spread) | (own.isna() & spread.isna())).all())


def positions_of(index: np.ndarray, count: int) -> np.ndarray:
    """Row positions from a boolean mask or from positions."""
    if index.dtype == bool:
        if index.shape != (count,):
            raise InputError(f"the mask has shape {index.shape}; the store has {count} rows")
        return np.flatnonzero(index)
    if index.ndim != 1 or index.dtype.kind not in "iu" and index.size:
        raise InputError(
            f"rows are chosen by a query, a boolean mask or integer positions, not by {index.dtype} {index.shape}"
        )
    if index.size and not (-count <= index.min() and index.max() < count):
        raise InputError(
            f"a position is out of range: {index.min()} to {index.max()}, the store has {count} rows"
        )
    return index.astype(np.int64) % count


def positions_where(table: DataFrame, query: str, level: int) -> np.ndarray:
    """The positions of the rows for which a query holds; its ``@name`` is a variable of the caller ``level`` calls above this one's."""
    import pandas

    try:
        # The table's positions, not its index, so that the same positions pick the points.
        held = table.reset_index(drop=True).eval(query, level=level + 1)
        if not isinstance(held, pandas.Series) or not pandas.api.types.is_bool_dtype(held.dtype):
            raise TypeError("it is no condition on the rows, such as label == 'March'")
        return np.flatnonzero(held.fillna(False))  # a comparison with a missing value does not hold
    except Exception as error:
        raise InputError(f"the query {query!r} can not be answered ({error}); columns: {', '.join(map(str, table.columns))}") from error


def orthonormal(rows: Any, width: int, site: str) -> np.ndarray:
    """A basis (k, width) as float64, refused where its rows are not orthonormal."""
    basis = np.asarray(rows, dtype=np.float64)
    if basis.ndim != 2 or basis.shape[1] != width:
        raise InputError(
            f"the basis for {site!r} has shape {basis.shape}; (k, {width}) is needed, or a dict of one for each site"
        )
    off = float(np.abs(basis @ basis.T - np.eye(len(basis))).max(initial=0.0))
    if not off < 1e-4:
        raise InputError(
            f"the rows of the basis for {site!r} are not orthonormal (off by {off:.2g}), so distances would be distorted; "
            "take np.linalg.qr(basis.T)[0].T"
        )
    return basis
