"""The pictures of a track: what changes over the steps of a run, beside what is known to change anyway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp.report.diagram_grid import DiagramGrid, relative_bars
from topo_interp.report.plot_style import DIM_COLORS, INK, heat, label, short_labels, style

if TYPE_CHECKING:
    import pandas as pd

    from topo_interp.track import Track

__all__ = ["curves", "diagrams", "heat_map"]

_MOST_BARS = 120  # of one degree, site and step: the longest ones; more only make the file slow


def heat_map(frame: pd.DataFrame, value: str, title: str, sites: list[str], events: pd.DataFrame | None = None) -> Any:
    """A number by step and site; the steps are evenly spaced, whatever their distance. Events are marked."""
    steps = sorted(set(frame["step"]))
    grid = frame.pivot(index="site", columns="step", values=value).reindex(index=sites, columns=steps).to_numpy(dtype=float)
    figure = heat(grid, sites, [str(step) for step in steps], title, "%{y}, step %{x}")
    if events is not None and len(events):
        rises = events["kind"] == "appears"
        for kind, symbol in (("appears", "triangle-up"), ("vanishes", "triangle-down")):
            part = events[rises if kind == "appears" else ~rises]
            if len(part):
                figure.add_scatter(
                    x=[str(step) for step in part["step"]],
                    y=[label(site, 10**6) for site in part["site"]],
                    mode="markers",
                    name=f"a bar {kind}",
                    marker={"symbol": symbol, "size": 11, "color": "#D55E00", "line": {"color": "white", "width": 1.5}},
                    hovertemplate=f"a bar {kind}<br>%{{y}}, step %{{x}}<extra></extra>",
                )
    figure.update_xaxes(title_text="step")
    figure.update_layout(legend={"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom"})
    return figure


def curves(track: Track, frame: pd.DataFrame, drift: pd.DataFrame, dim: int) -> Any:
    """Longest bar, drift and CKA of every site, and the metrics of the run, under each other on one axis of steps.

    Args:
        track: the sites, steps and metrics.
        frame: rows of ``track.to_frame()`` of one recipe and degree.
        drift: rows of ``track.drift("previous")`` of that recipe.
        dim: the degree.
    """
    from plotly.colors import sample_colorscale
    from plotly.subplots import make_subplots

    sites = list(track.sites)
    panels = [(f"longest H{dim} bar / median distance", frame, "max_persistence_relative")]
    if len(drift):
        panels += [
            ("drift from the step before (RTD)", drift, "rtd"),
            ("bottleneck distance to the step before, in medians", drift, f"bottleneck_dim{dim}"),
            ("CKA with the step before", drift, "cka"),
        ]
    metrics = [] if track.metrics is None else [name for name in track.metrics.select_dtypes("number") if name != "step"]
    rows = len(panels) + len(metrics)
    figure = make_subplots(
        rows=rows,
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.28 / rows,
        subplot_titles=[*(title for title, *_ in panels), *(label(str(name)) for name in metrics)],
    )
    colors = sample_colorscale("Viridis", [0.92 * k / max(1, len(sites) - 1) for k in range(len(sites))])
    steps = [str(step) for step in track.steps]
    for row, (_, table, column) in enumerate(panels, 1):
        for color, site, name in zip(colors, sites, short_labels(sites, 24), strict=True):
            values = table[table["site"] == site].set_index("step")[column].reindex(track.steps).to_numpy(dtype=float)
            figure.add_scatter(
                x=steps,
                y=[None if not np.isfinite(v) else float(v) for v in values],
                name=name,
                legendgroup=name,
                showlegend=row == 1,
                mode="lines+markers",
                line={"color": color, "width": 2},
                marker={"size": 5},
                hovertemplate=f"{label(site, 200)}, step %{{x}}<br>%{{y:.4g}}<extra></extra>",
                row=row,
                col=1,
            )
    for row, name in enumerate(metrics, len(panels) + 1):
        table = track.metrics.set_index("step")[name].reindex(track.steps).to_numpy(dtype=float)  # type: ignore[union-attr]
        figure.add_scatter(
            x=steps,
            y=[None if not np.isfinite(v) else float(v) for v in table],
            mode="lines+markers",
            line={"color": INK, "width": 2},
            marker={"size": 5},
            showlegend=False,
            hovertemplate=f"{label(str(name), 200)}, step %{{x}}<br>%{{y:.4g}}<extra></extra>",
            row=row,
            col=1,
        )
    style(figure, height=90 + 165 * rows, top=60)
    figure.update_xaxes(type="category", categoryorder="array", categoryarray=steps)
    figure.update_xaxes(title_text="step (evenly spaced)", row=rows, col=1)
    figure.update_yaxes(rangemode="tozero")
    figure.update_annotations(font={"size": 13, "color": INK}, x=0, xanchor="left")
    figure.update_layout(legend={"title": {"text": "site"}, "traceorder": "normal"})
    return figure


def diagrams(track: Track, recipe: str) -> Any:
    """Persistence diagrams of every site with a slider over the steps, all on the same axes."""
    found = {key[:2]: d for key, d in track.diagrams.items() if key[2] == recipe}
    sites = [site for site in track.sites if any((step, site) in found for step in track.steps)]
    dims = range(track.recipes[recipe].max_dim + 1)
    grid = DiagramGrid(dict(zip(sites, short_labels(sites, 28), strict=True)), list(found.values()))
    for dim in dims:  # the legend's own traces, of fixed size, which no step hides
        marker = {"color": DIM_COLORS[dim % 4], "size": 7}
        grid.figure.add_scatter(x=[None], y=[None], mode="markers", name=f"H{dim}", marker=marker, row=1, col=1)
    always = len(grid.figure.data)
    of_step = [step for step, _ in found for _ in dims]
    last = max(of_step, default=0)
    for (step, site), d in found.items():
        for dim in dims:
            grid.add(
                site,
                *(part[::-1] for part in relative_bars(d, dim, most=_MOST_BARS)),
                visible=step == last,
                showlegend=False,
                marker={"color": DIM_COLORS[dim % 4], "size": 6, "opacity": 0.7},
                hovertemplate=f"step {step}, H{dim}: birth %{{x:.4g}}, death %{{y:.4g}}<extra></extra>",
            )
    figure = grid.finished(height=230, panel=250)
    steps = list(track.steps)
    figure.update_layout(
        sliders=[
            {
                "active": steps.index(last) if last in steps else 0,
                "currentvalue": {"prefix": "step "},
                "pad": {"t": 46},
                "steps": [
                    {"label": str(s), "method": "restyle", "args": ["visible", [True] * always + [t == s for t in of_step]]}
                    for s in steps
                ],
            }
        ],
        margin={"b": 110},
    )
    return figure
