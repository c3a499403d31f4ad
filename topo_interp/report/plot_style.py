"""The common look of all pictures: colors, labels, axes.

Colors are Okabe and Ito's (distinct for color-blind readers), heat maps are cividis.
"""

from __future__ import annotations

import html
from typing import Any

import numpy as np

__all__ = ["DIM_COLORS", "INK", "heat", "label", "short_labels", "style"]

DIM_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
INK, _GRID = "#1f2933", "#e4e7eb"


def label(text: str, most: int = 34) -> str:
    """A module path or a row label as plotly text: escaped (plotly reads HTML tags in text), long ones cut in the middle."""
    if len(text) > most:
        keep = (most - 1) // 2
        text = f"{text[:keep]}…{text[-keep:]}"
    return html.escape(text, quote=False)


def short_labels(sites: list[str], most: int = 34) -> list[str]:
    """Labels without the path components that all sites begin with.

    >>> short_labels(["encoder.layer.0.output", "encoder.layer.1.output"])
    ['0.output', '1.output']
    """
    paths = [site.split(".") for site in sites]
    shared = 0
    while len(paths) > 1 and all(
        len(path) > shared + 1 and path[shared] == paths[0][shared] for path in paths
    ):
        shared += 1
    return [label(".".join(path[shared:]), most) for path in paths]


def heat(grid: np.ndarray, rows: list[str], columns: list[str], title: str, hover: str) -> Any:
    """A number by site (lines) and something else: a heat map whose cells without a number are empty; ``hover`` names both."""
    import plotly.graph_objects as go

    lines = [label(row, 10**6) for row in rows]
    figure = go.Figure(
        go.Heatmap(
            x=[label(column, 10**6) for column in columns],
            y=lines,
            z=[[float(f"{z:.6g}") if np.isfinite(z) else None for z in line] for line in grid],
            colorscale="Cividis",
            colorbar={"thickness": 14, "outlinewidth": 0, "title": {"text": label(title), "side": "right"}},
            hovertemplate=f"{hover}<br>{label(title)} = %{{z:.4g}}<extra></extra>",
            xgap=1,
            ygap=2,
        )
    )
    style(figure, height=160 + 27 * max(3, len(rows)))
    # Said to be categories: sites may be called "0", "1", ..., as in nn.Sequential.
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_yaxes(type="category", tickvals=lines, ticktext=short_labels(rows), autorange="reversed", showgrid=False)
    return figure


def style(figure: Any, height: int, top: int = 40) -> None:
    """The common look of all figures."""
    figure.update_layout(
        template="none",
        height=height,
        margin={"l": 20, "r": 20, "t": top, "b": 50},
        font={
            "family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif",
            "size": 12,
            "color": INK,
        },
        paper_bgcolor="white",
        plot_bgcolor="white",
        hoverlabel={"bgcolor": "white", "font": {"color": INK}},
    )
    axis = {
        "automargin": True,
        "gridcolor": _GRID,
        "linecolor": "#9aa5b1",
        "zeroline": False,
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": "#9aa5b1",
        "title": {"font": {"size": 12}, "standoff": 8},
    }
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
