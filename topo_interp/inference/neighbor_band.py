"""How much a statistic on a graph metric depends on the number of neighbors: what is shown where no certificate carries over."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from topo_interp._arguments import function, share_number, whole_number
from topo_interp._errors import InputError
from topo_interp.inference.estimate import finite

if TYPE_CHECKING:
    import pandas

__all__ = ["NeighborBand", "neighbor_band"]


@dataclasses.dataclass(frozen=True)
class NeighborBand:
    """The statistic for k neighbors and for somewhat fewer and more.

    Made by :func:`neighbor_band`.

    Attributes:
        value: with the recipe's own k.
        by_k: pairs (k, value), k ascending.
    """

    value: float
    by_k: tuple[tuple[int, float], ...]

    @property
    def low(self) -> float:
        """The smallest value."""
        return min(value for _, value in self.by_k)

    @property
    def high(self) -> float:
        """The largest value."""
        return max(value for _, value in self.by_k)

    def to_frame(self) -> pandas.DataFrame:
        """One row per k: k, value."""
        import pandas

        return pandas.DataFrame(self.by_k, columns=["k", "value"])

    def explain(self) -> str:
        """One sentence."""
        first, last = self.by_k[0][0], self.by_k[-1][0]
        return f"{self.value:.4g}; between {self.low:.4g} and {self.high:.4g} for {first} to {last} neighbors."


def neighbor_band(
    cloud: Any, recipe: Any, summary: Callable[[Any], float], *, spread: float = 0.2, steps: int = 2
) -> NeighborBand:
    """A statistic for k - 20 % to k + 20 % neighbors.

    Errors of the points move the bars of a graph metric by jumps, so that no bound on them carries over; this descriptive band
    stands in its place. It is no confidence interval. Use a statistic without a unit (``relative=True``), because the unit of
    these metrics changes with k.

    >>> import topo_interp as ti
    >>> recipe = ti.Rips(ti.diffusion(10, 4))
    >>> band = neighbor_band(ti.shapes.noisy_circle(80), recipe, ti.max_persistence(1, relative=True))
    >>> [k for k, _ in band.by_k]
    [8, 9, 10, 11, 12]

    Args:
        cloud: points.
        recipe: a recipe with a graph metric: a Rips or a Distances.
        summary: callable -> float.
        spread: how far k goes down and up, as a share.
        steps: how many other values of k on each side.

    Cost: up to 2 ``steps`` + 1 runs of the recipe.
    """
    metric: Any = getattr(recipe, "metric", None)
    if not getattr(metric, "is_graph_metric", False):
        raise InputError(f"the recipe's metric is {metric!r}, which has no neighbors; a graph metric such as ti.diffusion(15, 8) is needed")
    share_number(spread, "spread")
    whole_number(steps, "steps", 1)
    function(summary, "summary", "ti.max_persistence(1, relative=True)")
    k = metric.k
    wanted = sorted({max(1, round(k * (1 + spread * step / steps))) for step in range(-steps, steps + 1)})
    by_k = []
    for number in wanted:
        changed = dataclasses.replace(recipe, metric=dataclasses.replace(metric, k=number))
        by_k.append((number, finite(summary(changed(cloud)), f"the statistic for {number} neighbors")))
    return NeighborBand(dict(by_k)[k], tuple(by_k))
