"""The report's pictures, each a plotly figure made from a Profile: one function, one picture.

Lengths are in units of the median distance of the site, so that layers of different width and norm can share an
axis. Colors are Okabe and Ito's (distinct for color-blind readers), the heat map is cividis.
"""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from topo_interp.homology.diagrams import Diagrams
    from topo_interp.profile import Profile

__all__ = ["DIM_COLORS", "across_sites", "bars", "betti_heat_map", "diagrams", "label", "relative_bars", "short_labels", "style"]

DIM_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
_INK, _FAINT, _GRID = "#1f2933", "#7b8794", "#e4e7eb"
_MOST_BARS = 300  # of one degree in one panel: the longest ones; more only make the file slow
_GRID_POINTS = 240


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


def betti_heat_map(profile: Profile, recipe: str | None = None, dim: int = 1) -> Any:
    """How many classes of degree ``dim`` are alive at each distance, one line per site."""
    import plotly.graph_objects as go

    found = _found(profile, recipe)
    end = _longest(found, dim)
    grid = np.linspace(0.0, end, _GRID_POINTS)
    counts = np.array([_alive(d, dim, grid) for _, d in found]) if found else np.zeros((0, len(grid)))
    names = [label(site, most=10**6) for site, _ in found]
    most = int(np.nanmax(counts, initial=1.0))
    ticks = [0, *(t for k in range(6) for t in (10**k, 3 * 10**k) if t <= most)]
    figure = go.Figure(
        go.Heatmap(
            x=np.round(grid, 5).tolist(),
            y=names,
            # On a logarithmic scale, or the one long-lived class would vanish beside hundreds of short-lived ones.
            z=np.round(np.log1p(counts), 4).tolist(),
            customdata=[[None if np.isnan(c) else int(c) for c in line] for line in counts],
            colorscale="Cividis",
            zmin=0,
            zmax=float(np.log1p(most)),
            colorbar={
                "title": {"text": f"Betti {dim}", "side": "right"},
                "thickness": 14,
                "outlinewidth": 0,
                "tickvals": np.log1p(ticks).tolist(),
                "ticktext": [str(t) for t in ticks],
            },
            hovertemplate=f"%{{y}}<br>Betti {dim} = %{{customdata}} at %{{x:.3f}} × median distance<extra></extra>",
            ygap=2,
        )
    )
    style(figure, height=150 + 26 * max(3, len(found)))
    figure.update_xaxes(title_text="distance / median distance of the site", range=[0, end], showgrid=False)
    short = short_labels([site for site, _ in found])
    # Said to be categories: sites may be called "0", "1", ..., as in nn.Sequential.
    figure.update_yaxes(type="category", tickvals=names, ticktext=short, autorange="reversed", showgrid=False)
    return figure


def across_sites(profile: Profile, recipe: str | None = None) -> Any:
    """The longest bars beside the baselines that often explain them, one small panel each, sites in order."""
    from plotly.subplots import make_subplots

    frame = profile.to_frame()
    frame = frame[frame["recipe"] == (recipe or profile.recipe_names[0])]
    sites = list(dict.fromkeys(frame["site"]))
    first = frame[frame["dim"] == frame["dim"].min()].set_index("site")
    by_dim = {dim: part.set_index("site") for dim, part in frame.groupby("dim")}
    by_dim = {dim: part for dim, part in by_dim.items() if dim > 0} or by_dim
    # A panel is a title and its curves; a curve is a name, its values by site, and a color.
    panels: list[tuple[str, list[tuple[str, Any, str]]]] = [
        (f"longest H{k} bar / median distance", [("", part["max_persistence_relative"], DIM_COLORS[k % 4])])
        for k, part in by_dim.items()
    ]
    counts = [(f"H{k}", part["bars"], DIM_COLORS[k % 4]) for k, part in by_dim.items()]
    panels.append((f"number of bars ({', '.join(name for name, *_ in counts)})", counts))
    panels += [(words, [("", first[name], _INK)]) for name, words in _BASELINE_WORDS.items() if name in first]
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
                line={"color": color, "width": 2},
                marker={"size": 6},
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
    figure.update_annotations(font={"size": 13, "color": _INK})
    return figure


def diagrams(profile: Profile, recipe: str | None = None) -> Any:
    """Persistence diagrams of every site, all on the same axes."""
    from plotly.subplots import make_subplots

    found = _found(profile, recipe)
    columns = min(4, max(1, len(found)))
    lines = max(1, math.ceil(len(found) / columns))
    end = 1.06 * max([_longest(found, k) for k in range(_max_dim(found) + 1)], default=1.0)
    figure = make_subplots(
        rows=lines,
        cols=columns,
        subplot_titles=short_labels([site for site, _ in found]) or None,
        shared_xaxes="all",
        shared_yaxes="all",
        horizontal_spacing=0.025,
        vertical_spacing=min(0.12, 0.3 / lines),
    )
    seen: set[str] = set()
    for place, (_, d) in enumerate(found):
        where = {"row": place // columns + 1, "col": place % columns + 1}
        figure.add_scatter(
            x=[0, end],
            y=[0, end],
            mode="lines",
            line={"color": "#9aa5b1", "width": 1},
            hoverinfo="skip",
            showlegend=False,
            **where,
        )
        for dim in range(d.max_dim + 1):
            # The longest last, drawn on top; open bars' triangles are then not what the legend takes as its example.
            bars_, open_ = (part[::-1] for part in relative_bars(d, dim, most=_MOST_BARS))
            if not len(bars_):
                continue
            name = f"H{dim}"
            figure.add_scatter(
                x=np.round(bars_[:, 0], 5).tolist(),
                y=np.round(np.where(open_, end * 0.985, bars_[:, 1]), 5).tolist(),
                mode="markers",
                name=name,
                legendgroup=name,
                showlegend=name not in seen,
                marker={
                    "color": DIM_COLORS[dim % 4],
                    "size": [9 if o else 5.5 for o in open_],
                    "symbol": [
                        "triangle-up" if o else ("circle", "diamond", "square", "cross")[dim % 4]
                        for o in open_
                    ],
                    "opacity": 0.7,
                    "line": {"width": 0},
                },
                customdata=["open" if o else f"{b:.4g}" for b, o in zip(bars_[:, 1], open_, strict=True)],
                hovertemplate=f"H{dim}: birth %{{x:.4g}}, death %{{customdata}}<extra></extra>",
                **where,
            )
            seen.add(name)
    style(figure, height=120 + 265 * lines, top=64)
    figure.update_xaxes(range=[-0.02 * end, end], showticklabels=True)
    figure.update_yaxes(range=[-0.02 * end, end])
    for col in range(1, columns + 1):
        figure.update_xaxes(title_text="birth / median", row=lines, col=col)
    for row in range(1, lines + 1):
        figure.update_yaxes(title_text="death / median", row=row, col=1)
    # One legend, at the left above the panels; a proxy of fixed size stands for each degree.
    figure.update_layout(
        legend={
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1,
            "yanchor": "top",
            "yref": "container",
            "itemsizing": "constant",
        }
    )
    figure.update_annotations(font={"size": 13, "color": _INK})
    return figure


def bars(profile: Profile, recipe: str | None = None, dim: int = 1, most: int = 10) -> Any:
    """The ``most`` longest bars of degree ``dim`` at every site, the longest on top."""
    import plotly.graph_objects as go

    found = _found(profile, recipe)
    end = 1.03 * _longest(found, dim)
    band = most + 2
    xs: list[float | None] = []
    ys: list[float | None] = []
    tips: list[str | None] = []
    ends: tuple[list[float], list[float]] = ([], [])
    for place, (site, d) in enumerate(found):
        bars_, open_ = relative_bars(d, dim, most=most)
        for rank, ((birth, death), is_open) in enumerate(zip(bars_, open_, strict=True)):
            y = place * band + rank + 1
            stop = end if is_open else death
            length = "open" if is_open else f"{death - birth:.4g}"
            tip = f"{label(site, 200)}<br>bar {rank + 1}: {birth:.4g} to {'open' if is_open else f'{death:.4g}'} (length {length})"
            xs += [round(float(birth), 5), round(float(stop), 5), None]
            ys += [y, y, None]
            tips += [tip, tip, None]
            if is_open:
                ends[0].append(round(float(stop), 5))
                ends[1].append(y)
    figure = go.Figure()
    figure.add_scatter(
        x=xs,
        y=ys,
        mode="lines",
        line={"color": DIM_COLORS[dim % 4], "width": 4},
        text=tips,
        hovertemplate="%{text}<extra></extra>",
    )
    if ends[0]:
        figure.add_scatter(
            x=ends[0],
            y=ends[1],
            mode="markers",
            marker={"symbol": "triangle-right", "size": 9, "color": DIM_COLORS[dim % 4]},
            hoverinfo="skip",
        )
    for place in range(0, len(found), 2):
        figure.add_hrect(
            y0=place * band - 0.5,
            y1=(place + 1) * band - 0.5,
            fillcolor="#f5f7fa",
            line_width=0,
            layer="below",
        )
    style(figure, height=110 + max(3, len(found)) * (14 + 6 * most))
    figure.update_layout(showlegend=False)
    figure.update_xaxes(title_text="distance / median distance of the site", range=[0, end])
    figure.update_yaxes(
        tickvals=[place * band + (most + 1) / 2 for place in range(len(found))],
        ticktext=short_labels([site for site, _ in found]),
        range=[max(1, len(found)) * band - 0.5, -0.5],
        showgrid=False,
    )
    return figure


_BASELINE_WORDS = {
    "two_nn_dim": "intrinsic dimension (TwoNN)",
    "participation_ratio": "participation ratio",
    "pca_dim_90": "PCA dimension at 90 %",
    "top_coordinate_share": "share of the top coordinate",
    "distance_concentration": "distance concentration",
    "mean_norm": "mean norm",
}


def _found(profile: Profile, recipe: str | None) -> list[tuple[str, Diagrams]]:
    name = profile.recipe_names[0] if recipe is None else recipe
    return [(result.site, d) for result, d in profile.found(name)]


def _max_dim(found: list[tuple[str, Diagrams]]) -> int:
    return max((d.max_dim for _, d in found), default=0)


def _unit(d: Diagrams) -> float:
    return d.scale or 1.0


def _longest(found: list[tuple[str, Diagrams]], dim: int) -> float:
    """The end of a shared axis: the largest finite death (or birth), in medians."""
    ends = [1e-9]
    for _, d in found:
        pairs = d[dim] if dim <= d.max_dim else np.zeros((0, 2))
        finite = pairs[np.isfinite(pairs)]
        if finite.size:
            ends.append(float(finite.max()) / _unit(d))
        if d.censored_at is not None and pairs.size:
            ends.append(float(d.censored_at) / _unit(d))
    return max(ends) if max(ends) > 1e-9 else 1.0


def _alive(d: Diagrams, dim: int, grid: np.ndarray) -> np.ndarray:
    """Betti numbers on a grid of medians; NaN beyond a cut, where they are unknown."""
    from topo_interp.summaries.curves import betti_curve

    counts = betti_curve(dim, grid * _unit(d), censored="close")(d)
    return counts if d.censored_at is None else np.where(grid * _unit(d) > d.censored_at, np.nan, counts)


def relative_bars(d: Diagrams, dim: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    """The longest bars in medians, longest first, and which of them are open."""
    pairs = np.asarray(d[dim], dtype=float) / _unit(d)
    order = np.argsort(-(pairs[:, 1] - pairs[:, 0]), kind="stable")[:most]
    pairs = pairs[order]
    return pairs, np.isinf(pairs[:, 1])


def style(figure: Any, height: int, top: int = 40) -> None:
    """The common look of all figures."""
    figure.update_layout(
        template="none",
        height=height,
        margin={"l": 20, "r": 20, "t": top, "b": 50},
        font={
            "family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif",
            "size": 12,
            "color": _INK,
        },
        paper_bgcolor="white",
        plot_bgcolor="white",
        hoverlabel={"bgcolor": "white", "font": {"color": _INK}},
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
