"""Nulls that permute: labels, or the pairing of clouds."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from topo_interp._errors import InputError
from topo_interp.inference._nulls.base import Draw, Null
from topo_interp.inference._nulls.columns import levels_of, names_of, several, table_of

if TYPE_CHECKING:
    import pandas

__all__ = ["PermutedLabels", "PermutedPairing", "permuted_labels", "permuted_pairing"]

@dataclasses.dataclass(frozen=True)
class PermutedLabels(Null, kind="permuted_labels"):
    """See :func:`permuted_labels`."""

    by: str
    within: tuple[str, ...] = ()
    unit: str = "rows"

    changes_points = False
    changes_pairs = False

    def __post_init__(self) -> None:
        if not isinstance(self.by, str) or not self.by:
            raise InputError(f"by is {self.by!r}; the name of one row-table column is needed")
        object.__setattr__(self, "within", names_of(self.within, "within"))
        if self.unit not in ("rows", "levels"):
            raise InputError(f"unit is {self.unit!r}; 'rows' permutes the labels of rows, 'levels' the names of the classes")
        if self.unit == "levels" and self.within:
            raise InputError("unit='levels' permutes whole classes, so that within= has no meaning; leave it out")

    def prepare(self, n: int, rng: np.random.Generator, rows_table: pandas.DataFrame | None = None) -> Draw:
        table = table_of(rows_table, n, self.columns(), f"permuted_labels({self.by!r})")
        labels = table[self.by].to_numpy()
        if self.unit == "levels":
            levels, codes = np.unique(labels, return_inverse=True)
            several(levels, self.by)
            return _Relabeled(self.by, levels[rng.permutation(len(levels))][codes])
        several(np.unique(labels), self.by)
        index = np.arange(n)
        blocks = levels_of(table, ":".join(self.within)) if self.within else np.zeros(n, dtype=int)
        for block in np.unique(blocks):
            members = np.flatnonzero(blocks == block)
            index[members] = members[rng.permutation(len(members))]
        return _Relabeled(self.by, labels[index])

    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.by, *self.within)))

    def covers(self, groups: Sequence[str]) -> bool:
        return self.unit == "levels" or set(groups) <= {self.by, *self.within}

    def instead(self, groups: Sequence[str]) -> str:
        within = dict.fromkeys((*self.within, *(name for name in groups if name != self.by)))
        return f"ti.nulls.permuted_labels({self.by!r}, within=[{', '.join(map(repr, within))}])"


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
    >>> import topo_interp as ti
    >>> rows = pandas.DataFrame({"template": ["a", "a", "b", "b"], "word": ["x", "y", "z", "w"]})
    >>> draw = permuted_labels("word", within="template").prepare(4, ti.nulls.draw_rng(0, 1), rows)
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
    return PermutedLabels(by, names_of(within, "within"), unit)


@dataclasses.dataclass(frozen=True)
class PermutedPairing(Null, kind="permuted_pairing"):
    """See :func:`permuted_pairing`."""

    changes_points = False

    def prepare(self, n: int, rng: np.random.Generator, rows_table: pandas.DataFrame | None = None) -> Draw:
        return _Paired(rng.permutation(n), int(rng.integers(2**63)))

    def instead(self, groups: Sequence[str]) -> str:
        return ""


@dataclasses.dataclass(frozen=True, eq=False)
class _Paired(Draw):
    second: np.ndarray
    key: int

    def points(self, points: np.ndarray, *, site: str = "", member: int = 0) -> np.ndarray:
        if member == 0:
            return points
        if member == 1:
            return points[self.second]
        # One permutation for all would leave these clouds paired with each other.
        return points[np.random.default_rng([self.key, member]).permutation(len(self.second))]


def permuted_pairing() -> PermutedPairing:
    """The rows of every cloud but the first in a random order of its own, for paired comparisons: is it the pairing that matters?

    Give :func:`significance` a pair of clouds and a recipe of such a pair, or :func:`topo_interp.zigzag` any number of clouds.

    >>> import topo_interp as ti
    >>> x = np.arange(4.0)[:, None]
    >>> draw = permuted_pairing().prepare(4, ti.nulls.draw_rng(0, 0))
    >>> draw.points(x, member=0).ravel().tolist(), draw.points(x, member=1).ravel().tolist()
    ([0.0, 1.0, 2.0, 3.0], [2.0, 0.0, 1.0, 3.0])
    """
    return PermutedPairing()
