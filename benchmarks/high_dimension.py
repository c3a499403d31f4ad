"""Which metrics still see a circle, and a torus, in noise of 50 dimensions.

The set-up of Damrich, Berens and Kobak (NeurIPS 2024), whose figure shows the values of KNOWN for the circle: 1000 points,
turned at random into R^50, normal noise of standard deviation sigma in every coordinate. The score of a diagram with m true
features is (p_m - p_(m+1)) / p_m, p the sorted persistences of its degree; 0 when no bar has death / birth > 1.25.

    python benchmarks/high_dimension.py                       both shapes, 10 seeds (some minutes)
    python benchmarks/high_dimension.py --quick               the circle at sigma 0.25, 3 seeds
    python benchmarks/high_dimension.py --figure PATH         the curves over sigma as a picture (matplotlib)

The torus stands here because the spectral metrics do NOT help there: 1000 points are too few for its two loops.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np

import topo_interp as ti

N, DIM = 1000, 50
METRICS = {
    "euclidean": "euclidean",
    "effective_resistance_100": ti.effective_resistance(100),
    "effective_resistance_15": ti.effective_resistance(15),
    "diffusion_15_8": ti.diffusion(15, 8),
}
# Mean score of the circle by (sigma, metric).
KNOWN = {
    (0.10, "euclidean"): 0.858,
    (0.10, "effective_resistance_100"): 0.996,
    (0.10, "effective_resistance_15"): 0.964,
    (0.10, "diffusion_15_8"): 0.987,
    (0.25, "euclidean"): 0.0,
    (0.25, "effective_resistance_100"): 0.954,
    (0.25, "effective_resistance_15"): 0.811,
    (0.25, "diffusion_15_8"): 0.957,
}
LOOPS = {"circle": 1, "torus": 2}


def cloud(shape: str, sigma: float, seed: int, n: int = N, dim: int = DIM) -> np.ndarray:
    """Points of the shape in a random subspace, with noise."""
    rng = np.random.default_rng(seed)
    if shape == "circle":
        angle = np.linspace(0, 2 * math.pi, n)  # both ends: one point comes twice
        points = np.column_stack((np.cos(angle), np.sin(angle)))
    else:
        points = torus(n, rng)
    basis, _ = np.linalg.qr(rng.standard_normal((dim, points.shape[1])))
    return points @ basis.T + sigma * rng.standard_normal((n, dim))


def torus(n: int, rng: np.random.Generator) -> np.ndarray:
    """Uniform by area on the torus with radii 2 and 1 in R^3."""
    kept = np.empty((0, 2))
    while len(kept) < n:
        angles = rng.uniform(0, 2 * math.pi, (2 * n, 2))
        kept = np.concatenate((kept, angles[rng.uniform(0, 3, 2 * n) < 2 + np.cos(angles[:, 1])]))
    u, v = kept[:n].T
    return np.column_stack(((2 + np.cos(v)) * np.cos(u), (2 + np.cos(v)) * np.sin(u), np.sin(v)))


def score(diagrams: ti.Diagrams, features: int, dim: int = 1) -> float:
    """The detection score of the first ``features`` bars of a degree."""
    births, deaths = diagrams.finite(dim).T
    if not (deaths > 1.25 * births).any() or len(births) < features:
        return 0.0
    lengths = np.sort(deaths - births)[::-1]
    return 1.0 if len(lengths) == features else float((lengths[features - 1] - lengths[features]) / lengths[features - 1])


def scores(shape: str, sigma: float, metric: str, seeds: int) -> np.ndarray:
    recipe = ti.Rips(METRICS[metric], max_dim=1)
    return np.array([score(recipe(cloud(shape, sigma, seed)), LOOPS[shape]) for seed in range(seeds)])


def off(found: np.ndarray, known: float) -> float:
    """Distance of the mean from the known one, in units of what is allowed: two standard errors, or 0.05."""
    return abs(found.mean() - known) / max(2 * found.std(ddof=1) / math.sqrt(len(found)), 0.05)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the circle at sigma 0.25, 3 seeds")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--figure", type=Path, help="also draw the curves over sigma into this file")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    seeds = 3 if arguments.quick else arguments.seeds
    runs = [("circle", sigma) for sigma in (0.10, 0.25)] + [("torus", sigma) for sigma in (0.0, 0.10)]
    figures: dict[str, float] = {}
    print(f"{'shape':8s} {'sigma':>5s}  {'metric':26s} {'mean':>6s} {'s.e.':>6s} {'known':>6s} {'off':>5s} {'s/run':>6s}")
    for shape, sigma in [("circle", 0.25)] if arguments.quick else runs:
        for metric in METRICS:
            began = time.perf_counter()
            found = scores(shape, sigma, metric, seeds)
            seconds = (time.perf_counter() - began) / seeds
            name = f"high_dimension/{shape}_{sigma:g}/{metric}"
            figures[name] = float(found.mean())
            known = KNOWN.get((sigma, metric)) if shape == "circle" else None
            if known is not None:
                figures[f"{name}/off"] = off(found, known)
            error = found.std(ddof=1) / math.sqrt(seeds)
            beside = "" if known is None else f"{known:6.3f} {figures[name + '/off']:5.2f}"
            print(f"{shape:8s} {sigma:5.2f}  {metric:26s} {found.mean():6.3f} {error:6.3f} {beside:12s} {seconds:6.2f}", flush=True)
    if not arguments.quick:
        plain = figures["high_dimension/torus_0.1/euclidean"]
        best = max(figures[f"high_dimension/torus_0.1/{metric}"] for metric in METRICS if metric != "euclidean")
        figures["high_dimension/torus_0.1/best_spectral_minus_euclidean"] = best - plain
        print(f"torus, sigma 0.1: the best spectral metric is at {best:.3f} and Euclidean distance at {plain:.3f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))
    if arguments.figure:
        draw(arguments.figure, seeds)


def draw(path: Path, seeds: int) -> None:
    """Mean score over sigma, a panel for each shape, a band of one standard error."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    grid = np.linspace(0, 0.35, 8)
    figure, panels = plt.subplots(1, len(LOOPS), figsize=(9, 3.4), sharey=True)
    for panel, shape in zip(panels, LOOPS, strict=True):
        for metric in METRICS:
            found = np.array([scores(shape, sigma, metric, seeds) for sigma in grid])
            mean, error = found.mean(axis=1), found.std(axis=1, ddof=1) / math.sqrt(seeds)
            (line,) = panel.plot(grid, mean, label=metric.replace("_", " "))
            panel.fill_between(grid, mean - error, mean + error, color=line.get_color(), alpha=0.2)
        panel.set(title=f"{shape} in R^{DIM}, {N} points", xlabel="noise sigma", ylim=(-0.03, 1.03))
    panels[0].set_ylabel("detection score")
    panels[-1].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
