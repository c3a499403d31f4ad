"""Time and worst relative error of distances: this package, numpy's bare product, scikit-learn, scipy, torch.

Run: python benchmarks/distances.py [--threads 2] [--json figures.json] [--quick]

All contenders take turns within one run, so that a busy machine slows all of them; times are medians, and the processor time
(all threads) stands beside them, which says more than the clock on a machine with other work. Errors are the worst over 64 rows
against all, measured by float64 differences of the given points. `numpy x @ x.T` is half the work of a general product
(ssyrk) and no distance at all: it is the yardstick, and `x @ x.copy().T`, all of that work, stands beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import euclidean_distances

import topo_interp as ti
from topo_interp._native import cpu

SHAPES = [(5000, 768), (3000, 4096)]
_QUIET = 0.25  # seconds; libgomp and OpenBLAS spin for up to about 0.2
KINDS = ["normal", "spectrum", "clusters", "massive", "near-duplicates"]


def cloud(kind: str, n: int, d: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, d), dtype=np.float32)
    if kind == "spectrum":
        x /= np.arange(1, d + 1, dtype=np.float32)
    elif kind == "clusters":
        x = rng.standard_normal((20, d), dtype=np.float32)[rng.integers(20, size=n)] + np.float32(1e-3) * x
    elif kind == "massive":
        x *= np.float32(0.3)
        x[:, 0], x[:, -1] = 1500, -800
    elif kind == "near-duplicates":
        x += 100
        x[n // 2 :] = x[: n - n // 2] + np.float32(1e-3) * rng.standard_normal((n - n // 2, d), dtype=np.float32)
    return x


def turns(contenders: dict[str, Callable[[], np.ndarray]], rounds: int) -> dict[str, tuple[float, float]]:
    """Median (seconds, processor seconds) of each, one after another in every round, after one round that does not count.

    Each starts on a quiet machine: the threads of a BLAS or of OpenMP spin for a while after their work is done, on the
    processors and in the processor time of whoever comes next.
    """
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    for turn in range(rounds + 1):
        for name, run in contenders.items():
            time.sleep(_QUIET)
            start, used = time.perf_counter(), time.process_time()
            run()
            if turn:
                seconds[name].append((time.perf_counter() - start, time.process_time() - used))
    return {name: tuple(np.median(times, axis=0).tolist()) for name, times in seconds.items()}


def worst_error(out: np.ndarray, rows: np.ndarray, truth: np.ndarray) -> float:
    """Worst relative error over the given rows; the distance of a row to itself is left out."""
    difference = np.abs(out[rows].astype(np.float64) - truth)
    difference[np.arange(len(rows)), rows] = 0
    return float(np.max(difference / np.where(truth > 0, truth, np.inf)))


def compare(kind: str, n: int, d: int, threads: int, rounds: int, torch) -> dict[str, float]:
    x = cloud(kind, n, d)
    other = x.copy()
    tensor = torch.from_numpy(x)
    contenders: dict[str, Callable[[], np.ndarray]] = {
        "numpy x @ x.T": lambda: x @ x.T,
        "numpy x @ x.copy().T": lambda: x @ other.T,
        "pairwise_distances": lambda: ti.pairwise_distances(x, threads=threads),
        "DistanceMatrix": lambda: ti.DistanceMatrix.from_points(x, threads=threads).condensed,
        "sklearn": lambda: euclidean_distances(x),
        "torch.cdist": lambda: torch.cdist(tensor, tensor).numpy(),
    }
    taken = turns(contenders, rounds)
    rows = np.linspace(0, n - 1, 64).astype(int)
    start, used = time.perf_counter(), time.process_time()
    truth = cdist(x[rows].astype(np.float64), x.astype(np.float64))
    scale = n / len(rows)
    taken["scipy cdist (of 64 rows, scaled)"] = ((time.perf_counter() - start) * scale, (time.process_time() - used) * scale)
    (yardstick, processor), (whole, _) = taken["numpy x @ x.T"], taken["numpy x @ x.copy().T"]
    titles = f"{'seconds':>10s}{'over x @ x.T':>14s}{'x @ x.copy().T':>16s}{'processor':>12s}{'over x @ x.T':>14s}{'error':>10s}"
    print(f"\n{kind + f', n = {n}, d = {d}':42s}{titles}")
    errors = {}
    for name, (clock, used) in taken.items():
        if name in ("pairwise_distances", "sklearn", "torch.cdist"):
            errors[name] = worst_error(contenders[name](), rows, truth)
        shown = f"{errors[name]:.1e}" if name in errors else ""
        ratios = f"{clock / yardstick:14.2f}{clock / whole:16.2f}{used:12.4f}{used / processor:14.2f}"
        print(f"  {name:40s}{clock:10.4f}{ratios}{shown:>10s}", flush=True)
    squares = worst_error(ti.pairwise_distances(x, metric="sqeuclidean", threads=threads), rows, truth**2)
    return {
        f"distances/{kind}_{n}x{d}/over_numpy_syrk": taken["pairwise_distances"][0] / yardstick,
        f"distances/{kind}_{n}x{d}/worst_relative_error": errors["pairwise_distances"],
        f"distances/{kind}_{n}x{d}/worst_squared_error": squares,
    }


def direct(metric: str, scipy_name: str, n: int, d: int, threads: int, rounds: int) -> dict[str, float]:
    x = cloud("normal", n, d)
    wide = x.astype(np.float64)
    run = {
        "ours": lambda: ti.pairwise_distances(x, metric=metric, threads=threads),
        "scipy": lambda: cdist(wide, wide, scipy_name),
    }
    taken = turns(run, rounds)
    (ours, our_processor), (theirs, their_processor) = taken["ours"], taken["scipy"]
    error = worst_error(run["ours"](), np.arange(n), run["scipy"]())
    print(
        f"  {metric:12s}{ours:8.4f} s, scipy cdist {theirs:8.3f} s: {theirs / ours:6.1f} times as fast "
        f"({their_processor / our_processor:.1f} times by processor time), error {error:.1e}",
        flush=True,
    )
    return {f"distances/{metric}/speedup_over_scipy": theirs / ours}


def instruction_sets(n: int, d: int, threads: int, rounds: int) -> None:
    x = cloud("normal", n, d)
    out = np.empty((n, n), np.float32)
    run = {isa: lambda isa=isa: cpu.pairwise(x, None, out, "euclidean", threads, isa=isa) for isa in cpu.instruction_sets()}
    for isa, (_, used) in turns(run, rounds).items():
        print(f"  {isa:12s}{used:10.4f} processor s, {n * n * d / used / 1e9:8.1f} GFlop/s")


def blas_by_tiles(n: int, d: int, rounds: int) -> None:
    """One thread: BLAS called once a tile, as the kernel could have been built, against the whole of the kernel."""
    from scipy.linalg.blas import sgemm
    from threadpoolctl import threadpool_limits

    x = np.asfortranarray(cloud("normal", n, d).T)  # columns are points: what a tile takes of it is contiguous
    points, out, side = np.ascontiguousarray(x.T), np.empty((n, n), np.float32), 192

    def tiles() -> None:
        for i in range(0, n, side):
            for j in range(i, n, side):
                sgemm(1.0, x[:, i : i + side], x[:, j : j + side], trans_a=True)

    run = {
        "sgemm, products of the upper tiles only": tiles,
        "own kernel, whole distances": lambda: cpu.pairwise(points, None, out, "euclidean", 1),
    }
    with threadpool_limits(1, user_api="blas"):
        for name, (_, used) in turns(run, rounds).items():
            print(f"  {name:42s}{used:10.4f} processor s, {n * n * d / used / 1e9:8.1f} GFlop/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--quick", action="store_true", help="the three promised clouds, fewer rounds")
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", str(arguments.threads))
    import torch

    torch.set_num_threads(arguments.threads)
    rounds = 2 if arguments.quick else 7
    figures: dict[str, float] = {}
    for n, d in SHAPES:
        for kind in KINDS[: 3 if arguments.quick else None]:
            figures |= compare(kind, n, d, arguments.threads, rounds, torch)
    figures["distances/worst_relative_error"] = max(v for k, v in figures.items() if k.endswith("worst_relative_error"))
    figures["distances/sqeuclidean/worst_relative_error"] = max(v for k, v in figures.items() if k.endswith("worst_squared_error"))
    print(f"\nworst error of squared distances on these clouds: {figures['distances/sqeuclidean/worst_relative_error']:.1e}")
    print("\nmetrics by differences, n = 2000, d = 768")
    for metric, scipy_name in (("manhattan", "cityblock"), ("chebyshev", "chebyshev")):
        figures |= direct(metric, scipy_name, 2000, 768, arguments.threads, rounds)
    print("\ninstruction sets, n = 2000, d = 768")
    instruction_sets(2000, 768, arguments.threads, 3)
    for n, d in SHAPES:
        print(f"\na product a tile, n = {n}, d = {d}, one thread")
        blas_by_tiles(n, d, rounds)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
