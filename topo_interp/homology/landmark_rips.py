"""Rips diagrams of landmarks, with the certificate that says what they prove about all points."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp._arguments import whole_number
from topo_interp._errors import InputError
from topo_interp._value import Value
from topo_interp._words import upper
from topo_interp.certificate import Certificate, Status, Term
from topo_interp.geometry._device import on_host, some_rows
from topo_interp.geometry._source import open_source
from topo_interp.geometry.distance_matrix import DistanceMatrix, pair_position
from topo_interp.geometry.distances import pairwise_distances
from topo_interp.geometry.landmarks import Landmarks, farthest_points
from topo_interp.homology.approximation import cover_radius_term, distortion_term
from topo_interp.homology.diagrams import Diagrams
from topo_interp.homology.seen import Seen

if TYPE_CHECKING:
    from topo_interp.homology.rips import Rips

__all__ = ["MEASURED_UP_TO", "UntilCertified", "diagrams_on", "landmark_diagrams", "until_certified"]

_FIRST = 64  # landmarks to begin with; doubled from there
MEASURED_UP_TO = 50_000  # rows up to which the distortion of all pairs is measured where 2 r would do
_PAIRWISE_ERROR = 3e-6  # relative, of pairwise_distances for any metric
_SAMPLE = 2000  # rows from which the median distance is taken


@dataclasses.dataclass(frozen=True)
class UntilCertified(Value, kind="until_certified"):
    """How many landmarks: as many as it takes; see :func:`until_certified`."""

    bars: int
    max_points: int
    dim: int = 1

    def __post_init__(self) -> None:
        for name, least in (("bars", 1), ("max_points", 1), ("dim", 0)):
            object.__setattr__(self, name, whole_number(getattr(self, name), name, least))


def until_certified(*, bars: int, max_points: int, dim: int = 1) -> UntilCertified:
    """For ``ti.Rips(landmarks=...)``: doubles the landmarks until the longest bars are certified or the budget is spent.

    That they never are is a normal answer: in high-dimensional noise the landmarks cover at about the typical distance, and
    nothing can be said about the whole cloud from a part of it.

    >>> until_certified(bars=2, max_points=1000)
    UntilCertified(bars=2, max_points=1000, dim=1)

    Args:
        bars: how many of the longest bars of degree ``dim`` are wanted.
        max_points: the most landmarks.
        dim: their degree.

    Raises:
        InputError: a number out of range.
    """
    return UntilCertified(bars, max_points, dim)


def landmark_diagrams(recipe: Rips, cloud: Any, **how: Any) -> Diagrams:
    """What ``ti.Rips(landmarks=...)`` computes; ``how`` are the arguments of the recipe's call."""
    plan = _Plan(recipe, cloud, how)
    wanted = recipe.landmarks
    if not isinstance(wanted, UntilCertified):
        return plan.finished(plan.grown(None, wanted))
    if wanted.dim > recipe.max_dim:
        raise InputError(f"until_certified waits for bars of degree {wanted.dim}, and the recipe stops at max_dim={recipe.max_dim}")
    most = min(wanted.max_points, plan.n)
    marks, size = None, min(_FIRST, most)
    while True:
        marks = plan.grown(marks, size)
        if size == most:
            return plan.finished(marks)
        found = plan.certified_so_far(marks, wanted)
        if found is not None:
            return found
        size = min(2 * size, most)


def diagrams_on(recipe: Rips, cloud: Any, marks: Landmarks | None, **how: Any) -> tuple[Diagrams, Landmarks]:
    """Diagrams of the landmarks that another cloud of the same rows chose, which remember their cycles; None chooses them here.

    Every row stays with its landmark in all clouds, so that one map takes cycles of all rows to cycles of landmarks in each, and
    the certificate is the distortion of that map in this cloud.
    """
    plan = _Plan(recipe, cloud, how)
    if marks is None:
        if isinstance(recipe.landmarks, UntilCertified) or recipe.landmarks is None:
            raise InputError(f"landmarks is {recipe.landmarks!r}; several clouds share a number of landmarks, such as landmarks=500")
        own = plan.grown(None, recipe.landmarks)
    else:
        own = plan.moved(marks)
    found = plan.finished(own)
    rows = getattr(cloud, "rows", np.arange(plan.n))[own.indices]
    return dataclasses.replace(found, provenance=dataclasses.replace(found.provenance.engine, rows=rows)), own


class _Plan:
    """One cloud after the steps of one recipe, from which landmark diagrams of any size can be had."""

    def __init__(self, recipe: Rips, cloud: Any, how: dict[str, Any]) -> None:
        self.recipe, self.how = recipe, how
        self.threads, self.progress = how.get("threads"), bool(how.get("progress"))
        if isinstance(cloud, DistanceMatrix):
            self.data: Any = recipe.given(cloud)
            self.digest, self.terms, self.notes, self.groups = cloud.digest(), (), (), ()
        else:
            seen = cloud if isinstance(cloud, Seen) else recipe.seen(cloud, self.threads, how.get("device", "cpu"))
            self.groups = getattr(seen.cloud, "groups", ())
            self.digest, self.data, self.terms, self.notes = seen.digest, seen.data, seen.terms, seen.notes
        # A matrix is read on the CPU.
        self.device = "cpu" if isinstance(self.data, DistanceMatrix) else how.get("device", "cpu")
        self.metric = recipe.metric if isinstance(recipe.metric, str) and recipe.metric != "precomputed" else "euclidean"
        self.n = len(self.data)
        source = open_source(self.data, self.metric, self.threads, device=self.device)
        self.metric_name, self.true_metric = source.metric_name, source.true_metric
        self._exact: dict[int, Diagrams] = {}

    def grown(self, marks: Landmarks | None, k: int) -> Landmarks:
        if k > self.n:
            raise InputError(f"landmarks={k} of {self.n} rows; take at most all of them: landmarks={self.n}, or None for the exact diagram")
        start = 0 if marks is None else marks
        return farthest_points(self.data, k, start, metric=self.metric, threads=self.threads, progress=self.progress, device=self.device)

    def moved(self, marks: Landmarks) -> Landmarks:
        """The landmarks of another cloud with the distances of this one; they need not be farthest or nearest here."""
        distances = np.zeros(self.n)
        for place, landmark in enumerate(marks.indices.tolist()):
            members = np.flatnonzero(marks.nearest == place)
            members = members[members != landmark]
            if not len(members):
                continue
            if isinstance(self.data, DistanceMatrix):
                low, high = np.minimum(members, landmark), np.maximum(members, landmark)
                distances[members] = self.data.condensed[pair_position(low, high, self.n)]
            else:
                ends = (some_rows(self.data, rows) for rows in (members, np.array([landmark])))
                own = pairwise_distances(*ends, metric=self.metric, threads=self.threads)
                distances[members] = own[:, 0]
        radius = float(distances.max())
        stored = self.data.rounding if isinstance(self.data, DistanceMatrix) else _PAIRWISE_ERROR * radius
        return dataclasses.replace(marks, distances=distances, cover_radius=radius, rounding=stored, metric=self.metric_name, true_metric=self.true_metric)

    def exact(self, marks: Landmarks) -> Diagrams:
        """The diagrams of the landmarks as a cloud of their own."""
        if len(marks) not in self._exact:
            if isinstance(self.data, DistanceMatrix):
                matrix = self.data.take(marks.indices)
            else:
                matrix = DistanceMatrix.from_points(some_rows(self.data, marks.indices), self.metric, self.threads, self.device)
            alone = dataclasses.replace(self.recipe, metric="precomputed", steps=(), landmarks=None)
            self._exact = {len(marks): alone(matrix, **self.how)}
        return self._exact[len(marks)]

    def finished(self, marks: Landmarks) -> Diagrams:
        if self.true_metric and self.n > MEASURED_UP_TO:
            return self.with_term(marks, cover_radius_term(marks))
        return self.with_term(marks, self.measured(marks))

    def measured(self, marks: Landmarks) -> Term:
        if len(marks) == self.n:
            return Term("landmarks", 0.0, 0.0)  # all rows: nothing was left out
        return distortion_term(
            self.data, marks, metric=self.metric, threads=self.threads, progress=self.progress, device=self.device
        )

    def certified_so_far(self, marks: Landmarks, wanted: UntilCertified) -> Diagrams | None:
        """The diagrams if enough bars are certified: by 2 r if that does, else by the distortion if that can."""

        def enough(diagrams: Diagrams) -> bool:
            return int(diagrams.bounds(wanted.dim)["certified"].sum()) >= wanted.bars

        if self.true_metric:
            cheap = self.with_term(marks, cover_radius_term(marks))
            if enough(cheap):
                return cheap
            if self.n > MEASURED_UP_TO:
                return None
        # The distortion is never below the cover radius.
        if not enough(self.with_term(marks, Term("landmarks", 0.0, marks.cover_radius))):
            return None
        best = self.with_term(marks, self.measured(marks))
        return best if enough(best) else None

    def with_term(self, marks: Landmarks, term: Term) -> Diagrams:
        found = self.exact(marks)
        terms = (*found.certificate.terms, term, *self.terms)
        certificate = Certificate(
            terms=terms,
            status=max(found.certificate.status, Status.BOUNDED),
            engine=found.certificate.engine,
            inputs=(self.digest,),
            recipe=self.recipe.to_json(),
            notes=(*getattr(self.recipe.metric, "notes", ()), *self.notes, self._coverage(marks), *filter(None, (self._scale_note(),))),
        )
        if found.censored_at is not None:
            certificate = dataclasses.replace(certificate, valid_to=max(0.0, found.censored_at - certificate.bottleneck_bound))
        return dataclasses.replace(
            found,
            certificate=certificate,
            scale=self._scale(),
            n=self.n,
            metric=marks.metric,
            groups=self.groups,
            provenance=LandmarkProvenance(found.provenance, marks),
        )

    def _coverage(self, marks: Landmarks) -> str:
        return f"{len(marks)} landmarks of {self.n} rows cover them within {upper(marks.cover_radius, 4)}."

    def _scale(self) -> float:
        if isinstance(self.data, DistanceMatrix):
            return self.data.median()
        return sampled_median(self.data, self.metric, self.threads)

    def _scale_note(self) -> str:
        return "" if isinstance(self.data, DistanceMatrix) else sampled_median_note(self.n)


@dataclasses.dataclass(frozen=True, eq=False)
class LandmarkProvenance:
    """What the engine left behind for the landmarks, and which rows they are."""

    engine: Any
    landmarks: Landmarks


def sampled_median(points: Any, metric: str, threads: int | None) -> float:
    """The median distance among at most 2,000 rows: all of them, or a seeded random draw (a stride would meet periods)."""
    if len(points) > _SAMPLE:
        points = some_rows(points, np.sort(np.random.default_rng(0).choice(len(points), _SAMPLE, replace=False)))
    return DistanceMatrix.from_points(on_host(points), metric=metric, threads=threads).median()


def sampled_median_note(n: int) -> str:
    """Says so where the median is not that of all rows."""
    return "" if n <= _SAMPLE else f"The scale is the median distance of {_SAMPLE} rows drawn at random."
