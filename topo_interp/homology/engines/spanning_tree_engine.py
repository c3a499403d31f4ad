"""Degree 0 from the minimum spanning tree: the components of a cloud of any size, without its distance matrix."""

from __future__ import annotations

import dataclasses
import math
from importlib.metadata import version

import numpy as np

from topo_interp.geometry.distance_matrix import DistanceMatrix
from topo_interp.geometry.spanning_tree import SpanningTree, spanning_tree
from topo_interp.homology.engines._base import RawBars
from topo_interp.homology.engines._cut import float32_lengths

__all__ = ["ENGINE", "TreeProvenance"]


@dataclasses.dataclass(frozen=True, eq=False)
class TreeProvenance:
    """What the engine leaves behind for the merge tree."""

    tree: SpanningTree


@dataclasses.dataclass(frozen=True)
class SpanningTreeEngine:
    """The edges of the minimum spanning tree are the deaths of degree 0; points need no matrix."""

    name: str = "spanning-tree"
    max_dim: int | None = 0
    max_field: int = 2**31 - 1
    index_bits: int | None = None

    def memory(self, n: int, max_dim: int) -> int:
        return 1000 * n

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
        return self.of_tree(spanning_tree(matrix, threads=threads, progress=progress), threshold)

    def of_tree(self, tree: SpanningTree, threshold: float | None = None, where: str = "") -> RawBars:
        """The bars of a tree, whose order and hence whose edges are those of the lengths in float32 too."""
        deaths = np.full(tree.n, math.inf)
        deaths[: tree.n - 1] = float32_lengths(tree.lengths)
        if threshold is not None:
            deaths[deaths > threshold] = math.inf
        name = f"{self.name} {version('topo-interp')}{where}"
        return RawBars([np.column_stack((np.zeros(tree.n), deaths))], name, TreeProvenance(tree))


ENGINE = SpanningTreeEngine()
