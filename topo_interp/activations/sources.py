"""Where a site's points come from: memory, a sealed shard, or a function of another site's points.

A source is asked for its points when they are needed, so a store of many layers, and every store derived from it, holds
no more in memory than the layer at hand.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np

from topo_interp.activations.encoding import decode
from topo_interp.activations.files import check_file, read_shard

__all__ = ["Derived", "Memory", "MemoryShard", "Shard", "Source"]

Stored = tuple[np.ndarray, str, "np.ndarray | None"]


class MemoryShard:
    """Collects rows in memory; the counterpart of a shard that is being written to disk."""

    def __init__(self, site: str, dtype: str, width: int, offset: np.ndarray | None) -> None:
        self.dtype, self.width, self.offset = dtype, width, offset
        self._parts: list[np.ndarray] = []

    def append(self, stored: np.ndarray) -> None:
        """Further rows."""
        self._parts.append(stored)

    def keep(self, index: np.ndarray) -> None:
        """Keep the chosen rows only."""
        self._parts = [np.concatenate(self._parts)[index]]

    def source(self) -> Memory:
        """The rows, whole; the parts are given up."""
        whole = np.concatenate(self._parts)
        whole.flags.writeable = False
        self._parts = [whole]
        return Memory(whole, self.dtype, self.offset)


class Source(Protocol):
    """What a store needs of a site."""

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, coordinates)."""

    def stored(self) -> Stored:
        """The stored array, the name of its dtype, and the offset (None for 32 and 64 bits)."""


@dataclasses.dataclass(frozen=True, eq=False)
class Memory:
    """Points held in memory, in the form in which they were stored."""

    array: np.ndarray
    dtype: str
    offset: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, int]:
        return self.array.shape  # type: ignore[return-value]

    def stored(self) -> Stored:
        return self.array, self.dtype, self.offset


@dataclasses.dataclass(eq=False)
class Shard:
    """A shard on disk, memory-mapped; its bytes are compared with the seal when they are first asked for."""

    path: Path
    dtype: str
    shape: tuple[int, int]
    offset: bool
    sha256: str
    checked: bool = False

    def stored(self) -> Stored:
        self.check()
        array, offset = read_shard(self.path, self.dtype, self.shape, self.offset)
        return array, self.dtype, offset

    def check(self) -> None:
        """Hash the file, once."""
        if not self.checked:
            check_file(self.path, self.sha256)
            self.checked = True


@dataclasses.dataclass(frozen=True, eq=False)
class Derived:
    """A function of another source's points."""

    source: Source
    function: Callable[[np.ndarray], np.ndarray]
    shape: tuple[int, int]

    def stored(self) -> Stored:
        points = self.function(decode(*self.source.stored()))
        return points, points.dtype.name, None
