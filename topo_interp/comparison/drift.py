"""How far one cloud is from another of the same rows, in the three ways that a training run is followed by."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Any

from topo_interp._errors import TopoInterpError, error_message
from topo_interp.certificate import Term
from topo_interp.comparison._paired import Comparison
from topo_interp.comparison.diagram_distances import bottleneck
from topo_interp.comparison.linear import cka, procrustes, rsa
from topo_interp.comparison.merging import merge_order, rtd, rtd_lite
from topo_interp.homology.diagrams import Diagrams
from topo_interp.homology.rips import Rips
from topo_interp.homology.seen import Seen

__all__ = ["in_medians", "paired_measures", "unpaired_drift"]

_OF_DISTANCES = {"rtd": rtd, "rtd_lite": rtd_lite, "merge_order": merge_order, "rsa": rsa}
_MEASURES: dict[str, Callable[..., Comparison]] = {**_OF_DISTANCES, "cka": cka, "procrustes": procrustes}


def in_medians(diagrams: Diagrams) -> Diagrams:
    """The same diagrams in units of their median distance, with the certificate in that unit.

    >>> in_medians(Diagrams.from_bars([[(0, 4)]], scale=2.0))[0]
    array([[0., 2.]])
    """
    unit = diagrams.scale
    if not unit:  # unknown, or all points coincide: there is nothing to divide by
        return diagrams
    certificate = dataclasses.replace(
        diagrams.certificate,
        terms=tuple(Term(t.source, t.down / unit, t.up / unit) for t in diagrams.certificate.terms),
        valid_to=diagrams.certificate.valid_to / unit,
    )
    return dataclasses.replace(
        diagrams,
        birth=diagrams.birth / unit,
        death=diagrams.death / unit,
        censored_at=None if diagrams.censored_at is None else diagrams.censored_at / unit,
        certificate=certificate,
        scale=1.0,
    )


def unpaired_drift(a: Diagrams, b: Diagrams) -> tuple[dict[str, float], list[str]]:
    """Bottleneck distances of the diagrams in median distances, by degree; NaN and a sentence where there is none."""
    first, second = in_medians(a), in_medians(b)
    values, notes = {}, []
    for dim in range(min(a.max_dim, b.max_dim) + 1):
        try:
            values[f"bottleneck_dim{dim}"] = bottleneck(first, second, dim).value
        except TopoInterpError as error:
            values[f"bottleneck_dim{dim}"] = math.nan
            notes.append(f"bottleneck: {error}")
    return values, list(dict.fromkeys(notes))


def paired_measures(
    x: Any, y: Any, recipe: Rips, names: Iterable[str], *, subsamples: int = 0, seed: int = 0, threads: int | None = None
) -> tuple[dict[str, Comparison], list[str]]:
    """The named measures of two clouds as the recipe sees them (also of what ``recipe.seen`` made of them), of the same rows.

    For each that has no value here, or none in a subsample and so no interval, there is a sentence.

    >>> found, notes = paired_measures([[0.0], [1.0], [3.0], [7.0]], [[1.0], [1.0], [1.0], [1.0]], Rips(), ["procrustes", "rsa"])
    >>> found, notes[0][:59]
    ({}, 'procrustes is not defined here: all rows of y are equal, so')
    """
    try:
        seen = [cloud if isinstance(cloud, Seen) else recipe.seen(cloud, threads) for cloud in (x, y)]
    except Exception as error:  # noqa: BLE001 - told in the row
        return {}, [error_message(error)]
    found, notes = {}, []
    for name in names:
        try:
            clouds = [one.matrix if name in _OF_DISTANCES else one.after for one in seen]
            found[name] = _MEASURES[name](*clouds, subsamples=subsamples, seed=seed)
        except Exception as error:  # noqa: BLE001 - one measure must not lose the others
            message = error_message(error)
            notes.append(message if message.startswith(name) else f"{name}: {message}")
            if subsamples:
                found |= paired_measures(*seen, recipe, [name])[0]
    return found, notes
