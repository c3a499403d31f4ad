"""The intervals of a small zigzag of simplicial complexes, from generalized ranks, by dense elimination over Z/2.

It shares no code with the package and imports nothing from it. A complex is a set of sorted tuples of vertices. The number of
intervals that contain [i, j] is the rank of the map from the limit to the colimit of the spaces i .. j (Kim and Memoli,
Generalized persistence diagrams for persistence modules over posets, 2021); the multiplicities follow by inclusion and exclusion.
"""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np


def rank(rows):
    """Rank of a list of 0/1 vectors."""
    return len(echelon(rows))


def echelon(rows):
    """Reduced row echelon form without zero rows."""
    m = np.array(rows, dtype=np.uint8).reshape(len(rows), -1) % 2
    at = 0
    for column in range(m.shape[1]):
        below = np.flatnonzero(m[at:, column])
        if len(below) == 0:
            continue
        m[[at, at + below[0]]] = m[[at + below[0], at]]
        for row in range(len(m)):
            if row != at and m[row, column]:
                m[row] ^= m[at]
        at += 1
    return m[:at]


def kernel(matrix):
    """Basis of {x: matrix x = 0}, as rows."""
    rows, columns = matrix.shape
    reduced = echelon(matrix) if rows else np.zeros((0, columns), dtype=np.uint8)
    pivots = [int(np.flatnonzero(row)[0]) for row in reduced]
    out = []
    for free in (c for c in range(columns) if c not in pivots):
        x = np.zeros(columns, dtype=np.uint8)
        x[free] = 1
        for row, pivot in zip(reduced, pivots, strict=True):
            x[pivot] = row[free]
        out.append(x)
    return out


def simplices(complex_, dim):
    return sorted(s for s in complex_ if len(s) == dim + 1)


def boundary(complex_, dim):
    """Matrix (faces, simplices) of the boundary of degree dim."""
    faces, top = simplices(complex_, dim - 1), simplices(complex_, dim)
    m = np.zeros((len(faces), len(top)), dtype=np.uint8)
    for k, s in enumerate(top):
        for face in combinations(s, dim):
            if face:
                m[faces.index(face), k] = 1
    return m


def homology(complex_, dim):
    """(basis of cycles modulo boundaries, boundaries), both as rows over the simplices of the degree."""
    cycles = kernel(boundary(complex_, dim)) if dim else list(np.eye(len(simplices(complex_, 0)), dtype=np.uint8))
    bounding = [row for row in boundary(complex_, dim + 1).T]
    basis = []
    for cycle in cycles:
        if rank([*bounding, *basis, cycle]) > rank([*bounding, *basis]) if bounding or basis else cycle.any():
            basis.append(cycle)
    return basis, bounding


def coordinates(cycle, basis, bounding):
    """The class of a cycle in the basis, by solving the linear system."""
    columns = [*basis, *bounding]
    if not columns:
        return np.zeros(0, dtype=np.uint8)
    for x in kernel(np.column_stack([*columns, cycle])):
        if x[-1]:
            return x[: len(basis)]
    raise AssertionError("not a cycle of the complex")


def induced(small, large, dim):
    """Matrix of H_dim(small) -> H_dim(large) of an inclusion."""
    (basis, _), (target, bounding) = homology(small, dim), homology(large, dim)
    places = [simplices(large, dim).index(s) for s in simplices(small, dim)]
    out = np.zeros((len(target), len(basis)), dtype=np.uint8)
    for k, cycle in enumerate(basis):
        moved = np.zeros(len(simplices(large, dim)), dtype=np.uint8)
        moved[places] = cycle
        out[:, k] = coordinates(moved, target, bounding)
    return out


def generalized_rank(sizes, arrows):
    """Rank of limit -> colimit of spaces of these dimensions; arrows are (from, to, matrix)."""
    starts = np.concatenate(([0], np.cumsum(sizes)))
    total = int(starts[-1])
    if sizes[0] == 0:
        return 0
    conditions, relations = [], []
    for a, b, matrix in arrows:
        block = np.zeros((sizes[b], total), dtype=np.uint8)
        block[:, starts[a] : starts[a + 1]] = matrix
        block[:, starts[b] : starts[b + 1]] ^= np.eye(sizes[b], dtype=np.uint8)
        conditions += list(block)
        for k in range(sizes[a]):
            relation = np.zeros(total, dtype=np.uint8)
            relation[starts[a] + k] = 1
            relation[starts[b] : starts[b + 1]] ^= matrix[:, k]
            relations.append(relation)
    limit = kernel(np.array(conditions, dtype=np.uint8).reshape(-1, total))
    images = []
    for family in limit:
        image = np.zeros(total, dtype=np.uint8)
        image[: sizes[0]] = family[: sizes[0]]
        images.append(image)
    if not images:
        return 0
    return rank([*relations, *images]) - (rank(relations) if relations else 0)


def zigzag_intervals(complexes, dim):
    """Counter of (first, last) over a zigzag in which each of two neighbors contains the other."""
    m = len(complexes)
    sizes = [len(homology(c, dim)[0]) for c in complexes]
    arrows = []
    for k in range(m - 1):
        a, b = complexes[k], complexes[k + 1]
        assert a <= b or b <= a
        arrows.append((k, k + 1, induced(a, b, dim)) if a <= b else (k + 1, k, induced(b, a, dim)))

    def r(i, j):
        if i < 0 or j >= m:
            return 0
        inside = [(a - i, b - i, matrix) for a, b, matrix in arrows if i <= min(a, b) and max(a, b) <= j]
        return generalized_rank(sizes[i : j + 1], inside)

    out = Counter()
    for i in range(m):
        for j in range(i, m):
            count = r(i, j) - r(i - 1, j) - r(i, j + 1) + r(i - 1, j + 1)
            assert count >= 0
            if count:
                out[i, j] = count
    return out


def flag(edges, n):
    """Vertices, edges and triangles of the flag complex of a graph."""
    edges = {tuple(sorted(e)) for e in edges}
    triangles = {t for t in combinations(range(n), 3) if all(e in edges for e in combinations(t, 2))}
    return {(v,) for v in range(n)} | edges | triangles
