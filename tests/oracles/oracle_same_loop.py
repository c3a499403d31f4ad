"""Whether bars of two small Vietoris-Rips filtrations are one loop, by elimination over Z/p and bisection over the common complexes.

It shares no code with the package. Lengths are taken to be different from each other.
"""

from __future__ import annotations

from itertools import combinations, pairwise

from oracle_cycles import boundaries, cycles_below, path


def fundamental_cycle(square, edge, p):
    """The cycle that an edge closes in the minimum spanning forest of the shorter edges."""
    n = len(square)
    shorter = sorted((square[i][j], i, j) for i, j in combinations(range(n), 2) if square[i][j] < square[edge[0]][edge[1]])
    forest, component = {v: [] for v in range(n)}, list(range(n))
    for _, i, j in shorter:
        if component[i] != component[j]:
            old, new = component[i], component[j]
            component = [new if c == old else c for c in component]
            forest[i].append(j)
            forest[j].append(i)
    chain = {edge: 1}
    walk = path(forest, edge[1], edge[0])
    for a, b in pairwise(walk):
        key, sign = ((a, b), 1) if a < b else ((b, a), -1)
        chain[key] = (chain.get(key, 0) + sign) % p
    return chain


class Functional:
    """What the cocycle of a bar just below its death gives a cycle: its coefficient at the bar's own fundamental cycle."""

    def __init__(self, square, bars, bar, p):
        self.p = p
        birth, self.death = bars[bar]
        edge_of = {square[i][j]: (i, j) for i, j in combinations(range(len(square)), 2)}
        self.own = fundamental_cycle(square, edge_of[birth], p)
        self.rest = boundaries(square, self.death, True, p)
        for k, (b, d) in enumerate(bars):
            if k != bar and b < self.death <= d:
                self.rest.add(fundamental_cycle(square, edge_of[b], p))

    def __call__(self, cycle):
        for c in range(self.p):
            left = dict(cycle)
            for edge, value in self.own.items():
                left[edge] = (left.get(edge, 0) - c * value) % self.p
            if left in self.rest:
                return c
        raise AssertionError("not a cycle of the complex")


def common_loop(first, second, first_bars, bar, second_bars, other, p):
    """(same, level, until) as the package defines them."""
    f, g = Functional(first, first_bars, bar, p), Functional(second, second_bars, other, p)
    n = len(first)
    share = [[max(first[i][j] / f.death, second[i][j] / g.death) for j in range(n)] for i in range(n)]
    levels = sorted({share[i][j] for i, j in combinations(range(n), 2) if share[i][j] < 1})

    def values(k):
        """On generators of the cycles of the k shortest shares."""
        above = levels[k] if k < len(levels) else 1.0
        return [(f(cycle), g(cycle)) for cycle in cycles_below(share, above, p)]

    def first_k(condition):
        low, high = 0, len(levels) + 1
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if condition(values(middle)) else (middle + 1, high)
        return low

    seen = first_k(lambda found: any(x or y for x, y in found))
    if seen > len(levels):
        return False, 1.0, 1.0
    x, y = next(pair for pair in values(seen) if pair != (0, 0))
    level = levels[seen - 1]
    split = first_k(lambda found: any((a * d - b * c) % p for (a, b), (c, d) in combinations(found, 2)))
    until = levels[split - 1] if split <= len(levels) else 1.0
    return bool(x and y), level, until if x and y else level
