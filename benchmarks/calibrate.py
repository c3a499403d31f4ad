"""Do reports claim loops where there are none, and find them where there are? `make calibrate` runs it all.

    python benchmarks/calibrate.py noise             false claims on loop-free data, 200 reports for each kind
    python benchmarks/calibrate.py noise --quick     the form for CI: 40 reports of one metric
    python benchmarks/calibrate.py limits            the same where no promise is made: nulls at and beyond their limits
    python benchmarks/calibrate.py uniform           p-values of the rotation null on Gaussian rows, thousands of tests
    python benchmarks/calibrate.py power             planted circles, tori and spheres
    python benchmarks/calibrate.py speed             99 draws for one layer of 500 rows
    python benchmarks/calibrate.py coverage          what the bands of ti.bottleneck_bootstrap and ti.subsample_bands cover

A report is what `ti.profile(..., ti.report_recipes(), significance=...)` tests: 3 sites x 3 metrics on 150 rows, 39 draws. It claims a
loop when the smallest p after max-T is at most 0.05.

With --out every finished run is a line of a CSV file, and an interrupted calibration goes on where it stopped; a run counts as done only
if everything that decides it is the same: the sources of the package and of the data, the null, the draws, the metrics. The rows of
older states stay in the file, and are counted nowhere. Without --out all is measured anew, and nothing is kept.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import functools
import hashlib
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import loop_free
import numpy as np
from scipy.stats import binom, chisquare, kstest

import topo_interp as ti
from topo_interp._sources import package_digest, sources_digest
from topo_interp.progress import progress

DRAWS, ALPHA = 39, 0.05
LOOP = ti.max_persistence(dim=1, relative=True)
Job = dict[str, Any]


# --------------------------------------------------------------------------------------------------- false claims


def noise_run(kind: str, run: int, metrics: str, draws: int, **_: str) -> dict[str, Any]:
    """One report on loop-free data: the tests of ``ti.profile``, without what it measures beside them."""
    start = time.perf_counter()
    store, table, null = loop_free.data(kind, run)
    recipes = {name: recipe for name, recipe in ti.report_recipes().items() if name in metrics.split(" + ")}
    how = ti.Significance(null=null, draws=draws, seed=10_000 + run, detect=None)
    found = ti.significance_table(store, recipes, how, rows_table=table)
    smallest = float(found["p_max_t"].min())
    return {
        "tests": len(found), "smallest_p_max_t": smallest, "claims": int(smallest <= ALPHA + 1e-9),
        "seconds": round(time.perf_counter() - start, 3),
    }  # fmt: skip


def noise(arguments: argparse.Namespace) -> dict[str, float]:
    start = time.perf_counter()
    figures = false_claims(loop_free.PROMISED, arguments)
    return figures | {"noise/seconds": time.perf_counter() - start}


def limits(arguments: argparse.Namespace) -> dict[str, float]:
    return false_claims(loop_free.LIMITS, arguments)


def false_claims(known: Iterable[str], arguments: argparse.Namespace) -> dict[str, float]:
    runs = arguments.runs or (40 if arguments.quick else 200)
    metrics = list(ti.report_recipes())[: 1 if arguments.quick else None]
    kinds = [kind for kind in known if arguments.only in (None, kind)]
    jobs = [
        {"kind": kind, "run": run, "metrics": " + ".join(metrics), **decided(DRAWS, loop_free.KINDS[kind][1])}
        for run in range(runs) for kind in kinds
    ]  # fmt: skip
    rows = resumed("noise", jobs, noise_run, arguments)
    # The 97.5 % quantile of the number of false claims at the level: 16 of 200, 5 of 40 (the promise in CI is 6).
    allowed = 6 if arguments.quick else int(binom.ppf(0.975, runs, ALPHA))
    print(f"\n{'kind':30s} {'runs':>5s} {'false claims':>13s} {'allowed':>8s} {'KS small p':>11s} {'KS large p':>11s} {'s a run':>8s}")
    figures: dict[str, float] = {}
    for kind in kinds:
        mine = [row for row in rows if row["kind"] == kind]
        claims = sum(int(row["claims"]) for row in mine)
        p = np.array([float(row["smallest_p_max_t"]) for row in mine])
        # Spread evenly below each attainable value, uniform p-values are uniform, so that both sides can be tested.
        even = p - np.random.default_rng(0).uniform(0, 1 / (1 + DRAWS), len(p))
        small, large = (float(kstest(even, "uniform", alternative=side).pvalue) for side in ("greater", "less"))
        seconds = np.mean([float(row["seconds"]) for row in mine])
        print(f"{kind:30s} {len(mine):5d} {claims:13d} {allowed:8d} {small:11.3f} {large:11.3f} {seconds:8.2f}")
        figures |= {f"{kind}/false_claims": claims, f"{kind}/uniform_p_small": small, f"{kind}/uniform_p_large": large}
    return figures


# ------------------------------------------------------------------------------------------------ uniform p-values

# (rows, dimension): the tests of each. A test at 500 rows costs what thirty cost at 100.
UNIFORM = {(100, 10): 5000, (100, 384): 5000, (500, 768): 500}
UNIFORM_DRAWS = 9


def itself(points: np.ndarray) -> np.ndarray:
    return points


def largest_distance(points: np.ndarray) -> float:
    """A statistic that is no function of the covariance and costs little."""
    points = np.asarray(points, dtype=np.float64)
    gram = points @ points.T
    squares = np.diagonal(gram)
    return float((squares[:, None] + squares - 2 * gram).max())


def uniform_run(n: int, d: int, run: int, draws: int, **_: str) -> dict[str, Any]:
    x = np.random.default_rng([n, d, run]).normal(size=(n, d))
    found = ti.significance(x, itself, largest_distance, null=ti.nulls.matched_gaussian(), draws=draws, seed=run)
    return {"exceeding": found.exceeding}


def uniform(arguments: argparse.Namespace) -> dict[str, float]:
    wanted = {size: arguments.runs or (most // 20 if arguments.quick else most) for size, most in UNIFORM.items()}
    same = decided(UNIFORM_DRAWS, ti.nulls.matched_gaussian())
    jobs = [{"n": n, "d": d, "run": run, **same} for (n, d), runs in wanted.items() for run in range(runs)]
    rows = resumed("uniform", jobs, uniform_run, arguments)
    figures: dict[str, float] = {}
    print("\n   n    d  tests  draws that reached the data, 0 to 9 of 9                      chi2 p  KS small p  KS large p")
    for n, d in wanted:
        mine = np.array([int(row["exceeding"]) for row in rows if (row["n"], row["d"]) == (str(n), str(d))])
        counts = np.bincount(mine, minlength=UNIFORM_DRAWS + 1)
        even = (1 + mine - np.random.default_rng(0).uniform(size=len(mine))) / (1 + UNIFORM_DRAWS)
        small, large = (kstest(even, "uniform", alternative=side).pvalue for side in ("greater", "less"))
        chi = chisquare(counts).pvalue
        print(f"{n:4d} {d:4d} {len(mine):6d}  {' '.join(f'{count:5d}' for count in counts)}  {chi:6.3f}  {small:10.3f}  {large:10.3f}")
        figures[f"uniform/{n}x{d}/smallest_p"] = min(chi, small, large)
    return figures


# ------------------------------------------------------------------------------------------------ planted structure


def planted(shape: str, n: int, d: int, noise: float, rng: np.random.Generator) -> np.ndarray:
    """A shape in a random subspace of R^d, with noise of this standard deviation in every coordinate."""
    if shape == "circle":
        core = _circle(n, rng)
    elif shape == "two circles":
        core = np.zeros((n, 4))
        core[: n // 2, :2], core[n // 2 :, 2:] = _circle(n // 2, rng), _circle(n - n // 2, rng)
        core[: n // 2, 2:] += 2.0
    elif shape == "torus":
        core = np.column_stack((_circle(n, rng), _circle(n, rng)))
    else:
        core = rng.normal(size=(n, 3))
        core /= np.linalg.norm(core, axis=1, keepdims=True)
    basis = np.linalg.qr(rng.normal(size=(d, core.shape[1])))[0]
    return core @ basis.T + noise * rng.normal(size=(n, d))


def _circle(n: int, rng: np.random.Generator) -> np.ndarray:
    angles = rng.uniform(0, 2 * np.pi, n)
    return np.column_stack((np.cos(angles), np.sin(angles)))


SHAPES = ("circle", "two circles", "torus", "sphere")
# Noise as the floor sqrt(2 d) sigma in units of the radius, by dimension: a squared distance varies by floor^2 sqrt(2 / d), so that
# the floors from all found to nearly none found are higher where there are more dimensions.
FLOORS = {50: (1.0, 2.0, 3.0), 768: (3.0, 4.0, 5.0)}
LEVELS = ("low", "middle", "high")
SIZES = {"circle": (50, 100, 200), "two circles": (50, 100, 200), "torus": (50, 100, 200), "sphere": (30, 50, 80)}


def power_run(shape: str, d: int, floor: float, n: int, run: int, draws: int, **_: str) -> dict[str, Any]:
    rng = np.random.default_rng([SHAPES.index(shape), d, round(100 * floor), n, run])
    x = planted(shape, n, d, floor / np.sqrt(2 * d), rng)
    dim = 2 if shape == "sphere" else 1
    summary = ti.max_persistence(dim=dim, relative=True)
    found = ti.significance(x, ti.Rips(max_dim=dim), summary, null=ti.nulls.matched_gaussian(), draws=draws, seed=run)
    return {"p": found.p_value, "found": int(found.p_value <= ALPHA)}


def power(arguments: argparse.Namespace) -> dict[str, float]:
    runs = arguments.runs or (4 if arguments.quick else 20)
    shapes = [shape for shape in SHAPES if arguments.only in (None, shape)]
    same = decided(DRAWS, ti.nulls.matched_gaussian())
    jobs = [
        {"shape": shape, "d": d, "floor": floor, "n": n, "run": run, **same}
        for run in range(runs) for shape in shapes for d, floors in FLOORS.items() for floor in floors for n in SIZES[shape]
    ]  # fmt: skip
    rows = resumed("power", jobs, power_run, arguments)
    found: dict[tuple[str, ...], list[int]] = {}
    for row in rows:
        found.setdefault((row["shape"], row["d"], row["floor"], row["n"]), []).append(int(row["found"]))
    figures: dict[str, float] = {}
    print(f"\npower at p <= {ALPHA:g}, {DRAWS} draws, {runs} runs each; noise floor in radii\n")
    print(f"{'shape':12s} {'d':>4s} {'floor':>6s}  " + "  ".join(f"{'n':>9s}" for _ in range(3)))
    for shape in shapes:
        for level, name in enumerate(LEVELS):
            together = []
            for d, floors in FLOORS.items():
                cells = {n: found[shape, str(d), str(floors[level]), str(n)] for n in SIZES[shape]}
                shares = "  ".join(f"{n:4d}:{np.mean(cell):4.2f}" for n, cell in cells.items())
                print(f"{shape:12s} {d:4d} {floors[level]:6.2f}  {shares}")
                together += [hit for cell in cells.values() for hit in cell]
            figures[f"power/{shape.replace(' ', '_')}/noise_{name}"] = float(np.mean(together))
    return figures


# ------------------------------------------------------------------------------------------------ coverage of bands


def coverage_run(noise: float, run: int, draws: int, **_: str) -> dict[str, Any]:
    """A circle with noise: does the bar of the circle itself lie within each band of the sample's longest bar?"""
    rng = np.random.default_rng([round(100 * noise), run])
    x = _circle(100, rng) + noise * rng.normal(size=(100, 2))
    bars = ti.Rips()(x)[1]
    longest = bars[np.argmax(bars[:, 1] - bars[:, 0])]
    # The Rips bar of the circle of radius 1: from 0 to the side of the inscribed triangle.
    error = float(np.abs(longest - [0.0, np.sqrt(3.0)]).max())
    bootstrap = ti.bottleneck_bootstrap(x, ti.Rips(), draws=draws, seed=run)
    band = ti.subsample_bands(x, draws=draws, seed=run)
    return {"error": error, "bootstrap": bootstrap.width / 2, "subsample": band.width / 2}


def coverage(arguments: argparse.Namespace) -> dict[str, float]:
    runs = arguments.runs or (10 if arguments.quick else 200)
    noises = (0.0, 0.1, 0.2)
    jobs = [{"noise": noise, "run": run, **decided(50)} for run in range(runs) for noise in noises]
    rows = resumed("coverage", jobs, coverage_run, arguments)
    figures = {}
    print(f"\nshare of {runs} samples (100 points of a circle) whose band of level 0.95 covers the bar of the circle\n")
    for noise in noises:
        mine = [row for row in rows if float(row["noise"]) == noise]
        for band in ("bootstrap", "subsample"):
            share = float(np.mean([float(row["error"]) <= float(row[band]) for row in mine]))
            figures[f"coverage/{band}/noise{noise}"] = share
            print(f"noise {noise:4.2f}  {band:10s} {share:5.3f}")
    return figures


# --------------------------------------------------------------------------------------------------------- speed


def speed(arguments: argparse.Namespace) -> dict[str, float]:
    """One layer of 500 rows, Euclidean, 99 draws."""
    seconds = []
    for seed in range(1 if arguments.quick else 3):
        x = np.random.default_rng(seed).normal(size=(500, 768)).astype(np.float32)
        start = time.perf_counter()
        ti.significance(x, ti.Rips(), LOOP, null=ti.nulls.matched_gaussian(), draws=99, seed=seed, n_jobs=arguments.jobs)
        seconds.append(time.perf_counter() - start)
    print(f"500 rows in R^768, 99 draws, {arguments.jobs} jobs: {np.median(seconds):.1f} s (median of {len(seconds)})")
    return {"speed/500_rows_99_draws_seconds": float(np.median(seconds))}


# ------------------------------------------------------------------------------------------------------- running


def decided(draws: int, null: Any = None) -> Job:
    """What decides the result of a run besides its data."""
    return {"draws": draws, "null": "" if null is None else null.to_json(), "version": version()}


@functools.lru_cache(maxsize=1)
def version() -> str:
    """The package's version, with a digest of what runs: the package, its extension, and the two files that make the data."""
    parts = package_digest(), sources_digest(Path(__file__)), sources_digest(Path(loop_free.__file__))
    return f"{ti.__version__}+{hashlib.sha256(' '.join(parts).encode()).hexdigest()[:16]}"


def resumed(name: str, jobs: list[Job], run: Callable[..., dict[str, Any]], arguments: argparse.Namespace) -> list[dict[str, str]]:
    """The rows of all jobs, after those that were missing in the CSV file have been run and appended."""
    path = arguments.out / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    done = {key(row, jobs[0]) for row in read(path)}
    todo = [job for job in jobs if key(job, jobs[0]) not in done]
    print(f"{path.name}: {len(jobs) - len(todo)} of {len(jobs)} runs are there, {len(todo)} to do", file=sys.stderr)
    with (
        path.open("a", newline="", encoding="utf-8") as stream,
        progress(len(todo), path.stem) as line,
        workers(arguments.jobs if todo else 1) as each,
    ):
        for job, result in zip(todo, each(functools.partial(called, run), todo), strict=True):
            row = job | result
            writer = csv.DictWriter(stream, list(row))
            if stream.tell() == 0:
                writer.writeheader()
            writer.writerow(row)
            stream.flush()
            line.advance()
    wanted = {key(job, jobs[0]) for job in jobs}
    return [row for row in read(path) if key(row, jobs[0]) in wanted]


def key(row: Job, job: Job) -> tuple[str, ...]:
    """What tells runs apart, as the CSV file holds it."""
    return tuple(str(row.get(name, "")) for name in job)


@contextlib.contextmanager
def workers(jobs: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """A map over processes, or of this one. They are kept: joblib's restart, with all imports, whenever torch has grown them."""
    if jobs == 1:
        yield map
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, spawn, initializer=one_core, initargs=(spawn.Value("i", 0),)) as pool:
        yield pool.map


def one_core(started: Any) -> None:
    """Each worker on a core of its own: the runs themselves are what is parallel."""
    with started.get_lock():
        number, started.value = started.value, started.value + 1
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[number % len(cores)]})


def called(run: Callable[..., dict[str, Any]], job: Job) -> dict[str, Any]:
    return run(**job)


def read(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


MEASURES = {"noise": noise, "limits": limits, "uniform": uniform, "power": power, "coverage": coverage, "speed": speed}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=MEASURES)
    parser.add_argument("--quick", action="store_true", help="the short form, for CI")
    parser.add_argument("--runs", type=int, help="another number of runs")
    parser.add_argument("--only", help="one kind of data only")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, help="folder of the CSV files in which an interrupted calibration goes on")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    arguments = parser.parse_args()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        arguments.out = arguments.out or Path(folder)
        found = MEASURES[arguments.what](arguments)
    figures = {f"calibrate/{'quick/' if arguments.quick else ''}{name}": value for name, value in found.items()}
    print(f"\n{time.perf_counter() - start:.0f} s, {arguments.jobs} jobs")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
