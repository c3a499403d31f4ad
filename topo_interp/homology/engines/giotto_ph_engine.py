"""giotto-ph (AGPL, optional): ripser with a lock-free reduction on several threads."""

from __future__ import annotations

import dataclasses
import math
from importlib.metadata import version

import numpy as np

from topo_interp._errors import MissingEngineError
from topo_interp._native import threads_or_default
from topo_interp.geometry.distance_matrix import DistanceMatrix
from topo_interp.homology.engines._base import RawBars
from topo_interp.progress import progress as progress_line

__all__ = ["ENGINE"]


@dataclasses.dataclass(frozen=True)
class GiottoPhEngine:
    """giotto-ph's ripser_parallel on the square matrix."""

    name: str = "giotto-ph"
    max_dim: int | None = None
    max_field: int = 127  # it accepts more and crashes from 131 on (giotto-ph 0.2.4)
    index_bits: int | None = 55

    def memory(self, n: int, max_dim: int) -> int:
        return 2 * 4 * n * n  # the square and its own triangle, with room for its index arrays

    def compute(
        self,
        matrix: DistanceMatrix,
        *,
        max_dim: int,
        threshold: float | None,
        field: int,
        threads: int | None,
        progress: bool,
    ) -> RawBars:
        try:
            from gph import ripser_parallel
        except ImportError as error:
            raise MissingEngineError(
                "engine 'giotto-ph' is not installed: pip install giotto-ph (AGPL), or use engine='ripser'"
            ) from error
        with progress_line(None, f"giotto-ph, {matrix.n} points", progress):
            found = ripser_parallel(
                matrix.square(),
                metric="precomputed",
                maxdim=max_dim,
                thresh=math.inf if threshold is None else threshold,
                coeff=field,
                n_threads=threads_or_default(threads),
            )["dgms"]
        bars = [np.asarray(pairs, dtype=np.float64).reshape(-1, 2) for pairs in found]
        return RawBars(bars, f"giotto-ph {version('giotto-ph')}")


ENGINE = GiottoPhEngine()
