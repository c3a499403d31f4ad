"""How far one cloud is from another of the same rows, in the three ways that a training run is followed by."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from topo_interp._errors import error_message
from topo_interp.certificate import Term
from topo_interp.comparison._paired import Comparison, NoInterval
from topo_interp.comparison.comparisons import MEASURES
from topo_interp.comparison.diagram_distances import bottleneck
from topo_interp.homology.diagrams import Diagrams
from topo_interp.homology.rips import Rips
from topo_interp.homology.seen import Seen

__all__ = ["bottleneck_distances", "in_medians", "paired_measures"]


def in_medians(diagrams: Diagrams) -> Diagrams:
    """The same diagrams in units of their median distance, with the certificate in that unit, which is itself known up to an error.

    Distances within r of the true ones have a median u within r of theirs. Dividing by it moves an end e by e r / (u (u - r)) at
    most, and makes what the certificate allows larger by u / (u - r). A median of a sample of the rows is taken as it is.

    >>> in_medians(Diagrams.from_bars([[(0, 4)]], scale=2.0))[0]
    array([[0., 2.]])
    """
    unit, certificate = diagrams.scale, diagrams.certificate
    if not unit:  # unknown, or all points coincide: there is nothing to divide by
        return diagrams
    off = sum(max(t.down, t.up) for t in certificate.terms if t.source != "landmarks")  # which leave distances as they are
    ends = np.concatenate((diagrams.birth, diagrams.death[np.isfinite(diagrams.death)], [diagrams.censored_at or 0.0]))
    shift = off * (float(ends.max()) + certificate.bottleneck_bound) / (unit * (unit - off)) if off < unit else math.inf
    certificate = dataclasses.replace(
        certificate,
        terms=(*(Term(t.source, t.down / unit, t.up / unit) for t in certificate.terms), Term("median distance", shift, shift)),
        valid_to=math.inf if math.isinf(certificate.valid_to) else max(0.0, certificate.valid_to / unit - shift),
    )
    return dataclasses.replace(
        diagrams,
        birth=diagrams.birth / unit,
        death=diagrams.death / unit,
        censored_at=None if diagrams.censored_at is None else diagrams.censored_at / unit,
        certificate=certificate,
        scale=1.0,
    )


def bottleneck_distances(a: Diagrams, b: Diagrams) -> dict[str, float]:
    """The bottleneck distance of each degree, named as the columns of a table are.

    >>> bottleneck_distances(Diagrams.from_bars([[(0, 4)]]), Diagrams.from_bars([[(0, 5), (1, 2)]]))
    {'bottleneck_dim0': 1.0}
    """
    return {f"bottleneck_dim{dim}": bottleneck(a, b, dim).value for dim in range(min(a.max_dim, b.max_dim) + 1)}


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
        properties, measure = MEASURES[name]
        try:
            clouds = [one.matrix if properties.takes_distances else one.after for one in seen]
            found[name] = measure(*clouds, subsamples=subsamples, seed=seed)
        except Exception as error:  # noqa: BLE001 - one measure must not lose the others
            message = error_message(error)
            notes.append(message if message.startswith(name) else f"{name}: {message}")
            if isinstance(error, NoInterval):
                found[name] = error.result
            elif subsamples:
                found |= paired_measures(*seen, recipe, [name])[0]
    return found, notes
