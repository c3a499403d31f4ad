"""The report's pictures, each a plotly figure made from a Profile: one function, one picture.

Lengths are in units of the median distance of the site, so that layers of different width and norm can share an
axis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp.report.diagram_grid import DiagramGrid, farthest, relative_bars, unit
from topo_interp.report.plot_style import DIM_COLORS, label, short_labels, style
from topo_interp.report.verdicts import GREY, longest_only, mark, verdict

if TYPE_CHECKING:
    from topo_interp.homology.diagrams import Diagrams
    from topo_interp.profile import Profile

__all__ = ["bars", "betti_heat_map", "diagrams"]

_MOST_BARS = 300  # of one degree in one panel: the longest ones; more only make the file slow
_GRID_POINTS = 240


def betti_heat_map(profile: Profile, recipe: str | None = None, dim: int = 1) -> Any:
    """How many classes of degree ``dim`` are alive at each distance, one line per site."""
    import plotly.graph_objects as go

    found = _found(profile, recipe)
    end = farthest([d for _, d in found], dim)
    grid = np.linspace(0.0, end, _GRID_POINTS)
    counts = np.array([_alive(d, dim, grid) for _, d in found]) if found else np.zeros((0, len(grid)))
    names = [label(site, most=10**6) for site, _ in found]
    most = int(np.nanmax(counts, initial=1.0))
    ticks = [0, *(t for k in range(6) for t in (10**k, 3 * 10**k) if t <= most)]
    # On a logarithmic scale, or the one long-lived class would vanish beside hundreds of short-lived ones.
    heights = np.round(np.log1p(counts), 4)
    chosen = recipe or profile.recipe_names[0]
    gray = np.array([verdict(profile, site, chosen, dim) is False for site, _ in found], dtype=bool)
    shown = {"x": np.round(grid, 5).tolist(), "y": names, "zmin": 0, "zmax": float(np.log1p(most)), "ygap": 2}
    shown["customdata"] = [[None if np.isnan(c) else int(c) for c in line] for line in counts]
    shown["hovertemplate"] = f"%{{y}}<br>Betti {dim} = %{{customdata}} at %{{x:.3f}} × median distance<extra></extra>"
    figure = go.Figure(
        go.Heatmap(
            z=[[None] * len(grid) if g else line for line, g in zip(heights.tolist(), gray, strict=True)],
            colorscale="Cividis",
            hoverongaps=False,
            colorbar={
                "title": {"text": f"Betti {dim}", "side": "right"},
                "thickness": 14,
                "outlinewidth": 0,
                "tickvals": np.log1p(ticks).tolist(),
                "ticktext": [str(t) for t in ticks],
            },
            **shown,
        )
    )
    if gray.any():
        left = [line if g else [None] * len(grid) for line, g in zip(heights.tolist(), gray, strict=True)]
        grays = [[0, "#e6e9ec"], [1, "#7b8794"]]
        figure.add_heatmap(z=left, colorscale=grays, showscale=False, hoverongaps=False, **shown)
    style(figure, height=150 + 26 * max(3, len(found)))
    figure.update_xaxes(title_text="distance / median distance of the site", range=[0, end], showgrid=False)
    short = _marked(profile, [site for site, _ in found], chosen, dim)
    # Said to be categories: sites may be called "0", "1", ..., as in nn.Sequential.
    figure.update_yaxes(type="category", tickvals=names, ticktext=short, autorange="reversed", showgrid=False)
    return figure


def diagrams(profile: Profile, recipe: str | None = None) -> Any:
    """Persistence diagrams of every site, all on the same axes."""
    found = _found(profile, recipe)
    chosen = recipe or profile.recipe_names[0]
    titles = _marked(profile, [site for site, _ in found], chosen, 1, apart="<br>")
    grid = DiagramGrid({site: title for (site, _), title in zip(found, titles, strict=True)}, [d for _, d in found])
    seen: set[str] = set()
    for site, d in found:
        for dim in range(d.max_dim + 1):
            # The longest last, drawn on top; open bars' triangles are then not what the legend takes as its example.
            bars_, open_ = (part[::-1] for part in relative_bars(d, dim, most=_MOST_BARS))
            if not len(bars_):
                continue
            name, shape = f"H{dim}", ("circle", "diamond", "square", "cross")[dim % 4]
            grid.add(
                site,
                bars_,
                open_,
                name=name,
                legendgroup=name,
                showlegend=name not in seen,
                marker={
                    "color": _colors(profile, site, chosen, dim, len(bars_))[::-1] or DIM_COLORS[dim % 4],
                    "size": [9 if o else 5.5 for o in open_],
                    "symbol": ["triangle-up" if o else shape for o in open_],
                    "opacity": 0.7,
                    "line": {"width": 0},
                },
                customdata=["open" if o else f"{b:.4g}" for b, o in zip(bars_[:, 1], open_, strict=True)],
                hovertemplate=f"H{dim}: birth %{{x:.4g}}, death %{{customdata}}<extra></extra>",
            )
            seen.add(name)
    return grid.finished(height=120, panel=265)


def bars(profile: Profile, recipe: str | None = None, dim: int = 1, most: int = 10) -> Any:
    """The ``most`` longest bars of degree ``dim`` at every site, the longest on top."""
    import plotly.graph_objects as go

    found = _found(profile, recipe)
    chosen = recipe or profile.recipe_names[0]
    end = 1.03 * farthest([d for _, d in found], dim)
    band = most + 2
    # Bars of one color are one trace.
    drawn: dict[str, tuple[list[float | None], list[float | None], list[str | None]]] = {DIM_COLORS[dim % 4]: ([], [], [])}
    ends: tuple[list[float], list[float]] = ([], [])
    for place, (site, d) in enumerate(found):
        bars_, open_ = relative_bars(d, dim, most=most)
        colors = _colors(profile, site, chosen, dim, len(bars_)) or [DIM_COLORS[dim % 4]] * len(bars_)
        for rank, ((birth, death), is_open) in enumerate(zip(bars_, open_, strict=True)):
            y = place * band + rank + 1
            stop = end if is_open else death
            length = "open" if is_open else f"{death - birth:.4g}"
            tip = f"{label(site, 200)}<br>bar {rank + 1}: {birth:.4g} to {'open' if is_open else f'{death:.4g}'} (length {length})"
            xs, ys, tips = drawn.setdefault(colors[rank], ([], [], []))
            xs += [round(float(birth), 5), round(float(stop), 5), None]
            ys += [y, y, None]
            tips += [tip, tip, None]
            if is_open:
                ends[0].append(round(float(stop), 5))
                ends[1].append(y)
    figure = go.Figure()
    for color, (xs, ys, tips) in drawn.items():
        figure.add_scatter(
            x=xs, y=ys, mode="lines", line={"color": color, "width": 4}, text=tips, hovertemplate="%{text}<extra></extra>"
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
        ticktext=_marked(profile, [site for site, _ in found], chosen, dim, apart="<br>"),
        range=[max(1, len(found)) * band - 0.5, -0.5],
        showgrid=False,
    )
    return figure


def _marked(profile: Profile, sites: list[str], recipe: str, dim: int, apart: str = "") -> list[str]:
    """Short labels with the verdicts."""
    marks = [mark(profile, site, recipe, dim) for site in sites]
    return [name + (apart if m else "") + m for name, m in zip(short_labels(sites), marks, strict=True)]


def _colors(profile: Profile, site: str, recipe: str, dim: int, count: int) -> list[str]:
    """Colors of the longest bars, longest first; empty where nothing was tested. Only what is beyond chance has a color."""
    found = verdict(profile, site, recipe, dim)
    if found is None:
        return []
    colored = 0 if not found else 1 if longest_only(profile, site, recipe, dim) else count
    return [DIM_COLORS[dim % 4]] * min(colored, count) + [GREY] * (count - colored)


def _found(profile: Profile, recipe: str | None) -> list[tuple[str, Diagrams]]:
    name = profile.recipe_names[0] if recipe is None else recipe
    return [(result.site, d) for result, d in profile.found(name)]


def _alive(d: Diagrams, dim: int, grid: np.ndarray) -> np.ndarray:
    """Betti numbers on a grid of medians; NaN beyond a cut, where they are unknown."""
    from topo_interp.summaries.curves import betti_curve

    counts = betti_curve(dim, grid * unit(d), censored="close")(d)
    return counts if d.censored_at is None else np.where(grid * unit(d) > d.censored_at, np.nan, counts)
