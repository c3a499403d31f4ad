"""The picture of a table of comparisons: site by site, one number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp._errors import InputError
from topo_interp.report.plot_style import label, short_labels, style

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["plot_comparison"]


def plot_comparison(frame: pd.DataFrame, value: str = "value") -> Any:
    """The table of :func:`topo_interp.compare` as a heat map one can hover, a plotly figure.

    >>> import topo_interp as ti
    >>> clouds = {"0": ti.PointCloud(ti.shapes.circle(8)), "1": ti.PointCloud(ti.shapes.clusters(8))}
    >>> figure = plot_comparison(ti.compare(clouds, clouds, "cka"))
    >>> list(figure.data[0].x), round(figure.data[0].z[0][0], 6)
    (['0', '1'], 1.0)

    Args:
        frame: one row per pair of sites, as ``ti.compare`` gives it; of one measure.
        value: "value", "forward" or "backward".

    Raises:
        InputError: several measures, or another column.
    """
    import plotly.graph_objects as go

    if value not in ("value", "forward", "backward"):
        raise InputError(f"value is {value!r}; it is 'value', 'forward' or 'backward'")
    names = list(dict.fromkeys(frame["measure"]))
    if len(names) != 1:
        raise InputError(f"the table holds the measures {', '.join(map(repr, names)) or '(none)'}; one is drawn: frame[frame['measure'] == ...]")
    rows, columns = (list(dict.fromkeys(frame[name])) for name in ("site_a", "site_b"))
    grid = frame.pivot(index="site_a", columns="site_b", values=value).reindex(index=rows, columns=columns).to_numpy(dtype=float)
    title = names[0] if value == "value" else f"{names[0]}, {value}"
    places = [[label(site, 10**6) for site in sites] for sites in (columns, rows)]
    figure = go.Figure(
        go.Heatmap(
            x=places[0],
            y=places[1],
            z=[[None if not np.isfinite(z) else float(f"{z:.6g}") for z in line] for line in grid],
            colorscale="Cividis",
            colorbar={"thickness": 14, "outlinewidth": 0, "title": {"text": label(title), "side": "right"}},
            hovertemplate="a: %{y}<br>b: %{x}<br>" + label(title) + " = %{z:.4g}<extra></extra>",
            xgap=1,
            ygap=1,
        )
    )
    style(figure, height=170 + 26 * max(4, len(rows)))
    figure.update_xaxes(type="category", tickvals=places[0], ticktext=short_labels(columns), title_text="site of b", showgrid=False)
    figure.update_yaxes(
        type="category", tickvals=places[1], ticktext=short_labels(rows), title_text="site of a", autorange="reversed", showgrid=False
    )
    return figure
