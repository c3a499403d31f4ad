"""Cycles, rows and merges of diagrams, where they remember enough; the documentation stands at the methods of Diagrams."""

from __future__ import annotations

import numpy as np

from topo_interp._arguments import is_whole
from topo_interp._errors import InputError
from topo_interp.geometry.spanning_tree import SpanningTree
from topo_interp.homology.cycles import LinksProvenance
from topo_interp.homology.diagrams import Diagrams
from topo_interp.homology.engines.spanning_tree_engine import TreeProvenance
from topo_interp.homology.landmark_rips import LandmarkProvenance

__all__ = ["links_of", "merge_tree_of", "rows_of"]


def links_of(diagrams: Diagrams, dim: int, lowest: int = 0) -> LinksProvenance:
    """What the engine "links" left behind, or an error that says why it is not there."""
    if not is_whole(dim) or not lowest <= dim <= min(1, diagrams.max_dim):
        raise InputError(f"cycles of degree {dim!r} are not known; d.cycle(1, bar) are the loops of ti.Rips(max_dim=1)")
    if isinstance(diagrams.provenance, LinksProvenance):
        return diagrams.provenance
    raise InputError(f"these diagrams do not remember what cycles are read from: {_reason(diagrams)}")


def _reason(diagrams: Diagrams) -> str:
    if isinstance(diagrams.provenance, LandmarkProvenance):
        marks = diagrams.provenance.landmarks
        return (
            f"they are those of {len(marks)} landmarks of {marks.n} rows; take the cycles of all rows with ti.Rips(..., landmarks=None), or "
            "those of a random choice of rows"
        )
    engine = diagrams.certificate.engine
    if engine and not engine.startswith("links"):
        return f"the engine was {engine}, and cycles are those of engine 'links' with max_dim=1: ti.Rips(max_dim=1)(cloud, engine='links')"
    return "they were weighted, saved, sent or changed, or are not the package's own; compute them again: ti.Rips(max_dim=1)(cloud)"


def rows_of(diagrams: Diagrams, dim: int, bar: int, tight: bool) -> np.ndarray:
    """Rows on the cycle of a bar; of degree 0 the two whose edge ends it."""
    links = links_of(diagrams, dim)
    vertices = links.merge(bar) if dim == 0 else links.cycle(bar, tight).vertices
    return vertices if links.rows is None else links.rows[vertices]


def merge_tree_of(diagrams: Diagrams) -> SpanningTree:
    """The merges of degree 0."""
    if isinstance(diagrams.provenance, TreeProvenance):
        return diagrams.provenance.tree
    return links_of(diagrams, 0).merge_tree()
