"""Null hypotheses as values: each draws a cloud in which, by construction, there is nothing to find.

A null goes through the same pipeline as the data: centering, steps, metric, graph, plane search and persistence are run
anew on every draw. A draw is fixed by (seed, index), so that all sites, degrees, metrics and steps of a report see the
same draw and the dependence between them is kept.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp._errors import InputError
from topo_interp._value import Value
from topo_interp.arrays import as_points
from topo_interp.inference.rotations import Strata, draw_rotation, rotate_rows

if TYPE_CHECKING:
    import pandas

__all__ = [
    "Draw",
    "Null",
    "draw_rng",
    "matched_gaussian",
    "permuted_labels",
    "permuted_pairing",
    "reinitialized",
    "shuffled_columns",
    "uniform_on_sphere",
]


def draw_rng(seed: int, index: int) -> np.random.Generator:
    """The random numbers of one draw; they do not depend on the draws before it or on who computes it.

    >>> bool((draw_rng(0, 3).random(4) == draw_rng(0, 3).random(4)).all()), bool(draw_rng(0, 3).random() == draw_rng(0, 4).random())
    (True, False)

    Args:
        seed: integer >= 0, of the test.
        index: integer >= 0, of the draw.

    Raises:
        InputError: one of them is negative.
    """
    if seed < 0 or index < 0:
        raise InputError(f"seed {seed} and index {index} are given; both are integers >= 0")
    return np.random.default_rng([seed, index])


class Draw:
    """One draw of a null for clouds of the same n rows: what it does to points and to the row table.

    Made by ``null.prepare``; see :func:`permuted_pairing` for an example.
    """

    def points(self, points: np.ndarray, *, site: str = "", member: int = 0) -> np.ndarray:
        """The drawn points of one site; ``member`` is the place of the cloud in a paired comparison."""
        return points

    def table(self, table: pandas.DataFrame) -> pandas.DataFrame:
        """The drawn row table."""
        return table


@dataclasses.dataclass(frozen=True)
class Null(Value):
    """Base of the nulls.

    See :func:`matched_gaussian` and the others for what they are, and :func:`topo_interp.significance` for what they are for.
    """

    # Whether one draw is the same transformation at all sites, which keeps the dependence between them.
    joint = True
    # Whether a draw changes a single cloud without its labels; where it does not, p would be 1 by construction.
    changes_points = True

    def prepare(self, n: int, rng: np.random.Generator, rows_table: pandas.DataFrame | None = None) -> Draw:
        """The draw that these random numbers give for n rows."""
        raise NotImplementedError

    def draw(self, points: Any, rng: np.random.Generator, rows_table: pandas.DataFrame | None = None) -> np.ndarray:
        """Points ``(n, d)`` drawn from the null, of the dtype of ``as_points(points)``."""
        checked = as_points(points, name="points")
        return self.prepare(len(checked), rng, rows_table).points(checked).astype(checked.dtype, copy=False)

    def columns(self) -> tuple[str, ...]:
        """Names of the row-table columns that the null reads."""
        return ()

    def covers(self, groups: Sequence[str]) -> bool:
        """Whether the null keeps the dependence of rows that share a value in these columns."""
        return not groups

    def refuse_groups(self, groups: Sequence[str]) -> None:
        """An error with the sentence to type, unless the null covers the groups."""
        if self.covers(groups):
            return
        names = ", ".join(map(repr, groups))
        raise InputError(
            f"rows that share a value of {names} are not independent (a product design has loops by construction), and the "
            f"null {self.kind!r} takes them as independent: use null=ti.nulls.matched_gaussian(within=[{names}]) with "
            f"rows_table=store.rows, or take one row per group, e.g. store.means({groups[0]!r})"
        )

    def notes(self, n: int, rows_table: pandas.DataFrame | None) -> tuple[str, ...]:
        """Sentences that belong beside every p-value from this null."""
        return ()


# ------------------------------------------------------------------------------------------------------ rotations


@dataclasses.dataclass(frozen=True)
class MatchedGaussian(Null, kind="matched_gaussian"):
    """See :func:`matched_gaussian`."""

    within: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "within", _names(self.within, "within"))

    def prepare(self, n: int, rng: np.random.Generator, rows_table: pandas.DataFrame | None = None) -> Draw:
        return _Rotated(draw_rotation(self._strata(n, rows_table), rng))

    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(part for name in self.within for part in name.split(":")))

    def covers(self, groups: Sequence[str]) -> bool:
        return set(groups) <= set(self.within)

    def notes(self, n: int, rows_table: pandas.DataFrame | None) -> tuple[str, ...]:
        if not self.within or self._strata(n, rows_table).balanced:
            return ()
        return (
            "The design is not balanced: the factors were split off in the order of within= (sequential sums of "
            + "squares), and the p-value is exact only where the factors have no effect, approximate elsewhere.",
        )

    def _strata(self, n: int, rows_table: pandas.DataFrame | None) -> Strata:
        if not self.within:
            return _plain_strata(n)
        table = _table(rows_table, n, self.columns(), "matched_gaussian(within=...)")
        factors = [(name, _levels(table, name)) for name in self.within]
        return Strata.of(n, factors)


@functools.lru_cache(maxsize=4)
def _plain_strata(n: int) -> Strata:
    return Strata.of(n)


@dataclasses.dataclass(frozen=True, eq=False)
class _Rotated(Draw):
    matrix: np.ndarray

    def points(self, points: np.ndarray, *, site: str = "", member: int = 0) -> np.ndarray:
        return rotate_rows(self.matrix, points)


def matched_gaussian(within: Sequence[str] | str | None = None) -> MatchedGaussian:
    """The rotation null: Gaussian noise with exactly the mean and the covariance of the sample.

    ``X* = mean + Q (X - mean)`` with Q Haar on the orthogonal complement of the ones vector in R^n. For rows that are
    independent and Gaussian the p-value is exact for every n, d and rank. (Sampling from the sample covariance instead has
    no power when n is not much larger than d, because it fits the noise.) One Q serves all sites of a draw.

    What it can not do: rows that are far from Gaussian without having a loop (rectified units, rows on a bent surface) are
    told from its draws too, and a small p-value is then no evidence of a loop. ``benchmarks/calibrate.py noise`` measures it
    on randomly initialized networks of rectified units; :func:`reinitialized` is the null that is right for them.

    Rows are not independent in a design. With ``within`` the rows are split into the mean, the effects of each factor and
    the residual, and each part is rotated separately, so that the structure of the product stays in every draw. For a
    balanced design (crossed or nested, levels of equal size) with Gaussian effects this is exact; otherwise the factors are
    split off in their order and the result says that it is approximate.

    Args:
        within: names of row-table columns; ``"a:b"`` is the interaction of two columns, a factor of its own for designs
            with several rows per cell.

    Raises:
        InputError: when it is drawn: a column that the row table does not have.

    Source: Langsrud, Rotation tests, Statistics and Computing 15 (2005).

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(20, 3))
    >>> y = matched_gaussian().draw(x, draw_rng(0, 0))
    >>> bool(np.allclose(np.cov(x.T), np.cov(y.T))), bool(np.allclose(x, y))
    (True, False)

    Cost: O(n^2 (n + d)) a draw.
    """
    return MatchedGaussian(_names(within, "within"))


# ---------------------------------------------------------------------------------------------------- permutations


@dataclasses.dataclass(frozen=True)
class PermutedLabels(Null, kind="permuted_labels"):
    """See :func:`permuted_labels`."""

    by: str
    within: tuple[str, ...] = ()
    unit: str = "rows"

    changes_points = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "within", _names(self.within, "within"))
        if self.unit not in ("rows", "levels"):
            raise InputError(f"unit is {self.unit!r}; 'rows' permutes the labels of rows, 'levels' the names of the classes")
        if self.unit == "levels" and self.within:
            raise InputError("unit='levels' permutes whole classes, so that within= has no meaning; leave it out")

    def prepare(self, n: int, rng: np.random.Generator, rows_table: pandas.DataFrame | None = None) -> Draw:
        table = _table(rows_table, n, self.columns(), f"permuted_labels({self.by!r})")
        labels = table[self.by].to_numpy()
        if self.unit == "levels":
            levels, codes = np.unique(labels, return_inverse=True)
            _several(levels, self.by)
            return _Relabeled(self.by, levels[rng.permutation(len(levels))][codes])
        _several(np.unique(labels), self.by)
        index = np.arange(n)
        blocks = _levels(table, ":".join(self.within)) if self.within else np.zeros(n, dtype=int)
        for block in np.unique(blocks):
            members = np.flatnonzero(blocks == block)
            index[members] = members[rng.permutation(len(members))]
        return _Relabeled(self.by, labels[index])

    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.by, *self.within)))

    def covers(self, groups: Sequence[str]) -> bool:
        return self.unit == "levels" or set(groups) <= {self.by, *self.within}


@dataclasses.dataclass(frozen=True, eq=False)
class _Relabeled(Draw):
    by: str
    labels: np.ndarray

    def table(self, table: pandas.DataFrame) -> pandas.DataFrame:
        return table.assign(**{self.by: self.labels})


def permuted_labels(by: str, within: Sequence[str] | str | None = None, *, unit: str = "rows") -> PermutedLabels:
    """Labels dealt out anew, for pipelines that read labels (class means, planes through them).

    A pipeline that reads no label gives the same number in every draw; :func:`significance` refuses it.

    >>> import pandas
    >>> rows = pandas.DataFrame({"template": ["a", "a", "b", "b"], "word": ["x", "y", "z", "w"]})
    >>> draw = permuted_labels("word", within="template").prepare(4, draw_rng(0, 1), rows)
    >>> draw.table(rows)["word"].tolist()
    ['x', 'y', 'w', 'z']

    Args:
        by: the row-table column whose values are permuted.
        within: columns in whose levels the permutation stays, such as the template when the rows are templates x words.
        unit: ``"rows"`` permutes the labels of rows (the label says nothing about a row); ``"levels"`` permutes the names
            of whole classes (the classes are real, their *order* means nothing), which needs nothing of the rows.

    Raises:
        InputError: another unit, or ``within`` with whole classes; when it is drawn, a label with a single value.
    """
    return PermutedLabels(by, _names(within, "within"), unit)


@dataclasses.dataclass(frozen=True)
class PermutedPairing(Null, kind="permuted_pairing"):
    """See :func:`permuted_pairing`."""

    changes_points = False

    def prepare(self, n: int, rng: np.random.Generator, rows_table: pandas.DataFrame | None = None) -> Draw:
        return _Paired(rng.permutation(n))


@dataclasses.dataclass(frozen=True, eq=False)
class _Paired(Draw):
    index: np.ndarray

    def points(self, points: np.ndarray, *, site: str = "", member: int = 0) -> np.ndarray:
        return points[self.index] if member else points


def permuted_pairing() -> PermutedPairing:
    """The rows of the second cloud in random order, for paired comparisons: is it the pairing that matters?

    Give :func:`significance` a pair of clouds and a recipe of such a pair.

    >>> x = np.arange(4.0)[:, None]
    >>> draw = permuted_pairing().prepare(4, draw_rng(0, 0))
    >>> draw.points(x, member=0).ravel().tolist(), draw.points(x, member=1).ravel().tolist()
    ([0.0, 1.0, 2.0, 3.0], [2.0, 0.0, 1.0, 3.0])
    """
    return PermutedPairing()


# ------------------------------------------------------------------------------------------------- other destructions


@dataclasses.dataclass(frozen=True)
class ShuffledColumns(Null, kind="shuffled_columns"):
    """See :func:`shuffled_columns`."""

    basis: str = "principal"

    def __post_init__(self) -> None:
        if self.basis not in ("principal", "coordinates"):
            raise InputError(f"basis is {self.basis!r}; 'principal' shuffles principal components, 'coordinates' the columns")

    def prepare(self, n: int, rng: np.random.Generator, rows_table: pandas.DataFrame | None = None) -> Draw:
        return _Shuffled(self.basis, int(rng.integers(2**63)))


@dataclasses.dataclass(frozen=True, eq=False)
class _Shuffled(Draw):
    basis: str
    key: int

    def points(self, points: np.ndarray, *, site: str = "", member: int = 0) -> np.ndarray:
        points = np.asarray(points, dtype=np.float64)
        # The k-th column gets the same permutation at every site.
        rng = np.random.default_rng(self.key)
        if self.basis == "coordinates":
            return rng.permuted(points.T, axis=1).T
        mean = points.mean(axis=0)
        u, s, vt = np.linalg.svd(points - mean, full_matrices=False)
        return mean + rng.permuted((u * s).T, axis=1).T @ vt


def shuffled_columns(basis: str = "principal") -> ShuffledColumns:
    """Each column permuted by itself: the distribution of every column stays, what ties the columns goes.

    >>> x = np.array([[1.0, 5.0], [2.0, 6.0], [3.0, 7.0]])
    >>> shuffled_columns("coordinates").draw(x, draw_rng(0, 0)).tolist()
    [[1.0, 7.0], [3.0, 5.0], [2.0, 6.0]]

    Args:
        basis: ``"principal"`` shuffles the principal components (their variances stay, and so does the covariance up to
            sampling error), ``"coordinates"`` the columns as they are (correlations go too).

    Raises:
        InputError: another basis.

    Cost: O(n d) a draw; with principal components a singular value decomposition.
    """
    return ShuffledColumns(basis)


@dataclasses.dataclass(frozen=True)
class UniformOnSphere(Null, kind="uniform_on_sphere"):
    """See :func:`uniform_on_sphere`."""

    joint = False

    def prepare(self, n: int, rng: np.random.Generator, rows_table: pandas.DataFrame | None = None) -> Draw:
        return _Directions(int(rng.integers(2**63)))


@dataclasses.dataclass(frozen=True, eq=False)
class _Directions(Draw):
    key: int

    def points(self, points: np.ndarray, *, site: str = "", member: int = 0) -> np.ndarray:
        points = np.asarray(points, dtype=np.float64)
        directions = np.random.default_rng(self.key).standard_normal(points.shape)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        return directions * np.linalg.norm(points, axis=1, keepdims=True)


def uniform_on_sphere() -> UniformOnSphere:
    """Uniformly random directions with the norms of the rows kept, for metrics of directions (chordal, angular, cosine).

    Sites of one draw are not tied to each other, so that a max-T over sites is on the safe side (conservative) when
    the sites resemble each other.

    >>> y = uniform_on_sphere().draw([[3.0, 4.0], [0.0, 2.0]], draw_rng(0, 0))
    >>> np.linalg.norm(y, axis=1).round(9).tolist()
    [5.0, 2.0]

    Cost: O(n d) a draw.
    """
    return UniformOnSphere()


@dataclasses.dataclass(frozen=True)
class Reinitialized(Null, kind="reinitialized"):
    """See :func:`reinitialized`."""

    factory: str

    def __post_init__(self) -> None:
        _resolve(self.factory)

    def prepare(self, n: int, rng: np.random.Generator, rows_table: pandas.DataFrame | None = None) -> Draw:
        return _Recaptured(_resolve(self.factory)(int(rng.integers(2**31))), self.factory)

    def covers(self, groups: Sequence[str]) -> bool:
        return True  # the same inputs are captured again, with whatever design they have


@dataclasses.dataclass(frozen=True, eq=False)
class _Recaptured(Draw):
    captured: Any
    factory: str

    def points(self, points: np.ndarray, *, site: str = "", member: int = 0) -> np.ndarray:
        source = self.captured
        if isinstance(source, Mapping):
            if site not in source:
                raise InputError(f"{self.factory} captured {sorted(source)} and not the site {site!r}; capture the same sites")
            source = source[site]
        fresh = as_points(source, name=f"the capture of {self.factory}")
        if len(fresh) != len(points):
            raise InputError(f"{self.factory} captured {len(fresh)} rows and the cloud has {len(points)}; use the same inputs")
        return fresh


def reinitialized(factory: Any) -> Reinitialized:
    """The same capture from a model with fresh random weights: what the architecture and the inputs do by themselves.

    >>> import sys, types
    >>> module = sys.modules["my_capture"] = types.ModuleType("my_capture")  # stands for a file my_capture.py
    >>> module.fresh = lambda seed: np.random.default_rng(seed).normal(size=(3, 2))
    >>> null = reinitialized("my_capture:fresh")
    >>> null.draw(np.zeros((3, 2)), draw_rng(0, 0)).shape
    (3, 2)

    Args:
        factory: ``factory(seed)`` re-initializes the model, captures the same inputs and returns the points ``(n, d)``, or a
            mapping from site to points (a store). It must be importable, because a null is a value: give the function
            itself or ``"module:name"``.

    Raises:
        InputError: a factory that can not be imported by its name; when it is drawn, another number of rows or a missing site.

    Cost: one capture a draw.
    """
    if isinstance(factory, str):
        return Reinitialized(factory)
    name = f"{getattr(factory, '__module__', '?')}:{getattr(factory, '__qualname__', type(factory).__name__)}"
    try:
        found = _resolve(name)
    except InputError:
        found = None
    if found is not factory:
        raise InputError(
            f"the factory {name} can not be imported by its name, and a null must be storable: define it with def at the "
            "top of a module and give that function, or 'module:name'"
        )
    return Reinitialized(name)


# ------------------------------------------------------------------------------------------------------------ parts


def _resolve(name: str) -> Any:
    import importlib

    module, colon, path = str(name).partition(":")
    if not colon:
        raise InputError(f"the factory is {name!r}; 'module:name' of a function is needed")
    try:
        return functools.reduce(getattr, path.split("."), importlib.import_module(module))
    except (ImportError, AttributeError) as error:
        raise InputError(f"the factory {name!r} can not be imported ({error}); give 'module:name' of a function") from None


def _names(names: Sequence[str] | str | None, argument: str) -> tuple[str, ...]:
    names = () if names is None else (names,) if isinstance(names, str) else tuple(names)
    if len(set(names)) != len(names) or not all(isinstance(name, str) and name for name in names):
        raise InputError(f"{argument} is {names!r}; different names of row-table columns are needed")
    return names


def _several(levels: np.ndarray, by: str) -> None:
    if len(levels) < 2:
        raise InputError(f"the column {by!r} holds one value only; there is nothing to permute")


def _table(table: pandas.DataFrame | None, n: int, columns: Sequence[str], who: str) -> pandas.DataFrame:
    if table is None:
        raise InputError(f"{who} reads {', '.join(map(repr, columns))} from the row table: give rows_table=store.rows")
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise InputError(f"the row table has no column {missing[0]!r}; it has {', '.join(map(repr, table.columns))}")
    if len(table) != n:
        raise InputError(f"the row table has {len(table)} rows and the cloud {n}; give the rows of this cloud")
    return table


def _levels(table: pandas.DataFrame, name: str) -> np.ndarray:
    """Integer level of every row; ``"a:b"`` has one level per combination that occurs."""
    codes = [np.unique(table[part].to_numpy().astype(str), return_inverse=True)[1] for part in name.split(":")]
    return np.unique(np.column_stack(codes), axis=0, return_inverse=True)[1].reshape(-1)
