"""Where in a track one of the longest bars comes or goes, as a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from topo_interp._arguments import real_number
from topo_interp._errors import InputError
from topo_interp.comparison.drift import in_medians
from topo_interp.comparison.events import Change, Lengths, changes, longest_bars
from topo_interp.track_cache import RANKS

if TYPE_CHECKING:
    import pandas as pd

    from topo_interp.track import Track

__all__ = ["events_frame", "grouped_by"]


class _Series(NamedTuple):
    """One of the longest bars of a site along the steps."""

    steps: list[int]
    site: str
    recipe: str
    dim: int
    rank: int
    lengths: Lengths


def events_frame(track: Track, level: float) -> pd.DataFrame:
    """The table of :meth:`topo_interp.track.Track.events`."""
    import pandas as pd

    if not 0 < real_number(level, "level", above=True, why="a probability, such as level=0.05") < 1:
        raise InputError(f"level is {level}; a probability is needed, such as level=0.05")
    if track.about["subsamples"] == 0:
        raise InputError("the track was made without subsamples, which measure the noise: use ti.track(..., subsamples=20)")
    series = list(_series(track))
    tests = sum(max(0, len(one.steps) - 1) for one in series)
    groups = grouped_by(track)
    rows = [
        {**_event(one, change), "tests": tests, "caution": _caution(groups.get(one.site, ()))}
        for one in series
        for change in changes(one.lengths, tests=tests, level=level)
    ]
    columns = ["step", "until", "previous", "site", "recipe", "dim", "rank", "kind"]
    numbers = ["before", "after", "noise", "bound", "p_value"]
    frame = pd.DataFrame(rows, columns=[*columns, *numbers, "tests", "caution"]).astype(dict.fromkeys(numbers, "float64"))
    return frame.sort_values(["step", "dim", "rank"], kind="stable", ignore_index=True)


def grouped_by(track: Track) -> dict[str, tuple[str, ...]]:
    """Site -> the columns in which its rows share values; sites of independent rows are not in it."""
    return {r.site: r.groups for profile in track.profiles.values() for r in profile.results if r.groups}


def _caution(groups: tuple[str, ...]) -> str:
    if not groups:
        return ""
    return f"rows share values of {', '.join(groups)}: the noise is that of independent rows, so that it is too small and the p-value too"


def _series(track: Track) -> Iterator[_Series]:
    found = track.diagrams
    for site in track.sites:
        for name, recipe in track.recipes.items():
            steps = [step for step in track.steps if (step, site, name) in track.lengths]
            if len(steps) < 2:
                continue
            diagrams = [found[step, site, name] for step in steps]
            # Both ends of a bar can move; without a median distance there is no length either.
            bound = np.array([2.0 * in_medians(d).certificate.bottleneck_bound if d.scale else 0.0 for d in diagrams])
            resampled = np.array([track.lengths[step, site, name] for step in steps])
            for dim in range(recipe.max_dim + 1):
                whole = np.array([longest_bars(d, dim, RANKS) for d in diagrams])
                for rank in range(RANKS):
                    yield _Series(steps, site, name, dim, rank + 1, Lengths(whole[:, rank], resampled[:, :, dim, rank], bound))


def _event(series: _Series, change: Change) -> dict[str, Any]:
    return {
        "step": series.steps[change.at],
        "until": series.steps[change.until],
        "previous": series.steps[change.at - 1],
        "site": series.site,
        "recipe": series.recipe,
        "dim": series.dim,
        "rank": series.rank,
        "kind": "appears" if change.after > change.before else "vanishes",
        "before": change.before,
        "after": change.after,
        "noise": change.noise,
        "bound": change.bound,
        "p_value": change.p_value,
    }
