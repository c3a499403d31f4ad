"""The Vietoris-Rips recipe: what defines the bars of a cloud, and the call that computes them."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

import numpy as np

from topo_interp._arguments import is_whole, real_number, whole_number
from topo_interp._errors import BudgetError, InputError
from topo_interp._memory import free_bytes, parse_bytes, readable
from topo_interp._native import cuda_device, device_number, threads_or_default
from topo_interp._value import Value
from topo_interp.certificate import Certificate, Status, Term
from topo_interp.geometry.distance_matrix import DistanceMatrix
from topo_interp.geometry.dtm import Weights
from topo_interp.geometry.neighbors import KnnGraph, RadiusGraph
from topo_interp.geometry.steps import Step, as_steps
from topo_interp.homology.components import component_diagrams, needs_no_matrix
from topo_interp.homology.cycles import LinksProvenance
from topo_interp.homology.diagrams import Diagrams
from topo_interp.homology.engines import Engine, RawBars, choose_engine, on_device
from topo_interp.homology.engines._cut import enclosing_radius, float32_at_most
from topo_interp.homology.engines.spanning_tree_engine import ENGINE as SPANNING_TREE
from topo_interp.homology.landmark_rips import UntilCertified, landmark_diagrams
from topo_interp.homology.late_vertices import with_late_vertices
from topo_interp.homology.seen import Seen
from topo_interp.metrics import Metric, get_metric
from topo_interp.point_cloud import array_digest

__all__ = ["Rips"]

_LARGEST_FIELD = 2**31 - 1  # a prime, and what the engine links can take
_PRECOMPUTED = "precomputed"  # as a recipe's metric: whatever the given DistanceMatrix holds


@dataclasses.dataclass(frozen=True)
class Rips(Value, kind="rips"):
    """The Vietoris-Rips filtration of a cloud: a frozen recipe that holds only what defines the result.

    A simplex enters at its diameter, the largest distance between two of its vertices.

    >>> import topo_interp as ti
    >>> square = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]
    >>> d = ti.Rips(max_dim=1)(square)
    >>> d
    Diagrams(H0: 4 bars, H1: 1 bar)
    >>> d[1].round(4)
    array([[1.    , 1.4142]])

    Args:
        metric: name of a metric (``ti.metrics.table()``) or a metric value; "precomputed" takes any DistanceMatrix. A
            dissimilarity that is no metric is allowed: the bars are defined without the triangle inequality.
        steps: preprocessing values, applied in their order: ``(ti.centered(), ti.pca(50))``. The certificate leads back through
            isometries and, of Euclidean distances, projections; where it can not, it says after which step the points are meant.
        max_dim: highest degree of homology: 0 components, 1 loops, 2 voids.
        threshold: largest diameter; None for the whole filtration. Below the enclosing radius it censors bars.
        field: a prime p; homology has coefficients in Z/p.
        weights: a value such as ``ti.dtm(k=15)``, by which points that lie alone enter late; H0 is then born late too.
        landmarks: None for the exact diagram of all points. A number: the diagram of so many landmarks (farthest points,
            from row 0 on), whose certificate says what it proves about all of them: ``diagrams.bounds(dim)``. Or
            ``ti.until_certified(bars=..., max_points=...)``.
    """

    metric: str | Value = "euclidean"
    steps: tuple[Step, ...] = dataclasses.field(default=(), kw_only=True)
    max_dim: int = dataclasses.field(default=1, kw_only=True)
    threshold: float | None = dataclasses.field(default=None, kw_only=True)
    field: int = dataclasses.field(default=2, kw_only=True)
    weights: Weights | None = dataclasses.field(default=None, kw_only=True)
    landmarks: int | UntilCertified | None = dataclasses.field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "metric", _short(self.metric))
        object.__setattr__(self, "steps", as_steps(self.steps))
        object.__setattr__(self, "max_dim", whole_number(self.max_dim, "max_dim", 0, why="the highest degree"))
        object.__setattr__(self, "field", _prime(self.field))
        if self.landmarks is not None and not isinstance(self.landmarks, UntilCertified):
            if not is_whole(self.landmarks) or self.landmarks < 1:
                raise InputError(
                    f"landmarks is {self.landmarks!r}; a number of landmarks >= 1, ti.until_certified(bars=..., max_points=...) "
                    "or None is needed"
                )
            object.__setattr__(self, "landmarks", int(self.landmarks))
        if self.landmarks is not None and self.weights is not None:
            raise InputError("no bound is known for landmarks of a weighted filtration; leave out weights or landmarks")
        if self.threshold is not None:
            if self.threshold == math.inf:
                object.__setattr__(self, "threshold", None)
            else:
                object.__setattr__(self, "threshold", real_number(self.threshold, "threshold", why="or None for the whole filtration"))
        if self.weights is not None and not isinstance(self.weights, Weights):
            raise InputError(f"weights is {self.weights!r}; a value such as ti.dtm(k=15), or None, is needed")

    def __call__(
        self,
        cloud: Any,
        engine: str = "auto",
        device: str = "cpu",
        threads: int | None = None,
        memory: int | str | None = None,
        progress: bool = False,
    ) -> Diagrams:
        """The diagrams of a cloud; the arguments after it say how to compute and change no bar.

        Args:
            cloud: points ``(n, d)`` as an array, a tensor (with a device also one on it) or a PointCloud, or what :meth:`seen` made
                of them (its device is then the one that counts), or a DistanceMatrix of this recipe's metric, or a RadiusGraph, whose
                radius is then a threshold (degrees 0 and 1) unless some point has all others within it, from where on the complex
                is a cone.
            engine: "auto", "links" (degrees 0 and 1), "ripser", "gudhi", "giotto-ph" or
                "spanning-tree" (degree 0; taken for points of more than 4,096 rows, without a matrix). All give the same bars.
            device: "cpu", or "cuda" ("cuda:1"), which computes the distances of points there, and with engine "links" scans the
                links of edges there, of degree 0 the spanning tree, and landmarks; the reduction and graph metrics are the CPU's.
                Rows of a tensor or a CuPy array on that device are read where they lie, and copied to the host in blocks, to be
                hashed for the certificate; a recipe with steps or a graph metric works on a copy of them on the host.
            threads: number of threads, None for all cores of this process.
            memory: budget in bytes or as text ("4GB"), held against the distance matrix and the engine's own copies of
                it, or what a radius graph or the spanning tree takes; None for half of the memory that is free.
            progress: whether to show a progress line.

        Raises:
            InputError: the cloud or the recipe can not be used as it is.
            MissingEngineError: the engine or the device is not there.
            BudgetError: the budget is too small.
        """
        threads = threads_or_default(threads)
        budget = free_bytes() // 2 if memory is None else parse_bytes(memory)
        if self.metric == _PRECOMPUTED and not isinstance(cloud, (DistanceMatrix, RadiusGraph)):
            raise InputError(
                "the recipe's metric is 'precomputed' and points were given: give ti.DistanceMatrix.from_dense(square), "
                "or name a metric, such as ti.Rips('euclidean')"
            )
        seen = cloud if isinstance(cloud, Seen) else None
        if seen is not None:
            if seen.recipe != self:
                raise InputError("a cloud as another recipe sees it was given; give the cloud itself, or this recipe's seen(cloud)")
            cloud, device = seen.cloud, seen.device
        if device != "cpu":
            cuda_device(device_number(device))  # or an error that says what is missing, before any work
        if isinstance(cloud, RadiusGraph):
            return self._of_graph(cloud, engine, threads, budget, progress)
        if self.landmarks is not None:
            given = cloud if seen is None else seen
            return landmark_diagrams(self, given, engine=engine, device=device, threads=threads, memory=memory, progress=progress)
        if isinstance(cloud, DistanceMatrix):
            seen, n = None, cloud.n
        else:
            seen = self.seen(cloud, threads, device) if seen is None else seen
            n = len(seen)
        if seen is not None and needs_no_matrix(self, engine, n):
            _check_budget(SPANNING_TREE.name, seen.bytes_of_host + SPANNING_TREE.memory(n, 0), budget, n, growth=1)
            return component_diagrams(seen, groups=getattr(cloud, "groups", ()), threads=threads, progress=progress, device=device)
        chosen = on_device(choose_engine(engine, self, n), device)
        _check_budget(chosen.name, 4 * n * (n - 1) // 2 + self.working_memory(chosen, n, from_points=seen is not None), budget, n)
        if seen is None:
            matrix, digest, terms, notes = self.given(cloud), cloud.digest(), (), ()
        else:
            matrix, digest, terms, notes = seen.matrix, seen.digest, seen.terms, seen.notes
        weighted = None if self.weights is None else self.weights(matrix)
        edges = matrix if weighted is None else weighted.edges
        threshold = self._cut(edges)
        if n == 1:
            raw = RawBars([np.array([[0.0, math.inf]])] + [np.empty((0, 2))] * self.max_dim, "one point")
        else:
            raw = chosen.compute(
                edges, max_dim=self.max_dim, threshold=threshold, field=self.field, threads=threads, progress=progress
            )
        if weighted is not None:
            raw = with_late_vertices(raw, weighted, threshold)
        return Diagrams.from_bars(
            raw.bars,
            censored_at=None if threshold is None else self.threshold,
            certificate=self.certificate(
                raw.engine,
                digest,
                float(edges.rounding),
                censored=threshold is not None,
                terms=terms,
                notes=(*getattr(matrix.metric, "notes", ()), *notes),
            ),
            scale=float(matrix.median()) if n > 1 else 0.0,
            n=n,
            metric=_name(matrix.metric),
            groups=getattr(cloud, "groups", ()),
            provenance=self._remembered(raw.provenance, seen, device),
        )

    def _of_graph(self, graph: RadiusGraph, engine: str, threads: int, budget: int, progress: bool) -> Diagrams:
        """Bars from the pairs within a radius. A pair that is not there is farther: bars that it may have ended are censored."""
        from topo_interp.homology.links import graph_bars, graph_memory

        if engine not in ("auto", "links") or self.max_dim > 1:
            raise InputError(
                f"a radius graph was given to engine {engine!r} with max_dim={self.max_dim}; engine 'links' takes one, for "
                "degrees 0 and 1: give the points for other engines and degrees"
            )
        if self.landmarks is not None or self.weights is not None:
            raise InputError("landmarks and weights need the points; a radius graph was given: give the points")
        if self.steps or (self.metric != _PRECOMPUTED and self.metric != graph.metric):
            raise InputError(
                f"a radius graph of {graph.metric!r} distances was given to a recipe with metric {_name(self.metric)!r} and steps "
                f"{self.steps}: use ti.Rips(metric={graph.metric!r}) without steps, or ti.Rips(metric='precomputed')"
            )
        if graph_memory(graph) > budget:
            raise BudgetError(
                f"a radius graph of {graph.pairs} pairs needs {readable(graph_memory(graph))}, over the budget of {readable(budget)}: "
                "take a smaller radius or fewer rows, or raise memory="
            )
        threshold = math.inf if self.threshold is None else self.threshold
        raw = graph_bars(graph, max_dim=self.max_dim, threshold=threshold, field=self.field, threads=threads, progress=progress)
        cut, rounding = min(graph.radius, threshold), raw.provenance.rounding
        # Some point is next to all others: from there on the complex is a cone, and nothing is left to be born or die.
        censored = not raw.provenance.result.complete
        certificate = dataclasses.replace(
            self.certificate(raw.engine, array_digest(graph.distances), rounding, censored=censored),
            valid_to=max(0.0, cut - rounding) if censored else math.inf,
        )
        return Diagrams.from_bars(
            raw.bars,
            # The radius in float32 can be longer than the radius.
            censored_at=max(cut, raw.provenance.result.cut) if censored else None,
            certificate=certificate,
            n=graph.n,
            metric=graph.metric,
            provenance=raw.provenance,
        )

    def _remembered(self, provenance: Any, seen: Seen | None, device: str) -> Any:
        """Diagrams of points keep the points, from which the distances can be made again, and not the distances."""
        if seen is None or not isinstance(provenance, LinksProvenance):
            return provenance
        source = functools.partial(self.distance_matrix, seen.origin, device=device)  # other devices round otherwise
        return dataclasses.replace(provenance, source=source, rows=getattr(seen.cloud, "rows", None))

    def _cut(self, matrix: DistanceMatrix) -> float | None:
        """The longest float32 edge within the threshold; None where the threshold hides nothing."""
        if self.threshold is None:
            return None
        cut = float32_at_most(self.threshold)
        # From the enclosing radius on the complex is a cone: nothing is left that could be born or die.
        return cut if cut < enclosing_radius(matrix) else None

    def working_memory(self, engine: Engine, n: int, *, from_points: bool = True) -> int:
        """Bytes beyond the distance matrix, at the worst of three moments."""
        metric = self.metric.memory(n) if from_points and hasattr(self.metric, "memory") else 0
        weights = 0 if self.weights is None else self.weights.memory(n)
        return max(metric, weights, engine.memory(n, self.max_dim))

    def certificate(
        self,
        engine: str,
        digest: str,
        rounding: float,
        *,
        censored: bool = False,
        terms: tuple[Term, ...] = (),
        notes: tuple[str, ...] = (),
    ) -> Certificate:
        """What this recipe's diagrams are sure of: rounding, the given terms, and up to where a threshold left them whole."""
        certificate = Certificate(
            terms=(Term("rounding", rounding, rounding), *terms),
            status=Status.CENSORED if censored else Status.EXACT,
            engine=engine,
            inputs=(digest,),
            recipe=self.to_json(),
            notes=notes,
        )
        if not censored or self.threshold is None:
            return certificate
        return dataclasses.replace(certificate, valid_to=max(0.0, self.threshold - certificate.bottleneck_bound))

    def seen(self, cloud: Any, threads: int | None = None, device: str = "cpu") -> Seen:
        """The points after the steps and their distances, for the call and for whatever else reads them: computed once.

        >>> seen = Rips(max_dim=1).seen([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
        >>> Rips(max_dim=1)(seen), float(seen.matrix.median())
        (Diagrams(H0: 4 bars, H1: 1 bar), 1.0)
        """
        if isinstance(cloud, (Diagrams, KnnGraph)):
            needed = "the points themselves" if isinstance(cloud, Diagrams) else "the points, or their ti.radius_graph(x, radius),"
            raise InputError(f"cloud is a {type(cloud).__name__}; {needed} are needed: ti.Rips()(x)")
        return Seen(self, cloud, threads, device)

    def distance_matrix(self, cloud: Any, threads: int | None = None, device: str = "cpu") -> DistanceMatrix:
        """The distances that the recipe sees: of the cloud's points after the steps."""
        return self.seen(cloud, threads, device).matrix

    def given(self, matrix: DistanceMatrix) -> DistanceMatrix:
        """A matrix in place of points, if this recipe can take it."""
        if self.steps:
            raise InputError(
                f"a DistanceMatrix was given to a recipe with the steps {self.steps}, which need points: "
                "give the points, or use a recipe without steps"
            )
        ours, theirs = _name(self.metric), _name(matrix.metric)
        if self.metric != _PRECOMPUTED and theirs != ours:
            raise InputError(
                f"the DistanceMatrix holds {theirs!r} distances and the recipe asks for {ours!r}: use "
                f"ti.Rips(metric='precomputed'), which takes any matrix, or make a matrix of metric {ours!r}"
            )
        return matrix


def _short(metric: Any) -> str | Value:
    """A metric without parameters by its name, so that a name and its value make equal recipes."""
    if isinstance(metric, str) and metric == _PRECOMPUTED:
        return _PRECOMPUTED
    if isinstance(metric, (str, Metric)):
        return get_metric(metric).name
    if isinstance(metric, Value) and hasattr(metric, "distance_matrix"):
        return metric
    raise InputError(f"metric is {metric!r}; give a name from ti.metrics.table() or a metric value")


def _name(metric: str | Value) -> str:
    """Names without parameters are the names of the table; metric values are told apart by all that they hold."""
    if isinstance(metric, Metric):
        return metric.name
    return metric if isinstance(metric, str) else repr(metric)


def _prime(p: Any) -> int:
    if not is_whole(p) or p < 2 or (p <= _LARGEST_FIELD and not all(p % q for q in range(2, math.isqrt(p) + 1))):
        raise InputError(f"field is {p!r}; Z/p is a field for a prime p, such as field=2 or field=3")
    if p > _LARGEST_FIELD:
        raise InputError(f"field is {p!r}; the engines compute over Z/p for p up to {_LARGEST_FIELD}, such as field=2 or field=47")
    return int(p)


def _check_budget(engine: str, needed: int, budget: int, n: int, growth: int = 2) -> None:
    """Refuses what needs more than the budget, all of which grows with this power of n."""
    if needed > budget:
        fits = max(1, int(n * (budget / needed) ** (1 / growth)))
        raise BudgetError(
            f"{n} points need {readable(needed)} for distances with engine {engine!r}, over the budget of "
            f"{readable(budget)}: take about {fits} of the rows, or certified "
            f"landmarks of all of them with ti.Rips(landmarks={max(1, fits // 2)}), or raise memory="
        )
