"""All comparisons of clouds by name, with what each promises, and the layer-by-layer table of two stores."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp._errors import InputError, TopoInterpError, error_message
from topo_interp._rows import row_difference
from topo_interp.comparison import linear, merging, neighborhoods
from topo_interp.comparison._paired import Comparison, Properties
from topo_interp.point_cloud import PointCloud
from topo_interp.progress import progress as progress_line

if TYPE_CHECKING:
    import pandas

__all__ = ["MEASURES", "compare", "table"]

Measure = Callable[..., Comparison]

MEASURES: dict[str, tuple[Properties, Measure]] = {
    "rtd": (merging.RTD, merging.rtd),
    "rtd_lite": (merging.RTD_LITE, merging.rtd_lite),
    "merge_order": (merging.MERGE_ORDER, merging.merge_order),
    "neighbor_overlap": (neighborhoods.NEIGHBOR_OVERLAP, neighborhoods.neighbor_overlap),
    "information_imbalance": (neighborhoods.INFORMATION_IMBALANCE, neighborhoods.information_imbalance),
    "cka": (linear.CKA, linear.cka),
    "procrustes": (linear.PROCRUSTES, linear.procrustes),
    "rsa": (linear.RSA, linear.rsa),
}


def table() -> pandas.DataFrame:
    """One row per measure: name, is_metric, symmetric, invariances, larger_is_more_similar, takes_distances, needs_pairing.

    >>> table().set_index("name").loc["procrustes", "is_metric"]
    True
    """
    import pandas

    frame = pandas.DataFrame([dataclasses.asdict(properties) for properties, _ in MEASURES.values()])
    return frame.astype({name: object for name in ("is_metric", "symmetric", "larger_is_more_similar", "takes_distances", "needs_pairing")})


def compare(
    a: Mapping[str, PointCloud],
    b: Mapping[str, PointCloud],
    measure: str | Measure,
    *,
    on: str | None = None,
    progress: bool = False,
) -> pandas.DataFrame:
    """Every site of one store against every site of another, as a tidy table.

    Columns: site_a, site_b, measure, value, forward, backward, n, convention, error (why a pair has no value, which is NaN then;
    empty for the others). ``ti.plot_comparison(frame)`` draws it, ``frame.pivot(index="site_a", columns="site_b", values="value")`` is the matrix.

    >>> import topo_interp as ti
    >>> small = {"0": ti.PointCloud(ti.shapes.circle(8))}
    >>> large = {"0": ti.PointCloud(2 * ti.shapes.circle(8)), "1": ti.PointCloud(ti.shapes.clusters(8))}
    >>> frame = compare(small, large, "procrustes")
    >>> frame[["site_a", "site_b"]].values.tolist(), round(float(frame["value"][0]), 6)
    ([['0', '0'], ['0', '1']], 0.0)

    Args:
        a, b: two stores (or mappings from sites to points) of the same observations; the same store twice compares a model's
            layers with each other.
        measure: a name of ``ti.comparisons.table()``, or a function of two clouds that gives a Comparison.
        on: column of both row tables that says which rows belong together (two tokenizers, two probe orders); without it
            both stores must hold the same rows.
        progress: whether to show a progress line.

    Raises:
        InputError: no such measure, stores of different rows (the message says in what), rows that can not be paired, an
            empty store, or no pair that has a value.

    Cost: one comparison per pair of sites.
    """
    import pandas

    function = _measure(measure)
    for side, store in (("a", a), ("b", b)):
        if not isinstance(store, Mapping):
            raise InputError(
                f"{side} is a {type(store).__name__}; a mapping from sites to points is needed: ti.store_from_arrays({{'site': points}})"
            )
    if len(a) == 0 or len(b) == 0:
        raise InputError("a store without sites has nothing to compare")
    take_a, take_b = (None, None) if on is None else _joined(a, b, on)
    if on is None:
        _require_same_rows(a, b)
    rows = []
    with progress_line(len(a) * len(b), "comparing sites", progress) as line:
        clouds_b = {site: _taken(cloud, take_b) for site, cloud in b.items()}
        for site_a, cloud_a in a.items():
            first = _taken(cloud_a, take_a)
            for site_b, second in clouds_b.items():
                rows.append((site_a, site_b, *_row(function, first, second)))
                line.advance()
    frame = pandas.DataFrame(
        rows, columns=["site_a", "site_b", "measure", "value", "forward", "backward", "n", "convention", "error"]
    )
    failed = frame["error"] != ""
    if failed.all():
        raise InputError(f"no pair of sites can be compared; {rows[0][0]!r} and {rows[0][1]!r}: {rows[0][-1]}")
    return frame.assign(measure=frame.loc[~failed, "measure"].iloc[0])


def _row(function: Measure, first: Any, second: Any) -> tuple[Any, ...]:
    try:
        found = function(first, second)
    except TopoInterpError as error:  # one site must not lose the others
        return "", math.nan, math.nan, math.nan, 0, "", error_message(error)
    if not isinstance(found, Comparison):
        raise InputError(f"the measure gives a {type(found).__name__}; a ti.Comparison is needed, as ti.cka gives one")
    return found.measure, found.value, found.forward, found.backward, found.n, found.convention, ""


def _measure(measure: str | Measure) -> Measure:
    if callable(measure):
        return measure
    if not isinstance(measure, str) or measure not in MEASURES:
        near = difflib.get_close_matches(str(measure), MEASURES, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(f"no measure is called {measure!r}; {hint}known: {', '.join(MEASURES)}")
    if measure == "neighbor_overlap":
        raise InputError(
            "neighbor_overlap needs its number of neighbors: pass lambda x, y: ti.neighbor_overlap(x, y, k=10)"
        )
    return MEASURES[measure][1]


def _require_same_rows(a: Any, b: Any) -> None:
    tables = [getattr(store, "rows", None) for store in (a, b)]
    difference = "" if a is b or any(table is None for table in tables) else row_difference(*tables)
    if difference:
        raise InputError(
            f"the stores hold different rows: {difference}; capture both with one probe set, or say by which column rows belong "
            "together: on='text'"
        )


def _joined(a: Any, b: Any, on: str) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the rows that both stores hold, in the order of the first."""
    keys = []
    for name, store in (("a", a), ("b", b)):
        frame = getattr(store, "rows", None)
        if not isinstance(on, str) or frame is None or on not in frame:
            raise InputError(f"store {name} has no row table with a column {on!r}; capture with labels={{{on!r}: ...}}")
        column = frame[on]
        if column.isna().any():
            raise InputError(f"column {on!r} of store {name} is empty in {column.isna().sum()} of {len(column)} rows: drop them with store.select")
        if column.duplicated().any():
            twice = column[column.duplicated()].tolist()[0]
            raise InputError(
                f"column {on!r} of store {name} does not tell rows apart: {twice!r} stands there "
                f"{column.tolist().count(twice)} times; join on a column with one row per value"
            )
        keys.append(column.to_numpy())
    where = {key: i for i, key in enumerate(keys[1])}
    pairs = [(i, where[key]) for i, key in enumerate(keys[0]) if key in where]
    if not pairs:
        raise InputError(f"no value of column {on!r} stands in both stores")
    first, second = np.array(pairs).T
    return first, second


def _taken(cloud: PointCloud, index: np.ndarray | None) -> np.ndarray | PointCloud:
    # After a join the rows are paired by key, whatever their numbers in the two row tables.
    return cloud if index is None else cloud.points[index]
