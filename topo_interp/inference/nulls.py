"""Null hypotheses as values: each draws a cloud in which, by construction, there is nothing to find.

A null goes through the same pipeline as the data: centering, steps, metric, graph, plane search and persistence are run
anew on every draw. A draw is fixed by (seed, index), so that all sites, degrees, metrics and steps of a report see the
same draw and the dependence between them is kept.
"""

from __future__ import annotations

from topo_interp.inference._nulls.base import Draw, Null, draw_rng
from topo_interp.inference._nulls.destructions import shuffled_columns, uniform_on_sphere
from topo_interp.inference._nulls.neighbors import matched_neighbors
from topo_interp.inference._nulls.permutations import permuted_labels, permuted_pairing
from topo_interp.inference._nulls.reinitialization import reinitialized
from topo_interp.inference._nulls.rotation import matched_gaussian

__all__ = [
    "Draw",
    "Null",
    "draw_rng",
    "matched_gaussian",
    "matched_neighbors",
    "permuted_labels",
    "permuted_pairing",
    "reinitialized",
    "shuffled_columns",
    "uniform_on_sphere",
]
