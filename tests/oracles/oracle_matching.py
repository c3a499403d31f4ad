"""Bottleneck distance between two lists of finite bars by trying every threshold with an augmenting-path matching."""

from __future__ import annotations


def bottleneck(a, b):
    """Exact for the given float64 numbers; ground metric max(|db|, |dd|), the diagonal at half the persistence."""
    a, b = [tuple(map(float, bar)) for bar in a], [tuple(map(float, bar)) for bar in b]

    def cost(i, j):
        bar = a[i] if i < len(a) else None
        other = b[j] if j < len(b) else None
        if bar and other:
            return max(abs(bar[0] - other[0]), abs(bar[1] - other[1]))
        single = bar or other
        return 0.0 if single is None else (single[1] - single[0]) / 2

    # Right slots len(b) .. and left slots len(a) .. are the diagonal's.
    size = len(a) + len(b)
    table = [[cost(i, j) for j in range(size)] for i in range(size)]
    for limit in sorted({entry for row in table for entry in row} | {0.0}):
        if _perfect([[j for j, entry in enumerate(row) if entry <= limit] for row in table], size):
            return limit
    raise AssertionError("the largest entry allows everything")


def _perfect(allowed, size):
    owner = [-1] * size

    def place(i, seen):
        for j in allowed[i]:
            if j not in seen:
                seen.add(j)
                if owner[j] < 0 or place(owner[j], seen):
                    owner[j] = i
                    return True
        return False

    return all(place(i, set()) for i in range(size))
