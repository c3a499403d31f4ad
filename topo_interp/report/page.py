"""One self-contained HTML file from a Profile: nothing is fetched when it is opened, and no label can run."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from topo_interp._writing import replaced, writable
from topo_interp.report import claims, figures, plane_figures, words
from topo_interp.report.across_figure import across_sites
from topo_interp.report.table import table

if TYPE_CHECKING:
    import pandas as pd

    from topo_interp.profile import Profile

__all__ = ["fill_page", "plain_figure", "render", "write_page", "write_report", "write_tables"]

_FIGURE_OPTIONS = {
    "responsive": True,
    "displaylogo": False,
    "showTips": False,
    "modeBarButtonsToRemove": ["lasso2d", "select2d", "autoScale2d"],
}


def write_report(profile: Profile, path: str | os.PathLike[str], *, title: str = "Layer report") -> Path:
    """Write the report; returns its path."""
    return write_page(path, lambda: render(profile, title=title))


def write_page(path: str | os.PathLike[str], make: Callable[[], str]) -> Path:
    """Write a page; returns its path."""
    path = writable(path)
    page = make()
    with replaced(path) as part:
        part.write_text(page, encoding="utf-8")
    return path


def write_tables(page: Path, tables: dict[str, pd.DataFrame]) -> None:
    """Write tables beside a page, as its stem, the table's name and ``.parquet``."""
    for name, frame in tables.items():
        with replaced(page.with_name(f"{page.stem}.{name}.parquet")) as part:
            frame.to_parquet(part, index=False)


def render(profile: Profile, *, title: str = "Layer report") -> str:
    """The report as one HTML string."""
    sections = [_section(profile, name, number) for number, name in enumerate(profile.recipe_names)]
    made = claims.claims(profile)
    return fill_page(
        "page.html.j2",
        sections,
        ("heat", "across", "diagrams", "bars"),
        planes=_planes(profile),
        title=title,
        about=words.about(profile),
        headline=claims.headline(profile, made),
        summary=words.summary(profile),
        claims=made,
        overview=claims.overview(profile, made),
        asked=profile.tests is not None and profile.tests.how.detect is not None,
        how_tested=claims.how_tested(profile),
        tested=profile.tests is not None,
        alpha=None if profile.tests is None else profile.tests.how.alpha,
        tried=claims.tried(profile),
        cautions=words.grouped_cautions(profile),
        failures=[r for r in profile.results if r.error],
        table=table(profile),
        certificates=words.certificates(profile),
        limits=words.limits(profile),
    )


def fill_page(
    template: str, sections: list[dict[str, Any]], groups: tuple[str, ...], *, planes: dict[str, Any] | None = None, **fields: Any
) -> str:
    """A template of this folder with the sections' figures, escaped, and with a policy that lets only our scripts run."""
    import jinja2
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    here = files("topo_interp.report")
    script = (here / "page.js").read_text(encoding="utf-8")
    plotly = get_plotlyjs().replace("</script", r"<\/script")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (here / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(
        sections=sections,
        # Ours, not data: the two scripts and the sheet go in as they are. The policy names the scripts by their
        # hashes, so that nothing else can run even if a label were ever to slip through, and forbids every fetch.
        style=Markup((here / "page.css").read_text(encoding="utf-8")),
        script=Markup(script),
        plotly=Markup(plotly),
        policy=f"default-src 'none'; script-src {_hash(plotly)} {_hash(script)}; style-src 'unsafe-inline'; img-src data: blob:",
        data=Markup(embedded_json(_figure_data([*sections, *([planes] if planes else ())], (*groups, "planes")))),
        planes=planes,
        **fields,
    )


def embedded_json(value: Any) -> str:
    r"""JSON that may stand inside a script element: it can neither end the element nor open a comment.

    >>> embedded_json({"site": "</script><!--"})
    '{"site":"\\u003c/script\\u003e\\u003c!--"}'
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _section(profile: Profile, recipe: str, number: int) -> dict[str, Any]:
    """The pictures of one recipe: each is a group of tabs, a tab is one plotly figure."""
    dims = words.loops_first(profile.recipes[recipe].max_dim)
    return {
        "id": f"recipe-{number}",
        "name": recipe,
        "words": words.recipe(profile.recipes[recipe]),
        "drawn": any(r.diagrams is not None for r in profile.results if r.recipe == recipe),
        "heat": [(f"H{k}", plain_figure(figures.betti_heat_map(profile, recipe, k))) for k in dims],
        "across": [("", plain_figure(across_sites(profile, recipe)))],
        "diagrams": [("", plain_figure(figures.diagrams(profile, recipe)))],
        "bars": [(f"H{k}", plain_figure(figures.bars(profile, recipe, k))) for k in dims],
    }


def _planes(profile: Profile) -> dict[str, Any]:
    """The pictures that are of all recipes: a section of its own, with the sites that are not drawn in words."""
    sites = plane_figures.plane_sites(profile)
    drawn = [("", plain_figure(plane_figures.loop_planes(profile)))] if sites else []
    left = 0 if profile.tests is None else len(profile.tests.planes) - len(sites)
    return {"id": "planes", "planes": drawn, "left": left}


def _figure_data(sections: list[dict[str, Any]], groups: tuple[str, ...]) -> dict[str, Any]:
    drawn = {
        f"{section['id']}-{group}-{index}": figure
        for section in sections
        for group in groups
        for index, (_, figure) in enumerate(section.get(group, ()))
    }
    return {"figures": drawn, "options": _FIGURE_OPTIONS}


def plain_figure(figure: Any) -> dict[str, Any]:
    """A plotly figure as plain JSON types."""
    plain = json.loads(figure.to_json())
    return {"data": plain["data"], "layout": plain["layout"]}
