"""Persistence diagrams: the bars of all degrees in one value, with what is known about their error."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp._arguments import is_whole, real_number, whole_number
from topo_interp._errors import InputError
from topo_interp._words import counted
from topo_interp.certificate import Certificate
from topo_interp.point_cloud import group_names

if TYPE_CHECKING:
    import pandas

    from topo_interp.geometry.spanning_tree import SpanningTree
    from topo_interp.homology.cycles import Cocycle, Cycle

__all__ = ["Diagrams", "same_bars"]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Diagrams:
    """All bars of a filtration, in the canonical order (dim, birth, death).

    Bars of zero length are never part of it. A bar without an end has ``death = inf`` and is either *essential*
    (it never dies) or *censored* (the threshold cut the filtration before it could die); the two are told apart.

    Attributes:
        birth: float64 array (bars,).
        death: float64 array (bars,); ``inf`` for an open bar.
        dim: int64 array (bars,): degree of homology.
        max_dim: highest degree that was computed; the degrees ``0 .. max_dim`` without bars are empty, not unknown.
        censored_at: filtration value at which a threshold cut, None when the filtration is whole.
        certificate: how far the bars can be from the true ones.
        scale: median distance of the points, which makes scale-free summaries possible; None when it is not known.
        n: number of points, None when it is not known.
        metric: name of the metric, "" when it is not known.
        groups: row-table columns in which points share values and are therefore not independent.
        provenance: what an engine left behind for cycles and cocycles; never saved, never compared.

    >>> d = Diagrams.from_bars([[(0, 1), (0, math.inf)], [(1, 2.5)]], scale=2.0)
    >>> d[1]
    array([[1. , 2.5]])
    >>> d
    Diagrams(H0: 2 bars, H1: 1 bar)
    """

    birth: np.ndarray
    death: np.ndarray
    dim: np.ndarray
    max_dim: int
    censored_at: float | None = None
    certificate: Certificate = dataclasses.field(default_factory=Certificate)
    scale: float | None = None
    n: int | None = None
    metric: str = ""
    groups: tuple[str, ...] = ()
    provenance: Any = dataclasses.field(default=None, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "max_dim", whole_number(self.max_dim, "max_dim", 0, why="the highest degree"))
        birth, death = (_numbers(column, name) for column, name in ((self.birth, "birth"), (self.death, "death")))
        dim = _numbers(self.dim, "dim")
        if not (np.isfinite(dim).all() and (dim == np.round(dim)).all()):
            raise InputError("dim holds something else than integers; it is the degree of each bar, 0 for a component, 1 for a loop")
        dim = dim.astype(np.int64)
        if not (birth.ndim == 1 and birth.shape == death.shape == dim.shape):
            raise InputError(
                f"birth, death and dim have shapes {birth.shape}, {death.shape}, {dim.shape}; three arrays of one "
                "axis and one length are needed (or one list of bars per degree: Diagrams.from_bars)"
            )
        if not (np.isfinite(birth) & (death > birth)).all():
            bad = int(np.flatnonzero(~(np.isfinite(birth) & (death > birth)))[0])
            raise InputError(
                f"bar {bad} is ({birth[bad]}, {death[bad]}); a birth is finite and a death is larger than it "
                "(Diagrams.from_bars drops the bars of zero length)"
            )
        if dim.size and not 0 <= dim.min() <= dim.max() <= self.max_dim:
            raise InputError(f"the bars have degrees {dim.min()} to {dim.max()}; they lie in 0 .. max_dim = {self.max_dim}")
        if self.censored_at is not None:
            real_number(self.censored_at, "censored_at", -math.inf, why="the threshold, or None when nothing was cut")
        if self.scale is not None:
            real_number(self.scale, "scale", why="the median distance, or None when that is not known")
        if self.n is not None:
            object.__setattr__(self, "n", whole_number(self.n, "n", 1, why="the number of points, or None when that is not known"))
        if not isinstance(self.certificate, Certificate):
            raise InputError(f"certificate is a {type(self.certificate).__name__}; a ti.Certificate is needed, or none at all")
        object.__setattr__(self, "groups", group_names(self.groups))
        order = np.lexsort((death, birth, dim))
        for name, column in (("birth", birth), ("death", death), ("dim", dim)):
            column = column[order]
            column.flags.writeable = False
            object.__setattr__(self, name, column)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "provenance": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name in ("birth", "death", "dim"):  # pickling an array forgets that it is read-only
            state[name].flags.writeable = False
        self.__dict__.update(state)

    @classmethod
    def from_bars(cls, bars: Sequence[Any], **fields: Any) -> Diagrams:
        """Diagrams from one ``(bars, 2)`` array per degree; bars of zero length are dropped.

        Args:
            bars: ``bars[k]`` holds the pairs (birth, death) of degree k; ``inf`` marks an open bar.
            **fields: the other attributes (``censored_at``, ``certificate``, ``scale``, ``n``, ``metric``).
        """
        if not isinstance(bars, (Sequence, np.ndarray)) or isinstance(bars, str):
            raise InputError(f"bars is a {type(bars).__name__}; one list of pairs (birth, death) for each degree is needed")
        if len(bars) == 0:
            raise InputError("no degree was given; at least the bars of degree 0 are needed (an empty list will do)")
        arrays = [_pairs(pairs, k) for k, pairs in enumerate(bars)]
        dim = np.repeat(np.arange(len(arrays)), [len(pairs) for pairs in arrays])
        pairs = np.concatenate(arrays)
        keep = pairs[:, 0] != pairs[:, 1]
        return cls(pairs[keep, 0], pairs[keep, 1], dim[keep], fields.pop("max_dim", len(arrays) - 1), **fields)

    def __len__(self) -> int:
        return len(self.birth)

    __iter__ = None  # by degrees or by bars? Degrees are d[0], d[1]; bars are rows of d.to_frame()

    def __getitem__(self, dim: int) -> np.ndarray:
        """The bars of one degree: a read-only float64 array ``(bars, 2)`` of births and deaths."""
        where = self._where(dim)
        pairs = np.column_stack((self.birth[where], self.death[where]))
        pairs.flags.writeable = False
        return pairs

    def _where(self, dim: int) -> slice:
        if not is_whole(dim):
            raise InputError(f"a degree is an integer, not {dim!r}; d[1] are the loops")
        if not 0 <= dim <= self.max_dim:
            raise InputError(
                f"degree {dim} was not computed; here are 0 .. {self.max_dim}: compute it with ti.Rips(max_dim={dim})"
                if dim > self.max_dim
                else f"degree {dim} is negative; degrees start at 0"
            )
        return slice(*np.searchsorted(self.dim, [dim, dim + 1]))

    def finite(self, dim: int) -> np.ndarray:
        """The bars of one degree that end: a read-only array ``(bars, 2)``."""
        pairs = self[dim]
        pairs = pairs[np.isfinite(pairs[:, 1])]
        pairs.flags.writeable = False
        return pairs

    def open(self, dim: int) -> np.ndarray:
        """Boolean mask over ``d[dim]`` of the bars without an end, essential or censored."""
        return np.isinf(self.death[self._where(dim)])

    def censored(self, dim: int) -> np.ndarray:
        """Boolean mask over ``d[dim]`` of the bars that the threshold cut.

        A filtration of n points ends in a cone, so that exactly one bar of degree 0 is essential: the first open one
        in the canonical order (the others of its birth differ from it in name only). All other open bars are censored
        where a threshold cut.
        """
        mask = self.open(dim)
        if self.censored_at is None:
            return np.zeros_like(mask)
        if dim == 0 and mask.any():
            mask[np.argmax(mask)] = False
        return mask

    def essential(self, dim: int) -> np.ndarray:
        """Boolean mask over ``d[dim]`` of the bars that never die."""
        return self.open(dim) & ~self.censored(dim)

    def bounds(self, dim: int) -> pandas.DataFrame:
        """What the certificate proves about each bar of a degree, in the order of ``self[dim]``.

        A certified bar (longer than down + up) is matched by one in the diagram of all given rows, whose birth lies in
        [birth_low, birth_high] and whose death in [death_low, death_high]; its persistence is at least persistence_low. A bar
        that is not certified is not denied: nothing is known about it, and its intervals are NaN. In words: "in the diagram of
        these n rows, with persistence at least x". Noise has such bars too: see its p-value. That no bar is certified is a
        normal answer, and the true one for landmarks of high-dimensional noise.

        Columns: birth, death, certified, birth_low, birth_high, death_low, death_high, persistence_low.
        """
        from topo_interp.homology.bounds import bar_bounds

        return bar_bounds(self, dim)

    def cycle(self, dim: int, bar: int, *, tight: bool = False) -> Cycle:
        """A cycle that represents one bar of degree 1: it is born with the bar, and bounds at the death and no earlier.

        A representative is one of its class: other cycles around the same hole are as good, and it may run around other,
        shorter-lived holes too.

        >>> import topo_interp as ti
        >>> d = ti.Rips()([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
        >>> d.cycle(1, 0).vertices.tolist()
        [0, 1, 2, 3]

        Args:
            dim: 1.
            bar: number of the bar, as in ``d[1]``.
            tight: a short loop of the same birth, homologous to the cycle before its death, with its vertices in loop
                order; where no such loop is found (a class over Z/p need not hold one), the cycle is given as it is.
        """
        from topo_interp.homology.representatives import links_of

        return links_of(self, dim, lowest=1).cycle(bar, tight)

    def rows(self, dim: int, bar: int, *, tight: bool = False) -> np.ndarray:
        """Rows of the store (row numbers, where the points came without) on the cycle of a bar.

        Of degree 0: the two rows whose edge ends the bar, none for the bar that never ends.

        >>> import topo_interp as ti
        >>> d = ti.Rips()([[0.0], [1.0], [3.0]])
        >>> [d.rows(0, bar).tolist() for bar in range(3)]
        [[0, 1], [1, 2], []]

        Args:
            dim: 0 or 1.
            bar: number of the bar, as in ``d[dim]``.
            tight: of degree 1, see :meth:`cycle`.
        """
        from topo_interp.homology.representatives import rows_of

        return rows_of(self, dim, bar, tight)

    def cocycle(self, dim: int, bar: int, *, at: float | None = None) -> Cocycle:
        """A cocycle of one bar of degree 1: zero around every triangle of the complex at ``at``, nonzero on the bar's cycle.

        Args:
            dim: 1.
            bar: number of the bar, as in ``d[1]``.
            at: filtration value in [birth, death); None for just below the death (or the cut).

        Cost: one pass over the edges up to ``at``.
        """
        from topo_interp.homology.representatives import links_of

        return links_of(self, dim, lowest=1).cocycle(bar, at)

    def merge_tree(self) -> SpanningTree:
        """The merges of degree 0: ``.linkage()`` for scipy's dendrograms, ``.to_networkx()`` for a graph.

        >>> import topo_interp as ti
        >>> ti.Rips()([[0.0], [1.0], [3.0]]).merge_tree().linkage()
        array([[0., 1., 1., 2.],
               [2., 3., 2., 3.]])
        """
        from topo_interp.homology.representatives import merge_tree_of

        return merge_tree_of(self)

    def __repr__(self) -> str:
        counts = [np.count_nonzero(self.dim == k) for k in range(self.max_dim + 1)]
        parts = ", ".join(f"H{k}: {counted(count, 'bar')}" for k, count in enumerate(counts))
        cut = "" if self.censored_at is None else f"; cut at {self.censored_at:.4g}"
        return f"Diagrams({parts}{cut})"

    def _repr_html_(self) -> str:
        from html import escape

        rows = []
        for k in range(self.max_dim + 1):
            pairs = self.finite(k)
            longest = f"{np.max(pairs[:, 1] - pairs[:, 0]):.4g}" if len(pairs) else "-"
            cells = (f"H{k}", len(self[k]), longest, int(self.essential(k).sum()), int(self.censored(k).sum()))
            rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
        head = "".join(f"<th>{name}</th>" for name in ("degree", "bars", "longest finite", "essential", "censored"))
        return f"<table><tr>{head}</tr>{''.join(rows)}</table><p>{escape(self.certificate.explain())}</p>"

    def to_frame(self) -> pandas.DataFrame:
        """One row per bar: dim, birth, death, persistence, open ("", "essential" or "censored").

        >>> Diagrams.from_bars([[(0, 1), (0, math.inf)]]).to_frame()
           dim  birth  death  persistence       open
        0    0    0.0    1.0          1.0           
        1    0    0.0    inf          inf  essential
        """
        import pandas

        word = np.full(len(self), "", dtype=object)
        for k in range(self.max_dim + 1):
            word[self._where(k)] = np.where(self.censored(k), "censored", np.where(self.open(k), "essential", ""))
        columns = {"dim": self.dim, "birth": self.birth, "death": self.death, "persistence": self.death - self.birth}
        return pandas.DataFrame({**columns, "open": word})

    def to_gudhi(self) -> list[tuple[int, tuple[float, float]]]:
        """gudhi's list of ``(dim, (birth, death))``; open bars have death ``inf``, as gudhi's have.

        >>> Diagrams.from_bars([[(0, 1), (0, math.inf)]]).to_gudhi()
        [(0, (0.0, 1.0)), (0, (0.0, inf))]
        """
        columns = zip(self.dim.tolist(), self.birth.tolist(), self.death.tolist(), strict=True)
        return [(dim, (birth, death)) for dim, birth, death in columns]

    def to_giotto(self, *, open_death: float | None = None) -> np.ndarray:
        """giotto-tda's array ``(1, bars, 3)`` of birth, death and degree, for its transformers.

        As giotto-tda does by default, homology is reduced: the essential bar of degree 0 is left out. A degree without
        bars gets one padding row (0, 0, degree), so that it is not forgotten.

        Args:
            open_death: the death to write for censored bars, for instance ``d.censored_at``; without it, censored bars
                are an error, because giotto-tda has no way of saying that a bar was cut.
        """
        from topo_interp.homology.interop import giotto_array

        return giotto_array(self, open_death)

    @classmethod
    def from_giotto(cls, array: Any, *, reduced: bool = True) -> Diagrams:
        """Diagrams from one giotto-tda array ``(1, bars, 3)`` (or ``(bars, 3)``); padding rows are dropped.

        Nothing is known about the error of foreign bars, and the certificate says so.

        Args:
            array: births, deaths and degrees; for a collection give one sample, ``array[i]``.
            reduced: True (giotto-tda's default) puts back the essential bar of degree 0 that giotto-tda leaves out.
        """
        from topo_interp.homology.interop import diagrams_of_giotto

        return diagrams_of_giotto(cls, array, reduced)

    def save(self, path: str | Path) -> None:
        """Writes the bars and the certificate; the suffix chooses ``.npz`` or ``.safetensors``."""
        from topo_interp.homology._files import save_diagrams

        save_diagrams(self, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> Diagrams:
        """The diagrams written by :meth:`save`; never unpickles."""
        from topo_interp.homology._files import load_diagrams

        return load_diagrams(Path(path))


def same_bars(a: Diagrams, b: Diagrams) -> bool:
    """Whether two diagrams have the same bars in every degree, as multisets of pairs, bit for bit.

    Births and deaths are compared together: {(0, 5), (1, 2)} and {(0, 2), (1, 5)} differ.

    >>> one = Diagrams.from_bars([[(0, 5), (1, 2)]])
    >>> same_bars(one, Diagrams.from_bars([[(1, 2), (0, 5)]])), same_bars(one, Diagrams.from_bars([[(0, 2), (1, 5)]]))
    (True, False)

    Args:
        a, b: the diagrams.

    Raises:
        InputError: not Diagrams.
    """
    for name, diagrams in (("a", a), ("b", b)):
        if not isinstance(diagrams, Diagrams):
            raise InputError(f"{name} is a {type(diagrams).__name__}; ti.Diagrams are needed, such as ti.Diagrams.from_bars(...)")
    return a.max_dim == b.max_dim and Counter(a.to_gudhi()) == Counter(b.to_gudhi())


def _numbers(column: Any, name: str) -> np.ndarray:
    """A column as float64; anything that is not real numbers is refused."""
    array = np.asarray(column)
    if array.size and array.dtype.kind not in "biuf":
        raise InputError(f"{name} has dtype {array.dtype}; an array of real numbers is needed")
    return array.astype(np.float64)


def _pairs(pairs: Any, dim: int) -> np.ndarray:
    try:
        array = np.asarray(pairs)
    except ValueError as error:
        raise InputError(f"the bars of degree {dim} are no array ({error}); pairs (birth, death) are needed") from None
    if array.size == 0:
        return np.empty((0, 2))
    if array.ndim != 2 or array.shape[1] != 2:
        raise InputError(f"the bars of degree {dim} have shape {array.shape}; (bars, 2) is needed: pairs (birth, death)")
    return _numbers(array, f"degree {dim}")
