"""A store in two halves: one to explore, one that is sealed until it is opened once, and the log of what was tried."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from topo_interp._arguments import share_number, whole_number
from topo_interp._errors import InputError, SealError
from topo_interp._words import counted
from topo_interp.point_cloud import PointCloud

if TYPE_CHECKING:
    import pandas

    from topo_interp.activations.store import ActivationStore

__all__ = ["Split", "split", "split_of"]

_COLUMNS = ("half", "site", "recipe", "summary", "null", "draws", "seed", "p_value", "p_adjusted")

# Which split a cloud was read from, so that a test of the cloud alone is in the log too.
_SPLITS: weakref.WeakKeyDictionary[PointCloud, Split] = weakref.WeakKeyDictionary()


class Split(Mapping[str, PointCloud]):
    """A mapping from sites to the clouds of the explored half, made by :meth:`ActivationStore.split`.

    Its log has what tests, profiles, tracks, diffs, :func:`detectable`, :func:`zigzag`, :func:`match_cycles` and :func:`prevalence`
    computed of these clouds; what :func:`compare` computes, and what is computed by hand, as ``ti.Rips()(halves["ring"])``, it does not
    have.

    >>> import topo_interp as ti
    >>> halves = ti.store_from_arrays({"ring": ti.shapes.circle(40)}).split(confirm=0.5, seed=0)
    >>> halves["ring"].points.shape, halves.opened
    ((20, 2), False)
    """

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __init__(self, explored: ActivationStore, sealed: ActivationStore, journal: _Journal) -> None:
        self._explored = explored
        self._sealed = sealed
        self._journal = journal

    def __getitem__(self, site: str) -> PointCloud:
        cloud = self._explored[site]
        _SPLITS[cloud] = self
        return cloud

    def __iter__(self) -> Iterator[str]:
        return iter(self._explored)

    def __len__(self) -> int:
        return len(self._explored)

    def __repr__(self) -> str:
        state = "opened" if self.opened else "sealed"
        rows = len(self._explored.rows), len(self._sealed.rows)
        return f"Split({rows[0]} rows to explore, {rows[1]} {state}; {counted(self.explored, 'test')} tried)"

    @property
    def rows(self) -> pandas.DataFrame:
        """The row table of the explored half."""
        return self._explored.rows

    @property
    def info(self) -> Mapping[str, Any]:
        """How the store was made."""
        return self._explored.info

    @property
    def log(self) -> str:
        """The file of the log, "" where it lives in memory."""
        return "" if self._journal.path is None else str(self._journal.path)

    @property
    def opened(self) -> bool:
        """Whether the sealed half has been opened."""
        return any(entry["event"] == "opened" for entry in self._journal.entries)

    @property
    def explored(self) -> int:
        """How many tests were run on the explored half."""
        return sum(entry["event"] == "explored" and entry["p_value"] is not None for entry in self._journal.entries)

    def tried(self) -> pandas.DataFrame:
        """The log: one row per test on either half, and per recipe that was looked at without one, in their order."""
        import pandas

        rows = [[entry.get(name) for name in _COLUMNS] for entry in self._journal.entries if "p_value" in entry]
        return pandas.DataFrame(rows, columns=list(_COLUMNS))

    def note(self, entry: Mapping[str, Any]) -> None:
        """Write one line into the log; nothing is ever taken out of it."""
        self._journal.add(dict(entry))

    def stand_in(self, site: str) -> tuple[PointCloud, pandas.DataFrame]:
        """Explored points in the place of the sealed rows of a site, with their row table: to rehearse a test that reads nothing sealed.

        Where there are more sealed rows than explored ones, points are used again with a little noise.
        """
        explored, labels = self._explored[site], self._sealed.rows
        points = np.resize(np.asarray(explored, dtype=np.float64), (len(labels), explored.shape[1]))
        again = np.arange(len(labels)) >= len(explored)
        points[again] += 0.01 * points.std(axis=0) * np.random.default_rng(0).standard_normal((again.sum(), points.shape[1]))
        points = points.astype(np.asarray(explored).dtype, copy=False)
        return dataclasses.replace(explored, points=points, rows=labels.index.to_numpy()), labels

    def open_sealed(self, claims: list[dict[str, Any]]) -> ActivationStore:
        """The sealed half, once: the log says from now on that it has been opened, and for which claims.

        Raises:
            SealError: it has been opened before.
        """
        if not self._journal.add({"event": "opened", "claims": claims}, once=True):
            raise SealError(
                "the sealed rows have been opened before; a second look is no confirmation: capture new rows, or report this "
                "result as exploratory"
            )
        return self._sealed


def split_of(cloud: Any) -> Split | None:
    """The split that a cloud was read from; None of other clouds, and of new ones made of its points."""
    return _SPLITS.get(cloud) if isinstance(cloud, PointCloud) else None


def split(
    store: ActivationStore, confirm: float, *, seed: int, by: str | None, log: str | os.PathLike[str] | None
) -> Split:
    """What :meth:`ActivationStore.split` does."""
    table = store.rows
    if by is None and len(store.groups) > 1:
        names = ", ".join(map(repr, store.groups))
        raise InputError(
            f"rows share values of {names}; rows of both halves would share some: say whose values stay together, e.g. "
            f"by={store.groups[0]!r}"
        )
    share_number(confirm, "confirm")
    seed = whole_number(seed, "seed", 0)
    column = by if by is not None else (store.groups[0] if store.groups else None)
    if column is not None and column not in table:
        raise InputError(f"by is {column!r}, which is no column of the rows; columns: {', '.join(map(str, table.columns))}")
    keys = table.index.to_numpy() if column is None else table[column].to_numpy()
    units, codes = np.unique(keys.astype(str), return_inverse=True)
    order = np.argsort([hashlib.sha256(f"{seed}\0{unit}".encode()).hexdigest() for unit in units])
    count = round(confirm * len(units))
    if not 0 < count < len(units):
        what = "rows" if column is None else f"values of {column!r}"
        raise InputError(f"{len(units)} {what} with confirm={confirm} leave one half empty; more are needed")
    sealed = np.isin(codes, order[:count])
    about = {"event": "split", "store": store.digest(), "confirm": confirm, "seed": seed, "by": column}
    if log is None and store.path is not None:
        log = store.path.with_name(f"{store.path.name}.split.jsonl")
    journal = _Journal(None if log is None else Path(log), about)
    return Split(store.select(~sealed), store.select(sealed), journal)


class _Journal:
    """Entries in memory, or in a file of JSON lines that several splits and processes may share; entries are only ever added."""

    def __init__(self, path: Path | None, about: dict[str, Any]) -> None:
        self.path = path
        self._about = about
        self._kept: list[dict[str, Any]] = []  # where there is no file
        self._known = 0
        if not self.entries:
            self.add(about, once=True)

    @property
    def entries(self) -> list[dict[str, Any]]:
        """What the log holds now: another process may have added to it."""
        if self.path is None:
            return self._kept
        with _usable(self.path):
            text = self.path.read_bytes() if self.path.exists() else b""
        return self._entries_of(self.path, text)

    def add(self, entry: dict[str, Any], *, once: bool = False) -> bool:
        """Whether the entry was added: with ``once`` it is not where there is one of the same event."""
        if self.path is None:
            added = not (once and _among(entry, self._kept))
            self._kept += [entry] if added else []
            return added
        with _usable(self.path), self.path.open("a+b") as stream:
            _lock(stream)
            stream.seek(0)
            text = stream.read()
            entries = self._entries_of(self.path, text)  # refuses the log of another split
            if once and _among(entry, entries):
                return False
            _mend(stream, text)
            stream.write(_line(entry))
            stream.flush()
            os.fsync(stream.fileno())
        return True

    def _entries_of(self, path: Path, text: bytes) -> list[dict[str, Any]]:
        entries = _entries(path, text)
        if entries[:1] != [self._about] and not _line(self._about).startswith(text):
            raise SealError(f"{path} is the log of another split; give another file name, or the same store, seed and shares")
        if len(entries) < self._known:
            raise SealError(f"{path} has lost entries: {self._known} were there, now {len(entries)}; restore the file")
        self._known = len(entries)
        return entries


def _among(entry: dict[str, Any], entries: list[dict[str, Any]]) -> bool:
    return any(old["event"] == entry["event"] for old in entries)


def _lock(stream: IO[bytes]) -> None:
    """Keep others from writing until the file is closed; Windows and some network folders have no such lock."""
    with contextlib.suppress(ImportError, OSError):
        import fcntl

        fcntl.flock(stream, fcntl.LOCK_EX)


def _line(entry: dict[str, Any]) -> bytes:
    return (json.dumps(entry, sort_keys=True, allow_nan=False) + "\n").encode()


@contextlib.contextmanager
def _usable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"the log {path} of what was tried can not be read and written ({error.strerror or error}): give log='...', a file in a "
            "folder that can be written"
        ) from error


def _entries(path: Path, text: bytes) -> list[dict[str, Any]]:
    """The lines of a log, without a last one whose writing was interrupted."""
    *lines, last = text.split(b"\n")
    entries = [_entry(line) for line in lines]
    if None in entries:
        raise InputError(
            f"line {entries.index(None) + 1} of {path} is no entry of a log: restore the file, or give another one, log='...'"
        )
    return [entry for entry in (*entries, _entry(last)) if entry is not None]


def _entry(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) and "event" in entry else None


def _mend(stream: IO[bytes], text: bytes) -> None:
    """End the file with a whole line, so that the next entry is none's continuation."""
    last = text[text.rfind(b"\n") + 1 :]
    if _entry(last) is not None:
        stream.write(b"\n")
    else:
        stream.truncate(len(text) - len(last))
