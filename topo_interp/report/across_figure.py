"""The longest bars over the sites, beside the plain numbers that often explain them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp.report.plot_style import DIM_COLORS, INK, label, short_labels, style
from topo_interp.report.verdicts import verdict

if TYPE_CHECKING:
    from topo_interp.profile import Profile

__all__ = ["across_sites"]

_GRAY = "#8a949e"  # of markers: darker than the gray of areas, or a small circle would vanish

_BASELINE_WORDS = {
    "two_nn_dim": "intrinsic dimension (TwoNN)",
    "participation_ratio": "participation ratio",
    "pca_dim_90": "PCA dimension at 90 %",
    "top_coordinate_share": "share of the top coordinate",
    "distance_concentration": "distance concentration",
    "mean_norm": "mean norm",
}


def across_sites(profile: Profile, recipe: str | None = None) -> Any:
    """The longest bars beside the baselines that often explain them, one small panel each, sites in order."""
    from plotly.subplots import make_subplots

    frame = profile.to_frame()
    chosen = recipe or profile.recipe_names[0]
    frame = frame[frame["recipe"] == chosen]
    sites = list(dict.fromkeys(frame["site"]))
    first = frame[frame["dim"] == frame["dim"].min()].set_index("site")
    by_dim = {dim: part.set_index("site") for dim, part in frame.groupby("dim")}
    by_dim = {dim: part for dim, part in by_dim.items() if dim > 0} or by_dim
    # A panel is a title and its curves; a curve is a name, its values by site, and a color.
    panels: list[tuple[str, list[tuple[str, Any, str]]]] = [
        (_longest_title(profile, k), [(f"H{k}", part["max_persistence_relative"], DIM_COLORS[k % 4])])
        for k, part in by_dim.items()
    ]
    counts = [(f"H{k}", part["bars"], DIM_COLORS[k % 4]) for k, part in by_dim.items()]
    panels.append((f"number of bars ({', '.join(name for name, *_ in counts)})", counts))
    panels += [(words, [("", first[name], INK)]) for name, words in _BASELINE_WORDS.items() if name in first]
    columns = 3
    lines = math.ceil(len(panels) / columns)
    figure = make_subplots(
        rows=lines,
        cols=columns,
        subplot_titles=[title for title, _ in panels],
        horizontal_spacing=0.07,
        vertical_spacing=0.34 / max(1, lines),
        shared_xaxes=False,
    )
    for place, (_, curves) in enumerate(panels):
        row, col = place // columns + 1, place % columns + 1
        for name, values, color in curves:
            values = [
                None if v is None or not np.isfinite(v) else float(v)
                for v in values.reindex(sites).astype(float)
            ]
            figure.add_scatter(
                x=list(range(len(sites))),
                y=values,
                name=name,
                mode="lines+markers",
                line={"color": color if place >= len(by_dim) else _line_color(profile, color), "width": 2},
                marker=_markers(profile, sites, chosen, list(by_dim)[place], color) if place < len(by_dim) else {"size": 6},
                customdata=[label(site, 200) for site in sites],
                hovertemplate="%{customdata}<br>%{y:.4g}<extra>" + name + "</extra>",
                showlegend=False,
                row=row,
                col=col,
            )
        figure.update_yaxes(rangemode="tozero", row=row, col=col)
        last = place + columns >= len(panels)
        many = len(sites) > 14
        figure.update_xaxes(
            tickvals=list(range(len(sites)))[:: max(1, len(sites) // 14)]
            if many
            else list(range(len(sites))),
            ticktext=None if many else short_labels(sites, 16),
            tickangle=-45,
            showticklabels=last,
            range=[-0.4, len(sites) - 0.6],
            row=row,
            col=col,
        )
    style(figure, height=110 + 200 * lines, top=60)
    figure.update_annotations(font={"size": 13, "color": INK})
    return figure


def _markers(profile: Profile, sites: list[str], recipe: str, dim: int, color: str) -> dict[str, Any]:
    found = [verdict(profile, site, recipe, dim) for site in sites]
    if all(v is None for v in found):
        return {"size": 6}
    return {
        "size": [9 if v else 7 for v in found],
        "color": [color if v else _GRAY for v in found],
        "symbol": ["circle" if v else "circle-open" for v in found],
    }


def _longest_title(profile: Profile, dim: int) -> str:
    tested = profile.tests is not None and (profile.tests.table["dim"] == dim).any()
    return f"longest H{dim} bar / median distance" + ("<br>● beyond chance, ○ not" if tested else "")


def _line_color(profile: Profile, color: str) -> str:
    return color if profile.tests is None else "#d5dadf"
