"""Flag complexes of graphs up to triangles, and what two of them on the same vertices share or make together."""

from __future__ import annotations

import dataclasses

import numpy as np

__all__ = ["FlagComplex", "flag_complex", "triangle_count"]


@dataclasses.dataclass(frozen=True, eq=False)
class FlagComplex:
    """Vertices 0 .. n-1, edges and triangles as ascending codes.

    Attributes:
        n: number of vertices.
        edges: int64 array, ``i n + j`` for i < j, ascending.
        triangles: int64 array, ``(i n + j) n + k`` for i < j < k, ascending.
    """

    n: int
    edges: np.ndarray
    triangles: np.ndarray

    def __and__(self, other: FlagComplex) -> FlagComplex:
        """The simplices of both: the flag complex of the common edges."""
        return FlagComplex(
            self.n,
            np.intersect1d(self.edges, other.edges, assume_unique=True),
            np.intersect1d(self.triangles, other.triangles, assume_unique=True),
        )

    def __or__(self, other: FlagComplex) -> FlagComplex:
        """The simplices of either. It need not be a flag complex."""
        return FlagComplex(self.n, np.union1d(self.edges, other.edges), np.union1d(self.triangles, other.triangles))

    def edge_ends(self) -> np.ndarray:
        """(edges, 2)."""
        return np.column_stack((self.edges // self.n, self.edges % self.n))

    def triangle_edges(self) -> np.ndarray:
        """Places of the three edges of every triangle in ``edges``: (triangles, 3), ascending."""
        i, rest = np.divmod(self.triangles, self.n * self.n)
        j, k = np.divmod(rest, self.n)
        codes = np.column_stack((i * self.n + j, i * self.n + k, j * self.n + k))
        return np.searchsorted(self.edges, codes)


def flag_complex(pairs: np.ndarray, n: int) -> FlagComplex:
    """The flag complex of a graph, up to triangles.

    >>> flag_complex(np.array([[0, 1], [2, 1], [0, 2], [1, 0]]), 4).triangles  # (0 * 4 + 1) * 4 + 2
    array([6])

    Args:
        pairs: (m, 2) ends of edges, in any order, repeated or not.
        n: number of vertices.
    """
    low, high = pairs.min(axis=1, initial=n).astype(np.int64), pairs.max(axis=1, initial=-1).astype(np.int64)
    edges = np.unique(low * n + high)
    i, j = edges // n, edges % n
    later = np.split(j, np.searchsorted(i, np.arange(1, n)))  # neighbors with a larger number, ascending
    found = [np.empty(0, dtype=np.int64)]
    for a, b, edge in zip(i.tolist(), j.tolist(), edges.tolist(), strict=True):
        third = np.intersect1d(later[a], later[b], assume_unique=True)
        if len(third):
            found.append(edge * n + third)
    return FlagComplex(n, edges, np.concatenate(found))


def triangle_count(pairs: np.ndarray, n: int) -> int:
    """Number of triangles of a graph without listing them."""
    from scipy.sparse import coo_array

    low, high = pairs.min(axis=1, initial=n), pairs.max(axis=1, initial=-1)
    upper = coo_array((np.ones(len(pairs), dtype=np.int64), (low, high)), shape=(n, n)).tocsr()
    upper.data[:] = 1  # repeated pairs were added up
    return int((upper @ upper).multiply(upper).sum())
