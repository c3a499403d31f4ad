"""Engine "links": exact degrees 0 and 1 from the links of the edges, without listing a triangle.

Edges enter in the order of their length (ties by their vertices). Adding an edge glues a cone over its link, the flag
complex on the vertices already next to both ends; an empty link joins two components or opens a loop, and every
component of the link beyond the first closes one. So degree 1 needs, per edge, one witness of each component of its link.
Source of the reduction: Koyama, Memoli, Robins, Turner, Reduced Vietoris-Rips (arXiv:2307.16333).
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from typing import Any

import numpy as np

from topo_interp._native import cpu, cuda_device, device_number, threads_or_default
from topo_interp.geometry._device import budget_errors
from topo_interp.geometry.distance_matrix import DistanceMatrix
from topo_interp.geometry.distances import requested_isa
from topo_interp.geometry.neighbors import RadiusGraph
from topo_interp.homology.cycles import LinksProvenance
from topo_interp.homology.engines._base import RawBars
from topo_interp.homology.engines._cut import float32_lengths
from topo_interp.progress import progress as progress_line

__all__ = ["ENGINE", "LinksEngine", "graph_bars", "graph_memory"]

_PHASES = ("edges in order", "links of edges", "reduction")


@dataclasses.dataclass(frozen=True)
class LinksEngine:
    """Exact H0 and H1 over any Z/p from edge links; the native code is in cpp_ext/rips and cpp_ext/cuda.

    Attributes:
        device: "cpu", or "cuda" ("cuda:1"): where the links are scanned. The reduction is the CPU's in either case.
    """

    name: str = "links"
    max_dim: int | None = 1
    max_field: int = 2**31 - 1
    index_bits: int | None = None
    device: str = "cpu"

    def memory(self, n: int, max_dim: int) -> int:
        if self.device != "cpu":
            return _witness_type(n)().itemsize * n * (n - 1) // 2
        # Sorting holds each edge twice, once with its length; later there are one witness per pair and two bits per ordered pair.
        return (12 if _witness_type(n) is np.uint16 else 24) * n * (n - 1) // 2

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
            if self.device == "cpu":
                result = cpu.links_rips(
                    matrix.condensed, matrix.n, cut, field, threads_or_default(threads), report, max_dim, isa=requested_isa()
                )
            else:
                result = scanned_on_device(matrix, cut, field, threads_or_default(threads), self.device, report)
        metric = matrix.metric if isinstance(matrix.metric, str) else matrix.metric.name
        where = "" if self.device == "cpu" else f" on {self.device}"
        return _raw(result, max_dim, LinksProvenance(result, lambda: matrix, metric, float(matrix.rounding)), where)


def scanned_on_device(
    matrix: DistanceMatrix,
    threshold: float,
    field: int = 2,
    threads: int = 1,
    device: str = "cuda",
    report: Callable[[int, int, int], None] | None = None,
    counts: dict[str, Any] | None = None,
) -> Any:
    """The native result of a matrix whose links are scanned on the device: births, deaths and pairs are those of the CPU.

    Args:
        matrix: at least two points.
        threshold: a float32 value, or infinity.
        field: a prime.
        threads: of the host.
        device: "cuda" or "cuda:1".
        report: called with phase, done, total.
        counts: takes what the scan counted and how long its parts took.

    Raises:
        MissingEngineError: no CUDA module, driver or device.
        BudgetError: the device has not enough memory.

    Cost on the device: 4 bytes for each pair of points and 16 for each edge within the threshold or the enclosing radius (24
    from 65,535 points on), or, when that is more, 4 + 2 (4) bytes for each pair, 4 (8) for each such edge and two bits for each
    ordered pair; on the host 2 (4) bytes for each pair beside the matrix.
    """
    number = device_number(device)
    kernels = cuda_device(number)
    witness = np.empty(len(matrix.condensed), dtype=_witness_type(matrix.n))
    advice = "take fewer rows, or a threshold, which lets fewer edges in"
    with budget_errors(f"the scan of the links of {matrix.n} points", device, advice):
        found = kernels.links_scan(
            matrix.condensed, matrix.n, threshold, witness, threads=threads, device=number, progress=report
        )
    if counts is not None:
        counts.update({name: found[name] for name in ("edges", "settled", "resolved", "bytes", "seconds")})
    return cpu.links_reduce(
        matrix.condensed,
        matrix.n,
        witness,
        found["empty"],
        found["squares"],
        found["cut"],
        found["complete"],
        found["edges"],
        field,
        threads,
        report,
    )


def _witness_type(n: int) -> type[np.unsignedinteger]:
    return np.uint16 if n <= 65534 else np.uint32


def graph_bars(
    graph: RadiusGraph, *, max_dim: int, threshold: float, field: int, threads: int | None = None, progress: bool = False
) -> RawBars:
    """The bars of the pairs of a graph whose lengths, in float32 as every engine's, are at most ``threshold``.

    What is left behind says with ``result.complete`` whether some point is next to all others, so that the pairs that are not
    there change nothing, with ``result.cut`` how long the longest edge was, and with ``rounding`` also what float32 takes.

    Memory and time follow the number of pairs; nothing is of size n x n.
    """
    stored = float32_lengths(graph.distances)
    rounding = graph.rounding + float(np.abs(stored - graph.distances.astype(np.float64)).max(initial=0.0))
    rows = np.repeat(np.arange(graph.n), np.diff(graph.indptr))
    upper = rows < graph.indices
    start = np.concatenate(([0], np.cumsum(np.bincount(rows[upper], minlength=graph.n)))).astype(np.int64)
    neighbor, length = graph.indices[upper].astype(np.uint32), stored[upper]
    with _reported(progress) as report:
        result = cpu.links_graph(start, neighbor, length, threshold, field, threads_or_default(threads), report, max_dim)
    return _raw(result, max_dim, LinksProvenance(result, None, graph.metric, rounding))


def graph_memory(graph: RadiusGraph) -> int:
    """Bytes that :func:`graph_bars` takes beyond the graph, from above: its copies of the edges, in order and from both ends."""
    return 80 * graph.pairs + 100 * graph.n


@contextmanager
def _reported(progress: bool) -> Iterator[Callable[[int, int, int], None] | None]:
    with progress_line(None, _PHASES[0], progress) as line:

        def report(phase: int, done: int, total: int) -> None:
            line.update(done=done, total=total, description=_PHASES[phase])

        yield report if progress else None


@functools.cache
def _version() -> str:
    """Looked up once: the look-up parses a file, which takes as long as the bars of a hundred points."""
    return metadata.version("topo-interp")


def _raw(result: Any, max_dim: int, provenance: LinksProvenance, where: str = "") -> RawBars:
    bars = [_components(result)] + ([_loops(result)] if max_dim >= 1 else [])
    return RawBars(bars, f"links {_version()}{where}", provenance)


def _components(result: Any) -> np.ndarray:
    deaths = np.full(result.n, np.inf)
    deaths[: len(result.merge_lengths)] = result.merge_lengths
    return np.column_stack((np.zeros(result.n), deaths))


def _loops(result: Any) -> np.ndarray:
    deaths = np.full(len(result.birth_lengths), np.inf)
    deaths[result.relation_pivots] = result.death_lengths
    return np.column_stack((result.birth_lengths.astype(np.float64), deaths))


ENGINE = LinksEngine()
