"""Whether clouds of several layers or steps, and the row tables of stores, hold the same rows."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp._errors import InputError
from topo_interp.point_cloud import PointCloud

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["row_difference", "same_rows"]


def same_rows(clouds: Mapping[Any, Any], needed_by: str) -> int:
    """The number of rows, or an error that says how the clouds differ (of arrays and matrices only the number is known)."""
    if not isinstance(clouds, Mapping) or len(clouds) < 2:
        raise InputError(
            f"{needed_by} needs at least two clouds of the same rows by step or layer, such as {{0: first, 100: second}}; "
            + (f"this is a {type(clouds).__name__}" if not isinstance(clouds, Mapping) else f"there are {len(clouds)}")
        )
    advice = "capture all with one probe set, or bring them to the same rows with store.select"
    names, n = list(clouds), 0
    known: tuple[Hashable, np.ndarray] | None = None
    for step, cloud in clouds.items():
        if not hasattr(cloud, "__len__") or isinstance(cloud, str):
            raise InputError(f"{needed_by} follows the same rows, and {step!r} is a {type(cloud).__name__}; points (n, d) are needed")
        count = len(cloud)
        if step == names[0]:
            n = count
        if count != n:
            raise InputError(f"{needed_by} follows the same rows, and {names[0]!r} has {n} rows and {step!r} {count}: {advice}")
        if not isinstance(cloud, PointCloud):
            continue
        if known is not None and not np.array_equal(cloud.rows, known[1]):
            at = int(np.flatnonzero(cloud.rows != known[1])[0])
            raise InputError(
                f"{needed_by} follows the same rows, and place {at} is row {known[1][at]} of {known[0]!r} and row {cloud.rows[at]} of "
                f"{step!r}: {advice}"
            )
        known = known or (step, cloud.rows)
    return n


def row_difference(a: pd.DataFrame, b: pd.DataFrame) -> str:
    """In what two row tables differ, "" when they are the same; the order of their columns says nothing."""
    if len(a) != len(b):
        return f"{len(a)} and {len(b)} rows"
    if set(a.columns) != set(b.columns):
        only = [[str(c) for c in x.columns if c not in y.columns] for x, y in ((a, b), (b, a))]
        return f"columns {', '.join(only[0]) or 'none'} only in the first, {', '.join(only[1]) or 'none'} only in the second"
    for name in a.columns:
        left, right = (x[name].reset_index(drop=True).astype(object) for x in (a, b))
        off = np.flatnonzero(~((left == right) | (left.isna() & right.isna())).to_numpy(dtype=bool))
        if len(off):
            return f"column {str(name)!r} is {left[off[0]]!r} and {right[off[0]]!r} in row {off[0]} ({len(off)} rows differ)"
    if not a.index.equals(b.index):
        return "the rows are numbered differently"
    return ""
