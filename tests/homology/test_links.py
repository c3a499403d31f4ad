"""Engine "links": the bars of Ripser on matrices made to break it, on any number of threads, instruction set and format."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hard_matrices import KINDS, bars_of, condensed, plane, ripser_bars
from scipy.spatial.distance import pdist, squareform

import topo_interp as ti
from topo_interp._native import cpu

PRIMES = (2, 3, 41)
SETS = cpu.instruction_sets()


def projective_plane() -> np.ndarray:
    """Six points, ten triangles at distance 1: H1 over Z/2 and not over Z/3."""
    triangles = [(0, 1, 4), (0, 1, 5), (0, 2, 3), (0, 2, 5), (0, 3, 4), (1, 2, 3), (1, 2, 4), (1, 3, 5), (2, 4, 5), (3, 4, 5)]
    # Barycentric subdivision: faces, at distance 1 when one contains the other, else 2.
    faces = sorted({face for t in triangles for r in range(1, 4) for face in _subsets(t, r)})
    contains = np.array([[set(a) < set(b) or set(b) < set(a) for b in faces] for a in faces])
    square = np.where(contains, 1.0, 2.0)
    np.fill_diagonal(square, 0.0)
    return square


def _subsets(t: tuple[int, ...], size: int) -> list[tuple[int, ...]]:
    from itertools import combinations

    return list(combinations(t, size))


def bars(square: np.ndarray, field: int = 2, threshold: float = math.inf, **how: object) -> Counter:
    return bars_of(cpu.links_rips(condensed(square), len(square), threshold, field, **how))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_equal_to_ripser(kind):
    """300 matrices over three fields, cut and whole."""
    rng = np.random.default_rng(sum(map(ord, kind.__name__)))
    seen = 0
    for trial in range(30):
        square = kind(rng, int(rng.integers(3, 70))).astype(np.float32)
        field = PRIMES[trial % 3]
        threshold = math.inf if trial % 4 else float(np.quantile(square, rng.random()))
        expected = ripser_bars(square, field, threshold)
        how = {"threads": 1 + trial % 3, "isa": SETS[trial % len(SETS)], "wide": trial % 5 == 0, "block": 8 << (trial % 4)}
        assert bars(square, field, threshold, **how) == expected, (trial, field, threshold)
        seen += sum(count for (dim, _, _), count in expected.items() if dim == 1)
    assert seen > 20


def test_the_comparison_can_fail():
    square = plane(np.random.default_rng(0), 30)
    moved = square.copy()
    moved[3, 7] = moved[7, 3] = 0.5 * square[3, 7]
    assert bars(square) == ripser_bars(square) != bars(moved)


@pytest.mark.parametrize(("field", "loops"), [(2, 1), (3, 0), (41, 0)])
def test_projective_plane_by_field(field, loops):
    square = projective_plane()
    found = bars(square, field)
    assert found == ripser_bars(square, field)
    assert sum(count for (dim, birth, death), count in found.items() if dim == 1 and (birth, death) == (1, 2)) == loops


@pytest.mark.parametrize("n", [3, 4, 5, 6, 30, 100, 101])
def test_points_on_a_circle(n):
    """Adamaszek, Adams: n equispaced points have one bar, from the side to the chord over a third."""
    angle = 2 * np.pi * np.arange(n) / n
    d = ti.Rips()(np.column_stack((np.cos(angle), np.sin(angle))))
    birth, death = 2 * math.sin(math.pi / n), 2 * math.sin(math.pi * math.ceil(n / 3) / n)
    long = d[1][d[1][:, 1] - d[1][:, 0] > 1e-4]
    expected = [(birth, death)] if death > birth else []
    np.testing.assert_allclose(long, np.reshape(expected, (-1, 2)), atol=1e-6)


@pytest.fixture(scope="module")
def large() -> dict[str, np.ndarray]:
    """Enough points for several batches, tiles and regions."""
    rng = np.random.default_rng(7)
    angle = rng.uniform(0, 2 * np.pi, (550, 2))  # above 512, the width of a tile
    ring = np.column_stack((np.cos(angle[:, 0]), np.sin(angle[:, 0]), 0.3 * rng.normal(size=(550, 6))))
    return {
        "noise": squareform(pdist(rng.normal(size=(700, 40)))),
        "torus": squareform(pdist(np.column_stack((np.cos(angle), np.sin(angle))))),
        "ring": squareform(pdist(ring)),
        "lattice": squareform(pdist(rng.integers(0, 9, (600, 3)).astype(float), "cityblock")),
        "cube": squareform(pdist(rng.integers(0, 2, (520, 10)).astype(float), "cityblock")),
    }


@pytest.mark.parametrize("name", ["noise", "torus", "ring", "lattice", "cube"])
def test_larger_clouds(name, large):
    square = large[name]
    expected = ripser_bars(square)
    found = bars(square, threads=2)
    assert found == expected and sum(expected.values()) > 100
    cut = float(np.float32(np.quantile(square, 0.3)))
    assert bars(square, 3, cut, threads=2) == ripser_bars(square, 3, cut)


FIELDS = ["merge_edges", "birth_edges", "death_edges", "relation_pivots", "relation_start", "relation_rows", "relation_values"]


@pytest.mark.parametrize("name", ["noise", "torus", "cube"])
def test_threads_and_instruction_sets_change_nothing(name, large):
    """Not only the bars: the representatives too."""
    square = large[name]
    first = cpu.links_rips(condensed(square), len(square), math.inf, 3, 1)
    assert len(first.relation_rows) > 50
    others = [{"threads": 2}, {"threads": 3}, *({"isa": name} for name in SETS), {"threads": 5, "wide": True}]
    for how in others:
        again = cpu.links_rips(condensed(square), len(square), math.inf, 3, **how)
        for field in FIELDS:
            np.testing.assert_array_equal(getattr(again, field), getattr(first, field), err_msg=f"{field} {how}")


def test_permutation_scaling_and_monotone_maps(large):
    square = large["ring"].astype(np.float32)
    found = bars(square)
    order = np.random.default_rng(1).permutation(len(square))
    assert bars(square[np.ix_(order, order)]) == found
    for k in (-40, 3, 60):
        scaled = Counter({(dim, b * 2.0**k, d * 2.0**k): count for (dim, b, d), count in found.items()})
        assert bars(square * np.float32(2.0**k)) == scaled
    squared = np.square(square)
    expected = Counter({(dim, float(np.square(np.float32(b))), float(np.square(np.float32(d)))): c for (dim, b, d), c in found.items()})
    assert bars(squared) == expected


@pytest.mark.parametrize("value", [0.0, 1.0, 2.0**-140, 3e38])
def test_all_distances_equal(value):
    found = bars(np.full((9, 9), value) * (1 - np.eye(9)))
    expected = Counter({(0, 0.0, math.inf): 1, **({(0, 0.0, float(np.float32(value))): 8} if value else {})})
    assert found == expected


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_points(n):
    square = np.ones((n, n)) - np.eye(n)
    expected = Counter({(0, 0.0, math.inf): 1})
    expected.update({(0, 0.0, 1.0): n - 1})
    assert bars(square) == +expected


def test_the_environment_chooses_the_instructions_of_the_scan(monkeypatch):
    matrix = ti.DistanceMatrix.from_points(np.random.default_rng(0).normal(size=(80, 3)))
    seen, real = [], cpu.links_rips

    class Spy:
        def __getattr__(self, name):
            return getattr(cpu, name)

        def links_rips(self, *arguments, isa):
            seen.append(isa)
            return real(*arguments, isa=isa)

    monkeypatch.setattr("topo_interp.homology.links.cpu", Spy())
    found = []
    for name in ("", *cpu.instruction_sets()):
        monkeypatch.setenv("TOPO_INTERP_ISA", name)
        found.append(ti.Rips()(matrix))
    assert seen == ["", *cpu.instruction_sets()]
    assert all(ti.same_bars(other, found[0]) for other in found)
    monkeypatch.setenv("TOPO_INTERP_ISA", "sse9")
    with pytest.raises(ti.InputError, match="TOPO_INTERP_ISA is 'sse9'"):
        ti.Rips()(matrix)


def test_bad_arguments_are_errors():
    three = np.ones(3, dtype=np.float32)
    for arguments in [(three, 4, 1.0, 2), (three, 3, 1.0, 6), (three, 3, 1.0, 1)]:
        with pytest.raises(ValueError):
            cpu.links_rips(*arguments)
    with pytest.raises(ValueError, match="threads is at least 1"):
        cpu.links_rips(three, 3, 1.0, 2, 0)
    start, neighbor = np.array([0, 2, 3, 3]), np.array([1, 2, 2], dtype=np.uint32)
    assert cpu.links_graph(start, neighbor, three, 1.0).edges == 3
    for wrong in ([0, 2, 1, 3], [0, 9, 3, 3], [1, 2, 3, 3], [0, 2, 3, 2]):
        with pytest.raises(ValueError):
            cpu.links_graph(np.array(wrong), neighbor, three, 1.0)
    for wrong in ([2, 1, 2], [1, 2, 3], [0, 2, 2], [1, 1, 2]):
        with pytest.raises(ValueError):
            cpu.links_graph(start, np.array(wrong, dtype=np.uint32), three, 1.0)


def test_the_default_engine_and_what_it_says():
    points = ti.shapes.noisy_circle(40, 0.1, 3, seed=0)
    assert ti.Rips()(points).certificate.engine.startswith("links ")
    assert ti.Rips(field=65537)(points).certificate.engine.startswith("links ")
    assert not ti.Rips(max_dim=2)(points).certificate.engine.startswith("links ")
    with pytest.raises(ti.InputError, match="degrees up to 1"):
        ti.Rips(max_dim=2)(points, engine="links")


@pytest.mark.parametrize("isa", SETS)
def test_rows_of_every_width_give_what_long_rows_give(isa):
    """Up to 32,768 points edges are tested by groups; in wider blocks, as beyond, each edge goes alone."""
    points = np.random.default_rng(0).normal(size=(4400, 3)) @ np.diag([1, 1, 0.1])
    for n in range(300, 4400, 512) if isa == SETS[-1] else (300, 2348, 4396):
        half = ti.DistanceMatrix.from_points(points[:n]).condensed
        cut = float(np.quantile(half, 300 / n))
        short, long = (cpu.links_rips(half, n, cut, 2, 2, isa=isa, block=block) for block in (8, 16))
        for field in FIELDS:
            np.testing.assert_array_equal(getattr(short, field), getattr(long, field), err_msg=f"{field} at {n}")
        for name in ("cones", "attached", "exact"):  # a test that fails too often would be made good by the exact one
            assert short.counts[name] == long.counts[name] > 30, (name, n)
        assert len(short.death_edges) > 30


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system holds no process to some cores")
def test_threads_of_a_process_that_is_held_to_one_core():
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "import numpy as np, topo_interp as ti\n"
        "x = np.random.default_rng(0).normal(size=(600, 8))\n"
        "one, four = (ti.Rips()(x, engine='links', threads=k) for k in (1, 4))\n"
        "assert (one[1] == four[1]).all() and len(one[1]) > 100"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="reads the cores of threads in /proc")
@pytest.mark.skipif(len(getattr(os, "sched_getaffinity", lambda _: [0])(0)) < 2, reason="one core")
def test_threads_keep_the_cores_of_the_process():
    """A thread that is moved to another core may use all cores of the process again."""
    half = ti.DistanceMatrix.from_points(np.random.default_rng(0).normal(size=(3000, 64))).condensed

    def cores(task: str) -> str | None:
        with contextlib.suppress(OSError), open(f"/proc/self/task/{task}/status") as status:
            return next(line for line in status if line.startswith("Cpus_allowed_list"))

    held, samples = cores(str(threading.get_native_id())), []
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(cpu.links_rips, half, 3000, math.inf, 2, 2)
        while not running.done():
            samples.append(all(cores(task) in (held, None) for task in os.listdir("/proc/self/task")))
            time.sleep(0.002)
    assert len(samples) > 20 and sum(samples) > 0.9 * len(samples)


def test_two_calls_at_once(large):
    squares = [large["noise"], large["torus"], large["ring"]] * 2
    alone = [bars(square) for square in squares]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda square: bars(square, threads=2), squares))
    assert together == alone


def threads_alive() -> int:
    return len(os.listdir("/proc/self/task"))


def dense_and_sparse(n: int) -> dict[str, tuple]:
    """Arguments of both kernels for a random graph filtration, the slowest there is."""
    lengths = np.random.default_rng(0).random(n * (n - 1) // 2, dtype=np.float32) + 1
    start = np.concatenate(([0], np.cumsum(np.arange(n - 1, -1, -1))))
    neighbor = np.concatenate([np.arange(i + 1, n, dtype=np.uint32) for i in range(n)])
    return {"links_rips": (lengths, n, math.inf, 2, 2), "links_graph": (start, neighbor, lengths, 3.0, 2, 2)}


@pytest.mark.alone
@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="counts threads in /proc")
@pytest.mark.parametrize("kernel", ["links_rips", "links_graph"])
def test_interrupt_leaves_nothing_behind(kernel):
    arguments = dense_and_sparse(3500)[kernel]
    before = threads_alive()
    delays = []
    for wait in (0.05, 0.2, 0.4):
        sent = []

        def interrupt(sent: list[float] = sent) -> None:
            sent.append(time.perf_counter())
            signal.raise_signal(signal.SIGINT)

        timer = threading.Timer(wait, interrupt)
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            getattr(cpu, kernel)(*arguments)
        delays.append(time.perf_counter() - sent[0])
        timer.join()
    assert statistics.median(delays) < 0.1, delays
    assert threads_alive() <= before


def test_progress_reports_phases():
    seen = []
    n = 2500
    lengths = pdist(np.random.default_rng(0).normal(size=(n, 30))).astype(np.float32)
    cpu.links_rips(lengths, n, math.inf, 2, 1, lambda *state: seen.append(state))
    assert {phase for phase, _, _ in seen} <= {0, 1, 2} and any(phase == 1 and done > 0 for phase, done, _ in seen)

    def refuse(*state: int) -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        cpu.links_rips(lengths, n, math.inf, 2, 2, refuse)


def test_memory_at_4000_points():
    """0.28 GB above the process, the distances among it."""
    code = """if True:
        import numpy as np
        import topo_interp as ti

        def peak():
            lines = open("/proc/self/status").read().splitlines()
            return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024

        points = np.random.default_rng(0).normal(size=(4000, 384)).astype(np.float32)
        ti.Rips()(points[:300], threads=2)
        before = peak()
        d = ti.Rips()(points, threads=2)
        assert len(d[1]) > 5000
        print(peak() - before)
    """
    if not os.path.exists("/proc/self/status"):
        pytest.skip("reads the peak from /proc")
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=110, check=False)
    assert run.returncode == 0, run.stderr
    assert 32e6 < int(run.stdout) < 0.28e9
