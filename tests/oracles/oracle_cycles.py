"""Slow, obvious facts about one chain of edges in a small Vietoris-Rips complex, by elimination over Z/p with dicts.

It shares no code with the package and imports nothing from it. A chain is a dict {(i, j): coefficient} with i < j.
"""

from __future__ import annotations

from itertools import combinations, pairwise


def boundary_of_chain(chain, p):
    """{vertex: coefficient} without zeros."""
    out = {}
    for (i, j), c in chain.items():
        out[j] = (out.get(j, 0) + c) % p
        out[i] = (out.get(i, 0) - c) % p
    return {v: c for v, c in out.items() if c}


class Span:
    """A subspace of the chains, in echelon form."""

    def __init__(self, p):
        self.p = p
        self.rows = {}

    def remainder(self, chain):
        chain = {e: c % self.p for e, c in chain.items() if c % self.p}
        out = {}
        while chain:
            top = max(chain)
            c = chain[top]
            if top not in self.rows:
                out[top] = chain.pop(top)
                continue
            for e, d in self.rows[top].items():
                total = (chain.get(e, 0) - c * d) % self.p
                if total:
                    chain[e] = total
                else:
                    chain.pop(e, None)
        return out

    def add(self, chain):
        left = self.remainder(chain)
        if left:
            top = max(left)
            scale = pow(left[top], -1, self.p)
            self.rows[top] = {e: c * scale % self.p for e, c in left.items()}

    def __contains__(self, chain):
        return not self.remainder(chain)


def triangle_boundaries(square, value, strict, p):
    """The boundaries of all triangles of diameter <= value (< value when strict)."""
    for i, j, k in combinations(range(len(square)), 3):
        diameter = max(square[i][j], square[j][k], square[i][k])
        if diameter < value or (diameter == value and not strict):
            yield {(i, j): 1, (j, k): 1, (i, k): p - 1}


def boundaries(square, value, strict, p):
    span = Span(p)
    for chain in triangle_boundaries(square, value, strict, p):
        span.add(chain)
    return span


def cycles_below(square, value, p):
    """A generating set of the cycles of the complex of edges shorter than value: one per edge outside a spanning forest."""
    n = len(square)
    edges = [(i, j) for i, j in combinations(range(n), 2) if square[i][j] < value]
    forest = {v: [] for v in range(n)}
    component = list(range(n))
    outside = []
    for i, j in edges:
        if component[i] != component[j]:
            old, new = component[i], component[j]
            component = [new if c == old else c for c in component]
            forest[i].append(j)
            forest[j].append(i)
        else:
            outside.append((i, j))
    for i, j in outside:
        walk = path(forest, j, i)
        chain = {(i, j): 1}
        for a, b in pairwise(walk):
            edge, sign = ((a, b), 1) if a < b else ((b, a), -1)
            chain[edge] = (chain.get(edge, 0) + sign) % p
        yield chain


def path(forest, start, end):
    before = {start: None}
    queue = [start]
    for v in queue:
        for w in forest[v]:
            if w not in before:
                before[w] = v
                queue.append(w)
    walk = [end]
    while walk[-1] != start:
        walk.append(before[walk[-1]])
    return walk[::-1]


def is_born_at(square, chain, birth, p):
    """Whether a cycle lives at ``birth`` and is homologous there to no cycle of the complex just below it."""
    if any(square[i][j] > birth for i, j in chain):
        return False
    span = boundaries(square, birth, False, p)
    for cycle in cycles_below(square, birth, p):
        span.add(cycle)
    return chain not in span


def dies_at(square, chain, death, p):
    """Whether a cycle bounds at ``death`` and not just below."""
    return chain in boundaries(square, death, False, p) and chain not in boundaries(square, death, True, p)
