"""Interval decomposition of a zigzag of complexes over Z/2, by way of their homology.

The spaces are few and large, so the homology of each is computed once, and the rest is linear algebra on vector spaces of the size
of their Betti numbers. Vectors over Z/2 are Python integers: bit k is the k-th coordinate, addition is ``^``.
Source: Carlsson and de Silva, Zigzag persistence, Found. Comput. Math. 10 (2010), section 4 (right filtrations).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from topo_interp.homology.flag_complex import FlagComplex

__all__ = ["HomologyBasis", "intervals_of"]


class HomologyBasis:
    """Representatives of a basis of H_0 or H_1, and the coordinates of any cycle in it.

    Columns with distinct largest entries (pivots) span all cycles: those of the boundaries, and those that represent classes.
    """

    def __init__(self, complex_: FlagComplex, dim: int) -> None:
        self.dim, self._complex = dim, complex_
        self._columns: dict[int, int] = {}  # pivot -> column
        self._class: dict[int, int] = {}  # pivot -> number of the class that the column represents
        self.cycles: list[int] = []  # a representative of each class, as a column
        if dim == 0:
            for i, j in complex_.edge_ends().tolist():
                self._add((1 << i) | (1 << j))
            representatives: Iterable[int] = (1 << v for v in range(complex_.n) if v not in self._columns)
        else:
            for a, b, c in complex_.triangle_edges().tolist():
                self._add((1 << a) | (1 << b) | (1 << c))
            representatives = self._closed()
        for cycle in representatives:
            self._class[cycle.bit_length() - 1] = len(self.cycles)
            self._columns[cycle.bit_length() - 1] = cycle
            self.cycles.append(cycle)

    def __len__(self) -> int:
        return len(self.cycles)

    def coordinates(self, cycle: int) -> int:
        """The class of a cycle: bit k for the k-th class."""
        out = 0
        while cycle:
            pivot = cycle.bit_length() - 1
            cycle ^= self._columns[pivot]
            number = self._class.get(pivot)
            if number is not None:
                out ^= 1 << number
        return out

    def image_in(self, larger: HomologyBasis) -> list[int]:
        """The classes of this basis in a complex that contains this one."""
        if self.dim == 0:
            return [larger.coordinates(cycle) for cycle in self.cycles]
        places = np.searchsorted(larger._complex.edges, self._complex.edges).tolist()
        return [larger.coordinates(sum(1 << places[k] for k in _bits(cycle))) for cycle in self.cycles]

    def forget(self) -> None:
        """Gives back the memory of the columns; the number of classes stays."""
        self._columns, self._class = {}, {}
        self.cycles = [0] * len(self.cycles)

    def _add(self, column: int) -> None:
        while column:
            pivot = column.bit_length() - 1
            known = self._columns.get(pivot)
            if known is None:
                self._columns[pivot] = column
                return
            column ^= known

    def _closed(self) -> Iterable[int]:
        """One cycle for every edge that closes one with the edges before it and is the pivot of no boundary.

        A spanning forest grows with the edges. Every cycle's largest edge closes one, so that these and the boundaries span all.
        """
        ends = self._complex.edge_ends().tolist()
        to_root = _Forest(self._complex.n)
        closing = [k for k, (i, j) in enumerate(ends) if not to_root.join(i, j, k)]
        paths = to_root.paths(ends)
        for k in closing:
            if k not in self._columns:
                i, j = ends[k]
                yield (1 << k) ^ paths[i] ^ paths[j]


class _Forest:
    """Kruskal's spanning forest."""

    def __init__(self, n: int) -> None:
        self._part = list(range(n))
        self.edges: list[int] = []

    def join(self, i: int, j: int, edge: int) -> bool:
        i, j = self._root(i), self._root(j)
        if i == j:
            return False
        self._part[max(i, j)] = min(i, j)
        self.edges.append(edge)
        return True

    def _root(self, v: int) -> int:
        part = self._part
        while part[v] != v:
            part[v] = v = part[part[v]]
        return v

    def paths(self, ends: Sequence[Sequence[int]]) -> list[int]:
        """For every vertex the edges between it and the root of its tree, as a column."""
        neighbors: list[list[tuple[int, int]]] = [[] for _ in self._part]
        for k in self.edges:
            i, j = ends[k]
            neighbors[i].append((j, k))
            neighbors[j].append((i, k))
        out = [-1] * len(self._part)
        for start in range(len(out)):
            if out[start] >= 0:
                continue
            out[start], queue = 0, [start]
            for v in queue:
                for w, k in neighbors[v]:
                    if out[w] < 0:
                        out[w] = out[v] ^ (1 << k)
                        queue.append(w)
        return out


def intervals_of(sizes: Sequence[int], maps: Sequence[tuple[bool, list[int]]]) -> list[tuple[int, int]]:
    """The intervals (first, last) of a zigzag of vector spaces over Z/2, sorted.

    >>> intervals_of([1, 2, 1], [(False, [0b1, 0b0]), (True, [0b1, 0b0])])  # one that all share, and one of the second alone
    [(0, 2), (1, 1)]

    Args:
        sizes: dimensions of the spaces.
        maps: for each two neighbors whether the map goes forward (from the earlier space), and the images of the basis.
    """
    # A right filtration: the basis so far in order, each vector with the space in which it was born. The spans of its first
    # vectors are what the past tells about the space.
    basis = [(1 << k, 0) for k in range(sizes[0])]
    out = []
    for at, (forward, images) in enumerate(maps):
        step = _forward if forward else _backward
        basis, ended = step(basis, images, at + 1, sizes[at + 1])
        out += [(born, at) for born in ended]
    return sorted(out + [(born, len(sizes) - 1) for _, born in basis])


def _forward(
    basis: list[tuple[int, int]], images: list[int], now: int, size: int
) -> tuple[list[tuple[int, int]], list[int]]:
    """Images of the filtration; what maps into the images of vectors before it ends, and what is no image is born last."""
    columns: dict[int, int] = {}
    kept, ended = [], []
    for vector, born in basis:
        image = left = _combination(images, vector)
        left = _reduced(left, columns)
        if left:
            columns[left.bit_length() - 1] = left
            kept.append((image, born))
        else:
            ended.append(born)
    return kept + [(1 << k, now) for k in range(size) if k not in columns], ended


def _backward(
    basis: list[tuple[int, int]], images: list[int], now: int, size: int
) -> tuple[list[tuple[int, int]], list[int]]:
    """Preimages of the filtration: the kernel is born first, and a vector ends that is no image up to vectors before it."""
    # Coordinates in the filtered basis, so that the largest bit of an image says how late in the filtration it stands.
    inverse = _coordinates_in([vector for vector, _ in basis])
    columns: dict[int, tuple[int, int]] = {}
    kernel = []
    for k in range(size):
        preimage = _inserted(_combination(inverse, images[k]), 1 << k, columns)
        if preimage:
            kernel.append((preimage, now))
    kept = [(columns[k][1], born) for k, (_, born) in enumerate(basis) if k in columns]
    return kernel + kept, [born for k, (_, born) in enumerate(basis) if k not in columns]


def _coordinates_in(basis: list[int]) -> list[int]:
    """For every unit vector its coordinates in a basis."""
    columns: dict[int, tuple[int, int]] = {}
    for k, vector in enumerate(basis):
        _inserted(vector, 1 << k, columns)
    out = []
    for k in range(len(basis)):
        vector, own = 1 << k, 0
        while vector:
            column, more = columns[vector.bit_length() - 1]
            vector, own = vector ^ column, own ^ more
        out.append(own)
    return out


def _inserted(vector: int, own: int, columns: dict[int, tuple[int, int]]) -> int:
    """Reduces a vector and keeps it with the combination that gave it; the combination where the vector came to nothing, else 0."""
    while vector:
        pivot = vector.bit_length() - 1
        if pivot not in columns:
            columns[pivot] = (vector, own)
            return 0
        vector, own = vector ^ columns[pivot][0], own ^ columns[pivot][1]
    return own


def _reduced(vector: int, columns: dict[int, int]) -> int:
    while vector and (known := columns.get(vector.bit_length() - 1)) is not None:
        vector ^= known
    return vector


def _combination(columns: list[int], which: int) -> int:
    out = 0
    for k in _bits(which):
        out ^= columns[k]
    return out


def _bits(number: int) -> Iterable[int]:
    while number:
        low = number & -number
        yield low.bit_length() - 1
        number ^= low
