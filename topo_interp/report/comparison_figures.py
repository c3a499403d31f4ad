"""The picture of a table of comparisons: site by site, one number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from topo_interp._errors import InputError
from topo_interp.report.plot_style import heat, short_labels

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
        InputError: no table of comparisons, several measures, a pair of sites twice, or another column.
    """
    import pandas as pd

    if value not in ("value", "forward", "backward"):
        raise InputError(f"value is {value!r}; it is 'value', 'forward' or 'backward'")
    if not isinstance(frame, pd.DataFrame) or not {"site_a", "site_b", "measure", value} <= set(frame):
        raise InputError(f"the table is no table of comparisons, but {type(frame).__name__}; draw ti.compare(a, b, 'cka')")
    names = list(dict.fromkeys(frame["measure"]))
    if len(names) != 1:
        raise InputError(f"the table holds the measures {', '.join(map(repr, names)) or '(none)'}; one is drawn: frame[frame['measure'] == ...]")
    twice = frame[frame.duplicated(["site_a", "site_b"])]
    if len(twice):
        site_a, site_b = twice[["site_a", "site_b"]].iloc[0]
        raise InputError(f"the table holds the sites {site_a!r} and {site_b!r} more than once; one row for each pair is drawn")
    rows, columns = (list(dict.fromkeys(frame[name])) for name in ("site_a", "site_b"))
    grid = frame.pivot(index="site_a", columns="site_b", values=value).reindex(index=rows, columns=columns).to_numpy(dtype=float)
    figure = heat(grid, rows, columns, names[0] if value == "value" else f"{names[0]}, {value}", "a: %{y}<br>b: %{x}")
    figure.update_xaxes(tickvals=list(figure.data[0].x), ticktext=short_labels(columns), title_text="site of b")
    figure.update_yaxes(title_text="site of a")
    return figure
