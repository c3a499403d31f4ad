"""Engine "links" on radius graphs: the bars of the cut matrix, as far as the graph says that it is complete."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from oracle_persistence import rips_bars

import topo_interp as ti


@pytest.mark.parametrize("field", [2, 3, 41])
def test_a_radius_graph_has_the_bars_of_the_cut_matrix(field):
    rng = np.random.default_rng(field)
    clouds = [rng.normal(size=(150, 3)), rng.integers(0, 5, (150, 3)).astype(float), np.repeat(rng.normal(size=(40, 2)), 3, axis=0)]
    loops = cut = 0
    for points in clouds:
        points = points.astype(np.float32)
        matrix = ti.DistanceMatrix.from_points(points)
        for share in (0.05, 0.3, 0.9):
            radius = float(np.quantile(matrix.condensed, share))
            graph = ti.radius_graph(points, radius)
            sparse = ti.Rips(field=field)(graph, threads=2)
            dense = ti.Rips(field=field, threshold=radius)(matrix)
            assert sparse.to_gudhi() == dense.to_gudhi()
            assert sparse.censored(1).sum() == dense.open(1).sum() and sparse.censored_at == dense.censored_at
            assert sparse.certificate.status is dense.certificate.status
            cut += sparse.censored_at == radius
            loops += len(sparse[1])
    assert loops > 100 and cut >= 6


def test_a_radius_graph_with_every_pair_in_is_exact():
    points = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    whole = ti.Rips()(ti.radius_graph(points, 100.0))
    assert ti.same_bars(whole, ti.Rips()(points)) and whole.censored_at is None
    assert whole.certificate.status is ti.Status.EXACT and whole.certificate.valid_to == math.inf
    # Some point within the radius of all others is enough: the enclosing radius.
    enclosing = float(ti.pairwise_distances(points).max(axis=1).min())
    assert ti.Rips()(ti.radius_graph(points, enclosing)).certificate.status is ti.Status.EXACT
    just_below = np.nextafter(np.float32(enclosing), np.float32(0))
    assert ti.Rips()(ti.radius_graph(points, just_below)).censored_at == just_below
    assert ti.Rips(threshold=0.5)(ti.radius_graph(points, 100.0)).censored_at == 0.5


def test_a_radius_that_float32_shortens_loses_no_pair():
    """0.1 is longer in float32: the pair at exactly the radius is in, at its stored length."""
    diagrams = ti.Rips()(ti.radius_graph([[0.0], [0.1]], 0.1))
    assert diagrams.certificate.status is ti.Status.EXACT
    assert diagrams[0].tolist() == [[0.0, float(np.float32(0.1))], [0.0, math.inf]]


def cut_at(bars: list, value: float) -> Counter:
    """The bars as far as the filtration up to a value shows them."""
    return Counter((dim, birth, death if death <= value else math.inf) for dim, birth, death in bars if birth <= value)


def test_a_radius_graph_of_float64_is_complete_as_far_as_it_says():
    """Radii and thresholds that are distances, or their neighbors, on lattices that float32 does not hold."""
    rng, seen = np.random.default_rng(0), Counter()
    for _ in range(60):
        points = 0.1 * rng.integers(0, 4, (int(rng.integers(2, 9)), 2))
        whole = ti.radius_graph(points, 9.0)
        square = whole.csr().toarray()
        truth = rips_bars(square.astype(np.float32).astype(np.float64), 1)
        at = float(rng.choice(square.ravel()))
        value = (at, math.nextafter(at, 9), float(np.float32(at)))[int(rng.integers(3))]
        for graph, threshold in ((ti.radius_graph(points, value), None), (whole, value), (ti.radius_graph(points, value), value)):
            found = ti.Rips(threshold=threshold)(graph)
            bars = [(dim, birth, death) for dim, (birth, death) in found.to_gudhi()]
            certificate = found.certificate
            assert cut_at(bars, certificate.valid_to) == cut_at(truth, certificate.valid_to), (points, value)
            assert (certificate.status is ti.Status.EXACT) == (certificate.valid_to == math.inf) == (found.censored_at is None)
            # What the threshold cut is not said to have ended later than it was looked at.
            assert found.censored_at is None or all(birth <= found.censored_at for _, birth, _ in bars)
            seen[certificate.status] += 1
    assert min(seen[ti.Status.EXACT], seen[ti.Status.CENSORED]) > 30


def test_the_budget_of_a_radius_graph():
    graph = ti.radius_graph(np.random.default_rng(0).normal(size=(200, 3)), 1.0)
    with pytest.raises(ti.BudgetError, match=r"a radius graph of \d+ pairs needs .* over the budget of 1 kB: take a smaller radius"):
        ti.Rips()(graph, memory="1kB")


def test_what_a_radius_graph_can_not_do():
    graph = ti.radius_graph(np.arange(5.0)[:, None], 1.5)
    with pytest.raises(ti.InputError, match="degrees 0 and 1"):
        ti.Rips(max_dim=2)(graph)
    with pytest.raises(ti.InputError, match="euclidean"):
        ti.Rips("cosine")(graph)
    assert len(ti.Rips(threshold=9.0)(graph)[0]) == 5
    with pytest.raises(ti.InputError, match=r"a distance is 1e\+39, .* float32, .* scale"):  # not a bar without an end
        ti.Rips()(ti.radius_graph([[0.0], [1e39]], 2e39))


@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="AddressSanitizer keeps freed memory back")
def test_memory_of_a_radius_graph_is_what_is_taken():
    code = """if True:
        import re
        import numpy as np
        import topo_interp as ti
        from topo_interp.homology.links import graph_memory

        def status(field):
            return int(re.search(field + r":\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024

        points = np.random.default_rng(0).normal(size=(20000, 2))
        ti.Rips()(ti.radius_graph(points[:300], 0.3), threads=2)
        graph = ti.radius_graph(points, 0.08)
        before = status("VmRSS")  # the peak of making the graph is far below that of its bars
        assert len(ti.Rips()(graph, threads=2)[1]) > 1000
        print(status("VmHWM") - before, graph_memory(graph))
    """
    if not os.path.exists("/proc/self/status"):
        pytest.skip("reads the peak from /proc")
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=110, check=False)
    assert run.returncode == 0, run.stderr
    taken, stated = map(int, run.stdout.split())
    assert 0.7 * stated < taken < stated
