"""Time of ti.zigzag: 12 clouds of 500 rows that drift, k = 10; and of ti.match_cycles on six clouds of as many rows.

Run: python benchmarks/zigzag.py
"""

from __future__ import annotations

import time

import numpy as np

import topo_interp as ti


def drifting(start: np.ndarray, steps: int, noise: float) -> dict[int, np.ndarray]:
    rng = np.random.default_rng(0)
    out = {0: np.asarray(start)}
    for step in range(1, steps):
        out[step] = out[step - 1] + noise * rng.normal(size=start.shape)
    return out


def timed(name: str, call) -> None:
    start = time.process_time()
    print(f"{name:<36} {call()!r}  {time.process_time() - start:.2f} s of processor time")


def main() -> None:
    for d in (5, 50, 768):
        clouds = drifting(np.random.default_rng(1).normal(size=(500, d)), 12, 0.3)
        for through in ("intersections", "unions"):
            recipe = ti.NeighborGraphs(k=10, through=through)
            timed(f"zigzag, d = {d}, {through}", lambda clouds=clouds, recipe=recipe: ti.zigzag(clouds, recipe))
    for d in (2, 50):
        clouds = drifting(ti.shapes.noisy_circle(500, 0.2, d), 6, 0.05)
        timed(f"match_cycles, d = {d}", lambda clouds=clouds: ti.match_cycles(clouds, ti.Rips()))


if __name__ == "__main__":
    main()
