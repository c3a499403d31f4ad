"""All comparisons of clouds by name, with what each promises, and the layer-by-layer table of two stores."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp._errors import InputError
from topo_interp.comparison import linear, merging, neighborhoods
from topo_interp.comparison._paired import Comparison, Properties
from topo_interp.point_cloud import PointCloud
from topo_interp.progress import progress as progress_line

if TYPE_CHECKING:
    import pandas

__all__ = ["compare", "table"]

Measure = Callable[[Any, Any], Comparison]

_MEASURES: dict[str, tuple[Properties, Measure]] = {
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
    """One row per measure: name, is_metric, symmetric, invariances, larger_is_more_similar, needs_pairing.

    >>> table().set_index("name").loc["procrustes", "is_metric"]
    True
    """
    import pandas

    frame = pandas.DataFrame([dataclasses.asdict(properties) for properties, _ in _MEASURES.values()])
    return frame.astype({name: object for name in ("is_metric", "symmetric", "larger_is_more_similar", "needs_pairing")})


def compare(
    a: Mapping[str, PointCloud],
    b: Mapping[str, PointCloud],
    measure: str | Measure,
    *,
    on: str | None = None,
    progress: bool = False,
) -> pandas.DataFrame:
    """Every site of one store against every site of another, as a tidy table.

    Columns: site_a, site_b, measure, value, forward, backward, n, convention. ``ti.plot_comparison(frame)`` draws it, ``frame.pivot(index="site_a",
    columns="site_b", values="value")`` is the matrix.

    >>> import topo_interp as ti
    >>> small = {"0": ti.PointCloud(ti.shapes.circle(8))}
    >>> large = {"0": ti.PointCloud(2 * ti.shapes.circle(8)), "1": ti.PointCloud(ti.shapes.clusters(8))}
    >>> frame = compare(small, large, "procrustes")
    >>> frame[["site_a", "site_b"]].values.tolist(), round(float(frame["value"][0]), 6)
    ([['0', '0'], ['0', '1']], 0.0)

    Args:
        a, b: two stores of the same observations; the same store twice compares a model's layers with each other.
        measure: a name of ``ti.comparisons.table()``, or a function of two clouds that gives a Comparison.
        on: column of both row tables that says which rows belong together (two tokenizers, two probe orders); without it
            both stores must hold the same rows.
        progress: whether to show a progress line.

    Raises:
        InputError: no such measure, rows that can not be paired, an empty store.

    Cost: one comparison per pair of sites.
    """
    import pandas

    function = _measure(measure)
    if len(a) == 0 or len(b) == 0:
        raise InputError("a store without sites has nothing to compare")
    take_a, take_b = (None, None) if on is None else _joined(a, b, on)
    rows = []
    with progress_line(len(a) * len(b), "comparing sites", progress) as line:
        clouds_b = {site: _taken(cloud, take_b) for site, cloud in b.items()}
        for site_a, cloud_a in a.items():
            first = _taken(cloud_a, take_a)
            for site_b, second in clouds_b.items():
                found = function(first, second)
                rows.append(
                    (site_a, site_b, found.measure, found.value, found.forward, found.backward, found.n, found.convention)
                )
                line.advance()
    names = ["site_a", "site_b", "measure", "value", "forward", "backward", "n", "convention"]
    return pandas.DataFrame(rows, columns=names)


def _measure(measure: str | Measure) -> Measure:
    if callable(measure):
        return measure
    if measure not in _MEASURES:
        near = difflib.get_close_matches(str(measure), _MEASURES, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(f"no measure is called {measure!r}; {hint}known: {', '.join(_MEASURES)}")
    if measure == "neighbor_overlap":
        raise InputError(
            "neighbor_overlap needs its number of neighbors: pass lambda x, y: ti.neighbor_overlap(x, y, k=10)"
        )
    return _MEASURES[measure][1]


def _joined(a: Any, b: Any, on: str) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the rows that both stores hold, in the order of the first."""
    keys = []
    for name, store in (("a", a), ("b", b)):
        frame = getattr(store, "rows", None)
        if frame is None or on not in frame:
            raise InputError(f"store {name} has no row table with a column {on!r}; capture with labels={{{on!r}: ...}}")
        column = frame[on].to_numpy()
        values, counts = np.unique(column, return_counts=True)
        if (counts > 1).any():
            raise InputError(
                f"column {on!r} of store {name} does not tell rows apart: {values[counts > 1][0]!r} stands there "
                f"{counts.max()} times; join on a column with one row per value"
            )
        keys.append(column)
    where = {key: i for i, key in enumerate(keys[1])}
    pairs = [(i, where[key]) for i, key in enumerate(keys[0]) if key in where]
    if not pairs:
        raise InputError(f"no value of column {on!r} stands in both stores")
    first, second = np.array(pairs).T
    return first, second


def _taken(cloud: PointCloud, index: np.ndarray | None) -> np.ndarray | PointCloud:
    # After a join the rows are paired by key, whatever their numbers in the two row tables.
    return cloud if index is None else cloud.points[index]
