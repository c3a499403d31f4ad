"""The report's sortable table: headings and cells, plain text only, escaped later by the template."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from topo_interp.profile import Profile

__all__ = ["table"]


class _Column(NamedTuple):
    group: str
    source: str  # column of the profile's frame
    name: str
    meaning: str
    kind: str = "number"


_COLUMNS = (
    _Column("", "site", "site", "module path", "text"),
    _Column("", "recipe", "recipe", "name of the recipe", "text"),
    _Column("", "dim", "dim", "degree of homology: 0 pieces, 1 loops, 2 voids"),
    _Column("", "n", "rows", "rows (points)"),
    _Column("", "d", "width", "coordinates"),
    _Column("Bars", "bars", "bars", "number of bars"),
    _Column("Bars", "max_persistence_relative", "longest (rel.)", "longest bar / median distance"),
    _Column("Bars", "total_persistence_relative", "total (rel.)", "sum of the lengths / median distance"),
    _Column("Bars", "entropy", "entropy", "persistence entropy"),
    _Column("Certificate", "status", "status", "EXACT: exact for the stored distances", "text"),
    _Column(
        "Certificate", "bottleneck_bound", "error ≤", "bound on births and deaths, in units of the distance"
    ),
    _Column("Baselines", "median_distance", "median distance", "the unit of the columns marked rel."),
    _Column("Baselines", "mean_norm", "mean norm", "mean Euclidean norm of a row"),
    _Column(
        "Baselines", "participation_ratio", "partic. ratio", "participation ratio of the covariance spectrum"
    ),
    _Column("Baselines", "pca_dim_90", "PCA 90 %", "principal components that hold 90 % of the variance"),
    _Column("Baselines", "two_nn_dim", "TwoNN dim", "intrinsic dimension from the two nearest neighbors"),
    _Column(
        "Baselines",
        "top_coordinate_share",
        "top coord.",
        "share of the mean squared distance in one coordinate (of directions, where the metric sees only those)",
    ),
    _Column(
        "Baselines",
        "distance_concentration",
        "spread",
        "spread of the distances over their mean; small: they concentrate",
    ),
    _Column(
        "Baselines",
        "noise_floor_ratio",
        "noise floor",
        "about the largest death / birth that a circle could have above this noise",
    ),
    _Column("", "warnings", "warnings", "warnings of this site", "text"),
)


def table(profile: Profile) -> dict[str, Any]:
    """Headings and cells of the sortable table, from the profile's frame."""
    frame = profile.to_frame()
    skip = {"recipe"} if len(profile.recipes) == 1 else set()
    if not (frame["warnings"] + frame["error"]).any():
        skip.add("warnings")
    chosen = [c for c in _COLUMNS if c.source in frame and c.source not in skip]
    rows = []
    for record in frame.to_dict("records"):
        cells = [_cell(record[c.source], c) for c in chosen]
        if record["error"]:
            cells[-1] = _cell(record["error"], chosen[-1])
        rows.append({"cells": cells, "failed": bool(record["error"])})
    groups = [
        (name, len(list(columns))) for name, columns in itertools.groupby(chosen, key=lambda c: c.group)
    ]
    columns = [{"name": c.name, "kind": c.kind, "meaning": c.meaning} for c in chosen]
    return {"groups": groups, "columns": columns, "rows": rows}


def _cell(value: Any, column: _Column) -> dict[str, str]:
    if column.kind == "text":
        text = str(value)
        return {"text": text, "value": text, "kind": column.kind, "full": text if len(text) > 24 else ""}
    if value is None or str(value) in ("nan", "<NA>"):
        return {"text": "", "value": "", "kind": column.kind, "full": ""}
    number = float(value)
    if math.isinf(number):
        shown = "∞"
    elif number.is_integer() and abs(number) < 1e7:
        shown = str(int(number))
    else:
        shown = f"{number:.1e}" if column.source == "bottleneck_bound" else f"{number:.3g}"
    return {"text": shown, "value": repr(number).replace("inf", "Infinity"), "kind": column.kind, "full": ""}
