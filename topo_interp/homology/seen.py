"""A cloud as a recipe sees it, computed once for all that reads it."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp.arrays import as_points
from topo_interp.certificate import Term
from topo_interp.geometry._device import device_digest, lies_on_device, on_host
from topo_interp.geometry.cloud_metric import CloudMetric
from topo_interp.geometry.distance_matrix import DistanceMatrix
from topo_interp.homology.approximation import projection_term
from topo_interp.point_cloud import array_digest

if TYPE_CHECKING:
    from topo_interp.geometry.steps import Step
    from topo_interp.homology.rips import Rips

__all__ = ["Seen"]

# Metrics that no translation changes; of Hamming that is true, but two equal coordinates need not stay equal when they are rounded.
_OF_DIFFERENCES = ("euclidean", "sqeuclidean", "manhattan", "chebyshev")


@dataclasses.dataclass(frozen=True, eq=False)
class Seen:
    """The points of a cloud after a recipe's steps, and their distances; each is computed when it is first asked for.

    Made by ``recipe.seen(cloud)``; the recipe's call takes it in the place of the cloud.

    Attributes:
        recipe: the recipe.
        cloud: what was given.
        threads: number of threads, None for all cores.
        device: where the distances of a metric that has a name are computed: "cpu" or "cuda".
    """

    recipe: Rips
    cloud: Any
    threads: int | None = None
    device: str = "cpu"

    def __len__(self) -> int:
        return len(self.cloud) if self._there else len(self.points)

    @functools.cached_property
    def points(self) -> np.ndarray:
        """The points ``(n, d)`` before the steps, on the host: rows on the device are copied when this is asked for."""
        return as_points(on_host(self.cloud) if self._there else self.cloud, name="cloud")

    @property
    def _there(self) -> bool:
        """Whether the rows lie on the device that computes."""
        return self.device != "cpu" and lies_on_device(self.cloud)

    @property
    def origin(self) -> Any:
        """What the distances can be made again from: with a device the cloud itself, as it lies there or is stored, else the points."""
        return self.points if self.device == "cpu" else self.cloud

    @property
    def rows(self) -> Any:
        """What distances of a metric with a name are computed from."""
        return self.after if self.recipe.steps else self.origin

    @property
    def bytes_of_host(self) -> int:
        """That the points take there."""
        return 0 if self._there and not self.recipe.steps else self.points.nbytes

    @functools.cached_property
    def digest(self) -> str:
        """Of the points before the steps."""
        return device_digest(self.cloud) if self._there else array_digest(self.points)

    @functools.cached_property
    def _stepped(self) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
        """The points after the steps, and those before and after each projection whose shift is to be bounded."""
        after, projections = self.points, []
        if self.recipe.steps and isinstance(self.recipe.metric, CloudMetric):
            self.recipe.metric.require_usable(after)
        for place, step in enumerate(self.recipe.steps):
            before, after = after, step(after)
            if place >= self._meant and step.kind == "pca":
                projections.append((before, after))
        return after, projections

    @functools.cached_property
    def _meant(self) -> int:
        """How many of the first steps belong to what is asked: up to the last whose effect on the bars has no bound."""
        recipe = self.recipe
        projects = recipe.metric == "euclidean" and recipe.weights is None

        def bounded(step: Step) -> bool:
            return projects if step.kind == "pca" else step.kind == "centered" and _of_differences(recipe.metric)

        return max((place for place, step in enumerate(recipe.steps, 1) if not bounded(step)), default=0)

    @property
    def after(self) -> np.ndarray:
        """The points after the steps."""
        return self._stepped[0]

    @property
    def data(self) -> Any:
        """The rows; where the metric is a value that needs all of them at once, its distances."""
        return self.rows if isinstance(self.recipe.metric, str) else self.matrix

    @functools.cached_property
    def matrix(self) -> DistanceMatrix:
        """The distances of the points after the steps."""
        metric = self.recipe.metric
        if isinstance(metric, str):
            return DistanceMatrix.from_points(self.rows, metric=metric, threads=self.threads, device=self.device)
        return metric.distance_matrix(self.after)  # type: ignore[attr-defined]  # checked when the recipe was made

    @functools.cached_property
    def terms(self) -> tuple[Term, ...]:
        """How far each projection can have moved the bars of the points that are meant."""
        if not self.recipe.steps:  # nor a reason to ask for points on the host
            return ()
        return tuple(projection_term(before, after, threads=self.threads) for before, after in self._stepped[1])

    @property
    def notes(self) -> tuple[str, ...]:
        """Which points are meant, where the certificate does not lead back to the given ones."""
        if not self._meant:
            return ()
        steps = ", ".join(map(repr, self.recipe.steps[: self._meant]))
        return (f"The true bars are those of the points after {steps}; how far they are from those of the points before is not bounded.",)


def _of_differences(metric: Any) -> bool:
    """Whether no translation of the points changes their distances."""
    if isinstance(metric, CloudMetric):  # what it is made of: a metric by name, or Euclidean distances after a linear map
        if metric.is_graph_metric:  # the translated points are rounded, and a tie between two neighbors turns
            return False
        metric = getattr(metric, "metric", "euclidean")
    return metric in _OF_DIFFERENCES
