"""How far one cloud is from another of the same rows, in the three ways that a training run is followed by."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from topo_interp._errors import TopoInterpError
from topo_interp.arrays import as_points
from topo_interp.certificate import Term
from topo_interp.comparison.diagram_distances import bottleneck
from topo_interp.comparison.linear import cka
from topo_interp.comparison.merging import rtd
from topo_interp.homology.diagrams import Diagrams
from topo_interp.homology.rips import Rips

__all__ = ["in_medians", "paired_drift", "unpaired_drift"]


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


def paired_drift(x: Any, y: Any, recipe: Rips) -> tuple[dict[str, float], list[str]]:
    """RTD (both directions and their mean) and CKA of two clouds of the same rows, after the recipe's steps.

    A measure that is not defined here is NaN, with a sentence that says why.
    """
    values, notes = {}, []
    clouds = []
    for cloud in (x, y):
        points = as_points(cloud)
        for step in recipe.steps:
            points = step(points)
        clouds.append(points)
    values = dict.fromkeys(("rtd", "rtd_forward", "rtd_backward", "cka"), math.nan)
    try:
        if not isinstance(recipe.metric, str) or recipe.metric == "precomputed":
            notes.append(f"rtd: defined here for the metrics of ti.metrics.table(), not for {recipe.metric!r}")
        else:
            found = rtd(*clouds, metric=recipe.metric)
            values.update(rtd=found.value, rtd_forward=found.forward, rtd_backward=found.backward)
    except TopoInterpError as error:
        notes.append(f"rtd: {error}")
    try:
        values["cka"] = cka(*clouds).value
    except TopoInterpError as error:
        notes.append(f"cka: {error}")
    return values, notes
