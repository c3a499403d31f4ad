"""The report's claims: for each site and degree what is said, in which metrics it holds, and the three fields of every claim."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from topo_interp._words import upper
from topo_interp.report import words
from topo_interp.report.verdicts import NOUNS, VERDICT_WORDS, p_words, verdict

if TYPE_CHECKING:
    from topo_interp.profile import Profile, SiteResult

__all__ = ["NULL_WORDS", "claims", "headline", "how_tested", "overview", "tried"]

CAUSAL = "not run. Whether the network uses this shape is a question that no diagram answers."
_OPEN = 12  # claims that are shown unfolded
# A shape is called one coordinate's where more than half of the mean squared distance is that coordinate's alone.
_MOSTLY = 0.5
_SEES_COORDINATES = ("euclidean", "chordal")  # for which the baselines of coordinates and noise mean something


def claims(profile: Profile) -> list[dict[str, Any]]:
    """One claim for each site and degree: degrees from 1 on (0 where there is no other), and whatever else was tested."""
    out = []
    for site in profile.sites:
        for dim in _degrees(profile):
            results = [r for r in profile.results if r.site == site and profile.recipes[r.recipe].max_dim >= (dim or 0)]
            if results:
                out.append(_claim(profile, site, dim, results))
    for claim in out:
        claim["open"] = claim["state"] == "yes" or len(out) <= _OPEN
    return out


def _degrees(profile: Profile) -> list[int | None]:
    most = max(recipe.max_dim for recipe in profile.recipes.values())
    tested = set() if profile.tests is None else set(profile.tests.table["dim"].dropna().astype(int))
    degrees: list[int | None] = sorted(tested | set(range(1, most + 1))) or [0]
    if profile.tests is not None and profile.tests.table["dim"].isna().any():
        degrees.append(None)
    return degrees


def _claim(profile: Profile, site: str, dim: int | None, results: list[SiteResult]) -> dict[str, Any]:
    metrics = [_metric(profile, result, dim) for result in results]
    holds = [m["name"] for m in metrics if m["verdict"] is True]
    tested = [m["name"] for m in metrics if m["verdict"] is not None]
    noun = NOUNS.get(dim, f"class of degree {dim}")
    if holds:
        said, state = f"A {noun} beyond chance in {len(holds)} of {len(tested)} metrics: {', '.join(holds)}", "yes"
        missing = [name for name in tested if name not in holds]
        if missing:
            said += f"; not in {', '.join(missing)}"
        if len(tested) == 1:
            said = f"A {noun} beyond chance ({holds[0]}, the only metric)"
    elif tested:
        in_what = "any of the " + str(len(tested)) + " metrics" if len(tested) > 1 else tested[0]
        said, state = f"No {noun} beyond chance in {in_what}", "no"
    elif any(result.diagrams is not None for result in results):
        said, state = f"Its longest {noun} was not tested: noise has such bars too", "untested"
    else:
        said, state = "Failed", "untested"
    return {
        "site": site,
        "dim": dim,
        "said": said,
        "state": state,
        "metrics": metrics,
        "approximation": _approximation(results),
        "significance": _significance(profile, site, metrics),
        "causal": CAUSAL,
        "noise": _noise(results),
        "coordinate": _coordinate(results),
    }


def _metric(profile: Profile, result: SiteResult, dim: int | None) -> dict[str, Any]:
    found = verdict(profile, result.site, result.recipe, dim)
    line: dict[str, Any] = {"name": result.recipe, "verdict": found, "state": {True: "yes", False: "no", None: "untested"}[found]}
    d = result.diagrams
    if d is None:
        return {**line, "words": "failed", "length": "", "null": "", "p": "", "p_value": None, "one_coordinate": False}
    from topo_interp.summaries.scalars import max_persistence

    length = max_persistence(dim, censored="close")(d) / d.scale if d.scale and dim is not None else math.nan
    test = None if profile.tests is None else profile.tests.test(result.site, result.recipe, dim)
    return {
        **line,
        "words": VERDICT_WORDS[found],
        "length": f"{length:.3g}" if math.isfinite(length) else "no unit" if dim is not None else "",
        "null": "" if test is None else _null(test, length),
        "p": "" if test is None else f"{test['p_max_t']:.2g}",
        "p_value": None if test is None else float(test["p_max_t"]),
        "one_coordinate": result.baselines.get("top_coordinate_share", 0.0) > _MOSTLY and d.metric in _SEES_COORDINATES,
    }


def _null(test: dict[str, Any], length: float) -> str:
    """The statistic in the draws; with its name and value where it is not the length that stands beside it."""
    spread = _spread(test["null_mean"], test["null_sd"])
    same = str(test["summary"]).startswith("max_persistence") and math.isclose(test["value"], length, rel_tol=1e-6)
    return spread if same else f"{spread} ({test['summary']}, here {test['value']:.3g})"


def _spread(mean: float, sd: float) -> str:
    return f"{mean:.3g}, the same in every draw" if sd <= 1e-9 * abs(mean) else f"{mean:.3g} ± {sd:.2g}"


def _approximation(results: list[SiteResult]) -> str:
    done = [(r.recipe, r.diagrams.certificate, r.diagrams.scale) for r in results if r.diagrams is not None]
    if not done:
        return "no diagram was computed."
    worst = max(certificate.status for _, certificate, _ in done)
    relative = [certificate.bottleneck_bound / scale for _, certificate, scale in done if scale]
    bound = max(relative, default=math.inf)
    tail = f"births and deaths are within {upper(bound, 1)} median distances of the true ones"
    if not bound < 1:
        tail = "no bound below the median distance"
    graph = any(getattr(certificate, "notes", ()) for _, certificate, _ in done)
    note = "; for metrics of a neighbor graph, of the distances on that graph" if graph else ""
    return f"{words.STATUS_WORDS[worst]}; {tail}{note}."


def _significance(profile: Profile, site: str, metrics: list[dict[str, Any]]) -> str:
    tests = profile.tests
    if tests is None:
        return "not computed. Give ti.profile(..., significance=ti.Significance()), or type topo-interp report --draws 99."
    tested = [m for m in metrics if m["verdict"] is not None]
    if not tested:
        return "not tested" + (f": {reason}" if (reason := next((w for (s, _), w in tests.untested.items() if s == site), "")) else ".")
    p = ", ".join(f"p {p_words(m['p_value'], tests.how.draws)} ({m['name']})" for m in tested)
    said = f"{p}; adjusted for all {tests.tests} tests of this report (max-T, {tests.how.draws} draws of {tests.null})."
    if any(m["verdict"] for m in tested) or site not in tests.silent():
        return said
    return f"{said} {_could_have_found(profile, site)}"


def _could_have_found(profile: Profile, site: str) -> str:
    tests = profile.tests
    assert tests is not None
    if site in tests.detectable:
        recipe, found = tests.detectable[site]
        return f"What could have been found ({recipe}): {found.explain()}"
    if site in tests.undetermined:
        return f"What could have been found is not known: {tests.undetermined[site]}."
    return "How large a circle would have been found was not asked (ti.Significance(detect=ti.Detect()))."


def _noise(results: list[SiteResult]) -> str:
    """The noise-floor ratio, under the first recipe whose distances it means something for."""
    for result in results:
        value = result.baselines.get("noise_floor_ratio", math.nan)
        if result.diagrams is not None and result.diagrams.metric in _SEES_COORDINATES and not math.isnan(value):
            if math.isinf(value):
                return "no noise floor: half of the rows coincide with another"
            return f"noise-floor ratio {value:.2f}: about the largest death / birth that a circle could have here ({result.recipe})"
    return ""


def _coordinate(results: list[SiteResult]) -> str:
    parts = []
    for result in results:
        one, five = (result.baselines.get(name, math.nan) for name in ("top_coordinate_share", "top_5_coordinates_share"))
        if result.diagrams is not None and result.diagrams.metric in _SEES_COORDINATES and not math.isnan(one + five):
            parts.append(f"{100 * one:.0f} % and {100 * five:.0f} % ({result.recipe})")
    return f"the largest coordinate and the five largest carry {', '.join(parts)} of the mean squared distance" if parts else ""


def headline(profile: Profile, made: list[dict[str, Any]]) -> str:
    """One sentence for the top of the page: what may be said, and where; ``made`` by :func:`claims`."""
    if profile.tests is None:
        return "No significance has been computed: noise also has loops."
    by_noun: dict[str, list[str]] = {}
    for claim in made:
        if claim["state"] == "yes":
            names = ", ".join(m["name"] for m in claim["metrics"] if m["verdict"])
            by_noun.setdefault(NOUNS.get(claim["dim"], "class"), []).append(f"{claim['site']} ({names})")
    sites, silent = len(profile.sites), len(profile.tests.silent())
    if not by_noun:
        return f"Nothing at any of the {sites} sites is told from chance, in any of {profile.tests.tests} tests."
    parts = []
    for noun, where in by_noun.items():
        more = f" and {len(where) - 6} more" if len(where) > 6 else ""
        parts.append(f"A {noun} beyond chance at {len(where)} of {sites} sites: {', '.join(where[:6])}{more}.")
    return " ".join((*parts, f"Nothing beyond chance at {silent} of {sites}." if silent else ""))


def overview(profile: Profile, made: list[dict[str, Any]]) -> dict[str, Any]:
    """The claims as one table: a line for each, a column for each metric, and what they must be read with."""
    names = list(profile.recipes)
    lines = []
    for claim in made:
        cells = {m["name"]: m for m in claim["metrics"]}
        results = [r for r in profile.results if r.site == claim["site"]]
        first = next((r for r in results if r.diagrams is not None and r.diagrams.metric in _SEES_COORDINATES), None)
        numbers = {} if first is None else first.baselines
        noise, share, five = (
            numbers.get(key, math.nan) for key in ("noise_floor_ratio", "top_coordinate_share", "top_5_coordinates_share")
        )
        lines.append(
            {
                "site": claim["site"],
                "noun": NOUNS.get(claim["dim"], f"degree {claim['dim']}"),
                "cells": [cells.get(name) for name in names],
                "noise": "" if math.isnan(noise) else f"{noise:.2f}",
                "share": "" if math.isnan(share + five) else f"{100 * share:.0f} % / {100 * five:.0f} %",
                "mostly": share > _MOSTLY,
                "least": _least(profile, claim["site"]) if claim["state"] == "no" else "",
            }
        )
    return {"names": names, "lines": lines, "nouns": len(_degrees(profile)) > 1}


def _least(profile: Profile, site: str) -> str:
    tests = profile.tests
    if tests is None or site not in tests.detectable:
        return "" if tests is None or tests.how.detect is None else "not known"
    ratio = tests.detectable[site][1].ratio
    return "none" if math.isinf(ratio) else f"{ratio:.2g} × floor"


def how_tested(profile: Profile) -> list[str]:
    """What the null is and what it can not tell apart, for the reader of the claims."""
    tests = profile.tests
    if tests is None:
        return []
    out = [tests.explain(), NULL_WORDS.get(tests.how.null.kind, "")]
    notes = sorted({str(note) for note in tests.table["notes"] if note})
    return [sentence for sentence in (*out, *notes) if sentence]


NULL_WORDS = {
    "matched_gaussian": (
        "A draw is Gaussian noise with the mean and the covariance of these very rows. A small p says that the bars are longer than "
        "in such noise; rows on a bent surface (rectified units) or in clusters are told from it too, without a loop: look at the "
        "plane, and compare with ti.nulls.reinitialized where the model can be made anew."
    ),
    "matched_neighbors": (
        "A draw is Gaussian noise with the principal axes of these very rows, its spectrum tempered until neighbors are as near as they "
        "are here. A small p says that the bars are longer than in such noise. It is approximate: the exponent was fitted to the data "
        "once and not to each draw."
    ),
    "reinitialized": (
        "A draw is the same capture from a network with fresh random weights. A small p says that training made the bars longer than "
        "the architecture and the inputs do by themselves. A site that the weights do not reach is the same in every draw (p = 1)."
    ),
    "shuffled_columns": "A draw permutes each column by itself: what ties the columns is gone, their distributions stay.",
    "uniform_on_sphere": "A draw has uniformly random directions, and the norms of these rows.",
}


def tried(profile: Profile) -> list[dict[str, Any]]:
    """The log of what was tried on these rows, for a table."""
    out = []
    for line in profile.about.get("tried", ()):
        out.append(
            {
                "half": line["half"],
                "recipe": words.tried_recipe(line["recipe"]),
                "summary": line["summary"] or "none: looked at without a test",
                "null": words.null(line["null"]),
                "draws": line["draws"] or "",
                "sites": line["sites"],
                **{name: "" if line.get(name) is None else f"{line[name]:.2g}" for name in ("smallest_p", "smallest_p_adjusted")},
            }
        )
    return out
