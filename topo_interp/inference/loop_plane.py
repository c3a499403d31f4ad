"""The plane in which the longest loop of a cloud looks best, and the same for a draw of a null."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp._errors import InputError
from topo_interp.homology.rips import Rips
from topo_interp.inference.nulls import Null
from topo_interp.inference.pipeline import Pipeline, check_rows

if TYPE_CHECKING:
    import pandas

__all__ = ["LoopPlane", "drawn_loop_plane", "loop_plane"]


@dataclasses.dataclass(frozen=True, eq=False)
class LoopPlane:
    """A cloud in the best plane of its longest loop; made by :func:`loop_plane`.

    Attributes:
        coordinates: float32 (n, 2): the points after the recipe's steps, in the plane.
        edges: int64 (m, 2): the loop's edges, as row numbers.
        birth, death: of its bar.
        scale: the median distance of the cloud.
        share: how much of the variance of the cloud the plane holds.
    """

    coordinates: np.ndarray
    edges: np.ndarray
    birth: float
    death: float
    scale: float
    share: float

    @property
    def length(self) -> float:
        """Length of the bar in median distances."""
        return (self.death - self.birth) / self.scale if self.scale else 0.0


def loop_plane(recipe: Rips, cloud: Any, *, threads: int | None = None) -> LoopPlane | None:
    """The plane of the two first principal components of the points on the longest loop; None where there is no loop.

    Such a plane is chosen for the loop, and so it shows a loop in noise as well: it is a picture only beside
    :func:`drawn_loop_plane`, which does the same to a draw of a null.

    >>> import topo_interp as ti
    >>> plane = loop_plane(ti.Rips(), ti.shapes.noisy_circle(30, dim=5))
    >>> plane.coordinates.shape, plane.share > 0.8
    ((30, 2), True)

    Args:
        recipe: its degree-1 bars are taken; a recipe of degree 0 or of landmarks has no loop to show.
        cloud: points ``(n, d)``.

    Cost: one run of the recipe, and one of the reduction that keeps its witnesses.
    """
    if recipe.max_dim < 1 or recipe.landmarks is not None:
        return None
    recipe = dataclasses.replace(recipe, max_dim=1)
    seen = recipe.seen(cloud, threads)
    found = recipe(seen, engine="links", threads=threads)
    finite = np.isfinite(found[1][:, 1])
    if not finite.any() or seen.after.shape[1] < 2:
        return None
    lengths = np.where(finite, found[1][:, 1] - found[1][:, 0], -1.0)
    try:
        cycle = found.cycle(1, int(lengths.argmax()))
    except InputError:  # the bars of weighted filtrations have no cycles to show
        return None
    points = seen.after.astype(np.float64)
    centered = points - points.mean(axis=0)
    on_loop = points[cycle.vertices] - points[cycle.vertices].mean(axis=0)
    axes = np.linalg.svd(on_loop, full_matrices=False)[2][:2]
    coordinates = centered @ axes.T
    total = float((centered**2).sum())
    return LoopPlane(
        coordinates.astype(np.float32),
        np.asarray(cycle.edges, dtype=np.int64),
        float(cycle.birth),
        float(cycle.death),
        float(found.scale or 0.0),
        float((coordinates**2).sum()) / total if total else 0.0,
    )


def drawn_loop_plane(
    recipe: Rips, cloud: Any, null: Null, *, seed: int, index: int = 0, site: str = "", rows_table: pandas.DataFrame | None = None
) -> LoopPlane | None:
    """:func:`loop_plane` of one draw of the null: the same pipeline, the same search for a plane, and nothing to find.

    >>> import topo_interp as ti
    >>> plane = drawn_loop_plane(ti.Rips(), ti.shapes.noisy_circle(30, dim=5), ti.nulls.matched_gaussian(), seed=0)
    >>> plane.length < loop_plane(ti.Rips(), ti.shapes.noisy_circle(30, dim=5)).length
    True

    Args:
        recipe, cloud: as for :func:`loop_plane`.
        null, seed: as for :func:`topo_interp.significance`.
        index: of the draw; 0, the first one, is chosen before anything was looked at.
        site: of the cloud, for nulls whose draws differ between sites.
        rows_table: the row table, where the null reads columns of it.
    """
    clouds, table = check_rows(cloud, rows_table, null, (recipe,))
    ((_, (drawn,), _),) = Pipeline((), null, seed).drawn(index, {site: clouds}, table)
    return loop_plane(recipe, drawn)
