"""Two threads run one recipe on one matrix at the same time, for a bounded time: run it under ThreadSanitizer.

    python two_threads.py [seconds]

Exit code 0 when every answer is the same; ThreadSanitizer adds its own exit code when it saw a race.
"""

from __future__ import annotations

import concurrent.futures
import os
import sys
import time

import numpy as np

import topo_interp as ti
from topo_interp._native import cpu


def main(seconds: float) -> None:
    folder = os.environ.get("TOPO_INTERP_BUILD", "")
    assert folder in cpu.__file__, f"the extension is {cpu.__file__}, not the instrumented one of {folder}"
    rng = np.random.default_rng(0)
    # Below 32,768 edges a call scans the links with one thread, below 256 deaths it writes their columns with one; the last has more of both.
    clouds = [rng.normal(size=(n, d)) for n, d in ((60, 3), (150, 17), (400, 12))]
    recipe = ti.Rips(max_dim=1)
    want = [recipe(cloud, engine="links", threads=1) for cloud in clouds]
    half = recipe.distance_matrix(clouds[-1])
    counts = cpu.links_rips(half.condensed, half.n, float("inf"), 2, 1).counts
    assert counts["edges"] >= 32768 and counts["columns"] >= 256, counts
    deadline = time.monotonic() + seconds
    rounds = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        while rounds == 0 or time.monotonic() < deadline:
            for cloud, known in zip(clouds, want, strict=True):
                calls = [pool.submit(recipe, cloud, engine="links", threads=2) for _ in range(2)]
                assert all(ti.same_bars(call.result(), known) for call in calls)
            rounds += 1
    print(f"{rounds} rounds of two concurrent calls on {len(clouds)} clouds, all equal")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 20.0)
