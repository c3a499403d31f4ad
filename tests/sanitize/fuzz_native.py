"""Feeds the kernels wrong arguments for a bounded time: errors only, never a crash and never a hang.

    python fuzz_native.py [seconds] [seed]

Each call starts from arguments that work and spoils one or two of them. What a kernel raises is its business; that the process
lives, and that every call ends, is checked here (and under AddressSanitizer also that no byte outside was touched).
"""

from __future__ import annotations

import faulthandler
import inspect
import sys
import time
import warnings
from collections import Counter

import numpy as np

from topo_interp._native import cpu

LONGEST_CALL = 20.0  # seconds; a spoiled call of these sizes takes milliseconds, or minutes under a sanitizer's slowdown never


def points(rng: np.random.Generator, n: int = 20, d: int = 5, dtype: type = np.float32) -> np.ndarray:
    return rng.normal(size=(n, d)).astype(dtype)


def condensed(rng: np.random.Generator, n: int = 12) -> np.ndarray:
    return rng.random(n * (n - 1) // 2).astype(np.float32)


def source(rng: np.random.Generator) -> object:
    return cpu.point_source(points(rng), "euclidean")


def none_yet() -> list[np.ndarray]:
    return [np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0, np.int64), np.empty(0, np.float32)]


def graph_rows() -> list[object]:
    """The edges of a 4-cycle with a chord, in rows of the upper triangle."""
    return [np.array([0, 3, 4, 5, 5]), np.array([1, 2, 3, 2, 3], np.uint32), np.array([1.0, 1.5, 1.0, 1.0, 1.0], np.float32)]


def witnessed(rng: np.random.Generator) -> tuple[object, np.ndarray]:
    """Links of 12 points over Z/3 with what cycles and cocycles are read from, and their distances."""
    distances = condensed(rng)
    return cpu.links_rips(distances, 12, float("inf"), 3, 2, keep_witnesses=True), distances


def cochain(rng: np.random.Generator) -> list[object]:
    links, distances = witnessed(rng)
    return [links, distances, np.ones(len(links.birth_edges), np.uint32), 0.5, 2]


def chain(rng: np.random.Generator) -> list[object]:
    links, distances = witnessed(rng)
    edges = np.array(links.merge_edges[:3])
    return [links, distances, edges, np.array([0, 1, 2], np.uint32)]


def scanned() -> list[object]:
    """What a scan finds on a square with sides 1 and diagonals 1.5: an edge closes the loop, a diagonal fills it."""
    lengths = np.array([1.0, 1.5, 1.0, 1.0, 1.5, 1.0], np.float32)
    witness = np.array([65535, 1, 65535, 65535, 0, 65535], np.uint16)
    empty = np.array([[0, 1], [0, 3], [1, 2], [2, 3]], np.uint32)
    return [lengths, 4, witness, empty, np.array([[0, 2, 1, 3]], np.uint32), 1.5, True, 6, 3, 2]


# Arguments that work, by name of the kernel. A kernel without an entry fails the test below.
VALID = {
    "build_info": lambda rng: [],
    "instruction_sets": lambda rng: [],
    "pairwise": lambda rng: [points(rng), None, np.empty((20, 20), np.float32), "euclidean", 2],
    "condensed": lambda rng: [points(rng), np.empty(190, np.float32), "euclidean", 2],
    "distance_tile": lambda rng: [points(rng), points(rng, 9), 3, 2, np.empty((5, 4), np.float32), "euclidean"],
    "scan": lambda rng: [points(rng), 2],
    "median": lambda rng: [condensed(rng), 2],
    "widen_bfloat16": lambda rng: [points(rng), np.empty((20, 5), np.float32)],
    "point_source": lambda rng: [points(rng), "euclidean", "", 2, True],
    "matrix_source": lambda rng: [condensed(rng), 12],
    "knn": lambda rng: [source(rng), 4, 2],
    "within_radius": lambda rng: [source(rng), 1.5, 1000, 2],
    "spanning_tree": lambda rng: [source(rng), 3],
    "lower_bounds": lambda rng: [source(rng), np.arange(20) % 4, 4, 2],
    "farthest_points": lambda rng: [source(rng), 5, 0, *none_yet(), 2],
    "largest_distortion": lambda rng: [source(rng), np.arange(4), np.arange(20) % 4, 2.0, 2],
    "largest_differences": lambda rng: [source(rng), cpu.point_source(points(rng, d=2), "euclidean"), 2],
    "radius_graph_bytes_per_pair_float32": lambda rng: [],
    "radius_graph_bytes_per_pair_float64": lambda rng: [],
    "links_rips": lambda rng: [condensed(rng), 12, float("inf"), 3, 2],
    "links_graph": lambda rng: [*graph_rows(), float("inf"), 3, 2],
    "links_reduce": lambda rng: scanned(),
    "links_cochain": cochain,
    "links_expand": chain,
}


def spoiled(value: object, rng: np.random.Generator) -> object:
    """Something that is not quite ``value``."""
    if isinstance(value, np.ndarray) and (value.size > 10**6 or value.dtype == object):  # spoiled enough
        return value
    if isinstance(value, np.ndarray):
        readonly = value.copy()
        readonly.flags.writeable = False
        poisoned = value.copy()
        if poisoned.size and value.dtype != object:
            bad = [np.nan, np.inf, -np.inf, -1.0, 3e38, 1e-45, 0.0] if value.dtype.kind in "fc" else [-1, 0, 1]
            bad = [np.iinfo(value.dtype).max, 0, 1] if value.dtype.kind == "u" else bad
            poisoned.reshape(-1)[rng.integers(poisoned.size)] = bad[rng.integers(len(bad))]
        axis = int(rng.integers(value.ndim))
        huge = np.lib.stride_tricks.as_strided(value, shape=(2**31, *value.shape[1:]), strides=(0,) * value.ndim)
        choices = [
            value[:0],
            np.take(value, range(value.shape[axis] - 1), axis=axis),
            np.concatenate((value, value), axis=axis),
            value[::-1],
            value[..., ::2],
            value.T,
            np.asfortranarray(value),
            value.astype(np.float64),
            value.astype(np.float16),
            value.astype(np.int64),
            value.astype(complex),
            value.astype(object),
            value.reshape(-1),
            value[None],
            value.reshape(-1)[:1].reshape(())[()] if value.size else value,
            np.zeros(value.shape, value.dtype),
            readonly,
            poisoned,
            huge,
            np.empty((0, 0), value.dtype),
            np.empty((3, 0), value.dtype),
            value.tolist(),
            value.byteswap().view(value.dtype.newbyteorder()),
            np.frombuffer(b"\0" + value.tobytes() + b"\0\0\0", np.uint8)[1 : 1 + value.nbytes].view(value.dtype).reshape(value.shape)
            if value.size
            else value,
        ]
        return choices[rng.integers(len(choices))]
    choices = [None, -1, 0, 1, 2, 4, 7, 2**31 - 1, 2**31, 2**63 - 1, -(2**63), 2**70, 1.5, float("nan"), float("inf"), -1.0, 1e308]
    choices += ["", "euclidean", "cosine", "hamming", "chebyshev", "correlation", "\0", "é" * 50, b"x", [], {}, object(), np.float32(2), True]
    if isinstance(value, int):  # thread counts and sizes: no thousand threads, no real terabyte
        choices = [choice for choice in choices if not (isinstance(choice, int) and 64 < choice < 2**31 - 1)]
    return choices[rng.integers(len(choices))]


def kernels() -> list[str]:
    return [name for name, member in inspect.getmembers(cpu, callable) if not name.startswith("__") and not inspect.isclass(member)]


def main(seconds: float, seed: int) -> None:
    names = kernels()
    missing = sorted(set(names) - set(VALID))
    if missing:
        sys.exit(f"no valid arguments are known for {missing}: add them to VALID")
    rng = np.random.default_rng(seed)
    for name in names:  # the starting points do work, or the fuzz would test nothing but the first check
        if name != "widen_bfloat16":  # numpy has no bfloat16 of its own; its valid calls are tested with torch and ml_dtypes
            getattr(cpu, name)(*VALID[name](rng))
    outcomes: Counter[str] = Counter()
    deadline = time.monotonic() + seconds
    calls = 0
    while time.monotonic() < deadline:
        name = names[rng.integers(len(names))]
        arguments = VALID[name](rng)
        for _ in range(int(rng.integers(1, 3))):
            if arguments:
                k = int(rng.integers(len(arguments)))
                arguments[k] = spoiled(arguments[k], rng)
        if "-v" in sys.argv:
            print(name, [a if not isinstance(a, np.ndarray) else (a.shape, a.strides, a.dtype) for a in arguments], flush=True)
        faulthandler.dump_traceback_later(LONGEST_CALL, exit=True)
        try:
            getattr(cpu, name)(*arguments)
            outcomes["answer"] += 1
        except (TypeError, ValueError, OverflowError, MemoryError, RuntimeError) as error:
            outcomes[type(error).__name__] += 1
        finally:
            faulthandler.cancel_dump_traceback_later()
        calls += 1
    print(f"{calls} calls of {len(names)} kernels: {dict(outcomes)}")


if __name__ == "__main__":
    faulthandler.enable()
    warnings.simplefilter("ignore")  # spoiling casts without care
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 10.0, int(sys.argv[2]) if len(sys.argv) > 2 else 0)
