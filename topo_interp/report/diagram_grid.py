"""Persistence diagrams side by side: one panel for each site, in median distances, all on the same axes."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp.report.plot_style import INK, style

if TYPE_CHECKING:
    from topo_interp.homology.diagrams import Diagrams

__all__ = ["DiagramGrid", "farthest", "relative_bars", "unit"]


class DiagramGrid:
    """A plotly figure with a panel for each site, to which bars are added.

    Args:
        titles: site -> title of its panel.
        diagrams: all that will be added, from which the end of the axes is found.
        dim: the degree of what will be added; None for all degrees.
        columns: at most so many panels stand in a line.
    """

    def __init__(self, titles: Mapping[str, str], diagrams: Sequence[Diagrams], dim: int | None = None, columns: int = 4) -> None:
        from plotly.subplots import make_subplots

        dims = range(max((d.max_dim for d in diagrams), default=0) + 1) if dim is None else (dim,)
        self._end = 1.06 * farthest(diagrams, *dims)
        self._columns = min(columns, max(1, len(titles)))
        self._lines = max(1, -(-len(titles) // self._columns))
        self._places = {site: {"row": k // self._columns + 1, "col": k % self._columns + 1} for k, site in enumerate(titles)}
        self.top = 0.985 * self._end  # where open bars are drawn
        self.figure = make_subplots(
            rows=self._lines,
            cols=self._columns,
            subplot_titles=list(titles.values()) or None,
            shared_xaxes="all",
            shared_yaxes="all",
            horizontal_spacing=0.025,
            vertical_spacing=min(0.12, 0.3 / self._lines),
        )
        for at in self._places.values():
            line = {"color": "#9aa5b1", "width": 1}
            self.figure.add_scatter(x=[0, self._end], y=[0, self._end], mode="lines", line=line, hoverinfo="skip", showlegend=False, **at)

    def at(self, site: str) -> dict[str, int]:
        """Row and column of a site's panel, as plotly takes them."""
        return self._places[site]

    def add(self, site: str, bars: np.ndarray, is_open: np.ndarray, **trace: Any) -> None:
        """Bars as points of a site's panel, open ones at the top."""
        x, y = bars[:, 0], np.where(is_open, self.top, bars[:, 1])
        self.figure.add_scatter(x=np.round(x, 5).tolist(), y=np.round(y, 5).tolist(), mode="markers", **trace, **self.at(site))

    def finished(self, *, height: int, panel: int) -> Any:
        """The figure, with its axes and one legend at the left above the panels; heights in pixels, ``panel`` of a line of panels."""
        figure = self.figure
        style(figure, height=height + panel * self._lines, top=64)
        figure.update_xaxes(range=[-0.02 * self._end, self._end], showticklabels=True)
        figure.update_yaxes(range=[-0.02 * self._end, self._end])
        figure.update_xaxes(title_text="birth / median", row=self._lines)
        figure.update_yaxes(title_text="death / median", col=1)
        figure.update_annotations(font={"size": 13, "color": INK})
        # A proxy of fixed size stands for each kind of points.
        legend = {"orientation": "h", "x": 0, "xanchor": "left", "y": 1, "yanchor": "top", "yref": "container", "itemsizing": "constant"}
        figure.update_layout(legend=legend)
        return figure


def unit(d: Diagrams) -> float:
    """What lengths are divided by: the median distance, 1 where it is unknown or 0."""
    return d.scale or 1.0


def farthest(diagrams: Iterable[Diagrams], *dims: int) -> float:
    """The end of a shared axis: the largest finite death (or birth, or cut), in medians."""
    ends = [1e-9]
    for d, dim in itertools.product(diagrams, dims):
        pairs = d[dim] if dim <= d.max_dim else np.zeros((0, 2))
        finite = pairs[np.isfinite(pairs)]
        if finite.size:
            ends.append(float(finite.max()) / unit(d))
        if d.censored_at is not None and pairs.size:
            ends.append(float(d.censored_at) / unit(d))
    return max(ends) if max(ends) > 1e-9 else 1.0


def relative_bars(d: Diagrams, dim: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    """The longest bars in medians, longest first, and which of them are open."""
    pairs = np.asarray(d[dim], dtype=float) / unit(d)
    order = np.argsort(-(pairs[:, 1] - pairs[:, 0]), kind="stable")[:most]
    pairs = pairs[order]
    return pairs, np.isinf(pairs[:, 1])
