"""Engine "links": exact degrees 0 and 1 from the links of the edges, without listing a triangle.

Edges enter in the order of their length (ties by their vertices). Adding an edge glues a cone over its link, the flag
complex on the vertices already next to both ends; an empty link joins two components or opens a loop, and every
component of the link beyond the first closes one. So degree 1 needs, per edge, one witness of each component of its link.
Source of the reduction: Koyama, Memoli, Robins, Turner, Reduced Vietoris-Rips (arXiv:2307.16333).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import numpy as np

from topo_interp._errors import InputError
from topo_interp._native import cpu, default_threads
from topo_interp.geometry.distance_matrix import DistanceMatrix
from topo_interp.geometry.neighbors import RadiusGraph
from topo_interp.homology.cycles import LinksProvenance
from topo_interp.homology.engines._base import RawBars
from topo_interp.progress import progress as progress_line

__all__ = ["ENGINE", "LinksEngine", "graph_bars"]

_PHASES = ("edges in order", "links of edges", "reduction")


@dataclasses.dataclass(frozen=True)
class LinksEngine:
    """Exact H0 and H1 over any Z/p from edge links; the native code is in cpp_ext/rips."""

    name: str = "links"
    max_dim: int | None = 1
    max_field: int = 2**31 - 1
    index_bits: int | None = None

    def memory(self, n: int, max_dim: int) -> int:
        # Sorting holds each edge twice with its length; later one witness per edge and two bits per pair and thread.
        return 12 * n * (n - 1) // 2

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
        cut = math.inf if threshold is None else threshold
        with _reported(progress) as report:
            result = cpu.links_rips(matrix.condensed, matrix.n, cut, field, threads or default_threads(), report, max_dim)
        metric = matrix.metric if isinstance(matrix.metric, str) else matrix.metric.name
        return _raw(result, max_dim, LinksProvenance(result, lambda: matrix, metric, float(matrix.rounding)))


def graph_bars(
    graph: RadiusGraph, *, max_dim: int, threshold: float, field: int, threads: int | None = None, progress: bool = False
) -> RawBars:
    """The bars of the Rips filtration up to ``threshold``, from the pairs within a radius that is at least that.

    Memory and time follow the number of pairs; nothing is of size n x n.
    """
    if not threshold <= graph.radius:
        raise InputError(f"threshold is {threshold} and the graph knows the pairs within {graph.radius}: make it with that radius")
    rows = np.repeat(np.arange(graph.n), np.diff(graph.indptr))
    upper = rows < graph.indices
    start = np.concatenate(([0], np.cumsum(np.bincount(rows[upper], minlength=graph.n)))).astype(np.int64)
    neighbor, length = graph.indices[upper].astype(np.uint32), graph.distances[upper].astype(np.float32)
    with _reported(progress) as report:
        result = cpu.links_graph(start, neighbor, length, threshold, field, threads or default_threads(), report, max_dim)
    return _raw(result, max_dim, LinksProvenance(result, None, graph.metric, graph.rounding))


@contextmanager
def _reported(progress: bool) -> Iterator[Callable[[int, int, int], None] | None]:
    with progress_line(None, _PHASES[0], progress) as line:

        def report(phase: int, done: int, total: int) -> None:
            line.update(done=done, total=total, description=_PHASES[phase])

        yield report if progress else None


def _raw(result: Any, max_dim: int, provenance: LinksProvenance) -> RawBars:
    bars = [_components(result)] + ([_loops(result)] if max_dim >= 1 else [])
    return RawBars(bars, f"links {version('topo-interp')}", provenance)


def _components(result: Any) -> np.ndarray:
    deaths = np.full(result.n, np.inf)
    deaths[: len(result.merge_lengths)] = result.merge_lengths
    return np.column_stack((np.zeros(result.n), deaths))


def _loops(result: Any) -> np.ndarray:
    deaths = np.full(len(result.birth_lengths), np.inf)
    deaths[result.relation_pivots] = result.death_lengths
    return np.column_stack((result.birth_lengths.astype(np.float64), deaths))


ENGINE = LinksEngine()
