"""One self-contained HTML file from a Track, with its tables as parquet beside it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from topo_interp._words import counted
from topo_interp._writing import writable
from topo_interp.report import track_figures, words
from topo_interp.report.page import fill_page, plain_figure, write_page, write_tables
from topo_interp.track_drift import drift_frame, references
from topo_interp.track_events import grouped_by

if TYPE_CHECKING:
    import pandas as pd

    from topo_interp.track import Track

__all__ = ["event_words", "render_track", "write_track_report"]


def write_track_report(track: Track, path: str | os.PathLike[str], *, title: str = "Training report") -> Path:
    """Write the page, and beside it its tables: the path's stem with ``.steps``, ``.drift`` and ``.events`` and ``.parquet``."""
    writable(path)  # or an error before the work
    tables = _Tables.of(track)
    path = write_page(path, lambda: _page(track, tables, title))
    write_tables(path, {"steps": tables.steps, "drift": tables.drift, "events": tables.events})
    return path


def render_track(track: Track, *, title: str = "Training report") -> str:
    """The report as one HTML string."""
    return _page(track, _Tables.of(track), title)


class _Tables(NamedTuple):
    """The tables of a track, each computed once for the page."""

    steps: pd.DataFrame
    drift: pd.DataFrame  # from the first step and from the one before
    previous: pd.DataFrame
    first: pd.DataFrame
    events: pd.DataFrame

    @classmethod
    def of(cls, track: Track) -> _Tables:
        import pandas as pd

        drift = drift_frame(track, track.pairs)
        from_, at = (drift[name].to_numpy() for name in ("reference", "step"))
        parts = [drift[from_ == [references(track.steps, which)[step] for step in at]] for which in ("previous", "first")]
        empty = pd.DataFrame(columns=["step", "site", "recipe", "dim", "rank", "kind"])
        return cls(track.to_frame(), drift, *parts, track.events() if track.about["subsamples"] else empty)

    def of_recipe(self, recipe: str) -> _Tables:
        """Only the rows of one recipe."""
        return _Tables._make(frame[frame["recipe"] == recipe] for frame in self)


def _page(track: Track, tables: _Tables, title: str) -> str:
    events = tables.events
    whole = words.together({f"at step {step}": profile for step, profile in track.profiles.items()})
    sections = [_section(track, name, number, tables.of_recipe(name)) for number, name in enumerate(track.recipes)]
    notes = sorted({note for pair in track.pairs for note in pair.notes})
    return fill_page(
        "track.html.j2",
        sections,
        ("heat", "curves", "diagrams"),
        title=title,
        about=_about(track),
        summary=_summary(track, events),
        events=[event_words(event, several=len(track.recipes) > 1) for event in events.to_dict("records")],
        rule=_rule(track, events),
        failures=list(track.failed.items()),
        notes=notes,
        cautions=words.grouped_cautions(whole),
        certificates=words.certificates(whole),
        limits=words.LIMITS,
    )


def event_words(event: dict[str, Any], *, several: bool = False) -> str:
    """An event in a sentence.

    >>> event_words({"step": 70, "until": 70, "previous": 60, "site": "fc1", "recipe": "r", "dim": 1, "rank": 1,
    ...              "kind": "appears", "before": 0.21, "after": 0.85, "noise": 0.05, "bound": 1e-6, "p_value": 0.004})
    'Step 70, “fc1”: the longest loop grows from 0.21 to 0.85 median distances after step 60 (noise 0.05, p = 0.004).'
    """
    what = {0: "gap between pieces", 1: "loop", 2: "void"}.get(event["dim"], f"bar of degree {event['dim']}")
    which = "longest" if event["rank"] == 1 else f"{event['rank']}nd longest" if event["rank"] == 2 else f"{event['rank']}th longest"
    grows = "grows" if event["kind"] == "appears" else "shrinks"
    until = f" and until step {event['until']}" if event["until"] != event["step"] else ""
    recipe = f" ({event['recipe']})" if several else ""
    return (
        f"Step {event['step']}, “{event['site']}”{recipe}: the {which} {what} {grows} from {event['before']:.2f} to "
        f"{event['after']:.2f} median distances after step {event['previous']}{until} (noise {event['noise']:.2g}, "
        f"p = {event['p_value']:.2g})."
    )


def _section(track: Track, recipe: str, number: int, tables: _Tables) -> dict[str, Any]:
    frame, sites = tables.steps, list(track.sites)
    events = tables.events[tables.events["rank"] == 1]
    dims = words.loops_first(track.recipes[recipe].max_dim)
    heat = [
        (
            f"longest H{k}",
            track_figures.heat_map(
                frame[frame["dim"] == k],
                "max_persistence_relative",
                f"H{k} / median",
                sites,
                events[events["dim"] == k],
            ),
        )
        for k in dims
    ]
    for drift, name in ((tables.previous, "the step before"), (tables.first, "the first step")):
        if len(drift):
            heat.append((f"RTD from {name}", track_figures.heat_map(drift, "rtd", "RTD", sites)))
    return {
        "id": f"recipe-{number}",
        "name": recipe,
        "words": words.recipe(track.recipes[recipe]),
        "drawn": any(key[2] == recipe for key in track.diagrams),
        "heat": [(name, plain_figure(figure)) for name, figure in heat],
        "curves": [(f"H{k}", plain_figure(track_figures.curves(track, frame[frame["dim"] == k], tables.previous, k))) for k in dims],
        "diagrams": [("", plain_figure(track_figures.diagrams(track, recipe)))],
    }


def _summary(track: Track, events: pd.DataFrame) -> str:
    rows = sorted({r.n for profile in track.profiles.values() for r in profile.results if r.n})
    steps = f"{len(track.steps)} steps from {track.steps[0]} to {track.steps[-1]}" if len(track.steps) > 1 else "one step"
    sentences = [f"The shape of {'the same ' if rows else ''}{rows[0] if rows else 'no'} rows was followed over {steps} at {counted(len(track.sites), 'site')}."]
    if track.about.get("rows"):
        sentences.append(f"Note that {track.about['rows']}.")
    if not track.about["subsamples"]:
        sentences.append("No subsamples were drawn, so that changes can not be told from noise.")
    elif len(events):
        sites = len(set(events["site"]))
        sentences.append(
            f"{counted(len(events), 'change')} of a longest bar at {counted(sites, 'site')} "
            f"exceed{'' if len(events) > 1 else 's'} what the choice of rows and the certificates allow."
        )
    else:
        sentences.append("No change of a longest bar exceeds what the choice of rows and the certificates allow.")
    if track.failed:
        sentences.append(f"{counted(len(track.failed), 'checkpoint')} could not be read or computed.")
    sentences.append("No null has been compared with: a bar that grows is not yet a shape that means something.")
    return " ".join(sentences)


def _rule(track: Track, events: pd.DataFrame) -> str:
    if not track.about["subsamples"]:
        return "The track was made with subsamples=0; nothing measures the noise."
    groups = sorted({name for names in grouped_by(track).values() for name in names})
    grouped = f" Rows share values of {', '.join(groups)}, so that the noise is larger than this, and p too small." if groups else ""
    tests = f" over {events['tests'].iloc[0]} tests" if len(events) else ""
    return (
        f"The mean length of three steps against the level since the last event, over its jackknife error from "
        f"{track.about['subsamples']} subsamples of 80 % of the rows (the same at every step, seed {track.about['seed']}), less the "
        f"certificates' bounds; p after Bonferroni{tests}, at most 0.05. A rise says that a longer bar is there, not that it is another "
        f"one.{grouped}"
    )


def _about(track: Track) -> dict[str, Any]:
    stores = [f"step {step}: {profile.about.get('store', '')} {profile.about.get('store_hash', '')}" for step, profile in track.profiles.items()]
    facts: list[tuple[str, Any]] = [("Analyzed", f"{track.about['date']}, topo_interp {track.about['version']}"), ("Stores", stores)]
    return {"facts": facts + words.recipe_facts(track.recipes), "version": track.about["version"], "date": str(track.about["date"])[:10]}
