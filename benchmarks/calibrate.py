"""Do reports claim loops where there are none, and find them where there are? `make calibrate` runs it all.

    python benchmarks/calibrate.py noise             false claims on loop-free data, 200 reports for each kind
    python benchmarks/calibrate.py noise --quick     the form for CI: 40 reports of one metric
    python benchmarks/calibrate.py uniform           p-values of the rotation null on Gaussian rows, thousands of tests
    python benchmarks/calibrate.py power             planted circles, tori and spheres
    python benchmarks/calibrate.py speed             99 draws for one layer of 500 rows
    python benchmarks/calibrate.py coverage          what the bands of ti.bottleneck_bootstrap and ti.subsample_bands cover

Every finished run is a line of a CSV file in --out, so that an interrupted calibration goes on where it stopped.
A report is 3 sites x 3 metrics on 150 rows, 39 draws, and claims a loop when the smallest p after max-T is at most 0.05.
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binom, chisquare, kstest

import topo_interp as ti
from topo_interp.progress import progress

ROWS, DRAWS, ALPHA = 150, 39, 0.05
RECIPES = {
    "euclidean": ti.Rips("euclidean", steps=(ti.centered(),)),
    "chordal": ti.Rips("chordal", steps=(ti.centered(),)),
    "standardized": ti.Rips("euclidean", steps=(ti.standardized(),)),
}
LOOP = ti.max_persistence(dim=1, relative=True)
Store = dict[str, np.ndarray]


# ------------------------------------------------------------------------------------------- data without a loop


def mixed(x: np.ndarray, rng: np.random.Generator) -> Store:
    """Three sites that resemble each other, as the layers of a network do."""
    d = x.shape[1]
    second = x @ (np.eye(d) + 0.5 * rng.normal(size=(d, d)) / np.sqrt(d))
    return {"first": x, "second": second, "third": second @ rng.normal(size=(d, d)) / np.sqrt(d)}


def gaussian(rng: np.random.Generator) -> tuple[Store, Any, Any]:
    return mixed(rng.normal(size=(ROWS, 50)), rng), None, ti.nulls.matched_gaussian()


def spectrum(rng: np.random.Generator) -> tuple[Store, Any, Any]:
    return mixed(rng.normal(size=(ROWS, 100)) / np.arange(1, 101), rng), None, ti.nulls.matched_gaussian()


def crossed(rng: np.random.Generator) -> tuple[Store, Any, Any]:
    import pandas

    template, word = np.divmod(np.arange(ROWS), 10)
    x = rng.normal(size=(15, 50))[template] + rng.normal(size=(10, 50))[word] + 0.3 * rng.normal(size=(ROWS, 50))
    table = pandas.DataFrame({"template": template, "word": word})
    return mixed(x, rng), table, ti.nulls.matched_gaussian(within=["template", "word"])


def clustered(rng: np.random.Generator) -> tuple[Store, Any, Any]:
    import pandas

    cluster = np.arange(ROWS) // 10
    x = 2 * rng.normal(size=(15, 50))[cluster] + rng.normal(size=(ROWS, 50))
    return mixed(x, rng), pandas.DataFrame({"cluster": cluster}), ti.nulls.matched_gaussian(within=["cluster"])


INPUTS: dict[str, np.ndarray] = {}


def fresh_mlp(seed: int) -> Store:
    """Three hidden layers of a freshly initialized network of rectified units, on the inputs of this run."""
    rng, x, store = np.random.default_rng(seed), INPUTS["mlp"], {}
    for layer in range(3):
        x = np.maximum(0.0, x @ rng.normal(size=(x.shape[1], 64)) * np.sqrt(2 / x.shape[1]))
        store[f"layer {layer}"] = x
    return store


def random_mlp(rng: np.random.Generator) -> tuple[Store, Any, Any]:
    """Against other initializations: rectified rows are far from Gaussian, and the next kind shows what that does."""
    INPUTS["mlp"] = rng.normal(size=(ROWS, 20))
    return fresh_mlp(int(rng.integers(2**31))), None, ti.nulls.reinitialized(fresh_mlp)


def random_mlp_against_gaussian(rng: np.random.Generator) -> tuple[Store, Any, Any]:
    """The limit of the rotation null, measured: rows on a bent surface are told from Gaussian ones, loop or not."""
    store, table, _ = random_mlp(rng)
    return store, table, ti.nulls.matched_gaussian()


def neighbors_of(kind: Callable[[np.random.Generator], tuple[Store, Any, Any]]) -> Callable[..., tuple[Store, Any, Any]]:
    """The same data against the null that has the data's nearness of neighbors."""
    return lambda rng: (*kind(rng)[:2], ti.nulls.matched_neighbors())


def random_minilm(rng: np.random.Generator) -> tuple[Store, Any, Any]:
    """Three layers of a freshly initialized sentence encoder of the size of MiniLM-L6, on random tokens, mean over tokens."""
    import torch
    from transformers import BertConfig, BertModel

    torch.set_num_threads(1)
    torch.manual_seed(int(rng.integers(2**31)))
    config = BertConfig(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)
    model = BertModel(config, add_pooling_layer=False).eval()
    tokens = torch.from_numpy(rng.integers(1000, config.vocab_size, size=(ROWS, 8)))
    with torch.inference_mode():
        states = model(tokens, output_hidden_states=True).hidden_states
    store = {f"layer {layer}": states[layer].mean(dim=1).numpy() for layer in (1, 3, 6)}
    return store, None, ti.nulls.matched_gaussian()


LOOP_FREE: dict[str, Callable[[np.random.Generator], tuple[Store, Any, Any]]] = {
    "gaussian": gaussian,
    "spectrum": spectrum,
    "crossed": crossed,
    "clustered": clustered,
    "random_mlp": random_mlp,
    "random_minilm": random_minilm,
    "random_mlp_against_gaussian": random_mlp_against_gaussian,
    "gaussian_against_neighbors": neighbors_of(gaussian),
    "spectrum_against_neighbors": neighbors_of(spectrum),
    "random_mlp_against_neighbors": neighbors_of(random_mlp),
    "random_minilm_against_neighbors": neighbors_of(random_minilm),
}


def noise_run(kind: str, run: int, metrics: tuple[str, ...]) -> dict[str, Any]:
    """One report on loop-free data."""
    start = time.perf_counter()
    store, table, null = LOOP_FREE[kind](np.random.default_rng([list(LOOP_FREE).index(kind), run]))
    how = ti.Significance((LOOP,), null=null, draws=DRAWS, seed=10_000 + run)
    found = ti.significance_table(store, {name: RECIPES[name] for name in metrics}, how, rows_table=table)
    smallest = float(found["p_max_t"].min())
    return {
        "kind": kind, "run": run, "metrics": len(metrics), "tests": int(found["tests"][0]), "draws": DRAWS,
        "smallest_p_max_t": smallest, "first_p": float(found["p_value"][0]), "claims": int(smallest <= ALPHA + 1e-9),
        "seconds": round(time.perf_counter() - start, 3),
    }  # fmt: skip


def noise(arguments: argparse.Namespace) -> dict[str, float]:
    runs = arguments.runs or (40 if arguments.quick else 200)
    metrics = ("euclidean",) if arguments.quick else tuple(RECIPES)
    path = arguments.out / f"noise_{len(metrics)}_metric{'s' if len(metrics) > 1 else ''}.csv"
    kinds = [kind for kind in LOOP_FREE if arguments.only in (None, kind)]
    jobs = [(kind, run, metrics) for run in range(runs) for kind in kinds]
    rows = resumed(path, ("kind", "run"), jobs, noise_run, arguments)
    # The 97.5 % quantile of the number of false claims at the level: 16 of 200, 5 of 40 (the promise in CI is 6).
    allowed = 6 if arguments.quick else int(binom.ppf(0.975, runs, ALPHA))
    print(f"\n{'kind':28s} {'runs':>5s} {'false claims':>13s} {'allowed':>8s} {'KS small p':>11s} {'KS large p':>11s}")
    figures: dict[str, float] = {}
    for kind in kinds:
        mine = [row for row in rows if row["kind"] == kind and int(row["run"]) < runs]
        claims = sum(int(row["claims"]) for row in mine)
        p = np.array([float(row["smallest_p_max_t"]) for row in mine])
        # Spread evenly below each attainable value, uniform p-values are uniform, so that both sides can be tested.
        even = p - np.random.default_rng(0).uniform(0, 1 / (1 + DRAWS), len(p))
        sides = [kstest(even, "uniform", alternative=side).pvalue for side in ("greater", "less")]
        print(f"{kind:28s} {len(mine):5d} {claims:13d} {allowed:8d} {sides[0]:11.3f} {sides[1]:11.3f}")
        name = f"calibrate/{'quick/' if arguments.quick else ''}{kind}"
        figures[f"{name}/false_claims"] = claims
        figures[f"{name}/uniform_p"] = min(sides)
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


def uniform_run(n: int, d: int, run: int) -> dict[str, Any]:
    x = np.random.default_rng([n, d, run]).normal(size=(n, d))
    found = ti.significance(x, itself, largest_distance, null=ti.nulls.matched_gaussian(), draws=UNIFORM_DRAWS, seed=run)
    return {"n": n, "d": d, "run": run, "draws": UNIFORM_DRAWS, "exceeding": found.exceeding}


def uniform(arguments: argparse.Namespace) -> dict[str, float]:
    wanted = {size: arguments.runs or (most // 20 if arguments.quick else most) for size, most in UNIFORM.items()}
    jobs = [(n, d, run) for (n, d), runs in wanted.items() for run in range(runs)]
    rows = resumed(arguments.out / "uniform.csv", ("n", "d", "run"), jobs, uniform_run, arguments)
    figures: dict[str, float] = {}
    print("\n   n    d  tests  draws that reached the data, 0 to 9 of 9                      chi2 p  KS small p  KS large p")
    for (n, d), runs in wanted.items():
        mine = np.array([int(row["exceeding"]) for row in rows if (row["n"], row["d"]) == (str(n), str(d)) and int(row["run"]) < runs])
        counts = np.bincount(mine, minlength=UNIFORM_DRAWS + 1)
        even = (1 + mine - np.random.default_rng(0).uniform(size=len(mine))) / (1 + UNIFORM_DRAWS)
        small, large = (kstest(even, "uniform", alternative=side).pvalue for side in ("greater", "less"))
        chi = chisquare(counts).pvalue
        print(f"{n:4d} {d:4d} {len(mine):6d}  {' '.join(f'{count:5d}' for count in counts)}  {chi:6.3f}  {small:10.3f}  {large:10.3f}")
        figures[f"calibrate/uniform/{n}x{d}/smallest_p"] = min(chi, small, large)
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
WIDTHS = (50, 768)
# Noise as the floor sqrt(2 d) sigma in units of the radius: the same difficulty in every width.
FLOORS = (0.25, 0.5, 1.0)
SIZES = {"circle": (50, 100, 200), "two circles": (50, 100, 200), "torus": (50, 100, 200), "sphere": (30, 50, 80)}


def power_run(shape: str, d: int, floor: float, n: int, run: int) -> dict[str, Any]:
    rng = np.random.default_rng([SHAPES.index(shape), d, round(100 * floor), n, run])
    x = planted(shape, n, d, floor / np.sqrt(2 * d), rng)
    dim = 2 if shape == "sphere" else 1
    summary = ti.max_persistence(dim=dim, relative=True)
    found = ti.significance(x, ti.Rips(max_dim=dim), summary, null=ti.nulls.matched_gaussian(), draws=DRAWS, seed=run)
    return {"shape": shape, "d": d, "floor": floor, "n": n, "run": run, "p": found.p_value, "found": int(found.p_value <= ALPHA)}


def power(arguments: argparse.Namespace) -> dict[str, float]:
    runs = arguments.runs or (4 if arguments.quick else 20)
    shapes = [shape for shape in SHAPES if arguments.only in (None, shape)]
    jobs = [
        (shape, d, floor, n, run)
        for run in range(runs) for shape in shapes for d in WIDTHS for floor in FLOORS for n in SIZES[shape]
    ]  # fmt: skip
    rows = resumed(arguments.out / "power.csv", ("shape", "d", "floor", "n", "run"), jobs, power_run, arguments)
    figures: dict[str, float] = {}
    print(f"\npower at p <= {ALPHA:g}, {DRAWS} draws, {runs} runs each; noise floor in radii\n")
    print(f"{'shape':12s} {'d':>4s} {'floor':>6s}  " + "  ".join(f"{'n':>9s}" for _ in range(3)))
    for shape in shapes:
        for d in WIDTHS:
            for floor in FLOORS:
                cells = []
                for n in SIZES[shape]:
                    wanted = (shape, str(d), str(floor), str(n))
                    mine = [row for row in rows if (row["shape"], row["d"], row["floor"], row["n"]) == wanted and int(row["run"]) < runs]
                    share = float(np.mean([int(row["found"]) for row in mine]))
                    figures[f"calibrate/power/{shape.replace(' ', '_')}/d{d}/floor{floor}/n{n}"] = share
                    cells.append(f"{n:4d}:{share:4.2f}")
                print(f"{shape:12s} {d:4d} {floor:6.2f}  " + "  ".join(cells))
    return figures


# ------------------------------------------------------------------------------------------------ coverage of bands


def coverage_run(noise: float, run: int) -> dict[str, Any]:
    """A circle with noise: does the bar of the circle itself lie within each band of the sample's longest bar?"""
    rng = np.random.default_rng([round(100 * noise), run])
    x = _circle(100, rng) + noise * rng.normal(size=(100, 2))
    bars = ti.Rips()(x)[1]
    longest = bars[np.argmax(bars[:, 1] - bars[:, 0])]
    # The Rips bar of the circle of radius 1: from 0 to the side of the inscribed triangle.
    error = float(np.abs(longest - [0.0, np.sqrt(3.0)]).max())
    bootstrap = ti.bottleneck_bootstrap(x, ti.Rips(), draws=50, seed=run)
    band = ti.subsample_bands(x, draws=50, seed=run)
    return {"noise": noise, "run": run, "error": error, "bootstrap": bootstrap.width / 2, "subsample": band.width / 2}


def coverage(arguments: argparse.Namespace) -> dict[str, float]:
    runs = arguments.runs or (10 if arguments.quick else 200)
    noises = (0.0, 0.1, 0.2)
    jobs = [(noise, run) for run in range(runs) for noise in noises]
    rows = resumed(arguments.out / "coverage.csv", ("noise", "run"), jobs, coverage_run, arguments)
    figures = {}
    print(f"\nshare of {runs} samples (100 points of a circle) whose band of level 0.95 covers the bar of the circle\n")
    for noise in noises:
        mine = [row for row in rows if float(row["noise"]) == noise and int(row["run"]) < runs]
        for band in ("bootstrap", "subsample"):
            share = float(np.mean([float(row["error"]) <= float(row[band]) for row in mine]))
            figures[f"calibrate/coverage/{band}/noise{noise}"] = share
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
    return {"calibrate/speed/500_rows_99_draws_seconds": float(np.median(seconds))}


# ------------------------------------------------------------------------------------------------------- running


def resumed(
    path: Path, key: tuple[str, ...], jobs: list[tuple[Any, ...]], run: Callable[..., dict[str, Any]], arguments: argparse.Namespace
) -> list[dict[str, str]]:
    """All rows of the CSV file, after the jobs that were missing in it have been run and appended."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = read(path)
    done = {tuple(row[name] for name in key) for row in rows}
    todo = [job for job in jobs if tuple(map(str, job[: len(key)])) not in done]
    print(f"{path.name}: {len(jobs) - len(todo)} of {len(jobs)} runs are there, {len(todo)} to do", file=sys.stderr)
    if todo:
        with (
            path.open("a", newline="", encoding="utf-8") as stream,
            progress(len(todo), path.stem) as line,
            # Spawned once and kept: joblib's workers restart, with all their imports, whenever torch has grown them.
            ProcessPoolExecutor(arguments.jobs, multiprocessing.get_context("spawn")) as pool,
        ):
            for row in pool.map(alone, [run] * len(todo), todo):
                writer = csv.DictWriter(stream, list(row))
                if stream.tell() == 0:
                    writer.writeheader()
                writer.writerow(row)
                stream.flush()
                line.advance()
    return read(path)


def alone(run: Callable[..., dict[str, Any]], job: tuple[Any, ...]) -> dict[str, Any]:
    """One run on one core: the runs themselves are what is parallel."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[os.getpid() % len(cores)]} if len(cores) > 1 else set(cores))
    return run(*job)


def read(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("noise", "uniform", "power", "coverage", "speed"))
    parser.add_argument("--quick", action="store_true", help="the short form, for CI")
    parser.add_argument("--runs", type=int, help="another number of runs")
    parser.add_argument("--only", help="one kind of data only")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent / "calibration", help="folder of the CSV files")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    arguments = parser.parse_args()
    figures = {"noise": noise, "uniform": uniform, "power": power, "coverage": coverage, "speed": speed}[arguments.what](arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
