"""The report's sortable table: headings and cells, plain text only, escaped later by the template."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any, NamedTuple

from topo_interp._words import upper

if TYPE_CHECKING:
    import pandas as pd

    from topo_interp.profile import Profile

__all__ = ["Column", "cells", "table"]


class Column(NamedTuple):
    """A column of a table: the heading over it, the frame's column, its own heading, and what it means."""

    group: str
    source: str  # column of the profile's frame
    name: str
    meaning: str
    kind: str = "number"


_COLUMNS = (
    Column("", "site", "site", "module path", "text"),
    Column("", "recipe", "recipe", "name of the recipe", "text"),
    Column("", "dim", "dim", "degree of homology: 0 pieces, 1 loops, 2 voids"),
    Column("", "n", "rows", "rows (points)"),
    Column("", "d", "width", "coordinates"),
    Column("Bars", "bars", "bars", "number of bars"),
    Column("Bars", "max_persistence_relative", "longest (rel.)", "longest bar / median distance"),
    Column("Bars", "total_persistence_relative", "total (rel.)", "sum of the lengths / median distance"),
    Column("Bars", "entropy", "entropy", "persistence entropy"),
    Column("Significance", "null_mean", "null mean", "mean of the statistic over the draws of the null"),
    Column("Significance", "null_sd", "null sd", "standard deviation of the statistic over the draws"),
    Column("Significance", "p_value", "p alone", "p-value of this test by itself"),
    Column("Significance", "p_adjusted", "p adjusted", "p-value adjusted for all tests of the report (max-T)"),
    Column("Certificate", "status", "status", "EXACT: exact for the stored distances", "text"),
    Column(
        "Certificate", "bottleneck_bound", "error ≤", "bound on births and deaths, in units of the distance"
    ),
    Column("Baselines", "median_distance", "median distance", "the unit of the columns marked rel."),
    Column("Baselines", "mean_norm", "mean norm", "mean Euclidean norm of a row"),
    Column(
        "Baselines", "participation_ratio", "partic. ratio", "participation ratio of the covariance spectrum"
    ),
    Column("Baselines", "pca_dim_90", "PCA 90 %", "principal components that hold 90 % of the variance"),
    Column("Baselines", "two_nn_dim", "TwoNN dim", "intrinsic dimension from the two nearest neighbors"),
    Column(
        "Baselines",
        "top_coordinate_share",
        "top coord.",
        "share of the mean squared distance in one coordinate (of directions, where the metric sees only those)",
    ),
    Column("Baselines", "top_5_coordinates_share", "top 5 coord.", "the same of the five largest coordinates together"),
    Column(
        "Baselines",
        "distance_concentration",
        "spread",
        "spread of the distances over their mean; small: they concentrate",
    ),
    Column(
        "Baselines",
        "noise_floor_ratio",
        "noise floor",
        "about the largest death / birth that a circle could have above this noise",
    ),
    Column("", "warnings", "warnings", "warnings of this site", "text"),
)


def table(profile: Profile) -> dict[str, Any]:
    """Headings and cells of the sortable table, from the profile's frame."""
    frame = profile.to_frame()
    skip = {"recipe"} if len(profile.recipes) == 1 else set()
    if not (frame["warnings"] + frame["error"]).any():
        skip.add("warnings")
    return cells(frame, [c for c in _COLUMNS if c.source in frame and c.source not in skip])


def cells(frame: pd.DataFrame, chosen: list[Column]) -> dict[str, Any]:
    """Headings and cells of some columns of a frame; a row with an ``error`` shows it in the last one."""
    rows = []
    for record in frame.to_dict("records"):
        line = [_cell(record[c.source], c) for c in chosen]
        if record.get("error"):
            line[-1] = _cell(record["error"], chosen[-1])
        rows.append({"cells": line, "failed": bool(record.get("error"))})
    groups = [(name, len(list(columns))) for name, columns in itertools.groupby(chosen, key=lambda c: c.group)]
    columns = [{"name": c.name, "kind": c.kind, "meaning": c.meaning} for c in chosen]
    return {"groups": groups, "columns": columns, "rows": rows}


def _cell(value: Any, column: Column) -> dict[str, str]:
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
        shown = upper(number, 2) if column.source == "bottleneck_bound" else f"{number:.3g}"
    return {"text": shown, "value": repr(number).replace("inf", "Infinity"), "kind": column.kind, "full": ""}
