"""H0 of points without their distance matrix, from the spanning tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from topo_interp.geometry.spanning_tree import spanning_tree
from topo_interp.homology.diagrams import Diagrams
from topo_interp.homology.engines.spanning_tree_engine import ENGINE
from topo_interp.homology.landmark_rips import sampled_median, sampled_median_note

if TYPE_CHECKING:
    from topo_interp.homology.rips import Rips
    from topo_interp.homology.seen import Seen

__all__ = ["component_diagrams", "needs_no_matrix"]

_SMALL = 4096  # rows whose matrix is cheap (34 MB) and gives the exact median distance as well


def needs_no_matrix(recipe: Rips, engine: str, n: int) -> bool:
    """Whether the spanning tree of the points is what will be computed."""
    plain = recipe.threshold is None and recipe.weights is None and isinstance(recipe.metric, str)
    suits = recipe.max_dim == 0 and plain
    return suits and (engine == ENGINE.name or (engine == "auto" and n > _SMALL))


def component_diagrams(
    seen: Seen, *, groups: tuple[str, ...], threads: int | None, progress: bool, device: str = "cpu"
) -> Diagrams:
    """The exact H0 of the points after the recipe's steps."""
    recipe, n = seen.recipe, len(seen)
    tree = spanning_tree(seen.rows, metric=recipe.metric, threads=threads, progress=progress, device=device)
    raw = ENGINE.of_tree(tree, where="" if device == "cpu" else f" on {device}")
    # float64 lengths are rounded once more, to float32.
    narrowing = 0.0 if tree.lengths.dtype == np.float32 else 2.0**-24 * float(tree.lengths.max(initial=0.0)) + 2.0**-150
    note = sampled_median_note(n)
    return Diagrams.from_bars(
        raw.bars,
        certificate=recipe.certificate(
            raw.engine, seen.digest, tree.rounding + narrowing, terms=seen.terms, notes=(*seen.notes, *filter(None, (note,)))
        ),
        scale=sampled_median(seen.data, recipe.metric, threads) if n > 1 else 0.0,
        n=n,
        metric=tree.metric,
        groups=groups,
        provenance=raw.provenance,
    )
