"""gudhi's simplex tree (MIT): an independent implementation, any prime, much memory."""

from __future__ import annotations

import dataclasses
from importlib.metadata import version

import numpy as np

from topo_interp.geometry.distance_matrix import DistanceMatrix
from topo_interp.homology.engines._base import RawBars
from topo_interp.homology.engines._cut import enclosing_radius
from topo_interp.progress import progress as progress_line

__all__ = ["ENGINE"]


@dataclasses.dataclass(frozen=True)
class GudhiEngine:
    """gudhi's RipsComplex, edge collapse, expansion and persistent cohomology."""

    name: str = "gudhi"
    max_dim: int | None = None
    max_field: int = 46337
    index_bits: int | None = None

    def memory(self, n: int, max_dim: int) -> int:
        return 2 * 8 * n * n  # the float64 square that it is given and its own copy

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
        import gudhi

        cut = enclosing_radius(matrix) if threshold is None else threshold
        with progress_line(None, f"gudhi, {matrix.n} points", progress):
            square = matrix.square().astype(np.float64)
            tree = gudhi.RipsComplex(distance_matrix=square, max_edge_length=cut).create_simplex_tree(max_dimension=1)
            if tree.dimension() > 0:  # edge collapse keeps the diagrams of a flag filtration bit for bit
                tree.collapse_edges()
            tree.expansion(max_dim + 1)
            # persistence_dim_max, or else the top degree goes missing where the cut complex has a lower dimension.
            tree.compute_persistence(homology_coeff_field=field, min_persistence=0.0, persistence_dim_max=True)
        bars = [np.asarray(tree.persistence_intervals_in_dimension(k)).reshape(-1, 2) for k in range(max_dim + 1)]
        return RawBars(bars, f"gudhi {version('gudhi')}")


ENGINE = GudhiEngine()
