"""Zigzag intervals beside those of Dionysus 2, on clouds larger than the oracle of generalized ranks can take.

Run by hand, since Dionysus has no wheels and is no test requirement:

    pip install dionysus    # compiles; needs a C++ compiler and the headers of Boost (1.81 will do, 1.74 is too old)
    python tests/oracles/zigzag_dionysus.py

With Dionysus 2.2.3: "40 zigzags with 4960 intervals, 0 of them differ".
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from itertools import pairwise

import numpy as np
from oracle_zigzag import flag
from scipy.spatial.distance import cdist


def nearest(points: np.ndarray, k: int) -> list[tuple[int, int]]:
    """Edges to the k nearest rows."""
    order = np.argsort(cdist(points, points) + np.diag(np.full(len(points), np.inf)), axis=1)[:, :k]
    return sorted({(min(i, int(j)), max(i, int(j))) for i in range(len(points)) for j in order[i]})


def by_dionysus(spaces: list[set[tuple[int, ...]]]) -> Counter[tuple[int, int, int]]:
    """(dim, first, last) of the intervals of a zigzag of complexes, each of which holds or is held by the next."""
    import dionysus

    simplices = sorted(set().union(*spaces), key=lambda simplex: (len(simplex), simplex))
    times = []
    for simplex in simplices:
        inside = [False, *(simplex in space for space in spaces), False]
        times.append([at for at in range(len(spaces) + 1) if inside[at] != inside[at + 1]])
    _, diagrams, _ = dionysus.zigzag_homology_persistence(dionysus.Filtration([list(s) for s in simplices]), times)
    # A class lives in the spaces from its birth to before its death; leaving the last space ends what is left.
    found: Counter[tuple[int, int, int]] = Counter()
    for dim, diagram in enumerate(diagrams[:2]):
        for point in diagram:
            last = len(spaces) - 1 if math.isinf(point.death) else int(point.death) - 1
            if point.birth <= last:
                found[dim, int(point.birth), last] += 1
    return found


def main() -> int:
    import topo_interp as ti

    wrong = compared = intervals = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        n, steps, k = int(rng.integers(20, 80)), int(rng.integers(2, 6)), int(rng.integers(2, 6))
        cloud = rng.normal(size=(n, 3))
        clouds = {step: cloud + 0.4 * step * rng.normal(size=cloud.shape) for step in range(steps)}
        complexes = [flag(nearest(points, k), n) for points in clouds.values()]
        for through in ("intersections", "unions"):
            spaces = complexes[:1]
            for before, here in pairwise(complexes):
                spaces += [before & here if through == "intersections" else before | here, here]
            found = ti.zigzag(clouds, ti.NeighborGraphs(k=k, through=through))
            ours = Counter(zip(found.dim.tolist(), found.first.tolist(), found.last.tolist(), strict=True))
            theirs = by_dionysus(spaces)
            compared, intervals, wrong = compared + 1, intervals + sum(theirs.values()), wrong + (ours != theirs)
            if ours != theirs:
                print(f"seed {seed}, {through}: only ours {dict(ours - theirs)}, only theirs {dict(theirs - ours)}")
    print(f"{compared} zigzags with {intervals} intervals, {wrong} of them differ")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
