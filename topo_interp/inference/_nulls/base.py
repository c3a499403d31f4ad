"""What every null is: a frozen value whose draws are fixed by (seed, index)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp._errors import InputError
from topo_interp._value import Value
from topo_interp.arrays import as_points

if TYPE_CHECKING:
    import pandas

__all__ = ["Draw", "Null", "draw_rng"]

# numpy pads a seed with zeros: default_rng(5) and default_rng([5, 0]) are one stream. With a word of its own in front, no draw
# shares its numbers with data that were made by default_rng(seed).
_STREAM = 0x6E756C6C


def draw_rng(seed: int, index: int) -> np.random.Generator:
    """The random numbers of one draw; they do not depend on the draws before it or on who computes it.

    They are another stream than ``default_rng(seed)``, so that the seed of the data may be used again for the test.

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
    return np.random.default_rng([_STREAM, seed, index])


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
    # Whether a draw is made of the points that it is given; where it is not, all clouds of one shape have the same draws.
    reads_points = True
    # Whether a draw changes a single cloud without its labels; where it does not, p would be 1 by construction.
    changes_points = True
    # The same of a pair of clouds.
    changes_pairs = True

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
        names, call = ", ".join(map(repr, groups)), self.instead(groups)
        use = f"use null={call} (points without their store also need rows_table=store.rows), or " if call else ""
        raise InputError(
            f"rows that share a value of {names} are not independent (a product design has loops by construction), and the "
            f"null {self.kind!r} takes them as independent: {use}take one row per group, e.g. store.means({groups[0]!r})"
        )

    def instead(self, groups: Sequence[str]) -> str:
        """The call that makes a null of the same kind of question and keeps the dependence within these groups, "" if there is none."""
        return f"ti.nulls.matched_gaussian(within=[{', '.join(map(repr, groups))}])"

    def notes(self, n: int, rows_table: pandas.DataFrame | None) -> tuple[str, ...]:
        """Sentences that belong beside every p-value from this null."""
        return ()
