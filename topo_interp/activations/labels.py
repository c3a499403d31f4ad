"""Label columns of the input's items: given as columns, or read from each batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from topo_interp._errors import InputError

__all__ = ["Labels"]

RESERVED = ("item", "sequence", "position", "token_id", "token", "call", "count")


class Labels:
    """Columns with one entry for each item.

    Args:
        labels: None, a list (the column "label"), a mapping or DataFrame of columns, or a function that gives one of these
            for a batch.
    """

    def __init__(self, labels: Any) -> None:
        self._of_batch: Callable[[Any], Any] | None = labels if callable(labels) else None
        self._columns: dict[str, Any] = {} if labels is None or callable(labels) else _columns(labels)
        self._count = 0

    def add_batch(self, batch: Any, items: int) -> None:
        """Take note of a batch.

        Raises:
            InputError: there are fewer labels than items.
        """
        self._count += items
        if self._of_batch is not None:
            for name, column in _columns(self._of_batch(batch)).items():
                if len(column) != items:
                    raise InputError(
                        f"labels gave {len(column)} entries of {name!r} for a batch of {items} items"
                    )
                self._columns.setdefault(name, []).extend(column)
        for name, column in self._columns.items():
            if len(column) < self._count:
                raise InputError(
                    f"the label column {name!r} has {len(column)} entries; the inputs have {self._count} items or more"
                )

    def check_whole(self) -> None:
        """Raises InputError when there are more labels than items."""
        for name, column in self._columns.items():
            if len(column) != self._count:
                raise InputError(
                    f"the label column {name!r} has {len(column)} entries; the inputs had {self._count} items"
                )

    def of(self, item: int) -> Mapping[str, Any]:
        """The labels of one item."""
        return {name: column[item] for name, column in self._columns.items()}

    def require(self, groups: Sequence[str]) -> None:
        """Raises InputError when a name is no label column."""
        for name in groups:
            if name not in self._columns and (self._of_batch is None or self._count):
                known = ", ".join(map(repr, self._columns)) or "there are none"
                raise InputError(f"groups names {name!r}, which is no label column ({known})")

    def rows(self, items: np.ndarray) -> dict[str, Any]:
        """The label columns of rows that belong to the given items."""
        import pandas

        return {name: pandas.Series(column).take(items).array for name, column in self._columns.items()}


def _columns(labels: Any) -> dict[str, Any]:
    if hasattr(labels, "columns"):  # a DataFrame: by position, whatever its index
        columns = {name: labels[name].array for name in labels.columns}
    elif isinstance(labels, Mapping):
        columns = {name: _entries(column) for name, column in labels.items()}
    else:
        columns = {"label": _entries(labels)}
    for name in columns:
        if not isinstance(name, str):
            raise InputError(f"labels has a column {name!r}; columns are named by strings")
        if name in RESERVED:
            raise InputError(f"labels has a column {name!r}, which the row table uses itself; rename it")
    return columns


def _entries(column: Any) -> Any:
    if hasattr(column, "tolist"):  # arrays and tensors: plain numbers and strings
        return column.tolist()
    if isinstance(column, str) or not isinstance(column, Sequence):
        raise InputError(
            f"a label column is a {type(column).__name__}; give a list or an array with one entry for each item"
        )
    return list(column)
