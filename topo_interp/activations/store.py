"""Activations of many sites over one shared table of rows, in memory or sealed on disk."""

from __future__ import annotations

import difflib
import functools
import html
import os
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp._errors import InputError, SealError
from topo_interp._words import counted
from topo_interp.activations.encoding import decode
from topo_interp.activations.files import StoreFolder, check_file, read_manifest, shard_sha256
from topo_interp.activations.group_means import GroupMeans, Projection, Residuals, Rows
from topo_interp.activations.row_choice import (
    group_codes,
    is_constant,
    named_columns,
    orthonormal,
    positions_of,
    positions_where,
)
from topo_interp.activations.row_table import finish_store, read_rows, store_digest
from topo_interp.activations.sources import Derived, Shard, Source
from topo_interp.activations.split import Split, split
from topo_interp.point_cloud import PointCloud, remember_stored

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["ActivationStore", "open_store"]


class MissingSiteError(InputError, KeyError):
    """The store has no such site; also a KeyError, so that the mapping's methods work."""

    __str__ = Exception.__str__  # KeyError would print the repr of the message


class ActivationStore(Mapping[str, PointCloud]):
    """A mapping from sites (module paths, verbatim) to point clouds that share one table of rows.

    Row i of every cloud is row i of :attr:`rows`, and ``cloud.rows`` is the table's index, so that
    ``store.rows.loc[cloud.rows]`` says which observation each point is. :meth:`select`, :meth:`means`, :meth:`without` and
    :meth:`project` give stores again; they compute a site when it is asked for.

    Stores come from :func:`capture`, :func:`open_store` and :func:`store_from_arrays`, not from this constructor.

    >>> import topo_interp as ti
    >>> store = ti.store_from_arrays({"a": [[0.0, 1.0], [2.0, 3.0], [4.0, 8.0]]}, {"label": ["x", "x", "y"]})
    >>> store
    ActivationStore(1 site, 3 rows; rows: item, label)
    >>> store.means(by="label")["a"].points
    array([[1., 2.],
           [4., 8.]])
    """

    # Two stores are compared by what they hold: digest().
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __init__(
        self,
        sources: Mapping[str, Source],
        rows: DataFrame | Callable[[], DataFrame],
        *,
        factors: Sequence[str] = (),
        info: Mapping[str, Any] | None = None,
        path: Path | None = None,
        count: int,
    ) -> None:
        self._sources = dict(sources)
        self._given_rows = rows  # a table, or how to read it
        self._factors = tuple(factors)
        self._info = dict(info or {})
        self._path = path
        self._count = count
        self._clouds: weakref.WeakValueDictionary[str, PointCloud] = weakref.WeakValueDictionary()

    def __getstate__(self) -> dict[str, Any]:
        # For worker processes: how to get the points, never the clouds in use.
        return {**self.__dict__, "_clouds": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._clouds = weakref.WeakValueDictionary()

    # A mapping of sites

    def __getitem__(self, site: str) -> PointCloud:
        cloud = self._clouds.get(site)
        if cloud is None:
            stored, dtype, offset = self._source(site).stored()
            points = decode(stored, dtype, offset)
            cloud = PointCloud(points, rows=self._rows.index.to_numpy(), site=site, groups=self.groups)
            remember_stored(cloud, stored, offset)
            self._clouds[site] = cloud
        return cloud

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)

    def __contains__(self, site: object) -> bool:
        return site in self._sources

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites in the order of the forward pass."""
        return tuple(self._sources)

    def shape(self, site: str) -> tuple[int, int]:
        """(rows, coordinates) of a site, without reading its points."""
        return self._source(site).shape

    def stored(self, site: str) -> tuple[np.ndarray, str, np.ndarray | None]:
        """The array as it is stored, its dtype's name, and the offset that was subtracted (None unless 16 bits).

        ``store[site].points`` is the array itself for float32 and float64, and ``float32(stored) + offset`` for 16 bits;
        bfloat16 is given as its bits (uint16).
        """
        return self._source(site).stored()

    def _source(self, site: str) -> Source:
        if site not in self._sources:
            near = (
                difflib.get_close_matches(str(site), self._sources, n=3, cutoff=0.3)
                or list(self._sources)[:3]
            )
            raise MissingSiteError(
                f"the store has no site {site!r}; nearest: {', '.join(map(repr, near))}; see store.sites"
            )
        return self._sources[site]

    # The rows

    @functools.cached_property
    def _rows(self) -> DataFrame:
        return self._given_rows() if callable(self._given_rows) else self._given_rows

    @property
    def rows(self) -> DataFrame:
        """The row table (a copy): item, sequence, position, token (where known) and the label columns."""
        return self._rows.copy()

    @functools.cached_property
    def groups(self) -> tuple[str, ...]:
        """Columns in which rows share values and are therefore not independent (sequence or item, and declared factors)."""
        base = "sequence" if "sequence" in self._rows else "item"
        names = dict.fromkeys(name for name in (base, *self._factors) if name in self._rows)
        return tuple(name for name in names if self._rows[name].duplicated().any())

    @property
    def path(self) -> Path | None:
        """The folder of a store that was opened from disk; None in memory and for derived stores."""
        return self._path

    @property
    def info(self) -> Mapping[str, Any]:
        """How the store was made: model, row selector, dtype, sites left out with the reason, operations since."""
        return MappingProxyType(self._info)

    @property
    def left_out(self) -> Mapping[str, str]:
        """Modules that the patterns matched and that gave no rows, with the reason."""
        return MappingProxyType(self._info.get("left_out", {}))

    # New stores

    def select(self, rows: str | np.ndarray | Sequence[bool] | Sequence[int]) -> ActivationStore:
        """The rows for which a query holds (``DataFrame.query``; ``@name`` is the caller's variable), or chosen by a
        boolean mask or by positions.

        >>> import topo_interp as ti
        >>> store = ti.store_from_arrays({"a": [[0.0], [1.0], [2.0]]}, {"label": ["March", "May", "March"]})
        >>> store.select("label == 'March'")["a"].points.ravel()
        array([0., 2.])

        Raises:
            InputError: no row is left, or the query names no column.
        """
        table = self._rows
        if isinstance(rows, str):
            index, name = positions_where(table, rows, level=1), rows
        else:
            index = positions_of(np.asarray(rows), len(table))
            name = f"{len(index)} of {len(table)} rows"
        if len(index) == 0:
            raise InputError(f"select({rows!r}) leaves none of the {len(table)} rows; see store.rows")
        picked = table.iloc[index]
        return self._derive(Rows(index), picked, f"select({name})", lambda shape: (len(index), shape[1]))

    def means(self, by: str | Sequence[str]) -> ActivationStore:
        """One row for each group: the mean of its rows. Groups come in the order of their first row.

        The new row table has the columns of ``by``, each column that is constant within every group, and ``count``.
        """
        columns = named_columns(self._rows, by, "means")
        codes, first = group_codes(self._rows, columns)
        table = self._rows.iloc[first].reset_index(drop=True)
        constant = [
            name for name in self._rows.columns if name in columns or is_constant(self._rows[name], codes, first)
        ]
        table = table[constant].assign(count=np.bincount(codes))
        function = GroupMeans(codes, len(first))
        return self._derive(
            function, table, f"means({', '.join(columns)})", lambda shape: (len(first), shape[1])
        )

    def without(self, by: str | Sequence[str]) -> ActivationStore:
        """Rows minus the means of their groups; for several columns, minus one additive effect of each.

        The effects are fitted together by least squares, so every group mean of every column is zero afterwards, also when
        the design is not balanced. Cost for several columns: the cube of the number of their levels.
        """
        columns = named_columns(self._rows, by, "without")
        pairs = [group_codes(self._rows, [name]) for name in columns]
        function = Residuals(tuple(codes for codes, _ in pairs), tuple(len(first) for _, first in pairs))
        return self._derive(function, self._rows, f"without({', '.join(columns)})", lambda shape: shape)

    def project(self, basis: np.ndarray | Mapping[str, np.ndarray]) -> ActivationStore:
        """Coordinates in an orthonormal basis.

        Args:
            basis: array (k, d) with orthonormal rows for all sites, or one for each of some sites (the others are dropped).

        Raises:
            InputError: the rows are not orthonormal (distances would be distorted), or the widths differ.
        """
        chosen = basis if isinstance(basis, Mapping) else dict.fromkeys(self._sources, basis)
        sources: dict[str, Source] = {}
        for site, rows in chosen.items():
            source = self._source(site)
            matrix = orthonormal(rows, source.shape[1], site)
            sources[site] = Derived(source, Projection(matrix), (source.shape[0], len(matrix)))
        return self._with(sources, self._rows, "project")

    def split(
        self, confirm: float = 0.5, *, seed: int = 0, by: str | None = None, log: str | os.PathLike[str] | None = None
    ) -> Split:
        """The rows in two halves: one to explore, one that is sealed until :func:`topo_interp.confirm` opens it once.

        Which half a row belongs to is decided by a hash of its identity and the seed, so it is fixed from the capture on and
        no result can move it. Rows that share a group (an item, a sequence, a template) stay together. The result is a
        mapping from sites to the clouds of the explored half: ``ti.profile(halves, ...)`` writes what was tried into its log.

        >>> import topo_interp as ti
        >>> store = ti.store_from_arrays({"ring": ti.shapes.circle(40)})
        >>> store.split(confirm=0.5, seed=0)
        Split(20 rows to explore, 20 sealed; 0 tests tried)

        Args:
            confirm: share of the groups that are sealed.
            seed: another seed gives another split, which is a new store of tests: choose it before looking.
            by: the row-table column whose values stay together; needed when rows are grouped by several columns.
            log: file (JSON lines) that remembers what was tried and whether the sealed half was opened, also in the next
                session. By default it stands beside a store on disk (``run.acts.split.jsonl``), which then has this one split; the
                log of a store in memory lives as long as the split.

        Raises:
            InputError: rows are grouped by several columns and ``by`` is not given; a half would be empty; the log can not be
                written, or a line of it is no entry (a last line whose writing was interrupted is left out).
            SealError: the log belongs to another store or another split.
        """
        return split(self, confirm, seed=seed, by=by, log=log)

    def _derive(
        self,
        function: Callable[[np.ndarray], np.ndarray],
        table: DataFrame,
        step: str,
        shape: Callable[[tuple[int, int]], tuple[int, int]],
    ) -> ActivationStore:
        sources = {
            site: Derived(source, function, shape(source.shape)) for site, source in self._sources.items()
        }
        return self._with(sources, table, step)

    def _with(self, sources: Mapping[str, Source], table: DataFrame, step: str) -> ActivationStore:
        info = {**self._info, "steps": [*self._info.get("steps", ()), step]}
        return ActivationStore(sources, table, factors=self._factors, info=info, count=len(table))

    # Disk

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the store to a new folder; it appears under its name only when it is whole."""
        with StoreFolder(path) as folder:
            for site, source in self._sources.items():
                array, dtype, offset = source.stored()
                PointCloud(decode(array, dtype, offset), site=site)  # refuses what is not finite
                folder.shard(site, dtype, source.shape[1], offset).append(array)
            finish_store(folder, self._rows, self._factors, self._info)
        return Path(path)

    def verify(self) -> None:
        """Hash every file of a store on disk and compare with the seals.

        Raises:
            SealError: names every file that is missing or changed.
        """
        if self._path is None:
            return
        manifest = read_manifest(self._path)
        bad = []
        for entry in (*manifest["sites"].values(), manifest["rows"]):
            try:
                check_file(self._path / entry["file"], entry["sha256"])
            except SealError:
                bad.append(entry["file"])
        if bad:
            raise SealError(
                f"{self._path}: changed since it was sealed: {', '.join(bad)}; restore them or capture again"
            )

    def digest(self) -> str:
        """SHA-256 (first 16 hexadecimal digits) of the sites with their points, the row table and the factors.

        The same in memory and on disk.
        """
        if self._path is not None:
            return read_manifest(self._path)["digest"]
        shards = {}
        for site, source in self._sources.items():
            array, dtype, offset = source.stored()
            shards[site] = shard_sha256(site, dtype, array, offset)
        return store_digest(shards, self._rows, self._factors)

    # Display

    def __repr__(self) -> str:
        place = f", {str(self._path)!r}" if self._path else ""
        if len(self._rows.columns) > 8:
            columns = ", ".join(map(str, self._rows.columns[:7])) + ", ..."
        else:
            columns = ", ".join(map(str, self._rows.columns))
        left = f"; {len(self.left_out)} modules left out" if self.left_out else ""
        return f"ActivationStore({counted(len(self), 'site')}, {counted(self._count, 'row')}{place}; rows: {columns}{left})"

    def _repr_html_(self) -> str:
        lines = "".join(
            f"<tr><td><code>{html.escape(site)}</code></td><td>{shape[0]} &times; {shape[1]}</td></tr>"
            for site, shape in ((site, source.shape) for site, source in list(self._sources.items())[:40])
        )
        more = f"<p>and {len(self) - 40} more</p>" if len(self) > 40 else ""
        return f"<p>{html.escape(repr(self))}</p><table><tr><th>site</th><th>shape</th></tr>{lines}</table>{more}"


def open_store(path: str | os.PathLike[str]) -> ActivationStore:
    """The store in a folder, memory-mapped. A file's bytes are compared with the seal when they are first read.

    >>> import tempfile
    >>> import topo_interp as ti
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = ti.store_from_arrays({"a": [[0.0, 1.0], [2.0, 3.0]]}).save(f"{folder}/run.acts")
    ...     open_store(path)["a"].points
    array([[0., 1.],
           [2., 3.]])

    Args:
        path: the folder that ``save`` or ``capture(out=...)`` made.

    Raises:
        InputError: there is no such folder.
        SealError: the store was cut off or changed; the message names the file. ``store.verify()`` checks all bytes.
    """
    path = Path(path)
    manifest = read_manifest(path)
    sources: dict[str, Source] = {
        site: Shard(
            path / entry["file"], entry["dtype"], tuple(entry["shape"]), entry["offset"], entry["sha256"]
        )
        for site, entry in manifest["sites"].items()
    }
    entry = manifest["rows"]
    rows = functools.partial(read_rows, path / entry["file"], entry["sha256"])
    return ActivationStore(
        sources, rows, factors=manifest["groups"], info=manifest["info"], path=path, count=entry["count"]
    )
