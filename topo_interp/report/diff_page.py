"""One self-contained HTML file from a Diff, with its tables as parquet beside it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from topo_interp._words import counted
from topo_interp._writing import writable
from topo_interp.report import diff_figures, words
from topo_interp.report.page import fill_page, plain_figure, write_page, write_tables
from topo_interp.report.table import Column, cells

if TYPE_CHECKING:
    import pandas as pd

    from topo_interp.diff import Diff

__all__ = ["render_diff", "write_diff_report"]

_PAIRED = {"rtd": "RTD (0: alike)", "merge_order": "merge order (1: alike)", "cka": "CKA (1: alike)", "procrustes": "Procrustes (0: alike)"}
_MOST_LISTED = 20  # moved bars of each degree in the page; the parquet has all that the diff keeps
_LEVEL = 0.05
_LIMITS = (
    (
        "The p-values are about the pairing of rows: that two stores agree on it. They do not say that a bar is real: noise has loops (H1 bars) "
        "too, in every layer of every model. Compare with a null before claiming a shape."
    ),
    *words.LIMITS[1:],
)


def write_diff_report(diff: Diff, path: str | os.PathLike[str], *, title: str = "What changed") -> Path:
    """Write the page, and beside it its tables: the path's stem with ``.measures`` and ``.moved`` and ``.parquet``."""
    writable(path)  # or an error before the work
    frame, moved = diff.to_frame(), diff.moved_bars()
    path = write_page(path, lambda: _page(diff, frame, moved, title))
    write_tables(path, {"measures": frame, "moved": moved})
    return path


def render_diff(diff: Diff, *, title: str = "What changed") -> str:
    """The report as one HTML string."""
    return _page(diff, diff.to_frame(), diff.moved_bars(), title)


def _page(diff: Diff, frame: pd.DataFrame, moved: pd.DataFrame, title: str) -> str:
    whole = words.together({"in a": diff.a, "in b": diff.b})
    return fill_page(
        "diff.html.j2",
        [_section(diff, name, number) for number, name in enumerate(diff.recipes)],
        ("paired", "unpaired", "diagrams"),
        title=title,
        about=_about(diff),
        summary=_summary(diff, frame),
        rule=_rule(diff),
        tested=bool(diff.about["draws"]),
        failures=[(site if len(diff.recipes) == 1 else f"{site} ({name})", text) for (site, name), text in diff.errors.items()],
        table=cells(frame, _measure_columns(diff, frame)),
        moved=cells(_listed(moved), _moved_columns(diff)),
        moved_count=int(frame[[name for name in frame if name.startswith("moved_dim")]].sum().sum()),
        cautions=words.grouped_cautions(whole),
        certificates=words.certificates(whole),
        limits=_LIMITS if diff.about["draws"] else words.LIMITS,
    )


def _section(diff: Diff, recipe: str, number: int) -> dict[str, Any]:
    sites, dims = list(diff.sites), words.loops_first(diff.recipes[recipe].max_dim)
    unpaired = {f"{kind.lower()}_dim{k}": f"{kind}, H{k}" for k in dims for kind in ("Bottleneck", "Wasserstein")}
    return {
        "id": f"recipe-{number}",
        "name": recipe,
        "words": words.recipe(diff.recipes[recipe]),
        "drawn": any(key[1] == recipe for key in (*diff.paired, *diff.unpaired)),
        "paired": [("", plain_figure(diff_figures.measures(dict(diff.paired), recipe, _PAIRED, sites)))],
        "unpaired": [("", plain_figure(diff_figures.measures(dict(diff.unpaired), recipe, unpaired, sites)))],
        "diagrams": [(f"H{k}", plain_figure(diff_figures.overlaid_diagrams(diff, recipe, k))) for k in dims],
    }


def _summary(diff: Diff, frame: pd.DataFrame) -> str:
    rows = sorted(set(frame["n"]) - {0})
    count = len(diff.sites)
    sentences = [f"Two stores of the same {rows[-1] if rows else 'no'} rows were compared at {counted(count, 'site')}."]
    rtd = {key: numbers["rtd"] for key, numbers in diff.paired.items() if "rtd" in numbers}
    if not diff.about["draws"]:
        sentences.append("No pairings at random were drawn, so that there is no p-value: nothing here is told from chance.")
    elif tested := {key: numbers for key, numbers in rtd.items() if "p_max_t" in numbers}:  # not where a draw failed
        alike = [key for key, numbers in tested.items() if numbers["p_max_t"] <= _LEVEL]
        sentences.append(
            f"At {len(alike)} of {counted(len(tested), 'site' if len(diff.recipes) == 1 else 'result')} the "
            f"topology of corresponding rows (RTD) is more alike than with rows paired at random (p ≤ {_LEVEL:g} after max-T over all "
            f"{diff.about['tests']} tests); where it is not, the pairing carries nothing that RTD sees."
        )
    if rtd:
        far = max(rtd, key=lambda key: rtd[key]["value"])
        cka = f"; CKA there {diff.paired[far]['cka']['value']:.2f}" if "cka" in diff.paired[far] else ""
        sentences.append(f"RTD is largest at “{far[0]}” ({rtd[far]['value']:.3g}{cka}).")
    if diff.errors:
        count = len({site for site, _ in diff.errors})
        sentences.append(f"{counted(count, 'site')} could not be compared in full; the reasons are below.")
    return " ".join(sentences)


def _rule(diff: Diff) -> str:
    spread = (
        f"The blue line is the central 90 % over {diff.about['subsamples']} subsamples of 80 % of the rows (RTD grows with the number "
        "of rows, so that its line lies below its value). "
        if diff.about["subsamples"]
        else ""
    )
    if not diff.about["draws"]:
        return spread.strip()
    return (
        f"{spread}The gray band is the central 90 % of {diff.about['draws']} pairings at random (seed {diff.about['seed']}): a value inside it "
        "says that rows correspond no better than by chance."
    )


def _measure_columns(diff: Diff, frame: pd.DataFrame) -> list[Column]:
    columns = [Column("", "site", "site", "module path", "text")]
    if len(diff.recipes) > 1:
        columns.append(Column("", "recipe", "recipe", "name of the recipe", "text"))
    for measure, title in _PAIRED.items():
        group = title.split(" (")[0]
        columns += [
            Column(group, measure, "value", title),
            Column(group, f"{measure}_p_max_t", "p", "of likeness against random pairings, max-T over all tests"),
        ]
    for dim in range(max(recipe.max_dim for recipe in diff.recipes.values()) + 1):
        columns += [
            Column(f"Diagrams H{dim}", f"bottleneck_dim{dim}", "bottleneck", "in median distances"),
            Column(f"Diagrams H{dim}", f"wasserstein_dim{dim}", "wasserstein", "sum over the matching, in median distances"),
            Column(f"Diagrams H{dim}", f"moved_dim{dim}", "moved", "bars that moved by more than the certificates allow"),
        ]
    baselines = dict.fromkeys(name for result in diff.a.results for name in result.baselines)
    for name in baselines:
        columns += [Column(name.replace("_", " "), f"{name}_{store}", store, f"of store {store}") for store in "ab"]
    if frame["error"].any():
        columns.append(Column("", "error", "error", "why numbers are missing", "text"))
    return [column for column in columns if column.source in frame]


def _moved_columns(diff: Diff) -> list[Column]:
    numbers = [("birth_a", "birth"), ("death_a", "death"), ("rows_a", "rows"), ("birth_b", "birth"), ("death_b", "death"), ("rows_b", "rows")]
    columns = [Column("", "site", "site", "module path", "text")]
    if len(diff.recipes) > 1:
        columns.append(Column("", "recipe", "recipe", "name of the recipe", "text"))
    columns += [
        Column("", "dim", "dim", "degree of homology"),
        Column("", "kind", "what", "moves, vanishes (only in a), appears (only in b)", "text"),
        Column("", "shift", "shift", "in median distances"),
    ]
    for source, name in numbers:
        kind = "text" if name == "rows" else "number"
        columns.append(Column(f"in {source[-1]}", source, name, "rows on the bar's cycle" if name == "rows" else "in median distances", kind))
    return columns


def _listed(moved: pd.DataFrame) -> pd.DataFrame:
    """Some of the moved bars, loops first, with their rows in words."""
    some = moved.groupby("dim", sort=False).head(_MOST_LISTED)
    order = words.loops_first(int(moved["dim"].max())) if len(moved) else []
    some = some.sort_values("dim", key=lambda dims: dims.map(order.index), kind="stable")
    return some.assign(**{name: [", ".join(map(str, rows)) for rows in some[name]] for name in ("rows_a", "rows_b")})


def _about(diff: Diff) -> dict[str, Any]:
    date, version = (str(diff.a.about.get(key, "")) for key in ("date", "version"))
    facts: list[tuple[str, Any]] = [("Compared", f"{date}, topo_interp {version}")]
    facts += [(f"Store {name}", f"{p.about.get('store', '')} {p.about.get('store_hash', '')}") for name, p in (("a", diff.a), ("b", diff.b))]
    return {"facts": facts + words.recipe_facts(diff.recipes), "version": version, "date": date[:10]}
