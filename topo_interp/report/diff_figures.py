"""The pictures of a diff: every measure by site beside what chance gives, and both diagrams on top of each other."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from topo_interp.report.diagram_grid import DiagramGrid, relative_bars
from topo_interp.report.plot_style import INK, label, short_labels, style

if TYPE_CHECKING:
    from topo_interp.diff import Diff

__all__ = ["measures", "overlaid_diagrams"]

_A, _B = "#0072B2", "#D55E00"
_INTERVAL, _CHANCE = "#56B4E9", "#d9dee3"
_MOST_BARS = 200  # of one degree in one panel: the longest ones; more only make the file slow


def measures(found: dict[tuple[str, str], Any], recipe: str, names: dict[str, str], sites: list[str]) -> Any:
    """One panel per measure: value and interval of each site, over the range that permuted pairings have.

    Args:
        found: (site, recipe) -> measure -> numbers, as ``Diff.paired`` and ``Diff.unpaired`` hold them.
        recipe: which recipe.
        names: measure -> title of its panel.
        sites: from top to bottom.
    """
    from plotly.subplots import make_subplots

    names = {measure: title for measure, title in names.items() if any(measure in of for (_, r), of in found.items() if r == recipe)}
    places = [label(site, 10**6) for site in sites]
    figure = make_subplots(rows=1, cols=max(1, len(names)), shared_yaxes=True, subplot_titles=list(names.values()), horizontal_spacing=0.03)
    for column, measure in enumerate(names, 1):
        at = {"row": 1, "col": column}
        rows = [(place, found[site, recipe][measure]) for place, site in zip(places, sites, strict=True) if measure in found.get((site, recipe), {})]
        chance = [(place, numbers) for place, numbers in rows if "chance_low" in numbers]
        if chance:
            figure.add_bar(
                y=[place for place, _ in chance],
                x=[numbers["chance_high"] - numbers["chance_low"] for _, numbers in chance],
                base=[numbers["chance_low"] for _, numbers in chance],
                orientation="h",
                marker={"color": _CHANCE},
                width=0.62,
                name="rows paired at random, central 90 %",
                legendgroup="chance",
                showlegend=column == 1,
                hovertemplate="%{y}<br>rows paired at random: %{base:.4g} to %{x:.4g}<extra></extra>",
                **at,
            )
        spread = [(place, numbers) for place, numbers in rows if math.isfinite(numbers["low"])]
        if spread:
            # A line of its own, not an error bar: an interval need not hold its value, since RTD grows with the rows.
            figure.add_scatter(
                x=[end for _, numbers in spread for end in (numbers["low"], numbers["high"], None)],
                y=[end for place, _ in spread for end in (place, place, None)],
                mode="lines",
                line={"color": _INTERVAL, "width": 4},
                hoverinfo="skip",
                name="subsamples of 80 % of the rows, central 90 %",
                legendgroup="spread",
                showlegend=column == 1,
                **at,
            )
        figure.add_scatter(
            y=[place for place, _ in rows],
            x=[_shown(numbers["value"]) for _, numbers in rows],
            mode="markers",
            marker={"color": INK, "size": 8},
            name="all rows",
            legendgroup="value",
            showlegend=column == 1,
            customdata=[[_words(numbers)] for _, numbers in rows],
            hovertemplate="%{y}<br>" + measure + " = %{x:.4g}%{customdata[0]}<extra></extra>",
            **at,
        )
    style(figure, height=150 + 30 * max(3, len(sites)), top=70)
    figure.update_yaxes(type="category", categoryorder="array", categoryarray=places[::-1], tickvals=places, ticktext=short_labels(sites))
    figure.update_xaxes(rangemode="tozero")
    figure.update_annotations(font={"size": 13, "color": INK})
    figure.update_layout(legend={"orientation": "h", "x": 0, "y": 1, "yanchor": "top", "yref": "container"}, barmode="overlay")
    return figure


def overlaid_diagrams(diff: Diff, recipe: str, dim: int) -> Any:
    """Both diagrams of every site; a line joins a bar that moved with its partner, or with the diagonal."""
    ends = {site: [p.diagrams.get((site, recipe)) for p in (diff.a, diff.b)] for site in diff.sites}
    both = {site: [d for d in pair if d is not None] for site, pair in ends.items() if None not in pair}
    titles = dict(zip(both, short_labels(list(both), 28), strict=True))
    grid = DiagramGrid(titles, [d for pair in both.values() for d in pair], dim, columns=3)
    for place, (site, pair) in enumerate(both.items()):
        x: list[float | None] = []
        y: list[float | None] = []
        for bar in (bar for bar in diff.moves.get((site, recipe), ()) if bar.dim == dim):
            (xa, ya), (xb, yb) = _ends((bar.birth_a, bar.death_a), (bar.birth_b, bar.death_b), grid.top)
            x += [round(xa, 4), round(xb, 4), None]
            y += [round(ya, 4), round(yb, 4), None]
        joined = {"color": "#7b8794", "width": 1.2}
        once = {"legendgroup": "m", "showlegend": place == 0}
        grid.figure.add_scatter(x=x, y=y, mode="lines", line=joined, hoverinfo="skip", name="moved", **once, **grid.at(site))
        for d, name, color, symbol in zip(pair, "ab", (_A, _B), ("circle-open", "circle"), strict=True):
            grid.add(
                site,
                *relative_bars(d, dim, most=_MOST_BARS),
                name=f"store {name}",
                legendgroup=name,
                showlegend=place == 0,
                marker={"color": color, "size": 7 if name == "a" else 5, "symbol": symbol, "opacity": 0.8},
                hovertemplate=f"{name}, H{dim}: birth %{{x:.4g}}, death %{{y:.4g}}<extra></extra>",
            )
    return grid.finished(height=130, panel=300)


def _ends(a: tuple[float, float], b: tuple[float, float], top: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """Where the line of a pair begins and ends: a bar without partner goes to the middle of itself, an open one to the top."""
    if math.isnan(a[0]):
        a = ((b[0] + b[1]) / 2,) * 2
    if math.isnan(b[0]):
        b = ((a[0] + a[1]) / 2,) * 2
    return (a[0], min(a[1], top)), (b[0], min(b[1], top))


def _shown(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _words(numbers: Any) -> str:
    words = "" if math.isnan(numbers["low"]) else f"<br>subsamples: {numbers['low']:.4g} to {numbers['high']:.4g}"
    return words + (f"<br>p = {numbers['p_max_t']:.3g} (max-T), {numbers['p']:.3g} alone" if "p" in numbers else "")
