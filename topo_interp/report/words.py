"""The report's sentences: plain text only, escaped later by the template."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp._value import brief_call, value_from_json
from topo_interp._words import counted, upper
from topo_interp.cautions import KINDS
from topo_interp.certificate import Status
from topo_interp.homology.rips import Rips
from topo_interp.summaries.scalars import max_persistence

if TYPE_CHECKING:
    from topo_interp.homology.diagrams import Diagrams
    from topo_interp.profile import Profile, SiteResult

__all__ = [
    "LIMITS", "STATUS_WORDS", "about", "certificates", "grouped_cautions", "limits", "loops_first", "null", "recipe", "recipe_facts", "summary",
    "together",
]  # fmt: skip

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

_SIGNIFICANT = (
    "Beyond chance means: longer than in draws of one null that went through the same pipeline, after adjustment for all tests of this "
    "report. It does not say what the shape is, nor that the null is the only way to have none; and not beyond chance does not mean "
    "absent: see how large a circle would have been found."
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


def loops_first(max_dim: int) -> list[int]:
    """The degrees in the order of the pages: loops are what most readers came for.

    >>> loops_first(2)
    [1, 0, 2]
    """
    return sorted(range(max_dim + 1), key=lambda dim: (dim != 1, dim))


def recipe_facts(recipes: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The recipes with their hashes, for the foot of a page."""
    return [(f"Recipe {name}", [f"sha256 {value.digest()}", json.dumps(value.to_dict(), sort_keys=True)]) for name, value in recipes.items()]


def together(profiles: Mapping[str, Profile]) -> Profile:
    """Several profiles of the same recipes as one, each site with the key's words behind its name ("in a", "at step 3")."""
    results = [
        dataclasses.replace(result, site=f"{result.site} {words}") for words, profile in profiles.items() for result in profile.results
    ]
    first = next(iter(profiles.values()))
    return dataclasses.replace(first, results=tuple(results), tests=None)


def tried_recipe(text: str) -> str:
    """A recipe of the log in words: given as JSON, or as the name of a function.

    >>> tried_recipe('{"kind": "class_means", "by": "month", "recipe": {"kind": "distances"}}')
    "class_means(by='month', recipe=Distances(metric='euclidean', steps=()))"
    >>> tried_recipe("my_recipe")
    'my_recipe'
    """
    if not text.startswith("{"):
        return text
    value = value_from_json(text)
    return recipe(value) if isinstance(value, Rips) else brief_call(value)


def limits(profile: Profile) -> tuple[str, ...]:
    """What the numbers of this profile do not mean."""
    return LIMITS if profile.tests is None else (_SIGNIFICANT, *LIMITS[1:])


def null(text: str) -> str:
    """A null, given as JSON, in words; "" where there was none."""
    return brief_call(value_from_json(text)) if text else ""


def _call(value: Any) -> str:
    if not hasattr(value, "to_dict"):
        return str(value)
    plain = dict(value.to_dict())
    kind = plain.pop("kind")
    return f"{kind}({', '.join(f'{key}={item}' for key, item in plain.items())})" if plain else kind


def about(profile: Profile) -> dict[str, Any]:
    """What was analyzed, for the head and the foot of the page."""
    done = profile.found()
    store, version, date = (str(profile.about.get(key, "")) for key in ("store", "version", "date"))
    engines = ", ".join(sorted({d.certificate.engine for _, d in done}))
    facts: list[tuple[str, Any]] = [
        ("Store", store),
        ("Store hash", profile.about.get("store_hash") or "none: not on disk"),
        ("Captured", [f"{key}: {_captured(item)}" for key, item in profile.about.get("capture", {}).items()]),
        ("Analyzed", f"{date}, topo_interp {version}"),
        ("Engines", engines),
        *recipe_facts(profile.recipes),
    ]
    rows = sorted({r.n for r in profile.results if r.n})
    return {
        "store": PurePath(store).name,
        "site_count": counted(len(profile.sites), "site"),
        "rows": f"{_span(rows)} rows" if rows else "no rows",
        "date": date[:10],
        "version": version,
        "facts": [fact for fact in facts if fact[1]],
        "hashes": list({r.site: ", ".join(d.certificate.inputs) for r, d in done}.items()),
    }


def _captured(item: Any) -> str:
    if isinstance(item, dict):  # a row selector
        rest = ", ".join(f"{key}={value}" for key, value in item.items() if key != "kind")
        return f"{item.get('kind', '')}({rest})"
    return ", ".join(map(str, item)) if isinstance(item, list) else str(item)


def summary(profile: Profile) -> str:
    """One paragraph for a reader who reads nothing else."""
    name = profile.recipe_names[0]
    done = profile.found(name)
    if not done:
        return f"No site of {counted(len(profile.sites), 'site')} could be analyzed; the messages are below."
    rows, widths = (sorted({getattr(r, key) for r, _ in done}) for key in ("n", "d"))
    head = f"The shape of {_span(rows)} rows was computed at {counted(len(done), 'site')} ({_span(widths)} coordinates)"
    if len(profile.recipes) > 1:
        head += f" under {len(profile.recipes)} recipes; this paragraph is about the first, “{name}”"
    sentences = [f"{head}: {recipe(profile.recipes[name])}."]
    if profile.recipes[name].max_dim >= 1:
        sentences.append(_loops(done))
    for status, words in STATUS_WORDS.items():
        count = sum(d.certificate.status is status for _, d in done)
        if count:
            share = "All" if count == len(done) > 1 else f"{count} of {len(done)}"
            sentences.append(f"{share} diagrams are {words}.")
    failed = {r.site for r in profile.results if r.error}
    if failed:
        sentences.append(f"{counted(len(failed), 'site')} failed.")
    headlines = [kind["headline"].lower() for kind in grouped_cautions(profile)]
    if headlines:
        sentences.append(f"{counted(len(headlines), 'warning')} to read first: {'; '.join(headlines)}.")
    return " ".join(sentences)


STATUS_WORDS = {
    Status.EXACT: "exact for the stored distances",
    Status.BOUNDED: "approximate, with a bound",
    Status.CENSORED: "cut by the threshold",
    Status.FAILED: "without a certificate",
}


def _loops(done: list[tuple[SiteResult, Diagrams]]) -> str:
    """The longest loops, in a sentence; one that the threshold cut lives for at least as long as is known."""
    longest = max_persistence(1, censored="close")
    found = {r.site: (longest(d) / d.scale, d.censored(1).any()) for r, d in done if d.scale and len(d[1])}
    if not found:
        return "No site has a loop."
    most, least = max(found, key=found.__getitem__), min(found, key=found.__getitem__)
    length, cut = found[most]
    words = f"The longest loop is at “{most}” and lives for {'at least ' if cut else ''}{length:.2f} median distances"
    if len(found) > 1:
        middle = np.median([value for value, _ in found.values()])
        words += f"; the middle site has {middle:.2f}, and “{least}” the least ({found[least][0]:.2f})"
    return f"{words}."


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
        done = len(profile.found())
        where = "At every site"
        if len(cases) < done:
            where = f"At {len(cases)} of {done} {'results' if several else 'sites'}"
        shared = len(cases) == done and len({text for _, text in cases}) == 1
        common = cases[0][1] if shared else ""
        out.append(
            {"headline": headline, "meaning": meaning, "where": where, "common": common, "cases": cases}
        )
    return out


def certificates(profile: Profile) -> list[dict[str, Any]]:
    """Certificates by recipe: one sentence when all sites share it, else one for each site behind a headline."""
    out = []
    for name in profile.recipe_names:
        found = profile.found(name)
        if not found:
            continue
        worst = max(d.certificate.status for _, d in found)
        same = all(d.certificate.status is worst for _, d in found)
        words = f"{f'All {len(found)} diagrams are' if same else 'At least one diagram is'} {STATUS_WORDS[worst]}"
        bound = max(d.certificate.bottleneck_bound for _, d in found)
        tail = f"births and deaths are at most {upper(bound, 2)} from the true ones"
        relative = [d.certificate.bottleneck_bound / d.scale for _, d in found if d.scale]
        if relative:
            tail += f" ({upper(max(relative), 2)} median distances)"
        if math.isinf(bound):
            tail = "at least one has no finite error bound"
        cases = [(r.site, d.certificate.explain()) for r, d in found]
        if len({text for _, text in cases}) == 1:
            cases = cases[:1]
        out.append({"where": name, "headline": f"{words}; {tail}.", "cases": cases})
    return out


def _span(values: list[int]) -> str:
    return str(values[0]) if len(values) == 1 else f"{values[0]} to {values[-1]}"
