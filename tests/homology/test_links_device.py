"""The link scan of the device: its code run by the CPU against the CPU's engine and Ripser, and on a device where one is."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hard_matrices import KINDS, bars_of, condensed, noise, plane, ripser_bars
from oracle_cycles import boundary_of_chain, dies_at, is_born_at

import topo_interp as ti
from topo_interp._native import cpu, cuda_device
from topo_interp.homology.links import LinksEngine, scanned_on_device

_cuda_host = pytest.importorskip("topo_interp._cuda_host", reason="this build has no emulated device")

# Edges, and the pairs: a total order of the edges leaves no choice in these.
ORDERED = ("merge_edges", "merge_lengths", "birth_edges", "birth_lengths", "death_edges", "death_lengths")
# Sizes of batches and formats, which change nothing.
HOWS = [{}, {"least_batch": 16}, {"least_batch": 16, "batch_share": 4, "found_room": 1}, {"wide": True, "least_batch": 64}]


@pytest.fixture
def emulated(monkeypatch):
    monkeypatch.setenv("TOPO_INTERP_CUDA_EMULATION", "1")


def scanned(lengths: np.ndarray, n: int, cut: float = math.inf, wide: bool = False, kernels=_cuda_host, **how):
    witness = np.empty(len(lengths), np.uint32 if wide else np.uint16)
    return kernels.links_scan(lengths, n, cut, witness, **how), witness


def reduced(lengths: np.ndarray, n: int, cut: float = math.inf, field: int = 2, keep: bool = False, **how):
    found, witness = scanned(lengths, n, cut, **how)
    ends = [found[name] for name in ("empty", "squares", "cut", "complete", "edges")]
    return cpu.links_reduce(lengths, n, witness, *ends, field, 2, keep_witnesses=keep)


def pairs(result) -> list[tuple]:
    ends = np.asarray(result.birth_edges)[result.relation_pivots]
    return sorted(map(tuple, np.column_stack((ends, np.asarray(result.death_edges).reshape(-1, 2))).tolist()))


def assert_same(found, expected, where=None) -> None:
    for name in ORDERED:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=f"{name} {where}")
    assert pairs(found) == pairs(expected), where
    assert (found.complete, found.cut, found.edges) == (expected.complete, expected.cut, expected.edges), where


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_pairs_of_the_cpu_and_bars_of_ripser(kind):
    deaths = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        square = kind(rng, int(rng.integers(8, 70)))
        lengths, n = condensed(square), len(square)
        for cut in (math.inf, float(np.float32(np.quantile(square, 0.4)))):
            expected = cpu.links_rips(lengths, n, cut, 3)
            deaths += len(expected.death_edges)
            for how in HOWS:
                assert_same(reduced(lengths, n, cut, 3, **how), expected, (seed, cut, how))
            assert bars_of(reduced(lengths, n, cut, 3)) == ripser_bars(square, 3, cut)
    assert deaths > 5


def test_stars_settle_most_links_and_components_are_grown_for_the_rest():
    points = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
    lengths = ti.DistanceMatrix.from_points(points).condensed
    found, _ = scanned(lengths, 300, least_batch=64)
    assert found["settled"] + found["resolved"] == found["edges"] > 20000
    assert found["resolved"] < 0.5 * found["edges"]
    assert len(found["squares"]) > 100 and len(found["empty"]) > 299
    assert_same(reduced(lengths, 300, least_batch=64), cpu.links_rips(lengths, 300, math.inf))


def test_the_comparison_can_fail():
    square = plane(np.random.default_rng(1), 30)
    moved = square.copy()
    moved[3, 7] = moved[7, 3] = 0.5 * square[3, 7]
    with pytest.raises(AssertionError):
        assert_same(reduced(condensed(moved), 30), cpu.links_rips(condensed(square), 30, math.inf))


@pytest.mark.parametrize("value", [0.0, 1.0, 2.0**-140, 3e38, math.inf])
@pytest.mark.parametrize("n", [2, 3, 9, 70])
def test_all_distances_equal(value, n):
    lengths = np.full(n * (n - 1) // 2, value, np.float32)
    assert_same(reduced(lengths, n), cpu.links_rips(lengths, n, math.inf))


def test_more_than_one_chunk_of_bits():
    """A chunk of a row holds 2048 vertices: here are two."""
    points = np.random.default_rng(2).integers(0, 40, (2100, 2)).astype(np.float32)
    lengths = ti.DistanceMatrix.from_points(points).condensed
    cut = 3.5
    assert_same(reduced(lengths, 2100, cut, least_batch=4096), cpu.links_rips(lengths, 2100, cut, 2, 2))


@pytest.mark.parametrize("field", [2, 3])
def test_cycles_and_cocycles_are_valid(emulated, field):
    """Witnesses of the device are not those of the CPU; what is read from them must be as valid."""
    engine, checked = LinksEngine(device="cuda"), 0
    for seed in range(3):
        square = plane(np.random.default_rng(seed), 18)
        matrix = ti.DistanceMatrix.from_dense(square)
        square = matrix.square().astype(float)
        raw = engine.compute(matrix, max_dim=1, threshold=None, field=field, threads=1, progress=False)
        for bar in range(len(raw.bars[1])):
            birth, death = raw.bars[1][bar]
            if not birth < death:
                continue
            d = ti.Diagrams.from_bars(raw.bars, n=18, provenance=raw.provenance)
            at = int(np.flatnonzero((d[1] == raw.bars[1][bar]).all(axis=1))[0])
            cycle, cocycle = d.cycle(1, at), d.cocycle(1, at)
            chain = {tuple(e): int(c) % field for e, c in zip(cycle.edges.tolist(), cycle.coefficients, strict=True)}
            assert boundary_of_chain(chain, field) == {} and is_born_at(square, chain, birth, field)
            assert dies_at(square, chain, death, field)
            values = {tuple(e): int(c) for e, c in zip(cocycle.edges.tolist(), cocycle.values, strict=True)}
            assert sum(values[e] * c for e, c in chain.items()) % field != 0
            for triangle in boundaries_of_triangles(square, cocycle.at, field):
                assert sum(values[e] * c for e, c in triangle.items()) % field == 0
            checked += 1
    assert checked > 5


def boundaries_of_triangles(square: np.ndarray, at: float, field: int) -> list[dict[tuple[int, int], int]]:
    n, out = len(square), []
    for i in range(n):
        for j in range(i + 1, n):
            for k in range(j + 1, n):
                if max(square[i, j], square[i, k], square[j, k]) <= at:
                    out.append({(i, j): 1, (j, k): 1, (i, k): field - 1})
    assert out
    return out


def test_kept_witnesses_are_checked_and_read():
    square = noise(np.random.default_rng(3), 40)
    lengths = condensed(square)
    links = reduced(lengths, 40, field=3, keep=True, least_batch=32)
    edges, values = cpu.links_cochain(links, lengths, np.ones(len(links.birth_edges), np.uint32), 1e9)
    assert len(edges) == links.edges == len(values)


def test_what_can_not_be_of_these_distances_is_refused():
    lengths = condensed(noise(np.random.default_rng(4), 30))
    found, witness = scanned(lengths, 30)

    def attempt(**changed):
        given = {"witness": witness.copy(), **found, **changed}
        names = ("witness", "empty", "squares", "cut", "complete", "edges")
        return cpu.links_reduce(lengths, 30, *(given[name] for name in names), 2, 2, keep_witnesses=True)

    assert len(attempt().birth_edges) > 5
    wrong = [{"empty": found["empty"][::-1].copy()}, {"empty": found["empty"] + np.uint32(1)}, {"squares": found["squares"][:, [0, 1, 2, 0]].copy()}]
    for value in (29, 30, 65533):
        spoiled = witness.copy()
        spoiled[witness < 30] = value
        wrong.append({"witness": spoiled})
    for changed in wrong:
        with pytest.raises(ValueError, match="witness|in order"):
            attempt(**changed)
    with pytest.raises(ValueError, match="has n"):
        cpu.links_reduce(lengths, 31, witness, found["empty"], found["squares"], 1.0, True, 1)


def test_wrong_sizes_are_errors():
    lengths, witness = condensed(plane(np.random.default_rng(0), 10)), np.empty(45, np.uint16)
    for arguments in [(lengths, 11, 1.0, witness), (lengths, 10, 1.0, witness[:-1]), (lengths, 10, 1.0, witness, 0), (lengths, 10, 1.0, witness, 1, 7)]:
        with pytest.raises(ValueError):
            _cuda_host.links_scan(*arguments)


def test_too_little_memory_is_our_error_with_the_cost(emulated):
    matrix = ti.DistanceMatrix.from_points(np.random.default_rng(0).normal(size=(400, 3)).astype(np.float32))
    before = _cuda_host.device_info(0)["free"]
    try:
        _cuda_host.set_memory(10**6)
        with pytest.raises(ti.BudgetError, match=r"links of 400 points needs at least .* on 'cuda', which has 1 MB free"):
            scanned_on_device(matrix, math.inf)
    finally:
        _cuda_host.set_memory(2 << 30)
    assert _cuda_host.device_info(0)["free"] == before  # nothing was left behind
    counts: dict = {}
    scanned_on_device(matrix, math.inf, counts=counts)
    assert counts["bytes"] < 10**8 and counts["edges"] > 50000


def test_memory_of_fifty_thousand_points():
    """Matrix aside: sorting 1.25e9 edges takes 20 GB, and what is kept afterwards is less."""
    n, pairs_of = 50_000, 50_000 * 49_999 // 2
    assert 20e9 < _cuda_host.link_scan_bytes(n, pairs_of) < 20.2e9
    assert _cuda_host.link_scan_bytes(n, pairs_of // 10) < 4e9


def test_a_scan_can_be_stopped():
    lengths = condensed(noise(np.random.default_rng(0), 500))

    def refuse(*state):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        for _ in range(20):  # it is asked every 50 ms
            scanned(lengths, 500, progress=refuse, least_batch=64)


def test_the_engine_says_its_device_and_needs_one(emulated, monkeypatch):
    matrix = ti.DistanceMatrix.from_points(np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32))
    arguments = {"max_dim": 1, "threshold": None, "field": 2, "threads": 1, "progress": False}
    raw = LinksEngine(device="cuda").compute(matrix, **arguments)
    assert raw.engine.endswith(" on cuda") and len(raw.bars[1]) > 0
    monkeypatch.setattr(_cuda_host, "device_count", lambda: 0)
    with pytest.raises(ti.MissingEngineError, match="no CUDA device"):
        LinksEngine(device="cuda").compute(matrix, **arguments)
    with pytest.raises(ti.InputError, match="'cuda:1'"):
        LinksEngine(device="gpu").compute(matrix, **arguments)


@pytest.mark.parametrize("seed", range(3))
def test_a_recipe_on_the_device(emulated, seed):
    """Points of integers have the CPU's distances; others have their own, from which cycles are read again."""
    rng = np.random.default_rng(seed)
    points = rng.integers(0, 12, (60, 2)).astype(np.float32)
    on_device, expected = (ti.Rips(field=3)(points, device=device) for device in ("cuda", "cpu"))
    assert on_device.to_gudhi() == expected.to_gudhi()
    assert " on cuda" in on_device.certificate.engine and " on cuda" not in expected.certificate.engine
    noisy = np.vstack((ti.shapes.noisy_circle(40, 0.05, 30, seed=seed), rng.normal(size=(20, 30)))).astype(np.float32)
    diagrams = ti.Rips(field=3)(noisy, device="cuda")
    bar = int(np.argmax(diagrams[1][:, 1] - diagrams[1][:, 0]))
    cycle, cocycle = diagrams.cycle(1, bar), diagrams.cocycle(1, bar)
    values = {tuple(e): int(c) for e, c in zip(cocycle.edges.tolist(), cocycle.values, strict=True)}
    assert sum(values[tuple(e)] * int(c) for e, c in zip(cycle.edges.tolist(), cycle.coefficients, strict=True)) % 3 != 0
    components = ti.Rips(max_dim=0)(noisy, engine="spanning-tree", device="cuda")
    np.testing.assert_array_equal(components[0], diagrams[0])
    assert components.certificate.engine.endswith(" on cuda")


@pytest.mark.cuda
def test_the_device_finds_what_the_emulation_finds():
    kernels = cuda_device(0)
    for kind in KINDS:
        rng = np.random.default_rng(7)
        square = kind(rng, 65)
        lengths, n = condensed(square), len(square)
        for how in HOWS:
            ours, expected = (scanned(lengths, n, kernels=each, **how) for each in (kernels, _cuda_host))
            np.testing.assert_array_equal(ours[0]["empty"], expected[0]["empty"])
            assert_same(reduced(lengths, n, 1e9, 3, kernels=kernels, **how), cpu.links_rips(lengths, n, 1e9, 3), (kind, how))


@pytest.mark.cuda
def test_the_device_on_thousands_of_points():
    points = np.random.default_rng(0).normal(size=(4000, 20)).astype(np.float32)
    matrix = ti.DistanceMatrix.from_points(points)
    assert_same(scanned_on_device(matrix, math.inf), cpu.links_rips(matrix.condensed, 4000, math.inf, 2, 2))
