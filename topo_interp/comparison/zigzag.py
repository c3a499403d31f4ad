"""Zigzag persistence along layers or steps: which components and loops of neighbor graphs of the same rows last from one to the next."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp._arguments import is_whole, real_number, whole_number
from topo_interp._errors import BudgetError, InputError
from topo_interp._memory import free_bytes, parse_bytes, readable
from topo_interp._rows import same_rows
from topo_interp._value import Value
from topo_interp._words import counted
from topo_interp.arrays import as_points
from topo_interp.geometry.distance_matrix import DistanceMatrix
from topo_interp.geometry.distance_recipe import Distances
from topo_interp.geometry.neighbors import knn_graph, radius_graph
from topo_interp.homology.flag_complex import FlagComplex, flag_complex, triangle_count
from topo_interp.homology.zigzag_module import HomologyBasis, intervals_of
from topo_interp.inference.estimate import monte_carlo_p
from topo_interp.inference.nulls import Null, draw_rng
from topo_interp.inference.trial_log import note_looks

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NeighborGraphs", "Zigzag", "zigzag"]


@dataclasses.dataclass(frozen=True)
class NeighborGraphs(Value, kind="neighbor_graphs"):
    """Which rows are neighbors, and through what the complexes of two clouds are joined: a recipe for :func:`zigzag`.

    >>> NeighborGraphs(k=10).through
    'intersections'

    Args:
        k: join every row with its k nearest (an edge where either is among the nearest of the other); or
        radius: join rows within this share of the cloud's median distance. One of the two.
        through: "intersections" (a feature lasts on simplices that both clouds have) or "unions".
        distances: the distances of a cloud, after preprocessing.
    """

    k: int | None = None
    radius: float | None = None
    through: str = "intersections"
    distances: Distances = dataclasses.field(default_factory=Distances)

    def __post_init__(self) -> None:
        if (self.k is None) == (self.radius is None):
            raise InputError(f"k is {self.k!r} and radius {self.radius!r}; give one of them, such as k=10")
        if self.k is not None:
            object.__setattr__(self, "k", whole_number(self.k, "k, the number of neighbors,", 1))
        else:
            object.__setattr__(self, "radius", real_number(self.radius, "radius, in median distances,", above=True))
        if self.through not in ("intersections", "unions"):
            raise InputError(f"through is {self.through!r}; it is 'intersections' or 'unions'")
        if not isinstance(self.distances, Distances):
            raise InputError(f"distances is {self.distances!r}; a recipe such as ti.Distances('chordal') is needed")

    def pairs(self, cloud: Any) -> np.ndarray:
        """The edges of one cloud: (m, 2), in no order and perhaps twice."""
        matrix = cloud if isinstance(cloud, DistanceMatrix) else self.distances(cloud)
        if self.k is not None:
            graph = knn_graph(matrix, self.k)
            return np.column_stack((np.repeat(np.arange(graph.n), graph.k), graph.indices.ravel()))
        within = radius_graph(matrix, float(self.radius or 0.0) * matrix.median())
        rows = np.repeat(np.arange(within.n), np.diff(within.indptr))
        once = rows < within.indices
        return np.column_stack((rows[once], within.indices[once]))


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Zigzag:
    """What :func:`zigzag` found.

    The spaces are numbered 0, 1, 2, ...: even ones are the clouds, odd ones what joins a cloud with the next.

    Attributes:
        steps: the steps or layers, in order.
        dim, first, last: int64 arrays (intervals,): degree, and the first and last space in which it lives.
        edges, triangles: int64 arrays (spaces,): sizes of the complexes.
        recipe: the neighbor graphs.
        null_counts: int64 array (draws, 2, steps, steps): :meth:`similarity` of each draw, by degree; None without a null.
        null: the null, None without.
        seed: of the draws.
    """

    steps: tuple[Hashable, ...]
    dim: np.ndarray
    first: np.ndarray
    last: np.ndarray
    edges: np.ndarray
    triangles: np.ndarray
    recipe: NeighborGraphs
    null_counts: np.ndarray | None = None
    null: Null | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        for name in ("dim", "first", "last", "edges", "triangles", "null_counts"):
            array = getattr(self, name)
            if array is not None:
                array = np.asarray(array, dtype=np.int64).view()
                array.flags.writeable = False
                object.__setattr__(self, name, array)

    def similarity(self, dim: int) -> np.ndarray:
        """Persistence similarity S: how many features of a degree live in all spaces from step i to step j, int64 (steps, steps).

        The diagonal holds the Betti numbers; ``S / S.diagonal()`` is the share of a step's features that it keeps with another.
        Features that live only between two clouds count nowhere.
        """
        if not is_whole(dim) or dim not in (0, 1):
            raise InputError(f"dim is {dim!r}; a zigzag has degrees 0 (components) and 1 (loops)")
        return _similarity(self.first[self.dim == dim], self.last[self.dim == dim], len(self.steps))

    def similarity_frame(self, dim: int) -> pd.DataFrame:
        """One row per two steps i <= j: step, other, count (the similarity), share (of the features of the step with fewer) and,
        with a null, null_mean, null_sd and p_value (of so many or more; this test alone).
        """
        import pandas as pd

        found = self.similarity(dim)
        i, j = np.triu_indices(len(self.steps))
        betti = found.diagonal()
        frame = pd.DataFrame(
            {
                "step": [self.steps[k] for k in i],
                "other": [self.steps[k] for k in j],
                "count": found[i, j],
                "share": np.divide(found[i, j], np.minimum(betti[i], betti[j]), out=np.full(len(i), np.nan), where=betti[i] * betti[j] > 0),
            }
        )
        if self.null_counts is None:
            return frame
        drawn = self.null_counts[:, dim, i, j]
        exceeding = (drawn >= found[i, j]).sum(axis=0)
        return frame.assign(
            null_mean=drawn.mean(axis=0),
            null_sd=drawn.std(axis=0, ddof=1) if len(drawn) > 1 else np.nan,
            p_value=[monte_carlo_p(int(count), len(drawn)) for count in exceeding],
        )

    def to_frame(self) -> pd.DataFrame:
        """One row per interval: dim, birth and death (first and last step that have it, None for one that lives only between
        two steps), steps (how many have it), first and last (numbers of the spaces)."""
        import pandas as pd

        born, ended = (self.first + 1) // 2, self.last // 2
        length = ended - born + 1
        return pd.DataFrame(
            {
                "dim": self.dim,
                "birth": pd.Series([self.steps[a] if m else None for a, m in zip(born, length, strict=True)], dtype=object),
                "death": pd.Series([self.steps[b] if m else None for b, m in zip(ended, length, strict=True)], dtype=object),
                "steps": length,
                "first": self.first,
                "last": self.last,
            }
        )

    def __repr__(self) -> str:
        counts = [int((self.dim == k).sum()) for k in (0, 1)]
        return f"Zigzag({counted(len(self.steps), 'step')}, H0: {counted(counts[0], 'interval')}, H1: {counted(counts[1], 'interval')})"


def zigzag(
    clouds: Mapping[Hashable, Any],
    recipe: NeighborGraphs,
    *,
    null: Null | None = None,
    draws: int = 19,
    seed: int = 0,
    rows_table: pd.DataFrame | None = None,
    memory: int | str | None = None,
) -> Zigzag:
    """Zigzag persistence of the neighbor graphs of the same rows along layers or steps, in degrees 0 and 1 over Z/2.

    Each cloud gives the flag complex K of its neighbor graph (up to triangles, which is what H1 needs). Through intersections the
    zigzag is ``K_0 > K_0 & K_1 < K_1 > K_1 & K_2 < ...``, through unions ``K_0 < K_0 | K_1 > K_1 < ...`` with the simplices of
    either. Its homology is a sum of intervals, each a component or a loop that lasts from one space to another.

    A neighbor graph of fixed k is combinatorial: a small change of the points can change it, so that no stability theorem holds
    and there is no certificate. What chance gives is therefore shown beside the counts: ``null`` re-runs everything on drawn
    clouds, one draw for all steps. ``ti.nulls.matched_gaussian()`` keeps the mean and the covariances within and between the
    clouds and destroys all else; ``ti.nulls.permuted_pairing()`` keeps each cloud and destroys which row is which (the first
    cloud stays, each of the others is permuted by itself).

    >>> import numpy as np, topo_interp as ti
    >>> ring, line = ti.shapes.circle(12), np.c_[np.arange(12.0), np.zeros(12)]
    >>> found = ti.zigzag({"a": ring, "b": 2 * ring, "c": line}, ti.NeighborGraphs(k=2))
    >>> found.similarity(1)
    array([[1, 1, 0],
           [1, 1, 0],
           [0, 0, 0]])
    >>> found.to_frame().query("dim == 1")[["birth", "death", "steps"]].values.tolist()
    [['a', 'b', 2]]

    Args:
        clouds: step or layer -> cloud, in order: arrays, PointClouds or DistanceMatrices of the same rows; an ActivationStore is
            such a mapping of its layers.
        recipe: the neighbor graphs.
        null: a value from ``ti.nulls``; None for none. It draws points, so that DistanceMatrices can not have one.
        draws: of the null.
        seed: of the draws.
        rows_table: where the null reads columns of it.
        memory: budget in bytes or as text ("4GB"); None for half of what is free.

    Raises:
        InputError: fewer than two clouds, different rows, or a null that can not be drawn.
        BudgetError: a complex has more simplices than the budget holds.

    Cost: per space a reduction of its triangles, near linear in practice and cubic at worst, with up to (edges)^2 / 8 bytes; then
    linear algebra of the size of the Betti numbers. ``draws`` times that for a null.

    Sources: Carlsson and de Silva, Zigzag persistence (2010); for layers: Gardinazzi et al., Persistent topological features in
    large language models, ICML 2025 (arXiv:2410.11042), who take k-nearest-neighbor graphs and intersections.
    """
    if not isinstance(recipe, NeighborGraphs):
        raise InputError(f"zigzag needs ti.NeighborGraphs(k=10) or ti.NeighborGraphs(radius=0.3); this is a {type(recipe).__name__}")
    n = same_rows(clouds, "zigzag")
    draws, seed = whole_number(draws, "draws", 1), whole_number(seed, "seed", 0)
    if null is not None:
        _check_null(clouds, null)
    budget = free_bytes() // 2 if memory is None else parse_bytes(memory)
    intervals, edges, triangles = _intervals(list(clouds.values()), n, recipe, budget)
    note_looks(clouds.values(), recipe)
    found = Zigzag(tuple(clouds), *intervals.T, edges, triangles, recipe)
    if null is None:
        return found
    drawn = _null_counts(clouds, n, recipe, null, draws, seed, rows_table, budget)
    return dataclasses.replace(found, null_counts=drawn, null=null, seed=seed)


def _check_null(clouds: Mapping[Hashable, Any], null: Any) -> None:
    if not isinstance(null, Null) or not null.joint:
        raise InputError(f"null is {null!r}; a null that draws all steps together is needed, such as ti.nulls.matched_gaussian()")
    if not null.changes_pairs:
        raise InputError(f"{null.kind} does not change the points, so that every draw would equal the data: use ti.nulls.permuted_pairing()")
    if any(isinstance(cloud, DistanceMatrix) for cloud in clouds.values()):
        raise InputError("a null draws points, and a DistanceMatrix has none: give the points, or null=None")
    for cloud in clouds.values():
        null.refuse_groups(getattr(cloud, "groups", ()))


def _null_counts(
    clouds: Mapping[Hashable, Any],
    n: int,
    recipe: NeighborGraphs,
    null: Null,
    draws: int,
    seed: int,
    rows_table: pd.DataFrame | None,
    budget: int,
) -> np.ndarray:
    table = rows_table if rows_table is not None else getattr(clouds, "rows", None)
    out = np.empty((draws, 2, len(clouds), len(clouds)), dtype=np.int64)
    for index in range(draws):
        draw = null.prepare(n, draw_rng(seed, index), table)
        drawn = [draw.points(as_points(cloud), site=str(step), member=k) for k, (step, cloud) in enumerate(clouds.items())]
        intervals, *_ = _intervals(drawn, n, recipe, budget)
        for dim in (0, 1):
            of_dim = intervals[intervals[:, 0] == dim]
            out[index, dim] = _similarity(of_dim[:, 1], of_dim[:, 2], len(clouds))
    return out


def _intervals(
    clouds: Sequence[Any], n: int, recipe: NeighborGraphs, budget: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(dim, first, last) of the intervals, and the sizes of the spaces."""
    maps: dict[int, list[tuple[bool, list[int]]]] = {0: [], 1: []}
    bases: dict[int, list[HomologyBasis]] = {0: [], 1: []}
    sizes: list[tuple[int, int]] = []
    before: FlagComplex | None = None
    outward = recipe.through == "unions"
    for cloud in clouds:
        pairs = recipe.pairs(cloud)
        _check_budget(pairs, n, 2 if outward else 1, budget)
        here = flag_complex(pairs, n)
        spaces = [here] if before is None else [before | here if outward else before & here, here]
        for space in spaces:
            joins = space is not here
            sizes.append((len(space.edges), len(space.triangles)))
            for dim in (0, 1):
                basis = HomologyBasis(space, dim)
                if bases[dim]:
                    # Into a union and out of an intersection.
                    forward = joins == outward
                    last = bases[dim][-1]
                    maps[dim].append((forward, last.image_in(basis) if forward else basis.image_in(last)))
                    last.forget()
                bases[dim].append(basis)
        before = here
    rows = [
        (dim, first, last)
        for dim in (0, 1)
        for first, last in intervals_of([len(basis) for basis in bases[dim]], maps[dim])
    ]
    counts = np.array(sizes, dtype=np.int64)
    return np.array(rows, dtype=np.int64).reshape(-1, 3), counts[:, 0], counts[:, 1]


def _similarity(first: np.ndarray, last: np.ndarray, steps: int) -> np.ndarray:
    at = 2 * np.arange(steps)
    low, high = np.minimum(at[:, None], at), np.maximum(at[:, None], at)
    covers = (first <= low[..., None]) & (high[..., None] <= last)
    return covers.sum(axis=-1)


def _check_budget(pairs: np.ndarray, n: int, times: int, budget: int) -> None:
    """An edge is a bit of every column, and there are at most as many columns as edges; a triangle stands in a few arrays."""
    edges, triangles = times * len(pairs), times * triangle_count(pairs, n)
    needed = edges * (edges // 8 + 100) + 200 * triangles
    if needed > budget:
        raise BudgetError(
            f"the neighbor graph of {n} rows has up to {edges} edges and {triangles} triangles, which may need {readable(needed)}, over "
            f"the budget of {readable(budget)}: take fewer rows, a smaller k or radius, or raise memory="
        )
