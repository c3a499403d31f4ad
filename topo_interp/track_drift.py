"""How far the steps of a track are from each other, as a table."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from topo_interp._errors import InputError
from topo_interp.comparison.drift import bottleneck_distances, in_medians

if TYPE_CHECKING:
    import pandas as pd

    from topo_interp.track import PairResult, Track

__all__ = ["drift_frame", "references"]


def references(steps: Sequence[int], reference: str) -> dict[int, int]:
    """Step -> the step that it is held against: the "first", or the "previous" one.

    >>> references((0, 10, 20), "previous")
    {10: 0, 20: 10}
    """
    if reference not in ("first", "previous"):
        raise InputError(f"reference is {reference!r}; it is 'first' or 'previous'")
    return {step: steps[0] if reference == "first" else before for before, step in itertools.pairwise(steps)}


def drift_frame(track: Track, pairs: Iterable[PairResult]) -> pd.DataFrame:
    """The table of :meth:`topo_interp.track.Track.drift` for these pairs of steps."""
    import pandas as pd

    found, rows = track.diagrams, []
    for pair in pairs:
        values: dict[str, float] = {}
        bound = math.nan
        a, b = (found.get((step, pair.site, pair.recipe)) for step in (pair.reference, pair.step))
        if a is not None and b is not None:
            both = in_medians(a), in_medians(b)
            values = bottleneck_distances(*both)
            bound = sum(d.certificate.bottleneck_bound for d in both)
        head = {"step": pair.step, "reference": pair.reference, "site": pair.site, "recipe": pair.recipe}
        rows.append({**head, **values, "bottleneck_bound": bound, **pair.values, "notes": " | ".join(pair.notes)})
    dims = range(max(recipe.max_dim for recipe in track.recipes.values()) + 1)
    numbers = [*(f"bottleneck_dim{k}" for k in dims), "bottleneck_bound", "rtd", "rtd_forward", "rtd_backward", "cka"]
    frame = pd.DataFrame(rows, columns=["step", "reference", "site", "recipe", *numbers, "notes"])
    return frame.astype({"step": "int64", "reference": "int64", **dict.fromkeys(numbers, "float64")})
