"""A store of arrays that came from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from topo_interp._errors import InputError
from topo_interp.activations.row_choice import group_names
from topo_interp.activations.row_table import row_table
from topo_interp.activations.sources import Memory, Source
from topo_interp.activations.store import ActivationStore
from topo_interp.arrays import as_points

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["store_from_arrays"]


def store_from_arrays(
    arrays: Mapping[str, Any],
    rows: DataFrame | Mapping[str, Any] | None = None,
    *,
    groups: Sequence[str] = (),
) -> ActivationStore:
    """A store of arrays captured by other means, or of weight tables (embeddings, decoder directions).

    >>> import topo_interp as ti
    >>> import numpy as np
    >>> ti.store_from_arrays({"embedding": np.eye(3)}, rows={"token": ["a", "b", "c"]})["embedding"]
    PointCloud(3 x 3 float64, site='embedding')

    Args:
        arrays: site -> array (n, d), the same n for all; 16-bit arrays become float32, integers float64, exactly. An array
            that can be written to is copied.
        rows: the row table: DataFrame or columns of length n; a column ``item`` (0, 1, ...) is added when there is none.
        groups: columns of the design in which rows share values (template, item): such rows are not independent.

    Raises:
        InputError: no arrays, different numbers of rows, a value that is not finite (the site and the row are named).
    """
    if not isinstance(arrays, Mapping) or not arrays:
        raise InputError("arrays is empty or no mapping; give {site: array of shape (n, d)}")
    sources: dict[str, Source] = {}
    for site, array in arrays.items():
        if not isinstance(site, str):
            raise InputError(
                f"the site {site!r} is a {type(site).__name__}; sites are strings (module paths)"
            )
        points = as_points(array, name=f"arrays[{site!r}]")
        if points.flags.writeable:
            points = points.copy()  # the store is a value: what the caller writes later must not reach it
        sources[site] = Memory(points, points.dtype.name)
    counts = {site: source.shape[0] for site, source in sources.items()}
    if len(set(counts.values())) > 1:
        some = ", ".join(f"{site!r} has {count}" for site, count in counts.items())
        raise InputError(
            f"the arrays have different numbers of rows ({some}); rows are shared: make one store for each"
        )
    table = row_table(rows, next(iter(counts.values())))
    groups = group_names(groups)
    for name in groups:
        if name not in table:
            raise InputError(
                f"groups names {name!r}, which is no column of rows; columns: {', '.join(map(str, table.columns))}"
            )
    return ActivationStore(sources, table, factors=groups, info={}, count=len(table))
