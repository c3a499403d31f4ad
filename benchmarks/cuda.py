"""Operations on one CUDA device, accuracy beside speed, and what the device reaches on a plain copy and product in the same run.

`--part NAME` runs one part, each under 8 minutes: ceilings, distances, distances-bf16, radius, knn, tree, persistence-20000,
persistence-50000. Times end when the device has: medians of three after one run to warm up for products and distances, one run after one to
warm up for graphs and trees, and one run for persistence, after a small cloud. `--cloud NAME` takes one cloud of a persistence part, since
no further one is begun after 400 s. Without a device it says so and measures nothing. A machine with a device need not have the model
behind the cloud "sentences": write that elsewhere with `python benchmarks/persistence.py --sizes 50000 --write-sentences FILE`, and bring
FILE along for `--sentences FILE`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import topo_interp as ti

SAMPLE = 200  # rows whose distances are compared with float64


def timed(work: Callable[[], Any], repeats: int = 3) -> tuple[float, Any]:
    import torch

    result = work()
    seconds = []
    for _ in range(repeats):
        result = None  # its memory is needed
        torch.cuda.synchronize()
        began = time.perf_counter()
        result = work()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds), result


def spectrum(n: int, d: int) -> Any:
    """Normal rows with standard deviations falling like the root of 1/i, a far mean, and one row in 50 a near-duplicate."""
    import torch

    generator = torch.Generator("cuda").manual_seed(0)
    x = torch.randn((n, d), generator=generator, device="cuda") / torch.arange(1, d + 1, device="cuda").sqrt()
    x[:, 0] += 100
    twins = n // 50
    x[-twins:] = x[:twins] + 1e-3 * torch.randn((twins, d), generator=generator, device="cuda")
    return x


def worst_error(x: Any, found: Any) -> float:
    """Largest relative error of the distances of the first and last rows to all others, against float64 differences."""
    import torch

    half = SAMPLE // 2
    rows = torch.cat([torch.arange(half), torch.arange(len(x) - half, len(x))]).to(x.device)
    worst = 0.0
    for r in rows.tolist():
        exact = (x.double() - x[r].double()).norm(dim=1)
        off = exact > 0
        worst = max(worst, float(((found[r].double() - exact).abs()[off] / exact[off]).max()))
    return worst


def copied_bytes_per_second() -> float:
    """Read and written by a plain copy of 4 GiB."""
    import torch

    a = torch.empty(2**30, dtype=torch.float32, device="cuda")
    b = torch.empty_like(a)
    return 2 * a.numel() * 4 / timed(lambda: b.copy_(a))[0]


def product_flops_per_second() -> float:
    """Of a plain float32 product, without TF32."""
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False
    x = torch.randn((16384, 4096), device="cuda")
    return 2 * 16384 * 16384 * 4096 / timed(lambda: x @ x.T)[0]


def ceilings() -> dict[str, float]:
    """Bytes per second of a copy, and flops per second of a float32 product, as torch reaches them."""
    figures = {"copy_gb_per_s": copied_bytes_per_second() / 1e9, "float32_product_tflop_per_s": product_flops_per_second() / 1e12}
    print(f"  a copy: {figures['copy_gb_per_s']:.0f} GB/s; a float32 product: {figures['float32_product_tflop_per_s']:.1f} Tflop/s")
    return figures


def distances(dtype: str = "float32", n: int = 50_000, d: int = 4096) -> dict[str, float]:
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False
    x = spectrum(n, d).to(getattr(torch, dtype))
    ours, found = timed(lambda: ti.pairwise_distances(x, device="cuda"))
    error = worst_error(x, found)
    del found
    wide = x.float()
    product, _ = timed(lambda: wide @ wide.T)
    cdist, theirs = timed(lambda: torch.cdist(wide, wide, compute_mode="use_mm_for_euclid_dist"), repeats=1)
    their_error = worst_error(x, theirs)
    figures = {"seconds": ours, "over_product": ours / product, "over_cdist": ours / cdist, "worst_relative_error": error}
    figures["half_product_tflop_per_s"] = n * n * d / ours / 1e12  # both triangles have the work of one
    figures["output_gb_per_s"] = n * n * 4 / ours / 1e9
    print(f"  {n} x {d} {dtype}: ours {ours:.3f} s, error {error:.1e}; product {product:.3f} s; cdist {cdist:.3f} s, error {their_error:.1e}")
    return figures


def tiled(x: Any, k: int, radius: float | None = None, rows: int = 4096) -> Any:
    """torch's way: cdist by blocks of rows, then topk, or the count of pairs within the radius."""
    import torch

    out = []
    for i in range(0, len(x), rows):
        block = torch.cdist(x[i : i + rows], x, compute_mode="use_mm_for_euclid_dist")
        out.append(torch.topk(block, k + 1, largest=False).values if radius is None else (block <= radius).sum())
    return out


def neighbors(kind: str, n: int = 200_000, d: int = 1024, k: int = 15) -> dict[str, float]:
    x = spectrum(n, d)
    few = ti.pairwise_distances(x[:: n // 2000], device="cuda")
    radius = float(few[few > 0].float().quantile(0.0005))
    work = (lambda: ti.knn_graph(x, k, device="cuda")) if kind == "knn" else (lambda: ti.radius_graph(x, radius, device="cuda"))
    ours, graph = timed(work, repeats=1)
    theirs, _ = timed(lambda: tiled(x, k, None if kind == "knn" else radius), repeats=1)
    rng = np.random.default_rng(0)
    error = 0.0
    for r in rng.integers(0, n, SAMPLE).tolist():
        exact = (x.double() - x[r].double()).norm(dim=1)
        if kind == "knn":
            names, lengths = graph.indices[r], graph.distances[r]
        else:
            span = slice(graph.indptr[r], graph.indptr[r + 1])
            names, lengths = graph.indices[span], graph.distances[span]
        want = exact[x.new_tensor(names).long()].cpu().numpy()
        if len(want):
            error = max(error, float((np.abs(lengths - want) / want).max()))
    flops, ceiling = n * n * d / ours, product_flops_per_second()
    print(
        f"  {kind}, {n} x {d}: ours {ours:.2f} s ({flops / 1e12:.1f} Tflop/s, {flops / ceiling:.2f} of a plain product), error {error:.1e}; "
        f"torch {theirs:.2f} s"
    )
    shares = {"tflop_per_s": flops / 1e12, "share_of_product": flops / ceiling}
    return {"seconds": ours, "over_torch": ours / theirs, "worst_relative_error": error, **shares}


def tree(n: int = 200_000, d: int = 1024) -> dict[str, float]:
    from topo_interp._native import cuda_device

    x = spectrum(n, d)
    kernels = cuda_device(0)
    seconds, (_, lengths, work, _) = timed(lambda: kernels.spanning_tree(x, "euclidean"), repeats=1)
    marks, _ = timed(lambda: ti.farthest_points(x, 1000, device="cuda"), repeats=1)
    few = x[: 4096 * n // 200_000 + 2]
    ours, theirs = (ti.spanning_tree(points, device=device) for points, device in ((few, "cuda"), (few.cpu(), "cpu")))
    error = abs(float(ours.lengths.sum(dtype=float) / theirs.lengths.sum(dtype=float)) - 1)
    flops, ceiling = n * n * d * work["rounds"] / seconds, product_flops_per_second()
    read, copied = 1000 * n * d * 4 / marks, copied_bytes_per_second()  # every landmark reads all rows
    print(
        f"  spanning tree, {n} x {d}: {seconds:.2f} s, {len(lengths)} edges in {work['rounds']} rounds ({flops / 1e12:.1f} Tflop/s, "
        f"{flops / ceiling:.2f} of a plain product); weight of the tree of {len(few)} rows against the CPU's: {error:.1e}; 1000 farthest points {marks:.2f} s "
        f"({read / 1e9:.0f} GB/s, {read / copied:.2f} of a plain copy)"
    )
    shares = {"tflop_per_s": flops / 1e12, "share_of_product": flops / ceiling}
    return {"seconds": seconds, **shares, "relative_error_of_weight": error, "farthest_points_seconds": marks, "farthest_points_share_of_copy": read / copied}


def bars(result: Any) -> tuple[np.ndarray, ...]:
    """Deaths of degree 0; births of degree 1; its finite bars as sorted pairs (birth, death)."""
    pairs = np.column_stack((np.asarray(result.birth_lengths)[result.relation_pivots], result.death_lengths))
    return np.asarray(result.merge_lengths), np.asarray(result.birth_lengths), pairs[np.lexsort(pairs.T[::-1])]


def persistence(n: int, given: argparse.Namespace) -> dict[str, float]:
    """Device part: distances, upload, edges in order, first guesses, links, witnesses to the host; then the reduction on the host.

    Accuracy: the bars of the first 2,000 rows are compared with those that the CPU finds in the same matrix, bit for bit.
    """
    from persistence import CLOUDS, peak_bytes

    from topo_interp._native import cpu, default_threads
    from topo_interp.homology.links import scanned_on_device

    figures, began = {"copy_gb_per_s": copied_bytes_per_second() / 1e9}, time.perf_counter()
    for name, make in CLOUDS.items():
        if given.cloud not in (None, name):
            continue
        if name == "sentences" and not (given.sentences and given.sentences.exists()):
            print(f"  {name}, n = {n}: not measured without the FILE of --sentences")
            continue
        if time.perf_counter() - began > 400:
            print(f"  {name}, n = {n}: not begun, 400 s are over")
            continue
        cloud = (np.load(given.sentences)[:n] if name == "sentences" else make(n)).astype(np.float32)
        few = ti.DistanceMatrix.from_points(cloud[:2000], device="cuda")
        ours, theirs = scanned_on_device(few, float("inf")), cpu.links_rips(few.condensed, few.n, float("inf"), 2, default_threads())
        unequal = sum(not np.array_equal(*found) for found in zip(bars(ours), bars(theirs), strict=True))
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew with each cloud
        start, counts = time.perf_counter(), {}
        matrix = ti.DistanceMatrix.from_points(cloud, device="cuda")
        made = time.perf_counter()
        result = scanned_on_device(matrix, float("inf"), threads=default_threads(), counts=counts)
        ended = time.perf_counter()
        work, links = result.counts, counts["seconds"][3]
        # As if each edge read three whole rows of bits; chunks of zeros and of ones are skipped, and links that are grown read more.
        rate = counts["edges"] * 3 * n / 8 / max(links, 1e-9) / 1e9
        found = {
            "device_seconds": made - start + sum(counts["seconds"]),
            "links_seconds": links,
            "links_gb_per_s": rate,
            "reduction_seconds": work["seconds"][3],
            "reduction_additions": work["additions"],
            "reduction_added": work["added"],
            "grown_share": counts["resolved"] / counts["edges"],
            "seconds": ended - start,
            "device_gb": counts["bytes"] / 1e9,
            "host_peak_gb": peak_bytes() / 1e9,
            "unequal_of_the_cpu": unequal,
        }
        figures |= {f"{name.replace(' ', '_')}/{figure}": value for figure, value in found.items()}
        parts = " ".join(f"{part:.2f}" for part in counts["seconds"])
        print(
            f"  {name}, n = {n}: device {found['device_seconds']:.2f} s (distances {made - start:.2f}, then upload, order, guesses, links, "
            f"witnesses {parts}), links at {rate:.0f} GB/s beside a copy at {figures['copy_gb_per_s']:.0f}; reduction "
            f"{found['reduction_seconds']:.2f} s, {work['columns']} columns, {work['additions']} additions of {work['added']} entries; whole call "
            f"{found['seconds']:.2f} s; {found['grown_share']:.1%} of the links grown; device {found['device_gb']:.1f} GB, host "
            f"{found['host_peak_gb']:.1f} GB; {len(result.birth_lengths)} births; bars of 2,000 rows {'OTHER than' if unequal else 'equal to'} the CPU's",
            flush=True,
        )
        del matrix, result
    return figures


PARTS: dict[str, Callable[[argparse.Namespace], dict[str, float]]] = {
    "ceilings": lambda _: ceilings(),
    "distances": lambda _: distances(),
    "distances-bf16": lambda _: distances("bfloat16"),
    "radius": lambda _: neighbors("radius"),
    "knn": lambda _: neighbors("knn"),
    "tree": lambda _: tree(),
    "persistence-20000": lambda given: persistence(20_000, given),
    "persistence-50000": lambda given: persistence(50_000, given),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=PARTS, action="append", help="only this part; may be given several times")
    parser.add_argument("--sentences", type=Path, metavar="FILE", help="the cloud of that name, from persistence.py: its rows in float16, not in float32 as there")
    parser.add_argument("--cloud", help="only this cloud of persistence.py")
    parser.add_argument("--json", type=Path, help="write the figures there")
    arguments = parser.parse_args()
    line = ti.build_info()["cuda"]
    print(f"CUDA: {line}")
    if "device(s)" not in line or "emulation" in line:
        print("not measured: no CUDA device")
        return
    import torch

    figures: dict[str, float] = {}
    for part in arguments.part or PARTS:
        print(f"{part}:", flush=True)
        torch.cuda.empty_cache()
        found = PARTS[part](arguments)
        figures |= {f"cuda/{part}/{name}": value for name, value in found.items()}
    if arguments.json:
        arguments.json.write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
