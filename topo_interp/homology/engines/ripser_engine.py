"""ripser.py (MIT), in one thread: the reference for degrees above 1."""

from __future__ import annotations

import dataclasses
import math
from importlib.metadata import version

import numpy as np

from topo_interp.geometry.distance_matrix import DistanceMatrix
from topo_interp.homology.engines._base import RawBars
from topo_interp.progress import progress as progress_line

__all__ = ["ENGINE"]


@dataclasses.dataclass(frozen=True)
class RipserEngine:
    """ripser.py on the condensed matrix. It cuts at the enclosing radius by itself when the threshold is infinite."""

    name: str = "ripser"
    max_dim: int | None = None
    max_field: int = 127  # coefficients are kept in 8 signed bits: 131 and above never return (ripser.py 0.6.15)
    index_bits: int | None = 55  # the other bits of its 64-bit entries, less the sign

    def memory(self, n: int, max_dim: int) -> int:
        return 2 * 4 * n * (n - 1) // 2  # two triangular float32 copies

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
        # Not ripser.ripser(): it takes square matrices only and cuts the triangle out with two int64 index grids,
        # 16 n^2 bytes; the function behind it takes the triangle that we have.
        from pyRipser import doRipsFiltrationDM

        cut = math.inf if threshold is None else threshold
        triangle = np.ascontiguousarray(matrix.condensed)
        with progress_line(None, f"ripser, {matrix.n} points", progress):
            found = doRipsFiltrationDM(triangle, max_dim, cut, field, False)["births_and_deaths_by_dim"]
        bars = [np.asarray(flat, dtype=np.float64).reshape(-1, 2) for flat in found]
        return RawBars(bars, f"ripser {version('ripser')}")


ENGINE = RipserEngine()
