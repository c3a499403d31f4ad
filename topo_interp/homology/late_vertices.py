"""Bars of a flag filtration whose vertices enter late, from any engine for vertices that enter at 0.

No edge enters before its vertices. So the two complexes at a time t differ by isolated vertices only: all degrees above 0 have
the same bars. In degree 0 an edge of the minimum spanning tree joins two components, and the one born later dies.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from topo_interp.geometry.dtm import WeightedEdges
from topo_interp.geometry.spanning_tree import spanning_tree
from topo_interp.homology.engines import RawBars

__all__ = ["with_late_vertices"]


def with_late_vertices(raw: RawBars, weighted: WeightedEdges, threshold: float | None) -> RawBars:
    """The engine's bars of the edges, with degree 0 made anew; what the engine left for cycles of degree 0 is not kept."""
    cut = math.inf if threshold is None else threshold
    return dataclasses.replace(raw, bars=[_components(weighted, cut), *raw.bars[1:]], provenance=None)


def _components(weighted: WeightedEdges, cut: float) -> np.ndarray:
    from scipy.cluster.hierarchy import DisjointSet

    births = weighted.births.astype(np.float64).tolist()
    parts, oldest = DisjointSet(range(len(births))), list(range(len(births)))  # the latter of the root of each part
    death = [math.inf] * len(births)
    tree = spanning_tree(weighted.edges)
    for (i, j), length in zip(tree.edges.tolist(), tree.lengths.tolist(), strict=True):
        if length > cut:
            break
        older, younger = oldest[parts[i]], oldest[parts[j]]
        if births[younger] < births[older]:
            older, younger = younger, older
        parts.merge(i, j)
        oldest[parts[i]] = older
        death[younger] = length
    bars = np.column_stack((births, death))
    return bars[bars[:, 0] <= cut]
