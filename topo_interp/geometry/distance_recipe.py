"""A recipe that stops at the distances: for statistics that need no bars, under the same steps, metrics and nulls as those that do."""

from __future__ import annotations

import dataclasses
from typing import Any

from topo_interp._errors import InputError
from topo_interp._value import Value
from topo_interp.arrays import as_points
from topo_interp.geometry.cloud_metric import CloudMetric
from topo_interp.geometry.distance_matrix import DistanceMatrix
from topo_interp.geometry.steps import Step, as_steps
from topo_interp.metrics import Metric, get_metric

__all__ = ["Distances"]


@dataclasses.dataclass(frozen=True)
class Distances(Value, kind="distances"):
    """The distances of a cloud, after the steps: a recipe for ``ti.significance`` and summaries such as ``ti.two_nn()``.

    >>> import topo_interp as ti
    >>> Distances("chordal")([[1.0, 0.0], [0.0, 2.0]]).condensed.round(4)
    array([1.4142], dtype=float32)

    Args:
        metric: name of a metric, or a metric value.
        steps: preprocessing values, applied in their order.
    """

    metric: str | Value = "euclidean"
    steps: tuple[Step, ...] = dataclasses.field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        if isinstance(self.metric, (str, Metric)):
            object.__setattr__(self, "metric", get_metric(self.metric).name)
        elif not isinstance(self.metric, CloudMetric):
            raise InputError(f"metric is {self.metric!r}; give a name from ti.metrics.table() or a metric value")
        object.__setattr__(self, "steps", as_steps(self.steps))

    def __call__(self, cloud: Any) -> DistanceMatrix:
        """The distances of the rows."""
        points = as_points(cloud, name="cloud")
        for step in self.steps:
            points = step(points)
        if isinstance(self.metric, CloudMetric):
            return self.metric(points)
        return DistanceMatrix.from_points(points, metric=self.metric)  # type: ignore[arg-type]
