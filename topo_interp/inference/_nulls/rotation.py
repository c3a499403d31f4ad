"""The rotation null: Gaussian noise with the mean and the covariance of the sample, in the strata of a design."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from topo_interp.inference._nulls.base import Draw, Null
from topo_interp.inference._nulls.columns import levels_of, names_of, table_of
from topo_interp.inference.rotations import Strata, draw_rotation, plain_rotation, rotate_rows

if TYPE_CHECKING:
    import pandas

__all__ = ["MatchedGaussian", "matched_gaussian"]

@dataclasses.dataclass(frozen=True)
class MatchedGaussian(Null, kind="matched_gaussian"):
    """See :func:`matched_gaussian`."""

    within: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "within", names_of(self.within, "within"))

    def prepare(self, n: int, rng: np.random.Generator, rows_table: pandas.DataFrame | None = None) -> Draw:
        return _Rotated(draw_rotation(self._strata(n, rows_table), rng) if self.within else plain_rotation(n, rng))

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
        table = table_of(rows_table, n, self.columns(), "matched_gaussian(within=...)")
        return _strata_of(n, *((name, levels_of(table, name).tobytes()) for name in self.within))


@functools.lru_cache(maxsize=4)
def _strata_of(n: int, *factors: tuple[str, bytes]) -> Strata:
    """The bases are the same in every draw, and cost more than the draw."""
    return Strata.of(n, [(name, np.frombuffer(levels, dtype=np.intp)) for name, levels in factors])


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
    on randomly initialized networks of rectified units. :func:`reinitialized` is the null that is right for them, and where there
    is no model to initialize anew, :func:`matched_neighbors` makes few such claims.

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

    >>> import numpy as np, topo_interp as ti
    >>> x = np.random.default_rng(0).normal(size=(20, 3))
    >>> y = matched_gaussian().draw(x, ti.nulls.draw_rng(0, 0))
    >>> bool(np.allclose(np.cov(x.T), np.cov(y.T))), bool(np.allclose(x, y))
    (True, False)

    Cost: O(n^2 (n + d)) a draw.
    """
    return MatchedGaussian(names_of(within, "within"))
