"""A search over planes, with the same search in every draw of the null."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp._arguments import whole_number
from topo_interp._errors import InputError
from topo_interp.arrays import as_points
from topo_interp.certificate import Certificate
from topo_interp.geometry.steps import pca
from topo_interp.inference.multiple import max_t
from topo_interp.inference.nulls import Null
from topo_interp.inference.pipeline import Observed, Pipeline, Stage, check_rows, run_draws
from topo_interp.inference.trial_log import note_test

if TYPE_CHECKING:
    import pandas

__all__ = ["PlaneSearch", "search_planes"]

# A cluster of fewer rows has no loop worth the name; its statistic counts as 0 in the data and in every draw.
_SMALLEST_CLUSTER = 8


@dataclasses.dataclass(frozen=True, eq=False)
class PlaneSearch:
    """The result of :func:`search_planes`.

    Attributes:
        table: one row per plane: plane, value, null_mean, null_sd, p_value (this plane alone, as if it had been the only one),
            p_max_t (adjusted for the whole search), the best first.
        best: name of the plane with the smallest adjusted p-value.
        p_value: its adjusted p-value: that of the search as a whole.
        planes: how many were searched.
        draws, seed: as given.
        null: the null.
    """

    table: pandas.DataFrame
    best: str
    p_value: float
    planes: int
    draws: int
    seed: int
    null: Null

    def explain(self) -> str:
        """One sentence on the search."""
        return (
            f"The best of {self.planes} planes is {self.best}; the same search in {self.draws} draws of {self.null!r} gave as "
            f"much or more in {self.p_value * (1 + self.draws) - 1:.0f}: p = {self.p_value:.3g} for the search as a whole."
        )


def search_planes(
    cloud: Any,
    recipe: Callable[..., Any],
    summary: Callable[[Any], float],
    *,
    null: Null,
    components: int = 4,
    sizes: Sequence[int] = (2, 3),
    clusters: int | None = None,
    heads: int | None = None,
    draws: int = 99,
    seed: int,
    rows_table: pandas.DataFrame | None = None,
    n_jobs: int = 1,
    progress: bool = False,
) -> PlaneSearch:
    """The statistic in many planes, and the maximum over the same search in every draw of the null.

    Looking at many planes and reporting the best one finds loops in noise. Here every plane's statistic is studentized by its
    own null, and the maximum over planes is compared with the maximum over planes of every draw (:func:`max_t`).

    >>> import topo_interp as ti
    >>> x, loops, null = ti.shapes.noisy_circle(30, dim=4), ti.max_persistence(dim=1), ti.nulls.matched_gaussian()
    >>> found = search_planes(x, ti.Rips(), loops, null=null, components=3, sizes=(2,), draws=19, seed=0)
    >>> found.best, found.planes, found.p_value
    ('components 1, 2', 3, 0.05)

    Args:
        cloud, recipe, summary, null, draws, seed, rows_table, n_jobs, progress: as for :func:`significance`; ``recipe`` is given
            the coordinates in each plane (and, where it reads labels, the rows of the table that they are of).
        components: planes are spanned by pairs (triples) of this many first principal components.
        sizes: 2 for pairs, 3 for triples.
        clusters: also the first components of each of this many k-means clusters, largest first; found anew in each draw.
        heads: also the first components of each of this many equal blocks of coordinates (attention heads).

    Raises:
        InputError: a pair of clouds, sizes other than 2 and 3, more components, clusters or heads than there are; and
            what :func:`significance` raises.

    Cost: ``draws + 1`` runs of the recipe per plane.
    """
    search = _Planes(components, tuple(sizes) if isinstance(sizes, Iterable) else (sizes,), clusters, heads)
    pipeline = _SearchPipeline(search, Pipeline((Stage(recipe, (summary,)),), null, seed))
    clouds, table = check_rows(cloud, rows_table, null, (recipe,))
    if len(clouds) > 1:
        raise InputError("a pair of clouds was given; planes are searched in one cloud")
    search.check(*np.shape(as_points(clouds[0])))
    observed = pipeline.observe(clouds[0], table)
    values = [one.value for one in observed.values()]
    null_values = run_draws(pipeline, {"": clouds}, table, draws, n_jobs, progress)
    result = max_t(values, null_values, [one.rounding for one in observed.values()])

    import pandas

    frame = pandas.DataFrame(
        {
            "plane": list(observed),
            "value": values,
            "null_mean": result.null_mean,
            "null_sd": result.null_sd,
            "p_value": result.unadjusted,
            "p_max_t": result.p_values,
        }
    ).iloc[np.argsort(-result.t, kind="stable")]
    frame = frame.reset_index(drop=True)
    found = PlaneSearch(frame, frame["plane"][0], float(frame["p_max_t"][0]), len(frame), draws, pipeline.one.seed, null)
    note_test(clouds, "", recipe, summary, null, draws, seed, float(frame["p_value"][0]), found.p_value)
    return found


@dataclasses.dataclass(frozen=True)
class _Planes:
    components: int
    sizes: tuple[int, ...]
    clusters: int | None
    heads: int | None

    def check(self, n: int, d: int) -> None:
        whole_number(self.components, "components", 2)
        for name in ("clusters", "heads"):
            if getattr(self, name) is not None:
                whole_number(getattr(self, name), name, 1)
        if not self.sizes or not set(self.sizes) <= {2, 3}:
            raise InputError(f"sizes is {self.sizes!r}; 2 for pairs of components, 3 for triples")
        if not max(self.sizes) <= self.components <= min(n - 1, d):
            raise InputError(
                f"components is {self.components}; between {max(self.sizes)} and {min(n - 1, d)} are possible for {n} x {d} points"
            )
        if self.heads is not None and (self.heads < 1 or d % self.heads or d // self.heads < max(self.sizes)):
            raise InputError(
                f"heads is {self.heads}; a divisor of the {d} coordinates is needed that leaves {max(self.sizes)} or more each"
            )
        if self.clusters is not None and not 2 <= self.clusters <= n // _SMALLEST_CLUSTER:
            raise InputError(f"clusters is {self.clusters}; between 2 and {n // _SMALLEST_CLUSTER} are possible for {n} rows")

    def __call__(self, points: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
        """Coordinates by plane, none for a cluster that is too small, and the rows that they are of (None for all).

        The names are the same for every cloud of this shape.
        """
        points = as_points(points).astype(np.float64, copy=False)
        scores = pca(self.components)(points)
        out: dict[str, tuple[np.ndarray, np.ndarray | None]] = {}
        for size in self.sizes:
            for chosen in itertools.combinations(range(self.components), size):
                out[f"components {', '.join(str(k + 1) for k in chosen)}"] = scores[:, chosen], None
        for head, block in enumerate(np.split(points, self.heads, axis=1) if self.heads else ()):
            for size in self.sizes:
                out[f"head {head}, first {size} components"] = pca(size)(block), None
        if self.clusters:
            for rank, members in enumerate(_clusters(points, self.clusters)):
                for size in self.sizes:
                    large = len(members) >= max(_SMALLEST_CLUSTER, size + 1)
                    plane = pca(size)(points[members]) if large else np.empty((0, size))
                    out[f"cluster {rank + 1}, first {size} components"] = plane, members
        return out


@dataclasses.dataclass(frozen=True)
class _SearchPipeline:
    """A pipeline of one test, which every plane of a cloud goes through by itself."""

    search: _Planes
    one: Pipeline

    def observe(self, cloud: Any, table: pandas.DataFrame | None, where: str = "", threads: int | None = None) -> dict[str, Observed]:
        found = {}
        for name, (coordinates, rows) in self.search(cloud).items():
            if len(coordinates) == 0:
                found[name] = Observed(0.0, Certificate())
                continue
            labels = table if table is None or rows is None else table.iloc[rows]
            found[name] = self.one.observe((coordinates,), labels, name, where, threads)[0]
        return found

    def draw(self, index: int, sites: Any, table: Any, threads: int | None = None) -> np.ndarray:
        ((_, (drawn,), labels),) = self.one.drawn(index, sites, table)
        observed = self.observe(drawn, labels, f" in draw {index} of the null", threads)
        return np.array([one.value for one in observed.values()])


def _clusters(points: np.ndarray, k: int) -> list[np.ndarray]:
    """Members of the k-means clusters, largest first (ties by the first member)."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # sums over threads are not reproducible
        labels = KMeans(k, n_init=4, random_state=0).fit_predict(points)
    members = [np.flatnonzero(labels == label) for label in range(k)]
    return sorted(members, key=lambda rows: (-len(rows), rows[0] if len(rows) else math.inf))
