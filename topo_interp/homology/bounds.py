"""What a certificate says about each bar: the intervals in which the true birth and death lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from topo_interp.certificate import Status

if TYPE_CHECKING:
    import pandas

    from topo_interp.homology.diagrams import Diagrams

__all__ = ["bar_bounds"]


def bar_bounds(diagrams: Diagrams, dim: int) -> pandas.DataFrame:
    """One row per bar of ``diagrams[dim]``; see :meth:`topo_interp.Diagrams.bounds`."""
    import pandas

    down, up = diagrams.certificate.down, diagrams.certificate.up
    birth, death = diagrams[dim].T
    # A bar that the threshold cut lives at least up to there.
    seen = np.where(diagrams.censored(dim), np.inf if diagrams.censored_at is None else diagrams.censored_at, death)
    persistence = seen - birth
    certified = (persistence > down + up) & (diagrams.certificate.status is not Status.FAILED)

    def where_certified(values: np.ndarray, otherwise: float = np.nan) -> np.ndarray:
        return np.where(certified, values, otherwise)

    return pandas.DataFrame(
        {
            "birth": birth,
            "death": death,
            "certified": certified,
            "birth_low": where_certified(np.maximum(birth - up, 0.0)),
            "birth_high": where_certified(birth + down),
            "death_low": where_certified(seen - up),
            "death_high": where_certified(death + down),
            "persistence_low": where_certified(persistence - down - up, 0.0),
        }
    )
