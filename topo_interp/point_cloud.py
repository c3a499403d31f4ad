"""Rows of activations at one site, with the memory of which observation each row is."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from topo_interp._errors import InputError
from topo_interp.arrays import as_given, require_finite, widened

__all__ = ["PointCloud"]


@dataclasses.dataclass(frozen=True, eq=False)
class PointCloud:
    """Points of one site: always two axes, finite, read-only.

    Attributes:
        points: array (n, d), float32 or float64 (or any ml_dtypes float as captured).
        rows: int64 array (n,): which observation of the store's row table each row is.
        site: module path of the site, "" if unknown.
        groups: names of the row-table columns in which rows share values (sequence, item, template): rows that share
            one are not independent. Empty when nothing is known.

    >>> PointCloud([[0.0, 1.0], [2.0, 3.0]], site="encoder.layer.0")
    PointCloud(2 x 2 float64, site='encoder.layer.0')
    """

    points: np.ndarray
    rows: np.ndarray = None  # type: ignore[assignment]
    site: str = ""
    groups: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        given = as_given(self.points, name="points")
        wide = widened(given, name="points")
        require_finite(wide, name="points")
        points = given if given.dtype.itemsize <= 2 and given.dtype.kind not in "iub" else wide  # half floats stay as captured
        if not isinstance(self.site, str):
            raise InputError(f"site is {self.site!r}; it is a module path, a string")
        rows = np.arange(len(points), dtype=np.int64) if self.rows is None else np.asarray(self.rows)
        if rows.shape != (len(points),) or rows.dtype.kind not in "iu":
            raise InputError(f"rows have shape {rows.shape} and dtype {rows.dtype}; {len(points)} integers are needed")
        object.__setattr__(self, "points", _frozen(points))
        object.__setattr__(self, "rows", _frozen(rows.astype(np.int64, copy=False)))
        object.__setattr__(self, "groups", group_names(self.groups))

    # 16-bit rows as a store holds them (of bfloat16 the bits), and the offset: float32(stored) + offset are the points. No field,
    # so that a cloud made of this one does not have it.
    _stored = None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_stored"}

    def __len__(self) -> int:
        return len(self.points)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, coordinates)."""
        return self.points.shape  # type: ignore[return-value]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        out = self.points if dtype is None else self.points.astype(dtype, copy=False)
        return out.copy() if copy else out

    def __repr__(self) -> str:
        return f"PointCloud({self.shape[0]} x {self.shape[1]} {self.points.dtype}, site={self.site!r})"

    def take(self, index: np.ndarray) -> PointCloud:
        """The rows chosen by an index array or a boolean mask, with their observations."""
        return dataclasses.replace(self, points=self.points[index], rows=self.rows[index])

    def digest(self) -> str:
        """SHA-256 (first 16 hexadecimal digits) of dtype, shape and bytes of the points."""
        return array_digest(self.points)


def remember_stored(cloud: PointCloud, stored: np.ndarray, offset: np.ndarray | None) -> None:
    """Keeps beside the points the 16-bit rows that they were decoded from; a device takes these, which are half as long."""
    if stored.dtype.itemsize != 2:
        return
    object.__setattr__(cloud, "_stored", (stored, offset))


def stored_rows(cloud: PointCloud) -> tuple[np.ndarray, np.ndarray | None] | None:
    """What :func:`remember_stored` kept, or None."""
    return cloud._stored


def group_names(groups: Any) -> tuple[str, ...]:
    """Names of columns in which rows share values; one string is not several."""
    if not isinstance(groups, (tuple, list)) or not all(isinstance(name, str) for name in groups):
        raise InputError(f"groups is {groups!r}; names of columns are needed, such as groups=({str(groups)!r},)")
    return tuple(groups)


def array_digest(array: np.ndarray) -> str:
    """SHA-256 (first 16 hexadecimal digits) of an array's dtype, shape and bytes."""
    return blocks_digest(array.dtype, array.shape, [array])


def blocks_digest(dtype: np.dtype, shape: tuple[int, ...], blocks: Iterable[np.ndarray]) -> str:
    """:func:`array_digest` of an array that comes in blocks of rows."""
    state = hashlib.sha256(f"{dtype}{shape}".encode())
    for block in blocks:
        state.update(np.ascontiguousarray(block).reshape(-1).view(np.uint8).data)
    return state.hexdigest()[:16]


def row_hashes(rows: np.ndarray) -> np.ndarray:
    """A 64-bit hash of each row's float32 bits, to notice rows that are in two places."""
    single = np.ascontiguousarray(rows, dtype=np.float32)
    found = [int.from_bytes(hashlib.blake2b(row.tobytes(), digest_size=8).digest(), "little") for row in single]
    return np.array(found, dtype=np.uint64)


def _frozen(array: np.ndarray) -> np.ndarray:
    # A view is enough to refuse writes through the value; the caller's own array stays writable to its owner.
    view = array.view()
    view.flags.writeable = False
    return view
