"""RTD of two clouds of the same rows, both directions: seconds beside the known answers.

Times are medians (of three runs at 500 rows, one at 2,000) with two threads; the value of the "Clusters" clouds (k = 3 against one
cluster, 300 rows) stands beside them, which the measure's authors print as well.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import numpy as np

import topo_interp as ti


def normal(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Two layers: the second keeps half of the first."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, 64))
    return x, x + rng.standard_normal((n, 64))


def rings(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Five concentric rings against one: many equal distances."""
    angle = 2 * np.pi * np.arange(n // 5) / (n // 5)
    ring = np.column_stack((np.cos(angle), np.sin(angle)))
    return np.tile(ring, (5, 1)), np.concatenate([radius * ring for radius in (0.5, 0.75, 1.0, 1.25, 1.5)])


def spectrum(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Variances fall as 1 / i, as those of activations do; the second is a rotation with noise."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((n, 256)) / np.sqrt(np.arange(1, 257))
    return x, x @ np.linalg.qr(rng.standard_normal((256, 256)))[0] + 0.1 * rng.standard_normal((n, 256))


CLOUDS = {"normal": normal, "rings": rings, "spectrum": spectrum}


def clusters_value() -> float:
    """RTD of one cluster against three, as in the authors' example (np.random.seed(7))."""
    state = np.random.RandomState(7)
    draws = [state.multivariate_normal(np.zeros(2), np.eye(2), size=5) for _ in range(60)]
    base = np.concatenate(draws)
    moved = np.concatenate([draw + 10 * np.array([np.cos(a), np.sin(a)]) for draw, a in zip(draws, 2 * np.pi * (np.arange(60) % 3) / 3, strict=True)])
    return ti.rtd(base, moved).value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", help="write the figures here")
    arguments = parser.parse_args()
    figures: dict[str, float] = {}
    for n, repeats in ((500, 3), (2000, 1)):
        for name, make in CLOUDS.items():
            x, y = make(n)
            times = []
            for _ in range(repeats):
                began = time.perf_counter()
                found = ti.rtd(x, y)
                times.append(time.perf_counter() - began)
            figures[f"comparison/rtd/{name}_{n}/seconds"] = statistics.median(times)
            print(f"  rtd {name:9s} {n} + {n}: {statistics.median(times):6.3f} s   value {found.value:.4f} ({found.forward:.4f}, {found.backward:.4f})")
    value = clusters_value()
    figures["comparison/rtd/clusters_3/off"] = abs(value - 11.958)
    print(f"  rtd clusters, k = 3: {value:.3f}, the authors' is 11.958")
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(figures, file)


if __name__ == "__main__":
    main()
