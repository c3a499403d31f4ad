"""The longest loop of a site in its best plane, beside the same picture of one draw of the null."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp.report.plot_style import DIM_COLORS, short_labels, style
from topo_interp.report.verdicts import GREY, verdict

if TYPE_CHECKING:
    from topo_interp.inference.loop_plane import LoopPlane
    from topo_interp.profile import Profile

__all__ = ["MOST_SITES", "loop_planes", "plane_sites"]

MOST_SITES = 8
_MOST_POINTS = 600  # of one panel, besides those on the loop; more only make the file slow
_PAIRS = 2  # side by side


def plane_sites(profile: Profile) -> list[str]:
    """The sites that are drawn: those with the smallest p-values, in the order of the sites."""
    if profile.tests is None:
        return []
    loops = profile.tests.table
    smallest = loops[loops["dim"] == 1].groupby("site", sort=False)["p_max_t"].min()
    chosen = sorted(profile.tests.planes, key=lambda site: smallest[site])[:MOST_SITES]
    return [site for site in profile.sites if site in chosen]


def loop_planes(profile: Profile) -> Any:
    """Pairs of panels: the site, and draw 0 of the null through the same search, on axes of the same scale in units of the spread of each."""
    from plotly.subplots import make_subplots

    assert profile.tests is not None
    sites = plane_sites(profile)
    lines = -(-len(sites) // _PAIRS)
    columns = 2 * min(_PAIRS, len(sites))
    titles = []
    for site, name in zip(sites, _short(profile, sites), strict=True):
        recipe, data, null = profile.tests.planes[site]
        said = {True: "beyond chance", False: "not beyond chance", None: "not tested"}[verdict(profile, site, recipe, 1)]
        titles += [f"<b>{name}</b>: {said}<br>{_words(data)}", f"one draw of the null<br>{_words(null)}"]
    figure = make_subplots(
        rows=lines, cols=columns, subplot_titles=titles, horizontal_spacing=0.03, vertical_spacing=0.24 / lines
    )
    for place, site in enumerate(sites):
        recipe, *pair = profile.tests.planes[site]
        drawn = [_in_own_unit(plane) for plane in pair]
        reach = 1.05 * max(float(np.abs(points).max(initial=0.0)) for points in drawn)
        for second, (plane, points) in enumerate(zip(pair, drawn, strict=True)):
            where = {"row": place // _PAIRS + 1, "col": 2 * (place % _PAIRS) + second + 1}
            real = not second and verdict(profile, site, recipe, 1) is True
            _panel(figure, points, plane.edges, DIM_COLORS[1] if real else "#6b7680", where)
            figure.update_xaxes(range=[-reach, reach], showticklabels=False, showgrid=False, ticks="", **where)
            figure.update_yaxes(range=[-reach, reach], showticklabels=False, showgrid=False, ticks="", **where)
    style(figure, height=100 + 330 * lines, top=74)
    figure.update_xaxes(ticks="", showgrid=False, mirror=True, linecolor="#d9dee3", automargin=False)
    figure.update_yaxes(ticks="", showgrid=False, mirror=True, linecolor="#d9dee3", automargin=False)
    for axis in list(figure.layout):
        if axis.startswith("yaxis"):
            figure.layout[axis].update(scaleanchor="x" + axis[5:], constrain="domain")
        elif axis.startswith("xaxis"):
            figure.layout[axis].update(constrain="domain")
    figure.update_layout(showlegend=False)
    figure.update_annotations(font={"size": 12, "color": "#1f2933"})
    return figure


def _short(profile: Profile, sites: list[str]) -> list[str]:
    names = dict(zip(profile.sites, short_labels(list(profile.sites), 26), strict=True))
    return [names[site] for site in sites]


def _words(plane: LoopPlane) -> str:
    return f"loop {plane.length:.2f} · plane {100 * plane.share:.0f} %"


def _in_own_unit(plane: LoopPlane) -> np.ndarray:
    """Coordinates over the root mean square distance of the rows to their mean: a null may have other norms."""
    total = float((plane.coordinates.astype(np.float64) ** 2).sum()) / plane.share if plane.share else 0.0
    return plane.coordinates / np.sqrt(total / len(plane.coordinates)) if total else plane.coordinates


def _panel(figure: Any, points: np.ndarray, edges: np.ndarray, color: str, where: dict[str, int]) -> None:
    on_loop = np.unique(edges)
    chosen = np.union1d(np.linspace(0, len(points) - 1, min(_MOST_POINTS, len(points))).astype(int), on_loop)
    figure.add_scatter(
        x=points[chosen, 0].round(5).tolist(), y=points[chosen, 1].round(5).tolist(),
        mode="markers", marker={"size": 4, "color": GREY}, hoverinfo="skip", **where,
    )  # fmt: skip
    xs: list[float | None] = []
    ys: list[float | None] = []
    for edge in edges:
        xs += [*points[edge, 0].round(5).tolist(), None]
        ys += [*points[edge, 1].round(5).tolist(), None]
    figure.add_scatter(x=xs, y=ys, mode="lines", line={"color": color, "width": 2}, hoverinfo="skip", **where)
    figure.add_scatter(
        x=points[on_loop, 0].round(5).tolist(), y=points[on_loop, 1].round(5).tolist(),
        mode="markers", marker={"size": 6, "color": color}, hoverinfo="skip", **where,
    )  # fmt: skip
