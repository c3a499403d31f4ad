"""Slow, obvious persistent homology of small Vietoris-Rips filtrations: columns are Python dicts over Z/p.

It shares no code with the package and imports nothing from it.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np


def rips_bars(square, max_dim, field=2, threshold=float("inf")):
    """Bars (dim, birth, death) of positive length of the filtration by diameter, as a sorted list."""
    square = np.asarray(square, dtype=np.float64)
    n = len(square)
    simplices = []
    for size in range(1, max_dim + 3):
        for vertices in combinations(range(n), size):
            diameter = max((square[a, b] for a, b in combinations(vertices, 2)), default=0.0)
            if diameter <= threshold:
                simplices.append((diameter, size, vertices))
    simplices.sort()
    return reduce_filtration(simplices, max_dim, field)


def reduce_filtration(simplices, max_dim, field):
    """The standard column reduction of a list (value, size, vertices) in filtration order."""
    number = {vertices: i for i, (_, _, vertices) in enumerate(simplices)}
    column_with_pivot = {}
    paired = set()
    bars = []
    for j, (value, size, vertices) in enumerate(simplices):
        column = {}
        if size > 1:
            for k in range(size):
                face = vertices[:k] + vertices[k + 1 :]
                column[number[face]] = (-1) ** k % field
        while column:
            pivot = max(column)
            if pivot not in column_with_pivot:
                break
            other = column_with_pivot[pivot]
            factor = -column[pivot] * pow(other[pivot], -1, field) % field
            for row, entry in other.items():
                total = (column.get(row, 0) + factor * entry) % field
                if total:
                    column[row] = total
                else:
                    column.pop(row, None)
        if column:
            pivot = max(column)
            column_with_pivot[pivot] = column
            paired.update((pivot, j))
            birth, birth_size, _ = simplices[pivot]
            if value > birth and birth_size - 1 <= max_dim:
                bars.append((birth_size - 1, birth, value))
    for i, (value, size, _) in enumerate(simplices):
        if i not in paired and size - 1 <= max_dim:
            bars.append((size - 1, value, float("inf")))
    return sorted(bars)


def betti_numbers(facets, field):
    """Betti numbers over Z/p of the simplicial complex with the given facets."""
    simplices = {face for facet in facets for size in range(1, len(facet) + 1) for face in combinations(sorted(facet), size)}
    top = max(map(len, simplices)) - 1
    bars = reduce_filtration(sorted((0.0, len(s), s) for s in simplices), top, field)
    return [sum(1 for dim, _, death in bars if dim == k and death == float("inf")) for k in range(top + 1)]
