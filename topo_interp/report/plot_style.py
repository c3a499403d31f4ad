"""The common look of all pictures: colors, labels, axes.

Colors are Okabe and Ito's (distinct for color-blind readers), heat maps are cividis.
"""

from __future__ import annotations

import html
from typing import Any

__all__ = ["DIM_COLORS", "INK", "label", "short_labels", "style"]

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
