"""Diagrams as giotto-tda holds them; the documentation stands at the methods of Diagrams."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from topo_interp._errors import InputError
from topo_interp.certificate import Certificate, Status, Term
from topo_interp.homology.diagrams import Diagrams

__all__ = ["diagrams_of_giotto", "giotto_array"]


def giotto_array(diagrams: Diagrams, open_death: float | None) -> np.ndarray:
    """(1, bars, 3) of births, deaths and degrees."""
    if open_death is None and any(diagrams.censored(k).any() for k in range(diagrams.max_dim + 1)):
        raise InputError(
            "giotto-tda's arrays can not say that a bar was cut by the threshold: "
            "close such bars with to_giotto(open_death=d.censored_at), or compute without a threshold"
        )
    number = isinstance(open_death, (int, float, np.number))
    if open_death is not None and not (number and np.max(diagrams.birth, initial=-math.inf) <= open_death < math.inf):
        raise InputError(f"open_death is {open_death!r}; it is finite and not before any birth, such as d.censored_at")
    parts = []
    for k in range(diagrams.max_dim + 1):
        pairs = diagrams[k][~diagrams.essential(k)]
        if open_death is not None:
            pairs = np.where(np.isinf(pairs), open_death, pairs)
        pairs = pairs if len(pairs) else np.zeros((1, 2))
        parts.append(np.column_stack((pairs, np.full(len(pairs), float(k)))))
    return np.concatenate(parts)[np.newaxis]


def diagrams_of_giotto(kind: type[Diagrams], array: Any, reduced: bool) -> Diagrams:
    """The diagrams of one sample of giotto-tda, as a ``kind`` of Diagrams."""
    rows = np.asarray(array, dtype=np.float64)
    if rows.ndim == 3 and len(rows) == 1:
        rows = rows[0]
    if rows.ndim != 2 or rows.shape[1] != 3 or len(rows) == 0:
        raise InputError(
            f"the array has shape {np.shape(array)}; (1, bars, 3) or (bars, 3) is needed: give one sample, array[i]"
        )
    dims = rows[:, 2]
    if not (np.isfinite(dims).all() and (dims == np.round(dims)).all() and dims.min() >= 0):
        raise InputError("the third column of the array is the degree; it holds something else than integers >= 0")
    bars = [rows[dims == k, :2] for k in range(int(dims.max()) + 1)]
    if reduced:
        bars[0] = np.concatenate((bars[0], [[0.0, math.inf]]))
    unknown = Term("bars taken over from giotto-tda", math.inf, math.inf)
    certificate = Certificate(terms=(unknown,), status=Status.BOUNDED, engine="giotto-tda")
    return kind.from_bars(bars, certificate=certificate)
