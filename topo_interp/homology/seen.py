"""A cloud as a recipe sees it, computed once for all that reads it."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp.certificate import Term
from topo_interp.geometry.distance_matrix import DistanceMatrix
from topo_interp.homology.approximation import projection_term

if TYPE_CHECKING:
    from topo_interp.homology.rips import Rips

__all__ = ["Seen"]


@dataclasses.dataclass(frozen=True, eq=False)
class Seen:
    """The points of a cloud after a recipe's steps, and their distances; each is computed when it is first asked for.

    Made by ``recipe.seen(cloud)``; the recipe's call takes it in the place of the cloud.

    Attributes:
        recipe: the recipe.
        cloud: what was given.
        points: its points ``(n, d)``, before the steps.
        threads: number of threads, None for all cores.
        device: where the distances of a metric that has a name are computed: "cpu" or "cuda".
    """

    recipe: Rips
    cloud: Any
    points: np.ndarray
    threads: int | None = None
    device: str = "cpu"

    @functools.cached_property
    def _stepped(self) -> tuple[np.ndarray, np.ndarray]:
        before = after = self.points
        for step in self.recipe.steps:
            before, after = after, step(after)
        return before, after

    @property
    def after(self) -> np.ndarray:
        """The points after the steps."""
        return self._stepped[1]

    @functools.cached_property
    def matrix(self) -> DistanceMatrix:
        """The distances of the points after the steps."""
        metric = self.recipe.metric
        if isinstance(metric, str):
            return DistanceMatrix.from_points(self.after, metric=metric, threads=self.threads, device=self.device)
        return metric.distance_matrix(self.after)  # type: ignore[attr-defined]  # checked when the recipe was made

    @property
    def terms(self) -> tuple[Term, ...]:
        """The term of a projection where the last step is one."""
        recipe = self.recipe
        projects = bool(recipe.steps) and recipe.steps[-1].kind == "pca" and recipe.metric == "euclidean" and recipe.weights is None
        before, after = self._stepped
        return (projection_term(before, after, threads=self.threads),) if projects else ()
