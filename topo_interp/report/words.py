"""The report's sentences and table cells: plain text only, escaped later by the template."""

from __future__ import annotations

import json
import math
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp.cautions import KINDS
from topo_interp.certificate import Status

if TYPE_CHECKING:
    from topo_interp.profile import Profile, SiteResult

__all__ = ["LIMITS", "about", "certificates", "grouped_cautions", "recipe", "summary", "table"]

LIMITS = (
    (
        "A long bar is not a discovery by itself. Noise has loops (H1 bars) too, in every layer of every model; no significance has been "
        "computed here. Compare with a null before claiming a shape."
    ),
    (
        "Exact and certified are words about these rows: how close the computed diagram is to the exact diagram of the same points. They "
        "say nothing about other inputs, other rows or the network as a whole."
    ),
    (
        "A difference between two layers can come from a change of intrinsic dimension, norm or of one massive coordinate. The baselines "
        "stand beside the bars for that reason."
    ),
    "Entropy, total persistence and the number of bars grow with the number of rows. Compare only sites with the same rows.",
    "A shape that is there need not be used. Whether the network computes with it is a causal question that a diagram can not answer.",
)


def recipe(value: Any) -> str:
    """A recipe in words.

    >>> from topo_interp.homology.rips import Rips
    >>> recipe(Rips("chordal", max_dim=1))
    'Vietoris-Rips persistence up to degree 1, chordal distance, coefficients in Z/2'
    """
    metric = value.metric if isinstance(value.metric, str) else _call(value.metric)
    parts = [f"Vietoris-Rips persistence up to degree {value.max_dim}", f"{metric} distance"]
    if value.steps:
        parts.append(
            f"after the step{'s' if len(value.steps) > 1 else ''} {', '.join(_call(step) for step in value.steps)}"
        )
    if value.threshold is not None:
        parts.append(f"cut at {value.threshold:.4g}")
    for name in ("landmarks", "weights"):
        if getattr(value, name, None) is not None:
            parts.append(f"{name} {_call(getattr(value, name))}")
    parts.append(f"coefficients in Z/{value.field}")
    return ", ".join(parts)


def _call(value: Any) -> str:
    if not hasattr(value, "to_dict"):
        return str(value)
    plain = dict(value.to_dict())
    kind = plain.pop("kind")
    return f"{kind}({', '.join(f'{key}={item}' for key, item in plain.items())})" if plain else kind


def about(profile: Profile) -> dict[str, Any]:
    """What was analyzed, for the head and the foot of the page."""
    done = [r for r in profile.results if r.diagrams is not None]
    store, version, date = (str(profile.about.get(key, "")) for key in ("store", "version", "date"))
    engines = ", ".join(sorted({r.diagrams.certificate.engine for r in done}))
    facts: list[tuple[str, Any]] = [
        ("Store", store),
        ("Store hash", profile.about.get("store_hash") or "none: not on disk"),
        ("Captured", [f"{key}: {_captured(item)}" for key, item in profile.about.get("capture", {}).items()]),
        ("Analyzed", f"{date}, topo_interp {version}"),
        ("Engines", engines),
    ]
    for name, value in profile.recipes.items():
        plain = json.dumps(value.to_dict(), sort_keys=True)
        facts.append((f"Recipe {name}", [f"sha256 {value.digest()}", plain]))
    rows = sorted({r.n for r in profile.results if r.n})
    return {
        "store": PurePath(store).name,
        "site_count": _count(len(profile.sites), "site"),
        "rows": f"{_span(rows)} rows" if rows else "no rows",
        "date": date[:10],
        "version": version,
        "facts": [fact for fact in facts if fact[1]],
        "hashes": list({r.site: ", ".join(r.diagrams.certificate.inputs) for r in done}.items()),
    }


def _captured(item: Any) -> str:
    if isinstance(item, dict):  # a row selector
        rest = ", ".join(f"{key}={value}" for key, value in item.items() if key != "kind")
        return f"{item.get('kind', '')}({rest})"
    return ", ".join(map(str, item)) if isinstance(item, list) else str(item)


def summary(profile: Profile) -> str:
    """One paragraph for a reader who reads nothing else."""
    name = profile.recipe_names[0]
    done = [r for r in profile.results if r.recipe == name and r.diagrams is not None]
    failed = sorted({r.site for r in profile.results if r.error})
    sentences = []
    if not done:
        return f"No site of {_count(len(profile.sites), 'site')} could be analyzed; the messages are below."
    widths = sorted({r.d for r in done})
    rows = sorted({r.n for r in done})
    head = f"The shape of {_span(rows)} rows was computed at {_count(len(done), 'site')} ({_span(widths)} coordinates)"
    if len(profile.recipes) > 1:
        head += f" under {len(profile.recipes)} recipes; this paragraph is about the first, “{name}”"
    sentences.append(f"{head}: {recipe(profile.recipes[name])}.")
    lengths = {r.site: _longest_loop(r) for r in done} if profile.recipes[name].max_dim >= 1 else {}
    lengths = {site: value for site, value in lengths.items() if math.isfinite(value)}
    if lengths:
        most, least = max(lengths, key=lengths.__getitem__), min(lengths, key=lengths.__getitem__)
        cut = any(r.site == most and r.diagrams.censored(1).any() for r in done)
        sentence = f"The longest loop is at “{most}” and lives for {'at least ' if cut else ''}{lengths[most]:.2f} median distances"
        if len(lengths) > 1:
            sentence += f"; the middle site has {np.median(list(lengths.values())):.2f}, and “{least}” the least ({lengths[least]:.2f})"
        sentences.append(sentence + ".")
    elif profile.recipes[name].max_dim >= 1:
        sentences.append("No site has a loop.")
    words = {
        Status.EXACT: "exact for the stored distances",
        Status.BOUNDED: "approximate, with a bound",
        Status.CENSORED: "cut by the threshold",
        Status.FAILED: "without a certificate",
    }
    for status in sorted({r.diagrams.certificate.status for r in done}):
        count = sum(r.diagrams.certificate.status is status for r in done)
        share = "All" if count == len(done) > 1 else f"{count} of {len(done)}"
        sentences.append(f"{share} diagrams are {words[status]}.")
    if failed:
        sentences.append(f"{_count(len(failed), 'site')} failed.")
    kinds = grouped_cautions(profile)
    if kinds:
        sentences.append(
            f"{_count(len(kinds), 'warning')} to read first: {'; '.join(k['headline'].lower() for k in kinds)}."
        )
    sentences.append("No significance has been computed: noise also has loops.")
    return " ".join(sentences)


def grouped_cautions(profile: Profile) -> list[dict[str, Any]]:
    """The warnings by kind: headline, meaning, and where they hold; a sentence that all sites share is said once."""
    several = len(profile.recipes) > 1
    out = []
    for kind, (headline, meaning) in KINDS.items():
        cases = [
            (f"{r.site} ({r.recipe})" if several else r.site, c.text)
            for r in profile.results
            for c in r.cautions
            if c.kind == kind
        ]
        if not cases:
            continue
        done = sum(r.diagrams is not None for r in profile.results)
        texts = {text for _, text in cases}
        where = (
            "At every site"
            if len(cases) == done
            else f"At {len(cases)} of {done} {'results' if several else 'sites'}"
        )
        common = texts.pop() if len(texts) == 1 and len(cases) == done else ""
        out.append(
            {"headline": headline, "meaning": meaning, "where": where, "common": common, "cases": cases}
        )
    return out


def certificates(profile: Profile) -> list[dict[str, Any]]:
    """Certificates by recipe: one sentence when all sites share it, else one for each site behind a headline."""
    out = []
    for name in profile.recipe_names:
        done = [r for r in profile.results if r.recipe == name and r.diagrams is not None]
        if not done:
            continue
        worst = max(r.diagrams.certificate.status for r in done)
        bound = max(r.diagrams.certificate.bottleneck_bound for r in done)
        relative = max(
            (r.diagrams.certificate.bottleneck_bound / r.diagrams.scale for r in done if r.diagrams.scale),
            default=math.nan,
        )
        texts = {r.diagrams.certificate.explain() for r in done}
        words = {
            Status.EXACT: f"All {len(done)} diagrams are exact for the stored distances",
            Status.BOUNDED: "At least one diagram is an approximation with a bound",
            Status.CENSORED: "At least one diagram is cut by the threshold",
            Status.FAILED: "At least one computation failed",
        }[worst]
        tail = (
            f"births and deaths are at most {bound:.2g} from the true ones ({relative:.2g} median distances)"
        )
        tail = tail if math.isfinite(bound) else "at least one has no finite error bound"
        cases = [(r.site, r.diagrams.certificate.explain()) for r in done]
        out.append(
            {"where": name, "headline": f"{words}; {tail}.", "cases": cases[:1] if len(texts) == 1 else cases}
        )
    return out


_COLUMNS: tuple[tuple[str, str, str, str, str], ...] = (
    # group, frame column, heading, kind, meaning
    ("", "site", "site", "text", "module path"),
    ("", "recipe", "recipe", "text", "name of the recipe"),
    ("", "dim", "dim", "number", "degree of homology: 0 pieces, 1 loops, 2 voids"),
    ("", "n", "rows", "number", "rows (points)"),
    ("", "d", "width", "number", "coordinates"),
    ("Bars", "bars", "bars", "number", "number of bars"),
    ("Bars", "max_persistence_relative", "longest (rel.)", "number", "longest bar / median distance"),
    ("Bars", "total_persistence_relative", "total (rel.)", "number", "sum of the lengths / median distance"),
    ("Bars", "entropy", "entropy", "number", "persistence entropy"),
    ("Certificate", "status", "status", "text", "EXACT: exact for the stored distances"),
    (
        "Certificate",
        "bottleneck_bound",
        "error ≤",
        "number",
        "bound on births and deaths, in units of the distance",
    ),
    ("Baselines", "median_distance", "median distance", "number", "the unit of the columns marked rel."),
    ("Baselines", "mean_norm", "mean norm", "number", "mean Euclidean norm of a row"),
    (
        "Baselines",
        "participation_ratio",
        "partic. ratio",
        "number",
        "participation ratio of the covariance spectrum",
    ),
    (
        "Baselines",
        "pca_dim_90",
        "PCA 90 %",
        "number",
        "principal components that hold 90 % of the variance",
    ),
    ("Baselines", "two_nn_dim", "TwoNN dim", "number", "intrinsic dimension from the two nearest neighbors"),
    (
        "Baselines",
        "top_coordinate_share",
        "top coord.",
        "number",
        "share of the mean squared distance in one coordinate",
    ),
    (
        "Baselines",
        "distance_concentration",
        "spread",
        "number",
        "spread of the distances over their mean; small: they concentrate",
    ),
    ("", "warnings", "warnings", "text", "warnings of this site"),
)


def table(profile: Profile) -> dict[str, Any]:
    """Headings and cells of the sortable table, from the profile's frame."""
    frame = profile.to_frame()
    skip = {"recipe"} if len(profile.recipes) == 1 else set()
    if not (frame["warnings"] + frame["error"]).any():
        skip.add("warnings")
    chosen = [c for c in _COLUMNS if c[1] in frame and c[1] not in skip]
    rows = []
    for record in frame.to_dict("records"):
        cells = [_cell(record[c[1]], c[3], c[1]) for c in chosen]
        if record["error"]:
            cells[-1] = {
                "text": record["error"],
                "value": record["error"],
                "kind": "text",
                "full": record["error"],
            }
        rows.append({"cells": cells, "failed": bool(record["error"])})
    groups: list[tuple[str, int]] = []
    for group, *_ in chosen:
        if groups and groups[-1][0] == group:
            groups[-1] = (group, groups[-1][1] + 1)
        else:
            groups.append((group, 1))
    columns = [{"name": c[2], "kind": c[3], "meaning": c[4]} for c in chosen]
    return {"groups": groups, "columns": columns, "rows": rows}


def _cell(value: Any, kind: str, column: str) -> dict[str, str]:
    if kind == "text":
        text = str(value)
        return {"text": text, "value": text, "kind": kind, "full": text if len(text) > 24 else ""}
    if value is None or str(value) in ("nan", "<NA>"):
        return {"text": "", "value": "", "kind": kind, "full": ""}
    number = float(value)
    if math.isinf(number):
        shown = "∞"
    elif number.is_integer() and abs(number) < 1e7:
        shown = str(int(number))
    else:
        shown = f"{number:.1e}" if column == "bottleneck_bound" else f"{number:.3g}"
    return {"text": shown, "value": repr(number).replace("inf", "Infinity"), "kind": kind, "full": ""}


def _longest_loop(result: SiteResult) -> float:
    from topo_interp.summaries.scalars import max_persistence

    d = result.diagrams
    return (
        max_persistence(1, censored="close")(d) / d.scale
        if d is not None and d.scale and len(d[1])
        else math.nan
    )


def _count(k: int, noun: str) -> str:
    return f"{k} {noun}{'' if k == 1 else 's'}"


def _span(values: list[int]) -> str:
    return str(values[0]) if len(values) == 1 else f"{values[0]} to {values[-1]}"
