"""Spanning tree, nearest neighbors and farthest points beside a bare product, faiss, scikit-learn and scipy.

Times are seconds of one run, or medians of three where they are short; ratios are within this run. Accuracy stands beside
speed: recall is the share of the true k nearest neighbors that were found (a neighbor as near as the true k-th counts), and
the error is that of the distances returned, relative, against float64 differences of the same float32 points.
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import time
from pathlib import Path

import numpy as np

import topo_interp as ti

THREADS = 2
K = 15


def normal(n: int, d: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((n, d)).astype(np.float32)


def spectrum(n: int, d: int) -> np.ndarray:
    """Variances fall as 1 / i, as those of activations do."""
    return normal(n, d) / np.sqrt(np.arange(1, d + 1, dtype=np.float32))


def clusters(n: int, d: int, count: int = 50, spread: float = 1e-2) -> np.ndarray:
    """Fifty tight clusters: the case in which neighbor lists are used up and pairs are looked at twice."""
    rng = np.random.default_rng(1)
    centers = rng.standard_normal((count, d))
    return (centers[rng.integers(0, count, n)] + spread * rng.standard_normal((n, d))).astype(np.float32)


CLOUDS = {
    "normal": normal,
    "spectrum": spectrum,
    "clusters": clusters,
    "wide_clusters": functools.partial(clusters, spread=0.3),  # too wide for the bounds that leave pairs out
    "many_clusters": functools.partial(clusters, count=1000),
}


def seconds(call, repeats: int = 1) -> tuple[float, object]:
    times, result = [], None
    for _ in range(repeats):
        began = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - began)
    return statistics.median(times), result


def product(x: np.ndarray, block: int = 2048) -> None:
    """One tiled symmetric float32 product that keeps nothing, by numpy's BLAS on all its threads."""
    for i in range(0, len(x), block):
        for j in range(i, len(x), block):
            x[i : i + block] @ x[j : j + block].T


def spanning_trees(rows: int, d: int, figures: dict[str, float]) -> None:
    print(f"spanning tree, {THREADS} threads")
    for name, cloud in CLOUDS.items():
        n = rows if name == "normal" else rows * 2 // 5
        x = cloud(n, d)
        bare, _ = seconds(lambda x=x: product(x))
        ours, tree = seconds(lambda x=x: ti.spanning_tree(x, threads=THREADS))
        figures[f"geometry/spanning_tree/{name}_{n}x{d}/over_product"] = ours / bare
        i, j = tree.edges.T
        exact = np.linalg.norm(x[i].astype(np.float64) - x[j], axis=1)
        worst = np.max(np.abs(tree.lengths - exact) / exact)
        print(f"  {name:13s} {n} x {d}: product {bare:6.2f} s   tree {ours:6.2f} s   ratio {ours / bare:5.2f}   worst length error {worst:.1e}")


def tree_is_right(figures: dict[str, float]) -> None:
    from scipy.sparse.csgraph import minimum_spanning_tree
    from scipy.spatial.distance import cdist

    x = normal(3000, 384)
    theirs_seconds, theirs = seconds(lambda: minimum_spanning_tree(cdist(x, x)))
    ours_seconds, ours = seconds(lambda: ti.spanning_tree(x, threads=THREADS))
    error = abs(float(ours.lengths.sum(dtype=np.float64)) / theirs.sum() - 1)
    figures["geometry/spanning_tree/total_length_error"] = error
    print(f"  3000 x 384: {ours_seconds:.2f} s, scipy on cdist {theirs_seconds:.2f} s, total lengths differ by {error:.1e}")


def accuracy(x: np.ndarray, indices: np.ndarray, distances: np.ndarray, rows: np.ndarray) -> tuple[float, float]:
    """Recall and worst relative error of the distances on some rows."""
    from scipy.spatial.distance import cdist

    wide = x.astype(np.float64)
    exact = cdist(wide[rows], wide)
    exact[np.arange(len(rows)), rows] = np.inf
    kth = np.sort(exact, axis=1)[:, K - 1]
    found = np.take_along_axis(exact, indices[rows], axis=1)
    recall = float(np.mean(found <= kth[:, None] * (1 + 1e-12)))
    with np.errstate(invalid="ignore"):
        error = np.abs(distances[rows] - found) / found
    return recall, float(np.max(error[np.isfinite(found)]))


def nearest_neighbors(n: int, d: int, figures: dict[str, float]) -> None:
    import faiss
    from sklearn.neighbors import NearestNeighbors

    faiss.omp_set_num_threads(THREADS)

    def ours(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        graph = ti.knn_graph(x, K, threads=THREADS)
        return graph.indices, graph.distances

    def with_faiss(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        index = faiss.IndexFlatL2(x.shape[1])
        index.add(x)
        squared, indices = index.search(x, K + 1)
        # The row itself is usually first; where another comes before it, the last one is left out instead.
        own = indices == np.arange(len(x))[:, None]
        own[~own.any(axis=1), -1] = True
        keep = ~own
        shape = (len(x), K)
        return indices[keep].reshape(shape), np.sqrt(np.maximum(squared[keep], 0)).reshape(shape)

    def with_sklearn(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        distances, indices = NearestNeighbors(n_neighbors=K, algorithm="brute", n_jobs=THREADS).fit(x).kneighbors()
        return indices, distances

    print(f"{K} nearest neighbors, {n} x {d}, {THREADS} threads")
    rows = np.random.default_rng(2).choice(n, 500, replace=False)
    for name, cloud in (("normal", normal), ("spectrum + 100", lambda n, d: spectrum(n, d) + np.float32(100))):
        x = cloud(n, d)
        for program, call in (("topo_interp", ours), ("faiss", with_faiss), ("scikit-learn", with_sklearn)):
            took, (indices, distances) = seconds(lambda call=call, x=x: call(x))
            recall, error = accuracy(x, indices, distances, rows)
            key = f"geometry/knn/{name.replace(' + ', '_plus_')}_{n}x{d}/{program}"
            figures |= {f"{key}/seconds": took, f"{key}/recall": recall, f"{key}/worst_relative_error": error}
            print(f"  {name:15s} {program:13s} {took:6.2f} s   recall {recall:.5f}   worst distance error {error:.1e}")
        ratio = figures[f"{key.rsplit('/', 1)[0]}/topo_interp/seconds"] / figures[f"{key.rsplit('/', 1)[0]}/faiss/seconds"]
        figures[f"{key.rsplit('/', 1)[0]}/over_faiss"] = ratio


def farthest(n: int, d: int, k: int, figures: dict[str, float]) -> None:
    x = normal(n, d)
    took, marks = seconds(lambda: ti.farthest_points(x, k, threads=THREADS))
    figures[f"geometry/farthest_points/{n}x{d}/seconds"] = took
    delta_seconds, delta = seconds(lambda: ti.distortion(x, marks, threads=THREADS))
    print(
        f"{k} farthest points of {n} x {d}: {took:.2f} s, cover radius {marks.cover_radius:.4g}; "
        f"distortion of all pairs {delta:.4g} in {delta_seconds:.2f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--rows", type=int, default=50_000, help="of the spanning trees")
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows: no figure that is promised")
    arguments = parser.parse_args()
    figures: dict[str, float] = {}
    share = 10 if arguments.quick else 1
    parts = (
        lambda: spanning_trees(arguments.rows // share, 384, figures),
        lambda: tree_is_right(figures),
        lambda: nearest_neighbors(10_000 // share, 384, figures),
        lambda: farthest(20_000 // share, 384, 400 // share, figures),
    )
    for part in parts:  # written after each, so that one that fails loses no other
        part()
        if arguments.json:
            arguments.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
