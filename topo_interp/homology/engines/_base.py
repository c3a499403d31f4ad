"""What an engine is: float32 distances in, bars out, nothing else decided."""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol

import numpy as np

from topo_interp.geometry.distance_matrix import DistanceMatrix

__all__ = ["Engine", "RawBars"]


@dataclasses.dataclass(frozen=True)
class RawBars:
    """What an engine returns: one ``(bars, 2)`` array per degree, ``inf`` for open bars; zero-length bars may occur."""

    bars: list[np.ndarray]
    engine: str
    provenance: Any = None


class Engine(Protocol):
    """An engine is a module-level object ``ENGINE`` with these members.

    Attributes:
        name: the name given at the call.
        max_dim: highest degree it can compute, None for any.
        max_field: largest prime p for which its arithmetic over Z/p is right.
        index_bits: its simplices are numbered in that many bits, None when they are not numbered.
    """

    name: str
    max_dim: int | None
    max_field: int
    index_bits: int | None

    def memory(self, n: int, max_dim: int) -> int:
        """Bytes that it takes beyond the distance matrix, before the simplices that depend on the data."""

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
        """The bars of the Vietoris-Rips filtration of a matrix of at least two points.

        Args:
            matrix: the dissimilarities; their float32 bits are the filtration values.
            max_dim: highest degree.
            threshold: a float32 value, the largest edge that is there; None for the whole filtration, which an engine
                cuts at the enclosing radius (the complex is a cone from there on, so that no bar is lost).
            field: a prime.
            threads: number of threads, None for all; engines with one thread take no notice.
            progress: whether to show a progress line.
        """
